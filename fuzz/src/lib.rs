//! What the fuzz targets share: input on its way through a framer and a decoder, and what serde_json and apache-avro say of the same text.

#[path = "../../src/schema/avro/apache.rs"]
pub mod apache;
pub mod reference;
pub mod topology;

use topology_runner::event::decode::Decoder;
use topology_runner::event::encode::write_cell;
use topology_runner::event::frame::Framer;
use topology_runner::event::{BadFrame, Batch, Cell, Chunk, Demand, Layout, Path};

/// What a framer made of a piece of its input, and where that piece begins.
#[derive(Debug, PartialEq)]
pub enum Line<'a> {
    Event(&'a [u8], i64),
    TooLong(i64),
    BadHeader(i64),
}

/// What a decoder made of one event: the cells of its row, or the code and the message of its error.
#[derive(Debug)]
pub enum Verdict {
    Row(u32),
    Refused { code: &'static str, message: String },
}

/// The chunks of an input that arrives in pieces of `step` bytes.
pub fn chunks(mut framer: Framer, input: &[u8], step: usize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    for piece in input.chunks(step.max(1)) {
        framer.buffer().extend_from_slice(piece);
        chunks.extend(std::iter::from_fn(|| framer.next_chunk(false)));
    }
    chunks.extend(std::iter::from_fn(|| framer.next_chunk(true)));
    assert_eq!(framer.held(), 0, "all was given out");
    chunks
}

/// What is in chunks, in order, and how many empty lines there were.
pub fn lines(chunks: &[Chunk]) -> (Vec<Line<'_>>, u64) {
    let mut lines = Vec::new();
    for chunk in chunks {
        chunk.assert_sound();
        let mut bad = chunk.bad.iter().peekable();
        for (i, range) in chunk.frames.iter().enumerate() {
            while let Some(bad) = bad.next_if(|bad| bad.before as usize <= i) {
                lines.push(refused(bad));
            }
            lines.push(Line::Event(&chunk.text[range.start as usize..range.end as usize], chunk.offsets[i]));
        }
        lines.extend(bad.map(|bad| refused(bad)));
    }
    (lines, chunks.iter().map(|chunk| chunk.empty_lines).sum())
}

fn refused<'a>(bad: &BadFrame) -> Line<'a> {
    let offset = bad.offset.expect("streams have offsets");
    match bad.code.id {
        "line-too-long" => Line::TooLong(offset),
        "csv-header" => Line::BadHeader(offset),
        other => panic!("a framer does not say {other}"),
    }
}

/// A chunk of these events, one after the other.
pub fn chunk<'a>(events: impl IntoIterator<Item = &'a [u8]>) -> Chunk {
    let (mut text, mut frames) = (Vec::new(), Vec::new());
    for event in events {
        let start = text.len() as u32;
        text.extend_from_slice(event);
        frames.push(start..text.len() as u32);
        text.push(b'\n');
    }
    Chunk { text: text.into(), frames, ..Chunk::default() }
}

/// Chunks in which an event stands alone, and before others: a decoder may look at what follows, and must not care.
pub fn surroundings(event: &[u8]) -> [Chunk; 3] {
    [chunk([event]), chunk([event, &[0; 64]]), chunk([event, &[0xff; 64]])]
}

/// Decodes a chunk: its batch, and the verdict on each event in order.
pub fn decode(decoder: &mut Decoder, chunk: &Chunk) -> (Batch, Vec<Verdict>) {
    let decoded = decoder.decode(chunk.clone(), 0);
    decoded.batch.assert_sound();
    let mut verdicts = Vec::new();
    let mut rows = 0..decoded.batch.rows() as u32;
    for reject in decoded.rejects {
        let before = reject.before.saturating_sub(rows.start) as usize;
        verdicts.extend(rows.by_ref().take(before).map(Verdict::Row));
        verdicts.push(Verdict::Refused { code: reject.code.id, message: reject.message });
    }
    verdicts.extend(rows.map(Verdict::Row));
    (decoded.batch, verdicts)
}

/// A layout in which these paths are cut out.
pub fn layout(paths: impl IntoIterator<Item = Path>) -> Layout {
    let mut demand = Demand::default();
    paths.into_iter().for_each(|path| demand.add(path));
    Layout::text(&demand)
}

/// A cell as JSON text; `None` for a missing one.
pub fn text(batch: &Batch, cell: Cell) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    (cell != Cell::Missing).then(|| {
        assert!(write_cell(&mut out, &batch.texts, cell), "a decoded number is finite");
        out
    })
}
