//! Tumbling and sliding windows in snapshots: a key's units with their accumulators, and how often its windows have left.

use std::collections::BTreeMap;

use crate::state::codec::{Reader, put_i64, put_varint};
use crate::state::{Corrupt, KeyId, Snapshot};

use super::super::assign::Spans;
use super::super::open::{Emit, next_tick};
use super::super::saved::{Keep, Rows, Was, count, floats, moment, put_moment, time, times};
use super::super::slots::Slots;
use super::{Aligned, PARTLY, Revised, Series, Unit};

impl Keep for Aligned {
    fn save(&mut self, slots: &Slots, into: &mut Snapshot) {
        let (revised, spans, partly, changed) = (&self.revised, self.spans, &self.partly, &self.changed);
        self.keys.snapshot(into, |id, series, out| {
            put_varint(out, u64::from(series.floats));
            put_varint(out, series.units.len() as u64);
            for unit in series.units.iter() {
                put_i64(out, unit.start);
                put_moment(out, if unit.order & PARTLY == 0 { None } else { partly.get(&unit.slot).copied() });
                put_varint(out, u64::from(unit.order & !PARTLY));
                put_varint(out, changed.get(unit.slot as usize).copied().unwrap_or(1));
                slots.write(unit.slot, out);
            }
            if !revised.is_empty() {
                for window in windows_of(spans, series) {
                    if let Some(Revised { times, seen }) = revised.get(&(id, window)) {
                        put_i64(out, window);
                        put_varint(out, u64::from(*times));
                        put_varint(out, *seen);
                    }
                }
            }
        });
    }

    fn save_head(&self, out: &mut Vec<u8>) {
        put_i64(out, self.emitted);
        put_i64(out, self.closed);
        put_moment(out, self.tick);
        put_varint(out, self.placed);
    }

    fn reserve(&mut self, keys: usize) {
        self.keys.reserve(keys);
    }

    fn load_head(&mut self, from: &mut Reader<'_>) -> Result<(), Corrupt> {
        (self.emitted, self.closed, self.tick) = (from.i64()?, from.i64()?, moment(from)?);
        self.placed = count(from)?;
        Ok(())
    }

    fn load(&mut self, key: &[u8], from: &mut Reader<'_>, rows: &mut Rows<'_>) -> Result<(), Corrupt> {
        let mut series = Series { floats: floats(from)?, ..Series::default() };
        for _ in 0..from.size()? {
            let (start, since) = (time(from)?, moment(from)?.unwrap_or(i64::MIN));
            let order = u32::try_from(from.varint()?).ok().filter(|order| order & PARTLY == 0);
            let mut order = order.ok_or_else(|| Corrupt("a unit has too many keys".into()))?;
            let (changed, slot) = (from.varint()?, rows.read(from)?);
            let follows = series.units.last().is_none_or(|last| (last.start, self.counts_from(last)) < (start, since));
            if !follows || self.spans.unit(start) != start {
                return Err(Corrupt("the units of a key are not in order".into()));
            }
            if since > i64::MIN {
                order |= PARTLY;
                self.partly.insert(slot, since);
            }
            if self.timing.emit != Emit::Final {
                self.changed.resize(slot as usize, 1);
                self.changed.push(changed);
            }
            series.units.push(Unit { start, slot, order });
        }
        if series.units.is_empty() {
            return Err(Corrupt("a key has no window".into()));
        }
        let id = self.keys.restore(key, series)?;
        while !from.is_empty() {
            let window = from.i64()?;
            let times = times(from)?;
            let seen = from.varint()?;
            if window >= self.closed {
                self.revised.insert((id, window), Revised { times, seen });
            }
        }
        Ok(())
    }

    fn loaded(&mut self, was: &Was) {
        let mut units: BTreeMap<i64, Vec<(u32, KeyId)>> = BTreeMap::new();
        for (id, series) in self.keys.iter() {
            let mut last = None;
            for unit in series.units.iter().filter(|unit| last.replace(unit.start) != Some(unit.start)) {
                units.entry(unit.start).or_default().push((unit.order & !PARTLY, id));
            }
        }
        for (start, mut keys) in units {
            keys.sort_unstable();
            self.units.insert(start, keys.into_iter().map(|(_, id)| id).collect());
        }
        self.follow(was);
    }

    fn take(&mut self) -> Aligned {
        let empty = Aligned::new(self.spans, self.timing);
        std::mem::replace(self, empty)
    }

    fn adopt(&mut self, other: Aligned, was: &Was) {
        *self = Aligned { timing: self.timing, ..other };
        self.keys.set_keys_max(self.timing.keys_max);
        self.follow(was);
    }
}

impl Aligned {
    /// Goes on where windows left by other rules.
    fn follow(&mut self, was: &Was) {
        if was.lateness != self.timing.lateness {
            // What had closed stays closed: a result of it would be later than what was told of event time.
            let open = self.spans.first_open(was.marks.close.saturating_sub(was.lateness));
            self.closed = self.closed.max(open);
        }
        if was.emit != self.timing.emit {
            self.keys.forget_notes();
            self.tick = match self.timing.emit {
                Emit::Every(every) if was.marks.emit > i64::MIN && !self.units.is_empty() => {
                    Some(next_tick(was.marks.emit, every))
                }
                Emit::Every(_) => self.tick,
                Emit::Final | Emit::Updates => None,
            };
            if self.timing.emit != Emit::Updates {
                // Windows that had left at their end and still take events leave again when they close.
                self.emitted = self.emitted.min(self.closed);
            }
            if self.timing.emit == Emit::Final {
                self.revised.clear();
                self.changed = Vec::new();
            }
        }
        self.emitted = self.emitted.max(self.closed);
        self.schedule();
    }
}

/// The windows that some unit of a key is part of, ascending.
fn windows_of(spans: Spans, series: &Series) -> impl Iterator<Item = i64> + '_ {
    let mut next = i64::MIN;
    series.units.iter().flat_map(move |unit| {
        let first = spans.first_window(unit.start).max(next);
        let last = spans.last_window(unit.start);
        next = spans.next(last);
        std::iter::successors(Some(first), move |window| Some(spans.next(*window))).take_while(move |it| *it <= last)
    })
}
