//! Session windows: each key has its open sessions, and a heap has the marks at which they are due. A session that grew is found
//! not to be due yet when its turn comes, and is put back.

mod saved;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use smallvec::SmallVec;

use crate::flow::Held;
use crate::limits::EXPIRE_STEP_MAX;
use crate::state::{KeyId, Keyed};

use super::assign::{Activity, Gaps};
use super::open::{Arrival, Emit, Full, Into, Marks, NEW, OpenWindows, Placed, Timing, next_tick, result_mark};
use super::results::{Result as WindowResult, Results};
use super::slots::{Slot, Slots};

#[derive(Clone, Copy, Debug)]
struct Session {
    activity: Activity,
    slot: Slot,
    /// Its number in the order in which sessions were opened: its name in the heap.
    number: u64,
    /// How often it has left.
    revision: u32,
    /// Whether it has left at its end (`Emit::Updates`), or need not leave (`Emit::Every`).
    is_told: bool,
}

/// What is kept of a key.
#[derive(Debug, Default)]
struct Sessions {
    floats: u32,
    /// By start.
    open: SmallVec<[Session; 1]>,
}

/// A session and when to look at it: the mark, its end, its number, its key.
type Due = Reverse<(i64, i64, u64, KeyId)>;

/// Open sessions.
#[derive(Debug)]
pub struct OpenSessions {
    gaps: Gaps,
    timing: Timing,
    keys: Keyed<Sessions>,
    /// When sessions end (only with `Emit::Updates`), and when they close.
    ends: BinaryHeap<Due>,
    closes: BinaryHeap<Due>,
    /// Sessions that have changed since they left, in the order of their end (`Emit::Every`), and when they leave.
    changed: Vec<(KeyId, u64)>,
    tick: Option<i64>,
    /// Sessions that are to leave now.
    ready: VecDeque<(KeyId, u64)>,
    opened: u64,
    /// What ends up to here is closed, whatever the lateness is by now.
    closed: i64,
    marks: Marks,
}

impl OpenSessions {
    /// No session open.
    pub fn new(gaps: Gaps, timing: Timing) -> OpenSessions {
        OpenSessions {
            gaps,
            timing,
            keys: Keyed::new(timing.keys_max),
            ends: BinaryHeap::new(),
            closes: BinaryHeap::new(),
            changed: Vec::new(),
            tick: None,
            ready: VecDeque::new(),
            opened: 0,
            closed: i64::MIN,
            marks: Marks { close: i64::MIN, emit: i64::MIN },
        }
    }

    /// Whether a session takes no events any more when event time is at `mark`.
    fn is_closed(&self, session: Activity, mark: i64) -> bool {
        let end = self.gaps.end(session);
        end.saturating_add(self.timing.lateness) <= mark || end <= self.closed
    }

    /// What a session becomes with the event and those open sessions of the key that it joins, and which they are. Sessions
    /// that are closed by the event's mark are not among them, though they may not have been fired.
    fn joined(&self, id: Option<KeyId>, event: &Arrival<'_>) -> (Activity, SmallVec<[usize; 2]>) {
        let mut whole = Activity { first: event.time, last: event.time };
        let mut joins = SmallVec::new();
        let Some(id) = id else { return (whole, joins) };
        let alone = whole;
        for (at, session) in self.keys.get(id).open.iter().enumerate() {
            if !self.is_closed(session.activity, event.mark)
                && self.gaps.is_near(alone, session.activity)
                && let Some(joined) = self.gaps.join(whole, session.activity)
            {
                whole = joined;
                joins.push(at);
            }
        }
        (whole, joins)
    }

    /// The session, if it is still open: its place among those of its key.
    fn find(&self, id: KeyId, number: u64) -> Option<usize> {
        self.keys.try_get(id)?.open.iter().position(|session| session.number == number)
    }

