//! Puts a checkpoint together from the parts of its nodes, and writes it off the data path.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::connectors::Position;
use crate::event::Timestamp;
use crate::flow::Saves;
use crate::limits::UNSAVED_BYTES_MAX;
use crate::state::store::{Draft, NodeDraft, Stats, Store};
use crate::state::{Shape, Snapshot};

use super::Clock;
use super::trouble::Trouble;

/// A node's part of a checkpoint.
#[derive(Debug)]
pub(super) struct NodePart {
    pub mark: Timestamp,
    /// The position of a source, or what a sink has written.
    pub state: Position,
    /// What a sink holds back.
    pub pending: Bytes,
    /// Files that must be on disk first.
    pub sync: Vec<File>,
    /// What has changed of a stage's state.
    pub records: Bytes,
}

impl Default for NodePart {
    fn default() -> NodePart {
        let (state, pending, sync) = (Position::Null, Bytes::new(), Vec::new());
        NodePart { mark: Timestamp::NONE, state, pending, sync, records: Bytes::new() }
    }
}

/// What does not change of a node while a graph runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SavedNode {
    pub id: Arc<str>,
    /// What it is, and for a source or sink which system it is connected with: another one is another node.
    pub kind: String,
    pub shape: Option<Shape>,
}

/// The parts of one node that are in no checkpoint yet, with the barrier to which each belongs.
#[derive(Debug, Default)]
struct Unsaved {
    /// In the order of the barriers; the last at or before a checkpoint's barrier holds for it.
    parts: VecDeque<(u64, NodePart)>,
    /// What the last checkpoint says, for a node that gives no part any more.
    last: NodePart,
}

/// How a checkpoint was written.
pub(super) struct Written {
    pub id: u64,
    pub result: Result<(), String>,
}

/// What one attempt to write a checkpoint is made of.
struct Attempt {
    draft: Draft,
    sync: Vec<File>,
}

/// A checkpoint that is being written.
struct Writing {
    id: u64,
    task: JoinHandle<(Store, Attempt, Result<Stats, String>)>,
    /// Told when it is on disk; the store may still have to be tidied up then. `None`: it was heard.
    published: Option<oneshot::Receiver<()>>,
}

/// Collects parts, and writes one checkpoint at a time.
pub(super) struct Saver {
    /// `None` while it is being written.
    store: Option<Store>,
    topology: Arc<str>,
    pub lineage: u64,
    clock: Clock,
    nodes: Vec<SavedNode>,
    texts: Bytes,
    unsaved: HashMap<Arc<str>, Unsaved>,
    /// Bytes of records that could not be written.
    left: usize,
    /// Files that could not be brought to the disk.
    sync: Vec<File>,
    /// More was left than may be held: everything has to be written anew.
    overflowed: bool,
    /// Whether there is a checkpoint on disk.
    has_one: bool,
    /// Whether the next one should come at once.
    is_hasty: bool,
    /// The first barrier since then that asks for everything.
    whole_at: u64,
    /// The folder has gone: it has to be made again.
    lost: bool,
    writing: Option<Writing>,
    trouble: Trouble,
}

impl Saver {
    pub fn new(store: Store, topology: Arc<str>, lineage: u64, clock: Clock) -> Saver {
        Saver {
            store: Some(store),
            topology,
            lineage,
            clock,
            nodes: Vec::new(),
            texts: Bytes::new(),
            unsaved: HashMap::new(),
            left: 0,
            sync: Vec::new(),
            overflowed: false,
            has_one: false,
            is_hasty: false,
            lost: false,
            writing: None,
            trouble: Trouble::default(),
            whole_at: 0,
        }
    }

    /// For a run that goes on from a checkpoint.
    pub fn goes_on(mut self) -> Saver {
        self.has_one = true;
        self
    }

    /// Whether there is a checkpoint to go on from.
    pub fn has_one(&self) -> bool {
        self.has_one
    }

    /// The next checkpoint should come at once: the definition is another one than that of the last.
    pub fn hasten(&mut self) {
        self.is_hasty = true;
    }

    /// Whether that was asked for; only once.
    pub fn take_haste(&mut self) -> bool {
        std::mem::take(&mut self.is_hasty)
    }

    /// The nodes of the graph that runs from now on, and the texts that it was made of.
    pub fn set_plan(&mut self, nodes: Vec<SavedNode>, texts: Bytes) {
        self.texts = texts;
        // What is another thing now begins anew, though it has the same name.
        let stays = |id: &Arc<str>| nodes.iter().any(|node| node.id == *id && self.nodes.contains(node));
        self.unsaved.retain(|id, _| stays(id));
        self.nodes = nodes;
    }

