//! `runner state`: what the checkpoint of a topology holds. It is read without the lock, also while the topology runs; only `rm` takes it.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::event::Timestamp;
use crate::operators::key;
use crate::state::store::{self, Loaded, LoadedNode, Store};
use crate::state::{HEAD, KEY};

use super::{Exit, load, print};

/// What `state` takes.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the nodes: kind, keys, bytes, watermark.
    Ls(Place),
    /// Print the checkpoint without its records, as JSON.
    Show(Part),
    /// Print the records, a line of JSON each.
    Export(Part),
    /// Remove the checkpoint, or one node's part of it. Refused while the topology runs.
    Rm(Part),
}

#[derive(Debug, Args)]
struct Place {
    /// The topology's YAML file, or the folder of a checkpoint itself.
    topology: PathBuf,
    /// The folder that `run` keeps states in [default: `.runner` beside the file].
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Part {
    #[command(flatten)]
    place: Place,
    /// Only this node.
    #[arg(long, value_name = "ID")]
    node: Option<String>,
}

/// Does what it says.
pub(super) fn state(args: &StateArgs) -> Exit {
    let place = match &args.action {
        Action::Ls(place) => place,
        Action::Show(part) | Action::Export(part) | Action::Rm(part) => &part.place,
    };
    let dir = match folder(place) {
        Ok(dir) => dir,
        Err(exit) => return exit,
    };
    let done = match &args.action {
        Action::Ls(_) => read(&dir, None).and_then(|loaded| Ok(print(&list(&loaded, &dir)?))),
        Action::Show(part) => {
            read(&dir, part.node.as_deref()).and_then(|loaded| Ok(print(&format!("{:#}\n", shown(&loaded, &dir)?))))
        }
        Action::Export(part) => read(&dir, part.node.as_deref()).and_then(|loaded| export(&loaded)),
        Action::Rm(part) => remove(&dir, part.node.as_deref()),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        Exit::Failed
    })
}

fn folder(place: &Place) -> Result<PathBuf, Exit> {
    if place.topology.is_dir() {
        return Ok(place.topology.clone());
    }
    match load::name(&place.topology) {
        Ok(name) => Ok(store::folder(&place.topology, &name, place.state.as_deref())),
        Err(diagnostics) => {
            load::report(&diagnostics);
            Err(Exit::Invalid)
        }
    }
}

/// The newest checkpoint, or of it only what belongs to one node.
fn read(dir: &Path, node: Option<&str>) -> Result<Loaded, String> {
    let loaded = Store::peek(dir).map_err(|error| error.to_string())?;
    let mut loaded = loaded.ok_or_else(|| format!("there is no checkpoint in {}", dir.display()))?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(node) = node {
        if !loaded.nodes.contains_key(node) {
            let known: Vec<&str> = loaded.nodes.keys().map(String::as_str).collect();
            return Err(format!("checkpoint {} has no node `{node}`; it has {}", loaded.id, known.join(", ")));
        }
        loaded.nodes.retain(|id, _| id == node);
    }
    Ok(loaded)
}

/// Keys that a node keeps state for; `None`: it keeps none.
fn keys(id: &str, node: &LoadedNode) -> Result<Option<usize>, String> {
    let Some(saved) = &node.saved else { return Ok(None) };
    let current = saved.current().map_err(|why| format!("the state of {id} cannot be read: {why}"))?;
    Ok(Some(current.iter().filter(|(name, _)| *name != HEAD).count()))
}

/// A moment as RFC 3339; one outside of the calendar as its number.
pub(super) fn moment(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_string(),
        Err(_) if Timestamp(ms) == Timestamp::END => "end".into(),
        Err(_) => ms.to_string(),
    }
}

fn list(loaded: &Loaded, dir: &Path) -> Result<String, String> {
    let mut rows = vec![["NODE", "KIND", "KEYS", "BYTES", "WATERMARK"].map(str::to_string)];
    for (id, node) in &loaded.nodes {
        let keys = keys(id, node)?.map_or("-".into(), |keys| keys.to_string());
        let mark = node.mark.map_or("-".into(), moment);
        rows.push([id.clone(), node.kind.clone(), keys, node.bytes.to_string(), mark]);
    }
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.len())).max().unwrap_or(0);
    let [id_width, kind_width, keys_width, bytes_width] = [0, 1, 2, 3].map(width);
    let at = moment(loaded.written_at_ms);
    let mut out = format!("checkpoint {} of {}, written {at}, in {}\n\n", loaded.id, loaded.topology, dir.display());
    for [id, kind, keys, bytes, mark] in &rows {
        let _ = writeln!(out, "{id:id_width$}  {kind:kind_width$}  {keys:>keys_width$}  {bytes:>bytes_width$}  {mark}");
    }
    Ok(out)
}

fn shown(loaded: &Loaded, dir: &Path) -> Result<Value, String> {
    let mut nodes = serde_json::Map::new();
    for (id, node) in &loaded.nodes {
        let shape = node.saved.as_ref().map(|saved| {
            let shape = &saved.shape;
            json!({ "kind": shape.kind, "version": shape.version, "frame": shape.frame, "parts": shape.parts })
        });
        let shown = json!({
            "kind": node.kind,
            "keys": keys(id, node)?,
            "bytes": node.bytes,
            "pending_bytes": node.pending.len(),
            "watermark": node.mark.map(moment),
            "position": node.state,
            "shape": shape,
        });
        nodes.insert(id.clone(), shown);
    }
    Ok(json!({
        "checkpoint": loaded.id,
        "topology": loaded.topology,
        "lineage": loaded.lineage,
        "written_at": moment(loaded.written_at_ms),
        "folder": dir.display().to_string(),
        "nodes": nodes,
    }))
}

