//! What strings, arrays and objects have in common.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

use crate::limits::EXPR_SEARCH_BYTES_MAX;

use super::shapes;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, codes, walk};

const COLLECTION: Types = Types::STRING.or(Types::ARRAY).or(Types::OBJECT);
const ORDERED: Types = Types::NUMBER.or(Types::STRING);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "len",
        &[Param::new("x", COLLECTION)],
        Types::INT,
        "Characters of a string, items of an array, fields of an object.",
        (r#"len("data")"#, "4"),
        Run::Scalar(len),
    ),
    Function::new(
        "is_empty",
        &[Param::new("x", COLLECTION)],
        Types::BOOL,
        "Whether there is nothing in the string, array or object.",
        (r#"is_empty("")"#, "true"),
        Run::Scalar(is_empty),
    ),
    Function::new(
        "contains",
        &[Param::new("x", COLLECTION), Param::new("item", Types::ANY)],
        Types::BOOL,
        "Whether the string has this part, the array this item, the object a field of this name.",
        (r#"contains(["a", "b"], "b")"#, "true"),
        Run::Scalar(contains),
    ),
    Function::new(
        "contains_any",
        &[Param::new("x", COLLECTION), Param::new("items", Types::ARRAY)],
        Types::BOOL,
        "Whether `contains` holds for at least one of the items.",
        (r#"contains_any("free money now", ["win", "free"])"#, "true"),
        Run::Scalar(contains_any),
    ),
    Function::new(
        "contains_all",
        &[Param::new("x", COLLECTION), Param::new("items", Types::ARRAY)],
        Types::BOOL,
        "Whether `contains` holds for every one of the items.",
        ("contains_all([1, 2, 3], [3, 4])", "false"),
        Run::Scalar(contains_all),
    ),
    Function::new(
        "index_of",
        &[
            Param::new("x", Types::STRING.or(Types::ARRAY)),
            Param::new("item", Types::ANY),
            Param::optional("start", Types::INT),
        ],
        Types::INT,
        "The first position of a part in a string or an item in an array, looked for from `start` on (a negative one counts from \
         the end); -1 where it is not.",
        (r#"index_of("banana", "an", 2)"#, "3"),
        Run::Scalar(index_of),
    ),
    Function::new(
        "reverse",
        &[Param::new("x", Types::STRING.or(Types::ARRAY))],
        Types::STRING.or(Types::ARRAY),
        "The characters or items from the last to the first.",
        ("reverse([1, 2, 3])", "[3, 2, 1]"),
        Run::Scalar(reverse),
    ).shaped(shapes::same),
    Function::new(
        "min",
        &EXTREME_PARAMS,
        Types::ANY,
        "The least of the arguments, which are all numbers or all strings; or of the items of one array, where nulls are left out and \
         nothing gives null. A float among ints makes the result a float.",
        ("min(3, 1, 2)", "1"),
        Run::Scalar(|args, call| extreme(args, call, Ordering::Less)),
    ).shaped(shapes::extreme),
    Function::new(
        "max",
        &EXTREME_PARAMS,
        Types::ANY,
        "The greatest of the arguments, or of the items of one array, as `min` has it.",
        ("max([2, 2.5])", "2.5"),
        Run::Scalar(|args, call| extreme(args, call, Ordering::Greater)),
    ).shaped(shapes::extreme),
];

const EXTREME_PARAMS: [Param; 6] = [
    Param::new("a", ORDERED.or(Types::ARRAY)),
    Param::optional("b", ORDERED),
    Param::optional("c", ORDERED),
    Param::optional("d", ORDERED),
    Param::optional("e", ORDERED),
    Param::optional("f", ORDERED),
];

type Result<T> = std::result::Result<T, Fail>;

/// Whether the text of an array or object has nothing in it.
pub(super) fn is_empty_json(text: &str) -> bool {
    text.len() <= 2 || walk::items(text).next().is_none()
}

fn len<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let len = match args {
        [Value::Str(text)] if text.is_ascii() => text.len(),
        [Value::Str(text)] => text.chars().count(),
        [Value::Array(text)] => walk::items(text).count(),
        [Value::Object(text)] => walk::sorted(text).len(),
        _ => 0,
    };
    Ok(Value::Int(len as i64).into())
}

fn is_empty<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let empty = match args {
        [Value::Str(text)] => text.is_empty(),
        [Value::Array(text) | Value::Object(text)] => is_empty_json(text),
        _ => true,
    };
    Ok(Value::Bool(empty).into())
}

/// The name of a field or a part of a text must be a text.
#[cold]
fn no_text(of: &str, got: &Value<'_>) -> Fail {
    Fail::new(codes::TYPE, format!("`item` must be a string to be looked for in {of}, it is {}", got.kind()))
}

fn holds(x: &Value<'_>, item: &Value<'_>) -> Result<bool> {
    match (x, item) {
        (Value::Str(text), Value::Str(part)) => Ok(text.contains(part)),
        (Value::Array(text), item) => Ok(walk::items(text).any(|have| walk::equals(have, item))),
        (Value::Object(text), Value::Str(name)) => Ok(walk::field(text, name).is_some()),
        (Value::Str(_), item) => Err(no_text("a string", item)),
        (_, item) => Err(no_text("an object", item)),
    }
}

/// Which of the items are contained. The work stays linear in both, but for texts, where it is bounded.
fn held(x: &Value<'_>, items: &str) -> Result<Vec<bool>> {
    let known: HashSet<String> = match x {
        Value::Array(text) => walk::items(text).map(walk::identity).collect(),
        Value::Object(text) => walk::sorted(text).keys().map(|name| name.to_string()).collect(),
        _ => HashSet::new(),
    };
    if let Value::Str(text) = x {
        let work = text.len().saturating_mul(walk::items(items).count());
        if work > EXPR_SEARCH_BYTES_MAX {
            let message = format!("{work} bytes would have to be looked at, over the limit of {EXPR_SEARCH_BYTES_MAX}");
            return Err(Fail::new(codes::LIMIT, message));
        }
    }
    let holds = |item| match (x, walk::value(item)) {
        (Value::Array(_), _) => Ok(known.contains(&walk::identity(item))),
        (Value::Object(_), Ok(Value::Str(name))) => Ok(known.contains(name)),
        (Value::Object(_), Err(raw)) => Ok(known.contains(&*walk::unescaped(raw))),
        (x, Ok(item)) => holds(x, &item),
        (x, Err(raw)) => holds(x, &Value::Str(&walk::unescaped(raw))),
    };
    walk::items(items).map(holds).collect()
}

fn contains<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [x, item] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(holds(x, item)?).into())
}

