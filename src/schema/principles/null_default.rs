//! The lint of nullable fields without a default.

use crate::schema::Definition;
use crate::schema::avro::{Body, Kind};
use crate::schema::place::Spot;

use super::{Finding, Subject, error};

lint! {
    /// In Avro, a field that may be null has the default null. Without one, a reader who knows the field cannot read what was written before it
    /// was there, nor after it was removed: adding and removing it breaks someone, though nobody needs it. Write null first, as a default
    /// is of the first branch (of any since version 1.12), and the default beside it:
    /// `{"name": "item_id", "type": ["null", "string"], "default": null}`.
    ///
    /// Told of every nullable field of every record of the schema. Protobuf and JSON Schema need nothing of the kind.
    NULL_DEFAULT = "null-default", "A nullable field of Avro without a default"
}

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let Definition::Avro(schema) = subject.definition else { return Vec::new() };
    let mut found = Vec::new();
    for (_, named) in schema.names() {
        let Body::Record(fields) = &named.body else { continue };
        for field in fields.iter().filter(|field| field.default.is_none()) {
            let Kind::Union(branches) = &field.ty.kind else { continue };
            if !branches.iter().any(|branch| branch.kind == Kind::Null) {
                continue;
            }
            let spot = Spot::FieldOf(named.name.short().to_owned(), field.name.to_string());
            let message = format!("`{}` may be null and has no default", field.name);
            found.push(error(
                &NULL_DEFAULT,
                spot,
                message,
                "put \"null\" first in its type, and add `\"default\": null`",
            ));
        }
    }
    found
}
