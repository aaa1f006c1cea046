//! Values become bytes, by the nodes of a [`Writing`].

use crate::event::avro::decimal::{self, NoDecimal};
use crate::event::avro::{Bytes, DURATION};
use crate::event::encode::Given;
use crate::event::json;
use crate::limits::{AVRO_DECIMAL_BYTES_MAX, JSON_DEPTH_MAX};

use super::writing::{Put, PutField, PutId, PutRecord, Writing};

/// Writes values of one event.
pub(super) struct ValueWriter<'a> {
    pub writing: &'a Writing,
    pub out: &'a mut Vec<u8>,
    /// After a failure: the names on the way to its place, the innermost first.
    pub path: Vec<String>,
}

/// Why a value cannot be written, in words that follow its place.
pub(super) type Written<T = ()> = Result<T, String>;

impl ValueWriter<'_> {
    /// Writes a value, inside of `depth` objects and arrays. After a failure `out` ends with a part of it.
    pub fn value(&mut self, id: PutId, given: Given<'_>, depth: usize) -> Written {
        let writing = self.writing;
        let node = writing.node(id);
        match (node, given) {
            (Put::Null, Given::Null) => {}
            (Put::Boolean, Given::Bool(value)) => self.out.push(u8::from(value)),
            (Put::Int, Given::Int(value)) if i32::try_from(value).is_ok() => long(self.out, value),
            (Put::Long, Given::Int(value)) => long(self.out, value),
            (Put::Float | Put::Double, Given::Int(_) | Given::Float(_) | Given::Number(_)) => {
                return self.float(node, given);
            }
            (Put::Bytes { from, digits_max }, _) => return self.bytes(node, *from, *digits_max, None, given),
            (Put::Fixed { size, from, digits_max }, _) => {
                return self.bytes(node, *from, *digits_max, Some(*size as usize), given);
            }
            (Put::Enum { symbols }, Given::Str(_) | Given::Escaped(_)) => {
                let text = given.text().unwrap_or_default();
                match symbols.iter().position(|symbol| symbol.as_bytes() == &*text) {
                    Some(index) => long(self.out, index as i64),
                    None => return Err(no_symbol(given, symbols)),
                }
            }
            (Put::Union(branches), _) => return self.union(branches, given, depth),
            (Put::Array(item), Given::Array(text)) => return self.array(*item, text, deeper(depth)?),
            (Put::Map(value), Given::Object(text)) => return self.map(*value, text, deeper(depth)?),
            (Put::Record(record), Given::Object(text)) => return self.record(record, text, deeper(depth)?),
            _ => return Err(misfit(node, given)),
        }
        Ok(())
    }

    fn float(&mut self, node: &Put, given: Given<'_>) -> Written {
        let Some(value) = given.float().filter(|value| value.is_finite()) else {
            return Err(match given {
                Given::Number(_) => format!("{} is larger than a float can be", given.told()),
                _ => "a number that is NaN or infinite".to_owned(),
            });
        };
        if *node == Put::Double {
            self.out.extend_from_slice(&value.to_le_bytes());
            return Ok(());
        }
        let narrow = value as f32;
        if !narrow.is_finite() {
            return Err(format!("{} is larger than a float of 32 bits can be", given.told()));
        }
        self.out.extend_from_slice(&narrow.to_le_bytes());
        Ok(())
    }

    /// `size`: that of a fixed.
    fn bytes(&mut self, node: &Put, from: Bytes, digits_max: u32, size: Option<usize>, given: Given<'_>) -> Written {
        match from {
            Bytes::Decimal { scale } => return self.decimal(node, scale, digits_max, size, given),
            Bytes::Duration => return self.duration(node, given),
            Bytes::Text | Bytes::Base64 | Bytes::Uuid => {}
        }
        let Some(text) = given.text() else { return Err(misfit(node, given)) };
        let start = self.out.len();
        match (from, size) {
            (Bytes::Uuid, _) => {
                let parsed = std::str::from_utf8(&text).ok().filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH);
                let Some(uuid) = parsed.and_then(|text| uuid::Uuid::try_parse(text).ok()) else {
                    return Err(format!("{} is no UUID like 6ba7b810-9dad-11d1-80b4-00c04fd430c8", given.told()));
                };
                match size {
                    Some(_) => self.out.extend_from_slice(uuid.as_bytes()),
                    None => prefixed(self.out, &text),
                }
            }
            (Bytes::Base64, _) => {
                if !json::from_base64(self.out, &text) {
                    return Err(format!("{} is no base64 (RFC 4648, padded)", given.told()));
                }
                let found = self.out.len() - start;
                match size {
                    Some(size) if size != found => return Err(format!("{found} bytes, where there must be {size}")),
                    Some(_) => {}
                    None => length_before(self.out, start, found),
                }
            }
            _ => prefixed(self.out, &text),
        }
        Ok(())
    }

    fn decimal(&mut self, node: &Put, scale: u32, digits_max: u32, size: Option<usize>, given: Given<'_>) -> Written {
        let mut text = Vec::new();
        match given {
            Given::Int(value) => json::write_i64(&mut text, value),
            Given::Float(value) if json::write_f64(&mut text, value) => {}
            Given::Number(number) => text.extend_from_slice(number),
            _ => return Err(misfit(node, given)),
        }
        let bytes = decimal::parse(&text, scale, digits_max).map_err(|why| match why {
            NoDecimal::Scale => format!(
                "{} has more than the {scale} digits behind the point that are kept; round it, as nothing is rounded here",
                given.told()
            ),
            NoDecimal::Precision => format!("{} has more than the {digits_max} digits that are kept", given.told()),
        })?;
        let Some(size) = size else {
            if bytes.len() > AVRO_DECIMAL_BYTES_MAX {
                return Err(format!("a decimal of more than {AVRO_DECIMAL_BYTES_MAX} bytes"));
            }
            prefixed(self.out, &bytes);
            return Ok(());
        };
        let Some(missing) = size.checked_sub(bytes.len()) else {
            return Err(format!("{} does not fit into the {size} bytes that it has", given.told()));
        };
        let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
        self.out.extend(std::iter::repeat_n(sign, missing));
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    fn duration(&mut self, node: &Put, given: Given<'_>) -> Written {
        let Given::Object(text) = given else { return Err(misfit(node, given)) };
        let mut parts = [0u32; DURATION.len()];
        for (name, value) in json::members(text) {
            let part = DURATION.iter().position(|part| *part == name);
            match (part, Given::from(value)) {
                (Some(part), Given::Int(value)) if u32::try_from(value).is_ok() => parts[part] = value as u32,
                _ => return Err(format!("a duration is {{months, days, millis}}, each an int from 0; found `{name}`")),
            }
        }
        parts.iter().for_each(|part| self.out.extend_from_slice(&part.to_le_bytes()));
        Ok(())
    }

    /// Writes the first branch of the value's own kind that takes it, else the first that it can become.
    fn union(&mut self, branches: &[PutId], given: Given<'_>, depth: usize) -> Written {
        let (start, path) = (self.out.len(), self.path.len());
        let mut last = None;
        for exact in [true, false] {
            for (index, branch) in branches.iter().enumerate() {
                if takes(self.writing.node(*branch), given) != Some(exact) {
                    continue;
                }
                long(self.out, index as i64);
                match self.value(*branch, given, depth) {
                    Ok(()) => return Ok(()),
                    Err(why) => {
                        self.out.truncate(start);
                        // Only one record takes an object by its fields, so what is wrong in it is the reason.
                        last = Some((why, self.path.split_off(path)));
                    }
                }
            }
        }
        if let (None, Given::Object(_)) = (&last, given)
            && let Some(record) = branches.iter().find(|branch| matches!(self.writing.node(**branch), Put::Record(_)))
        {
            // No record takes it as it is; what the first one lacks is the reason.
            self.value(*record, given, depth)?;
        }
        match last {
            Some((why, inner)) => {
                self.path.extend(inner);
                Err(why)
            }
            None => {
                let words: Vec<_> = branches.iter().map(|branch| self.writing.node(*branch).word()).collect();
                Err(format!("{}, where there must be {}", given.told(), words.join(" or ")))
            }
        }
    }

    fn array(&mut self, item: PutId, text: &[u8], depth: usize) -> Written {
        let start = self.out.len();
        let mut count = 0;
        let mut items = json::items(text);
        while let Some(cell) = items.next_cell() {
            let bytes = |at: crate::event::TextRef| {
                text.get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default()
            };
            if let Some(given) = Given::of_cell(cell, bytes) {
                let written = self.value(item, given, depth);
                self.within(written, || format!("[{count}]"))?;
                count += 1;
            }
        }
        self.block(start, count);
        Ok(())
    }

    fn map(&mut self, node: PutId, text: &[u8], depth: usize) -> Written {
        let start = self.out.len();
        let mut count = 0;
        for (name, value) in json::members(text) {
            prefixed(self.out, name.as_bytes());
            let written = self.value(node, value.into(), depth);
            self.within(written, || format!("[{name:?}]"))?;
            count += 1;
        }
        self.block(start, count);
        Ok(())
    }

    /// Makes the one block of an array or map of the items since `start`.
    fn block(&mut self, start: usize, count: usize) {
        if count > 0 {
            length_before(self.out, start, count);
        }
        self.out.push(0);
    }

    fn record(&mut self, record: &PutRecord, text: &[u8], depth: usize) -> Written {
        let mut fields = Fields::new(record, self.out.len());
        for (name, value) in json::members(text) {
            self.field(&mut fields, record, &name, value.into(), depth)?;
        }
        self.finish(fields, record)
    }

    /// Writes a field of a record, whatever came before it.
    pub fn field(
        &mut self,
        fields: &mut Fields,
        record: &PutRecord,
        name: &str,
        given: Given<'_>,
        depth: usize,
    ) -> Written {
        let Some(place) = fields.place(record, name) else {
            return Err(format!("`{}` has no field `{name:.60}`", record.name));
        };
        let start = self.out.len();
        let written = self.value(record.fields[place].node, given, depth);
        self.within(written, || name.to_owned())?;
        fields.note(place, start, self.out.len());
        Ok(())
    }

    /// Puts the fields into the schema's order, with what stands for those that are missing.
    pub fn finish(&mut self, fields: Fields, record: &PutRecord) -> Written {
        if fields.is_in_order(record) {
            return Ok(());
        }
        let written = self.out.split_off(fields.start);
        for (field, range) in record.fields.iter().zip(&fields.ranges) {
            match (range, &field.absent) {
                (Some((start, end)), _) => {
                    self.out
                        .extend_from_slice(written.get(start - fields.start..end - fields.start).unwrap_or_default());
                }
                (None, Some(absent)) => self.out.extend_from_slice(absent),
                (None, None) => return Err(format!("the field `{}` is missing, and has no default", field.name)),
            }
        }
        Ok(())
    }

    fn within(&mut self, written: Written, name: impl FnOnce() -> String) -> Written {
        if written.is_err() {
            self.path.push(name());
        }
        written
    }
}

