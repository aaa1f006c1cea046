//! Whether what is written is what an event type says: one shape against another, field by field.

use super::shape::{Field, Kinds, Meaning, Object, Shape};
use super::{Definition, Language};
use crate::diagnostic::did_you_mean;
use crate::limits::SHAPE_MISFITS_MAX;

/// Something that an event type does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The field, by its path from the event: `merchant.country`.
    pub field: String,
    /// What is wrong, as it follows the field's name: `may be null, and must not be`.
    pub what: String,
    /// The way out, where one is known.
    pub help: Option<String>,
}

impl Definition {
    /// What events of this shape have that the type does not allow. Of what is not known nothing is said.
    pub fn misfits(&self, given: &Shape) -> Vec<Misfit> {
        // Whatever a Protobuf message lacks has its default.
        let mut fit = Fit { lenient: self.language() == Language::Protobuf, found: Vec::new() };
        fit.value("", given, &self.shape());
        fit.found.truncate(SHAPE_MISFITS_MAX);
        fit.found
    }
}

struct Fit {
    /// Nulls and missing fields are fine.
    lenient: bool,
    found: Vec<Misfit>,
}

impl Fit {
    fn find(&mut self, field: &str, what: String, help: Option<String>) {
        self.found.push(Misfit { field: field.to_owned(), what, help });
    }

    fn value(&mut self, path: &str, given: &Shape, wanted: &Shape) {
        if self.found.len() >= SHAPE_MISFITS_MAX {
            return;
        }
        if given.kinds.is_surely_nullable() && !wanted.is_nullable() && !self.lenient {
            self.find(path, "may be null, and must not be".to_owned(), None);
        }
        let kinds = given.kinds.without(Kinds::NULL);
        if kinds == Kinds::NONE {
            return;
        }
        if !kinds.meets(taken(wanted)) {
            return self.find(path, format!("is {}, and must be {}", plain(given), plain(wanted)), None);
        }
        if let (Some(given), Some(wanted)) = (&given.symbols, &wanted.symbols)
            && let Some(other) = given.iter().find(|symbol| !wanted.contains(symbol))
        {
            let near = did_you_mean(other, wanted.iter().map(|symbol| &**symbol));
            self.find(path, format!("may be {other:?}, which is none of its symbols"), near.map(meant));
        }
        if let (Some(given), Some(wanted)) = (&given.items, &wanted.items) {
            self.value(&format!("{path}[]"), given, wanted);
        }
        if let (Some(given), Some(wanted)) = (&given.object, &wanted.object) {
            self.object(path, given, wanted);
        }
    }

    fn object(&mut self, path: &str, given: &Object, wanted: &Object) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let named = |name: &str| wanted.fields.iter().any(|field| *field.name == *name);
        for Field { name, shape, .. } in &given.fields {
            match wanted.field(name) {
                Some(field) => {
                    // What may be null may be missing, which its default stands for.
                    let has_default = wanted.fields.iter().any(|field| field.name == *name && field.has_default);
                    let shape = if has_default { shape.clone().not_null() } else { shape.clone() };
                    self.value(&below(name), &shape, &field);
                }
                // A field that was removed, where others may be.
                None if shape.kinds == Kinds::NULL => {}
                None => {
                    let missing = wanted.fields.iter().filter(|field| given.field(&field.name).is_none());
                    let near = did_you_mean(name, missing.map(|field| &*field.name));
                    let near = near.or_else(|| did_you_mean(name, wanted.fields.iter().map(|field| &*field.name)));
                    let unset = || format!("`unset: [{name}]` in a stage before leaves it out");
                    let help = near.map(meant).or_else(|| path.is_empty().then(unset));
                    self.find(&below(name), "is no field of it".to_owned(), help);
                }
            }
        }
        let missing = wanted.fields.iter().filter(|field| given.field(&field.name).is_none());
        let needed = |field: &&Field| !field.shape.is_nullable() && !field.has_default;
        for field in missing.filter(|field| needed(field) && !self.lenient).cloned().collect::<Vec<_>>() {
            self.find(&below(&field.name), "is missing, and must be there".to_owned(), None);
        }
        if let (Some(rest), Some(others)) = (&given.rest, &wanted.rest)
            && given.fields.iter().all(|field| named(&field.name))
        {
            self.value(&below("*"), &rest.clone().not_null(), others);
        }
    }
}

/// Of the name that was most likely meant.
fn meant(near: &str) -> String {
    format!("did you mean `{near}`?")
}

/// The kinds that are written as a value of this shape.
fn taken(wanted: &Shape) -> Kinds {
    let kinds = wanted.kinds;
    let more = match wanted.meaning {
        // A decimal may be given as a text of its digits.
        Some(Meaning::Decimal { .. }) => Kinds::NUMBER.and(Kinds::STRING),
        Some(Meaning::Duration) => Kinds::STRING.and(Kinds::OBJECT),
        // An int is a float too.
        _ if kinds.meets(Kinds::FLOAT) => Kinds::NUMBER,
        _ => Kinds::NONE,
    };
    kinds.and(more)
}

/// A shape in words, without what is said of null.
fn plain(shape: &Shape) -> String {
    shape.clone().not_null().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Language;

    #[test]
    fn what_does_not_fit_is_named() {
        let schema = r#"{"type": "object", "additionalProperties": false,
            "properties": {"user": {"type": "string"}, "score": {"type": "number"}, "kind": {"enum": ["a", "b"]},
                           "note": {"type": ["string", "null"]}, "id": {"type": "string"},
                           "place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}},
            "required": ["user", "score", "kind", "id", "place"]}"#;
        let definition = Definition::parse(Language::Json, schema, None, &[]).unwrap();
        let place = Shape::record([("city".into(), Shape::of(Kinds::STRING).or_null())]);
        let given = Shape::record([
            ("usr".into(), Shape::of(Kinds::STRING)),
            ("score".into(), Shape::of(Kinds::INT)),
            ("kind".into(), Shape::symbols(["a".into(), "c".into()])),
            ("note".into(), Shape::of(Kinds::INT)),
            ("id".into(), Shape::ANY),
            ("place".into(), place),
        ]);
        let found: Vec<String> =
            definition.misfits(&given).iter().map(|misfit| format!("{} {}", misfit.field, misfit.what)).collect();
        assert_eq!(
            found,
            [
                "usr is no field of it",
                "kind may be \"c\", which is none of its symbols",
                "note is int, and must be string",
                "place.city may be null, and must not be",
                "user is missing, and must be there",
            ]
        );
        assert_eq!(definition.misfits(&Shape::of(Kinds::OBJECT)), []);
    }

    #[test]
    fn a_default_stands_for_what_is_missing() {
        let schema = r#"{"type": "record", "name": "A", "fields": [{"name": "v", "type": "int", "default": 1}, {"name": "n", "type": "int"}]}"#;
        let definition = Definition::parse(Language::Avro, schema, None, &[]).unwrap();
        let found =
            |given: Shape| definition.misfits(&given).into_iter().map(|misfit| misfit.field).collect::<Vec<_>>();
        assert_eq!(found(Shape::record([])), ["n"]);
        let int = Shape::of(Kinds::INT);
        assert_eq!(found(Shape::record([("n".into(), int.clone()), ("v".into(), int.clone().or_null())])), [""; 0]);
        assert_eq!(
            found(Shape::record([("n".into(), int.or_null()), ("v".into(), Shape::of(Kinds::STRING))])),
            ["n", "v"]
        );
    }
}
