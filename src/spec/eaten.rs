//! YAML eats Rhai: where YAML's own signs took a part of an expression, what happened, and the line as it should be.
use granit_parser::ScalarStyle;

use super::expr_text::ExprText;
use super::tree::{Kind, Node, Scalar};
use crate::diagnostic::{Diagnostics, Span, codes};

/// `key: value` as it stands in a line, whatever YAML made of it.
pub(super) struct Whole<'a> {
    pub key: &'a str,
    pub value: &'a str,
    /// Where the value starts in the file.
    pub start: usize,
    /// Whether it stands within braces.
    pub flow: bool,
}

impl Whole<'_> {
    /// The way out that always works.
    pub fn in_quotes(&self) -> String {
        // A text in single quotes, which Rhai would not take, gets double ones.
        let second = self.value.strip_prefix('\'').and_then(|rest| Some((rest, rest.find('\'')?)));
        let value = match second {
            Some((rest, end)) => format!("\"{}\"{}", &rest[..end], &rest[end + 1..]),
            None => inner_of_quotes(self.value).unwrap_or(self.value).to_string(),
        };
        format!("put the value in single quotes: `{}: {}`", self.key, quoted(&value))
    }
}

/// `event.a == "x"` of `"event.a == "x""`, a whole expression in double quotes: the second quote of two texts would be
/// followed by an operator.
fn inner_of_quotes(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let opens = |c: char| c.is_alphanumeric();
    inner.split_once('"')?.1.starts_with(opens).then_some(inner)
}

/// In YAML's single quotes, in which only the quote itself is special.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The key and the value that the byte `at` of the file belongs to, if its line has such.
pub(super) fn whole_value(text: &str, at: usize) -> Option<Whole<'_>> {
    let before = text.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[at..].find(['\n', '\r']).map_or(text.len(), |newline| at + newline);
    let line = &text[line_start..line_end];
    let column = at - line_start;
    let flow = line.get(..column).is_some_and(|left| left.contains('{'));
    // In a block the first colon ends the key; within braces the last one before the place.
    let colon = if flow { line[..column].rfind(": ")? } else { line.find(": ")? };
    let key_start = line[..colon].rfind(['{', ',', ' ', '\t']).map_or(0, |found| found + 1);
    let key = line[key_start..colon].trim_matches(['"', '\'']);
    let value_at = colon + 1 + (line[colon + 1..].len() - line[colon + 1..].trim_start().len());
    if value_at > column || key.is_empty() {
        return None;
    }
    let rest = &line[value_at..];
    let rest = if flow { &rest[..flow_end(rest)] } else { rest };
    let comment = rest.find(" # ").unwrap_or(rest.len());
    let value = rest[..comment].trim_end();
    (!value.is_empty()).then_some(Whole { key, value, start: line_start + value_at, flow })
}

