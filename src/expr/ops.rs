//! The operators: what each means on two values, for compiled programs and for Rhai alike.

use rhai::Dynamic;

use super::codes;
use super::json::{self, Big};
use super::value::{Fail, Returned, Value};

/// A binary operator that evaluates both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Pow,
    Shl,
    Shr,
    And,
    Or,
    Xor,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Op {
    pub(crate) const ALL: [(Op, &'static str); 17] = [
        (Op::Add, "+"),
        (Op::Sub, "-"),
        (Op::Mul, "*"),
        (Op::Div, "/"),
        (Op::Rem, "%"),
        (Op::Pow, "**"),
        (Op::Shl, "<<"),
        (Op::Shr, ">>"),
        (Op::And, "&"),
        (Op::Or, "|"),
        (Op::Xor, "^"),
        (Op::Eq, "=="),
        (Op::Ne, "!="),
        (Op::Lt, "<"),
        (Op::Le, "<="),
        (Op::Gt, ">"),
        (Op::Ge, ">="),
    ];

    /// The operator that is written so.
    pub(crate) fn of(symbol: &str) -> Option<Op> {
        Op::ALL.iter().find(|(_, text)| *text == symbol).map(|(op, _)| *op)
    }

    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        Op::ALL.iter().find(|(op, _)| *op == self).map_or("", |(_, text)| text)
    }

    /// Whether it is `<`, `<=`, `>` or `>=`.
    pub(crate) fn is_order(self) -> bool {
        matches!(self, Op::Lt | Op::Le | Op::Gt | Op::Ge)
    }

    /// Whether its result is a bool whatever it is given.
    pub(crate) fn is_comparison(self) -> bool {
        self.is_order() || matches!(self, Op::Eq | Op::Ne)
    }
}

/// Applies an operator to scalars. `None`: an array or object takes part, see [`binary_dynamic`].
/// A computed string is written to `out`.
pub(crate) fn binary<'a>(op: Op, a: Value<'a>, b: Value<'a>, out: &mut String) -> Option<Result<Returned<'a>, Fail>> {
    let value = match (a, b) {
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => return None,
        (Value::Int(a), Value::Int(b)) => ints(op, a, b),
        (Value::Int(a), Value::Float(b)) => floats(op, a as f64, b),
        (Value::Float(a), Value::Int(b)) => floats(op, a, b as f64),
        (Value::Float(a), Value::Float(b)) => floats(op, a, b),
        (Value::Big(text), _) | (_, Value::Big(text)) => Err(big(op.symbol(), text)),
        (Value::Str(a), Value::Str(b)) => return Some(strings(op, a, b, out)),
        (Value::Str(_), _) | (_, Value::Str(_)) if op == Op::Add => {
            write_text(a, out);
            write_text(b, out);
            return Some(Ok(Returned::Text));
        }
        (Value::Bool(a), Value::Bool(b)) => bools(op, a, b),
        (Value::Unit, Value::Unit) => match op {
            Op::Eq => Ok(Value::Bool(true)),
            Op::Ne => Ok(Value::Bool(false)),
            _ => Err(mismatch(op, "null", "null")),
        },
        _ => match op {
            Op::Eq => Ok(Value::Bool(false)),
            Op::Ne => Ok(Value::Bool(true)),
            _ => Err(mismatch(op, &a.kind().to_string(), &b.kind().to_string())),
        },
    };
    Some(value.map(Returned::Value))
}

/// `a op b` of ints, checked.
pub(crate) fn ints(op: Op, a: i64, b: i64) -> Result<Value<'static>, Fail> {
    let checked = match op {
        Op::Add => a.checked_add(b),
        Op::Sub => a.checked_sub(b),
        Op::Mul => a.checked_mul(b),
        Op::Div => a.checked_div(b),
        Op::Rem => a.checked_rem(b),
        Op::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        Op::Shl => Some(shift_left(a, b)),
        Op::Shr => Some(shift_right(a, b)),
        Op::And => Some(a & b),
        Op::Or => Some(a | b),
        Op::Xor => Some(a ^ b),
        _ => return Ok(Value::Bool(order(op, &a, &b))),
    };
    checked.map(Value::Int).ok_or_else(|| overflow(op, a, b))
}

