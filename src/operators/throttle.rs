//! Throttle: not more than so many events in a time, by the wall clock.

mod bucket;

use std::any::Any;
use std::sync::Arc;

use crate::event::{Batch, Demand, Layout};
use crate::flow::{Fatal, Held, Operator, Output, Progress};
use crate::spec::{Choice, Key, Ports, StageSpec, Table, Type};

use super::eval::{Evaluated, Evaluator, keys_full};
use super::expression::{StageExpr, identity, reads};
use super::stage::{Stage, StageContext};
use bucket::{Buckets, Rate, Take};

pub static TABLE: Table = Table::new(
    "throttle",
    "Lets events pass at a rate by the wall clock. The bucket of `burst` events is full at the start.",
    &[
        Key::new("rate", Type::Rate, "How many events in which time.").required().example("100/s"),
        Key::new("burst", Type::Int { min: 1, max: i64::MAX }, "How many may pass at once after a silence.")
            .default_note("what `rate` gives in a second, at least 1"),
        Key::new("key", Type::ExprOrMap, "Each value has a rate of its own.")
            .default_note("one rate for all events")
            .example("event.user"),
        Key::new(
            "exceed",
            Type::Choice(&[
                Choice::new(
                    "wait",
                    "the event waits, and all behind it do; when the topology stops, what waits passes",
                ),
                Choice::new("drop", "the event is dropped and counted"),
                Choice::new("route", "the event leaves by the port `over`"),
            ]),
            "What happens to an event over the rate.",
        )
        .required()
        .example("wait"),
    ],
)
.ports(Ports::MainAnd(&["over"]))
.example("calm:\n  from: alerts\n  throttle: { rate: 100/s, exceed: wait }\n");

/// What happens to an event over the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exceed {
    Wait,
    Drop,
    Route,
}

/// A rate for each key.
struct Throttle {
    key: Vec<StageExpr>,
    rate: Rate,
    exceed: Exceed,
    keys_max: usize,
    at: Arc<str>,
}

/// Checks and compiles a `throttle`.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let config = &spec.config;
    let key = match config.one_or_named_opt("key") {
        Some(key) => ctx.compile_key("key", key)?,
        None => Vec::new(),
    };
    let rate = config.rate("rate");
    let second = (rate.per_second() as u64).max(1);
    let burst = config.int_opt("burst").map_or(second, |burst| burst.unsigned_abs());
    let exceed = match config.choice("exceed") {
        "drop" => Exceed::Drop,
        "route" => Exceed::Route,
        _ => Exceed::Wait,
    };
    Some(Box::new(Throttle {
        key,
        rate: Rate::new(rate.events, rate.per, burst),
        exceed,
        keys_max: ctx.limits.keys,
        at: ctx.at(config.span),
    }))
}

impl Stage for Throttle {
    fn reads(&self) -> Demand {
        reads(&self.key)
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        self.key.iter().collect()
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        Box::new(Run {
            key: Evaluator::new(&self.key, inputs),
            key_identity: identity(&self.key),
            buckets: Buckets::new(self.rate, self.keys_max),
            exceed: self.exceed,
            keys_max: self.keys_max,
            at: self.at.clone(),
            waiting: None,
            buffer: Vec::new(),
        })
    }
}

/// A `throttle` at work.
struct Run {
    key: Evaluator,
    /// What the key is, to know whether another's buckets are by the same one.
    key_identity: String,
    buckets: Buckets,
    exceed: Exceed,
    keys_max: usize,
    at: Arc<str>,
    waiting: Option<Waiting>,
    buffer: Vec<u8>,
}

/// A batch whose events from `next` on have not passed yet.
struct Waiting {
    batch: Batch,
    keys: Evaluated,
    next: usize,
}

