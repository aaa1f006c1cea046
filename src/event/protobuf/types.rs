//! The message types of a model as reading and writing them needs them: fields by number, tags, names ready to be copied.

use std::sync::Arc;

use crate::event::json;

use super::read::{BYTES, FIXED32, FIXED64, GROUP, VARINT};

/// Numbers of fields up to which they are looked up by index.
const DENSE_MAX: u32 = 256;

/// No field.
pub(super) const NONE: u16 = u16::MAX;

/// How many values of a field there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// One, which is the default where nothing was written.
    Implicit,
    /// One or none.
    Optional,
    /// One; a message without it is refused (proto2).
    Required,
    /// A list.
    Repeated,
    /// Entries, of the message that is the field's kind.
    Map,
}

/// The messages of `google.protobuf` that have a JSON form of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// A text of RFC 3339.
    Timestamp,
    /// A text: `1.5s`.
    Duration,
    /// The value of its only field.
    Wrapper,
    /// Any object.
    Struct,
    /// Any value.
    Value,
    /// Any array.
    ListValue,
}

/// All message types and enums of a model, by the model's indices.
#[derive(Debug)]
pub struct Types {
    pub(super) identity: u64,
    /// The way to the root in its file.
    pub(super) index_path: Vec<u32>,
    pub(super) root: usize,
    pub(super) messages: Vec<Type>,
    pub(super) enums: Vec<Names>,
}

/// A message type.
#[derive(Debug)]
pub struct Type {
    pub(super) fields: Box<[FieldType]>,
    pub(super) known: Option<Known>,
    /// Levels of JSON that an empty one has below itself: one if it has a list or map, which are always there.
    pub(super) lists: usize,
    /// How many fields must be there.
    pub(super) required: usize,
    /// The members of each oneof.
    pub(super) oneofs: Box<[Box<[u16]>]>,
    /// The indices of the fields by their numbers.
    pub(super) order: Box<[u16]>,
    /// The index of the field of each number, or `NONE`.
    dense: Box<[u16]>,
    /// The same for greater numbers, sorted.
    sparse: Box<[(u32, u16)]>,
}

/// A field.
#[derive(Debug)]
pub struct FieldType {
    pub(super) name: Arc<str>,
    pub(super) number: u32,
    /// Its tag as it is written, unpacked if it is a list.
    pub(super) tag: u32,
    /// The tag of packed numbers, or 0.
    pub(super) packed_tag: u32,
    pub(super) label: Label,
    pub(super) kind: Kind,
    /// Whether a list of numbers is written packed.
    pub(super) is_packed: bool,
    /// Levels of JSON between the message and a message that is its value.
    pub(super) deeper: usize,
    /// Which of the required fields it is.
    pub(super) required: Option<u16>,
    pub(super) oneof: Option<u16>,
    /// `,"name":`.
    pub(super) before: Box<[u8]>,
}

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Number(Number),
    String,
    Bytes,
    /// An index into the enums.
    Enum(usize),
    /// An index into the messages.
    Message(usize),
    /// A message between two tags instead of behind its length (proto2).
    Group(usize),
}

/// What the bits of a number mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
}

/// What a number is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Worth {
    Int(i64),
    /// Beyond `i64`.
    Large(u64),
    Float(f64),
    Bool(bool),
}

/// The names of an enum.
#[derive(Debug)]
pub struct Names {
    /// In the order in which they are written; where two have one number, the first is what it is read as.
    pub(super) values: Box<[(Arc<str>, i32)]>,
    /// The name of each number from 0 on, or `NONE`.
    dense: Box<[u16]>,
}

impl Kind {
    /// As a `.proto` file writes it, if it is not the name of another type.
    pub fn keyword(self) -> Option<&'static str> {
        Some(match self {
            Kind::Number(number) => number.keyword(),
            Kind::String => "string",
            Kind::Bytes => "bytes",
            Kind::Enum(_) | Kind::Message(_) | Kind::Group(_) => return None,
        })
    }
}

impl Number {
    /// As a `.proto` file writes it.
    pub fn keyword(self) -> &'static str {
        match self {
            Number::Double => "double",
            Number::Float => "float",
            Number::Int32 => "int32",
            Number::Int64 => "int64",
            Number::Uint32 => "uint32",
            Number::Uint64 => "uint64",
            Number::Sint32 => "sint32",
            Number::Sint64 => "sint64",
            Number::Fixed32 => "fixed32",
            Number::Fixed64 => "fixed64",
            Number::Sfixed32 => "sfixed32",
            Number::Sfixed64 => "sfixed64",
            Number::Bool => "bool",
        }
    }

    pub(super) fn wire_type(self) -> u8 {
        match self {
            Number::Double | Number::Fixed64 | Number::Sfixed64 => FIXED64,
            Number::Float | Number::Fixed32 | Number::Sfixed32 => FIXED32,
            _ => VARINT,
        }
    }

    /// What the bits of a varint, or of four or eight bytes, are worth. Types of 32 bits take the lower ones.
    #[inline(always)]
    pub(super) fn worth(self, bits: u64) -> Worth {
        let unsigned = |value: u64| i64::try_from(value).map_or(Worth::Large(value), Worth::Int);
        match self {
            Number::Double => Worth::Float(f64::from_bits(bits)),
            Number::Float => Worth::Float(f32::from_bits(bits as u32).into()),
            Number::Int32 | Number::Sfixed32 => Worth::Int((bits as i32).into()),
            Number::Int64 | Number::Sfixed64 => Worth::Int(bits as i64),
            Number::Uint32 | Number::Fixed32 => Worth::Int((bits as u32).into()),
            Number::Uint64 | Number::Fixed64 => unsigned(bits),
            Number::Sint32 => {
                let bits = bits as u32;
                Worth::Int(((bits >> 1) as i32 ^ -((bits & 1) as i32)).into())
            }
            Number::Sint64 => Worth::Int((bits >> 1) as i64 ^ -((bits & 1) as i64)),
            Number::Bool => Worth::Bool(bits != 0),
        }
    }
}

