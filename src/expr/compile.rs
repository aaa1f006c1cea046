//! An expression: its text, checked, what it reads, and whether it could be compiled.

use std::ops::Range;
use std::sync::Arc;

use rhai::AST;

use crate::diagnostic::codes;
use crate::event::{Demand, Layout, Path};

use super::chain;
use super::check::{self, Reads};
use super::context::Context;
use super::ir::Compiled;
use super::library::Function;
use super::lower;
use super::problem::{Problem, Source};
use super::program::Program;

/// What an expression's result must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Any value that an event can hold.
    Value,
    /// `true` or `false`.
    Filter,
    /// An object: a `map: |` block.
    Object,
    /// An array: `flat_map`.
    Array,
    /// A text: any scalar is written as string concatenation writes it.
    Text,
}

/// Why an expression is interpreted and not compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Bytes of the expression's text.
    pub range: Range<usize>,
    pub message: String,
}

/// A checked expression. Cloning it shares everything.
#[derive(Clone)]
pub struct Expr {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub context: Context,
    pub source: Source,
    pub want: Want,
    /// Names of the variables that a stage adds, in the order of `locals` at evaluation.
    pub scope: Vec<String>,
    /// With the functions of the topology's files, ready to be run.
    pub ast: AST,
    pub reads: Reads,
    pub bare: Option<Path>,
    pub compiled: Result<Arc<Compiled>, Why>,
}

impl Context {
    /// Checks and compiles an expression that sees `event`, `meta` and `params`.
    pub fn compile(&self, text: &str, want: Want) -> Result<Expr, Vec<Problem>> {
        self.compile_with(text, want, &[])
    }

    /// The same with more variables, whose columns are given at evaluation in this order. A variable named `event` or `meta`
    /// hides the one of the language.
    pub fn compile_with(&self, text: &str, want: Want, scope: &[&str]) -> Result<Expr, Vec<Problem>> {
        let inner = self.check_with(text, want, scope, &[])?;
        Ok(Expr { inner: Arc::new(inner) })
    }

    /// With functions beside those that every expression has.
    pub(crate) fn check_with(
        &self,
        text: &str,
        want: Want,
        scope: &[&str],
        more: &'static [Function],
    ) -> Result<Inner, Vec<Problem>> {
        let source = Source::new(text);
        if text.trim().is_empty() {
            let message = "an expression is missing".to_owned();
            return Err(vec![Problem { code: &codes::EXPR_SYNTAX, range: 0..text.len(), message, help: None }]);
        }
        let ast = self.shared.parser.compile(text).map_err(|error| vec![check::syntax(&source, &error)])?;
        let scope: Vec<String> = scope.iter().map(|name| (*name).to_owned()).collect();
        let (reads, problems) = check::expression(&self.shared, &source, &ast, &scope, more);
        if !problems.is_empty() {
            return Err(problems);
        }
        let bare = if scope.iter().any(|name| name == "event") { None } else { bare_read(&ast) };
        let object = want == Want::Object;
        let compiled = lower::lower(&self.shared, &source, ast.statements(), &scope, object)
            .map(Arc::new)
            .map_err(|(at, why)| Why { range: source.token(at), message: why.to_owned() });
        let ast = self.shared.functions_ast.merge(&ast);
        Ok(Inner { context: self.clone(), source, want, scope, ast, reads, bare, compiled })
    }
}

/// The path of an expression that is `event.a.b` and nothing else.
fn bare_read(ast: &AST) -> Option<Path> {
    let [rhai::Stmt::Expr(expr)] = ast.statements() else { return None };
    let (base, links) = chain::flatten(expr);
    match base {
        rhai::Expr::Variable(name, ..) if name.1 == "event" => {
            let fields = chain::fields(&links);
            (fields.len() == links.len()).then(|| fields.iter().map(|(name, _)| Arc::from(*name)).collect())
        }
        _ => None,
    }
}

impl Expr {
    /// The text it was compiled from.
    pub fn text(&self) -> &str {
        &self.inner.source.text
    }

    /// The paths of `event` that it reads; the empty path is the whole event.
    pub fn reads(&self) -> &Demand {
        &self.inner.reads.event
    }

    /// The fields of `meta` that it reads.
    pub fn reads_meta(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.inner.reads.meta.iter().copied()
    }

    /// Whether it is compiled; if not, why it is interpreted.
    pub fn is_lowered(&self) -> Result<(), Why> {
        self.inner.compiled.as_ref().map(|_| ()).map_err(Why::clone)
    }

    /// The path, where the expression only copies a field of the event (the empty path: the event itself). Such a copy cannot
    /// fail, keeps the text of numbers, and leaves out what is missing.
    pub fn bare_read(&self) -> Option<&Path> {
        self.inner.bare.as_ref()
    }

    /// The fields of the result, sorted, where it is an object whose fields are known. [`Program::eval_fields`] then gives a
    /// column for each, in this order.
    pub fn object_fields(&self) -> Option<&[Arc<str>]> {
        self.inner.compiled.as_ref().ok()?.fields.as_ref().map(|fields| &fields.names[..])
    }

    /// A program for events of this layout. It keeps buffers, so an operator makes its own for each variant of its input.
    pub fn bind(&self, layout: &Layout) -> Program {
        Program::new(self, layout)
    }
}
