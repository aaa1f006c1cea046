//! Compiled against interpreted: the same value, or the same error code at the same place.

use proptest::prelude::*;

use super::library::{self, Function};
use super::ops::Op;
use super::testing::differences;
use super::value::Types;
use super::{Context, Expr, FunctionFile, Limits, Want};

/// One of each kind of value, with the edges of each.
const VALUES: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "1",
    "-7",
    "63",
    "9223372036854775807",
    "-9223372036854775808",
    "0.0",
    "0.1",
    "-2.50",
    "1e300",
    "123456789012345678901234567890",
    "1e999",
    "\"\"",
    "\"a\"",
    "\"Data 1\"",
    "\"é\\n\\\"\\ud83d\\ude00\"",
    "\"2024-05-06T07:08:09Z\"",
    "[]",
    "[1,\"a\",null]",
    "[3,1.5,2]",
    "{}",
    "{ \"y\" : {\"z\":[true ]}, \"x\":0, \"x\": 1.50 }",
];

fn context() -> Context {
    let text = "fn twice(x) { x * 2 }\n\
        fn sign_of(x) { if x < 0 { return \"minus\"; } if x == 0 { return \"zero\"; } \"plus\" }\n\
        fn two(a, b) { let c = twice(a); c += b; c }\n\
        fn x_of(o) { o.x ?? params.limit }\n";
    let params = serde_json::json!({ "limit": 3, "name": "n", "list": [1, 2], "nested": { "x": 0.5 } });
    let file = FunctionFile { name: "f.rhai".into(), text: text.into() };
    Context::new(params.as_object().cloned().unwrap(), &[file], Limits::default()).unwrap()
}

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

fn atom() -> impl Strategy<Value = String> {
    let fixed = [
        "()",
        "true",
        "false",
        "0",
        "1",
        "7",
        "2.5",
        "0.1",
        "\"a\"",
        "\"\"",
        "event.a",
        "event.b",
        "event.c",
        "event.a.x",
        "event[\"b\"]",
        "event.c.y.z",
        "meta.time",
        "meta.source",
        "params.limit",
        "params.name",
        "params.list",
        "params.nested.x",
        "x",
        "[]",
        "#{ x: 1 }",
    ];
    proptest::sample::select(fixed.to_vec()).prop_map(str::to_owned)
}

/// An expression over the fields `a`, `b`, `c` and a variable `x`.
fn expression() -> impl Strategy<Value = String> {
    let op = proptest::sample::select(Op::ALL.map(|(_, symbol)| symbol).to_vec());
    let functions = ["to_string", "len", "abs", "to_upper", "trim", "round", "contains", "max", "min", "keys", "split"];
    let names: Vec<&str> = functions.into_iter().filter(|name| library::find(name).is_some()).collect();
    atom().prop_recursive(4, 24, 3, move |inner| {
        let call = (proptest::sample::select(names.clone()), inner.clone(), inner.clone()).prop_map(|(name, a, b)| {
            let (least, _) = library::find(name).map_or((1, 1), |function| function.arity());
            if least == 1 { format!("{name}({a})") } else { format!("{name}({a}, {b})") }
        });
        prop_oneof![
            4 => (inner.clone(), op.clone(), inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || !{b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} ?? {b})")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("(if {a} {{ {b} }} else {{ {c} }})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(if {a} == () {{ throw \"no\" }} else {{ {b} }})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("#{{ y: {a}, x: {b} }}")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            1 => inner.clone().prop_map(|a| format!("({a}).x")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})?.y.z[{b}]")),
            1 => inner.clone().prop_map(|a| format!("event.b?.y?.z.contains({a})")),
            1 => inner.clone().prop_map(|a| format!("({a}).to_string().trim()")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("`${{{a}}}-${{{b}}}`")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} in {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{ let x = {a}; x += 1; {b} }}")),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("{{ let y = {a}; if {b} {{ y = {c}; }} y }}")),
            1 => (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("(switch {a} {{ 1 => {b}, \"a\" if event.b == 1 => 2, 2..9 => 3, _ => x }})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} in 1..({b}))")),
            1 => inner.clone().prop_map(|a| format!("sign_of({a})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("two({a}, {b})")),
            1 => inner.clone().prop_map(|a| format!("x_of({a})")),
            2 => call,
        ]
    })
}

fn event() -> impl Strategy<Value = String> {
    let value = || proptest::option::of(proptest::sample::select(VALUES.to_vec()));
    (value(), value(), value()).prop_map(|values| {
        let fields = [("a", values.0), ("b", values.1), ("c", values.2)];
        let fields: Vec<String> =
            fields.iter().filter_map(|(name, value)| value.map(|value| format!("\"{name}\":{value}"))).collect();
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_global_rejects: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions(text in expression(), lines in proptest::collection::vec(event(), 1..12)) {
        // What Rhai refuses to read (`if ()`), or cannot be compiled, has nothing to compare.
        let expr = context().compile(&format!("let x = event.a; {text}"), Want::Value);
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
