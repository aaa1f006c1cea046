//! What every way of framing works on: the bytes that were read and not given out, and what was found in them.

use bytes::Bytes;

use crate::event::BadFrame;
use crate::event::codes::Code;
use crate::limits::READ_BYTES;

use super::found::{Found, Origin};

#[derive(Debug)]
pub(super) struct Stream {
    /// Read, and not yet given out.
    pub buffer: Vec<u8>,
    /// Where in the input `buffer` starts.
    pub position: u64,
    /// Bytes of one event, at most.
    pub line_max: usize,
    /// Cut from what was read before `buffer`.
    pub found: Found,
}

impl Stream {
    pub fn new(line_max: usize) -> Stream {
        Stream { buffer: Vec::new(), position: 0, line_max, found: Found::default() }
    }

    /// Bytes of the buffer that are no event.
    pub fn bad(&self, start: usize, end: usize, code: Code, message: String) -> BadFrame {
        bad(self.buffer.get(start..end).unwrap_or_default(), self.position + start as u64, code, message)
    }

    /// Makes the first `cut` bytes the text that the found frames are ranges of, and copies the rest to a new buffer.
    pub fn hand_over(&mut self, cut: usize, origin: impl FnOnce(u64) -> Origin) {
        let rest = self.buffer.get(cut..).unwrap_or_default();
        let mut next = Vec::with_capacity(rest.len() + READ_BYTES);
        next.extend_from_slice(rest);
        let full = std::mem::replace(&mut self.buffer, next);
        self.found.set_text(Bytes::from(full), origin(self.position));
        self.position += cut as u64;
    }

    /// Drops the first bytes of the buffer.
    pub fn drop_front(&mut self, bytes: usize) {
        if bytes >= self.buffer.len() {
            self.position += self.buffer.len() as u64;
            self.buffer = Vec::new();
        } else {
            self.position += bytes as u64;
            self.buffer.drain(..bytes);
        }
    }
}

/// Bytes that are no event, at a place of the input.
pub(super) fn bad(bytes: &[u8], offset: u64, code: Code, message: String) -> BadFrame {
    BadFrame::new(bytes, i64::try_from(offset).ok(), code, message)
}
