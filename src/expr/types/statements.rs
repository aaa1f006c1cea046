//! Statements. Loops and `try` are walked once, with nothing known of the variables that they change.

use rhai::{ASTFlags, Expr, Stmt, SwitchCasesCollection};

use crate::diagnostic::{codes, did_you_mean};
use crate::expr::chain;
use crate::expr::ir::Case;
use crate::expr::ops::Op;
use crate::expr::switch;
use crate::schema::{Kinds, Shape};

use super::env::Env;
use super::walk::{Typed, Walk};
use super::{Sort, operators, words};

impl Walk<'_> {
    /// The statements of an expression or a function: the last one's value, or what is returned before.
    pub(super) fn body(&mut self, stmts: &[Stmt]) -> Shape {
        let outer = self.returned.take();
        let mut shape = self.block(stmts);
        if let Some((returned, env)) = std::mem::replace(&mut self.returned, outer) {
            shape = shape.join(&returned);
            self.env = std::mem::take(&mut self.env).join(&env);
        }
        shape
    }

    /// A block: its variables end with it.
    pub(super) fn block(&mut self, stmts: &[Stmt]) -> Shape {
        let outer = self.env.len();
        let mut shape = Shape::of(Kinds::NULL);
        for stmt in stmts {
            shape = self.stmt(stmt);
        }
        self.env.truncate(outer);
        if self.env.dead { Shape::of(Kinds::NONE) } else { shape }
    }

    fn stmt(&mut self, stmt: &Stmt) -> Shape {
        let null = Shape::of(Kinds::NULL);
        match stmt {
            Stmt::Noop(_) => null,
            Stmt::Expr(expr) => self.shape(expr),
            Stmt::FnCall(call, at) => self.call(call, *at),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::Var(parts, ..) => {
                let value = self.shape(&parts.1);
                self.env.push(&parts.0.name, value);
                null
            }
            Stmt::Assignment(parts) => {
                self.assignment(&parts.0, &parts.1.lhs, &parts.1.rhs);
                null
            }
            Stmt::If(flow, _) => {
                let (holds, fails) = self.condition(&flow.expr);
                self.branches += 1;
                self.env = holds;
                let then = self.block(flow.body.statements());
                let after = std::mem::replace(&mut self.env, fails);
                let otherwise = self.block(flow.branch.statements());
                self.branches -= 1;
                self.env = std::mem::take(&mut self.env).join(&after);
                then.join(&otherwise)
            }
            Stmt::Switch(parts, at) => self.switch(&parts.0, &parts.1, *at),
            Stmt::Return(value, flags, _) => {
                let value = value.as_ref().map_or(null, |value| self.shape(value));
                if !flags.intersects(ASTFlags::BREAK) && !self.env.dead {
                    let env = self.env.clone();
                    self.may_leave = true;
                    self.returned = Some(match self.returned.take() {
                        Some((returned, before)) => (returned.join(&value), env.join(&before)),
                        None => (value, env),
                    });
                }
                self.env.dead = true;
                Shape::of(Kinds::NONE)
            }
            Stmt::BreakLoop(value, ..) => {
                if let Some(value) = value {
                    self.shape(value);
                }
                self.env.dead = true;
                Shape::of(Kinds::NONE)
            }
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.around(&[flow.body.statements()], |walk| {
                    walk.shape(&flow.expr);
                    walk.block(flow.body.statements());
                });
                Shape::ANY
            }
            Stmt::For(parts, _) => {
                let (name, counter, flow) = &**parts;
                let items = self.shape(&flow.expr);
                let item = items.items.as_deref().filter(|_| items.kinds.without(Kinds::NULL) == Kinds::ARRAY);
                let item = item.cloned().unwrap_or(Shape::ANY);
                self.around(&[flow.body.statements()], |walk| {
                    walk.env.push(&name.name, item);
                    if let Some(counter) = counter {
                        walk.env.push(&counter.name, Shape::of(Kinds::INT));
                    }
                    walk.block(flow.body.statements());
                });
                Shape::ANY
            }
            Stmt::TryCatch(flow, _) => {
                // What fails in it is caught.
                self.silent += 1;
                self.around(&[flow.body.statements(), flow.branch.statements()], |walk| {
                    walk.block(flow.body.statements());
                });
                self.around(&[flow.branch.statements()], |walk| {
                    if let Expr::Variable(name, ..) = &flow.expr {
                        walk.env.push(&name.1, Shape::ANY);
                    }
                    walk.block(flow.branch.statements());
                });
                self.silent -= 1;
                Shape::ANY
            }
            Stmt::Share(names) => {
                names.iter().for_each(|(name, ..)| self.env.pin(&name.name));
                null
            }
            _ => Shape::ANY,
        }
    }

    /// Looks at what may run any number of times: of variables that the blocks change nothing is known, before and after.
    fn around(&mut self, blocks: &[&[Stmt]], look: impl FnOnce(&mut Self)) {
        let names = changed(blocks);
        for name in &names {
            if let Some(at) = self.env.find(name) {
                self.env.set(at, Shape::ANY);
            }
        }
        let before = self.env.clone();
        self.branches += 1;
        look(self);
        self.branches -= 1;
        // Closures made inside may go on changing what they took.
        let pinned: Vec<_> = (0..before.len()).filter_map(|at| self.env.var(at).filter(|var| var.pinned)).collect();
        let pinned: Vec<_> = pinned.into_iter().map(|var| var.name.clone()).collect();
        self.env = before;
        pinned.iter().for_each(|name| self.env.pin(name));
    }

    fn assignment(&mut self, op: &rhai::OpAssignment, target: &Expr, value: &Expr) {
        let value = self.expr(value);
        let (base, links) = chain::flatten(target);
        let Expr::Variable(parts, ..) = base else { return };
        let Some(var) = self.env.find(&parts.1) else { return };
        if !links.is_empty() {
            return self.env.set(var, Shape::ANY);
        }
        let shape = match op.get_op_assignment_info() {
            None => value.shape,
            Some((.., symbol)) => match Op::of(symbol) {
                Some(op) => {
                    let (range, whole) = self.extent(target);
                    let shape = self.env.var(var).map_or(Shape::ANY, |var| var.shape.clone());
                    self.binary(op, &Typed { shape, spot: None, range, whole }, &value)
                }
                None => Shape::ANY,
            },
        };
        self.env.set(var, shape);
    }

    fn switch(&mut self, value: &Expr, parts: &SwitchCasesCollection, at: rhai::Position) -> Shape {
        let cases = switch::cases(&self.shared.parser, self.source, parts, at);
        let value = self.expr(value);
        let start = self.env.clone();
        let mut rest = value.shape.clone();
        let (mut result, mut end): (Shape, Option<Env>) = (Shape::of(Kinds::NONE), None);
        self.branches += 1;
        let mut join = |walk: &mut Self, shape: Shape| {
            result = result.join(&shape);
            let env = std::mem::take(&mut walk.env);
            end = Some(match end.take() {
                Some(end) => end.join(&env),
                None => env,
            });
        };
        for (place, pair) in parts.expressions.iter().enumerate() {
            if Some(place) == parts.def_case {
                continue;
            }
            self.env = start.clone();
            let plain = matches!(pair.lhs, Expr::BoolConstant(true, _));
            if let Some(cases) = cases.as_ref().and_then(|cases| cases.get(place)) {
                let mut taken = Shape::of(Kinds::NONE);
                for (case, at) in cases {
                    let is = shape_of(case);
                    self.case(&value, &is, *at);
                    taken = taken.join(&is);
                    if plain && !matches!(case, Case::Int(_) | Case::Range(..) | Case::Bool(_)) {
                        rest = operators::unequal(&rest, &is);
                    }
                }
                if let Some(spot) = &value.spot {
                    let (now, _) = operators::equal(&value.shape, &taken);
                    self.env.narrow(spot, &now);
                }
            }
            if !plain {
                let (holds, _) = self.condition(&pair.lhs);
                self.env = holds;
            }
            let shape = self.shape(&pair.rhs);
            join(self, shape);
        }
        self.env = start;
        // With all that it can be taken, nothing is left.
        if cases.is_some() {
            match &value.spot {
                Some(spot) => self.env.narrow(spot, &rest),
                None => self.env.dead |= rest.kinds == Kinds::NONE,
            }
        }
        let default = parts.def_case.and_then(|place| parts.expressions.get(place));
        let shape = match default {
            Some(pair) => self.shape(&pair.rhs),
            None => Shape::of(Kinds::NULL),
        };
        let shape = if self.env.dead { Shape::of(Kinds::NONE) } else { shape };
        join(self, shape);
        self.branches -= 1;
        self.env = end.unwrap_or_default();
        result
    }

    /// Whether the value of a `switch` can ever be this.
    fn case(&mut self, value: &Typed, case: &Shape, at: rhai::Position) {
        let kinds = value.shape.kinds;
        let range = self.source.token(at);
        if kinds == Kinds::NONE || case.kinds == Kinds::NULL {
            return;
        }
        if !kinds.meets(case.kinds) {
            let message = format!("this case is never taken: {} is {}", self.name(value), words(kinds));
            return self.find(Sort::Never, &codes::NEVER_EQUAL, range, message, None);
        }
        self.unknown_symbol(value, case, range, "this case is never taken");
    }

    /// Tells of a text that is none of the symbols that a value can be.
    pub(super) fn unknown_symbol(
        &mut self,
        value: &Typed,
        text: &Shape,
        range: std::ops::Range<usize>,
        what: &str,
    ) -> bool {
        let (Some(symbols), Some([symbol])) = (&value.shape.symbols, text.symbols.as_deref()) else { return false };
        if symbols.contains(symbol) || !text.kinds.meets(Kinds::STRING) {
            return false;
        }
        let name = self.name(value);
        let message = format!("{what}: {name} is never {symbol:?}");
        let help = match did_you_mean(symbol, symbols.iter().map(|symbol| &**symbol)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                let shown: Vec<String> = symbols.iter().take(12).map(|symbol| format!("{symbol:?}")).collect();
                let more = if symbols.len() > shown.len() { ", ..." } else { "" };
                format!("it is one of {}{more}", shown.join(", "))
            }
        };
        self.find(Sort::Never, &codes::UNKNOWN_SYMBOL, range, message, Some(help));
        true
    }
}

