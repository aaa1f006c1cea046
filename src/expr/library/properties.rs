//! What must hold of every function for any arguments: it ends in a value or a failure, what it makes is valid JSON, and
//! neither the layout of an argument's text nor what was called before changes the result. (The compiled program hands over
//! JSON as an event wrote it, interpreted Rhai as it writes it itself; so this is what makes the two agree.)

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::expr::testing::results;
use crate::expr::{Context, Want};

/// A value, and how its text is laid out.
#[derive(Clone, Debug)]
enum Any {
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Big,
    Str(String),
    Array(Vec<Any>),
    Object(Vec<(String, Any)>),
}

const BIG: &str = "123456789012345678901234567890";

/// Texts that mean something to some function, so that more than the first check is reached.
const TEXTS: [&str; 22] = [
    "",
    "a",
    "b",
    "a,b,,c",
    " two words\n",
    "2026-03-04T12:00:00.5+01:00",
    "04.03.2026",
    "%d.%m.%Y",
    "1h30m",
    "week",
    "-17",
    "2.50",
    "(a)(?<n>b)?",
    "[a-z]+",
    "$1-${n}$$",
    "a.0.b",
    "0",
    "{\"a\": [1, {\"b\": null}]}",
    "aGk=",
    "%41é",
    "dns",
    "\u{1f600}\"\\\u{0}\t",
];

fn any() -> impl Strategy<Value = Any> {
    let text = prop_oneof![4 => proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned), 1 => "\\PC{0,12}"];
    let int = prop_oneof![4 => -3..20_i64, 1 => proptest::sample::select(&[i64::MIN, i64::MAX, 1_772_625_600_000][..])];
    let float = prop_oneof![-5.0..5.0_f64, Just(2.0), Just(1e300), Just(-0.0)];
    let leaf = prop_oneof![
        1 => Just(Any::Unit),
        1 => proptest::bool::ANY.prop_map(Any::Bool),
        3 => int.prop_map(Any::Int),
        2 => float.prop_map(Any::Float),
        1 => Just(Any::Big),
        4 => text.clone().prop_map(Any::Str),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Any::Array),
            proptest::collection::vec((text.clone(), inner), 0..5).prop_map(Any::Object),
        ]
    })
}

impl Any {
    /// As JSON; `plain` is how we write it, else it has spaces, escapes and numbers in other forms.
    fn write(&self, plain: bool, out: &mut String) {
        let space = if plain { "" } else { " \n" };
        match self {
            Any::Unit => out.push_str("null"),
            Any::Bool(x) => out.push_str(&x.to_string()),
            Any::Int(x) => out.push_str(&x.to_string()),
            Any::Float(x) if plain => out.push_str(ryu::Buffer::new().format(*x)),
            Any::Float(x) => out.push_str(&format!("{x:e}")),
            Any::Big => out.push_str(BIG),
            Any::Str(text) if plain => walk::push_str(out, text),
            Any::Str(text) => {
                out.push('"');
                text.encode_utf16().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
                out.push('"');
            }
            Any::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    out.push_str(space);
                    item.write(plain, out);
                    out.push_str(space);
                }
                out.push(']');
            }
            Any::Object(fields) if plain => {
                let sorted: std::collections::BTreeMap<_, _> =
                    fields.iter().map(|(name, value)| (name, value)).collect();
                out.push('{');
                for (index, (name, value)) in sorted.into_iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    walk::push_str(out, name);
                    out.push(':');
                    value.write(plain, out);
                }
                out.push('}');
            }
            Any::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    out.push_str(if index > 0 { " ," } else { "" });
                    Any::Str(name.clone()).write(false, out);
                    out.push_str(" : ");
                    value.write(plain, out);
                }
                out.push('}');
            }
        }
    }

    fn value<'a>(&'a self, json: &'a str) -> Value<'a> {
        match self {
            Any::Unit => Value::Unit,
            Any::Bool(x) => Value::Bool(*x),
            Any::Int(x) => Value::Int(*x),
            Any::Float(x) => Value::Float(*x),
            Any::Big => Value::Big(BIG),
            Any::Str(text) => Value::Str(text),
            Any::Array(_) => Value::Array(json),
            Any::Object(_) => Value::Object(json),
        }
    }
}

/// The result in one form, or the code of the failure.
fn run(function: &Function, args: &[Any], plain: bool, call: &mut Call) -> Result<String, &'static str> {
    let json: Vec<String> = args
        .iter()
        .map(|arg| {
            let mut out = String::new();
            arg.write(plain, &mut out);
            out
        })
        .collect();
    let values: Vec<Value<'_>> = args.iter().zip(&json).map(|(arg, json)| arg.value(json)).collect();
    let Run::Scalar(run) = function.run else { return Err("interpreted") };
    call.text.clear();
    let returned = run(&values, call).map_err(|fail| fail.code)?;
    let mut out = String::new();
    match returned {
        Returned::Value(value) => walk::push_value(&mut out, &value).map_err(|fail| fail.code)?,
        Returned::Text => walk::push_str(&mut out, &call.text),
        Returned::Json => out.push_str(&call.text),
    }
    let checked = crate::event::json::check_value(out.as_bytes(), crate::limits::JSON_DEPTH_MAX);
    assert!(checked.is_ok(), "{} made broken JSON of {args:?}: {out}", function.name);
    let mut same = String::new();
    walk::push_canonical(&mut same, &out, false, 0);
    Ok(same)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn results_depend_on_values_alone(pool in proptest::collection::vec(any(), 24)) {
        let mut used = Call::new(Arc::default());
        for function in all() {
            let (least, most) = function.arity();
            for count in least..=most {
                let Some(args) = fitting(&function.params[..count], &pool) else { continue };
                let result = run(function, &args, true, &mut Call::new(Arc::default()));
                prop_assert_eq!(&run(function, &args, true, &mut used), &result, "{} of {:?}, once more", function.name, args);
                prop_assert_eq!(&run(function, &args, false, &mut used), &result, "{} of {:?}, laid out", function.name, args);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn both_engines_call_alike(pools in proptest::collection::vec(proptest::collection::vec(any(), 24), 12)) {
        let context = Context::empty();
        for function in all() {
            let (least, most) = function.arity();
            for count in least..=most {
                let names: Vec<String> = (0..count).map(|at| format!("event.a{at}")).collect();
                let text = format!("{}({})", function.name, names.join(", "));
                let expr = context.compile(&text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
                // Most events fit, the last ones have whatever comes.
                let fit = pools.iter().filter_map(|pool| fitting(&function.params[..count], pool));
                let lines: Vec<String> = fit.chain(pools.iter().take(2).cloned()).map(|args| line(&args)).collect();
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                results(&expr, &lines);
            }
        }
    }
}

/// An event with the arguments as fields.
fn line(args: &[Any]) -> String {
    let fields = args.iter().enumerate().map(|(at, arg)| (format!("a{at}"), arg.clone())).collect();
    let mut out = String::new();
    Any::Object(fields).write(false, &mut out);
    out.replace(['\n'], "")
}

/// For each parameter a value that it takes, each from another part of the pool.
fn fitting(params: &[Param], pool: &[Any]) -> Option<Vec<Any>> {
    let fits = |(index, param): (usize, &Param)| {
        let from = (index * 5) % pool.len();
        pool[from..].iter().chain(&pool[..from]).find(|arg| param.types.has(arg.value("").kind())).cloned()
    };
    params.iter().enumerate().map(fits).collect()
}
