//! How a run begins: afresh, or where the last checkpoint says. Opens every source and sink accordingly.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::connectors::{Claims, Frames, Position, Replay, Sink, SinkOpen, SinkResume, Source, SourceOpen};
use crate::event::Timestamp;
use crate::event::encode::Format;
use crate::limits::BATCH_EVENTS_MAX;
use crate::operators::Carry;
use crate::plan::{Node, Plan, SinkNode, SourceNode, StageNode, Work};
use crate::state::HEAD;
use crate::state::store::{self, Loaded, LoadedNode, Store, StoreError};

use super::graph::{Ground, operator};
use super::parts::{SinkPart, SourcePart, StageState, Supply};
use super::saver::Saver;
use super::{Failure, RunOptions};

/// What a run does with the checkpoint of an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Where every source ends by itself it starts afresh, else it goes on.
    #[default]
    Auto,
    /// It goes on.
    Resume,
    /// It starts afresh.
    Fresh,
}

/// How a run has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The checkpoint that it goes on from.
    pub from: Option<Checkpoint>,
    /// An interrupted run's checkpoint that it did not go on from.
    pub passed_over: Option<Checkpoint>,
    /// Where checkpoints are written; `None`: none are.
    pub folder: Option<PathBuf>,
}

/// A checkpoint, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub id: u64,
    pub written_at_ms: i64,
    /// Where each source goes on, by its id.
    pub sources: Vec<(String, Position)>,
}

/// Why a run has not started.
#[derive(Clone, Debug)]
pub enum NotStarted {
    Failed(Failure),
    /// The checkpoint has state that the plan cannot take over. Started with the texts that wrote it (as [`Plan::texts`] has them), the
    /// topology can be changed to this plan while it runs.
    Differs {
        failure: Failure,
        texts: Option<Bytes>,
    },
}

impl From<Failure> for NotStarted {
    fn from(failure: Failure) -> NotStarted {
        NotStarted::Failed(failure)
    }
}

/// What is known before anything is opened.
pub(super) struct Past {
    pub saver: Option<Saver>,
    pub next_id: u64,
    pub begun: Begun,
    loaded: Option<Loaded>,
    lineage: u64,
    fresh: bool,
    /// The checkpoint behind which what sinks did is taken back: 0 where a run was to go on and had written none yet.
    behind: Option<u64>,
    /// What an earlier run left goes once this one can begin.
    leftovers: Leftovers,
}

/// What of an earlier run's state does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leftovers {
    Nothing,
    Checkpoints,
    CheckpointsAndNotes,
}

impl Plan {
    /// Whether its runs write checkpoints: where something could be gone on from, and acknowledgements alone do not do.
    pub fn keeps_checkpoints(&self) -> bool {
        let has_state = self.nodes.iter().any(|node| match &node.work {
            Work::Stage(stage) => stage.stage.shape().is_some(),
            Work::Source(_) => false,
            Work::Sink(sink) => sink.plan.needs_checkpoints(),
        });
        let has_position = |source: &SourceNode| source.plan.replay() == Replay::Position;
        self.sources().any(|source| has_position(source) && !source.plan.needs_acks())
            || has_state && (!self.is_bounded() || self.sources().any(has_position))
    }
}

