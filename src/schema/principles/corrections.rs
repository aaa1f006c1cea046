//! The lint of corrections: what a type of corrections needs. Whether a topology mutates facts is seen by its plan.

use crate::schema::place::Spot;

use super::{Finding, Subject, error, is_known, plain, words};

lint! {
    /// Events are facts and do not change. Who has to take one back publishes another fact, of a type of its own, which names the event that it
    /// corrects: `OrderCorrected` with `corrects`, the `event_id` of the wrong one. Readers who have seen the first one learn what became of
    /// it; those who replay see both, in order.
    ///
    /// Told of two things. A type whose name says that it corrects (`OrderCorrected`, `InvoiceAmended`, `PaymentReversed`) and that has no
    /// field for the id of what it corrects: `corrects`, `corrected_event_id`, `original_event_id` and the like. And, by `runner check`, a
    /// topology that changes events of a type and publishes them as the same type again: a sink writes `schema: Order` behind a `map` or `set`
    /// of what a source reads as `schema: Order`. Consumers of that type then see the same fact twice, in two versions. Where the sink writes
    /// what no consumer of the type reads, such as a cleaned copy, it is allowed at the type:
    /// `schemas: { Order: { path: order.avsc, allow: [corrections] } }`.
    CORRECTIONS = "corrections", "A fact that is changed rather than corrected by another one"
}

/// Verbs that take something back, as they end a name.
const VERBS: &[&str] = &["corrected", "amended", "reversed", "retracted", "revoked", "rectified", "restated"];

/// Parts of the names of fields that name what is corrected, in the spelling of [`plain`].
const PARTS: &[&str] = &["correct", "original", "amend", "revers", "retract", "revok", "rectif", "restat", "supersede"];

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let is_correction = words::split(subject.name).iter().any(|word| VERBS.contains(&word.as_str()));
    let names_it = |name: &str| PARTS.iter().any(|part| plain(name).contains(part));
    if !is_correction || !is_known(subject.shape) || subject.envelope().iter().any(|(_, field)| names_it(&field.name)) {
        return Vec::new();
    }
    let message = format!("`{}` corrects an event and has no field that names it", subject.name);
    let help = "add a field `corrects`: the `event_id` of the event that was wrong";
    vec![error(&CORRECTIONS, Spot::Name, message, help)]
}
