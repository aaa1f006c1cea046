//! CSV records (RFC 4180): each becomes the text of a JSON object with the header's names, every value a text.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::event::chunk::CsvHeader;
use crate::event::codes;
use crate::event::json::{self, BLOCK, Block};
use crate::event::{Cell, Chunk, Column, Layout};

use super::plain::range;
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
    /// What stands before its value: `{"name":"`, and of those that follow `","name":"`.
    before: Vec<[u8; BLOCK]>,
    /// Bytes of it; the rest of the last block does not count.
    before_len: usize,
    slot: Option<usize>,
}

impl CsvColumn {
    fn new(mut before: Vec<u8>, slot: Option<usize>) -> CsvColumn {
        let before_len = before.len();
        before.resize(before_len.next_multiple_of(BLOCK), 0);
        CsvColumn { before: before.as_chunks().0.to_vec(), before_len, slot }
    }
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
        let mut columns = vec![vec![Cell::Missing; chunk.frames.len()]; self.slots];
        let mut bad = Vec::new();
        if let Err(why) = self.bind(chunk.header.as_ref()) {
            bad.extend((0..chunk.frames.len()).map(|i| (i, codes::CSV_HEADER, why.clone())));
        }
        let valid = simdutf8::basic::from_utf8(&chunk.text).ok();
        let names: usize = self.columns.iter().map(|column| column.before_len).sum();
        let mut objects = Objects { text: &chunk.text, arena: Vec::new(), scratch: Vec::new() };
        objects.arena.reserve(chunk.size() + (names + BLOCK) * chunk.frames.len());
        let frames = if bad.is_empty() { chunk.frames.as_slice() } else { &[] };
        let mut row = 0;
        for (i, frame) in frames.iter().enumerate() {
            if let Some(message) = utf8_fault(&chunk.text, frame, valid) {
                bad.push((i, codes::UTF8, message));
                continue;
            }
            let start = objects.arena.len();
            let found = objects.write(frame.start as usize, frame.end as usize, &self.columns, &mut columns, row);
            if found == self.columns.len() {
                columns[0][row] = Cell::Json(range(start, objects.arena.len()));
                row += 1;
                continue;
            }
            let expected = self.columns.len();
            bad.push((i, codes::CSV_FIELDS, format!("the record has {found} fields, the header {expected}")));
            objects.arena.truncate(start);
            columns.iter_mut().for_each(|column| column[row] = Cell::Missing);
        }
        let columns = columns.into_iter().map(|mut cells| {
            cells.truncate(row);
            Column::from(cells)
        });
        Rows { columns: columns.collect(), text: objects.arena.into(), made: Bytes::new(), bad }
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
            let mut before = if i == 0 { b"{".to_vec() } else { b"\",".to_vec() };
            json::write_string(&mut before, name.as_bytes());
            before.extend_from_slice(b":\"");
            let slot = self.wanted.iter().find(|(wanted, _)| **wanted == **name).map(|(_, slot)| *slot);
            self.columns.push(CsvColumn::new(before, slot));
        }
        self.header = Some(header.clone());
        Ok(())
    }
}

/// Writes objects of records.
struct Objects<'a> {
    text: &'a [u8],
    arena: Vec<u8>,
    scratch: Vec<u8>,
}

impl Objects<'_> {
    /// Writes the object of the record between `at` and `end`, and the cells of its row. Returns how many fields there are: if it
    /// is not as many as columns, what was written is of no use.
    fn write(&mut self, at: usize, end: usize, columns: &[CsvColumn], cells: &mut [Vec<Cell>], row: usize) -> usize {
        let mut fields = 0;
        let mut next = Some(at);
        while let Some(at) = next {
            let Some(column) = columns.get(fields) else { return fields + rest_of(self.text, at, end) };
            let from = self.arena.len() + column.before_len;
            column.before.iter().for_each(|block| self.arena.extend_from_slice(block));
            self.arena.truncate(from);
            let (over, escaped) = self.value(at, end);
            if let Some(slot) = column.slot {
                let value = range(from, self.arena.len());
                cells[slot][row] = if escaped { Cell::Escaped(value) } else { Cell::Str(value) };
            }
            fields += 1;
            next = (over < end).then_some(over + 1);
        }
        self.arena.extend_from_slice(b"\"}");
        fields
    }

    /// Writes the value of the field at `at` in a record that ends at `end`, and returns where the field is over: at its comma or the
    /// record's end. Copies block by block up to what ends a plain value; whatever is not plain is done slowly.
    #[inline(always)]
    fn value(&mut self, at: usize, end: usize) -> (usize, bool) {
        let quoted = self.text.get(at) == Some(&b'"');
        let mut from = at + usize::from(quoted);
        let start = self.arena.len();
        while let Some(block) = Block::at(self.text, from) {
            let commas = if quoted { 0 } else { block.commas() };
            let plain = ((block.specials() | commas).trailing_zeros() as usize).min(BLOCK);
            let len = self.arena.len() + plain;
            self.arena.extend_from_slice(block.bytes());
            self.arena.truncate(len);
            from += plain;
            if plain == BLOCK {
                continue;
            }
            let over = from + usize::from(quoted);
            let closed = !quoted || block.byte(plain) == b'"';
            if closed && (over == end || over < end && self.text.get(over) == Some(&b',')) {
                return (over, false);
            }
            break;
        }
        self.arena.truncate(start);
        self.any_value(at, end)
    }

    /// The same for every value.
    #[inline(never)]
    fn any_value(&mut self, at: usize, end: usize) -> (usize, bool) {
        self.scratch.clear();
        let over = read_field(self.text, at, end, &mut self.scratch);
        (over, json::escape_into(&mut self.arena, &self.scratch))
    }
}

