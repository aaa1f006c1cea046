//! The lint of an event's identity.

use crate::schema::place::Spot;

use super::{Finding, Subject, error, is_called, is_known};

lint! {
    /// An event has an id of its own: brokers deliver twice, producers retry, and streams are replayed. By its id `dedupe` knows an
    /// event again, a sink can write it once, and a correction can name it. The id of what the event is about (`order_id`) does not do:
    /// many events are about one order.
    ///
    /// Known names are `id`, `event_id`, `message_id`, `uuid` and `event_uuid`, in any spelling, in the event itself or in its `metadata`,
    /// `header`, `envelope` or `context`. Others are taught under `event_id`. The field must always be there.
    EVENT_ID = "event-id", "An event type without an id"
}

const NAMES: &[&str] = &["id", "eventid", "messageid", "uuid", "eventuuid"];

pub(super) fn find(subject: &Subject<'_>) -> Vec<Finding> {
    let fields = subject.envelope();
    let ids: Vec<_> =
        fields.iter().filter(|(_, field)| is_called(field, NAMES, &subject.principles.event_id)).collect();
    match ids.as_slice() {
        [] if is_known(subject.shape) => {
            let message = format!("`{}` has no id: an event that comes twice cannot be known again", subject.name);
            let help = "add a field `event_id`, which its producer sets once and keeps when it tries again";
            vec![error(&EVENT_ID, Spot::Name, message, help)]
        }
        ids if !ids.is_empty() && ids.iter().all(|(_, field)| field.shape.is_nullable()) => {
            let (path, field) = ids[0];
            let message = format!("`{}` may be missing or null, so that some events have no id", field.name);
            vec![error(&EVENT_ID, Spot::Field(path.clone()), message, "make the field required")]
        }
        _ => Vec::new(),
    }
}
