//! The fallback: Rhai itself, on values made of the fields that the expression reads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rhai::{Caches, Dynamic, Engine, EvalAltResult, Map, Position, Scope};

use crate::event::{Batch, Cell, Column, Layout, Path};
use crate::limits::EXPR_CALLS_MAX;

use super::cells::{self, Arena, Place, Space};
use super::codes;
use super::compile::Inner;
use super::context::ANONYMOUS;
use super::engine;
use super::ops;
use super::value::Fail;

/// An engine of its own and the places of what it reads.
pub(crate) struct Interpreter {
    inner: Arc<Inner>,
    engine: Engine,
    /// Which function each call with arguments of these types is: found once, not for each event. What is in it depends on the
    /// engine and the functions of the tree alone.
    caches: Caches,
    scope: Scope<'static>,
    /// Where a closure captures a variable from outside: these are here then, and not in the scope.
    captured: Option<Captured>,
    /// `None`: the whole event.
    reads: Option<Vec<Read>>,
}

/// `event` and the like, where a closure captures one of them: each use gets a copy. Rhai itself would share the variable and
/// lock it while a method runs on a part of it, so that in `event.items.map(|item| item.n * event.rate)` the closure could not
/// read `event`.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<(Arc<str>, Dynamic)>>>);

impl Captured {
    fn values(&self) -> MutexGuard<'_, Vec<(Arc<str>, Dynamic)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last of this name; shared, so that the calls of a closure do not copy it again.
    fn get(&self, name: &str) -> Option<Dynamic> {
        let values = self.values();
        let (_, value) = values.iter().rev().find(|(have, _)| **have == *name)?;
        let mut copy = value.clone().into_shared();
        copy.set_tag(CAPTURED);
        Some(copy)
    }
}

/// Marks the copies, which closures see as parameters.
const CAPTURED: i32 = 1;

/// Whether a closure reads a variable from outside: Rhai makes what it captures its first parameters.
fn captures(inner: &Inner) -> bool {
    let mut closures = inner.ast.iter_fn_def().filter(|function| function.name.starts_with(ANONYMOUS));
    let outer = |name: &str| matches!(name, "event" | "meta" | "params") || inner.scope.iter().any(|have| have == name);
    closures.any(|function| function.params.iter().any(|param| outer(param)))
}

/// A path that is read, and where it is.
struct Read {
    path: Path,
    place: Option<Place>,
}

impl Interpreter {
    pub(crate) fn new(inner: &Arc<Inner>, layout: &Layout) -> Interpreter {
        let shared = &inner.context.shared;
        let paths = &inner.reads.event.paths;
        let whole = paths.iter().any(|path| path.is_empty());
        let reads = paths
            .iter()
            // A path below another one is part of its value.
            .filter(|path| !paths.iter().any(|other| other.len() < path.len() && path.starts_with(other)))
            .map(|path| Read { path: path.clone(), place: Place::of(layout, path) });
        let mut engine = engine::engine(&shared.limits, &shared.params_value);
        let captured = captures(inner).then(Captured::default);
        if let Some(captured) = captured.clone() {
            captured.values().push(("params".into(), shared.params_value.clone()));
            // Rhai marks this as volatile, not as going away; its version is pinned.
            #[allow(deprecated)]
            engine.on_var(move |name, _, context| match context.scope().get(name) {
                // A parameter or `let` of the same name.
                Some(other) if other.tag() != CAPTURED => Ok(None),
                _ => Ok(captured.get(name)),
            });
        }
        Interpreter {
            inner: inner.clone(),
            engine,
            caches: Caches::new(),
            scope: Scope::new(),
            captured,
            reads: (!whole).then(|| reads.collect()),
        }
    }

    /// The result for one row.
    pub(crate) fn run(
        &mut self,
        batch: &Batch,
        row: u32,
        locals: &[Column],
        arena: &mut Arena,
    ) -> Result<Cell, (Fail, usize)> {
        let space = Space::new(&batch.texts, arena);
        self.scope.clear();
        if let Some(captured) = &self.captured {
            // All but `params`.
            captured.values().truncate(1);
        }
        let event = match &self.reads {
            None => cells::event_dynamic(batch, row, &space),
            Some(reads) => event(reads, batch, row, &space),
        };
        let inner = self.inner.clone();
        self.push("event", event);
        if !inner.reads.meta.is_empty() {
            self.push("meta", meta(&inner, batch, row, &space));
        }
        for (name, column) in inner.scope.iter().zip(locals) {
            let cell = column.cells().get(row as usize).copied().unwrap_or(Cell::Missing);
            self.push_local(name, space.dynamic(cell));
        }
        let value = self.evaluate().map_err(|error| failure(&self.inner, *error))?;
        cells::from_dynamic(&value, arena).map_err(|fail| (fail, 0))
    }

