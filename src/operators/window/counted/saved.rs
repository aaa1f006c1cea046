//! Windows of so many events in snapshots: the open window of each key.

use crate::state::codec::{Reader, put_i64, put_varint};
use crate::state::{Corrupt, Snapshot};

use super::super::saved::{Keep, Rows, Was, count, floats};
use super::super::slots::Slots;
use super::{Counted, Filling};

impl Keep for Counted {
    fn save(&mut self, slots: &Slots, into: &mut Snapshot) {
        self.keys.snapshot(into, |_, filling, out| {
            put_varint(out, u64::from(filling.floats));
            put_varint(out, filling.events);
            put_i64(out, filling.first);
            put_i64(out, filling.last);
            put_varint(out, filling.number);
            slots.write(filling.slot, out);
        });
    }

    fn save_head(&self, out: &mut Vec<u8>) {
        put_varint(out, self.opened);
        put_i64(out, self.mark);
    }

    fn reserve(&mut self, keys: usize) {
        self.keys.reserve(keys);
    }

    fn load_head(&mut self, from: &mut Reader<'_>) -> Result<(), Corrupt> {
        (self.opened, self.mark) = (count(from)?, from.i64()?);
        Ok(())
    }

    fn load(&mut self, key: &[u8], from: &mut Reader<'_>, rows: &mut Rows<'_>) -> Result<(), Corrupt> {
        let (floats, events) = (floats(from)?, from.varint()?);
        let (first, last, number) = (from.i64()?, from.i64()?, from.varint()?);
        if events == 0 || events >= self.size || last == i64::MAX || number > self.opened {
            return Err(Corrupt("a window of so many events cannot be open".into()));
        }
        let slot = rows.read(from)?;
        let id = self.keys.restore(key, Filling { floats, slot, events, first, last, number })?;
        match self.open.insert(number, id) {
            Some(_) => Err(Corrupt("two windows have one number".into())),
            None => Ok(()),
        }
    }

    fn loaded(&mut self, _was: &Was) {}

    fn take(&mut self) -> Counted {
        let empty = Counted::new(self.size, self.keys_max);
        std::mem::replace(self, empty)
    }

    fn adopt(&mut self, other: Counted, _was: &Was) {
        *self = Counted { keys_max: self.keys_max, ..other };
        self.keys.set_keys_max(self.keys_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_cannot_be_counted_on_is_refused() {
        for (opened, is_fine) in [(0, true), ((1 << 63) - 1, true), (1 << 63, false), (u64::MAX, false)] {
            let mut head = Vec::new();
            put_varint(&mut head, opened);
            put_i64(&mut head, 0);
            assert_eq!(Counted::new(3, 10).load_head(&mut Reader::new(&head)).is_ok(), is_fine);
        }
    }
}
