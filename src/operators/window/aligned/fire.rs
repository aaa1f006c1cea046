//! How tumbling and sliding windows leave: jobs that walk the keys of a window's units, in the order of the marks at which they are due.

use smallvec::SmallVec;

use crate::limits::EXPIRE_STEP_MAX;
use crate::state::KeyId;

use super::super::open::{Emit, result_mark};
use super::super::results::{Results, Row};
use super::super::slots::{Slot, Slots};
use super::{Aligned, PARTLY, Series, Unit};

/// Keys of a unit that are looked at together.
const ROWS_AHEAD: usize = 64;

/// Work that was begun, and how far it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// Results of one window leave: the next is of the unit that starts at `unit`, key `index`.
    Emit { window: i64, unit: i64, index: usize },
    /// Results of all open windows that have changed leave.
    Tick { window: i64, unit: i64, index: usize },
    /// Results of all open windows leave, whether they have changed or not.
    Cut { window: i64, unit: i64, index: usize },
    /// A window is forgotten; `unit` and `index` as above.
    Forget { window: i64, unit: i64, index: usize },
    /// Units that no later window has are freed, from the last key on.
    Free { window: i64 },
}

impl Aligned {
    fn emit_mark(&self) -> i64 {
        if self.timing.emit == Emit::Updates { self.marks.emit } else { self.marks.close }
    }

