//! Types in words, for messages and the reference.

use super::table::Type;

/// What a key takes, as in "takes a duration".
pub(super) fn shape(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "`true` or `false`",
        Type::Int { .. } => "a whole number",
        Type::Share => "a share from 0 to 1",
        Type::Text => "a text",
        Type::Id => "an id",
        Type::Name => "a name",
        Type::Path => "a path",
        Type::Glob => "a path or pattern",
        Type::Duration => "a duration",
        Type::Size => "a size",
        Type::Rate => "a rate",
        Type::Choice(_) => "a word",
        Type::Expr => "an expression",
        Type::Template => "a text with `{{ expression }}`",
        Type::ExprOrMap => "an expression, or a mapping of names to expressions",
        Type::ExprMap => "a mapping of names to expressions",
        Type::PortMap => "a mapping of ports to expressions",
        Type::Nodes => "a mapping of ids to nodes",
        Type::Section(_) | Type::MapOf(_) => "a mapping",
        Type::OneOf(_) => "one of several shapes",
        Type::ListOf(_) => "a list",
        Type::From => "a node, a port, or a list of them",
        Type::Any => "any value",
        Type::Secret => "`{ env: NAME }` or `{ file: PATH }`",
    }
}

/// What a key of several shapes takes.
pub(super) fn shape_of_any(types: &[Type]) -> String {
    let words: Vec<&str> = types.iter().map(shape).collect();
    words.join(", or ")
}
