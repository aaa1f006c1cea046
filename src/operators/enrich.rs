//! Enrich: looks up a row of a table for each event.

mod table;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::diagnostic::{self, Span};
use crate::event::{Batch, Cell, Column, Demand, Layout, TextRef, codes};
use crate::expr::Want;
use crate::flow::{Fatal, Operator, Output, Progress, Reject};
use crate::schema::{Kinds, Shape};
use crate::spec::{Choice, Key, NamedExpr, StageSpec, Table, Type};

use super::edit::{Recipe, add_unchanged};
use super::eval::Evaluator;
use super::expression::{StageExpr, reads};
use super::stage::{Stage, StageContext, Watched};
use super::typing::Typing;
use table::{Lookup, Rows, TableError};

pub static TABLE: Table = Table::new(
    "enrich",
    "Adds the row of a table to an event, as an object. The table is kept in memory and read again when its file changes; \
     one that cannot be read leaves the old one in use. Two rows that are alike in all columns of `on` are an error.",
    &[
        Key::new("table", Type::Section(&FROM), "Where the rows are.").required().example("{ file: { path: data/customers.csv } }"),
        Key::new(
            "on",
            Type::ExprMap,
            "The column and what it must equal; with several, all must. Values are compared as texts, as every value of a CSV file is \
             one: `7`, `7.0` and `\"7\"` are equal.",
        )
        .required()
        .example("{ id: event.user }"),
        Key::new("as", Type::Text, "The field that gets the row.").required().example("customer"),
        Key::new(
            "missing",
            Type::Choice(&[
                Choice::new("null", "the field is null"),
                Choice::new("error", "the event is an error"),
                Choice::new("drop", "the event is dropped"),
            ]),
            "What happens where the table has no such row.",
        )
        .default("null"),
    ],
)
.example(
    "known:\n  from: payments\n  enrich:\n    table: { file: { path: data/customers.csv } }\n    on: { id: event.user }\n    as: customer\n    missing: null\n",
);

static FROM: Table = Table::new(
    "table",
    "Where a table comes from.",
    &[Key::new("file", Type::Section(&FILE), "A file.").required().example("{ path: data/customers.csv }")],
);

static FILE: Table = Table::new(
    "table file",
    "A table in a file: CSV (`.csv`) or JSON Lines (any other ending).",
    &[Key::new("path", Type::Path, "The file.").required().example("data/customers.csv")],
);

/// What happens where the table has no row for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Null,
    Error,
    Drop,
}

/// The table that is used now. A new one is taken up between two batches.
struct Source {
    path: PathBuf,
    columns: Vec<String>,
    table: RwLock<Arc<Rows>>,
}

impl Source {
    fn current(&self) -> Arc<Rows> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Watched for Source {
    fn path(&self) -> &Path {
        &self.path
    }

    fn reload(&self) -> Result<String, String> {
        let table = Rows::load(&self.path, &self.columns).map_err(|error| error.to_string())?;
        let rows = table.len();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(format!("{rows} {}", if rows == 1 { "row" } else { "rows" }))
    }
}

/// A lookup in a table.
struct Enrich {
    on: Vec<StageExpr>,
    field: Arc<str>,
    missing: Missing,
    source: Arc<Source>,
    at: Arc<str>,
}

/// Checks and compiles an `enrich`, and reads its table.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let config = &spec.config;
    let on = config.exprs("on");
    let exprs = ctx.compile_all("on", on, Want::Value);
    let file = config.section("table").section("file");
    let columns: Vec<String> = on.iter().map(|named| named.name.clone()).collect();
    let path = file.path("path").to_path_buf();
    let table = match Rows::load(&path, &columns) {
        Ok(table) => table,
        Err(error) => {
            report(&error, &path, file.span_of("path"), on, ctx);
            return None;
        }
    };
    let missing = match config.choice("missing") {
        "error" => Missing::Error,
        "drop" => Missing::Drop,
        _ => Missing::Null,
    };
    Some(Box::new(Enrich {
        on: exprs?,
        field: config.text("as").into(),
        missing,
        source: Arc::new(Source { path, columns, table: RwLock::new(Arc::new(table)) }),
        at: ctx.at(config.span),
    }))
}

fn report(error: &TableError, path: &Path, span: Span, on: &[NamedExpr], ctx: &mut StageContext) {
    let message = format!("the table {} cannot be used: {error}", path.display());
    let column = error.unknown.as_ref().and_then(|(column, _)| on.iter().find(|named| named.name == *column));
    let span = column.map_or(span, |named| named.name_span);
    let report = ctx.diagnostics.error(&diagnostic::codes::BAD_TABLE, span, message);
    if let Some((column, has)) = &error.unknown {
        report.suggest(column, has.iter().map(String::as_str)).help(format!("it has: {}", has.join(", ")));
    } else if error.line.is_none() {
        report.help("correct the path, which starts from the folder of the topology's file, or make the file");
    }
}

impl Stage for Enrich {
    fn demand(&self, outputs: &[Demand]) -> Demand {
        let mut all = self.reads();
        for output in outputs {
            add_unchanged(&mut all, output, |name| *name == self.field);
        }
        all
    }

    fn reads(&self) -> Demand {
        reads(&self.on)
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        self.on.iter().collect()
    }

    fn layouts(&self, inputs: &[Arc<Layout>], outputs: &[Demand]) -> Vec<Vec<Arc<Layout>>> {
        let layouts: Vec<Arc<Layout>> = self.recipes(inputs).into_iter().map(|recipe| recipe.layout).collect();
        vec![layouts; outputs.len()]
    }

