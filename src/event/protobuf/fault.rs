//! What can be wrong with bytes that should be a Protobuf message, as people read it.

use crate::event::codes::{self, Code};
use crate::limits::BINARY_TEXT_BYTES_MAX;

/// What is wrong with bytes, and where. Small, because it is the error half of every reading function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The byte, from 0.
    pub at: u32,
    pub why: Why,
}

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A value that would go on beyond the end of the event or of the message that it is in.
    CutOff,
    /// A length of more bytes than are left.
    Length {
        wanted: u64,
        left: u64,
    },
    /// A varint of more than 64 bits.
    Varint,
    /// No tag: a field number out of range, or a wire type that does not exist.
    Tag(u64),
    /// A group that ends without having begun, or one that does not end.
    Group,
    /// A field's value in a form that its type does not have.
    WireType {
        found: u8,
        wanted: u8,
    },
    /// A run of numbers whose bytes are not a multiple of one.
    Packed {
        bytes: u64,
        each: u8,
    },
    Utf8,
    /// A field that must be there is not: its index in its message.
    Missing(u16),
    /// Seconds or nanoseconds of a timestamp or duration.
    TimeRange(i64),
    Depth,
    /// The JSON is larger than is written of one event.
    TextSize,
}

/// The faulty half of every reading function.
pub(super) type Read<T> = Result<T, Fault>;

impl Fault {
    #[cold]
    pub(super) fn new(at: usize, why: Why) -> Fault {
        Fault { at: u32::try_from(at).unwrap_or(u32::MAX), why }
    }

    /// The same for a function that reads.
    #[cold]
    pub(super) fn err<T>(at: usize, why: Why) -> Read<T> {
        Err(Fault::new(at, why))
    }

    /// The code of the error event.
    pub fn code(self) -> Code {
        match self.why {
            Why::Depth => codes::JSON_DEPTH,
            _ => codes::PROTOBUF_DATA,
        }
    }

    /// For people. `start`: where the event starts in the bytes in which the place counts; `path`: the field that it was found in.
    pub fn message(self, start: usize, path: &str, depth_max: usize) -> String {
        let what = match self.why {
            Why::CutOff => "the message ends in the middle of a value".to_owned(),
            Why::Length { wanted, left } => format!("a value of {wanted} bytes, where {left} are left"),
            Why::Varint => "a varint of more than 64 bits".to_owned(),
            Why::Tag(tag) => format!("{tag} is no tag: no field can have it"),
            Why::Group => "a group without its end, or an end without its group".to_owned(),
            Why::WireType { found, wanted } => {
                format!("expected {}, found {}", wire_type(wanted), wire_type(found))
            }
            Why::Packed { bytes, each } => format!("{bytes} bytes of numbers that have {each} each"),
            Why::Utf8 => "a string that is not valid UTF-8".to_owned(),
            Why::Missing(_) => "a required field is missing".to_owned(),
            Why::TimeRange(found) => format!("{found} is out of the range of a timestamp or duration"),
            Why::Depth => format!("nested more deeply than limits.depth = {depth_max}"),
            Why::TextSize => {
                format!("as JSON it is larger than the {BINARY_TEXT_BYTES_MAX} bytes that are made of one event")
            }
        };
        let place = (self.at as usize).saturating_sub(start) + 1;
        match path.is_empty() {
            true => format!("byte {place}: {what}"),
            false => format!("byte {place}, in `{path}`: {what}"),
        }
    }
}

fn wire_type(number: u8) -> &'static str {
    match number {
        0 => "a varint",
        1 => "8 bytes",
        2 => "a length and its bytes",
        3 => "a group",
        4 => "the end of a group",
        _ => "4 bytes",
    }
}
