//! Aggregators: what `count()`, `sum(x)`, ... keep of the events of a window, and how it is updated, merged and finished.
//!
//! Nulls and missing values are left out. What an aggregator cannot take is refused before anything is changed, so that a
//! refused event leaves no trace in any aggregate.

mod collected;
mod held;
mod kll;
mod numbers;
mod plain;
mod reference;
mod saved;
mod types;

use datasketches::hll::{HllSketch, HllType, HllUnion};

use crate::event::{BatchBuilder, Cell, Texts};
use crate::expr::codes;
use crate::expr::value::Fail;
use crate::state::Value;

use collected::{Counts, List};
use kll::Kll;
use numbers::{Moments, Number, Sum};

pub use held::Held;
pub use reference::{EXAMPLE, FUNCTIONS, Function, find, reference};

/// Registers of the sketch behind `approx_distinct`, as a power of two: within about 1.6 %, two times in three.
const HLL_LG_K: u8 = 12;

/// An aggregate function with what is constant of its arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregate {
    /// Events.
    Count,
    /// Events whose argument is not null.
    CountOf,
    Sum,
    Min,
    Max,
    Avg,
    First,
    Last,
    StdDev,
    Collect {
        max: usize,
    },
    Distinct {
        max: usize,
    },
    Top {
        k: usize,
        max: usize,
    },
    ApproxDistinct,
    ApproxQuantile {
        q: f64,
    },
    /// A value that an expression makes of the one before and an event. It cannot be merged.
    Fold,
}

/// What an aggregate keeps of the events so far.
#[derive(Clone, Debug)]
pub enum Accumulator {
    Count(u64),
    Sum(Sum),
    Mean(Sum, u64),
    /// The least or greatest; null of none.
    Extreme(Value),
    /// There is none: runs of values of different kinds came together.
    Incomparable,
    /// The first or last, and when it arrived.
    Arrived(u64, Value),
    Moments(Moments),
    List(Box<List>),
    Counts(Box<Counts>),
    Hll(Box<HllSketch>),
    Kll(Box<Kll>),
    /// `None` before the first event.
    Fold(Option<Value>),
    /// Nothing is known of the events so far, as the aggregate is newer than they are. It stays so, and its result is missing.
    Absent,
}

const _: () = assert!(size_of::<Accumulator>() <= 40);

impl Aggregate {
    /// Of no event.
    pub fn fresh(&self) -> Accumulator {
        match self {
            Aggregate::Count | Aggregate::CountOf => Accumulator::Count(0),
            Aggregate::Sum => Accumulator::Sum(Sum::default()),
            Aggregate::Avg => Accumulator::Mean(Sum::default(), 0),
            Aggregate::Min | Aggregate::Max => Accumulator::Extreme(Value::Null),
            Aggregate::First | Aggregate::Last => Accumulator::Arrived(0, Value::Null),
            Aggregate::StdDev => Accumulator::Moments(Moments::default()),
            Aggregate::Collect { .. } => Accumulator::List(Box::default()),
            Aggregate::Distinct { .. } | Aggregate::Top { .. } => Accumulator::Counts(Box::default()),
            Aggregate::ApproxDistinct => Accumulator::Hll(Box::new(fresh_hll())),
            Aggregate::ApproxQuantile { .. } => Accumulator::Kll(Box::default()),
            Aggregate::Fold => Accumulator::Fold(None),
        }
    }

