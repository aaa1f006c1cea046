//! A writer's schema as a reader's reads it: the specification's rules of resolution, applied once and lowered to what bytes are read by.
//!
//! Where the two do not fit, what is made refuses the value only when it comes: a branch that no event has harms nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{AvroSchema, Body, Field, Kind, Logical, NameId, Named, Type, Unit};
use crate::event::avro::{self, Absent, Bytes, Node, NodeId, Number, Reading, Record, Step};
use crate::limits::{AVRO_DECIMAL_BYTES_MAX, AVRO_SCALE_MAX};

/// How events of the writer are read as those of the reader. What is no object to the reader is refused, as it is no event.
pub fn resolve(writer: &AvroSchema, reader: &AvroSchema) -> Reading {
    let mut resolver = Resolver::new(writer, reader);
    let root = resolver.pair(&writer.root, &reader.root, Side::Reader);
    resolver.finish();
    let root = resolver.object(root);
    Reading::new(resolver.nodes, root)
}

/// How what the schema writes is read by itself: any value of its root.
pub fn own(schema: &AvroSchema) -> Reading {
    own_of(schema, &schema.root)
}

/// The same of one of its types.
fn own_of(schema: &AvroSchema, ty: &Type) -> Reading {
    let mut resolver = Resolver::new(schema, schema);
    let root = resolver.pair(ty, ty, Side::Own);
    resolver.finish();
    Reading::new(resolver.nodes, root)
}

/// Whom a writer's type is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Reader,
    /// By itself: the reader has no such field.
    Own,
}

type Pair = (NameId, NameId, Side);

struct Resolver<'s> {
    writer: &'s AvroSchema,
    reader: &'s AvroSchema,
    nodes: Vec<Node>,
    known: HashMap<Pair, NodeId>,
    /// Pairs whose node is not made yet. Types refer to each other in chains of any length, which must not be a depth of calls.
    pending: VecDeque<(Pair, NodeId)>,
}

