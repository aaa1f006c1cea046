//! What stands before the events of a sink, and the loop over rows that puts it there.

use std::sync::Arc;

use crate::event::Batch;
use crate::event::codes;
use crate::event::packed::{Numbering, write_varint};

use super::EncodeError;

/// What stands before each event of a sink.
#[derive(Clone, Debug)]
pub(in crate::event) enum Stamp {
    Bytes(Box<[u8]>),
    /// A zero, the number that a registry gives, and more.
    Number(Arc<dyn Numbering>, Box<[u8]>),
}

/// The bytes of a [`Stamp`], or why they are not known.
pub(in crate::event) type Stamped = Result<Box<[u8]>, String>;

impl Stamp {
    /// Nothing.
    pub fn none() -> Stamp {
        Stamp::Bytes(Box::default())
    }

    /// The number that a registry gives, as Confluent's serializers write it.
    pub fn number(number: Arc<dyn Numbering>) -> Stamp {
        Stamp::Number(number, Box::default())
    }

    /// The bytes; waits for the registry the first time.
    pub fn bytes(&self) -> Stamped {
        match self {
            Stamp::Bytes(bytes) => Ok(bytes.clone()),
            Stamp::Number(number, more) => {
                let number = number.number()?;
                Ok([&[0][..], &number.to_be_bytes(), more].concat().into())
            }
        }
    }
}

/// Writes the selected events, each behind the stamp, by `event`. `delimited`: behind its length, too. What cannot be written leaves no
/// bytes.
pub(in crate::event) fn write_rows(
    batch: &Batch,
    stamp: &Stamped,
    delimited: bool,
    out: &mut Vec<u8>,
    ends: &mut Vec<u32>,
    errors: &mut Vec<(u32, EncodeError)>,
    mut event: impl FnMut(u32, &mut Vec<u8>) -> Result<(), EncodeError>,
) {
    for row in batch.selection.iter() {
        let start = out.len();
        let written = match stamp {
            Ok(stamp) => {
                out.extend_from_slice(stamp);
                event(row, out)
            }
            Err(why) => Err(EncodeError { code: codes::ENCODE_SCHEMA, message: why.clone() }),
        };
        match written {
            Ok(()) => {
                if delimited {
                    insert_length(out, start);
                }
                ends.push(out.len() as u32);
            }
            Err(error) => {
                out.truncate(start);
                errors.push((row, error));
            }
        }
    }
}

/// Puts the length of what was written since before it.
fn insert_length(out: &mut Vec<u8>, start: usize) {
    let end = out.len();
    write_varint(out, (end - start) as u64);
    let bytes = out.len() - end;
    out[start..].rotate_right(bytes);
}
