//! A manifest says what one checkpoint is: which segments, how much of each, and what every node has in them. It is JSON behind a line
//! with the format's version and a check.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::limits::STORE_MANIFEST_BYTES_MAX;
use crate::state::Shape;

use super::error::{Flaw, StoreError};
use super::segment::{Segment, check};

/// The version of manifests and segments. Any change of what is on disk is a new one.
pub(super) const FORMAT: &str = "1";

/// One checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// Of its file: the newest has the highest.
    pub number: u64,
    pub id: u64,
    pub topology: String,
    pub lineage: u64,
    pub written_at_ms: i64,
    /// The number of the next stream.
    pub next_stream: u64,
    /// The log of all states, in order.
    pub segments: Vec<Segment>,
    /// What belongs to this checkpoint alone.
    pub aside: Option<Segment>,
    pub bundle: Option<Bundle>,
    pub nodes: BTreeMap<String, Node>,
}

/// Where the texts of the topology's files are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bundle {
    pub stream: u64,
    pub bytes: u64,
    pub check: u64,
}

/// What a checkpoint has of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub kind: String,
    pub mark: Option<i64>,
    pub position: Position,
    pub pending: Option<u64>,
    pub state: Option<State>,
}

/// A position stands here, or, where it is long, in a stream.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Position {
    Here(Value),
    Stream(u64),
}

/// The state of a stage: a stream of records.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub shape: Shape,
    pub stream: u64,
    /// The clean blocks: each key is there once.
    pub clean: Tally,
    /// What was written after them.
    pub later: Tally,
}

/// What a part of a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub bytes: u64,
    pub puts: u64,
    pub removes: u64,
}

impl Tally {
    pub fn plus(self, other: Tally) -> Tally {
        Tally { bytes: self.bytes + other.bytes, puts: self.puts + other.puts, removes: self.removes + other.removes }
    }
}

/// Where a manifest lies.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("manifest-{number:012}"))
}

const HEAD: &str = "runner checkpoint, format ";
const CHECK: &str = ", check ";

impl Manifest {
    /// The file's text.
    pub fn text(&self) -> Result<Vec<u8>, StoreError> {
        let nodes: Map<String, Value> = self.nodes.iter().map(|(id, node)| (id.clone(), node.json())).collect();
        let body = json!({
            "checkpoint": self.id,
            "topology": self.topology,
            "lineage": self.lineage,
            "written_at_ms": self.written_at_ms,
            "next_stream": self.next_stream,
            "segments": self.segments.iter().map(segment_json).collect::<Vec<_>>(),
            "aside": self.aside.as_ref().map(segment_json),
            "bundle": self.bundle.map(|bundle| json!({
                "stream": bundle.stream,
                "bytes": bundle.bytes,
                "check": hex(bundle.check),
            })),
            "nodes": nodes,
        });
        let body = format!("{body:#}\n");
        let head = format!("{HEAD}{FORMAT}{CHECK}{}\n", hex(check_of(FORMAT, body.as_bytes())));
        let text = [head, body].concat().into_bytes();
        if text.len() > STORE_MANIFEST_BYTES_MAX {
            let why = format!("a manifest of {} bytes, where {STORE_MANIFEST_BYTES_MAX} are the most", text.len());
            return Err(StoreError::Draft(why));
        }
        Ok(text)
    }

    /// Reads a file. The outer error ends the search for a checkpoint: the manifest is whole, and of another format.
    pub fn read(dir: &Path, number: u64) -> Result<Result<Manifest, Flaw>, StoreError> {
        let path = path(dir, number);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) => return Ok(Err(Flaw::new(&path, error))),
        };
        let Some((format, body)) = unwrap(&text) else {
            return Ok(Err(Flaw::new(&path, "it is damaged")));
        };
        if format != FORMAT {
            return Err(StoreError::Version { path, found: format.to_string() });
        }
        let value: Value = match serde_json::from_slice(body) {
            Ok(value) => value,
            Err(error) => return Ok(Err(Flaw::new(&path, error))),
        };
        Ok(from_json(number, &value).ok_or_else(|| Flaw::new(&path, "something is missing in it")))
    }

    /// The segments that it names.
    pub fn all_segments(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().chain(&self.aside).copied()
    }

    /// The states in it.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.nodes.values().filter_map(|node| node.state.as_ref())
    }
}

/// Takes the first line off, if the check in it is right.
fn unwrap(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (head, body) = text.split_at_checked(end + 1)?;
    let (format, wanted) =
        std::str::from_utf8(head).ok()?.trim_end_matches('\n').strip_prefix(HEAD)?.split_once(CHECK)?;
    (unhex(wanted)? == check_of(format, body)).then_some((format, body))
}

