//! The compiled form of an expression: a tree whose nodes are evaluated a column at a time.

use std::sync::Arc;

use rhai::Position;

use crate::event::{Cell, Path, TextRef};

use super::json::{self, Number};
use super::library::Function;
use super::ops::Op;

/// One node. Positions are those that Rhai gives to the same failure.
#[derive(Clone, Debug)]
pub(crate) enum Ir {
    /// By index in [`Compiled::consts`].
    Const(usize),
    /// A path of the event, by index in [`Compiled::reads`]: escapes undone, numbers parsed.
    Read(usize),
    /// The same as it is written, for what only copies it.
    Raw(usize),
    /// The whole event.
    Whole,
    /// A field of `meta`.
    Meta(&'static str),
    /// A variable that the caller supplies.
    Arg(usize),
    /// A variable of the expression.
    Local(usize),
    /// Sets a variable; null.
    Set(usize, Box<Ir>),
    Unary(&'static str, Box<Ir>, Position),
    Binary(Op, Box<Ir>, Box<Ir>, Position),
    /// Each with the place to name when it is no bool.
    And(Vec<(Ir, Position)>),
    Or(Vec<(Ir, Position)>),
    Coalesce(Vec<Ir>),
    If(Box<If>),
    /// `value.a.b`, `value["a"]`: null where there is no such field.
    Field(Box<Ir>, Path),
    Index(Box<Index>),
    /// `value?.rest`: null where the value is, else the rest, which reads the value from a variable.
    Optional(Box<Optional>),
    InRange(Box<InRange>),
    /// The texts of values, one after another.
    Text(Vec<Ir>, Position),
    Array(Vec<Ir>, Position),
    /// Sorted by name, as Rhai's objects are.
    Object(Vec<(Arc<str>, Ir)>, Position),
    Call(Call),
    /// Statements; the value of the last.
    Block(Vec<Ir>),
    Switch(Box<Switch>),
    /// A function of the topology's files, in place; it catches `Return`.
    Inline(Box<Inline>),
    Return(Box<Ir>),
    Throw(Box<Ir>, Position),
}

#[derive(Clone, Debug)]
pub(crate) struct If {
    pub condition: Ir,
    pub at: Position,
    pub then: Ir,
    pub otherwise: Ir,
}

#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub target: Ir,
    pub index: Ir,
    /// Of the index.
    pub at: Position,
    /// Of the bracket.
    pub bracket: Position,
}

/// `value in from..to`.
#[derive(Clone, Debug)]
pub(crate) struct InRange {
    pub from: Ir,
    pub to: Ir,
    /// Whether `to` is in it.
    pub last: bool,
    pub value: Ir,
    /// Of the range.
    pub range_at: Position,
    pub at: Position,
}

#[derive(Clone, Debug)]
pub(crate) struct Optional {
    pub value: Ir,
    pub local: usize,
    pub rest: Ir,
}

#[derive(Clone)]
pub(crate) struct Call {
    pub function: &'static Function,
    pub args: Vec<Ir>,
    pub at: Position,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.function.name, self.args)
    }
}

/// `switch`: the arms in the order in which Rhai tries them.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    pub value: Ir,
    pub local: usize,
    pub arms: Vec<Arm>,
    pub otherwise: Ir,
}

#[derive(Clone, Debug)]
pub(crate) struct Arm {
    pub cases: Vec<Case>,
    pub condition: Option<(Ir, Position)>,
    pub body: Ir,
}

/// What an arm of a `switch` takes: a value of the same type and the same value, or an int of a range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Case {
    Unit,
    Bool(bool),
    Int(i64),
    Text(String),
    /// Numbers from the first up to the second, which is one of them if the flag is set.
    Range(i64, i64, bool),
}

#[derive(Clone, Debug)]
pub(crate) struct Inline {
    pub name: String,
    pub file: String,
    /// Of the call.
    pub at: Position,
    pub body: Ir,
}

/// A compiled expression.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compiled {
    pub root: Option<Ir>,
    pub fields: Option<Fields>,
    pub reads: Vec<Path>,
    pub locals: usize,
    pub consts: Vec<Cell>,
    /// What the cells of `consts` point into.
    pub text: String,
}

/// A result whose fields are known: statements first, then a value for each field.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub prelude: Vec<Ir>,
    pub names: Vec<Arc<str>>,
    pub values: Vec<Ir>,
}

impl Compiled {
    /// The index of a constant.
    pub(crate) fn constant(&mut self, cell: Cell) -> usize {
        let found = self.consts.iter().position(|have| *have == cell && !matches!(cell, Cell::Float(_)));
        found.unwrap_or_else(|| {
            self.consts.push(cell);
            self.consts.len() - 1
        })
    }

    /// Text for a constant, kept once.
    pub(crate) fn text(&mut self, text: &str) -> TextRef {
        let start = self.text.find(text).unwrap_or_else(|| {
            self.text.push_str(text);
            self.text.len() - text.len()
        });
        TextRef { text: 0, start: start as u32, len: text.len() as u32 }
    }

    /// The constant of a JSON value (a part of `params`).
    pub(crate) fn json(&mut self, value: &serde_json::Value) -> Cell {
        match value {
            serde_json::Value::Null => Cell::Null,
            serde_json::Value::Bool(bool) => Cell::Bool(*bool),
            serde_json::Value::Number(number) => {
                let text = number.to_string();
                match json::number(&text) {
                    Number::Int(int) => Cell::Int(int),
                    Number::Float(float) => Cell::Float(float),
                    Number::Big => Cell::Number(self.text(&text)),
                }
            }
            serde_json::Value::String(text) => Cell::Str(self.text(text)),
            composite => Cell::Json(self.text(&composite.to_string())),
        }
    }

    /// The index of a path that is read.
    pub(crate) fn read(&mut self, path: Path) -> usize {
        self.reads.iter().position(|have| *have == path).unwrap_or_else(|| {
            self.reads.push(path);
            self.reads.len() - 1
        })
    }
}

impl Ir {
    /// Whether it can neither fail nor change a variable, whatever it is given.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Ir::Const(_) | Ir::Read(_) | Ir::Raw(_) | Ir::Whole | Ir::Meta(_) | Ir::Arg(_) | Ir::Local(_))
    }
}
