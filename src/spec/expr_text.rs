//! Texts of the file that hold Rhai: expressions and templates, with the way back from their characters to bytes of the YAML.

use crate::diagnostic::{FileId, Span};

/// From positions in a scalar's decoded text to byte offsets of the file.
///
/// Between two marks both advance alike; at a mark they jump (an escape, a fold, the indentation of a block).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScalarMap {
    /// `(text offset, file offset)`, ascending in both; the last one is the end.
    marks: Vec<(u32, u32)>,
}

impl ScalarMap {
    /// A text that stands in the file as it is, from `start` on.
    pub fn straight(start: usize, len: usize) -> Self {
        let mut map = ScalarMap::default();
        map.mark(0, start);
        map.mark(len, start + len);
        map
    }

    /// From here on, `text` offsets lie at `file` offsets.
    pub fn mark(&mut self, text: usize, file: usize) {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let next = (clamp(text), clamp(file));
        match self.marks.last_mut() {
            Some(last) if last.0 >= next.0 => *last = next,
            _ => self.marks.push(next),
        }
    }

    /// The byte of the file that the byte `at` of the text came from.
    pub fn file_offset(&self, at: usize) -> usize {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let after = self.marks.partition_point(|(text, _)| *text <= at);
        match after.checked_sub(1).and_then(|index| self.marks.get(index)) {
            // Past the end there is nothing more to count.
            Some((_, file)) if after == self.marks.len() => *file as usize,
            Some((text, file)) => {
                let to = self.marks.get(after).map_or(u32::MAX, |(_, file)| *file);
                (file.saturating_add(at - text)).min(to) as usize
            }
            None => self.marks.first().map_or(0, |(_, file)| *file as usize),
        }
    }

    /// The map of the part of the text from `from` to `to`.
    pub fn slice(&self, from: usize, to: usize) -> ScalarMap {
        let mut map = ScalarMap::default();
        map.mark(0, self.file_offset(from));
        for (text, file) in &self.marks {
            let text = *text as usize;
            if text > from && text < to {
                map.mark(text - from, *file as usize);
            }
        }
        if to > from {
            // The end is where its last character ends: at the next mark's place it may have jumped.
            map.mark(to - from, self.file_offset(to - 1) + 1);
        }
        map
    }
}

/// A Rhai expression or block, as written.
#[derive(Clone, Debug)]
pub struct ExprText {
    /// The decoded text: what Rhai parses.
    pub text: String,
    /// The scalar in the file, quotes and block header included.
    pub span: Span,
    place: ScalarMap,
}

/// Equal text means the same thing, wherever it stands.
impl PartialEq for ExprText {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl ExprText {
    pub fn new(text: String, span: Span, place: ScalarMap) -> Self {
        ExprText { text, span, place }
    }

    /// An expression that stands in no file: made by the product, or given in a test.
    pub fn detached(text: impl Into<String>) -> Self {
        let text = text.into();
        let place = ScalarMap::straight(0, text.len());
        ExprText { text, span: Span::NONE, place }
    }

    /// The place of a Rhai position: `line` and `column` count from 1, columns in characters. Covers the word or character there.
    pub fn span_of(&self, line: usize, column: usize) -> Span {
        let start = self.offset_of(line, column);
        let rest = self.text.get(start..).unwrap_or("");
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let len = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
        self.span_of_bytes(start, start + len)
    }

    /// The byte offset in the text of a Rhai position.
    pub fn offset_of(&self, line: usize, column: usize) -> usize {
        let mut start = 0;
        for _ in 1..line {
            match self.text.get(start..).and_then(|rest| rest.find('\n')) {
                Some(newline) => start += newline + 1,
                None => return self.text.len(),
            }
        }
        let rest = self.text.get(start..).unwrap_or("");
        let line_text = rest.split('\n').next().unwrap_or("");
        let in_line = line_text.char_indices().nth(column.saturating_sub(1)).map_or(line_text.len(), |(at, _)| at);
        start + in_line
    }

