//! Tumbling and sliding windows: each key has its units (panes, or whole windows) in order of time, and each unit of time its
//! keys in order of their first event. A window fires by walking the keys of its units.

mod fire;
mod saved;

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::flow::Held;
use crate::limits::WINDOWS_OPEN_MAX;
use crate::state::{Few, KeyId, Keyed, Keys};

use super::assign::Spans;
use super::open::{Arrival, Emit, Full, Into, Marks, NEW, OpenWindows, Placed, Timing, next_tick};
use super::results::Results;
use super::slots::{Slot, Slots};
use fire::Job;

/// The events of a key in one unit of time that count in the same of its windows.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    start: i64,
    slot: Slot,
    /// The place of the key among those of the unit; with the bit [`PARTLY`], `Aligned::partly` has from which window on they count.
    order: u32,
}

/// Marks a unit of events that are late for some of its windows, and not for others: these are kept apart.
const PARTLY: u32 = 1 << 31;
const _: () = assert!(WINDOWS_OPEN_MAX < PARTLY as usize);

/// What is kept of a key. With the key and what the table notes it fills a line of the cache.
#[derive(Debug, Default)]
struct Series {
    /// By start, then the first window.
    units: Few<Unit>,
    floats: u32,
}

/// How often a window has left, and the number of the last event before it did.
#[derive(Clone, Copy, Debug, Default)]
struct Revised {
    times: u32,
    seen: u64,
}

/// Open windows of one size at even distances.
#[derive(Debug)]
pub struct Aligned {
    spans: Spans,
    timing: Timing,
    keys: Keyed<Series>,
    /// The keys of each unit, in order of their first event in it.
    units: BTreeMap<i64, Vec<KeyId>>,
    /// The first window in which a unit counts, where that is not the first of all.
    partly: HashMap<Slot, i64, foldhash::fast::RandomState>,
    /// The number of the last event that was added to a slot; empty with `Emit::Final`. Where it is not known, 1 stands for it.
    changed: Vec<u64>,
    /// Windows before this one have left at their end.
    emitted: i64,
    /// Windows before this one are closed.
    closed: i64,
    /// The next moment of `Emit::Every`, if anything has changed.
    tick: Option<i64>,
    /// When the next window leaves at its end, and when the next closes.
    emit_due: i64,
    close_due: i64,
    job: Option<Job>,
    /// Windows that were changed after they had left.
    ready: VecDeque<(KeyId, i64)>,
    /// Events that were placed.
    placed: u64,
    /// By key and window; empty with `Emit::Final`.
    revised: HashMap<(KeyId, i64), Revised, foldhash::fast::RandomState>,
    marks: Marks,
    /// The unit of the event before: most likely that of the next, too.
    near: i64,
}

impl Aligned {
    /// No window open.
    pub fn new(spans: Spans, timing: Timing) -> Aligned {
        Aligned {
            spans,
            timing,
            keys: Keyed::new(timing.keys_max),
            units: BTreeMap::new(),
            partly: HashMap::default(),
            changed: Vec::new(),
            emitted: i64::MIN,
            closed: i64::MIN,
            tick: None,
            emit_due: i64::MAX,
            close_due: i64::MAX,
            job: None,
            ready: VecDeque::new(),
            placed: 0,
            revised: HashMap::default(),
            marks: Marks { close: i64::MIN, emit: i64::MIN },
            near: i64::MIN,
        }
    }

    /// The mark at which the window can take no more.
    fn closes_at(&self, window: i64) -> i64 {
        self.spans.end(window).saturating_add(self.timing.lateness)
    }

    /// From which of the unit's windows on an event counts; `None` if all of them are closed to it.
    fn open_from(&self, unit: i64, mark: i64) -> Option<i64> {
        let first = self.spans.first_window(unit);
        if self.closes_at(first) > mark && first >= self.closed {
            return Some(i64::MIN);
        }
        // With a `lateness` that was made longer, what had closed before stays closed.
        let open = self.spans.first_open(mark.saturating_sub(self.timing.lateness)).max(self.closed);
        (open <= self.spans.last_window(unit)).then_some(open)
    }

