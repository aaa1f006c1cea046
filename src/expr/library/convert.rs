//! From one type to another: numbers and texts.

use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, walk};
use crate::event::json::number_to_f64;
use crate::expr::ops;

const TEXT: Param = Param::new("text", Types::STRING);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "to_int",
        &[Param::new("x", Types::NUMBER)],
        Types::INT,
        "The number as an int: what follows the point is cut off. A float that no int can hold is an error. Texts are read by \
         `parse_int`.",
        ("to_int(2.9)", "2"),
        Run::Scalar(to_int),
    ),
    Function::new(
        "to_float",
        &[Param::new("x", Types::NUMBER)],
        Types::FLOAT,
        "The number as a float.",
        ("to_float(2)", "2.0"),
        Run::Scalar(to_float),
    ),
    Function::new(
        "parse_int",
        &[TEXT, Param::optional("radix", Types::INT)],
        Types::INT,
        "The int that the text spells, in base `radix` (2 to 36) or 10; white space around it is allowed. Anything else is an error; \
         `try_parse_int` gives null instead.",
        (r#"parse_int("ff", 16)"#, "255"),
        Run::Scalar(parse_int),
    ),
    Function::new(
        "try_parse_int",
        &[Param::new("text", Types::STRING.or(Types::UNIT))],
        Types::INT.or(Types::UNIT),
        "The int that the text spells, or null.",
        (r#"try_parse_int("n/a") ?? -1"#, "-1"),
        Run::Scalar(try_parse_int),
    ),
    Function::new(
        "parse_float",
        &[TEXT],
        Types::FLOAT,
        "The float that the text spells; white space around it is allowed. Anything else is an error; `try_parse_float` gives null \
         instead.",
        (r#"parse_float("12.50")"#, "12.5"),
        Run::Scalar(parse_float),
    ),
    Function::new(
        "try_parse_float",
        &[Param::new("text", Types::STRING.or(Types::UNIT))],
        Types::FLOAT.or(Types::UNIT),
        "The float that the text spells, or null.",
        (r#"try_parse_float("n/a") ?? 0.0"#, "0.0"),
        Run::Scalar(try_parse_float),
    ),
    Function::new(
        "parse_bool",
        &[TEXT],
        Types::BOOL,
        "`true` or `false` as the text says, in any case; anything else is an error.",
        (r#"parse_bool("TRUE")"#, "true"),
        Run::Scalar(parse_bool),
    ),
    Function::new(
        "to_string",
        &[Param::new("x", Types::ANY)],
        Types::STRING,
        "The value as `${x}` in a text writes it: nothing for null, JSON for arrays and objects.",
        ("to_string(1.50)", r#""1.5""#),
        Run::Scalar(to_string),
    ),
    Function::new(
        "to_fixed",
        &[Param::new("x", Types::NUMBER), Param::new("digits", Types::INT)],
        Types::STRING,
        "The number as a text with exactly so many digits (0 to 15) after the point.",
        ("to_fixed(12.5, 2)", r#""12.50""#),
        Run::Scalar(to_fixed),
    ),
    Function::new(
        "to_hex",
        &[Param::new("x", Types::INT)],
        Types::STRING,
        "The int in hexadecimal digits.",
        ("to_hex(255)", r#""ff""#),
        Run::Scalar(to_hex),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

fn to_int<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    match args {
        [Value::Int(x)] => Ok(Value::Int(*x).into()),
        [Value::Float(x)] => int_of(*x).map(|x| Value::Int(x).into()),
        _ => Ok(Value::Unit.into()),
    }
}

/// The whole part of a float; NaN and what is beyond 64 bits are errors.
fn int_of(x: f64) -> Result<i64> {
    // 2^63 itself is a float but no i64; -2^63 is both.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&x) {
        return Ok(x.trunc() as i64);
    }
    Err(Fail::arithmetic(format!("{x:?} does not fit a 64-bit int")))
}

fn to_float<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    Ok(match args {
        [Value::Int(x)] => Value::Float(*x as f64),
        [Value::Float(x)] => Value::Float(*x),
        _ => Value::Unit,
    }
    .into())
}

fn parse_int<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let (text, radix) = match args {
        [Value::Str(text)] => (*text, 10),
        [Value::Str(text), Value::Int(radix)] => (*text, *radix),
        _ => return Ok(Value::Unit.into()),
    };
    let Some(base) = u32::try_from(radix).ok().filter(|base| (2..=36).contains(base)) else {
        return Err(Fail::argument(format!("`radix` must be from 2 to 36, it is {radix}")));
    };
    match i64::from_str_radix(text.trim(), base) {
        Ok(x) => Ok(Value::Int(x).into()),
        Err(error) => Err(Fail::argument(format!("{} is no int: {error}", shown(text)))),
    }
}

fn try_parse_int<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    Ok(text.trim().parse().map_or(Value::Unit, Value::Int).into())
}

/// A float in digits: `inf` and `nan` are words, not numbers.
fn float_of(text: &str) -> Option<f64> {
    number_to_f64(text.trim().as_bytes())
}

fn parse_float<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    match float_of(text) {
        Some(x) => Ok(Value::Float(x).into()),
        None => Err(Fail::argument(format!("{} is no number that a float can hold", shown(text)))),
    }
}

fn try_parse_float<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    Ok(float_of(text).map_or(Value::Unit, Value::Float).into())
}

fn parse_bool<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    match text.trim() {
        text if text.eq_ignore_ascii_case("true") => Ok(Value::Bool(true).into()),
        text if text.eq_ignore_ascii_case("false") => Ok(Value::Bool(false).into()),
        text => Err(Fail::argument(format!("{} is neither true nor false", shown(text)))),
    }
}

fn to_string<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    match args {
        [Value::Str(text)] => return Ok(Value::Str(text).into()),
        [Value::Array(text) | Value::Object(text)] => walk::push_canonical(&mut call.text, text, false, 0),
        [value] => ops::write_text(*value, &mut call.text),
        _ => {}
    }
    Ok(Returned::Text)
}

