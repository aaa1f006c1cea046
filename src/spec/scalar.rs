//! From the decoded text of a YAML scalar back to the bytes of the file, for all scalar styles.
//!
//! The parser gives the decoded text and the raw range; the two are walked side by side. Every character of the text that is
//! not made by folding or escaping is found at the byte that the map names; nothing here can fail, only be less exact.

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::expr_text::ScalarMap;

/// The map of a scalar whose content lies at `range` of `file` and reads `text`.
pub(super) fn map(file: &str, text: &str, style: ScalarStyle, range: Range<usize>) -> ScalarMap {
    match style {
        ScalarStyle::Plain => flow(file, text, range, Quote::None),
        ScalarStyle::SingleQuoted => flow(file, text, inner(range), Quote::Single),
        ScalarStyle::DoubleQuoted => flow(file, text, inner(range), Quote::Double),
        ScalarStyle::Literal | ScalarStyle::Folded => block(file, text, range),
    }
}

fn inner(range: Range<usize>) -> Range<usize> {
    let start = (range.start + 1).min(range.end);
    start..range.end.saturating_sub(1).max(start)
}

#[derive(Clone, Copy, PartialEq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Plain and quoted scalars: line breaks fold, quotes escape.
fn flow(file: &str, text: &str, range: Range<usize>, quote: Quote) -> ScalarMap {
    let raw = file.get(range.clone()).unwrap_or("");
    let mut map = ScalarMap::default();
    let mut at = 0; // in raw
    for (offset, wanted) in text.char_indices() {
        at = match quote {
            Quote::Double => skip_continuations(raw, at),
            Quote::None | Quote::Single => at,
        };
        let mut width = width_of(raw, at, wanted, quote);
        if width.is_none() {
            // A fold: the line break and what is around it became one space, or line feeds.
            let rest = raw.get(at..).unwrap_or("");
            let skipped = rest.len() - rest.trim_start_matches(['\n', '\r', ' ', '\t']).len();
            if wanted.is_whitespace() {
                map.mark(offset, range.start + at);
                // Further line feeds of the same fold find theirs; a character finds its own by skipping the rest.
                at += rest.find('\n').map_or(0, |newline| (newline + 1).min(skipped));
                continue;
            }
            at += skipped;
            width = width_of(raw, at, wanted, quote);
        }
        let width = width.unwrap_or_else(|| wanted.len_utf8());
        map.mark(offset, range.start + at);
        at = (at + width).min(raw.len());
        while !raw.is_char_boundary(at) {
            at -= 1;
        }
    }
    map.mark(text.len(), range.start + at);
    map
}

/// How many raw bytes at `at` make the character, if they can.
fn width_of(raw: &str, at: usize, wanted: char, quote: Quote) -> Option<usize> {
    let rest = raw.get(at..)?;
    match quote {
        Quote::Double if rest.starts_with('\\') => Some(escape_len(rest)),
        Quote::Single if wanted == '\'' && rest.starts_with("''") => Some(2),
        _ => rest.starts_with(wanted).then(|| wanted.len_utf8()),
    }
}

/// `\` at a line's end joins the lines; it and the next line's indentation are no text.
fn skip_continuations(raw: &str, mut at: usize) -> usize {
    loop {
        let rest = raw.get(at..).unwrap_or("");
        let Some(after) = rest.strip_prefix('\\') else { return at };
        let Some(after) = after.strip_prefix("\r\n").or_else(|| after.strip_prefix('\n')) else { return at };
        at = raw.len() - after.trim_start_matches([' ', '\t']).len();
    }
}

/// The raw length of the escape that `rest` starts with, or 0.
fn escape_len(rest: &str) -> usize {
    let mut chars = rest.chars();
    if chars.next() != Some('\\') {
        return 0;
    }
    let len = match chars.next() {
        Some('x') => 4,
        Some('u') => {
            // A surrogate pair is two escapes and one character.
            let high = rest.get(2..6).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            if high.is_some_and(|high| (0xd800..0xdc00).contains(&high)) { 12 } else { 6 }
        }
        Some('U') => 10,
        Some(other) => 1 + other.len_utf8(),
        None => 1,
    };
    len.min(rest.len())
}

