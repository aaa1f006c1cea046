//! Expressions: Rhai text is compiled to a program over columns, or, where that cannot be, run by Rhai itself; both give the same.

pub mod codes;
pub mod library;
pub mod value;