fn contains_any<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [x, Value::Array(items)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(held(x, items)?.contains(&true)).into())
}

fn contains_all<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [x, Value::Array(items)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(!held(x, items)?.contains(&false)).into())
}

fn index_of<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let start = match args.get(2) {
        Some(Value::Int(start)) => *start,
        _ => 0,
    };
    let index = match args {
        [Value::Str(text), Value::Str(part), ..] => index_in_text(text, part, start),
        [Value::Array(text), item, ..] => {
            let start = position(start, || walk::items(text).count());
            walk::items(text).enumerate().skip(start).find(|(_, have)| walk::equals(have, item)).map(|(index, _)| index)
        }
        [Value::Str(_), item, ..] => return Err(no_text("a string", item)),
        _ => None,
    };
    Ok(Value::Int(index.map_or(-1, |index| index as i64)).into())
}

/// A start as a position: a negative one counts from the end.
pub(super) fn position(start: i64, len: impl FnOnce() -> usize) -> usize {
    let distance = usize::try_from(start.unsigned_abs()).unwrap_or(usize::MAX);
    if start >= 0 { distance } else { len().saturating_sub(distance) }
}

fn index_in_text(text: &str, part: &str, start: i64) -> Option<usize> {
    let rest = super::strings::chars_from(text, start, i64::MAX);
    if rest.is_empty() {
        return None;
    }
    let before = text.len() - rest.len();
    let at = before + rest.find(part)?;
    Some(text[..at].chars().count())
}

fn reverse<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    match args {
        [Value::Str(text)] => {
            call.text.extend(text.chars().rev());
            Ok(Returned::Text)
        }
        [Value::Array(text)] => {
            let items: Vec<&str> = walk::items(text).collect();
            walk::array_of(call, items.into_iter().rev())
        }
        _ => Ok(Value::Unit.into()),
    }
}

fn extreme<'a>(args: &[Value<'a>], call: &mut Call, wanted: Ordering) -> Result<Returned<'a>> {
    let keys: Vec<Key<'a>> = match args {
        [Value::Array(array)] => Key::all(array)?,
        args => args.iter().map(|arg| Key::of(*arg)).collect::<Result<_>>()?,
    };
    let floats = keys.iter().any(|key| matches!(key, Key::Float(_)));
    let mut best: Option<Key<'a>> = None;
    for key in keys {
        best = Some(match best.take() {
            None => key,
            Some(best) if key.order(&best)? == wanted => key,
            Some(best) => best,
        });
    }
    Ok(match best {
        None => Value::Unit.into(),
        Some(Key::Int(x)) if floats => Value::Float(x as f64).into(),
        Some(Key::Int(x)) => Value::Int(x).into(),
        Some(Key::Float(x)) => Value::Float(x).into(),
        Some(Key::Bool(x)) => Value::Bool(x).into(),
        Some(Key::Text(Cow::Borrowed(text))) => Value::Str(text).into(),
        Some(Key::Text(Cow::Owned(text))) => {
            call.text.push_str(&text);
            Returned::Text
        }
    })
}

/// A value that has an order among its kind.
#[derive(Debug)]
pub(super) enum Key<'a> {
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Bool(bool),
}

