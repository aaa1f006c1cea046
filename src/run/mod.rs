//! Makes a plan run: a task for each chain of fused nodes, edges between them, and one coordinator of barriers and the end.
//! Names no concrete stage or connector.

mod ahead;
mod attempts;
mod beginning;
mod chain;
mod clock;
mod coordinator;
mod deliver;
mod drift;
mod edge;
mod file_watch;
mod graph;
mod hand_over;
mod ingest;
mod intake;
mod outgo;
mod pace;
mod parts;
mod recovery;
mod reload;
mod saver;
mod sink;
mod source;
mod stage;
mod start;
mod trouble;
mod unread;
mod watch;

pub use clock::Clock;
pub use file_watch::FileWatch;
pub use pace::Pace;
pub use recovery::{Begun, Checkpoint, NotStarted, Recovery};
pub use reload::{NotReloaded, Reloaded};
pub use start::{Outcome, RunOptions, Running, start};

/// Why a run failed: the node, and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `None`: a neighbour in the graph has gone, whose own failure tells why.
    pub node: Option<String>,
    pub message: String,
}

impl Failure {
    fn of(node: &str, message: impl Into<String>) -> Failure {
        Failure { node: Some(node.to_string()), message: message.into() }
    }

    /// The other end of an edge has gone. Its own failure is the one to show.
    fn neighbour() -> Failure {
        Failure { node: None, message: "a node of the topology ended without telling its neighbours".into() }
    }
}
