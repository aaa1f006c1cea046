//! Reading of JSON text that the scanner has accepted before: members, items, and the value at a path. Nothing here
//! fails; on text that was never checked the answers are merely useless.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::{Cell, TextRef, Texts};
use crate::limits::JSON_DEPTH_MAX;

use super::scan::{key, literal, number, skip_space, skip_value, string};
use super::text::string_end;
use super::{classify_number, unescape};

/// A JSON value, borrowed from its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is not written as an i64.
    Number(&'a [u8]),
    /// A string without escapes.
    Str(&'a [u8]),
    /// A string with escapes, as written between its quotes.
    Escaped(&'a [u8]),
    /// An object or array.
    Json(&'a [u8]),
}

impl<'a> Value<'a> {
    fn of(cell: Cell, text: &'a [u8]) -> Option<Value<'a>> {
        let bytes = |at: TextRef| text.get(at.start as usize..at.start as usize + at.len as usize);
        Some(match cell {
            Cell::Missing | Cell::Packed(_) => return None,
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Int(value) => Value::Int(value),
            Cell::Float(_) => return None,
            Cell::Number(at) => Value::Number(bytes(at)?),
            Cell::Str(at) => Value::Str(bytes(at)?),
            Cell::Escaped(at) => Value::Escaped(bytes(at)?),
            Cell::Json(at) => Value::Json(bytes(at)?),
        })
    }

    /// The value of a string.
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        match self {
            Value::Str(raw) => Some(String::from_utf8_lossy(raw)),
            Value::Escaped(raw) => Some(unescape(raw)),
            _ => None,
        }
    }
}

/// The value at `at` as a cell whose range counts from the start of `text`, and what follows it.
pub(in crate::event) fn cell_at(text: &[u8], at: usize) -> Option<(Cell, usize)> {
    let range = |start: usize, end: usize| TextRef { text: 0, start: start as u32, len: (end - start) as u32 };
    Some(match text.get(at)? {
        b'"' => {
            let (end, escaped) = string(text, at + 1).ok()?;
            let inside = range(at + 1, end);
            (if escaped { Cell::Escaped(inside) } else { Cell::Str(inside) }, end + 1)
        }
        b'{' | b'[' => {
            let end = after_value(text, at);
            (Cell::Json(range(at, end)), end)
        }
        b'-' | b'0'..=b'9' => {
            let (end, int) = number(text, at).ok()?;
            (classify_number(&text[at..end], int, range(at, end)), end)
        }
        first => {
            let end = literal(text, at).ok()?;
            (if *first == b'n' { Cell::Null } else { Cell::Bool(*first == b't') }, end)
        }
    })
}

/// What follows the value at `at`. The scanner is faster than a search for the closing bracket, but it bounds nesting, and
/// what was made of several texts (a list of collected values) may be deeper than any of them.
#[inline(always)]
fn after_value(text: &[u8], at: usize) -> usize {
    skip_value(text, at, 0, JSON_DEPTH_MAX).unwrap_or_else(|_| after_nested(text, at))
}

#[cold]
fn after_nested(text: &[u8], mut at: usize) -> usize {
    let mut open = 0usize;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => at = string_end(text, at),
            b'{' | b'[' => open += 1,
            b'}' | b']' => {
                open = open.saturating_sub(1);
                if open == 0 {
                    break;
                }
            }
            _ => {}
        }
    }
    at
}

/// A member of an object: where its name is between the quotes, and where its value is.
#[derive(Clone, Copy, Debug)]
pub(in crate::event) struct Member {
    pub name: (usize, usize),
    pub escaped: bool,
    pub value: (usize, usize),
}

impl Member {
    /// Whether this is its name, however it is written.
    #[inline]
    pub(in crate::event) fn is(&self, text: &[u8], name: &[u8]) -> bool {
        let raw = text.get(self.name.0..self.name.1).unwrap_or_default();
        if self.escaped { unescape(raw).as_bytes() == name } else { raw == name }
    }

    /// Its value; the range counts from the start of the object's text.
    pub(in crate::event) fn cell(&self, text: &[u8]) -> Cell {
        cell_at(text, self.value.0).map_or(Cell::Missing, |(cell, _)| cell)
    }

    /// The name's value.
    pub(in crate::event) fn name<'a>(&self, text: &'a [u8]) -> Cow<'a, str> {
        let raw = text.get(self.name.0..self.name.1).unwrap_or_default();
        if self.escaped { unescape(raw) } else { String::from_utf8_lossy(raw) }
    }
}

