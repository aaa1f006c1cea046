//! CSV records (RFC 4180): each becomes the text of a JSON object with the header's names, every value a text.

use std::sync::Arc;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::event::chunk::CsvHeader;
use crate::event::codes;
use crate::event::json;
use crate::event::{Cell, Chunk, Column, Layout};

use super::plain::{range, set};
use super::{Rows, utf8_fault};

/// Makes objects of records.
#[derive(Clone, Debug)]
pub(super) struct CsvDecoder {
    /// The demanded fields of the event itself, and their columns.
    wanted: Vec<(Arc<str>, usize)>,
    slots: usize,
    /// The header that `columns` was made of.
    header: Option<Arc<CsvHeader>>,
    columns: Vec<CsvColumn>,
}

/// A column of the header.
#[derive(Clone, Debug)]
struct CsvColumn {
    /// What stands before its value: `{"name":"` or `,"name":"`.
    before: Vec<u8>,
    slot: Option<usize>,
}

impl CsvDecoder {
    pub(super) fn new(layout: &Layout) -> CsvDecoder {
        let wanted = layout.slots.iter().enumerate().filter_map(|(slot, path)| match path.as_deref() {
            Some([name]) => Some((name.clone(), slot)),
            _ => None,
        });
        CsvDecoder { wanted: wanted.collect(), slots: layout.slots.len(), header: None, columns: Vec::new() }
    }

    pub(super) fn decode(&mut self, chunk: &Chunk) -> Rows {
        let mut columns = vec![Vec::with_capacity(chunk.frames.len()); self.slots];
        let mut bad = Vec::new();
        if let Err(why) = self.bind(chunk.header.as_ref()) {
            bad.extend((0..chunk.frames.len()).map(|i| (i, codes::CSV_HEADER, why.clone())));
        }
        let valid = simdutf8::basic::from_utf8(&chunk.text).ok();
        let mut arena = Vec::with_capacity(chunk.size() * 2);
        let mut record = Record::new();
        let frames = if bad.is_empty() { chunk.frames.as_slice() } else { &[] };
        for (i, frame) in frames.iter().enumerate() {
            if let Some(message) = utf8_fault(&chunk.text, frame, valid) {
                bad.push((i, codes::UTF8, message));
                continue;
            }
            record.read(chunk.text.get(frame.start as usize..frame.end as usize).unwrap_or_default());
            if record.ends.len() != self.columns.len() {
                let (found, expected) = (record.ends.len(), self.columns.len());
                bad.push((i, codes::CSV_FIELDS, format!("the record has {found} fields, the header {expected}")));
                continue;
            }
            for column in &mut columns {
                column.push(Cell::Missing);
            }
            self.write(&record, &mut arena, &mut columns);
        }
        Rows { columns: columns.into_iter().map(Column::from).collect(), text: arena.into(), bad }
    }

    fn write(&self, record: &Record, arena: &mut Vec<u8>, columns: &mut [Vec<Cell>]) {
        let start = arena.len();
        for (column, value) in self.columns.iter().zip(record.fields()) {
            arena.extend_from_slice(&column.before);
            let from = arena.len();
            let escaped = json::escape_into(arena, value);
            if let Some(slot) = column.slot {
                let value = range(from, arena.len());
                set(columns, slot, if escaped { Cell::Escaped(value) } else { Cell::Str(value) });
            }
            arena.push(b'"');
        }
        arena.push(b'}');
        set(columns, 0, Cell::Json(range(start, arena.len())));
    }

    /// Takes on the header of a chunk.
    fn bind(&mut self, header: Option<&Arc<CsvHeader>>) -> Result<(), String> {
        let Some(header) = header else { return Err("the input has no CSV header".to_owned()) };
        if self.header.as_ref().is_some_and(|known| Arc::ptr_eq(known, header)) {
            return Ok(());
        }
        let names = header.0.as_ref().map_err(String::clone)?;
        self.columns.clear();
        for (i, name) in names.iter().enumerate() {
            let mut before = vec![if i == 0 { b'{' } else { b',' }];
            json::write_string(&mut before, name.as_bytes());
            before.extend_from_slice(b":\"");
            let slot = self.wanted.iter().find(|(wanted, _)| **wanted == **name).map(|(_, slot)| *slot);
            self.columns.push(CsvColumn { before, slot });
        }
        self.header = Some(header.clone());
        Ok(())
    }
}

/// The header that a record holds.
pub(in crate::event) fn read_csv_header(frame: &[u8]) -> CsvHeader {
    let mut record = Record::new();
    record.read(frame);
    CsvHeader(names(&record))
}

fn names(record: &Record) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for name in record.fields() {
        let name = std::str::from_utf8(name).map_err(|_| "the first record, the CSV header, is not valid UTF-8")?;
        if names.iter().any(|other| other == name) {
            return Err(format!(
                "the first record, the CSV header, names `{name:.60}` twice: an event has each field once"
            ));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// The fields of one record, unquoted.
#[derive(Debug)]
struct Record {
    /// Costly to build (it compiles its states), so it is kept.
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    fn new() -> Record {
        // The framer has cut at the line end, so that a line break here is part of a quoted field.
        let reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Record { reader, bytes: Vec::new(), ends: Vec::new() }
    }

    /// Reads the record that a frame holds.
    fn read(&mut self, frame: &[u8]) {
        // Unquoting only shrinks, and there are no more fields than bytes and one.
        self.bytes.clear();
        self.bytes.resize(frame.len() + 1, 0);
        self.ends.resize(frame.len() + 2, 0);
        self.reader.reset();
        let (_, read, mut written, mut fields) = self.reader.read_record(frame, &mut self.bytes, &mut self.ends);
        // An empty input says that nothing more comes, which ends the last field.
        let rest = &frame[read..];
        let (result, _, more, ends) =
            self.reader.read_record(rest, &mut self.bytes[written..], &mut self.ends[fields..]);
        written += more;
        fields += ends;
        debug_assert!(rest.is_empty() && result == ReadRecordResult::Record);
        self.bytes.truncate(written);
        self.ends.truncate(fields);
    }

    /// The fields in order.
    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.bytes.get(start..end).unwrap_or_default())
    }
}
