//! The tables of what is common: the file itself, any node, any source, any stage, any sink.
//!
//! Stage kinds and connectors have theirs beside their code.

use super::table::{Choice, Key, Rule, Table, Type};

/// What an `Int` may be where only its sign matters.
const ANY_MAX: i64 = i64::MAX;

pub static FILE: Table = Table::new(
    "topology",
    "The top level of a file. Keys that start with `x-` are ignored: a place for YAML anchors.",
    &[
        Key::new("topology", Type::Name, "The name that the topology's state and metrics are kept under.")
            .default_note("the file's name without its ending")
            .example("fraud"),
        Key::new("description", Type::Text, "What it is for, in a sentence.")
            .example("Scores card payments as they happen."),
        Key::new(
            "params",
            Type::MapOf(&Type::Any),
            "Constants: `params.name` in expressions. `--set name=value` on the command line overrides one.",
        )
        .example("{ alert_above: 0.8 }"),
        Key::new("functions", Type::ListOf(&Type::Path), "Files of Rhai functions that every expression can call.")
            .example("[functions/risk.rhai]"),
        Key::new(
            "schemas",
            Type::MapOf(&Type::OneOf(&[Type::Path, Type::Section(&EVENT_TYPE)])),
            "Event types by name: a file in Avro (`.avsc`), Protobuf (`.proto`) or JSON Schema (`.json`), a folder with a file for each version \
             (`1.avsc`, `2.avsc`), or more said in a mapping. A source or sink that says `schema: Payment` takes the newest version, `Payment@1` \
             names one.",
        )
        .example("{ Payment: ../schemas/payment.avsc }"),
        Key::new("registry", Type::Section(&super::registry::REGISTRY), "The schema registry: where event types without a file come from.")
            .example("{ url: \"http://127.0.0.1:8081\" }"),
        Key::new("sources", Type::Nodes, "Where events come from, by id.").required(),
        Key::new("stages", Type::Nodes, "What is done with them, by id."),
        Key::new("sinks", Type::Nodes, "Where they go, by id.").required(),
        Key::new(
            "checkpoint",
            Type::Section(&CHECKPOINT),
            "How often what a run goes on from after a crash is brought to the disk.",
        )
        .default("{}"),
        Key::new("dead_letters", Type::Section(&DEAD_LETTERS), "Where events go that no node could take.")
            .default("{}"),
        Key::new("limits", Type::Section(&LIMITS), "The bounds of what is kept in memory.").default("{}"),
    ],
);

pub static CHECKPOINT: Table = Table::new(
    "checkpoint",
    "A checkpoint has the positions of sources, what stages keep and what sinks have written, all at one line through the stream. Brokers \
     are told that events are done once a checkpoint has them (where a topology needs none: once they have passed every sink).",
    &[Key::new("every", Type::Duration, "The time between two checkpoints, at least 1ms.")
        .default("1s")
        .example("10s")],
);

pub static DEAD_LETTERS: Table = Table::new(
    "dead_letters",
    "The file of what went wrong, as JSON Lines: one `{code, message, node, at, time, event | raw, meta}` for each event that a \
     node could not take and whose `errors` port nobody reads.",
    &[
        Key::new("path", Type::Path, "The file.")
            .default_note("`out/<topology>.dead.jsonl` beside the topology's file")
            .example("out/dead.jsonl"),
        Key::new(
            "max",
            Type::Size,
            "The largest size of the file. A full one stops the topology: nothing vanishes in silence.",
        )
        .default("1GiB")
        .example("100MiB"),
    ],
);

