//! Protobuf by the rules of Confluent's Schema Registry: messages of a file are compared by their names, fields by their numbers. Names of
//! fields, enums and their values may change, fields may come and go; the names of findings are the registry's.
//!
//! Beyond it, from Protobuf's own rules for updating a message: a numeric field does not become a list or stop being one, and what one
//! side requires the other must always write. What merely loses something is a caution.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use super::findings::{Finding, Findings};
use crate::limits::COMPAT_STEPS_MAX;
use crate::schema::protobuf::{Field, Kind, Label, Message, Model, Number};

/// What stands in the way of reading what `writer` wrote by `reader`.
pub(super) fn can_read(reader: &Model, writer: &Model) -> Vec<Finding> {
    let mut comparison =
        Comparison { reader, writer, pairs: Vec::new(), met: HashSet::new(), findings: Findings::default() };
    comparison.files();
    comparison.findings.into_list()
}

struct Comparison<'m> {
    reader: &'m Model,
    writer: &'m Model,
    /// Pairs of messages (the writer's, the reader's) that are still to be compared.
    pairs: Vec<(&'m Message, &'m Message)>,
    /// Their names, of all that were ever among them.
    met: HashSet<(&'m str, &'m str)>,
    findings: Findings,
}

/// The types of numbers that can be read as each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Varint,
    Zigzag,
    Bytes,
    Fixed32,
    Fixed64,
    Float,
    Double,
    Message,
    Map,
}

