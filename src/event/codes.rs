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
    JSON_HEADER = "json-header", "not in the framing that was expected",
        "The event does not begin as the source's `wire: confluent` says: with a zero and the four bytes of its schema's number, the JSON behind them. The \
         message has what was found. Correct `wire`, or look for a producer that writes JSON alone.";
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
        "The path of a file sink, made from this event's values, cannot be the name of a file: it is too long, or a folder has that name. Write another value into the path.";
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
    TIME_MISSING = "time-missing", "no time where one is needed",
        "The `time` of the source gave null or found no such field. Name the right field, or filter such events out before they are dated.";
    TIME_INVALID = "time-invalid", "a time that cannot be read",
        "A time is RFC 3339 text with an offset (`2026-01-31T12:00:00Z`) or a number since 1970. For another format write \
         `time: parse_time(event.at, \"%d.%m.%Y %H:%M\")`.";
    TIME_RANGE = "time-range", "a time outside the years 1990 to 2100",
        "The number is most likely of another unit: integers are milliseconds unless `time: { at: ..., unit: s }` says otherwise.";
    TIME_FUTURE = "time-future", "a time too far ahead of the clock",
        "One event far in the future would close every window, so it is refused and moves no watermark. If such times are meant, raise \
         `watermark.max_future`.";
    TARGET_VALUE = "target-value", "a value that cannot be part of a path or subject",
        "A value in `{{ }}` of a path or subject is missing, or holds what would lead elsewhere (`/`, `..`, and the like). Map it to a plain word first.";
    SINK_FAILED = "sink-failed", "the system did not take the event",
        "All of `retry.attempts` failed; the message has the system's last answer. Without `attempts` a sink tries until it succeeds, \
         or until ten seconds after the run was stopped.";
    MESSAGE_TOO_LARGE = "message-too-large", "larger than the broker takes",
        "The encoded event is larger than the server or the stream lets a message be. Leave fields out with a `map`, or raise the broker's limit.";
    BAD_SUBJECT = "bad-subject", "a subject that cannot be published on",
        "The subject, made from values of the event, is empty or has spaces, wildcards or empty parts. Map the value to a plain word first.";
    BAD_HEADER = "bad-header", "a header that cannot be sent",
        "A header's name or value has a character in it that the broker cannot carry, such as a line end.";
    SCHEMA = "schema", "not what its schema says",
        "The event breaks the schema of its source's event type; the message has the place in the event and the rule. `validate: read` checks the fields \
         that are read, `full` the whole event.";
    AVRO_DATA = "avro-data", "not what its Avro schema says",
        "The bytes are not an event of the schema that they claim to be written with; the message has the byte, the field, what was expected and \
         what was found. The event is checked whole, whatever the topology reads of it. Look for a producer that writes with another schema \
         than it names, or for a `wire` that is not the one of the source.";
    AVRO_SCHEMA = "avro-schema", "written with a schema that is not known",
        "The bytes name a schema that is not among the versions of the event type, or they do not begin as the source's `wire` says. The message \
         has what was found and what was expected. Add the writer's version to the type's folder, or correct `wire`.";
    UNKNOWN_SCHEMA_ID = "unknown-schema-id", "named by a number that the schema registry does not know",
        "The number before the event stands for no schema of the registry, or for one that is not in the language that the source decodes; the message says \
         which. Most often the producer writes with another registry, or the schema was deleted for good. A number that is missing is asked for \
         again after ten seconds.";
    AVRO_RESOLUTION = "avro-resolution", "a value that the reader's schema cannot take",
        "The event is good by the schema that it was written with, but the version that the source reads has no place for one of its values: an \
         enum's symbol without a default, a branch of a union, another type. `runner schema compat` compares the two. Give the enum a default, \
         or read with the newer version.";
    PROTOBUF_DATA = "protobuf-data", "not a message of its Protobuf schema",
        "The bytes are no message of the source's schema; the message has the byte, the field, and what was found. The event is checked whole, \
         whatever the topology reads of it. Look for a producer that writes another message, or for a `wire` that is not the one of the source.";
    PROTOBUF_HEADER = "protobuf-header", "not in the framing that was expected",
        "The event does not begin as `wire: confluent` says, or it is another message of its file than the schema's. Correct `wire`, or name the \
         message with `message` where the schema is named.";
    AVRO_CONTAINER = "avro-container", "no container file that can be read",
        "The input is no Avro object container file, or its head names a schema or codec that cannot be used; the message has what was found. \
         Nothing of the input is read. If its events have another form, `wire` says which.";
    AVRO_BLOCK = "avro-block", "a damaged block of a container",
        "A block of an Avro container is not what the numbers before it say, its data are broken, or it is cut off. The message has its byte in the \
         file. What could be told of its events was read; reading goes on behind the next of the file's markers. Write or copy the file again.";
    MESSAGE_LENGTH = "message-length", "a length that no message has",
        "In a stream of messages behind their lengths, one is longer than `limits.line`, no number, or runs past the end of the input. What \
         follows cannot be told apart and is not read; the message has the byte. Look for a producer that writes no lengths, or a file that is cut off.";
    ENCODE_SCHEMA = "encode-schema", "not what the sink's schema says",
        "The event cannot be written with the schema of its sink: a field is missing and has no default, is of another kind, or is not in the schema. \
         The message names the field, what was found and what the schema has. Make the fields fit with a `map` before the sink, or write with another version.";
    TYPE_MISMATCH = "type-mismatch", "a value of the wrong kind",
        "An operator, function or index was given a kind of value that it has no meaning for. Convert it (`to_float(event.x)`), give a \
         default (`event.x ?? 0`), or filter first.";
    NOT_COMPARABLE = "not-comparable", "a comparison of what has no order",
        "`<`, `<=`, `>` or `>=` met a missing, null or differently typed value. Rhai would say `false` and the event would vanish; here it is \
         this event's error. Write `(event.x ?? 0) > 10` where missing has a meaning.";
    ARITHMETIC = "arithmetic", "arithmetic without a result",
        "An int result beyond 64 bits, or a division by zero. Guard it with an `if`, or compute with floats.";
    NUMBER_TOO_BIG = "number-too-big", "a computation with a number that is too big",
        "The event has a number that neither a 64-bit int nor a float can hold. It can be passed on as it is, not computed with.";
    NOT_A_BOOL = "not-a-bool", "a condition that is not true or false",
        "A filter, a route or an `if` gave another kind of value. Nothing counts as true but `true`: write `event.x != ()` or `event.n > 0`.";
    OUT_OF_BOUNDS = "out-of-bounds", "an index outside",
        "An array, text or int has no such item. Ask for `len` first, or use `get(array, index, default)`.";
    BAD_ARGUMENT = "bad-argument", "an argument without a meaning",
        "A function's argument has the right kind, but no usable value. The message names the function and what it takes.";
    EXPRESSION_LIMIT = "expression-limit", "a limit of expressions",
        "The expression went over a limit of steps, depth, or the size of a text, array or object. The message names the limit, which is a key of `limits`.";
    THROWN = "thrown", "the expression refused the event",
        "The expression said `throw`; the message is what it threw.";
    BAD_RESULT = "bad-result", "a result that no event can hold",
        "The result is a function or a range, or not the object or array that the key needs.";
    NOT_FINITE = "not-finite", "a number that is NaN or infinite",
        "An object or array would have to hold it, and JSON cannot say it. Guard the division or logarithm that makes it.";
    SCRIPT_ERROR = "script-error", "something that Rhai refuses",
        "The message is Rhai's own.";
}

/// The reference of error events' codes, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Codes of error events\n\nGenerated by `runner docs`. The `code` of an error event is one of these; how error events travel is told in \
         [Errors and dead letters](dead-letters.md).\n",
    );
    for code in ALL {
        page.push_str(&format!(
            "\n## {}\n\n{}{}. {}\n",
            code.id,
            code.title[..1].to_uppercase(),
            &code.title[1..],
            code.doc
        ));
    }
    page
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
