//! The one primitive of all stages: a synchronous, resumable, bounded transformation of batches.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::event::{Batch, Timestamp};
use crate::state::{Corrupt, Saved, Snapshot};

/// A port of a node, by its place in the stage's list of ports: 0 is the main one. The `errors` port is not among them:
/// what an operator rejects reaches it through [`Output::reject`].
pub type PortId = usize;

/// Whether an operator is done with what it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Done: ready for the next message.
    Done,
    /// The output is as full as it may be: send it, then call `resume`.
    More,
    /// Nothing can be done until this time of the run's clock has come: send what there is, wait, then call `resume`.
    Wait(Duration),
}

/// What must stop the topology. An event's own error is never this: it goes to [`Output::reject`].
#[derive(Debug)]
pub struct Fatal {
    pub code: &'static str,
    pub message: String,
}

/// A stage at work. It owns its state, knows no runtime, and is given time as an argument.
/// The task forwards watermarks, barriers and ends itself, after the operator is done with them.
pub trait Operator: Send {
    /// Takes a batch of the port's layout `batch.variant`.
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal>;

    /// Event time of the whole input has come to `mark` (`Timestamp::END` when a bounded input has ended).
    fn on_watermark(&mut self, _mark: Timestamp, _out: &mut Output) -> Result<Progress, Fatal> {
        Ok(Progress::Done)
    }

    /// A barrier passes: what must not cross it (a wait, a buffer) goes out now.
    fn on_barrier(&mut self, _out: &mut Output) -> Result<Progress, Fatal> {
        Ok(Progress::Done)
    }

    /// Goes on with what the last call left undone.
    fn resume(&mut self, _out: &mut Output) -> Result<Progress, Fatal> {
        Ok(Progress::Done)
    }

    /// The watermark that holds on the outputs when the input's is `mark`: less, where results come out later than their time.
    fn output_mark(&self, mark: Timestamp) -> Timestamp {
        mark
    }

    /// Writes what has changed of the state since the last call, or all of it. Called at a barrier, after `on_barrier` is done.
    fn snapshot(&mut self, _into: &mut Snapshot) {}

    /// Takes the state that an operator wrote whose shape this one's reads. Called once, before the first batch.
    fn restore(&mut self, _saved: &Saved) -> Result<(), Corrupt> {
        Ok(())
    }

    /// Gives the state away, for `adopt` of an operator whose shape reads this one's. `None`: there is none.
    fn give(&mut self) -> Option<Box<dyn Any + Send>> {
        None
    }

    /// Takes over what `give` gave; false if it cannot be that.
    fn adopt(&mut self, _state: Box<dyn Any + Send>) -> bool {
        false
    }

    /// The state ends here, as no other operator can carry it: results of it leave now, marked `partial`, and it is empty.
    /// After `More`, `resume` goes on with it.
    fn cut(&mut self, _out: &mut Output) -> Result<Progress, Fatal> {
        Ok(Progress::Done)
    }

    /// After `cut`: results of windows that began before this event time are parts, of this operator and of the one after it.
    fn cut_until(&self) -> Option<i64> {
        None
    }

    /// Takes the place of an operator whose state was cut.
    fn begin_partial(&mut self, _until: i64) {}

    /// What is held now, for the status and the summary.
    fn held(&self) -> Held {
        Held::default()
    }
}

/// The state that an operator holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Keys with state.
    pub keys: u64,
    /// Windows that have not fired.
    pub windows: u64,
}

/// How many evaluations of expressions, one an expression and row, went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluations {
    /// By a compiled program.
    pub compiled: u64,
    /// By Rhai.
    pub interpreted: u64,
}

impl Evaluations {
    /// Counts the rows of one evaluation.
    pub fn add(&mut self, is_compiled: bool, rows: usize) {
        *(if is_compiled { &mut self.compiled } else { &mut self.interpreted }) += rows as u64;
    }
}

/// Why one event was refused: a code of the product's table of event errors, what happened, and the place in the YAML.
#[derive(Clone, Debug)]
pub struct Reject {
    pub code: &'static str,
    pub message: String,
    /// `file:line:column` of the expression or key that refused it.
    pub at: Arc<str>,
}

/// A refused event: a row of the batch that held it.
#[derive(Debug)]
pub struct Rejected {
    pub batch: Batch,
    pub row: u32,
    pub why: Reject,
}

/// Where an operator puts what it makes. One call may emit any number of batches that share their input's memory, and as much
/// of its own making as one batch holds; then it returns [`Progress::More`].
#[derive(Debug)]
pub struct Output {
    emitted: Vec<(PortId, Batch)>,
    rejected: Vec<Rejected>,
    evaluations: Evaluations,
    now: Duration,
}

impl Output {
    /// Nothing yet, at this time of the run's monotonic clock (since the run's start).
    pub fn new(now: Duration) -> Output {
        Output { emitted: Vec::new(), rejected: Vec::new(), evaluations: Evaluations::default(), now }
    }

    /// The monotonic time since the run's start. Only for what the wall clock governs (throttle); never for event time.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Sends a batch to a port; an empty one is dropped.
    pub fn emit(&mut self, port: PortId, batch: Batch) {
        if !batch.is_empty() {
            self.emitted.push((port, batch));
        }
    }

    /// Refuses one event: it leaves by the node's `errors` port, else to the dead letters.
    pub fn reject(&mut self, batch: &Batch, row: u32, why: Reject) {
        self.rejected.push(Rejected { batch: batch.select(vec![row]), row, why });
    }

    /// Notes that an expression was evaluated for so many rows, for the status and the summary.
    pub fn evaluated(&mut self, is_compiled: bool, rows: usize) {
        self.evaluations.add(is_compiled, rows);
    }

    /// The same of evaluations that were counted elsewhere.
    pub fn add_evaluations(&mut self, more: Evaluations) {
        self.evaluations.compiled += more.compiled;
        self.evaluations.interpreted += more.interpreted;
    }

    /// What was evaluated since this was asked last.
    pub fn take_evaluations(&mut self) -> Evaluations {
        std::mem::take(&mut self.evaluations)
    }

    /// What was emitted, in order.
    pub fn take_emitted(&mut self) -> Vec<(PortId, Batch)> {
        std::mem::take(&mut self.emitted)
    }

    /// What was refused, in order of the rows: several expressions are evaluated one after the other, each for a whole batch, and
    /// the order of errors must not tell how events were batched.
    pub fn take_rejected(&mut self) -> Vec<Rejected> {
        self.rejected.sort_by_key(|rejected| rejected.row);
        std::mem::take(&mut self.rejected)
    }
}