/// Opens the store, and reads the checkpoint to go on from.
pub(super) fn look_back(plan: &Plan, ground: &Ground) -> Result<Past, Failure> {
    let RunOptions { recovery, state, .. } = &ground.options;
    let begun = Begun { from: None, passed_over: None, folder: None };
    let lineage = RandomState::new().build_hasher().finish();
    let fresh = *recovery == Recovery::Fresh;
    let nothing = Past {
        saver: None,
        next_id: 1,
        begun,
        loaded: None,
        lineage,
        fresh,
        behind: None,
        leftovers: Leftovers::Nothing,
    };
    let Some(folder) = state.as_ref().filter(|_| plan.keeps_checkpoints()) else { return Ok(nothing) };
    let failed = |error: StoreError| Failure::of(&plan.name, error.to_string());
    let mut store = match Store::open(folder) {
        Ok(store) => store,
        Err(error @ StoreError::Io { .. }) if plan.is_bounded() && *recovery != Recovery::Resume => {
            tracing::warn!("{error}; this run writes no checkpoints, so it cannot be resumed");
            return Ok(nothing);
        }
        Err(error) => return Err(failed(error)),
    };
    let goes_on = match recovery {
        Recovery::Auto => !plan.is_bounded(),
        Recovery::Resume => true,
        Recovery::Fresh => false,
    };
    let found = match store.load() {
        Ok(found) => found,
        Err(_) if !goes_on => None,
        Err(error) => return Err(failed(error)),
    };
    let told = found.as_ref().map(|loaded| checkpoint(plan, loaded));
    let mut begun = Begun { folder: Some(folder.clone()), ..nothing.begun };
    let loaded = found.filter(|_| goes_on);
    if let Some(loaded) = &loaded {
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        begun.from = told;
    } else {
        begun.passed_over = told;
    }
    let leftovers = match (&loaded, goes_on) {
        (Some(_), _) => Leftovers::Nothing,
        (None, true) => Leftovers::Checkpoints,
        (None, false) => Leftovers::CheckpointsAndNotes,
    };
    let behind = goes_on.then(|| loaded.as_ref().map_or(0, |loaded| loaded.id));
    let next_id = loaded.as_ref().map_or(1, |loaded| loaded.id + 1);
    let lineage = loaded.as_ref().map_or(lineage, |loaded| loaded.lineage);
    let saver = Saver::new(store, plan.name.clone(), lineage, ground.clock);
    let saver = Some(if loaded.is_some() { saver.goes_on() } else { saver });
    Ok(Past { saver, next_id, begun, loaded, lineage, fresh, behind, leftovers })
}

fn checkpoint(plan: &Plan, loaded: &Loaded) -> Checkpoint {
    let is_source = |id: &str| plan.nodes.iter().any(|node| *node.id == *id && matches!(node.work, Work::Source(_)));
    let sources = loaded.nodes.iter().filter(|(id, _)| is_source(id));
    let sources = sources.map(|(id, node)| (id.clone(), node.state.clone())).collect();
    Checkpoint { id: loaded.id, written_at_ms: loaded.written_at_ms, sources }
}

/// What a node is in a checkpoint: its kind, and for a source what its positions are in, for a sink which system it is connected with,
/// so that the position in one is never taken for one in another.
pub(super) fn kind(node: &Node) -> String {
    match node.work {
        Work::Stage(_) => node.identity.kind.to_string(),
        Work::Source(ref source) => {
            format!("{} {:?} {}", node.identity.kind, source.framing, source.plan.positions_in())
        }
        Work::Sink(_) => format!("{} {:016x}", node.identity.kind, node.identity.connection()),
    }
}

impl Past {
    /// The number of this line of checkpoints.
    pub fn lineage(&self) -> u64 {
        self.lineage
    }

    /// What each node begins with. Sources are opened before sinks, so that nothing is truncated when a source cannot be opened.
    pub async fn supplies(&mut self, plan: &Plan, ground: &Ground) -> Result<Vec<Supply>, NotStarted> {
        let texts = self.loaded.as_mut().and_then(|loaded| loaded.bundle.take());
        let mut nodes = self.loaded.take().map(|loaded| (loaded.id, loaded.nodes));
        if let Some(failure) = nodes.as_ref().and_then(|(_, nodes)| differs(plan, nodes)) {
            return Err(NotStarted::Differs { failure, texts });
        }
        let mut supplies = Vec::with_capacity(plan.nodes.len());
        for (place, node) in plan.nodes.iter().enumerate() {
            let known = nodes.as_mut().and_then(|(_, nodes)| known(nodes, node));
            let opened = match &node.work {
                Work::Source(source) => {
                    let position =
                        known.as_ref().map(|known| known.state.clone()).filter(|position| !position.is_null());
                    let opened = self.open_source(plan, node, source, &ground.options, position).await?;
                    let mark = known.as_ref().and_then(|known| known.mark).map_or(Timestamp::NONE, Timestamp);
                    // One that comes to a running topology is no reason to wait.
                    let idle_for = (known.is_none() && nodes.is_some()).then_some(Duration::ZERO);
                    Some(Supply::Source(SourcePart { mark, idle_for, ..SourcePart::new(opened) }))
                }
                Work::Stage(stage) => Some(Supply::Stage(state(plan, place, stage, known)?)),
                Work::Sink(_) => None,
            };
            supplies.push((opened, known_sink(node, nodes.as_mut())));
        }
        // A run that cannot read leaves what an earlier one can go on from. Sinks replace what belongs to it.
        if let (Some(saver), true) = (&mut self.saver, self.leftovers != Leftovers::Nothing) {
            let with_notes = self.leftovers == Leftovers::CheckpointsAndNotes;
            saver.clear(with_notes).map_err(|why| Failure::of(&plan.name, why))?;
        }
        let mut all = Vec::with_capacity(supplies.len());
        for (node, (supply, resume)) in plan.nodes.iter().zip(supplies) {
            all.push(match (supply, &node.work) {
                (Some(supply), _) => supply,
                (None, Work::Sink(sink)) => self.sink(plan, node, sink, resume, ground).await?,
                (None, _) => unreachable!("sources and stages were supplied"),
            });
        }
        Ok(all)
    }

