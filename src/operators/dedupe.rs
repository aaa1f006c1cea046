//! Dedupe: the first event of a key passes, its repetitions within a time do not.

mod seen;

use std::any::Any;
use std::sync::Arc;

use crate::event::{Batch, Demand, Layout, Timestamp};
use crate::flow::{Fatal, Held, Operator, Output, Progress};
use crate::spec::{Key, Ports, StageSpec, Table, Type};
use crate::state::codec::{Reader, put_i64};
use crate::state::{Corrupt, HEAD, Keys, Saved, Shape, Snapshot};

use super::eval::{Evaluator, KeyTooLong, keys_full, no_time};
use super::expression::{StageExpr, identity, reads};
use super::key;
use super::saved::key_of;
use super::stage::{Carry, Stage, StageContext};
use seen::{Seen, Verdict};

pub static TABLE: Table = Table::new(
    "dedupe",
    "Lets the first event of a key pass. Others of the key within `within` of it, before or after, leave by the port `duplicates` and do not \
     prolong it. What comes after its state is gone passes: a double is better than a loss.",
    &[
        Key::new("key", Type::ExprOrMap, "What makes two events the same.").required().example("event.event_id"),
        Key::new("within", Type::Duration, "For how long, in event time.").required().example("10m"),
        Key::new("keys_max", Type::Int { min: 1, max: i64::MAX }, "Different keys that are kept; events of more are errors.")
            .default_note("`limits.keys`"),
    ],
)
.ports(Ports::MainAnd(&["duplicates"]))
.stateful()
.timed()
.example("once:\n  from: online\n  dedupe: { key: event.event_id, within: 10m }\n");

/// What makes two events the same, and for how long.
struct Dedupe {
    key: Vec<StageExpr>,
    within_ms: i64,
    keys_max: usize,
    /// The place of the key `dedupe`.
    at: Arc<str>,
}

/// Checks and compiles a `dedupe`.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let config = &spec.config;
    let key = ctx.compile_key("key", config.one_or_named("key"))?;
    let within_ms = i64::try_from(config.duration("within").as_millis()).unwrap_or(i64::MAX);
    Some(Box::new(Dedupe { key, within_ms, keys_max: ctx.keys_max(config), at: ctx.at(config.span) }))
}

impl Stage for Dedupe {
    fn reads(&self) -> Demand {
        reads(&self.key)
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        self.key.iter().collect()
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn shape(&self) -> Option<Shape> {
        Some(Shape { kind: "dedupe".into(), version: VERSION, frame: identity(&self.key), parts: Vec::new() })
    }

    fn carry(&self, from: &Shape) -> Carry {
        match self.shape() {
            Some(shape) if shape.reads(from) => Carry::Kept,
            Some(shape) if (&shape.kind, shape.version) == (&from.kind, from.version) => {
                Carry::Lost("its key has changed".into())
            }
            _ => Carry::Lost("its state was of another kind".into()),
        }
    }

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        Box::new(Run {
            eval: Evaluator::new(&self.key, inputs),
            seen: Seen::new(self.within_ms, self.keys_max),
            keys_max: self.keys_max,
            at: self.at.clone(),
            mark: Timestamp::NONE,
            keys: Keys::default(),
        })
    }
}

/// Of its records: the head has the watermark, a key the times of its firsts.
const VERSION: u32 = 1;