#[cold]
fn overflow(op: Op, a: i64, b: i64) -> Fail {
    let what = match op {
        Op::Div | Op::Rem if b == 0 => "divides by zero",
        Op::Pow if b < 0 => "has a negative power: write the base as a float",
        _ => "does not fit 64 bits",
    };
    Fail::arithmetic(format!("`{a} {} {b}` {what}", op.symbol()))
}

fn shift_left(a: i64, b: i64) -> i64 {
    match u32::try_from(b) {
        Ok(by) => a.checked_shl(by).unwrap_or(0),
        Err(_) if b < 0 => shift_right(a, b.saturating_neg()),
        Err(_) => 0,
    }
}

fn shift_right(a: i64, b: i64) -> i64 {
    match u32::try_from(b) {
        Ok(by) => a >> by.min(63),
        Err(_) if b < 0 => shift_left(a, b.saturating_neg()),
        Err(_) => a >> 63,
    }
}

/// Comparison of values of a type with a total order.
fn order<T: PartialOrd + ?Sized>(op: Op, a: &T, b: &T) -> bool {
    match op {
        Op::Eq => a == b,
        Op::Ne => a != b,
        Op::Lt => a < b,
        Op::Le => a <= b,
        Op::Gt => a > b,
        _ => a >= b,
    }
}

/// `a op b` of floats. As in Rhai, comparisons take floats as equal that differ by a rounding (`0.1 + 0.2 == 0.3`).
pub(crate) fn floats(op: Op, a: f64, b: f64) -> Result<Value<'static>, Fail> {
    Ok(Value::Float(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Rem => a % b,
        Op::Pow => a.powf(b),
        Op::Shl | Op::Shr | Op::And | Op::Or | Op::Xor => return Err(mismatch(op, "float", "float")),
        _ => return Ok(Value::Bool(compare_floats(op, a, b))),
    }))
}

/// Rhai's comparison of floats: by the difference relative to the greater one.
pub(crate) fn compare_floats(op: Op, a: f64, b: f64) -> bool {
    let max = if a * b == 0.0 { 1.0 } else { a.abs().max(b.abs()) };
    if max == 0.0 {
        return matches!(op, Op::Eq | Op::Le | Op::Ge);
    }
    match op {
        Op::Eq => (a - b).abs() / max <= f64::EPSILON,
        Op::Ne => (a - b).abs() / max > f64::EPSILON,
        Op::Gt => (a - b) / max > f64::EPSILON,
        Op::Ge => (a - b) / max > -f64::EPSILON,
        Op::Lt => (b - a) / max > f64::EPSILON,
        _ => (b - a) / max > -f64::EPSILON,
    }
}

fn bools(op: Op, a: bool, b: bool) -> Result<Value<'static>, Fail> {
    Ok(Value::Bool(match op {
        Op::And => a & b,
        Op::Or => a | b,
        Op::Xor => a ^ b,
        _ if op.is_comparison() => order(op, &a, &b),
        _ => return Err(mismatch(op, "bool", "bool")),
    }))
}

fn strings<'a>(op: Op, a: &str, b: &str, out: &mut String) -> Result<Returned<'a>, Fail> {
    match op {
        Op::Add => {
            out.push_str(a);
            out.push_str(b);
            Ok(Returned::Text)
        }
        // Rhai's: without every occurrence of the right one.
        Op::Sub => {
            match b {
                "" => out.push_str(a),
                _ => a.split(b).for_each(|part| out.push_str(part)),
            }
            Ok(Returned::Text)
        }
        _ if op.is_comparison() => Ok(Value::Bool(order(op, a, b)).into()),
        _ => Err(mismatch(op, "string", "string")),
    }
}

