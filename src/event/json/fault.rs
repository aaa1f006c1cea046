//! What can be wrong with a JSON text, as people read it.

use crate::event::codes::{self, Code};

/// What is wrong with a text, and where. Small, because it is the error half of every scanning function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte of the text, from 0.
    pub at: u32,
    pub why: Why,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Why {
    Empty,
    CutOff,
    Value,
    Key,
    Colon,
    CommaOrBrace,
    CommaOrBracket,
    Control,
    Escape,
    Surrogate,
    Number,
    Depth,
    Trailing,
    NotObject,
}

impl Fault {
    #[cold]
    pub(in crate::event) fn new(at: usize, why: Why) -> Fault {
        Fault { at: u32::try_from(at).unwrap_or(u32::MAX), why }
    }

    /// A fault at a byte that is not what it must be, or at the end of the text.
    #[cold]
    pub(in crate::event) fn unexpected(text: &[u8], at: usize, why: Why) -> Fault {
        Fault::new(at, if at >= text.len() { Why::CutOff } else { why })
    }

    /// The code of the error event.
    pub fn code(self) -> Code {
        match self.why {
            Why::Depth => codes::JSON_DEPTH,
            Why::NotObject => codes::JSON_NOT_OBJECT,
            _ => codes::JSON_SYNTAX,
        }
    }

    /// The sentence for people, with the place and what stands there.
    pub fn message(self, text: &[u8], depth_max: usize) -> String {
        if text.trim_ascii() == b"[" || matches!(self.why, Why::CutOff) && text.trim_ascii() == b"{" {
            return "an event is one JSON object on one line; of a file that is laid out otherwise, `jq -c` makes such lines \
                    (`jq -c '.[]'` of an array)"
                .to_owned();
        }
        let what = match self.why {
            Why::Empty => return "the text is empty; an event is a JSON object".to_owned(),
            Why::CutOff => return format!("the text ends too early, after byte {}", text.len()),
            Why::Value => "expected a value",
            Why::Key => "expected a field name in double quotes",
            Why::Colon => "expected `:` after a field name",
            Why::CommaOrBrace => "expected `,` or `}` after a field",
            Why::CommaOrBracket => "expected `,` or `]` after an item",
            Why::Control => "a control character inside a string must be escaped",
            Why::Escape => "no such escape in a JSON string",
            Why::Surrogate => "a lone surrogate escape is half a character",
            Why::Number => "not a JSON number",
            Why::Depth => return format!("byte {}: nested deeper than limits.depth = {depth_max}", self.at + 1),
            Why::Trailing => "the event is complete, yet more text follows",
            Why::NotObject if text.trim_ascii().starts_with(b"[") => {
                "an event is a JSON object, and not an array (`jq -c '.[]'` makes a line of each item)"
            }
            Why::NotObject => "an event is a JSON object, which starts with `{`",
        };
        let width = match self.why {
            Why::Escape => 2,
            Why::Surrogate => 6,
            _ => 1,
        };
        format!("byte {}: {what}, found {}", self.at + 1, found(text, self.at as usize, width))
    }
}

/// The characters that stand at a place, at most `width`.
fn found(text: &[u8], at: usize, width: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(4 * width)];
    let valid = rest.utf8_chunks().next().map(|chunk| chunk.valid()).unwrap_or_default();
    let shown: String = valid.chars().take(width).take_while(|c| !c.is_control()).collect();
    match (shown.as_str(), rest.first()) {
        (shown, _) if !shown.is_empty() => format!("`{shown}`"),
        (_, Some(byte)) => format!("byte 0x{byte:02x}"),
        (_, None) => "the end".to_owned(),
    }
}