/// Literal and folded blocks: each raw line's content is found in the text, in order.
fn block(file: &str, text: &str, range: Range<usize>) -> ScalarMap {
    let mut map = ScalarMap::default();
    let mut done = 0; // bytes of text that are mapped
    // The range starts behind the first line's indentation, which may be content when the header gives a number.
    let mut start = file.get(..range.start).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    map.mark(0, start);
    while start < range.end && done < text.len() {
        let end = file[start..].find('\n').map_or(file.len(), |newline| start + newline);
        let line = file[start..end].trim_end_matches('\r');
        let content = line.trim_start_matches(' ');
        let rest = &text[done..];
        let skipped = rest.len() - rest.trim_start_matches([' ', '\n']).len();
        if content.trim().is_empty() || !rest[skipped..].starts_with(content) {
            start = end + 1;
            continue;
        }
        // Spaces in the text behind its last line feed are this line's further indentation; a single one is a fold.
        let between = &rest[..skipped];
        let deeper = match between.rfind('\n') {
            Some(newline) => between.len() - newline - 1,
            None if done == 0 => between.len(),
            None => 0,
        };
        let content_at = start + line.len() - content.len();
        let from = done + skipped - deeper;
        if done < from {
            // What folding made lies at the break before this line.
            map.mark(done, start.saturating_sub(1));
        }
        map.mark(from, content_at.saturating_sub(deeper));
        done += skipped + content.len();
        map.mark(done, content_at + content.len());
        start = end + 1;
    }
    map
}

#[cfg(test)]
mod tests {
    use granit_parser::{Event, Parser};
    use proptest::prelude::*;

    use super::*;

    /// Every scalar of the file, with its map.
    fn scalars(file: &str) -> Vec<(String, ScalarStyle, ScalarMap)> {
        let events = Parser::new_from_str(file).filter_map(Result::ok);
        events
            .filter_map(|(event, span)| match event {
                Event::Scalar(text, style, ..) => {
                    let range = span.byte_range().unwrap();
                    Some((text.to_string(), style, map(file, &text, style, range)))
                }
                _ => None,
            })
            .collect()
    }

    /// Every character that stands in the file as it is must be found there.
    fn holds(file: &str) {
        for (text, style, map) in scalars(file) {
            for (offset, wanted) in text.char_indices() {
                let at = map.file_offset(offset);
                let found = file.get(at..).and_then(|rest| rest.chars().next());
                let made = wanted.is_whitespace() || (style == ScalarStyle::DoubleQuoted && found == Some('\\'));
                assert!(made || found == Some(wanted), "{wanted:?} of {text:?} at {at} ({found:?}) in\n{file}");
            }
        }
    }

    #[test]
    fn every_style_finds_its_characters() {
        for file in [
            "a: b c\n",
            "a: x\n  y\n\n  z\n",
            "a: 'it''s\n   here'\n",
            "a: \"x\\n\\u00e9\\uD83D\\uDE00 y\\\n   z\n  w\"\n",
            "a: |\n  let x = 1;\n    x + y\n\n  é\n",
            "a: |+2\n      x\n    y\n\nb: 1\n",
            "a: >\n  one\n  two\n\n  three\n    deeper\n    more\n  back\n",
            "a: >-\n\n\n  one\n  two\n",
            "a: |\r\n  x\r\n  y\r\n",
            "a: |1-\n  x\n y\n",
            "- >+\n a\n  b\n c\n\n",
        ] {
            holds(file);
        }
    }

    #[test]
    fn exact_places_in_a_block() {
        let file = "a: >-\n  one\n  two\n    deep\n";
        let (text, _, map) = scalars(file).pop().unwrap();
        assert_eq!(text, "one two\n  deep");
        let place = |word: &str| map.file_offset(text.find(word).unwrap());
        assert_eq!((place("one"), place("two"), place("deep")), (8, 14, 22));
        assert_eq!(map.file_offset(text.find("  deep").unwrap()), 20);
    }

    proptest! {
        #[test]
        fn any_text_in_any_style(
            lines in prop::collection::vec("[ ]{0,3}[a-z#é'\"{}:!]{0,3}( [a-z+é]{1,3}){0,2}", 1..6),
            header in prop::sample::select(vec!["|", ">", "|-", ">-", "|+", ">+", "|2", ">2-", "'", "\"", ""]),
        ) {
            let body: Vec<String> = lines.iter().map(|line| format!("  {line}")).collect();
            let file = match header {
                "'" => format!("a: 'x\n{}'\nb: 1\n", body.join("\n").replace('\'', "''")),
                "\"" => format!("a: \"x\n{}\"\nb: 1\n", body.join("\n").replace('"', "\\\"")),
                "" => format!("a: x\n{}\nb: 1\n", body.join("\n")),
                block => format!("a: {block}\n{}\nb: 1\n", body.join("\n")),
            };
            holds(&file);
        }
    }
}
