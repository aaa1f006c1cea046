//! Sums, least and greatest values in two words each: what nearly all windows hold. What does not fit is an [`Accumulator`]'s.

use crate::state::Value;

use super::numbers::{Number, Seen, Sum};

/// A sum of ints, exact within 62 bits, and of floats.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShortSum {
    /// The int times four, and what the sum has seen.
    int: i64,
    float: f64,
}

/// The bits of `ShortSum::int` for what it has seen.
const SEEN: i64 = 3;

impl ShortSum {
    /// The same sum; `None` if its int is too large.
    pub fn of(sum: &Sum) -> Option<ShortSum> {
        let (int, float, seen) = sum.parts();
        let int = i64::try_from(int).ok()?.checked_mul(SEEN + 1)?;
        Some(ShortSum { int: int | seen as i64, float })
    }

    /// The same sum in its general form.
    pub fn sum(self) -> Sum {
        Sum::from_parts(i128::from(self.int >> SEEN.count_ones()), self.float, self.seen())
    }

    fn seen(self) -> Seen {
        match self.int & SEEN {
            0 => Seen::Nothing,
            1 => Seen::Ints,
            _ => Seen::Floats,
        }
    }

    /// Adds a number. False, and nothing is changed, if the int becomes too large.
    pub fn add(&mut self, number: Number) -> bool {
        match number {
            Number::Int(int) => match int.checked_mul(SEEN + 1).and_then(|int| self.int.checked_add(int)) {
                Some(int) => self.int = if int & SEEN == 0 { int | Seen::Ints as i64 } else { int },
                None => return false,
            },
            Number::Float(float) => {
                self.float += float;
                self.int = self.int & !SEEN | Seen::Floats as i64;
            }
        }
        true
    }

    /// Adds another sum. False, and nothing is changed, if the int becomes too large.
    pub fn merge(&mut self, other: &ShortSum) -> bool {
        let Some(int) = self.int.checked_add(other.int & !SEEN) else { return false };
        let takes = other.int & SEEN == Seen::Floats as i64 || int & SEEN == 0;
        self.int = if takes { int & !SEEN | other.int & SEEN } else { int };
        self.float += other.float;
        true
    }
}

/// The least or greatest of numbers.
#[derive(Clone, Copy, Debug, Default)]
pub enum Extreme {
    /// Of none.
    #[default]
    None,
    Int(i64),
    Float(f64),
}

impl Extreme {
    /// The same, if it is one of numbers.
    pub fn of(value: &Value) -> Option<Extreme> {
        match value {
            Value::Null => Some(Extreme::None),
            Value::Int(int) => Some(Extreme::Int(*int)),
            Value::Float(float) => Some(Extreme::Float(*float)),
            _ => None,
        }
    }

    /// The same in its general form.
    pub fn value(self) -> Value {
        match self {
            Extreme::None => Value::Null,
            Extreme::Int(int) => Value::Int(int),
            Extreme::Float(float) => Value::Float(float),
        }
    }

    /// Becomes the other, if that is greater (`is_max`) or less. Of equal ones the first stays. No NaN comes here.
    pub fn take(&mut self, other: Extreme, is_max: bool) {
        let is_better = match (*self, other) {
            (_, Extreme::None) => false,
            (Extreme::None, _) => true,
            (Extreme::Float(ours), Extreme::Float(theirs)) => {
                if is_max {
                    theirs > ours
                } else {
                    theirs < ours
                }
            }
            (ours, theirs) => {
                if is_max {
                    theirs.value() > ours.value()
                } else {
                    theirs.value() < ours.value()
                }
            }
        };
        if is_better {
            *self = other;
        }
    }
}
