//! What each operator makes of each pair of kinds: `ops::binary` in terms of kinds.

use crate::expr::ops::Op;
use crate::schema::{Field, Kinds, Object, Shape};

/// What comes of an operator on two sets of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Of the result; none: it fails whatever the values.
    pub result: Kinds,
    /// The kinds of each side for which it may not fail.
    pub left: Kinds,
    pub right: Kinds,
}

/// `a op b`.
pub(super) fn binary(op: Op, a: Kinds, b: Kinds) -> Outcome {
    let mut all = Outcome { result: Kinds::NONE, left: Kinds::NONE, right: Kinds::NONE };
    for left in a.each() {
        for right in b.each() {
            if let Some(result) = pair(op, left, right) {
                all = Outcome {
                    result: all.result.and(result),
                    left: all.left.and(if left == Kinds::NULL { a.null() } else { left }),
                    right: all.right.and(if right == Kinds::NULL { b.null() } else { right }),
                };
            }
        }
    }
    all
}

/// The kind of the result for one kind on each side; `None`: it fails.
fn pair(op: Op, a: Kinds, b: Kinds) -> Option<Kinds> {
    let numbers = Kinds::NUMBER.has(a) && Kinds::NUMBER.has(b);
    let strings = a == Kinds::STRING && b == Kinds::STRING;
    let bools = a == Kinds::BOOL && b == Kinds::BOOL;
    match op {
        Op::Eq | Op::Ne => Some(Kinds::BOOL),
        Op::Lt | Op::Le | Op::Gt | Op::Ge => (numbers || strings || bools).then_some(Kinds::BOOL),
        Op::Add if a == Kinds::STRING || b == Kinds::STRING => Some(Kinds::STRING),
        Op::Add if a == b && Kinds::ARRAY.and(Kinds::OBJECT).has(a) => Some(a),
        Op::Sub if strings => Some(Kinds::STRING),
        Op::Add | Op::Sub | Op::Mul | Op::Div | Op::Rem | Op::Pow if numbers => {
            Some(if a == Kinds::INT && b == Kinds::INT { Kinds::INT } else { Kinds::FLOAT })
        }
        Op::And | Op::Or | Op::Xor if bools => Some(Kinds::BOOL),
        Op::And | Op::Or | Op::Xor | Op::Shl | Op::Shr if a == Kinds::INT && b == Kinds::INT => Some(Kinds::INT),
        _ => None,
    }
}

/// `-x`, `+x` or `!x`.
pub(super) fn unary(op: &str, kinds: Kinds) -> Kinds {
    kinds.common(if op == "!" { Kinds::BOOL } else { Kinds::NUMBER })
}

/// Where both sides may be equal: what each is then.
pub(super) fn equal(a: &Shape, b: &Shape) -> (Shape, Shape) {
    // An int may equal a float.
    let wide = |kinds: Kinds| if kinds.meets(Kinds::NUMBER) { kinds.and(Kinds::NUMBER) } else { kinds };
    let (mut left, mut right) = (a.only(wide(b.kinds)), b.only(wide(a.kinds)));
    if let (Some(ours), Some(theirs)) = (&a.symbols, &b.symbols) {
        let both: Vec<_> = ours.iter().filter(|symbol| theirs.contains(symbol)).cloned().collect();
        let none = both.is_empty();
        for side in [&mut left, &mut right] {
            side.symbols = Some(both.clone().into());
            if none {
                side.kinds = side.kinds.without(Kinds::STRING);
            }
        }
    } else {
        let symbols = left.symbols.clone().or_else(|| right.symbols.clone());
        left.symbols = symbols.clone().filter(|_| left.kinds.meets(Kinds::STRING));
        right.symbols = symbols.filter(|_| right.kinds.meets(Kinds::STRING));
    }
    (left, right)
}

/// The shape of `a` where it is not equal to `b`.
pub(super) fn unequal(a: &Shape, b: &Shape) -> Shape {
    if b.kinds == Kinds::NULL {
        return a.clone().not_null();
    }
    match (&a.symbols, &b.symbols) {
        (Some(ours), Some(theirs)) if b.kinds == Kinds::STRING && theirs.len() == 1 => {
            let rest: Vec<_> = ours.iter().filter(|symbol| !theirs.contains(symbol)).cloned().collect();
            let kinds = if rest.is_empty() { a.kinds.without(Kinds::STRING) } else { a.kinds };
            Shape { kinds, symbols: Some(rest.into()), ..a.clone() }
        }
        _ => a.clone(),
    }
}

/// `a + b` of objects: what `b` has replaces what `a` has.
pub(super) fn merged(a: &Shape, b: &Shape) -> Shape {
    let (Some(ours), Some(theirs)) = (&a.object, &b.object) else { return Shape::of(Kinds::OBJECT) };
    let mut fields: Vec<Field> = Vec::with_capacity(ours.fields.len() + theirs.fields.len());
    for field in ours.fields.iter().chain(&theirs.fields) {
        if fields.iter().any(|have| have.name == field.name) {
            continue;
        }
        let (left, right) = (ours.field(&field.name), theirs.field(&field.name));
        let shape = match (left, right) {
            (Some(left), Some(right)) if right.is_nullable() => left.join(&right),
            (_, Some(right)) => right,
            (Some(left), None) => left,
            (None, None) => continue,
        };
        fields.push(Field { shape, ..field.clone() });
    }
    let rest = match (&ours.rest, &theirs.rest) {
        (Some(a), Some(b)) => Some(a.join(b)),
        (rest, None) | (None, rest) => rest.clone(),
    };
    Shape::object(Object { name: None, fields, rest })
}
