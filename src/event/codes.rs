//! The table of what can be wrong with one event: a short stable code, a title, and what to do. The documentation of
//! error events is made from it, so a code that is not here does not exist.

/// One kind of bad event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// What stands in `code` of an error event. Never changes once released.
    pub id: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// What it means and what to do about it.
    pub doc: &'static str,
}

macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal, $doc:literal;)*) => {
        $(#[doc = $title] pub const $name: Code = Code { id: $id, title: $title, doc: $doc };)*
        /// Every code, in the order of the documentation.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

codes! {
    JSON_SYNTAX = "json-syntax", "not valid JSON",
        "The text breaks the JSON grammar at the byte that the message names (counted from 1 in the event's own text). The grammar is \
         checked whole, whatever the topology reads of the event. Mend the producer; the text is kept in `raw`.";
    JSON_DEPTH = "json-depth", "nested too deeply",
        "Objects and arrays are nested more deeply than `limits.depth` (128 at most; the event itself is depth 1). Flatten the event \
         at its producer, or send the deep part as a text.";
    JSON_NOT_OBJECT = "json-not-object", "not a JSON object",
        "The text is a number, a string, a list, or another value, but an event is an object. For plain lines use `decode: text`.";
    UTF8 = "utf8", "not valid UTF-8",
        "The event is not valid UTF-8 at the byte that the message names. Convert the input to UTF-8, or use `decode: bytes`.";
    LINE_TOO_LONG = "line-too-long", "longer than the limit",
        "The line or message is longer than `limits.line`; its beginning is kept in `raw` and reading goes on at the next line. If events \
         of this size are meant, raise `limits.line`. In CSV a quote that is never closed is the usual cause.";
    CSV_FIELDS = "csv-fields", "another number of fields than the header",
        "The CSV record does not have as many fields as the header. Look for a separator or a quote inside a field: such a field stands in \
         quotes, and a quote inside it is doubled.";
    CSV_HEADER = "csv-header", "no usable CSV header",
        "The first record of a CSV input names the fields, and this input has none that can be read. Put the names in its first line, in UTF-8.";
    INPUT_DAMAGED = "input-damaged", "a damaged compressed file",
        "A compressed file ends in the middle, or its data are broken from some place on. What comes before was read; `raw` has the \
         beginning of the line that was cut. Make the file again or copy it again; the message names it.";
    GENERATE_FAILED = "generate-failed", "an event that could not be made",
        "The expression of a `generate` source failed for this number; the message says why and where. Mend the expression.";
    BAD_PATH = "bad-path", "no name for a file",
        "The path of a file sink, made from this event's values, cannot be the name of a file: it is too long. Use a shorter value.";
    ENCODE_NAN = "encode-nan", "NaN or infinity in the output",
        "A computed number is NaN or infinite, which JSON cannot say. The message names the field. Guard the division or logarithm \
         that makes it, for example with an `if`.";
    ENCODE_CSV_COLUMN = "encode-csv-column", "a field that is not a column",
        "A CSV file has the columns of its header, taken from the `map` before the sink, else from the first event; this event has another \
         field. Add a `map` before the sink that names every column.";
    ENCODE_TEXT = "encode-text", "no text to write",
        "`encode: text` writes the field `text`, and this event has none or it is not a string. Add `map: { text: ... }` before the sink.";
    NOT_AN_OBJECT = "not-an-object", "a new event that is no object",
        "An event is an object, and what a `map` block or an item of `flat_map` gave is another value. Give `#{ name: value }`; for `flat_map`, turn \
         plain items into objects: `event.items.map(|item| #{ item: item })`.";
    KEYS_FULL = "keys-full", "more keys than are kept",
        "A stage holds state for as many keys as `keys_max` or `limits.keys` allows, and this event has another one. Keys go when their time is over. \
         Raise the limit if there is memory for more, or choose a key with fewer values.";
    WINDOWS_FULL = "windows-full", "more open windows than are kept",
        "A window stage keeps a bounded number of windows open over all its keys, and this event needs another one. Make the windows larger, \
         `lateness` shorter, or the keys fewer.";
    AGGREGATE_LIMIT = "aggregate-limit", "more values than an aggregate keeps",
        "`collect`, `distinct` and `top` keep values of a key and window up to a bound: `collect(x, 5000)` sets its own, the others have \
         `limits.distinct`. `approx_distinct` needs no such bound. Where the panes of a sliding window go over it together, the window's result \
         is the error event.";
    KEY_TOO_LONG = "key-too-long", "a key that is too long",
        "Every key of a stage is kept in memory, so its length is bounded. Use a shorter field as the key, or a hash of it.";
    NO_TIME = "no-time", "an event without time",
        "The stage goes by event time, and this event has none: the `time` of its source gave null.";
    NOT_IN_TABLE = "not-in-table", "no such row in the table",
        "`enrich` with `missing: error` found no row for the event. Add the row, or choose `missing: null` or `drop`.";
}

/// The entry of an id.
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().find(|code| code.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_plain() {
        for (i, code) in ALL.iter().enumerate() {
            assert!(
                code.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{}",
                code.id
            );
            assert!(ALL[..i].iter().all(|other| other.id != code.id), "{} twice", code.id);
            assert_eq!(find(code.id), Some(code));
            assert!(code.doc.ends_with('.'));
        }
    }
}
