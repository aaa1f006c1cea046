//! Tumbling and sliding windows by hand: users are numbered once, and each minute is a list by their numbers. A sliding window adds up
//! its minutes when it closes.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::lines::{Out, each_line, parse, put, put_float, put_int};
use crate::users::{UserId, Users};

/// The size of a pane: a tumbling window is one, a sliding one several.
const PANE: i64 = 60_000;
pub const LAG: i64 = 2_000;

/// What is read of a payment.
#[derive(Deserialize)]
pub struct Payment<'a> {
    pub timestamp: i64,
    pub user_id: &'a str,
    pub amount: f64,
}

/// What is known of a user in a window; of none where `n` is 0.
#[derive(Clone, Copy)]
pub struct Sums {
    pub n: u64,
    pub total: f64,
    pub largest: f64,
}

impl Sums {
    pub const NONE: Sums = Sums { n: 0, total: 0.0, largest: f64::NEG_INFINITY };

    pub fn add(&mut self, amount: f64) {
        self.n += 1;
        self.total += amount;
        self.largest = self.largest.max(amount);
    }

    pub fn add_all(&mut self, other: &Sums) {
        self.n += other.n;
        self.total += other.total;
        self.largest = self.largest.max(other.largest);
    }

    pub fn put(&self, out: &mut Vec<u8>, user: &str, start: i64, end: i64) {
        put(out, r#"{"user":""#);
        put(out, user);
        put(out, r#"","window_start":"#);
        put_int(out, start);
        put(out, r#","window_end":"#);
        put_int(out, end);
        put(out, r#","n":"#);
        put_int(out, self.n);
        put(out, r#","total":"#);
        put_float(out, self.total);
        put(out, r#","largest":"#);
        put_float(out, self.largest);
        put(out, "}\n");
    }
}

/// Windows of so many panes, one of which begins with each pane.
pub struct Windows<const PANES: usize> {
    users: Users,
    /// When the first pane begins.
    first: i64,
    panes: VecDeque<Vec<Sums>>,
    /// Panes that no window needs any more, emptied: their memory serves the next.
    spare: Vec<Vec<Sums>>,
    /// When the window begins that closes next.
    next: i64,
    mark: i64,
}

impl<const PANES: usize> Windows<PANES> {
    const SIZE: i64 = PANES as i64 * PANE;

    pub fn new() -> Self {
        let (panes, spare) = (VecDeque::new(), Vec::new());
        Windows { users: Users::new(), first: 0, panes, spare, next: i64::MAX, mark: i64::MIN }
    }

    /// Takes a payment; what it closes is written.
    pub fn take(&mut self, payment: &Payment, out: &mut Out) -> io::Result<()> {
        let start = payment.timestamp.div_euclid(PANE) * PANE;
        if self.mark < start + Self::SIZE {
            let UserId(user) = self.users.id(payment.user_id);
            let pane = self.pane(start);
            if pane.len() <= user {
                pane.resize(user + 1, Sums::NONE);
            }
            pane[user].add(payment.amount);
        }
        if payment.timestamp - LAG > self.mark {
            self.mark = payment.timestamp - LAG;
            while !self.panes.is_empty() && self.next + Self::SIZE <= self.mark {
                self.close(out)?;
            }
        }
        Ok(())
    }

    fn pane(&mut self, start: i64) -> &mut Vec<Sums> {
        if self.panes.is_empty() {
            (self.first, self.next) = (start, i64::MAX);
        }
        while start < self.first {
            self.panes.push_front(self.spare.pop().unwrap_or_default());
            self.first -= PANE;
        }
        // The first window that has this pane and is open.
        let mut window = start + PANE - Self::SIZE;
        while window + Self::SIZE <= self.mark {
            window += PANE;
        }
        self.next = self.next.min(window);
        let at = ((start - self.first) / PANE) as usize;
        while self.panes.len() <= at {
            self.panes.push_back(self.spare.pop().unwrap_or_default());
        }
        &mut self.panes[at]
    }

    /// Writes the window that closes next, and lets go of the pane that only it still needed.
    fn close(&mut self, out: &mut Out) -> io::Result<()> {
        let (start, end) = (self.next, self.next + Self::SIZE);
        // Before the first pane there is nothing; windows may begin there.
        let skip = ((start - self.first) / PANE).max(0) as usize;
        let last = ((end - self.first) / PANE) as usize;
        let panes: Vec<&Vec<Sums>> = self.panes.range(skip..last.min(self.panes.len())).collect();
        for user in 0..panes.iter().map(|pane| pane.len()).max().unwrap_or(0) {
            let mut sums = Sums::NONE;
            panes.iter().filter_map(|pane| pane.get(user)).for_each(|pane| sums.add_all(pane));
            if sums.n > 0 {
                sums.put(&mut out.buffer, self.users.name(UserId(user)), start, end);
                out.flush_if_full()?;
            }
        }
        self.next += PANE;
        if self.first < self.next
            && let Some(mut pane) = self.panes.pop_front()
        {
            pane.clear();
            self.spare.push(pane);
            self.first += PANE;
        }
        Ok(())
    }

    /// Writes all that are open.
    pub fn end(&mut self, out: &mut Out) -> io::Result<()> {
        while !self.panes.is_empty() {
            self.close(out)?;
        }
        out.flush()
    }
}

pub fn tumbling(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    windows::<1>(input, outputs)
}

pub fn sliding(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    windows::<5>(input, outputs)
}

fn windows<const PANES: usize>(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    let (mut windows, mut out) = (Windows::<PANES>::new(), Out::new(&outputs[0])?);
    each_line(input, |line| windows.take(&parse(line)?, &mut out))?;
    windows.end(&mut out)
}
