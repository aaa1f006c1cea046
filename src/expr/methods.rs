//! What only interpreted Rhai can call: methods that take functions (`map`, `filter`, ...), that change an array or object in
//! place, and ranges.

use std::any::TypeId;
use std::cmp::Ordering;

use rhai::plugin::RhaiResult;
use rhai::{Array, Dynamic, FnPtr, Map, Module, NativeCallContext};

use super::codes;
use super::engine::{raw, typed};
use super::json;
use super::library::{self};
use super::ops::{self, Op};
use super::value::Fail;

/// Name, and the fewest and most arguments (the receiver included), for the check of expressions.
pub(crate) const METHODS: &[(&str, usize, usize)] = &[
    ("map", 2, 2),
    ("filter", 2, 2),
    ("reduce", 2, 3),
    ("some", 2, 2),
    ("all", 2, 2),
    ("find", 2, 2),
    ("find_map", 2, 2),
    ("index_of", 2, 2),
    ("for_each", 2, 2),
    ("sort_by", 2, 2),
    ("push", 2, 2),
    ("pop", 1, 1),
    ("shift", 1, 1),
    ("insert", 3, 3),
    ("remove", 2, 2),
    ("append", 2, 2),
    ("clear", 1, 1),
    ("set", 3, 3),
    ("call", 1, 8),
    ("curry", 1, 8),
    ("type_of", 1, 1),
    ("is_def_fn", 2, 2),
    ("is_def_var", 1, 1),
    ("Fn", 1, 1),
    ("to_string", 1, 1),
    ("..", 2, 2),
    ("..=", 2, 2),
    ("contains", 2, 2),
    ("!", 1, 1),
    ("-", 1, 1),
    ("+", 1, 1),
];

type Args<'a, 'b> = &'a mut [&'b mut Dynamic];

/// Registers all of them, but those that the function table has.
pub(crate) fn register(module: &mut Module) {
    let array = TypeId::of::<Array>();
    let map = TypeId::of::<Map>();
    let any = TypeId::of::<Dynamic>();
    let function = TypeId::of::<FnPtr>();
    typed(module, "map", &[array, function], |context, args| {
        each(context, args, |_, item, result, out: &mut Array| {
            out.push(result);
            let _ = item;
            Ok(true)
        })
    });
    typed(module, "filter", &[array, function], |context, args| {
        each(context, args, |_, item, result, out: &mut Array| {
            if truth(&result)? {
                out.push(item);
            }
            Ok(true)
        })
    });
    typed(module, "for_each", &[array, function], |context, args| {
        each(context, args, |_, _, _, _: &mut Nothing| Ok(true))
    });
    typed(module, "some", &[array, function], |context, args| {
        each(context, args, |_, _, result, found: &mut bool| {
            *found = truth(&result)?;
            Ok(!*found)
        })
    });
    typed(module, "all", &[array, function], |context, args| {
        let failed = each(context, args, |_, _, result, failed: &mut bool| {
            *failed = !truth(&result)?;
            Ok(!*failed)
        })?;
        Ok((!failed.as_bool().unwrap_or(false)).into())
    });
    typed(module, "find", &[array, function], |context, args| {
        each(context, args, |_, item, result, found: &mut Dynamic| {
            let here = truth(&result)?;
            if here {
                *found = item;
            }
            Ok(!here)
        })
    });
    typed(module, "find_map", &[array, function], |context, args| {
        each(context, args, |_, _, result, found: &mut Dynamic| {
            *found = result;
            Ok(found.is_unit())
        })
    });
    typed(module, "index_of", &[array, function], |context, args| {
        let found = each(context, args, |at, _, result, found: &mut Dynamic| {
            let here = truth(&result)?;
            if here {
                *found = (at as i64).into();
            }
            Ok(!here)
        })?;
        Ok(if found.is_unit() { (-1).into() } else { found })
    });
    typed(module, "reduce", &[array, function], |context, args| reduce(context, args, Dynamic::UNIT));
    typed(module, "reduce", &[array, function, any], |context, args| {
        let start = args.get(2).map_or(Dynamic::UNIT, |start| start.flatten_clone());
        reduce(context, args, start)
    });
    typed(module, "sort_by", &[array, function], sort_by);
    register_changes(module, array, map, any);
    register_ranges(module);
}

