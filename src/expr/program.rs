//! A program: an expression bound to a layout, evaluated over the rows of batches.

use std::sync::Arc;

use crate::event::{Batch, Body, Cell, Column, Layout, Texts};

use super::cells::{Arena, Place, Space};
use super::codes;
use super::compile::{Expr, Inner, Want};
use super::interpret::Interpreter;
use super::ops;
use super::run::Machine;
use super::value::Fail;

/// Why one event was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// Of the batch.
    pub row: u32,
    /// One of `expr::codes`.
    pub code: &'static str,
    pub message: String,
    /// The byte of the expression's text at which it happened.
    pub offset: usize,
}

/// An expression ready for batches of one layout. It reuses its buffers, so it belongs to one operator on one task.
pub struct Program {
    inner: Arc<Inner>,
    engine: Engine,
    /// For filters, whose text nobody sees.
    scratch: Arena,
}

/// How a program runs.
enum Engine {
    /// A bare read: the cells as they are.
    Copy(Option<Place>),
    Compiled(Box<Machine>),
    Interpreted(Interpreter),
}

impl Engine {
    fn new(inner: &Arc<Inner>, layout: &Layout) -> Engine {
        match &inner.compiled {
            Ok(code) => Engine::Compiled(Box::new(Machine::new(inner, code, layout))),
            Err(_) => Engine::Interpreted(Interpreter::new(inner, layout)),
        }
    }
}

impl Program {
    /// The same program in Rhai, to compare the two.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn interpreted(expr: &Expr, layout: &Layout) -> Program {
        let engine = Engine::Interpreted(Interpreter::new(&expr.inner, layout));
        Program { inner: expr.inner.clone(), engine, scratch: Arena::default() }
    }

    pub(crate) fn new(expr: &Expr, layout: &Layout) -> Program {
        let engine = match (&expr.inner.bare, expr.inner.want) {
            (Some(path), Want::Value) if path.is_empty() => match layout.body {
                Body::Text(column) => Engine::Copy(Some(Place { column, rest: path.clone() })),
                Body::Fields(_) | Body::Patched { .. } => Engine::new(&expr.inner, layout),
            },
            (Some(path), Want::Value) => Engine::Copy(Place::of(layout, path)),
            _ => Engine::new(&expr.inner, layout),
        };
        Program { inner: expr.inner.clone(), engine, scratch: Arena::default() }
    }

    /// Whether it runs compiled; else Rhai interprets it.
    pub fn is_compiled(&self) -> bool {
        !matches!(self.engine, Engine::Interpreted(_))
    }

    /// The result in each of `rows` (ascending rows of the batch), as a column of the batch's length; missing in other rows and in
    /// those that failed, which are added to `errors`. Text goes to the arena, begun with the batch's texts. `locals` are the
    /// columns of the variables in the expression's scope, with text in the batch.
    pub fn eval(
        &mut self,
        batch: &Batch,
        rows: &[u32],
        locals: &[Column],
        arena: &mut Arena,
        errors: &mut Vec<EvalError>,
    ) -> Column {
        let want = self.inner.want;
        let interpreter = match &mut self.engine {
            Engine::Copy(place) => return copy(place.as_ref(), batch, rows, arena),
            Engine::Compiled(machine) => {
                let code = machine.code();
                let mut run = machine.run(batch, rows, locals, arena, errors);
                return run.result(code.root.as_ref(), rows, want);
            }
            Engine::Interpreted(interpreter) => interpreter,
        };
        let mut cells = vec![Cell::Missing; batch.rows()];
        for &row in rows {
            let result = interpreter.run(batch, row, locals, arena);
            match result.and_then(|cell| wanted(want, cell, &batch.texts, arena).map_err(|fail| (fail, 0))) {
                Ok(cell) => cells[row as usize] = cell,
                Err((fail, offset)) => {
                    errors.push(EvalError { row, code: fail.code, message: fail.message, offset });
                }
            }
        }
        Column::from(cells)
    }

    /// A column for each of [`Expr::object_fields`], where these are known; else one column, of the object.
    pub fn eval_fields(
        &mut self,
        batch: &Batch,
        rows: &[u32],
        locals: &[Column],
        arena: &mut Arena,
        errors: &mut Vec<EvalError>,
    ) -> Vec<Column> {
        if let Engine::Compiled(machine) = &mut self.engine {
            let code = machine.code();
            if let Some(fields) = &code.fields {
                return machine.run(batch, rows, locals, arena, errors).fields(fields, rows);
            }
        }
        vec![self.eval(batch, rows, locals, arena, errors)]
    }

    /// The rows among `rows` for which the result is true. The result of a filter is always a bool; rows for which it is not are
    /// errors.
    pub fn eval_filter(
        &mut self,
        batch: &Batch,
        rows: &[u32],
        locals: &[Column],
        errors: &mut Vec<EvalError>,
    ) -> Vec<u32> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.begin(&batch.texts);
        let kept = if let Engine::Compiled(machine) = &mut self.engine {
            let code = machine.code();
            machine.run(batch, rows, locals, &mut scratch, errors).filter(code.root.as_ref(), rows)
        } else {
            let column = self.eval(batch, rows, locals, &mut scratch, errors);
            let holds = |row: &u32| column.cells().get(*row as usize) == Some(&Cell::Bool(true));
            rows.iter().copied().filter(holds).collect()
        };
        scratch.shrink();
        self.scratch = scratch;
        kept
    }
}

/// Checks a result against what the expression must give, and makes it that where it is a text.
pub(crate) fn wanted(want: Want, cell: Cell, texts: &Texts, arena: &mut Arena) -> Result<Cell, Fail> {
    let space = Space::new(texts, arena);
    let opens = |with: &str| matches!(cell, Cell::Json(at) if space.str(at).starts_with(with));
    let (code, must, fine) = match want {
        Want::Value => return Ok(cell),
        Want::Filter => (codes::NOT_BOOL, "true or false", matches!(cell, Cell::Bool(_))),
        Want::Object => (codes::RESULT, "an object", opens("{")),
        Want::Array => (codes::RESULT, "an array", opens("[")),
        Want::Text => {
            if matches!(cell, Cell::Str(_)) {
                return Ok(cell);
            }
            let mut text = String::new();
            ops::write_text_dynamic(&space.dynamic(cell), &mut text)?;
            return Ok(Cell::Str(arena.push(&text)));
        }
    };
    if fine {
        return Ok(cell);
    }
    let kind = ops::article(&space.value(cell).kind().to_string());
    Err(Fail::new(code, format!("the expression must give {must}, not {kind}")))
}

/// The column of a bare read.
fn copy(place: Option<&Place>, batch: &Batch, rows: &[u32], arena: &Arena) -> Column {
    let Some(place) = place else { return Column::from(vec![Cell::Missing; batch.rows()]) };
    if place.rest.is_empty() {
        return batch.columns.get(place.column).cloned().unwrap_or_else(|| Column::from(Vec::new()));
    }
    let space = Space::new(&batch.texts, arena);
    let mut cells = vec![Cell::Missing; batch.rows()];
    for &row in rows {
        cells[row as usize] = space.lookup(batch.cell(place.column, row), &place.rest);
    }
    Column::from(cells)
}
