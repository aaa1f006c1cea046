//! Changes of Protobuf files: messages and enums by their names without the package, fields by their numbers.

use std::collections::BTreeMap;

use super::Changes;
use crate::schema::protobuf::{Enum, Field, Label, Message, Model};

pub(super) fn compare(old: &Model, new: &Model, changes: &mut Changes) {
    let comparison = Comparison { old, new };
    let (before, after) = (old.root().package(), new.root().package());
    if before != after {
        changes.changed(format!("package changed from `{before}` to `{after}`"));
    }
    if old.root().local_name() != new.root().local_name() {
        let (before, after) = (old.root().local_name(), new.root().local_name());
        changes.changed(format!("events were the message `{before}`, and are `{after}` now"));
    }
    let (before, after) = (messages(old), messages(new));
    for (name, message) in &after {
        changes.within(name, |changes| match before.get(name) {
            None => changes.added("added message".to_owned()),
            Some(before) => comparison.messages(before, message, changes),
        });
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.within(name, |changes| changes.removed("removed message".to_owned()));
    }
    enums(old, new, changes);
}

fn messages(model: &Model) -> BTreeMap<&str, &Message> {
    let own = model.messages.iter().filter(|message| message.is_own && !message.is_map_entry);
    own.map(|message| (message.local_name(), message)).collect()
}

fn enums(old: &Model, new: &Model, changes: &mut Changes) {
    let find = |name: &str| old.enums.iter().find(|before| before.is_own && before.name() == name);
    for after in new.enums.iter().filter(|after| after.is_own) {
        changes.within(after.name(), |changes| match find(after.name()) {
            None => changes.added("added enum".to_owned()),
            Some(before) => {
                changes.lists("values", &values(before), &values(after));
                changes.words(before.doc.as_deref(), after.doc.as_deref());
            }
        });
    }
    let kept = |name: &str| new.enums.iter().any(|after| after.is_own && after.name() == name);
    for before in old.enums.iter().filter(|before| before.is_own && !kept(before.name())) {
        changes.within(before.name(), |changes| changes.removed("removed enum".to_owned()));
    }
}

fn values(of: &Enum) -> Vec<String> {
    of.values.iter().map(|value| format!("`{}` = {}", value.name, value.number)).collect()
}

struct Comparison<'m> {
    old: &'m Model,
    new: &'m Model,
}

impl Comparison<'_> {
    fn messages(&self, old: &Message, new: &Message, changes: &mut Changes) {
        changes.words(old.doc.as_deref(), new.doc.as_deref());
        for field in &new.fields {
            changes.within(&field.name, |changes| match old.field(field.number) {
                None => changes.added(format!("added {}, number {}", described(self.new, new, field), field.number)),
                Some(before) => self.fields((old, before), (new, field), changes),
            });
        }
        for field in old.fields.iter().filter(|field| new.field(field.number).is_none()) {
            let reserved = match new.reserved_numbers.iter().any(|range| range.contains(&field.number)) {
                true => "reserved now",
                false => "not reserved",
            };
            let text = format!("removed {}, number {} ({reserved})", described(self.old, old, field), field.number);
            changes.within(&field.name, |changes| changes.removed(text));
        }
    }

    fn fields(&self, old: (&Message, &Field), new: (&Message, &Field), changes: &mut Changes) {
        let (before, after) = (old.1, new.1);
        if before.name != after.name {
            changes.changed(format!("renamed from `{}`", before.name));
        }
        let (was, is) = (type_words(self.old, before), type_words(self.new, after));
        if was != is {
            changes.changed(format!("type changed from {was} to {is}"));
        }
        if before.label != after.label {
            changes.changed(format!("{}, {} before", label(after.label), label(before.label)));
        }
        let oneof =
            |of: (&Message, &Field)| of.1.oneof.and_then(|at| of.0.oneofs.get(at)).map(|name| format!("`{name}`"));
        changes.option("oneof", oneof(old), oneof(new));
        let default = |field: &Field| field.default.as_ref().map(|default| format!("{default:.80}"));
        changes.option("default", default(before), default(after));
        if !before.deprecated && after.deprecated {
            changes.changed("deprecated now".to_owned());
        }
        changes.words(before.doc.as_deref(), after.doc.as_deref());
    }
}

/// `optional field: string`, `field of the oneof `of`: Card`.
fn described(model: &Model, message: &Message, field: &Field) -> String {
    let ty = type_words(model, field);
    match field.oneof.and_then(|at| message.oneofs.get(at)) {
        Some(oneof) => format!("field of the oneof `{oneof}`: {ty}"),
        None => match field.label {
            Label::Optional => format!("optional field: {ty}"),
            Label::Required => format!("required field: {ty}"),
            Label::Implicit | Label::Repeated | Label::Map => format!("field: {ty}"),
        },
    }
}

fn type_words(model: &Model, field: &Field) -> String {
    if let Some((key, value)) = model.entry_of(field) {
        return format!("map of {} to {}", type_words(model, key), type_words(model, value));
    }
    let named = || model.message_of(field).map(Message::local_name).or_else(|| model.enum_of(field).map(Enum::name));
    let name = field.kind.keyword().or_else(named).unwrap_or("message");
    let list = if field.label == Label::Repeated { "list of " } else { "" };
    format!("{list}{name}")
}

fn label(label: Label) -> &'static str {
    match label {
        Label::Implicit => "it has its default where nothing is written",
        Label::Optional => "it may be missing",
        Label::Required => "it is required",
        Label::Repeated => "it is a list",
        Label::Map => "it is a map",
    }
}
