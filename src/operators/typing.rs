//! Types at plan time: a stage is told what comes in, has its expressions looked at, and says what leaves.

use crate::diagnostic::{Code, Diagnostics, Report, Span, codes, did_you_mean};
use crate::expr::types::{Finding, Inferred, Scope};
use crate::schema::{Kinds, Shape};

use super::expression::StageExpr;

/// Looks at the expressions of one node, and reports what is wrong with their types.
pub struct Typing<'a> {
    pub diagnostics: &'a mut Diagnostics,
    /// What the node reads, for messages: `card`, `orders.errors`.
    pub of: String,
    /// Whether all its events come from sources with a schema: then what is wrong is an error. Else it is a warning, as nobody has said
    /// what events are.
    pub declared: bool,
}

impl Typing<'_> {
    /// An expression over events of this shape.
    pub fn infer(&mut self, expr: &StageExpr, event: &Shape) -> Inferred {
        self.infer_with(expr, event, &[])
    }

    /// The same with what the stage's variables are.
    pub fn infer_with(&mut self, expr: &StageExpr, event: &Shape, locals: &[Shape]) -> Inferred {
        self.infer_of(expr, event, locals, None)
    }

    /// The same over events of somebody else: a window's results in its `having`.
    pub fn infer_of(&mut self, expr: &StageExpr, event: &Shape, locals: &[Shape], of: Option<&str>) -> Inferred {
        let of = of.unwrap_or(&self.of);
        let inferred = expr.expr().infer(&Scope { event, of, locals });
        for Finding { problem, .. } in &inferred.findings {
            let report =
                self.report(problem.code, expr.place().span_of(problem.range.clone()), problem.message.clone());
            if let Some(help) = &problem.help {
                report.help(help.clone());
            }
        }
        inferred
    }

    /// All expressions of a stage that changes nothing.
    pub fn infer_all(&mut self, exprs: &[&StageExpr], event: &Shape) {
        exprs.iter().for_each(|expr| drop(self.infer(expr, event)));
    }

    /// A field that is named without an expression, and that events of this shape never have.
    pub fn has(&mut self, event: &Shape, name: &str, at: Span) {
        let Err(object) = event.field(name) else { return };
        let message = format!("no event of `{}` has a field `{name}`", self.of);
        let names = object.fields.iter().map(|field| &*field.name);
        let near = did_you_mean(name, names).map(|near| format!("did you mean `{near}`?"));
        let report = self.report(&codes::UNKNOWN_FIELD, at, message);
        if let Some(near) = near {
            report.help(near);
        }
    }

    /// An argument of a kind that what it is given to never takes; null is left out, as whoever asks does.
    pub fn takes(&mut self, expr: &StageExpr, given: &Shape, takes: Kinds, code: &'static Code, message: String) {
        let given = given.kinds.without(Kinds::NULL);
        if given != Kinds::NONE && !given.meets(takes) {
            self.report(code, expr.place().span_of(0..expr.expr().text().len()), message);
        }
    }

    fn report(&mut self, code: &'static Code, span: Span, message: String) -> Report<'_> {
        match self.declared {
            true => self.diagnostics.error(code, span, message),
            false => self.diagnostics.warning(code, span, message),
        }
    }
}