    /// One session of the event and those that it joins.
    fn grow(&mut self, id: KeyId, whole: Activity, joins: &[usize], slots: &mut Slots) -> Session {
        let open = &mut self.keys.get_mut(id).open;
        let mut session = match joins.first() {
            Some(first) => open[*first],
            None => {
                self.opened += 1;
                let (slot, number) = (slots.open(), self.opened);
                Session { activity: whole, slot, number, revision: 0, is_told: false }
            }
        };
        session.activity = whole;
        for other in joins.iter().skip(1).rev() {
            let other = open.remove(*other);
            slots.merge(session.slot, other.slot);
            session.number = session.number.min(other.number);
            session.revision = session.revision.max(other.revision);
            // It may bear another number than before, under which it is noted nowhere: as if it had been told.
            session.is_told = self.timing.emit != Emit::Final;
        }
        if let Some(first) = joins.first() {
            open.remove(*first);
        }
        let at = open.partition_point(|other| other.activity.first <= session.activity.first);
        open.insert(at, session);
        session
    }

    /// Sees to it that the session is looked at when it is due.
    fn schedule(&mut self, id: KeyId, session: Session, before: &[(u64, i64)]) {
        let end = self.gaps.end(session.activity);
        // It is in the heaps already, at an earlier moment; that is enough.
        if before.iter().any(|(number, before)| *number == session.number && *before <= end) {
            return;
        }
        self.closes.push(Reverse((end.saturating_add(self.timing.lateness), end, session.number, id)));
        if self.timing.emit == Emit::Updates {
            self.ends.push(Reverse((end, end, session.number, id)));
        }
    }

    /// What follows from the event's having been added: whether a result leaves at once.
    fn note(&mut self, id: KeyId, number: u64, event: &Arrival<'_>) -> bool {
        let Some(at) = self.find(id, number) else { return false };
        let end = self.gaps.end(self.keys.get(id).open[at].activity);
        let session = &mut self.keys.get_mut(id).open[at];
        match self.timing.emit {
            Emit::Final => false,
            Emit::Updates if end <= self.marks.emit => {
                session.is_told = true;
                self.ready.push_back((id, number));
                true
            }
            Emit::Updates => {
                if session.is_told {
                    session.is_told = false;
                    self.ends.push(Reverse((end, end, number, id)));
                }
                false
            }
            Emit::Every(every) => {
                if session.is_told || session.revision == 0 {
                    self.changed.push((id, number));
                }
                session.is_told = false;
                let now = if self.marks.emit == i64::MIN { event.time } else { self.marks.emit };
                self.tick.get_or_insert_with(|| next_tick(now, every));
                false
            }
        }
    }

    /// Sends a session's result.
    fn result(&mut self, id: KeyId, at: usize, slots: &Slots, results: &mut Results) {
        let sessions = self.keys.get_mut(id);
        let floats = sessions.floats;
        let session = &mut sessions.open[at];
        session.revision += 1;
        session.is_told = true;
        let session = *session;
        let end = self.gaps.end(session.activity);
        let result = WindowResult {
            key: self.keys.key(id),
            floats,
            start: session.activity.first,
            end,
            revision: (self.timing.emit != Emit::Final).then_some(session.revision),
            mark: result_mark(end, self.marks.emit, self.timing.lateness),
        };
        results.push(result, slots.of(session.slot));
    }

    fn close(&mut self, id: KeyId, at: usize, slots: &mut Slots) {
        let sessions = self.keys.get_mut(id);
        slots.close(sessions.open.remove(at).slot);
        if sessions.open.is_empty() {
            self.keys.remove(id);
        }
    }

    /// The next session that is due in a heap at this mark: its key and place. Those that have grown are put back.
    fn pop(&mut self, closes: bool, mark: i64) -> Option<(KeyId, usize)> {
        let delay = if closes { self.timing.lateness } else { 0 };
        loop {
            let heap = if closes { &mut self.closes } else { &mut self.ends };
            let Reverse((due, end, number, id)) = *heap.peek()?;
            if due > mark {
                return None;
            }
            heap.pop();
            let Some(at) = self.find(id, number) else { continue };
            let now = self.gaps.end(self.keys.get(id).open[at].activity);
            if now == end {
                return Some((id, at));
            }
            if now > end {
                let heap = if closes { &mut self.closes } else { &mut self.ends };
                heap.push(Reverse((now.saturating_add(delay), now, number, id)));
            }
        }
    }

    /// At a tick: what has changed, in the order in which it ends.
    fn ready_changed(&mut self) {
        self.tick = None;
        let mut due: Vec<(i64, u64, KeyId)> = Vec::new();
        for (id, number) in std::mem::take(&mut self.changed) {
            if let Some(at) = self.find(id, number) {
                due.push((self.gaps.end(self.keys.get(id).open[at].activity), number, id));
            }
        }
        due.sort_unstable();
        due.dedup();
        self.ready.extend(due.into_iter().map(|(_, number, id)| (id, number)));
    }
}

