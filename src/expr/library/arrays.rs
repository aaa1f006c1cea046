//! Arrays. Every function gives a new array and changes none; the items of an array are copied as they are written.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::collections::{Key, position};
use super::shapes;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, codes, walk};

const ARRAY: Param = Param::new("array", Types::ARRAY);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "first",
        &[ARRAY],
        Types::ANY,
        "The first item, or null.",
        ("first([1, 2, 3])", "1"),
        Run::Scalar(|args, call| item(args, call, |array| walk::items(array).next())),
    )
    .shaped(shapes::item),
    Function::new(
        "last",
        &[ARRAY],
        Types::ANY,
        "The last item, or null.",
        ("last([1, 2, 3])", "3"),
        Run::Scalar(|args, call| item(args, call, |array| walk::items(array).last())),
    )
    .shaped(shapes::item),
    Function::new(
        "sum",
        &[ARRAY],
        Types::NUMBER,
        "The sum of the items, which are numbers or null; 0 of none. Ints are added exactly, a float makes it a float.",
        ("sum([1, 2, 3])", "6"),
        Run::Scalar(sum),
    ),
    Function::new(
        "avg",
        &[ARRAY],
        Types::FLOAT.or(Types::UNIT),
        "The mean of the items, which are numbers or null (left out); null of none.",
        ("avg([1, 2])", "1.5"),
        Run::Scalar(avg),
    ),
    Function::new(
        "sort",
        &[ARRAY],
        Types::ARRAY,
        "The items in rising order; all are numbers, all strings or all bools. Nulls are left out.",
        (r#"sort([3, 1, 2])"#, "[1, 2, 3]"),
        Run::Scalar(|args, call| sort(args, call, false)),
    )
    .shaped(shapes::sorted),
    Function::new(
        "sort_desc",
        &[ARRAY],
        Types::ARRAY,
        "The items in falling order, as `sort` has it.",
        (r#"sort_desc(["a", "c", "b"])"#, r#"["c", "b", "a"]"#),
        Run::Scalar(|args, call| sort(args, call, true)),
    )
    .shaped(shapes::sorted),
    Function::new(
        "distinct",
        &[ARRAY],
        Types::ARRAY,
        "The items without those that came before.",
        (r#"distinct(["a", "b", "a"])"#, r#"["a", "b"]"#),
        Run::Scalar(distinct),
    )
    .shaped(shapes::some),
    Function::new(
        "dedup",
        &[ARRAY],
        Types::ARRAY,
        "The items without those that equal the one just before.",
        ("dedup([1, 1, 2, 1])", "[1, 2, 1]"),
        Run::Scalar(dedup),
    )
    .shaped(shapes::some),
    Function::new(
        "slice",
        &[ARRAY, Param::new("start", Types::INT), Param::optional("len", Types::INT)],
        Types::ARRAY,
        "The items from a position (0 is the first, a negative one counts from the end), to the end or `len` of them.",
        ("slice([1, 2, 3, 4], 1, 2)", "[2, 3]"),
        Run::Scalar(slice),
    )
    .shaped(shapes::some),
    Function::new(
        "flatten",
        &[ARRAY],
        Types::ARRAY,
        "The items, with arrays among them replaced by their items; one level of nesting goes.",
        ("flatten([[1, 2], 3, [[4]]])", "[1, 2, 3, [4]]"),
        Run::Scalar(flatten),
    ),
    Function::new(
        "zip",
        &[Param::new("a", Types::ARRAY), Param::new("b", Types::ARRAY)],
        Types::ARRAY,
        "Pairs of the first items, the second ones and so on, as many as the shorter array has.",
        (r#"zip(["a", "b"], [1, 2])"#, r#"[["a", 1], ["b", 2]]"#),
        Run::Scalar(zip),
    ),
    Function::new(
        "intersection",
        &[Param::new("a", Types::ARRAY), Param::new("b", Types::ARRAY)],
        Types::ARRAY,
        "The items of `a` that are in `b` as well.",
        ("intersection([1, 2, 3], [3, 2])", "[2, 3]"),
        Run::Scalar(|args, call| select(args, call, true)),
    )
    .shaped(shapes::some),
    Function::new(
        "difference",
        &[Param::new("a", Types::ARRAY), Param::new("b", Types::ARRAY)],
        Types::ARRAY,
        "The items of `a` that are not in `b`.",
        ("difference([1, 2, 3], [3, 2])", "[1]"),
        Run::Scalar(|args, call| select(args, call, false)),
    )
    .shaped(shapes::some),
    Function::new(
        "join",
        &[ARRAY, Param::optional("separator", Types::STRING)],
        Types::STRING,
        "The items, which are strings, numbers or bools, as one text with the separator between them; null is an empty text.",
        (r#"join(["a", 1, true], "-")"#, r#""a-1-true""#),
        Run::Scalar(join),
    ),
];

type Result<T> = std::result::Result<T, Fail>;

fn item<'a>(args: &[Value<'a>], call: &mut Call, of: for<'t> fn(&'t str) -> Option<&'t str>) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    Ok(of(array).map_or(Value::Unit.into(), |item| walk::returned(item, &mut call.text)))
}

/// The numbers of an array added up: exactly where all are ints.
struct Total {
    ints: i128,
    floats: f64,
    has_floats: bool,
    count: usize,
}

fn total(array: &str) -> Result<Total> {
    let mut total = Total { ints: 0, floats: 0.0, has_floats: false, count: 0 };
    for item in walk::items(array) {
        match walk::value(item) {
            Ok(Value::Unit) => continue,
            Ok(Value::Int(x)) => total.ints += i128::from(x),
            Ok(Value::Float(x)) => {
                total.floats += x;
                total.has_floats = true;
            }
            other => {
                let kind = other.map_or(Types::STRING, |value| value.kind());
                return Err(Fail::new(codes::TYPE, format!("the items must be int or float, one is {kind}")));
            }
        }
        total.count += 1;
    }
    Ok(total)
}

fn sum<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let total = total(array)?;
    if total.has_floats {
        return Ok(Value::Float(total.ints as f64 + total.floats).into());
    }
    let sum = i64::try_from(total.ints).map_err(|_| Fail::arithmetic("the sum does not fit 64 bits"))?;
    Ok(Value::Int(sum).into())
}