    /// The name of the function.
    pub fn name(&self) -> &'static str {
        match self {
            Aggregate::Count | Aggregate::CountOf => "count",
            Aggregate::Sum => "sum",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Avg => "avg",
            Aggregate::First => "first",
            Aggregate::Last => "last",
            Aggregate::StdDev => "stddev",
            Aggregate::Collect { .. } => "collect",
            Aggregate::Distinct { .. } => "distinct",
            Aggregate::Top { .. } => "top",
            Aggregate::ApproxDistinct => "approx_distinct",
            Aggregate::ApproxQuantile { .. } => "approx_quantile",
            Aggregate::Fold => "fold",
        }
    }

    /// Whether nothing but numbers will do.
    pub fn is_of_numbers(&self) -> bool {
        matches!(self, Aggregate::Sum | Aggregate::Avg | Aggregate::StdDev | Aggregate::ApproxQuantile { .. })
    }

    /// Whether it looks at values, so that the text of a number is best read once beforehand.
    pub fn reads_values(&self) -> bool {
        !matches!(
            self,
            Aggregate::Count
                | Aggregate::CountOf
                | Aggregate::First
                | Aggregate::Last
                | Aggregate::Collect { .. }
                | Aggregate::Fold
        )
    }

    /// Whether there are kinds of values that it cannot take.
    pub fn is_choosy(&self) -> bool {
        self.is_of_numbers() || self.is_ordered()
    }

    /// Whether it compares values, which it can only within a kind.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Aggregate::Min | Aggregate::Max)
    }

    /// Whether what it holds can make it refuse an event: then events are taken one by one.
    pub fn is_guarded(&self) -> bool {
        matches!(
            self,
            Aggregate::Min
                | Aggregate::Max
                | Aggregate::Collect { .. }
                | Aggregate::Distinct { .. }
                | Aggregate::Top { .. }
                | Aggregate::Fold
        )
    }

    /// Whether an argument of this kind may be taken at all.
    pub fn check_kind(&self, cell: Cell) -> Result<(), Fail> {
        let takes = match cell {
            Cell::Missing | Cell::Null | Cell::Int(_) => true,
            Cell::Float(float) => !(float.is_nan() && (self.is_ordered() || self.is_of_numbers())),
            Cell::Number(_) if self.is_of_numbers() => return Err(too_big(self.name())),
            Cell::Number(_) => true,
            Cell::Bool(_) | Cell::Str(_) | Cell::Escaped(_) => !self.is_of_numbers(),
            Cell::Json(_) | Cell::Packed(_) => !self.is_of_numbers() && !self.is_ordered(),
        };
        if takes { Ok(()) } else { Err(wrong_kind(self.name(), cell, self.is_of_numbers())) }
    }

    /// Whether the argument may be added to what is held. `check_kind` has passed.
    pub fn check(&self, held: &Accumulator, cell: Cell, texts: &Texts) -> Result<(), Fail> {
        if cell.is_unit() {
            return Ok(());
        }
        match (self, held) {
            (Aggregate::Min | Aggregate::Max, Accumulator::Extreme(held)) => {
                let value = Value::of(cell, texts);
                if matches!(held, Value::Null) || held.kind() == value.kind() {
                    return Ok(());
                }
                let (ours, theirs) = (held.kind(), value.kind());
                Err(Fail::new(
                    codes::COMPARE,
                    format!("`{}` holds {ours} and cannot compare it with {theirs}", self.name()),
                ))
            }
            (Aggregate::Collect { max }, Accumulator::List(list)) => {
                list.check(cell.text_ref().map_or(0, |at| at.len as usize), *max)
            }
            (Aggregate::Distinct { max } | Aggregate::Top { max, .. }, Accumulator::Counts(counts)) => {
                counts.check(&Value::of(cell, texts), self.name(), *max)
            }
            _ => Ok(()),
        }
    }

    /// Adds an event: its argument, and its number in order of arrival. The checks have passed.
    pub fn update(&self, held: &mut Accumulator, cell: Cell, texts: &Texts, seq: u64) {
        if let (Aggregate::Count, Accumulator::Count(count)) = (self, &mut *held) {
            *count += 1;
            return;
        }
        if cell.is_unit() {
            return;
        }
        match held {
            Accumulator::Count(count) => *count += 1,
            Accumulator::Sum(sum) => {
                if let Some(number) = number_of(cell) {
                    sum.add(number);
                }
            }
            Accumulator::Mean(sum, count) => {
                if let Some(number) = number_of(cell) {
                    sum.add(number);
                    *count += 1;
                }
            }
            Accumulator::Extreme(held) => self.extreme(held, Value::of(cell, texts)),
            Accumulator::Arrived(when, held) => {
                if matches!(held, Value::Null) || *self == Aggregate::Last {
                    (*when, *held) = (seq, Value::of(cell, texts));
                }
            }
            Accumulator::Moments(moments) => {
                if let Some(number) = number_of(cell) {
                    moments.add(number.float());
                }
            }
            Accumulator::List(list) => list.push(seq, Value::of(cell, texts)),
            Accumulator::Counts(counts) => counts.add(Value::of(cell, texts), 1),
            Accumulator::Hll(sketch) => sketch.update(Value::of(cell, texts)),
            Accumulator::Kll(sketch) => {
                if let Some(number) = number_of(cell) {
                    sketch.update(number.float());
                }
            }
            // A fold's expression is run by the operator, which has the event.
            Accumulator::Fold(_) | Accumulator::Incomparable | Accumulator::Absent => {}
        }
    }

    /// Adds all that another has seen of other events.
    pub fn merge(&self, held: &mut Accumulator, other: &Accumulator) {
        match (&mut *held, other) {
            (Accumulator::Absent, _) | (_, Accumulator::Absent) => *held = Accumulator::Absent,
            (Accumulator::Count(count), Accumulator::Count(more)) => *count += more,
            (Accumulator::Sum(sum), Accumulator::Sum(more)) => sum.merge(more),
            (Accumulator::Mean(sum, count), Accumulator::Mean(more, more_count)) => {
                sum.merge(more);
                *count += more_count;
            }
            (Accumulator::Extreme(_), Accumulator::Extreme(Value::Null)) => {}
            (Accumulator::Extreme(ours @ Value::Null), Accumulator::Extreme(theirs)) => *ours = theirs.clone(),
            (Accumulator::Extreme(ours), Accumulator::Extreme(theirs)) if ours.kind() == theirs.kind() => {
                self.extreme(ours, theirs.clone());
            }
            (Accumulator::Extreme(_), _) | (Accumulator::Incomparable, _) => *held = Accumulator::Incomparable,
            (Accumulator::Arrived(when, held), Accumulator::Arrived(other_when, other)) => {
                let later = other_when > when;
                let wanted = later == (*self == Aggregate::Last);
                if !matches!(other, Value::Null) && (matches!(held, Value::Null) || wanted) {
                    (*when, *held) = (*other_when, other.clone());
                }
            }
            (Accumulator::Moments(moments), Accumulator::Moments(more)) => moments.merge(more),
            (Accumulator::List(list), Accumulator::List(more)) => list.merge(more),
            (Accumulator::Counts(counts), Accumulator::Counts(more)) => counts.merge(more),
            (Accumulator::Hll(sketch), Accumulator::Hll(more)) => merge_hll(sketch, more),
            (Accumulator::Kll(sketch), Accumulator::Kll(more)) => sketch.merge(more),
            _ => debug_assert!(false, "accumulators of different aggregates"),
        }
    }

    /// The result, as a cell of the batch in the making.
    pub fn finish(&self, held: &Accumulator, builder: &mut BatchBuilder) -> Result<Cell, Fail> {
        let float = |float: Option<f64>| float.map_or(Cell::Null, Cell::Float);
        Ok(match (self, held) {
            (_, Accumulator::Absent) => Cell::Missing,
            (_, Accumulator::Count(count)) => Cell::Int(i64::try_from(*count).unwrap_or(i64::MAX)),
            (_, Accumulator::Sum(sum)) => number_cell(sum.finish())?,
            (_, Accumulator::Mean(sum, count)) => float((*count > 0).then(|| sum.float() / *count as f64)),
            (_, Accumulator::Extreme(value) | Accumulator::Arrived(_, value)) => value.to_cell(builder),
            (_, Accumulator::Incomparable) => {
                let message =
                    format!("`{}` was given values of different kinds, which cannot be compared", self.name());
                return Err(Fail::new(codes::COMPARE, message));
            }
            (_, Accumulator::Moments(moments)) => float(moments.deviation()),
            (Aggregate::Collect { max }, Accumulator::List(list)) => list.finish(*max, builder)?,
            (Aggregate::Top { k, max }, Accumulator::Counts(counts)) => {
                counts.distinct(self.name(), *max)?;
                counts.top(*k, builder)?
            }
            (Aggregate::Distinct { max }, Accumulator::Counts(counts)) => {
                Cell::Int(counts.distinct(self.name(), *max)?)
            }
            (_, Accumulator::Hll(sketch)) => Cell::Int(sketch.estimate().round() as i64),
            (Aggregate::ApproxQuantile { q }, Accumulator::Kll(sketch)) => float(sketch.quantile(*q)),
            (_, Accumulator::Fold(value)) => value.as_ref().map_or(Cell::Null, |value| value.to_cell(builder)),
            _ => {
                debug_assert!(false, "an accumulator of another aggregate");
                Cell::Null
            }
        })
    }

    /// Of equal values the first stays.
    fn extreme(&self, held: &mut Value, value: Value) {
        let better = match self {
            Aggregate::Max => value > *held,
            _ => value < *held,
        };
        if matches!(held, Value::Null) || better {
            *held = value;
        }
    }
}

