//! The codes of events that a file cannot give or take.

/// A compressed file ends in the middle, or what it holds is damaged.
pub const INPUT_CUT: &str = "input_cut";
/// A path made from an event's values cannot be the name of a file.
pub const BAD_PATH: &str = "bad_path";

/// Every code with its meaning, for the documentation.
pub const ALL: &[(&str, &str)] = &[
    (INPUT_CUT, "A compressed file ends in the middle, or is damaged from there on; what comes before it was read."),
    (BAD_PATH, "A path made from an event's values cannot be the name of a file."),
];
