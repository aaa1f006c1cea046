//! What all expressions of a topology share: `params`, the functions of its files, the limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{AST, Dynamic, Engine, Stmt};

use crate::diagnostic::codes;

use super::check;
use super::engine;
use super::json;
use super::library;
use super::methods;
use super::problem::{Problem, Source};
use super::value::Limits;

/// A file of Rhai functions.
#[derive(Clone, Debug)]
pub struct FunctionFile {
    /// Its name in messages.
    pub name: String,
    pub text: String,
}

/// What all expressions of a topology share. Cloning it shares everything.
#[derive(Clone)]
pub struct Context {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub params: serde_json::Map<String, serde_json::Value>,
    pub params_value: Dynamic,
    pub limits: Arc<Limits>,
    /// The functions of all files, as Rhai keeps them.
    pub functions_ast: AST,
    pub functions: BTreeMap<(String, usize), UserFunction>,
    /// For parsing only.
    pub parser: Engine,
}

/// One function of a file.
pub(crate) struct UserFunction {
    pub params: Vec<String>,
    /// Its body, with positions in its file.
    pub body: Vec<Stmt>,
    /// Its text, without what means nothing in it.
    pub compact: String,
    pub file: Arc<(String, Source)>,
}

impl Context {
    /// Without params and functions.
    pub fn empty() -> Context {
        Context::new(serde_json::Map::new(), &[], Limits::default())
            .unwrap_or_else(|_| unreachable!("no file, no problem"))
    }

    /// `Err`: what is wrong with the function files, by the index of the file.
    pub fn new(
        params: serde_json::Map<String, serde_json::Value>,
        files: &[FunctionFile],
        limits: Limits,
    ) -> Result<Context, Vec<(usize, Problem)>> {
        let limits = Arc::new(limits);
        let parser = engine::engine(&limits, &Dynamic::UNIT);
        let params_value = json::parse(&serde_json::Value::Object(params.clone()).to_string());
        let mut shared =
            Shared { params, params_value, limits, functions_ast: AST::empty(), functions: BTreeMap::new(), parser };
        let mut problems = Vec::new();
        for (i, file) in files.iter().enumerate() {
            shared.load(file, &mut |problem| problems.push((i, problem)));
        }
        for ((name, _), function) in &shared.functions {
            let index = files.iter().position(|file| file.name == function.file.0).unwrap_or_default();
            for problem in check::function(&shared, name, function) {
                problems.push((index, problem));
            }
        }
        problems.sort_by_key(|(file, problem)| (*file, problem.range.start));
        if problems.is_empty() { Ok(Context { shared: Arc::new(shared) }) } else { Err(problems) }
    }

    /// The limits on expressions.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }
}

impl Shared {
    /// Reads a file of functions.
    fn load(&mut self, file: &FunctionFile, problem: &mut dyn FnMut(Problem)) {
        let source = Source::new(&file.text);
        let ast = match self.parser.compile(&file.text) {
            Ok(ast) => ast,
            Err(error) => return problem(check::syntax(&source, &error)),
        };
        let mut wrong = |at: rhai::Position, message: String, help: &str| {
            let range = source.token(at);
            problem(Problem { code: &codes::EXPR_BAD_DEFINITION, range, message, help: Some(help.to_owned()) });
        };
        if let Some(stmt) = ast.statements().iter().find(|stmt| !stmt.is_noop()) {
            let message = "a function file only defines functions".to_owned();
            wrong(stmt.position(), message, "put the statement into a `fn`, or into the expression");
        }
        let file_and_source = Arc::new((file.name.clone(), source.clone()));
        for function in ast.iter_fn_def() {
            let (start, end) = (function.body.start_position(), function.body.end_position());
            if function.name.starts_with(ANONYMOUS) {
                continue;
            }
            let name = function.name.to_string();
            if library::find(&name).is_some() || methods::find(&name).is_some() {
                let message = format!("`{name}` is a function of the language");
                wrong(start, message, "give yours another name");
                continue;
            }
            if let Some(other) = self.functions.get(&(name.clone(), function.params.len())) {
                let message = format!("`{name}` with {} parameters is also in {}", function.params.len(), other.file.0);
                wrong(start, message, "give one of them another name");
                continue;
            }
            let body = self.body(&source, start, end);
            let params = function.params.iter().map(|param| param.to_string()).collect();
            let range = source.offset(start)..source.offset(end) + 1;
            let compact = self.compact(file.text.get(range).unwrap_or_default());
            let function_of = UserFunction { params, body, compact, file: file_and_source.clone() };
            self.functions.insert((name, function.params.len()), function_of);
        }
        self.functions_ast = self.functions_ast.merge(&ast.clone_functions_only());
    }

    /// Rhai hides the statements of a function, so its block is read once more, the rest of the file blanked out.
    fn body(&self, source: &Source, start: rhai::Position, end: rhai::Position) -> Vec<Stmt> {
        let (start, end) = (source.offset(start), source.offset(end) + 1);
        let blank = |(at, c): (usize, char)| if c == '\n' || (start..end).contains(&at) { c } else { ' ' };
        let text: String = source.text.char_indices().map(blank).collect();
        self.parser.compile(&text).map(|ast| ast.statements().to_vec()).unwrap_or_default()
    }

    /// Every function that an expression may call by name.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        let users = self.functions.keys().map(|(name, _)| name.as_str());
        let methods = methods::METHODS.iter().map(|(name, ..)| *name);
        users.chain(library::all().map(|function| function.name)).chain(methods)
    }
}

/// How Rhai names closures.
pub(crate) const ANONYMOUS: &str = "anon$";
