//! The types of expressions: what a result may be when the event is of a known shape, and what can only go wrong. Nothing is run, and
//! what is not known is [`Shape::ANY`]: of it nothing is said.

mod calls;
mod conditions;
mod env;
mod operators;
mod statements;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use rhai::Stmt;

use crate::diagnostic::codes;
use crate::schema::{Kinds, Shape};

use super::compile::{Expr, Inner, Want};
use super::library::Function;
use super::ops::article;
use super::problem::Problem;
use super::value::Types;
use env::{Env, Var};
use walk::Walk;

/// What an expression is about.
pub struct Scope<'s> {
    pub event: &'s Shape,
    /// Whose events they are, for messages: `card`.
    pub of: &'s str,
    /// Of the variables that a stage adds, in their order; those that are left out are not known.
    pub locals: &'s [Shape],
}

/// What is known of an expression.
#[derive(Clone, Debug)]
pub struct Inferred {
    /// Of the result.
    pub shape: Shape,
    /// The event, where the expression did not fail and, if it must be a bool, gave `true`: a field that was asked for null is not
    /// null any more.
    pub holds: Shape,
    /// The event, where the expression gave `false`.
    pub fails: Shape,
    pub findings: Vec<Finding>,
}

/// Something that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub sort: Sort,
    pub problem: Problem,
    /// Whether the place is come to whatever the event: neither in a branch nor behind `&&`.
    pub always: bool,
}

/// How wrong it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// It fails for every event that comes to it.
    Fails,
    /// It fails where a value is null, which may be.
    Null,
    /// A comparison has the same result whatever the event.
    Never,
    /// There is no such field.
    NoField,
}

impl Expr {
    /// The types of the expression, and what is wrong with them.
    pub fn infer(&self, scope: &Scope<'_>) -> Inferred {
        self.inner.infer(scope, &[])
    }
}

impl Inner {
    /// The same with functions beside those of the library.
    pub(super) fn infer(&self, scope: &Scope<'_>, more: &'static [Function]) -> Inferred {
        let inner = self;
        let shared = &inner.context.shared;
        let mut env = Env::default();
        env.push("meta", meta());
        env.push("params", constant(&serde_json::Value::Object(shared.params.clone())));
        env.push("event", scope.event.clone());
        for (place, name) in inner.scope.iter().enumerate() {
            env.push(name, scope.locals.get(place).cloned().unwrap_or(Shape::ANY));
        }
        // A variable of the stage hides the event.
        let event = inner.scope.iter().all(|name| name != "event").then_some(EVENT);
        let mut walk = Walk::new(shared, &inner.source, scope.of, event, env);
        walk.more = more;
        let stmts = inner.ast.statements();
        let ways = match (inner.want, stmts) {
            (Want::Filter, [Stmt::Expr(expr)]) => Some(walk.condition(expr)),
            (Want::Filter, [Stmt::FnCall(call, at)]) => Some(walk.call_condition(call, *at)),
            _ => None,
        };
        let (shape, holds, fails) = match (ways, walk.returned.take()) {
            (Some((holds, fails)), None) => (Shape::of(Kinds::BOOL), holds, fails),
            // Who returns from within may have given either.
            (Some((holds, fails)), Some((_, returned))) => {
                let env = holds.join(&fails).join(&returned);
                (Shape::of(Kinds::BOOL), env.clone(), env)
            }
            (None, _) => {
                let shape = walk.body(stmts);
                (walk.wanted(inner.want, shape, stmts.last()), walk.env.clone(), walk.env.clone())
            }
        };
        if walk.is_exhausted() {
            let (holds, fails) = (scope.event.clone(), scope.event.clone());
            return Inferred { shape: Shape::ANY, holds, fails, findings: Vec::new() };
        }
        let event = |env: Env| env.var(EVENT).map_or(Shape::ANY, |var| var.shape.clone());
        let mut findings = walk.findings;
        findings.sort_by_key(|finding| finding.problem.range.start);
        findings.dedup_by(|a, b| a.problem == b.problem);
        Inferred { shape, holds: event(holds), fails: event(fails), findings }
    }
}

/// The place of `event` among the variables.
const EVENT: usize = 2;

impl Var {
    fn new(name: &str, shape: Shape) -> Var {
        Var { name: name.into(), shape, pinned: false }
    }
}

