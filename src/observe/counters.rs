//! Counters that tasks write and the status reads. Relaxed atomics: each is right by itself, and they are read for people.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crate::event::Timestamp;
use crate::flow::{Evaluations, Held};

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Source,
    Stage,
    Sink,
    /// The file that takes what no `errors` port takes.
    DeadLetters,
}

/// The counters of one node.
#[derive(Debug)]
pub struct NodeCounters {
    pub id: Arc<str>,
    pub role: Role,
    events_in: AtomicU64,
    events_out: AtomicU64,
    errors: AtomicU64,
    dropped: AtomicU64,
    retries: AtomicU64,
    skipped: AtomicU64,
    mark: AtomicI64,
    keys: AtomicU64,
    windows: AtomicU64,
    queued: AtomicU64,
    queue_max: AtomicU64,
    compiled: AtomicU64,
    interpreted: AtomicU64,
}

/// The counters of all nodes of a topology, which are others after a reload.
#[derive(Clone, Debug)]
pub struct Nodes(Arc<Mutex<Vec<Arc<NodeCounters>>>>);

impl Nodes {
    /// These nodes.
    pub fn new(nodes: Vec<Arc<NodeCounters>>) -> Nodes {
        Nodes(Arc::new(Mutex::new(nodes)))
    }

    /// Those that run now, in the order of the plan.
    pub fn all(&self) -> Vec<Arc<NodeCounters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Others run from now on.
    pub fn set(&self, nodes: Vec<Arc<NodeCounters>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = nodes;
    }
}

/// The counters of a node, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub events_in: u64,
    pub events_out: u64,
    /// Events refused: they are at the `errors` port or in the dead letters.
    pub errors: u64,
    /// Events that left by a port that nobody reads.
    pub dropped: u64,
    /// Repeated attempts to write.
    pub retries: u64,
    /// Empty lines of the input.
    pub skipped: u64,
    /// The event time the node has come to, in milliseconds.
    pub mark: Option<i64>,
    pub held: Held,
    /// Batches that wait at the inputs.
    pub queued: u64,
    /// Batches that can wait there; 0: the node is fed without a queue.
    pub queue_max: u64,
    /// Expressions that were evaluated, each for a row.
    pub evaluations: Evaluations,
}

impl NodeCounters {
    /// All at zero.
    pub fn new(id: Arc<str>, role: Role) -> NodeCounters {
        NodeCounters {
            id,
            role,
            events_in: AtomicU64::default(),
            events_out: AtomicU64::default(),
            errors: AtomicU64::default(),
            dropped: AtomicU64::default(),
            retries: AtomicU64::default(),
            skipped: AtomicU64::default(),
            mark: AtomicI64::new(Timestamp::NONE.0),
            keys: AtomicU64::default(),
            windows: AtomicU64::default(),
            queued: AtomicU64::default(),
            queue_max: AtomicU64::default(),
            compiled: AtomicU64::default(),
            interpreted: AtomicU64::default(),
        }
    }

    /// Counts events that came in.
    pub fn took(&self, events: usize) {
        self.events_in.fetch_add(events as u64, Relaxed);
    }

    /// Counts events that went out.
    pub fn gave(&self, events: usize) {
        self.events_out.fetch_add(events as u64, Relaxed);
    }

    /// Counts events no longer that did not get out after all.
    pub fn took_back(&self, events: usize) {
        self.events_out.fetch_sub(events as u64, Relaxed);
    }

    /// Counts events refused.
    pub fn refused(&self, events: usize) {
        self.errors.fetch_add(events as u64, Relaxed);
    }

    /// Counts events that nobody reads.
    pub fn dropped(&self, events: usize) {
        self.dropped.fetch_add(events as u64, Relaxed);
    }

    /// Counts a repeated attempt.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// Counts empty lines.
    pub fn skipped(&self, lines: u64) {
        self.skipped.fetch_add(lines, Relaxed);
    }

    /// Notes how far event time has come.
    pub fn reached(&self, mark: Timestamp) {
        self.mark.store(mark.0, Relaxed);
    }

    /// Notes what the node holds.
    pub fn holds(&self, held: Held) {
        self.keys.store(held.keys, Relaxed);
        self.windows.store(held.windows, Relaxed);
    }

    /// Notes how full its queues are.
    pub fn queues(&self, queued: usize, max: usize) {
        self.queued.store(queued as u64, Relaxed);
        self.queue_max.store(max as u64, Relaxed);
    }

    /// Counts evaluations of expressions: once a batch.
    pub fn evaluated(&self, evaluations: Evaluations) {
        if evaluations.compiled > 0 {
            self.compiled.fetch_add(evaluations.compiled, Relaxed);
        }
        if evaluations.interpreted > 0 {
            self.interpreted.fetch_add(evaluations.interpreted, Relaxed);
        }
    }

    /// All of them now.
    pub fn read(&self) -> Counters {
        let mark = self.mark.load(Relaxed);
        Counters {
            events_in: self.events_in.load(Relaxed),
            events_out: self.events_out.load(Relaxed),
            errors: self.errors.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            retries: self.retries.load(Relaxed),
            skipped: self.skipped.load(Relaxed),
            mark: (mark != Timestamp::NONE.0 && mark != Timestamp::END.0).then_some(mark),
            held: Held { keys: self.keys.load(Relaxed), windows: self.windows.load(Relaxed) },
            queued: self.queued.load(Relaxed),
            queue_max: self.queue_max.load(Relaxed),
            evaluations: Evaluations {
                compiled: self.compiled.load(Relaxed),
                interpreted: self.interpreted.load(Relaxed),
            },
        }
    }
}
