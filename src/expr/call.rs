//! Calls of the function table: the check of arguments that both engines share, and the call from Rhai.

use rhai::Dynamic;
use smallvec::SmallVec;

use super::codes;
use super::json::{self, Big};
use super::library::{Function, Run};
use super::ops;
use super::value::{Call, Fail, Limits, Returned, Types, Value};

/// Refuses arguments of kinds that the function does not take.
pub(crate) fn check_kinds(function: &Function, kinds: impl Iterator<Item = Types>) -> Result<(), Fail> {
    for (param, kind) in function.params.iter().zip(kinds) {
        if !param.types.has(kind) {
            return Err(refuse(function, param.name, param.types, kind));
        }
    }
    Ok(())
}

#[cold]
pub(crate) fn refuse(function: &Function, param: &str, types: Types, kind: Types) -> Fail {
    let code = if kind == Types::BIG { codes::BIG_NUMBER } else { codes::TYPE };
    let kind = ops::article(&kind.to_string());
    Fail::new(code, format!("`{}` takes {} as `{param}`, not {kind}", function.name, ops::article(&types.to_string())))
}

/// Refuses a result that is larger than the limits allow.
pub(crate) fn check_size(function: &Function, returned: Returned<'_>, call: &Call) -> Result<(), Fail> {
    let fits = match returned {
        Returned::Text => call.room(call.text.len()),
        Returned::Json => check_text_sizes(&call.text, &call.limits),
        Returned::Value(_) => Ok(()),
    };
    fits.map_err(|fail| Fail::new(fail.code, format!("`{}`: {}", function.name, fail.message)))
}

/// Refuses a value with more in it than the limits allow, counted as Rhai counts.
pub(crate) fn check_sizes(value: &Dynamic, limits: &Limits) -> Result<(), Fail> {
    let (mut items, mut fields, mut bytes) = (0, 0, 0);
    count(value, &mut items, &mut fields, &mut bytes);
    for (what, have, most, key) in [
        ("array", items, limits.array, "array"),
        ("object", fields, limits.map, "map"),
        ("string", bytes, limits.string, "string"),
    ] {
        if have > most {
            let message = format!("an {what} of {have} is over the limit of {most} (`limits.{key}`)");
            return Err(Fail::new(codes::LIMIT, message.replace("an string", "a string")));
        }
    }
    Ok(())
}

fn count(value: &Dynamic, items: &mut usize, fields: &mut usize, bytes: &mut usize) {
    if let Ok(array) = value.as_array_ref() {
        *items += array.len();
        array.iter().for_each(|item| count(item, items, fields, bytes));
    } else if let Ok(map) = value.as_map_ref() {
        *fields += map.len();
        map.values().for_each(|field| count(field, items, fields, bytes));
    } else if let Ok(text) = value.as_immutable_string_ref() {
        *bytes += text.len();
    }
}

/// The same of JSON text; a text so short that it cannot hold that much is not looked at.
pub(crate) fn check_text_sizes(text: &str, limits: &Limits) -> Result<(), Fail> {
    let least = limits.string.min(limits.array.saturating_mul(2)).min(limits.map.saturating_mul(5));
    if text.len() <= least { Ok(()) } else { check_sizes(&json::parse(text), limits) }
}

/// The kind of a Rhai value; `None` for functions and ranges.
pub(crate) fn kind(value: &Dynamic) -> Option<Types> {
    Some(if value.is_unit() {
        Types::UNIT
    } else if value.is_int() {
        Types::INT
    } else if value.is_float() {
        Types::FLOAT
    } else if value.is_bool() {
        Types::BOOL
    } else if value.is_string() || value.is_char() {
        Types::STRING
    } else if value.is_array() {
        Types::ARRAY
    } else if value.is_map() {
        Types::OBJECT
    } else if value.is::<Big>() {
        Types::BIG
    } else {
        return None;
    })
}

/// Calls a function of the table with Rhai values.
pub(crate) fn run_dynamic(function: &Function, args: &mut [&mut Dynamic], call: &mut Call) -> Result<Dynamic, Fail> {
    let kinds: SmallVec<[Types; 4]> = args.iter().map_while(|value| kind(value)).collect();
    if let Some(value) = args.get(kinds.len()) {
        let message = format!("`{}` does not take {}", function.name, ops::article(json::kind_name(value)));
        return Err(Fail::new(codes::TYPE, message));
    }
    check_kinds(function, kinds.into_iter())?;
    match function.run {
        Run::Dynamic(run) => {
            let mut owned: SmallVec<[Dynamic; 4]> = args.iter().map(|value| plain(value)).collect();
            run(&mut owned, call).map_err(|fail| function.named(fail))
        }
        Run::Scalar(run) => {
            let held = args.iter().map(|value| Held::new(value)).collect::<Result<SmallVec<[Held; 4]>, Fail>>()?;
            let values: SmallVec<[Value<'_>; 4]> = held.iter().map(Held::value).collect();
            call.text.clear();
            let returned = run(&values, call).map_err(|fail| function.named(fail))?;
            check_size(function, returned, call)?;
            Ok(ops::to_dynamic(returned, &call.text))
        }
    }
}

/// A copy that functions can match on: a character is a string of one.
fn plain(value: &Dynamic) -> Dynamic {
    match value.as_char() {
        Ok(char) => char.to_string().into(),
        Err(_) => value.flatten_clone(),
    }
}

/// An argument whose text lives as long as the call.
enum Held {
    Scalar(Value<'static>),
    Text(Types, String),
    Str(rhai::ImmutableString),
}

impl Held {
    fn new(value: &Dynamic) -> Result<Held, Fail> {
        let value = &value.flatten_clone();
        if let Ok(text) = value.as_immutable_string_ref() {
            return Ok(Held::Str(text.clone()));
        }
        Ok(match kind(value) {
            Some(kind @ (Types::ARRAY | Types::OBJECT)) => {
                let mut text = String::new();
                json::write(value, &mut text)?;
                Held::Text(kind, text)
            }
            Some(Types::STRING) => Held::Str(value.to_string().into()),
            Some(Types::BIG) => {
                Held::Text(Types::BIG, value.read_lock::<Big>().map_or(String::new(), |big| big.0.to_string()))
            }
            Some(Types::INT) => Held::Scalar(Value::Int(value.as_int().unwrap_or_default())),
            Some(Types::FLOAT) => Held::Scalar(Value::Float(value.as_float().unwrap_or_default())),
            Some(Types::BOOL) => Held::Scalar(Value::Bool(value.as_bool().unwrap_or_default())),
            _ => Held::Scalar(Value::Unit),
        })
    }

    fn value(&self) -> Value<'_> {
        match self {
            Held::Scalar(value) => *value,
            Held::Str(text) => Value::Str(text),
            Held::Text(Types::ARRAY, text) => Value::Array(text),
            Held::Text(Types::OBJECT, text) => Value::Object(text),
            Held::Text(_, text) => Value::Big(text),
        }
    }
}
