//! Random JSON texts for property tests and fuzzers: whatever makes the bytes makes the choices, so both can vary and shrink them.

/// Choices made by bytes, one after the other; always the first one when there are no bytes left.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices { rest: bytes }
    }

    /// The bytes that have made no choice yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    /// From 0 to below `count`, which is at most 256.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// Names of fields: few, so that demands and edits meet them.
pub const NAMES: [&str; 6] = ["a", "b", "c", "d", "x", "longer name of a field"];

/// Levels of objects and arrays in one value.
const DEPTH_MAX: usize = 5;

/// A JSON value, written in one of many ways.
pub fn value(choices: &mut Choices<'_>) -> String {
    let mut out = String::new();
    write_value(choices, DEPTH_MAX, &mut out);
    out
}

/// A JSON object.
pub fn object(choices: &mut Choices<'_>) -> String {
    let mut out = String::new();
    write_object(choices, DEPTH_MAX, &mut out);
    out
}

/// Makes one small change to a text, after which it may be anything.
pub fn damage(choices: &mut Choices<'_>, text: &mut Vec<u8>) {
    let at = (choices.below(256) << 8 | choices.below(256)) % (text.len() + 1);
    match choices.below(3) {
        0 if at < text.len() => text[at] = choices.byte(),
        1 if at < text.len() => drop(text.remove(at)),
        _ => text.insert(at, choices.of(b"{}[]\",:\\0e\n\x1f\x80")),
    }
}

fn write_value(choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    match choices.below(if depth == 0 { 6 } else { 10 }) {
        0 => out.push_str(choices.of(&["null", "true", "false"])),
        1 | 2 => write_number(choices, out),
        3..=5 => write_string(choices, out),
        6 => write_array(choices, depth - 1, out),
        _ => write_object(choices, depth - 1, out),
    }
}

fn write_object(choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    out.push('{');
    for i in 0..choices.below(5) {
        out.push_str(if i == 0 { "" } else { "," });
        space(choices, out);
        match choices.below(10) {
            0 => out.push_str("\"\\u0061\""),
            1 => write_string(choices, out),
            _ => out.push_str(&format!("\"{}\"", choices.of(&NAMES))),
        }
        space(choices, out);
        out.push(':');
        space(choices, out);
        write_value(choices, depth, out);
    }
    space(choices, out);
    out.push('}');
}

fn write_array(choices: &mut Choices<'_>, depth: usize, out: &mut String) {
    out.push('[');
    for i in 0..choices.below(4) {
        out.push_str(if i == 0 { "" } else { "," });
        space(choices, out);
        write_value(choices, depth, out);
    }
    space(choices, out);
    out.push(']');
}

fn space(choices: &mut Choices<'_>, out: &mut String) {
    out.push_str(choices.of(&["", "", "", "", "", " ", "\n\t", "\r\n"]));
}

fn write_number(choices: &mut Choices<'_>, out: &mut String) {
    out.push_str(choices.of(&["", "-"]));
    out.push_str(choices.of(&[
        "0",
        "1",
        "7",
        "42",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
    ]));
    if choices.below(3) == 0 {
        out.push_str(choices.of(&[".0", ".5", ".10", ".333333333333333333333"]));
    }
    if choices.below(5) == 0 {
        out.push_str(choices.of(&["e0", "E5", "e-7", "e+22", "e200", "e-400"]));
    }
}

fn write_string(choices: &mut Choices<'_>, out: &mut String) {
    const PIECES: [&str; 16] = [
        "a",
        "b",
        "",
        "A",
        " ",
        "1",
        ",",
        "é",
        "\u{1f600}",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\u0000",
    ];
    out.push('"');
    for _ in 0..choices.below(8) {
        out.push_str(choices.of(&PIECES));
    }
    if choices.below(8) == 7 {
        out.push_str("more bytes than a word or a vector register holds");
    }
    out.push('"');
}
