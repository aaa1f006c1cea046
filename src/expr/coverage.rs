//! What is compiled and what is interpreted: the table, which tests hold against the compiler, and the page made of it.

use std::fmt::Write;

use super::library::{self, Run};
use super::methods;

/// What is compiled: what it is, and an expression for each form of it.
pub(crate) const COMPILED: &[(&str, &[&str])] = &[
    (
        "Constants and literals",
        &["42", "2.5", "true", "\"text\"", "()", "[event.a, 1]", "#{ x: event.a, y: #{ z: 1 } }", "'c'"],
    ),
    ("The event as a whole, `params`, the fields of `meta`", &["event", "params.limit", "meta.time", "meta.source"]),
    ("Fields", &["event.a.b", "event[\"new\"]", "event.a?.b", "event.a?.b[0]", "(event.a ?? event.b).c"]),
    (
        "Items, characters, bits",
        &["event.a[0]", "event.a[-1]", "event.a[event.i]", "event.a[event.i + 1].b", "event.a?[0]"],
    ),
    (
        "Arithmetic",
        &[
            "event.a + 1",
            "event.a - 1",
            "event.a * 2",
            "event.a / 2.0",
            "event.a % 7",
            "event.a ** 2",
            "-event.a",
            "+event.a",
        ],
    ),
    ("Bits", &["event.a & 1", "event.a | 1", "event.a ^ 1", "event.a << 2", "event.a >> 2"]),
    (
        "Comparisons",
        &["event.a == ()", "event.a != 1", "event.a < 1", "event.a <= 1", "event.a > 1", "event.a >= \"b\""],
    ),
    ("Logic", &["event.a && event.b", "event.a || event.b", "!event.a"]),
    (
        "`in`",
        &[
            "event.a in [1, 2]",
            "event.a !in params.list",
            "\"x\" in event.a",
            "event.a in 1..10",
            "event.a in 1..=event.b",
        ],
    ),
    ("Null", &["event.a ?? 0", "event.a ?? event.b ?? \"none\""]),
    ("Text", &["\"user \" + event.a", "`${event.a} paid ${event.b}`"]),
    (
        "Branches",
        &[
            "if event.a > 1 { 1 } else if event.a < 0 { 2 } else { 3 }",
            "switch event.a { 1 | 2 => \"low\", 3..9 => \"more\", \"x\" if event.b => \"x\", _ => () }",
        ],
    ),
    (
        "Blocks and variables",
        &[
            "let x = event.a; x * x",
            "let x = 1; if event.a { x += 1; } x",
            "{ let x = event.a; x + 1 }",
            "const X = 2; X * event.a",
        ],
    ),
    ("An end before the end", &["if event.a { return 1; } 2", "if event.a == () { throw \"no a\" } else { event.a }"]),
    (
        "Functions of the library, as functions and as methods",
        &[
            "to_upper(event.a)",
            "event.a.trim().to_lower()",
            "event.a.split(\",\")[1]",
            "event.a.trim().split(event.b + \",\")",
        ],
    ),
    (
        "Functions of the topology's files, in the place of each call",
        &["sign_of(event.a)", "two(event.a, 1)", "x_of(event)"],
    ),
];

/// What is interpreted: what it is, an expression, and what `runner explain` says of it.
pub(crate) const INTERPRETED: &[(&str, &str, &str)] = &[
    ("Closures", "event.a.map(|x| x * 2)", "closures are interpreted"),
    ("Loops", "let n = 0; for x in event.a { n += x; } n", "loops are interpreted"),
    ("Loops", "let n = 0; while n < 3 { n += 1; } n", "loops are interpreted"),
    ("Loops", "let n = 0; loop { n += 1; if n > 3 { break n; } }", "loops are interpreted"),
    ("Changing a part of a value", "let o = #{ x: 1 }; o.x = event.a; o", "changing a part of a value is interpreted"),
    ("Changing a value in place", "let l = [1]; l.push(event.a); l", "this function is interpreted"),
    ("Errors that are caught", "try { event.a + 1 } catch { 0 }", "`try` is interpreted"),
    (
        "An assignment inside an expression",
        "let x = 1; event.a + { x = 2; x }",
        "an assignment inside an expression is interpreted",
    ),
    ("`meta` as a whole", "meta", "`meta` as a whole is interpreted"),
    ("A type's name", "type_of(event.a)", "this function is interpreted"),
    ("A function that calls itself", "down(event.a)", "a function that calls itself is interpreted"),
    (
        "A `switch` where there are characters",
        "switch event.a[0] { \"x\" => 1, _ => 2 }",
        "a `switch` where there are characters is interpreted",
    ),
];

