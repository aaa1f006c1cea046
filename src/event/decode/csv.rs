//! CSV records (RFC 4180): events whose fields the header names, every value a text. An event stays the record that came; demanded values
//! are cells of it, and its JSON object is made only where somebody needs the whole.

use std::sync::Arc;

use crate::event::chunk::CsvHeader;
use crate::event::codes;
use crate::event::encode::EncodeError;
use crate::event::json;
use crate::event::packed::{PackedRows, Unpack};
use crate::event::{Cell, Chunk, Column, Layout, TextRef};

use super::plain::range;
use super::record::{Field, each_field};
use super::{Rows, utf8_fault};

/// Cuts demanded values out of records.
#[derive(Clone, Debug)]
pub(super) struct CsvDecoder {
    /// The demanded fields of the event itself, and their columns.
    wanted: Vec<(Arc<str>, usize)>,
    /// Column 0 is the JSON of the event.
    whole: bool,
    slots: usize,
    /// The header that what follows was made of.
    header: Option<Arc<CsvHeader>>,
    /// The column of each field of the header.
    columns: Vec<Option<usize>>,
    objects: Arc<Objects>,
}

impl CsvDecoder {
    pub(super) fn new(layout: &Layout) -> CsvDecoder {
        let wanted = layout.slots.iter().enumerate().filter_map(|(slot, path)| match path.as_deref() {
            Some([name]) => Some((name.clone(), slot)),
            _ => None,
        });
        CsvDecoder {
            wanted: wanted.collect(),
            whole: layout.is_whole_demanded(),
            slots: layout.slots.len(),
            header: None,
            columns: Vec::new(),
            objects: Arc::default(),
        }
    }

    pub(super) fn decode(&mut self, chunk: &Chunk) -> PackedRows {
        let mut columns = vec![vec![Cell::Missing; chunk.frames.len()]; self.slots];
        let mut bad = Vec::new();
        if let Err(why) = self.bind(chunk.header.as_ref()) {
            bad.extend((0..chunk.frames.len()).map(|i| (i, codes::CSV_HEADER, why.clone())));
        }
        let valid = simdutf8::basic::from_utf8(&chunk.text).ok();
        let (mut made, mut scratch) = (Vec::new(), Vec::new());
        let frames = if bad.is_empty() { chunk.frames.as_slice() } else { &[] };
        let mut row = 0;
        for (i, frame) in frames.iter().enumerate() {
            if let Some(message) = utf8_fault(&chunk.text, frame, valid) {
                bad.push((i, codes::UTF8, message));
                continue;
            }
            let (start, end) = (frame.start as usize, frame.end as usize);
            let before = made.len();
            let mut found = 0;
            each_field(&chunk.text, start, end, &mut scratch, |field| {
                if let Some(Some(slot)) = self.columns.get(found) {
                    columns[*slot][row] = cell(field, &mut made);
                }
                found += 1;
            });
            let expected = self.columns.len();
            if found != expected {
                bad.push((i, codes::CSV_FIELDS, format!("the record has {found} fields, the header {expected}")));
                made.truncate(before);
                columns.iter_mut().for_each(|column| column[row] = Cell::Missing);
                continue;
            }
            columns[0][row] = if self.whole {
                let from = made.len();
                self.objects.write(&chunk.text[start..end], &mut scratch, &mut made);
                Cell::Json(TextRef { text: 1, ..range(from, made.len()) })
            } else {
                Cell::Packed(range(start, end))
            };
            row += 1;
        }
        let columns = columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        let rows = Rows { columns: columns.collect(), text: chunk.text.clone(), made: made.into(), bad };
        PackedRows { rows, unpack: Some(self.objects.clone()) }
    }

    /// Takes on the header of a chunk.
    fn bind(&mut self, header: Option<&Arc<CsvHeader>>) -> Result<(), String> {
        let Some(header) = header else { return Err("the input has no CSV header".to_owned()) };
        if self.header.as_ref().is_some_and(|known| Arc::ptr_eq(known, header)) {
            return Ok(());
        }
        let names = header.0.as_ref().map_err(String::clone)?;
        let slot = |name: &String| self.wanted.iter().find(|(wanted, _)| **wanted == **name).map(|(_, slot)| *slot);
        self.columns = names.iter().map(slot).collect();
        self.objects = Arc::new(Objects::new(names));
        self.header = Some(header.clone());
        Ok(())
    }
}

/// The value of a field; a text that is not plain is written to text 1.
#[inline(always)]
fn cell(field: Field<'_>, made: &mut Vec<u8>) -> Cell {
    match field {
        Field::Plain(start, end) => Cell::Str(range(start, end)),
        Field::Other(value) => {
            let from = made.len();
            let escaped = json::escape_into(made, value);
            let value = TextRef { text: 1, ..range(from, made.len()) };
            if escaped { Cell::Escaped(value) } else { Cell::Str(value) }
        }
    }
}

/// Writes the JSON objects of records.
#[derive(Debug, Default)]
struct Objects {
    /// What stands before the value of each field: `{"name":"`, and of those that follow `","name":"`.
    before: Vec<Box<[u8]>>,
}

impl Objects {
    fn new(names: &[String]) -> Objects {
        let before = names.iter().enumerate().map(|(i, name)| {
            let mut before = if i == 0 { b"{".to_vec() } else { b"\",".to_vec() };
            json::write_string(&mut before, name.as_bytes());
            before.extend_from_slice(b":\"");
            before.into()
        });
        Objects { before: before.collect() }
    }

    /// Writes the object of a record that has as many fields as the header.
    fn write(&self, record: &[u8], scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        let mut before = self.before.iter();
        each_field(record, 0, record.len(), scratch, |field| {
            out.extend_from_slice(before.next().map(|before| &**before).unwrap_or_default());
            match field {
                Field::Plain(start, end) => out.extend_from_slice(&record[start..end]),
                Field::Other(value) => {
                    json::escape_into(out, value);
                }
            }
        });
        out.extend_from_slice(b"\"}");
    }
}

impl Unpack for Objects {
    fn write_json(&self, packed: &[u8], _: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.write(packed, &mut Vec::new(), out);
        Ok(())
    }

    /// Nothing that a sink writes is like it: the header is part of what a record is.
    fn identity(&self) -> Option<u64> {
        None
    }
}
