//! A hash of what a model says about events.

use std::fmt::Write as _;

use super::{Kind, Model};

impl Model {
    /// A hash of what decides how events are read and written: the message and all that it refers to, without docs and without the
    /// order in which fields are written.
    pub fn identity(&self) -> u64 {
        let mut out = String::new();
        let (mut messages, mut enums) = (vec![self.root], Vec::new());
        let mut at = 0;
        while let Some(&index) = messages.get(at) {
            at += 1;
            let message = &self.messages[index];
            let _ = write!(out, "message {} {:?} {{", message.full_name, message.index_path);
            let mut fields: Vec<_> = message.fields.iter().collect();
            fields.sort_by_key(|field| field.number);
            for field in fields {
                let (kind, target) = match field.kind {
                    Kind::Message(to) | Kind::Group(to) => (&mut messages, to),
                    Kind::Enum(to) => (&mut enums, to),
                    _ => (&mut enums, usize::MAX),
                };
                if target != usize::MAX && !kind.contains(&target) {
                    kind.push(target);
                }
                let type_name = match field.kind {
                    Kind::Message(to) => format!("message {}", self.messages[to].full_name),
                    Kind::Group(to) => format!("group {}", self.messages[to].full_name),
                    Kind::Enum(to) => format!("enum {}", self.enums[to].full_name),
                    scalar => scalar.keyword().unwrap_or_default().to_owned(),
                };
                let (number, name, label) = (field.number, &field.name, field.label);
                let _ = write!(out, "{number} {name} {label:?} {type_name} {} {:?};", field.is_packed, field.oneof);
            }
            out.push('}');
        }
        for index in enums {
            let found = &self.enums[index];
            let _ = write!(out, "enum {} {} {{", found.full_name, found.is_closed);
            for value in &found.values {
                let _ = write!(out, "{} {};", value.name, value.number);
            }
            out.push('}');
        }
        rapidhash::v3::rapidhash_v3(out.as_bytes())
    }
}
