//! Dedupe: the first event of a key passes, its repetitions within a time do not.

mod seen;

use std::sync::Arc;

use crate::event::{Batch, Demand, Layout, Timestamp};
use crate::flow::{Fatal, Held, Operator, Output, Progress};
use crate::spec::{Key, Ports, StageSpec, Table, Type};

use super::eval::{Evaluator, keys_full, no_time};
use super::expression::{StageExpr, reads};
use super::stage::{Stage, StageContext};
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

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        Box::new(Run {
            key: Evaluator::new(&self.key, inputs),
            seen: Seen::new(self.within_ms, self.keys_max),
            keys_max: self.keys_max,
            at: self.at.clone(),
            mark: Timestamp::NONE,
            buffer: Vec::new(),
        })
    }
}

/// A `dedupe` at work.
struct Run {
    key: Evaluator,
    seen: Seen,
    keys_max: usize,
    at: Arc<str>,
    /// What event time has come to: what it has passed is being forgotten.
    mark: Timestamp,
    buffer: Vec<u8>,
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let keys = self.key.eval(&batch, batch.selection.to_vec(), out);
        let (mut firsts, mut duplicates) = (Vec::new(), Vec::new());
        for &row in &keys.rows {
            if let Err(why) = keys.key(row, &mut self.buffer) {
                out.reject(&batch, row, why.reject(&self.at));
                continue;
            }
            let Some(time) = batch.times[row as usize].get() else {
                out.reject(&batch, row, no_time(&self.at));
                continue;
            };
            match self.seen.see(&self.buffer, time, batch.marks[row as usize]) {
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

    fn held(&self) -> Held {
        Held { keys: self.seen.len() as u64, windows: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Running, exprs};
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

    #[test]
    fn a_key_has_a_bound() {
        let mut run = Running::start(&dedupe(1), 2, &[]);
        run.give(&[&format!(r#"{{"id":"{}","t":1}}"#, "x".repeat(10_000))]);
        assert_eq!(run.errors[0].0, "key-too-long");
    }
}