fn register_changes(module: &mut Module, array: TypeId, map: TypeId, any: TypeId) {
    let int = TypeId::of::<i64>();
    let text = TypeId::of::<rhai::ImmutableString>();
    typed(module, "push", &[array, any], |_, args| {
        let item = args[1].flatten_clone();
        on_array(args, |array| array.push(item)).map(Dynamic::from)
    });
    typed(module, "append", &[array, array], |_, args| {
        let items = args[1].flatten_clone().into_array().unwrap_or_default();
        on_array(args, |array| array.extend(items)).map(Dynamic::from)
    });
    typed(module, "pop", &[array], |_, args| on_array(args, |array| array.pop().unwrap_or(Dynamic::UNIT)));
    typed(module, "shift", &[array], |_, args| {
        on_array(args, |array| if array.is_empty() { Dynamic::UNIT } else { array.remove(0) })
    });
    typed(module, "insert", &[array, int, any], |_, args| {
        let (at, item) = (args[1].as_int().unwrap_or_default(), args[2].flatten_clone());
        on_array(args, |array| {
            let at = usize::try_from(at).unwrap_or(0).min(array.len());
            array.insert(at, item);
        })
        .map(Dynamic::from)
    });
    typed(module, "remove", &[array, int], |_, args| {
        let at = args[1].as_int().unwrap_or(-1);
        on_array(args, |array| match usize::try_from(at) {
            Ok(at) if at < array.len() => array.remove(at),
            _ => Dynamic::UNIT,
        })
    });
    typed(module, "clear", &[array], |_, args| on_array(args, |array| array.clear()).map(Dynamic::from));
    typed(module, "remove", &[map, text], |_, args| {
        let name = args[1].to_string();
        Ok(args[0].as_map_mut().ok().and_then(|mut map| map.remove(name.as_str())).unwrap_or(Dynamic::UNIT))
    });
    typed(module, "set", &[map, text, any], |_, args| {
        let (name, value) = (args[1].to_string(), args[2].flatten_clone());
        if let Ok(mut map) = args[0].as_map_mut() {
            map.insert(name.into(), value);
        }
        Ok(Dynamic::UNIT)
    });
}

fn register_ranges(module: &mut Module) {
    let exclusive = TypeId::of::<std::ops::Range<i64>>();
    let inclusive = TypeId::of::<std::ops::RangeInclusive<i64>>();
    let int = TypeId::of::<i64>();
    typed(module, "contains", &[exclusive, int], |_, args| {
        let at = args[1].as_int().unwrap_or_default();
        Ok(args[0].read_lock::<std::ops::Range<i64>>().is_some_and(|range| range.contains(&at)).into())
    });
    typed(module, "contains", &[inclusive, int], |_, args| {
        let at = args[1].as_int().unwrap_or_default();
        Ok(args[0].read_lock::<std::ops::RangeInclusive<i64>>().is_some_and(|range| range.contains(&at)).into())
    });
    if library::find("contains").is_none() {
        raw(module, "contains", 2, |_, args| Ok(contains(args[0], args[1])?));
    }
    module.set_iterator::<std::ops::Range<i64>>();
    module.set_iterator::<std::ops::RangeInclusive<i64>>();
    module.set_iterable::<Array>();
}

/// `item in whole`, where the function table has no `contains` of its own.
fn contains(whole: &Dynamic, item: &Dynamic) -> Result<Dynamic, Fail> {
    if let Ok(array) = whole.as_array_ref() {
        for have in array.iter() {
            if ops::equal(have, item)? {
                return Ok(true.into());
            }
        }
        return Ok(false.into());
    }
    if let (Ok(map), true) = (whole.as_map_ref(), item.is_string()) {
        return Ok(map.contains_key(item.to_string().as_str()).into());
    }
    if (whole.is_string() || whole.is_char()) && (item.is_string() || item.is_char()) {
        return Ok(whole.to_string().contains(&item.to_string()).into());
    }
    let (item, whole) = (ops::article(json::kind_name(item)), ops::article(json::kind_name(whole)));
    Err(Fail::new(codes::TYPE, format!("`in` cannot look for {item} in {whole}")))
}

