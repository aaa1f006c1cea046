//! One value written as a type of the schema. Nested values come as JSON text and are walked against the schema; no tree is made.

use smallvec::SmallVec;

use crate::event::avro::form::{FieldForm, Form, FormId, FormNode, RecordForm};
use crate::event::avro::node::DURATION;
use crate::event::avro::read::write_long;
use crate::event::encode::{Misfit, Value, Written, excerpt, sort_members};
use crate::event::json::{self, RawMembers};
use crate::limits::{AVRO_WASTED_VALUES_MAX, BINARY_TEXT_BYTES_MAX, JSON_DEPTH_MAX};

use super::decimal;

/// Writes the values of one event.
pub(super) struct Pen<'a> {
    pub form: &'a Form,
    pub out: &'a mut Vec<u8>,
    /// Where the event starts in `out`.
    start: usize,
    /// Values that were looked at.
    steps: u64,
    /// Those of them that were in branches of unions that did not fit.
    wasted: u64,
}

impl<'a> Pen<'a> {
    pub fn new(form: &'a Form, out: &'a mut Vec<u8>) -> Pen<'a> {
        Pen { form, start: out.len(), out, steps: 0, wasted: 0 }
    }

    /// Writes a value as the type of a node, inside of `depth` others.
    pub fn value(&mut self, id: FormId, value: Value<'_>, depth: usize) -> Written {
        self.steps += 1;
        let form = self.form;
        let node = form.node(id);
        if !self.of_kind(node, value, depth)? {
            return Err(Misfit::unlike(value, name(node)));
        }
        match self.out.len() - self.start > BINARY_TEXT_BYTES_MAX {
            true => Err(Misfit::new(format!("makes more than {BINARY_TEXT_BYTES_MAX} bytes"))),
            false => Ok(()),
        }
    }

    /// Writes a value whose kind the node takes; `false` for others.
    fn of_kind(&mut self, node: &FormNode, value: Value<'_>, depth: usize) -> Result<bool, Box<Misfit>> {
        match (node, value) {
            (FormNode::Null, Value::Null | Value::Missing) => {}
            (FormNode::Boolean, Value::Bool(value)) => self.out.push(u8::from(value)),
            (FormNode::Int, Value::Int(value)) if i32::try_from(value).is_ok() => write_long(self.out, value),
            (FormNode::Long, Value::Int(value)) => write_long(self.out, value),
            (FormNode::Float | FormNode::Double, _) => match value.float() {
                Some(value) => self.float(matches!(node, FormNode::Double), value)?,
                None => return Ok(false),
            },
            (FormNode::Decimal { precision, scale, size }, Value::Int(_) | Value::Float(_) | Value::Number(_)) => {
                let mut buffer = Vec::new();
                let text = number_text(value, &mut buffer);
                let bytes = decimal::bytes(text, *precision, *scale, *size).map_err(Misfit::new)?;
                match size {
                    Some(_) => self.out.extend_from_slice(&bytes),
                    None => self.prefixed(&bytes),
                }
            }
            (
                FormNode::String | FormNode::Bytes | FormNode::Fixed(_) | FormNode::Uuid | FormNode::Enum(_),
                Value::Str(_) | Value::Escaped(_),
            ) => self.text(node, value)?,
            (FormNode::Union(branches), _) => self.union(branches, value, depth)?,
            (FormNode::Duration, Value::Json(text)) if text.first() == Some(&b'{') => self.duration(text)?,
            (FormNode::Array(items), Value::Json(text)) if text.first() == Some(&b'[') => {
                self.items(*items, text, inner(depth)?)?;
            }
            (FormNode::Map(values), Value::Json(text)) if text.first() == Some(&b'{') => {
                self.map(*values, text, inner(depth)?)?;
            }
            (FormNode::Record(record), Value::Json(text)) if text.first() == Some(&b'{') => {
                self.object(record, text, inner(depth)?)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn float(&mut self, double: bool, value: f64) -> Written {
        if double {
            self.out.extend_from_slice(&value.to_le_bytes());
            return Ok(());
        }
        let rounded = value as f32;
        if rounded.is_infinite() && value.is_finite() {
            return Err(Misfit::new(format!("is {value:?}, which is beyond a float of 32 bits")));
        }
        self.out.extend_from_slice(&rounded.to_le_bytes());
        Ok(())
    }

    /// Writes a text as a type that is made of one.
    fn text(&mut self, node: &FormNode, value: Value<'_>) -> Written {
        let text = value.text().unwrap_or_default();
        match node {
            FormNode::Bytes => self.base64(&text, None)?,
            FormNode::Fixed(size) => self.base64(&text, Some(*size))?,
            FormNode::Uuid => match uuid::Uuid::try_parse_ascii(&text) {
                Ok(uuid) => self.out.extend_from_slice(uuid.as_bytes()),
                Err(_) => return Err(Misfit::new(format!("is {}, which is no UUID", value.what()))),
            },
            FormNode::Enum(symbols) => {
                let symbol = std::str::from_utf8(&text).ok().and_then(|text| symbols.place(text));
                let unknown = || Misfit::new(format!("is {}, which is no symbol of its enum", value.what()));
                write_long(self.out, symbol.ok_or_else(unknown)?.into());
            }
            _ => self.prefixed(&text),
        }
        Ok(())
    }

    fn prefixed(&mut self, bytes: &[u8]) {
        write_long(self.out, bytes.len() as i64);
        self.out.extend_from_slice(bytes);
    }

    fn base64(&mut self, text: &[u8], size: Option<u32>) -> Written {
        let no_base64 = || Misfit::new(format!("is \"{}\", which is no base64", excerpt(text)));
        let bytes = json::base64_bytes(text).ok_or_else(no_base64)?;
        match size {
            None => self.prefixed(&bytes),
            Some(size) if size as usize == bytes.len() => self.out.extend_from_slice(&bytes),
            Some(size) => {
                let found = bytes.len();
                return Err(Misfit::new(format!("has {found} bytes, and the schema has a fixed of {size}")));
            }
        }
        Ok(())
    }

    fn duration(&mut self, text: &[u8]) -> Written {
        let mut parts = [0_u32; 3];
        for member in RawMembers::new(text) {
            let name = member.name(text);
            let part = DURATION.iter().position(|part| *part == name).map(|place| &mut parts[place]);
            match (part, Value::within(member.cell(text), text)) {
                (Some(part), Value::Int(value)) if u32::try_from(value).is_ok() => *part = value as u32,
                _ => {
                    let why = "is no part of a duration: `{months, days, millis}`, each a whole number of 32 bits";
                    return Err(Misfit::new(why).inside(&name));
                }
            }
        }
        parts.iter().for_each(|part| self.out.extend_from_slice(&part.to_le_bytes()));
        Ok(())
    }

    fn items(&mut self, items: FormId, text: &[u8], depth: usize) -> Written {
        let start = self.out.len();
        let (mut count, mut left) = (0, json::items(text));
        while let Some(cell) = left.next_cell() {
            let item = self.value(items, Value::within(cell, text), depth);
            item.map_err(|misfit| misfit.at(count))?;
            count += 1;
        }
        self.block(start, count);
        Ok(())
    }

    fn map(&mut self, values: FormId, text: &[u8], depth: usize) -> Written {
        let start = self.out.len();
        let mut count = 0;
        for member in RawMembers::new(text) {
            let name = member.name(text);
            self.prefixed(name.as_bytes());
            let value = self.value(values, Value::within(member.cell(text), text), depth);
            value.map_err(|misfit| misfit.inside(&name))?;
            count += 1;
        }
        self.block(start, count);
        Ok(())
    }

    /// Makes a block of the items that were written since `start`, and ends the array or map.
    fn block(&mut self, start: usize, count: i64) {
        if count > 0 {
            let end = self.out.len();
            write_long(self.out, count);
            let bytes = self.out.len() - end;
            self.out[start..].rotate_right(bytes);
        }
        self.out.push(0);
    }

    fn object(&mut self, record: &RecordForm, text: &[u8], depth: usize) -> Written {
        let mut values: SmallVec<[Value<'_>; 32]> = SmallVec::from_elem(Value::Missing, record.fields.len());
        sort_members(record, text, &[], &mut values)?;
        self.record(record, &values, depth)
    }

    /// Writes the fields of a record, of which there is a value for each.
    pub fn record(&mut self, record: &RecordForm, values: &[Value<'_>], depth: usize) -> Written {
        for (field, value) in record.fields.iter().zip(values) {
            self.field(field, *value, depth).map_err(|misfit| misfit.inside(&field.name))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldForm, value: Value<'_>, depth: usize) -> Written {
        if value != Value::Missing {
            return self.value(field.node, value, depth);
        }
        match &field.default {
            Some(default) if self.out.len() - self.start + default.len() <= BINARY_TEXT_BYTES_MAX => {
                self.out.extend_from_slice(default);
                Ok(())
            }
            Some(_) => Err(Misfit::new(format!("makes more than {BINARY_TEXT_BYTES_MAX} bytes"))),
            None => {
                let why = "is missing, and the schema has no default for it";
                self.value(field.node, value, depth).map_err(|_| Misfit::new(why))
            }
        }
    }

    /// Writes the branch that the value fits best: where several are of its kind, the first that takes it.
    fn union(&mut self, branches: &[FormId], value: Value<'_>, depth: usize) -> Written {
        let ranked = branches.iter().zip(0_i64..).filter_map(|(id, place)| {
            let rank = rank(self.form.node(*id), value)?;
            Some((rank, place, *id))
        });
        let mut ranked: SmallVec<[(u8, i64, FormId); 4]> = ranked.collect();
        ranked.sort_unstable();
        let start = self.out.len();
        let mut last = None;
        for (_, place, id) in &ranked {
            let before = self.steps;
            write_long(self.out, *place);
            match self.value(*id, value, depth) {
                Ok(()) => return Ok(()),
                Err(misfit) => last = Some(misfit),
            }
            self.out.truncate(start);
            self.wasted += self.steps - before;
            if self.wasted > AVRO_WASTED_VALUES_MAX {
                return Err(Misfit::new("takes too many attempts to find the branches of unions that it fits"));
            }
        }
        match last.filter(|_| ranked.len() == 1) {
            Some(misfit) => Err(misfit),
            None => {
                let names: Vec<_> = branches.iter().map(|id| name(self.form.node(*id))).collect();
                Err(Misfit::unlike(value, &names.join(" or ")))
            }
        }
    }
}

fn inner(depth: usize) -> Result<usize, Box<Misfit>> {
    match depth < JSON_DEPTH_MAX {
        true => Ok(depth + 1),
        false => Err(Misfit::new(format!("is nested deeper than {JSON_DEPTH_MAX}"))),
    }
}

/// A number as JSON writes it; nothing for NaN and the infinities.
fn number_text<'t>(value: Value<'t>, buffer: &'t mut Vec<u8>) -> &'t [u8] {
    match value {
        Value::Int(value) => json::write_i64(buffer, value),
        Value::Float(value) if json::write_f64(buffer, value) => {}
        Value::Number(text) => return text,
        _ => buffer.clear(),
    }
    buffer
}

/// How well a value's kind fits a branch, 0 best; `None`: not at all.
fn rank(node: &FormNode, value: Value<'_>) -> Option<u8> {
    Some(match (value, node) {
        (Value::Missing | Value::Null, FormNode::Null) => 0,
        (Value::Bool(_), FormNode::Boolean) => 0,
        (Value::Int(value), FormNode::Int) if i32::try_from(value).is_ok() => 0,
        (Value::Int(_), FormNode::Long) => 1,
        (Value::Int(_), FormNode::Decimal { .. }) => 2,
        (Value::Int(_) | Value::Float(_), FormNode::Double) => 3,
        (Value::Int(_) | Value::Float(_), FormNode::Float) => 4,
        (Value::Float(_), FormNode::Decimal { .. }) => 5,
        (Value::Number(_), FormNode::Decimal { .. }) => 0,
        (Value::Number(_), FormNode::Double) => 1,
        (Value::Number(_), FormNode::Float) => 2,
        (Value::Str(_) | Value::Escaped(_), FormNode::Enum(_)) => 0,
        (Value::Str(_) | Value::Escaped(_), FormNode::String) => 1,
        (Value::Str(_) | Value::Escaped(_), FormNode::Uuid) => 2,
        (Value::Str(_) | Value::Escaped(_), FormNode::Fixed(_)) => 3,
        (Value::Str(_) | Value::Escaped(_), FormNode::Bytes) => 4,
        (Value::Json(text), FormNode::Array(_)) if text.first() == Some(&b'[') => 0,
        (Value::Json(text), FormNode::Record(_)) if text.first() == Some(&b'{') => 0,
        (Value::Json(text), FormNode::Duration) if text.first() == Some(&b'{') => 1,
        (Value::Json(text), FormNode::Map(_)) if text.first() == Some(&b'{') => 2,
        _ => return None,
    })
}

/// What the schema has, for people.
fn name(node: &FormNode) -> &'static str {
    match node {
        FormNode::Null => "null",
        FormNode::Boolean => "a boolean",
        FormNode::Int => "an int (a whole number of 32 bits)",
        FormNode::Long => "a long (a whole number of 64 bits)",
        FormNode::Float => "a float",
        FormNode::Double => "a double",
        FormNode::String => "a string",
        FormNode::Bytes => "bytes (a text in base64)",
        FormNode::Fixed(_) => "a fixed (a text in base64)",
        FormNode::Decimal { .. } => "a decimal (a number)",
        FormNode::Uuid => "a UUID (a text)",
        FormNode::Duration => "a duration (`{months, days, millis}`)",
        FormNode::Enum(_) => "an enum (a text)",
        FormNode::Union(_) => "a union",
        FormNode::Array(_) => "an array",
        FormNode::Map(_) => "a map (an object)",
        FormNode::Record(_) => "a record (an object)",
    }
}
