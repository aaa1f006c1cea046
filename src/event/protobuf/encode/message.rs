//! Values of JSON, or of cells, as fields of messages. Fields are written in the order of their numbers, whatever the order of the event.

use smallvec::SmallVec;

use crate::event::encode::{Misfit, Value, Written, sort_members};
use crate::event::json::{self, RawMembers};
use crate::event::packed::write_varint;
use crate::limits::JSON_DEPTH_MAX;

use super::super::known::{read_duration, read_timestamp};
use super::super::read::GROUP_END;
use super::super::types::{FieldType, Kind, Known, Label, Number, Type, Types};
use super::number::{bits, write_bits};

/// Writes messages.
pub(super) struct Writer<'a> {
    pub types: &'a Types,
    pub out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Writes the fields of a message from an object's text. `depth`: of that object.
    pub fn message(&mut self, ty: &Type, text: &[u8], depth: usize) -> Written {
        if depth > JSON_DEPTH_MAX {
            return Err(too_deep());
        }
        let mut values: SmallVec<[Value<'_>; 24]> = SmallVec::from_elem(Value::Missing, ty.fields.len());
        sort_members(ty, text, &[], &mut values)?;
        self.fields(ty, &values, depth)
    }

    /// Writes the fields of a message, of which there is a value for each.
    pub fn fields(&mut self, ty: &Type, values: &[Value<'_>], depth: usize) -> Written {
        for members in &ty.oneofs {
            let is_set = |index: &&u16| !matches!(values[usize::from(**index)], Value::Missing | Value::Null);
            let mut set = members.iter().filter(is_set).map(|index| &ty.fields[usize::from(*index)].name);
            if let (Some(one), Some(other)) = (set.next(), set.next()) {
                return Err(Misfit::new(format!("has `{one}` and `{other}`, of which the schema takes one")));
            }
        }
        for &index in &ty.order {
            let (field, value) = (&ty.fields[usize::from(index)], values[usize::from(index)]);
            self.field(field, value, depth).map_err(|misfit| misfit.inside(&field.name))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldType, value: Value<'_>, depth: usize) -> Written {
        let is_any = matches!(field.kind, Kind::Message(ty) if self.types.messages[ty].known == Some(Known::Value));
        if value == Value::Missing || (value == Value::Null && !is_any) {
            return match field.label {
                Label::Required => Err(Misfit::new("is missing, and the schema requires it")),
                _ => Ok(()),
            };
        }
        match field.label {
            Label::Repeated => self.list(field, value, depth),
            Label::Map => self.map(field, value, depth),
            Label::Implicit => {
                let start = self.out.len();
                let content = self.value(field, value, depth)?;
                // What is the default is not written.
                if self.out[content..].iter().all(|byte| *byte == 0) && is_default(field.kind, &self.out[content..]) {
                    self.out.truncate(start);
                }
                Ok(())
            }
            Label::Optional | Label::Required => self.value(field, value, depth).map(drop),
        }
    }

    fn list(&mut self, field: &FieldType, value: Value<'_>, depth: usize) -> Written {
        let Some(text) = value.array() else { return Err(Misfit::unlike(value, "a repeated field (an array)")) };
        let mut items = json::items(text);
        let items = std::iter::from_fn(|| items.next_cell()).map(|cell| Value::within(cell, text));
        if !field.is_packed || field.packed_tag == 0 {
            for (i, item) in items.enumerate() {
                self.value(field, item, depth + 1).map_err(|misfit| misfit.at(i))?;
            }
            return Ok(());
        }
        let before = self.out.len();
        write_varint(self.out, field.packed_tag.into());
        let start = self.open();
        for (i, item) in items.enumerate() {
            self.scalar(field.kind, item).map_err(|misfit| misfit.at(i))?;
        }
        match self.out.len() == start + 1 {
            true => self.out.truncate(before),
            false => self.close(start),
        }
        Ok(())
    }

    fn map(&mut self, field: &FieldType, value: Value<'_>, depth: usize) -> Written {
        let (Some(text), Kind::Message(entry)) = (value.object(), field.kind) else {
            return Err(Misfit::unlike(value, "a map (an object)"));
        };
        let types = self.types;
        let entry = &types.messages[entry];
        for member in RawMembers::new(text) {
            let name = member.name(text);
            write_varint(self.out, field.tag.into());
            let start = self.open();
            let value = Value::within(member.cell(text), text);
            for part in &entry.fields {
                let written = match part.number {
                    1 => self.key(part, name.as_bytes()),
                    _ => self.value(part, value, depth + 1).map(drop),
                };
                written.map_err(|misfit| misfit.at(&name))?;
            }
            self.close(start);
        }
        Ok(())
    }

    fn key(&mut self, field: &FieldType, name: &[u8]) -> Written {
        let key = match (field.kind, name) {
            (Kind::String, name) => Value::Str(name),
            (Kind::Number(Number::Bool), b"true") => Value::Bool(true),
            (Kind::Number(Number::Bool), b"false") => Value::Bool(false),
            (_, name) => match std::str::from_utf8(name).ok().map(|name| (name.parse::<i64>(), name.parse::<u64>())) {
                Some((Ok(number), _)) => Value::Int(number),
                Some((_, Ok(_))) => Value::Number(name),
                _ => Value::Str(name),
            },
        };
        self.value(field, key, 0).map(drop)
    }

    /// Writes a tag and one value; gives where the value starts.
    fn value(&mut self, field: &FieldType, value: Value<'_>, depth: usize) -> Result<usize, Box<Misfit>> {
        write_varint(self.out, field.tag.into());
        let content = self.out.len();
        match field.kind {
            Kind::Number(_) | Kind::Enum(_) => self.scalar(field.kind, value)?,
            Kind::String => {
                let text = value.text().ok_or_else(|| Misfit::unlike(value, "a string"))?;
                write_varint(self.out, text.len() as u64);
                self.out.extend_from_slice(&text);
            }
            Kind::Bytes => {
                let bytes = value.text().and_then(|text| json::base64_bytes(&text));
                let bytes = bytes.ok_or_else(|| Misfit::unlike(value, "bytes (a text in base64)"))?;
                write_varint(self.out, bytes.len() as u64);
                self.out.extend_from_slice(&bytes);
            }
            Kind::Message(ty) => {
                let start = self.open();
                self.inner(ty, value, depth + 1)?;
                self.close(start);
            }
            Kind::Group(ty) => {
                self.inner(ty, value, depth + 1)?;
                write_varint(self.out, u64::from(field.number) << 3 | u64::from(GROUP_END));
            }
        }
        Ok(content)
    }

    /// Writes a number or an enum's.
    fn scalar(&mut self, kind: Kind, value: Value<'_>) -> Written {
        match kind {
            Kind::Number(number) => {
                let bits = bits(number, value)?;
                write_bits(self.out, number, bits);
            }
            Kind::Enum(found) => {
                let names = &self.types.enums[found];
                let number = match value {
                    Value::Int(value) => i32::try_from(value).ok(),
                    value => value.text().and_then(|name| names.number(&name)),
                };
                let number = number.ok_or_else(|| {
                    let known: Vec<&str> = names.values.iter().take(20).map(|(name, _)| &**name).collect();
                    Misfit::unlike(value, &format!("an enum ({})", known.join(", ")))
                })?;
                write_varint(self.out, i64::from(number) as u64);
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes what is inside of a message.
    fn inner(&mut self, ty: usize, value: Value<'_>, depth: usize) -> Written {
        let ty = &self.types.messages[ty];
        match ty.known {
            None => match value.object() {
                Some(text) => self.message(ty, text, depth),
                None => Err(Misfit::unlike(value, "a message (an object)")),
            },
            Some(Known::Timestamp) => {
                let wanted = "a Timestamp (a time as RFC 3339 text with an offset; `format_time` makes one)";
                let parts = value.text().and_then(|text| read_timestamp(&text));
                self.seconds(&ty.fields, parts.ok_or_else(|| Misfit::unlike(value, wanted))?)
            }
            Some(Known::Duration) => {
                let wanted = "a Duration (seconds as a text like \"1.5s\")";
                let parts = value.text().and_then(|text| read_duration(&text));
                self.seconds(&ty.fields, parts.ok_or_else(|| Misfit::unlike(value, wanted))?)
            }
            Some(_) if depth > JSON_DEPTH_MAX => Err(too_deep()),
            Some(Known::Wrapper | Known::Struct | Known::ListValue) => self.field(&ty.fields[0], value, depth),
            Some(Known::Value) => self.any(&ty.fields, value, depth),
        }
    }

    fn seconds(&mut self, fields: &[FieldType], (seconds, nanos): (i64, i32)) -> Written {
        for field in fields {
            let part = if field.number == 1 { seconds } else { nanos.into() };
            self.field(field, Value::Int(part), 0)?;
        }
        Ok(())
    }

    /// Writes any value as a `google.protobuf.Value`.
    fn any(&mut self, fields: &[FieldType], value: Value<'_>, depth: usize) -> Written {
        let (number, value) = match value {
            Value::Missing | Value::Null => (1, Value::Int(0)),
            Value::Int(_) | Value::Float(_) | Value::Number(_) => (2, value),
            Value::Str(_) | Value::Escaped(_) => (3, value),
            Value::Bool(_) => (4, value),
            Value::Json(_) if value.object().is_some() => (5, value),
            Value::Json(_) => (6, value),
        };
        match fields.iter().find(|field| field.number == number) {
            Some(field) => self.value(field, value, depth).map(drop),
            None => Ok(()),
        }
    }

    /// Leaves room for a short length; gives where it is.
    fn open(&mut self) -> usize {
        self.out.push(0);
        self.out.len() - 1
    }

    /// Writes the length of what was written since; a long one moves that.
    fn close(&mut self, start: usize) {
        let len = self.out.len() - start - 1;
        if len < 0x80 {
            self.out[start] = len as u8;
            return;
        }
        let mut length = Vec::with_capacity(10);
        write_varint(&mut length, len as u64);
        self.out.splice(start..=start, length);
    }
}

#[cold]
fn too_deep() -> Box<Misfit> {
    Misfit::new(format!("is nested deeper than {JSON_DEPTH_MAX}"))
}

/// Whether the bytes of a value, all of them zero, are its default.
fn is_default(kind: Kind, bytes: &[u8]) -> bool {
    match kind {
        Kind::Number(_) | Kind::Enum(_) => true,
        // An empty length.
        Kind::String | Kind::Bytes => bytes.len() == 1,
        Kind::Message(_) | Kind::Group(_) => false,
    }
}
