//! From undecoded bytes to a batch: every event is checked whole, only what is demanded is cut out. A decoder keeps
//! nothing between chunks that changes its results, so chunks may be decoded on several cores.

mod csv;
mod json;
mod numbered;
mod plain;
mod record;
mod tree;

use std::sync::Arc;

use bytes::Bytes;

use crate::limits::{JSON_DEPTH_MAX, RAW_BYTES_KEPT_MAX};

use super::codes::Code;
use super::packed::{Numbered, PackedDecoder, PackedFormat, PackedRows, Unpack};
use super::{BadFrame, Batch, Body, Cell, Chunk, Column, Layout, Meta, Selection, TextRef, Texts, Timestamp};

pub use self::json::cut_columns;
pub(super) use self::record::read_csv_header;

/// How a source's bytes are read.
#[derive(Clone, Debug, Default)]
pub enum Format {
    /// An object each.
    #[default]
    Json,
    /// An object each, behind the number that a registry gave its schema (`wire: confluent`); what the number stands for is not asked.
    NumberedJson,
    /// A record each, its fields named by the header; every value is a text.
    Csv,
    /// `{ text }`: the bytes as a text.
    Text,
    /// `{ bytes }`: the bytes as a text in base64 (RFC 4648, padded), as JSON has no other form for them.
    Bytes,
    /// A binary form that a schema describes.
    Packed(Arc<dyn PackedFormat>),
}

impl Format {
    /// The schemas that events name by numbers, where they do.
    pub fn numbered(&self) -> Option<Arc<dyn Numbered>> {
        match self {
            Format::Packed(format) => format.numbered(),
            Format::Json | Format::NumberedJson | Format::Csv | Format::Text | Format::Bytes => None,
        }
    }

    /// What two formats that read alike have in common, and no others.
    pub fn identity(&self) -> String {
        match self {
            Format::Packed(format) => format!("packed {:016x}", format.identity()),
            plain => format!("{plain:?}"),
        }
    }
}

/// Decodes the chunks of one source.
#[derive(Clone, Debug)]
pub struct Decoder {
    layout: Arc<Layout>,
    source: Arc<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Json(json::JsonDecoder),
    NumberedJson(json::JsonDecoder),
    Csv(csv::CsvDecoder),
    Text(plain::PlainDecoder),
    Bytes(plain::PlainDecoder),
    Packed(Box<dyn PackedDecoder>),
}

impl Clone for Kind {
    fn clone(&self) -> Kind {
        match self {
            Kind::Json(decoder) => Kind::Json(decoder.clone()),
            Kind::NumberedJson(decoder) => Kind::NumberedJson(decoder.clone()),
            Kind::Csv(decoder) => Kind::Csv(decoder.clone()),
            Kind::Text(decoder) => Kind::Text(decoder.clone()),
            Kind::Bytes(decoder) => Kind::Bytes(decoder.clone()),
            Kind::Packed(decoder) => Kind::Packed(decoder.another()),
        }
    }
}

/// A decoded chunk.
#[derive(Debug)]
pub struct Decoded {
    /// The events that are good, in order. Their watermarks are not set.
    pub batch: Batch,
    /// The others, in order.
    pub rejects: Vec<Undecodable>,
    /// Empty lines that were skipped.
    pub empty_lines: u64,
}

/// Bytes that are no event, and why.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// How many events of the batch come before it.
    pub before: u32,
    /// Its bytes, or the first `RAW_BYTES_KEPT_MAX` of them.
    pub raw: Bytes,
    /// How many there were.
    pub length: u64,
    pub code: Code,
    pub message: String,
    pub offset: Option<i64>,
    /// The broker's time, key (a text) and headers (a JSON object).
    pub time: Timestamp,
    pub key: Option<Bytes>,
    pub headers: Option<Bytes>,
}

