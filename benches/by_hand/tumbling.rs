//! Tumbling windows by hand: users are numbered once, and a window is a list by their numbers.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::lines::{Out, each_line, parse, put, put_float, put_int};
use crate::users::{UserId, Users};

pub const SIZE: i64 = 60_000;
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

/// Open windows, one after the other, from the earliest.
pub struct Windows {
    users: Users,
    first: i64,
    open: VecDeque<Vec<Sums>>,
    /// Windows that have closed, emptied: their memory serves the next.
    spare: Vec<Vec<Sums>>,
    mark: i64,
}

impl Windows {
    pub fn new() -> Windows {
        Windows { users: Users::new(), first: i64::MAX, open: VecDeque::new(), spare: Vec::new(), mark: i64::MIN }
    }

    /// Takes a payment; what it closes is written.
    pub fn take(&mut self, payment: &Payment, out: &mut Out) -> io::Result<()> {
        let start = payment.timestamp.div_euclid(SIZE) * SIZE;
        if self.mark < start + SIZE {
            let UserId(user) = self.users.id(payment.user_id);
            let window = self.window(start);
            if window.len() <= user {
                window.resize(user + 1, Sums::NONE);
            }
            window[user].add(payment.amount);
        }
        if payment.timestamp - LAG > self.mark {
            self.mark = payment.timestamp - LAG;
            while !self.open.is_empty() && self.first + SIZE <= self.mark {
                self.close(out)?;
            }
        }
        Ok(())
    }

    fn window(&mut self, start: i64) -> &mut Vec<Sums> {
        if self.open.is_empty() {
            self.first = start;
        }
        while start < self.first {
            self.open.push_front(self.spare.pop().unwrap_or_default());
            self.first -= SIZE;
        }
        let at = ((start - self.first) / SIZE) as usize;
        while self.open.len() <= at {
            self.open.push_back(self.spare.pop().unwrap_or_default());
        }
        &mut self.open[at]
    }

    /// Writes the first window, and lets go of it.
    pub fn close(&mut self, out: &mut Out) -> io::Result<bool> {
        let Some(mut window) = self.open.pop_front() else { return Ok(false) };
        for (id, sums) in window.iter().enumerate().filter(|(_, sums)| sums.n > 0) {
            sums.put(&mut out.buffer, self.users.name(UserId(id)), self.first, self.first + SIZE);
            out.flush_if_full()?;
        }
        window.clear();
        self.spare.push(window);
        self.first += SIZE;
        Ok(true)
    }
}

pub fn tumbling(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    let (mut windows, mut out) = (Windows::new(), Out::new(&outputs[0])?);
    each_line(input, |line| windows.take(&parse(line)?, &mut out))?;
    while windows.close(&mut out)? {}
    out.flush()
}
