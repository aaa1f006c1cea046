//! What a connector is at plan time: checked settings that can say what they are and open a source or a sink.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{ConnectorError, Position, Sink, SinkResume, Source};
use crate::diagnostic::Diagnostics;
use crate::event::avro::container::FileHead;
use crate::event::frame::Containers;
use crate::expr::Context;
use crate::schema::Shape;
use crate::spec::{SinkSpec, SourceSpec, Table};

/// A connector of sources: its keys, and how a section of them becomes a plan. `plan` reports what is wrong, and then gives none.
#[derive(Clone, Copy)]
pub struct SourceKind {
    pub table: &'static Table,
    pub plan: fn(&SourceSpec, &mut ConnectContext<'_>) -> Option<Box<dyn SourcePlan>>,
}

/// A connector of sinks.
#[derive(Clone, Copy)]
pub struct SinkKind {
    pub table: &'static Table,
    pub plan: fn(&SinkSpec, &mut ConnectContext<'_>) -> Option<Box<dyn SinkPlan>>,
}

/// What a connector's plan needs to know beside its own section.
pub struct ConnectContext<'a> {
    pub diagnostics: &'a mut Diagnostics,
    /// The topology's name.
    pub topology: &'a str,
    /// The folder of the topology's file: relative paths start there.
    pub folder: &'a Path,
    /// `params`, functions and limits of expressions.
    pub expr: &'a Context,
}

/// A source as planned. Opening it fails only for what the plan could not see: a file that is not there yet, a server that does
/// not answer.
pub trait SourcePlan: Send + Sync {
    /// Whether the input ends by itself.
    fn is_bounded(&self) -> bool;

    /// Whether the system gives each event a time of its own, so that `time` may be left out.
    fn has_time(&self) -> bool {
        false
    }

    /// Whether what it reads is one stream of bytes, in which events must be told apart; else each message is an event.
    fn reads_stream(&self) -> bool {
        false
    }

    /// What its events are, where that is known without a schema.
    fn shape(&self) -> Option<Shape> {
        None
    }

    /// What can be read again after a failure.
    fn replay(&self) -> Replay;

    /// Whether the system waits to hear what was taken: barriers then come several times a second, also where nothing is saved.
    fn needs_acks(&self) -> bool {
        false
    }

    /// One line for `explain`: what is read, and how.
    fn outline(&self) -> String;

    /// What no other node of the topology may use at the same time, in words of its own (`standard input`).
    fn exclusive(&self) -> Option<String> {
        None
    }

