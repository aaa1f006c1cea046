//! Numbers as Protobuf writes them.

use crate::event::encode::{Misfit, Value};
use crate::event::packed::write_varint;

use super::super::read::{FIXED32, FIXED64};
use super::super::types::Number;

/// Writes the bits of a number in its wire type.
pub(super) fn write_bits(out: &mut Vec<u8>, number: Number, bits: u64) {
    match number.wire_type() {
        FIXED64 => out.extend_from_slice(&bits.to_le_bytes()),
        FIXED32 => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        _ => write_varint(out, bits),
    }
}

/// The bits that a value has as a number.
pub(super) fn bits(number: Number, value: Value<'_>) -> Result<u64, Box<Misfit>> {
    bits_of(number, value).ok_or_else(|| Misfit::unlike(value, wanted(number)))
}

fn bits_of(number: Number, value: Value<'_>) -> Option<u64> {
    Some(match number {
        Number::Double => float(value)?.to_bits(),
        Number::Float => {
            let value = float(value)?;
            let narrow = value as f32;
            if value.is_finite() && !narrow.is_finite() {
                return None;
            }
            narrow.to_bits().into()
        }
        Number::Bool => match value {
            Value::Bool(value) => value.into(),
            _ => return None,
        },
        Number::Int32 | Number::Sfixed32 => i64::from(i32::try_from(whole(value)?).ok()?) as u64,
        Number::Int64 | Number::Sfixed64 => i64::try_from(whole(value)?).ok()? as u64,
        Number::Uint32 | Number::Fixed32 => u32::try_from(whole(value)?).ok()?.into(),
        Number::Uint64 | Number::Fixed64 => u64::try_from(whole(value)?).ok()?,
        Number::Sint32 => {
            let value = i32::try_from(whole(value)?).ok()?;
            ((value << 1 ^ value >> 31) as u32).into()
        }
        Number::Sint64 => {
            let value = i64::try_from(whole(value)?).ok()?;
            (value << 1 ^ value >> 63) as u64
        }
    })
}

/// What the schema has, for people.
fn wanted(number: Number) -> &'static str {
    match number {
        Number::Double => "a double (a number)",
        Number::Float => "a float (a number of 32 bits)",
        Number::Bool => "a bool",
        Number::Int32 | Number::Sint32 | Number::Sfixed32 => "an int of 32 bits",
        Number::Int64 | Number::Sint64 | Number::Sfixed64 => "an int of 64 bits",
        Number::Uint32 | Number::Fixed32 => "an int of 32 bits from 0 on",
        Number::Uint64 | Number::Fixed64 => "an int of 64 bits from 0 on",
    }
}

/// A number without a fraction.
fn whole(value: Value<'_>) -> Option<i128> {
    let of_float = |value: f64| (value.fract() == 0.0 && value.abs() < 1e19).then_some(value as i128);
    match value {
        Value::Int(value) => Some(value.into()),
        Value::Number(text) => match std::str::from_utf8(text).ok()?.parse::<u64>() {
            Ok(value) => Some(value.into()),
            Err(_) => of_float(value.float()?),
        },
        _ => of_float(value.float()?),
    }
}

/// Any number, or one of the texts that stand for what JSON has no number for.
fn float(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Str(b"NaN") => Some(f64::NAN),
        Value::Str(b"Infinity") => Some(f64::INFINITY),
        Value::Str(b"-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.float(),
    }
}
