//! Appends what a draft has to the segments, and makes the manifest of it all.

use std::collections::BTreeMap;

use crate::limits::STORE_POSITION_BYTES_INLINE;

use super::draft::{Cut, Draft, NodeDraft, cut};
use super::error::StoreError;
use super::manifest::{Bundle, Manifest, Node, Position, State, Tally};
use super::segment::{Writer, check};
use super::{Store, names};

/// The manifest is not published yet, but all that it names is on the disk. Also returns how many bytes were appended.
pub(super) fn append(store: &mut Store, draft: &Draft) -> Result<(Manifest, u64), StoreError> {
    let before = store.kept.last().cloned();
    let mut parts = Vec::with_capacity(draft.nodes.len());
    for node in &draft.nodes {
        let cut = cut(&node.records, store.tuning.block_bytes)?;
        let earlier = before.as_ref().and_then(|before| before.nodes.get(&*node.id)?.state.as_ref());
        let earlier = earlier_of(node, &cut, earlier)?;
        parts.push((node, cut, earlier));
    }
    let mut manifest = Manifest {
        number: 0,
        id: draft.id,
        topology: draft.topology.clone(),
        lineage: draft.lineage,
        written_at_ms: draft.written_at_ms,
        next_stream: before.as_ref().map_or(1, |before| before.next_stream),
        segments: before.as_ref().map(|before| before.segments.clone()).unwrap_or_default(),
        aside: None,
        bundle: before.as_ref().and_then(|before| before.bundle),
        nodes: BTreeMap::new(),
    };
    let goes_on = parts.iter().any(|(.., earlier)| earlier.is_some());
    if !goes_on && (draft.bundle.is_some() || manifest.bundle.is_none()) && worth_a_new_log(store, &manifest) {
        manifest.segments.clear();
        manifest.bundle = None;
        store.log = None;
    }
    let mut appender = Appender { store, aside: None, log_bytes: 0, made: false };
    for (node, cut, earlier) in parts {
        let state = appender.records(node, &cut, earlier, &mut manifest.next_stream)?;
        let part = appender.rest(node, state, &mut manifest.next_stream)?;
        if manifest.nodes.insert(node.id.to_string(), part).is_some() {
            return Err(StoreError::Draft(format!("node {} is in it twice", node.id)));
        }
    }
    if let Some(bundle) = &draft.bundle {
        appender.bundle(bundle, &mut manifest)?;
    }
    let bytes = appender.finish(&mut manifest)?;
    manifest.number = store.number();
    Ok((manifest, bytes))
}

/// Where nothing of a log is needed any more. A small one may as well go on: a new file costs more.
fn worth_a_new_log(store: &Store, manifest: &Manifest) -> bool {
    let bytes: u64 = manifest.segments.iter().map(|segment| segment.len).sum();
    let is_damaged = manifest.segments.iter().any(|segment| segment.number < store.damaged_below);
    is_damaged || bytes > store.tuning.merge_bytes_min
}

/// The state that a node's records go on from.
fn earlier_of(node: &NodeDraft, cut: &Cut, earlier: Option<&State>) -> Result<Option<State>, StoreError> {
    match (&node.shape, earlier.filter(|_| !cut.fresh)) {
        (None, _) if !cut.blocks.is_empty() => {
            Err(StoreError::Draft(format!("node {} has records and no shape", node.id)))
        }
        (None, _) | (Some(_), None) => Ok(None),
        (Some(shape), Some(earlier)) if earlier.shape == *shape => Ok(Some(earlier.clone())),
        (Some(_), Some(_)) => {
            Err(StoreError::Draft(format!("the records of node {} have a new shape and do not begin anew", node.id)))
        }
    }
}

struct Appender<'a> {
    store: &'a mut Store,
    /// What belongs to this checkpoint alone has a segment of its own, which goes with it.
    aside: Option<Writer>,
    log_bytes: u64,
    /// Whether there are new files.
    made: bool,
}

