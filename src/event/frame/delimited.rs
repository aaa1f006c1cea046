//! Messages, each behind its length as a varint. A length that cannot be leaves nothing to go on by: what follows it is given up as a
//! whole.

use crate::event::codes;

use super::Place;
use super::found::Origin;
use super::stream::Stream;

/// Bytes of the varint of a length: more have no meaning in 64 bits.
const LENGTH_BYTES_MAX: usize = 10;

#[derive(Debug, Default)]
pub(super) struct Delimited {
    given_up: bool,
}

/// What stands at the head of a message.
enum Length {
    /// How many bytes follow, and how many say so.
    Is(u64, usize),
    /// Not all of it is there.
    Partly,
    Endless,
}

impl Delimited {
    pub fn resume(&mut self, place: Place) {
        self.given_up = place.in_skipped;
    }

    /// Whether nothing more comes of the input.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Finds all messages that are whole in the buffer.
    pub fn search(&mut self, stream: &mut Stream, ended: bool) {
        if self.given_up {
            return stream.drop_front(stream.buffer.len());
        }
        let mut at = 0;
        let wrong = loop {
            let rest = stream.buffer.get(at..).unwrap_or_default();
            match length(rest) {
                Length::Is(length, _) if length > stream.line_max as u64 => {
                    break Some(format!(
                        "a message claims to have {length} bytes, over limits.line = {}: either such messages are meant and the limit is \
                         to be raised, or this is no stream of messages behind their lengths",
                        stream.line_max
                    ));
                }
                Length::Is(length, prefix) if rest.len() - prefix >= length as usize => {
                    let start = at + prefix;
                    at = start + length as usize;
                    stream.found.push(start..at);
                }
                Length::Is(length, prefix) if ended => {
                    break Some(format!("the input ends after {} of a message's {length} bytes", rest.len() - prefix));
                }
                Length::Partly if ended && !rest.is_empty() => {
                    break Some("the input ends within the length of a message".to_owned());
                }
                Length::Is(..) | Length::Partly => break None,
                Length::Endless => {
                    break Some("the length of a message has more than 64 bits: this is no stream of messages behind their lengths".to_owned());
                }
            }
        };
        if let Some(wrong) = wrong {
            let offset = stream.position + at as u64;
            let message = format!("byte {offset}: {wrong}; what follows is not read");
            let bad = stream.bad(at, stream.buffer.len(), codes::MESSAGE_LENGTH, message);
            stream.found.push_bad(Place::at(offset), bad);
            self.given_up = true;
        }
        if at > 0 {
            stream.hand_over(at, Origin::Messages);
        }
        if self.given_up {
            stream.drop_front(stream.buffer.len());
        }
    }
}

fn length(bytes: &[u8]) -> Length {
    let mut value = 0;
    for (i, byte) in bytes.iter().enumerate().take(LENGTH_BYTES_MAX) {
        if i + 1 == LENGTH_BYTES_MAX && *byte > 1 {
            return Length::Endless;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            return Length::Is(value, i + 1);
        }
    }
    Length::Partly
}
