//! The state of a window stage in snapshots: a head record with all that is not by key, and a record for each key that has its
//! windows with their accumulators. What is read goes on exactly as what was written would have.

use std::any::Any;

use crate::event::Tags;
use crate::operators::aggregate::Accumulator;
use crate::operators::key;
use crate::operators::saved::key_of;
use crate::state::codec::{Reader, put_bytes, put_i64, put_varint};
use crate::state::{Corrupt, HEAD, Saved, Snapshot};

use super::open::{Emit, Marks, OpenWindows};
use super::operator::{Origin, Window};
use super::slots::{Part, Slot, Slots};

/// What the operator was that kept the windows before: what differs from it now is seen to.
#[derive(Clone, Copy, Debug)]
pub struct Was {
    pub emit: Emit,
    pub lateness: i64,
    pub marks: Marks,
}

/// What each kind of windows does about snapshots and successors. It is called between batches, when nothing is due.
pub trait Keep: OpenWindows + Sized + 'static {
    /// Writes the keys that have changed, with what their slots hold.
    fn save(&mut self, slots: &Slots, into: &mut Snapshot);

    /// Appends what is not by key.
    fn save_head(&self, out: &mut Vec<u8>);

    /// Makes room for so many keys.
    fn reserve(&mut self, keys: usize);

    /// Reads what `save_head` wrote.
    fn load_head(&mut self, from: &mut Reader<'_>) -> Result<(), Corrupt>;

    /// Adds a key that `save` wrote.
    fn load(&mut self, key: &[u8], from: &mut Reader<'_>, rows: &mut Rows<'_>) -> Result<(), Corrupt>;

    /// All keys were loaded: makes what follows from them.
    fn loaded(&mut self, was: &Was);

    /// All windows, and none is left.
    fn take(&mut self) -> Self;

    /// Goes on with the windows of another, under settings of its own.
    fn adopt(&mut self, other: Self, was: &Was);
}

/// For each aggregate of now the one of then that has its name.
fn parts(then: &[String], now: &[String]) -> Vec<Part> {
    let part = |(i, name): (usize, &String)| match now[..i].iter().position(|before| before == name) {
        Some(same) => Part::Same(same),
        None => then.iter().position(|written| written == name).map_or(Part::New, Part::Of),
    };
    now.iter().enumerate().map(part).collect()
}

/// What is kept for each aggregate of now, of what was kept for each one of then.
fn carried<T: Copy>(parts: &[Part], then: &[T], new: T) -> Vec<T> {
    let mut now: Vec<T> = Vec::with_capacity(parts.len());
    for part in parts {
        let held = match *part {
            Part::Of(at) => then.get(at),
            Part::Same(at) => now.get(at),
            Part::New => None,
        };
        now.push(held.copied().unwrap_or(new));
    }
    now
}

/// Reads rows of accumulators into slots.
pub struct Rows<'a> {
    slots: &'a mut Slots,
    parts: Vec<Part>,
    /// Accumulators of a row as it was written.
    width: usize,
    written: Vec<Accumulator>,
    row: Vec<Accumulator>,
}

impl Rows<'_> {
    /// Reads a row, and opens a slot for it.
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<Slot, Corrupt> {
        if self.slots.is_full() {
            return Err(Corrupt("there are more open windows than a stage may hold".into()));
        }
        self.written.clear();
        for _ in 0..self.width {
            self.written.push(Accumulator::read(from)?);
        }
        self.row.clear();
        Part::take(&self.parts, &mut self.written, &mut self.row);
        self.slots.restore(&mut self.row)
    }
}

/// The state of a window stage on its way to another.
struct Moved<W> {
    windows: W,
    slots: Slots,
    /// The names of the aggregates' calls.
    parts: Vec<String>,
    head: Head,
    was: Was,
}

/// What the stage itself keeps.
struct Head {
    mark: i64,
    row_mark: i64,
    origin: Origin,
    arrived: u64,
    kinds: Vec<Tags>,
    latest: i64,
    partial_until: i64,
}

