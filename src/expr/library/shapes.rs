//! What functions make of the shapes of their arguments, for those that give back what they were given.

use std::sync::Arc;

use crate::schema::{Kinds, Shape};

/// The items of an array, or null where it has none.
pub(super) fn item(args: &[Shape]) -> Shape {
    items(args).or_null()
}

/// The same kind of array, its items without null.
pub(super) fn sorted(args: &[Shape]) -> Shape {
    match args.first().and_then(|array| array.items.as_deref()) {
        Some(items) => Shape::array(items.clone().not_null()),
        None => Shape::of(Kinds::ARRAY),
    }
}

/// Some of the items, in whatever order.
pub(super) fn some(args: &[Shape]) -> Shape {
    match args.first() {
        Some(array) => Shape { items: array.items.clone(), ..Shape::of(Kinds::ARRAY) },
        None => Shape::of(Kinds::ARRAY),
    }
}

/// A string, or an array of the same items.
pub(super) fn same(args: &[Shape]) -> Shape {
    let Some(value) = args.first() else { return Shape::ANY };
    Shape { symbols: None, meaning: None, ..value.only(Kinds::STRING.and(Kinds::ARRAY)) }
}

/// The first that is not null, or null.
pub(super) fn coalesced(args: &[Shape]) -> Shape {
    let mut all = Shape::of(Kinds::NULL);
    for arg in args {
        if !all.is_nullable() {
            break;
        }
        all = all.not_null().join(arg);
    }
    all
}

/// The first or the second, the first without null.
pub(super) fn either(args: &[Shape]) -> Shape {
    match args {
        [x, other] => x.clone().not_null().join(other),
        _ => Shape::ANY,
    }
}

/// The least or greatest of the arguments, or of the items of the only one.
pub(super) fn extreme(args: &[Shape]) -> Shape {
    let plain = |shape: &Shape| Shape::of(shape.kinds.common(Kinds::NUMBER.and(Kinds::STRING)));
    let mut all = args.iter().map(plain).fold(Shape::of(Kinds::NONE), |all, one| all.join(&one));
    if args.first().is_some_and(|first| first.kinds.meets(Kinds::ARRAY)) {
        let null = if args[0].items.is_some() { Kinds::NULL } else { Kinds::PERHAPS_NULL };
        all = all.join(&Shape::of(items(args).kinds.without(Kinds::NULL).and(null)));
    }
    all
}

/// An array of strings.
pub(super) fn strings(_: &[Shape]) -> Shape {
    Shape { items: Some(Arc::new(Shape::of(Kinds::STRING))), ..Shape::of(Kinds::ARRAY) }
}

fn items(args: &[Shape]) -> Shape {
    args.first().and_then(|array| array.items.as_deref()).cloned().unwrap_or(Shape::ANY)
}
