//! A table in memory: rows as JSON objects, found by the text of one or several of their columns.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hashbrown::HashTable;

use crate::event::{Cell, TextRef, Texts, json};
use crate::limits::{JSON_DEPTH_MAX, TABLE_BYTES_MAX, TABLE_ROW_BYTES_MAX, TABLE_ROWS_MAX};
use crate::operators::key;

/// Rows, and the way to them. Immutable: a file that changed makes a new one.
#[derive(Debug)]
pub struct Rows {
    /// The columns, where every row has the same: of a CSV file.
    pub header: Option<Vec<Arc<str>>>,
    /// The rows' objects, one after the other.
    text: Vec<u8>,
    /// The rows' keys, one after the other.
    keys: Vec<u8>,
    rows: Vec<Row>,
    index: HashTable<u32>,
}

/// Where a row's object and key end; they start where those of the row before end.
#[derive(Clone, Copy, Debug)]
struct Row {
    text_end: u32,
    key_end: u32,
    line: u32,
}

/// Why a table cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct TableError {
    /// Counted from 1; none where it is the whole file.
    pub line: Option<u64>,
    pub message: String,
    /// A column of `on` that the table does not have, and those that it has.
    pub unknown: Option<(String, Vec<String>)>,
}

impl TableError {
    fn file(message: impl Into<String>) -> TableError {
        TableError { line: None, message: message.into(), unknown: None }
    }

    fn line(line: u64, message: impl Into<String>) -> TableError {
        TableError { line: Some(line), message: message.into(), unknown: None }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Rows {
    /// Reads a file: CSV where its name ends in `.csv`, else JSON Lines. `columns` are those that rows are found by; two rows
    /// that are alike in all of them are an error, as an event could not have both.
    pub fn load(path: &Path, columns: &[String]) -> Result<Rows, TableError> {
        let text = read(path)?;
        let text = text.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&text);
        if let Err(error) = simdutf8::compat::from_utf8(text) {
            let line = 1 + memchr::memchr_iter(b'\n', &text[..error.valid_up_to()]).count() as u64;
            return Err(TableError::line(line, "not valid UTF-8; convert the file"));
        }
        let is_csv = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        if is_csv { Rows::from_csv(text, columns) } else { Rows::from_json_lines(text, columns) }
    }

    fn empty() -> Rows {
        Rows { header: None, text: Vec::new(), keys: Vec::new(), rows: Vec::new(), index: HashTable::new() }
    }

    /// CSV: the first record is the header, and every field is a text.
    pub fn from_csv(text: &[u8], columns: &[String]) -> Result<Rows, TableError> {
        let mut reader = csv::ReaderBuilder::new().from_reader(text);
        let header: Vec<String> = reader.headers().map_err(csv_error)?.iter().map(str::to_owned).collect();
        if let Some(twice) = header.iter().enumerate().find(|(i, name)| header[..*i].contains(name)) {
            return Err(TableError::line(1, format!("the column `{}` is there twice", twice.1)));
        }
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            match header.iter().position(|name| name == column) {
                Some(place) => places.push(place),
                None => {
                    let message = format!("the header has no column `{column}`");
                    return Err(TableError { line: Some(1), message, unknown: Some((column.clone(), header)) });
                }
            }
        }
        let names: Vec<Vec<u8>> = header.iter().map(|name| quoted(name.as_bytes())).collect();
        let mut table = Rows::empty();
        table.header = Some(header.iter().map(|name| name.as_str().into()).collect());
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(csv_error)? {
            let line = record.position().map_or(0, csv::Position::line);
            for (i, (name, field)) in names.iter().zip(&record).enumerate() {
                table.text.push(if i == 0 { b'{' } else { b',' });
                table.text.extend_from_slice(name);
                table.text.push(b':');
                json::write_string(&mut table.text, field.as_bytes());
            }
            table.text.push(b'}');
            for &place in &places {
                push_part(&mut table.keys, record.get(place).unwrap_or_default());
            }
            table.finish_row(line, columns)?;
        }
        Ok(table)
    }

