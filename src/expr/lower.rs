//! Rhai's tree to our own, or why not.

use std::sync::Arc;

use rhai::{ASTFlags, Expr, FnCallExpr, Position, Stmt};

use crate::event::Cell;
use crate::limits::{EXPR_INLINE_DEPTH_MAX, EXPR_NODES_MAX};

use super::context::Shared;
use super::ir::{Call, Compiled, Fields, If, InRange, Inline, Ir};
use super::library;
use super::ops::{self, Op};
use super::problem::Source;
use super::switch;
use super::value::Value;

/// Why something cannot be compiled, and where.
pub(crate) type Refusal = (Position, &'static str);

/// Compiles the statements of an expression. `scope` are the variables that the caller supplies.
pub(crate) fn lower(
    shared: &Shared,
    source: &Source,
    stmts: &[Stmt],
    scope: &[String],
    object: bool,
) -> Result<Compiled, Refusal> {
    let mut lower = Lower {
        shared,
        source,
        // The first variables are the caller's, for those that the expression assigns to.
        compiled: Compiled { locals: scope.len(), ..Compiled::default() },
        taken: Vec::new(),
        variables: Vec::new(),
        scope,
        calls: Vec::new(),
        assigned: Vec::new(),
        nodes: 0,
        returns: false,
        chars: false,
        switches: None,
    };
    let mut root = lower.block(stmts)?;
    if !lower.taken.is_empty() {
        let taken = lower.taken.iter().map(|arg| Ir::Set(*arg, Box::new(Ir::Arg(*arg))));
        root = Ir::Block(taken.chain([root]).collect());
    }
    if let (true, Some(at)) = (lower.chars, lower.switches) {
        return Err((at, "a `switch` where there are characters is interpreted"));
    }
    if object && !lower.returns {
        lower.compiled.fields = known_fields(&root);
    }
    lower.compiled.root = Some(root);
    Ok(lower.compiled)
}

/// The fields of a block that ends in an object literal.
fn known_fields(root: &Ir) -> Option<Fields> {
    match root {
        Ir::Object(fields, _) => {
            let (names, values) = fields.iter().cloned().unzip();
            Some(Fields { prelude: Vec::new(), names, values })
        }
        Ir::Block(stmts) => {
            let (last, before) = stmts.split_last()?;
            let mut fields = known_fields(last)?;
            fields.prelude.splice(0..0, before.iter().cloned());
            Some(fields)
        }
        _ => None,
    }
}

pub(super) struct Lower<'a> {
    pub(super) shared: &'a Shared,
    /// The text that positions are of; that of a function's file while one is put in place.
    pub(super) source: &'a Source,
    pub(super) compiled: Compiled,
    /// Names and their places, the innermost last.
    variables: Vec<(String, usize)>,
    pub(super) scope: &'a [String],
    /// Those of `scope` that the expression assigns to: from then on each is a variable of its own, by the same number.
    pub(super) taken: Vec<usize>,
    /// The functions being put in place, to find the one that calls itself.
    pub(super) calls: Vec<(String, usize)>,
    /// Variables that were assigned to, in order.
    assigned: Vec<usize>,
    nodes: usize,
    returns: bool,
    /// Whether a value may be a character, which a `switch` tells from a string.
    pub(super) chars: bool,
    pub(super) switches: Option<Position>,
}