    /// The units that an event is added to, each with the first of its windows that is still open to it.
    fn units_of(&self, event: &Arrival<'_>) -> SmallVec<[(i64, i64); 8]> {
        let mut units = SmallVec::new();
        let mut add = |unit: i64| units.extend(self.open_from(unit, event.mark).map(|from| (unit, from)));
        if self.spans.is_one_unit() {
            add(self.spans.unit(event.time));
        } else {
            self.spans.units(event.time).for_each(add);
        }
        units
    }

    /// From which window on a unit's events count; `i64::MIN`: in all.
    fn counts_from(&self, unit: &Unit) -> i64 {
        if unit.order & PARTLY == 0 { i64::MIN } else { self.partly.get(&unit.slot).copied().unwrap_or(i64::MIN) }
    }

    /// The place of the unit among those of its key, or where it would be.
    fn place_of(&self, units: &[Unit], start: i64, from: i64) -> Result<usize, usize> {
        // Most events belong to the last unit of their key.
        match units.last() {
            None => Err(0),
            Some(last) if last.start < start => Err(units.len()),
            Some(last) if last.start == start && self.counts_from(last) == from => Ok(units.len() - 1),
            _ => units.binary_search_by_key(&(start, from), |unit| (unit.start, self.counts_from(unit))),
        }
    }

    /// The slot of the key in the unit, opened where there is none, for one more event.
    fn unit(&mut self, id: KeyId, start: i64, from: i64, slots: &mut Slots) -> Slot {
        let units = &self.keys.get(id).units;
        let slot = match self.place_of(units, start, from) {
            Ok(at) => units[at].slot,
            Err(at) => self.open_unit(id, at, start, from, slots),
        };
        if self.timing.emit != Emit::Final {
            let slot = slot as usize;
            if slot >= self.changed.len() {
                self.changed.resize(slot + 1, 1);
            }
            self.changed[slot] = self.placed;
        }
        slot
    }

    /// Opens a unit, which comes in this place among those of its key.
    fn open_unit(&mut self, id: KeyId, at: usize, start: i64, from: i64, slots: &mut Slots) -> Slot {
        let units = &mut self.keys.get_mut(id).units;
        let sibling = |at: Option<&Unit>| at.filter(|unit| unit.start == start).map(|unit| unit.order & !PARTLY);
        let before = at.checked_sub(1).and_then(|before| units.get(before));
        let slot = slots.open();
        let known = sibling(before).or_else(|| sibling(units.get(at)));
        let ids_before = known.is_none().then(|| {
            let ids = self.units.entry(start).or_default();
            ids.push(id);
            ids.len() as u32 - 1
        });
        let mut order = known.or(ids_before).unwrap_or_default();
        if from > i64::MIN {
            order |= PARTLY;
            self.partly.insert(slot, from);
        }
        units.insert(at, Unit { start, slot, order });
        if ids_before == Some(0) {
            self.schedule();
        }
        slot
    }

    /// Frees a slot and what is kept of it beside its unit.
    fn close(&mut self, unit: Unit, slots: &mut Slots) {
        slots.close(unit.slot);
        if unit.order & PARTLY != 0 {
            self.partly.remove(&unit.slot);
        }
    }

    /// Notes that the windows of a unit have changed; whether one of them leaves at once.
    fn changed(&mut self, id: KeyId, unit: i64, from: i64, event: &Arrival<'_>) -> bool {
        let windows = |spans: Spans| {
            let first = spans.first_window(unit).max(from);
            std::iter::successors(Some(first), move |window| Some(spans.next(*window)))
                .take_while(move |window| *window <= spans.last_window(unit))
        };
        match self.timing.emit {
            Emit::Final => false,
            Emit::Updates => {
                for window in windows(self.spans) {
                    let has_ended = self.spans.end(window) <= self.marks.emit;
                    if window < self.emitted || has_ended {
                        self.ready.push_back((id, window));
                    }
                }
                let first_open = self.spans.first_open(self.marks.emit);
                if !self.ready.is_empty() && self.emitted < first_open {
                    self.emitted = first_open;
                    self.schedule();
                }
                !self.ready.is_empty()
            }
            Emit::Every(every) => {
                let now = if self.marks.emit == i64::MIN { event.time } else { self.marks.emit };
                self.tick.get_or_insert_with(|| next_tick(now, every));
                false
            }
        }
    }

