//! Objects (Rhai's maps). Every function gives a new object and changes none; fields come sorted by name, as Rhai's do.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::collections::position;
use super::shapes;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, codes, walk};

const OBJECT: Param = Param::new("object", Types::OBJECT);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "keys",
        &[OBJECT],
        Types::ARRAY,
        "The names of the fields, sorted.",
        ("keys(#{ b: 1, a: 2 })", r#"["a", "b"]"#),
        Run::Scalar(keys),
    )
    .shaped(shapes::strings),
    Function::new(
        "values",
        &[OBJECT],
        Types::ARRAY,
        "The values of the fields, in the order of their names.",
        ("values(#{ b: 1, a: 2 })", "[2, 1]"),
        Run::Scalar(values),
    ),
    Function::new(
        "entries",
        &[OBJECT],
        Types::ARRAY,
        "The fields as objects `{ key, value }`, in the order of their names.",
        ("entries(#{ a: 1 })", r#"[#{ key: "a", value: 1 }]"#),
        Run::Scalar(entries),
    ),
    Function::new(
        "from_entries",
        &[Param::new("entries", Types::ARRAY)],
        Types::OBJECT,
        "The object of entries `{ key, value }` or `[key, value]`; of entries of one key the last counts.",
        (r#"from_entries([["a", 1], ["b", 2]])"#, "#{ a: 1, b: 2 }"),
        Run::Scalar(from_entries),
    ),
    Function::new(
        "has",
        &[OBJECT, Param::new("name", Types::STRING)],
        Types::BOOL,
        "Whether there is a field of this name, be it null.",
        (r#"has(#{ a: () }, "a")"#, "true"),
        Run::Scalar(has),
    ),
    Function::new(
        "get",
        &[
            Param::new("x", Types::OBJECT.or(Types::ARRAY).or(Types::UNIT)),
            Param::new("key", Types::STRING.or(Types::INT)),
            Param::optional("other", Types::ANY),
        ],
        Types::ANY,
        "The field of this name, or the item at this position (a negative one counts from the end); `other` or null where there is \
         none, or where it is null.",
        (r#"get(#{ a: 1 }, "b", 0)"#, "0"),
        Run::Scalar(get),
    ),
    Function::new(
        "get_path",
        &[
            Param::new("x", Types::OBJECT.or(Types::ARRAY).or(Types::UNIT)),
            Param::new("path", Types::STRING),
            Param::optional("other", Types::ANY),
        ],
        Types::ANY,
        "What is found along the names and positions of a path such as `items.0.price`; `other` or null where it leads nowhere.",
        (r#"get_path(#{ items: [#{ price: 5 }] }, "items.0.price")"#, "5"),
        Run::Scalar(get_path),
    ),
    Function::new(
        "merge",
        &[
            Param::new("a", Types::OBJECT),
            Param::new("b", Types::OBJECT),
            Param::optional("c", Types::OBJECT),
            Param::optional("d", Types::OBJECT),
        ],
        Types::OBJECT,
        "One object with the fields of all; of fields of one name the last counts.",
        ("merge(#{ a: 1, b: 1 }, #{ b: 2 })", "#{ a: 1, b: 2 }"),
        Run::Scalar(merge),
    ),
    Function::new(
        "only",
        &[OBJECT, Param::new("names", Types::ARRAY)],
        Types::OBJECT,
        "The object with only the fields of these names.",
        (r#"only(#{ a: 1, b: 2 }, ["a", "c"])"#, "#{ a: 1 }"),
        Run::Scalar(|args, call| choose(args, call, true)),
    ),
    Function::new(
        "without",
        &[OBJECT, Param::new("names", Types::ARRAY)],
        Types::OBJECT,
        "The object without the fields of these names.",
        (r#"without(#{ a: 1, b: 2 }, ["a"])"#, "#{ b: 2 }"),
        Run::Scalar(|args, call| choose(args, call, false)),
    ),
    Function::new(
        "without_nulls",
        &[Param::new("x", Types::OBJECT.or(Types::ARRAY))],
        Types::OBJECT.or(Types::ARRAY),
        "The object without the fields, or the array without the items, that are null.",
        ("without_nulls(#{ a: 1, b: () })", "#{ a: 1 }"),
        Run::Scalar(without_nulls),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

fn keys<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Object(object)] = args else { return Ok(Value::Unit.into()) };
    walk::strings(call, walk::sorted(object).keys().map(AsRef::as_ref))
}

fn values<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Object(object)] = args else { return Ok(Value::Unit.into()) };
    walk::array_of(call, walk::sorted(object).into_values())
}

fn entries<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Object(object)] = args else { return Ok(Value::Unit.into()) };
    walk::array(call, walk::sorted(object).into_iter(), |out, (name, value)| {
        out.push_str("{\"key\":");
        walk::push_str(out, &name);
        out.push_str(",\"value\":");
        out.push_str(value);
        out.push('}');
        Ok(())
    })
}

/// The text of a string, without its quotes and escapes.
fn string(text: &str) -> Option<Cow<'_, str>> {
    match walk::value(text) {
        Ok(Value::Str(text)) => Some(Cow::Borrowed(text)),
        Err(raw) => Some(walk::unescaped(raw)),
        Ok(_) => None,
    }
}

fn from_entries<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let mut fields = std::collections::BTreeMap::new();
    for entry in walk::items(array) {
        let (key, value) = match walk::value(entry) {
            Ok(Value::Object(object)) => (walk::field(object, "key"), walk::field(object, "value")),
            Ok(Value::Array(pair)) => (walk::items(pair).next(), walk::items(pair).nth(1)),
            _ => (None, None),
        };
        let Some(key) = key.and_then(string) else {
            return Err(Fail::argument("an item is neither { key, value } nor [key, value] with a string as key"));
        };
        fields.insert(key, value.unwrap_or("null"));
    }
    walk::object(call, fields.into_iter())
}