    /// The next job that is due, in the order of the marks at which they became so.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        let tick = self.tick.filter(|tick| *tick <= self.marks.emit).unwrap_or(i64::MAX);
        let emit = if self.emit_due <= self.emit_mark() { self.emit_due } else { i64::MAX };
        let close = if self.close_due <= self.marks.close { self.close_due } else { i64::MAX };
        let first = emit.min(close).min(tick);
        // At the end of the input everything is due, also what i64 cannot tell from "never".
        let (emit_is_due, close_is_due) = (self.emit_due <= self.emit_mark(), self.close_due <= self.marks.close);
        if emit_is_due
            && emit == first
            && let Some(window) = self.next_window(self.emitted)
        {
            self.emitted = self.spans.next(window);
            return Some(Job::Emit { window, unit: window, index: 0 });
        }
        if close_is_due
            && close == first
            && let Some(window) = self.next_window(self.closed)
        {
            self.closed = self.spans.next(window);
            let forgets = self.timing.emit != Emit::Final;
            return Some(if forgets { Job::Forget { window, unit: window, index: 0 } } else { Job::Free { window } });
        }
        if tick < i64::MAX {
            self.tick = None;
            let window = self.next_window(self.closed)?;
            return Some(Job::Tick { window, unit: window, index: 0 });
        }
        None
    }

    /// Goes on with a job; gives it back if it is not done.
    pub(super) fn work(&mut self, job: Job, slots: &mut Slots, results: &mut Results) -> Option<Job> {
        match job {
            Job::Emit { window, unit, index } => {
                let rest = self.emit(window, unit, index, slots, results, false);
                rest.map(|(unit, index)| Job::Emit { window, unit, index })
            }
            Job::Tick { window, unit, index } => match self.emit(window, unit, index, slots, results, false) {
                Some((unit, index)) => Some(Job::Tick { window, unit, index }),
                None => {
                    let window = self.next_window(self.spans.next(window))?;
                    Some(Job::Tick { window, unit: window, index: 0 })
                }
            },
            Job::Cut { window, unit, index } => match self.emit(window, unit, index, slots, results, true) {
                Some((unit, index)) => Some(Job::Cut { window, unit, index }),
                None => {
                    let window = self.next_window(self.spans.next(window))?;
                    Some(Job::Cut { window, unit: window, index: 0 })
                }
            },
            Job::Forget { window, unit, index } => Some(match self.forget(window, unit, index) {
                Some((unit, index)) => Job::Forget { window, unit, index },
                None => Job::Free { window },
            }),
            Job::Free { window } => self.free(window, slots).then_some(job),
        }
    }

    /// Sends a window's results from a unit and key on, those that are news or `all`; where to go on, if the results are full.
    fn emit(
        &mut self,
        window: i64,
        unit: i64,
        index: usize,
        slots: &Slots,
        results: &mut Results,
        all: bool,
    ) -> Option<(i64, usize)> {
        let mut ids: SmallVec<[KeyId; 64]> = SmallVec::new();
        let mut next = Some((unit, index));
        while let Some((unit, index)) = next {
            let room = results.room(slots);
            if room == 0 {
                break;
            }
            ids.clear();
            next = self.leaving(window, unit, index, room, all, &mut ids);
            self.results(&ids, window, slots, results);
        }
        next
    }

    /// Lists the keys of a window's results from a unit and key on, at most `room`, and where to go on.
    fn leaving(
        &self,
        window: i64,
        unit: i64,
        index: usize,
        room: usize,
        all: bool,
        ids: &mut SmallVec<[KeyId; 64]>,
    ) -> Option<(i64, usize)> {
        let mut skip = index;
        for (start, of_unit) in self.units.range(unit..self.spans.units_end(window)) {
            if *start != unit {
                skip = 0;
            }
            for (nth, some) in of_unit.get(skip..).unwrap_or_default().chunks(ROWS_AHEAD).enumerate() {
                // First all keys are looked at, then it is decided for each, so that waits for memory overlap.
                let firsts: SmallVec<[i64; ROWS_AHEAD]> = some.iter().map(|id| self.first_of(*id)).collect();
                for (at, (id, first)) in some.iter().zip(firsts).enumerate() {
                    if ids.len() == room {
                        return Some((*start, skip + nth * ROWS_AHEAD + at));
                    }
                    // The key comes in the first of its units only.
                    let is_first = if first >= window {
                        first == *start
                    } else {
                        let mut units = self.units_of_window(self.keys.get(*id), window);
                        units.next().is_some_and(|first| first.start == *start)
                    };
                    if is_first && (all || self.leaves(*id, window)) {
                        ids.push(*id);
                    }
                }
            }
        }
        None
    }

    /// The start of a key's first unit, if that counts in all its windows; else before all windows.
    fn first_of(&self, id: KeyId) -> i64 {
        match self.keys.get(id).units.first() {
            Some(first) if first.order & PARTLY == 0 => first.start,
            _ => i64::MIN,
        }
    }

    /// The key with this index in this unit of the window, or the first in the units after it.
    fn key_from(&self, window: i64, unit: i64, index: usize) -> Option<(i64, usize, KeyId)> {
        let mut skip = index;
        for (start, ids) in self.units.range(unit..self.spans.units_end(window)) {
            if *start != unit {
                skip = 0;
            }
            if let Some(id) = ids.get(skip) {
                return Some((*start, skip, *id));
            }
        }
        None
    }

    /// Whether there is something new to say of a window.
    fn leaves(&self, id: KeyId, window: i64) -> bool {
        match self.timing.emit {
            Emit::Final | Emit::Updates => true,
            Emit::Every(_) => {
                let seen = self.revised.get(&(id, window)).map_or(0, |revised| revised.seen);
                self.units_of_window(self.keys.get(id), window).any(|unit| self.changed_of(unit) > seen)
            }
        }
    }

    /// The number of the last event that was added to a unit, where results go by that.
    pub(super) fn changed_of(&self, unit: &Unit) -> u64 {
        self.changed.get(unit.slot as usize).copied().unwrap_or(1)
    }

    /// Sends the results of a window for these keys, each of which has a unit of it.
    pub(super) fn results(&mut self, ids: &[KeyId], window: i64, slots: &Slots, results: &mut Results) {
        let is_revised = self.timing.emit != Emit::Final;
        if is_revised {
            for &id in ids {
                self.keys.touch(id);
                let revised = self.revised.entry((id, window)).or_default();
                revised.seen = self.placed;
                revised.times += 1;
            }
        }
        let end = self.spans.end(window);
        let mark = result_mark(end, self.marks.emit, self.timing.lateness);
        let mut rows: Vec<Row<'_>> = Vec::with_capacity(ids.len());
        // The units of the rows beside the first of each.
        let mut rest: Vec<(u32, Slot)> = Vec::new();
        for &id in ids {
            let series = self.keys.get(id);
            let mut units = self.units_of_window(series, window);
            let Some(Unit { slot, .. }) = units.next() else { continue };
            rest.extend(units.map(|unit| (rows.len() as u32, unit.slot)));
            let times = || self.revised.get(&(id, window)).map(|revised| revised.times);
            let revision = if is_revised { times() } else { None };
            let (key, floats, slot) = (self.keys.key(id), series.floats, *slot);
            rows.push(Row { key, floats, start: window, end, revision, mark, slot });
        }
        results.push(&rows, &rest, slots);
    }

    /// Drops what is remembered of a closed window's revisions, some keys at a time.
    fn forget(&mut self, window: i64, unit: i64, index: usize) -> Option<(i64, usize)> {
        let (mut at, mut skip) = (unit, index);
        for _ in 0..EXPIRE_STEP_MAX {
            let (start, index, id) = self.key_from(window, at, skip)?;
            self.revised.remove(&(id, window));
            (at, skip) = (start, index + 1);
        }
        Some((at, skip))
    }

    /// Frees the units whose last window this is, some keys at a time; whether there are more.
    fn free(&mut self, window: i64, slots: &mut Slots) -> bool {
        let mut steps = EXPIRE_STEP_MAX;
        while let Some(mut entry) = self.units.first_entry() {
            let start = *entry.key();
            if self.spans.last_window(start) > window {
                break;
            }
            let keep = entry.get().len().saturating_sub(steps);
            steps -= entry.get().len() - keep;
            let gone = entry.get_mut().split_off(keep);
            if keep == 0 {
                entry.remove();
            }
            for id in gone {
                let units = &self.keys.get(id).units;
                // No unit is earlier than the first of all.
                let count = units.iter().take_while(|unit| unit.start == start).count();
                let gone: SmallVec<[Unit; 4]> = units.iter().take(count).copied().collect();
                if count == units.len() {
                    self.keys.remove(id);
                } else {
                    self.keys.get_mut(id).units.drain(..count);
                }
                gone.into_iter().for_each(|unit| self.close(unit, slots));
            }
            if keep > 0 {
                return true;
            }
        }
        false
    }

    /// The units of a key that a window is the sum of.
    fn units_of_window<'a>(&'a self, series: &'a Series, window: i64) -> impl Iterator<Item = &'a Unit> {
        let units_end = self.spans.units_end(window);
        let units = series.units.iter().skip_while(move |unit| unit.start < window);
        units.take_while(move |unit| unit.start < units_end).filter(move |unit| self.counts_from(unit) <= window)
    }
}
