//! Reads checkpoints: the newest that is whole.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use crate::state::Saved;

use super::error::{Flaw, StoreError};
use super::manifest::{Manifest, Node, Position};
use super::names;
use super::segment::Reader;

/// A checkpoint as it was written.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub id: u64,
    pub topology: String,
    pub lineage: u64,
    pub written_at_ms: i64,
    pub nodes: BTreeMap<String, LoadedNode>,
    pub bundle: Option<Bytes>,
    /// What was damaged, and what that means.
    pub warnings: Vec<String>,
}

/// A node's part of it.
#[derive(Clone, Debug)]
pub struct LoadedNode {
    pub kind: String,
    /// Its watermark, in milliseconds.
    pub mark: Option<i64>,
    /// The position of a source, or what a sink goes on from.
    pub state: Value,
    pub saved: Option<Saved>,
    /// Output that a sink held back.
    pub pending: Bytes,
    /// What the node has on disk.
    pub bytes: u64,
}

/// The newest whole checkpoint and its manifest; `None`: there is none at all.
pub(super) fn newest(dir: &Path) -> Result<Option<(Manifest, Loaded)>, StoreError> {
    let mut flaws = Vec::new();
    for number in names::manifests(dir)? {
        let read = Manifest::read(dir, number)?.and_then(|manifest| Ok((contents(dir, &manifest)?, manifest)));
        match read {
            Ok((mut loaded, manifest)) => {
                loaded.warnings = flaws.iter().map(|Flaw(why)| warning(why, loaded.id)).collect();
                return Ok(Some((manifest, loaded)));
            }
            Err(flaw) => flaws.push(flaw),
        }
    }
    if flaws.is_empty() {
        return Ok(None);
    }
    Err(StoreError::Damaged { dir: dir.to_path_buf(), flaws: flaws.into_iter().map(|Flaw(why)| why).collect() })
}

fn warning(why: &str, used: u64) -> String {
    format!(
        "a checkpoint is damaged ({why}); checkpoint {used}, from before it, is used: what came after that is processed again"
    )
}

/// Reads all that a manifest names.
fn contents(dir: &Path, manifest: &Manifest) -> Result<Loaded, Flaw> {
    let mut streams: HashMap<u64, Vec<Bytes>> = streams(manifest).map(|stream| (stream, Vec::new())).collect();
    for segment in manifest.all_segments() {
        let mut reader = Reader::open(dir, segment)?;
        while let Some(block) = reader.next()? {
            // What belongs to no stream any more waits for the next merge.
            if let Some(blocks) = streams.get_mut(&block.stream) {
                blocks.push(block.payload);
            }
        }
    }
    let mut take = |stream: u64| streams.remove(&stream).unwrap_or_default();
    let bundle = manifest.bundle.map(|bundle| joined(take(bundle.stream)));
    let mut nodes = BTreeMap::new();
    for (id, node) in &manifest.nodes {
        let node = loaded(node, &mut take).map_err(|why| Flaw::new(dir, format_args!("node {id}: {why}")))?;
        nodes.insert(id.clone(), node);
    }
    Ok(Loaded {
        id: manifest.id,
        topology: manifest.topology.clone(),
        lineage: manifest.lineage,
        written_at_ms: manifest.written_at_ms,
        nodes,
        bundle,
        warnings: Vec::new(),
    })
}

fn streams(manifest: &Manifest) -> impl Iterator<Item = u64> {
    let of_nodes = manifest.nodes.values().flat_map(|node| {
        let position = match node.position {
            Position::Here(_) => None,
            Position::Stream(stream) => Some(stream),
        };
        [position, node.pending, node.state.as_ref().map(|state| state.stream)]
    });
    of_nodes.flatten().chain(manifest.bundle.map(|bundle| bundle.stream))
}

fn loaded(node: &Node, take: &mut impl FnMut(u64) -> Vec<Bytes>) -> Result<LoadedNode, serde_json::Error> {
    let state = match &node.position {
        Position::Here(value) => value.clone(),
        Position::Stream(stream) => serde_json::from_slice(&joined(take(*stream)))?,
    };
    let pending = node.pending.map(|stream| joined(take(stream))).unwrap_or_default();
    let snapshots = node.state.as_ref().map(|state| take(state.stream)).unwrap_or_default();
    let bytes = snapshots.iter().map(Bytes::len).sum::<usize>() + pending.len();
    let saved = node.state.as_ref().map(|state| Saved { shape: state.shape.clone(), snapshots });
    Ok(LoadedNode { kind: node.kind.clone(), mark: node.mark, state, saved, pending, bytes: bytes as u64 })
}

fn joined(mut blocks: Vec<Bytes>) -> Bytes {
    match blocks.len() {
        0 => Bytes::new(),
        1 => blocks.swap_remove(0),
        _ => blocks.concat().into(),
    }
}
