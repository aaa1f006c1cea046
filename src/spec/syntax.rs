//! The parser's syntax errors as diagnostics. Most of them are places where YAML took a sign of an expression for its own.

use granit_parser::{ErrorKind, ScanError};

use super::eaten::{Whole, flow_end, whole_value};
use crate::diagnostic::{Code, Diagnostics, FileId, Span, codes, floor};

/// Reports that the file is not YAML from byte `at` on.
pub(super) fn syntax_error(file: FileId, text: &str, at: usize, error: &ScanError, diagnostics: &mut Diagnostics) {
    let at = floor(text, at);
    let width = text[at..].chars().next().filter(|c| !matches!(c, '\n' | '\r')).map_or(0, char::len_utf8);
    let span = Span::new(file, at, at + width);
    match error.kind() {
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::InvalidBlockEntryWhitespace
            if text[..at + width].rsplit('\n').next().is_some_and(|line| line.contains('\t')) =>
        {
            let span = tab_before(file, text, at + width);
            diagnostics
                .error(&codes::YAML_TAB, span, "a tab is used as indentation, which YAML forbids")
                .help("indent with spaces");
            return;
        }
        ErrorKind::RecursionLimitExceeded => {
            diagnostics.error(&codes::YAML_TOO_DEEP, span, "values nest too deep here");
            return;
        }
        _ => {}
    }
    if let Some(whole) = whole_value(text, at)
        && let Some((code, message)) = eaten_by(&whole, error.kind())
    {
        let span = Span::new(file, whole.start, whole.start + whole.value.len());
        diagnostics.error(code, span, message).help(whole.in_quotes());
        return;
    }
    let open = way_out(error.kind()).filter(|help| *help == BRACKETS).and_then(|_| open_bracket(&text[..at]));
    let mut report = diagnostics.error(&codes::YAML_SYNTAX, span, format!("this is not YAML: {}", error.kind()));
    if let Some(bracket) = open {
        report = report.also(Span::new(file, bracket, bracket + 1), "this is open");
    }
    if let Some(help) = way_out(error.kind()) {
        report = report.help(help);
    }
    if let Some((key, value)) = without_space(text, at) {
        report.help(format!("a space belongs behind the colon: `{key}: {value}`"));
    }
}

/// The last bracket of a list or mapping that is not closed.
fn open_bracket(before: &str) -> Option<usize> {
    let mut closed = 0usize;
    for (at, c) in before.char_indices().rev() {
        match c {
            ']' | '}' => closed += 1,
            '[' | '{' if closed == 0 => return Some(at),
            '[' | '{' => closed -= 1,
            _ => {}
        }
    }
    None
}

/// `key:value`, which to YAML is one text.
fn without_space(text: &str, at: usize) -> Option<(&str, &str)> {
    let line = text[at..].split(['\n', '\r']).next()?;
    let (key, value) = line.split_once(':')?;
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_key && !value.is_empty() && !value.starts_with(' ')).then_some((key, value.trim_end()))
}

/// Reports a value that YAML took for an alias.
pub(super) fn anchor(file: FileId, whole: &Whole<'_>, diagnostics: &mut Diagnostics) {
    if let Some((code, message)) = eaten_by(whole, &ErrorKind::ExpectedBlockMappingKey) {
        let span = Span::new(file, whole.start, whole.start + whole.value.len());
        diagnostics.error(code, span, message).help(whole.in_quotes());
    }
}

fn tab_before(file: FileId, text: &str, end: usize) -> Span {
    let tab = text[..end].rfind('\t').unwrap_or(end.saturating_sub(1));
    Span::new(file, tab, tab + 1)
}

/// Which sign of YAML broke the value, if it looks like an expression.
fn eaten_by(whole: &Whole<'_>, kind: &ErrorKind) -> Option<(&'static Code, String)> {
    let value = whole.value;
    let first = value.chars().next()?;
    let trailing =
        matches!(kind, ErrorKind::InvalidTrailingDoubleQuotedScalar | ErrorKind::InvalidTrailingSingleQuotedScalar);
    let separator = matches!(kind, ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator);
    Some(match first {
        '"' | '\'' if trailing => (
            &codes::YAML_ATE_QUOTES,
            format!("YAML ends this value at its second {first}, and there is more behind it"),
        ),
        '!' => (&codes::YAML_ATE_TAG, "YAML reads a value that starts with `!` as a tag".into()),
        '*' | '&' => (
            &codes::YAML_ANCHOR_EXPRESSION,
            format!("YAML reads a value that starts with `{first}` as an anchor or an alias"),
        ),
        '#' => (&codes::YAML_ATE_COMMENT, "YAML reads a value that starts with `#` as a comment".into()),
        '[' | '{' if flow_end(&value[1..]) + 2 < value.len() => (
            &codes::YAML_ATE_FLOW,
            format!(
                "YAML reads a value that starts with `{first}` as a list or a mapping, and there is more behind it"
            ),
        ),
        '`' => (&codes::YAML_ATE_INDICATOR, "a backtick at the start of a value means something else in YAML".into()),
        '%' | '@' | '|' | '>' | ',' | ']' | '}' => {
            (&codes::YAML_ATE_INDICATOR, format!("`{first}` at the start of a value means something else in YAML"))
        }
        '-' | '?' if value[1..].starts_with(' ') => {
            (&codes::YAML_ATE_INDICATOR, format!("`{first} ` at the start of a value means something else in YAML"))
        }
        _ if value.contains("${") => {
            (&codes::YAML_ATE_FLOW, "within braces YAML reads the braces of `${...}` as its own".into())
        }
        _ if whole.flow && separator && value.contains(['[', '{']) => {
            (&codes::YAML_ATE_FLOW, "within braces YAML reads the brackets of an expression as its own".into())
        }
        _ if whole.flow && separator && value.contains(": ") => {
            (&codes::YAML_ATE_COLON, "YAML reads a colon and a space within a value as a mapping".into())
        }
        _ if matches!(kind, ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement) => {
            (&codes::YAML_ATE_COLON, "YAML reads a colon and a space within a value as a mapping".into())
        }
        _ => return None,
    })
}

const BRACKETS: &str = "check that every `{` and `[` has its `}` and `]`, with commas between";

fn way_out(kind: &ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::InvalidIndentation
        | ErrorKind::UnexpectedEofBlockMapping
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::MappingValueNotAllowed => {
            "keys of one mapping stand in one column; compare the indentation with the lines above"
        }
        ErrorKind::UnclosedQuotedScalar => {
            "close the quote; within double quotes write `\\\"`, within single ones `''`"
        }
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::MismatchedFlowCollectionEnd { .. }
        | ErrorKind::MisplacedFlowCollectionEnd => BRACKETS,
        ErrorKind::UnknownQuotedScalarEscape => {
            "write `\\\\` for a backslash, or use single quotes, in which it is nothing special"
        }
        ErrorKind::DirectiveDisallowed => "a line that starts with `%` is a YAML directive; put the text in quotes",
        _ => return None,
    })
}
