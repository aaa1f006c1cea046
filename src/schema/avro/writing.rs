//! How events are written by a schema: its types lowered to what an encoder needs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{AvroSchema, Body, Field, Kind, Logical, NameId, Type};
use crate::event::avro::{AvroEncoding, Bytes, Put, PutField, PutId, PutRecord, Writing};
use crate::event::packed::{Numbering, Wire};

/// How a sink writes events by a schema, with this around them. `numbering`: who knows the schema's number in the registry.
pub fn encoding(schema: &AvroSchema, wire: Wire, numbering: Option<Arc<dyn Numbering>>) -> AvroEncoding {
    AvroEncoding::new(wire, writing(schema), schema.fingerprint(), schema.identity(), numbering)
}

/// The form of a schema for encoders.
fn writing(schema: &AvroSchema) -> Writing {
    let mut lowering = Lowering { schema, nodes: Vec::new(), known: HashMap::new(), pending: VecDeque::new() };
    let root = lowering.node(schema.root());
    while let Some((name, id)) = lowering.pending.pop_front() {
        lowering.nodes[id as usize] = lowering.named(name);
    }
    Writing::new(lowering.nodes, root)
}

struct Lowering<'s> {
    schema: &'s AvroSchema,
    nodes: Vec<Put>,
    known: HashMap<NameId, PutId>,
    /// Names whose node is not made yet. Types refer to each other in chains of any length, which must not be a depth of calls.
    pending: VecDeque<(NameId, PutId)>,
}

impl Lowering<'_> {
    fn add(&mut self, put: Put) -> PutId {
        self.nodes.push(put);
        self.nodes.len() as PutId - 1
    }

    /// The node of a type. What nests without a name is bounded by the parser.
    fn node(&mut self, ty: &Type) -> PutId {
        let put = match &ty.kind {
            Kind::Null => Put::Null,
            Kind::Boolean => Put::Boolean,
            Kind::Int => Put::Int,
            Kind::Long => Put::Long,
            Kind::Float => Put::Float,
            Kind::Double => Put::Double,
            Kind::Bytes => bytes(ty.logical, |from, digits_max| Put::Bytes { from, digits_max }),
            Kind::String => {
                let from = if ty.logical == Some(Logical::Uuid) { Bytes::Uuid } else { Bytes::Text };
                Put::Bytes { from, digits_max: 0 }
            }
            Kind::Array(item) => Put::Array(self.node(item)),
            Kind::Map(value) => Put::Map(self.node(value)),
            Kind::Union(branches) => Put::Union(branches.iter().map(|branch| self.node(branch)).collect()),
            Kind::Named(name) => {
                if let Some(id) = self.known.get(name) {
                    return *id;
                }
                let id = self.add(Put::Null);
                self.known.insert(*name, id);
                self.pending.push_back((*name, id));
                return id;
            }
        };
        self.add(put)
    }

    fn named(&mut self, name: NameId) -> Put {
        let named = self.schema.named(name);
        match &named.body {
            Body::Enum { symbols, .. } => {
                Put::Enum { symbols: symbols.iter().map(|symbol| symbol[..].into()).collect() }
            }
            Body::Fixed { size, logical } => {
                bytes(*logical, |from, digits_max| Put::Fixed { size: *size as u32, from, digits_max })
            }
            Body::Record(fields) => {
                let fields = fields.iter().map(|field| PutField {
                    name: field.name[..].into(),
                    node: self.node(&field.ty),
                    absent: absent(field),
                });
                Put::Record(PutRecord { name: named.name.short().into(), fields: fields.collect() })
            }
        }
    }
}

fn bytes(logical: Option<Logical>, put: impl FnOnce(Bytes, u32) -> Put) -> Put {
    match logical {
        Some(Logical::Decimal { precision, scale }) => put(Bytes::Decimal { scale }, precision),
        Some(Logical::Uuid) => put(Bytes::Uuid, 0),
        Some(Logical::Duration) => put(Bytes::Duration, 0),
        _ => put(Bytes::Base64, 0),
    }
}

/// What is written where an event has no such field: the default, else null if that may stand there, as a missing field is null in
/// expressions.
fn absent(field: &Field) -> Option<Box<[u8]>> {
    if let Some(default) = &field.default {
        return Some(default.datum[..].into());
    }
    match &field.ty.kind {
        Kind::Null => Some(Box::default()),
        Kind::Union(branches) => {
            let null = branches.iter().position(|branch| branch.kind == Kind::Null)?;
            // A zigzag varint; a union of more than 63 branches before null has a byte more, and then its field must be there.
            u8::try_from(2 * null).ok().filter(|byte| *byte < 0x80).map(|byte| Box::from([byte]))
        }
        _ => None,
    }
}
