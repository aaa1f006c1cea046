//! What the nodes of a graph leave behind when it stops at a hand-over, and what a new graph is started with: one is made of the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::connectors::{ConnectorError, Position, Pull, Sink, Source};
use crate::event::Timestamp;
use crate::flow::Operator;
use crate::state::Shape;

use super::outgo::Outgo;
use super::unread::Unread;

/// What each node left behind, by its id.
pub(super) type Parts = HashMap<Arc<str>, Part>;

/// What a node leaves behind.
pub(super) enum Part {
    Source(SourcePart),
    Stage(StagePart),
    Sink(Box<SinkPart>),
}

/// A source that can go on in another graph.
pub(super) struct SourcePart {
    pub source: Box<dyn Source>,
    /// What it has given and nobody could read yet.
    pub unread: Option<Unread>,
    /// Its watermark.
    pub mark: Timestamp,
    /// For how long it has been idle, if it is: as it was told last.
    pub idle_for: Option<Duration>,
}

impl SourcePart {
    /// A source that begins.
    pub fn new(source: Box<dyn Source>) -> SourcePart {
        SourcePart { source, unread: None, mark: Timestamp::NONE, idle_for: None }
    }
}

impl SourcePart {
    /// Where it stands behind all that was read of it, for the barrier of this number.
    pub fn position(&mut self, id: u64) -> Position {
        match &self.unread {
            Some(unread) => unread.before.clone(),
            None => self.source.barrier(id),
        }
    }
}

/// A stage's operator with all its state.
pub(super) struct StagePart {
    pub operator: Box<dyn Operator>,
    /// What event time had come to at its input.
    pub mark: Timestamp,
    /// Whether nothing of its state is in a checkpoint yet.
    pub is_unsaved: bool,
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
    /// The columns of its CSV, once they are known.
    pub columns: Option<Vec<Arc<str>>>,
    /// Where it had come to, if its system is nobody's any more.
    pub left_at: Option<Position>,
}

impl SinkPart {
    /// A sink that begins.
    pub fn new(sink: Box<dyn Sink>) -> SinkPart {
        SinkPart {
            sink,
            outgo: None,
            done: 0,
            unsure: 0,
            unflushed: false,
            uncommitted: None,
            columns: None,
            left_at: None,
        }
    }

    /// Events that it has taken and that are nowhere else.
    pub fn held(&self) -> usize {
        self.outgo.as_ref().map_or(0, |outgo| outgo.len().saturating_sub(self.done))
    }
}

/// What a stage of a new graph begins with.
pub(super) enum StageState {
    Fresh,
    /// The operator that it takes the place of, the shape of its state, and whether the stage has the same name.
    After {
        part: StagePart,
        shape: Option<Shape>,
        is_renamed: bool,
    },
    /// As a checkpoint has it.
    Restored {
        operator: Box<dyn Operator>,
        mark: Timestamp,
    },
}

/// What a node of a new graph begins with.
pub(super) enum Supply {
    Source(SourcePart),
    Stage(StageState),
    Sink(Box<SinkPart>),
}

/// A source that has ended, in a graph that goes on without it: where it stood is in every checkpoint that follows.
pub(super) struct EndedSource(pub Position);

impl Source for EndedSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>> {
        Box::pin(async { Ok(Pull::End) })
    }

    fn is_caught_up(&self) -> bool {
        true
    }

    fn barrier(&mut self, _id: u64) -> Position {
        self.0.clone()
    }
}