fn has<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Object(object), Value::Str(name)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(walk::field(object, name).is_some()).into())
}

fn at(array: &str, index: i64) -> Option<&str> {
    if index < 0 {
        let len = walk::items(array).count();
        // Before the first item there is nothing; `position` would stop there.
        if index.unsigned_abs() > len as u64 {
            return None;
        }
    }
    walk::items(array).nth(position(index, || walk::items(array).count()))
}

fn found_or<'a>(found: Option<&'a str>, other: Option<&Value<'a>>, call: &mut Call) -> Returned<'a> {
    match found {
        Some(found) if found != "null" => walk::returned(found, &mut call.text),
        _ => other.copied().unwrap_or(Value::Unit).into(),
    }
}

fn get<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let found = match args {
        [Value::Object(object), Value::Str(name), ..] => walk::field(object, name),
        [Value::Array(array), Value::Int(index), ..] => at(array, *index),
        [Value::Unit, ..] => None,
        [x, key, ..] => {
            let message =
                format!("{} has no {} keys; give a string for an object, an int for an array", x.kind(), key.kind());
            return Err(Fail::new(codes::TYPE, message));
        }
        _ => None,
    };
    Ok(found_or(found, args.get(2), call))
}

fn get_path<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let (mut found, path) = match args {
        [Value::Object(text) | Value::Array(text), Value::Str(path), ..] => (Some(*text), *path),
        _ => (None, ""),
    };
    for step in path.split('.') {
        found = match found.map(walk::value) {
            Some(Ok(Value::Object(object))) => walk::field(object, step),
            Some(Ok(Value::Array(array))) => step.parse().ok().and_then(|index| at(array, index)),
            _ => None,
        };
    }
    Ok(found_or(found, args.get(2), call))
}

fn merge<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let mut fields = std::collections::BTreeMap::new();
    for arg in args {
        if let Value::Object(object) = arg {
            fields.extend(walk::sorted(object));
        }
    }
    walk::object(call, fields.into_iter())
}

fn choose<'a>(args: &[Value<'a>], call: &mut Call, wanted: bool) -> Result<Returned<'a>> {
    let [Value::Object(object), Value::Array(names)] = args else { return Ok(Value::Unit.into()) };
    let names: Option<BTreeSet<Cow<'_, str>>> = walk::items(names).map(string).collect();
    let names = names.ok_or_else(|| Fail::new(codes::TYPE, "the names must all be strings"))?;
    walk::object(call, walk::sorted(object).into_iter().filter(|(name, _)| names.contains(name) == wanted))
}

fn without_nulls<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    match args {
        [Value::Object(object)] => {
            walk::object(call, walk::sorted(object).into_iter().filter(|(_, value)| *value != "null"))
        }
        [Value::Array(array)] => walk::array_of(call, walk::items(array).filter(|item| *item != "null")),
        _ => Ok(Value::Unit.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;

    const OBJECT: Value<'_> = Value::Object(r#"{ "b" : [1, 2], "\u0061": "x\n", "n": null, "b": [3,{"c":4}] }"#);

    #[test]
    fn fields_come_sorted_and_once() {
        gives("keys", &[OBJECT], r#"["a","b","n"]"#);
        gives("values", &[OBJECT], r#"["x\n",[3,{"c":4}],null]"#);
        gives("entries", &[Value::Object(r#"{"a":1}"#)], r#"[{"key":"a","value":1}]"#);
        gives("without_nulls", &[OBJECT], r#"{"a":"x\n","b":[3,{"c":4}]}"#);
        gives("only", &[OBJECT, Value::Array(r#"["\u0061","q"]"#)], r#"{"a":"x\n"}"#);
        gives("merge", &[OBJECT, Value::Object(r#"{"b":1,"c":2.50}"#)], r#"{"a":"x\n","b":1,"c":2.50,"n":null}"#);
        fails("only", &[OBJECT, Value::Array("[1]")], codes::TYPE);
        gives("from_entries", &[Value::Array(r#"[{"key":"k","value":1},["k",2],["j"]]"#)], r#"{"j":null,"k":2}"#);
        fails("from_entries", &[Value::Array("[[1,2]]")], codes::ARGUMENT);
    }

    #[test]
    fn what_is_not_there_is_null_or_the_other() {
        gives("get", &[OBJECT, Value::Str("a")], r#""x\n""#);
        gives("get", &[OBJECT, Value::Str("n"), Value::Int(7)], "7");
        gives("get", &[Value::Array("[1,2]"), Value::Int(-1)], "2");
        gives("get", &[Value::Array("[1,2]"), Value::Int(-3)], "null");
        gives("get", &[Value::Unit, Value::Str("a"), Value::Str("d")], r#""d""#);
        fails("get", &[OBJECT, Value::Int(1)], codes::TYPE);
        gives("get_path", &[OBJECT, Value::Str("b.1.c")], "4");
        gives("get_path", &[OBJECT, Value::Str("b.-1.c")], "4");
        gives("get_path", &[OBJECT, Value::Str("b.x.c"), Value::Bool(false)], "false");
        gives("get_path", &[OBJECT, Value::Str("a.b")], "null");
        gives("has", &[OBJECT, Value::Str("n")], "true");
    }
}