    async fn open_source(
        &self,
        plan: &Plan,
        node: &Node,
        source: &SourceNode,
        options: &RunOptions,
        resume: Option<Position>,
    ) -> Result<Box<dyn Source>, Failure> {
        let open = SourceOpen { resume, fresh: self.fresh, ..source_open(plan, source, options, self.saver.is_some()) };
        source.plan.open(open).await.map_err(|error| Failure::of(&node.id, error.message))
    }

    async fn sink(
        &self,
        plan: &Plan,
        node: &Node,
        sink: &SinkNode,
        known: Option<(u64, LoadedNode)>,
        ground: &Ground,
    ) -> Result<Supply, Failure> {
        let (resume, columns) = match known {
            Some((id, known)) => {
                let (state, columns) = split_position(known.state);
                (Some(SinkResume { id, state, pending: known.pending }), columns)
            }
            // A sink of which the checkpoint knows nothing may still have written behind it.
            None => {
                let nothing = |id| SinkResume { id, state: Position::Null, pending: bytes::Bytes::new() };
                (self.behind.map(nothing), None)
            }
        };
        let (folder, claims) = (self.begun.folder.as_deref(), ground.claims.clone());
        let opened = open_sink(plan, node, sink, self.lineage, folder, resume, claims).await?;
        Ok(Supply::Sink(Box::new(SinkPart { columns, ..SinkPart::new(opened) })))
    }
}

/// Why the plan cannot take over the state that the checkpoint has: the first stage of which that is so.
fn differs(plan: &Plan, nodes: &BTreeMap<String, LoadedNode>) -> Option<Failure> {
    nodes.iter().find_map(|(id, known)| {
        let saved = known.saved.as_ref()?;
        let is = |name: Option<&Arc<str>>| name.is_some_and(|name| **name == **id);
        let same = plan.nodes.iter().find(|node| is(Some(&node.id)));
        let node = same.or_else(|| plan.nodes.iter().find(|node| is(node.was.as_ref())));
        let why = match node.map(|node| (&node.work, node)) {
            Some((Work::Stage(stage), node)) if kind(node) == known.kind => match stage.stage.carry(&saved.shape) {
                Carry::Kept | Carry::Changed(_) => return None,
                Carry::Cut(why) | Carry::Lost(why) => why,
            },
            _ if saved.current().is_ok_and(|records| records.iter().all(|(name, _)| *name == HEAD)) => return None,
            _ => format!("there is no `{id}` of the kind {} any more", known.kind),
        };
        let message = format!(
            "the checkpoint has state of this stage that the topology as it is now cannot take over: {why}. Either start with the \
             definition that wrote it, and change it while it runs; or drop the state of this stage with `runner state rm FILE \
             --node {id}`; or start over with --fresh"
        );
        Some(Failure::of(id, message))
    })
}

/// A stage's state, as far as the checkpoint has any.
fn state(plan: &Plan, place: usize, stage: &StageNode, known: Option<LoadedNode>) -> Result<StageState, Failure> {
    let Some(LoadedNode { saved: Some(saved), mark, .. }) = known else { return Ok(StageState::Fresh) };
    let id = &plan.nodes[place].id;
    if let Carry::Changed(words) = stage.stage.carry(&saved.shape) {
        tracing::info!(node = %id, "{words}");
    }
    let mut operator = operator(plan, place, stage);
    operator.restore(&saved).map_err(|corrupt| {
        let way_out = "start over with --fresh, and report it: this is a bug";
        Failure::of(id, format!("its state in the checkpoint cannot be read: {corrupt}; {way_out}"))
    })?;
    Ok(StageState::Restored { operator, mark: mark.map_or(Timestamp::NONE, Timestamp) })
}

