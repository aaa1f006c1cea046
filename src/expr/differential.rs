//! Compiled against interpreted: the same value, or the same error code at the same place.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::event::json_samples::bytes;
use crate::event::samples::Choices;

use super::ir::Ir;
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

#[test]
fn variables_of_the_caller_can_be_read_and_changed() {
    let context = context();
    for text in [
        "a + event.b",
        "a += event.b; a",
        "if event.b == 1 { a = 2; } a",
        "let before = a; a = event.b; [a, before]",
        "a.x ?? `<${a}>`",
        "{ let a = 1; a += 1; } a",
        "#{ a: a, b: event.b }",
    ] {
        let expr = context.compile_with(text, Want::Value, &["a"]).unwrap();
        assert_eq!(expr.is_lowered(), Ok(()), "{text}");
        compare_expr(&expr, &events(2));
    }
}

#[test]
fn computed_arguments_of_chains_are_computed_first() {
    let context = context();
    for text in [
        "event.a.to_string().split(-event.b)",
        "(event.a + 1).max(event.b * 2).min(-event.a)",
        "event.a.x[event.b + 1]",
        "event.a?.x[event.b + 1]",
        "event.a.get(event.b + \"\").get(event.b)",
        "twice(event.a).max(twice(event.b))",
    ] {
        compare(&context, text, &events(2));
    }
}

/// What a program may consist of, as its debug text shows it.
const KINDS: [(&str, &str); 26] = [
    ("Const", "Const("),
    ("Read", "Read("),
    ("Raw", "Raw("),
    ("Whole", "Whole"),
    ("Meta", "Meta("),
    ("Local", "Local("),
    ("Set", "Set("),
    ("Unary", "Unary("),
    ("Binary", "Binary("),
    ("And", "And(["),
    ("Or", "Or(["),
    ("Coalesce", "Coalesce("),
    ("If", "If(If"),
    ("Field", "Field("),
    ("Index", "Index(Index"),
    ("Optional", "Optional(Optional"),
    ("InRange", "InRange(InRange"),
    ("Text", "Text(["),
    ("Array", "Array(["),
    ("Object", "Object(["),
    ("Call", "Call("),
    ("Block", "Block(["),
    ("Switch", "Switch(Switch"),
    ("Inline", "Inline(Inline"),
    ("Return", "Return("),
    ("Throw", "Throw("),
];

/// The kinds of nodes; a new one does not compile until it stands here and in `KINDS`. `Arg` has a test of its own.
fn kind(ir: &Ir) -> &'static str {
    match ir {
        Ir::Const(_) => "Const",
        Ir::Read(_) => "Read",
        Ir::Raw(_) => "Raw",
        Ir::Whole => "Whole",
        Ir::Meta(_) => "Meta",
        Ir::Arg(_) => "Arg",
        Ir::Local(_) => "Local",
        Ir::Set(..) => "Set",
        Ir::Unary(..) => "Unary",
        Ir::Binary(..) => "Binary",
        Ir::And(_) => "And",
        Ir::Or(_) => "Or",
        Ir::Coalesce(_) => "Coalesce",
        Ir::If(_) => "If",
        Ir::Field(..) => "Field",
        Ir::Index(_) => "Index",
        Ir::Optional(_) => "Optional",
        Ir::InRange(_) => "InRange",
        Ir::Text(..) => "Text",
        Ir::Array(..) => "Array",
        Ir::Object(..) => "Object",
        Ir::Call(_) => "Call",
        Ir::Block(_) => "Block",
        Ir::Switch(_) => "Switch",
        Ir::Inline(_) => "Inline",
        Ir::Return(_) => "Return",
        Ir::Throw(..) => "Throw",
    }
}

/// The generator of random expressions reaches every kind of node, every operator and every function, and both engines agree on
/// what it makes until then.
#[test]
fn random_expressions_reach_all_that_is_compiled() {
    let context = context();
    let mut random = super::random::Random::new(11);
    let mut wanted: BTreeSet<String> = KINDS.iter().map(|(kind, _)| (*kind).to_owned()).collect();
    wanted.extend(library::all().map(|function| format!("Call({}[", function.name)));
    wanted.extend(Op::ALL.map(|(op, _)| format!("Binary({op:?}, ")));
    for round in 0..6000 {
        if wanted.is_empty() {
            return;
        }
        random.start(round);
        let bytes: Vec<u8> = (0..400).map(|_| random.int(0, 255) as u8).collect();
        let mut choices = Choices::new(&bytes);
        let Ok(expr) = context.compile(&samples::expression(&mut choices), Want::Value) else { continue };
        let Ok(code) = &expr.inner.compiled else { continue };
        let (root, before) = (format!("{:?}", code.root), wanted.len());
        wanted.retain(|what| {
            let mark = KINDS.iter().find(|(kind, _)| kind == what).map_or(what.as_str(), |(_, mark)| mark);
            !root.contains(mark) && code.root.as_ref().map(kind) != Some(what.as_str())
        });
        if wanted.len() < before {
            let lines: Vec<String> = (0..4).map(|_| samples::event(&mut choices)).collect();
            compare_expr(&expr, &lines);
        }
    }
    panic!("never made: {wanted:?}");
}