    /// Files that it reads, as far as they are known: nobody may write them meanwhile.
    fn reads(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What its positions are places in; where this differs, a position of the one means nothing to the other.
    fn positions_in(&self) -> String {
        String::new()
    }

    /// Whether the system is there and lets us in, as far as that can be seen without changing anything. A reload asks before it
    /// stops what runs.
    fn prepare(&self) -> BoxFuture<'static, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    /// Starts to read.
    fn open(&self, open: SourceOpen) -> BoxFuture<'static, Result<Box<dyn Source>, ConnectorError>>;
}

/// What a source can give again after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Everything from a position on.
    Position,
    /// What was not acknowledged.
    Ack,
    /// Nothing.
    None,
}

/// How bytes become events, for the sources that read streams of bytes.
#[derive(Clone, Debug, Default)]
pub enum Framing {
    /// A line is an event.
    #[default]
    Lines,
    /// A CSV record is an event; line ends may stand in quotes. The header comes first.
    Csv,
    /// A message behind its length, a varint, is an event.
    Delimited,
    /// Avro object container files: their blocks hold events.
    Container(Containers),
}

impl Framing {
    /// Whether an input cannot be gone on with without what stands at its head.
    pub fn has_head(&self) -> bool {
        match self {
            Framing::Csv | Framing::Container(_) => true,
            Framing::Lines | Framing::Delimited => false,
        }
    }
}

/// What a run tells a source when it opens it.
#[derive(Clone, Debug)]
pub struct SourceOpen {
    pub framing: Framing,
    /// The longest event in bytes (`limits.line`).
    pub event_bytes_max: usize,
    /// Events of one chunk: `BATCH_EVENTS_MAX`, less in tests.
    pub chunk_events_max: usize,
    /// Where to go on, as `Source::barrier` gave it; `None`: from the start.
    pub resume: Option<Position>,
    /// The user asked to start over: what a server remembers of an earlier run does not count.
    pub fresh: bool,
    /// Whether checkpoints are written: with them the position counts, and reading must be in an order that it can describe.
    pub has_checkpoints: bool,
}

/// How the events that a sink is given stand in the stream of bytes that it writes, if it writes one.
#[derive(Clone, Debug, Default)]
pub enum Frames {
    /// A line each, its end included.
    #[default]
    Lines,
    /// Each behind its length, which is included.
    Messages,
    /// In the blocks of an Avro object container file, which the sink makes of them.
    Container(Arc<FileHead>),
}

/// What a run tells a sink when it opens it.
#[derive(Clone, Debug)]
pub struct SinkOpen {
    /// The topology and the sink: `fraud/alerts`.
    pub name: Arc<str>,
    /// A number of this line of checkpoints: a run that starts afresh has another one.
    pub lineage: u64,
    /// What to go on behind; `None`: afresh.
    pub resume: Option<SinkResume>,
    /// Whether checkpoints are written: without them nothing may be held back for one.
    pub has_checkpoints: bool,
    /// A path in the topology's state that is this sink's own, for what it has to know after a crash beside the checkpoint; `None`
    /// where no checkpoints are written.
    pub notes: Option<PathBuf>,
    /// How its events are told apart.
    pub frames: Frames,
    /// Which sink of the topology writes which file.
    pub claims: Arc<super::file::Claims>,
}

/// A sink as planned. Opening it fails only for what the plan could not see.
pub trait SinkPlan: Send + Sync {
    /// Whether what is written ends up on the terminal that the status would be drawn on.
    fn is_terminal(&self) -> bool {
        false
    }

    /// How an event's bytes end: sinks of lines get the line's end with it.
    fn writes_lines(&self) -> bool;

    /// Whether it looks at events at all: for one that does not, none need be encoded, only counted (`Encoded::ends` with zeros).
    fn reads_events(&self) -> bool {
        true
    }

    /// The section's key whose template names each event's target, if it reads events. The text that it makes is `Encoded::targets`.
    fn target_key(&self) -> Option<&'static str> {
        None
    }

    /// Whether a value may stand in the target (`{{ expr }}`); the error says why not.
    fn check_target_value(&self, _value: &str) -> Result<(), String> {
        Ok(())
    }

    /// What no other node of the topology may use at the same time: a file's path, `standard output`.
    fn exclusive(&self) -> Option<String> {
        None
    }

    /// Where it writes, if a sink with other settings that writes there too has to know how far this one has come.
    fn goes_on_at(&self) -> Option<String> {
        self.exclusive()
    }

    /// Whether the system gets each event once, also after a failure of the runner.
    fn is_exactly_once(&self) -> bool {
        false
    }

    /// Whether that takes checkpoints.
    fn needs_checkpoints(&self) -> bool {
        self.is_exactly_once()
    }

    /// Whether a message of the system has a key and headers.
    fn has_headers(&self) -> bool {
        false
    }

    /// The file, where this is the sink of what no node could take.
    fn dead_letters(&self) -> Option<&Path> {
        None
    }

    /// One line for `explain`: where events go, and how.
    fn outline(&self) -> String;

    /// Whether the system is there and lets us in, as far as that can be seen without changing anything.
    fn prepare(&self) -> BoxFuture<'static, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    /// Connects, or makes the files.
    fn open(&self, open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>>;
}

/// A path to compare with others: absolute, without `.` and, where the folder exists, without links.
pub fn comparable(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => {
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
            absolute.components().filter(|part| *part != Component::CurDir).collect()
        }
    }
}
