//! The inputs of a task: whichever has something, in fair turns, none that waits at a barrier.

use std::future::poll_fn;
use std::task::Poll;

use crate::event::Timestamp;
use crate::flow::{Inputs, Message};

use super::Failure;
use super::edge::EdgeReceiver;

/// The receiving ends of a task's edges, and what is known of them.
pub(super) struct Intake {
    receivers: Vec<EdgeReceiver>,
    pub inputs: Inputs,
    /// Where the next look begins, so that no busy input starves another.
    turn: usize,
}

impl Intake {
    /// The inputs of a node whose event time had come to `mark`.
    pub fn new(receivers: Vec<EdgeReceiver>, mark: Timestamp) -> Intake {
        Intake { inputs: Inputs::from(receivers.len(), mark), receivers, turn: 0 }
    }

    /// The next message and the input it came by. Cancel-safe. Must not be called when all inputs have ended.
    pub async fn next(&mut self) -> Result<(usize, Message), Failure> {
        poll_fn(|cx| {
            let n = self.receivers.len();
            for input in (0..n).map(|i| (self.turn + i) % n) {
                if !self.inputs.is_open(input) {
                    continue;
                }
                match self.receivers[input].poll(cx) {
                    Poll::Ready(Some(message)) => {
                        self.turn = (input + 1) % n;
                        return Poll::Ready(Ok((input, message)));
                    }
                    Poll::Ready(None) => return Poll::Ready(Err(Failure::neighbour())),
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Batches waiting at all inputs, and how many can.
    pub fn fill(&self) -> (usize, usize) {
        self.receivers.iter().map(EdgeReceiver::fill).fold((0, 0), |sum, fill| (sum.0 + fill.0, sum.1 + fill.1))
    }
}
