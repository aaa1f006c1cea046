//! The topology as written: nodes with places, their sections read by their tables. Nothing is compiled yet.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::table::{Ports, Table};
use super::value::{PortRef, Section, Value};
use crate::diagnostic::{Code, FileId, Span};

/// The tables of everything that a topology can name, handed to the reader by whoever knows the rooms below.
#[derive(Clone, Copy, Debug)]
pub struct Catalog {
    pub stages: &'static [&'static Table],
    pub sources: &'static [&'static Table],
    pub sinks: &'static [&'static Table],
}

/// What comes from outside the file: the environment, and the command line.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// `--set name=value`, in the order given.
    pub set: &'a [(String, String)],
    /// Fills `${NAME}`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// What the user wrote.
#[derive(Clone, Debug)]
pub struct TopologySpec {
    pub file: FileId,
    /// The YAML file; `dir` is its folder, which relative paths start from.
    pub path: PathBuf,
    pub dir: PathBuf,
    pub name: String,
    pub description: Option<String>,
    pub params: IndexMap<String, Param>,
    /// Files of shared Rhai functions, resolved.
    pub functions: Vec<FileRef>,
    /// Event types by name, resolved.
    pub schemas: IndexMap<String, SchemaRef>,
    /// Read by `registry::REGISTRY`.
    pub registry: Option<Section>,
    pub sources: IndexMap<String, SourceSpec>,
    pub stages: IndexMap<String, StageSpec>,
    pub sinks: IndexMap<String, SinkSpec>,
    /// Read by `tables::CHECKPOINT`, `DEAD_LETTERS` and `LIMITS`.
    pub checkpoint: Section,
    pub dead_letters: Section,
    pub limits: Section,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    pub value: serde_json::Value,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRef {
    pub path: PathBuf,
    pub span: Span,
}

/// Where an event type is: `path`, `subject` or both are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRef {
    /// A file, or a folder of versions.
    pub path: Option<PathBuf>,
    /// The name in the registry.
    pub subject: Option<String>,
    /// The version that is meant where a node names none.
    pub version: Option<u32>,
    /// The message of a Protobuf file.
    pub message: Option<String>,
    /// Principles that topologies need not follow with it.
    pub allow: Vec<&'static str>,
    pub span: Span,
}

impl SchemaRef {
    /// Whether a principle need not be followed.
    pub fn allows(&self, code: &Code) -> bool {
        self.allow.contains(&code.id)
    }
}

/// What every node has.
#[derive(Clone, Debug)]
pub struct NodeHead {
    pub id: String,
    /// The id where it is declared.
    pub span: Span,
    pub description: Option<String>,
    /// The id under which its state was kept before.
    pub was: Option<String>,
    /// Something in the node could not be read and was reported. Its sections may lack values: only `each_expr` is safe.
    pub broken: bool,
}

#[derive(Clone, Debug)]
pub struct SourceSpec {
    pub head: NodeHead,
    pub connector: &'static Table,
    /// Read by `connector`.
    pub config: Section,
    /// Read by `tables::SOURCE`: decode, schema, time, key, watermark, start.
    pub common: Section,
}

#[derive(Clone, Debug)]
pub struct StageSpec {
    pub head: NodeHead,
    pub from: Vec<PortRef>,
    pub kind: &'static Table,
    /// Read by `kind`.
    pub config: Section,
}

#[derive(Clone, Debug)]
pub struct SinkSpec {
    pub head: NodeHead,
    pub from: Vec<PortRef>,
    pub connector: &'static Table,
    /// Read by `connector`.
    pub config: Section,
    /// Read by `tables::SINK`: encode, key, headers, batch, retry, delivery.
    pub common: Section,
}

/// The port that every node has: events that it could not take.
pub const ERRORS: &str = "errors";
/// The port of what no condition of a `route` or `fan_out` takes.
pub const OTHERWISE: &str = "otherwise";

impl StageSpec {
    /// Whether `from: id`, without a port, can read this stage.
    pub fn has_main_port(&self) -> bool {
        !matches!(self.kind.ports, Ports::Written)
    }

    /// All ports in the order of `flow::PortId`, `errors` left out: the main port (`None`), if there is one, then the named ones.
    pub fn ports(&self) -> Vec<Option<&str>> {
        let main = self.has_main_port().then_some(None);
        main.into_iter().chain(self.named_ports().into_iter().map(Some)).collect()
    }

    /// The named ports, `errors` left out.
    pub fn named_ports(&self) -> Vec<&str> {
        match self.kind.ports {
            Ports::Main => Vec::new(),
            Ports::MainAnd(names) => names.to_vec(),
            Ports::Written => {
                let written = self.config.entries.values().filter_map(|entry| match &entry.item.value {
                    Value::Exprs(ports) => Some(ports),
                    _ => None,
                });
                written.flatten().map(|port| port.name.as_str()).chain([OTHERWISE]).collect()
            }
        }
    }
}

impl TopologySpec {
    /// A path as written in the file, made relative to the file's folder.
    pub fn resolve(&self, path: &str) -> PathBuf {
        resolve(&self.dir, path)
    }

    /// Every node's head, sources first.
    pub fn heads(&self) -> impl Iterator<Item = &NodeHead> {
        let sources = self.sources.values().map(|node| &node.head);
        let stages = self.stages.values().map(|node| &node.head);
        let sinks = self.sinks.values().map(|node| &node.head);
        sources.chain(stages).chain(sinks)
    }
}

pub(super) fn resolve(dir: &Path, path: &str) -> PathBuf {
    let path = Path::new(path);
    // `./x` and `x` are one file, and are printed alike.
    let path = path.strip_prefix("./").unwrap_or(path);
    if dir.as_os_str().is_empty() { path.to_path_buf() } else { dir.join(path) }
}