/// When the next session of a heap is to be looked at, if that is due.
fn next_due(heap: &BinaryHeap<Due>, mark: i64) -> Option<i64> {
    heap.peek().map(|Reverse((due, ..))| *due).filter(|due| *due <= mark)
}

impl OpenWindows for OpenSessions {
    fn candidates(&self, event: &Arrival<'_>, into: &mut Into) {
        let id = self.keys.find(event.key);
        let (whole, joins) = self.joined(id, event);
        let is_late = self.is_closed(whole, event.mark);
        match id {
            Some(id) if !joins.is_empty() => into.extend(joins.iter().map(|at| self.keys.get(id).open[*at].slot)),
            _ if !is_late => into.push(NEW),
            _ => {}
        }
    }

    fn place(&mut self, event: &Arrival<'_>, slots: &mut Slots, into: &mut Into) -> Result<Placed, Full> {
        self.marks = event.marks;
        let (whole, joins) = self.joined(self.keys.find(event.key), event);
        if self.is_closed(whole, event.mark) {
            return Ok(Placed::Late);
        }
        if joins.len() > 1 && !event.is_settled {
            return Ok(Placed::Unsettled);
        }
        if slots.is_full() {
            return Err(Full::Windows);
        }
        let id = self.keys.find_or_insert(event.key).map_err(|_| Full::Keys)?;
        let sessions = self.keys.get_mut(id);
        if sessions.open.is_empty() {
            sessions.floats = event.floats;
        }
        let before: SmallVec<[(u64, i64); 2]> = joins
            .iter()
            .map(|at| self.keys.get(id).open[*at])
            .map(|session| (session.number, self.gaps.end(session.activity)))
            .collect();
        let session = self.grow(id, whole, &joins, slots);
        self.schedule(id, session, &before);
        into.push(session.slot);
        Ok(if self.note(id, session.number, event) { Placed::Firing } else { Placed::In })
    }

    fn is_due(&self, marks: Marks) -> bool {
        !self.ready.is_empty()
            || self.closes.peek().is_some_and(|Reverse((due, ..))| *due <= marks.close)
            || self.ends.peek().is_some_and(|Reverse((due, ..))| *due <= marks.emit)
            || self.tick.is_some_and(|tick| tick <= marks.emit)
    }

    fn fire(&mut self, marks: Marks, slots: &mut Slots, results: &mut Results) -> bool {
        self.marks = marks;
        for _ in 0..EXPIRE_STEP_MAX {
            if results.is_full() {
                return false;
            }
            if let Some((id, number)) = self.ready.pop_front() {
                if let Some(at) = self.find(id, number) {
                    self.result(id, at, slots, results);
                }
                continue;
            }
            let end = next_due(&self.ends, marks.emit);
            let close = next_due(&self.closes, marks.close);
            let tick = self.tick.filter(|tick| *tick <= marks.emit);
            let Some(first) = [end, close, tick].into_iter().flatten().min() else { return true };
            if end == Some(first) {
                if let Some((id, at)) = self.pop(false, first)
                    && !self.keys.get(id).open[at].is_told
                {
                    self.result(id, at, slots, results);
                }
            } else if close == Some(first) {
                if let Some((id, at)) = self.pop(true, first) {
                    if !self.keys.get(id).open[at].is_told {
                        self.result(id, at, slots, results);
                    }
                    self.close(id, at, slots);
                }
            } else {
                self.ready_changed();
            }
        }
        false
    }

    fn cut(&mut self) {
        let session = |(id, sessions): (KeyId, &Sessions)| {
            let open = sessions.open.iter().map(|session| (self.gaps.end(session.activity), session.number, id));
            open.collect::<SmallVec<[_; 1]>>()
        };
        let mut open: Vec<(i64, u64, KeyId)> = self.keys.iter().flat_map(session).collect();
        open.sort_unstable();
        self.ready = open.into_iter().map(|(_, number, id)| (id, number)).collect();
    }

    fn reach(&self) -> i64 {
        self.gaps.gap - 1
    }

    fn held(&self, slots: &Slots) -> Held {
        Held { keys: self.keys.len() as u64, windows: slots.len() as u64 }
    }
}