impl<W: Keep> Window<W> {
    pub(super) fn save(&mut self, into: &mut Snapshot) {
        self.windows.save(&self.slots, into);
        into.put(HEAD, |out| {
            put_i64(out, self.mark);
            put_i64(out, self.row_mark);
            put_origin(out, &self.origin);
            put_varint(out, self.arrived);
            put_i64(out, self.latest);
            put_i64(out, self.partial_until);
            put_emit(out, self.settings.emit);
            put_i64(out, self.settings.lateness);
            self.kinds.iter().for_each(|kinds| put_varint(out, u64::from(kinds.0)));
            self.windows.save_head(out);
        });
    }

    pub(super) fn load(&mut self, saved: &Saved) -> Result<(), Corrupt> {
        let current = saved.current()?;
        let Some((_, head)) = current.iter().find(|(name, _)| *name == HEAD) else {
            return if current.is_empty() {
                Ok(())
            } else {
                Err(Corrupt("the head of a window's state is missing".into()))
            };
        };
        let parts = parts(&saved.shape.parts, &self.settings.parts);
        let width = saved.shape.parts.len();
        let was = self.load_head(&mut Reader::new(head), &parts, width)?;
        self.windows.reserve(current.len());
        self.slots.reserve(current.len());
        let mut rows =
            Rows { slots: &mut self.slots, parts, width, written: Vec::with_capacity(width), row: Vec::new() };
        for (name, value) in &current {
            let Some(key) = key_of(name)? else { continue };
            if !key::is_sound(key, self.settings.key_fields) {
                return Err(Corrupt("a key is not what a key is written as".into()));
            }
            let mut value = Reader::new(value);
            self.windows.load(key, &mut value, &mut rows)?;
            value.end()?;
        }
        self.windows.loaded(&was);
        Ok(())
    }

    fn load_head(&mut self, from: &mut Reader<'_>, parts: &[Part], width: usize) -> Result<Was, Corrupt> {
        self.mark = from.i64()?;
        self.row_mark = from.i64()?;
        self.origin = origin(from)?;
        self.arrived = count(from)?;
        self.latest = from.i64()?;
        let partial_until = from.i64()?;
        self.set_partial(partial_until);
        let (emit, lateness) = (emit(from)?, from.i64()?);
        let mut written = Vec::with_capacity(width);
        for _ in 0..width {
            let kinds =
                u16::try_from(from.varint()?).map_err(|_| Corrupt("there are no such kinds of values".into()))?;
            written.push(Tags(kinds));
        }
        self.kinds = carried(parts, &written, Tags::NONE);
        self.windows.load_head(from)?;
        from.end()?;
        Ok(Was { emit, lateness, marks: self.marks() })
    }

    pub(super) fn move_out(&mut self) -> Box<dyn Any + Send> {
        let was = Was { emit: self.settings.emit, lateness: self.settings.lateness, marks: self.marks() };
        let head = Head {
            mark: std::mem::replace(&mut self.mark, i64::MIN),
            row_mark: std::mem::replace(&mut self.row_mark, i64::MIN),
            origin: std::mem::replace(&mut self.origin, Origin::Nowhere),
            arrived: std::mem::take(&mut self.arrived),
            kinds: self.kinds.iter_mut().map(|kinds| std::mem::replace(kinds, Tags::NONE)).collect(),
            latest: std::mem::replace(&mut self.latest, i64::MIN),
            partial_until: self.partial_until,
        };
        self.set_partial(i64::MIN);
        let parts = self.settings.parts.clone();
        Box::new(Moved { windows: self.windows.take(), slots: self.slots.take(), parts, head, was })
    }