impl<'a> Lower<'a> {
    /// For its tokens.
    pub(super) fn parser(&self) -> &'a rhai::Engine {
        &self.shared.parser
    }

    fn unit(&mut self) -> Ir {
        Ir::Const(self.compiled.constant(Cell::Null))
    }

    pub(super) fn new_local(&mut self) -> usize {
        self.compiled.locals += 1;
        self.compiled.locals - 1
    }

    fn count(&mut self, at: Position) -> Result<(), Refusal> {
        self.nodes += 1;
        if self.nodes > EXPR_NODES_MAX { Err((at, "with its functions put in place it is too large")) } else { Ok(()) }
    }

    /// A block: its variables end with it.
    pub(super) fn block(&mut self, stmts: &[Stmt]) -> Result<Ir, Refusal> {
        let outer = self.variables.len();
        let mut lowered = stmts.iter().map(|stmt| self.stmt(stmt)).collect::<Result<Vec<Ir>, Refusal>>()?;
        self.variables.truncate(outer);
        Ok(match lowered.len() {
            0 => self.unit(),
            1 => lowered.remove(0),
            _ => Ir::Block(lowered),
        })
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<Ir, Refusal> {
        self.count(stmt.position())?;
        match stmt {
            Stmt::Noop(_) => Ok(self.unit()),
            Stmt::Expr(expr) => self.expr(expr),
            Stmt::FnCall(call, at) => self.call(call, *at),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::Var(parts, ..) => {
                let value = self.expr(&parts.1)?;
                let local = self.new_local();
                self.variables.push((parts.0.name.to_string(), local));
                Ok(Ir::Set(local, Box::new(value)))
            }
            Stmt::Assignment(parts) => self.assignment(&parts.0, &parts.1.lhs, &parts.1.rhs),
            Stmt::If(flow, _) => {
                let condition = self.expr(&flow.expr)?;
                let then = self.block(flow.body.statements())?;
                let otherwise = self.block(flow.branch.statements())?;
                Ok(Ir::If(Box::new(If { condition, at: flow.expr.position(), then, otherwise })))
            }
            Stmt::Switch(parts, at) => switch::lower(self, &parts.0, &parts.1, *at),
            Stmt::Return(value, flags, at) => {
                let value = match value {
                    Some(value) => self.expr(value)?,
                    None => self.unit(),
                };
                if flags.intersects(ASTFlags::BREAK) {
                    return Ok(Ir::Throw(Box::new(value), *at));
                }
                self.returns |= self.calls.is_empty();
                Ok(Ir::Return(Box::new(value)))
            }
            Stmt::While(_, at) | Stmt::Do(_, _, at) | Stmt::For(_, at) => Err((*at, "loops are interpreted")),
            Stmt::TryCatch(_, at) => Err((*at, "`try` is interpreted")),
            Stmt::Share(_) => Err((stmt.position(), "closures are interpreted")),
            other => Err((other.position(), "this statement is interpreted")),
        }
    }

    fn assignment(&mut self, op: &rhai::OpAssignment, target: &Expr, value: &Expr) -> Result<Ir, Refusal> {
        let Expr::Variable(name, _, at) = target else {
            return Err((target.start_position(), "changing a part of a value is interpreted"));
        };
        let local = match (self.variable(&name.1), self.argument(&name.1)) {
            (Some(local), _) => local,
            (None, Some(arg)) => {
                if !self.taken.contains(&arg) {
                    self.taken.push(arg);
                }
                arg
            }
            (None, None) => return Err((*at, "this variable is interpreted")),
        };
        let value = self.expr(value)?;
        let value = match op.get_op_assignment_info() {
            None => value,
            Some((.., symbol)) => {
                let op_of = Op::of(symbol).ok_or((op.position(), "this operator is interpreted"))?;
                Ir::Binary(op_of, Box::new(Ir::Local(local)), Box::new(value), op.position())
            }
        };
        self.assigned.push(local);
        Ok(Ir::Set(local, Box::new(value)))
    }

    pub(super) fn variable(&self, name: &str) -> Option<usize> {
        self.variables.iter().rev().find(|(have, _)| have == name).map(|(_, local)| *local)
    }

    /// A variable that the caller supplies.
    pub(super) fn argument(&self, name: &str) -> Option<usize> {
        self.scope.iter().position(|have| have == name).filter(|_| self.calls.is_empty())
    }

    /// An operand of something with several: it must not assign to a variable that another one may read.
    pub(super) fn operand(&mut self, expr: &Expr) -> Result<Ir, Refusal> {
        let (before, locals) = (self.assigned.len(), self.compiled.locals);
        let value = self.expr(expr)?;
        if self.assigned[before..].iter().any(|local| *local < locals) {
            return Err((expr.start_position(), "an assignment inside an expression is interpreted"));
        }
        Ok(value)
    }

    fn operands(&mut self, exprs: &[Expr]) -> Result<Vec<Ir>, Refusal> {
        exprs.iter().map(|expr| self.operand(expr)).collect()
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Ir, Refusal> {
        self.count(expr.start_position())?;
        match expr {
            Expr::BoolConstant(bool, _) => Ok(Ir::Const(self.compiled.constant(Cell::Bool(*bool)))),
            Expr::IntegerConstant(int, _) => Ok(Ir::Const(self.compiled.constant(Cell::Int(*int)))),
            Expr::FloatConstant(float, _) => Ok(Ir::Const(self.compiled.constant(Cell::Float(**float)))),
            Expr::StringConstant(text, _) => Ok(self.text(text)),
            Expr::CharConstant(char, _) => {
                self.chars = true;
                Ok(self.text(char.encode_utf8(&mut [0; 4])))
            }
            Expr::Unit(_) => Ok(self.unit()),
            Expr::InterpolatedString(parts, at) => {
                let parts = parts.iter().map(|part| self.item(part)).collect::<Result<_, _>>()?;
                Ok(Ir::Text(parts, *at))
            }
            Expr::Array(items, at) => {
                let items = items.iter().map(|item| self.item(item)).collect::<Result<_, _>>()?;
                Ok(Ir::Array(items, *at))
            }
            Expr::Map(parts, at) => {
                let mut fields: Vec<(Arc<str>, Ir)> = Vec::with_capacity(parts.0.len());
                let mut plain = true;
                for (name, value) in &parts.0 {
                    let value = self.item(value)?;
                    plain &= value.is_plain();
                    fields.push((name.name.as_str().into(), value));
                }
                // Sorting changes which of two failures comes first, so the values are computed in written order.
                let mut stmts = Vec::new();
                if !plain && !fields.is_sorted_by(|a, b| a.0 <= b.0) {
                    for (_, value) in fields.iter_mut().filter(|(_, value)| !value.is_plain()) {
                        let local = self.new_local();
                        stmts.push(Ir::Set(local, Box::new(std::mem::replace(value, Ir::Local(local)))));
                    }
                }
                fields.sort_by(|a, b| a.0.cmp(&b.0));
                stmts.push(Ir::Object(fields, *at));
                Ok(if stmts.len() == 1 { stmts.remove(0) } else { Ir::Block(stmts) })
            }
            Expr::Variable(..) | Expr::Dot(..) | Expr::Index(..) => self.chain(expr),
            Expr::Stmt(block) => self.block(block.statements()),
            Expr::FnCall(call, at) => self.call(call, *at),
            Expr::And(parts, _) => Ok(Ir::And(self.conditions(parts)?)),
            Expr::Or(parts, _) => Ok(Ir::Or(self.conditions(parts)?)),
            Expr::Coalesce(parts, _) => Ok(Ir::Coalesce(self.operands(parts)?)),
            Expr::ThisPtr(at) => Err((*at, "`this` is interpreted")),
            Expr::DynamicConstant(_, at) => Err((*at, "closures are interpreted")),
            other => Err((other.start_position(), "this expression is interpreted")),
        }
    }

    pub(super) fn text(&mut self, text: &str) -> Ir {
        let at = self.compiled.text(text);
        Ir::Const(self.compiled.constant(Cell::Str(at)))
    }

    /// An item of a literal or a part of a text: a bare read is copied as it is written.
    fn item(&mut self, expr: &Expr) -> Result<Ir, Refusal> {
        Ok(match self.operand(expr)? {
            Ir::Read(read) => Ir::Raw(read),
            other => other,
        })
    }

    fn conditions(&mut self, parts: &[Expr]) -> Result<Vec<(Ir, Position)>, Refusal> {
        parts.iter().map(|part| Ok((self.operand(part)?, part.position()))).collect()
    }

    /// A call of a function, or an operator.
    fn call(&mut self, call: &FnCallExpr, at: Position) -> Result<Ir, Refusal> {
        let name = call.name.as_str();
        // `!in` is a call of `contains` that Rhai counts among the operators.
        if call.is_operator_call() && name != "contains" {
            return self.operator(name, &call.args, at);
        }
        if self.shared.functions.contains_key(&(name.to_owned(), call.args.len())) {
            return self.inline(name, &call.args, at);
        }
        if let ("contains", [Expr::FnCall(range, range_at), value]) = (name, &call.args[..])
            && let (".." | "..=", [from, to]) = (range.name.as_str(), &range.args[..])
        {
            let (from, to) = (self.operand(from)?, self.operand(to)?);
            let (value, last) = (self.operand(value)?, range.name == "..=");
            return Ok(Ir::InRange(Box::new(InRange { from, to, last, value, range_at: *range_at, at })));
        }
        let args = self.operands(&call.args)?;
        self.native(name, args, at)
    }

    pub(super) fn native(&mut self, name: &str, args: Vec<Ir>, at: Position) -> Result<Ir, Refusal> {
        let function = library::find(name).ok_or((at, "this function is interpreted"))?;
        let (least, most) = function.arity();
        if !(least..=most).contains(&args.len()) {
            return Err((at, "this function is interpreted"));
        }
        Ok(Ir::Call(Call { function, args, at }))
    }

    fn operator(&mut self, symbol: &str, args: &[Expr], at: Position) -> Result<Ir, Refusal> {
        let mut operands = self.operands(args)?;
        match (symbol, operands.pop(), operands.pop()) {
            (symbol, Some(b), Some(a)) => {
                let op = Op::of(symbol).ok_or((at, "this operator is interpreted"))?;
                Ok(self.folded(op, &a, &b).unwrap_or_else(|| Ir::Binary(op, Box::new(a), Box::new(b), at)))
            }
            ("-", Some(value), None) => Ok(Ir::Unary("-", Box::new(value), at)),
            ("+", Some(value), None) => Ok(Ir::Unary("+", Box::new(value), at)),
            ("!", Some(value), None) => Ok(Ir::Unary("!", Box::new(value), at)),
            _ => Err((at, "this operator is interpreted")),
        }
    }

    /// The result of an operator on two number constants, where it is one.
    fn folded(&mut self, op: Op, a: &Ir, b: &Ir) -> Option<Ir> {
        let (Ir::Const(a), Ir::Const(b)) = (a, b) else { return None };
        let result = match (self.compiled.consts.get(*a)?, self.compiled.consts.get(*b)?) {
            (Cell::Int(a), Cell::Int(b)) => ops::ints(op, *a, *b),
            (Cell::Float(a), Cell::Float(b)) => ops::floats(op, *a, *b),
            (Cell::Int(a), Cell::Float(b)) => ops::floats(op, *a as f64, *b),
            (Cell::Float(a), Cell::Int(b)) => ops::floats(op, *a, *b as f64),
            _ => return None,
        };
        let cell = match result.ok()? {
            Value::Bool(bool) => Cell::Bool(bool),
            Value::Int(int) => Cell::Int(int),
            Value::Float(float) => Cell::Float(float),
            _ => return None,
        };
        Some(Ir::Const(self.compiled.constant(cell)))
    }

    /// A function of the topology's files, its parameters as variables.
    fn inline(&mut self, name: &str, args: &[Expr], at: Position) -> Result<Ir, Refusal> {
        let key = (name.to_owned(), args.len());
        if self.calls.len() >= EXPR_INLINE_DEPTH_MAX {
            return Err((at, "functions that call functions this deep are interpreted"));
        }
        if self.calls.contains(&key) {
            return Err((at, "a function that calls itself is interpreted"));
        }
        let shared = self.shared;
        let Some(function) = shared.functions.get(&key) else {
            return Err((at, "this function is interpreted"));
        };
        let mut stmts = Vec::with_capacity(args.len() + 1);
        let mut params = Vec::with_capacity(args.len());
        for (param, arg) in function.params.iter().zip(args) {
            let value = self.operand(arg)?;
            let local = self.new_local();
            params.push((param.clone(), local));
            stmts.push(Ir::Set(local, Box::new(value)));
        }
        let caller = (std::mem::replace(&mut self.variables, params), self.source);
        self.source = &function.file.1;
        self.calls.push(key);
        let body = self.block(&function.body);
        self.calls.pop();
        (self.variables, self.source) = caller;
        // A refusal inside a function is told at its call.
        let body = body.map_err(|(_, why)| (at, why))?;
        let file = function.file.0.clone();
        stmts.push(Ir::Inline(Box::new(Inline { name: name.to_owned(), file, at, body })));
        Ok(Ir::Block(stmts))
    }
}
