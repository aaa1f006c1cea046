//! What connectors hand to a decoder: bytes, and where in them each event is.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX, CSV_NAMES_BYTES_MAX, LINE_BYTES_CEILING, RAW_BYTES_KEPT_MAX};

use super::avro::Writer;
use super::codes::{self, Code};
use super::{Cell, Column, TextRef, Timestamp, json};

/// Up to a batch of events as bytes, and what the connector knows of each. Lists are empty where the connector has nothing
/// to tell. Framers make chunks of streams, [`ChunkBuilder`] of messages.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The bytes that `frames` and the cells of `keys` and `headers` point into.
    pub text: Bytes,
    /// The bytes of each event, without a line end.
    pub frames: Vec<Range<u32>>,
    /// `frames` are not those of events but of the blocks of a container in which they lie, one behind the other: each event has that
    /// of its block. A decoder finds where each ends.
    pub uncut: bool,
    /// What could not even be framed, in place.
    pub bad: Vec<BadFrame>,
    /// Empty lines that were skipped.
    pub empty_lines: u64,
    /// The names of the columns, in a chunk of CSV.
    pub header: Option<Arc<CsvHeader>>,
    /// How the events are written, in a chunk of an Avro container.
    pub writer: Option<Arc<Writer>>,
    /// The partition all of them came from, where the source has such.
    pub partition: Option<i64>,
    /// The position of each (a byte offset, a sequence number).
    pub offsets: Vec<i64>,
    /// The broker's time of each.
    pub times: Vec<Timestamp>,
    /// The broker's key of each; text cells point into `text` (text 0) and are UTF-8.
    pub keys: Option<Column>,
    /// The broker's headers of each, as JSON objects in `text` (text 0).
    pub headers: Option<Column>,
}

/// Bytes that cannot be an event, whatever their format.
#[derive(Clone, Debug)]
pub struct BadFrame {
    /// How many frames of the chunk come before it.
    pub before: u32,
    /// Its first bytes, at most `RAW_BYTES_KEPT_MAX`.
    pub raw: Bytes,
    /// The whole length, or what of it was seen when it was given up.
    pub length: u64,
    pub code: Code,
    pub message: String,
    pub offset: Option<i64>,
}

impl BadFrame {
    /// Bytes at this offset of the input.
    pub fn new(bytes: &[u8], offset: Option<i64>, code: Code, message: String) -> BadFrame {
        BadFrame {
            before: 0,
            raw: Bytes::copy_from_slice(bytes.get(..RAW_BYTES_KEPT_MAX).unwrap_or(bytes)),
            length: bytes.len() as u64,
            code,
            message,
            offset,
        }
    }
}

/// The first record of a CSV input, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvHeader(pub Result<Vec<String>, String>);

impl CsvHeader {
    /// How many records a chunk may have: each becomes an object that repeats the names.
    pub fn records_max(&self) -> usize {
        let names: usize = self.0.iter().flatten().map(|name| name.len() + "\"\":\"\",".len()).sum();
        (CSV_NAMES_BYTES_MAX / names.max(1)).max(1)
    }
}

impl Chunk {
    /// Whether it holds nothing at all.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.bad.is_empty()
    }

    /// Bytes from the first to the last frame.
    pub fn size(&self) -> usize {
        match (self.frames.first(), self.frames.last()) {
            (Some(first), Some(last)) => last.end.saturating_sub(first.start) as usize,
            _ => 0,
        }
    }

    /// Checks what every chunk promises. For tests and debug builds.
    pub fn assert_sound(&self) {
        assert!(self.frames.len() <= BATCH_EVENTS_MAX, "a chunk of {} events", self.frames.len());
        assert!(self.frames.len() <= 1 || self.size() <= BATCH_BYTES_MAX, "a chunk of {} bytes", self.size());
        assert!(self.frames.iter().all(|frame| frame.start <= frame.end && frame.end as usize <= self.text.len()));
        let lengths = [self.times.len(), self.offsets.len()];
        assert!(lengths.into_iter().all(|len| len == 0 || len == self.frames.len()));
        assert!(self.beside().all(|column| column.cells().len() == self.frames.len()));
    }

    fn beside(&self) -> impl Iterator<Item = &Column> {
        self.keys.iter().chain(&self.headers)
    }
}

/// One message of a broker.
#[derive(Clone, Debug, Default)]
pub struct BrokerMessage<'a> {
    pub payload: &'a [u8],
    pub key: Option<&'a str>,
    pub headers: &'a [(&'a str, &'a str)],
    pub offset: Option<i64>,
    pub time: Option<Timestamp>,
}

/// Gathers messages of a broker until they fill a batch.
#[derive(Debug)]
pub struct ChunkBuilder {
    text: Vec<u8>,
    chunk: Chunk,
    keys: Vec<Cell>,
    headers: Vec<Cell>,
    line_max: usize,
}

