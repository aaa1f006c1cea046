//! Windows of so many events: one open window a key. It leaves when it is full, or as it is when the input ends.

mod saved;

use std::collections::{BTreeMap, VecDeque};

use crate::flow::Held;
use crate::state::{KeyId, Keyed, Keys};

use super::open::{Arrival, Full, Into, Marks, NEW, OpenWindows, Placed};
use super::results::{Results, Row};
use super::slots::{Slot, Slots};

/// The open window of a key.
#[derive(Debug, Default)]
struct Filling {
    floats: u32,
    slot: Slot,
    events: u64,
    /// The least and greatest time of its events.
    first: i64,
    last: i64,
    /// Its number in the order in which windows were opened.
    number: u64,
}

/// Open windows of a number of events.
#[derive(Debug)]
pub struct Counted {
    size: u64,
    keys_max: usize,
    keys: Keyed<Filling>,
    /// In order of their first event.
    open: BTreeMap<u64, KeyId>,
    opened: u64,
    ready: VecDeque<KeyId>,
    /// The watermark before the end.
    mark: i64,
}

impl Counted {
    /// No window open.
    pub fn new(size: u64, keys_max: usize) -> Counted {
        let (open, ready) = (BTreeMap::new(), VecDeque::new());
        Counted { size, keys_max, keys: Keyed::new(keys_max), open, opened: 0, ready, mark: i64::MIN }
    }

    fn result(&mut self, id: KeyId, slots: &mut Slots, results: &mut Results) {
        let filling = self.keys.get(id);
        let end = if filling.last == i64::MIN { filling.last } else { filling.last + 1 };
        let result = Row {
            key: self.keys.key(id),
            floats: filling.floats,
            start: filling.first,
            end,
            revision: None,
            mark: self.mark.min(filling.last),
            slot: filling.slot,
        };
        results.push(&[result], &[], slots);
        let filling = self.keys.remove(id);
        slots.close(filling.slot);
        self.open.remove(&filling.number);
    }
}

impl OpenWindows for Counted {
    fn find_all(&self, keys: &mut Keys) {
        self.keys.find_all(keys);
    }

    fn candidates(&self, event: &Arrival<'_>, into: &mut Into) {
        into.push(self.keys.find_probe(&event.key).map_or(NEW, |id| self.keys.get(id).slot));
    }

    fn place(&mut self, event: &Arrival<'_>, slots: &mut Slots, into: &mut Into) -> Result<Placed, Full> {
        self.mark = event.marks.close;
        if slots.is_full() {
            return Err(Full::Windows);
        }
        let id = self.keys.find_or_insert(&event.key).map_err(|_| Full::Keys)?;
        let filling = self.keys.get_mut(id);
        if filling.events == 0 {
            self.opened += 1;
            self.open.insert(self.opened, id);
            let (slot, number, time) = (slots.open(), self.opened, event.time);
            *filling = Filling { floats: event.floats, slot, events: 0, first: time, last: time, number };
        }
        filling.events += 1;
        filling.first = filling.first.min(event.time);
        filling.last = filling.last.max(event.time);
        into.push(filling.slot);
        if filling.events < self.size {
            return Ok(Placed::In);
        }
        self.ready.push_back(id);
        Ok(Placed::Firing)
    }

    fn is_due(&self, marks: Marks) -> bool {
        !self.ready.is_empty() || (marks.close == i64::MAX && !self.open.is_empty())
    }

    fn fire(&mut self, marks: Marks, slots: &mut Slots, results: &mut Results) -> bool {
        if marks.close < i64::MAX {
            self.mark = marks.close;
        }
        loop {
            let next = self.ready.front().copied().or_else(|| {
                let (_, id) = self.open.first_key_value().filter(|_| marks.close == i64::MAX)?;
                Some(*id)
            });
            let Some(id) = next else { return true };
            if results.is_full() {
                return false;
            }
            self.ready.pop_front();
            self.result(id, slots, results);
        }
    }

    fn cut(&mut self) {
        let mut open: Vec<(i64, u64, KeyId)> =
            self.keys.iter().map(|(id, filling)| (filling.last, filling.number, id)).collect();
        open.sort_unstable();
        self.ready = open.into_iter().map(|(.., id)| id).collect();
    }

    fn held(&self, slots: &Slots) -> Held {
        Held { keys: self.keys.len() as u64, windows: slots.len() as u64 }
    }
}
