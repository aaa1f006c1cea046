//! Ways out for what people write out of habit from SQL, Python and JavaScript, where Rhai's own words would mislead.

use std::ops::Range;

/// Durations in expressions are numbers of milliseconds.
const UNITS: &[&str] = &["ms", "s", "m", "h", "d", "min", "sec"];

/// A way out for a syntax error at a place of a text.
pub(super) fn of_syntax(text: &str, at: &Range<usize>) -> Option<&'static str> {
    let word = text.get(at.clone())?;
    let rest = text.get(at.start..)?;
    let before = text.get(..at.start)?.trim_end();
    let after = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let own_word = !before.ends_with('.');
    if own_word && let Some(help) = of_word(word) {
        return Some(help);
    }
    Some(match word.to_ascii_lowercase().as_str() {
        "and" => "write `&&` for `and`",
        "or" => "write `||` for `or`",
        "is" => "write `x == ()` for `is null`, and `x != ()` for `is not null`",
        "like" => "write `contains(x, \"part\")`, or `matches(x, pattern)` with a regular expression",
        "between" => "write `x >= low && x <= high`",
        "then" | "if" | "case" | "when" if own_word => "write `if condition { a } else { b }`",
        "as" => "functions change what a value is: `parse_int(x)`, `parse_float(x)`, `to_string(x)`",
        "'" => "texts are in double quotes: `\"click\"`",
        "$" => "a field is `event.name`",
        ">" if before.ends_with('<') => "write `!=` for `<>`",
        "=" if rest.starts_with("===") => "write `==`",
        "!" if rest.starts_with("!==") => "write `!=`",
        "(" if rest.starts_with("(*)") => "all events are counted by `count()`",
        "," if open_in(before) => "a list is in square brackets: `x in [\"a\", \"b\"]`",
        unit if UNITS.contains(&unit) && before.len() == at.start && before.ends_with(|c: char| c.is_ascii_digit()) => {
            "times are numbers of milliseconds here: five minutes are `5 * 60000`"
        }
        _ if after.eq_ignore_ascii_case("not") => "write `!` for `not`, as in `!(a || b)`",
        _ if after.eq_ignore_ascii_case("distinct") => "a window's `aggregate` has `distinct(x)`",
        _ if after == "f" && rest.starts_with('"') => {
            "a text with values in it is in back quotes: `user ${event.user}`"
        }
        _ => return None,
    })
}

/// A way out for a word that is no variable.
pub(super) fn of_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "null" | "NULL" | "Null" | "None" | "nil" | "undefined" => {
            "null, or a missing field, is `()`: `event.name == ()`"
        }
        "True" | "TRUE" => "write `true`",
        "False" | "FALSE" => "write `false`",
        _ => return None,
    })
}

/// Whether the last open bracket stands behind `in`.
fn open_in(before: &str) -> bool {
    before.rfind('(').is_some_and(|open| before[..open].trim_end().ends_with(" in"))
}

#[cfg(test)]
mod tests {
    use crate::expr::{Context, Want};

    fn first_help(text: &str) -> String {
        let problem = Context::empty().compile(text, Want::Value).err().unwrap_or_default().remove(0);
        problem.help.unwrap_or(problem.message)
    }

    #[test]
    fn habits_of_other_languages_are_told_the_way_out() {
        for (text, part) in [
            ("event.a == 1 or event.b == 2", "`||`"),
            ("event.a == 1 AND event.b == 2", "`&&`"),
            ("not event.a", "`!`"),
            ("event.a is null", "`x == ()`"),
            ("event.a == null", "`event.name == ()`"),
            ("event.a == None", "`event.name == ()`"),
            ("event.a == True", "write `true`"),
            ("event.a == 'click'", "double quotes"),
            ("event.a <> 3", "`!=`"),
            ("event.a === 3", "write `==`"),
            ("event.a in (\"x\", \"y\")", "square brackets"),
            ("event.a like \"x%\"", "contains"),
            ("event.a between 1 and 2", "x >= low"),
            ("event.a if event.b else 3", "if condition"),
            ("if event.a > 1 then 2 else 3", "if condition"),
            ("case when event.a then 1 else 2 end", "if condition"),
            ("cast(event.a as int)", "parse_int"),
            ("f\"{event.a}\"", "back quotes"),
            ("event.time > 5m", "milliseconds"),
            ("event.a = 1", "`==`"),
            ("event.a || \"x\"", "`a ?? b`"),
        ] {
            let help = first_help(text);
            assert!(help.contains(part), "{text}: {help}");
        }
        assert!(first_help("event.null").contains("event[\"null\"]"));
    }
}
