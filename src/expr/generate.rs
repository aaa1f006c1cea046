//! An expression that makes events out of nothing: no batch, but its number and time, and the functions of `library::random`.

use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Dynamic, Engine, Module, Scope};

use super::call;
use super::codes;
use super::compile::{Inner, Want};
use super::context::Context;
use super::engine;
use super::interpret;
use super::json;
use super::library::random;
use super::ops;
use super::problem::Problem;
use super::random::Random;
use super::types;
use super::value::{Call, Fail};
use crate::diagnostic::codes::EXPR_UNKNOWN_VARIABLE;
use crate::schema::{Kinds, Shape};

/// The names that the expression sees beside `params`: the event's number from 0, and its time in milliseconds.
pub const VARIABLES: [&str; 2] = ["i", "time"];

/// A checked expression that makes events. Cloning it shares everything.
#[derive(Clone)]
pub struct GeneratorExpr {
    inner: Arc<Inner>,
}

/// The expression at work, with an engine of its own.
pub struct Generator {
    inner: Arc<Inner>,
    engine: Engine,
    scope: Scope<'static>,
    /// What the random functions work with.
    call: Arc<Mutex<Call>>,
}

impl GeneratorExpr {
    /// What its events are.
    pub fn shape(&self) -> Shape {
        let locals = [Shape::of(Kinds::INT), Shape::of(Kinds::INT)];
        let scope = types::Scope { event: &Shape::ANY, of: "", locals: &locals };
        self.inner.infer(&scope, random::FUNCTIONS).shape
    }
}

impl Context {
    /// Checks an expression that makes events.
    pub fn compile_generator(&self, text: &str) -> Result<GeneratorExpr, Vec<Problem>> {
        let inner = self.check_with(text, Want::Object, &VARIABLES, random::FUNCTIONS)?;
        for (name, is_read) in [("event", !inner.reads.event.paths.is_empty()), ("meta", !inner.reads.meta.is_empty())]
        {
            if is_read {
                let start = text.find(name).unwrap_or(0);
                return Err(vec![Problem {
                    code: &EXPR_UNKNOWN_VARIABLE,
                    range: start..start + name.len(),
                    message: format!("there is no `{name}` yet: the expression makes it"),
                    help: Some("it sees `i`, the event's number, `time`, and `params`".to_owned()),
                }]);
            }
        }
        Ok(GeneratorExpr { inner: Arc::new(inner) })
    }
}

impl GeneratorExpr {
    /// Starts it; another seed makes other events.
    pub fn start(&self, seed: u64) -> Generator {
        let shared = &self.inner.context.shared;
        let mut call = Call::new(shared.limits.clone());
        call.random = Random::new(seed);
        let call = Arc::new(Mutex::new(call));
        let mut module = Module::new();
        for function in random::FUNCTIONS {
            let (least, most) = function.arity();
            for args in least..=most {
                let call = call.clone();
                engine::raw(&mut module, function.name, args, move |_, args| {
                    let mut call = call.lock().unwrap_or_else(PoisonError::into_inner);
                    Ok(call::run_dynamic(function, args, &mut call)?)
                });
            }
        }
        let mut engine = engine::engine(&shared.limits, &shared.params_value);
        engine.register_global_module(module.into());
        Generator { inner: self.inner.clone(), engine, scope: Scope::new(), call }
    }
}

impl Generator {
    /// Appends event `i` as JSON. `Err`: why not, and the byte of the expression where it happened; `out` is as it was.
    pub fn event(&mut self, i: u64, time: i64, out: &mut String) -> Result<(), (Fail, usize)> {
        self.call.lock().unwrap_or_else(PoisonError::into_inner).random.start(i);
        self.scope.clear();
        self.scope.push_constant(VARIABLES[0], i as i64);
        self.scope.push_constant(VARIABLES[1], time);
        let result = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &self.inner.ast);
        let value = result.map_err(|error| interpret::failure(&self.inner, *error))?;
        if !value.is_map() {
            let kind = ops::article(json::kind_name(&value));
            return Err((Fail::new(codes::RESULT, format!("an event must be an object, not {kind}")), 0));
        }
        let start = out.len();
        json::write(&value, out).map_err(|fail| {
            out.truncate(start);
            (fail, 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str, seed: u64, i: u64) -> Result<String, String> {
        let expr = Context::empty().compile_generator(text).map_err(|problems| problems[0].message.clone())?;
        let mut out = String::new();
        let mut generator = expr.start(seed);
        // What came before must not matter.
        generator.event(i + 3, 0, &mut out).ok();
        out.clear();
        generator.event(i, 1_700_000_000_000, &mut out).map_err(|(fail, at)| format!("{}@{at}", fail.code))?;
        Ok(out)
    }

    #[test]
    fn the_same_seed_and_number_make_the_same_event() {
        let text = r#"
            let user = "u" + zipf(1000, 1.1);
            #{ user: user, home: choose(["DE", "FR", "NL"], "home" + user), amount: normal(50, 10), how: choose(#{ chip: 7, online: 3 }), n: rand_int(0, 1000000), i: i, at: time }
        "#;
        let one = event(text, 1, 5).unwrap();
        assert_eq!(event(text, 1, 5).unwrap(), one);
        assert_ne!(event(text, 2, 5).unwrap(), one);
        assert_ne!(event(text, 1, 6).unwrap(), one);
        assert!(one.contains(r#""at":1700000000000"#), "{one}");
        let habit = |i| event(r#"#{ home: rand_int(0, 1000000, "bob") }"#, 1, i).unwrap();
        assert_eq!(habit(1), habit(2));
    }

    #[test]
    fn what_is_wrong_is_found_before_or_is_that_events_error() {
        assert_eq!(event("#{ a: rand_int(1) }", 0, 0).unwrap_err(), "`rand_int` takes 2 to 3 arguments, not 1");
        assert_eq!(event("#{ a: event.b }", 0, 0).unwrap_err(), "there is no `event` yet: the expression makes it");
        assert_eq!(event("i", 0, 0).unwrap_err(), "bad-result@0");
        assert_eq!(event("#{ a: choose([]) }", 0, 0).unwrap_err(), "bad-argument@6");
        assert_eq!(event("#{ a: chance(2) }", 0, 0).unwrap_err(), "bad-argument@6");
        let problems = Context::empty().compile("rand_int(1, 2)", Want::Value).err().unwrap();
        assert!(problems[0].help.as_ref().unwrap().contains("`generate`"), "{problems:?}");
    }

    #[test]
    fn the_examples_hold() {
        for function in random::FUNCTIONS {
            let (text, result) = function.example;
            assert_eq!(event(&format!("#{{ a: {text} }}"), 0, 0).unwrap(), format!("{{\"a\":{result}}}"), "{text}");
        }
    }
}