/// A `dedupe` at work.
struct Run {
    eval: Evaluator,
    seen: Seen,
    keys_max: usize,
    at: Arc<str>,
    /// What event time has come to: what it has passed is being forgotten.
    mark: Timestamp,
    /// Of the batch at hand.
    keys: Keys,
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let evaluated = self.eval.eval(&batch, batch.selection.to_vec(), out);
        key::of_rows(&evaluated.columns, &evaluated.texts, &evaluated.rows, &mut self.keys);
        self.seen.find_all(&mut self.keys);
        let (mut firsts, mut duplicates) = (Vec::new(), Vec::new());
        for (at, &row) in evaluated.rows.iter().enumerate() {
            if let Some(len) = self.keys.too_long(at) {
                out.reject(&batch, row, KeyTooLong(len).reject(&self.at));
                continue;
            }
            let Some(time) = batch.times[row as usize].get() else {
                out.reject(&batch, row, no_time(&self.at));
                continue;
            };
            match self.seen.see(&self.keys.probe(at), time, batch.marks[row as usize]) {
                Verdict::First => firsts.push(row),
                Verdict::Duplicate => duplicates.push(row),
                Verdict::Full => {
                    out.reject(&batch, row, keys_full(self.keys_max, "`keys_max` (or `limits.keys`)", &self.at))
                }
            }
        }
        out.emit(0, batch.select(firsts));
        out.emit(1, batch.select(duplicates));
        Ok(Progress::Done)
    }

    fn on_watermark(&mut self, mark: Timestamp, out: &mut Output) -> Result<Progress, Fatal> {
        self.mark = mark;
        self.resume(out)
    }

    fn resume(&mut self, _out: &mut Output) -> Result<Progress, Fatal> {
        Ok(if self.seen.expire(self.mark) { Progress::More } else { Progress::Done })
    }

    fn snapshot(&mut self, into: &mut Snapshot) {
        self.seen.save(into);
        into.put(HEAD, |out| put_i64(out, self.mark.0));
    }

    fn restore(&mut self, saved: &Saved) -> Result<(), Corrupt> {
        for (name, value) in saved.current()? {
            let mut value = Reader::new(value);
            match key_of(name)? {
                Some(key) => self.seen.load(key, &mut value)?,
                None => self.mark = Timestamp(value.i64()?),
            }
            value.end()?;
        }
        Ok(())
    }

    fn give(&mut self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new((self.seen.take(), self.mark)))
    }

    fn adopt(&mut self, state: Box<dyn Any + Send>) -> bool {
        let Ok(state) = state.downcast::<(Seen, Timestamp)>() else { return false };
        let (seen, mark) = *state;
        self.seen.adopt(seen);
        self.mark = mark;
        true
    }

    fn held(&self) -> Held {
        Held { keys: self.seen.len() as u64, windows: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Running, damage, exprs};
    use super::*;

    fn dedupe(keys_max: usize) -> Dedupe {
        Dedupe { key: exprs(&["event.id"]), within_ms: 10, keys_max, at: "x.yaml:1:1".into() }
    }

    #[test]
    fn repetitions_leave_by_duplicates() {
        let mut run = Running::start(&dedupe(10), 2, &[]);
        run.give(&[r#"{"id":1,"t":5}"#, r#"{"id":"1","t":5}"#, r#"{"id":1.0,"t":15}"#]);
        run.give(&[r#"{"id":1,"t":16}"#]);
        assert_eq!(run.ports[0], [r#"{"id":1,"t":5}"#, r#"{"id":"1","t":5}"#, r#"{"id":1,"t":16}"#]);
        assert_eq!(run.ports[1], [r#"{"id":1.0,"t":15}"#]);
    }

    #[test]
    fn state_goes_with_time_and_is_bounded() {
        let mut run = Running::start(&dedupe(1), 2, &[]);
        run.give(&[r#"{"id":1,"t":0}"#, r#"{"id":2,"t":0}"#, r#"{"id":3}"#]);
        let codes: Vec<&str> = run.errors.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, ["keys-full", "no-time"]);
        run.watermark(11).give(&[r#"{"id":2,"t":12}"#]);
        assert_eq!(run.ports[0].len(), 2);
    }

    proptest! {
        #[test]
        fn it_goes_on_from_snapshots_as_if_nothing_had_been(
            steps in prop::collection::vec((0..6_i64, 0..30_i64, 0..12_u8), 1..120),
        ) {
            let stage = dedupe(8);
            let (mut whole, mut cut) = (Running::start(&stage, 2, &[]), Running::start(&stage, 2, &[]));
            for (i, (id, jitter, what)) in steps.into_iter().enumerate() {
                let time = i as i64 + jitter;
                let line = format!(r#"{{"id":{id},"t":{time}}}"#);
                whole.give(&[&line]);
                cut.give(&[&line]);
                match what {
                    0..5 => {}
                    5..8 => {
                        whole.watermark(i as i64);
                        cut.watermark(i as i64);
                    }
                    8 | 9 => drop(cut.checkpoint()),
                    10 => drop(cut.checkpoint().restart(&stage)),
                    _ => prop_assert!(cut.hand_over(&stage)),
                }
                prop_assert_eq!((&whole.ports, &whole.errors), (&cut.ports, &cut.errors));
            }
        }

        #[test]
        fn damaged_snapshots_are_errors_or_something_else_but_no_panic(at in 0..200_usize, bit in 0..8_u8) {
            let stage = dedupe(100);
            let mut run = Running::start(&stage, 2, &[]);
            run.give(&[r#"{"id":1,"t":5}"#, r#"{"id":"abc","t":900}"#, r#"{"id":1,"t":50}"#]).checkpoint();
            let good = run.saved(&stage);
            damage(&stage, &good, at, bit);
        }
    }

    #[test]
    fn another_time_keeps_what_was_seen_and_another_key_does_not() {
        let longer = Dedupe { within_ms: 100, ..dedupe(10) };
        let mut run = Running::start(&dedupe(10), 2, &[]);
        run.give(&[r#"{"id":1,"t":5}"#]).checkpoint().restart(&longer).give(&[r#"{"id":1,"t":105}"#]);
        assert_eq!(run.ports[1], [r#"{"id":1,"t":105}"#]);
        let shape = dedupe(10).shape().unwrap();
        assert_eq!(longer.carry(&shape), Carry::Kept);
        let other = Dedupe { key: exprs(&["event.other"]), ..dedupe(10) };
        assert!(matches!(other.carry(&shape), Carry::Lost(_)));
    }

    #[test]
    fn a_key_has_a_bound() {
        let mut run = Running::start(&dedupe(1), 2, &[]);
        run.give(&[&format!(r#"{{"id":"{}","t":1}}"#, "x".repeat(10_000))]);
        assert_eq!(run.errors[0].0, "key-too-long");
    }
}