impl Appender<'_> {
    fn log(&mut self, stream: u64, clean: bool, bytes: &[u8]) -> Result<(), StoreError> {
        let log = match &mut self.store.log {
            Some(log) => log,
            None => {
                self.made = true;
                let number = self.store.number();
                self.store.log.insert(Writer::create(&self.store.dir, number)?)
            }
        };
        let before = log.segment().len;
        log.append(stream, clean, bytes)?;
        self.log_bytes += log.segment().len - before;
        Ok(())
    }

    fn records(
        &mut self,
        node: &NodeDraft,
        cut: &Cut,
        earlier: Option<State>,
        next: &mut u64,
    ) -> Result<Option<State>, StoreError> {
        let Some(shape) = &node.shape else { return Ok(None) };
        let mut state = earlier.unwrap_or_else(|| State {
            shape: shape.clone(),
            stream: take(next),
            clean: Tally::default(),
            later: Tally::default(),
        });
        for (clean, block) in &cut.blocks {
            self.log(state.stream, *clean, block)?;
        }
        state.clean = state.clean.plus(cut.clean);
        state.later = state.later.plus(cut.later);
        Ok(Some(state))
    }

    /// What a node has beside its records.
    fn rest(&mut self, node: &NodeDraft, state: Option<State>, next: &mut u64) -> Result<Node, StoreError> {
        let text = node.state.to_string();
        let position = if text.len() <= STORE_POSITION_BYTES_INLINE {
            Position::Here(node.state.clone())
        } else {
            Position::Stream(self.aside(text.as_bytes(), next)?)
        };
        let pending = if node.pending.is_empty() { None } else { Some(self.aside(&node.pending, next)?) };
        Ok(Node { kind: node.kind.clone(), mark: node.mark, position, pending, state })
    }

    fn aside(&mut self, bytes: &[u8], next: &mut u64) -> Result<u64, StoreError> {
        let aside = match &mut self.aside {
            Some(aside) => aside,
            None => {
                self.made = true;
                let number = self.store.number();
                self.aside.insert(Writer::create(&self.store.dir, number)?)
            }
        };
        let stream = take(next);
        for block in bytes.chunks(self.store.tuning.block_bytes.max(1)) {
            aside.append(stream, false, block)?;
        }
        Ok(stream)
    }

    fn bundle(&mut self, bytes: &[u8], manifest: &mut Manifest) -> Result<(), StoreError> {
        let check = check(bytes, 0);
        let is_stored = |bundle: &Bundle| (bundle.bytes, bundle.check) == (bytes.len() as u64, check);
        if manifest.bundle.as_ref().is_some_and(is_stored) {
            return Ok(());
        }
        let stream = take(&mut manifest.next_stream);
        for block in bytes.chunks(self.store.tuning.block_bytes.max(1)) {
            self.log(stream, true, block)?;
        }
        manifest.bundle = Some(Bundle { stream, bytes: bytes.len() as u64, check });
        Ok(())
    }

    /// Everything appended is on the disk when this returns.
    fn finish(self, manifest: &mut Manifest) -> Result<u64, StoreError> {
        let mut bytes = self.log_bytes;
        if self.log_bytes > 0
            && let Some(log) = &self.store.log
        {
            log.sync()?;
            let segment = log.segment();
            match manifest.segments.last_mut().filter(|last| last.number == segment.number) {
                Some(last) => *last = segment,
                None => manifest.segments.push(segment),
            }
        }
        if let Some(aside) = &self.aside {
            aside.sync()?;
            manifest.aside = Some(aside.segment());
            bytes += aside.segment().len;
        }
        if self.made {
            names::sync_dir(&self.store.dir)?;
        }
        Ok(bytes)
    }
}

/// The number of a new stream.
fn take(next: &mut u64) -> u64 {
    *next += 1;
    *next - 1
}
