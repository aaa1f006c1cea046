//! What the values of one field were.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::event::Timestamp;
use crate::limits::{INFER_FIELDS_MAX, INFER_SYMBOL_BYTES_MAX, INFER_SYMBOLS_MAX, SHAPE_DEPTH_MAX};
use crate::schema::{Field, Kinds, Meaning, Object, Shape, TimeUnit};

/// So many texts for each different one make an enum of them.
const EVENTS_PER_SYMBOL: u64 = 20;
const SYMBOLS_MIN: usize = 2;

/// Counts by kind, and what is needed to tell a kind more exactly.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    nulls: u64,
    bools: u64,
    ints: u64,
    /// The least and the greatest.
    range: Option<(i64, i64)>,
    floats: u64,
    texts: u64,
    text: Texts,
    arrays: u64,
    items: Option<Box<Seen>>,
    objects: u64,
    fields: IndexMap<String, Seen>,
    /// Joined values of fields that there are too many of to be told apart.
    others: Option<Box<Seen>>,
}

/// What all texts have in common. The default is of no text at all.
#[derive(Clone, Debug, Default)]
struct Texts {
    /// Different ones; `None` once there were too many.
    different: Option<BTreeSet<String>>,
    times: u64,
    uuids: u64,
}

impl Seen {
    pub fn count(&self) -> u64 {
        self.nulls + self.bools + self.ints + self.floats + self.texts + self.arrays + self.objects
    }

    /// Whether further fields are not told apart.
    pub fn is_full(&self) -> bool {
        self.fields.len() == INFER_FIELDS_MAX
    }

    pub fn add(&mut self, value: &Value, depth: usize, room: &mut usize) {
        match value {
            Value::Null => self.nulls += 1,
            Value::Bool(_) => self.bools += 1,
            Value::Number(number) => match number.as_i64() {
                Some(int) => {
                    self.ints += 1;
                    let (least, greatest) = self.range.unwrap_or((int, int));
                    self.range = Some((least.min(int), greatest.max(int)));
                }
                None => self.floats += 1,
            },
            Value::String(text) => {
                self.text.add(text, self.texts == 0);
                self.texts += 1;
            }
            Value::Array(items) => {
                self.arrays += 1;
                if depth < SHAPE_DEPTH_MAX {
                    let seen = self.items.get_or_insert_default();
                    items.iter().for_each(|item| seen.add(item, depth + 1, room));
                }
            }
            Value::Object(fields) => {
                self.objects += 1;
                if depth < SHAPE_DEPTH_MAX {
                    self.add_fields(fields, depth, room);
                }
            }
        }
    }

    fn add_fields(&mut self, fields: &Map<String, Value>, depth: usize, room: &mut usize) {
        for (name, value) in fields {
            if let Some(seen) = self.fields.get_mut(name) {
                seen.add(value, depth + 1, room);
                continue;
            }
            if self.others.is_none() && self.fields.len() < INFER_FIELDS_MAX && *room > 0 {
                *room -= 1;
                self.fields.entry(name.clone()).or_default().add(value, depth + 1, room);
                continue;
            }
            // Of the root each field matters, and what does not fit is left out.
            if depth > 0 {
                let mut others = self.others.take().unwrap_or_default();
                others.add(value, depth + 1, room);
                self.others = Some(others);
            }
        }
    }

    /// What the values have in common. `name`: the field's; `root`: they are whole events.
    pub fn shape(&self, name: &str, root: bool) -> Shape {
        let mut shape = Shape::of(Kinds::NONE);
        let mut join = |more: Shape| {
            shape = if shape.kinds == Kinds::NONE { more } else { shape.join(&more) };
        };
        if self.bools > 0 {
            join(Shape::of(Kinds::BOOL));
        }
        match (self.ints > 0, self.floats > 0) {
            // An int among floats is a float without a point.
            (_, true) => join(Shape::of(Kinds::FLOAT)),
            (true, false) => join(self.int_shape(name)),
            (false, false) => {}
        }
        if self.texts > 0 {
            join(self.text.shape(self.texts));
        }
        if self.arrays > 0 {
            let items = self.items.as_ref().filter(|items| items.count() > 0);
            join(items.map_or(Shape::of(Kinds::ARRAY), |items| Shape::array(items.shape(name, false))));
        }
        if self.objects > 0 {
            join(self.object_shape(root));
        }
        if self.nulls > 0 { shape.or_null() } else { shape }
    }

