//! What a value surely may be. A rule knows less than a validator: whom it lets pass the schema allows, of the others it says nothing.

use crate::event::json::{self, Value};
use crate::event::{Cell, Tag, Tags, Texts};
use crate::schema::Kinds;

/// Ints up to this are floats without rounding.
pub(super) const EXACT_MAX: u64 = 1 << 53;

/// What a value may be: all of this must hold.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub kinds: Kinds,
    /// If the value must be one of these.
    pub constants: Option<Constants>,
    pub bounds: Bounds,
    pub text: TextRule,
    pub items: Option<Box<Rule>>,
    pub object: Option<Box<ObjectRule>>,
    /// Rules that must all hold.
    pub all: Vec<Rule>,
    /// Sets of rules of which at least one must hold.
    pub any: Vec<Vec<Rule>>,
}

/// Values that are named one by one; floats, arrays and objects are not looked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    pub texts: Vec<Box<[u8]>>,
    pub ints: Vec<i64>,
    pub bools: Vec<bool>,
    pub null: bool,
}

/// Bounds of numbers: the bound, and whether it may not be reached itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    pub least: Option<(f64, bool)>,
    pub greatest: Option<(f64, bool)>,
}

/// What strings must be.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextRule {
    /// In characters.
    pub least: Option<usize>,
    pub most: Option<usize>,
    /// RFC 3339.
    pub is_time: bool,
}

/// What objects must be.
#[derive(Clone, Debug, Default)]
pub(super) struct ObjectRule {
    pub fields: Vec<FieldRule>,
    /// Of all other fields.
    pub rest: Option<Rule>,
}

#[derive(Clone, Debug)]
pub(super) struct FieldRule {
    pub name: Box<str>,
    pub rule: Rule,
    pub required: bool,
}

impl Rule {
    /// Whatever is of these kinds.
    pub fn of(kinds: Kinds) -> Rule {
        Rule {
            kinds,
            constants: None,
            bounds: Bounds::default(),
            text: TextRule::default(),
            items: None,
            object: None,
            all: Vec::new(),
            any: Vec::new(),
        }
    }

    /// Whether it says nothing but which kinds there may be.
    pub fn is_plain(&self) -> bool {
        let TextRule { least, most, is_time } = self.text;
        let is_open =
            self.bounds.least.is_none() && self.bounds.greatest.is_none() && least.is_none() && most.is_none();
        let has_parts = self.items.is_some() || self.object.is_some() || !self.all.is_empty() || !self.any.is_empty();
        self.constants.is_none() && is_open && !is_time && !has_parts
    }

    /// The kinds of cells that need no look: whatever is in them, it may be.
    pub fn free(&self) -> Tags {
        let mut free = Tags::NONE;
        let has_text = self.text.least.is_some() || self.text.most.is_some() || self.text.is_time;
        let has_bounds = self.bounds.least.is_some() || self.bounds.greatest.is_some();
        let json = Kinds::ARRAY.and(Kinds::OBJECT);
        for (tag, kinds, looks) in [
            (Tag::Null, Kinds::NULL, false),
            (Tag::Bool, Kinds::BOOL, false),
            (Tag::Int, Kinds::INT, has_bounds),
            (Tag::Number, Kinds::FLOAT, has_bounds),
            (Tag::Str, Kinds::STRING, has_text),
            (Tag::Escaped, Kinds::STRING, has_text),
            (Tag::Json, json, self.items.is_some() || self.object.is_some()),
        ] {
            if self.kinds.has(kinds) && !looks && self.constants.is_none() {
                free.add(tag);
            }
        }
        let both = |a: Tags, b: Tags| Tags(a.0 & b.0);
        free = self.all.iter().map(Rule::free).fold(free, both);
        let either = |rules: &Vec<Rule>| rules.iter().map(Rule::free).fold(Tags::NONE, |a, b| a | b);
        self.any.iter().map(either).fold(free, both)
    }

    /// Whether the value of a cell that is there may surely be that.
    pub fn allows_cell(&self, cell: Cell, texts: &Texts) -> bool {
        self.allows(match cell {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Int(value) => Value::Int(value),
            Cell::Number(at) => Value::Number(texts.bytes(at)),
            Cell::Str(at) => Value::Str(texts.bytes(at)),
            Cell::Escaped(at) => Value::Escaped(texts.bytes(at)),
            // What is looked at ends with the value.
            Cell::Json(at) => Value::Json(texts.bytes_from(at)),
            Cell::Missing | Cell::Float(_) | Cell::Packed(_) => return false,
        })
    }

    /// Whether the value may surely be that.
    pub fn allows(&self, value: Value<'_>) -> bool {
        let fits = match value {
            Value::Null => self.kinds.has(Kinds::NULL),
            Value::Bool(_) => self.kinds.has(Kinds::BOOL),
            Value::Int(int) => self.kinds.has(Kinds::INT) && self.bounds.allow_int(int),
            Value::Number(text) => self.kinds.has(Kinds::FLOAT) && self.bounds.allow_text(text),
            Value::Str(text) => self.kinds.has(Kinds::STRING) && self.text.allows(text),
            Value::Escaped(raw) => self.kinds.has(Kinds::STRING) && self.text.allows_escaped(raw),
            Value::Json(text) if text.first() == Some(&b'[') => {
                self.kinds.has(Kinds::ARRAY)
                    && self.items.as_ref().is_none_or(|rule| json::items(text).all(|item| rule.allows(item)))
            }
            Value::Json(text) => {
                self.kinds.has(Kinds::OBJECT) && self.object.as_ref().is_none_or(|object| object.allows(text))
            }
        };
        fits && self.constants.as_ref().is_none_or(|constants| constants.have(value))
            && self.all.iter().all(|rule| rule.allows(value))
            && self.any.iter().all(|rules| rules.iter().any(|rule| rule.allows(value)))
    }
}

