//! JSON in texts.

use crate::event::json::check_value;
use crate::limits::JSON_DEPTH_MAX;

use super::convert::shown;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, walk};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "to_json",
        &[Param::new("x", Types::ANY)],
        Types::STRING,
        "The value as JSON, without white space and with the fields of objects sorted: equal values give equal texts.",
        ("to_json(#{ b: [1, ()], a: \"x\" })", r#""{\"a\":\"x\",\"b\":[1,null]}""#),
        Run::Scalar(to_json),
    ),
    Function::new(
        "parse_json",
        &[Param::new("text", Types::STRING)],
        Types::ANY,
        "The value that a JSON text stands for. What is no JSON is an error; `try_parse_json` gives null instead.",
        (r#"parse_json(`{"a": [1, 2]}`).a[1]"#, "2"),
        Run::Scalar(parse_json),
    ),
    Function::new(
        "try_parse_json",
        &[Param::new("text", Types::STRING.or(Types::UNIT))],
        Types::ANY,
        "The value that a JSON text stands for, or null.",
        (r#"try_parse_json("{") ?? 0"#, "0"),
        Run::Scalar(try_parse_json),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

fn to_json<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    match args {
        [Value::Array(text) | Value::Object(text)] => walk::push_canonical(&mut call.text, text, false, 0),
        [value] => walk::push_value(&mut call.text, value)?,
        _ => return Ok(Value::Unit.into()),
    }
    call.room(call.text.len())?;
    Ok(Returned::Text)
}

fn parse<'a>(text: &'a str, call: &mut Call) -> std::result::Result<Returned<'a>, String> {
    // The text itself is the value; this only makes sure that it is one.
    match check_value(text.as_bytes(), JSON_DEPTH_MAX) {
        Ok(range) => Ok(walk::returned(text.get(range).unwrap_or_default(), &mut call.text)),
        Err(fault) => Err(fault.message(text.as_bytes(), JSON_DEPTH_MAX)),
    }
}

fn parse_json<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    parse(text, call).map_err(|error| Fail::argument(format!("{} is no JSON: {error}", shown(text))))
}

fn try_parse_json<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    Ok(parse(text, call).unwrap_or(Value::Unit.into()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;
    use crate::expr::codes;

    #[test]
    fn equal_values_give_equal_texts() {
        gives("to_json", &[Value::Object(r#"{ "b":1.50, "a":"\u0061" ,"b":[ ] }"#)], r#""{\"a\":\"a\",\"b\":[]}""#);
        gives("to_json", &[Value::Big("92233720368547758070")], r#""92233720368547758070""#);
        gives("to_json", &[Value::Str("a\"")], r#""\"a\\\"\"""#);
        fails("to_json", &[Value::Float(f64::NAN)], codes::NOT_FINITE);
    }

    #[test]
    fn texts_are_checked_and_numbers_kept() {
        gives("parse_json", &[Value::Str(" 92233720368547758070\n")], "92233720368547758070");
        gives("parse_json", &[Value::Str(r#""a\nb""#)], r#""a\nb""#);
        gives("parse_json", &[Value::Str(r#"{"a": 1.50}"#)], r#"{"a": 1.50}"#);
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in ["", "{", "01", "nul", r#""\ud800""#, "[1,]", "1 2", &deep] {
            fails("parse_json", &[Value::Str(text)], codes::ARGUMENT);
            gives("try_parse_json", &[Value::Str(text)], "null");
        }
    }
}