impl<'a> Key<'a> {
    fn of(value: Value<'a>) -> Result<Key<'a>> {
        match value {
            Value::Int(x) => Ok(Key::Int(x)),
            Value::Float(x) if x.is_nan() => Err(Fail::new(codes::COMPARE, "NaN cannot be compared")),
            Value::Float(x) => Ok(Key::Float(x)),
            Value::Str(text) => Ok(Key::Text(Cow::Borrowed(text))),
            Value::Bool(x) => Ok(Key::Bool(x)),
            other => Err(Fail::new(codes::COMPARE, format!("a value that is {} has no order", other.kind()))),
        }
    }

    /// Those of the items of an array that are not null.
    pub(super) fn all(array: &'a str) -> Result<Vec<Key<'a>>> {
        let items = walk::items(array).filter_map(|item| match walk::value(item) {
            Ok(Value::Unit) => None,
            Ok(value) => Some(Key::of(value)),
            Err(raw) => Some(Ok(Key::Text(walk::unescaped(raw)))),
        });
        items.collect()
    }

    fn kind(&self) -> Types {
        match self {
            Key::Int(_) => Types::INT,
            Key::Float(_) => Types::FLOAT,
            Key::Text(_) => Types::STRING,
            Key::Bool(_) => Types::BOOL,
        }
    }

    pub(super) fn order(&self, other: &Key<'_>) -> Result<Ordering> {
        let order = match (self, other) {
            (Key::Int(a), Key::Int(b)) => Some(a.cmp(b)),
            (Key::Text(a), Key::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (Key::Bool(a), Key::Bool(b)) => Some(a.cmp(b)),
            (Key::Float(a), Key::Float(b)) => a.partial_cmp(b),
            (Key::Int(a), Key::Float(b)) => (*a as f64).partial_cmp(b),
            (Key::Float(a), Key::Int(b)) => a.partial_cmp(&(*b as f64)),
            _ => None,
        };
        order.ok_or_else(|| {
            Fail::new(codes::COMPARE, format!("{} and {} cannot be compared", self.kind(), other.kind()))
        })
    }

    /// Writes the value as JSON.
    pub(super) fn push(&self, out: &mut String) -> Result<()> {
        let value = match self {
            Key::Int(x) => Value::Int(*x),
            Key::Float(x) => Value::Float(*x),
            Key::Text(text) => Value::Str(text),
            Key::Bool(x) => Value::Bool(*x),
        };
        walk::push_value(out, &value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;

    const ARRAY: Value<'_> = Value::Array(r#"[1, "a\nb", {"x": [1.0]}, null]"#);

    #[test]
    fn things_are_found_by_value() {
        gives("len", &[Value::Object(r#"{"a":1, "b":2,"a":3}"#)], "2");
        gives("len", &[Value::Str("hé")], "2");
        gives("len", &[ARRAY], "4");
        gives("contains", &[ARRAY, Value::Str("a\nb")], "true");
        gives("contains", &[ARRAY, Value::Float(1.0)], "true");
        gives("contains", &[ARRAY, Value::Unit], "true");
        gives("contains", &[ARRAY, Value::Object(r#"{"x":[1]}"#)], "true");
        gives("contains", &[Value::Object(r#"{"\u0061":1}"#), Value::Str("a")], "true");
        gives("contains", &[Value::Str("abc"), Value::Str("")], "true");
        fails("contains", &[Value::Str("abc"), Value::Int(1)], codes::TYPE);
        gives("index_of", &[ARRAY, Value::Unit, Value::Int(-2)], "3");
        gives("index_of", &[Value::Str("héhé"), Value::Str("h"), Value::Int(1)], "2");
        gives("index_of", &[Value::Str("abc"), Value::Str("a"), Value::Int(9)], "-1");
        gives("is_empty", &[Value::Array("[ ]")], "true");
        gives("contains_any", &[ARRAY, Value::Array("[]")], "false");
        gives("contains_any", &[ARRAY, Value::Array("[7, 1.0]")], "true");
        gives("contains_all", &[Value::Object(r#"{"a":1}"#), Value::Array(r#"["\u0061"]"#)], "true");
        fails("contains_any", &[Value::Object("{}"), Value::Array("[1]")], codes::TYPE);
        let (text, items) = ("a".repeat(1 << 20), format!("[{}0]", "0,".repeat(2000)));
        fails("contains_any", &[Value::Str(&text), Value::Array(&items)], codes::LIMIT);
        gives("contains_all", &[Value::Str("ab\n"), Value::Array(r#"["a","\n"]"#)], "true");
    }

    #[test]
    fn extremes_are_of_one_kind() {
        gives("max", &[Value::Int(1), Value::Float(0.5)], "1.0");
        gives("min", &[Value::Str("b"), Value::Str("a")], r#""a""#);
        gives("max", &[Value::Array(r#"["a", "b\n", null]"#)], r#""b\n""#);
        gives("max", &[Value::Array("[null]")], "null");
        fails("max", &[Value::Int(1), Value::Str("a")], codes::COMPARE);
        fails("max", &[Value::Array(r#"[1, {}]"#)], codes::COMPARE);
        fails("min", &[Value::Array("[1]"), Value::Int(1)], codes::COMPARE);
    }
}
