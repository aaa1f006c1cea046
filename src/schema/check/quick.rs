//! What a rule says of single cells in so few steps that a whole column goes through one loop: strings by their length or as a word of
//! sixteen bytes, ints as a range, other numbers by how many digits they have before the point. Nothing is parsed, and branches depend on
//! the kinds of values, which hardly change from row to row. Whom it does not let pass, the rule itself looks at.

use crate::event::json::{self, digits_before_point};
use crate::event::{Batch, Cell, Tag, Tags, TextRef};
use crate::schema::Kinds;

use super::rule::{Bounds, EXACT_MAX, ObjectRule, Rule, TextRule};
use super::words::{WORD, Words, behind, word};

/// The high bit of each byte of a word.
const HIGH: u128 = 0x80 * (u128::MAX / 0xff);

/// Digits before the point that a number may have to be looked at: all powers of ten up to there are floats.
const DIGITS_MAX: usize = 15;

/// What a loop over cells can tell of a rule.
pub(super) struct Quick {
    /// The kinds of cells that need no look.
    free: Tags,
    strings: Strings,
    /// The least and the greatest int that is right.
    ints: (i64, i64),
    /// A bit for each number of digits before the point (none: it begins with `0.`) with which a number is right, whatever they are: of
    /// numbers without a sign, and of negative ones.
    digits: [u32; 2],
    /// Which arrays and objects are right.
    items: Parts,
    values: Parts,
}

/// What the values in an array or object may be.
enum Parts {
    Unknown,
    Any,
    Each(Tags),
}

/// Which strings are right.
enum Strings {
    Lengths(Lengths),
    Words(Words),
}

/// Strings by their bytes, at least and at most.
struct Lengths {
    /// Whatever they are.
    any: (u32, u32),
    /// If they are ASCII.
    ascii: (u32, u32),
}

impl Quick {
    /// `free`: the kinds of cells that need no look.
    pub fn new(rule: &Rule, free: Tags) -> Quick {
        let no_strings = Strings::Words(Words::new(std::iter::empty()));
        let mut quick = Quick {
            free,
            strings: no_strings,
            ints: (1, 0),
            digits: [0; 2],
            items: Parts::Unknown,
            values: Parts::Unknown,
        };
        if !rule.all.is_empty() || !rule.any.is_empty() {
            return quick;
        }
        if rule.kinds.has(Kinds::STRING) {
            quick.strings = match &rule.constants {
                // The rule finds out.
                None if rule.text.is_time => quick.strings,
                None => Strings::Lengths(Lengths::new(rule.text)),
                Some(constants) => {
                    let texts = constants.texts.iter().map(|text| &**text);
                    Strings::Words(Words::new(texts.filter(|text| rule.text.allows(text))))
                }
            };
        }
        if rule.kinds.has(Kinds::INT) {
            quick.ints = match rule.constants.as_ref().map(|constants| constants.ints.as_slice()) {
                None => ints(rule.bounds),
                Some(&[int]) if rule.bounds.allow_int(int) => (int, int),
                Some(_) => quick.ints,
            };
        }
        if rule.kinds.has(Kinds::FLOAT) && rule.constants.is_none() {
            quick.digits = [rule.bounds, rule.bounds.negated()].map(digits);
        }
        if rule.kinds.has(Kinds::ARRAY) && rule.constants.is_none() {
            quick.items = rule.items.as_ref().map_or(Parts::Any, |items| Parts::Each(items.free()));
        }
        if rule.kinds.has(Kinds::OBJECT) && rule.constants.is_none() {
            quick.values = match rule.object.as_deref() {
                None => Parts::Any,
                Some(ObjectRule { fields, rest: Some(rest) }) if fields.is_empty() => Parts::Each(rest.free()),
                Some(_) => Parts::Unknown,
            };
        }
        quick
    }

    /// Tells the selected rows whose cells are not surely right.
    pub fn others(&self, batch: &Batch, cells: &[Cell], other: impl FnMut(u32)) {
        let text = batch.texts.iter().next().map_or(&[][..], |text| text);
        match &self.strings {
            Strings::Lengths(lengths) => self.others_by(batch, cells, text, |at| lengths.allow(text, at), other),
            Strings::Words(words) => {
                let is_one = |at| word_at(text, at).is_some_and(|word| words.have(word, at.len as usize));
                self.others_by(batch, cells, text, is_one, other);
            }
        }
    }