/// The members of an object's text, in order, ranges counted from its start.
#[derive(Clone, Debug)]
pub(in crate::event) struct RawMembers<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> RawMembers<'a> {
    pub(in crate::event) fn new(text: &'a [u8]) -> RawMembers<'a> {
        let open = skip_space(text, 0);
        let at = if text.get(open) == Some(&b'{') { open + 1 } else { text.len() };
        RawMembers { text, at }
    }
}

impl RawMembers<'_> {
    /// Goes on to the next value: where its name is, whether that has escapes, and where the value starts.
    #[inline(always)]
    fn next_name(&mut self) -> Option<((usize, usize), bool, usize)> {
        let mut at = skip_space(self.text, self.at);
        if self.text.get(at) == Some(&b',') {
            at = skip_space(self.text, at + 1);
        }
        if self.text.get(at) == Some(&b'}') {
            return None;
        }
        let (end, escaped, start) = key(self.text, at).ok()?;
        Some(((at + 1, end), escaped, start))
    }
}

impl Iterator for RawMembers<'_> {
    type Item = Member;

    #[inline]
    fn next(&mut self) -> Option<Member> {
        let (name, escaped, start) = self.next_name()?;
        self.at = after_value(self.text, start);
        Some(Member { name, escaped, value: (start, self.at) })
    }
}

/// The members of an object: see [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a>(RawMembers<'a>);

impl Members<'_> {
    /// The next value as a cell whose range counts from the start of the object's text.
    pub fn next_cell(&mut self) -> Option<Cell> {
        let (_, _, start) = self.0.next_name()?;
        let (cell, after) = cell_at(self.0.text, start)?;
        self.0.at = after;
        Some(cell)
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, escaped, start) = self.0.next_name()?;
        let (cell, after) = cell_at(self.0.text, start)?;
        self.0.at = after;
        let member = Member { name, escaped, value: (start, after) };
        Some((member.name(self.0.text), Value::of(cell, self.0.text)?))
    }
}

/// Names and values of an object's text, in order, duplicates included; none for another value. More may stand behind it.
pub fn members(text: &[u8]) -> Members<'_> {
    Members(RawMembers::new(text))
}

/// The items of an array: see [`items`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    /// The next item as a cell whose range counts from the start of the array's text.
    pub fn next_cell(&mut self) -> Option<Cell> {
        let mut at = skip_space(self.text, self.at);
        if self.text.get(at) == Some(&b',') {
            at = skip_space(self.text, at + 1);
        }
        if self.text.get(at) == Some(&b']') {
            return None;
        }
        let (cell, after) = cell_at(self.text, at)?;
        self.at = after;
        Some(cell)
    }

    /// Where the items that are left begin, for [`items_from`].
    pub fn at(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let cell = self.next_cell()?;
        Value::of(cell, self.text)
    }
}

/// The items of an array's text, in order; none for another value. More may stand behind it.
pub fn items(text: &[u8]) -> Items<'_> {
    let open = skip_space(text, 0);
    let at = if text.get(open) == Some(&b'[') { open + 1 } else { text.len() };
    Items { text, at }
}

/// The items that are left of an array's text where [`Items::at`] said so.
pub fn items_from(text: &[u8], at: usize) -> Items<'_> {
    Items { text, at }
}

/// The value at a path inside an object's text; of duplicate names the last counts. `None` where a name is missing or
/// something on the way is no object. The empty path is the value itself.
pub fn lookup<'a>(text: &'a [u8], path: &[Arc<str>]) -> Option<Value<'a>> {
    Value::of(find_cell(text, path)?, text)
}