/// What a value is that a case takes.
fn shape_of(case: &Case) -> Shape {
    match case {
        Case::Unit => Shape::of(Kinds::NULL),
        Case::Bool(_) => Shape::of(Kinds::BOOL),
        Case::Int(_) | Case::Range(..) => Shape::of(Kinds::INT),
        Case::Text(text) => Shape::symbols([text.as_str().into()]),
    }
}

/// The variables that are assigned to, or changed by a method, anywhere in these statements.
fn changed(blocks: &[&[Stmt]]) -> Vec<String> {
    let mut names = Vec::new();
    let mut stack = Vec::new();
    let mut base = |expr: &Expr| {
        if let (Expr::Variable(parts, ..), _) = chain::flatten(expr) {
            names.push(parts.1.to_string());
        }
    };
    for stmt in blocks.iter().flat_map(|block| block.iter()) {
        stmt.walk(&mut stack, &mut |path: &[rhai::ASTNode]| {
            match path.last() {
                Some(rhai::ASTNode::Stmt(Stmt::Assignment(parts))) => base(&parts.1.lhs),
                // Any chain with a call in it may change what it starts with.
                Some(rhai::ASTNode::Expr(expr @ (Expr::Dot(..) | Expr::Index(..)))) => base(expr),
                _ => {}
            }
            true
        });
    }
    names
}
