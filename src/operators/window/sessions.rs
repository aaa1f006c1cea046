//! Session windows: each key has its open sessions, and an agenda has the marks at which they are due. A session that grew is found
//! not to be due yet when its turn comes, and is put back.

mod saved;

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::flow::Held;
use crate::limits::EXPIRE_STEP_MAX;
use crate::state::{Agenda, KeyId, Keyed, Keys};

use super::assign::{Activity, Gaps};
use super::open::{Arrival, Emit, Full, Into, Marks, NEW, OpenWindows, Placed, Timing, next_tick, result_mark};
use super::results::{Results, Row};
use super::slots::{Slot, Slots};

#[derive(Clone, Copy, Debug)]
struct Session {
    activity: Activity,
    slot: Slot,
    /// Its number in the order in which sessions were opened: its name in the agendas.
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

/// A session on an agenda: its number, its key. It is there for the mark at which it was due when it was put there.
type Due = (u64, KeyId);

/// Open sessions.
#[derive(Debug)]
pub struct OpenSessions {
    gaps: Gaps,
    timing: Timing,
    keys: Keyed<Sessions>,
    /// When sessions end (only with `Emit::Updates`), and when they close.
    ends: Agenda<Due>,
    closes: Agenda<Due>,
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
            ends: Agenda::new(gaps.gap),
            closes: Agenda::new(gaps.gap),
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
        // It is on the agendas already, at an earlier moment; that is enough.
        if before.iter().any(|(number, before)| *number == session.number && *before <= end) {
            return;
        }
        self.closes.push(end.saturating_add(self.timing.lateness), (session.number, id));
        if self.timing.emit == Emit::Updates {
            self.ends.push(end, (session.number, id));
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
                    self.ends.push(end, (number, id));
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

    /// Sends the results of sessions that are open: of each its key and number.
    fn results(&mut self, due: &[(KeyId, u64)], slots: &Slots, results: &mut Results) {
        for &(id, number) in due {
            if let Some(at) = self.find(id, number) {
                let session = &mut self.keys.get_mut(id).open[at];
                session.revision += 1;
                session.is_told = true;
            }
        }
        let row = |&(id, number): &(KeyId, u64)| {
            let sessions = self.keys.get(id);
            let session = &sessions.open[self.find(id, number)?];
            let end = self.gaps.end(session.activity);
            Some(Row {
                key: self.keys.key(id),
                floats: sessions.floats,
                start: session.activity.first,
                end,
                revision: (self.timing.emit != Emit::Final).then_some(session.revision),
                mark: result_mark(end, self.marks.emit, self.timing.lateness),
                slot: session.slot,
            })
        };
        let rows: SmallVec<[Row<'_>; 4]> = due.iter().filter_map(row).collect();
        results.push(&rows, &[], slots);
    }

    /// Closes the sessions that are due by `mark`, after the results of those that have not left yet. How many they were, with
    /// what was found not to be due: at most `steps`, and no more than the results have room for.
    fn close_due(&mut self, mark: i64, steps: usize, slots: &mut Slots, results: &mut Results) -> usize {
        let mut due: SmallVec<[(KeyId, u64); 64]> = SmallVec::new();
        // Where sessions leave at their end too, that may come between two of them.
        let room = if self.timing.emit == Emit::Final { results.room(slots) } else { 1 };
        for _ in 0..room.min(steps) {
            let Some(session) = self.pop(true, mark) else { break };
            // It may be on the agenda twice.
            if due.last() != Some(&session) {
                due.push(session);
            }
        }
        let is_told =
            |(id, number): &(KeyId, u64)| self.find(*id, *number).is_some_and(|at| self.keys.get(*id).open[at].is_told);
        let untold: SmallVec<[(KeyId, u64); 64]> = due.iter().filter(|session| !is_told(session)).copied().collect();
        self.results(&untold, slots, results);
        for &(id, number) in &due {
            if let Some(at) = self.find(id, number) {
                self.close(id, at, slots);
            }
        }
        due.len().max(1)
    }

    fn close(&mut self, id: KeyId, at: usize, slots: &mut Slots) {
        let sessions = self.keys.get_mut(id);
        slots.close(sessions.open.remove(at).slot);
        if sessions.open.is_empty() {
            self.keys.remove(id);
        }
    }

    /// The next session that is due at this mark: its key and number. Those that have grown are put back.
    fn pop(&mut self, closes: bool, mark: i64) -> Option<(KeyId, u64)> {
        let delay = if closes { self.timing.lateness } else { 0 };
        loop {
            let agenda = if closes { &mut self.closes } else { &mut self.ends };
            let (due, (number, id)) = agenda.pop_due(mark)?;
            let Some(at) = self.find(id, number) else { continue };
            let now = self.gaps.end(self.keys.get(id).open[at].activity).saturating_add(delay);
            if now == due {
                return Some((id, number));
            }
            if now > due {
                let agenda = if closes { &mut self.closes } else { &mut self.ends };
                agenda.push(now, (number, id));
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

impl OpenWindows for OpenSessions {
    fn find_all(&self, keys: &mut Keys) {
        self.keys.find_all(keys);
    }

    fn candidates(&self, event: &Arrival<'_>, into: &mut Into) {
        let id = self.keys.find_probe(&event.key);
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
        let (whole, joins) = self.joined(self.keys.find_probe(&event.key), event);
        if self.is_closed(whole, event.mark) {
            return Ok(Placed::Late);
        }
        if joins.len() > 1 && !event.is_settled {
            return Ok(Placed::Unsettled);
        }
        if slots.is_full() {
            return Err(Full::Windows);
        }
        let id = self.keys.find_or_insert(&event.key).map_err(|_| Full::Keys)?;
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
            || self.closes.may_be_due(marks.close)
            || self.ends.may_be_due(marks.emit)
            || self.tick.is_some_and(|tick| tick <= marks.emit)
    }

    fn fire(&mut self, marks: Marks, slots: &mut Slots, results: &mut Results) -> bool {
        self.marks = marks;
        let mut steps = EXPIRE_STEP_MAX;
        while steps > 0 {
            if results.is_full() {
                return false;
            }
            steps -= 1;
            if let Some(session) = self.ready.pop_front() {
                self.results(&[session], slots, results);
                continue;
            }
            let end = self.ends.next_due(marks.emit);
            let close = self.closes.next_due(marks.close);
            let tick = self.tick.filter(|tick| *tick <= marks.emit);
            let Some(first) = [end, close, tick].into_iter().flatten().min() else { return true };
            if end == Some(first) {
                if let Some((id, number)) = self.pop(false, first)
                    && let Some(at) = self.find(id, number)
                    && !self.keys.get(id).open[at].is_told
                {
                    self.results(&[(id, number)], slots, results);
                }
            } else if close == Some(first) {
                let until = if self.timing.emit == Emit::Final { marks.close } else { first };
                steps = (steps + 1).saturating_sub(self.close_due(until, steps + 1, slots, results));
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
