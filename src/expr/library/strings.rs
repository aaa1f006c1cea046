//! Strings.

use super::{Call, Fail, Function, Param, Returned, Run, Types, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "len",
        params: &[Param::new("value", Types::STRING.or(Types::ARRAY).or(Types::OBJECT))],
        returns: Types::INT,
        doc: "Characters of a string, items of an array, fields of an object.",
        example: ("len(\"data\")", "4"),
        run: Run::Dynamic(len),
        check: None,
    },
    Function {
        name: "to_upper",
        params: &[Param::new("text", Types::STRING)],
        returns: Types::STRING,
        doc: "The text in upper case.",
        example: ("to_upper(\"Data\")", "\"DATA\""),
        run: Run::Scalar(to_upper),
        check: None,
    },
];

fn len(args: &mut [rhai::Dynamic], _: &mut Call) -> Result<rhai::Dynamic, Fail> {
    let Some(value) = args.first() else { return Ok(rhai::Dynamic::UNIT) };
    let len = if let Ok(array) = value.as_array_ref() {
        array.len()
    } else if let Ok(map) = value.as_map_ref() {
        map.len()
    } else {
        value.as_immutable_string_ref().map_or(0, |text| text.chars().count())
    };
    Ok((len as i64).into())
}

fn to_upper<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>, Fail> {
    let [Value::Str(text)] = args else { return Ok(Value::Unit.into()) };
    call.text.extend(text.chars().flat_map(char::to_uppercase));
    Ok(Returned::Text)
}