impl Constants {
    fn have(&self, value: Value<'_>) -> bool {
        match value {
            Value::Null => self.null,
            Value::Bool(value) => self.bools.contains(&value),
            Value::Int(value) => self.ints.contains(&value),
            Value::Str(text) => self.texts.iter().any(|known| **known == *text),
            Value::Escaped(raw) => {
                let text = json::unescape(raw);
                self.texts.iter().any(|known| **known == *text.as_bytes())
            }
            Value::Number(_) | Value::Json(_) => false,
        }
    }
}

impl Bounds {
    pub fn allow_int(self, int: i64) -> bool {
        if self.least.is_none() && self.greatest.is_none() {
            return true;
        }
        let value = int as f64;
        int.unsigned_abs() <= EXACT_MAX
            && self.least.is_none_or(|(bound, open)| value > bound || !open && value == bound)
            && self.greatest.is_none_or(|(bound, open)| value < bound || !open && value == bound)
    }

    /// Those of the numbers with the other sign.
    pub fn negated(self) -> Bounds {
        let negated = |bound: Option<(f64, bool)>| bound.map(|(bound, open)| (-bound, open));
        Bounds { least: negated(self.greatest), greatest: negated(self.least) }
    }

    /// A number's text that is well within: who is close to a bound, as far as that is where a float may have been rounded, is left to
    /// the validator.
    fn allow_text(self, text: &[u8]) -> bool {
        if self.least.is_none() && self.greatest.is_none() {
            return true;
        }
        let Some(value) = json::number_to_f64(text) else { return false };
        let far = |distance: f64, bound: f64| distance > bound.abs() * 1e-14 + f64::MIN_POSITIVE;
        self.least.is_none_or(|(bound, _)| far(value - bound, bound))
            && self.greatest.is_none_or(|(bound, _)| far(bound - value, bound))
    }
}

impl TextRule {
    pub fn allows(self, text: &[u8]) -> bool {
        // A character has one to four bytes.
        let chars = || std::str::from_utf8(text).map_or(0, |text| text.chars().count());
        self.least.is_none_or(|least| text.len() >= least.saturating_mul(4) || chars() >= least)
            && self.most.is_none_or(|most| text.len() <= most || chars() <= most)
            && (!self.is_time || is_time(text))
    }

    fn allows_escaped(self, raw: &[u8]) -> bool {
        self.least.is_none() && self.most.is_none() && !self.is_time || self.allows(json::unescape(raw).as_bytes())
    }
}

impl ObjectRule {
    fn allows(&self, text: &[u8]) -> bool {
        let mut found = 0u64;
        let mut next = 0;
        for (name, value) in json::members(text) {
            // Fields mostly come in the order in which the schema has them.
            let (before, behind) = self.fields.split_at(next);
            let at = behind.iter().chain(before).position(|field| *field.name == *name);
            let Some(at) = at.map(|at| (next + at) % self.fields.len()) else {
                if self.rest.as_ref().is_some_and(|rule| !rule.allows(value)) {
                    return false;
                }
                continue;
            };
            found |= 1 << at;
            next = at + 1;
            if !self.fields[at].rule.allows(value) {
                return false;
            }
        }
        self.fields.iter().enumerate().all(|(at, field)| !field.required || found & 1 << at != 0)
    }
}

/// Whether a text is a time of RFC 3339 in its usual form: capital letters, no leap second, no 29th of February.
fn is_time(text: &[u8]) -> bool {
    const DAYS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let Some((moment, rest)) = text.split_at_checked(19) else { return false };
    let pattern = b"dddd-dd-ddTdd:dd:dd";
    let fits = |byte: &u8, like: &u8| if *like == b'd' { byte.is_ascii_digit() } else { byte == like };
    if !moment.iter().zip(pattern).all(|(byte, like)| fits(byte, like)) {
        return false;
    }
    let two = |at: usize| u32::from(moment[at] - b'0') * 10 + u32::from(moment[at + 1] - b'0');
    let days = DAYS.get(two(5).wrapping_sub(1) as usize).copied().unwrap_or(0);
    if !(1..=days).contains(&two(8)) || two(11) > 23 || two(14) > 59 || two(17) > 59 {
        return false;
    }
    let rest = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 || digits > 9 {
                return false;
            }
            &fraction[digits..]
        }
        rest => rest,
    };
    match rest {
        b"Z" => true,
        [b'+' | b'-', h, i, b':', m, n] => {
            [h, i, m, n].iter().all(|digit| digit.is_ascii_digit())
                && (*h < b'2' || *h == b'2' && *i < b'4')
                && *m < b'6'
        }
        _ => false,
    }
}