/// [`lookup`] inside a cell's text, as a cell of the same text: `Missing` where there is none.
pub fn lookup_cell(texts: &Texts, object: TextRef, path: &[Arc<str>]) -> Cell {
    let Some(found) = find_cell(texts.bytes(object), path) else { return Cell::Missing };
    match found.text_ref() {
        Some(at) => found.with_text_ref(TextRef { text: object.text, start: object.start + at.start, len: at.len }),
        None => found,
    }
}

/// The value at a path as a cell whose range counts from the start of `text`.
pub(in crate::event) fn find_cell(text: &[u8], path: &[Arc<str>]) -> Option<Cell> {
    let (mut start, mut end) = (skip_space(text, 0), text.len());
    for name in path {
        let object = text.get(start..end).filter(|object| object.first() == Some(&b'{'))?;
        let value = RawMembers::new(object).filter(|member| member.is(object, name.as_bytes())).last()?.value;
        (start, end) = (start + value.0, start + value.1);
    }
    Some(cell_at(text, start)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Arc<str>> {
        text.split('.').filter(|name| !name.is_empty()).map(Arc::from).collect()
    }

    #[test]
    fn lookup_takes_the_last_of_duplicates_and_reads_escaped_names() {
        let text = br#" {"a":{"b":1},"a":{"b":"x\n","c":[1, 2]},"\u0062":-0,"n":null} "#;
        assert_eq!(lookup(text, &path("a.b")), Some(Value::Escaped(b"x\\n")));
        assert_eq!(lookup(text, &path("a.c")), Some(Value::Json(b"[1, 2]")));
        assert_eq!(lookup(text, &path("b")), Some(Value::Number(b"-0")));
        assert_eq!(lookup(text, &path("n")), Some(Value::Null));
        assert_eq!(lookup(text, &path("n.x")), None);
        assert_eq!(lookup(text, &path("z")), None);
        assert!(matches!(lookup(text, &[]), Some(Value::Json(_))));
    }

    #[test]
    fn cells_point_into_the_same_text() {
        let mut texts = Texts::default();
        texts.push("other".into());
        let all = br#"xx{"a":{"s":"hi"}}"#;
        let text = texts.push(all.to_vec().into());
        let object = TextRef { text, start: 2, len: all.len() as u32 - 2 };
        let Cell::Str(at) = lookup_cell(&texts, object, &path("a.s")) else { panic!("a string") };
        assert_eq!(texts.str(at), "hi");
        assert_eq!(lookup_cell(&texts, object, &path("a.x")), Cell::Missing);
    }

    #[test]
    fn text_that_was_never_checked_ends_quietly() {
        for text in [
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"x",
            "{\"a\":{",
            "{\"a\":[1}",
            "{\"a\":}",
            "{,",
            "[\"",
            "[1,",
            "{\"a\\",
            "[",
            "{",
            "x",
            "",
        ] {
            members(text.as_bytes()).take(9).count();
            items(text.as_bytes()).take(9).count();
            lookup(text.as_bytes(), &path("a.b"));
        }
        let deep = ["{\"a\":", &"[".repeat(5000), &"]".repeat(5000), ",\"b\":1}"].concat();
        assert_eq!(lookup(deep.as_bytes(), &path("b")), Some(Value::Int(1)));
    }

    #[test]
    fn members_and_items_come_in_order() {
        let names: Vec<_> =
            members(br#"{ "b" : 1 , "a\"" : [ ] , "b" : {} }"#).map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["b", "a\"", "b"]);
        let values: Vec<_> = items(b" [ 1 , \"x\" , [2] ] ").collect();
        assert_eq!(values, [Value::Int(1), Value::Str(b"x"), Value::Json(b"[2]")]);
        assert_eq!(members(b"[1]").count() + items(b"{}").count() + items(b"[]").count() + members(b"{}").count(), 0);
    }
}