    /// What the checkpoint at this barrier, the next one, has to ask of the nodes.
    pub fn saves(&mut self, barrier: u64) -> Saves {
        // A look at a few names: what is asked of the nodes depends on it.
        if let Some(store) = self.store.as_ref().filter(|store| !store.is_there()) {
            if !self.trouble.lasts() {
                tracing::warn!("the state in {} has been removed: it is written anew", store.dir().display());
            }
            (self.lost, self.has_one) = (true, false);
            self.begin_anew(0);
        }
        if !std::mem::take(&mut self.overflowed) {
            return Saves::Changes;
        }
        self.whole_at = barrier;
        Saves::Everything
    }

    /// Takes a node's part of the checkpoint at this barrier, or of whichever comes then.
    pub fn take(&mut self, id: &Arc<str>, barrier: u64, part: NodePart) {
        let unsaved = self.unsaved.entry(id.clone()).or_default();
        unsaved.parts.push_back((barrier, part));
    }

    /// Whether a checkpoint is being written.
    pub fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Begins to write the checkpoint of this barrier, all of whose parts are there. Nothing is being written. `Err`: why it cannot be.
    pub fn write(&mut self, id: u64) -> Result<(), &'static str> {
        if self.overflowed || id < self.whole_at {
            // Its barrier was sent before: its parts are changes of what is not there any more.
            return Err("the one before could not be, and what it had was more than may be kept");
        }
        let Some(mut store) = self.store.take() else { return Err("the store has failed before") };
        let mut sync = std::mem::take(&mut self.sync);
        let nodes = self.nodes.iter().map(|node| {
            let unsaved = self.unsaved.entry(node.id.clone()).or_default();
            unsaved.draft(node, id, &mut sync)
        });
        let draft = Draft {
            id,
            topology: self.topology.to_string(),
            lineage: self.lineage,
            written_at_ms: self.clock.wall_ms(),
            nodes: nodes.collect(),
            bundle: Some(self.texts.clone()),
        };
        let attempt = Attempt { draft, sync };
        let lost = std::mem::take(&mut self.lost);
        self.left = 0;
        let (published, heard) = oneshot::channel();
        let task = tokio::task::spawn_blocking(move || {
            let published = |_: &Stats| published.send(()).unwrap_or_default();
            let result = match attempt.sync.iter().try_for_each(File::sync_data) {
                Ok(()) => if lost { store.make_again() } else { Ok(()) }
                    .and_then(|()| store.write_then(&attempt.draft, published))
                    .map_err(|error| error.to_string()),
                Err(error) => Err(format!("what sinks have written cannot be brought to the disk: {error}")),
            };
            (store, attempt, result)
        });
        self.writing = Some(Writing { id, task, published: Some(heard) });
        Ok(())
    }

    /// Waits until the checkpoint that is being written is on disk or cannot be, and then, with `None`, until the store is ready for
    /// the next one; for ever if there is none. Cancel-safe.
    pub async fn written(&mut self) -> Option<Written> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let id = writing.id;
        if let Some(published) = &mut writing.published {
            let is_published = published.await.is_ok();
            writing.published = None;
            if is_published {
                self.has_one = true;
                return Some(Written { id, result: Ok(()) });
            }
        }
        let ended = (&mut writing.task).await;
        self.writing = None;
        match ended {
            Ok((store, attempt, result)) => {
                self.store = Some(store);
                match result {
                    Ok(stats) => {
                        stats.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                        if stats.damaged {
                            self.begin_anew(id);
                        }
                        None
                    }
                    Err(why) => {
                        self.keep(attempt);
                        Some(Written { id, result: Err(why) })
                    }
                }
            }
            // Without its store there are no more checkpoints, and nothing is acknowledged any more.
            Err(error) => Some(Written { id, result: Err(format!("writing it has failed, which is a bug: {error}")) }),
        }
    }

    /// Tells of a checkpoint that could not be written, and of the first that could again.
    pub fn tell(&mut self, written: &Written) {
        match &written.result {
            Ok(()) if self.trouble.is_over() => tracing::info!("checkpoints are written again"),
            Ok(()) => {}
            Err(why) if self.trouble.is_told() => {
                tracing::warn!("checkpoint {} cannot be written, and is tried again: {why}", written.id);
            }
            Err(why) => tracing::debug!("checkpoint {} cannot be written: {why}", written.id),
        }
    }

    /// What could not be written goes into the next checkpoint.
    fn keep(&mut self, attempt: Attempt) {
        self.sync = attempt.sync;
        let id = attempt.draft.id;
        for node in attempt.draft.nodes {
            let unsaved = self.unsaved.entry(node.id).or_default();
            for records in node.records.into_iter().rev() {
                self.left += records.len();
                unsaved.parts.push_front((id, NodePart { records, ..unsaved.last_copy() }));
            }
        }
        if self.left > UNSAVED_BYTES_MAX {
            self.begin_anew(id);
        }
    }

    /// The next checkpoint has everything: those that still run are asked for it, the others have nothing any more.
    fn begin_anew(&mut self, id: u64) {
        self.overflowed = true;
        self.left = 0;
        for node in &self.nodes {
            let unsaved = self.unsaved.entry(node.id.clone()).or_default();
            unsaved.parts.iter_mut().for_each(|(_, part)| part.records = Bytes::new());
            let records = Snapshot::new(true).finish();
            unsaved.parts.push_front((id, NodePart { records, ..unsaved.last_copy() }));
        }
    }

    /// Forgets what an earlier run has left.
    pub fn clear(&mut self, with_notes: bool) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let cleared = store.clear().and_then(|()| if with_notes { store.clear_notes() } else { Ok(()) });
        cleared.map_err(|error| error.to_string())
    }

    /// The run has ended by itself: there is nothing to go on from.
    pub fn remove(self) -> Result<(), String> {
        self.store.map_or(Ok(()), |store| store.remove().map_err(|error| error.to_string()))
    }
}

