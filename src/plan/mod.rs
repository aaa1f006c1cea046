//! From the spec to a graph in which nothing is left to check: nodes with compiled expressions, the layout of every port, and who
//! reads whom. Only this room makes a [`Plan`].

mod build;
mod conflicts;
mod corrections;
mod diff;
mod draw;
mod explain;
mod formats;
mod graph;
mod identity;
mod instead;
mod registry;
mod schemas;
mod time;
mod types;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::connectors::{Framing, SinkPlan, SourcePlan};
use crate::diagnostic::Span;
use crate::event::{Demand, Layout};
use crate::event::{decode, encode};
use crate::observe::Role;
use crate::operators::{self, Stage, StageExpr};
use crate::schema::{Checker, EventType};

pub use build::{CATALOG, plan, types};
pub use diff::{Change, Connection, Diff, Fate, StateFate, diff};
pub use identity::Identity;
pub use instead::Instead;
pub use registry::registry_settings;
pub use time::{TimeRule, TimeUnit, event_time};
pub use types::{NodeType, PortType};

/// A checked topology, ready to run.
pub struct Plan {
    pub name: Arc<str>,
    /// In topological order: a node comes after everything it reads.
    pub nodes: Vec<Node>,
    /// Groups of sources that meet in a stateful stage, as places in `nodes`.
    pub drift_groups: Vec<Vec<usize>>,
    pub limits: RunLimits,
    /// The time between checkpoints.
    pub checkpoint_every: Duration,
    /// The texts of its files, as a JSON object by their paths from its folder.
    pub texts: Bytes,
}

/// The limits that tasks and edges hold.
#[derive(Clone, Copy, Debug)]
pub struct RunLimits {
    pub edge_events: usize,
    pub edge_bytes: usize,
    /// The longest event of a source, in bytes.
    pub line: usize,
    /// The deepest nesting of an event.
    pub depth: usize,
}

/// A node and its place in the graph.
pub struct Node {
    pub id: Arc<str>,
    /// The id that it had before.
    pub was: Option<Arc<str>>,
    /// What it does, apart from whom it reads.
    pub identity: Identity,
    pub role: Role,
    pub work: Work,
    pub inputs: Vec<Input>,
    pub ports: Vec<Port>,
    /// Who reads its `errors` port; never nobody: what no stage reads goes to the dead letters (their own excepted).
    pub error_readers: Vec<Reader>,
    /// Runs in the task of the node that its only input comes from.
    pub is_fused: bool,
}

/// What a node does.
pub enum Work {
    Source(Box<SourceNode>),
    Stage(StageNode),
    Sink(Box<SinkNode>),
}

/// A reader of a port: a node, and which of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    pub node: usize,
    pub input: usize,
}

/// Where an input comes from.
pub struct Input {
    pub node: usize,
    /// A port of that node; `ports.len()` is its `errors`.
    pub port: usize,
    /// The reader's number for each layout of that port.
    pub variants: Arc<[u16]>,
}

/// A port by which events leave a node.
pub struct Port {
    /// Empty for the main port.
    pub name: String,
    /// What is read of it downstream.
    pub demand: Demand,
    /// The layouts its batches can have.
    pub layouts: Vec<Arc<Layout>>,
    /// What its events are.
    pub of: PortType,
    pub readers: Vec<Reader>,
}

/// A source and what becomes of its bytes.
pub struct SourceNode {
    pub plan: Box<dyn SourcePlan>,
    pub format: decode::Format,
    pub framing: Framing,
    pub time: TimeRule,
    pub key: Option<StageExpr>,
    pub schema: Option<SourceSchema>,
    pub lag: Duration,
    pub idle: Duration,
    pub max_future: Duration,
    pub max_drift: Duration,
    /// `file:line:column` of the source, for what cannot be decoded.
    pub place: Arc<str>,
}

/// What events of a source are checked against.
pub struct SourceSchema {
    pub event_type: EventType,
    /// The whole event, whatever is read of it.
    pub full: bool,
    /// Made once it is known what is read.
    pub checker: Option<Checker>,
}

/// A stage and the layouts it reads.
pub struct StageNode {
    pub stage: Box<dyn Stage>,
    /// The name of its kind.
    pub kind: &'static str,
    pub inputs: Vec<Arc<Layout>>,
}

/// A part of a target's template.
pub enum TargetPart {
    Text(String),
    Expr(StageExpr),
}

/// A sink and what it makes of events.
pub struct SinkNode {
    pub plan: Arc<dyn SinkPlan>,
    pub inputs: Vec<Arc<Layout>>,
    pub encoding: encode::Format,
    /// What its events must be.
    pub expected: Option<Expected>,
    /// Each event's target, where it depends on the event.
    pub target: Option<Vec<TargetPart>>,
    pub key: Option<StageExpr>,
    pub headers: Vec<(String, StageExpr)>,
    pub gather: Gather,
    pub retry: Retry,
    /// `file:line:column` of the sink.
    pub place: Arc<str>,
}

/// The event type that a sink names.
pub struct Expected {
    pub event_type: EventType,
    /// As it is written: `Payment`, `Payment@1`.
    pub name: String,
    pub span: Span,
}

/// How many events are written at once.
#[derive(Clone, Copy, Debug)]
pub struct Gather {
    pub events: usize,
    pub bytes: usize,
    pub linger: Duration,
}

/// How often a write is tried, and with which pauses.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    pub first: Duration,
    pub max: Duration,
    /// `None`: until it is taken.
    pub attempts: Option<u64>,
}

impl Retry {
    /// The same pauses, until it is taken.
    pub fn without_end(self) -> Retry {
        Retry { attempts: None, ..self }
    }
}

impl SourceSchema {
    /// What the check of events looks at.
    fn reads(&self) -> Demand {
        Demand { paths: self.checker.iter().flat_map(Checker::reads).collect() }
    }
}

impl SourceNode {
    /// What the source's own expressions read.
    fn reads(&self) -> Demand {
        operators::reads(self.time.expr().into_iter().chain(&self.key))
    }
}

impl SinkNode {
    /// What the sink's own expressions read.
    fn reads(&self) -> Demand {
        operators::reads(self.expressions())
    }
}

impl Plan {
    /// Whether every source ends by itself.
    pub fn is_bounded(&self) -> bool {
        self.sources().all(|source| source.plan.is_bounded())
    }

    /// The sources.
    pub fn sources(&self) -> impl Iterator<Item = &SourceNode> {
        self.nodes.iter().filter_map(|node| match &node.work {
            Work::Source(source) => Some(&**source),
            Work::Stage(_) | Work::Sink(_) => None,
        })
    }

    /// The sinks, the dead letters among them.
    pub fn sinks(&self) -> impl Iterator<Item = &SinkNode> {
        self.nodes.iter().filter_map(|node| match &node.work {
            Work::Sink(sink) => Some(&**sink),
            Work::Source(_) | Work::Stage(_) => None,
        })
    }

    /// Where the dead letters go.
    pub fn dead_letters(&self) -> Option<PathBuf> {
        self.sinks().find_map(|sink| sink.plan.dead_letters().map(PathBuf::from))
    }
}