    pub(super) fn move_in(&mut self, state: Box<dyn Any + Send>) -> bool {
        let Ok(moved) = state.downcast::<Moved<W>>() else { return false };
        let Moved { windows, slots, parts: then, head, was } = *moved;
        let parts = parts(&then, &self.settings.parts);
        if !self.slots.adopt(slots, &parts) {
            return false;
        }
        let Head { mark, row_mark, origin, arrived, kinds, latest, partial_until } = head;
        (self.mark, self.row_mark, self.origin, self.arrived) = (mark, row_mark, origin, arrived);
        self.kinds = carried(&parts, &kinds, Tags::NONE);
        self.latest = latest;
        self.set_partial(partial_until);
        self.windows.adopt(windows, &was);
        true
    }
}

fn put_origin(out: &mut Vec<u8>, origin: &Origin) {
    match origin {
        Origin::Nowhere => out.push(0),
        Origin::One(source, partition) => {
            out.push(1 + u8::from(partition.is_some()));
            put_bytes(out, source.as_bytes());
            partition.iter().for_each(|partition| put_i64(out, *partition));
        }
        Origin::Several => out.push(3),
    }
}

fn origin(from: &mut Reader<'_>) -> Result<Origin, Corrupt> {
    Ok(match from.byte()? {
        0 => Origin::Nowhere,
        tag @ (1 | 2) => {
            let source = String::from_utf8_lossy(from.text()?).into();
            Origin::One(source, if tag == 2 { Some(from.i64()?) } else { None })
        }
        3 => Origin::Several,
        tag => return Err(Corrupt(format!("no origin has the tag {tag}"))),
    })
}

fn put_emit(out: &mut Vec<u8>, emit: Emit) {
    match emit {
        Emit::Final => out.push(0),
        Emit::Updates => out.push(1),
        Emit::Every(every) => {
            out.push(2);
            put_i64(out, every);
        }
    }
}

fn emit(from: &mut Reader<'_>) -> Result<Emit, Corrupt> {
    Ok(match from.byte()? {
        0 => Emit::Final,
        1 => Emit::Updates,
        2 => Emit::Every(from.i64()?),
        tag => return Err(Corrupt(format!("no time of results has the tag {tag}"))),
    })
}

/// Appends a moment that may not be.
pub fn put_moment(out: &mut Vec<u8>, moment: Option<i64>) {
    out.push(u8::from(moment.is_some()));
    moment.iter().for_each(|moment| put_i64(out, *moment));
}

/// How often a window has left, which is counted on as well.
pub fn times(from: &mut Reader<'_>) -> Result<u32, Corrupt> {
    let times = u32::try_from(from.varint()?).ok().filter(|times| *times < 1 << 31);
    times.ok_or_else(|| Corrupt("a window left too often".into()))
}

/// Something that is counted on from here: no run comes so far that it could overflow.
pub fn count(from: &mut Reader<'_>) -> Result<u64, Corrupt> {
    let count = from.varint()?;
    if count < 1 << 63 { Ok(count) } else { Err(Corrupt("so much is never counted".into())) }
}

/// Reads what `put_moment` wrote.
pub fn moment(from: &mut Reader<'_>) -> Result<Option<i64>, Corrupt> {
    if from.byte()? == 0 { Ok(None) } else { from.i64().map(Some) }
}

/// A time that an event can have: far from where sums of times end.
pub fn time(from: &mut Reader<'_>) -> Result<i64, Corrupt> {
    const TIME_MAX: i64 = i64::MAX / 8;
    let time = from.i64()?;
    if (-TIME_MAX..TIME_MAX).contains(&time) {
        Ok(time)
    } else {
        Err(Corrupt("a time is none that events have".into()))
    }
}

/// Which fields of a key were floats.
pub fn floats(from: &mut Reader<'_>) -> Result<u32, Corrupt> {
    u32::try_from(from.varint()?).map_err(|_| Corrupt("a key has no so many fields".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_are_found_by_their_names() {
        let names = |list: &[&str]| -> Vec<String> { list.iter().map(|name| (*name).to_owned()).collect() };
        let got = parts(&names(&["a", "b", "b"]), &names(&["b", "c", "b", "a"]));
        assert_eq!(got, [Part::Of(1), Part::New, Part::Same(0), Part::Of(0)]);
    }
}
