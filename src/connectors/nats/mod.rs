//! NATS: subjects of a server, and streams of JetStream.

mod connect;
mod consumer;
mod frame;
mod held;
mod ledger;
mod plan;
mod place;
mod publish;
mod pull;
mod sink;
mod stream;
mod subject;

/// The header that carries a sink's `key`; a source takes it as `meta.key`. Without it the subject is the key.
const KEY_HEADER: &str = "Key";
/// The header under which `meta.headers` has a message's subject.
const SUBJECT_HEADER: &str = "Nats-Subject";

use super::{SinkKind, SourceKind};
use crate::spec::{Key, Rule, Table, Type};

pub static SOURCE: Table = Table::new(
    "nats",
    "Reads a subject of NATS, or with `stream` a JetStream stream by a consumer of its own: then events are acknowledged once every \
     sink has them, or a checkpoint, and a failure loses none. A checkpoint has the position in the stream, and reading goes on behind it, \
     each event once and in order, whatever the server remembers: a consumer that stands elsewhere is made anew there. So a topology with \
     checkpoints needs a consumer that nobody else reads, and leave to remove and make it (`$JS.API.CONSUMER.*`). \
     Without `stream` the server keeps nothing, and what is sent while the runner is down is lost. \
     `meta.headers` has the message's headers and, as `Nats-Subject`, its subject; `meta.key` is the header `Key`, else the subject.",
    &[
        Key::new("url", Type::ListOf(&Type::Text), "The server, or several of one cluster.").required().example("nats://127.0.0.1:4222"),
        Key::new("subject", Type::Text, "What is read, with the wildcards `*` and `>`.").default_note("with `stream`: all of its subjects").example("payments.>"),
        Key::new("stream", Type::Text, "The JetStream stream; it must exist.").example("PAYMENTS"),
        Key::new("durable", Type::Text, "The consumer's name, by which the server knows what has been read. That is where a run without a checkpoint goes on; with `--fresh` \
             it begins where `start` says.")
            .default_note("`<topology>-<node>`")
            .example("fraud"),
        Key::new("max_pending", Type::Int { min: 1, max: 1 << 20 }, "Events that are read and not yet acknowledged: with checkpoints, all that is read between two of them.").default("100000"),
        Key::new("auth", Type::Section(&AUTH), "How to log in.").example("{ token: { env: NATS_TOKEN } }"),
        Key::new("tls", Type::Section(&TLS), "How the connection is encrypted."),
    ],
)
.rules(&[Rule::AtLeastOne(&["subject", "stream"]), Rule::Needs("durable", "stream")])
.timed()
.example("online:\n  nats: { url: \"nats://127.0.0.1:4222\", stream: PAYMENTS, subject: \"payments.>\" }\n  time: event.timestamp\n");

pub static SINK: Table = Table::new(
    "nats",
    "Writes messages to a subject of NATS. The server confirms every one before it counts as written; with \
     `stream` it does so when the stream has stored it. A `key` is sent as the header `Key`. With `stream` and \
     `delivery: exactly_once` events are held back until the checkpoint that has them is on disk, and sent with a `Nats-Msg-Id`: \
     sent again after a crash, the stream drops those that it has. It knows them for as long as its duplicate window (`--dupe-window`, \
     2 minutes unless it is set), which must be longer than the runner is down.",
    &[
        Key::new("url", Type::ListOf(&Type::Text), "The server, or several of one cluster.")
            .required()
            .example("nats://127.0.0.1:4222"),
        Key::new("subject", Type::Template, "Where a message goes.").required().example("alerts.{{ event.kind }}"),
        Key::new(
            "stream",
            Type::Text,
            "The JetStream stream that must confirm it; it must exist and take the subject.",
        )
        .example("ALERTS"),
        Key::new("max_pending", Type::Int { min: 1, max: 1 << 20 }, "Messages that are sent and not yet confirmed.")
            .default("10000"),
        Key::new("auth", Type::Section(&AUTH), "How to log in.")
            .example("{ user: runner, password: { env: NATS_PASSWORD } }"),
        Key::new("tls", Type::Section(&TLS), "How the connection is encrypted."),
    ],
)
.example("alerts: { from: triage.block, nats: { url: \"nats://127.0.0.1:4222\", subject: alerts } }\n");

pub const SOURCE_KIND: SourceKind = SourceKind { table: &SOURCE, plan: plan::source };

pub const SINK_KIND: SinkKind = SinkKind { table: &SINK, plan: plan::sink };

static AUTH: Table = Table::new(
    "auth",
    "How to log in: a user and a password, a token, an NKey seed, or a credentials file.",
    &[
        Key::new("user", Type::Text, "The user's name.").example("runner"),
        Key::new("password", Type::Secret, "The user's password.").example("{ env: NATS_PASSWORD }"),
        Key::new("token", Type::Secret, "A token.").example("{ env: NATS_TOKEN }"),
        Key::new("nkey", Type::Secret, "The seed of an NKey.").example("{ file: /run/secrets/nkey }"),
        Key::new("credentials", Type::Path, "A `.creds` file with a JWT and its seed.")
            .example("/run/secrets/runner.creds"),
    ],
)
.rules(&[
    Rule::ExactlyOne(&["user", "token", "nkey", "credentials"]),
    Rule::Needs("password", "user"),
    Rule::Needs("user", "password"),
]);

static TLS: Table = Table::new(
    "tls",
    "How the connection is encrypted. Without these, a `tls://` URL trusts the system's authorities.",
    &[
        Key::new("ca", Type::Path, "The certificate of the authority that signed the server's, as PEM.")
            .example("certs/ca.pem"),
        Key::new("cert", Type::Path, "The client's own certificate, as PEM.").example("certs/client.pem"),
        Key::new("key", Type::Path, "The key of the client's certificate, as PEM.").example("certs/client.key"),
        Key::new("required", Type::Bool, "Refuse a server that does not encrypt.").default("true"),
    ],
)
.rules(&[Rule::Needs("cert", "key"), Rule::Needs("key", "cert")]);
