//! Tumbling and sliding windows: each key has its units (panes, or whole windows) in order of time, and each unit of time its
//! keys in order of their first event. A window fires by walking the keys of its units.

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::flow::Held;
use crate::limits::EXPIRE_STEP_MAX;
use crate::state::{KeyId, Keyed};

use super::assign::Spans;
use super::open::{Arrival, Emit, Full, Into, Marks, NEW, OpenWindows, Placed, Timing, next_tick, result_mark};
use super::results::{Result as WindowResult, Results};
use super::slots::{Slot, Slots};

/// The events of a key in one unit of time that count in the unit's windows from `from` on: an event that is late for some of its
/// windows, and not for others, is kept apart. `i64::MIN`: in all of them.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    start: i64,
    from: i64,
    slot: Slot,
    /// The number of the last event that was added.
    changed: u64,
}

/// What is kept of a key.
#[derive(Debug, Default)]
struct Series {
    floats: u32,
    /// By start, then `from`.
    units: SmallVec<[Unit; 2]>,
}

/// How often a window has left, and the number of the last event before it did.
#[derive(Clone, Copy, Debug, Default)]
struct Revised {
    times: u32,
    seen: u64,
}

/// Work that was begun, and how far it is.
#[derive(Clone, Copy, Debug)]
enum Job {
    /// Results of one window leave: the next is of the unit that starts at `unit`, key `index`.
    Emit { window: i64, unit: i64, index: usize },
    /// Results of all open windows that have changed leave.
    Tick { window: i64, unit: i64, index: usize },
    /// A window is forgotten; `unit` and `index` as above.
    Forget { window: i64, unit: i64, index: usize },
    /// Units that no later window has are freed, from the last key on.
    Free { window: i64 },
}

/// Open windows of one size at even distances.
#[derive(Debug)]
pub struct Aligned {
    spans: Spans,
    timing: Timing,
    keys: Keyed<Series>,
    /// The keys of each unit, in order of their first event in it.
    units: BTreeMap<i64, Vec<KeyId>>,
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
        if self.closes_at(self.spans.first_window(unit)) > mark {
            return Some(i64::MIN);
        }
        let open = self.spans.first_open(mark.saturating_sub(self.timing.lateness));
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

    /// The slot of the key in the unit, opened where there is none, for one more event.
    fn unit(&mut self, id: KeyId, start: i64, from: i64, slots: &mut Slots) -> Slot {
        let series = self.keys.get_mut(id);
        // Most events belong to the last unit of their key.
        let at = match series.units.last() {
            Some(last) if (last.start, last.from) == (start, from) => Ok(series.units.len() - 1),
            Some(last) if (last.start, last.from) < (start, from) => Err(series.units.len()),
            _ => series.units.binary_search_by_key(&(start, from), |unit| (unit.start, unit.from)),
        };
        let at = match at {
            Ok(at) => {
                series.units[at].changed = self.placed;
                return series.units[at].slot;
            }
            Err(at) => at,
        };
        let has_start = |at: Option<&Unit>| at.is_some_and(|unit| unit.start == start);
        let before = at.checked_sub(1).and_then(|before| series.units.get(before));
        let is_new_to_unit = !has_start(before) && !has_start(series.units.get(at));
        let slot = slots.open();
        series.units.insert(at, Unit { start, from, slot, changed: self.placed });
        if is_new_to_unit {
            let is_new_unit = !self.units.contains_key(&start);
            self.units.entry(start).or_default().push(id);
            if is_new_unit {
                self.schedule();
            }
        }
        slot
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
        let id = self.keys.find_or_insert(event.key).map_err(|_| Full::Keys)?;
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

    fn emit_mark(&self) -> i64 {
        if self.timing.emit == Emit::Updates { self.marks.emit } else { self.marks.close }
    }

    /// The next job that is due, in the order of the marks at which they became so.
    fn next_job(&mut self) -> Option<Job> {
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
    fn work(&mut self, job: Job, slots: &mut Slots, results: &mut Results) -> Option<Job> {
        match job {
            Job::Emit { window, unit, index } => {
                self.emit(window, unit, index, slots, results).map(|(unit, index)| Job::Emit { window, unit, index })
            }
            Job::Tick { window, unit, index } => match self.emit(window, unit, index, slots, results) {
                Some((unit, index)) => Some(Job::Tick { window, unit, index }),
                None => {
                    let window = self.next_window(self.spans.next(window))?;
                    Some(Job::Tick { window, unit: window, index: 0 })
                }
            },
            Job::Forget { window, unit, index } => Some(match self.forget(window, unit, index) {
                Some((unit, index)) => Job::Forget { window, unit, index },
                None => Job::Free { window },
            }),
            Job::Free { window } => self.free(window, slots).then_some(job),
        }
    }

    /// Sends a window's results from a unit and key on; where to go on, if the results are full.
    fn emit(
        &mut self,
        window: i64,
        unit: i64,
        index: usize,
        slots: &Slots,
        results: &mut Results,
    ) -> Option<(i64, usize)> {
        let mut skip = index;
        let mut at = unit;
        while let Some((start, index, id)) = self.key_from(window, at, skip) {
            if results.is_full() {
                return Some((start, index));
            }
            // The key comes in the first of its units only.
            let first = units_of_window(self.spans, self.keys.get(id), window).next();
            if first.is_some_and(|unit| unit.start == start) && self.leaves(id, window) {
                self.result(id, window, slots, results);
            }
            (at, skip) = (start, index + 1);
        }
        None
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
                units_of_window(self.spans, self.keys.get(id), window).any(|unit| unit.changed > seen)
            }
        }
    }