/// Applies an operator to any values.
pub(crate) fn binary_dynamic(op: Op, a: &Dynamic, b: &Dynamic) -> Result<Dynamic, Fail> {
    let mut char_a = String::new();
    let mut char_b = String::new();
    let (lock_a, lock_b) = (a.as_immutable_string_ref().ok(), b.as_immutable_string_ref().ok());
    let (big_a, big_b) = (a.read_lock::<Big>(), b.read_lock::<Big>());
    let left = scalar(a, lock_a.as_deref().map(|text| text.as_str()), big_a.as_deref(), &mut char_a);
    let right = scalar(b, lock_b.as_deref().map(|text| text.as_str()), big_b.as_deref(), &mut char_b);
    let mut out = String::new();
    if let (Some(left), Some(right)) = (left, right)
        && let Some(result) = binary(op, left, right, &mut out)
    {
        return result.map(|returned| to_dynamic(returned, &out));
    }
    if let (Value::Big(text), _) | (_, Value::Big(text)) = (left.unwrap_or(Value::Unit), right.unwrap_or(Value::Unit)) {
        return Err(big(op.symbol(), text));
    }
    match op {
        Op::Eq => Ok(equal(a, b)?.into()),
        Op::Ne => Ok((!equal(a, b)?).into()),
        Op::Add if left.is_some_and(|a| a.kind() == super::value::Types::STRING) || lock_b.is_some() || b.is_char() => {
            write_text_dynamic(a, &mut out)?;
            write_text_dynamic(b, &mut out)?;
            Ok(out.into())
        }
        Op::Add => add_dynamic(a, b),
        _ => Err(mismatch(op, json::kind_name(a), json::kind_name(b))),
    }
}

fn add_dynamic(a: &Dynamic, b: &Dynamic) -> Result<Dynamic, Fail> {
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        return Ok(a.iter().chain(b.iter()).cloned().collect::<rhai::Array>().into());
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        let mut sum = a.clone();
        sum.extend(b.iter().map(|(name, value)| (name.clone(), value.clone())));
        return Ok(sum.into());
    }
    Err(mismatch(Op::Add, json::kind_name(a), json::kind_name(b)))
}

/// A scalar as a value; `None` for arrays, objects, functions and ranges.
fn scalar<'a>(value: &Dynamic, text: Option<&'a str>, big: Option<&'a Big>, char: &'a mut String) -> Option<Value<'a>> {
    if let Some(text) = text {
        return Some(Value::Str(text));
    }
    if let Some(big) = big {
        return Some(Value::Big(&big.0));
    }
    if let Ok(c) = value.as_char() {
        char.push(c);
        return Some(Value::Str(char));
    }
    if value.is_unit() {
        return Some(Value::Unit);
    }
    let number = value.as_int().map(Value::Int).or_else(|_| value.as_float().map(Value::Float));
    number.or_else(|_| value.as_bool().map(Value::Bool)).ok()
}

/// A result of a function or operator as a Rhai value.
pub(crate) fn to_dynamic(returned: Returned<'_>, out: &str) -> Dynamic {
    match returned {
        Returned::Text => out.into(),
        Returned::Json => json::parse(out),
        Returned::Value(value) => match value {
            Value::Unit => Dynamic::UNIT,
            Value::Bool(bool) => bool.into(),
            Value::Int(int) => int.into(),
            Value::Float(float) => float.into(),
            Value::Big(text) => Dynamic::from(Big(text.into())),
            Value::Str(text) => text.into(),
            Value::Array(text) | Value::Object(text) => json::parse(text),
        },
    }
}

