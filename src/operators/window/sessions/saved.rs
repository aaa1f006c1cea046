//! Session windows in snapshots: a key's open sessions. What is due when follows from them.

use crate::state::codec::{Reader, put_i64, put_varint};
use crate::state::{Agenda, Corrupt, Snapshot};

use super::super::assign::Activity;
use super::super::open::{Emit, next_tick};
use super::super::saved::{Keep, Rows, Was, count, floats, moment, put_moment, time, times};
use super::super::slots::Slots;
use super::{OpenSessions, Session, Sessions};

impl Keep for OpenSessions {
    fn save(&mut self, slots: &Slots, into: &mut Snapshot) {
        self.keys.snapshot(into, |_, sessions, out| {
            put_varint(out, u64::from(sessions.floats));
            put_varint(out, sessions.open.len() as u64);
            for session in &sessions.open {
                put_i64(out, session.activity.first);
                put_i64(out, session.activity.last);
                put_varint(out, session.number);
                put_varint(out, u64::from(session.revision));
                out.push(u8::from(session.is_told));
                slots.write(session.slot, out);
            }
        });
    }

    fn save_head(&self, out: &mut Vec<u8>) {
        put_varint(out, self.opened);
        put_i64(out, self.closed);
        put_moment(out, self.tick);
    }

    fn reserve(&mut self, keys: usize) {
        self.keys.reserve(keys);
    }

    fn load_head(&mut self, from: &mut Reader<'_>) -> Result<(), Corrupt> {
        (self.opened, self.closed, self.tick) = (count(from)?, from.i64()?, moment(from)?);
        Ok(())
    }

    fn load(&mut self, key: &[u8], from: &mut Reader<'_>, rows: &mut Rows<'_>) -> Result<(), Corrupt> {
        let mut sessions = Sessions { floats: floats(from)?, ..Sessions::default() };
        for _ in 0..from.size()? {
            let activity = Activity { first: time(from)?, last: time(from)? };
            let number = from.varint()?;
            let revision = times(from)?;
            let (is_told, slot) = (from.byte()? != 0, rows.read(from)?);
            let follows = sessions.open.last().is_none_or(|last| last.activity.first <= activity.first);
            if !follows || activity.first > activity.last {
                return Err(Corrupt("the sessions of a key are not in order".into()));
            }
            sessions.open.push(Session { activity, slot, number, revision, is_told });
        }
        if sessions.open.is_empty() {
            return Err(Corrupt("a key has no session".into()));
        }
        self.keys.restore(key, sessions)?;
        Ok(())
    }

    fn loaded(&mut self, was: &Was) {
        self.follow(was);
        self.schedule_all();
    }

    fn take(&mut self) -> OpenSessions {
        let empty = OpenSessions::new(self.gaps, self.timing);
        std::mem::replace(self, empty)
    }

    fn adopt(&mut self, other: OpenSessions, was: &Was) {
        *self = OpenSessions { timing: self.timing, ..other };
        self.keys.set_keys_max(self.timing.keys_max);
        if (was.emit, was.lateness) != (self.timing.emit, self.timing.lateness) {
            self.follow(was);
            self.schedule_all();
        }
    }
}

impl OpenSessions {
    /// Goes on where sessions left by other rules.
    fn follow(&mut self, was: &Was) {
        if was.lateness != self.timing.lateness {
            // What had closed stays closed: a result of it would be later than what was told of event time.
            self.closed = self.closed.max(was.marks.close.saturating_sub(was.lateness));
        }
        if was.emit == self.timing.emit {
            return;
        }
        self.keys.forget_notes();
        self.tick = match self.timing.emit {
            Emit::Every(every) if was.marks.emit > i64::MIN && !self.keys.is_empty() => {
                Some(next_tick(was.marks.emit, every))
            }
            Emit::Every(_) => self.tick,
            Emit::Final | Emit::Updates => None,
        };
        if self.timing.emit == Emit::Final {
            // Sessions that had left at their end and still take events leave again when they close.
            for sessions in self.keys.values_mut() {
                sessions.open.iter_mut().for_each(|session| session.is_told = false);
            }
        }
    }

    /// When each session is to be looked at.
    fn schedule_all(&mut self) {
        let (mut closes, mut ends) = (Agenda::new(self.gaps.gap), Agenda::new(self.gaps.gap));
        let mut changed = Vec::new();
        for (id, sessions) in self.keys.iter() {
            for session in &sessions.open {
                let end = self.gaps.end(session.activity);
                closes.push(end.saturating_add(self.timing.lateness), (session.number, id));
                match self.timing.emit {
                    Emit::Updates if !session.is_told => ends.push(end, (session.number, id)),
                    Emit::Every(_) if !session.is_told => changed.push((id, session.number)),
                    _ => {}
                }
            }
        }
        (self.closes, self.ends, self.changed) = (closes, ends, changed);
    }
}
