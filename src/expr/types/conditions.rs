//! Conditions: what is known where one holds, and where it does not.

use std::sync::Arc;

use rhai::{Expr, FnCallExpr, Position};

use crate::diagnostic::codes;
use crate::expr::chain::{self, Step};
use crate::schema::{Kinds, Shape};

use super::env::{Env, Spot};
use super::walk::{Typed, Walk, is_range};
use super::{Sort, operators, words};

/// What is known where a condition holds, and where it does not.
pub(super) type Ways = (Env, Env);

impl Walk<'_> {
    /// Looks at a condition, which must be a bool.
    pub(super) fn condition(&mut self, expr: &Expr) -> Ways {
        match expr {
            Expr::And(parts, _) => self.all(parts, true),
            Expr::Or(parts, _) => self.all(parts, false),
            Expr::FnCall(call, at) => self.call_condition(call, *at),
            Expr::Dot(..) => {
                let value = self.expr(expr);
                match self.asked_for_null(expr) {
                    Some(asked) => self.null_or_not(Some(asked)),
                    None => self.truth(&value),
                }
            }
            Expr::BoolConstant(bool, _) => {
                let (mut holds, mut fails) = (self.env.clone(), self.env.clone());
                holds.dead |= !bool;
                fails.dead |= bool;
                (holds, fails)
            }
            _ => {
                let value = self.expr(expr);
                self.truth(&value)
            }
        }
    }

    /// The same of a call or an operator.
    pub(super) fn call_condition(&mut self, call: &FnCallExpr, at: Position) -> Ways {
        match (call.name.as_str(), &call.args[..]) {
            ("!", [inner]) if call.is_operator_call() => {
                let (holds, fails) = self.condition(inner);
                (fails, holds)
            }
            ("==", [a, b]) if call.is_operator_call() => self.equality(a, b, true),
            ("!=", [a, b]) if call.is_operator_call() => {
                let (same, other) = self.equality(a, b, false);
                (other, same)
            }
            ("is_null", [value]) if self.is_asking(call) => {
                let value = self.expr(value);
                self.null_or_not(value.spot.map(|spot| (spot, value.shape)))
            }
            ("contains", [list, item]) if self.is_asking(call) && !is_range(list) => self.contains(list, item),
            _ => {
                let shape = self.call(call, at);
                let (range, whole) = self.extent_of_call(call, at);
                self.truth(&Typed { shape, spot: None, range, whole })
            }
        }
    }

    /// `a && b && c` or `a || b || c`.
    fn all(&mut self, parts: &[Expr], and: bool) -> Ways {
        let mut decided: Option<Env> = None;
        let outer = self.branches;
        for part in parts {
            let (holds, fails) = self.condition(part);
            // The next part is asked only where this one leaves it open.
            let (open, done) = if and { (holds, fails) } else { (fails, holds) };
            decided = Some(match decided {
                Some(decided) => decided.join(&done),
                None => done,
            });
            self.env = open;
            self.branches = outer + 1;
        }
        self.branches = outer;
        let (open, decided) = (self.env.clone(), decided.unwrap_or_default());
        if and { (open, decided) } else { (decided, open) }
    }

    /// A value that must be a bool.
    fn truth(&mut self, value: &Typed) -> Ways {
        let kinds = value.shape.kinds;
        if kinds == Kinds::NONE {
        } else if !kinds.meets(Kinds::BOOL) {
            let message = format!("a condition must be true or false, and {} is {}", self.name(value), words(kinds));
            self.find(Sort::Fails, &codes::TYPE_MISMATCH, value.range.clone(), message, None);
        } else {
            if kinds.is_surely_nullable() {
                self.nullable(value, "a condition");
            }
            if let Some(spot) = &value.spot {
                self.env.narrow(spot, &value.shape.only(Kinds::BOOL));
            }
        }
        (self.env.clone(), self.env.clone())
    }

    fn null_or_not(&mut self, value: Option<(Spot, Shape)>) -> Ways {
        let (mut null, mut other) = (self.env.clone(), self.env.clone());
        if let Some((spot, shape)) = value {
            null.narrow(&spot, &shape.only(Kinds::NULL));
            other.narrow(&spot, &shape.not_null());
        }
        (null, other)
    }

    /// What `value.is_null()` asks for, where that is a variable or a field.
    fn asked_for_null(&self, expr: &Expr) -> Option<(Spot, Shape)> {
        let (base, links) = chain::flatten(expr);
        let (last, links) = links.split_last()?;
        let (Step::Method(call, _), Expr::Variable(parts, ..)) = (last.step, base) else { return None };
        if call.name != "is_null" || !call.args.is_empty() {
            return None;
        }
        let var = self.env.find(&parts.1)?;
        let mut shape = self.env.var(var)?.shape.clone();
        let mut fields: Vec<Arc<str>> = Vec::new();
        for link in links {
            let Step::Field(name, _) = link.step else { return None };
            shape = shape.field(name).ok()?;
            fields.push(name.into());
        }
        Some((Spot { var, fields }, shape))
    }

    /// `a == b`: what is known where they are equal, and where they are not.
    pub(super) fn equality(&mut self, a: &Expr, b: &Expr, same: bool) -> Ways {
        let (a, b) = (self.expr(a), self.expr(b));
        let (left, right) = operators::equal(&a.shape, &b.shape);
        let known = a.shape.kinds != Kinds::NONE && b.shape.kinds != Kinds::NONE;
        let asks_null = a.shape.kinds == Kinds::NULL || b.shape.kinds == Kinds::NULL;
        if known && !asks_null && (left.kinds == Kinds::NONE || right.kinds == Kinds::NONE) {
            self.never_equal(&a, &b, same);
        }
        let (mut equal, mut other) = (self.env.clone(), self.env.clone());
        for (side, now, against) in [(&a, &left, &b), (&b, &right, &a)] {
            if let Some(spot) = &side.spot {
                equal.narrow(spot, now);
                other.narrow(spot, &operators::unequal(&side.shape, &against.shape));
            }
        }
        (equal, other)
    }

    fn never_equal(&mut self, a: &Typed, b: &Typed, same: bool) {
        let always = if same { "this is never true" } else { "this is always true" };
        let range = a.range.start..b.range.end;
        if self.unknown_symbol(a, &b.shape, b.range.clone(), always)
            || self.unknown_symbol(b, &a.shape, a.range.clone(), always)
        {
            return;
        }
        let one = |side: &Typed| match &side.shape.symbols {
            Some(_) if side.shape.kinds == Kinds::STRING && side.whole && side.spot.is_some() => side.shape.to_string(),
            _ => words(side.shape.kinds),
        };
        let message = format!("{always}: {} is {}, and {} is {}", self.name(a), one(a), self.name(b), one(b));
        self.find(Sort::Never, &codes::NEVER_EQUAL, range, message, None);
    }

    /// `item in list`.
    fn contains(&mut self, list: &Expr, item: &Expr) -> Ways {
        let (whole, value) = (self.expr(list), self.expr(item));
        if let (Expr::Array(items, _), true) = (list, value.shape.kinds != Kinds::NONE) {
            for part in items {
                // What the literal has was looked at already.
                self.silent += 1;
                let one = self.expr(part);
                self.silent -= 1;
                let (left, right) = operators::equal(&value.shape, &one.shape);
                let never = left.kinds == Kinds::NONE || right.kinds == Kinds::NONE;
                if !never || one.shape.kinds == Kinds::NULL || one.shape.kinds == Kinds::NONE {
                    continue;
                }
                if !self.unknown_symbol(&value, &one.shape, one.range.clone(), "this is never found") {
                    let message = format!(
                        "this is never found: {} is {}, and this is {}",
                        self.name(&value),
                        words(value.shape.kinds),
                        words(one.shape.kinds)
                    );
                    self.find(Sort::Never, &codes::NEVER_EQUAL, one.range.clone(), message, None);
                }
            }
        }
        self.library_call("contains", &[whole.clone(), value.clone()]);
        let (mut inside, outside) = (self.env.clone(), self.env.clone());
        if let (Kinds::ARRAY, Some(items), Some(spot)) = (whole.shape.kinds, &whole.shape.items, &value.spot) {
            inside.narrow(spot, &operators::equal(&value.shape, items).0);
        }
        (inside, outside)
    }
}