/// The result of a `for_each`.
#[derive(Default)]
struct Nothing;

impl From<Nothing> for Dynamic {
    fn from(_: Nothing) -> Dynamic {
        Dynamic::UNIT
    }
}

/// Calls the function of `args` on each item, until `take` returns false.
fn each<T: Default + Into<Dynamic>>(
    context: &NativeCallContext,
    args: Args<'_, '_>,
    mut take: impl FnMut(usize, Dynamic, Dynamic, &mut T) -> Result<bool, Fail>,
) -> RhaiResult {
    let mut out = T::default();
    let [array, function, ..] = args else { return Ok(out.into()) };
    let function = function.flatten_clone().cast::<FnPtr>();
    for (at, item) in array.flatten_clone().into_array().unwrap_or_default().into_iter().enumerate() {
        let result = function.call_raw(context, None, [item.clone()])?;
        if !take(at, item, result, &mut out)? {
            break;
        }
    }
    Ok(out.into())
}

fn reduce(context: &NativeCallContext, args: Args<'_, '_>, start: Dynamic) -> RhaiResult {
    let [array, function, ..] = args else { return Ok(Dynamic::UNIT) };
    let function = function.flatten_clone().cast::<FnPtr>();
    let items = array.flatten_clone().into_array().unwrap_or_default();
    items.into_iter().try_fold(start, |sum, item| function.call_raw(context, None, [sum, item]))
}

/// A sorted copy; the function tells the order of two items by a negative, zero or positive int.
fn sort_by(context: &NativeCallContext, args: Args<'_, '_>) -> RhaiResult {
    let [array, function] = args else { return Ok(Dynamic::UNIT) };
    let function = function.flatten_clone().cast::<FnPtr>();
    let mut items = array.flatten_clone().into_array().unwrap_or_default();
    let mut failed = None;
    items.sort_by(|a, b| {
        if failed.is_some() {
            return Ordering::Equal;
        }
        match function.call_raw(context, None, [a.clone(), b.clone()]).map(|order| order.as_int()) {
            Ok(Ok(order)) => order.cmp(&0),
            Ok(Err(kind)) => {
                let message = format!("the function of `sort_by` gave {kind}, not an int below, at or above 0");
                failed = Some(Fail::new(codes::TYPE, message).into());
                Ordering::Equal
            }
            Err(error) => {
                failed = Some(error);
                Ordering::Equal
            }
        }
    });
    failed.map_or(Ok(items.into()), Err)
}

fn on_array<T: Into<Dynamic>>(args: Args<'_, '_>, change: impl FnOnce(&mut Array) -> T) -> RhaiResult
where
{
    match args.first_mut().map(|value| value.as_array_mut()) {
        Some(Ok(mut array)) => Ok(change(&mut array).into()),
        _ => Ok(Dynamic::UNIT),
    }
}

fn truth(value: &Dynamic) -> Result<bool, Fail> {
    value.as_bool().map_err(|_| {
        let kind = ops::article(json::kind_name(value));
        Fail::new(codes::NOT_BOOL, format!("the function must give true or false, not {kind}"))
    })
}

/// Whether a name and number of arguments is one of these, or an operator.
pub(crate) fn find(name: &str) -> Option<(usize, usize)> {
    if Op::of(name).is_some() {
        return Some((2, 2));
    }
    let mut same = METHODS.iter().filter(|(have, ..)| *have == name).map(|(_, least, most)| (*least, *most));
    let first = same.next()?;
    Some(same.fold(first, |(least, most), (l, m)| (least.min(l), most.max(m))))
}
