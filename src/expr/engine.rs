//! The Rhai engine: started from nothing, with our operators and functions only, and every limit set.

use std::any::TypeId;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::plugin::RhaiResult;
use rhai::{
    Dynamic, Engine, EvalAltResult, FnNamespace, FuncRegistration, Module, NativeCallContext, Position, RhaiFunc,
};

use crate::limits::{EXPR_CALLS_MAX, EXPR_NESTING_MAX};

use super::codes;
use super::json::{self, Big};
use super::library::{self, Function};
use super::ops::{self, Op};
use super::value::{Call, Fail, Limits};
use super::{call, methods};

/// Words of Rhai that an expression may not use: they reach outside the event, or build code from text.
pub(crate) const DISABLED: &[&str] =
    &["eval", "import", "export", "print", "debug", "is_shared", "sync", "async", "await", "goto"];

/// A failure inside Rhai, with its code.
impl From<Fail> for Box<EvalAltResult> {
    fn from(fail: Fail) -> Box<EvalAltResult> {
        Box::new(EvalAltResult::ErrorRuntime(Dynamic::from(fail), Position::NONE))
    }
}

/// An engine with the language's functions. One for each program, so that threads share nothing (a shared one is 20 % slower).
/// `params` is a variable that functions see too.
pub(crate) fn engine(limits: &Arc<Limits>, params: &Dynamic) -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_fast_operators(false);
    engine.set_max_operations(limits.operations);
    engine.set_max_call_levels(EXPR_CALLS_MAX);
    engine.set_max_string_size(limits.string);
    engine.set_max_array_size(limits.array);
    engine.set_max_map_size(limits.map);
    engine.set_max_expr_depths(EXPR_NESTING_MAX, EXPR_NESTING_MAX);
    engine.set_max_modules(0);
    engine.set_optimization_level(rhai::OptimizationLevel::None);
    for word in DISABLED {
        engine.disable_symbol(*word);
    }
    let mut module = module(limits);
    module.set_var("params", params.clone());
    engine.register_global_module(module.into());
    engine
}

/// Everything that expressions can call.
fn module(limits: &Arc<Limits>) -> Module {
    let mut module = Module::new();
    module.set_custom_type::<Big>("number beyond 64 bits");
    for (op, symbol) in Op::ALL {
        operator(&mut module, symbol, op, None, binary);
        // A function for exactly these types is found at the first look, one that takes anything at the last.
        let (int, float) = (TypeId::of::<i64>(), TypeId::of::<f64>());
        for types in [[int, int], [int, float], [float, int], [float, float]] {
            operator(&mut module, symbol, op, Some(types), numbers);
        }
    }
    for op in ["!", "-", "+"] {
        raw(&mut module, op, 1, move |_, args| Ok(unary(op, args)?));
    }
    if library::find("to_string").is_none() {
        raw(&mut module, "to_string", 1, |_, args| {
            let mut text = String::new();
            args.first().map_or(Ok(()), |value| ops::write_text_dynamic(value, &mut text))?;
            Ok(text.into())
        });
    }
    // A field of what has no fields is null, as a field that an event does not have is.
    raw(&mut module, "index$get$", 2, |_, args| match args {
        [_, name] if name.is_string() => Ok(Dynamic::UNIT),
        [value, ..] => {
            let kind = ops::article(json::kind_name(value));
            Err(Fail::new(codes::TYPE, format!("{kind} cannot be indexed")).into())
        }
        [] => Ok(Dynamic::UNIT),
    });
    methods::register(&mut module);
    let call = Arc::new(Mutex::new(Call::new(limits.clone())));
    for function in library::all() {
        let (least, most) = function.arity();
        for args in least..=most {
            let call = call.clone();
            raw(&mut module, function.name, args, move |_, args| table(function, args, &call));
        }
    }
    module
}

fn table(function: &'static Function, args: &mut [&mut Dynamic], call: &Mutex<Call>) -> RhaiResult {
    let mut call = call.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(call::run_dynamic(function, args, &mut call)?)
}

/// Registers an operator and, where it has one, its assignment: `a += b` is `a = a + b`.
fn operator(module: &mut Module, symbol: &str, op: Op, types: Option<[TypeId; 2]>, run: Apply) {
    let types = types.unwrap_or([TypeId::of::<Dynamic>(); 2]);
    typed(module, symbol, &types, move |_, args| run(op, args));
    if !op.is_comparison() {
        typed(module, &format!("{symbol}="), &types, move |_, args| {
            let result = run(op, args)?;
            if let Some(target) = args.first_mut() {
                **target = result;
            }
            Ok(Dynamic::UNIT)
        });
    }
}

/// How an operator is applied to what Rhai hands over.
type Apply = fn(Op, &mut [&mut Dynamic]) -> RhaiResult;

/// An operator on two numbers.
fn numbers(op: Op, args: &mut [&mut Dynamic]) -> RhaiResult {
    let [a, b] = args else { return Ok(Dynamic::UNIT) };
    let result = match (a.as_int(), b.as_int()) {
        (Ok(a), Ok(b)) => ops::ints(op, a, b)?,
        (a_int, b_int) => {
            let float =
                |value: &Dynamic, int: Result<i64, _>| int.map_or_else(|_| value.as_float(), |int| Ok(int as f64));
            match (float(a, a_int), float(b, b_int)) {
                (Ok(a), Ok(b)) => ops::floats(op, a, b)?,
                _ => return binary(op, args),
            }
        }
    };
    Ok(ops::to_dynamic(result.into(), ""))
}

fn binary(op: Op, args: &mut [&mut Dynamic]) -> RhaiResult {
    match args {
        [a, b] => Ok(ops::binary_dynamic(op, a, b)?),
        _ => Ok(Dynamic::UNIT),
    }
}

fn unary(op: &'static str, args: &mut [&mut Dynamic]) -> Result<Dynamic, Fail> {
    match args {
        [value] => ops::unary_dynamic(op, value),
        _ => Ok(Dynamic::UNIT),
    }
}

/// Registers a function that takes anything, so that what it takes is judged in one place for both engines.
pub(crate) fn raw(
    module: &mut Module,
    name: &str,
    args: usize,
    run: impl Fn(&NativeCallContext, &mut [&mut Dynamic]) -> RhaiResult + Send + Sync + 'static,
) {
    typed(module, name, &vec![TypeId::of::<Dynamic>(); args], run);
}

/// Registers a function for exactly these types, which is preferred to one that takes anything.
pub(crate) fn typed(
    module: &mut Module,
    name: &str,
    types: &[TypeId],
    run: impl Fn(&NativeCallContext, &mut [&mut Dynamic]) -> RhaiResult + Send + Sync + 'static,
) {
    let func = RhaiFunc::Method {
        func: Arc::new(move |context: Option<NativeCallContext>, args: &mut [&mut Dynamic]| match &context {
            Some(context) => run(context, args),
            None => Ok(Dynamic::UNIT),
        }),
        has_context: true,
        is_pure: true,
        is_volatile: false,
    };
    FuncRegistration::new(name).with_namespace(FnNamespace::Global).set_into_module_raw(module, types, func);
}