impl Run {
    /// Passes what may pass now. Without a bucket's worth for an event, `wait` keeps it and all behind it.
    fn pass(&mut self, mut waiting: Waiting, out: &mut Output) -> Progress {
        let (mut passed, mut over) = (Vec::new(), Vec::new());
        let mut until = None;
        while let Some(&row) = waiting.keys.rows.get(waiting.next) {
            let taken = match waiting.keys.key(row, &mut self.buffer) {
                Ok(()) => self.buckets.take(&self.buffer, out.now()),
                Err(why) => {
                    out.reject(&waiting.batch, row, why.reject(&self.at));
                    waiting.next += 1;
                    continue;
                }
            };
            match taken {
                Take::Passed => passed.push(row),
                Take::NotBefore(then) if self.exceed == Exceed::Wait => {
                    until = Some(then);
                    break;
                }
                Take::NotBefore(_) => over.push(row),
                Take::Full => out.reject(&waiting.batch, row, keys_full(self.keys_max, "`limits.keys`", &self.at)),
            }
            waiting.next += 1;
        }
        out.emit(0, waiting.batch.select(passed));
        if self.exceed == Exceed::Route {
            out.emit(1, waiting.batch.select(over));
        }
        match until {
            Some(then) => {
                self.waiting = Some(waiting);
                Progress::Wait(then)
            }
            None => Progress::Done,
        }
    }
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let keys = self.key.eval(&batch, batch.selection.to_vec(), out);
        Ok(self.pass(Waiting { batch, keys, next: 0 }, out))
    }

    fn resume(&mut self, out: &mut Output) -> Result<Progress, Fatal> {
        Ok(match self.waiting.take() {
            Some(waiting) => self.pass(waiting, out),
            None => Progress::Done,
        })
    }

    /// A topology that stops does not wait: what is held passes.
    fn on_barrier(&mut self, out: &mut Output) -> Result<Progress, Fatal> {
        if let Some(Waiting { batch, keys, next }) = self.waiting.take() {
            out.emit(0, batch.select(keys.rows[next..].to_vec()));
        }
        Ok(Progress::Done)
    }

    fn give(&mut self) -> Option<Box<dyn Any + Send>> {
        Some(Box::new((self.key_identity.clone(), self.buckets.take_all())))
    }

    /// Another key or rate begins with full buckets. The clock of the two is the same.
    fn adopt(&mut self, state: Box<dyn Any + Send>) -> bool {
        let Ok(state) = state.downcast::<(String, Buckets)>() else { return false };
        let (key, buckets) = *state;
        key == self.key_identity && self.buckets.adopt(buckets)
    }

    fn held(&self) -> Held {
        Held { keys: self.buckets.len() as u64, windows: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Running, exprs};
    use super::*;

    fn throttle(exceed: Exceed, key: &[&str]) -> Throttle {
        with_rate(Rate::new(10, Duration::from_secs(1), 2), exceed, key)
    }

    fn with_rate(rate: Rate, exceed: Exceed, key: &[&str]) -> Throttle {
        Throttle { key: exprs(key), rate, exceed, keys_max: 2, at: "".into() }
    }

    const FOUR: [&str; 4] = [r#"{"n":1,"k":1}"#, r#"{"n":2,"k":1}"#, r#"{"n":3,"k":1}"#, r#"{"n":4,"k":2}"#];

    #[test]
    fn waiting_keeps_all_events_in_order() {
        let mut run = Running::start(&throttle(Exceed::Wait, &["event.k"]), 2, &[]);
        run.give(&FOUR);
        assert_eq!(run.ports[0], FOUR);
        assert_eq!(run.now, Duration::from_millis(100));
    }

    #[test]
    fn others_leave_by_over() {
        let mut run = Running::start(&throttle(Exceed::Route, &[]), 2, &[]);
        run.give(&FOUR);
        assert_eq!(run.ports, [FOUR[..2].to_vec(), FOUR[2..].to_vec()]);
        run.now = Duration::from_millis(150);
        run.give(&FOUR[..1]);
        assert_eq!(run.ports[0].len(), 3);
    }

    #[test]
    fn buckets_go_to_a_throttle_of_the_same_rate_and_key() {
        let mut run = Running::start(&throttle(Exceed::Drop, &["event.k"]), 2, &[]);
        run.give(&FOUR[..2]);
        let passed = |run: &mut Running| {
            let before = run.ports[0].len();
            run.give(&FOUR[2..3]).ports[0].len() - before
        };
        assert!(run.hand_over(&throttle(Exceed::Drop, &["event.k"])));
        assert_eq!(passed(&mut run), 0);
        assert!(!run.hand_over(&throttle(Exceed::Drop, &["event.n"])));
        assert_eq!(passed(&mut run), 1);
        assert!(!run.hand_over(&with_rate(Rate::new(9, Duration::from_secs(1), 2), Exceed::Drop, &["event.n"])));
    }

    #[test]
    fn keys_have_rates_of_their_own_and_a_bound() {
        let mut run = Running::start(&throttle(Exceed::Drop, &["event.k"]), 2, &[]);
        run.give(&FOUR).give(&[r#"{"k":3}"#]);
        assert_eq!(run.ports[0], [FOUR[0], FOUR[1], FOUR[3]]);
        assert_eq!(run.errors, [("keys-full", r#"{"k":3}"#.to_owned())]);
    }
}
