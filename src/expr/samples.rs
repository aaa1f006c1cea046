//! Random expressions, and events for them, for the property test and the fuzzer that compare compiled programs with Rhai.

use crate::event::samples::{self, Choices};

use super::library;
use super::ops::Op;
use super::{Context, FunctionFile, Limits};

/// One of each kind of value, with the edges of each.
pub const VALUES: &[&str] = &[
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

const ATOMS: &[&str] = &[
    "event.a",
    "event.b",
    "event.c",
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
    "9223372036854775807",
    "-1",
    "\"é 1,b\"",
    "event",
    "`${event.a}`",
    "event.a.split(\",\")[1]",
];

/// Levels of one expression.
const DEPTH_MAX: usize = 4;

/// What the expressions see beside the event.
pub fn context() -> Context {
    let text = "fn twice(x) { x * 2 }\n\
        fn sign_of(x) { if x < 0 { return \"minus\"; } if x == 0 { return \"zero\"; } \"plus\" }\n\
        fn two(a, b) { let c = twice(a); c += b; c }\n\
        fn x_of(o) { o.x ?? params.limit }\n";
    let params = serde_json::json!({ "limit": 3, "name": "n", "list": [1, 2], "nested": { "x": 0.5 } });
    let file = FunctionFile { name: "f.rhai".into(), text: text.into() };
    let params = params.as_object().cloned().unwrap_or_default();
    Context::new(params, &[file], Limits::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// An event with the fields `a`, `b`, `c`, or some of them.
pub fn event(choices: &mut Choices<'_>) -> String {
    let mut fields = Vec::new();
    for name in ["a", "b", "c"] {
        match choices.below(8) {
            0 => {}
            1 => fields.push(format!("\"{name}\":{}", samples::value(choices))),
            _ => fields.push(format!("\"{name}\":{}", choices.of(VALUES))),
        }
    }
    format!("{{{}}}", fields.join(","))
}

/// An expression over the fields `a`, `b`, `c` and a variable `x`, which is `a` at first.
pub fn expression(choices: &mut Choices<'_>) -> String {
    format!("let x = event.a; {}", part(choices, DEPTH_MAX))
}

fn part(choices: &mut Choices<'_>, depth: usize) -> String {
    let Some(inside) = depth.checked_sub(1) else { return choices.of(ATOMS).to_owned() };
    let kind = choices.below(37);
    let mut next = || part(choices, inside);
    match kind {
        1 => format!("({} && {})", next(), next()),
        2 => format!("({} || !{})", next(), next()),
        3 => format!("({} ?? {})", next(), next()),
        4 => format!("(if {} {{ {} }} else {{ {} }})", next(), next(), next()),
        5 => format!("(if {} == () {{ throw \"no\" }} else {{ {} }})", next(), next()),
        6 => format!("[{}, {}]", next(), next()),
        7 => format!("#{{ y: {}, x: {} }}", next(), next()),
        8 => format!("({})[{}]", next(), next()),
        9 => format!("({}).x", next()),
        10 => format!("({})?.y.z[{}]", next(), next()),
        11 => format!("event.b?.y?.z.contains({})", next()),
        12 => format!("({}).to_string().trim()", next()),
        13 => format!("`${{{}}}-${{{}}}`", next(), next()),
        14 => format!("({} in {})", next(), next()),
        15 => format!("{{ let x = {}; x += 1; {} }}", next(), next()),
        16 => format!("{{ let y = {}; if {} {{ y = {}; }} y }}", next(), next(), next()),
        17 => {
            format!("(switch {} {{ 1 => {}, \"a\" if event.b == 1 => 2, 2..9 => 3, _ => x }})", next(), next())
        }
        18 => format!("({} in 1..({}))", next(), next()),
        19 => format!("sign_of({})", next()),
        20 => format!("two({}, {})", next(), next()),
        21 => format!("x_of({})", next()),
        22 => format!("-({})", next()),
        23..=26 => call(choices, inside),
        27..=32 => {
            let (_, symbol) = choices.of(&Op::ALL);
            format!("({} {symbol} {})", part(choices, inside), part(choices, inside))
        }
        33 => format!("({}).to_string().split({})[{}]", next(), next(), next()),
        34 => format!("{{ if {} {{ return {}; }} {} }}", next(), next(), next()),
        35 => format!("event.a.replace({}, \"-\")", next()),
        _ => choices.of(ATOMS).to_owned(),
    }
}

/// A call of one of the library's functions, with as many arguments as it takes, which may be of any kind.
fn call(choices: &mut Choices<'_>, depth: usize) -> String {
    let count = library::all().count();
    let Some(function) = library::all().nth(choices.below(count)) else { return "()".to_owned() };
    let (least, most) = function.arity();
    let args = least + choices.below(most.min(3).saturating_sub(least) + 1);
    let args: Vec<String> = (0..args).map(|_| part(choices, depth)).collect();
    format!("{}({})", function.name, args.join(", "))
}