    /// JSON Lines: an object a line, kept as it is written.
    pub fn from_json_lines(text: &[u8], columns: &[String]) -> Result<Rows, TableError> {
        let mut table = Rows::empty();
        let mut space = String::new();
        let paths: Vec<[std::sync::Arc<str>; 1]> = columns.iter().map(|name| [name.as_str().into()]).collect();
        for (i, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let number = i as u64 + 1;
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            json::check_value(line, JSON_DEPTH_MAX)
                .map_err(|fault| TableError::line(number, fault.message(line, JSON_DEPTH_MAX)))?;
            if line.first() != Some(&b'{') {
                return Err(TableError::line(
                    number,
                    "not a JSON object; every line is one row, `{\"column\": value, ...}`",
                ));
            }
            let mut texts = Texts::default();
            texts.push(Bytes::copy_from_slice(line));
            let whole = TextRef { text: 0, start: 0, len: line.len() as u32 };
            for (column, path) in columns.iter().zip(&paths) {
                match key::text(json::lookup_cell(&texts, whole, path), &texts, &mut space) {
                    Some(part) => push_part(&mut table.keys, part),
                    None => return Err(no_column(line, number, column)),
                }
            }
            table.text.extend_from_slice(line);
            table.finish_row(number, columns)?;
        }
        Ok(table)
    }

    fn finish_row(&mut self, line: u64, columns: &[String]) -> Result<(), TableError> {
        let start = self.rows.last().map_or(0, |before| before.text_end as usize);
        if self.text.len() - start > TABLE_ROW_BYTES_MAX {
            let message = format!("the row is larger than {} KiB as JSON", TABLE_ROW_BYTES_MAX >> 10);
            return Err(TableError::line(line, message));
        }
        if self.rows.len() >= TABLE_ROWS_MAX || self.text.len() + self.keys.len() > 4 * TABLE_BYTES_MAX {
            let message =
                format!("a table has at most {TABLE_ROWS_MAX} rows, and takes {} MiB as JSON", TABLE_BYTES_MAX >> 18);
            return Err(TableError::line(line, message));
        }
        let row = self.rows.len() as u32;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.rows.push(Row { text_end: self.text.len() as u32, key_end: self.keys.len() as u32, line });
        let (keys, rows) = (&self.keys, &self.rows);
        let key = key_of(keys, rows, row);
        let hash = key::hash(key, 0);
        if let Some(&other) = self.index.find(hash, |&other| key_of(keys, rows, other) == key) {
            let before = rows[other as usize].line;
            let message = format!(
                "its {} {} also that of line {before}",
                names(columns),
                if columns.len() == 1 { "is" } else { "are" }
            );
            return Err(TableError::line(
                line.into(),
                format!("{message}; an event could not have both rows: remove one"),
            ));
        }
        self.index.insert_unique(hash, row, |&row| key::hash(key_of(keys, rows, row), 0));
        Ok(())
    }

    /// The JSON object of the row with this key (see [`Lookup`]).
    pub fn find(&self, key: &[u8]) -> Option<&[u8]> {
        let hash = key::hash(key, 0);
        let row = *self.index.find(hash, |&row| key_of(&self.keys, &self.rows, row) == key)?;
        let start = row.checked_sub(1).map_or(0, |before| self.rows[before as usize].text_end);
        Some(&self.text[start as usize..self.rows[row as usize].text_end as usize])
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

/// Makes the keys by which rows are found, in reused memory.
#[derive(Debug, Default)]
pub struct Lookup {
    key: Vec<u8>,
    space: String,
}

impl Lookup {
    /// The key of these values, in the order of the columns: `None` where one is missing or null, which no row is equal to.
    pub fn key<'a>(&'a mut self, cells: impl Iterator<Item = Cell>, texts: &Texts) -> Option<&'a [u8]> {
        self.key.clear();
        for cell in cells {
            push_part(&mut self.key, key::text(cell, texts, &mut self.space)?);
        }
        Some(&self.key)
    }
}

fn push_part(key: &mut Vec<u8>, part: &str) {
    key.extend_from_slice(&(part.len() as u32).to_be_bytes());
    key.extend_from_slice(part.as_bytes());
}

fn key_of<'a>(keys: &'a [u8], rows: &[Row], row: u32) -> &'a [u8] {
    let start = row.checked_sub(1).map_or(0, |before| rows[before as usize].key_end);
    &keys[start as usize..rows[row as usize].key_end as usize]
}

fn names(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| format!("`{column}`")).collect();
    quoted.join(" and ")
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::write_string(&mut out, text);
    out
}

fn no_column(line: &[u8], number: u64, column: &str) -> TableError {
    let has: Vec<String> = json::members(line).map(|(name, _)| name.into_owned()).collect();
    let message = format!("the row has no `{column}`, or it is null");
    let unknown = (!has.iter().any(|name| name == column)).then(|| (column.to_owned(), has));
    TableError { line: Some(number), message, unknown }
}

