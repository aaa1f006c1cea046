//! The demanded paths as a tree of the names wanted at each level, with a memory of how names were written last: what stands
//! between two values is compared whole, as blocks of bytes, instead of being read.

use crate::event::json::{BLOCK, Block};
use crate::event::{Layout, Path};
use crate::limits::{SHAPE_KEYS_MAX, SHAPE_LEVELS_MAX};

/// Blocks of a remembered text before a value.
const SHAPE_BLOCKS: usize = 3;

/// Its bytes; longer ones are read each time.
pub(super) const SHAPE_BYTES_MAX: usize = SHAPE_BLOCKS * BLOCK;

/// The bytes that are looked at together: a remembered text, the first byte of a value, and a block of it (rounded up, so that a
/// length that was masked is seen to be inside).
pub(super) const WINDOW: usize = (SHAPE_BYTES_MAX + 1).next_power_of_two() + BLOCK;

/// The window at `at`, if the text has as many bytes.
#[inline(always)]
pub(super) fn window(text: &[u8], at: usize) -> Option<&[u8; WINDOW]> {
    text.get(at..)?.first_chunk()
}

/// An object level. Level 0 is the event; of some nothing is demanded, only their shape is remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Level {
    pub fields: Vec<Field>,
    /// Bit `min(len, 63)` is set where a wanted name has that length.
    lengths: u64,
    shape: Vec<ShapeKey>,
}

/// A wanted name.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub name: Box<[u8]>,
    /// The column of the value itself.
    pub slot: Option<usize>,
    /// The level of what is wanted inside.
    pub child: Option<usize>,
    /// The columns of all that is wanted inside: missing again when the name comes twice.
    pub below: Vec<usize>,
}

/// A name that was read or foreseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub field: Option<u16>,
    /// Which name of its object it is, if none was left out that stood there before.
    pub step: usize,
    /// Where its value starts.
    pub value: usize,
}

/// What stood before the value at this step in an earlier event: `{"name":` at step 0, else `,"name":`, and the space in it.
/// It was read at the same place of the grammar (after a brace, or after a value), so the same bytes are right again.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShapeKey {
    blocks: [[u8; BLOCK]; SHAPE_BLOCKS],
    /// The bytes of each block that count.
    counted: [u16; SHAPE_BLOCKS],
    /// Bytes of it.
    len: u8,
    /// What is wanted of a value that is no object.
    pub wanted: Wanted,
    field: Option<u16>,
    /// The level of objects in this value, where nothing in them is wanted.
    inside: Option<u16>,
}

/// What is wanted of a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    /// The value, in this column.
    Slot(u16),
    /// More than that.
    More,
}

/// All levels of a layout's slots.
pub(super) fn levels(layout: &Layout) -> Vec<Level> {
    let mut levels = vec![Level::default()];
    for (slot, path) in layout.slots.iter().enumerate() {
        if let Some(path) = path {
            add(&mut levels, slot, path);
        }
    }
    levels
}

fn add(levels: &mut Vec<Level>, slot: usize, path: &Path) {
    let mut level = 0;
    for (i, name) in path.iter().enumerate() {
        let name = name.as_bytes();
        let known = levels[level].fields.iter().position(|field| *field.name == *name);
        let field = known.unwrap_or_else(|| {
            let here = &mut levels[level];
            here.lengths |= length_bit(name.len());
            here.fields.push(Field { name: name.into(), slot: None, child: None, below: Vec::new() });
            here.fields.len() - 1
        });
        if i + 1 == path.len() {
            levels[level].fields[field].slot = Some(slot);
            return;
        }
        levels[level].fields[field].below.push(slot);
        level = levels[level].fields[field].child.unwrap_or_else(|| {
            levels.push(Level::default());
            let child = levels.len() - 1;
            levels[level].fields[field].child = Some(child);
            child
        });
    }
}

fn length_bit(len: usize) -> u64 {
    1 << len.min(63)
}

/// The level of objects in the value at this step, of which nothing is wanted; `None` where there are too many levels.
#[inline]
pub(super) fn inside(levels: &mut Vec<Level>, level: usize, step: usize) -> Option<usize> {
    match levels.get(level)?.shape.get(step)?.inside {
        Some(inside) => Some(usize::from(inside)),
        None => add_inside(levels, level, step),
    }
}

#[cold]
fn add_inside(levels: &mut Vec<Level>, level: usize, step: usize) -> Option<usize> {
    let inside = levels.len();
    if inside >= SHAPE_LEVELS_MAX {
        return None;
    }
    levels[level].shape[step].inside = u16::try_from(inside).ok();
    levels.push(Level::default());
    Some(inside)
}

