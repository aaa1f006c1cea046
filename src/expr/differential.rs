//! Compiled against interpreted: the same value, or the same error code at the same place.

use proptest::prelude::*;

use crate::event::json_samples::bytes;
use crate::event::samples::Choices;

use super::library::{self, Function};
use super::ops::Op;
use super::samples::{self, VALUES, context};
use super::testing::differences;
use super::value::Types;
use super::{Context, Expr, Want};

/// Runs an expression in both engines.
#[track_caller]
fn compare(context: &Context, text: &str, lines: &[String]) {
    let expr = context.compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {}", problems[0].message));
    assert_eq!(expr.is_lowered(), Ok(()), "{text}");
    compare_expr(&expr, lines);
}

#[track_caller]
fn compare_expr(expr: &Expr, lines: &[String]) {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let differences = differences(expr, &lines);
    let text = expr.text();
    assert!(
        differences.is_empty(),
        "{text}: {} differences\n{}",
        differences.len(),
        differences[..differences.len().min(12)].join("\n")
    );
}

/// Events with a value each for the fields `a`, `b`, `c`; missing where it is the last.
fn events(fields: usize) -> Vec<String> {
    let mut events = vec![String::new()];
    for name in ["a", "b", "c"].iter().take(fields) {
        let with = |event: &String, value: &str| match event.as_str() {
            "" => format!("\"{name}\":{value}"),
            event => format!("{event},\"{name}\":{value}"),
        };
        events = events
            .iter()
            .flat_map(|event| VALUES.iter().map(move |value| with(event, value)).chain([event.clone()]))
            .collect();
    }
    events.into_iter().map(|event| format!("{{{event}}}")).collect()
}

#[test]
fn every_operator_on_every_pair_of_kinds() {
    let context = context();
    let pairs = events(2);
    for (_, symbol) in Op::ALL {
        compare(&context, &format!("event.a {symbol} event.b"), &pairs);
        if Op::of(symbol).is_some_and(|op| !op.is_comparison()) {
            compare(&context, &format!("let x = event.a; x {symbol}= event.b; x"), &pairs);
        }
    }
    for text in [
        "event.a in 0..event.b",
        "event.a in event.b..=63",
        "event.a !in 1..5",
        "event.a && event.b",
        "event.a || event.b",
        "event.a ?? event.b",
        "event.a[event.b]",
        "event.a in event.b",
    ] {
        compare(&context, text, &pairs);
    }
    for text in [
        // One row each.
        "-event.a",
        "!event.a",
        "+event.a",
        "event.a.x",
        "event.a?.x",
        "event.a.y.z[0]",
        "`<${event.a}>`",
        "[event.a, 1 + event.a]",
        "#{ b: event.a, a: event.a == () }",
        "if event.a { 1 } else { 2 }",
        "switch event.a { 1 => \"one\", \"a\" | true => \"two\", () => \"none\", 5..100 => \"many\", _ => \"else\" }",
    ] {
        compare(&context, text, &events(1));
    }
}

#[test]
fn every_function_on_every_kind() {
    let context = context();
    for function in library::all() {
        let (least, most) = function.arity();
        for args in least..=most.min(3) {
            let lines = if args < 3 { events(args) } else { triples(function) };
            let list = ["event.a", "event.b", "event.c"][..args].join(", ");
            compare(&context, &format!("{}({list})", function.name), &lines);
            if args > 0 {
                compare(
                    &context,
                    &format!("event.a.{}({})", function.name, list[7..].trim_start_matches(", ")),
                    &lines,
                );
            }
        }
    }
}

/// All kinds in each place, the other places with what the function takes.
fn triples(function: &Function) -> Vec<String> {
    let mut lines = Vec::new();
    for place in 0..3 {
        for value in VALUES {
            let field = |i: usize| {
                let types = function.params.get(i).map_or(Types::ANY, |param| param.types);
                let usual = if types.has(Types::STRING) {
                    "\"a\""
                } else if types.has(Types::INT) {
                    "2"
                } else if types.has(Types::ARRAY) {
                    "[1,2]"
                } else {
                    "{\"x\":1}"
                };
                if i == place { (*value).to_owned() } else { usual.to_owned() }
            };
            lines.push(format!("{{\"a\":{},\"b\":{},\"c\":{}}}", field(0), field(1), field(2)));
        }
    }
    lines
}

fn event() -> impl Strategy<Value = String> {
    bytes().prop_map(|bytes| samples::event(&mut Choices::new(&bytes)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_global_rejects: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions(text in bytes().prop_map(|bytes| samples::expression(&mut Choices::new(&bytes))), lines in prop::collection::vec(event(), 1..12)) {
        // What Rhai refuses to read (`if ()`), or cannot be compiled, has nothing to compare.
        let expr = context().compile(&text, Want::Value);
        prop_assume!(expr.as_ref().is_ok_and(|expr| expr.is_lowered().is_ok()));
        if let Ok(expr) = expr {
            compare_expr(&expr, &lines);
            for want in [Want::Filter, Want::Text, Want::Object] {
                if let Ok(expr) = context().compile(expr.text(), want) {
                    compare_expr(&expr, &lines);
                }
            }
        }
    }
}
