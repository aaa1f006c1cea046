//! The functions of the expression language: one table, from which the compiler, the Rhai engine and the reference are made.

mod math;
mod strings;

use super::value::{Call, Fail, Returned, Types, Value};

/// One function. `run` has the only implementation; compiled programs and interpreted Rhai both call it, after the number
/// and the kinds of the arguments were checked against `params`.
pub struct Function {
    pub name: &'static str,
    /// Optional ones come last.
    pub params: &'static [Param],
    pub returns: Types,
    /// One or two sentences in Markdown.
    pub doc: &'static str,
    /// An expression and what it gives, both as they are written. A test runs it in both engines.
    pub example: (&'static str, &'static str),
    pub run: Run,
    /// Checks arguments that are constants when the topology is checked (a regex, a format); `None` is one that is not.
    pub check: Option<fn(&[Option<Value<'_>>]) -> Result<(), Fail>>,
}

/// A parameter. A kind of argument that `types` does not name is that event's error.
pub struct Param {
    pub name: &'static str,
    pub types: Types,
    pub optional: bool,
}

impl Param {
    pub const fn new(name: &'static str, types: Types) -> Param {
        Param { name, types, optional: false }
    }

    /// May be left out; then the slice of arguments is shorter.
    pub const fn optional(name: &'static str, types: Types) -> Param {
        Param { name, types, optional: true }
    }
}

/// How a function is implemented. It must be a pure function of its arguments: a replay must give the same.
#[derive(Clone, Copy)]
pub enum Run {
    /// On borrowed values; arrays and objects come as their JSON text.
    Scalar(for<'a> fn(&[Value<'a>], &mut Call) -> Result<Returned<'a>, Fail>),
    /// On Rhai values, for functions that build or take apart arrays and objects. Slower: values are made for each event.
    Dynamic(fn(&mut [rhai::Dynamic], &mut Call) -> Result<rhai::Dynamic, Fail>),
}

/// Every function, by module.
pub fn all() -> impl Iterator<Item = &'static Function> {
    [strings::FUNCTIONS, math::FUNCTIONS].into_iter().flatten()
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

impl Function {
    /// The fewest and the most arguments.
    pub fn arity(&self) -> (usize, usize) {
        (self.params.iter().filter(|param| !param.optional).count(), self.params.len())
    }

    /// `to_upper(text: string)`, for messages and the reference.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self
            .params
            .iter()
            .map(|param| format!("{}{}: {}", param.name, if param.optional { "?" } else { "" }, param.types))
            .collect();
        format!("{}({})", self.name, params.join(", "))
    }
}