impl<'m> Comparison<'m> {
    fn files(&mut self) {
        let (before, after) = (self.writer.root().package(), self.reader.root().package());
        if before != after {
            let text = format!("it is written in the package `{before}` and read in `{after}`");
            self.breaks("PACKAGE_CHANGED", "", text, "keep the package");
        }
        let own = |model: &'m Model| {
            let own = model.messages.iter().filter(|message| message.is_own && !message.is_map_entry);
            own.map(|message| (message.local_name(), message)).collect::<BTreeMap<_, _>>()
        };
        let (written, read) = (own(self.writer), own(self.reader));
        for (name, message) in &written {
            match read.get(name) {
                Some(after) => self.meet(message, after),
                None => {
                    let text = format!("the message `{name}` may be written, and the reader has none of this name");
                    self.breaks("MESSAGE_REMOVED", name, text, "keep the message; mark it `deprecated`");
                }
            }
        }
        let (root, other) = (self.writer.root().local_name(), self.reader.root().local_name());
        if root != other && read.contains_key(root) {
            let text = format!("events are written as `{root}` and read as `{other}`");
            self.breaks("MESSAGE_CHANGED", "", text, "choose the same `message` for both versions");
        }
        let mut steps = 0;
        while let Some((before, after)) = self.pairs.pop() {
            steps += before.fields.len() + after.fields.len() + 1;
            if steps > COMPAT_STEPS_MAX {
                let text = "the two versions are too large to be compared";
                return self.breaks("TOO_COMPLEX", "", text.into(), "split the file into several");
            }
            self.messages(before, after);
        }
    }

    /// Has a pair compared, unless it is or was.
    fn meet(&mut self, written: &'m Message, read: &'m Message) {
        if self.met.insert((&written.full_name, &read.full_name)) {
            self.pairs.push((written, read));
        }
    }

    fn messages(&mut self, written: &'m Message, read: &'m Message) {
        self.moved_to_oneofs(written, read);
        self.left_oneofs(written, read);
        let after: BTreeMap<u32, &Field> = read.fields.iter().map(|field| (field.number, field)).collect();
        let before: BTreeMap<u32, &Field> = written.fields.iter().map(|field| (field.number, field)).collect();
        for (number, field) in &before {
            match after.get(number) {
                Some(after) => self.fields(read, field, after),
                None => self.removed(read, field),
            }
        }
        for (number, field) in &after {
            if !before.contains_key(number) {
                self.added(written, read, field);
            }
        }
    }

    fn removed(&mut self, read: &Message, field: &Field) {
        let path = place(read, field);
        if field.label == Label::Required {
            let text = format!(
                "the required field `{}` ({}) is written, and the reader does not have it",
                field.name, field.number
            );
            return self.breaks("REQUIRED_FIELD_REMOVED", &path, text, "keep the field");
        }
        if !holds(&read.reserved_numbers, field.number) {
            let text = format!(
                "`{}` was removed, and its number {} is free to be used for something else",
                field.name, field.number
            );
            let finding = Finding::caution("FIELD_REMOVED", &path, text);
            self.findings
                .add(finding.help(format!("write `reserved {0}; reserved \"{1}\";`", field.number, field.name)));
        }
    }

    fn added(&mut self, written: &Message, read: &Message, field: &Field) {
        let path = place(read, field);
        if field.label == Label::Required {
            let text = format!("`{}` ({}) is not written, and the reader requires it", field.name, field.number);
            return self.breaks("REQUIRED_FIELD_ADDED", &path, text, "make it `optional`");
        }
        if holds(&written.reserved_numbers, field.number) || written.reserved_names.contains(&field.name) {
            let text = format!(
                "`{}` ({}) was reserved: events of a still older version may have something else there",
                field.name, field.number
            );
            let finding = Finding::caution("RESERVED_REUSED", &path, text);
            self.findings.add(finding.help("give the field a name and a number that were never used"));
        }
    }

    /// Fields that a oneof of the reader has, and that were no oneof's when they were written: of two that were written one is lost.
    fn moved_to_oneofs(&mut self, written: &Message, read: &Message) {
        for (at, oneof) in read.oneofs.iter().enumerate() {
            let members = read.fields.iter().filter(|field| field.oneof == Some(at));
            let before: Vec<&Field> = members.filter_map(|field| written.field(field.number)).collect();
            let moved: Vec<String> =
                before.iter().filter(|field| field.oneof.is_none()).map(|field| format!("`{}`", field.name)).collect();
            let path = format!("{}.{oneof}", read.local_name());
            let help = "leave the fields out of the oneof, and give it new ones";
            if moved.len() > 1 {
                let text = format!("{} may be written together, and the reader takes one of them", moved.join(", "));
                self.breaks("MULTIPLE_FIELDS_MOVED_TO_ONEOF", &path, text, help);
            } else if moved.len() == 1 && before.len() > 1 {
                let text = format!(
                    "{} may be written beside a field of the oneof, and the reader takes one of them",
                    moved[0]
                );
                self.breaks("FIELD_MOVED_TO_EXISTING_ONEOF", &path, text, help);
            }
        }
    }

    /// Members of oneofs that are not there any more: a reader sees a oneof in which nothing is set.
    fn left_oneofs(&mut self, written: &Message, read: &Message) {
        for field in &written.fields {
            let Some(oneof) = field.oneof.and_then(|at| written.oneofs.get(at)) else { continue };
            if read.oneofs.contains(oneof) && read.field(field.number).is_none() {
                let text = format!(
                    "`{}` ({}) may be what is written of `{oneof}`, and the reader does not have it",
                    field.name, field.number
                );
                self.breaks("ONEOF_FIELD_REMOVED", &place(read, field), text, "keep the field; mark it `deprecated`");
            }
        }
    }

    fn fields(&mut self, message: &Message, written: &'m Field, read: &'m Field) {
        let path = place(message, read);
        if written.name != read.name {
            let text = format!(
                "it is written as `{}` and read as `{}`: only the number, {}, counts in binary, but not in JSON",
                written.name, read.name, read.number
            );
            self.findings.add(Finding::caution("FIELD_NAME_CHANGED", &path, text));
        }
        if read.label == Label::Required && written.label != Label::Required {
            let text = format!("`{}` may be missing in what is written, and the reader requires it", read.name);
            self.breaks("REQUIRED_FIELD_ADDED", &path, text, "make it `optional`");
        }
        self.labels(&path, written, read);
        self.types(&path, written, read);
    }

    fn labels(&mut self, path: &str, written: &Field, read: &Field) {
        let is_list = |field: &Field| field.label == Label::Repeated;
        if is_list(written) == is_list(read) || group(written) == Group::Map || group(read) == Group::Map {
            return;
        }
        let (before, after) = if is_list(written) { ("a list", "one value") } else { ("one value", "a list") };
        let text = format!("{before} is written, and {after} is read");
        match group(read) {
            Group::Bytes | Group::Message => {
                self.findings.add(Finding::caution("FIELD_STRING_OR_BYTES_LABEL_CHANGED", path, text));
            }
            _ => self.breaks("FIELD_NUMERIC_LABEL_CHANGED", path, text, "add a field with a number of its own"),
        }
    }

    fn types(&mut self, path: &str, written: &'m Field, read: &'m Field) {
        let (before, after) = (group(written), group(read));
        let names = || {
            format!("`{}` is written, and `{}` is read", type_name(self.writer, written), type_name(self.reader, read))
        };
        let help = "keep the type, or add a field with a number of its own";
        if before != after {
            let apart = |group| matches!(group, Group::Message | Group::Map);
            let rule = if apart(before) || apart(after) { "FIELD_KIND_CHANGED" } else { "FIELD_SCALAR_KIND_CHANGED" };
            let text = names();
            return self.breaks(rule, path, text, help);
        }
        match after {
            Group::Message => {
                let Some((before, after)) = self.writer.message_of(written).zip(self.reader.message_of(read)) else {
                    return;
                };
                if before.local_name() != after.local_name() {
                    let text = names();
                    return self.breaks("FIELD_NAMED_TYPE_CHANGED", path, text, help);
                }
                self.meet(before, after);
            }
            Group::Map => {
                let Some((before, after)) = self.writer.entry_of(written).zip(self.reader.entry_of(read)) else {
                    return;
                };
                self.types(path, before.0, after.0);
                self.types(path, before.1, after.1);
            }
            Group::Varint if width(written) > width(read) => {
                let text = format!("{}: numbers that are too large for it lose their upper bits", names());
                self.findings.add(Finding::caution("FIELD_NARROWED", path, text));
            }
            Group::Bytes if written.kind == Kind::Bytes && read.kind == Kind::String => {
                let text = "bytes are read as a string: those that are no UTF-8 cannot be";
                self.findings.add(Finding::caution("FIELD_NARROWED", path, text));
            }
            _ => {}
        }
    }

    fn breaks(&mut self, rule: &'static str, path: &str, text: String, help: &str) {
        self.findings.add(Finding::breaks(rule, path, text).help(help));
    }
}

