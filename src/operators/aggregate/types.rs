//! What aggregates take and give, in kinds of values: `check_kind`, `update` and `finish` before anything runs.

use crate::schema::{Kinds, Shape};

use super::Aggregate;

impl Aggregate {
    /// The kinds of arguments that it takes; null, which all of them leave out, aside.
    pub fn takes(&self) -> Kinds {
        if self.is_of_numbers() {
            Kinds::NUMBER
        } else if self.is_ordered() {
            Kinds::NUMBER.and(Kinds::STRING).and(Kinds::BOOL)
        } else {
            Kinds::ANY
        }
    }

    /// The result over arguments of this shape. A window has at least one event, so there is a value if none of them is null.
    pub fn gives(&self, arg: &Shape) -> Shape {
        let null = Shape::of(arg.kinds.null());
        let value = arg.clone().not_null();
        if value.kinds != Kinds::NONE && !value.kinds.meets(self.takes()) {
            return Shape::ANY;
        }
        match self {
            Aggregate::Count | Aggregate::CountOf | Aggregate::Distinct { .. } | Aggregate::ApproxDistinct => {
                Shape::of(Kinds::INT)
            }
            Aggregate::Sum => Shape::of(value.kinds.common(Kinds::NUMBER)).join(&null),
            Aggregate::Min | Aggregate::Max => value.only(self.takes()).join(&null),
            Aggregate::First | Aggregate::Last => value.join(&null),
            Aggregate::Avg | Aggregate::ApproxQuantile { .. } => Shape::of(Kinds::FLOAT).join(&null),
            // Null below two events.
            Aggregate::StdDev => Shape::of(Kinds::FLOAT).or_null(),
            Aggregate::Collect { .. } => Shape::array(value),
            Aggregate::Top { .. } => {
                Shape::array(Shape::record([("value".into(), value), ("count".into(), Shape::of(Kinds::INT))]))
            }
            Aggregate::Fold => Shape::ANY,
        }
    }
}