/// `docs/compiled.md`.
pub fn reference() -> String {
    let mut out = String::from(
        "<!-- Written by `runner docs`; change `src/expr/coverage.rs` instead. -->\n\n# Compiled or interpreted\n\n\
         What an expression means does not depend on how it runs, only its cost does: compiled, some tens of nanoseconds an event, \
         interpreted\nby Rhai, a microsecond or more. `runner explain` says which it is and why, `runner check --deny-fallback` \
         forbids what is interpreted,\nand the summary of a run counts it. One part that is interpreted makes the whole expression so.\n\n\
         ## Compiled\n\n| what | for example |\n|---|---|\n",
    );
    let code = |text: &str| match text.contains('`') {
        true => format!("`` {} ``", text.replace('|', "\\|")),
        false => format!("`{}`", text.replace('|', "\\|")),
    };
    // Writing to a string cannot fail.
    for (what, examples) in COMPILED {
        let examples: Vec<String> = examples.iter().map(|text| code(text)).collect();
        let _ = writeln!(out, "| {what} | {} |", examples.join(" "));
    }
    let _ = write!(out, "\n### Functions\n\nAll of [functions.md](functions.md):\n\n");
    for (theme, functions) in library::themes() {
        let names: Vec<String> = functions.iter().map(|function| code(function.name)).collect();
        let _ = writeln!(out, "- {theme}: {}", names.join(" "));
    }
    let built: Vec<String> =
        library::all().filter(|function| matches!(function.run, Run::Dynamic(_))).map(|f| code(f.name)).collect();
    if !built.is_empty() {
        let _ = writeln!(out, "\nOf these {} build Rhai values of their arguments, which costs more.", built.join(" "));
    }
    let _ = write!(out, "\n## Interpreted\n\n| what | for example | `runner explain` says |\n|---|---|---|\n");
    for (what, example, why) in INTERPRETED {
        let _ = writeln!(out, "| {what} | {} | {why} |", code(example));
    }
    let mut names: Vec<&str> = methods::METHODS.iter().map(|(name, ..)| *name).collect();
    names.retain(|name| library::find(name).is_none() && name.chars().all(|c| c.is_alphanumeric() || c == '_'));
    names.dedup();
    let names: Vec<String> = names.iter().map(|name| code(name)).collect();
    let _ = write!(out, "\nThese functions are Rhai's or need it: {}.\n", names.join(" "));
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::results;
    use super::super::{Context, FunctionFile, Limits, Want};
    use super::*;

    fn context() -> Context {
        let text = "fn twice(x) { x * 2 }\n\
            fn sign_of(x) { if x < 0 { return \"minus\"; } \"plus\" }\n\
            fn two(a, b) { let c = twice(a); c += b; c }\n\
            fn x_of(o) { o.x ?? params.limit }\n\
            fn down(n) { if n < 1 { 0 } else { down(n - 1) } }\n";
        let params = serde_json::json!({ "limit": 3, "list": [1, 2] });
        let file = FunctionFile { name: "f.rhai".into(), text: text.into() };
        Context::new(params.as_object().cloned().unwrap(), &[file], Limits::default()).unwrap()
    }

    #[test]
    fn what_is_told_to_be_compiled_is_and_gives_the_same() {
        let context = context();
        let lines = [
            r#"{"a":1,"b":true,"i":0,"new":2}"#,
            r#"{"a":"x,y","b":"x","i":1}"#,
            r#"{"a":[{"b":2},3],"b":null,"i":0}"#,
            r#"{"a":{"b":[1],"c":2},"i":-1}"#,
            r#"{"a":true,"b":0.5}"#,
            "{}",
        ];
        for text in COMPILED.iter().flat_map(|(_, examples)| *examples) {
            let expr = context.compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
            assert_eq!(expr.is_lowered(), Ok(()), "{text}");
            results(&expr, &lines);
        }
    }

    #[test]
    fn what_is_told_to_be_interpreted_is() {
        let context = context();
        for (_, text, why) in INTERPRETED {
            let expr = context.compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
            assert_eq!(expr.is_lowered().map_err(|have| have.message), Err((*why).to_owned()), "{text}");
        }
    }

    /// `UPDATE=1` rewrites the file.
    #[test]
    fn the_committed_page_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compiled.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference(), "docs/compiled.md is stale: UPDATE=1 cargo test --lib expr::coverage");
    }
}