/// Where the fields of a record that is being written are in the output.
pub(super) struct Fields {
    start: usize,
    ranges: Vec<Option<(usize, usize)>>,
    /// The field that is likely to come next: events mostly have them in the schema's order.
    next: usize,
    /// Every field so far was the one after that before it.
    in_order: bool,
}

impl Fields {
    pub fn new(record: &PutRecord, start: usize) -> Fields {
        Fields { start, ranges: vec![None; record.fields.len()], next: 0, in_order: true }
    }

    fn place(&mut self, record: &PutRecord, name: &str) -> Option<usize> {
        let is = |field: &PutField| *field.name == *name;
        let place = match record.fields.get(self.next).is_some_and(is) {
            true => self.next,
            false => record.fields.iter().position(is)?,
        };
        self.in_order &= place == self.next;
        self.next = place + 1;
        Some(place)
    }

    fn note(&mut self, place: usize, start: usize, end: usize) {
        self.ranges[place] = Some((start, end));
    }

    fn is_in_order(&self, record: &PutRecord) -> bool {
        self.in_order && self.next == record.fields.len()
    }
}

/// Whether a branch of a union takes a value: as its own kind, or as one that it can become; `None`: not at all.
fn takes(node: &Put, given: Given<'_>) -> Option<bool> {
    let own = match (node, given) {
        (Put::Null, Given::Null) | (Put::Boolean, Given::Bool(_)) | (Put::Long, Given::Int(_)) => true,
        (Put::Int, Given::Int(value)) => i32::try_from(value).is_ok().then_some(true)?,
        (Put::Float | Put::Double, Given::Float(_) | Given::Number(_)) => true,
        (Put::Float | Put::Double, Given::Int(_)) => false,
        (Put::Bytes { from, .. } | Put::Fixed { from, .. }, _) => match (from, given) {
            (Bytes::Text | Bytes::Uuid, Given::Str(_) | Given::Escaped(_)) => true,
            (Bytes::Base64, Given::Str(_) | Given::Escaped(_)) => false,
            (Bytes::Decimal { .. }, Given::Number(_) | Given::Float(_) | Given::Int(_)) => false,
            (Bytes::Duration, Given::Object(text)) => {
                json::members(text).all(|(name, _)| DURATION.contains(&&*name)).then_some(true)?
            }
            _ => return None,
        },
        (Put::Enum { symbols }, Given::Str(_) | Given::Escaped(_)) => {
            let text = given.text()?;
            symbols.iter().any(|symbol| symbol.as_bytes() == &*text).then_some(true)?
        }
        (Put::Array(_), Given::Array(_)) => true,
        (Put::Map(_), Given::Object(_)) => false,
        (Put::Record(record), Given::Object(text)) => fits(record, text).then_some(true)?,
        _ => return None,
    };
    Some(own)
}

