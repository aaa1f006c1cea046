//! What is wrong with an expression's text: found when a topology is checked, with places as bytes of that text.

use std::ops::Range;

use rhai::Position;

use crate::diagnostic::Code;

/// One problem of an expression, for the caller to place in the YAML file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: &'static Code,
    /// Bytes of the text.
    pub range: Range<usize>,
    pub message: String,
    /// A way out.
    pub help: Option<String>,
}

/// A text with its lines, to turn Rhai's positions (lines and characters from 1) into bytes.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub text: String,
    lines: Vec<usize>,
}

impl Source {
    pub(crate) fn new(text: &str) -> Source {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Source { text: text.to_owned(), lines: std::iter::once(0).chain(starts).collect() }
    }

    /// The byte of a position; the start where there is none.
    pub(crate) fn offset(&self, at: Position) -> usize {
        let Some(line) = at.line() else { return 0 };
        let start = self.lines.get(line - 1).copied().unwrap_or(self.text.len());
        let chars = at.position().map_or(0, |position| position - 1);
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at)
    }

    /// The bytes of the token that starts at a position.
    pub(crate) fn token(&self, at: Position) -> Range<usize> {
        let start = self.offset(at);
        let rest = self.text.get(start..).unwrap_or_default();
        let word = |c: char| c.is_alphanumeric() || c == '_';
        let len = match rest.chars().next() {
            Some('"') => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            Some(first) if word(first) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            Some(first) => first.len_utf8(),
            None => 0,
        };
        start..start + len
    }
}

/// ``did you mean `name`?`` of the nearest candidate, if one is near.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    crate::diagnostic::did_you_mean(name, candidates).map(|near| format!("did you mean `{near}`?"))
}
