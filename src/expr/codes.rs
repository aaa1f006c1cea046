//! The codes of what can go wrong with one event in an expression, the same from the compiled program and from Rhai.
//! Their texts stand with those of all event errors.

use crate::event::codes;

/// An operator, function or index was given a kind of value that it has no meaning for.
pub const TYPE: &str = codes::TYPE_MISMATCH.id;
/// `<`, `<=`, `>` or `>=` of a missing, null or differently typed value.
pub const COMPARE: &str = codes::NOT_COMPARABLE.id;
/// An int result beyond 64 bits, a division by zero.
pub const ARITHMETIC: &str = codes::ARITHMETIC.id;
/// A computation with a number that neither 64-bit ints nor floats can hold.
pub const BIG_NUMBER: &str = codes::NUMBER_TOO_BIG.id;
/// A condition or filter that is not `true` or `false`.
pub const NOT_BOOL: &str = codes::NOT_A_BOOL.id;
/// An index outside its array, string or int.
pub const BOUNDS: &str = codes::OUT_OF_BOUNDS.id;
/// A function's argument has the right type but no usable value.
pub const ARGUMENT: &str = codes::BAD_ARGUMENT.id;
/// A limit of the expression language: operations, depth, size of a string, array or map.
pub const LIMIT: &str = codes::EXPRESSION_LIMIT.id;
/// The expression itself said `throw`.
pub const THROWN: &str = codes::THROWN.id;
/// The result is of a kind that an event cannot hold (a function, a range).
pub const RESULT: &str = codes::BAD_RESULT.id;
/// A float that is NaN or infinite, where an event would have to hold it.
pub const NOT_FINITE: &str = codes::NOT_FINITE.id;
/// Anything else that Rhai refused.
pub const SCRIPT: &str = codes::SCRIPT_ERROR.id;
