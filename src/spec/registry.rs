//! The tables of the file's `registry`.

use super::table::{Key, Rule, Table, Type};

pub static REGISTRY: Table = Table::new(
    "registry",
    "Where schemas are kept by subject and version, and by the numbers that stand in front of events (`wire: confluent`): a server with the REST \
     API of the Confluent Schema Registry, or a folder. What a server has answered is kept on disk, so that one that is away stops no \
     topology that has seen the schema; what never changes, a schema by its number and a version by its own, is not asked for again. Contexts of \
     subjects are not known. A folder holds `registry.json`, an index that `runner schema register` keeps, and below `subjects` a file for each \
     version.",
    &[
        Key::new("url", Type::Text, "The server, with the path that the API is below.").example("http://127.0.0.1:8081"),
        Key::new("folder", Type::Path, "The folder, instead of a server.").example("registry"),
        Key::new("auth", Type::Section(&AUTH), "How to log in.").example("{ user: runner, password: { env: REGISTRY_PASSWORD } }"),
        Key::new("tls", Type::Section(&TLS), "How an `https` connection is encrypted. Without it, the system's authorities are trusted."),
        Key::new("cache", Type::Path, "The folder for what the server has answered.").default_note("`.runner/schemas` beside the file"),
        Key::new(
            "timeout",
            Type::Duration,
            "How long the server may take for one answer. While it is away it is asked four times within two seconds.",
        )
        .default("10s"),
    ],
)
.rules(&[
    Rule::ExactlyOne(&["url", "folder"]),
    Rule::Needs("auth", "url"),
    Rule::Needs("tls", "url"),
    Rule::Needs("cache", "url"),
])
.example("registry: { url: \"http://127.0.0.1:8081\", auth: { token: { env: REGISTRY_TOKEN } } }");

static AUTH: Table = Table::new(
    "auth",
    "How to log in: a user and a password, or a token (a bearer's).",
    &[
        Key::new("user", Type::Text, "The user's name, or the key of an API.").example("runner"),
        Key::new("password", Type::Secret, "The user's password, or the secret of an API.")
            .example("{ env: REGISTRY_PASSWORD }"),
        Key::new("token", Type::Secret, "A token.").example("{ env: REGISTRY_TOKEN }"),
    ],
)
.rules(&[Rule::ExactlyOne(&["user", "token"]), Rule::Needs("password", "user"), Rule::Needs("user", "password")]);

static TLS: Table = Table::new(
    "tls",
    "How the connection is encrypted.",
    &[
        Key::new("ca", Type::Path, "The certificate of the authority that signed the server's, as PEM.")
            .example("certs/ca.pem"),
        Key::new("cert", Type::Path, "The client's own certificate, as PEM.").example("certs/client.pem"),
        Key::new("key", Type::Path, "The key of the client's certificate, as PEM.").example("certs/client.key"),
    ],
)
.rules(&[Rule::Needs("cert", "key"), Rule::Needs("key", "cert")]);