impl<'s> Resolver<'s> {
    fn new(writer: &'s AvroSchema, reader: &'s AvroSchema) -> Resolver<'s> {
        Resolver { writer, reader, nodes: Vec::new(), known: HashMap::new(), pending: VecDeque::new() }
    }

    fn schema(&self, side: Side) -> &'s AvroSchema {
        match side {
            Side::Reader => self.reader,
            Side::Own => self.writer,
        }
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() as NodeId - 1
    }

    fn refuse(&mut self, why: String) -> NodeId {
        self.add(Node::Refuse(why.into()))
    }

    fn finish(&mut self) {
        while let Some(((writer, reader, side), id)) = self.pending.pop_front() {
            self.nodes[id as usize] = self.named(writer, reader, side);
        }
    }

    /// What a writer's type is to a reader's.
    fn pair(&mut self, writer: &'s Type, reader: &'s Type, side: Side) -> NodeId {
        match (&writer.kind, &reader.kind) {
            (Kind::Union(branches), Kind::Union(same)) if side == Side::Own => {
                let nodes = branches.iter().zip(same).map(|(branch, same)| self.pair(branch, same, side)).collect();
                self.add(Node::Union(nodes))
            }
            (Kind::Union(branches), _) => {
                let nodes = branches.iter().map(|branch| self.pair(branch, reader, side)).collect();
                self.add(Node::Union(nodes))
            }
            (_, Kind::Union(branches)) => match self.branch(writer, branches) {
                Some(branch) => self.pair(writer, branch, side),
                None => self.misfit(writer, reader, side),
            },
            (Kind::Named(a), Kind::Named(b)) => {
                let pair = (*a, *b, side);
                if let Some(id) = self.known.get(&pair) {
                    return *id;
                }
                let id = self.add(Node::Null);
                self.known.insert(pair, id);
                self.pending.push_back((pair, id));
                id
            }
            (Kind::Array(a), Kind::Array(b)) => {
                let items = self.pair(a, b, side);
                self.add(Node::Array(items))
            }
            (Kind::Map(a), Kind::Map(b)) => {
                let values = self.pair(a, b, side);
                self.add(Node::Map(values))
            }
            _ => match plain(writer, reader) {
                Some(node) => self.add(node),
                None => self.misfit(writer, reader, side),
            },
        }
    }

    fn misfit(&mut self, writer: &Type, reader: &Type, side: Side) -> NodeId {
        let wrote = self.writer.type_name(writer);
        let reads = match &reader.kind {
            Kind::Union(branches) => {
                let names: Vec<_> = branches.iter().map(|branch| self.schema(side).type_name(branch)).collect();
                format!("one of {}", names.join(", "))
            }
            _ => self.schema(side).type_name(reader).to_owned(),
        };
        self.refuse(format!("written as {wrote}, where the reader's schema has {reads}"))
    }

    /// The branch of a reader's union that a writer's type is read as: the same type if there is one, else the first that it can
    /// become.
    fn branch(&self, writer: &Type, branches: &'s [Type]) -> Option<&'s Type> {
        let first = |fits: &dyn Fn(&Type) -> bool| branches.iter().find(|branch| fits(branch));
        if let Kind::Named(id) = writer.kind {
            let wrote = self.writer.named(id);
            let named = |fits: &dyn Fn(&Named) -> bool| {
                first(&|branch| match branch.kind {
                    Kind::Named(id) => {
                        let reads = self.reader.named(id);
                        fits(reads) && same_kind(wrote, reads)
                    }
                    _ => false,
                })
            };
            return named(&|reads| reads.name == wrote.name)
                .or_else(|| named(&|reads| reads.aliases.contains(&wrote.name)))
                .or_else(|| named(&|reads| reads.name.short() == wrote.name.short()));
        }
        let same = std::mem::discriminant(&writer.kind);
        first(&|branch| std::mem::discriminant(&branch.kind) == same)
            .or_else(|| first(&|branch| plain(writer, branch).is_some()))
    }

    fn named(&mut self, writer: NameId, reader: NameId, side: Side) -> Node {
        let (wrote, reads) = (self.writer.named(writer), self.schema(side).named(reader));
        let same_name = wrote.name.short() == reads.name.short() || reads.aliases.contains(&wrote.name);
        if !same_name || !same_kind(wrote, reads) {
            let size = |named: &Named| match &named.body {
                Body::Fixed { size, .. } => format!("({size})"),
                _ => String::new(),
            };
            let (a, b) = (size(wrote), size(reads));
            let way_out = if same_name { "" } else { "; an alias of the reader's type would make them one" };
            let (a_kind, b_kind) = (wrote.body.word(), reads.body.word());
            let (a_name, b_name) = (&wrote.name, &reads.name);
            let why = format!(
                "written as the {a_kind}{a} `{a_name}`, where the reader's schema has the {b_kind}{b} `{b_name}`{way_out}"
            );
            return Node::Refuse(why.into());
        }
        match (&wrote.body, &reads.body) {
            (Body::Record(wrote), Body::Record(reads)) => self.record(wrote, reads, side),
            (Body::Enum { symbols: wrote, .. }, Body::Enum { symbols, default }) => {
                let other = default.and_then(|default| symbols.get(default));
                let read = |symbol: &Arc<str>| symbols.iter().find(|known| *known == symbol).or(other);
                Node::Enum {
                    symbols: wrote.iter().map(|symbol| read(symbol).map(|symbol| symbol[..].into())).collect(),
                }
            }
            (Body::Fixed { size, logical: wrote }, Body::Fixed { logical: reads, .. }) => {
                Node::Fixed { size: *size as u32, to: bytes(*wrote, *reads, *size) }
            }
            _ => Node::Refuse("another kind of type".into()),
        }
    }

    fn record(&mut self, wrote: &'s [Field], reads: &'s [Field], side: Side) -> Node {
        // The reader's field of each of the writer's: by name, then by alias.
        let mut taken: Vec<Option<usize>> = vec![None; wrote.len()];
        let mut absent: Vec<usize> = Vec::new();
        let by_name: HashMap<&str, usize> = wrote.iter().enumerate().map(|(i, field)| (&*field.name, i)).collect();
        for (place, field) in reads.iter().enumerate() {
            match by_name.get(&*field.name) {
                Some(i) => taken[*i] = Some(place),
                None => absent.push(place),
            }
        }
        absent.retain(|place| {
            let mut names = reads[*place].aliases.iter().filter_map(|alias| by_name.get(&**alias));
            match names.find(|i| taken[**i].is_none()) {
                Some(i) => taken[*i] = Some(*place),
                None => return true,
            }
            false
        });
        if let Some(missing) = absent.iter().map(|place| &reads[*place]).find(|field| field.default.is_none()) {
            let name = &missing.name;
            let why = format!("the reader's field `{name}` has no default, and the writer's schema has no such field");
            return Node::Refuse(why.into());
        }
        let field = |place: usize| avro::Field::new(&reads[place].name, place);
        let steps = wrote.iter().zip(&taken).map(|(wrote, place)| match place {
            Some(place) => Step { node: self.pair(&wrote.ty, &reads[*place].ty, side), field: Some(field(*place)) },
            None => Step { node: self.pair(&wrote.ty, &wrote.ty, Side::Own), field: None },
        });
        let steps = steps.collect();
        let absent =
            absent.into_iter().map(|place| Absent { field: field(place), default: self.default(&reads[place], side) });
        Node::Record(Record { steps, absent: absent.collect() })
    }

    /// The default of a field as JSON.
    fn default(&self, field: &Field, side: Side) -> Box<[u8]> {
        let datum = field.default.as_ref().map(|default| &*default.datum).unwrap_or_default();
        // It was written by this type a moment ago, so it can be read by it; a float may still be no number.
        let json = avro::to_json(&own_of(self.schema(side), &field.ty), datum);
        json.unwrap_or_else(|_| b"null".to_vec()).into()
    }

    /// What of a value is an object, and so an event.
    fn object(&mut self, id: NodeId) -> NodeId {
        match self.nodes[id as usize].clone() {
            Node::Record(_) | Node::Map(_) | Node::Refuse(_) => id,
            Node::Union(branches) => {
                let branches = branches.iter().map(|branch| self.object(*branch)).collect();
                self.add(Node::Union(branches))
            }
            _ => self.refuse("an event is a record or a map, and this is another value".to_owned()),
        }
    }
}