    /// The same: a loop for each way to look at strings.
    #[inline(always)]
    fn others_by(
        &self,
        batch: &Batch,
        cells: &[Cell],
        text: &[u8],
        is_right: impl Fn(TextRef) -> bool,
        mut other: impl FnMut(u32),
    ) {
        batch.selection.iter().for_each(|row| {
            let is_sure = match cells.get(row as usize) {
                Some(Cell::Str(at)) => is_right(*at) || self.free.has(Tag::Str),
                Some(Cell::Int(int)) => self.ints.0 <= *int && *int <= self.ints.1 || self.free.has(Tag::Int),
                Some(Cell::Number(at)) => self.allows_number(text, *at) || self.free.has(Tag::Number),
                Some(Cell::Json(at)) => self.free.has(Tag::Json) || self.allows_json(text, *at),
                Some(cell) => self.free.has(cell.tag()),
                None => false,
            };
            if !is_sure {
                other(row);
            }
        });
    }

    #[inline(always)]
    fn allows_number(&self, text: &[u8], at: TextRef) -> bool {
        word_at(text, at)
            .and_then(|word| digits_before_point(&word.to_le_bytes(), at.len as usize))
            .is_some_and(|(negative, digits)| self.digits[usize::from(negative)] >> digits & 1 == 1)
    }

    #[inline(never)]
    fn allows_json(&self, text: &[u8], at: TextRef) -> bool {
        let Some(text) = text.get(at.start as usize..).filter(|_| at.text == 0) else { return false };
        match text.first() {
            Some(b'[') => {
                let mut items = json::items(text);
                self.items.allow(|| items.next_cell())
            }
            _ => {
                let mut members = json::members(text);
                self.values.allow(|| members.next_cell())
            }
        }
    }
}

impl Parts {
    #[inline(always)]
    fn allow(&self, mut next: impl FnMut() -> Option<Cell>) -> bool {
        match self {
            Parts::Unknown => false,
            Parts::Any => true,
            Parts::Each(tags) => std::iter::from_fn(&mut next).all(|cell| tags.has(cell.tag())),
        }
    }
}

impl Lengths {
    fn new(text: TextRule) -> Lengths {
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let (least, most) = (text.least.unwrap_or(0), text.most.unwrap_or(usize::MAX));
        // A character has one to four bytes: this many are at least so many characters.
        let surely = least.saturating_sub(1).saturating_mul(4).saturating_add(least.min(1));
        Lengths { any: (bytes(surely), bytes(most)), ascii: (bytes(least), bytes(most)) }
    }

    /// `text`: the first of the batch.
    #[inline(always)]
    fn allow(&self, text: &[u8], at: TextRef) -> bool {
        let is_within = |(least, most): (u32, u32)| least <= at.len && at.len <= most;
        let is_ascii = |word: u128| word & !behind(at.len as usize) & HIGH == 0;
        is_within(self.any) || is_within(self.ascii) && word_at(text, at).is_some_and(is_ascii)
    }
}

/// The bytes of a short text in the first text of a batch, and anything behind it.
#[inline(always)]
fn word_at(text: &[u8], at: TextRef) -> Option<u128> {
    if at.len as usize > WORD || at.text != 0 {
        return None;
    }
    let text = text.get(at.start as usize..)?;
    Some(text.first_chunk().map_or_else(|| word(text), |bytes| u128::from_le_bytes(*bytes)))
}

fn ints(bounds: Bounds) -> (i64, i64) {
    let most = EXACT_MAX as i64;
    let least = bounds.least.map_or(-most, |(bound, open)| match open {
        true => bound.floor() as i64 + 1,
        false => bound.ceil() as i64,
    });
    let greatest = bounds.greatest.map_or(most, |(bound, open)| match open {
        true => bound.ceil() as i64 - 1,
        false => bound.floor() as i64,
    });
    (least.max(-most), greatest.min(most))
}

/// How many digits before the point tell that a number without sign is within bounds.
fn digits(bounds: Bounds) -> u32 {
    let is_within = |digits: &usize| {
        // With its digits a number is at least the one and less than the other, and it is too short to be rounded up to that.
        let (from, to) = (if *digits == 0 { 0.0 } else { 10f64.powi(*digits as i32 - 1) }, 10f64.powi(*digits as i32));
        bounds.least.is_none_or(|(bound, open)| from > bound || !open && from == bound)
            && bounds.greatest.is_none_or(|(bound, _)| to <= bound)
    };
    (0..=DIGITS_MAX).filter(is_within).map(|digits| 1 << digits).sum()
}
