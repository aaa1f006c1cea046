//! What a new plan changes of one that runs: the fate of every node, of its connection and of its state. Pure.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::connectors::Replay;
use crate::observe::Role;
use crate::operators::Carry;
use crate::state::Shape;

use super::{Node, Plan, Work};

/// What a new plan changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// In the order of the new plan, then what is removed.
    pub changes: Vec<Change>,
    /// Keys that differ and belong to no node.
    pub topology: Vec<String>,
}

/// What happens to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new one, where there is one.
    pub id: Arc<str>,
    /// Its place in the old plan's nodes.
    pub old: Option<usize>,
    /// Its place in the new plan's nodes.
    pub new: Option<usize>,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does what it did.
    Keep,
    Change {
        /// The keys that differ.
        what: Vec<String>,
        connection: Connection,
        state: StateFate,
    },
    Add,
    Remove {
        state: StateFate,
    },
}

/// What happens to a connection to another system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A stage has none.
    None,
    /// It is handed over.
    Kept,
    /// It ends, and another one is made.
    New,
}

/// What becomes of what a node keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateFate {
    /// There is none.
    None,
    /// It goes on; what is different of it, in words.
    Carried(String),
    /// It cannot go on, as the words say, and leaves as results marked `partial`.
    Cut(String),
    /// It cannot go on, as the words say.
    Lost(String),
}

/// Compares a plan with the one that runs.
pub fn diff(old: &Plan, new: &Plan) -> Diff {
    let pairs: Vec<Option<usize>> = new.nodes.iter().map(|node| before(old, node)).collect();
    let ids: HashMap<&str, &str> = new
        .nodes
        .iter()
        .zip(&pairs)
        .filter_map(|(node, before)| Some((&*old.nodes[(*before)?].id, &*node.id)))
        .collect();
    let mut changes: Vec<Change> = Vec::with_capacity(new.nodes.len());
    for (place, (node, before)) in new.nodes.iter().zip(&pairs).enumerate() {
        let fate = before.map_or(Fate::Add, |before| changed((old, before), (new, place), &ids));
        changes.push(Change { id: node.id.clone(), old: *before, new: Some(place), fate });
    }
    let kept: BTreeSet<usize> = pairs.into_iter().flatten().collect();
    for (place, node) in old.nodes.iter().enumerate().filter(|(place, _)| !kept.contains(place)) {
        let fate = Fate::Remove { state: removed(node) };
        changes.push(Change { id: node.id.clone(), old: Some(place), new: None, fate });
    }
    Diff { changes, topology: of_topology(old, new) }
}

/// The old node that this one takes the place of: the same kind of thing, of the same id or of its former one.
fn before(old: &Plan, node: &Node) -> Option<usize> {
    let find = |id: &str| old.nodes.iter().position(|old| *old.id == *id);
    let place = find(&node.id).or_else(|| find(node.was.as_deref()?))?;
    let found = &old.nodes[place];
    (found.role == node.role && found.identity.kind == node.identity.kind).then_some(place)
}

fn changed((old, before): (&Plan, usize), (new, place): (&Plan, usize), ids: &HashMap<&str, &str>) -> Fate {
    let (was, node) = (&old.nodes[before], &new.nodes[place]);
    let mut what = was.identity.differences(&node.identity);
    let is_renamed = was.id != node.id;
    if is_renamed {
        what.insert(0, format!("the id, which was `{}`", was.id));
    }
    // What the dead letters read follows from the rest.
    if node.role != Role::DeadLetters && inputs(old, was, ids) != inputs(new, node, &HashMap::new()) {
        what.push("from".into());
    }
    if what.is_empty() {
        return Fate::Keep;
    }
    // Systems know a connection by the node's id.
    let is_new = is_renamed || was.identity.connection() != node.identity.connection();
    let connection = match node.role {
        Role::Stage => Connection::None,
        Role::Source | Role::Sink | Role::DeadLetters if is_new => Connection::New,
        Role::Source | Role::Sink | Role::DeadLetters => Connection::Kept,
    };
    Fate::Change { what, connection, state: carried(was, node) }
}

