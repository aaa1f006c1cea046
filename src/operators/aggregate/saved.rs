//! Accumulators as bytes of a snapshot. Each says what it is, so that one whose aggregate is gone can be passed over.

use datasketches::hll::HllSketch;

use crate::state::Corrupt;
use crate::state::codec::{Reader, put_bytes, put_value, put_varint};

use super::collected::{Counts, List};
use super::kll::Kll;
use super::numbers::{Moments, Sum};
use super::{Accumulator, Aggregate, HLL_LG_K};

/// Where the bytes of an HLL sketch say how many registers it has, and of what kind: there must be no more than ours.
const HLL_LG_K_AT: usize = 3;
const HLL_MODE_AT: usize = 7;
/// The bits of the kind: registers of eight bits.
const HLL_KIND: (u8, u8) = (0b1100, 0b1000);

impl Accumulator {
    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Accumulator::Absent => out.push(0),
            Accumulator::Incomparable => out.push(1),
            Accumulator::Count(count) => {
                out.push(2);
                put_varint(out, *count);
            }
            Accumulator::Sum(sum) => {
                out.push(3);
                sum.write(out);
            }
            Accumulator::Mean(sum, count) => {
                out.push(4);
                sum.write(out);
                put_varint(out, *count);
            }
            Accumulator::Extreme(value) => {
                out.push(5);
                put_value(out, value);
            }
            Accumulator::Arrived(seq, value) => {
                out.push(6);
                put_varint(out, *seq);
                put_value(out, value);
            }
            Accumulator::Moments(moments) => {
                out.push(7);
                moments.write(out);
            }
            Accumulator::List(list) => {
                out.push(8);
                list.write(out);
            }
            Accumulator::Counts(counts) => {
                out.push(9);
                counts.write(out);
            }
            Accumulator::Hll(sketch) => {
                out.push(10);
                put_bytes(out, &sketch.serialize());
            }
            Accumulator::Kll(sketch) => {
                out.push(11);
                sketch.write(out);
            }
            Accumulator::Fold(None) => out.push(12),
            Accumulator::Fold(Some(value)) => {
                out.push(13);
                put_value(out, value);
            }
        }
    }

    /// Reads what `write` wrote.
    pub fn read(from: &mut Reader<'_>) -> Result<Accumulator, Corrupt> {
        Ok(match from.byte()? {
            0 => Accumulator::Absent,
            1 => Accumulator::Incomparable,
            2 => Accumulator::Count(from.varint()?),
            3 => Accumulator::Sum(Sum::read(from)?),
            4 => Accumulator::Mean(Sum::read(from)?, from.varint()?),
            5 => Accumulator::Extreme(from.value()?),
            6 => Accumulator::Arrived(from.varint()?, from.value()?),
            7 => Accumulator::Moments(Moments::read(from)?),
            8 => Accumulator::List(Box::new(List::read(from)?)),
            9 => Accumulator::Counts(Box::new(Counts::read(from)?)),
            10 => Accumulator::Hll(Box::new(read_hll(from.bytes()?)?)),
            11 => Accumulator::Kll(Box::new(Kll::read(from)?)),
            12 => Accumulator::Fold(None),
            13 => Accumulator::Fold(Some(from.value()?)),
            tag => return Err(Corrupt(format!("no aggregate has the tag {tag}"))),
        })
    }
}

impl Aggregate {
    /// Whether this is what the aggregate keeps.
    pub fn keeps(&self, held: &Accumulator) -> bool {
        match held {
            Accumulator::Absent => true,
            Accumulator::Incomparable | Accumulator::Extreme(_) => self.is_ordered(),
            Accumulator::Count(_) => matches!(self, Aggregate::Count | Aggregate::CountOf),
            Accumulator::Sum(_) => *self == Aggregate::Sum,
            Accumulator::Mean(..) => *self == Aggregate::Avg,
            Accumulator::Arrived(..) => matches!(self, Aggregate::First | Aggregate::Last),
            Accumulator::Moments(_) => *self == Aggregate::StdDev,
            Accumulator::List(_) => matches!(self, Aggregate::Collect { .. }),
            Accumulator::Counts(_) => matches!(self, Aggregate::Distinct { .. } | Aggregate::Top { .. }),
            Accumulator::Hll(_) => *self == Aggregate::ApproxDistinct,
            Accumulator::Kll(_) => matches!(self, Aggregate::ApproxQuantile { .. }),
            Accumulator::Fold(_) => *self == Aggregate::Fold,
        }
    }
}

