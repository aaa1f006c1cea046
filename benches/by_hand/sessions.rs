//! Session windows by hand: each user's open sessions, and for each the slot of time in which it may end.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use smallvec::SmallVec;

use crate::lines::{Out, each_line, parse};
use crate::users::{UserId, Users};
use crate::windows::{LAG, Payment, Sums};

/// The silence that ends a session.
const GAP: i64 = 10_000;
/// Sessions are looked at when the watermark has passed a slot of this size.
const SLOT: i64 = 64;

#[derive(Clone, Copy)]
struct Session {
    start: i64,
    /// `GAP` after the last event.
    end: i64,
    sums: Sums,
}

impl Session {
    /// Both as one; the earlier is added to, as sums of floats depend on the order.
    fn with(self, other: Session) -> Session {
        let (mut first, second) = if other.start < self.start { (other, self) } else { (self, other) };
        first.sums.add_all(&second.sums);
        first.end = first.end.max(second.end);
        first
    }
}

struct Sessions {
    users: Users,
    /// By user. Two at once are rare: a straggler may still join them.
    open: Vec<SmallVec<[Session; 1]>>,
    /// Users by the slot in which a session of theirs was to end when it was put there. Each session is in one slot.
    due: VecDeque<Vec<UserId>>,
    /// The number of the first of these slots.
    slot: i64,
    mark: i64,
}

impl Sessions {
    fn take(&mut self, payment: &Payment, out: &mut Out) -> io::Result<()> {
        let at = payment.timestamp;
        let id = self.users.id(payment.user_id);
        let UserId(user) = id;
        if self.open.len() <= user {
            self.open.resize_with(user + 1, SmallVec::new);
        }
        // What the watermark has passed is closed, though its slot may not have been looked at yet.
        Self::close(&mut self.open[user], self.users.name(id), self.mark, out)?;
        let sessions = &mut self.open[user];
        let touches = |session: &Session| at < session.end && session.start < at + GAP;
        match sessions.iter().position(touches) {
            Some(joined) => {
                // An event between two of them makes them one.
                if let Some(other) = (joined + 1..sessions.len()).find(|other| touches(&sessions[*other])) {
                    let other = sessions.swap_remove(other);
                    sessions[joined] = sessions[joined].with(other);
                }
                let session = &mut sessions[joined];
                session.sums.add(payment.amount);
                session.start = session.start.min(at);
                session.end = session.end.max(at + GAP);
            }
            None if self.mark < at + GAP => {
                let mut sums = Sums::NONE;
                sums.add(payment.amount);
                sessions.push(Session { start: at, end: at + GAP, sums });
                self.put_into_slot(id, at + GAP);
            }
            None => {}
        }
        if at - LAG > self.mark {
            self.mark = at - LAG;
            self.look(out)?;
        }
        Ok(())
    }

    fn put_into_slot(&mut self, user: UserId, end: i64) {
        let slot = end.div_euclid(SLOT);
        if self.due.is_empty() {
            self.slot = slot;
        }
        while slot < self.slot {
            self.due.push_front(Vec::new());
            self.slot -= 1;
        }
        let at = (slot - self.slot) as usize;
        if self.due.len() <= at {
            self.due.resize_with(at + 1, Vec::new);
        }
        self.due[at].push(user);
    }

    /// Closes the sessions in the slots that the watermark has passed; those that went on are put into their new slot.
    fn look(&mut self, out: &mut Out) -> io::Result<()> {
        while (self.slot + 1) * SLOT <= self.mark
            && let Some(users) = self.due.pop_front()
        {
            self.slot += 1;
            for id in users {
                let UserId(user) = id;
                Self::close(&mut self.open[user], self.users.name(id), self.mark, out)?;
                if let Some(session) = self.open[user].first() {
                    self.put_into_slot(id, session.end);
                }
            }
        }
        Ok(())
    }

    /// Writes and removes those that have ended.
    fn close(sessions: &mut SmallVec<[Session; 1]>, name: &str, mark: i64, out: &mut Out) -> io::Result<()> {
        let mut at = 0;
        while at < sessions.len() {
            let session = &sessions[at];
            if session.end > mark {
                at += 1;
                continue;
            }
            session.sums.put(&mut out.buffer, name, session.start, session.end);
            sessions.swap_remove(at);
            out.flush_if_full()?;
        }
        Ok(())
    }
}

pub fn sessions(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    let mut out = Out::new(&outputs[0])?;
    let mut sessions =
        Sessions { users: Users::new(), open: Vec::new(), due: VecDeque::new(), slot: 0, mark: i64::MIN };
    each_line(input, |line| sessions.take(&parse(line)?, &mut out))?;
    for (user, open) in sessions.open.iter_mut().enumerate() {
        Sessions::close(open, sessions.users.name(UserId(user)), i64::MAX, &mut out)?;
    }
    out.flush()
}
