//! What the nodes of a graph leave behind when it stops at a hand-over, and what a new graph is started with: one is made of the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::connectors::{ConnectorError, Pull, Sink, Source};
use crate::event::Timestamp;
use crate::flow::Operator;
use crate::state::Saved;

use super::outgo::Outgo;

/// What each node left behind, by its id.
pub(super) type Parts = HashMap<Arc<str>, Part>;

/// What a node leaves behind.
pub(super) enum Part {
    Source(SourcePart),
    Stage(StagePart),
    Sink(SinkPart),
}

/// A source that can go on in another graph.
pub(super) struct SourcePart {
    pub source: Box<dyn Source>,
    /// Its watermark.
    pub mark: Timestamp,
    /// For how long it has been idle, if it is: as it was told last.
    pub idle_for: Option<Duration>,
}

impl SourcePart {
    /// A source that begins.
    pub fn new(source: Box<dyn Source>) -> SourcePart {
        SourcePart { source, mark: Timestamp::NONE, idle_for: None }
    }
}

/// A stage's operator with all its state.
pub(super) struct StagePart {
    pub operator: Box<dyn Operator>,
    /// What event time had come to at its input.
    pub mark: Timestamp,
}

/// A sink that can go on in another graph.
pub(super) struct SinkPart {
    pub sink: Box<dyn Sink>,
    /// What it has taken and not written.
    pub outgo: Option<Outgo>,
    /// Of that, the events that are written or refused.
    pub done: usize,
    /// Events that were counted as written since the last flush.
    pub unsure: usize,
    pub unflushed: bool,
    /// The checkpoint whose held back output is not sent yet.
    pub uncommitted: Option<u64>,
    /// Whether it was trying in vain.
    pub stuck: bool,
}

impl SinkPart {
    /// A sink that begins.
    pub fn new(sink: Box<dyn Sink>) -> SinkPart {
        SinkPart { sink, outgo: None, done: 0, unsure: 0, unflushed: false, uncommitted: None, stuck: false }
    }

    /// Events that it has taken and that are nowhere else.
    pub fn held(&self) -> usize {
        self.outgo.as_ref().map_or(0, |outgo| outgo.len().saturating_sub(self.done))
    }
}

/// What a stage of a new graph begins with.
pub(super) enum StageState {
    Fresh,
    /// The operator that it takes the place of, and the shape of its state.
    After(StagePart),
    /// What a checkpoint has of it.
    Saved {
        saved: Saved,
        mark: Timestamp,
    },
}

/// What a node of a new graph begins with.
pub(super) enum Supply {
    Source(SourcePart),
    Stage(StageState),
    Sink(SinkPart),
}

/// A source that has ended, in a graph that goes on without it.
pub(super) struct EndedSource;

impl Source for EndedSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>> {
        Box::pin(async { Ok(Pull::End) })
    }

    fn is_caught_up(&self) -> bool {
        true
    }
}