/// Whether an object has every field that the record needs, and no other.
fn fits(record: &PutRecord, text: &[u8]) -> bool {
    let mut needed = record.fields.iter().filter(|field| field.absent.is_none()).count();
    for (name, _) in json::members(text) {
        match record.fields.iter().find(|field| *field.name == *name) {
            Some(field) => needed = needed.saturating_sub(usize::from(field.absent.is_none())),
            None => return false,
        }
    }
    needed == 0
}

fn deeper(depth: usize) -> Written<usize> {
    if depth >= JSON_DEPTH_MAX { Err(format!("nested deeper than {JSON_DEPTH_MAX}")) } else { Ok(depth + 1) }
}

#[cold]
fn misfit(node: &Put, given: Given<'_>) -> String {
    format!("{}, where there must be {}", given.told(), node.word())
}

#[cold]
fn no_symbol(given: Given<'_>, symbols: &[Box<str>]) -> String {
    let text = given.text().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut near: Vec<_> = symbols.iter().map(|symbol| (strsim::osa_distance(symbol, &text), symbol)).collect();
    near.sort();
    let near = near.first().map(|(_, symbol)| format!("; the nearest is `{symbol}`")).unwrap_or_default();
    format!("{:?} is no symbol of the enum{near}", &*text.chars().take(40).collect::<String>())
}

/// A zigzag varint.
pub(super) fn long(out: &mut Vec<u8>, value: i64) {
    unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// A varint.
pub(super) fn unsigned(out: &mut Vec<u8>, mut rest: u64) {
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes after their length.
fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Puts a length or count before what was written since `start`.
fn length_before(out: &mut Vec<u8>, start: usize, length: usize) {
    let end = out.len();
    long(out, length as i64);
    let size = out.len() - end;
    out[start..].rotate_right(size);
}
