//! What events of a schema are written as: its types as a graph of nodes in which names and symbols are found at once. Whoever
//! writes events needs no schema.

use std::collections::HashMap;
use std::sync::Arc;

/// A node of a [`Form`].
pub type FormId = u32;

/// What a schema has events written as. Types that hold themselves are nodes that name themselves.
#[derive(Clone, Debug)]
pub struct Form {
    nodes: Vec<FormNode>,
    root: FormId,
}

/// A type, as it is written.
#[derive(Clone, Debug)]
pub enum FormNode {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    String,
    /// From a text in base64.
    Bytes,
    /// The same of so many bytes.
    Fixed(u32),
    /// From a number: a whole number of at most `precision` digits, the last `scale` of which are behind the point. Bytes, or so many.
    Decimal {
        precision: u32,
        scale: u32,
        size: Option<u32>,
    },
    /// 16 bytes, from a text.
    Uuid,
    /// 12 bytes, from `{months, days, millis}`.
    Duration,
    Enum(Names),
    Union(Box<[FormId]>),
    Array(FormId),
    Map(FormId),
    Record(RecordForm),
}

/// Names with their places.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<Box<str>, u32>);

#[derive(Clone, Debug)]
pub struct RecordForm {
    /// In the order in which they are written.
    pub fields: Box<[FieldForm]>,
    places: Names,
}

#[derive(Clone, Debug)]
pub struct FieldForm {
    pub name: Box<str>,
    pub node: FormId,
    /// In binary.
    pub default: Option<Arc<[u8]>>,
}

impl Form {
    /// A graph whose nodes name only each other.
    pub fn new(nodes: Vec<FormNode>, root: FormId) -> Form {
        debug_assert!((root as usize) < nodes.len());
        Form { nodes, root }
    }

    pub fn root(&self) -> FormId {
        self.root
    }

    /// A node. Of an id that is none, null.
    pub fn node(&self, id: FormId) -> &FormNode {
        const NONE: &FormNode = &FormNode::Null;
        self.nodes.get(id as usize).unwrap_or(NONE)
    }

    /// The fields of events, if these are records.
    pub fn record(&self) -> Option<&RecordForm> {
        match self.node(self.root) {
            FormNode::Record(record) => Some(record),
            _ => None,
        }
    }
}

impl Names {
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Names {
        Names(names.into_iter().zip(0..).map(|(name, place)| (name.into(), place)).collect())
    }

    pub fn place(&self, name: &str) -> Option<u32> {
        self.0.get(name).copied()
    }
}

impl RecordForm {
    pub fn new(fields: Vec<FieldForm>) -> RecordForm {
        let places = Names::new(fields.iter().map(|field| &*field.name));
        RecordForm { fields: fields.into(), places }
    }

    /// Which of the fields has this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.place(name).map(|place| place as usize)
    }
}
