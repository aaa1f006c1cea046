//! The closed set of things that flow on every edge.

use crate::event::{Batch, Timestamp};

/// One thing on an edge. A channel that closes without `End` means that its sender failed.
#[derive(Clone, Debug)]
pub enum Message {
    Batch(Batch),
    Watermark(Watermark),
    Barrier(Barrier),
    /// The last message: nothing follows.
    End,
}

/// How far event time has come on an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watermark {
    /// No event before this time is expected any more. Never goes back.
    At(Timestamp),
    /// The sender is caught up and silent: leave it out of the minimum until it speaks again.
    Idle,
}

/// A line through the stream: every event is before it or after it, at every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barrier {
    pub id: u64,
    pub then: Then,
}

/// What comes after a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The stream goes on.
    Continue,
    /// The topology stops in order: open windows stay open.
    Stop,
}
