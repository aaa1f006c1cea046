//! The fields of a CSV record, sixteen bytes at a time: most are plain, and so are their own text in JSON.

use std::collections::HashSet;

use crate::event::chunk::CsvHeader;
use crate::event::json::{BLOCK, Block, plain_end};

/// The value of a field.
pub(super) enum Field<'s> {
    /// It lies in the text from here to there, and JSON has nothing to escape in it.
    Plain(usize, usize),
    /// Without its quotes.
    Other(&'s [u8]),
}

/// Calls `each` with every field of the record between `start` and `end`; it has one at least.
#[inline(always)]
pub(super) fn each_field(
    text: &[u8],
    start: usize,
    end: usize,
    scratch: &mut Vec<u8>,
    mut each: impl FnMut(Field<'_>),
) {
    let (mut from, mut at) = (start, start);
    'blocks: loop {
        let mut stops = stops(text, at, end);
        while stops != 0 {
            let stop = at + stops.trailing_zeros() as usize;
            if text.get(stop) == Some(&b',') {
                each(Field::Plain(from, stop));
                from = stop + 1;
                stops &= stops - 1;
                continue;
            }
            let over = match quoted(text, from, end) {
                Some(close) => {
                    each(Field::Plain(from + 1, close));
                    close + 1
                }
                None => {
                    scratch.clear();
                    let over = read_field(text, from, end, scratch);
                    each(Field::Other(scratch));
                    over
                }
            };
            if over >= end {
                return;
            }
            from = over + 1;
            at = from;
            continue 'blocks;
        }
        at += BLOCK;
        if at >= end {
            return each(Field::Plain(from, end));
        }
    }
}

/// The bytes of the block at `at`, before `end`, that are commas or not plain.
#[inline(always)]
fn stops(text: &[u8], at: usize, end: usize) -> u32 {
    let stops = |block: Block<'_>| block.commas() | block.specials();
    let found = match Block::at(text, at) {
        Some(block) => stops(block),
        None => {
            let (mut last, rest) = ([0; BLOCK], text.get(at..).unwrap_or_default());
            last[..rest.len()].copy_from_slice(rest);
            stops(Block::of(&last))
        }
    };
    match end - at {
        left @ 0..BLOCK => found & ((1 << left) - 1),
        _ => found,
    }
}

/// Where the quote is that closes the field at `from`, if it is in quotes and plain between them.
#[inline(always)]
fn quoted(text: &[u8], from: usize, end: usize) -> Option<usize> {
    let record = text.get(..end).filter(|record| record.get(from) == Some(&b'"'))?;
    let close = plain_end(record, from + 1);
    (record.get(close) == Some(&b'"') && matches!(record.get(close + 1), None | Some(b','))).then_some(close)
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
            let text = format!("{record}{behind}");
            let mut found: Vec<Vec<u8>> = Vec::new();
            each_field(text.as_bytes(), 0, record.len(), &mut Vec::new(), |field| {
                found.push(match field {
                    Field::Plain(start, end) => {
                        let value = &text.as_bytes()[start..end];
                        assert!(value.iter().all(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\')));
                        value.to_vec()
                    }
                    Field::Other(value) => value.to_vec(),
                });
            });
            prop_assert_eq!(&found, &expected);
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