    /// Runs the tree, as `Engine::eval_ast_with_scope` does, but with the caches of the events before.
    fn evaluate(&mut self) -> Result<Dynamic, Box<EvalAltResult>> {
        let mut global = self.engine.new_global_runtime_state();
        global.lib.push(self.inner.ast.shared_lib().clone());
        // Rhai marks this as going away with its next major version; its version is pinned.
        #[allow(deprecated)]
        self.engine.eval_statements_raw(&mut global, &mut self.caches, &mut self.scope, self.inner.ast.statements())
    }

    fn push(&mut self, name: &str, value: Dynamic) {
        match &self.captured {
            Some(captured) => captured.values().push((name.into(), value)),
            None => drop(self.scope.push_constant_dynamic(name, value)),
        }
    }

    /// What a parameter of a closure is to Rhai: `|acc, event| { acc.n += 1; acc }` may change its own copy.
    fn push_local(&mut self, name: &str, value: Dynamic) {
        match &self.captured {
            Some(captured) => captured.values().push((name.into(), value)),
            None => drop(self.scope.push_dynamic(name, value)),
        }
    }
}

/// `event` with no more than the fields that are read.
fn event(reads: &[Read], batch: &Batch, row: u32, space: &Space<'_>) -> Dynamic {
    let mut event = Map::new();
    for read in reads {
        let cell = match &read.place {
            Some(place) => space.lookup(batch.cell(place.column, row), &place.rest),
            None => Cell::Missing,
        };
        insert(&mut event, &read.path, space.dynamic(cell));
    }
    event.into()
}

fn insert(map: &mut Map, path: &[Arc<str>], value: Dynamic) {
    match path {
        [] => {}
        [name] => drop(map.insert((&**name).into(), value)),
        [name, rest @ ..] => {
            let inner = map.entry((&**name).into()).or_insert_with(|| Map::new().into());
            if let Ok(mut inner) = inner.as_map_mut() {
                insert(&mut inner, rest, value);
            }
        }
    }
}

/// The cell of a field of `meta`.
pub(crate) fn meta_cell(batch: &Batch, row: u32, name: &str) -> Cell {
    let of = |column: &Option<Column>| {
        column.as_ref().and_then(|column| column.cells().get(row as usize)).copied().unwrap_or(Cell::Null)
    };
    match name {
        "key" => of(&batch.meta.key),
        "headers" => of(&batch.meta.headers),
        "offset" => of(&batch.meta.offset),
        "partition" => batch.meta.partition.map_or(Cell::Null, Cell::Int),
        "time" => batch.times.get(row as usize).and_then(|time| time.get()).map_or(Cell::Null, Cell::Int),
        _ => Cell::Null,
    }
}

fn meta(inner: &Inner, batch: &Batch, row: u32, space: &Space<'_>) -> Dynamic {
    let mut map = Map::new();
    for name in &inner.reads.meta {
        let value = match *name {
            "source" => (*batch.meta.source).into(),
            _ => space.dynamic(meta_cell(batch, row, name)),
        };
        map.insert((*name).into(), value);
    }
    map.into()
}

/// An error of Rhai with its code, its message and its place in the expression.
pub(crate) fn failure(inner: &Inner, error: EvalAltResult) -> (Fail, usize) {
    let place = |at: Position| inner.source.offset(at);
    if let EvalAltResult::ErrorInFunctionCall(name, _, cause, at) = error {
        if name.starts_with(ANONYMOUS) {
            return failure(inner, *cause);
        }
        let inside = cause.position();
        let (mut fail, _) = failure(inner, *cause);
        let file = inner.context.shared.functions.iter().find(|((have, _), _)| *have == name);
        // Only the innermost function is told: that is where to look.
        if let Some((_, function)) = file
            && !fail.message.ends_with(')')
        {
            fail.message += &in_function(&name, &function.file.0, inside);
        }
        return (fail, place(at));
    }
    let at = error.position();
    (reason(inner, error), place(at))
}

