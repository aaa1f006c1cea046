//! Sample: a share of the events, the same ones in every run.

use std::any::Any;
use std::sync::Arc;

use crate::event::{Batch, Demand, Layout};
use crate::expr::Want;
use crate::flow::{Fatal, Operator, Output, Progress};
use crate::spec::{Key, Rule, StageSpec, Table, Type};
use crate::state::codec::{Reader, put_varint};
use crate::state::{Corrupt, HEAD, Saved, Shape, Snapshot};

use super::eval::Evaluator;
use super::expression::{StageExpr, reads};
use super::key;
use super::stage::{Stage, StageContext};

pub static TABLE: Table = Table::new(
    "sample",
    "Lets a share of the events pass. Nothing is random: the same input and `seed` give the same choice.",
    &[
        Key::new("rate", Type::Share, "The share that passes, from 0 to 1.").example("0.01"),
        Key::new("every", Type::Int { min: 1, max: i64::MAX }, "The n-th event passes, the 2n-th, and so on.")
            .example("100"),
        Key::new("by", Type::Expr, "Events of one value share one fate: all of them pass, or none.")
            .default_note("each event by its place in the order in which the stage sees them")
            .example("event.user"),
        Key::new("seed", Type::Int { min: 0, max: i64::MAX }, "Another seed chooses others.").default("0"),
    ],
)
.rules(&[Rule::ExactlyOne(&["rate", "every"]), Rule::Needs("by", "rate"), Rule::Needs("seed", "rate")])
.example("some:\n  from: clicks\n  sample: { rate: 0.1, by: event.user_id }\n");

/// Which events pass.
#[derive(Clone, Copy)]
enum Chosen {
    /// Those whose hash is below this share of all hashes; `None`: all.
    Share { below: Option<u64>, seed: u64 },
    /// The n-th, the 2n-th, and so on.
    Every(u64),
}

impl Chosen {
    /// A share of all 64-bit hashes.
    fn share(rate: f64, seed: u64) -> Chosen {
        // 2^64 is a float; a rate below 1 gives less.
        let below = (rate < 1.0).then_some((rate.max(0.0) * 18_446_744_073_709_551_616.0) as u64);
        Chosen::Share { below, seed }
    }
}

/// A choice of events.
struct Sample {
    choice: Chosen,
    by: Option<StageExpr>,
    at: Arc<str>,
}

/// Checks and compiles a `sample`.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let config = &spec.config;
    let by = match config.expr_opt("by") {
        Some(text) => Some(ctx.compile("by", text, Want::Value)?),
        None => None,
    };
    let choice = match config.share_opt("rate") {
        Some(rate) => Chosen::share(rate, config.int("seed").unsigned_abs()),
        None => Chosen::Every(config.int("every").unsigned_abs().max(1)),
    };
    Some(Box::new(Sample { choice, by, at: ctx.at(config.span) }))
}

impl Stage for Sample {
    fn reads(&self) -> Demand {
        reads(&self.by)
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        self.by.iter().collect()
    }

    /// Without `by` it counts events, and has to see all of them in their order.
    fn is_stateful(&self) -> bool {
        self.by.is_none()
    }

    /// The number of events so far, whatever is chosen by it.
    fn shape(&self) -> Option<Shape> {
        let shape = Shape { kind: "sample".into(), version: 1, frame: "events".into(), parts: Vec::new() };
        self.is_stateful().then_some(shape)
    }

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        let by = self.by.as_ref().map(|by| Evaluator::new([by], inputs));
        Box::new(Run { choice: self.choice, by, seen: 0, at: self.at.clone(), buffer: Vec::new() })
    }
}

/// The number of events that a `sample` has seen, on its way to another.
struct Counted(u64);

/// A `sample` at work.
struct Run {
    choice: Chosen,
    by: Option<Evaluator>,
    /// Events so far, where it counts.
    seen: u64,
    at: Arc<str>,
    buffer: Vec<u8>,
}

impl Run {
    /// Whether the next event passes, where it is chosen by its place among all.
    fn next_passes(&mut self) -> bool {
        self.seen = self.seen.wrapping_add(1);
        match self.choice {
            Chosen::Every(n) => self.seen.is_multiple_of(n),
            Chosen::Share { below, seed } => is_below(&self.seen.to_be_bytes(), below, seed),
        }
    }
}

