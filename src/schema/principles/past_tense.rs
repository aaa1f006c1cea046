//! The lint of an event type's name.

use crate::diagnostic::Severity;
use crate::schema::place::Spot;

use super::{Finding, Subject, error, words};

lint! {
    /// An event is a fact: it has happened, and its name says what, with a verb in the past tense. `PaymentAuthorized` tells everyone what they
    /// can rely on. `AuthorizePayment` is a command, which someone may refuse, and has one receiver; `Payment` is a thing, of which a reader
    /// must guess what became of it.
    ///
    /// The verb stands behind what it is about (`PaymentAuthorized`, `OrderShippedToCustomer`), or alone (`LoggedIn`). An `Event` at the end
    /// of the name is passed over. Irregular verbs are known (`EmailSent`, `AuctionWon`); words of a project's own are taught under
    /// `past_tense`. A name like `UserInteractionEvent`, which names a kind of facts that a field then tells apart, is a warning.
    PAST_TENSE = "past-tense", "An event type whose name does not say what has happened"
}

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let mut name = words::split(subject.name);
    let is_event = name.len() > 1 && name.last().is_some_and(|last| last == "event");
    name.truncate(name.len() - usize::from(is_event));
    if name.is_empty() || says_what_happened(&name, &subject.principles.past_tense) {
        return Vec::new();
    }
    let whole = subject.name;
    let verb = name.first().and_then(|first| words::past_of_command(first)).filter(|_| name.len() > 1);
    if let Some(verb) = verb {
        let better: String = name[1..].iter().map(String::as_str).chain([verb.as_str()]).map(capitalised).collect();
        let message = format!("`{whole}` is a command: an event says what has happened");
        return vec![error(&PAST_TENSE, Spot::Name, message, format!("call it `{better}`"))];
    }
    let first = name.iter().position(|word| words::is_past(word, &subject.principles.past_tense));
    if let Some(at) = first {
        let (verb, rest) = (capitalised(&name[at]), name[at + 1..].iter().map(|word| capitalised(word)));
        let better: String = rest.chain([verb]).collect();
        let message = format!("`{whole}` names a thing, of which something has been done");
        return vec![error(&PAST_TENSE, Spot::Name, message, format!("put the verb last: `{better}`"))];
    }
    let noun: String = name.iter().map(|word| capitalised(word)).collect();
    if is_event {
        let message = format!("`{whole}` names a kind of facts, and not what has happened");
        let help = format!("a type for each fact says more; allow `{whole}` where a field tells the facts apart");
        return vec![Finding { severity: Severity::Warning, ..error(&PAST_TENSE, Spot::Name, message, help) }];
    }
    let message = format!("`{whole}` does not say what has happened");
    let help = format!(
        "end it with a verb in the past tense, such as `{noun}Created`; a verb that is not known is taught under `past_tense`"
    );
    vec![error(&PAST_TENSE, Spot::Name, message, help)]
}

/// Whether there is a verb in the past tense behind something else, or at the start with nothing but little words behind it.
fn says_what_happened(name: &[String], taught: &[String]) -> bool {
    name.iter().enumerate().any(|(at, word)| {
        let stands_well = at > 0 || name.get(1).is_none_or(|next| words::is_particle(next));
        stands_well && words::is_past(word, taught)
    })
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
