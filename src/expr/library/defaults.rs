//! Null and missing values, and what kind a value is of. The operator `a ?? b` gives `b` where `a` is null.

use super::shapes;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "coalesce",
        &[
            Param::new("a", Types::ANY),
            Param::new("b", Types::ANY),
            Param::optional("c", Types::ANY),
            Param::optional("d", Types::ANY),
            Param::optional("e", Types::ANY),
            Param::optional("f", Types::ANY),
            Param::optional("g", Types::ANY),
            Param::optional("h", Types::ANY),
        ],
        Types::ANY,
        "The first argument that is not null, or null. All are computed; `a ?? b` computes `b` only where it is needed.",
        (r#"coalesce((), "", "x")"#, r#""""#),
        Run::Scalar(coalesce),
    ).shaped(shapes::coalesced),
    Function::new(
        "if_empty",
        &[Param::new("x", Types::ANY), Param::new("other", Types::ANY)],
        Types::ANY,
        "`x`, or `other` where `x` is null, an empty string, an empty array or an empty object.",
        (r#"if_empty("", "unknown")"#, r#""unknown""#),
        Run::Scalar(if_empty),
    ).shaped(shapes::either),
    Function::new(
        "is_null",
        &[Param::new("x", Types::ANY)],
        Types::BOOL,
        "Whether the value is null, or a field that is not there.",
        ("is_null(())", "true"),
        Run::Scalar(|args, _| Ok(Value::Bool(matches!(args, [Value::Unit])).into())),
    ),
    Function::new(
        "kind",
        &[Param::new("x", Types::ANY)],
        Types::STRING,
        "What the value is: `null`, `bool`, `int`, `float`, `number` (one that 64 bits cannot hold), `string`, `array` or `object`.",
        ("kind(1.5)", r#""float""#),
        Run::Scalar(kind),
    ),
];

fn coalesce<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>, Fail> {
    Ok(args.iter().find(|value| !matches!(value, Value::Unit)).copied().unwrap_or(Value::Unit).into())
}

fn if_empty<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>, Fail> {
    let [x, other] = args else { return Ok(Value::Unit.into()) };
    let empty = match x {
        Value::Unit => true,
        Value::Str(text) => text.is_empty(),
        Value::Array(text) | Value::Object(text) => super::collections::is_empty_json(text),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Big(_) => false,
    };
    Ok(if empty { *other } else { *x }.into())
}

fn kind<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>, Fail> {
    let kind = match args.first() {
        None | Some(Value::Unit) => "null",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Int(_)) => "int",
        Some(Value::Float(_)) => "float",
        Some(Value::Big(_)) => "number",
        Some(Value::Str(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    };
    Ok(Value::Str(kind).into())
}

#[cfg(test)]
mod tests {
    use super::super::testing::gives;
    use super::*;

    #[test]
    fn values_pass_as_they_are() {
        gives("coalesce", &[Value::Unit, Value::Big("92233720368547758070"), Value::Int(1)], "92233720368547758070");
        gives("coalesce", &[Value::Unit, Value::Unit], "null");
        gives("if_empty", &[Value::Array("[ ]"), Value::Int(1)], "1");
        gives("if_empty", &[Value::Object(r#"{"a": 1}"#), Value::Int(1)], r#"{"a": 1}"#);
        gives("if_empty", &[Value::Int(0), Value::Int(1)], "0");
        gives("kind", &[Value::Big("1e999")], r#""number""#);
    }
}