fn export(loaded: &Loaded) -> Result<Exit, String> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write_records(loaded, &mut out).and_then(|told| Ok((told, out.flush()?))) {
        Ok((told, ())) => told.map(|()| Exit::Success),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
        Err(error) => Err(format!("stdout cannot be written: {error}")),
    }
}

/// A line for each record, in the order of their names. The inner error is of the state, the outer of what is written to.
fn write_records(loaded: &Loaded, out: &mut impl Write) -> io::Result<Result<(), String>> {
    let mut key_text = Vec::new();
    for (id, node) in &loaded.nodes {
        let Some(saved) = &node.saved else { continue };
        let mut records = match saved.current() {
            Ok(records) => records,
            Err(why) => return Ok(Err(format!("the state of {id} cannot be read: {why}"))),
        };
        records.sort_unstable();
        for (name, value) in records {
            key_text.clear();
            let is_key =
                name.split_first().is_some_and(|(tag, key)| *tag == KEY && key::write_json(key, &mut key_text));
            write!(out, "{{\"node\":{},", Value::from(id.as_str()))?;
            if is_key {
                out.write_all(b"\"key\":")?;
                out.write_all(&key_text)?;
            } else {
                write!(out, "\"name\":\"{}\"", hex(name))?;
            }
            writeln!(out, ",\"value\":\"{}\"}}", hex(value))?;
        }
    }
    Ok(Ok(()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn remove(dir: &Path, node: Option<&str>) -> Result<Exit, String> {
    if !Store::holds_one(dir).map_err(|error| error.to_string())? {
        return Ok(print(&format!("there is no checkpoint in {}\n", dir.display())));
    }
    let mut store = Store::open(dir).map_err(|error| error.to_string())?;
    let Some(node) = node else {
        store.remove().map_err(|error| error.to_string())?;
        return Ok(print(&format!("removed the checkpoint in {}\n", dir.display())));
    };
    // Says so where there is no such node.
    read(dir, Some(node))?;
    store.load().and_then(|_| store.forget(node)).map_err(|error| error.to_string())?;
    Ok(print(&format!("removed what the checkpoint in {} had of {node}\n", dir.display())))
}

#[cfg(test)]
mod tests {
    use crate::state::store::{Draft, NodeDraft};
    use crate::state::{Shape, Snapshot};

    use super::*;

    fn write(dir: &Path) {
        let mut snapshot = Snapshot::new(true);
        snapshot.put(HEAD, |out| out.push(9));
        snapshot.put(&[KEY, 3, 0, 0, 0, 0, 0, 0, 0, 7], |out| out.extend_from_slice(&[1, 255]));
        snapshot.put(b"other", |_| {});
        let node = |id: &str, kind: &str| NodeDraft {
            id: id.into(),
            kind: kind.into(),
            shape: None,
            mark: Some(1_764_000_000_000),
            state: json!({ "sequence": 12 }),
            records: Vec::new(),
            pending: bytes::Bytes::new(),
        };
        let shape = Shape { kind: "dedupe".into(), version: 1, frame: "[id]".into(), parts: Vec::new() };
        let stage = NodeDraft { shape: Some(shape), records: vec![snapshot.finish()], ..node("once", "dedupe") };
        let nodes = vec![node("in", "nats"), stage];
        let draft = Draft { id: 3, topology: "t".into(), lineage: 1, written_at_ms: 0, nodes, bundle: None };
        Store::open(dir).unwrap().write(&draft).unwrap();
    }

    #[test]
    fn nodes_are_listed_and_records_exported() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        let loaded = read(dir.path(), None).unwrap();
        let listed = list(&loaded, dir.path()).unwrap();
        let lines: Vec<&str> = listed.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "NODE  KIND    KEYS  BYTES  WATERMARK",
                "in    nats       -      0  2025-11-24T16:00:00Z",
                "once  dedupe     2     28  2025-11-24T16:00:00Z",
            ]
        );
        let shown = shown(&loaded, dir.path()).unwrap();
        assert_eq!(shown["nodes"]["in"]["position"]["sequence"], 12);
        let mut out = Vec::new();
        write_records(&loaded, &mut out).unwrap().unwrap();
        let expected = "{\"node\":\"once\",\"name\":\"00\",\"value\":\"09\"}\n\
                        {\"node\":\"once\",\"key\":[7],\"value\":\"01ff\"}\n\
                        {\"node\":\"once\",\"name\":\"6f74686572\",\"value\":\"\"}\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_node_or_all_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = &dir.path().join("t");
        write(dir);
        assert!(remove(dir, Some("no")).unwrap_err().contains("it has in, once"));
        assert_eq!(remove(dir, Some("once")), Ok(Exit::Success));
        assert!(read(dir, Some("once")).is_err() && read(dir, Some("in")).is_ok());
        let running = Store::open(dir).unwrap();
        assert!(remove(dir, None).unwrap_err().contains("in use"));
        drop(running);
        assert_eq!((remove(dir, None), dir.exists()), (Ok(Exit::Success), false));
        assert_eq!(remove(dir, None), Ok(Exit::Success));
    }
}
