//! The signal that the graph is to hand over to another one, and what is to be done at the barrier of it.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// What the nodes of a graph do at its last barrier, beside handing over what they have.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Stages whose state nobody can carry on.
    pub cut: HashSet<Arc<str>>,
    /// Sinks whose system nobody goes on writing to.
    pub leaving: HashSet<Arc<str>>,
}

/// Shared by all tasks of a graph.
#[derive(Debug, Default)]
pub(super) struct HandOver {
    order: OnceLock<Order>,
    asked: CancellationToken,
}

impl HandOver {
    /// Asks for it, once: from now on nothing waits for a remote system or the clock.
    pub fn ask(&self, order: Order) {
        // A graph hands over once; a second order would come too late for those that have passed.
        let _ = self.order.set(order);
        self.asked.cancel();
    }

    /// Waits until it is asked for.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// What is to be done, once it has been asked for.
    pub fn order(&self) -> Option<&Order> {
        self.order.get()
    }
}
