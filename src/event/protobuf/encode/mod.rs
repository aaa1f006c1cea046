//! From a batch to messages: what passes unchanged is copied, computed and changed events are written field by field.

mod message;
mod number;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::codes;
use crate::event::encode::EncodeError;
use crate::event::json::{self, RawMembers};
use crate::event::packed::{Numbering, PackedEncoder, PackedEncoding, Unpack, Wire};
use crate::event::{Batch, Body, Cell, Layout};

use super::header;
use super::types::{Type, Types};

use self::message::{Item, Problem, Writer};

pub(super) use self::number::write_varint;

/// Protobuf as a sink writes it.
#[derive(Clone, Debug)]
pub struct ProtobufEncoding {
    wire: Wire,
    types: Arc<Types>,
    /// Who knows the registry's number of the schema.
    number: Option<Arc<dyn Numbering>>,
}

impl ProtobufEncoding {
    /// An encoding of events as the root of these types. `number`: of the schema in the registry, which Confluent's framing needs.
    pub fn new(wire: Wire, types: Arc<Types>, number: Option<Arc<dyn Numbering>>) -> ProtobufEncoding {
        ProtobufEncoding { wire, types, number }
    }

    /// What stands before each message, or why that is not known.
    fn header(&self) -> Result<Vec<u8>, String> {
        let mut before = Vec::new();
        if self.wire == Wire::Confluent {
            let number = self.number.as_ref().ok_or("there is no registry to give the schema a number")?;
            header::write(&mut before, number.number()?, &self.types.index_path);
        }
        Ok(before)
    }
}

impl PackedEncoding for ProtobufEncoding {
    fn encoder(&self) -> Box<dyn PackedEncoder> {
        let header = self.header();
        Box::new(ProtobufEncoder {
            encoding: self.clone(),
            header,
            plan: None,
            scratch: Vec::new(),
            unpacked: Vec::new(),
        })
    }

    fn prepare(&self) -> Result<(), String> {
        self.header().map(drop)
    }

    fn identity(&self) -> u64 {
        self.wire.identity_with(self.types.identity)
    }
}

#[derive(Debug)]
struct ProtobufEncoder {
    encoding: ProtobufEncoding,
    header: Result<Vec<u8>, String>,
    /// For the layout of the batch before.
    plan: Option<(Arc<Layout>, Plan)>,
    scratch: Vec<u8>,
    unpacked: Vec<u8>,
}

/// How events of a layout are written.
#[derive(Clone, Debug)]
enum Plan {
    Text(usize),
    Fields(Arc<[Source]>),
    Patched { base: usize, edits: Arc<[Source]> },
}

/// A field of a layout: the message's field, if it has one of this name, and the column of the value; without one the field is removed.
#[derive(Clone, Debug)]
struct Source {
    name: Arc<str>,
    field: Option<usize>,
    column: Option<usize>,
}

impl Plan {
    fn new(layout: &Layout, root: &Type) -> Plan {
        let source =
            |name: &Arc<str>, column| Source { name: name.clone(), field: root.find_name(name.as_bytes(), 0), column };
        match &layout.body {
            Body::Text(column) => Plan::Text(*column),
            Body::Fields(fields) => {
                Plan::Fields(fields.iter().map(|(name, column)| source(name, Some(*column))).collect())
            }
            Body::Patched { base, edits } => {
                let edits = edits.iter().map(|(name, column)| source(name, *column)).collect();
                Plan::Patched { base: *base, edits }
            }
        }
    }
}

