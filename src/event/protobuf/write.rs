//! Messages, and fields of them, as JSON. Where the values of a field are is noted first, as they may stand anywhere and more than once;
//! then fields are written in the order of the type.

use crate::event::json;
use crate::limits::{BINARY_TEXT_BYTES_MAX, JSON_DEPTH_MAX};

use super::fault::{Fault, Read, Why};
use super::known;
use super::read::{self, BYTES, GROUP};
use super::types::{Kind, Known, Label, NONE, Number, Type, Types, Worth};

/// Messages within messages when they are written, entries of maps and wrappers included; the levels of JSON are bounded before.
const LEVELS_MAX: usize = 4 * JSON_DEPTH_MAX;

/// Where one value is: behind its tag, without its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub start: usize,
    pub end: usize,
    /// Whether it is a run of numbers.
    pub packed: bool,
    next: u32,
}

/// No note.
const END: u32 = u32::MAX;

/// The values of one field in their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    last: u32,
}

impl Chain {
    pub const EMPTY: Chain = Chain { first: END, last: END };

    pub fn is_empty(self) -> bool {
        self.first == END
    }
}

/// Notes of the values of an event, kept from one to the next so that their memory is.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    notes: Vec<Note>,
    chains: Vec<Chain>,
}

impl Notes {
    pub fn clear(&mut self) {
        self.notes.clear();
        self.chains.clear();
    }

    /// Adds a value to a chain.
    pub fn add(&mut self, chain: &mut Chain, start: usize, end: usize, packed: bool) {
        let index = self.notes.len() as u32;
        self.notes.push(Note { start, end, packed, next: END });
        match self.notes.get_mut(chain.last as usize) {
            Some(last) => last.next = index,
            None => chain.first = index,
        }
        chain.last = index;
    }

    fn last(&self, chain: Chain) -> Option<Note> {
        self.notes.get(chain.last as usize).copied()
    }
}

/// Writes values of one event as JSON.
pub(super) struct JsonWriter<'a> {
    pub types: &'a Types,
    pub text: &'a [u8],
    pub notes: &'a mut Notes,
    pub out: &'a mut Vec<u8>,
    /// Bytes of `out` after which nothing more is written.
    pub out_max: usize,
}

