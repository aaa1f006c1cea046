//! Events, and values of them, as JSON: walked node by node. What the program of a demand checks without looking is checked here in
//! the same way, so this is also how the place of a fault is found.

use crate::event::json;
use crate::limits::BINARY_TEXT_BYTES_MAX;

use super::decimal;
use super::fault::{Fault, Read, Why};
use super::node::{Bytes, Counted, DURATION, Field, Node, NodeId, Number, Reading, Record};
use super::read::{self, EMPTY_ITEMS, Items};

/// Writes values of one event as JSON.
pub(super) struct JsonWriter<'a> {
    pub reading: &'a Reading,
    /// The bytes in which places count.
    pub text: &'a [u8],
    pub out: &'a mut Vec<u8>,
    /// Bytes of `out` after which nothing more is written.
    pub out_max: usize,
    pub depth_max: usize,
    /// What is left of the event's allowance of items of no bytes.
    pub empty: u32,
    /// NaN and the infinities are written as null.
    pub lenient: bool,
    /// After a fault: the names on the way to its place, the innermost first.
    pub path: Vec<String>,
}

impl<'a> JsonWriter<'a> {
    /// A writer of one event in these bytes.
    pub fn new(
        reading: &'a Reading,
        text: &'a [u8],
        out: &'a mut Vec<u8>,
        depth_max: usize,
        lenient: bool,
    ) -> JsonWriter<'a> {
        let out_max = out.len() + BINARY_TEXT_BYTES_MAX;
        JsonWriter { reading, text, out, out_max, depth_max, empty: EMPTY_ITEMS, lenient, path: Vec::new() }
    }

    /// What is wrong, with the field in which it was found.
    pub fn message(&self, fault: Fault) -> String {
        let mut path = String::new();
        for name in self.path.iter().rev() {
            if !path.is_empty() && !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        }
        let refused = match fault.why {
            Why::Refused(id) => match self.reading.node(id) {
                Node::Refuse(why) => why,
                _ => "",
            },
            _ => "",
        };
        fault.message(self.text, &path, self.depth_max, refused)
    }

    /// Writes the value at `at`, inside of `depth` objects and arrays. Gives what follows it.
    pub fn value(&mut self, id: NodeId, at: usize, depth: usize) -> Read<usize> {
        if self.out.len() > self.out_max {
            return Fault::err(at, Why::TextSize);
        }
        let node = self.reading.node(id);
        if node.nests() && depth >= self.depth_max {
            return Fault::err(at, Why::Depth);
        }
        match node {
            Node::Null => {
                self.out.extend_from_slice(b"null");
                Ok(at)
            }
            Node::Boolean => {
                let (value, end) = read::boolean(self.text, at)?;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
                Ok(end)
            }
            Node::Int(to) => self.number(*to, read::int(self.text, at)?),
            Node::Long(to) => self.number(*to, read::long(self.text, at)?),
            Node::Float => self.float(at, read::float(self.text, at)?),
            Node::Double => self.float(at, read::double(self.text, at)?),
            Node::Bytes { utf8, to } => {
                let (value, end) = if *utf8 { read::string(self.text, at) } else { read::prefixed(self.text, at) }?;
                if let Bytes::Decimal { .. } = to {
                    decimal::check(value, at)?;
                }
                write_bytes(self.out, value, *to);
                Ok(end)
            }
            Node::Fixed { size, to } => {
                let (value, end) = read::bytes(self.text, at, *size as usize)?;
                write_bytes(self.out, value, *to);
                Ok(end)
            }
            Node::Enum { symbols } => {
                let (index, end) = read::symbol(self.text, at, symbols.len() as u32)?;
                match symbols.get(index) {
                    Some(Some(symbol)) => json::write_string(self.out, symbol.as_bytes()),
                    _ => return Fault::err(at, node.unknown_symbol(index as u64)),
                }
                Ok(end)
            }
            Node::Union(branches) => {
                let (index, end) = read::branch(self.text, at, branches.len() as u32)?;
                self.value(branches[index], end, depth)
            }
            Node::Array(items) => self.array(*items, at, depth),
            Node::Map(values) => self.map(*values, at, depth),
            Node::Record(record) => self.record(record, at, depth),
            Node::Refuse(_) => Fault::err(at, Why::Refused(id)),
        }
    }

    fn number(&mut self, to: Number, (value, end): (i64, usize)) -> Read<usize> {
        match to.of(value) {
            Counted::Int(value) => json::write_i64(self.out, value),
            Counted::Float(value) => drop(json::write_f64(self.out, value)),
        }
        Ok(end)
    }

    fn float(&mut self, at: usize, (value, end): (f64, usize)) -> Read<usize> {
        if !json::write_f64(self.out, value) {
            if !self.lenient {
                return Fault::err(at, Why::NotFinite);
            }
            self.out.extend_from_slice(b"null");
        }
        Ok(end)
    }

    fn array(&mut self, items: NodeId, mut at: usize, depth: usize) -> Read<usize> {
        let width = self.reading.width(items);
        let mut index = 0_u64;
        self.out.push(b'[');
        loop {
            let block = match read::items(self.text, at, width, &mut self.empty)? {
                Items::End(end) => {
                    self.out.push(b']');
                    return Ok(end);
                }
                Items::Block(block) => block,
            };
            at = block.start;
            for _ in 0..block.count {
                if index > 0 {
                    self.out.push(b',');
                }
                at = self.value(items, at, depth + 1).inspect_err(|_| self.path.push(format!("[{index}]")))?;
                index += 1;
            }
            block.check(at)?;
        }
    }

    fn map(&mut self, values: NodeId, mut at: usize, depth: usize) -> Read<usize> {
        let width = self.reading.width(values).saturating_add(1);
        let start = self.out.len();
        loop {
            let block = match read::items(self.text, at, width, &mut self.empty)? {
                Items::End(end) => {
                    close(start, self.out);
                    return Ok(end);
                }
                Items::Block(block) => block,
            };
            at = block.start;
            for _ in 0..block.count {
                let (key, value) = read::string(self.text, at)?;
                name(self.out, key);
                at = self.value(values, value, depth + 1).inspect_err(|_| {
                    self.path.push(format!("[{:?}]", String::from_utf8_lossy(key)));
                })?;
            }
            block.check(at)?;
        }
    }

    /// Writes a record, its fields in the reader's order.
    fn record(&mut self, record: &Record, mut at: usize, depth: usize) -> Read<usize> {
        let start = self.out.len();
        let mut absent = record.absent.iter().peekable();
        // Where the members are, if they have to be put into another order.
        let mut members = (!record.is_in_order()).then(Vec::new);
        for step in &record.steps {
            let Some(field) = &step.field else {
                at = self.unread(step.node, at, depth + 1)?;
                continue;
            };
            while let Some(absent) = absent.next_if(|absent| absent.field.place < field.place) {
                self.member(&absent.field, &mut members);
                self.out.extend_from_slice(&absent.default);
            }
            self.member(field, &mut members);
            at = self.value(step.node, at, depth + 1).inspect_err(|_| self.path.push(field.name.to_string()))?;
        }
        for absent in absent {
            self.member(&absent.field, &mut members);
            self.out.extend_from_slice(&absent.default);
        }
        if let Some(members) = members {
            reorder(self.out, start, &members);
        }
        close(start, self.out);
        Ok(at)
    }

    /// Writes a field's name, and notes its place if that is wanted.
    fn member(&mut self, field: &Field, members: &mut Option<Vec<(u32, usize)>>) {
        if let Some(members) = members {
            members.push((field.place, self.out.len()));
        }
        self.out.extend_from_slice(&field.member);
    }

    /// Reads a value that the reader has no field for: checked as if it were written.
    fn unread(&mut self, id: NodeId, at: usize, depth: usize) -> Read<usize> {
        let (start, lenient) = (self.out.len(), std::mem::replace(&mut self.lenient, true));
        let end = self.value(id, at, depth);
        self.out.truncate(start);
        self.lenient = lenient;
        end
    }
}

