//! The demanded paths as a tree of the names wanted at each level, with a memory of the order of names seen last.

use crate::event::json::word;
use crate::event::{Layout, Path};

/// Names a level remembers; those beyond are looked up each time.
const SHAPE_KEYS_MAX: usize = 64;
/// Words of a remembered name with its quotes and colon; longer names are looked up each time.
const SHAPE_WORDS: usize = 4;

/// One object level of which something is demanded. Level 0 is the event.
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

/// A name as it stood in the last event at this step, `"name":`, and the field that it is.
#[derive(Clone, Copy, Debug)]
struct ShapeKey {
    words: [u64; SHAPE_WORDS],
    last_mask: u64,
    len: u8,
    field: Option<u16>,
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

impl Level {
    /// The field with this name (its value: unescaped).
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        if self.lengths & length_bit(name.len()) == 0 {
            return None;
        }
        self.fields.iter().position(|field| *field.name == *name).map(|field| field as u16)
    }

    /// Whether the text goes on with the name that stood at this step last time, or with the next (a field was left out).
    /// Returns the field, what follows the colon, and the next step.
    #[inline(always)]
    pub fn predict(&self, text: &[u8], at: usize, step: usize) -> Option<(Option<u16>, usize, usize)> {
        let expected = self.shape.get(step)?;
        if expected.matches(text, at) {
            return Some((expected.field, at + usize::from(expected.len), step + 1));
        }
        let next = self.shape.get(step + 1)?;
        next.matches(text, at).then(|| (next.field, at + usize::from(next.len), step + 2))
    }

    /// Remembers the name between `at` (its opening quote) and its closing quote for this step. Returns the next step.
    #[inline(never)]
    pub fn learn(&mut self, text: &[u8], at: usize, closing: usize, field: Option<u16>, step: usize) -> usize {
        let Some(key) = text.get(at..closing + 2).filter(|key| key.ends_with(b"\":")) else { return step };
        if let Some(learned) = ShapeKey::new(key, field) {
            if let Some(old) = self.shape.get_mut(step) {
                *old = learned;
            } else if self.shape.len() < SHAPE_KEYS_MAX {
                self.shape.push(learned);
            }
            return step + 1;
        }
        step
    }
}

impl ShapeKey {
    fn new(key: &[u8], field: Option<u16>) -> Option<ShapeKey> {
        if key.len() > SHAPE_WORDS * 8 {
            return None;
        }
        let mut words = [0; SHAPE_WORDS];
        for (word, bytes) in words.iter_mut().zip(key.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(padded);
        }
        let tail = (key.len() - 1) % 8 + 1;
        Some(ShapeKey { words, last_mask: u64::MAX >> (64 - tail * 8), len: key.len() as u8, field })
    }

    #[inline(always)]
    fn matches(&self, text: &[u8], at: usize) -> bool {
        let last = usize::from(self.len - 1) / 8;
        let mut i = 0;
        while i < last {
            if word(text, at + i * 8) != Some(self.words[i & (SHAPE_WORDS - 1)]) {
                return false;
            }
            i += 1;
        }
        word(text, at + last * 8)
            .is_some_and(|word| (word ^ self.words[last & (SHAPE_WORDS - 1)]) & self.last_mask == 0)
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
    fn a_learned_name_is_recognised_whole() {
        let mut level = Level::default();
        let text = br#""abcdefgh":1 ........"#;
        assert_eq!(level.learn(text, 0, 9, Some(3), 0), 1);
        assert_eq!(level.predict(text, 0, 0), Some((Some(3), 11, 1)));
        assert_eq!(level.predict(br#""abcdefgH":1 ........"#, 0, 0), None);
        assert_eq!(level.predict(br#""abcdefgh"1 ........."#, 0, 0), None);
        assert_eq!(level.predict(br#""abcdefgh":"#, 0, 0), None);
        assert_eq!(level.learn(br#""a" :1"#, 0, 2, None, 1), 1);
    }
}
