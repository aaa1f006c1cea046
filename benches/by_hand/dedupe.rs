//! Dedupe by hand: ids in the order in which they came, and a table of their places. What is old leaves at the front.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::io;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::Deserialize;
use smallvec::SmallVec;

use crate::lines::{Out, each_line, parse, put};
use crate::windows::LAG;

const WITHIN: i64 = 600_000;

/// An id that passed, and when. Ids of up to 24 bytes have no memory of their own.
struct First {
    id: SmallVec<[u8; 24]>,
    time: i64,
}

struct Seen {
    hasher: FixedState,
    firsts: VecDeque<First>,
    /// How many firsts have been forgotten: the number of the one at the front.
    forgotten: u32,
    /// Numbers of firsts.
    numbers: HashTable<u32>,
    mark: i64,
}

impl Seen {
    fn new() -> Seen {
        Seen {
            hasher: FixedState::default(),
            firsts: VecDeque::new(),
            forgotten: 0,
            numbers: HashTable::new(),
            mark: i64::MIN,
        }
    }

    /// Whether this is the first of its id within ten minutes.
    fn is_first(&mut self, id: &str, time: i64) -> bool {
        let hash = self.hash(id.as_bytes());
        let (firsts, forgotten) = (&mut self.firsts, self.forgotten);
        let place = |number: u32| number.wrapping_sub(forgotten) as usize;
        let known = self.numbers.find_mut(hash, |number| *firsts[place(*number)].id == *id.as_bytes());
        let number = forgotten.wrapping_add(firsts.len() as u32);
        match known {
            Some(known) => {
                let first = firsts[place(*known)].time;
                if first.abs_diff(time) <= WITHIN.unsigned_abs() && first.saturating_add(WITHIN) >= self.mark {
                    return false;
                }
                *known = number;
            }
            None => {
                let hasher = &self.hasher;
                self.numbers.insert_unique(hash, number, |number| hasher.hash_one(&*firsts[place(*number)].id));
            }
        }
        firsts.push_back(First { id: SmallVec::from_slice(id.as_bytes()), time });
        true
    }

    fn hash(&self, id: &[u8]) -> u64 {
        self.hasher.hash_one(id)
    }

    fn advance(&mut self, mark: i64) {
        self.mark = mark;
        while let Some(first) = self.firsts.front()
            && first.time + WITHIN < mark
        {
            let number = self.forgotten;
            // Not there if the id has come again since.
            if let Ok(entry) = self.numbers.find_entry(self.hash(&first.id), |known| *known == number) {
                entry.remove();
            }
            self.firsts.pop_front();
            self.forgotten = number.wrapping_add(1);
        }
    }
}

pub fn dedupe(input: &Path, outputs: &[PathBuf]) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Payment<'a> {
        event_id: &'a str,
        timestamp: i64,
    }
    let (mut seen, mut out) = (Seen::new(), Out::new(&outputs[0])?);
    each_line(input, |line| {
        let payment: Payment = parse(line)?;
        if seen.is_first(payment.event_id, payment.timestamp) {
            put(&mut out.buffer, line);
            out.buffer.push(b'\n');
            out.flush_if_full()?;
        }
        if payment.timestamp - LAG > seen.mark {
            seen.advance(payment.timestamp - LAG);
        }
        Ok(())
    })?;
    out.flush()
}
