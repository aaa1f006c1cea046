//! From a batch to the bytes of its events: JSON, CSV or plain text.

mod csv;
mod formed;
mod json;
mod numbered;
mod stamp;
mod value;

use std::sync::Arc;

use crate::limits::ENCODE_BYTES_MAX;

use super::codes::{self, Code};
use super::packed::{PackedEncoder, PackedEncoding};
use super::{Batch, Cell, Layout, TextRef};

pub(in crate::event) use self::formed::{EventForm, FormEncoder};
pub use self::json::{JsonEncoder, write_cell};
pub use self::numbered::NumberedJson;
pub(in crate::event) use self::stamp::Stamp;
pub(in crate::event) use self::value::{Fields, Misfit, Value, Written, excerpt, sort_members};

/// How a sink's bytes are written.
#[derive(Clone, Debug, Default)]
pub enum Format {
    /// An object each. What passes unchanged is the text that came in, put on one line if it was not.
    #[default]
    Json,
    /// A record each: see [`Encoder::head`].
    Csv,
    /// The value of the field `text`, as it is.
    Text,
    /// A form that a schema describes.
    Packed(Arc<dyn PackedEncoding>),
}

impl Format {
    /// What two formats that write alike have in common, and no others.
    pub fn identity(&self) -> String {
        match self {
            Format::Packed(format) => format!("packed {:016x}", format.identity()),
            plain => format!("{plain:?}"),
        }
    }
}

/// Why one event cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError {
    pub code: Code,
    pub message: String,
}

/// Writes the events of one sink.
#[derive(Debug)]
pub struct Encoder {
    kind: Kind,
    /// What was compiled for the layouts seen last.
    compiled: Vec<(Arc<Layout>, JsonEncoder)>,
}

#[derive(Debug)]
enum Kind {
    Json,
    Csv(csv::CsvEncoder),
    Text,
    Packed(Box<dyn PackedEncoder>),
}

/// Layouts an encoder remembers. A port has few.
const LAYOUTS_MAX: usize = 16;

impl Encoder {
    /// An encoder. `columns`: those of a CSV output where the plan knows them, else they are the fields of the first event.
    pub fn new(format: Format, columns: Option<Vec<Arc<str>>>) -> Encoder {
        let kind = match format {
            Format::Json => Kind::Json,
            Format::Csv => Kind::Csv(csv::CsvEncoder::new(columns)),
            Format::Text => Kind::Text,
            Format::Packed(format) => Kind::Packed(format.encoder()),
        };
        Encoder { kind, compiled: Vec::new() }
    }

    /// What stands at the head of every file: the CSV header with its line end, known once the first batch is encoded; empty for other
    /// formats.
    pub fn head(&self) -> &[u8] {
        match &self.kind {
            Kind::Csv(csv) => csv.head(),
            Kind::Json | Kind::Text | Kind::Packed(_) => &[],
        }
    }

    /// The columns of a CSV output, once they are known.
    pub fn columns(&self) -> Option<&[Arc<str>]> {
        if let Kind::Csv(csv) = &self.kind { csv.columns() } else { None }
    }

    /// Writes the selected events one after the other, and where each ends. `line_end`: they are told apart, texts by a LF at the end of each.
    /// Memory is bounded where the batch holds no more than [`fitting`] events.
    /// What cannot be written leaves no bytes; its row and why go to `errors`, in order.
    pub fn encode(
        &mut self,
        batch: &Batch,
        line_end: bool,
        out: &mut Vec<u8>,
        ends: &mut Vec<u32>,
        errors: &mut Vec<(u32, EncodeError)>,
    ) {
        if let Kind::Packed(packed) = &mut self.kind {
            return packed.encode(batch, line_end, out, ends, errors);
        }
        let json = of_layout(&mut self.compiled, &batch.layout, JsonEncoder::new);
        let bound = json.bind(batch);
        for row in batch.selection.iter() {
            let start = out.len();
            let written = match &mut self.kind {
                Kind::Json | Kind::Packed(_) => bound.row(row, out),
                Kind::Csv(csv) => csv.row(&bound, row, out),
                Kind::Text => text(batch, row, out),
            };
            match written {
                Ok(()) => {
                    if line_end {
                        out.push(b'\n');
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
}

/// How many of the first `room` selected events may be encoded at once, at least one: rows can share text, so that a small
/// batch can make much output.
pub fn fitting(batch: &Batch, room: usize) -> usize {
    let columns: Vec<&[Cell]> = batch.columns.iter().map(|column| column.cells()).collect();
    let bytes = |row: u32| -> usize {
        let cells = columns.iter().filter_map(|cells| cells.get(row as usize)?.text_ref());
        cells.map(|at| at.len as usize).sum()
    };
    let mut total = 0;
    let fits = batch.selection.iter().take(room).take_while(|&row| {
        total += bytes(row);
        total <= ENCODE_BYTES_MAX
    });
    fits.count().max(1)
}

/// What was made for a layout; the last few are remembered.
fn of_layout<'a, T>(
    known: &'a mut Vec<(Arc<Layout>, T)>,
    layout: &Arc<Layout>,
    make: impl FnOnce(&Layout) -> T,
) -> &'a T {
    let found = known.iter().position(|(other, _)| Arc::ptr_eq(other, layout) || other == layout);
    let at = found.unwrap_or_else(|| {
        if known.len() == LAYOUTS_MAX {
            known.remove(0);
        }
        known.push((layout.clone(), make(layout)));
        known.len() - 1
    });
    &known[at].1
}

/// Writes one event as JSON on one line, without a line end. For rare events; an [`Encoder`] is faster for streams.
pub fn encode_json(batch: &Batch, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    JsonEncoder::new(&batch.layout).bind(batch).row(row, out).inspect_err(|_| out.truncate(start))
}

/// Writes the value of the field `text`.
fn text(batch: &Batch, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let path = [Arc::from("text")];
    let cell = match batch.layout.resolve(&path) {
        None => Cell::Missing,
        Some((column, [])) => batch.cell(column, row),
        Some((column, rest)) => match batch.cell(column, row) {
            Cell::Json(at) => super::json::lookup_cell(&batch.texts, at, rest),
            _ => Cell::Missing,
        },
    };
    match string_bytes(batch, cell, out) {
        true => Ok(()),
        false => {
            let found = if cell.is_unit() { "has none" } else { "has another value there" };
            Err(EncodeError {
                code: codes::ENCODE_TEXT,
                message: format!("the field `text` must be a string, the event {found}"),
            })
        }
    }
}

/// Writes the value of a string; `false` for other cells.
fn string_bytes(batch: &Batch, cell: Cell, out: &mut Vec<u8>) -> bool {
    let bytes = |at: TextRef| batch.texts.bytes(at);
    match cell {
        Cell::Str(at) => out.extend_from_slice(bytes(at)),
        Cell::Escaped(at) => out.extend_from_slice(super::json::unescape(bytes(at)).as_bytes()),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests;