fn to_fixed<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    use std::fmt::Write;
    let [x, Value::Int(digits)] = args else { return Ok(Value::Unit.into()) };
    let Some(digits) = usize::try_from(*digits).ok().filter(|digits| *digits <= 15) else {
        return Err(Fail::argument(format!("`digits` must be from 0 to 15, it is {digits}")));
    };
    // Writing to a string cannot fail.
    let _ = match x {
        Value::Int(x) if digits == 0 => write!(call.text, "{x}"),
        Value::Int(x) => write!(call.text, "{x}.{:0<digits$}", ""),
        Value::Float(x) if x.is_finite() => write!(call.text, "{x:.digits$}"),
        _ => return Err(Fail::arithmetic("NaN and infinity have no digits")),
    };
    Ok(Returned::Text)
}

fn to_hex<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    use std::fmt::Write;
    let [Value::Int(x)] = args else { return Ok(Value::Unit.into()) };
    let _ = write!(call.text, "{x:x}");
    Ok(Returned::Text)
}

/// A text in a message: quoted, and cut where it is long.
pub(super) fn shown(text: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{:?}... ({} bytes)", &text[..at], text.len()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    #[test]
    fn what_does_not_fit_is_an_error() {
        gives("to_int", &[Value::Float(-9.2e18)], "-9200000000000000000");
        for x in [9.3e18, f64::NAN, f64::INFINITY, 9_223_372_036_854_775_808.0] {
            fails("to_int", &[Value::Float(x)], codes::ARITHMETIC);
        }
        fails("to_fixed", &[Value::Float(f64::NAN), Value::Int(1)], codes::ARITHMETIC);
    }

    #[test]
    fn texts_are_read_as_numbers() {
        gives("parse_int", &[Value::Str(" -12 ")], "-12");
        for text in ["", "1.5", "9223372036854775808", "0x1f"] {
            fails("parse_int", &[Value::Str(text)], codes::ARGUMENT);
            gives("try_parse_int", &[Value::Str(text)], "null");
        }
        gives("try_parse_int", &[Value::Unit], "null");
        for (text, found) in [(" 1e3", "1000.0"), ("-12.50\n", "-12.5"), (".5", "0.5"), ("5.", "5.0"), ("007", "7.0")] {
            gives("parse_float", &[Value::Str(text)], found);
        }
        for text in ["", "nan", "inf", "1e999", "1,5", ".", "-", "1.2.3", "0x10"] {
            fails("parse_float", &[Value::Str(text)], codes::ARGUMENT);
        }
        gives("to_fixed", &[Value::Int(-7), Value::Int(2)], r#""-7.00""#);
        gives("to_fixed", &[Value::Int(7), Value::Int(0)], r#""7""#);
        assert_eq!(shown(&"é".repeat(50)), format!("{:?}... (100 bytes)", "é".repeat(40)));
    }
}