/// The sketch's own format is that of Apache DataSketches, which is stable.
fn read_hll(bytes: &[u8]) -> Result<HllSketch, Corrupt> {
    let kind = |mode: &u8| mode & HLL_KIND.0 == HLL_KIND.1;
    if bytes.get(HLL_LG_K_AT) != Some(&HLL_LG_K) || !bytes.get(HLL_MODE_AT).is_some_and(kind) {
        return Err(Corrupt("a sketch of different values is of another size".into()));
    }
    HllSketch::deserialize(bytes).map_err(|why| Corrupt(format!("a sketch of different values: {why}")))
}

#[cfg(test)]
mod tests {
    use crate::event::{Cell, Texts};
    use crate::state::Value;

    use super::*;

    fn all() -> Vec<Aggregate> {
        vec![
            Aggregate::Count,
            Aggregate::CountOf,
            Aggregate::Sum,
            Aggregate::Min,
            Aggregate::Max,
            Aggregate::Avg,
            Aggregate::First,
            Aggregate::Last,
            Aggregate::StdDev,
            Aggregate::Collect { max: 10_000 },
            Aggregate::Distinct { max: 10_000 },
            Aggregate::Top { k: 3, max: 10_000 },
            Aggregate::ApproxDistinct,
            Aggregate::ApproxQuantile { q: 0.5 },
            Aggregate::Fold,
        ]
    }

    fn bytes_of(held: &Accumulator) -> Vec<u8> {
        let mut out = Vec::new();
        held.write(&mut out);
        out
    }

    fn result(aggregate: &Aggregate, held: &Accumulator) -> String {
        let mut builder = crate::event::BatchBuilder::new(std::sync::Arc::new(crate::event::Layout::fields(["it"])));
        let cell = aggregate.finish(held, &mut builder);
        builder.push([cell.unwrap()], crate::event::Timestamp(0), crate::event::Timestamp(0));
        let batch = builder.finish(0, std::sync::Arc::new(crate::event::Meta::of("test".into())));
        let mut text = Vec::new();
        crate::event::encode::encode_json(&batch, 0, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// What an aggregate keeps of so many events.
    fn held(aggregate: &Aggregate, events: u64) -> Accumulator {
        let mut held = aggregate.fresh();
        if let Accumulator::Fold(value) = &mut held {
            *value = (events > 0).then_some(Value::Int(events as i64));
        }
        for i in 0..events {
            let value = i * 7919 % 1009;
            let cell = if i % 3 == 0 { Cell::Float(value as f64 / 2.0) } else { Cell::Int(value as i64 - 200) };
            aggregate.update(&mut held, cell, &Texts::default(), i);
        }
        held
    }

    #[test]
    fn what_is_read_goes_on_like_what_was_written() {
        for aggregate in all() {
            for events in [0, 1, 5, 40, 3000] {
                let mut wanted = held(&aggregate, events);
                let bytes = bytes_of(&wanted);
                let mut reader = Reader::new(&bytes);
                let mut got = Accumulator::read(&mut reader).unwrap();
                assert!(reader.is_empty() && aggregate.keeps(&got));
                for value in 0..500 {
                    aggregate.update(&mut wanted, Cell::Int(value), &Texts::default(), 5000 + value as u64);
                    aggregate.update(&mut got, Cell::Int(value), &Texts::default(), 5000 + value as u64);
                }
                assert_eq!(result(&aggregate, &got), result(&aggregate, &wanted), "{aggregate:?} of {events}");
            }
        }
        let mut wide = held(&Aggregate::Sum, 0);
        for _ in 0..3 {
            Aggregate::Sum.update(&mut wide, Cell::Int(i64::MAX), &Texts::default(), 0);
        }
        let bytes = bytes_of(&wide);
        assert_eq!(bytes_of(&Accumulator::read(&mut Reader::new(&bytes)).unwrap()), bytes);
    }

    #[test]
    fn damage_is_no_panic() {
        for aggregate in all() {
            for events in [3, 40, 600] {
                let bytes = bytes_of(&held(&aggregate, events));
                for at in (0..bytes.len()).step_by(1 + bytes.len() / 80) {
                    assert!(Accumulator::read(&mut Reader::new(&bytes[..at])).is_err(), "{aggregate:?} cut at {at}");
                    for bit in 0..8 {
                        let mut flipped = bytes.clone();
                        flipped[at] ^= 1 << bit;
                        drop(Accumulator::read(&mut Reader::new(&flipped)));
                    }
                }
            }
        }
    }

    #[test]
    fn an_absent_one_stays_so() {
        for aggregate in all() {
            let mut absent = Accumulator::Absent;
            aggregate.update(&mut absent, Cell::Int(1), &Texts::default(), 0);
            let mut merged = held(&aggregate, 3);
            aggregate.merge(&mut merged, &absent);
            aggregate.merge(&mut absent, &held(&aggregate, 3));
            assert_eq!([result(&aggregate, &merged), result(&aggregate, &absent)], ["{}"; 2]);
        }
    }
}