impl<'a> JsonWriter<'a> {
    pub fn new(types: &'a Types, text: &'a [u8], notes: &'a mut Notes, out: &'a mut Vec<u8>) -> JsonWriter<'a> {
        let out_max = out.len() + BINARY_TEXT_BYTES_MAX;
        JsonWriter { types, text, notes, out, out_max }
    }

    /// Writes the event between two places.
    pub fn event(&mut self, start: usize, end: usize) -> Read<()> {
        let mut chain = Chain::EMPTY;
        self.notes.add(&mut chain, start, end, false);
        self.message(self.types.root, chain, 0)
    }

    /// Writes the message of a type whose parts are these.
    fn message(&mut self, ty: usize, parts: Chain, level: usize) -> Read<()> {
        if level > LEVELS_MAX {
            return Fault::err(0, Why::Depth);
        }
        if self.out.len() > self.out_max {
            return Fault::err(0, Why::TextSize);
        }
        let types = self.types;
        let ty = &types.messages[ty];
        let (base, mark) = (self.notes.chains.len(), self.notes.notes.len());
        self.notes.chains.resize(base + ty.fields.len(), Chain::EMPTY);
        let mut at = parts.first;
        while let Some(part) = self.notes.notes.get(at as usize).copied() {
            self.note_fields(ty, part.start, part.end, base)?;
            at = part.next;
        }
        match ty.known {
            None => self.members(ty, base, level)?,
            Some(Known::Timestamp) => self.quoted(known::write_timestamp, ty, base)?,
            Some(Known::Duration) => self.quoted(known::write_duration, ty, base)?,
            Some(Known::Wrapper | Known::Struct | Known::ListValue) => self.only_field(ty, base, level)?,
            Some(Known::Value) => self.any(ty, base, level)?,
        }
        self.notes.chains.truncate(base);
        self.notes.notes.truncate(mark);
        Ok(())
    }

    /// Notes where the values of the message between two places are.
    fn note_fields(&mut self, ty: &Type, mut at: usize, end: usize, base: usize) -> Read<()> {
        while at < end {
            let (tag, after) = read::tag(self.text, at, end)?;
            let index = ty.find(tag >> 3);
            let Some(field) = ty.fields.get(usize::from(index)).filter(|_| index != NONE) else {
                at = read::skip(self.text, tag, after, end, JSON_DEPTH_MAX)?;
                continue;
            };
            let (start, stop);
            (start, stop, at) = match (tag & 7) as u8 {
                BYTES => {
                    let (start, stop) = read::length(self.text, after, end)?;
                    (start, stop, stop)
                }
                GROUP => {
                    let (stop, next) = read::group(self.text, tag, after, end, JSON_DEPTH_MAX)?;
                    (after, stop, next)
                }
                _ => {
                    let next = read::skip(self.text, tag, after, end, 0)?;
                    (after, next, next)
                }
            };
            let chain = base + usize::from(index);
            if let Some(oneof) = field.oneof.and_then(|oneof| ty.oneofs.get(usize::from(oneof))) {
                for &other in oneof.iter().filter(|&&other| other != index) {
                    self.notes.chains[base + usize::from(other)] = Chain::EMPTY;
                }
            }
            let is_single = !matches!(field.label, Label::Repeated | Label::Map);
            let merges = matches!(field.kind, Kind::Message(_) | Kind::Group(_));
            let packed = tag == field.packed_tag;
            if is_single
                && !merges
                && let Some(last) = self.notes.notes.get_mut(self.notes.chains[chain].last as usize)
            {
                // The last one counts.
                *last = Note { start, end: stop, packed, next: END };
                continue;
            }
            let mut found = self.notes.chains[chain];
            self.notes.add(&mut found, start, stop, packed);
            self.notes.chains[chain] = found;
        }
        Ok(())
    }

    /// Writes an object of the fields whose chains start at `base`.
    fn members(&mut self, ty: &Type, base: usize, level: usize) -> Read<()> {
        let start = self.out.len();
        for (i, field) in ty.fields.iter().enumerate() {
            let chain = self.notes.chains[base + i];
            if chain.is_empty() && matches!(field.label, Label::Optional | Label::Required) {
                continue;
            }
            self.out.extend_from_slice(&field.before);
            self.field(ty, i, chain, level)?;
        }
        close(start, self.out, b'{', b'}');
        Ok(())
    }

    /// Writes what a field is: one value, a list or an object of entries. `level`: of its message.
    pub fn field(&mut self, ty: &Type, index: usize, chain: Chain, level: usize) -> Read<()> {
        let field = &ty.fields[index];
        match field.label {
            Label::Repeated => self.list(field.kind, chain, level),
            Label::Map => self.map(field.kind, chain, level),
            Label::Implicit | Label::Optional | Label::Required => self.value(field.kind, chain, level),
        }
    }

    fn list(&mut self, kind: Kind, chain: Chain, level: usize) -> Read<()> {
        let start = self.out.len();
        let mut next = chain.first;
        while let Some(note) = self.notes.notes.get(next as usize).copied() {
            let own = Chain { first: next, last: next };
            next = note.next;
            if note.packed {
                self.run(kind, note)?;
                continue;
            }
            self.out.push(b',');
            // Alone: what follows in the list is no part of it.
            self.notes.notes[own.first as usize].next = END;
            self.value(kind, own, level)?;
        }
        close(start, self.out, b'[', b']');
        Ok(())
    }

    /// Writes the numbers of a run, each after a comma.
    fn run(&mut self, kind: Kind, note: Note) -> Read<()> {
        let mut at = note.start;
        while at < note.end {
            if self.out.len() > self.out_max {
                return Fault::err(at, Why::TextSize);
            }
            let (bits, after) = bits(self.text, kind, at, note.end)?;
            self.out.push(b',');
            self.number(kind, bits);
            at = after;
        }
        Ok(())
    }

    /// Writes one value: the last of the chain, or all parts of a message put together. The default where there is none.
    fn value(&mut self, kind: Kind, chain: Chain, level: usize) -> Read<()> {
        let last = self.notes.last(chain);
        let bytes = last.map(|note| self.text.get(note.start..note.end).unwrap_or_default()).unwrap_or_default();
        match kind {
            Kind::String => json::write_string(self.out, bytes),
            Kind::Bytes => {
                self.out.push(b'"');
                json::base64(self.out, bytes);
                self.out.push(b'"');
            }
            Kind::Message(ty) | Kind::Group(ty) => return self.message(ty, chain, level + 1),
            Kind::Number(_) | Kind::Enum(_) => {
                let default = match kind {
                    Kind::Enum(at) => i64::from(self.types.enums[at].first()) as u64,
                    _ => 0,
                };
                let bits = match last {
                    Some(note) => bits(self.text, kind, note.start, note.end)?.0,
                    None => default,
                };
                self.number(kind, bits);
            }
        }
        Ok(())
    }

    fn number(&mut self, kind: Kind, bits: u64) {
        let number = match kind {
            Kind::Number(number) => number,
            Kind::Enum(at) => {
                let names = &self.types.enums[at];
                match names.find(bits as i32) {
                    Some(index) => return json::write_string(self.out, names.values[index].0.as_bytes()),
                    None => Number::Int32,
                }
            }
            _ => return,
        };
        let before = self.out.len();
        write_worth(self.out, number.worth(bits), true);
        debug_assert!(self.out.len() > before);
    }

    /// Writes the entries of a map as an object. Of entries with one key the last counts.
    fn map(&mut self, kind: Kind, chain: Chain, level: usize) -> Read<()> {
        let Kind::Message(entry) = kind else { return Fault::err(0, Why::Tag(0)) };
        let types = self.types;
        let entry = &types.messages[entry];
        let start = self.out.len();
        let (base, mark) = (self.notes.chains.len(), self.notes.notes.len());
        // Where each member starts and where its key ends.
        let mut members: Vec<(usize, usize)> = Vec::new();
        let mut next = chain.first;
        while let Some(note) = self.notes.notes.get(next as usize).copied() {
            next = note.next;
            self.notes.chains.resize(base + entry.fields.len(), Chain::EMPTY);
            self.note_fields(entry, note.start, note.end, base)?;
            let at = self.out.len();
            self.out.push(b',');
            for (i, field) in entry.fields.iter().enumerate() {
                let part = self.notes.chains[base + i];
                if field.number == 1 {
                    self.key(field.kind, part, level)?;
                    members.push((at, self.out.len()));
                    self.out.push(b':');
                } else {
                    self.value(field.kind, part, level)?;
                }
            }
            self.notes.chains.truncate(base);
            self.notes.notes.truncate(mark);
        }
        drop_repeated(self.out, start, &members);
        close(start, self.out, b'{', b'}');
        Ok(())
    }

    /// Writes a key as a text.
    fn key(&mut self, kind: Kind, chain: Chain, level: usize) -> Read<()> {
        if kind == Kind::String {
            return self.value(kind, chain, level);
        }
        self.out.push(b'"');
        self.value(kind, chain, level)?;
        self.out.push(b'"');
        Ok(())
    }

    /// Writes the text of seconds and nanoseconds.
    fn quoted(&mut self, write: impl Fn(&mut Vec<u8>, i64, i64), ty: &Type, base: usize) -> Read<()> {
        self.out.push(b'"');
        let (seconds, nanos) = self.seconds(ty, base)?;
        write(self.out, seconds, nanos);
        self.out.push(b'"');
        Ok(())
    }

    fn seconds(&mut self, ty: &Type, base: usize) -> Read<(i64, i64)> {
        let mut found = (0, 0);
        for (i, field) in ty.fields.iter().enumerate() {
            let Some(note) = self.notes.last(self.notes.chains[base + i]) else { continue };
            let (value, _) = bits(self.text, field.kind, note.start, note.end)?;
            match field.number {
                1 => found.0 = value as i64,
                _ => found.1 = i64::from(value as i32),
            }
        }
        Ok(found)
    }

    /// Writes the value of the only field of a message that stands for it.
    fn only_field(&mut self, ty: &Type, base: usize, level: usize) -> Read<()> {
        self.field(ty, 0, self.notes.chains[base], level)
    }

    /// Writes a `google.protobuf.Value`.
    fn any(&mut self, ty: &Type, base: usize, level: usize) -> Read<()> {
        let found = (0..ty.fields.len()).find(|i| !self.notes.chains[base + i].is_empty());
        match found.filter(|found| !matches!(ty.fields[*found].kind, Kind::Enum(_))) {
            Some(found) => self.field(ty, found, self.notes.chains[base + found], level),
            None => {
                self.out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }
}

/// The bits of a number, and what follows it.
#[inline(always)]
pub(super) fn bits(text: &[u8], kind: Kind, at: usize, end: usize) -> Read<(u64, usize)> {
    let wire_type = match kind {
        Kind::Number(number) => number.wire_type(),
        _ => read::VARINT,
    };
    match wire_type {
        read::FIXED64 => read::fixed64(text, at, end),
        read::FIXED32 => read::fixed32(text, at, end).map(|(bits, after)| (bits.into(), after)),
        _ => read::varint(text, at, end),
    }
}

/// Writes a number. What JSON has no number for is the text that Protobuf's own JSON has: `"NaN"`, `"Infinity"`, `"-Infinity"`.
pub(super) fn write_worth(out: &mut Vec<u8>, worth: Worth, quotes: bool) {
    match worth {
        Worth::Int(value) => json::write_i64(out, value),
        Worth::Large(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Worth::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Worth::Float(value) => {
            if json::write_f64(out, value) {
                return;
            }
            let text: &[u8] = match value {
                value if value.is_nan() => b"NaN",
                value if value > 0.0 => b"Infinity",
                _ => b"-Infinity",
            };
            out.extend(quotes.then_some(b'"'));
            out.extend_from_slice(text);
            out.extend(quotes.then_some(b'"'));
        }
    }
}

/// Makes an object or array of what was written since `start`, each part after a comma.
fn close(start: usize, out: &mut Vec<u8>, open: u8, end: u8) {
    match out.get_mut(start) {
        Some(comma) => *comma = open,
        None => out.push(open),
    }
    out.push(end);
}

/// Drops members whose key comes again later. `members`: where each starts, with a comma, and where its key ends.
fn drop_repeated(out: &mut Vec<u8>, start: usize, members: &[(usize, usize)]) {
    if members.len() < 2 {
        return;
    }
    let key = |member: &(usize, usize)| &out[member.0 + 1..member.1];
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by(|a, b| key(&members[*a]).cmp(key(&members[*b])));
    let mut dropped: Vec<usize> =
        order.windows(2).filter(|pair| key(&members[pair[0]]) == key(&members[pair[1]])).map(|pair| pair[0]).collect();
    if dropped.is_empty() {
        return;
    }
    dropped.sort_unstable();
    let written = out.split_off(start);
    let ends = members.iter().skip(1).map(|member| member.0).chain([start + written.len()]);
    for (i, (member, end)) in members.iter().zip(ends).enumerate() {
        if dropped.binary_search(&i).is_err() {
            out.extend_from_slice(&written[member.0 - start..end - start]);
        }
    }
}