/// Whether two values are the same: numbers by value, arrays and objects by their parts.
pub(crate) fn equal(a: &Dynamic, b: &Dynamic) -> Result<bool, Fail> {
    if let (Ok(a), Ok(b)) = (a.as_array_ref(), b.as_array_ref()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (a, b) in a.iter().zip(b.iter()) {
            if !equal(a, b)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    if let (Ok(a), Ok(b)) = (a.as_map_ref(), b.as_map_ref()) {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (name, value) in a.iter() {
            match b.get(name) {
                Some(other) if equal(value, other)? => {}
                _ => return Ok(false),
            }
        }
        return Ok(true);
    }
    let composite = |value: &Dynamic| value.is_array() || value.is_map() || value.is_fnptr();
    if composite(a) || composite(b) {
        return Ok(false);
    }
    binary_dynamic(Op::Eq, a, b).map(|same| same.as_bool().unwrap_or(false))
}

/// `-x`, `+x` or `!x`.
pub(crate) fn unary<'a>(op: &str, value: Value<'a>) -> Result<Value<'a>, Fail> {
    match (op, value) {
        ("!", Value::Bool(x)) => Ok(Value::Bool(!x)),
        ("-", Value::Int(x)) => {
            x.checked_neg().map(Value::Int).ok_or_else(|| Fail::arithmetic(format!("`-({x})` does not fit 64 bits")))
        }
        ("-", Value::Float(x)) => Ok(Value::Float(-x)),
        ("+", Value::Int(_) | Value::Float(_)) => Ok(value),
        (_, Value::Big(text)) => Err(big(op, text)),
        _ => Err(Fail::new(codes::TYPE, format!("`{op}` has no meaning for {}", article(&value.kind().to_string())))),
    }
}

/// The text of a value, as string concatenation and `${}` write it: nothing for null, JSON for arrays and objects.
pub(crate) fn write_text(value: Value<'_>, out: &mut String) {
    match value {
        Value::Unit => {}
        Value::Bool(bool) => out.push_str(if bool { "true" } else { "false" }),
        Value::Int(int) => json::write_int(int, out),
        Value::Float(float) => out.push_str(ryu::Buffer::new().format(float)),
        Value::Big(text) | Value::Str(text) => out.push_str(text),
        // As Rhai's value would be written, however the text was laid out.
        Value::Array(text) | Value::Object(text) => {
            let start = out.len();
            if json::write(&json::parse(text), out).is_err() {
                out.truncate(start);
                out.push_str(text);
            }
        }
    }
}

/// The same of a Rhai value.
pub(crate) fn write_text_dynamic(value: &Dynamic, out: &mut String) -> Result<(), Fail> {
    if value.is_array() || value.is_map() {
        return json::write(value, out);
    }
    if let Ok(text) = value.as_immutable_string_ref() {
        out.push_str(&text);
    } else if let Some(big) = value.read_lock::<Big>() {
        out.push_str(&big.0);
    } else if let Some(value) = scalar(value, None, None, &mut String::new()) {
        write_text(value, out);
    } else {
        let message = format!("{} has no text", article(json::kind_name(value)));
        return Err(Fail::new(codes::TYPE, message));
    }
    Ok(())
}

#[cold]
pub(crate) fn big(what: &str, text: &str) -> Fail {
    let text: String = text.chars().take(40).collect();
    Fail::new(codes::BIG_NUMBER, format!("`{what}` cannot compute with {text}: it does not fit 64 bits"))
}

#[cold]
pub(crate) fn mismatch(op: Op, a: &str, b: &str) -> Fail {
    let (a, b) = (article(a), article(b));
    if op.is_order() {
        return Fail::new(codes::COMPARE, format!("`{}` cannot compare {a} with {b}", op.symbol()));
    }
    Fail::new(codes::TYPE, format!("`{}` has no meaning for {a} and {b}", op.symbol()))
}

/// `an int`, `a string`, `null`.
pub(crate) fn article(kind: &str) -> String {
    match kind {
        "null" | "anything" => kind.to_owned(),
        _ if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}

/// `-x`, `+x` or `!x` of a Rhai value.
pub(crate) fn unary_dynamic(op: &str, value: &Dynamic) -> Result<Dynamic, Fail> {
    let lock = value.as_immutable_string_ref().ok();
    let big = value.read_lock::<Big>();
    let mut char = String::new();
    match scalar(value, lock.as_deref().map(|text| text.as_str()), big.as_deref(), &mut char) {
        Some(value) => unary(op, value).map(|result| to_dynamic(result.into(), "")),
        None => {
            let kind = article(json::kind_name(value));
            Err(Fail::new(codes::TYPE, format!("`{op}` has no meaning for {kind}")))
        }
    }
}
