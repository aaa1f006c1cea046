//! What can be wrong with bytes that should be Avro, as people read it.

use crate::event::codes::{self, Code};
use crate::limits::{AVRO_DECIMAL_BYTES_MAX, AVRO_EMPTY_ITEMS_MAX, BINARY_TEXT_BYTES_MAX};

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
    /// A value of so many bytes, where fewer are left.
    CutOff {
        wanted: u64,
    },
    /// A varint of more than 64 bits.
    Varint,
    /// An `int` of more than 32 bits.
    Int(i64),
    /// A length below zero.
    Length(i64),
    Boolean(u8),
    Utf8,
    /// An index of a union.
    Branch {
        index: u64,
        known: u32,
    },
    /// An index of an enum.
    Symbol {
        index: u64,
        known: u32,
    },
    /// More items than bytes that are left can hold.
    Items(u64),
    /// More items of no bytes than are read of one event.
    EmptyItems,
    /// A block of items has another size than it says.
    BlockSize {
        said: i64,
        found: u64,
    },
    Decimal {
        bytes: u64,
    },
    Depth,
    /// The event is complete, and so many bytes follow.
    Left(u64),
    /// What the reader's schema cannot take; the node says why.
    Refused(super::NodeId),
    /// NaN or an infinity, where JSON is written.
    NotFinite,
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
            Why::Utf8 => codes::UTF8,
            Why::NotFinite => codes::ENCODE_NAN,
            Why::Refused(_) => codes::AVRO_RESOLUTION,
            Why::Symbol { index, known } if index < u64::from(known) => codes::AVRO_RESOLUTION,
            _ => codes::AVRO_DATA,
        }
    }

    /// The sentence for people. `text` are the bytes in which `at` counts, `field` is the path of the value, `refused` what the node
    /// of [`Why::Refused`] says.
    pub fn message(self, text: &[u8], field: &str, depth_max: usize, refused: &str) -> String {
        let left = (text.len() as u64).saturating_sub(u64::from(self.at));
        let place = match field {
            "" => format!("byte {} of {}", self.at.saturating_add(1), text.len()),
            field => format!("byte {} of {}, field `{field}`", self.at.saturating_add(1), text.len()),
        };
        let what = match self.why {
            Why::CutOff { wanted: 1 } if left == 0 => "the event ends where a value should be".to_owned(),
            Why::CutOff { wanted } => format!("a value of {wanted} bytes, and {left} are left"),
            Why::Varint => "a number of more than 64 bits".to_owned(),
            Why::Int(found) => format!("an int is {found}, which has more than 32 bits"),
            Why::Length(found) => format!("a length is {found}"),
            Why::Boolean(found) => format!("a boolean is 0 or 1, found {found}"),
            Why::Utf8 => "a string that is not valid UTF-8".to_owned(),
            Why::Branch { index, known } => format!("branch {} of a union of {known}", index_of(index)),
            Why::Symbol { index, known } if index < u64::from(known) => {
                format!("symbol {index} of the writer's enum is unknown to the reader's, which has no default")
            }
            Why::Symbol { index, known } => format!("symbol {} of an enum of {known}", index_of(index)),
            Why::Items(count) => format!("a block of {count} items, and {left} bytes are left"),
            Why::EmptyItems => format!("more than {AVRO_EMPTY_ITEMS_MAX} items of no bytes"),
            Why::BlockSize { said, found } => {
                format!("a block of items says that it has {said} bytes, and has {found}")
            }
            Why::Decimal { bytes } => {
                format!("a decimal of {bytes} bytes, and at most {AVRO_DECIMAL_BYTES_MAX} are read")
            }
            Why::Depth => format!("nested deeper than limits.depth = {depth_max}"),
            Why::Left(bytes) => format!("the event is complete, yet {bytes} more bytes follow"),
            Why::Refused(_) => refused.to_owned(),
            Why::NotFinite => "a number that is NaN or infinite, which JSON cannot say".to_owned(),
            Why::TextSize => format!("as JSON the event has more than {BINARY_TEXT_BYTES_MAX} bytes"),
        };
        format!("{place}: {what}")
    }
}

/// An index as it was written: it may have been below zero.
fn index_of(index: u64) -> i64 {
    index as i64
}
