//! Changes of Avro schemas: fields by their names and aliases, types by what they can be promoted to.

use super::{Changes, Met};
use crate::schema::avro::{AvroSchema, Body, Field, FullName, Kind, NameId, Type};

pub(super) fn compare(old: &AvroSchema, new: &AvroSchema, changes: &mut Changes) {
    Comparison { old, new, met: Met::new() }.types(old.root(), new.root(), changes);
}

struct Comparison<'s> {
    old: &'s AvroSchema,
    new: &'s AvroSchema,
    met: Met<NameId>,
}

impl Comparison<'_> {
    fn types(&mut self, old: &Type, new: &Type, changes: &mut Changes) {
        let ((before, was_nullable), (after, is_nullable)) = (not_null(old), not_null(new));
        match (was_nullable, is_nullable) {
            (false, true) => changes.changed("may be null now".to_owned()),
            (true, false) => changes.changed("may not be null any more".to_owned()),
            _ => {}
        }
        match (&before.kind, &after.kind) {
            (Kind::Named(before), Kind::Named(after)) => self.named(*before, *after, changes),
            (Kind::Array(before), Kind::Array(after)) => {
                changes.within("[]", |changes| self.types(before, after, changes));
            }
            (Kind::Map(before), Kind::Map(after)) => {
                changes.within("{}", |changes| self.types(before, after, changes));
            }
            (Kind::Union(before), Kind::Union(after)) => self.unions(before, after, changes),
            (old, new) if old == new => self.meanings(before, after, changes),
            (old, new) => {
                let (old_words, new_words) = (words(self.old, before), words(self.new, after));
                let how = if is_promotion(old, new) { "promoted" } else { "type changed" };
                changes.changed(format!("{how} from {old_words} to {new_words}"));
            }
        }
    }

    fn meanings(&self, old: &Type, new: &Type, changes: &mut Changes) {
        let told = |schema: &AvroSchema, ty| schema.logical(ty).map(|logical| logical.to_string());
        changes.option("meaning", told(self.old, old), told(self.new, new));
    }

    fn unions(&mut self, old: &[Type], new: &[Type], changes: &mut Changes) {
        let names = |schema: &AvroSchema, types: &[Type]| -> Vec<String> {
            types.iter().map(|ty| schema.type_name(ty).to_owned()).collect()
        };
        changes.lists("types of the union", &names(self.old, old), &names(self.new, new));
        for after in new {
            let name = self.new.type_name(after);
            if let Some(before) = old.iter().find(|before| self.old.type_name(before) == name) {
                self.types(before, after, changes);
            }
        }
    }

    fn named(&mut self, old: NameId, new: NameId, changes: &mut Changes) {
        if !self.met.first(old, new) {
            return;
        }
        let (before, after) = (self.old.named(old), self.new.named(new));
        if before.name != after.name {
            let alias = match after.aliases.contains(&before.name) {
                true => ", which it keeps as an alias",
                false => "",
            };
            let what = match before.name.short() == after.name.short() {
                true => "its namespace changed",
                false => "renamed",
            };
            changes.changed(format!("{what}, from `{}` to `{}`{alias}", before.name, after.name));
        }
        changes.words(before.doc.as_deref(), after.doc.as_deref());
        match (&before.body, &after.body) {
            (Body::Record(before), Body::Record(after)) => self.fields(before, after, changes),
            (Body::Enum { symbols: before, default: was }, Body::Enum { symbols: after, default: is }) => {
                let texts = |symbols: &[std::sync::Arc<str>]| -> Vec<String> {
                    symbols.iter().map(|symbol| format!("`{symbol}`")).collect()
                };
                let (before, after) = (texts(before), texts(after));
                changes.lists("symbols", &before, &after);
                changes.option(
                    "the symbol for unknown ones",
                    was.map(|at| before[at].clone()),
                    is.map(|at| after[at].clone()),
                );
            }
            (Body::Fixed { size: before, logical: was }, Body::Fixed { size: after, logical: is }) => {
                if before != after {
                    changes.changed(format!("size changed from {before} to {after} bytes"));
                }
                changes.option("meaning", was.map(|was| was.to_string()), is.map(|is| is.to_string()));
            }
            (before, after) => changes.changed(format!("type changed from {} to {}", before.word(), after.word())),
        }
    }

    fn fields(&mut self, old: &[Field], new: &[Field], changes: &mut Changes) {
        let mut kept: Vec<&str> = Vec::new();
        for field in new {
            let alias = || field.aliases.iter().filter(|alias| new.iter().all(|other| other.name != **alias));
            let named = |name: &str| old.iter().find(|before| *before.name == *name);
            let before = named(&field.name).or_else(|| alias().find_map(|alias| named(alias)));
            changes.within(&field.name, |changes| match before {
                None => changes.added(format!("added {}", self.described(self.new, field))),
                Some(before) => {
                    kept.push(&before.name);
                    self.field(before, field, changes);
                }
            });
        }
        for field in old.iter().filter(|field| !kept.contains(&&*field.name)) {
            changes
                .within(&field.name, |changes| changes.removed(format!("removed {}", self.described(self.old, field))));
        }
    }

    fn field(&mut self, old: &Field, new: &Field, changes: &mut Changes) {
        if old.name != new.name {
            changes.changed(format!("renamed from `{}`, which it keeps as an alias", old.name));
        }
        self.types(&old.ty, &new.ty, changes);
        let default = |field: &Field| field.default.as_ref().map(|default| format!("{:.80}", default.json.to_string()));
        changes.option("default", default(old), default(new));
        changes.words(old.doc.as_deref(), new.doc.as_deref());
    }

    /// `optional string, default ""`; `field without a default: long`.
    fn described(&self, schema: &AvroSchema, field: &Field) -> String {
        let ty = words(schema, &field.ty);
        match &field.default {
            Some(default) => format!("optional field: {ty}, default {:.80}", default.json.to_string()),
            None => format!("field without a default: {ty}"),
        }
    }
}

/// A type without `null`, if that makes it another one, and whether it had it.
fn not_null(ty: &Type) -> (&Type, bool) {
    let Kind::Union(branches) = &ty.kind else { return (ty, false) };
    match branches.as_slice() {
        [null, other] | [other, null] if null.kind == Kind::Null && other.kind != Kind::Null => (other, true),
        _ => (ty, false),
    }
}

/// `long (a time in milliseconds)`, `array of string`, `enum Action`, `string or null`.
fn words(schema: &AvroSchema, ty: &Type) -> String {
    let (inner, nullable) = not_null(ty);
    let or_null = if nullable { " or null" } else { "" };
    let text = match &inner.kind {
        Kind::Array(items) => format!("array of {}", words(schema, items)),
        Kind::Map(values) => format!("map of {}", words(schema, values)),
        Kind::Union(branches) => {
            let names: Vec<&str> = branches.iter().map(|branch| schema.type_name(branch)).collect();
            format!("one of {}", names.join(", "))
        }
        Kind::Named(id) => format!("{} {}", schema.named(*id).body.word(), FullName::short(&schema.named(*id).name)),
        _ => schema.type_name(inner).to_owned(),
    };
    let meaning = schema.logical(inner).map_or_else(String::new, |logical| format!(" ({logical})"));
    format!("{text}{meaning}{or_null}")
}

fn is_promotion(old: &Kind, new: &Kind) -> bool {
    matches!(
        (old, new),
        (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Long, Kind::Float | Kind::Double)
            | (Kind::Float, Kind::Double)
    )
}