/// The number in a cell whose text, if it was one, has been read.
fn number_of(cell: Cell) -> Option<Number> {
    match cell {
        Cell::Int(int) => Some(Number::Int(int)),
        Cell::Float(float) => Some(Number::Float(float)),
        _ => None,
    }
}

/// The result of a sum.
fn number_cell(sum: Result<Option<Number>, Fail>) -> Result<Cell, Fail> {
    Ok(match sum? {
        None => Cell::Null,
        Some(Number::Int(int)) => Cell::Int(int),
        Some(Number::Float(float)) => Cell::Float(float),
    })
}

fn fresh_hll() -> HllSketch {
    HllSketch::new(HLL_LG_K, HllType::Hll8).expect("4 to 21 are allowed")
}

fn merge_hll(sketch: &mut HllSketch, more: &HllSketch) {
    let mut union = HllUnion::new(HLL_LG_K).expect("4 to 21 are allowed");
    union.update(sketch);
    union.update(more);
    *sketch = union.to_sketch(HllType::Hll8);
}

#[cold]
fn too_big(name: &str) -> Fail {
    Fail::new(codes::BIG_NUMBER, format!("`{name}` cannot take a number that neither 64-bit ints nor floats can hold"))
}

#[cold]
fn wrong_kind(name: &str, cell: Cell, numbers: bool) -> Fail {
    let (kind, way_out) = match cell {
        Cell::Bool(_) => ("a bool", String::new()),
        Cell::Str(_) | Cell::Escaped(_) => {
            ("a string", format!("; a number in a string is read by `{name}(parse_float(x))`"))
        }
        Cell::Json(_) => ("an object or array", format!("; name a field of it: `{name}(x.field)`")),
        _ => ("a float that is not a number", String::new()),
    };
    let takes = if numbers { "numbers" } else { "numbers, strings and bools" };
    Fail::new(codes::TYPE, format!("`{name}` takes {takes}, not {kind}{way_out}"))
}

#[cfg(test)]
mod tests;
