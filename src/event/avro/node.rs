//! What the bytes of one schema are to a reader of another: a graph of nodes, one for each pair of a writer's and a reader's type
//! that meet. Everything that can be known from the two schemas is in it (defaults, promotions, symbols, aliases), so that whoever
//! reads bytes needs no schema.

use super::fault::Why;
use crate::event::json;
use crate::limits::AVRO_WIDTH_ROUNDS_MAX;

/// A node of a [`Reading`].
pub type NodeId = u32;

/// How events of a writer's schema are read as those of a reader's. Types that hold themselves are nodes that name themselves.
#[derive(Clone, Debug)]
pub struct Reading {
    nodes: Vec<Node>,
    root: NodeId,
    /// No fewer bytes has a value of each node.
    widths: Vec<u32>,
}

/// A value as it lies in the bytes, and what it is to the reader.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Of no bytes.
    Null,
    /// A byte, 0 or 1.
    Boolean,
    /// A zigzag varint of 32 bits.
    Int(Number),
    /// A zigzag varint of 64 bits.
    Long(Number),
    /// Four bytes, little endian.
    Float,
    /// Eight bytes, little endian.
    Double,
    /// Bytes after their length, which is a varint. `utf8`: they are written as a text, and must be one.
    Bytes {
        utf8: bool,
        to: Bytes,
    },
    /// So many bytes.
    Fixed {
        size: u32,
        to: Bytes,
    },
    /// A varint that counts into these symbols; `None` for one that the reader does not know and has no default for.
    Enum {
        symbols: Box<[Option<Box<str>>]>,
    },
    /// A varint that counts into these branches, then a value of that branch.
    Union(Box<[NodeId]>),
    /// Blocks of a count and so many items each.
    Array(NodeId),
    /// The same of keys (texts) and values.
    Map(NodeId),
    Record(Record),
    /// A value that the writer may write and the reader cannot take: why, in words that follow the place of the value. Of no bytes,
    /// as reading ends with it.
    Refuse(Box<str>),
}

/// What a reader takes an int for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Int,
    /// A float: what it is rounded to has 24 bits.
    Float,
    Double,
    /// So many times the int, as the reader counts in a smaller unit. What has no 64 bits then is the nearest that has.
    Times(i64),
    /// One for so many, as the reader counts in a larger unit; rounded down.
    Per(i64),
}

/// A number as the reader has it.
pub(super) enum Counted {
    Int(i64),
    Float(f64),
}

impl Number {
    #[inline(always)]
    pub(super) fn of(self, value: i64) -> Counted {
        match self {
            Number::Int => Counted::Int(value),
            Number::Float => Counted::Float(f64::from(value as f32)),
            Number::Double => Counted::Float(value as f64),
            Number::Times(factor) => Counted::Int(value.saturating_mul(factor)),
            Number::Per(divisor) => Counted::Int(value.div_euclid(divisor.max(1))),
        }
    }
}

/// What a reader takes bytes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// A text of its own.
    Text,
    /// A text in base64 (RFC 4648, padded).
    Base64,
    /// A whole number (two's complement, big endian) of which the last `scale` digits are behind the point.
    Decimal { scale: u32 },
    /// 16 bytes as `6ba7b810-9dad-11d1-80b4-00c04fd430c8`.
    Uuid,
    /// 12 bytes as `{months, days, millis}`, each a number of four bytes, little endian.
    Duration,
}

/// The parts of [`Bytes::Duration`].
pub const DURATION: [&str; 3] = ["months", "days", "millis"];

/// A record: no bytes of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The values that were written, in their order.
    pub steps: Box<[Step]>,
    /// The reader's fields that were not, by their place.
    pub absent: Box<[Absent]>,
}

impl Record {
    /// Whether the reader's fields were written in the reader's order.
    pub(super) fn is_in_order(&self) -> bool {
        self.steps.iter().filter_map(|step| step.field.as_ref()).map(|field| field.place).is_sorted()
    }
}

/// A value of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub node: NodeId,
    /// `None`: the reader has no such field.
    pub field: Option<Field>,
}

/// A field of the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: Box<str>,
    /// Which of its record's fields it is.
    pub place: u32,
    /// The name as it stands in JSON, behind the value before: `,"name":`.
    pub(super) member: Box<[u8]>,
}

impl Field {
    pub fn new(name: &str, place: usize) -> Field {
        let mut member = vec![b','];
        json::write_string(&mut member, name.as_bytes());
        member.push(b':');
        Field { name: name.into(), place: place as u32, member: member.into() }
    }
}

