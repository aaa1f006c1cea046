//! The codes of what can go wrong with one event in an expression, the same from the compiled program and from Rhai.

/// An operator, function or index was given a kind of value that it has no meaning for.
pub const TYPE: &str = "type-mismatch";
/// `<`, `<=`, `>` or `>=` of a missing, null or differently typed value.
pub const COMPARE: &str = "not-comparable";
/// An int result beyond 64 bits, a division by zero.
pub const ARITHMETIC: &str = "arithmetic";
/// A computation with a number that neither 64-bit ints nor floats can hold.
pub const BIG_NUMBER: &str = "number-too-big";
/// A condition or filter that is not `true` or `false`.
pub const NOT_BOOL: &str = "not-a-bool";
/// An index outside its array, string or int.
pub const BOUNDS: &str = "out-of-bounds";
/// A function's argument has the right type but no usable value.
pub const ARGUMENT: &str = "bad-argument";
/// A limit of the expression language: operations, depth, size of a string, array or map.
pub const LIMIT: &str = "expression-limit";
/// The expression itself said `throw`.
pub const THROWN: &str = "thrown";
/// The result is of a kind that an event cannot hold (a function, a range).
pub const RESULT: &str = "bad-result";
/// A float that is NaN or infinite, where an event would have to hold it.
pub const NOT_FINITE: &str = "not-finite";
/// Anything else that Rhai refused.
pub const SCRIPT: &str = "script-error";

/// Every code with its meaning, for the documentation.
pub const ALL: &[(&str, &str)] = &[
    (TYPE, "An operator, function or index was given a kind of value that it has no meaning for."),
    (COMPARE, "`<`, `<=`, `>` or `>=` of a missing, null or differently typed value."),
    (ARITHMETIC, "An int result beyond 64 bits, or a division by zero."),
    (BIG_NUMBER, "A computation with a number that neither 64-bit ints nor floats can hold."),
    (NOT_BOOL, "A condition or filter that is not `true` or `false`."),
    (BOUNDS, "An index outside its array, string or int."),
    (ARGUMENT, "A function's argument has the right type but no usable value."),
    (LIMIT, "A limit of the expression language was reached: operations, depth, size of a string, array or map."),
    (THROWN, "The expression itself said `throw`."),
    (RESULT, "The result is of a kind that an event cannot hold, such as a function."),
    (NOT_FINITE, "A float that is NaN or infinite, where an event would have to hold it."),
    (SCRIPT, "The script did something that Rhai refuses."),
];
