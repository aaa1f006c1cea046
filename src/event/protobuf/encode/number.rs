//! Numbers as Protobuf writes them.

use crate::event::json;

use super::super::read::{FIXED32, FIXED64};
use super::super::types::Number;
use super::message::{Item, Problem};

/// Writes a varint.
#[inline(always)]
pub(in super::super) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes the bits of a number in its wire type.
pub(super) fn write_bits(out: &mut Vec<u8>, number: Number, bits: u64) {
    match number.wire_type() {
        FIXED64 => out.extend_from_slice(&bits.to_le_bytes()),
        FIXED32 => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        _ => write_varint(out, bits),
    }
}

/// The bits that a value has as a number.
pub(super) fn bits(number: Number, item: Item<'_>) -> Result<u64, Problem> {
    let refuse = |wanted: &str| Problem::new(format!("{wanted} is expected, and the event has {}", item.describe()));
    let int = |min: i128, max: i128, wanted: &str| {
        let value = whole(item).ok_or_else(|| refuse(wanted))?;
        if value < min || value > max { Err(refuse(wanted)) } else { Ok(value) }
    };
    Ok(match number {
        Number::Double => float(item).ok_or_else(|| refuse("a number"))?.to_bits(),
        Number::Float => {
            let value = float(item).ok_or_else(|| refuse("a number"))?;
            let narrow = value as f32;
            if value.is_finite() && !narrow.is_finite() {
                return Err(refuse("a number that a float of 32 bits can hold"));
            }
            narrow.to_bits().into()
        }
        Number::Bool => match item {
            Item::Bool(value) => value.into(),
            _ => return Err(refuse("true or false")),
        },
        Number::Int32 | Number::Sfixed32 => int(i32::MIN.into(), i32::MAX.into(), "an int of 32 bits")? as i64 as u64,
        Number::Int64 | Number::Sfixed64 => int(i64::MIN.into(), i64::MAX.into(), "an int of 64 bits")? as i64 as u64,
        Number::Uint32 | Number::Fixed32 => int(0, u32::MAX.into(), "an int from 0 on of 32 bits")? as u64,
        Number::Uint64 | Number::Fixed64 => int(0, u64::MAX.into(), "an int from 0 on of 64 bits")? as u64,
        Number::Sint32 => {
            let value = int(i32::MIN.into(), i32::MAX.into(), "an int of 32 bits")? as i32;
            (value << 1 ^ value >> 31) as u32 as u64
        }
        Number::Sint64 => {
            let value = int(i64::MIN.into(), i64::MAX.into(), "an int of 64 bits")? as i64;
            (value << 1 ^ value >> 63) as u64
        }
    })
}

/// A number without a fraction.
fn whole(item: Item<'_>) -> Option<i128> {
    let of_float = |value: f64| (value.fract() == 0.0 && value.abs() < 1e19).then_some(value as i128);
    match item {
        Item::Int(value) => Some(value.into()),
        Item::Float(value) => of_float(value),
        Item::Number(text) => match std::str::from_utf8(text).ok()?.parse::<u64>() {
            Ok(value) => Some(value.into()),
            Err(_) => of_float(json::number_to_f64(text)?),
        },
        _ => None,
    }
}

/// Any number, or one of the texts that stand for what JSON has no number for.
fn float(item: Item<'_>) -> Option<f64> {
    match item {
        Item::Int(value) => Some(value as f64),
        Item::Float(value) => Some(value),
        Item::Number(text) => json::number_to_f64(text),
        Item::Str(b"NaN") => Some(f64::NAN),
        Item::Str(b"Infinity") => Some(f64::INFINITY),
        Item::Str(b"-Infinity") => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