/// What a decoder made of the frames of a chunk.
#[derive(Debug)]
pub struct Rows {
    /// A column for each slot, a row for each good event.
    pub columns: Vec<Column>,
    /// What the columns point into as text 0.
    pub text: Bytes,
    /// What they point into as text 1, if they do: what the decoder made of other bytes.
    pub made: Bytes,
    /// The frames that became no row, ascending.
    pub bad: Vec<(usize, Code, String)>,
}

impl Decoder {
    /// A decoder for a layout that [`Layout::text`] made. `depth_max` is `limits.depth`; more than `JSON_DEPTH_MAX` is not possible.
    pub fn new(format: Format, layout: Arc<Layout>, source: Arc<str>, depth_max: usize) -> Decoder {
        debug_assert_eq!(layout.body, Body::Text(0));
        let json = || json::JsonDecoder::new(&layout, depth_max.min(JSON_DEPTH_MAX));
        let kind = match format {
            Format::Json => Kind::Json(json()),
            Format::NumberedJson => Kind::NumberedJson(json()),
            Format::Csv => Kind::Csv(csv::CsvDecoder::new(&layout)),
            Format::Text => Kind::Text(plain::PlainDecoder::new(&layout, "text")),
            Format::Bytes => Kind::Bytes(plain::PlainDecoder::new(&layout, "bytes")),
            Format::Packed(format) => Kind::Packed(format.decoder(&layout, depth_max)),
        };
        Decoder { layout, source, kind }
    }

    /// The layout of its batches.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Decodes a chunk. Never fails: what is no event is among the rejects.
    pub fn decode(&mut self, mut chunk: Chunk, variant: u16) -> Decoded {
        if cfg!(debug_assertions) {
            chunk.assert_sound();
        }
        let texts = |rows| PackedRows { rows, unpack: None };
        let PackedRows { rows, unpack } = match &mut self.kind {
            Kind::Json(decoder) => texts(decoder.decode(&chunk)),
            Kind::NumberedJson(decoder) => texts(numbered::decode(decoder, &chunk)),
            Kind::Csv(decoder) => decoder.decode(&chunk),
            Kind::Text(decoder) => texts(decoder.decode_text(&chunk)),
            Kind::Bytes(decoder) => texts(decoder.decode_bytes(&chunk)),
            Kind::Packed(decoder) => decoder.decode(&mut chunk),
        };
        let decoded = self.assemble(chunk, rows, unpack, variant);
        if cfg!(debug_assertions) {
            decoded.batch.assert_sound();
        }
        decoded
    }

    fn assemble(&self, mut chunk: Chunk, rows: Rows, unpack: Option<Arc<dyn Unpack>>, variant: u16) -> Decoded {
        let rejects = rejects(&mut chunk, rows.bad.as_slice());
        let good = Good::new(chunk.frames.len(), &rows.bad);
        let count = good.count();
        let (mut texts, mut home) = (Texts::default(), 0);
        let apart = rows.text.as_ptr() != chunk.text.as_ptr();
        texts.push(rows.text);
        if !rows.made.is_empty() {
            texts.push(rows.made);
        }
        if apart && (chunk.keys.is_some() || chunk.headers.is_some()) {
            home = texts.push(chunk.text);
        }
        let beside = |column: Option<Column>| {
            let rehome = |cell: &Cell| match cell.text_ref() {
                Some(at) => cell.with_text_ref(TextRef { text: home, ..at }),
                None => *cell,
            };
            let column = column?;
            if home == 0 && matches!(good, Good::All(_)) {
                return Some(column);
            }
            Some(Column::from(good.pick(column.cells().iter().map(rehome).collect())))
        };
        let offsets = good.pick(chunk.offsets);
        let offset =
            (!offsets.is_empty()).then(|| Column::from(offsets.into_iter().map(Cell::Int).collect::<Vec<_>>()));
        let times = if chunk.times.is_empty() { vec![Timestamp::NONE; count] } else { good.pick(chunk.times) };
        let batch = Batch {
            layout: self.layout.clone(),
            variant,
            columns: rows.columns,
            texts,
            selection: Selection::All(count as u32),
            times: Arc::new(times),
            marks: Arc::new(vec![Timestamp::NONE; count]),
            meta: Arc::new(Meta {
                source: self.source.clone(),
                partition: chunk.partition,
                offset,
                key: beside(chunk.keys),
                headers: beside(chunk.headers),
                unpack,
            }),
        };
        Decoded { batch, rejects, empty_lines: chunk.empty_lines }
    }
}