/// Where a value within braces ends: at a comma or a closing bracket that it has not opened, outside quotes.
pub(super) fn flow_end(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') if depth == 0 => return at,
            (None, ')' | ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Reads a scalar as an expression, or says what YAML made of it.
pub(super) fn expression(
    file_text: &str,
    key: (&str, Span),
    node: &Node,
    diagnostics: &mut Diagnostics,
) -> Option<ExprText> {
    if let Some(tag) = node.tag {
        let whole = whole_value(file_text, tag.start as usize);
        let report = diagnostics
            .error(&codes::YAML_ATE_TAG, tag, "YAML reads this as a tag, and not as a part of the expression")
            .label("`!` starts a tag");
        if let Some(whole) = whole {
            report.help(whole.in_quotes());
        }
        return None;
    }
    match &node.kind {
        Kind::Lost => None,
        Kind::Scalar(scalar) if !node.is_null() => scalar_expression(file_text, key, node, scalar, diagnostics),
        Kind::Scalar(_) => {
            no_expression(file_text, key, node, diagnostics);
            None
        }
        Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. } => {
            let raw = file_text.get(node.span.start as usize..node.span.end as usize).unwrap_or("");
            let object =
                matches!(&node.kind, Kind::Mapping { pairs, .. } if pairs.iter().any(|pair| !pair.value.is_null()));
            let sign = if object { "#" } else { "" };
            diagnostics
                .error(
                    &codes::YAML_ATE_FLOW,
                    node.span,
                    format!("YAML reads this as {}, where an expression is expected", node.shape()),
                )
                .help(format!("put the expression in single quotes: `{}: {}`", key.0, quoted(&format!("{sign}{raw}"))));
            None
        }
        Kind::Sequence { .. } | Kind::Mapping { .. } => {
            diagnostics.error(
                &codes::WRONG_TYPE,
                node.span,
                format!("`{}` takes an expression, and this is {}", key.0, node.shape()),
            );
            None
        }
    }
}

fn scalar_expression(
    file_text: &str,
    key: (&str, Span),
    node: &Node,
    scalar: &Scalar,
    diagnostics: &mut Diagnostics,
) -> Option<ExprText> {
    let end = node.span.end as usize;
    match scalar.style {
        ScalarStyle::Plain => {
            let after = file_text.get(end..).unwrap_or("");
            let line = after.split(['\n', '\r']).next().unwrap_or("");
            let comment = line.trim_start();
            let open = unbalanced(&scalar.text);
            if comment.starts_with("#{") || (open && comment.starts_with('#')) {
                let start = end + line.len() - comment.len();
                let span = Span::new(node.span.file, start, end + line.trim_end().len());
                let whole = format!("{}{}", scalar.text, line.trim_end());
                diagnostics
                    .error(
                        &codes::YAML_ATE_COMMENT,
                        span,
                        "YAML reads this as a comment: the expression ends before it",
                    )
                    .label("a `#` after a space starts a comment")
                    .help(format!("put the expression in single quotes: `{}: {}`", key.0, quoted(&whole)));
                return None;
            }
            if open && comment.starts_with(',') {
                at_comma(file_text, node, diagnostics);
                return None;
            }
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if is_bare_text(&scalar.text) => {
            let what = if scalar.text.contains([' ', '-']) { "no expression" } else { "a variable" };
            let fixed = quoted(&format!("\"{}\"", scalar.text));
            diagnostics
                .error(
                    &codes::TEXT_WITHOUT_QUOTES,
                    node.span,
                    format!("YAML removes its quotes, and `{}` without them is {what} to Rhai", scalar.text),
                )
                .help(format!("a text needs quotes of its own inside those of YAML: `{}: {fixed}`", key.0));
            return None;
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted | ScalarStyle::Literal | ScalarStyle::Folded => {}
    }
    if let Some(date) = bare_date(&scalar.text) {
        let text = ExprText::new(scalar.text.clone(), node.span, scalar.place.clone());
        diagnostics
            .error(
                &codes::TEXT_WITHOUT_QUOTES,
                text.span_of_bytes(date, date + DATE_LEN),
                "without quotes of its own a date is two subtractions to Rhai",
            )
            .help(match scalar.text.len() {
                DATE_LEN => format!("write it as a text: `{}: '\"{}\"'`", key.0, scalar.text),
                _ => format!("write it as a text: `\"{}\"`", &scalar.text[date..date + DATE_LEN]),
            });
        return None;
    }
    if scalar.text.trim().is_empty() {
        diagnostics.error(&codes::EMPTY_VALUE, node.span, format!("the expression of `{}` is empty", key.0));
        return None;
    }
    Some(ExprText::new(scalar.text.clone(), node.span, scalar.place.clone()))
}

/// Within braces a comma ended the value, though a bracket was open.
fn at_comma(file_text: &str, node: &Node, diagnostics: &mut Diagnostics) {
    let comma = Span::new(node.span.file, node.span.end as usize, node.span.end as usize + 1);
    let report = diagnostics
        .error(
            &codes::YAML_ATE_COMMA,
            node.span,
            "within braces YAML ends a value at a comma, and a bracket is open here",
        )
        .also(comma, "it ends here");
    if let Some(whole) = whole_value(file_text, node.span.start as usize) {
        report.help(whole.in_quotes());
    }
}

const DATE_LEN: usize = "2026-01-01".len();

/// The place of a date outside quotes.
fn bare_date(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_date = |from: usize| {
        let digit = |at: usize| bytes.get(from + at).is_some_and(u8::is_ascii_digit);
        let dash = |at: usize| bytes.get(from + at) == Some(&b'-');
        [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(digit) && dash(4) && dash(7) && !digit(DATE_LEN)
    };
    let mut quote = None;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '0'..='9') if !in_word && is_date(at) => return Some(at),
            (None, _) => {}
        }
        in_word = c.is_alphanumeric() || c == '_' || c == '.';
    }
    None
}

/// Null: nothing is written, or what is written is a comment.
fn no_expression(file_text: &str, key: (&str, Span), node: &Node, diagnostics: &mut Diagnostics) {
    let count = |c: char| key.0.matches(c).count();
    if count(')') > count('(') || count(']') > count('[') {
        return; // The rest of an expression that was cut at a comma: told where it begins.
    }
    let after = file_text.get(key.1.end as usize..).unwrap_or("");
    let line = after.split(['\n', '\r']).next().unwrap_or("");
    let value = line.trim_start_matches([':', ' ', '\t', '"', '\'']);
    if node.span.start == node.span.end && value.starts_with('#') {
        let start = key.1.end as usize + line.len() - value.len();
        let span = Span::new(key.1.file, start, start + value.trim_end().len());
        diagnostics
            .error(&codes::YAML_ATE_COMMENT, span, "YAML reads this as a comment: there is no expression")
            .label("a `#` after a space starts a comment")
            .help(format!("put the expression in single quotes: `{}: {}`", key.0, quoted(value.trim_end())));
        return;
    }
    let span = if node.span.start == node.span.end { key.1 } else { node.span };
    diagnostics
        .error(&codes::EMPTY_VALUE, span, format!("`{}` takes an expression, and there is none", key.0))
        .help("write the expression, or remove the key; Rhai's null is written `()`");
}

/// Whether a bracket is open at the end.
fn unbalanced(text: &str) -> bool {
    let count = |c: char| text.matches(c).count();
    count('(') > count(')') || count('[') > count(']') || count('{') > count('}')
}

/// Words that an expression cannot consist of: a text that lost its quotes.
fn is_bare_text(text: &str) -> bool {
    const NAMES: &[&str] = &["true", "false", "event", "meta", "params", "i", "acc"];
    const KEYWORDS: &[&str] = &[
        "in", "is", "if", "else", "let", "const", "return", "throw", "switch", "for", "while", "loop", "do", "until",
        "try", "fn", "break", "continue",
    ];
    let words: Vec<&str> = text.split([' ', '-']).collect();
    let is_word = |word: &&str| {
        word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && word.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    words.iter().all(is_word)
        && !words.iter().any(|word| KEYWORDS.contains(word))
        && (words.len() > 1 || !NAMES.contains(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_around_a_place() {
        let text = "a:\n  filter: \"a\" == event.x # why\n";
        let whole = whole_value(text, text.find("==").unwrap()).unwrap();
        assert_eq!((whole.key, whole.value), ("filter", "\"a\" == event.x"));
        assert_eq!(whole.in_quotes(), "put the value in single quotes: `filter: '\"a\" == event.x'`");
        let text = "s: { from: a, filter: \"a\" == f(x, 1), map: b }";
        let whole = whole_value(text, text.find("==").unwrap()).unwrap();
        assert_eq!((whole.key, whole.value), ("filter", "\"a\" == f(x, 1)"));
        assert!(whole_value("no colon", 3).is_none());
        assert!(whole_value("a: b", 0).is_none());
    }

    #[test]
    fn bare_texts() {
        for text in ["click", "very high", "in_progress", "not-found"] {
            assert!(is_bare_text(text), "{text}");
        }
        assert_eq!(bare_date("event.t > 2024-01-01"), Some(10));
        for expr in ["'2024-01-01'", "\"2024-01-01T00:00:00Z\"", "2024 - 1 - 1", "x2024-01-01", "12024-01-01"] {
            assert_eq!(bare_date(expr), None, "{expr}");
        }
        for expr in ["event", "true", "event.a", "x in y", "a + b", "5", "a()", "\"click\"", "-x", ""] {
            assert!(!is_bare_text(expr), "{expr}");
        }
    }
}