impl PackedEncoder for ProtobufEncoder {
    fn encode(
        &mut self,
        batch: &Batch,
        lines: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    ) {
        let types = self.encoding.types.clone();
        let known =
            self.plan.take().filter(|(layout, _)| Arc::ptr_eq(layout, &batch.layout) || *layout == batch.layout);
        let plan = match known {
            Some((_, plan)) => plan,
            None => Plan::new(&batch.layout, &types.messages[types.root]),
        };
        let identity = self.encoding.identity();
        let same = batch.meta.unpack.as_ref().is_some_and(|unpack| unpack.identity() == Some(identity));
        for row in batch.selection.iter() {
            let start = out.len();
            let written = match (&plan, lines) {
                (Plan::Text(column), _) if same && let Cell::Packed(at) = batch.cell(*column, row) => {
                    let event = batch.texts.bytes(at);
                    if lines {
                        write_varint(out, event.len() as u64);
                    }
                    out.extend_from_slice(event);
                    Ok(())
                }
                (plan, false) => self.event(plan, batch, row, out),
                (plan, true) => {
                    let mut scratch = std::mem::take(&mut self.scratch);
                    scratch.clear();
                    let written = self.event(plan, batch, row, &mut scratch);
                    write_varint(out, scratch.len() as u64);
                    out.extend_from_slice(&scratch);
                    self.scratch = scratch;
                    written
                }
            };
            match written {
                Ok(()) => ends.push(out.len() as u32),
                Err(error) => {
                    out.truncate(start);
                    errors.push((row, error));
                }
            }
        }
        self.plan = Some((batch.layout.clone(), plan));
    }
}

impl ProtobufEncoder {
    /// Writes one event behind its header. After an error `out` ends with a part of it.
    fn event(&mut self, plan: &Plan, batch: &Batch, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.header {
            Ok(header) => out.extend_from_slice(header),
            Err(why) => return Err(EncodeError { code: codes::ENCODE_SCHEMA, message: why.clone() }),
        }
        let types = &*self.encoding.types;
        let mut writer = Writer { types, out };
        let written = match plan {
            Plan::Text(base) => {
                let text = text(batch, *base, row, &mut self.unpacked)?;
                writer.message(types.root, text, 1)
            }
            Plan::Fields(fields) => {
                let mut items: Items<'_> = SmallVec::from_elem(Item::Missing, types.messages[types.root].fields.len());
                place(&mut items, fields, batch, row).and_then(|()| writer.fields(types.root, &items, 1))
            }
            Plan::Patched { base, edits } => {
                let text = text(batch, *base, row, &mut self.unpacked)?;
                patched(&mut writer, text, edits, batch, row)
            }
        };
        written.map_err(|problem| EncodeError { code: codes::ENCODE_SCHEMA, message: problem.message() })
    }
}

type Items<'a> = SmallVec<[Item<'a>; 24]>;

/// Puts the cells of a row where their fields are.
fn place<'b>(items: &mut Items<'b>, sources: &[Source], batch: &'b Batch, row: u32) -> Result<(), Problem> {
    for source in sources {
        let cell = source.column.map_or(Cell::Missing, |column| batch.cell(column, row));
        match source.field.and_then(|field| items.get_mut(field)) {
            Some(item) => *item = Item::of_cell(cell, |at| batch.texts.bytes(at)),
            None if cell == Cell::Missing => {}
            None => return Err(Problem::unknown(&source.name)),
        }
    }
    Ok(())
}

/// Writes the members of an object, with some fields changed.
fn patched(writer: &mut Writer<'_>, text: &[u8], edits: &[Source], batch: &Batch, row: u32) -> Result<(), Problem> {
    let root = writer.types.root;
    let ty = &writer.types.messages[root];
    let mut items: Items<'_> = SmallVec::from_elem(Item::Missing, ty.fields.len());
    let mut guess = 0;
    for member in RawMembers::new(text) {
        if edits.iter().any(|edit| member.is(text, edit.name.as_bytes())) {
            continue;
        }
        guess = message::place_member(ty, &mut items, text, &member, guess)?;
    }
    place(&mut items, edits, batch, row)?;
    writer.fields(root, &items, 1)
}

/// The JSON text of an event; a packed one is made in `unpacked`.
fn text<'t>(batch: &'t Batch, column: usize, row: u32, unpacked: &'t mut Vec<u8>) -> Result<&'t [u8], EncodeError> {
    unpacked.clear();
    match (batch.cell(column, row), &batch.meta.unpack) {
        (Cell::Json(at), _) => return Ok(batch.texts.bytes(at)),
        (Cell::Packed(at), Some(unpack)) => {
            let unpack: &dyn Unpack = &**unpack;
            unpack.write_json(batch.texts.bytes(at), false, unpacked)?;
        }
        // A batch without its text cannot be made; an empty object is still an event.
        _ => unpacked.extend_from_slice(b"{}"),
    }
    debug_assert!(json::check_value(unpacked, crate::limits::JSON_DEPTH_MAX).is_ok());
    Ok(unpacked)
}
