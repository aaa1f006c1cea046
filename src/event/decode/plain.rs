//! Events of one field: a line as a text, or bytes as base64. Each becomes the text of a JSON object.

use std::ops::Range;

use bytes::Bytes;

use crate::event::codes::{self, Code};
use crate::event::json;
use crate::event::{Cell, Chunk, Column, Layout, TextRef};

use super::{Rows, utf8_fault};

/// Makes `{"name":"value"}` of each frame.
#[derive(Clone, Debug)]
pub(super) struct PlainDecoder {
    name: &'static str,
    slots: usize,
    /// The column of the field.
    slot: Option<usize>,
}

impl PlainDecoder {
    pub(super) fn new(layout: &Layout, name: &'static str) -> PlainDecoder {
        let is_it = |path: &crate::event::Path| matches!(&path[..], [only] if &**only == name);
        let slot = layout.slots.iter().position(|slot| slot.as_ref().is_some_and(is_it));
        PlainDecoder { name, slots: layout.slots.len(), slot }
    }

    pub(super) fn decode_text(&self, chunk: &Chunk) -> Rows {
        let valid = simdutf8::basic::from_utf8(&chunk.text).ok();
        self.decode(chunk, |frame, bytes, out| match utf8_fault(&chunk.text, frame, valid) {
            Some(message) => Err((codes::UTF8, message)),
            None => Ok(json::escape_into(out, bytes)),
        })
    }

    pub(super) fn decode_bytes(&self, chunk: &Chunk) -> Rows {
        self.decode(chunk, |_, bytes, out| {
            json::base64(out, bytes);
            Ok(false)
        })
    }

    /// `write` writes the value of a frame between its quotes and says whether it has escapes.
    fn decode(
        &self,
        chunk: &Chunk,
        write: impl Fn(&Range<u32>, &[u8], &mut Vec<u8>) -> Result<bool, (Code, String)>,
    ) -> Rows {
        let mut arena = Vec::with_capacity(chunk.size() + chunk.frames.len() * (self.name.len() + 8));
        let mut columns = vec![Vec::with_capacity(chunk.frames.len()); self.slots];
        let mut bad = Vec::new();
        for (i, frame) in chunk.frames.iter().enumerate() {
            let bytes = chunk.text.get(frame.start as usize..frame.end as usize).unwrap_or_default();
            let start = arena.len();
            arena.extend_from_slice(b"{\"");
            arena.extend_from_slice(self.name.as_bytes());
            arena.extend_from_slice(b"\":\"");
            let from = arena.len();
            let escaped = match write(frame, bytes, &mut arena) {
                Ok(escaped) => escaped,
                Err((code, message)) => {
                    arena.truncate(start);
                    bad.push((i, code, message));
                    continue;
                }
            };
            let value = range(from, arena.len());
            arena.extend_from_slice(b"\"}");
            for column in &mut columns {
                column.push(Cell::Missing);
            }
            set(&mut columns, 0, Cell::Json(range(start, arena.len())));
            if let Some(slot) = self.slot {
                set(&mut columns, slot, if escaped { Cell::Escaped(value) } else { Cell::Str(value) });
            }
        }
        Rows { columns: columns.into_iter().map(Column::from).collect(), text: arena.into(), made: Bytes::new(), bad }
    }
}

/// A range of text 0.
pub(super) fn range(start: usize, end: usize) -> TextRef {
    TextRef { text: 0, start: start as u32, len: (end - start) as u32 }
}

/// Sets a column's last cell.
pub(super) fn set(columns: &mut [Vec<Cell>], slot: usize, cell: Cell) {
    if let Some(last) = columns.get_mut(slot).and_then(|column| column.last_mut()) {
        *last = cell;
    }
}
