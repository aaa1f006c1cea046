//! The reference of the functions, as Markdown: `docs/functions.md` is this text.

use std::fmt::Write;

use super::{Function, THEMES, random};

const HEAD: &str = "\
<!-- Written by `runner docs`; change `src/expr/library/` instead. -->

# Functions

The functions of expressions, beside Rhai's operators and syntax. `a.f(b)` is another way to write `f(a, b)`. Three rules hold for
all of them:

- *Nothing is changed in place.* A function gives a new value: write `let t = s.trim();`. (Rhai's own `trim`, `replace`, `pad`,
  `sort` and `reverse` change their variable and give nothing. Here `s.trim();` alone is a problem that is reported.)
- *A wrong argument is that event's error*, with a code and a message that names the function, the argument and what it got. The
  event goes to the node's port `errors`; the topology goes on. What is constant (a regular expression, a format, a duration, a
  number where a text is needed) is checked before anything runs.
- *The same arguments always give the same result.* No function reads a clock or draws a random number, so a replay gives what the
  first run gave.

Results are bounded by `limits.string`, `limits.array` and `limits.map`. Null and a field that is not there are `()` in Rhai, and
`null` in the signatures below. Functions that take a closure (`map`, `filter`, `reduce`, `some`, `all`, `find`, ...) are Rhai's own and
run interpreted. Under `aggregate` of a window, `sum`, `min`, `max`, `avg`, `first`, `last` and `distinct` of one argument are
[aggregates](aggregates.md) over events, not functions of an array.
";

const MADE_UP: &str = "
## Only for `generate`

These make up values, and only the `event` of a `generate` source has them. They are not random either: what they give depends on the
source's `seed`, the event's number and the order of the calls, so that a run can be repeated. With a `key` they depend on the seed and
the key alone: `choose([\"DE\", \"FR\"], \"home\" + user)` is the same country in all events of a user. Different habits need different keys.
";

/// The whole reference.
pub fn reference() -> String {
    let mut out = String::from(HEAD);
    let generate = ("Random choices, only in the `event` of a `generate` source", random::FUNCTIONS);
    for (theme, functions) in THEMES.into_iter().chain([generate]) {
        // Writing to a string cannot fail.
        let names: Vec<String> = functions.iter().map(|function| format!("[`{0}`](#{0})", function.name)).collect();
        let _ = write!(out, "\n## {theme}\n\n{}\n", names.join(" "));
        functions.iter().for_each(|function| push_function(&mut out, function));
    }
    out.push_str(MADE_UP);
    random::FUNCTIONS.iter().for_each(|function| push_function(&mut out, function));
    out
}

fn push_function(out: &mut String, function: &Function) {
    let (expression, result) = function.example;
    let _ = write!(
        out,
        "\n### `{name}`\n\n{doc}\n\n```rhai\n{signature} -> {returns}\n{expression}   // {result}\n```\n",
        name = function.name,
        signature = function.signature(),
        returns = function.returns,
        doc = function.doc,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_is_sound() {
        let mut names = HashSet::new();
        for function in super::super::all() {
            assert!(names.insert(function.name), "{} is there twice", function.name);
            let (least, most) = function.arity();
            assert!(function.params[..least].iter().all(|param| !param.optional), "{}", function.name);
            assert!(most <= 8 && function.doc.ends_with('.'), "{}", function.name);
        }
        assert!(names.len() > 100);
    }

    /// `UPDATE=1` rewrites the file.
    #[test]
    fn the_committed_reference_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/functions.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference(), "docs/functions.md is stale: UPDATE=1 cargo test --lib expr::library");
    }
}