/// A field that the writer does not have, with the reader's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    pub field: Field,
    /// JSON, as if it had been read.
    pub default: Box<[u8]>,
}

impl Reading {
    /// A graph whose nodes name only each other. `absent` of each record is sorted by place.
    pub fn new(nodes: Vec<Node>, root: NodeId) -> Reading {
        debug_assert!((root as usize) < nodes.len());
        let widths = widths(&nodes);
        Reading { nodes, root, widths }
    }

    /// Where an event starts.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node. Of an id that is none, one that refuses.
    pub fn node(&self, id: NodeId) -> &Node {
        const NONE: &Node = &Node::Null;
        self.nodes.get(id as usize).unwrap_or(NONE)
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is none, which cannot be.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// No fewer bytes has a value.
    pub fn width(&self, id: NodeId) -> u32 {
        self.widths.get(id as usize).copied().unwrap_or(0)
    }

    /// How deep values can nest from this node on, the node itself counted if it nests; `None` if there is no end, or it is beyond `max`.
    pub fn depth(&self, id: NodeId, max: usize) -> Option<usize> {
        // Depth by node, made from the leaves up, at least a level of values each two rounds (a union is a level of nodes only).
        let mut depths = vec![0_usize; self.nodes.len()];
        for _ in 0..=2 * max + 2 {
            let mut changed = false;
            for (id, node) in self.nodes.iter().enumerate().rev() {
                let inside = node.children().map(|child| depths.get(child as usize).copied().unwrap_or(0)).max();
                let depth = inside.unwrap_or(0) + usize::from(node.nests());
                changed |= depth != std::mem::replace(&mut depths[id], depth);
            }
            if !changed {
                return depths.get(id as usize).copied().filter(|depth| *depth <= max);
            }
        }
        None
    }
}

impl Node {
    /// The nodes of the values in it.
    pub fn children(&self) -> impl Iterator<Item = NodeId> {
        let (list, steps, one): (&[NodeId], &[Step], Option<NodeId>) = match self {
            Node::Union(branches) => (branches, &[], None),
            Node::Record(record) => (&[], &record.steps, None),
            Node::Array(inside) | Node::Map(inside) => (&[], &[], Some(*inside)),
            _ => (&[], &[], None),
        };
        list.iter().copied().chain(steps.iter().map(|step| step.node)).chain(one)
    }

    /// Whether it is an object or array of JSON.
    pub fn nests(&self) -> bool {
        match self {
            Node::Array(_) | Node::Map(_) | Node::Record(_) => true,
            Node::Fixed { to, .. } | Node::Bytes { to, .. } => *to == Bytes::Duration,
            _ => false,
        }
    }

    /// What is wrong with a symbol that the reader cannot take.
    pub fn unknown_symbol(&self, index: u64) -> Why {
        match self {
            Node::Enum { symbols } => Why::Symbol { index, known: symbols.len() as u32 },
            _ => Why::Symbol { index, known: 0 },
        }
    }
}

/// No fewer bytes than so many has a value of each node.
fn widths(nodes: &[Node]) -> Vec<u32> {
    let mut widths = vec![0_u32; nodes.len()];
    // Each round looks a level deeper into values, so that after any of them the widths are right, if not the greatest that are.
    // Nodes mostly come before those in them, so that the reverse order needs few rounds.
    for _ in 0..AVRO_WIDTH_ROUNDS_MAX {
        let mut changed = false;
        for (id, node) in nodes.iter().enumerate().rev() {
            let of = |id: &NodeId| widths.get(*id as usize).copied().unwrap_or(0);
            let width = match node {
                Node::Null | Node::Refuse(_) => 0,
                Node::Boolean | Node::Int(_) | Node::Long(_) | Node::Bytes { .. } | Node::Enum { .. } => 1,
                Node::Array(_) | Node::Map(_) => 1,
                Node::Float => 4,
                Node::Double => 8,
                Node::Fixed { size, .. } => *size,
                Node::Union(branches) => branches.iter().map(of).min().unwrap_or(0).saturating_add(1),
                Node::Record(record) => {
                    record.steps.iter().fold(0, |sum: u32, step| sum.saturating_add(of(&step.node)))
                }
            };
            changed |= width != std::mem::replace(&mut widths[id], width);
        }
        if !changed {
            break;
        }
    }
    widths
}
