//! The lint of a schema's version within events.

use crate::schema::place::Spot;

use super::{Finding, Subject, error, is_called, is_known};

lint! {
    /// An event says by which version of its schema it was written. In a log, a dead-letter file or a data lake, where no registry's number
    /// stands before it, that is what tells a reader how it was meant, and what lets a topology treat old events in another way.
    ///
    /// Known names are `schema_version`, `event_version`, `version`, `schema` and `dataschema`, in any spelling, in the event itself or in
    /// its envelope. Others are taught under `schema_version`.
    SCHEMA_VERSION = "schema-version", "An event type whose events do not tell their schema's version"
}

const NAMES: &[&str] = &["schemaversion", "eventversion", "version", "schema", "dataschema"];

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let has = subject.envelope().iter().any(|(_, field)| is_called(field, NAMES, &subject.principles.schema_version));
    if has || !is_known(subject.shape) {
        return Vec::new();
    }
    let message = format!("`{}` does not say by which version of its schema an event was written", subject.name);
    let help = "add a field `schema_version`, an int, which each version's producers set to its number";
    vec![error(&SCHEMA_VERSION, Spot::Name, message, help)]
}