/// What the checkpoint has of a source or stage: of the same id, kind and system.
fn known(nodes: &mut BTreeMap<String, LoadedNode>, node: &Node) -> Option<LoadedNode> {
    if matches!(node.work, Work::Sink(_)) {
        return None;
    }
    take(nodes, node)
}

fn known_sink(node: &Node, nodes: Option<&mut (u64, BTreeMap<String, LoadedNode>)>) -> Option<(u64, LoadedNode)> {
    let (id, nodes) = nodes?;
    matches!(node.work, Work::Sink(_)).then_some(())?;
    Some((*id, take(nodes, node)?))
}

fn take(nodes: &mut BTreeMap<String, LoadedNode>, node: &Node) -> Option<LoadedNode> {
    let id = [Some(&node.id), node.was.as_ref()].into_iter().flatten().find(|id| nodes.contains_key(&***id))?;
    let found = nodes.remove(&**id)?;
    let is_same = match node.work {
        // Of a system with other settings it goes on as it does at a reload: what it wrote behind the checkpoint is taken back there.
        Work::Sink(_) => found.kind.split(' ').next() == Some(node.identity.kind),
        Work::Source(_) | Work::Stage(_) => found.kind == kind(node),
    };
    if is_same {
        return Some(found);
    }
    tracing::info!(node = %node.id, "it was something else when the checkpoint was written, and begins afresh");
    None
}

/// How a source is opened that begins.
pub(super) fn source_open(plan: &Plan, source: &SourceNode, options: &RunOptions, saves: bool) -> SourceOpen {
    SourceOpen {
        framing: source.framing.clone(),
        event_bytes_max: plan.limits.line,
        chunk_events_max: options.batch_events.clamp(1, BATCH_EVENTS_MAX),
        resume: None,
        fresh: false,
        has_checkpoints: saves,
    }
}

/// Opens a sink. `folder`: where checkpoints are written.
pub(super) async fn open_sink(
    plan: &Plan,
    node: &Node,
    sink: &SinkNode,
    lineage: u64,
    folder: Option<&Path>,
    resume: Option<SinkResume>,
    claims: Arc<Claims>,
) -> Result<Box<dyn Sink>, Failure> {
    prepare_encoding(node, sink).await?;
    let name = format!("{}/{}", plan.name, node.id).into();
    let notes = folder.map(|folder| store::notes(folder, &node.id));
    let open = SinkOpen {
        name,
        lineage,
        resume,
        has_checkpoints: folder.is_some(),
        notes,
        frames: frames(&sink.encoding),
        claims,
    };
    sink.plan.open(open).await.map_err(|error| Failure::of(&node.id, error.message))
}

/// How the events of an encoding stand in a stream of bytes.
fn frames(encoding: &Format) -> Frames {
    match encoding {
        Format::Json | Format::Csv | Format::Text => Frames::Lines,
        Format::Packed(packed) => packed.file_head().map_or(Frames::Messages, |head| Frames::Container(Arc::new(head))),
    }
}

/// Sees to it that a sink's events can be encoded: a registry may have to give the number of their schema.
pub(super) async fn prepare_encoding(node: &Node, sink: &SinkNode) -> Result<(), Failure> {
    let Format::Packed(encoding) = sink.encoding.clone() else { return Ok(()) };
    let prepared = tokio::task::spawn_blocking(move || encoding.prepare()).await;
    let prepared = prepared.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    prepared.map_err(|why| Failure::of(&node.id, why))
}

/// What a checkpoint keeps of a sink: what the system's side says, and the columns of its CSV.
pub(super) fn sink_position(state: Position, columns: Option<&[Arc<str>]>) -> Position {
    match columns {
        Some(columns) => json!({ "at": state, "columns": columns.iter().map(|name| &**name).collect::<Vec<_>>() }),
        None => json!({ "at": state }),
    }
}

/// The reverse.
fn split_position(mut state: Position) -> (Position, Option<Vec<Arc<str>>>) {
    let columns = state
        .get("columns")
        .and_then(|columns| columns.as_array())
        .map(|columns| columns.iter().filter_map(|column| column.as_str()).map(Arc::from).collect());
    (state.get_mut("at").map(Position::take).unwrap_or_default(), columns)
}