fn avg<'a>(args: &[Value<'a>], _: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let total = total(array)?;
    if total.count == 0 {
        return Ok(Value::Unit.into());
    }
    Ok(Value::Float((total.ints as f64 + total.floats) / total.count as f64).into())
}

fn sort<'a>(args: &[Value<'a>], call: &mut Call, falling: bool) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let mut keys = Key::all(array)?;
    // Whatever can be compared with the first can be compared with all of them, so sorting itself cannot fail.
    if let Some((first, rest)) = keys.split_first() {
        for key in rest {
            key.order(first)?;
        }
    }
    let order = |a: &Key<'_>, b: &Key<'_>| a.order(b).unwrap_or(Ordering::Equal);
    keys.sort_by(|a, b| if falling { order(b, a) } else { order(a, b) });
    walk::array(call, keys.iter(), |out, key| key.push(out))
}

fn distinct<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let mut seen = HashSet::new();
    walk::array_of(call, walk::items(array).filter(|item| seen.insert(walk::identity(item))))
}

fn dedup<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let mut before = None;
    let differs = |item: &&str| {
        let identity = Some(walk::identity(item));
        std::mem::replace(&mut before, identity.clone()) != identity
    };
    walk::array_of(call, walk::items(array).filter(differs))
}

fn slice<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let (array, start, len) = match args {
        [Value::Array(array), Value::Int(start)] => (*array, *start, i64::MAX),
        [Value::Array(array), Value::Int(start), Value::Int(len)] => (*array, *start, *len),
        _ => return Ok(Value::Unit.into()),
    };
    let skipped = position(start, || walk::items(array).count());
    let taken = usize::try_from(len.max(0)).unwrap_or(usize::MAX);
    walk::array_of(call, walk::items(array).skip(skipped).take(taken))
}

fn flatten<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(array)] = args else { return Ok(Value::Unit.into()) };
    let nested = walk::items(array).flat_map(|item| {
        let inner = item.starts_with('[').then(|| walk::items(item));
        let itself = inner.is_none().then_some(item);
        inner.into_iter().flatten().chain(itself)
    });
    walk::array_of(call, nested)
}

fn zip<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Array(a), Value::Array(b)] = args else { return Ok(Value::Unit.into()) };
    walk::array(call, walk::items(a).zip(walk::items(b)), |out, (a, b)| {
        for part in ["[", a, ",", b, "]"] {
            out.push_str(part);
        }
        Ok(())
    })
}