impl Unsaved {
    /// A node's part of the checkpoint at barrier `id`, taken out of what is unsaved.
    fn draft(&mut self, node: &SavedNode, id: u64, sync: &mut Vec<File>) -> NodeDraft {
        let mut records = Vec::new();
        while self.parts.front().is_some_and(|(barrier, _)| *barrier <= id)
            && let Some((_, mut part)) = self.parts.pop_front()
        {
            let own = std::mem::take(&mut part.records);
            if !own.is_empty() {
                records.push(own);
            }
            sync.append(&mut part.sync);
            self.last = part;
        }
        NodeDraft {
            id: node.id.clone(),
            kind: node.kind.clone(),
            shape: node.shape.clone(),
            mark: self.last.mark.get(),
            state: self.last.state.clone(),
            records,
            pending: self.last.pending.clone(),
        }
    }

    fn last_copy(&self) -> NodePart {
        let last = &self.last;
        NodePart { mark: last.mark, state: last.state.clone(), pending: last.pending.clone(), ..NodePart::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_of_what_could_not_be_kept_are_in_no_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut saver = Saver::new(store, "t".into(), 1, Clock::start());
        assert_eq!(saver.saves(1), Saves::Changes);
        saver.begin_anew(1);
        assert!(saver.write(2).is_err(), "its barrier asked for changes");
        assert_eq!(saver.saves(3), Saves::Everything);
        assert!(saver.write(2).is_err(), "it passes later than the next one was sent");
        assert_eq!(saver.write(3), Ok(()));
        assert!(saver.written().await.is_some_and(|written| written.id == 3 && written.result.is_ok()));
    }

    #[tokio::test]
    async fn a_folder_that_was_removed_is_made_again_and_has_everything() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join(".runner/t");
        let shape = Shape { kind: "window".into(), version: 1, frame: String::new(), parts: Vec::new() };
        let mut saver = Saver::new(Store::open(&dir).unwrap(), "t".into(), 1, Clock::start());
        let node = SavedNode { id: "w".into(), kind: "window".into(), shape: Some(shape) };
        saver.set_plan(vec![node], Bytes::from_static(b"texts"));
        let remove_manifests = |dir: &std::path::Path| {
            let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
            files.filter(|path| path.to_string_lossy().contains("manifest-")).for_each(|path| {
                std::fs::remove_file(path).unwrap();
            });
        };
        for id in 1..=4 {
            match id {
                3 => std::fs::remove_dir_all(folder.path().join(".runner")).unwrap(),
                4 => remove_manifests(&dir),
                _ => {}
            }
            let saves = saver.saves(id);
            assert_eq!(saves == Saves::Everything, id > 2);
            let mut snapshot = Snapshot::new(id == 1 || saves == Saves::Everything);
            snapshot.put(&[id as u8], |out| out.push(1));
            saver.take(&"w".into(), id, NodePart { records: snapshot.finish(), ..NodePart::default() });
            assert_eq!(saver.write(id), Ok(()));
            while let Some(written) = saver.written().await {
                assert_eq!(written.result, Ok(()), "{id}");
            }
        }
        let loaded = Store::peek(&dir).unwrap().unwrap();
        assert_eq!(loaded.id, 4);
        let records = loaded.nodes["w"].saved.as_ref().unwrap().records();
        assert_eq!(records.filter(|record| matches!(record, Ok(crate::state::Record::Put { .. }))).count(), 1);
        assert!(Store::open(&dir).is_err(), "it is locked");
    }
}