/// Writes what bytes are to the reader, as JSON.
pub(super) fn write_bytes(out: &mut Vec<u8>, value: &[u8], to: Bytes) {
    match to {
        Bytes::Text => json::write_string(out, value),
        Bytes::Decimal { scale } => decimal::write(out, value, scale),
        Bytes::Base64 | Bytes::Uuid => {
            out.push(b'"');
            write_text(out, value, to);
            out.push(b'"');
        }
        Bytes::Duration => {
            let start = out.len();
            for (part, bytes) in DURATION.iter().zip(value.chunks_exact(4)) {
                name(out, part.as_bytes());
                json::write_i64(out, bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes).into()));
            }
            close(start, out);
        }
    }
}

/// Writes the text of base64 or of a UUID, which needs no escapes.
pub(super) fn write_text(out: &mut Vec<u8>, value: &[u8], to: Bytes) {
    match (to, value.first_chunk()) {
        (Bytes::Uuid, Some(value)) => {
            let mut buffer = [0; uuid::fmt::Hyphenated::LENGTH];
            out.extend_from_slice(uuid::Uuid::from_bytes(*value).hyphenated().encode_lower(&mut buffer).as_bytes());
        }
        _ => json::base64(out, value),
    }
}

/// Writes a name after a comma.
fn name(out: &mut Vec<u8>, name: &[u8]) {
    out.push(b',');
    json::write_string(out, name);
    out.push(b':');
}

/// Makes an object of the members since `start`, each after a comma.
fn close(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// Puts the members since `start` in the order of their places; each is told with where it is.
fn reorder(out: &mut Vec<u8>, start: usize, members: &[(u32, usize)]) {
    let written = out.split_off(start);
    let ends: Vec<usize> = members.iter().skip(1).map(|(_, at)| *at).chain([start + written.len()]).collect();
    let mut parts: Vec<_> =
        members.iter().zip(ends).map(|((place, at), end)| (*place, at - start..end - start)).collect();
    parts.sort_unstable_by_key(|(place, _)| *place);
    for (_, range) in parts {
        out.extend_from_slice(written.get(range).unwrap_or_default());
    }
}