fn check_of(format: &str, body: &[u8]) -> u64 {
    check(body, check(format.as_bytes(), 0))
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.len() > STORE_MANIFEST_BYTES_MAX as u64 {
        return Err(std::io::Error::other("it is too large"));
    }
    std::fs::read(path)
}

/// Fixed width, so that only one text is right.
fn hex(value: u64) -> String {
    format!("{value:016x}")
}

fn unhex(text: &str) -> Option<u64> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(text, 16).ok().filter(|_| is_hex)
}

fn segment_json(segment: &Segment) -> Value {
    json!({ "number": segment.number, "bytes": segment.len, "check": hex(segment.check) })
}

fn tally_json(tally: Tally) -> Value {
    json!({ "bytes": tally.bytes, "puts": tally.puts, "removes": tally.removes })
}

impl Node {
    fn json(&self) -> Value {
        let (position, position_stream) = match &self.position {
            Position::Here(value) => (value.clone(), None),
            Position::Stream(stream) => (Value::Null, Some(stream)),
        };
        let state = self.state.as_ref().map(|state| {
            json!({
                "stream": state.stream,
                "clean": tally_json(state.clean),
                "later": tally_json(state.later),
                "version": state.shape.version,
                "kind": state.shape.kind,
                "frame": state.shape.frame,
                "parts": state.shape.parts,
            })
        });
        json!({
            "kind": self.kind,
            "mark": self.mark,
            "position": position,
            "position_stream": position_stream,
            "pending_stream": self.pending,
            "state": state,
        })
    }
}

/// `None`: not what `text` writes.
fn from_json(number: u64, value: &Value) -> Option<Manifest> {
    let segments = value.get("segments")?.as_array()?.iter().map(segment_of).collect::<Option<_>>()?;
    let nodes = value.get("nodes")?.as_object()?;
    Some(Manifest {
        number,
        id: value.get("checkpoint")?.as_u64()?,
        topology: text_of(value, "topology")?,
        lineage: value.get("lineage")?.as_u64()?,
        written_at_ms: value.get("written_at_ms")?.as_i64()?,
        next_stream: value.get("next_stream")?.as_u64()?,
        segments,
        aside: optional(value.get("aside")?, segment_of)?,
        bundle: optional(value.get("bundle")?, |bundle| {
            Some(Bundle {
                stream: bundle.get("stream")?.as_u64()?,
                bytes: bundle.get("bytes")?.as_u64()?,
                check: unhex(bundle.get("check")?.as_str()?)?,
            })
        })?,
        nodes: nodes.iter().map(|(id, node)| Some((id.clone(), node_of(node)?))).collect::<Option<_>>()?,
    })
}

fn node_of(value: &Value) -> Option<Node> {
    let position = match value.get("position_stream")?.as_u64() {
        Some(stream) => Position::Stream(stream),
        None => Position::Here(value.get("position")?.clone()),
    };
    Some(Node {
        kind: text_of(value, "kind")?,
        mark: optional(value.get("mark")?, Value::as_i64)?,
        position,
        pending: optional(value.get("pending_stream")?, Value::as_u64)?,
        state: optional(value.get("state")?, |state| {
            let parts = state.get("parts")?.as_array()?.iter();
            Some(State {
                shape: Shape {
                    kind: text_of(state, "kind")?,
                    version: state.get("version")?.as_u64()?.try_into().ok()?,
                    frame: text_of(state, "frame")?,
                    parts: parts.map(|part| Some(part.as_str()?.to_string())).collect::<Option<_>>()?,
                },
                stream: state.get("stream")?.as_u64()?,
                clean: tally_of(state.get("clean")?)?,
                later: tally_of(state.get("later")?)?,
            })
        })?,
    })
}

fn segment_of(value: &Value) -> Option<Segment> {
    Some(Segment {
        number: value.get("number")?.as_u64()?,
        len: value.get("bytes")?.as_u64()?,
        check: unhex(value.get("check")?.as_str()?)?,
    })
}

fn tally_of(value: &Value) -> Option<Tally> {
    let of = |name: &str| value.get(name)?.as_u64();
    Some(Tally { bytes: of("bytes")?, puts: of("puts")?, removes: of("removes")? })
}

fn text_of(value: &Value, name: &str) -> Option<String> {
    Some(value.get(name)?.as_str()?.to_string())
}

/// Null is `Some(None)`, what cannot be read is `None`.
fn optional<T>(value: &Value, read: impl FnOnce(&Value) -> Option<T>) -> Option<Option<T>> {
    if value.is_null() { Some(None) } else { read(value).map(Some) }
}
