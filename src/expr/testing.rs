//! Batches for tests of expressions, and what an expression makes of them.

use std::sync::Arc;

use crate::event::{Batch, Cell, Column, Demand, Layout, Meta, Selection, TextRef, Texts, Timestamp};

use super::cells::{Arena, Space};
use super::codes;
use super::json;
use super::{Context, EvalError, Expr, Program, Want};

/// A batch with a text body of these JSON lines, decoded as demanded.
pub(crate) fn batch(lines: &[&str], demand: &Demand) -> Batch {
    let layout = Arc::new(Layout::text(demand));
    let mut text = String::new();
    let mut columns = vec![Vec::new(); layout.slots.len()];
    for line in lines {
        columns[0].push(Cell::Json(TextRef { text: 0, start: text.len() as u32, len: line.len() as u32 }));
        text.push_str(line);
    }
    let mut texts = Texts::default();
    texts.push(text.into());
    let arena = Arena::default();
    let space = Space { index: u16::MAX, ..Space::new(&texts, &arena) };
    for (slot, path) in layout.slots.iter().enumerate().skip(1) {
        let path = path.as_ref().unwrap();
        columns[slot] = columns[0].iter().map(|cell| space.lookup(*cell, path)).collect();
    }
    Batch {
        layout,
        variant: 0,
        columns: columns.into_iter().map(Column::from).collect(),
        texts,
        selection: Selection::All(lines.len() as u32),
        times: Arc::new(vec![Timestamp(1_700_000_000_000); lines.len()]),
        marks: Arc::new(vec![Timestamp::NONE; lines.len()]),
        meta: Arc::new(Meta::of("card".into())),
    }
}

/// The result of each line as JSON (`missing` for a missing cell), or `code@offset`. Both engines must agree on it.
#[track_caller]
pub(crate) fn results(expr: &Expr, lines: &[&str]) -> Vec<String> {
    let differences = differences(expr, lines);
    assert!(differences.is_empty(), "{}: {differences:?}", expr.text());
    run(expr, lines).0
}

/// Where the engines differ.
pub fn differences(expr: &Expr, lines: &[&str]) -> Vec<String> {
    let (compiled, interpreted) = run(expr, lines);
    let pairs = compiled.iter().zip(&interpreted).zip(lines);
    pairs
        .filter(|((compiled, interpreted), _)| compiled != interpreted && !alike(compiled, interpreted))
        .map(|((compiled, interpreted), line)| format!("{line}: compiled {compiled}, interpreted {interpreted}"))
        .collect()
}

/// The results of both engines.
pub(crate) fn run(expr: &Expr, lines: &[&str]) -> (Vec<String>, Vec<String>) {
    let batch = batch(lines, expr.reads());
    let rows: Vec<u32> = (0..lines.len() as u32).collect();
    // A variable of the caller has the value of the field of its name.
    let locals: Vec<Column> = expr.inner.scope.iter().map(|name| field(&batch, name)).collect();
    let run = |mut program: Program, compiled: bool| {
        let (mut arena, mut errors) = (Arena::default(), Vec::new());
        arena.begin(&batch.texts);
        if expr.inner.want == Want::Filter {
            let kept = program.eval_filter(&batch, &rows, &locals, &mut errors);
            let cells: Vec<Cell> = rows.iter().map(|row| Cell::Bool(kept.contains(row))).collect();
            return shown(&batch, &cells.into(), &arena, &errors);
        }
        let columns = program.eval_fields(&batch, &rows, &locals, &mut arena, &mut errors);
        match (expr.object_fields(), &columns[..]) {
            (Some(names), columns) if compiled => joined(names, columns, &batch, &arena, &errors),
            (_, columns) => shown(&batch, &columns[0], &arena, &errors),
        }
    };
    (run(expr.bind(&batch.layout), true), run(Program::interpreted(expr, &batch.layout), false))
}

/// A field of each event.
fn field(batch: &Batch, name: &str) -> Column {
    let arena = Arena::default();
    let space = Space { index: u16::MAX, ..Space::new(&batch.texts, &arena) };
    let cells: Vec<Cell> = batch.columns[0].cells().iter().map(|cell| space.lookup(*cell, &[name.into()])).collect();
    Column::from(cells)
}

/// Objects of the columns of their fields; a float that is no JSON is the error that the encoder makes of it.
fn joined(names: &[Arc<str>], columns: &[Column], batch: &Batch, arena: &Arena, errors: &[EvalError]) -> Vec<String> {
    let columns: Vec<Vec<String>> = columns.iter().map(|column| shown(batch, column, arena, errors)).collect();
    let object = |row: usize| {
        if let Some(error) = errors.iter().find(|error| error.row as usize == row) {
            return format!("{}@{}", error.code, error.offset);
        }
        if columns.iter().any(|column| column[row] == codes::NOT_FINITE) {
            return format!("{}@0", codes::NOT_FINITE);
        }
        let fields: Vec<String> =
            names.iter().zip(&columns).map(|(name, column)| format!("{name:?}:{}", column[row])).collect();
        format!("{{{}}}", fields.join(","))
    };
    (0..batch.rows()).map(object).collect()
}

/// Whether two results are the same JSON, however it is laid out; a missing field is null.
fn alike(a: &str, b: &str) -> bool {
    let same = |text: &str| {
        let text = if text == "missing" { "null" } else { text };
        let is_error =
            text.starts_with(|first: char| first.is_alphabetic()) && !["true", "false", "null"].contains(&text);
        let mut out = String::new();
        (!is_error && json::write(&json::parse(text), &mut out).is_ok()).then_some(out)
    };
    matches!((same(a), same(b)), (Some(a), Some(b)) if a == b)
}

/// A column as texts.
pub(crate) fn shown(batch: &Batch, column: &Column, arena: &Arena, errors: &[EvalError]) -> Vec<String> {
    let space = Space::new(&batch.texts, arena);
    let show = |(row, cell): (usize, &Cell)| {
        if let Some(error) = errors.iter().find(|error| error.row as usize == row) {
            return format!("{}@{}", error.code, error.offset);
        }
        let mut out = String::new();
        match cell {
            Cell::Missing => out.push_str("missing"),
            cell => space.write_json(*cell, &mut out).unwrap_or_else(|fail| out = fail.code.to_owned()),
        }
        out
    };
    column.cells().iter().enumerate().map(show).collect()
}

/// The result of an expression on one event.
pub(crate) fn eval(text: &str, event: &str) -> String {
    let expr = Context::empty().compile(text, Want::Value).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    results(&expr, &[event]).remove(0)
}