fn select<'a>(args: &[Value<'a>], call: &mut Call, wanted: bool) -> Result<Returned<'a>> {
    let [Value::Array(a), Value::Array(b)] = args else { return Ok(Value::Unit.into()) };
    let others: HashSet<String> = walk::items(b).map(walk::identity).collect();
    walk::array_of(call, walk::items(a).filter(|item| others.contains(&walk::identity(item)) == wanted))
}

fn join<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let (array, separator) = match args {
        [Value::Array(array)] => (*array, ""),
        [Value::Array(array), Value::Str(separator)] => (*array, *separator),
        _ => return Ok(Value::Unit.into()),
    };
    for (index, item) in walk::items(array).enumerate() {
        if index > 0 {
            call.text.push_str(separator);
        }
        match walk::value(item) {
            Err(raw) => call.text.push_str(&walk::unescaped(raw)),
            Ok(Value::Str(text) | Value::Big(text)) => call.text.push_str(text),
            Ok(Value::Unit) => {}
            Ok(value @ (Value::Array(_) | Value::Object(_))) => {
                let message = format!("the items must be strings, numbers or bools, one is {}", value.kind());
                return Err(Fail::new(codes::TYPE, message));
            }
            Ok(value) => walk::push_value(&mut call.text, &value)?,
        }
        call.room(call.text.len())?;
    }
    Ok(Returned::Text)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;

    #[test]
    fn numbers_are_added_exactly() {
        gives("sum", &[Value::Array("[]")], "0");
        gives("sum", &[Value::Array("[9223372036854775807, 1, -1, null]")], "9223372036854775807");
        gives("sum", &[Value::Array("[1, 0.5]")], "1.5");
        gives("avg", &[Value::Array("[null]")], "null");
        fails("sum", &[Value::Array("[9223372036854775807, 1]")], codes::ARITHMETIC);
        fails("sum", &[Value::Array(r#"[1, "2"]"#)], codes::TYPE);
        fails("avg", &[Value::Array(r#"["\n"]"#)], codes::TYPE);
    }

    #[test]
    fn items_are_sorted_by_value() {
        gives("sort", &[Value::Array("[2.5, 1, null, -3]")], "[-3,1,2.5]");
        gives("sort_desc", &[Value::Array(r#"["b", "a\n", "a"]"#)], r#"["b","a\n","a"]"#);
        gives("sort", &[Value::Array("[true, false]")], "[false,true]");
        fails("sort", &[Value::Array(r#"[1, "a"]"#)], codes::COMPARE);
        fails("sort", &[Value::Array("[[1]]")], codes::COMPARE);
    }

    #[test]
    fn items_are_told_apart_by_value() {
        let array = Value::Array(r#"[1, 1.0, "a", "\u0061", {"x":1,"y":2}, {"y":2, "x":1.0}, null]"#);
        gives("distinct", &[array], r#"[1,"a",{"x":1,"y":2},null]"#);
        gives("dedup", &[array], r#"[1,"a",{"x":1,"y":2},null]"#);
        gives("difference", &[array, Value::Array(r#"[1, null, "a"]"#)], r#"[{"x":1,"y":2},{"y":2, "x":1.0}]"#);
        gives("intersection", &[Value::Array("[1,2]"), Value::Array("[]")], "[]");
    }

    #[test]
    fn parts_are_copied_as_written() {
        gives("slice", &[Value::Array("[1, 2.50, [ 3 ]]"), Value::Int(-2)], "[2.50,[ 3 ]]");
        gives("slice", &[Value::Array("[1]"), Value::Int(5), Value::Int(-1)], "[]");
        gives("flatten", &[Value::Array(r#"[[], [1, [2]], "[x]", {"a":[1]}]"#)], r#"[1,[2],"[x]",{"a":[1]}]"#);
        gives("zip", &[Value::Array("[1,2]"), Value::Array("[3]")], "[[1,3]]");
        gives("first", &[Value::Array(r#"["\n", 2]"#)], r#""\n""#);
        gives("last", &[Value::Array("[]")], "null");
        gives("join", &[Value::Array(r#"["\t", null, 1.5]"#), Value::Str(",")], r#""\t,,1.5""#);
        fails("join", &[Value::Array("[[]]")], codes::TYPE);
    }
}
