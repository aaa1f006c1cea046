//! What values become in the bytes of one schema: a graph of nodes, made once by `schema::avro`, so that whoever writes needs no schema.

use crate::event::avro::Bytes;

/// A node of a [`Writing`].
pub type PutId = u32;

/// How events of a schema are written. Types that hold themselves are nodes that name themselves.
#[derive(Clone, Debug)]
pub struct Writing {
    nodes: Vec<Put>,
    root: PutId,
}

/// What a value becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Put {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    /// Bytes after their length; a decimal has at most so many digits.
    Bytes {
        from: Bytes,
        digits_max: u32,
    },
    /// So many bytes.
    Fixed {
        size: u32,
        from: Bytes,
        digits_max: u32,
    },
    Enum {
        symbols: Box<[Box<str>]>,
    },
    Union(Box<[PutId]>),
    Array(PutId),
    Map(PutId),
    Record(PutRecord),
}

/// A record.
#[derive(Clone, Debug, PartialEq)]
pub struct PutRecord {
    /// For messages.
    pub name: Box<str>,
    pub fields: Box<[PutField]>,
}

/// A field of a record, in the schema's order.
#[derive(Clone, Debug, PartialEq)]
pub struct PutField {
    pub name: Box<str>,
    pub node: PutId,
    /// What is written where an event has no such field: the schema's default, or null where that may stand there.
    pub absent: Option<Box<[u8]>>,
}

impl Writing {
    /// A graph whose nodes name only each other.
    pub fn new(nodes: Vec<Put>, root: PutId) -> Writing {
        debug_assert!((root as usize) < nodes.len());
        Writing { nodes, root }
    }

    /// The record that an event is; `None`: the schema's root is no record.
    pub fn event(&self) -> Option<&PutRecord> {
        match self.node(self.root) {
            Put::Record(record) => Some(record),
            _ => None,
        }
    }

    /// A node; of an id that is none, null.
    pub fn node(&self, id: PutId) -> &Put {
        const NONE: &Put = &Put::Null;
        self.nodes.get(id as usize).unwrap_or(NONE)
    }
}

impl Put {
    /// How it is called in a message.
    pub fn word(&self) -> &'static str {
        match self {
            Put::Null => "null",
            Put::Boolean => "a boolean",
            Put::Int => "an int of 32 bits",
            Put::Long => "an int",
            Put::Float | Put::Double => "a number",
            Put::Bytes { from, .. } | Put::Fixed { from, .. } => match from {
                Bytes::Text => "a string",
                Bytes::Base64 => "a string in base64",
                Bytes::Decimal { .. } => "a decimal number",
                Bytes::Uuid => "a UUID",
                Bytes::Duration => "an object of months, days and millis",
            },
            Put::Enum { .. } => "a symbol of the enum",
            Put::Union(_) => "a value of one of the union's types",
            Put::Array(_) => "an array",
            Put::Map(_) | Put::Record(_) => "an object",
        }
    }
}
