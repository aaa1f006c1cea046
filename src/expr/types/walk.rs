//! The walk over an expression's tree: a shape for each part, and what goes wrong there.

use std::ops::Range;
use std::sync::Arc;

use rhai::{Expr, FnCallExpr, Position, Stmt};

use crate::diagnostic::{Code, codes, did_you_mean};
use crate::expr::aggregate::AGGREGATE;
use crate::expr::chain::{self, Link, Step};
use crate::expr::context::Shared;
use crate::expr::library::Function;
use crate::expr::ops::Op;
use crate::expr::problem::{Problem, Source};
use crate::limits::TYPE_NODES_MAX;
use crate::schema::{Kinds, Object, Shape};

use super::env::{Env, Spot};
use super::{Finding, Sort, operators, words};

/// Fields that are named where none is like the one that was written.
const NAMES_SHOWN: usize = 12;

pub(super) struct Walk<'a> {
    pub shared: &'a Shared,
    /// The text that positions are of; that of a function's file while one is walked.
    pub source: &'a Source,
    /// Functions beside those of the library.
    pub more: &'static [Function],
    /// Whose events these are, for messages.
    pub of: &'a str,
    /// The variable that holds the event, unless it is hidden.
    pub event: Option<usize>,
    pub env: Env,
    pub findings: Vec<Finding>,
    /// Above 0: what goes wrong is not told.
    pub silent: usize,
    /// Above 0: not every event comes here.
    pub branches: usize,
    /// There was a `return`, so that not every event comes to what is behind it.
    pub may_leave: bool,
    /// What `return` gives, so far, and what is known there.
    pub returned: Option<(Shape, Env)>,
    /// The functions that are being walked, and where the outermost was called.
    pub calls: Vec<(String, usize)>,
    pub called_at: Option<Range<usize>>,
    nodes: usize,
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub shape: Shape,
    /// The value is this variable or a field of it.
    pub spot: Option<Spot>,
    pub range: Range<usize>,
    /// Whether the range is all of its text, so that messages can show it.
    pub whole: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shared: &'a Shared, source: &'a Source, of: &'a str, event: Option<usize>, env: Env) -> Walk<'a> {
        Walk {
            shared,
            source,
            more: &[],
            of,
            event,
            env,
            findings: Vec::new(),
            silent: 0,
            branches: 0,
            may_leave: false,
            returned: None,
            calls: Vec::new(),
            called_at: None,
            nodes: 0,
        }
    }

    /// Whether the expression is too large to be looked at.
    pub(super) fn is_exhausted(&self) -> bool {
        self.nodes > TYPE_NODES_MAX
    }

    pub(super) fn find(
        &mut self,
        sort: Sort,
        code: &'static Code,
        range: Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        if self.silent > 0 || self.env.dead {
            return;
        }
        let (range, message) = match (&self.called_at, self.calls.last()) {
            (None, _) | (_, None) => (range, message),
            // Another call may be right where this one is wrong.
            (Some(_), Some(_)) if matches!(sort, Sort::Never | Sort::NoField) => return,
            (Some(at), Some((name, _))) => (at.clone(), format!("in `{name}`: {message}")),
        };
        let problem = Problem { code, range, message, help };
        self.findings.push(Finding { sort, problem, always: self.branches == 0 && !self.may_leave });
    }

    /// What a finding calls a value: its text where that is short, else `this`.
    pub(super) fn name(&self, typed: &Typed) -> String {
        match self.source.text.get(typed.range.clone()) {
            Some(text) if typed.whole && !text.is_empty() && text.len() <= 60 => format!("`{text}`"),
            _ => "this".to_owned(),
        }
    }

    /// Looks at something that not every event comes to; what is known afterwards holds for both.
    pub(super) fn branch<T>(&mut self, look: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.env.clone();
        self.branches += 1;
        let made = look(self);
        self.branches -= 1;
        let after = std::mem::take(&mut self.env);
        self.env = after.join(&before);
        made
    }

    pub(super) fn shape(&mut self, expr: &Expr) -> Shape {
        self.expr(expr).shape
    }

    /// The shape of an expression.
    pub(super) fn expr(&mut self, expr: &Expr) -> Typed {
        let (range, whole) = self.extent(expr);
        let mut spot = None;
        self.nodes += 1;
        let shape = match expr {
            _ if self.is_exhausted() => Shape::ANY,
            Expr::BoolConstant(..) => Shape::of(Kinds::BOOL),
            Expr::IntegerConstant(..) => Shape::of(Kinds::INT),
            Expr::FloatConstant(..) => Shape::of(Kinds::FLOAT),
            Expr::StringConstant(text, _) => Shape::symbols([Arc::from(text.as_str())]),
            Expr::CharConstant(..) => Shape::of(Kinds::STRING),
            Expr::Unit(_) => Shape::of(Kinds::NULL),
            Expr::InterpolatedString(parts, _) => {
                parts.iter().for_each(|part| drop(self.expr(part)));
                Shape::of(Kinds::STRING)
            }
            Expr::Array(items, _) => {
                let shapes: Vec<Shape> = items.iter().map(|item| self.shape(item)).collect();
                let items = shapes.into_iter().reduce(|all, item| all.join(&item));
                Shape::array(items.unwrap_or(Shape::of(Kinds::NONE)))
            }
            Expr::Map(fields, _) => {
                let mut all: Vec<(Arc<str>, Shape)> =
                    fields.0.iter().map(|(name, value)| (Arc::from(name.as_str()), self.shape(value))).collect();
                all.sort_by(|a, b| a.0.cmp(&b.0));
                Shape::record(all)
            }
            Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..) => {
                let typed = self.chain(expr);
                spot = typed.1;
                typed.0
            }
            Expr::Stmt(block) => self.block(block.statements()),
            Expr::FnCall(call, at) => self.call(call, *at),
            Expr::And(..) | Expr::Or(..) => {
                let (holds, fails) = self.condition(expr);
                self.env = holds.join(&fails);
                Shape::of(Kinds::BOOL)
            }
            Expr::Coalesce(parts, _) => self.coalesce(parts),
            _ => Shape::ANY,
        };
        Typed { shape, spot, range, whole }
    }

    fn coalesce(&mut self, parts: &[Expr]) -> Shape {
        let Some((first, rest)) = parts.split_first() else { return Shape::ANY };
        let mut all = self.shape(first);
        for part in rest {
            if !all.is_nullable() {
                break;
            }
            let next = self.branch(|walk| walk.shape(part));
            all = all.not_null().join(&next);
        }
        all
    }

    /// A variable or a value, and what hangs on it.
    fn chain(&mut self, expr: &Expr) -> (Shape, Option<Spot>) {
        let (base, links) = chain::flatten(expr);
        let (range, whole) = self.extent(base);
        let (shape, spot) = match base {
            Expr::Variable(parts, ..) => match self.env.find(&parts.1) {
                Some(var) => {
                    let shape = self.env.var(var).map_or(Shape::ANY, |var| var.shape.clone());
                    (shape, Some(Spot { var, fields: Vec::new() }))
                }
                None => (Shape::ANY, None),
            },
            _ => (self.shape(base), None),
        };
        let mut value = Typed { shape, spot, range, whole };
        for (place, link) in links.iter().enumerate() {
            let only_fields = || links[place..].iter().all(|link| matches!(link.step, Step::Field(..)));
            if link.optional && value.shape.is_nullable() && !only_fields() {
                // What follows is not come to where the value is null.
                let null = Shape::of(value.shape.kinds.null());
                let value = Typed { shape: value.shape.not_null(), spot: None, ..value };
                let rest = &links[place..];
                let found = self.branch(|walk| rest.iter().fold(value, |value, link| walk.link(value, link, false)));
                return (found.shape.join(&null), None);
            }
            value = self.link(value, link, place == 0);
        }
        (value.shape, value.spot)
    }

    fn link(&mut self, value: Typed, link: &Link<'_>, first: bool) -> Typed {
        let start = value.range.start;
        let kinds = value.shape.kinds;
        let (shape, spot, end, whole) = match link.step {
            Step::Field(name, at) => {
                let (shape, spot) = self.field(&value.shape, value.spot, name, at);
                (shape, spot, self.source.token(at).end, value.whole)
            }
            Step::Index(Expr::StringConstant(name, at))
                if kinds.without(Kinds::NULL) == Kinds::OBJECT || (first && kinds == Kinds::ANY) =>
            {
                let (shape, spot) = self.field(&value.shape, value.spot, name, *at);
                (shape, spot, self.source.token(*at).end + 1, value.whole)
            }
            Step::Index(index) => {
                let index = self.expr(index);
                (self.index(&value.shape, &index, link.at), None, index.range.end + 1, false)
            }
            Step::Method(call, at) => {
                let end = self.source.token(at).end;
                (self.method(value, call), None, end, false)
            }
        };
        Typed { shape, spot, range: start..end.max(start), whole }
    }

    /// `value.name`.
    fn field(&mut self, shape: &Shape, spot: Option<Spot>, name: &str, at: Position) -> (Shape, Option<Spot>) {
        let below = |spot: Option<Spot>| {
            spot.map(|mut spot| {
                spot.fields.push(name.into());
                spot
            })
        };
        let kinds = shape.kinds.without(Kinds::NULL);
        if kinds == Kinds::NONE {
            return (Shape::of(shape.kinds), below(spot));
        }
        if !kinds.meets(Kinds::OBJECT) {
            let message = format!("{} has no fields, so `{name}` is always null", words(kinds));
            self.find(Sort::NoField, &codes::UNKNOWN_FIELD, self.source.token(at), message, None);
            return (Shape::ANY, None);
        }
        match shape.field(name) {
            Ok(field) => (field, below(spot)),
            Err(object) => {
                let whole = spot.as_ref().is_some_and(|spot| spot.fields.is_empty() && Some(spot.var) == self.event);
                self.no_field(object, name, at, whole);
                (Shape::ANY, None)
            }
        }
    }

    fn no_field(&mut self, object: &Object, name: &str, at: Position, whole: bool) {
        let message = match (whole, &object.name) {
            (true, _) => format!("no event of `{}` has a field `{name}`", self.of),
            (false, Some(of)) => format!("`{of}` has no field `{name}`"),
            (false, None) => format!("there is no field `{name}` in this object"),
        };
        let names = object.fields.iter().map(|field| &*field.name);
        let help = did_you_mean(name, names.clone()).map(|near| format!("did you mean `{near}`?"));
        let help = help.or_else(|| {
            let more = if object.fields.len() > NAMES_SHOWN { ", ..." } else { "" };
            let names: Vec<&str> = names.take(NAMES_SHOWN).collect();
            (!names.is_empty()).then(|| format!("it has {}{more}", names.join(", ")))
        });
        self.find(Sort::NoField, &codes::UNKNOWN_FIELD, self.source.token(at), message, help);
    }

    /// `value[index]`. A place beyond the end is an error that no shape tells of.
    fn index(&mut self, shape: &Shape, index: &Typed, bracket: Position) -> Shape {
        let (value, at) = (shape.kinds, index.shape.kinds);
        if value == Kinds::NONE || at == Kinds::NONE {
            return Shape::of(Kinds::NONE);
        }
        let mut found = Shape::of(Kinds::NONE);
        if value.meets(Kinds::ARRAY) && at.meets(Kinds::INT) {
            found = found.join(&shape.items.as_deref().cloned().unwrap_or(Shape::ANY));
        }
        if at.meets(Kinds::INT) && value.meets(Kinds::STRING) {
            found = found.join(&Shape::of(Kinds::STRING));
        }
        if at.meets(Kinds::INT) && value.meets(Kinds::INT) {
            found = found.join(&Shape::of(Kinds::BOOL));
        }
        if at.meets(Kinds::STRING) && value.meets(Kinds::OBJECT) {
            found = found.join(&any_field(shape));
        }
        if at.meets(Kinds::STRING) && value.meets(Kinds::NULL.and(Kinds::BOOL).and(Kinds::FLOAT)) {
            found.kinds = found.kinds.and(if value.is_surely_nullable() { Kinds::NULL } else { Kinds::PERHAPS_NULL });
        }
        if found.kinds == Kinds::NONE && !(value.meets(Kinds::ARRAY) && at.meets(Kinds::INT)) {
            let (value, at) = (words(value), words(at));
            let message = format!("{value} cannot be indexed with {at}");
            self.find(Sort::Fails, &codes::TYPE_MISMATCH, self.source.token(bracket), message, None);
            return Shape::ANY;
        }
        if value.is_surely_nullable() && !at.meets(Kinds::STRING) {
            let message = "this may be null, which has no items".to_owned();
            let help = "leave the rest out where it is: `value?[index]`".to_owned();
            self.find(Sort::Null, &codes::NULLABLE, self.source.token(bracket), message, Some(help));
        }
        found
    }

    /// `a op b`.
    pub(super) fn binary(&mut self, op: Op, a: &Typed, b: &Typed) -> Shape {
        let (left, right) = (a.shape.kinds, b.shape.kinds);
        if left == Kinds::NONE || right == Kinds::NONE {
            return Shape::of(Kinds::NONE);
        }
        let outcome = operators::binary(op, left, right);
        if outcome.result == Kinds::NONE {
            self.mismatch(op, a, b);
            return Shape::ANY;
        }
        for (side, fine) in [(a, outcome.left), (b, outcome.right)] {
            if side.shape.kinds.is_surely_nullable() && !fine.meets(Kinds::NULL) {
                self.nullable(side, &format!("`{}`", op.symbol()));
            }
            if let Some(spot) = &side.spot {
                self.env.narrow(spot, &side.shape.only(fine));
            }
        }
        let mut shape = Shape::of(outcome.result);
        if op == Op::Add && outcome.result.meets(Kinds::ARRAY) {
            let items = a.shape.items.as_ref().zip(b.shape.items.as_ref());
            shape.items = items.map(|(a, b)| Arc::new(a.join(b)));
        }
        if op == Op::Add && outcome.result.meets(Kinds::OBJECT) {
            shape.object = operators::merged(&a.shape, &b.shape).object;
        }
        shape
    }

    fn mismatch(&mut self, op: Op, a: &Typed, b: &Typed) {
        let (left, right) = (words(a.shape.kinds), words(b.shape.kinds));
        let message = match op.is_order() {
            true => format!("`{}` cannot compare {left} with {right}", op.symbol()),
            false => format!("`{}` has no meaning for {left} and {right}", op.symbol()),
        };
        let kinds = |side: &Typed| side.shape.kinds.without(Kinds::NULL);
        let pairs = [(a, b), (b, a)];
        let mixed = pairs.iter().find(|(one, other)| kinds(one) == Kinds::STRING && Kinds::NUMBER.has(kinds(other)));
        let help = mixed.filter(|(text, _)| text.whole).map(|(text, _)| {
            let written = self.source.text.get(text.range.clone()).unwrap_or_default();
            match text.spot {
                Some(_) => format!("`parse_float({written})` reads a number from a text"),
                None => "a number is written without quotes".to_owned(),
            }
        });
        self.find(Sort::Fails, &codes::TYPE_MISMATCH, a.range.start..b.range.end, message, help);
    }

    /// Something that null makes fail gets what may be null.
    pub(super) fn nullable(&mut self, value: &Typed, what: &str) {
        let name = self.name(value);
        let message = format!("{name} may be null, and {what} of null is that event's error");
        let plain = name.trim_matches('`');
        let help = match value.whole {
            true => format!("say what null counts as, `({plain} ?? ...)`, or ask first: `{plain} != () && ...`"),
            false => "say what null counts as: `(... ?? ...)`".to_owned(),
        };
        self.find(Sort::Null, &codes::NULLABLE, value.range.clone(), message, Some(help));
    }

    /// `-x`, `+x` or `!x`.
    pub(super) fn unary(&mut self, op: &str, value: &Typed) -> Shape {
        let kinds = value.shape.kinds;
        if kinds == Kinds::NONE {
            return Shape::of(Kinds::NONE);
        }
        let fine = operators::unary(op, kinds);
        if fine == Kinds::NONE {
            let message = format!("`{op}` has no meaning for {}", words(kinds));
            self.find(Sort::Fails, &codes::TYPE_MISMATCH, value.range.clone(), message, None);
            return Shape::ANY;
        }
        if kinds.is_surely_nullable() {
            self.nullable(value, &format!("`{op}`"));
        }
        if let Some(spot) = &value.spot {
            self.env.narrow(spot, &value.shape.only(fine));
        }
        Shape::of(fine)
    }

    /// The bytes of an expression, and whether they are all of it.
    pub(super) fn extent(&self, expr: &Expr) -> (Range<usize>, bool) {
        match expr {
            Expr::Dot(..) | Expr::Index(..) => {
                let (base, links) = chain::flatten(expr);
                let (mut range, mut whole) = self.extent(base);
                for link in &links {
                    match link.step {
                        Step::Field(_, at) => range.end = range.end.max(self.source.token(at).end),
                        Step::Index(index) => {
                            let (inner, _) = self.extent(index);
                            let rest = self.source.text.get(inner.end..).unwrap_or_default();
                            whole &= rest.starts_with(']');
                            range.end = range.end.max(inner.end + usize::from(rest.starts_with(']')));
                        }
                        Step::Method(_, at) => {
                            range.end = range.end.max(self.source.token(at).end);
                            whole = false;
                        }
                    }
                }
                if matches!(base, Expr::Variable(..)) { (range, whole) } else { (range, whole && links.is_empty()) }
            }
            Expr::FnCall(call, at) => self.extent_of_call(call, *at),
            Expr::And(parts, _) | Expr::Or(parts, _) | Expr::Coalesce(parts, _) => {
                match (parts.first(), parts.last()) {
                    (Some(first), Some(last)) => (self.extent(first).0.start..self.extent(last).0.end, false),
                    _ => (0..0, false),
                }
            }
            other => {
                let whole = match other {
                    Expr::Stmt(_) | Expr::Array(..) | Expr::Map(..) | Expr::InterpolatedString(..) => false,
                    // What stands for an aggregate's call is written nowhere.
                    Expr::Variable(parts, ..) => !parts.1.starts_with(AGGREGATE),
                    _ => true,
                };
                (self.source.token(other.start_position()), whole)
            }
        }
    }

    pub(super) fn extent_of_call(&self, call: &FnCallExpr, at: Position) -> (Range<usize>, bool) {
        let token = self.source.token(at);
        match (call.is_operator_call(), &call.args[..]) {
            (true, [a, b]) => (self.extent(a).0.start..self.extent(b).0.end, false),
            (true, [a]) => (token.start..self.extent(a).0.end, false),
            _ => (token, false),
        }
    }

    pub(super) fn extent_of_stmt(&self, stmt: &Stmt) -> Range<usize> {
        match stmt {
            Stmt::Expr(expr) => self.extent(expr).0,
            Stmt::FnCall(call, at) => self.extent_of_call(call, *at).0,
            other => self.source.token(other.position()),
        }
    }
}

/// What a field of an object may be, whichever it is.
pub(super) fn any_field(shape: &Shape) -> Shape {
    let Some(object) = shape.object.as_deref() else { return Shape::ANY };
    let fields = object.fields.iter().map(|field| &field.shape).chain(&object.rest);
    fields.fold(Shape::of(Kinds::PERHAPS_NULL), |all, field| all.join(field))
}

/// `a..b` or `a..=b`.
pub(super) fn is_range(expr: &Expr) -> bool {
    matches!(expr, Expr::FnCall(call, _) if matches!(call.name.as_str(), ".." | "..="))
}
