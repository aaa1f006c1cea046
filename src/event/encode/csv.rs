//! Events as CSV records (RFC 4180, ended by LF): a column for each field of the plan or of the first event.

use std::sync::Arc;

use crate::event::Cell;
use crate::event::codes;
use crate::event::json;

use super::EncodeError;
use super::json::{Bound, Source, not_finite};

/// The columns of a CSV output.
#[derive(Debug)]
pub(super) struct CsvEncoder {
    columns: Option<Vec<Arc<str>>>,
    head: Vec<u8>,
    /// The values of the event at hand, quoted where needed, one after the other in the order of its fields.
    bytes: Vec<u8>,
    /// Where in `bytes` each column's value is.
    values: Vec<(usize, usize)>,
}

impl CsvEncoder {
    pub(super) fn new(columns: Option<Vec<Arc<str>>>) -> CsvEncoder {
        let head = columns.as_deref().map(head).unwrap_or_default();
        CsvEncoder { columns, head, bytes: Vec::new(), values: Vec::new() }
    }

    pub(super) fn columns(&self) -> Option<&[Arc<str>]> {
        self.columns.as_deref()
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn row(&mut self, bound: &Bound<'_>, row: u32, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let columns = match &self.columns {
            Some(columns) => columns,
            None => {
                let columns = first_columns(bound, row)?;
                self.head = head(&columns);
                self.columns.insert(columns)
            }
        };
        self.bytes.clear();
        self.values.clear();
        self.values.resize(columns.len(), (0, 0));
        let (bytes, values) = (&mut self.bytes, &mut self.values);
        let mut expected = 0;
        let mut fault = None;
        bound.each_field(row, |name, cell, source| {
            if cell == Cell::Missing || fault.is_some() {
                return;
            }
            // Events of one layout name their fields in one order, mostly that of the columns.
            let foreseen = columns.get(expected).is_some_and(|column| **column == *name);
            let found = if foreseen { Some(expected) } else { columns.iter().position(|column| **column == *name) };
            let Some(column) = found else {
                fault = Some(no_column(name, columns));
                return;
            };
            expected = column + 1;
            let start = bytes.len();
            if !value(bytes, cell, source) {
                fault = Some(not_finite(name));
            }
            values[column] = (start, bytes.len());
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let start = out.len();
        for (i, &(from, to)) in values.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&bytes[from..to]);
        }
        // Readers skip empty lines.
        if out.len() == start {
            out.extend_from_slice(b"\"\"");
        }
        Ok(())
    }
}

/// The names of the first event's fields, and of all that its layout may have.
fn first_columns(bound: &Bound<'_>, row: u32) -> Result<Vec<Arc<str>>, EncodeError> {
    let mut columns: Vec<Arc<str>> = Vec::new();
    bound.each_field(row, |name, _, _| {
        if !columns.iter().any(|column| **column == *name) {
            columns.push(name.into());
        }
    })?;
    Ok(columns)
}

fn head(columns: &[Arc<str>]) -> Vec<u8> {
    let mut head = Vec::new();
    for (i, column) in columns.iter().enumerate() {
        if i > 0 {
            head.push(b',');
        }
        quote(&mut head, column.as_bytes());
    }
    if head.is_empty() {
        head.extend_from_slice(b"\"\"");
    }
    head.push(b'\n');
    head
}

#[cold]
fn no_column(name: &str, columns: &[Arc<str>]) -> EncodeError {
    let shown: Vec<String> = columns.iter().take(8).map(|column| format!("`{column}`")).collect();
    let more = if columns.len() > shown.len() { ", ..." } else { "" };
    let message = format!("the field `{name}` is not a column; the columns are {}{more}", shown.join(", "));
    EncodeError { code: codes::ENCODE_CSV_COLUMN, message }
}

/// Writes a value, quoted where needed; objects and arrays as JSON. `false` for NaN and the infinities.
fn value(out: &mut Vec<u8>, cell: Cell, source: Source<'_>) -> bool {
    match cell {
        Cell::Missing | Cell::Null | Cell::Packed(_) => {}
        Cell::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Cell::Int(value) => json::write_i64(out, value),
        Cell::Float(value) => return json::write_f64(out, value),
        Cell::Number(at) => out.extend_from_slice(source.bytes(at)),
        Cell::Str(at) => quote(out, source.bytes(at)),
        Cell::Escaped(at) => quote(out, json::unescape(source.bytes(at)).as_bytes()),
        Cell::Json(at) => {
            let mut text = Vec::new();
            json::minify(&mut text, source.bytes(at));
            quote(out, &text);
        }
    }
    true
}

fn quote(out: &mut Vec<u8>, value: &[u8]) {
    if !value.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for &byte in value {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
