//! Aggregates that keep values: lists in order of arrival, and counts by value. Bounded by number and by bytes.

use hashbrown::HashMap;

use crate::event::{BatchBuilder, Cell, codes};
use crate::expr::codes::NOT_FINITE;
use crate::expr::value::Fail;
use crate::limits::AGGREGATE_BYTES_MAX;
use crate::state::codec::{Reader, put_value, put_varint};
use crate::state::{Corrupt, Value};

const COLLECT_WAY_OUT: &str = "give it a larger one: `collect(x, 5000)`";
const DISTINCT_WAY_OUT: &str = "raise `limits.distinct`, or use `approx_distinct`";

/// Values with the places at which they arrived.
#[derive(Clone, Debug, Default)]
pub struct List {
    items: Vec<(u64, Value)>,
    bytes: usize,
}

impl List {
    /// Whether one more value, and `bytes` of text, may be added.
    pub fn check(&self, bytes: usize, max: usize) -> Result<(), Fail> {
        if self.items.len() >= max {
            return Err(over("collect", &values(self.items.len() + 1), max, COLLECT_WAY_OUT));
        }
        check_bytes("collect", self.bytes + bytes)
    }

    /// Adds a value that arrived as number `seq`, after all others.
    pub fn push(&mut self, seq: u64, value: Value) {
        self.bytes += value.heap_bytes();
        self.items.push((seq, value));
    }

    /// Adds another's values where they arrived.
    pub fn merge(&mut self, other: &List) {
        self.bytes += other.bytes;
        self.items.extend_from_slice(&other.items);
        self.items.sort_by_key(|(seq, _)| *seq);
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.items.len() as u64);
        for (seq, value) in &self.items {
            put_varint(out, *seq);
            put_value(out, value);
        }
    }

    /// Reads what `write` wrote.
    pub fn read(from: &mut Reader<'_>) -> Result<List, Corrupt> {
        let mut list = List::default();
        for _ in 0..from.size()? {
            list.push(from.varint()?, from.value()?);
        }
        Ok(list)
    }

    /// The array. Merging may have gone over the bounds.
    pub fn finish(&self, max: usize, builder: &mut BatchBuilder) -> Result<Cell, Fail> {
        if self.items.len() > max {
            return Err(over("collect", &values(self.items.len()), max, COLLECT_WAY_OUT));
        }
        check_bytes("collect", self.bytes)?;
        let mut text = vec![b'['];
        for (i, (_, value)) in self.items.iter().enumerate() {
            if i > 0 {
                text.push(b',');
            }
            write_value(value, &mut text)?;
        }
        text.push(b']');
        Ok(Cell::Json(builder.text(&text)))
    }
}

/// How often each value came.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    counts: HashMap<Value, u64, foldhash::fast::RandomState>,
    bytes: usize,
}

impl Counts {
    /// Whether the value is there or may be added.
    pub fn check(&self, value: &Value, name: &str, max: usize) -> Result<(), Fail> {
        if self.counts.len() >= max && !self.counts.contains_key(value) {
            return Err(over(name, &values(self.counts.len() + 1), max, DISTINCT_WAY_OUT));
        }
        check_bytes(name, self.bytes + value.heap_bytes())
    }

    /// Counts a value.
    pub fn add(&mut self, value: Value, count: u64) {
        let bytes = value.heap_bytes();
        let entry = self.counts.entry(value).or_insert_with(|| {
            self.bytes += bytes;
            0
        });
        *entry += count;
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Counts) {
        other.counts.iter().for_each(|(value, count)| self.add(value.clone(), *count));
    }

    /// Appends it, in no order.
    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.counts.len() as u64);
        for (value, count) in &self.counts {
            put_value(out, value);
            put_varint(out, *count);
        }
    }

    /// Reads what `write` wrote.
    pub fn read(from: &mut Reader<'_>) -> Result<Counts, Corrupt> {
        let mut counts = Counts::default();
        for _ in 0..from.size()? {
            let value = from.value()?;
            let count = from.varint()?;
            if counts.counts.contains_key(&value) {
                return Err(Corrupt("a value is counted twice".into()));
            }
            counts.add(value, count);
        }
        Ok(counts)
    }

    /// How many different values. Merging may have gone over the bounds.
    pub fn distinct(&self, name: &str, max: usize) -> Result<i64, Fail> {
        if self.counts.len() > max {
            return Err(over(name, &values(self.counts.len()), max, DISTINCT_WAY_OUT));
        }
        check_bytes(name, self.bytes)?;
        Ok(self.counts.len() as i64)
    }

    /// The `k` most frequent values, the most frequent first, ties by value: `[{"value":..,"count":..}]`.
    pub fn top(&self, k: usize, builder: &mut BatchBuilder) -> Result<Cell, Fail> {
        let mut all: Vec<(&Value, u64)> = self.counts.iter().map(|(value, count)| (value, *count)).collect();
        let order = |a: &(&Value, u64), b: &(&Value, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0));
        if k < all.len() {
            all.select_nth_unstable_by(k, order);
            all.truncate(k);
        }
        all.sort_unstable_by(order);
        let mut text = vec![b'['];
        for (i, (value, count)) in all.into_iter().enumerate() {
            text.extend_from_slice(if i > 0 { b",{\"value\":" } else { b"{\"value\":" });
            write_value(value, &mut text)?;
            text.extend_from_slice(format!(",\"count\":{count}}}").as_bytes());
        }
        text.push(b']');
        Ok(Cell::Json(builder.text(&text)))
    }
}

fn write_value(value: &Value, text: &mut Vec<u8>) -> Result<(), Fail> {
    if value.write_json(text) {
        return Ok(());
    }
    Err(Fail::new(NOT_FINITE, "the result holds a float that is not a number or infinite, which JSON cannot write"))
}

fn check_bytes(name: &str, bytes: usize) -> Result<(), Fail> {
    if bytes <= AGGREGATE_BYTES_MAX {
        return Ok(());
    }
    Err(over(name, &format!("{bytes} bytes"), AGGREGATE_BYTES_MAX, "keep less of each event, or a hash of it"))
}

fn values(count: usize) -> String {
    format!("{count} values")
}

#[cold]
fn over(name: &str, have: &str, max: usize, way_out: &str) -> Fail {
    Fail::new(
        codes::AGGREGATE_LIMIT.id,
        format!("`{name}` would keep {have} for one key and window, over its limit of {max}; {way_out}"),
    )
}