pub static LIMITS: Table = Table::new(
    "limits",
    "Bounds of memory. What goes over one is that event's error, and its message names the limit.",
    &[
        Key::new("line", Type::Size, "The longest line of a text source, in bytes.").default("16MiB"),
        Key::new(
            "depth",
            Type::Int { min: 1, max: crate::limits::JSON_DEPTH_MAX as i64 },
            "How deep an event's JSON may nest; the event itself is depth 1.",
        )
        .default("128"),
        Key::new(
            "keys",
            Type::Int { min: 1, max: ANY_MAX },
            "Different keys that a stage keeps state for, where it has no `keys_max` of its own.",
        )
        .default("1000000"),
        Key::new(
            "distinct",
            Type::Int { min: 1, max: ANY_MAX },
            "Different values that `distinct` and `top` keep for a key and window.",
        )
        .default("100000"),
        Key::new("collect", Type::Int { min: 1, max: ANY_MAX }, "The largest `max` that `collect` may be given.")
            .default("100000"),
        Key::new("string", Type::Size, "The longest text that an expression may make, in bytes.").default("1MiB"),
        Key::new(
            "array",
            Type::Int { min: 1, max: ANY_MAX },
            "The most items of an array that an expression may make.",
        )
        .default("100000"),
        Key::new(
            "map",
            Type::Int { min: 1, max: ANY_MAX },
            "The most fields of an object that an expression may make.",
        )
        .default("10000"),
        Key::new(
            "operations",
            Type::Int { min: 100, max: ANY_MAX },
            "The most steps that one expression may take for one event.",
        )
        .default("1000000"),
        Key::new("edge_events", Type::Int { min: 1, max: 1 << 20 }, "Events that wait on one edge.").default("4096"),
        Key::new(
            "edge_bytes",
            Type::Size,
            "Bytes of events that wait on one edge; one larger event still passes, alone.",
        )
        .default("4MiB"),
    ],
);

pub static EVENT_TYPE: Table = Table::new(
    "event type",
    "An event type of which more is said than where its file is.",
    &[
        Key::new("path", Type::Path, "The schema's file, or the folder with a file for each version.")
            .example("../schemas/payment"),
        Key::new("subject", Type::Text, "The name of the type in the schema registry.")
            .default_note("the full name that the schema itself gives")
            .example("payments-value"),
        Key::new(
            "version",
            Type::Int { min: 1, max: i32::MAX as i64 },
            "The version that is meant where none is named.",
        )
        .default_note("the newest")
        .example("2"),
        Key::new("message", Type::Text, "Which message of a Protobuf file it is.")
            .default_note("the only one, where there is only one")
            .example("shop.PaymentAuthorized"),
        Key::new(
            "allow",
            Type::ListOf(&Type::Choice(&[Choice::new(
                "corrections",
                "a sink may write, changed, what a source reads as this type",
            )])),
            "Principles that the topology need not follow with this type.",
        )
        .example("[corrections]"),
    ],
)
.rules(&[Rule::AtLeastOne(&["path", "subject"])])
.example("schemas: { Payment: { path: ../schemas/payment.proto, message: shop.PaymentAuthorized } }");

/// Keys of every node.
pub static NODE: Table = Table::new(
    "node",
    "Keys of every source, stage and sink.",
    &[
        Key::new("description", Type::Text, "What it is for, in a sentence.")
            .example("Payments of the last minute, by user."),
        Key::new("was", Type::Id, "The id that the node had before, so that it finds its state again.")
            .example("payments_old"),
    ],
);

/// What can stand around the bytes of an event.
const WIRES: &[Choice] = &[
    Choice::new(
        "container",
        "an Avro object container file: the schema in front, events in blocks (files, stdin and stdout)",
    ),
    Choice::new("single_object", "Avro's single-object encoding: each event behind the fingerprint of its schema"),
    Choice::new("confluent", "each event (of JSON, too) behind the number that the schema registry gave its schema"),
    Choice::new("raw", "the event alone"),
];

const WIRE_NOTE: &str = "`avro`: `container` in files and pipes, elsewhere `confluent` with a `registry`, else `single_object`; `protobuf`: \
     `confluent` with a `registry` outside of files and pipes, else `raw`; all others `raw`. In files and pipes, each event that is binary or behind \
     a number, and in no container, is preceded by its length as a varint";

