//! The codes of all problems that the product reports about a topology, in one table.
//!
//! A code's `title`, `doc` and `example` make `docs/errors.md`. Every room takes its codes from here.

/// The name of a kind of problem, and what there is to say about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable, kebab-case; shown in brackets: `error[unknown-key]`.
    pub id: &'static str,
    /// One line without a full stop.
    pub title: &'static str,
    /// Why it is a problem and what to do, in Markdown.
    pub doc: &'static str,
    /// YAML that causes it.
    pub example: Option<&'static str>,
}

/// Declares the codes and the list of all of them: `NAME = id, title, doc, example;`.
macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal, $doc:literal $(, $example:literal)?;)*) => {
        $(#[doc = $title] pub static $name: Code = Code {
            id: $id, title: $title, doc: $doc, example: codes!(@example $($example)?),
        };)*
        /// All codes, in the order of the table.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
    (@example) => { None };
    (@example $example:literal) => { Some($example) };
}

codes! {
    // What was asked for on the command line.
    EXPR_INTERPRETED = "expr-interpreted", "An expression is interpreted, and `--deny-fallback` forbids it",
        "It means the same, but runs ten times slower than a compiled one. The message says what cannot be compiled: loops and closures,          mostly. Write it without, or leave `--deny-fallback` out.";

    // What this version does not do.
    SCHEMA_UNSUPPORTED = "schema-unsupported", "A schema in a language that is not known, or not in this build",
        "The ending of a schema's file tells its language: `.avsc` is Avro, `.proto` Protobuf, `.json` JSON Schema. A build without the feature `schemas` \
         knows JSON Schema alone. Without a schema, a `filter` can check what matters.",
        "schemas: { Payment: payment.txt }";

    // The file and its YAML.
    FILE_UNREADABLE = "file-unreadable", "A file cannot be read",
        "The file does not exist, is a folder, may not be opened, or reading it failed. The message has the system's reason.";
    GENERATE_FAILS = "generate-fails", "The expression of `generate` fails for its first event",
        "The first event is made when the topology is checked. One that fails would most likely fail each time.", "generate: { event: '#{ a: choose([]) }' }";
    INPUT_MISSING = "input-missing", "An input file does not exist yet",
        "A run would stop at once. This is a warning, as the file may be made before the run starts.", "file: { path: nowhere.jsonl }";
    FILE_TOO_LARGE = "file-too-large", "A topology file is larger than the limit",
        "A topology is written by people; a larger file is most likely data. Move tables and functions to files of their own.";
    FILE_NOT_TEXT = "file-not-text", "A file is not UTF-8 text",
        "Topologies, functions and schemas are UTF-8. Save the file as UTF-8; the place of the first wrong byte is shown.";
    FILE_EMPTY = "file-empty", "A topology file has nothing in it",
        "A topology needs at least `sources` and `sinks`. `runner new` writes a first one.", "# only a comment";
    YAML_SYNTAX = "yaml-syntax", "The file is not YAML",
        "The YAML itself cannot be read from this place on. Most often it is the indentation, or a text that needs quotes.",
        "sources:\n  card: { file: { path: card.jsonl }";
    YAML_TAB = "yaml-tab", "A tab is used as indentation",
        "YAML is indented with spaces; a tab there is forbidden. Replace it by spaces.", "sources:\n\tcard: {}";
    YAML_TOO_DEEP = "yaml-too-deep", "YAML nested deeper than the limit",
        "Nothing in a topology nests this deep.";
    YAML_TOO_LARGE = "yaml-too-large", "More YAML values than the limit, aliases counted as what they stand for",
        "Aliases (`*name`) that repeat aliases grow without bound, so that a small file can fill the memory. Write out what is meant.";
    YAML_ALIAS = "yaml-alias", "An alias without its anchor",
        "`*name` stands for the value marked `&name` before it. There is none of that name above this place.", "a: *missing";
    YAML_ANCHOR_EXPRESSION = "yaml-ate-anchor", "YAML read the start of an expression as an anchor or alias",
        "A value that starts with `&` or `*` is an anchor or an alias. Put the expression in single quotes.", "filter: *x > 1";
    YAML_SEVERAL_DOCUMENTS = "yaml-several-documents", "A file with more than one YAML document",
        "One file is one topology. Write each into a file of its own.", "topology: a\n---\ntopology: b";
    YAML_TAG = "yaml-tag", "A YAML tag that means nothing here",
        "Tags (`!name`) say what type a value is of; in a topology the key says that. Remove it, or put the text in quotes.", "description: !sentence hello";
    YAML_MERGE = "yaml-merge", "A merge key whose value is not a mapping",
        "`<<` takes the keys of another mapping: an alias, or a list of aliases, of mappings.", "<<: 5";
    YAML_KEY = "yaml-key", "A key that is not a text",
        "The keys of a topology are texts; lists and mappings cannot be keys.", "? [a, b]\n: 1";
    DUPLICATE_KEY = "duplicate-key", "A key is written twice in one mapping",
        "Only one of the two could count, so neither does. Remove one.", "filter: event.a\nfilter: event.b";

    // YAML eats Rhai.
    YAML_ATE_TAG = "yaml-ate-not", "YAML read `!` as a tag",
        "A plain value that starts with `!` is a tag in YAML, and the rest of it is gone. Put the expression in single quotes.",
        "filter: !event.fraud";
    YAML_ATE_COMMENT = "yaml-ate-comment", "YAML read `#` as the start of a comment",
        "In a plain value, ` #` starts a comment, so that the expression ends there. Write a block (`|`) or single quotes.",
        "map: #{ a: event.a }";
    YAML_ATE_QUOTES = "yaml-ate-quotes", "YAML took the quotes of the first text for its own",
        "A value that starts with a quote is a quoted YAML text, which must end at its closing quote. Put the whole expression in single quotes.",
        "filter: \"a\" == event.kind";
    TEXT_WITHOUT_QUOTES = "text-without-quotes", "A quoted YAML text where an expression is meant to be",
        "YAML removes its own quotes, so that Rhai sees a variable and no text. Write the Rhai text with quotes of its own inside the YAML ones.",
        "set: { kind: \"click\" }";
    YAML_ATE_COLON = "yaml-ate-colon", "YAML read `: ` inside an expression as a mapping",
        "In a plain value, a colon and a space start a mapping. Put the expression in single quotes or write a block (`|`).",
        "filter: event.kind: \"a\"";
    YAML_ATE_FLOW = "yaml-ate-flow", "YAML read brackets as a list or a mapping where an expression is expected",
        "A value that starts with `[` or `{` is a YAML list or mapping. Put the expression in single quotes, and write objects as `#{ ... }`.",
        "flat_map: [event.a, event.b]";
    YAML_ATE_COMMA = "yaml-ate-comma", "YAML ended an expression at a comma",
        "Within `{ }` a comma ends a value, also within the brackets of a call. Put the expression in single quotes, or write the mapping without braces, a line for each key.",
        "map: { x: max(event.a, event.b) }";
    YAML_ATE_INDICATOR = "yaml-ate-indicator", "An expression starts with a character that YAML keeps for itself",
        "A plain value may not start with `%`, `@`, a backtick, `|` or `>`, nor with `? ` or `- `. Put the expression in single quotes.",
        "map: `${event.a}`";

    // Keys and values.
    UNKNOWN_KEY = "unknown-key", "A key that the language does not have",
        "The key is not in the table of this place. The help names the nearest one, or all of them.", "sorces: {}";
    MISSING_KEY = "missing-key", "A required key is missing", "The key has no default.", "window: { tumbling: 1m }";
    WRONG_TYPE = "wrong-type", "A value of another shape than the key takes",
        "A list, a mapping, a text or nothing stands where something else is expected.", "limits: 5";
    BAD_VALUE = "bad-value", "A value that the key's type cannot read", "The message says what is expected.", "follow: maybe";
    BAD_NUMBER = "bad-number", "A number that is none, or out of range", "The message has the range.", "open_max: -1";
    BAD_DURATION = "bad-duration", "A duration that cannot be read",
        "Durations are numbers with units, largest first: `250ms`, `5s`, `1h30m`, `7d`.", "lateness: 5";
    BAD_SIZE = "bad-size", "A size that cannot be read", "Sizes are a number with a unit: `512B`, `64KiB`, `16MiB`, `1GiB`; `KB`, `MB` and `GB` count by 1000.", "max: huge";
    BAD_RATE = "bad-rate", "A rate that cannot be read", "Rates are a number of events for each unit of time: `100/s`, `5/m`, `1000/h`.", "rate: fast";
    BAD_CHOICE = "bad-choice", "A value that is none of the choices", "The help names the choices.", "mode: overwrite";
    BAD_ID = "bad-id", "A node's id or a port's name that is not one",
        "Ids start with a small letter and go on with small letters, digits and `_`, so that they can be written in `from` and seen in metrics.", "sources: { Card-In: {} }";
    EMPTY_VALUE = "empty-value", "A key without a value", "YAML reads an empty value as null. Write the value, or remove the key.", "filter:";
    BAD_PATTERN = "bad-pattern", "A pattern of files that cannot be read", "In a pattern `*` and `?` stand for characters, `[a-z]` for one of a range, `**` for folders. A bracket that stands for itself is written `[[]`.", "path: in[.jsonl";
    BAD_TEMPLATE = "bad-template", "A template whose braces do not match", "In a template `{{` starts an expression and `}}` ends it.", "path: out/{{ event.day .jsonl";
    PLAIN_SECRET = "plain-secret", "A secret written into the file",
        "Files get committed and printed. Name the environment variable or the file that holds the secret.", "auth: { password: hunter2 }";
    ENV_UNSET = "env-unset", "An environment variable that is not set",
        "`${NAME}` is filled from the environment when the file is read. Set it, or give a default: `${NAME:-default}`.", "path: ${DATA_DIR}/card.jsonl";
    ENV_SYNTAX = "env-syntax", "A `${...}` that cannot be read", "Written as `${NAME}` or `${NAME:-default}`; `$${` is a plain `${`.", "path: ${DATA-DIR}/x";
    EXACTLY_ONE = "exactly-one", "None or several of keys of which exactly one is needed", "The message names them.", "window: { aggregate: { n: count() } }";
    UNKNOWN_FIELD = "unknown-field", "A field that no event can have",
        "The fields of the events are all known, from a schema, a `map` or a window, and this one is not among them. The value would \
         always be missing. Where a JSON Schema lists `properties`, events are taken to have no others; `additionalProperties: true` \
         says that they may. It is a warning where events come from a source without a schema.", "map: { amount: event.amount }\n# and then\nfilter: event.amuont > 10";
    TYPE_MISMATCH = "type-mismatch", "An operation that fails whatever the event",
        "The kinds of the values are known, from a schema or from what was written before, and the operation has no meaning for them: `<`, `<=`, \
         `>` and `>=` compare two numbers, two strings or two bools, arithmetic takes numbers, a condition is a bool. Every event that came here \
         would be an error.", "filter: event.user > 5      # user is a string";
    NULLABLE = "nullable", "A value that may be null where null is an error",
        "The schema allows null here (or the field may be missing), and the operation or function does not take it. Say what null counts as \
         (`event.discount ?? 0`), or ask first: after `event.discount != () &&` and in the branches of an `if` that asked, it is known not to be \
         null; so it is in what is behind a `filter` that asked.", "filter: event.discount > 10      # discount may be null";
    NEVER_EQUAL = "never-equal", "A comparison that has the same result whatever the event",
        "The two sides are of kinds that are never equal, such as a string and a number: `==` of them is no error, it is just never true.",
        "filter: event.user == 5      # user is a string";
    UNKNOWN_SYMBOL = "unknown-symbol", "A text that the value never is",
        "The value is one of a few texts (the symbols of an enum), and it is compared with another one. The help names the nearest.",
        "filter: event.action == \"CLIKC\"";
    NOT_A_TIME = "not-a-time", "`time` of something that is no time",
        "The schema says what the value means, and it is no moment: a date without a time of day, a local time, a bool, an enum. Every event \
         would be refused.", "time: event.user";
    TIME_UNIT = "time-unit", "A unit of time that contradicts the schema",
        "The schema says what the number counts (`timestamp-micros`: microseconds), so `unit` is not needed, and another one is wrong.",
        "time: { at: event.at, unit: s }      # at is a timestamp-millis";
    SINK_SCHEMA = "sink-schema", "Events that the schema of their sink does not allow",
        "What comes to the sink is not what its event type says: a field that the type does not name, one that it requires and that is not \
         there, another kind of value, or a null where there must be none. Such an event could not be written. Change the stage before the \
         sink, or the schema.", "schema: Alert      # and the events have no field `user`, which Alert requires";
    UNKNOWN_SCHEMA = "unknown-schema", "An event type that `schemas` does not name", "A source's `schema` is a name of `schemas`.",
        "schema: Paymnet";
    REGISTRY = "registry", "A schema registry that cannot be used",
        "It cannot be reached, does not let us in, does not take a schema or gives an answer that means nothing; the message says which, and has the \
         registry's own reasons. A registry that is away is no error for what it has answered before: that is kept on disk.",
        "registry: { url: \"http://127.0.0.1:1\" }";
    REGISTRY_AWAY = "registry-away", "The schema registry gave no new answer",
        "The registry is away, and what it answered before is used instead; the message has when that was. A newer version of an event type is not seen until it \
         answers again. It is also told when its answers cannot be kept, or when it was made anew, so that those that were kept mean nothing.";
    SCHEMA_INCOMPATIBLE = "schema-incompatible", "A version of an event type that does not fit to one before it",
        "Told by `runner schema check` and `runner schema compat`. Some events that the one writes cannot be read by the other, in the direction that the mode asks for: in \
         `BACKWARD`, the new version must read what the last one wrote. The message has the rule by its name in schema registries. Change the new version so that it fits, or, \
         if all readers and writers can be changed at once, begin a new event type.";
    SCHEMA_DOUBTFUL = "schema-doubtful", "A schema that means something else than it says",
        "Told by `runner schema check`. The schema is valid, but a part of it has no effect (a logical type on a type that cannot carry it), or a version reads values of another one in a way that its \
         author will not have meant.";
    SCHEMA_BROKEN = "schema-broken", "A schema that cannot be read",
        "The file is not there, or is no schema in the language that its ending tells; the message says what is wrong with it. `runner schema check` shows the place in the \
         file.", "schemas: { Payment: payment.json }";
    DELIVERY = "delivery", "A sink that cannot deliver exactly once",
        "The system, or this version's use of it, can only promise that no event is lost. See the guarantees that `runner explain` prints.",
        "stdout: {}\ndelivery: exactly_once";
    NOT_TOGETHER = "not-together", "Keys that cannot be used together", "Each says the same thing in another way, or one makes no sense with the other.", "map: event.a\nset: { b: 1 }";
    AT_LEAST_ONE = "at-least-one", "None of keys of which one is needed", "The message names them.", "rotate: {}";
    NEEDS_KEY = "needs-key", "A key that makes no sense without another one", "The message names the other one.", "session: { max: 1h }";
    UNKNOWN_PARAM = "unknown-param", "A parameter given on the command line that the topology does not have",
        "`--set name=value` overrides a parameter that the file declares under `params`.";

    // Nodes and edges.
    NO_CONNECTOR = "no-connector", "A source or sink without a connector", "Every source and sink has exactly one connector, which says where events come from or go to.", "sources: { card: { time: event.at } }";
    SEVERAL_CONNECTORS = "several-connectors", "A source or sink with several connectors", "Write one node for each; a stage or sink can read several (`from: [a, b]`).", "sinks: { out: { from: a, stdout: {}, discard: {} } }";
    NO_KIND = "no-kind", "A stage that does nothing", "Every stage has exactly one kind.", "stages: { a: { from: card } }";
    SEVERAL_KINDS = "several-kinds", "A stage of several kinds", "One stage does one thing. Write a stage for each, the second one reading the first.", "stages: { a: { from: card, filter: event.x > 1, sample: { rate: 0.1 } } }";
    DUPLICATE_NODE = "duplicate-node", "Two nodes of one name", "Ids are unique over sources, stages and sinks, as `from`, metrics and the state name nodes by them.", "sources: { a: {} }\nsinks: { a: {} }";
    UNKNOWN_NODE = "unknown-node", "`from` names a node that does not exist", "The help names the nearest one.", "from: crad";
    UNKNOWN_PORT = "unknown-port", "`from` names a port that the node does not have", "Every node has `errors`; what else there is depends on its kind.", "from: velocity.later";
    FROM_SINK = "from-sink", "`from` names a sink", "Sinks are where events leave; only their `errors` port can be read.", "from: alerts";
    DUPLICATE_FROM = "duplicate-from", "`from` names a port twice", "Every event would arrive twice. Remove one.", "from: [card, card]";
    CYCLE = "cycle", "Stages that read each other in a circle", "Events would go round without end, and no watermark could pass. Break the circle, for example over a broker.", "stages:\n  a: { from: b, filter: true }\n  b: { from: a, filter: true }";
    UNREAD_STAGE = "unread-stage", "A stage that nobody reads", "What it makes is lost. Add a sink, or remove the stage.";
    UNREAD_SOURCE = "unread-source", "A source that nobody reads", "Its events are read and lost. Add a stage or a sink that reads it, or remove the source.";
    UNREAD_PORT = "unread-port", "A port that nobody reads", "Events that leave by it are dropped (and counted). If that is meant, say so with a `discard` sink.";
    SAME_FILE = "same-file", "Two sinks write one file", "They would write over each other. Let one sink read both: `from: [a, b]`.";
    USED_TWICE = "used-twice", "Two nodes use what only one of them can", "Standard input is read by one source, standard output written by one sink: two would tear each other's lines apart.", "sinks: { a: { from: x, stdout: {} }, b: { from: y, stdout: {} } }";
    SINK_READS_SOURCE = "file-read-and-written", "A sink writes a file that a source reads", "The source would read what the sink writes, or find the file replaced. Write to another file.";
    WINDOW_WITHOUT_TIME = "no-time", "A stage by event time over a source without `time`", "Windows and `dedupe` go by the time in the events. Say where it is: `time: event.timestamp`; or write `time: arrival`, and results depend on when the run happens.";
    UPDATES_FEED_STATE = "updates-feed-state", "A window with `emit: updates` feeds a stage that keeps state", "Every revision of a result is an event of its own, so that the next stage would count it again. Use `emit: final`.";
    SET_AND_UNSET = "set-and-unset", "A field that is both set and removed", "All expressions see the event that came in, so that the order would decide. Remove one of the two.", "set: { a: 1 }\nunset: [a]";
    BAD_TABLE = "bad-table", "The table of an `enrich` cannot be used",
        "The message has the line of the table and what is wrong with it. A table has its columns in every row, and no two rows that are alike in all the columns of `on`.";

    // Expressions.
    EXPR_SYNTAX = "expr-syntax", "An expression that cannot be read", "The text is not Rhai from this place on.", "filter: event.a >";
    EXPR_RESERVED_WORD = "expr-reserved-word", "A word that Rhai keeps for itself as a field's name", "Write `event[\"new\"]` for `event.new`.", "filter: event.new";
    EXPR_UNKNOWN_VARIABLE = "expr-unknown-variable", "A name that is nothing", "An expression knows `event`, `meta`, `params` and its own variables. A text needs quotes.", "filter: amount > 0";
    EXPR_UNKNOWN_FUNCTION = "expr-unknown-function", "A function that does not exist", "The reference lists the functions; `functions` adds files of your own.", "filter: lenght(event.a) > 1";
    EXPR_WRONG_ARITY = "expr-wrong-arity", "A function with too few or too many arguments", "The message has the function's parameters.", "map: { a: round() }";
    EXPR_UNKNOWN_FIELD = "expr-unknown-field", "A field that `params` or `meta` does not have", "`params` has what the file declares, `meta` has source, key, time, headers, partition and offset.", "filter: event.a > params.limt";
    EXPR_BAD_ARGUMENT = "expr-bad-argument", "A constant argument that the function never accepts", "Each event would be an error.", "filter: event.a.matches(\"(\")";
    EXPR_UNUSED_RESULT = "expr-unused-result", "A function whose result nobody uses", "Functions of the library change nothing in place: they give a new value. Write `let t = s.trim();`, or `s = s.trim();`.", "map: { a: 'let s = event.a; s.trim(); s' }";
    EXPR_READ_ONLY = "expr-read-only", "An assignment to `event`, `meta` or `params`", "An event is a fact and does not change. Put the value into a variable, or write a `set`.", "filter: event.a = 1";
    EXPR_FORBIDDEN = "expr-forbidden", "A part of Rhai that expressions leave out", "Modules, `import` and `eval` would make an expression depend on more than its event.", "filter: eval(\"true\")";
    EXPR_BAD_DEFINITION = "expr-bad-definition", "A function file that does not only define functions", "A file of `functions` holds `fn` definitions, each name once for each number of parameters.";
    EXPR_BAD_AGGREGATE = "expr-bad-aggregate", "An aggregate in the wrong place, or without what it needs", "Aggregates stand under `aggregate` of a window, and their arguments are expressions over one event.", "filter: sum(event.a) > 1";

    // The topology as a whole.
    TOO_MANY_NODES = "too-many-nodes", "More nodes than the limit", "Each node costs memory and metrics. Split the topology over a broker.";
    NO_SOURCES = "no-sources", "A topology without sources", "Nothing could ever happen in it.", "sources: {}";
    NO_SINKS = "no-sinks", "A topology without sinks", "Nothing could ever leave it.", "sinks: {}";
    FORMER_ID = "former-id", "`was` names a node that still exists", "`was` is the id under which the state of a renamed node was kept. A node that is still there keeps its own state.", "stages: { a: { was: b }, b: {} }";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_kebab_case() {
        let mut seen = std::collections::HashSet::new();
        for code in ALL {
            assert!(seen.insert(code.id), "{} is declared twice", code.id);
            assert!(code.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", code.id);
            assert!(!code.title.ends_with('.'), "{}", code.id);
            assert!(!code.doc.is_empty(), "{}", code.id);
        }
    }
}
