//! The codes of events that a file cannot give or take.

/// A compressed file ends in the middle, or what it holds is damaged.
pub const INPUT_DAMAGED: &str = "input-damaged";
/// A path made from an event's values cannot be the name of a file.
pub const BAD_PATH: &str = "bad-path";

/// Every code with its meaning, for the documentation.
pub const ALL: &[(&str, &str)] = &[
    (
        INPUT_DAMAGED,
        "A compressed file ends in the middle, or is damaged from there on; what comes before it was read.",
    ),
    (BAD_PATH, "A path made from an event's values cannot be the name of a file."),
];