    /// Of its values that are not null.
    fn kinds(&self) -> Kinds {
        let counts = [
            (self.bools, Kinds::BOOL),
            (self.ints + self.floats, Kinds::NUMBER),
            (self.texts, Kinds::STRING),
            (self.arrays, Kinds::ARRAY),
            (self.objects, Kinds::OBJECT),
        ];
        let seen = counts.iter().filter(|(count, _)| *count > 0);
        seen.fold(Kinds::NONE, |all, (_, kind)| all.and(*kind))
    }

    fn int_shape(&self, name: &str) -> Shape {
        let unit =
            self.range.filter(|_| sounds_like_a_time(name)).and_then(|(least, greatest)| epoch_unit(least, greatest));
        unit.map_or(Shape::of(Kinds::INT), |unit| Shape::meaning(Kinds::INT, Meaning::Time(unit)))
    }

    fn object_shape(&self, root: bool) -> Shape {
        if self.fields.is_empty() && self.others.is_none() {
            return if root {
                Shape::object(Object { name: None, fields: Vec::new(), rest: None })
            } else {
                Shape::map(Shape::of(Kinds::STRING))
            };
        }
        if !root && self.is_map() {
            let values = self.fields.values().map(|seen| seen.shape("", false));
            let values = values.chain(self.others.iter().map(|others| others.shape("", false)));
            return Shape::map(values.reduce(|a, b| a.join(&b)).unwrap_or(Shape::ANY));
        }
        let field = |(name, seen): (&String, &Seen)| {
            let shape = seen.shape(name, false);
            let shape = if seen.count() < self.objects { shape.or_null() } else { shape };
            Field { name: name.as_str().into(), shape, doc: None, has_default: false }
        };
        Shape::object(Object { name: None, fields: self.fields.iter().map(field).collect(), rest: None })
    }

    /// Keys that are data: there are many, or none that is always there while all values are alike.
    fn is_map(&self) -> bool {
        if self.others.is_some() {
            return true;
        }
        let first = self.fields.values().next().map(Seen::kinds);
        let alike = self.fields.values().all(|seen| Some(seen.kinds()) == first);
        let always = self.fields.values().any(|seen| seen.count() == self.objects);
        alike && !always && self.fields.len() > 1 && first.is_some_and(|kinds| !kinds.meets(Kinds::OBJECT))
    }
}

impl Texts {
    fn add(&mut self, text: &str, first: bool) {
        if first {
            self.different = Some(BTreeSet::new());
        }
        if let Some(different) = &mut self.different
            && !different.contains(text)
        {
            if different.len() == INFER_SYMBOLS_MAX || text.len() > INFER_SYMBOL_BYTES_MAX {
                self.different = None;
            } else {
                different.insert(text.to_owned());
            }
        }
        self.times += u64::from(Timestamp::parse_rfc3339(text.as_bytes()).is_some());
        self.uuids += u64::from(text.len() == 36 && uuid::Uuid::try_parse(text).is_ok());
    }

    /// `count`: how many texts there were.
    fn shape(&self, count: u64) -> Shape {
        if self.times == count {
            return Shape::meaning(Kinds::STRING, Meaning::TimeText);
        }
        if self.uuids == count {
            return Shape::meaning(Kinds::STRING, Meaning::Uuid);
        }
        let few = self.different.as_ref().filter(|different| {
            different.len() >= SYMBOLS_MIN
                && count >= different.len() as u64 * EVENTS_PER_SYMBOL
                && different.iter().all(|symbol| is_symbol(symbol))
        });
        match few {
            Some(symbols) => Shape::symbols(symbols.iter().map(|symbol| Arc::from(symbol.as_str()))),
            None => Shape::of(Kinds::STRING),
        }
    }
}

/// A name in each language of schemas.
fn is_symbol(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn sounds_like_a_time(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["time", "timestamp", "date", "_at", "_ts"].iter().any(|end| name.ends_with(end)) || name == "ts" || name == "at"
}

/// The unit in which both numbers are moments from 2000 to 2100.
fn epoch_unit(least: i64, greatest: i64) -> Option<TimeUnit> {
    const SECONDS: std::ops::Range<i64> = 946_684_800..4_102_444_800;
    let units = [
        (1, TimeUnit::Seconds),
        (1_000, TimeUnit::Millis),
        (1_000_000, TimeUnit::Micros),
        (1_000_000_000, TimeUnit::Nanos),
    ];
    let fits = |scale: i64| SECONDS.contains(&(least / scale)) && SECONDS.contains(&(greatest / scale));
    units.into_iter().find(|(scale, _)| fits(*scale)).map(|(_, unit)| unit)
}