/// What a node reads, by the names of the new plan.
fn inputs(plan: &Plan, node: &Node, ids: &HashMap<&str, &str>) -> BTreeSet<(String, String)> {
    let named = node.inputs.iter().map(|input| {
        let from = &plan.nodes[input.node];
        let port = from.ports.get(input.port).map_or("errors", |port| &port.name);
        (ids.get(&*from.id).unwrap_or(&&*from.id).to_string(), port.to_string())
    });
    named.collect()
}

fn carried(was: &Node, node: &Node) -> StateFate {
    match (&was.work, &node.work) {
        (Work::Stage(old), Work::Stage(new)) => match old.stage.shape() {
            None => StateFate::None,
            Some(shape) => match new.stage.carry(&shape) {
                Carry::Kept => StateFate::Carried(String::new()),
                Carry::Changed(words) => StateFate::Carried(words),
                Carry::Cut(why) => StateFate::Cut(format!("{why}; {LEAVES}")),
                Carry::Lost(why) => StateFate::Lost(format!("{why}; {DROPPED}")),
            },
        },
        (Work::Source(old), Work::Source(new)) => match (old.plan.replay(), new.plan.replay()) {
            (Replay::None, _) | (_, Replay::None) => StateFate::None,
            _ if old.plan.positions_in() == new.plan.positions_in() => StateFate::Carried(String::new()),
            _ => StateFate::Lost("it begins where `start` says".into()),
        },
        (Work::Source(_) | Work::Stage(_) | Work::Sink(_), _) => StateFate::None,
    }
}

/// What becomes of state that nobody carries on.
const LEAVES: &str = "what it holds leaves now, marked `partial`";
const DROPPED: &str = "what it holds is dropped";

fn removed(node: &Node) -> StateFate {
    match &node.work {
        Work::Source(_) => StateFate::None,
        Work::Sink(_) => StateFate::Carried("what it cannot deliver goes to the dead letters".into()),
        Work::Stage(stage) => {
            // State that nobody at all reads: only whether something of it can leave is asked.
            let foreign = |shape: Shape| Shape { kind: String::new(), ..shape };
            match stage.stage.shape().map(|shape| stage.stage.carry(&foreign(shape))) {
                None => StateFate::None,
                Some(Carry::Cut(_)) => StateFate::Cut(LEAVES.into()),
                Some(Carry::Kept | Carry::Changed(_) | Carry::Lost(_)) => StateFate::Lost(DROPPED.into()),
            }
        }
    }
}

fn of_topology(old: &Plan, new: &Plan) -> Vec<String> {
    let differs = [
        ("topology", old.name != new.name),
        ("checkpoint.every", old.checkpoint_every != new.checkpoint_every),
        ("limits.edge_events", old.limits.edge_events != new.limits.edge_events),
        ("limits.edge_bytes", old.limits.edge_bytes != new.limits.edge_bytes),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_string()).collect()
}

impl Diff {
    /// Whether nothing would be different.
    pub fn is_empty(&self) -> bool {
        self.topology.is_empty() && self.changes.iter().all(|change| change.fate == Fate::Keep)
    }