    fn types(&self, input: &Shape, ports: usize, typing: &mut Typing<'_>) -> Vec<Shape> {
        typing.infer_all(&self.expressions(), input);
        let row = match &self.source.current().header {
            Some(columns) => Shape::record(columns.iter().map(|name| (name.clone(), Shape::of(Kinds::STRING)))),
            None => Shape::of(Kinds::OBJECT),
        };
        let row = if self.missing == Missing::Null { row.or_null() } else { row };
        vec![input.unnamed().with(std::slice::from_ref(&self.field), &row); ports]
    }

    fn watched(&self) -> Vec<Arc<dyn Watched>> {
        vec![self.source.clone()]
    }

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        Box::new(Run {
            on: Evaluator::new(&self.on, inputs),
            recipes: self.recipes(inputs),
            missing: self.missing,
            source: self.source.clone(),
            lookup: Lookup::default(),
            at: self.at.clone(),
        })
    }
}

impl Enrich {
    fn recipes(&self, inputs: &[Arc<Layout>]) -> Vec<Recipe> {
        let edits = vec![(self.field.clone(), Some(0))];
        inputs.iter().map(|layout| Recipe::new(layout, &edits)).collect()
    }
}

/// An `enrich` at work.
struct Run {
    on: Evaluator,
    recipes: Vec<Recipe>,
    missing: Missing,
    source: Arc<Source>,
    lookup: Lookup,
    at: Arc<str>,
}

impl Run {
    #[cold]
    fn no_row(&self) -> Reject {
        let columns = self.source.columns.join(", ");
        let message = format!("the table {} has no row for the event's {columns}", self.source.path.display());
        Reject { code: codes::NOT_IN_TABLE.id, message, at: self.at.clone() }
    }
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let table = self.source.current();
        let on = self.on.eval(&batch, batch.selection.to_vec(), out);
        let mut texts = batch.texts.clone();
        // The rows are copied: a batch that refers to the whole table would look as large as the table.
        let (index, mut text) = (texts.len() as u16, Vec::new());
        let mut cells = vec![Cell::Missing; batch.rows()];
        let mut rows = Vec::with_capacity(on.rows.len());
        for &row in &on.rows {
            let values =
                on.columns.iter().map(|column| column.cells().get(row as usize).copied().unwrap_or(Cell::Missing));
            let found = self.lookup.key(values, &on.texts).and_then(|key| table.find(key));
            cells[row as usize] = match (found, self.missing) {
                (Some(object), _) => {
                    let start = text.len() as u32;
                    text.extend_from_slice(object);
                    Cell::Json(TextRef { text: index, start, len: object.len() as u32 })
                }
                (None, Missing::Null) => Cell::Null,
                (None, Missing::Drop) => continue,
                (None, Missing::Error) => {
                    out.reject(&batch, row, self.no_row());
                    continue;
                }
            };
            rows.push(row);
        }
        if !text.is_empty() {
            texts.push(text.into());
        }
        let made = Column::from(cells);
        if let Some(recipe) = self.recipes.get(usize::from(batch.variant)) {
            out.emit(0, recipe.apply(&batch, &[made], texts, rows));
        }
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Running, exprs};
    use super::*;

    fn enrich(missing: Missing, field: &str, text: &str) -> Enrich {
        let columns = vec!["id".to_owned()];
        let table = Rows::from_csv(text.as_bytes(), &columns).unwrap();
        let source = Source { path: "t.csv".into(), columns, table: RwLock::new(Arc::new(table)) };
        Enrich { on: exprs(&["event.user"]), field: field.into(), missing, source: Arc::new(source), at: "".into() }
    }

    #[test]
    fn the_row_is_added_as_an_object() {
        let stage = enrich(Missing::Null, "who", "id,name\n1,Ann\n");
        let mut run = Running::start(&stage, 1, &["user", "who.name", "who"]);
        run.give(&[r#"{"user":1}"#, r#"{"user":"1","who":0,"x":[]}"#, r#"{"user":2}"#, r#"{}"#]);
        assert_eq!(
            run.ports[0],
            [
                r#"{"user":1,"who":{"id":"1","name":"Ann"}}"#,
                r#"{"user":"1","who":{"id":"1","name":"Ann"},"x":[]}"#,
                r#"{"user":2,"who":null}"#,
                r#"{"who":null}"#,
            ]
        );
    }

    #[test]
    fn a_missing_row_is_an_error_or_drops_the_event() {
        for (missing, errors) in [(Missing::Error, 1), (Missing::Drop, 0)] {
            let stage = enrich(missing, "who", "id\n1\n");
            let mut run = Running::start(&stage, 1, &[]);
            run.give(&[r#"{"user":1}"#, r#"{"user":2}"#]);
            assert_eq!(run.ports[0], [r#"{"user":1,"who":{"id":"1"}}"#]);
            assert_eq!(run.errors.len(), errors);
        }
    }

    #[test]
    fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let stage = enrich(Missing::Null, "who", "id\n1\n");
        let path = folder.path().join("t.csv");
        let source =
            Source { path: path.clone(), columns: vec!["id".into()], table: RwLock::new(stage.source.current()) };
        let stage = Enrich { source: Arc::new(source), ..stage };
        let mut run = Running::start(&stage, 1, &[]);
        let watched = stage.watched();
        std::fs::write(&path, "id,new\n1,yes\n").unwrap();
        assert_eq!(watched[0].reload().unwrap(), "1 row");
        run.give(&[r#"{"user":1}"#]);
        std::fs::write(&path, "ident\n1\n").unwrap();
        assert!(watched[0].reload().is_err());
        run.give(&[r#"{"user":1}"#]);
        assert_eq!(run.ports[0], [r#"{"user":1,"who":{"id":"1","new":"yes"}}"#; 2]);
    }
}