fn group(field: &Field) -> Group {
    if field.label == Label::Map {
        return Group::Map;
    }
    match field.kind {
        Kind::Number(number) => match number {
            Number::Int32 | Number::Int64 | Number::Uint32 | Number::Uint64 | Number::Bool => Group::Varint,
            Number::Sint32 | Number::Sint64 => Group::Zigzag,
            Number::Fixed32 | Number::Sfixed32 => Group::Fixed32,
            Number::Fixed64 | Number::Sfixed64 => Group::Fixed64,
            Number::Float => Group::Float,
            Number::Double => Group::Double,
        },
        Kind::Enum(_) => Group::Varint,
        Kind::String | Kind::Bytes => Group::Bytes,
        Kind::Message(_) | Kind::Group(_) => Group::Message,
    }
}

/// Bits that a number keeps.
fn width(field: &Field) -> u32 {
    match field.kind {
        Kind::Number(Number::Bool) => 1,
        Kind::Number(Number::Int64 | Number::Uint64) => 64,
        _ => 32,
    }
}

fn type_name<'m>(model: &'m Model, field: &Field) -> &'m str {
    if field.label == Label::Map {
        return "map";
    }
    let named =
        || model.message_of(field).map(Message::local_name).or_else(|| model.enum_of(field).map(|of| of.name()));
    field.kind.keyword().or_else(named).unwrap_or("message")
}

fn place(message: &Message, field: &Field) -> String {
    format!("{}.{}", message.local_name(), field.name)
}

fn holds(ranges: &[RangeInclusive<u32>], number: u32) -> bool {
    ranges.iter().any(|range| range.contains(&number))
}