/// What is known of `meta`: whether its nulls are there depends on the source, so nobody is warned of them.
fn meta() -> Shape {
    let perhaps = |kinds: Kinds| Shape::of(kinds.and(Kinds::PERHAPS_NULL));
    Shape::record(
        [
            ("source", Shape::of(Kinds::STRING)),
            ("key", Shape::ANY),
            ("time", perhaps(Kinds::INT)),
            ("headers", Shape::ANY),
            ("partition", perhaps(Kinds::INT)),
            ("offset", Shape::ANY),
        ]
        .map(|(name, shape)| (Arc::from(name), shape)),
    )
}

/// The shape of a part of `params`. A text is a string like any other: another run may be given another one.
fn constant(value: &serde_json::Value) -> Shape {
    match value {
        serde_json::Value::Null => Shape::ANY,
        serde_json::Value::Bool(_) => Shape::of(Kinds::BOOL),
        serde_json::Value::Number(number) if number.is_f64() => Shape::of(Kinds::FLOAT),
        serde_json::Value::Number(_) => Shape::of(Kinds::INT),
        serde_json::Value::String(_) => Shape::of(Kinds::STRING),
        serde_json::Value::Array(items) => {
            let items = items.iter().map(constant).reduce(|all, item| all.join(&item));
            Shape::array(items.unwrap_or(Shape::of(Kinds::NONE)))
        }
        serde_json::Value::Object(fields) => {
            Shape::record(fields.iter().map(|(name, value)| (Arc::from(name.as_str()), constant(value))))
        }
    }
}

/// The kinds of arguments that a parameter takes. A number beyond 64 bits is an int here.
pub(crate) fn kinds(types: Types) -> Kinds {
    let pairs = [
        (Types::UNIT, Kinds::NULL),
        (Types::BOOL, Kinds::BOOL),
        (Types::INT, Kinds::INT),
        (Types::FLOAT, Kinds::FLOAT),
        (Types::STRING, Kinds::STRING),
        (Types::ARRAY, Kinds::ARRAY),
        (Types::OBJECT, Kinds::OBJECT),
    ];
    if types == Types::ANY {
        return Kinds::ANY;
    }
    let taken = pairs.iter().filter(|(one, _)| types.has(*one));
    taken.fold(Kinds::NONE, |all, (_, kind)| all.and(*kind))
}

/// `a string`, `an int or float`; null is left out unless there is nothing else.
pub fn words(kinds: Kinds) -> String {
    if kinds == Kinds::NULL || kinds == Kinds::PERHAPS_NULL {
        return "null".to_owned();
    }
    let names = [
        (Kinds::BOOL, "bool"),
        (Kinds::INT, "int"),
        (Kinds::FLOAT, "float"),
        (Kinds::STRING, "string"),
        (Kinds::ARRAY, "array"),
        (Kinds::OBJECT, "object"),
    ];
    let have: Vec<&str> = names.iter().filter(|(kind, _)| kinds.has(*kind)).map(|(_, name)| *name).collect();
    article(&have.join(" or "))
}

impl Walk<'_> {
    /// The result of an expression as what it must be.
    fn wanted(&mut self, want: Want, shape: Shape, last: Option<&Stmt>) -> Shape {
        let (must, kinds) = match want {
            Want::Value => return shape,
            Want::Text => return Shape::of(Kinds::STRING),
            Want::Filter => ("true or false", Kinds::BOOL),
            Want::Object => ("an object", Kinds::OBJECT),
            Want::Array => ("an array", Kinds::ARRAY),
        };
        let range = last.map_or(0..self.source.text.len(), |stmt| self.extent_of_stmt(stmt));
        if shape.kinds != Kinds::NONE && !shape.kinds.meets(kinds) {
            let message = format!("the expression must give {must}, not {}", words(shape.kinds));
            self.find(Sort::Fails, &codes::TYPE_MISMATCH, range, message, None);
        } else if shape.kinds.is_surely_nullable() {
            let message = format!("the expression must give {must}, and may give null");
            let help = "say what null stands for: `a ?? b`".to_owned();
            self.find(Sort::Null, &codes::NULLABLE, range, message, Some(help));
        }
        shape.only(kinds)
    }
}