/// The frames that became rows.
enum Good {
    All(usize),
    These(Vec<usize>),
}

impl Good {
    fn new(frames: usize, bad: &[(usize, Code, String)]) -> Good {
        if bad.is_empty() {
            return Good::All(frames);
        }
        let mut bad = bad.iter().map(|(frame, ..)| *frame).peekable();
        Good::These((0..frames).filter(|frame| bad.next_if_eq(frame).is_none()).collect())
    }

    fn count(&self) -> usize {
        match self {
            Good::All(count) => *count,
            Good::These(frames) => frames.len(),
        }
    }

    /// Of a value for each frame, those of the rows.
    fn pick<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        match self {
            Good::All(_) => values,
            Good::These(frames) => frames.iter().filter_map(|&frame| values.get(frame).copied()).collect(),
        }
    }
}

/// What the framer gave up and what the decoder refused, in order.
fn rejects(chunk: &mut Chunk, bad: &[(usize, Code, String)]) -> Vec<Undecodable> {
    let mut unframed = std::mem::take(&mut chunk.bad).into_iter().peekable();
    if unframed.peek().is_none() && bad.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    let unframed_reject = |frame: BadFrame, refused: usize| Undecodable {
        before: frame.before.saturating_sub(refused as u32),
        raw: frame.raw,
        length: frame.length,
        code: frame.code,
        message: frame.message,
        offset: frame.offset,
        time: Timestamp::NONE,
        key: None,
        headers: None,
    };
    for (refused, (frame, code, message)) in bad.iter().enumerate() {
        while let Some(earlier) = unframed.next_if(|other| other.before as usize <= *frame) {
            out.push(unframed_reject(earlier, refused));
        }
        let range = chunk.frames[*frame].clone();
        let kept = range.start as usize..(range.end as usize).min(range.start as usize + RAW_BYTES_KEPT_MAX);
        let beside = |column: &Option<Column>| {
            let at = column.as_ref()?.cells().get(*frame)?.text_ref()?;
            Some(chunk.text.slice(at.start as usize..(at.start + at.len) as usize))
        };
        out.push(Undecodable {
            before: (frame - refused) as u32,
            raw: chunk.text.slice(kept),
            length: u64::from(range.end - range.start),
            code: *code,
            message: message.clone(),
            offset: chunk.offsets.get(*frame).copied(),
            time: chunk.times.get(*frame).copied().unwrap_or(Timestamp::NONE),
            key: beside(&chunk.keys),
            headers: beside(&chunk.headers),
        });
    }
    out.extend(unframed.map(|frame| unframed_reject(frame, bad.len())));
    out
}

/// What is wrong with the bytes of one event, if they are not UTF-8. `whole` says that the text of all is.
fn utf8_fault(text: &[u8], frame: &std::ops::Range<u32>, whole: Option<&str>) -> Option<String> {
    let range = frame.start as usize..frame.end as usize;
    if whole.is_some_and(|text| text.is_char_boundary(range.start) && text.is_char_boundary(range.end)) {
        return None;
    }
    let error = simdutf8::compat::from_utf8(text.get(range.clone())?).err()?;
    let at = range.start + error.valid_up_to();
    let found = text.get(at).map_or_else(|| "the end".to_owned(), |byte| format!("0x{byte:02x}"));
    Some(format!("byte {}: not valid UTF-8, found {found}", error.valid_up_to() + 1))
}

#[cfg(test)]
mod tests;