impl ChunkBuilder {
    /// Nothing yet. A message of more than `line_max` bytes will be refused.
    pub fn new(line_max: usize) -> ChunkBuilder {
        ChunkBuilder {
            text: Vec::new(),
            chunk: Chunk::default(),
            keys: Vec::new(),
            headers: Vec::new(),
            line_max: line_max.min(LINE_BYTES_CEILING),
        }
    }

    /// Messages so far, refused ones included.
    pub fn len(&self) -> usize {
        self.chunk.frames.len() + self.chunk.bad.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a message of this size must wait for the next chunk.
    pub fn is_full_for(&self, payload: usize) -> bool {
        self.len() >= BATCH_EVENTS_MAX || (!self.is_empty() && self.text.len() + payload > BATCH_BYTES_MAX)
    }

    /// Adds a message; ask `is_full_for` first.
    pub fn push(&mut self, message: BrokerMessage<'_>) {
        if message.payload.len() > self.line_max {
            let kept = &message.payload[..message.payload.len().min(RAW_BYTES_KEPT_MAX)];
            self.chunk.bad.push(BadFrame {
                before: self.chunk.frames.len() as u32,
                raw: Bytes::copy_from_slice(kept),
                length: message.payload.len() as u64,
                code: codes::LINE_TOO_LONG,
                message: too_long("message", message.payload.len(), self.line_max),
                offset: message.offset,
            });
            return;
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(message.payload);
        self.chunk.frames.push(start..self.text.len() as u32);
        self.chunk.times.push(message.time.unwrap_or(Timestamp::NONE));
        self.chunk.offsets.push(message.offset.unwrap_or(i64::MIN));
        let key = match message.key {
            None => Cell::Missing,
            Some(key) => self.beside(|out| out.extend_from_slice(key.as_bytes()), Cell::Str),
        };
        self.keys.push(key);
        let headers = match message.headers {
            [] => Cell::Missing,
            headers => self.beside(|out| write_headers(out, headers), Cell::Json),
        };
        self.headers.push(headers);
    }

    fn beside(&mut self, write: impl FnOnce(&mut Vec<u8>), cell: impl FnOnce(TextRef) -> Cell) -> Cell {
        let start = self.text.len() as u32;
        write(&mut self.text);
        cell(TextRef { text: 0, start, len: self.text.len() as u32 - start })
    }

    /// The messages so far as a chunk; the builder is empty again. Positions and times are kept only if every message has one.
    pub fn finish(&mut self, partition: Option<i64>) -> Chunk {
        let used = |cells: Vec<Cell>| cells.iter().any(|cell| *cell != Cell::Missing).then(|| Column::from(cells));
        let mut chunk = std::mem::take(&mut self.chunk);
        if chunk.offsets.contains(&i64::MIN) {
            chunk.offsets.clear();
        }
        if chunk.times.contains(&Timestamp::NONE) {
            chunk.times.clear();
        }
        Chunk {
            text: std::mem::take(&mut self.text).into(),
            partition,
            keys: used(std::mem::take(&mut self.keys)),
            headers: used(std::mem::take(&mut self.headers)),
            ..chunk
        }
    }
}

fn write_headers(out: &mut Vec<u8>, headers: &[(&str, &str)]) {
    for (i, (name, value)) in headers.iter().enumerate() {
        out.push(if i == 0 { b'{' } else { b',' });
        json::write_string(out, name.as_bytes());
        out.push(b':');
        json::write_string(out, value.as_bytes());
    }
    out.push(b'}');
}

/// The message of `line-too-long`.
pub(super) fn too_long(what: &str, bytes: usize, limit: usize) -> String {
    format!(
        "a {what} of {bytes} bytes or more is over limits.line = {limit}; raise it if events of this size are meant"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_frames_with_their_meta() {
        let mut builder = ChunkBuilder::new(8);
        builder.push(BrokerMessage {
            payload: b"{}",
            key: Some("k"),
            headers: &[("h", "\"1\"")],
            ..BrokerMessage::default()
        });
        builder.push(BrokerMessage { payload: b"123456789", ..BrokerMessage::default() });
        builder.push(BrokerMessage { payload: b"{ }", offset: Some(7), ..BrokerMessage::default() });
        assert!(builder.is_full_for(BATCH_BYTES_MAX));
        let chunk = builder.finish(None);
        chunk.assert_sound();
        assert_eq!(chunk.frames, [0..2, 16..19]);
        assert_eq!((chunk.bad[0].before, chunk.bad[0].length, chunk.bad[0].code.id), (1, 9, "line-too-long"));
        assert_eq!(&chunk.text[..16], br#"{}k{"h":"\"1\""}"#);
        assert!(chunk.times.is_empty() && chunk.offsets.is_empty() && builder.is_empty());
    }
}
