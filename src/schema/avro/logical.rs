//! Logical types: which of them hold for which types. One that does not hold is ignored, as the specification says, and told.

use serde_json::{Map, Value};

use super::{Kind, Logical, Unit};

/// A type as far as a logical type asks for it.
pub(super) enum Carrier<'k> {
    Unnamed(&'k Kind),
    Fixed(usize),
}

/// The logical type that a schema object names. `Err`: why it does not hold.
pub(super) fn logical(object: &Map<String, Value>, carrier: &Carrier<'_>) -> Result<Option<Logical>, String> {
    let Some(name) = object.get("logicalType") else { return Ok(None) };
    let Some(name) = name.as_str() else { return Err("`logicalType` is no text".into()) };
    let (logical, wanted) = match name {
        "decimal" => return decimal(object, carrier).map(Some),
        "uuid" => (Logical::Uuid, "string or fixed(16)"),
        "date" => (Logical::Date, "int"),
        "time-millis" => (Logical::TimeMillis, "int"),
        "time-micros" => (Logical::TimeMicros, "long"),
        "timestamp-millis" => (Logical::Timestamp(Unit::Millis), "long"),
        "timestamp-micros" => (Logical::Timestamp(Unit::Micros), "long"),
        "timestamp-nanos" => (Logical::Timestamp(Unit::Nanos), "long"),
        "local-timestamp-millis" => (Logical::LocalTimestamp(Unit::Millis), "long"),
        "local-timestamp-micros" => (Logical::LocalTimestamp(Unit::Micros), "long"),
        "local-timestamp-nanos" => (Logical::LocalTimestamp(Unit::Nanos), "long"),
        "duration" => (Logical::Duration, "fixed(12)"),
        _ => return Err(format!("`{name}` is no logical type of the specification")),
    };
    let holds = match (logical, carrier) {
        (Logical::Uuid, Carrier::Unnamed(kind)) => **kind == Kind::String,
        (Logical::Uuid, Carrier::Fixed(size)) => *size == 16,
        (Logical::Duration, Carrier::Fixed(size)) => *size == 12,
        (Logical::Date | Logical::TimeMillis, Carrier::Unnamed(kind)) => **kind == Kind::Int,
        (Logical::TimeMicros | Logical::Timestamp(_) | Logical::LocalTimestamp(_), Carrier::Unnamed(kind)) => {
            **kind == Kind::Long
        }
        _ => false,
    };
    holds.then_some(Some(logical)).ok_or_else(|| format!("`{name}` is a logical type of {wanted}"))
}

fn decimal(object: &Map<String, Value>, carrier: &Carrier<'_>) -> Result<Logical, String> {
    let number = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("the `{key}` of a decimal is no whole number from 0 on")),
        },
    };
    let precision = number("precision")?.filter(|precision| *precision > 0);
    let precision = precision.ok_or("a decimal has a `precision` of at least 1")?;
    let scale = number("scale")?.unwrap_or(0);
    if scale > precision {
        return Err(format!("the `scale` of a decimal, {scale}, is at most its `precision`, {precision}"));
    }
    match carrier {
        Carrier::Unnamed(Kind::Bytes) => {}
        Carrier::Fixed(size) => {
            // 10^precision - 1 must be at most 2^(8 size - 1) - 1; the logarithm is never a whole number.
            let digits = ((*size as f64 * 8.0 - 1.0).max(0.0) * std::f64::consts::LOG10_2).floor();
            if f64::from(precision) > digits {
                return Err(format!("a fixed of {size} bytes holds {digits} digits, not a decimal of {precision}"));
            }
        }
        Carrier::Unnamed(_) => return Err("`decimal` is a logical type of bytes and fixed".into()),
    }
    Ok(Logical::Decimal { precision, scale })
}