fn csv_error(error: csv::Error) -> TableError {
    let line = error.position().map(csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, but the header has {expected_len}; a comma inside a field stands in quotes")
        }
        _ => error.to_string(),
    };
    TableError { line, message, unknown: None }
}

/// The whole file, if it is one and not too large.
fn read(path: &Path) -> Result<Vec<u8>, TableError> {
    let unreadable = |error: std::io::Error| TableError::file(format!("it cannot be read: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(TableError::file("it is a folder; name the file"));
    }
    let mut text = Vec::new();
    file.take(TABLE_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > TABLE_BYTES_MAX {
        return Err(TableError::file(format!(
            "it is larger than {} MiB, the most that is kept in memory",
            TABLE_BYTES_MAX >> 20
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn find(table: &Rows, cells: &[Cell]) -> Option<String> {
        let mut lookup = Lookup::default();
        let key = lookup.key(cells.iter().copied(), &Texts::default())?;
        table.find(key).map(|row| String::from_utf8_lossy(row).into_owned())
    }

    #[test]
    fn rows_of_csv_are_objects_of_texts() {
        let text = b"id,name\r\n7,\"Ann \"\"A\"\"\"\r\n8,Bob\r\n";
        let table = Rows::from_csv(text, &columns(&["id"])).unwrap();
        assert_eq!(table.len(), 2);
        assert_eq!(find(&table, &[Cell::Int(7)]).as_deref(), Some(r#"{"id":"7","name":"Ann \"A\""}"#));
        assert_eq!(find(&table, &[Cell::Float(8.0)]).as_deref(), Some(r#"{"id":"8","name":"Bob"}"#));
        assert_eq!(find(&table, &[Cell::Int(9)]), None);
        assert_eq!(find(&table, &[Cell::Null]), None);
    }

    #[test]
    fn rows_of_json_lines_stay_as_they_are_written() {
        let text = b"{ \"id\": 7, \"at\": \"x\", \"v\": [1, 2] }\n\n{\"id\": \"8\", \"at\": \"\\u0079\"}";
        let table = Rows::from_json_lines(text, &columns(&["id"])).unwrap();
        assert_eq!(find(&table, &[Cell::Int(7)]).as_deref(), Some(r#"{ "id": 7, "at": "x", "v": [1, 2] }"#));
        assert_eq!(find(&table, &[Cell::Int(8)]).as_deref(), Some(r#"{"id": "8", "at": "\u0079"}"#));
    }

    #[test]
    fn several_columns_make_one_key() {
        let table = Rows::from_csv(b"a,b,c\n1,23,x\n12,3,y\n", &columns(&["b", "a"])).unwrap();
        assert_eq!(find(&table, &[Cell::Int(3), Cell::Int(12)]).as_deref(), Some(r#"{"a":"12","b":"3","c":"y"}"#));
        assert_eq!(find(&table, &[Cell::Int(12), Cell::Int(3)]), None);
    }

    #[test]
    fn bad_tables_name_the_line() {
        let csv = |text: &str| Rows::from_csv(text.as_bytes(), &columns(&["id"])).unwrap_err();
        assert_eq!(csv("id,b\n1,2\n3\n").line, Some(3));
        assert_eq!(csv("id,id\n").line, Some(1));
        assert_eq!(csv("ident\n").unknown, Some(("id".into(), vec!["ident".into()])));
        let twice = csv("id\n1\n2\n1\n");
        assert!(twice.to_string().starts_with("line 4: its `id` is also that of line 2"), "{twice}");
        let json = |text: &str| Rows::from_json_lines(text.as_bytes(), &columns(&["id"])).unwrap_err();
        assert_eq!(json("{\"id\":1}\n{\"id\":}\n").line, Some(2));
        assert_eq!(json("{\"id\":null}").line, Some(1));
        assert_eq!(json("[1]").line, Some(1));
        assert_eq!(Rows::from_csv(b"", &[]).unwrap().len(), 0);
    }

    #[test]
    fn files_are_read_by_their_ending() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.CSV");
        std::fs::write(&path, "\u{feff}id\n1\n").unwrap();
        assert_eq!(Rows::load(&path, &columns(&["id"])).unwrap().len(), 1);
        std::fs::write(&path, b"id\n\xff\n").unwrap();
        assert_eq!(Rows::load(&path, &columns(&["id"])).unwrap_err().line, Some(2));
        assert!(Rows::load(&folder.path().join("none"), &[]).unwrap_err().message.starts_with("it cannot be read"));
        assert_eq!(Rows::load(folder.path(), &[]).unwrap_err().message, "it is a folder; name the file");
    }
}