    /// The nodes whose state cannot go on.
    pub fn losses(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| match &change.fate {
            Fate::Change { state, .. } | Fate::Remove { state } => {
                matches!(state, StateFate::Cut(_) | StateFate::Lost(_))
            }
            Fate::Keep | Fate::Add => false,
        })
    }

    /// Whether some state cannot go on.
    pub fn loses_state(&self) -> bool {
        self.losses().next().is_some()
    }

    /// A line for each node that is not kept, and one for those that are.
    pub fn text(&self) -> String {
        if self.is_empty() {
            return "nothing changes\n".into();
        }
        let mut rows: Vec<(&str, &str, String)> = Vec::new();
        // The dead letters are not the user's: they are told of where something happens to them.
        let kept: Vec<&str> =
            self.changes.iter().filter(|change| change.fate == Fate::Keep).map(|change| &*change.id).collect();
        let kept: Vec<&str> = kept.into_iter().filter(|id| *id != "dead_letters").collect();
        let many = format!("{} nodes", kept.len());
        match kept.len() {
            0 => {}
            1..=KEPT_SHOWN_MAX => rows.extend(kept.iter().map(|id| ("keep", *id, String::new()))),
            _ => rows.push(("keep", &many, String::new())),
        }
        if !self.topology.is_empty() {
            rows.push(("change", "the topology", self.topology.join(", ")));
        }
        rows.extend(self.changes.iter().filter_map(|change| {
            let (verb, words) = change.fate.words()?;
            Some((verb, &*change.id, words))
        }));
        let width = rows.iter().map(|(_, id, _)| id.len()).max().unwrap_or(0);
        let mut out = String::new();
        for (verb, id, words) in rows {
            let _ = writeln!(out, "{}", format!("{verb:<7} {id:<width$}  {words}").trim_end());
        }
        out
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let changes: Vec<Value> = self.changes.iter().map(Change::json).collect();
        json!({ "empty": self.is_empty(), "loses_state": self.loses_state(), "topology": self.topology, "nodes": changes })
    }
}

/// Kept nodes that are named; more of them are counted.
const KEPT_SHOWN_MAX: usize = 3;
/// Keys of a node that are named; more of them are counted.
const KEYS_SHOWN_MAX: usize = 4;

impl Fate {
    fn words(&self) -> Option<(&'static str, String)> {
        match self {
            Fate::Keep => None,
            Fate::Add => Some(("add", String::new())),
            Fate::Remove { state } => Some(("remove", state.words().unwrap_or_default().to_string())),
            Fate::Change { what, connection, state } => {
                let mut words = what.iter().take(KEYS_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
                if what.len() > KEYS_SHOWN_MAX {
                    let _ = write!(words, " and {} more", what.len() - KEYS_SHOWN_MAX);
                }
                if *connection == Connection::New {
                    words.push_str("; opened anew");
                }
                let state = match (connection, state) {
                    // A source that stays connected just reads on.
                    (Connection::Kept, StateFate::Carried(words)) if words.is_empty() => None,
                    (Connection::New, StateFate::Carried(words)) if words.is_empty() => Some("goes on where it is"),
                    (_, state) => state.words(),
                };
                if let Some(state) = state {
                    let _ = write!(words, "; {state}");
                }
                Some(("change", words))
            }
        }
    }
}

impl StateFate {
    fn words(&self) -> Option<&str> {
        match self {
            StateFate::None => None,
            StateFate::Carried(words) if words.is_empty() => Some("keeps its state"),
            StateFate::Carried(words) | StateFate::Cut(words) | StateFate::Lost(words) => Some(words),
        }
    }

    fn json(&self) -> Value {
        let (fate, words) = match self {
            StateFate::None => return Value::Null,
            StateFate::Carried(words) => ("carried", words),
            StateFate::Cut(words) => ("cut", words),
            StateFate::Lost(words) => ("lost", words),
        };
        json!({ "fate": fate, "words": words })
    }
}

impl Change {
    fn json(&self) -> Value {
        match &self.fate {
            Fate::Keep => json!({ "id": *self.id, "fate": "keep" }),
            Fate::Add => json!({ "id": *self.id, "fate": "add" }),
            Fate::Remove { state } => json!({ "id": *self.id, "fate": "remove", "state": state.json() }),
            Fate::Change { what, connection, state } => {
                let connection = match connection {
                    Connection::None => Value::Null,
                    Connection::Kept => "kept".into(),
                    Connection::New => "new".into(),
                };
                let state = state.json();
                json!({ "id": *self.id, "fate": "change", "what": what, "connection": connection, "state": state })
            }
        }
    }
}
