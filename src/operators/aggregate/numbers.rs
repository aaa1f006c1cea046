//! Sums and moments.

use crate::expr::codes;
use crate::expr::value::Fail;
use crate::state::Corrupt;
use crate::state::codec::{Reader, put_f64, put_i64, put_i128, put_varint};

/// A number out of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// The nearest float.
    pub fn float(self) -> f64 {
        match self {
            Number::Int(int) => int as f64,
            Number::Float(float) => float,
        }
    }
}

/// Which kinds of numbers a sum has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seen {
    #[default]
    Nothing,
    Ints,
    Floats,
}

/// Ints exactly, floats as floats; a float makes the whole a float. The int is an i128 in two words, which keeps an
/// accumulator at the alignment of its neighbours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    high: i64,
    low: u64,
    float: f64,
    seen: Seen,
}

impl Sum {
    /// Adds a number. 2^64 additions of i64 fit into i128.
    pub fn add(&mut self, number: Number) {
        match number {
            Number::Int(int) => {
                self.set_int(self.int().wrapping_add(i128::from(int)));
                if self.seen == Seen::Nothing {
                    self.seen = Seen::Ints;
                }
            }
            Number::Float(float) => {
                self.float += float;
                self.seen = Seen::Floats;
            }
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Sum) {
        self.set_int(self.int().wrapping_add(other.int()));
        self.float += other.float;
        if other.seen == Seen::Floats || self.seen == Seen::Nothing {
            self.seen = other.seen;
        }
    }

    /// The sum; none of nothing. An int beyond i64 is an error.
    pub fn finish(&self) -> Result<Option<Number>, Fail> {
        match self.seen {
            Seen::Nothing => Ok(None),
            Seen::Ints => match i64::try_from(self.int()) {
                Ok(int) => Ok(Some(Number::Int(int))),
                Err(_) => Err(Fail::new(
                    codes::ARITHMETIC,
                    format!(
                        "the sum is {}, which is beyond 64 bits; sum floats instead: `sum(to_float(x))`",
                        self.int()
                    ),
                )),
            },
            Seen::Floats => Ok(Some(Number::Float(self.float()))),
        }
    }

    /// The sum as a float.
    pub fn float(&self) -> f64 {
        self.int() as f64 + self.float
    }

    /// Appends it: what it has seen, the int (as a short one where it is one), and the float where there is one.
    pub fn write(&self, out: &mut Vec<u8>) {
        let short = i64::try_from(self.int());
        out.push(self.seen as u8 | if short.is_ok() { 0 } else { WIDE });
        match short {
            Ok(int) => put_i64(out, int),
            Err(_) => put_i128(out, self.int()),
        }
        if self.seen == Seen::Floats {
            put_f64(out, self.float);
        }
    }

    /// Reads what `write` wrote.
    pub fn read(from: &mut Reader<'_>) -> Result<Sum, Corrupt> {
        let head = from.byte()?;
        let seen = match head & !WIDE {
            0 => Seen::Nothing,
            1 => Seen::Ints,
            2 => Seen::Floats,
            _ => return Err(Corrupt("a sum is of no kind of numbers".into())),
        };
        let mut sum = Sum { seen, ..Sum::default() };
        sum.set_int(if head & WIDE == 0 { i128::from(from.i64()?) } else { from.i128()? });
        if sum.seen == Seen::Floats {
            sum.float = from.f64()?;
        }
        Ok(sum)
    }

    /// The int, the float, and what it has seen.
    pub fn parts(&self) -> (i128, f64, Seen) {
        (self.int(), self.float, self.seen)
    }

    /// A sum of these.
    pub fn from_parts(int: i128, float: f64, seen: Seen) -> Sum {
        let mut sum = Sum { float, seen, ..Sum::default() };
        sum.set_int(int);
        sum
    }

    fn int(&self) -> i128 {
        i128::from(self.high) << 64 | i128::from(self.low)
    }

    fn set_int(&mut self, int: i128) {
        self.high = (int >> 64) as i64;
        self.low = int as u64;
    }
}

/// Beside what a sum has seen: its int is written in 16 bytes.
const WIDE: u8 = 4;

/// Mean and squared distance from it, by Welford's recurrence; merged as Chan, Golub and LeVeque do ("Updating formulae and
/// a pairwise algorithm for computing sample variances", 1979).
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    /// Adds all that another has seen.
    pub fn merge(&mut self, other: &Moments) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let apart = other.mean - self.mean;
        self.count += other.count;
        self.mean += apart * theirs / (ours + theirs);
        self.squares += other.squares + apart * apart * ours * theirs / (ours + theirs);
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count);
        put_f64(out, self.mean);
        put_f64(out, self.squares);
    }

    /// Reads what `write` wrote.
    pub fn read(from: &mut Reader<'_>) -> Result<Moments, Corrupt> {
        Ok(Moments { count: from.varint()?, mean: from.f64()?, squares: from.f64()? })
    }

    /// The standard deviation of a sample; none below two.
    pub fn deviation(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ints_are_summed_exactly_and_told_when_too_large() {
        let mut sum = Sum::default();
        assert_eq!(sum.finish(), Ok(None));
        [i64::MAX, i64::MAX, i64::MIN, i64::MIN, 5].iter().for_each(|int| sum.add(Number::Int(*int)));
        assert_eq!(sum.finish(), Ok(Some(Number::Int(3))));
        let mut other = Sum::default();
        other.add(Number::Int(i64::MAX));
        other.merge(&sum);
        assert!(other.finish().unwrap_err().message.contains("9223372036854775810"));
        other.add(Number::Float(0.5));
        assert!(matches!(other.finish(), Ok(Some(Number::Float(_)))));
    }

    #[test]
    fn moments_merge_to_the_whole() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        let (mut left, mut right, mut whole) = (Moments::default(), Moments::default(), Moments::default());
        values.iter().for_each(|value| whole.add(*value));
        values[..3].iter().for_each(|value| left.add(*value));
        values[3..].iter().for_each(|value| right.add(*value));
        left.merge(&right);
        let want = (32.0_f64 / 7.0).sqrt();
        for got in [left.deviation().unwrap(), whole.deviation().unwrap()] {
            assert!((got - want).abs() < 1e-12);
        }
        assert_eq!(Moments::default().deviation(), None);
    }
}