impl Level {
    /// The field with this name (its value: unescaped).
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        if self.lengths & length_bit(name.len()) == 0 {
            return None;
        }
        self.fields.iter().position(|field| *field.name == *name).map(|field| field as u16)
    }

    /// The remembered names from this step on.
    #[inline(always)]
    pub fn shape(&self, step: usize) -> &[ShapeKey] {
        self.shape.get(step..).unwrap_or_default()
    }

    /// The name at this step if the text goes on as it did there before, or as it did one step later (a field was left out).
    #[inline]
    pub fn foresee(&self, text: &[u8], at: usize, step: usize) -> Option<Name> {
        let window = window(text, at)?;
        let keys = self.shape(step).iter().take(2).zip(step..);
        let found = |(key, step): (&ShapeKey, usize)| {
            key.matches(window).map(|len| Name { field: key.field, step, value: at + len })
        };
        keys.filter_map(found).next()
    }

    /// Remembers what stood before the value at this step.
    pub fn learn(&mut self, before: &[u8], field: Option<u16>, step: usize) {
        let wanted = match field.and_then(|field| self.fields.get(usize::from(field))) {
            None => Wanted::Nothing,
            Some(Field { child: None, slot: Some(slot), .. }) => {
                u16::try_from(*slot).map_or(Wanted::More, Wanted::Slot)
            }
            Some(_) => Wanted::More,
        };
        let key = ShapeKey::new(before, field, wanted);
        if let Some(old) = self.shape.get_mut(step) {
            *old = ShapeKey { inside: old.inside, ..key };
        } else if step == self.shape.len() && step < SHAPE_KEYS_MAX {
            self.shape.push(key);
        }
    }
}

impl ShapeKey {
    fn new(before: &[u8], field: Option<u16>, wanted: Wanted) -> ShapeKey {
        // What is too long to be remembered equals nothing: no text has such bytes.
        let mut blocks = [[0xff; BLOCK]; SHAPE_BLOCKS];
        let mut counted = [u16::MAX; SHAPE_BLOCKS];
        if let Some(kept) = blocks.as_flattened_mut().get_mut(..before.len()) {
            kept.copy_from_slice(before);
            counted = std::array::from_fn(|i| {
                let len = before.len().saturating_sub(i * BLOCK).min(BLOCK);
                u16::try_from((1u32 << len) - 1).unwrap_or(u16::MAX)
            });
        }
        ShapeKey { blocks, counted, len: before.len() as u8, wanted, field, inside: None }
    }

    /// How many bytes it is, if the text starts with it.
    #[inline(always)]
    pub fn matches(&self, text: &[u8; WINDOW]) -> Option<usize> {
        let differs = |i: usize| {
            let block = Block::at(text, i * BLOCK)?;
            Some(block.differs(&self.blocks[i]) & u32::from(self.counted[i]))
        };
        let len = usize::from(self.len);
        if differs(0) != Some(0) || len > BLOCK && (1..SHAPE_BLOCKS).any(|i| differs(i) != Some(0)) {
            return None;
        }
        Some(len % (WINDOW - BLOCK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Demand;

    #[test]
    fn paths_share_their_levels() {
        let mut demand = Demand::default();
        for path in ["a", "a.b", "a.c.d", "z"] {
            demand.add(path.split('.').map(Into::into).collect());
        }
        let levels = levels(&Layout::text(&demand));
        assert_eq!(levels.len(), 3);
        assert_eq!(levels[0].fields.len(), 2);
        assert_eq!((levels[0].fields[0].slot, levels[0].fields[0].below.as_slice()), (Some(1), &[2, 3][..]));
        assert_eq!(levels[0].find(b"z"), Some(1));
        assert_eq!(levels[0].find(b"y"), None);
    }

    #[test]
    fn what_stood_before_a_value_is_recognised_whole() {
        for len in 1..=SHAPE_BYTES_MAX + 1 {
            let text: Vec<u8> = (0..len + WINDOW).map(|i| b'a' + (i % 23) as u8).collect();
            let mut level = Level::default();
            level.learn(&text[..len], Some(3), 0);
            let kept = len <= SHAPE_BYTES_MAX;
            let name = Name { field: Some(3), step: 0, value: len };
            assert_eq!(level.foresee(&text, 0, 0), kept.then_some(name));
            for at in 0..len {
                let mut other = text.clone();
                other[at] ^= 0x20;
                assert_eq!(level.foresee(&other, 0, 0), None, "byte {at} of {len} differs");
            }
            assert_eq!(level.foresee(&text[..WINDOW - 1], 0, 0), None, "no whole window is left");
        }
    }

    #[test]
    fn a_field_may_be_left_out_and_shapes_are_bounded() {
        let text = [&b",\"b\":2"[..], &[b' '; WINDOW]].concat();
        let mut level = Level::default();
        level.learn(b",\"a\":", None, 0);
        level.learn(b",\"b\":", Some(1), 1);
        assert_eq!(level.foresee(&text, 0, 0), Some(Name { field: Some(1), step: 1, value: 5 }));
        assert_eq!(level.foresee(&text, 0, 2), None);
        (0..2 * SHAPE_KEYS_MAX).for_each(|step| level.learn(b",", None, step));
        assert_eq!(level.shape.len(), SHAPE_KEYS_MAX);
        let mut levels = vec![level];
        let inside: Vec<_> = (0..SHAPE_KEYS_MAX).map(|step| inside(&mut levels, 0, step)).collect();
        assert_eq!((inside[0], inside.iter().flatten().count()), (Some(1), SHAPE_KEYS_MAX.min(SHAPE_LEVELS_MAX - 1)));
        assert_eq!(super::inside(&mut levels, 0, 0), Some(1));
    }
}