/// Whether two named types are both records, both enums, or both fixed of one size.
fn same_kind(a: &Named, b: &Named) -> bool {
    match (&a.body, &b.body) {
        (Body::Fixed { size: a, .. }, Body::Fixed { size: b, .. }) => a == b,
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// What a writer's type without a name and without others in it is to a reader's: the same, or what it can be promoted to.
fn plain(writer: &Type, reader: &Type) -> Option<Node> {
    let number = || rescaled(writer.logical, reader.logical);
    Some(match (&writer.kind, &reader.kind) {
        (Kind::Null, Kind::Null) => Node::Null,
        (Kind::Boolean, Kind::Boolean) => Node::Boolean,
        (Kind::Int, Kind::Int | Kind::Long) => Node::Int(number()),
        (Kind::Int, Kind::Float) => Node::Int(Number::Float),
        (Kind::Int, Kind::Double) => Node::Int(Number::Double),
        (Kind::Long, Kind::Long) => Node::Long(number()),
        (Kind::Long, Kind::Float) => Node::Long(Number::Float),
        (Kind::Long, Kind::Double) => Node::Long(Number::Double),
        (Kind::Float, Kind::Float | Kind::Double) => Node::Float,
        (Kind::Double, Kind::Double) => Node::Double,
        (Kind::String | Kind::Bytes, Kind::String) => Node::Bytes { utf8: true, to: Bytes::Text },
        (Kind::String, Kind::Bytes) => Node::Bytes { utf8: true, to: bytes(None, reader.logical, 0) },
        (Kind::Bytes, Kind::Bytes) => Node::Bytes { utf8: false, to: bytes(writer.logical, reader.logical, 0) },
        _ => return None,
    })
}

/// What bytes of at most `size` are to the reader. A decimal keeps the scale that it was written with: the digits mean what the writer
/// meant. One that is too large to be read stays bytes.
fn bytes(writer: Option<Logical>, reader: Option<Logical>, size: usize) -> Bytes {
    let scale = match (writer, reader) {
        (_, Some(Logical::Uuid)) => return Bytes::Uuid,
        (_, Some(Logical::Duration)) => return Bytes::Duration,
        (Some(Logical::Decimal { scale, .. }), Some(Logical::Decimal { .. })) => scale,
        (_, Some(Logical::Decimal { scale, .. })) => scale,
        _ => return Bytes::Base64,
    };
    match scale as usize <= AVRO_SCALE_MAX && size <= AVRO_DECIMAL_BYTES_MAX {
        true => Bytes::Decimal { scale },
        false => Bytes::Base64,
    }
}

/// A time that both sides count, but in other units, is turned into the reader's: the specification leaves the number as it is,
/// and it would be another time.
fn rescaled(writer: Option<Logical>, reader: Option<Logical>) -> Number {
    let per_second = |logical: Logical| match logical {
        Logical::Timestamp(unit) | Logical::LocalTimestamp(unit) => match unit {
            Unit::Millis => 1_000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        },
        Logical::TimeMillis => 1_000,
        Logical::TimeMicros => 1_000_000,
        _ => 1_i64,
    };
    let kind = |logical: Logical| match logical {
        Logical::Timestamp(_) => Some(0),
        Logical::LocalTimestamp(_) => Some(1),
        Logical::TimeMillis | Logical::TimeMicros => Some(2),
        _ => None,
    };
    let (Some(writer), Some(reader)) = (writer, reader) else { return Number::Int };
    if kind(writer).is_none() || kind(writer) != kind(reader) {
        return Number::Int;
    }
    match (per_second(writer), per_second(reader)) {
        (a, b) if a < b => Number::Times(b / a),
        (a, b) if a > b => Number::Per(a / b),
        _ => Number::Int,
    }
}