/// Keys of every source, beside its connector.
pub static SOURCE: Table = Table::new(
    "source",
    "Where events come from. A source has exactly one connector, and says what its events are and what time they are of.",
    &[
        Key::new(
            "decode",
            Type::Choice(&[
                Choice::new("json", "one JSON object for each line or message"),
                Choice::new("csv", "comma separated; the first record names the fields, and every field is a text"),
                Choice::new("text", "`{ text }`: the line or message as it is"),
                Choice::new("bytes", "`{ bytes }`: the message as a base64 text, as it need not be text itself"),
                Choice::new("avro", "Avro's binary form, by `schema`"),
                Choice::new("protobuf", "Protobuf's binary form, by `schema`"),
            ]),
            "How the bytes are read.",
        )
        .default_note("`csv` or `avro` for a `file` whose path ends so (`.csv`, `.avro.gz`, `.csv.zst`), else `json`")
        .example("csv"),
        Key::new("schema", Type::Text, "The event type, one of `schemas`, or a version of it.").example("Payment@2"),
        Key::new("wire", Type::Choice(WIRES), "What stands around the bytes of an event.").default_note(WIRE_NOTE),
        Key::new(
            "validate",
            Type::Choice(&[
                Choice::new("read", "the fields that are read"),
                Choice::new("full", "the whole event against the schema"),
            ]),
            "What of an event is checked against its schema.",
        )
        .default("read"),
        Key::new(
            "time",
            Type::OneOf(&[
                Type::Choice(&[Choice::new("arrival", "the moment at which the event is read; results then depend on when the run happens")]),
                Type::Expr,
                Type::Section(&TIME),
            ]),
            "The time of an event: RFC 3339 text with an offset, or a number of milliseconds since 1970. Windows go by it.",
        )
        .default_note("the broker's timestamp, where it has one")
        .example("event.timestamp"),
        Key::new("key", Type::Expr, "The event's key, as `meta.key`.").default_note("the broker's key, where it has one").example("event.user_id"),
        Key::new("watermark", Type::Section(&WATERMARK), "How far event time is trusted.").default("{}").example("{ lag: 5s, idle: 30s }"),
        Key::new(
            "start",
            Type::OneOf(&[
                Type::Choice(&[
                    Choice::new("earliest", "everything that the system still has"),
                    Choice::new("latest", "only what comes from now on"),
                ]),
                Type::Section(&START),
            ]),
            "Where a first run begins to read.",
        )
        .default("earliest"),
    ],
)
.rules(&[Rule::Needs("validate", "schema")]);

pub static TIME: Table = Table::new(
    "time",
    "A time that is a number in another unit than milliseconds.",
    &[
        Key::new("at", Type::Expr, "The time of an event.").required().example("event.ts"),
        Key::new(
            "unit",
            Type::Choice(&[
                Choice::new("s", "seconds"),
                Choice::new("ms", "milliseconds"),
                Choice::new("us", "microseconds"),
                Choice::new("ns", "nanoseconds"),
            ]),
            "What an integer counts, since 1970.",
        )
        .default("ms"),
    ],
)
.example("time: { at: event.ts, unit: s }");

pub static WATERMARK: Table = Table::new(
    "watermark",
    "The watermark says that no earlier event is expected: the greatest event time seen, less `lag`.",
    &[
        Key::new("lag", Type::Duration, "How much later than its successors an event may come and still be in order.")
            .default("0s")
            .example("5s"),
        Key::new(
            "idle",
            Type::Duration,
            "Silent for this long, a partition no longer holds back the time of the others.",
        )
        .default("30s"),
        Key::new(
            "max_future",
            Type::Duration,
            "An event further ahead of the wall clock is an error, and moves no watermark.",
        )
        .default("1h"),
        Key::new("max_drift", Type::Duration, "A source further ahead of the slowest one waits for it.").default("10m"),
    ],
);

pub static START: Table = Table::new(
    "start",
    "A point in time to begin at.",
    &[Key::new("time", Type::Text, "RFC 3339 with an offset.").required().example("2026-01-01T00:00:00Z")],
);