impl Types {
    /// `root`: the type of events. `identity`: a hash of what it all says.
    pub fn new(identity: u64, root: usize, index_path: Vec<u32>, messages: Vec<Type>, enums: Vec<Names>) -> Types {
        Types { identity, root, index_path, messages, enums }
    }
}

impl Type {
    /// A type of these fields, in the order in which they are written. `oneofs`: how many it has.
    pub fn new(known: Option<Known>, mut fields: Vec<FieldType>, oneofs: usize) -> Type {
        // Their only field is not below them: it is what they are.
        let is_itself = matches!(known, Some(Known::Struct | Known::ListValue));
        let mut required = 0..;
        for field in &mut fields {
            field.required = (field.label == Label::Required).then(|| required.next()).flatten();
            if is_itself && matches!(field.label, Label::Repeated | Label::Map) {
                field.deeper = field.deeper.saturating_sub(1);
            }
        }
        let fields: Box<[FieldType]> = fields.into();
        let is_list = |field: &FieldType| matches!(field.label, Label::Repeated | Label::Map);
        let index =
            |field: &FieldType| fields.iter().position(|other| other.number == field.number).unwrap_or_default();
        let mut sparse: Vec<(u32, u16)> = fields.iter().map(|field| (field.number, index(field) as u16)).collect();
        sparse.sort_unstable();
        let order = sparse.iter().map(|(_, index)| *index).collect();
        let small = sparse.partition_point(|(number, _)| *number < DENSE_MAX);
        let mut dense = vec![NONE; small.checked_sub(1).map_or(0, |last| sparse[last].0 as usize + 1)];
        sparse.drain(..small).for_each(|(number, index)| dense[number as usize] = index);
        let oneof = |at: usize| {
            let members = fields.iter().enumerate().filter(|(_, field)| field.oneof == Some(at as u16));
            members.map(|(index, _)| index as u16).collect()
        };
        Type {
            known,
            lists: usize::from(!is_itself && fields.iter().any(is_list)),
            required: fields.iter().filter(|field| field.required.is_some()).count(),
            oneofs: (0..oneofs).map(oneof).collect(),
            order,
            dense: dense.into(),
            sparse: sparse.into(),
            fields,
        }
    }

    /// The index of the field of a number, or `NONE`.
    #[inline(always)]
    pub(super) fn find(&self, number: u32) -> u16 {
        match self.dense.get(number as usize) {
            Some(&index) => index,
            None => self.find_sparse(number),
        }
    }

    fn find_sparse(&self, number: u32) -> u16 {
        self.sparse.binary_search_by_key(&number, |(number, _)| *number).map_or(NONE, |at| self.sparse[at].1)
    }
}

impl FieldType {
    /// A field. `known`: of its message, if it has one.
    pub fn new(
        name: Arc<str>,
        number: u32,
        label: Label,
        kind: Kind,
        known: Option<Known>,
        is_packed: bool,
        oneof: Option<usize>,
    ) -> FieldType {
        let wire_type = match kind {
            Kind::Number(number) => number.wire_type(),
            Kind::Enum(_) => VARINT,
            Kind::String | Kind::Bytes | Kind::Message(_) => BYTES,
            Kind::Group(_) => GROUP,
        };
        let is_list = matches!(label, Label::Repeated | Label::Map);
        let is_number = matches!(kind, Kind::Number(_) | Kind::Enum(_));
        // A kind that is no object or array of its own adds no level; nor does the message of a map's entry.
        let is_flat = matches!(known, Some(Known::Timestamp | Known::Duration | Known::Wrapper | Known::Value))
            || label == Label::Map;
        let mut before = vec![b','];
        json::write_string(&mut before, name.as_bytes());
        before.push(b':');
        FieldType {
            name,
            number,
            tag: number << 3 | u32::from(wire_type),
            packed_tag: if is_list && is_number { number << 3 | u32::from(BYTES) } else { 0 },
            label,
            kind,
            is_packed,
            deeper: usize::from(!is_flat) + usize::from(is_list),
            required: None,
            oneof: oneof.and_then(|oneof| u16::try_from(oneof).ok()),
            before: before.into(),
        }
    }
}

impl Names {
    /// Other numbers are read and written as they are.
    pub fn new(values: Vec<(Arc<str>, i32)>) -> Names {
        let mut dense = Vec::new();
        for (index, (_, number)) in values.iter().enumerate() {
            let Some(number) = usize::try_from(*number).ok().filter(|number| *number < DENSE_MAX as usize) else {
                continue;
            };
            if dense.len() <= number {
                dense.resize(number + 1, NONE);
            }
            if dense[number] == NONE {
                dense[number] = u16::try_from(index).unwrap_or(NONE);
            }
        }
        Names { values: values.into(), dense: dense.into() }
    }

    /// The index of a number's name.
    #[inline]
    pub(super) fn find(&self, number: i32) -> Option<usize> {
        match usize::try_from(number).ok().and_then(|number| self.dense.get(number)) {
            Some(&index) if index != NONE => Some(index.into()),
            _ => self.values.iter().position(|(_, other)| *other == number),
        }
    }

    /// The number of a name.
    pub(super) fn number(&self, name: &[u8]) -> Option<i32> {
        self.values.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, number)| *number)
    }

    /// What a field has that was never written: the first.
    pub(super) fn first(&self) -> i32 {
        self.values.first().map_or(0, |(_, number)| *number)
    }
}