/// How many fields a record has from the one at `at` on.
#[cold]
fn rest_of(text: &[u8], at: usize, end: usize) -> usize {
    let mut next = Some(at);
    let fields = std::iter::from_fn(|| {
        let over = read_field(text, next?, end, &mut Vec::new());
        next = (over < end).then_some(over + 1);
        Some(())
    });
    fields.count()
}

/// Appends the value of the field at `at` in a record that ends at `end`, and returns where the field is over: at its comma or the
/// record's end. As csv-core reads it: a quote counts only at the start of a field, what follows the closing one belongs to the value,
/// and a quoted field that is not closed ends with the record.
fn read_field(text: &[u8], mut at: usize, end: usize, out: &mut Vec<u8>) -> usize {
    let record = text.get(..end).unwrap_or(text);
    if record.get(at) == Some(&b'"') {
        at += 1;
        loop {
            let rest = record.get(at..).unwrap_or_default();
            let Some(quote) = memchr::memchr(b'"', rest) else {
                out.extend_from_slice(rest);
                return record.len();
            };
            out.extend_from_slice(&rest[..quote]);
            at += quote + 1;
            if record.get(at) != Some(&b'"') {
                break;
            }
            out.push(b'"');
            at += 1;
        }
    }
    let rest = record.get(at..).unwrap_or_default();
    let len = memchr::memchr(b',', rest).unwrap_or(rest.len());
    out.extend_from_slice(&rest[..len]);
    at + len
}

/// The header that a record holds.
pub(in crate::event) fn read_csv_header(frame: &[u8]) -> CsvHeader {
    CsvHeader(names(frame))
}

fn names(record: &[u8]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    let mut next = Some(0);
    while let Some(at) = next {
        let mut name = Vec::new();
        let over = read_field(record, at, record.len(), &mut name);
        next = (over < record.len()).then_some(over + 1);
        let name = String::from_utf8(name).map_err(|_| "the first record, the CSV header, is not valid UTF-8")?;
        names.push(name);
    }
    let mut seen = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        None => Ok(names),
        Some(twice) => {
            Err(format!("the first record, the CSV header, names `{twice:.60}` twice: an event has each field once"))
        }
    }
}

#[cfg(test)]
mod tests {
    use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};
    use proptest::prelude::*;

    use super::*;

    /// The fields of a record as csv-core reads them, which drops a byte order mark before the first one.
    fn theirs(record: &[u8]) -> Vec<Vec<u8>> {
        let mut reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        let (mut bytes, mut ends) = (vec![0; record.len() + 1], vec![0; record.len() + 2]);
        reader.read_record(b"first\n", &mut [0; 8], &mut [0; 2]);
        let (_, read, written, fields) = reader.read_record(record, &mut bytes, &mut ends);
        let (result, _, _, more) = reader.read_record(&record[read..], &mut bytes[written..], &mut ends[fields..]);
        assert_eq!(result, ReadRecordResult::Record);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts.zip(&ends[..fields + more]).map(|(start, &end)| bytes[start..end].to_vec()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn fields_are_those_of_csv_core(
            record in prop_oneof![r#"[ab,"]{1,40}"#, r#"(["]?[a-z\\\x01é]{0,40}["]?,){1,4}"#, "\u{feff}?[a,\"\r]{1,6}"],
            behind in prop_oneof![Just(""), Just("\n"), Just("\""), Just("\r\nnext,record,of,the,same,chunk"), Just("aaaaaaaaaaaaaaaaaaaa")],
        ) {
            let expected = theirs(record.as_bytes());
            let columns: Vec<_> = (0..expected.len()).map(|i| {
                let before = format!("{}\"{i}\":\"", if i == 0 { "{" } else { "\"," });
                CsvColumn::new(before.into_bytes(), Some(i))
            }).collect();
            let text = format!("{record}{behind}");
            for known in 0..=columns.len() {
                let mut objects = Objects { text: text.as_bytes(), arena: Vec::new(), scratch: Vec::new() };
                let mut cells = vec![vec![Cell::Missing]; columns.len()];
                let found = objects.write(0, record.len(), &columns[..known], &mut cells, 0);
                prop_assert_eq!(found, expected.len());
                if known < columns.len() {
                    continue;
                }
                let object: serde_json::Value = serde_json::from_slice(&objects.arena).unwrap();
                for (i, (value, cells)) in expected.iter().zip(&cells).enumerate() {
                    prop_assert_eq!(object[i.to_string()].as_str().unwrap().as_bytes(), value);
                    let (Cell::Str(at) | Cell::Escaped(at)) = cells[0] else { panic!("{cells:?}") };
                    let raw = &objects.arena[at.start as usize..][..at.len as usize];
                    let unescaped = json::unescape(raw);
                    prop_assert_eq!(unescaped.as_bytes(), value);
                    prop_assert_eq!(matches!(cells[0], Cell::Escaped(_)), raw.contains(&b'\\'));
                }
            }
            let mut distinct = expected.clone();
            distinct.sort();
            distinct.dedup();
            match read_csv_header(record.as_bytes()).0 {
                Ok(names) => prop_assert_eq!(names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>(), expected),
                Err(_) => prop_assert!(distinct.len() < expected.len()),
            }
        }
    }
}
