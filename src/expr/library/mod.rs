//! The functions of the expression language: one table, from which the compiler, the Rhai engine and the reference are made.

mod arrays;
mod collections;
mod convert;
mod defaults;
mod elsewhere;
mod encode;
mod hash;
mod json;
mod maps;
mod math;
pub mod random;
#[cfg(test)]
mod properties;
mod reference;
mod regex;
mod shapes;
mod strings;
mod time;
mod walk;

use crate::schema::Shape;

use super::codes;
use super::types::kinds;
use super::value::{Call, Fail, Returned, Types, Value};

pub use elsewhere::hint;
pub use reference::reference;
pub use time::duration_ms;

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
    pub check: Option<Check>,
    /// What more is known of the result than its kinds, when the arguments are of these shapes.
    pub shape: Option<fn(&[Shape]) -> Shape>,
}

/// A check of a call's arguments, of which only the constant ones are known.
pub type Check = fn(&[Option<Value<'_>>]) -> Result<(), Fail>;

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

/// The most parameters that a function has.
pub(crate) const ARGS_MAX: usize = 8;

/// How a function is implemented. It must be a pure function of its arguments: a replay must give the same.
#[derive(Clone, Copy)]
pub enum Run {
    /// On borrowed values; arrays and objects come as their JSON text.
    Scalar(for<'a> fn(&[Value<'a>], &mut Call) -> Result<Returned<'a>, Fail>),
    /// On Rhai values, for functions that build or take apart arrays and objects. Slower: values are made for each event.
    Dynamic(fn(&mut [rhai::Dynamic], &mut Call) -> Result<rhai::Dynamic, Fail>),
}

/// The functions by theme, in the order of the reference.
const THEMES: [(&str, &[Function]); 12] = [
    ("Strings", strings::FUNCTIONS),
    ("Regular expressions", regex::FUNCTIONS),
    ("Strings, arrays and objects alike", collections::FUNCTIONS),
    ("Arrays", arrays::FUNCTIONS),
    ("Objects", maps::FUNCTIONS),
    ("Null and missing values", defaults::FUNCTIONS),
    ("Numbers", math::FUNCTIONS),
    ("Conversions", convert::FUNCTIONS),
    ("Times and durations", time::FUNCTIONS),
    ("Hashes and names", hash::FUNCTIONS),
    ("JSON", json::FUNCTIONS),
    ("Other encodings", encode::FUNCTIONS),
];

/// The themes and their functions, in the order of the reference.
pub(crate) fn themes() -> impl Iterator<Item = (&'static str, &'static [Function])> {
    THEMES.into_iter()
}

/// Every function, by theme.
pub fn all() -> impl Iterator<Item = &'static Function> {
    THEMES.iter().flat_map(|(_, functions)| *functions)
}

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

impl Function {
    const fn new(
        name: &'static str,
        params: &'static [Param],
        returns: Types,
        doc: &'static str,
        example: (&'static str, &'static str),
        run: Run,
    ) -> Function {
        Function { name, params, returns, doc, example, run, check: None, shape: None }
    }

    /// With a check of constant arguments.
    const fn checked(self, check: Check) -> Function {
        Function { check: Some(check), ..self }
    }

    /// With more to be known of its result.
    const fn shaped(self, shape: fn(&[Shape]) -> Shape) -> Function {
        Function { shape: Some(shape), ..self }
    }

    /// What it gives for arguments of these shapes.
    pub fn result(&self, args: &[Shape]) -> Shape {
        match self.shape {
            Some(shape) => shape(args),
            None => Shape::of(kinds(self.returns)),
        }
    }

    /// What `run` or `check` refused, under the function's name. Whoever calls these says it so.
    pub fn named(&self, fail: Fail) -> Fail {
        Fail { message: format!("`{}`: {}", self.name, fail.message), ..fail }
    }

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

#[cfg(test)]
mod testing {
    use super::*;
    use std::sync::Arc;

    /// What a function gives for these arguments, as JSON.
    pub fn run(name: &str, args: &[Value<'_>]) -> Result<String, Fail> {
        let function = find(name).unwrap_or_else(|| panic!("no function {name}"));
        let (least, most) = function.arity();
        assert!((least..=most).contains(&args.len()), "{} takes other arguments", function.signature());
        for (param, arg) in function.params.iter().zip(args) {
            assert!(param.types.has(arg.kind()), "{}: {} is {}", function.signature(), param.name, arg.kind());
        }
        let Run::Scalar(run) = function.run else { panic!("{name} is not scalar") };
        let mut call = Call::new(Arc::default());
        let mut out = String::new();
        match run(args, &mut call)? {
            Returned::Value(value) => walk::push_value(&mut out, &value)?,
            Returned::Text => walk::push_str(&mut out, &call.text),
            Returned::Json => out.push_str(&call.text),
        }
        let checked = crate::event::json::check_value(out.as_bytes(), crate::limits::JSON_DEPTH_MAX);
        assert!(checked.is_ok(), "{name} made broken JSON: {out}");
        Ok(out)
    }

    #[test]
    fn examples_hold_as_expressions() {
        use crate::expr::testing::eval;
        for function in all() {
            let (expression, result) = function.example;
            assert_eq!(eval(expression, "{}"), eval(result, "{}"), "{expression}");
        }
    }

    #[track_caller]
    pub fn gives(name: &str, args: &[Value<'_>], json: &str) {
        assert_eq!(run(name, args).as_deref(), Ok(json), "{name}({args:?})");
    }

    #[track_caller]
    pub fn fails(name: &str, args: &[Value<'_>], code: &str) {
        let fail = run(name, args).expect_err(name);
        assert_eq!(fail.code, code, "{name}: {}", fail.message);
        assert!(fail.message.len() < 2000, "{name}: a long message");
    }
}