fn is_below(bytes: &[u8], below: Option<u64>, seed: u64) -> bool {
    below.is_none_or(|below| key::hash(bytes, seed) < below)
}

impl Operator for Run {
    fn snapshot(&mut self, into: &mut Snapshot) {
        if self.by.is_none() {
            into.put(HEAD, |out| put_varint(out, self.seen));
        }
    }

    fn restore(&mut self, saved: &Saved) -> Result<(), Corrupt> {
        for (_, value) in saved.current()? {
            let mut value = Reader::new(value);
            self.seen = value.varint()?;
            value.end()?;
        }
        Ok(())
    }

    fn give(&mut self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new(Counted(std::mem::take(&mut self.seen))))
    }

    fn adopt(&mut self, state: Box<dyn Any + Send>) -> bool {
        let Ok(counted) = state.downcast::<Counted>() else { return false };
        self.seen = counted.0;
        true
    }

    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let mut rows = batch.selection.to_vec();
        match (&mut self.by, self.choice) {
            (Some(by), Chosen::Share { below, seed }) => {
                let values = by.eval(&batch, rows, out);
                rows = Vec::new();
                for &row in &values.rows {
                    match values.key(row, &mut self.buffer) {
                        Ok(()) if is_below(&self.buffer, below, seed) => rows.push(row),
                        Ok(()) => {}
                        Err(why) => out.reject(&batch, row, why.reject(&self.at)),
                    }
                }
            }
            _ => rows.retain(|_| self.next_passes()),
        }
        out.emit(0, batch.select(rows));
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Running, expr};
    use super::*;

    fn passed(choice: Chosen, by: Option<&str>, n: usize) -> Vec<usize> {
        let stage = Sample { choice, by: by.map(|text| expr(text, Want::Value)), at: "".into() };
        let mut run = Running::start(&stage, 1, &[]);
        let lines: Vec<String> = (1..=n).map(|i| format!(r#"{{"n":{i},"user":{}}}"#, i % 10)).collect();
        for lines in lines.chunks(100) {
            run.give(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let n_of = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["n"].as_u64().unwrap();
        run.ports[0].iter().map(|line| n_of(line) as usize).collect()
    }

    #[test]
    fn every_nth_passes() {
        assert_eq!(passed(Chosen::Every(3), None, 10), [3, 6, 9]);
    }

    #[test]
    fn it_goes_on_counting() {
        let stage = Sample { choice: Chosen::Every(3), by: None, at: "".into() };
        let mut run = Running::start(&stage, 1, &[]);
        run.give(&[r#"{"n":1}"#]).checkpoint().restart(&stage).give(&[r#"{"n":2}"#]);
        assert!(run.hand_over(&stage));
        assert_eq!(run.give(&[r#"{"n":3}"#]).ports[0], [r#"{"n":3}"#]);
        let by = Sample { choice: Chosen::share(0.5, 0), by: Some(expr("event.n", Want::Value)), at: "".into() };
        assert_eq!(by.shape(), None);
    }

    #[test]
    fn a_share_is_near_and_the_same_each_time() {
        let some = passed(Chosen::share(0.25, 7), None, 10_000);
        assert!((2_300..2_700).contains(&some.len()), "{}", some.len());
        assert_eq!(some, passed(Chosen::share(0.25, 7), None, 10_000));
        assert_ne!(some, passed(Chosen::share(0.25, 8), None, 10_000));
        assert!(passed(Chosen::share(0.0, 7), None, 1_000).is_empty());
        assert_eq!(passed(Chosen::share(1.0, 7), None, 1_000).len(), 1_000);
    }

    #[test]
    fn one_value_has_one_fate() {
        let some = passed(Chosen::share(0.5, 1), Some("event.user"), 1_000);
        assert!(!some.is_empty() && some.len() < 1_000);
        for user in 0..10 {
            let of_user = some.iter().filter(|n| *n % 10 == user).count();
            assert!(of_user == 0 || of_user == 100, "{of_user}");
        }
    }
}
