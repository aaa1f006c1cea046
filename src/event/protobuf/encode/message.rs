//! Values of JSON, or of cells, as fields of messages. Fields are written in the order of their numbers, whatever the order of the event.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::event::json::{self, RawMember, RawMembers};
use crate::event::{Cell, TextRef};
use crate::limits::JSON_DEPTH_MAX;

use super::super::known::{read_duration, read_timestamp};
use super::super::read::GROUP_END;
use super::super::types::{FieldType, Kind, Known, Label, Number, Type, Types};
use super::number::{bits, write_bits, write_varint};

/// A value that is to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Missing,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// The text of a number that is no i64.
    Number(&'a [u8]),
    Str(&'a [u8]),
    Escaped(&'a [u8]),
    /// The text of an object or array.
    Json(&'a [u8]),
}

/// Why a value cannot be written, and the field that it was for.
#[derive(Debug)]
pub(super) struct Problem {
    /// The innermost first.
    path: Vec<String>,
    what: String,
}

impl Problem {
    #[cold]
    pub fn new(what: String) -> Problem {
        Problem { path: Vec::new(), what }
    }

    #[cold]
    pub fn unknown(name: &str) -> Problem {
        Problem::new(format!("the schema has no field `{name:.100}`"))
    }

    #[cold]
    fn of_kind(wanted: &str, found: Item<'_>) -> Problem {
        Problem::new(format!("{wanted} is expected, and the event has {}", found.describe()))
    }

    #[cold]
    fn inside(mut self, name: &str) -> Problem {
        self.path.push(name.to_owned());
        self
    }

    pub fn message(&self) -> String {
        let path: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        match path.is_empty() {
            true => self.what.clone(),
            false => format!("`{:.200}`: {}", path.join("."), self.what),
        }
    }
}

impl<'a> Item<'a> {
    pub fn of_cell(cell: Cell, bytes: impl Fn(TextRef) -> &'a [u8]) -> Item<'a> {
        match cell {
            // No field is packed, only a whole event.
            Cell::Missing | Cell::Packed(_) => Item::Missing,
            Cell::Null => Item::Null,
            Cell::Bool(value) => Item::Bool(value),
            Cell::Int(value) => Item::Int(value),
            Cell::Float(value) => Item::Float(value),
            Cell::Number(at) => Item::Number(bytes(at)),
            Cell::Str(at) => Item::Str(bytes(at)),
            Cell::Escaped(at) => Item::Escaped(bytes(at)),
            Cell::Json(at) => Item::Json(bytes(at)),
        }
    }

    fn of_json(value: json::Value<'a>) -> Item<'a> {
        match value {
            json::Value::Null => Item::Null,
            json::Value::Bool(value) => Item::Bool(value),
            json::Value::Int(value) => Item::Int(value),
            json::Value::Number(text) => Item::Number(text),
            json::Value::Str(text) => Item::Str(text),
            json::Value::Escaped(text) => Item::Escaped(text),
            json::Value::Json(text) => Item::Json(text),
        }
    }

    /// The value of a string.
    pub fn str(self) -> Option<Cow<'a, [u8]>> {
        match self {
            Item::Str(text) => Some(Cow::Borrowed(text)),
            Item::Escaped(text) => Some(Cow::Owned(json::unescape(text).into_owned().into_bytes())),
            _ => None,
        }
    }

    fn object(self) -> Option<&'a [u8]> {
        match self {
            Item::Json(text) if text.first() == Some(&b'{') => Some(text),
            _ => None,
        }
    }

    fn array(self) -> Option<&'a [u8]> {
        match self {
            Item::Json(text) if text.first() == Some(&b'[') => Some(text),
            _ => None,
        }
    }

    pub fn describe(self) -> String {
        let cut = |text: &[u8]| format!("{:.60}", String::from_utf8_lossy(text));
        match self {
            Item::Missing => "none".to_owned(),
            Item::Null => "null".to_owned(),
            Item::Bool(value) => value.to_string(),
            Item::Int(value) => value.to_string(),
            Item::Float(value) => value.to_string(),
            Item::Number(text) => cut(text),
            Item::Str(text) | Item::Escaped(text) => format!("\"{}\"", cut(text)),
            Item::Json(text) if text.first() == Some(&b'[') => "an array".to_owned(),
            Item::Json(_) => "an object".to_owned(),
        }
    }
}

/// Puts a member where its field is; of members of one name the last counts. `guess`: the field that is looked at first. Gives the next guess.
pub(super) fn place_member<'t>(
    ty: &Type,
    items: &mut [Item<'t>],
    text: &'t [u8],
    member: &RawMember,
    guess: usize,
) -> Result<usize, Problem> {
    let name = member.name(text);
    let Some(index) = ty.find_name(name.as_bytes(), guess) else { return Err(Problem::unknown(&name)) };
    let bytes = |at: TextRef| text.get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default();
    items[index] = Item::of_cell(member.cell(text), bytes);
    Ok(index + 1)
}

/// Writes messages.
pub(super) struct Writer<'a> {
    pub types: &'a Types,
    pub out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// Writes the fields of a message from an object's text. `depth`: of that object.
    pub fn message(&mut self, ty: usize, text: &[u8], depth: usize) -> Result<(), Problem> {
        if depth > JSON_DEPTH_MAX {
            return Err(Problem::new(format!("nested more than {JSON_DEPTH_MAX} levels deep")));
        }
        let types = self.types;
        let mut items: SmallVec<[Item<'_>; 24]> = SmallVec::from_elem(Item::Missing, types.messages[ty].fields.len());
        let mut guess = 0;
        for member in RawMembers::new(text) {
            guess = place_member(&types.messages[ty], &mut items, text, &member, guess)?;
        }
        self.fields(ty, &items, depth)
    }

    /// Writes the fields of a message, an item for each.
    pub fn fields(&mut self, ty: usize, items: &[Item<'_>], depth: usize) -> Result<(), Problem> {
        let types = self.types;
        let ty = &types.messages[ty];
        for members in &ty.oneofs {
            let is_set = |index: &&u16| !matches!(items[usize::from(**index)], Item::Missing | Item::Null);
            let mut set = members.iter().filter(is_set).map(|index| &ty.fields[usize::from(*index)].name);
            if let (Some(one), Some(other)) = (set.next(), set.next()) {
                return Err(Problem::new(format!("of `{one}` and `{other}` a message has only one")));
            }
        }
        for &index in &ty.order {
            let (field, item) = (&ty.fields[usize::from(index)], items[usize::from(index)]);
            self.field(field, item, depth).map_err(|problem| problem.inside(&field.name))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldType, item: Item<'_>, depth: usize) -> Result<(), Problem> {
        let is_any = matches!(field.kind, Kind::Message(ty) if self.types.messages[ty].known == Some(Known::Value));
        if item == Item::Missing || (item == Item::Null && !is_any) {
            return match field.label {
                Label::Required => Err(Problem::new("a required field is missing".to_owned())),
                _ => Ok(()),
            };
        }
        match field.label {
            Label::Repeated => self.list(field, item, depth),
            Label::Map => self.map(field, item, depth),
            Label::Implicit => {
                let start = self.out.len();
                let content = self.value(field, item, depth)?;
                // What is the default is not written.
                if self.out[content..].iter().all(|byte| *byte == 0) && is_default(field.kind, &self.out[content..]) {
                    self.out.truncate(start);
                }
                Ok(())
            }
            Label::Optional | Label::Required => self.value(field, item, depth).map(drop),
        }
    }

    fn list(&mut self, field: &FieldType, item: Item<'_>, depth: usize) -> Result<(), Problem> {
        let Some(text) = item.array() else { return Err(Problem::of_kind("an array", item)) };
        let items = json::items(text).map(Item::of_json);
        if !field.is_packed || field.packed_tag == 0 {
            for (i, item) in items.enumerate() {
                self.value(field, item, depth + 1).map_err(|problem| problem.inside(&format!("[{i}]")))?;
            }
            return Ok(());
        }
        let before = self.out.len();
        write_varint(self.out, field.packed_tag.into());
        let start = self.open();
        for (i, item) in items.enumerate() {
            self.scalar(field.kind, item).map_err(|problem| problem.inside(&format!("[{i}]")))?;
        }
        match self.out.len() == start + 1 {
            true => self.out.truncate(before),
            false => self.close(start),
        }
        Ok(())
    }

    fn map(&mut self, field: &FieldType, item: Item<'_>, depth: usize) -> Result<(), Problem> {
        let (Some(text), Kind::Message(entry)) = (item.object(), field.kind) else {
            return Err(Problem::of_kind("an object", item));
        };
        let types = self.types;
        let entry = &types.messages[entry];
        for member in RawMembers::new(text) {
            let name = member.name(text);
            write_varint(self.out, field.tag.into());
            let start = self.open();
            let bytes = |at: TextRef| text.get(at.start as usize..(at.start + at.len) as usize).unwrap_or_default();
            let value = Item::of_cell(member.cell(text), bytes);
            for part in &entry.fields {
                let written = match part.number {
                    1 => self.key(part, name.as_bytes()),
                    _ => self.value(part, value, depth + 1).map(drop),
                };
                written.map_err(|problem| problem.inside(&format!("[{name:?}]")))?;
            }
            self.close(start);
        }
        Ok(())
    }

    fn key(&mut self, field: &FieldType, name: &[u8]) -> Result<(), Problem> {
        let item = match (field.kind, name) {
            (Kind::String, name) => Item::Str(name),
            (Kind::Number(Number::Bool), b"true") => Item::Bool(true),
            (Kind::Number(Number::Bool), b"false") => Item::Bool(false),
            (_, name) => {
                let number = std::str::from_utf8(name).ok().and_then(|name| name.parse::<i64>().ok());
                number.map_or(Item::Number(name), Item::Int)
            }
        };
        self.value(field, item, 0).map(drop)
    }

    /// Writes a tag and one value; gives where the value starts.
    fn value(&mut self, field: &FieldType, item: Item<'_>, depth: usize) -> Result<usize, Problem> {
        write_varint(self.out, field.tag.into());
        let content = self.out.len();
        match field.kind {
            Kind::Number(_) | Kind::Enum(_) => self.scalar(field.kind, item)?,
            Kind::String => {
                let text = item.str().ok_or_else(|| Problem::of_kind("a string", item))?;
                write_varint(self.out, text.len() as u64);
                self.out.extend_from_slice(&text);
            }
            Kind::Bytes => {
                let text = item.str().ok_or_else(|| Problem::of_kind("bytes as a text in base64", item))?;
                let bytes = json::base64_bytes(&text).ok_or_else(|| Problem::of_kind("a text in base64", item))?;
                write_varint(self.out, bytes.len() as u64);
                self.out.extend_from_slice(&bytes);
            }
            Kind::Message(ty) => {
                let start = self.open();
                self.inner(ty, item, depth + 1)?;
                self.close(start);
            }
            Kind::Group(ty) => {
                self.inner(ty, item, depth + 1)?;
                write_varint(self.out, u64::from(field.number) << 3 | u64::from(GROUP_END));
            }
        }
        Ok(content)
    }

    /// Writes a number or an enum's.
    fn scalar(&mut self, kind: Kind, item: Item<'_>) -> Result<(), Problem> {
        match kind {
            Kind::Number(number) => {
                let bits = bits(number, item)?;
                write_bits(self.out, number, bits);
            }
            Kind::Enum(found) => {
                let names = &self.types.enums[found];
                let number = match item {
                    Item::Int(value) => i32::try_from(value).ok(),
                    item => item.str().and_then(|name| names.number(&name)),
                };
                let number = number.ok_or_else(|| {
                    let known: Vec<&str> = names.values.iter().take(20).map(|(name, _)| &**name).collect();
                    Problem::of_kind(&format!("one of {}", known.join(", ")), item)
                })?;
                write_varint(self.out, i64::from(number) as u64);
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes what is inside of a message.
    fn inner(&mut self, ty: usize, item: Item<'_>, depth: usize) -> Result<(), Problem> {
        let types = self.types;
        let fields = &types.messages[ty].fields;
        match types.messages[ty].known {
            None => match item.object() {
                Some(text) => self.message(ty, text, depth),
                None => Err(Problem::of_kind("an object", item)),
            },
            Some(Known::Timestamp) => {
                let wanted = "a time as RFC 3339 text with an offset (`format_time` makes one)";
                self.seconds(fields, item.str().and_then(|text| read_timestamp(&text)).ok_or(wanted), item)
            }
            Some(Known::Duration) => {
                let wanted = "a duration as a text of seconds like \"1.5s\"";
                self.seconds(fields, item.str().and_then(|text| read_duration(&text)).ok_or(wanted), item)
            }
            Some(Known::Wrapper | Known::Struct | Known::ListValue) if depth <= JSON_DEPTH_MAX => {
                self.field(&fields[0], item, depth)
            }
            Some(Known::Value) if depth <= JSON_DEPTH_MAX => self.any(fields, item, depth),
            Some(_) => Err(Problem::new(format!("nested more than {JSON_DEPTH_MAX} levels deep"))),
        }
    }

    fn seconds(
        &mut self,
        fields: &[FieldType],
        parts: Result<(i64, i32), &str>,
        item: Item<'_>,
    ) -> Result<(), Problem> {
        let (seconds, nanos) = parts.map_err(|wanted| Problem::of_kind(wanted, item))?;
        for field in fields {
            let value = if field.number == 1 { seconds } else { nanos.into() };
            self.field(field, Item::Int(value), 0)?;
        }
        Ok(())
    }

    /// Writes any value as a `google.protobuf.Value`.
    fn any(&mut self, fields: &[FieldType], item: Item<'_>, depth: usize) -> Result<(), Problem> {
        let number = match item {
            Item::Missing | Item::Null => 1,
            Item::Int(_) | Item::Float(_) | Item::Number(_) => 2,
            Item::Str(_) | Item::Escaped(_) => 3,
            Item::Bool(_) => 4,
            Item::Json(text) if text.first() == Some(&b'{') => 5,
            Item::Json(_) => 6,
        };
        let item = if number == 1 { Item::Int(0) } else { item };
        match fields.iter().find(|field| field.number == number) {
            Some(field) => self.value(field, item, depth).map(drop),
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

/// Whether the bytes of a value, all of them zero, are its default.
fn is_default(kind: Kind, bytes: &[u8]) -> bool {
    match kind {
        Kind::Number(_) | Kind::Enum(_) => true,
        // An empty length.
        Kind::String | Kind::Bytes => bytes.len() == 1,
        Kind::Message(_) | Kind::Group(_) => false,
    }
}