    fn result(&mut self, id: KeyId, window: i64, slots: &Slots, results: &mut Results) {
        let revision = (self.timing.emit != Emit::Final).then(|| {
            let revised = self.revised.entry((id, window)).or_default();
            revised.seen = self.placed;
            revised.times += 1;
            revised.times
        });
        let series = self.keys.get(id);
        let end = self.spans.end(window);
        let mark = result_mark(end, self.marks.emit, self.timing.lateness);
        let result = WindowResult { key: self.keys.key(id), floats: series.floats, start: window, end, revision, mark };
        let mut units = units_of_window(self.spans, series, window);
        match (units.next(), units.next()) {
            (Some(only), None) => results.push(result, slots.of(only.slot)),
            (Some(first), Some(second)) => {
                let mut sum = slots.of(first.slot).to_vec();
                for unit in std::iter::once(second).chain(units) {
                    slots.merge_into(&mut sum, unit.slot);
                }
                results.push(result, &sum);
            }
            (None, _) => {}
        }
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
            for id in entry.get_mut().drain(keep..) {
                let series = self.keys.get_mut(id);
                series.units.retain(|unit| {
                    let stays = unit.start != start;
                    if !stays {
                        slots.close(unit.slot);
                    }
                    stays
                });
                if series.units.is_empty() {
                    self.keys.remove(id);
                }
            }
            if keep > 0 {
                return true;
            }
            entry.remove();
        }
        false
    }
}

/// The units of a key that a window is the sum of.
fn units_of_window(spans: Spans, series: &Series, window: i64) -> impl Iterator<Item = &Unit> {
    let units_end = spans.units_end(window);
    let first = series.units.partition_point(|unit| unit.start < window);
    let units = series.units.get(first..).unwrap_or_default();
    units.iter().take_while(move |unit| unit.start < units_end).filter(move |unit| unit.from <= window)
}

impl OpenWindows for Aligned {
    fn candidates(&self, event: &Arrival<'_>, into: &mut Into) {
        let series = self.keys.find(event.key).map(|id| self.keys.get(id));
        for (start, from) in self.units_of(event) {
            let mut units = series.iter().flat_map(|series| &series.units);
            let unit = units.find(|unit| unit.start == start && unit.from == from);
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
            self.result(id, window, slots, results);
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

    fn held(&self, slots: &Slots) -> Held {
        Held { keys: self.keys.len() as u64, windows: slots.len() as u64 }
    }
}
