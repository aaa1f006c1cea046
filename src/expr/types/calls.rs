//! Calls: operators, functions of the library by its table, functions of the topology's files by their bodies.

use rhai::{FnCallExpr, Position};

use crate::diagnostic::codes;
use crate::expr::context::{Shared, UserFunction};
use crate::expr::library;
use crate::expr::ops::{Op, article};
use crate::limits::EXPR_INLINE_DEPTH_MAX;
use crate::schema::{Kinds, Shape};

use super::env::{Env, Spot};
use super::walk::{Typed, Walk, is_range};
use super::{Sort, constant, kinds, words};

/// Methods of arrays and objects that change what they are called on.
const CHANGE: &[&str] = &["push", "pop", "shift", "insert", "remove", "append", "clear", "set"];

impl<'a> Walk<'a> {
    /// A call that is no method.
    pub(super) fn call(&mut self, call: &FnCallExpr, at: Position) -> Shape {
        let name = call.name.as_str();
        if call.is_operator_call() && name != "contains" {
            return self.operator(call, at);
        }
        match &call.args[..] {
            [range, value] if name == "contains" && is_range(range) => {
                [range, value].into_iter().for_each(|arg| drop(self.expr(arg)));
                return Shape::of(Kinds::BOOL);
            }
            [_] | [_, _] if self.is_asking(call) => {
                let (holds, fails) = self.call_condition(call, at);
                self.env = holds.join(&fails);
                return Shape::of(Kinds::BOOL);
            }
            _ => {}
        }
        let args: Vec<Typed> = call.args.iter().map(|arg| self.expr(arg)).collect();
        match self.user_function(name, args.len()) {
            Some(function) => self.user_call(name, function, &args, at),
            None => self.library_call(name, &args),
        }
    }

    /// Whether it is a call that tells something of what it is given.
    pub(super) fn is_asking(&self, call: &FnCallExpr) -> bool {
        let known = matches!((call.name.as_str(), call.args.len()), ("contains", 2) | ("is_null", 1));
        known && self.user_function(&call.name, call.args.len()).is_none()
    }

    /// A method, its receiver first among the arguments.
    pub(super) fn method(&mut self, receiver: Typed, call: &FnCallExpr) -> Shape {
        let name = call.name.as_str();
        let mut args = vec![receiver];
        args.extend(call.args.iter().map(|arg| self.expr(arg)));
        if self.user_function(name, call.args.len()).is_some() {
            // Its receiver is `this`, of which nothing is known; nor of what it becomes.
            self.forget(&args[0].spot);
            return Shape::ANY;
        }
        if CHANGE.contains(&name) && library::find(name).is_none() {
            self.forget(&args[0].spot);
            return Shape::ANY;
        }
        self.library_call(name, &args)
    }

    fn forget(&mut self, spot: &Option<Spot>) {
        if let Some(spot) = spot
            && Some(spot.var) != self.event
        {
            self.env.set(spot.var, Shape::ANY);
        }
    }

    fn operator(&mut self, call: &FnCallExpr, at: Position) -> Shape {
        let name = call.name.as_str();
        match &call.args[..] {
            [a, b] if matches!(name, "==" | "!=") => {
                let (same, other) = self.equality(a, b, name == "==");
                self.env = same.join(&other);
                Shape::of(Kinds::BOOL)
            }
            [a, b] => {
                let (a, b) = (self.expr(a), self.expr(b));
                match Op::of(name) {
                    Some(op) => self.binary(op, &a, &b),
                    None => Shape::ANY,
                }
            }
            [_] if name == "!" => {
                let (holds, fails) = self.call_condition(call, at);
                self.env = holds.join(&fails);
                Shape::of(Kinds::BOOL)
            }
            [value] if matches!(name, "-" | "+") => {
                let value = self.expr(value);
                self.unary(name, &value)
            }
            args => {
                args.iter().for_each(|arg| drop(self.expr(arg)));
                Shape::ANY
            }
        }
    }

    /// A function of the topology's files.
    pub(super) fn user_function(&self, name: &str, args: usize) -> Option<&'a UserFunction> {
        let shared: &'a Shared = self.shared;
        shared.functions.get(&(name.to_owned(), args))
    }

    /// Walks the function's body with these arguments.
    fn user_call(&mut self, name: &str, function: &'a UserFunction, args: &[Typed], at: Position) -> Shape {
        let key = (name.to_owned(), args.len());
        if self.calls.len() >= EXPR_INLINE_DEPTH_MAX || self.calls.contains(&key) {
            return Shape::ANY;
        }
        let mut env = Env::default();
        env.dead = self.env.dead;
        env.push("params", constant(&serde_json::Value::Object(self.shared.params.clone())));
        for (param, arg) in function.params.iter().zip(args) {
            env.push(param, arg.shape.clone());
        }
        let outermost = self.called_at.is_none();
        if outermost {
            self.called_at = Some(self.source.token(at));
        }
        let caller = (std::mem::replace(&mut self.env, env), self.source, self.event.take());
        self.source = &function.file.1;
        self.calls.push(key);
        let shape = self.body(&function.body);
        self.calls.pop();
        (self.env, self.source, self.event) = caller;
        if outermost {
            self.called_at = None;
        }
        shape
    }

    /// A function of the library: what it takes and gives is in its table.
    pub(super) fn library_call(&mut self, name: &str, args: &[Typed]) -> Shape {
        let more = || self.more.iter().find(|function| function.name == name);
        let Some(function) = library::find(name).or_else(more) else { return closures(name, args) };
        let (least, most) = function.arity();
        if !(least..=most).contains(&args.len()) {
            return closures(name, args);
        }
        for (param, arg) in function.params.iter().zip(args) {
            let (takes, given) = (kinds(param.types), arg.shape.kinds);
            let fine = given.common(takes);
            if given == Kinds::NONE {
                return Shape::of(Kinds::NONE);
            }
            let range = arg.range.clone();
            if fine == Kinds::NONE {
                let (types, given) = (article(&param.types.to_string()), words(given));
                let message = format!("`{name}` takes {types} as `{}`, not {given}", param.name);
                self.find(Sort::Fails, &codes::EXPR_BAD_ARGUMENT, range, message, None);
                return Shape::ANY;
            }
            if given.is_surely_nullable() && !takes.meets(Kinds::NULL) {
                match &arg.spot {
                    Some(_) if arg.whole => self.nullable(arg, &format!("`{name}`")),
                    _ => {
                        let message = format!("`{name}` does not take null as `{}`, and this may be null", param.name);
                        let help = "say what null counts as: `(... ?? ...)`".to_owned();
                        self.find(Sort::Null, &codes::NULLABLE, range, message, Some(help));
                    }
                }
            }
            if let Some(spot) = &arg.spot {
                self.env.narrow(spot, &arg.shape.only(fine));
            }
        }
        let shapes: Vec<Shape> = args.iter().map(|arg| arg.shape.clone()).collect();
        function.result(&shapes)
    }
}

/// What the methods give that take a function.
fn closures(name: &str, args: &[Typed]) -> Shape {
    let array = args.first().is_some_and(|value| value.shape.kinds == Kinds::ARRAY);
    match name {
        "filter" | "sort_by" if array => args[0].shape.clone(),
        "map" if array => Shape::of(Kinds::ARRAY),
        "some" | "all" if array => Shape::of(Kinds::BOOL),
        "type_of" => Shape::of(Kinds::STRING),
        _ => Shape::ANY,
    }
}