/// Keys of every stage, beside its kind.
pub static STAGE: Table = Table::new(
    "stage",
    "What is done with events. A stage reads one or several ports and has exactly one kind.",
    &[Key::new("from", Type::From, "What it reads: `id`, `id.port`, or a list of them (fan-in).")
        .required()
        .example("[card, online]")],
);

/// Keys of every sink, beside its connector.
pub static SINK: Table = Table::new(
    "sink",
    "Where events go. A sink reads one or several ports and has exactly one connector.",
    &[
        Key::new("from", Type::From, "What it reads: `id`, `id.port`, or a list of them (fan-in).")
            .required()
            .example("triage.block"),
        Key::new(
            "encode",
            Type::Choice(&[
                Choice::new("json", "one JSON object for each line or message"),
                Choice::new("csv", "comma separated, with a header"),
                Choice::new("text", "the field `text` as it is"),
                Choice::new("avro", "Avro's binary form, by `schema`"),
                Choice::new("protobuf", "Protobuf's binary form, by `schema`"),
            ]),
            "How an event is written.",
        )
        .default_note("`csv` or `avro` for a `file` whose path ends so (`.csv`, `.avro.gz`, `.csv.zst`), else `json`"),
        Key::new("schema", Type::Text, "The event type that is written, one of `schemas`, or a version of it.")
            .example("Payment@2"),
        Key::new("wire", Type::Choice(WIRES), "What stands around the bytes of an event.").default_note(WIRE_NOTE),
        Key::new(
            "register",
            Type::Bool,
            "With `wire: confluent`: the schema is registered under its type's subject when the sink opens, before anything is written, and \
             Protobuf files that it imports under their names. A registry that \
             refuses it stops the start, or the reload. Without it the schema must be there.",
        )
        .default("false"),
        Key::new(
            "codec",
            Type::Choice(&[
                Choice::new("none", "as they are"),
                Choice::new("deflate", "what every reader of Avro knows"),
                Choice::new("snappy", "fast"),
                Choice::new("zstandard", "small"),
            ]),
            "How the blocks of an Avro container are compressed.",
        )
        .default_note("`none`"),
        Key::new("key", Type::Expr, "The key of a message, where the system has one.").example("event.user"),
        Key::new("headers", Type::ExprMap, "The headers of a message, where the system has them.")
            .example("{ trace: event.trace_id }"),
        Key::new("batch", Type::Section(&BATCH), "How events are gathered before they are written.")
            .default("{}")
            .example("{ events: 500, linger: 100ms }"),
        Key::new("retry", Type::Section(&RETRY), "What happens when the system does not take an event.").default("{}"),
        Key::new(
            "delivery",
            Type::Choice(&[
                Choice::new("at_least_once", "after a failure an event may be written again"),
                Choice::new("exactly_once", "each event is written once, where the system can do that"),
            ]),
            "What holds after a failure.",
        )
        .default_note("`exactly_once` for `file`, else `at_least_once`"),
    ],
);

pub static BATCH: Table = Table::new(
    "batch",
    "A batch is written when it has so many events or bytes, or has waited for `linger`.",
    &[
        Key::new("events", Type::Int { min: 1, max: 1 << 20 }, "Events of a batch.").default("1024"),
        Key::new("bytes", Type::Size, "Bytes of a batch.").default("1MiB"),
        Key::new("linger", Type::Duration, "How long an event may wait for others.").default("0s").example("100ms"),
    ],
);

pub static RETRY: Table = Table::new(
    "retry",
    "The pause doubles from `first` to `max`. While a sink retries, its readers wait, and so do their sources.",
    &[
        Key::new("first", Type::Duration, "The pause before the second attempt.").default("100ms"),
        Key::new("max", Type::Duration, "The longest pause.").default("30s"),
        Key::new(
            "attempts",
            Type::OneOf(&[
                Type::Choice(&[Choice::new(
                    "unlimited",
                    "until the system takes it; after a stop, for ten seconds more",
                )]),
                Type::Int { min: 1, max: ANY_MAX },
            ]),
            "Attempts until an event goes to the dead letters.",
        )
        .default("unlimited")
        .example("5"),
    ],
);
