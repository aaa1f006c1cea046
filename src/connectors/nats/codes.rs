//! The codes of events that NATS cannot take.

/// An event is larger than the server or the stream lets a message be.
pub const TOO_LARGE: &str = "message-too-large";
/// A subject made from an event's values cannot be published on.
pub const BAD_SUBJECT: &str = "bad-subject";
/// A header's name or value cannot be sent.
pub const BAD_HEADER: &str = "bad-header";

/// Every code with its meaning, for the documentation.
pub const ALL: &[(&str, &str)] = &[
    (TOO_LARGE, "The event is larger than the server or the stream lets a message be."),
    (BAD_SUBJECT, "A subject made from an event's values cannot be published on."),
    (BAD_HEADER, "A header's name or value has a character in it that NATS cannot carry, such as a line end."),
];