    /// The place of bytes `from..to` of the text.
    pub fn span_of_bytes(&self, from: usize, to: usize) -> Span {
        if self.span.file == FileId::NONE {
            return Span::NONE;
        }
        let start = self.place.file_offset(from);
        let end = if to > from { self.place.file_offset(to - 1) + 1 } else { start };
        Span::new(self.span.file, start, end)
    }

    /// A part of the text as an expression of its own.
    pub fn part(&self, from: usize, to: usize) -> ExprText {
        ExprText {
            text: self.text.get(from..to).unwrap_or("").to_string(),
            span: self.span_of_bytes(from, to),
            place: self.place.slice(from, to),
        }
    }
}

/// A text with `{{ expr }}` in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    pub parts: Vec<TemplatePart>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    Text(String),
    Expr(ExprText),
}

impl Template {
    /// The text, if there is no expression in it.
    pub fn constant(&self) -> Option<String> {
        let mut whole = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => whole.push_str(text),
                TemplatePart::Expr(_) => return None,
            }
        }
        Some(whole)
    }

    /// The expressions in it, in order.
    pub fn exprs(&self) -> impl Iterator<Item = &ExprText> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Text(_) => None,
            TemplatePart::Expr(expr) => Some(expr),
        })
    }

    /// Cuts a text at its braces. An error is the byte offset of a brace that has no partner, or of an empty expression.
    pub(super) fn split(text: &ExprText) -> Result<Template, usize> {
        let mut parts = Vec::new();
        let mut at = 0;
        let whole = text.text.as_str();
        while let Some(open) = whole[at..].find("{{").map(|found| at + found) {
            let Some(close) = whole[open..].find("}}").map(|found| open + found) else {
                return Err(open);
            };
            // `{{ #{a: 1} }}`: of several closing braces the last two count.
            let run = whole[close..].bytes().take_while(|byte| *byte == b'}').count();
            let close = close + run - 2;
            let inner = &whole[open + 2..close];
            let from = open + 2 + (inner.len() - inner.trim_start().len());
            let to = from + inner.trim().len();
            if from == to {
                return Err(open);
            }
            if open > at {
                parts.push(TemplatePart::Text(whole[at..open].to_string()));
            }
            parts.push(TemplatePart::Expr(text.part(from, to)));
            at = close + 2;
        }
        if let Some(stray) = whole[at..].find("}}") {
            return Err(at + stray);
        }
        if at < whole.len() || parts.is_empty() {
            parts.push(TemplatePart::Text(whole[at..].to_string()));
        }
        Ok(Template { parts, span: text.span })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_over_jumps() {
        let mut map = ScalarMap::default();
        map.mark(0, 10);
        map.mark(3, 20);
        map.mark(6, 23);
        assert_eq!((0..8).map(|at| map.file_offset(at)).collect::<Vec<_>>(), [10, 11, 12, 20, 21, 22, 23, 23]);
        let part = map.slice(1, 5);
        assert_eq!((0..5).map(|at| part.file_offset(at)).collect::<Vec<_>>(), [11, 12, 20, 21, 22]);
    }

    #[test]
    fn positions_of_rhai_are_lines_and_characters() {
        let text = ExprText::detached("let é = 1;\né + foo");
        assert_eq!(text.offset_of(2, 5), 17);
        assert_eq!(text.offset_of(9, 9), text.text.len());
        assert_eq!(text.offset_of(1, 99), 11);
    }

    #[test]
    fn templates_split_at_braces() {
        let split = |text: &str| Template::split(&ExprText::detached(text));
        let template = split("out/{{ event.day }}-{{#{a: 1}}}.jsonl").unwrap();
        let exprs: Vec<_> = template.exprs().map(|expr| expr.text.as_str()).collect();
        assert_eq!(exprs, ["event.day", "#{a: 1}"]);
        assert_eq!(template.constant(), None);
        assert_eq!(split("plain").unwrap().constant().as_deref(), Some("plain"));
        assert_eq!(split("").unwrap().constant().as_deref(), Some(""));
        assert_eq!(split("a{{b"), Err(1));
        assert_eq!(split("a}}b"), Err(1));
        assert_eq!(split("a{{ }}"), Err(1));
    }
}