    /// Adds the event's key to these units; to none, if the event is late.
    fn place_in(
        &mut self,
        units: &[(i64, i64)],
        event: &Arrival<'_>,
        slots: &mut Slots,
        into: &mut Into,
    ) -> Result<Placed, Full> {
        if units.is_empty() {
            return Ok(Placed::Late);
        }
        if slots.is_full() {
            return Err(Full::Windows);
        }
        let id = self.keys.find_or_insert(&event.key).map_err(|_| Full::Keys)?;
        let series = self.keys.get_mut(id);
        if series.units.is_empty() {
            series.floats = event.floats;
        }
        self.placed += 1;
        let mut fires = false;
        for &(start, from) in units {
            into.push(self.unit(id, start, from, slots));
            fires |= self.changed(id, start, from, event);
        }
        Ok(if fires { Placed::Firing } else { Placed::In })
    }

    /// The first window at or after this one that has a unit.
    fn next_window(&self, from: i64) -> Option<i64> {
        let (unit, _) = self.units.range(from..).next()?;
        Some(self.spans.first_window(*unit).max(from))
    }

    fn schedule(&mut self) {
        let due = |window: Option<i64>, delay: i64| {
            window.map_or(i64::MAX, |window| self.spans.end(window).saturating_add(delay))
        };
        let at_end = if self.timing.emit == Emit::Updates { 0 } else { self.timing.lateness };
        self.emit_due = due(self.next_window(self.emitted), at_end);
        self.close_due = due(self.next_window(self.closed), self.timing.lateness);
    }
}

impl OpenWindows for Aligned {
    fn find_all(&self, keys: &mut Keys) {
        self.keys.find_all(keys);
    }

    fn candidates(&self, event: &Arrival<'_>, into: &mut Into) {
        let series = self.keys.find_probe(&event.key).map(|id| self.keys.get(id));
        for (start, from) in self.units_of(event) {
            let mut units = series.iter().flat_map(|series| series.units.iter());
            let unit = units.find(|unit| unit.start == start && self.counts_from(unit) == from);
            into.push(unit.map_or(NEW, |unit| unit.slot));
        }
    }

    fn place(&mut self, event: &Arrival<'_>, slots: &mut Slots, into: &mut Into) -> Result<Placed, Full> {
        self.marks = event.marks;
        if !self.spans.is_one_unit() {
            let units = self.units_of(event);
            return self.place_in(&units, event, slots, into);
        }
        if !self.spans.holds(self.near, event.time) {
            self.near = self.spans.unit(event.time);
        }
        let unit = self.open_from(self.near, event.mark).map(|from| (self.near, from));
        self.place_in(unit.as_slice(), event, slots, into)
    }

    fn is_due(&self, marks: Marks) -> bool {
        let emit_mark = if self.timing.emit == Emit::Updates { marks.emit } else { marks.close };
        self.job.is_some()
            || !self.ready.is_empty()
            || (!self.units.is_empty() && (self.emit_due <= emit_mark || self.close_due <= marks.close))
            || self.tick.is_some_and(|tick| tick <= marks.emit)
    }

    fn fire(&mut self, marks: Marks, slots: &mut Slots, results: &mut Results) -> bool {
        self.marks = marks;
        while let Some((id, window)) = self.ready.front().copied() {
            if results.is_full() {
                return false;
            }
            self.ready.pop_front();
            self.results(&[id], window, slots, results);
        }
        loop {
            let job = match self.job.take() {
                Some(job) => job,
                None => match self.next_job() {
                    Some(job) => job,
                    None => return true,
                },
            };
            self.job = self.work(job, slots, results);
            if self.job.is_none() {
                self.schedule();
            } else if results.is_full() || matches!(self.job, Some(Job::Free { .. } | Job::Forget { .. })) {
                return false;
            }
        }
    }

    fn cut(&mut self) {
        let first = self.next_window(self.closed);
        self.job = first.map(|window| Job::Cut { window, unit: window, index: 0 });
    }

    fn held(&self, slots: &Slots) -> Held {
        Held { keys: self.keys.len() as u64, windows: slots.len() as u64 }
    }
}