/// Where in a file of functions something happened.
pub(crate) fn in_function(name: &str, file: &str, at: Position) -> String {
    format!(" (in `{name}`, {file}:{}:{})", at.line().unwrap_or(0), at.position().unwrap_or(0))
}

fn reason(inner: &Inner, error: EvalAltResult) -> Fail {
    let limits = &inner.context.shared.limits;
    match error {
        EvalAltResult::ErrorRuntime(value, _) => match value.try_cast_result::<Fail>() {
            Ok(fail) => fail,
            Err(value) => {
                let mut text = String::new();
                let _ = ops::write_text_dynamic(&value, &mut text);
                Fail::new(codes::THROWN, text)
            }
        },
        EvalAltResult::ErrorMismatchDataType(want, have, _) if want == "bool" => {
            Fail::new(codes::NOT_BOOL, format!("a condition must be true or false, not {}", kind(&have)))
        }
        EvalAltResult::ErrorMismatchDataType(want, have, _) => {
            Fail::new(codes::TYPE, format!("{} is needed here, not {}", kind(&want), kind(&have)))
        }
        EvalAltResult::ErrorArithmetic(message, _) => Fail::new(codes::ARITHMETIC, message),
        EvalAltResult::ErrorArrayBounds(len, index, _) => bounds("an array", len, index, "items"),
        EvalAltResult::ErrorStringBounds(len, index, _) => bounds("a string", len, index, "characters"),
        EvalAltResult::ErrorBitFieldBounds(len, index, _) => bounds("an int", len, index, "bits"),
        EvalAltResult::ErrorTooManyOperations(_) => {
            let message = format!("more than {} steps (`limits.operations`)", limits.operations);
            Fail::new(codes::LIMIT, message + ": is there an endless loop?")
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            let message = format!("calls of functions nested deeper than {EXPR_CALLS_MAX}");
            Fail::new(codes::LIMIT, message + ": does a function call itself?")
        }
        EvalAltResult::ErrorDataTooLarge(what, _) => {
            let (what, most, key) = match what.as_str() {
                what if what.contains("string") => ("a string", format!("{} bytes", limits.string), "string"),
                what if what.contains("array") => ("an array", format!("{} items", limits.array), "array"),
                _ => ("an object", format!("{} fields", limits.map), "map"),
            };
            Fail::new(codes::LIMIT, format!("{what} grew over the limit of {most} (`limits.{key}`)"))
        }
        EvalAltResult::ErrorIndexingType(what, _) => Fail::new(codes::TYPE, format!("`{what}` cannot be indexed")),
        EvalAltResult::ErrorFunctionNotFound(what, _) => {
            let (name, args) = what.trim_end_matches(')').split_once(" (").unwrap_or((&what, ""));
            let kinds: Vec<String> = args.split(", ").filter(|arg| !arg.is_empty()).map(kind).collect();
            Fail::new(codes::TYPE, format!("`{name}` has no meaning for {}", kinds.join(" and ")))
        }
        EvalAltResult::ErrorFor(_) => Fail::new(codes::TYPE, "`for` needs an array or a range"),
        EvalAltResult::ErrorAssignmentToConstant(what, _) => {
            let message = format!("`{what}` cannot be changed here; change a copy of it: `let copy = {what};`");
            Fail::new(codes::SCRIPT, message)
        }
        mut other => {
            // Rhai's position is of the expression's own text; `at` has the place in the file.
            other.clear_position();
            Fail::new(codes::SCRIPT, other.to_string())
        }
    }
}

/// What messages call a type of Rhai.
fn kind(name: &str) -> String {
    let plain = match name {
        "()" => "null",
        "i64" => "int",
        "f64" => "float",
        "&str | ImmutableString | String" | "char" => "string",
        "map" => "object",
        "Fn" => "function",
        other => other,
    };
    ops::article(plain)
}

pub(crate) fn bounds(whole: &str, len: usize, index: i64, parts: &str) -> Fail {
    Fail::new(codes::BOUNDS, format!("index {index} is outside {whole} of {len} {parts}"))
}
