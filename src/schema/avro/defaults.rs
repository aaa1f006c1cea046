//! Defaults of fields: checked against their types and brought into binary, in one pass.

use serde_json::Value;

use super::{Body, Kind, Named, Type};
use crate::limits::{AVRO_DEFAULTS_BYTES_MAX, AVRO_DEFAULTS_STEPS_MAX, AVRO_DEPTH_MAX};

/// Encodes the defaults of one schema. What they may take together is bounded, as the default of a record is made of its fields'.
pub(super) struct Encoder<'s> {
    names: &'s [Named],
    /// Values that may still be written, those of branches that turn out not to fit included.
    steps: usize,
    /// Bytes that the defaults may still have.
    bytes: usize,
    /// Whether a value fitted a branch of a union that is not its first.
    pub later_branch: bool,
}

impl<'s> Encoder<'s> {
    pub(super) fn new(names: &'s [Named]) -> Encoder<'s> {
        Encoder { names, steps: AVRO_DEFAULTS_STEPS_MAX, bytes: AVRO_DEFAULTS_BYTES_MAX, later_branch: false }
    }

    /// The value in Avro's binary encoding. `Err`: why the type has no such value.
    pub(super) fn encode(&mut self, ty: &Type, value: &Value) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        self.value(ty, value, 0, &mut out)?;
        self.bytes = self.bytes.saturating_sub(out.len());
        Ok(out)
    }

    fn value(&mut self, ty: &Type, value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if depth > AVRO_DEPTH_MAX {
            return Err(format!("it is deeper than {AVRO_DEPTH_MAX}, or contains itself"));
        }
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 || out.len() >= self.bytes {
            return Err("the defaults of this schema come to too much together".into());
        }
        match (&ty.kind, value) {
            (Kind::Null, Value::Null) => {}
            (Kind::Boolean, Value::Bool(value)) => out.push(u8::from(*value)),
            (Kind::Int, Value::Number(number)) => match number.as_i64().and_then(|value| i32::try_from(value).ok()) {
                Some(value) => long(i64::from(value), out),
                None => return Err(format!("{number} is no int: a whole number of 32 bits")),
            },
            (Kind::Long, Value::Number(number)) => match number.as_i64() {
                Some(value) => long(value, out),
                None => return Err(format!("{number} is no long: a whole number of 64 bits")),
            },
            (Kind::Float, Value::Number(number)) => {
                let value = number.as_f64().unwrap_or(f64::NAN) as f32;
                if !value.is_finite() {
                    return Err(format!("{number} is beyond a float"));
                }
                out.extend(value.to_le_bytes());
            }
            (Kind::Double, Value::Number(number)) => out.extend(number.as_f64().unwrap_or(f64::NAN).to_le_bytes()),
            (Kind::Bytes, Value::String(text)) => {
                let bytes = latin1(text)?;
                long(bytes.len() as i64, out);
                out.extend(bytes);
            }
            (Kind::String, Value::String(text)) => string(text, out),
            (Kind::Array(items), Value::Array(values)) => {
                self.block(values.len(), out, |encoder, at, out| encoder.value(items, &values[at], depth + 1, out))?;
            }
            (Kind::Map(values), Value::Object(object)) => {
                let entries: Vec<_> = object.iter().collect();
                self.block(entries.len(), out, |encoder, at, out| {
                    string(entries[at].0, out);
                    encoder.value(values, entries[at].1, depth + 1, out)
                })?;
            }
            (Kind::Union(branches), value) => return self.union(branches, value, depth, out),
            (Kind::Named(id), value) => return self.named(&self.names[id.index()], value, depth, out),
            (kind, value) => return Err(format!("{} is no {}", short(value), word(kind))),
        }
        Ok(())
    }

    fn block(
        &mut self,
        count: usize,
        out: &mut Vec<u8>,
        mut each: impl FnMut(&mut Self, usize, &mut Vec<u8>) -> Result<(), String>,
    ) -> Result<(), String> {
        if count > 0 {
            long(count as i64, out);
            for at in 0..count {
                each(self, at, out)?;
            }
        }
        out.push(0);
        Ok(())
    }

    /// By the first branch that has such a value.
    fn union(&mut self, branches: &[Type], value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let before = out.len();
        let mut first = None;
        for (at, branch) in branches.iter().enumerate() {
            long(at as i64, out);
            match self.value(branch, value, depth + 1, out) {
                Ok(()) => {
                    self.later_branch |= at > 0;
                    return Ok(());
                }
                Err(why) => first = first.or(Some(why)),
            }
            out.truncate(before);
        }
        Err(first.unwrap_or_default())
    }

    fn named(&mut self, named: &'s Named, value: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), String> {
        match (&named.body, value) {
            (Body::Enum { symbols, .. }, Value::String(text)) => {
                let at = symbols.iter().position(|symbol| **symbol == **text);
                let at = at.ok_or_else(|| format!("{} is no symbol of `{}`", short(value), named.name))?;
                long(at as i64, out);
            }
            (Body::Fixed { size, .. }, Value::String(text)) => {
                let bytes = latin1(text)?;
                if bytes.len() != *size {
                    return Err(format!("it has {} bytes, and `{}` has {size}", bytes.len(), named.name));
                }
                out.extend(bytes);
            }
            (Body::Record(fields), Value::Object(object)) => {
                for field in fields {
                    let own = object.get(&*field.name).or(field.default.as_ref().map(|default| &default.json));
                    let own =
                        own.ok_or_else(|| format!("the field `{}` of `{}` is missing", field.name, named.name))?;
                    let within = |why| format!("in the field `{}`: {why}", field.name);
                    self.value(&field.ty, own, depth + 1, out).map_err(within)?;
                }
            }
            (body, value) => return Err(format!("{} is no {} `{}`", short(value), body.word(), named.name)),
        }
        Ok(())
    }
}

/// Bytes as JSON has them in a schema: a character below 256 for each.
fn latin1(text: &str) -> Result<Vec<u8>, String> {
    let byte = |c: char| u8::try_from(u32::from(c)).map_err(|_| format!("`{c}` is no byte: write \\u0000 to \\u00ff"));
    text.chars().map(byte).collect()
}

fn string(text: &str, out: &mut Vec<u8>) {
    long(text.len() as i64, out);
    out.extend(text.as_bytes());
}

/// Zigzag, then seven bits a byte, the lowest first.
fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Null => "null",
        Kind::Boolean => "boolean",
        Kind::Int => "int",
        Kind::Long => "long",
        Kind::Float => "float",
        Kind::Double => "double",
        Kind::Bytes => "bytes (a text)",
        Kind::String => "string",
        Kind::Array(_) => "array",
        Kind::Map(_) => "map (an object)",
        Kind::Union(_) => "union",
        Kind::Named(_) => "named type",
    }
}

fn short(value: &Value) -> String {
    format!("`{:.80}`", value.to_string())
}
