//! What a table of keys is. Every node kind declares one; the reader, the JSON Schema, the reference and "did you mean" all
//! derive from it, so that a key that is in no table does not exist.

/// The keys of one mapping of the language, declared beside the code that uses them.
#[derive(Debug)]
pub struct Table {
    /// The key that the section is written under: a stage kind, a connector.
    pub name: &'static str,
    /// Markdown; the first sentence stands alone in lists.
    pub doc: &'static str,
    pub keys: &'static [Key],
    pub rules: &'static [Rule],
    /// YAML of a whole node, or of the section, that `check` accepts within a topology.
    pub example: Option<&'static str>,
    /// Stage kinds: the ports beside `errors`.
    pub ports: Ports,
    /// Stage kinds: the keys stand in the stage itself, not in a section of the kind's name.
    pub inline: bool,
    /// Stage kinds: it keeps state between events, so that it must see each fact once.
    pub stateful: bool,
    /// Stage kinds: it goes by event time. Sources: the system gives every event a time.
    pub timed: bool,
    /// Stage kinds: with this key it does not go by event time.
    pub untimed_by: Option<&'static str>,
    /// Stage kinds: a key, and the word in it with which a result is told once and for all. With another value, results are
    /// revised by later ones.
    pub revises_unless: Option<(&'static str, &'static str)>,
}

impl Table {
    pub const fn new(name: &'static str, doc: &'static str, keys: &'static [Key]) -> Self {
        Table {
            name,
            doc,
            keys,
            rules: &[],
            example: None,
            ports: Ports::Main,
            inline: false,
            stateful: false,
            timed: false,
            untimed_by: None,
            revises_unless: None,
        }
    }

    pub const fn rules(self, rules: &'static [Rule]) -> Self {
        Table { rules, ..self }
    }

    pub const fn example(self, yaml: &'static str) -> Self {
        Table { example: Some(yaml), ..self }
    }

    pub const fn ports(self, ports: Ports) -> Self {
        Table { ports, ..self }
    }

    pub const fn inline(self) -> Self {
        Table { inline: true, ..self }
    }

    pub const fn stateful(self) -> Self {
        Table { stateful: true, ..self }
    }

    pub const fn timed(self) -> Self {
        Table { timed: true, ..self }
    }

    pub const fn timed_unless(self, key: &'static str) -> Self {
        Table { timed: true, untimed_by: Some(key), ..self }
    }

    pub const fn revises_unless(self, key: &'static str, word: &'static str) -> Self {
        Table { revises_unless: Some((key, word)), ..self }
    }

    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Tables are static: the same one is the same place in memory.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Table {}

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub ty: Type,
    pub doc: &'static str,
    pub required: bool,
    pub default: Default,
    /// A value, as YAML.
    pub example: Option<&'static str>,
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Nothing: the key is absent.
    None,
    /// A value as it would be written; it is filled in.
    Value(&'static str),
    /// Something that depends on more than this key, told in words.
    Note(&'static str),
}

impl Key {
    pub const fn new(name: &'static str, ty: Type, doc: &'static str) -> Self {
        Key { name, ty, doc, required: false, default: Default::None, example: None }
    }

    pub const fn required(self) -> Self {
        Key { required: true, ..self }
    }

    pub const fn default(self, value: &'static str) -> Self {
        Key { default: Default::Value(value), ..self }
    }

    pub const fn default_note(self, words: &'static str) -> Self {
        Key { default: Default::Note(words), ..self }
    }

    pub const fn example(self, yaml: &'static str) -> Self {
        Key { example: Some(yaml), ..self }
    }
}

/// The shape of a key's value.
#[derive(Debug)]
pub enum Type {
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// A number from 0 to 1.
    Share,
    Text,
    /// `[a-z][a-z0-9_]*`
    Id,
    /// Letters, digits, `_`, `-` and `.`, starting with a letter or digit: a name for a folder.
    Name,
    /// A file or folder, relative to the topology's file.
    Path,
    /// A path with `*`, `?`, `[...]`, `**`.
    Glob,
    /// `250ms`, `5s`, `1h30m`; see `units`.
    Duration,
    /// `64MiB`
    Size,
    /// `1000/s`
    Rate,
    Choice(&'static [Choice]),
    /// A Rhai expression or block.
    Expr,
    /// Text with `{{ expr }}`.
    Template,
    /// One expression, or `{name: expr}`.
    ExprOrMap,
    /// `{name: expr}`, in written order.
    ExprMap,
    /// `{port: expr}`, in written order; the names are ids.
    PortMap,
    Section(&'static Table),
    /// The first alternative whose shape fits; see `Reader::one_of`.
    OneOf(&'static [Type]),
    /// A list, or one item alone.
    ListOf(&'static Type),
    /// What a node reads: `id`, `id.port`, or a list of them.
    From,
    /// `{name: value}` of one type; the names are free.
    MapOf(&'static Type),
    /// `{id: node}`; each node is read by the tables of its role and its kind.
    Nodes,
    /// Any YAML.
    Any,
    /// `{env: NAME}` or `{file: PATH}`; never plain text.
    Secret,
}

/// One of the words that a key takes.
#[derive(Debug)]
pub struct Choice {
    pub name: &'static str,
    pub doc: &'static str,
}

impl Choice {
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Choice { name, doc }
    }
}

/// What must hold between the keys of a table.
#[derive(Debug)]
pub enum Rule {
    ExactlyOne(&'static [&'static str]),
    AtMostOne(&'static [&'static str]),
    AtLeastOne(&'static [&'static str]),
    /// The first makes sense only with the second.
    Needs(&'static str, &'static str),
}

/// The ports by which events leave a stage, beside `errors`, which every node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The stage itself: `from: id`.
    Main,
    /// The stage itself, and these.
    MainAnd(&'static [&'static str]),
    /// The names written in the section (which is one `PortMap` under its own key), and `otherwise`; no main port.
    Written,
}
