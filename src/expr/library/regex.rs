//! Regular expressions: linear in the text, bounded in memory, compiled once for each pattern.

use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};

use crate::limits::{EXPR_REGEX_BYTES_MAX, EXPR_REGEX_CACHE_BYTES_MAX};

use super::convert::shown;
use super::{Call, Fail, Function, Param, Returned, Run, Types, Value, codes, walk};

const TEXT: Param = Param::new("text", Types::STRING);
const PATTERN: Param = Param::new("pattern", Types::STRING);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "matches",
        &[TEXT, PATTERN],
        Types::BOOL,
        "Whether the regular expression occurs in the text; anchor it with `^` and `$` to match all of it. The syntax is that of \
         Rust's `regex` crate: no back references, no look-around. Write patterns between back quotes to keep their backslashes.",
        (r"matches(`order-17`, `^order-\d+$`)", "true"),
        Run::Scalar(matches),
    )
    .checked(check),
    Function::new(
        "capture",
        &[TEXT, PATTERN],
        Types::UNIT.or(Types::ARRAY).or(Types::OBJECT),
        "The groups of the first match: an object by name if the pattern names groups as in `(?<year>\\d+)`, else an array whose \
         first item is the whole match. A group that took no part is null, and so is the result where nothing matches.",
        (r#"capture("17 EUR", `(\d+) ([A-Z]+)`)"#, r#"["17 EUR", "17", "EUR"]"#),
        Run::Scalar(capture),
    )
    .checked(check),
    Function::new(
        "capture_all",
        &[TEXT, PATTERN],
        Types::ARRAY,
        "The groups of every match, each as `capture` gives them.",
        (r#"capture_all("a=1 b=2", `(?<name>\w)=(?<value>\d)`)[1].name"#, r#""b""#),
        Run::Scalar(capture_all),
    )
    .checked(check),
    Function::new(
        "replace_regex",
        &[TEXT, PATTERN, Param::new("with", Types::STRING)],
        Types::STRING,
        "The text with every match replaced; `$1` or `${name}` in `with` stands for a group, `$$` for a dollar.",
        (r#"replace_regex("4929 1234", `\d{4} (\d{4})`, "**** $1")"#, r#""**** 1234""#),
        Run::Scalar(replace_regex),
    )
    .checked(check),
];

type Result<T> = std::result::Result<T, Fail>;

fn compile(pattern: &str) -> Result<Regex> {
    RegexBuilder::new(pattern)
        .size_limit(EXPR_REGEX_BYTES_MAX)
        .dfa_size_limit(EXPR_REGEX_CACHE_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                Fail::argument(format!("`pattern` needs more than {EXPR_REGEX_BYTES_MAX} bytes; make it simpler"))
            }
            other => {
                // The library draws a picture of several lines; its last one says what is wrong.
                let text = other.to_string();
                let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Fail::argument(format!("`pattern` {} is no regular expression: {why}", shown(pattern)))
            }
        })
}

fn check(args: &[Option<Value<'_>>]) -> Result<()> {
    match args.get(1) {
        Some(Some(Value::Str(pattern))) => compile(pattern).map(drop),
        _ => Ok(()),
    }
}

fn prepared(call: &mut Call, pattern: &str) -> Result<Arc<Regex>> {
    call.prepared(pattern, compile)
}

fn matches<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(pattern)] = args else { return Ok(Value::Unit.into()) };
    Ok(Value::Bool(prepared(call, pattern)?.is_match(text)).into())
}

fn capture<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(pattern)] = args else { return Ok(Value::Unit.into()) };
    let regex = prepared(call, pattern)?;
    let Some(groups) = regex.captures(text) else { return Ok(Value::Unit.into()) };
    let bytes_max = call.limits.string;
    push_groups(&mut call.text, &regex, &groups, bytes_max)?;
    Ok(Returned::Json)
}

fn capture_all<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(pattern)] = args else { return Ok(Value::Unit.into()) };
    let regex = prepared(call, pattern)?;
    let bytes_max = call.limits.string;
    walk::array(call, regex.captures_iter(text), |out, groups| push_groups(out, &regex, &groups, bytes_max))
}

