//! The closed set of things that flow on every edge.

use crate::event::{Batch, Timestamp};

/// One thing on an edge. A channel that closes before `End` or a stopping barrier means that its sender failed.
#[derive(Clone, Debug)]
pub enum Message {
    Batch(Batch),
    Watermark(Watermark),
    Barrier(Barrier),
    /// A bounded input has ended: nothing follows, and what waits for more time can be finished.
    End,
}

/// How far event time has come on an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watermark {
    /// No event before this time is expected any more. Never goes back.
    At(Timestamp),
    /// The sender is caught up and has been silent for this many milliseconds: leave it out of the minimum until it speaks
    /// again. Where all are idle, event time goes on by what has elapsed.
    Idle(i64),
}

/// A line through the stream: every event is before it or after it, at every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    pub id: u64,
    pub then: Then,
    pub saves: Saves,
}

/// What of the state that a barrier passes is written into a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saves {
    Nothing,
    /// What has changed since the barrier before.
    Changes,
    /// All of it: what was written before could not be kept.
    Everything,
}

/// What comes after a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The stream goes on.
    Continue,
    /// Nothing: the topology stops in order, and open windows stay open. The last message of an edge.
    Stop,
    /// Another graph, to which tasks hand over what they hold. The last message of an edge.
    HandOver,
}
