//! Error events: what a node refused, as events that any stage can read and the dead letters are written from.

use std::sync::Arc;

use crate::event::decode::Undecodable;
use crate::event::encode::{JsonEncoder, write_cell};
use crate::event::json;
use crate::event::{Batch, BatchBuilder, Cell, Layout, Meta, Timestamp};
use crate::schema::{Kinds, Shape};

use super::{Reject, Rejected};

/// The fields of an error event, in order. `event` is the refused event as an object; where the input was none, `raw` holds its text
/// instead, cut at `RAW_BYTES_KEPT_MAX`, and `raw_bytes` its length. Where the bytes are no text, `raw` has what can be read of them, and
/// `raw_base64` all.
const FIELDS: [&str; 10] = ["code", "message", "node", "at", "time", "event", "raw", "raw_bytes", "raw_base64", "meta"];

/// The layout of the batches of every `errors` port.
pub fn error_layout() -> Arc<Layout> {
    Arc::new(Layout::fields(FIELDS))
}

/// What error events are.
pub fn error_shape() -> Shape {
    let perhaps = |kinds: Kinds| Shape::of(kinds.and(Kinds::PERHAPS_NULL));
    let shape = |name| match name {
        "code" | "message" | "node" | "at" => Shape::of(Kinds::STRING),
        "time" | "raw_bytes" => perhaps(Kinds::INT),
        "raw" | "raw_base64" => perhaps(Kinds::STRING),
        "event" => perhaps(Kinds::OBJECT),
        _ => Shape::of(Kinds::OBJECT),
    };
    Shape::record(FIELDS.map(|name| (Arc::from(name), shape(name))))
}

/// Makes the error events of one node.
pub struct ErrorEvents {
    node: Arc<str>,
    rows: BatchBuilder,
    /// For the layout that the last refused event had: events of one kind come in runs.
    encoder: Option<(Arc<Layout>, JsonEncoder)>,
    scratch: Vec<u8>,
}

impl ErrorEvents {
    /// None yet, of this node.
    pub fn new(node: Arc<str>) -> ErrorEvents {
        ErrorEvents { node, rows: BatchBuilder::new(error_layout()), encoder: None, scratch: Vec::new() }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether they have to be sent before more are made.
    pub fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    /// The error event of a refused event.
    pub fn push(&mut self, rejected: &Rejected) {
        let Rejected { batch, row, why } = rejected;
        self.scratch.clear();
        let encoder = match &mut self.encoder {
            Some((layout, encoder)) if Arc::ptr_eq(layout, &batch.layout) => encoder,
            other => &mut other.insert((batch.layout.clone(), JsonEncoder::lenient(&batch.layout))).1,
        };
        // A lenient encoder has no error to give.
        let _ = encoder.bind(batch).row(*row, &mut self.scratch);
        let event = Cell::Json(self.rows.text(&self.scratch));
        let time = batch.times.get(*row as usize).copied().unwrap_or(Timestamp::NONE);
        let mark = batch.marks.get(*row as usize).copied().unwrap_or(Timestamp::NONE);
        let meta = self.meta(batch, *row);
        self.row(why, time, mark, [event, Cell::Missing, Cell::Missing, Cell::Missing, meta]);
    }

    /// The error event of input that is no event.
    pub fn push_raw(&mut self, why: &Reject, input: &Undecodable, mark: Timestamp) {
        let text = String::from_utf8_lossy(&input.raw);
        let raw = Cell::Str(self.rows.text(text.as_bytes()));
        let out = &mut self.scratch;
        out.clear();
        let base64 = if is_text(input) {
            Cell::Missing
        } else {
            json::base64(out, &input.raw);
            Cell::Str(self.rows.text(out))
        };
        out.clear();
        out.extend_from_slice(b"{\"source\":");
        json::write_string(out, self.node.as_bytes());
        if let Some(offset) = input.offset {
            out.extend_from_slice(b",\"offset\":");
            json::write_i64(out, offset);
        }
        if let Some(key) = &input.key {
            out.extend_from_slice(b",\"key\":");
            json::write_string(out, key);
        }
        if let Some(headers) = &input.headers {
            out.extend_from_slice(b",\"headers\":");
            out.extend_from_slice(headers);
        }
        out.push(b'}');
        let meta = Cell::Json(self.rows.text(&self.scratch));
        let length = Cell::Int(i64::try_from(input.length).unwrap_or(i64::MAX));
        self.row(why, input.time, mark, [Cell::Missing, raw, length, base64, meta]);
    }

    /// The error events as a batch.
    pub fn finish(&mut self) -> Batch {
        self.rows.finish(0, Arc::new(Meta::of(self.node.clone())))
    }

    fn row(&mut self, why: &Reject, time: Timestamp, mark: Timestamp, rest: [Cell; 5]) {
        let head = [why.code, &why.message, &self.node, &why.at].map(|text| Cell::Str(self.rows.text(text.as_bytes())));
        let at = time.get().map_or(Cell::Null, Cell::Int);
        self.rows.push(head.into_iter().chain([at]).chain(rest), time, mark);
    }

    fn meta(&mut self, batch: &Batch, row: u32) -> Cell {
        let meta = &batch.meta;
        let out = &mut self.scratch;
        out.clear();
        out.extend_from_slice(b"{\"source\":");
        json::write_string(out, meta.source.as_bytes());
        if let Some(partition) = meta.partition {
            out.extend_from_slice(b",\"partition\":");
            json::write_i64(out, partition);
        }
        for (name, column) in [("offset", &meta.offset), ("key", &meta.key), ("headers", &meta.headers)] {
            let cell = column.as_ref().and_then(|column| column.cells().get(row as usize)).copied();
            if let Some(cell) = cell.filter(|cell| !cell.is_unit()) {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                if !write_cell(out, &batch.texts, cell) {
                    out.extend_from_slice(b"null");
                }
            }
        }
        out.push(b'}');
        Cell::Json(self.rows.text(&self.scratch))
    }
}

/// Whether the bytes are UTF-8, but perhaps for a character that the cut went through.
fn is_text(input: &Undecodable) -> bool {
    let is_cut = (input.raw.len() as u64) < input.length;
    match std::str::from_utf8(&input.raw) {
        Ok(_) => true,
        Err(why) => is_cut && why.error_len().is_none(),
    }
}
