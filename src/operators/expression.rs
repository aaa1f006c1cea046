//! An expression of the file: compiled, and with the way back to its place for errors at run time.

use std::fmt;
use std::sync::Arc;

use crate::diagnostic::{Sources, Span};
use crate::event::{Demand, Layout};
use crate::expr::{EvalError, Expr, Program};
use crate::flow::Reject;
use crate::spec::ExprText;

/// A compiled expression, where it stands, and under which key.
#[derive(Clone)]
pub struct StageExpr {
    expr: Expr,
    place: Place,
    key: Arc<str>,
}

impl StageExpr {
    pub(super) fn new(expr: Expr, place: Place, key: &str) -> StageExpr {
        StageExpr { expr, place, key: key.into() }
    }

    /// The compiled expression.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The path of its key in the node: `filter`, `map.amount`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// A program for batches of this layout.
    pub fn bind(&self, layout: &Layout) -> Program {
        self.expr.bind(layout)
    }
}

/// What some expressions read of an event.
pub fn reads<'e>(exprs: impl IntoIterator<Item = &'e StageExpr>) -> Demand {
    let mut all = Demand::default();
    exprs.into_iter().for_each(|expr| all.extend(expr.expr.reads()));
    all
}

/// What some expressions do, in order, apart from how they are written: [`Expr::identity`] of each.
pub fn identity<'e>(exprs: impl IntoIterator<Item = &'e StageExpr>) -> String {
    let all: Vec<String> = exprs.into_iter().map(|expr| format!("{:016x}", expr.expr.identity())).collect();
    all.join(" ")
}

/// Where an expression stands, for the errors of events. Cloning it shares everything.
#[derive(Clone)]
pub struct Place {
    text: Arc<ExprText>,
    sources: Arc<Sources>,
}

impl Place {
    /// The place of a text in the files that were read.
    pub fn new(text: ExprText, sources: Arc<Sources>) -> Place {
        Place { text: Arc::new(text), sources }
    }

    /// `file:line:column` where the expression begins.
    pub fn start(&self) -> Arc<str> {
        at(&self.sources, self.text.span_of_bytes(0, 0))
    }

    /// The span of the whole scalar.
    pub fn span(&self) -> Span {
        self.text.span
    }

    /// The span of these bytes of the expression's text.
    pub fn span_of(&self, range: std::ops::Range<usize>) -> Span {
        self.text.span_of_bytes(range.start, range.end)
    }

    /// Why an event was refused, with the place where it happened.
    #[cold]
    pub fn reject(&self, error: &EvalError) -> Reject {
        let span = self.text.span_of_bytes(error.offset, error.offset);
        Reject { code: error.code, message: error.message.clone(), at: at(&self.sources, span) }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.start())
    }
}

/// `file:line:column` of a place; empty for one that is in no file.
pub fn at(sources: &Sources, span: Span) -> Arc<str> {
    sources.place(span).map_or_else(|| Arc::from(""), |place| place.to_string().into())
}