/// Writes the groups of a match. Nested groups each hold the whole of what is inside, so the result can be far larger than the text.
fn push_groups(out: &mut String, regex: &Regex, groups: &Captures<'_>, bytes_max: usize) -> Result<()> {
    let named = regex.capture_names().flatten().next().is_some();
    out.push(if named { '{' } else { '[' });
    let mut first = true;
    for (group, name) in groups.iter().zip(regex.capture_names()) {
        if named && name.is_none() {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        if let Some(name) = name {
            walk::push_str(out, name);
            out.push(':');
        }
        match group {
            Some(found) => walk::push_str(out, found.as_str()),
            None => out.push_str("null"),
        }
        if out.len() > bytes_max {
            let message = format!("groups of more than {bytes_max} bytes are over the limit (`limits.string`)");
            return Err(Fail::new(codes::LIMIT, message));
        }
    }
    out.push(if named { '}' } else { ']' });
    Ok(())
}

fn replace_regex<'a>(args: &[Value<'a>], call: &mut Call) -> Result<Returned<'a>> {
    let [Value::Str(text), Value::Str(pattern), Value::Str(with)] = args else { return Ok(Value::Unit.into()) };
    let regex = prepared(call, pattern)?;
    let mut done = 0;
    for groups in regex.captures_iter(text) {
        let Some(found) = groups.get(0) else { continue };
        call.text.push_str(&text[done..found.start()]);
        // Piece by piece, each with at most one group: `$0$0$0...` of a long match would pass every limit in one step.
        for piece in pieces(with) {
            groups.expand(piece, &mut call.text);
            call.room(call.text.len())?;
        }
        done = found.end();
    }
    call.room(call.text.len() + text.len() - done)?;
    call.text.push_str(&text[done..]);
    Ok(Returned::Text)
}

/// A replacement cut before each `$` that starts a group (or a `$$`).
fn pieces(with: &str) -> impl Iterator<Item = &str> {
    let mut rest = with;
    std::iter::from_fn(move || {
        let from = rest.bytes().take(2).take_while(|byte| *byte == b'$').count();
        let end = rest.get(from..).and_then(|tail| tail.find('$')).map_or(rest.len(), |at| from + at);
        let (piece, tail) = rest.split_at_checked(end).filter(|(piece, _)| !piece.is_empty())?;
        rest = tail;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fails, gives};
    use super::*;

    #[test]
    fn groups_come_by_name_or_by_number() {
        let text = Value::Str("2026-03-04 \"x\"");
        gives("capture", &[text, Value::Str(r"(?<y>\d+)-(\d+)(?<none>z)?")], r#"{"y":"2026","none":null}"#);
        gives("capture", &[text, Value::Str(r#"("x").?$"#)], r#"["\"x\"","\"x\""]"#);
        gives("capture", &[text, Value::Str("nothing")], "null");
        gives("capture_all", &[Value::Str("a1b2"), Value::Str(r"[a-z](\d)")], r#"[["a1","1"],["b2","2"]]"#);
        gives("replace_regex", &[Value::Str("aXb"), Value::Str("X|$"), Value::Str("-$0$$")], r#""a-X$b-$""#);
        assert_eq!(pieces("é$1$$x${a}$").collect::<Vec<_>>(), ["é", "$1", "$$x", "${a}", "$"]);
    }

    #[test]
    fn a_bad_or_huge_pattern_is_an_error() {
        fails("matches", &[Value::Str("a"), Value::Str("(")], codes::ARGUMENT);
        fails("matches", &[Value::Str("a"), Value::Str(r"(\w{500}){500}")], codes::ARGUMENT);
        assert!(check(&[None, Some(Value::Str("["))]).is_err());
        assert!(check(&[None, None]).is_ok());
        let text = "a".repeat(2000);
        fails("replace_regex", &[Value::Str(&text), Value::Str("a"), Value::Str(&text)], codes::LIMIT);
        let nested = format!("{}.*{}", "(".repeat(200), ")".repeat(200));
        let text = "a".repeat(8000);
        fails("capture", &[Value::Str(&text), Value::Str(&nested)], codes::LIMIT);
        fails("capture_all", &[Value::Str(&text), Value::Str(&nested)], codes::LIMIT);
        fails("replace_regex", &[Value::Str(&text), Value::Str(".*"), Value::Str(&"$0".repeat(500_000))], codes::LIMIT);
    }
}
