//! From a file's text to a `TopologySpec`: the top level, and the nodes, whose keys come from several tables.

use std::io::Read;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::event_types;
use super::model::{Catalog, FileRef, NodeHead, Param, Settings, SinkSpec, SourceSpec, StageSpec, TopologySpec};
use super::reader::{At, Reader, list};
use super::table::Table;
use super::tree::{Kind, Node, Pair};
use super::value::{Item, PortRef, Section, Value};
use super::{graph, scalars, tables, tree};
use crate::diagnostic::{Content, Diagnostics, FileId, Span, codes};
use crate::limits::{NODES_MAX, SPEC_BYTES_MAX};

/// Reads and checks a topology's file. None if there is nothing to go on with; with errors, what could be read.
pub fn read_file(
    path: &Path,
    catalog: &Catalog,
    outside: Settings<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<TopologySpec> {
    let text = text_of(path, diagnostics)?;
    read(path, &text, catalog, outside, diagnostics)
}

/// The text of a file of the language. None if it cannot be read or is no text; that was reported.
pub(super) fn text_of(path: &Path, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = path.display().to_string();
    let loaded = match diagnostics.remembered(path) {
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => load(path),
    };
    diagnostics.was_read(path, loaded.as_ref().map_or_else(|_| Content::at(path), |bytes| Content::of(bytes)));
    match loaded.map(String::from_utf8) {
        Ok(Ok(text)) => Some(text),
        Ok(Err(error)) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let file = diagnostics.add_file(name, text);
            diagnostics
                .error(&codes::FILE_NOT_TEXT, Span::new(file, at, at), "this is not UTF-8 text")
                .without_source()
                .help("a topology is a text file; save it as UTF-8");
            None
        }
        Err(Unread { code, why, help }) => {
            let file = diagnostics.add_file(name.clone(), "");
            let message = format!("{name} cannot be read: {why}");
            diagnostics.error(code, Span::of_file(file), message).without_source().help(help);
            None
        }
    }
}

/// Why a file could not be read, and a way out.
struct Unread {
    code: &'static crate::diagnostic::Code,
    why: String,
    help: &'static str,
}

impl From<std::io::Error> for Unread {
    fn from(error: std::io::Error) -> Unread {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path; `runner new` makes a first topology",
            std::io::ErrorKind::PermissionDenied => "allow the runner's user to read it, and to enter its folders",
            _ => "name a file that can be read",
        };
        Unread { code: &codes::FILE_UNREADABLE, why: error.to_string(), help }
    }
}

fn load(path: &Path) -> Result<Vec<u8>, Unread> {
    let file = std::fs::File::open(path)?;
    if file.metadata()?.is_dir() {
        let why = "it is a folder".to_string();
        return Err(Unread { code: &codes::FILE_UNREADABLE, why, help: "name a file in it" });
    }
    let mut bytes = Vec::new();
    file.take(SPEC_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > SPEC_BYTES_MAX {
        let why = format!("it has more than {SPEC_BYTES_MAX} bytes");
        return Err(Unread {
            code: &codes::FILE_TOO_LARGE,
            why,
            help: "is it a topology? data belongs in files of its own",
        });
    }
    Ok(bytes)
}

/// Reads and checks a topology's text. None if there is nothing to go on with; with errors, what could be read.
pub fn read(
    path: &Path,
    text: &str,
    catalog: &Catalog,
    outside: Settings<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<TopologySpec> {
    let file = diagnostics.add_file(path.display().to_string(), text);
    let root = tree::parse(file, text, diagnostics)?;
    let dir = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let reader = Reader { text, dir: &dir, env: outside.env, diagnostics, lost: 0 };
    let mut builder = Builder { reader, catalog, nodes: IndexMap::new() };
    let mut spec = builder.topology(file, path, &root, outside.set)?;
    graph::check(&mut spec, diagnostics);
    Some(spec)
}

struct Builder<'a, 'r> {
    reader: Reader<'r>,
    catalog: &'a Catalog,
    /// Every id so far, and where it is declared.
    nodes: IndexMap<String, Span>,
}

/// A node whose keys were told apart: those that every node of its role has, and those of its kind.
struct Parts {
    head: NodeHead,
    role: Section,
    kind: &'static Table,
    config: Section,
}

impl Builder<'_, '_> {
    fn topology(&mut self, file: FileId, path: &Path, root: &Node, set: &[(String, String)]) -> Option<TopologySpec> {
        if root.is_null() {
            self.reader
                .diagnostics
                .error(&codes::FILE_EMPTY, Span::of_file(file), "the file has nothing in it")
                .help("a topology needs `sources` and `sinks`; `runner new` writes a first one");
            return None;
        }
        let whole = Span::of_file(file);
        if !matches!(root.kind, Kind::Mapping { .. }) {
            self.reader
                .diagnostics
                .error(&codes::WRONG_TYPE, root.span, format!("a topology is a mapping, and this is {}", root.shape()))
                .help("it has keys like `sources:` and `sinks:` in its first column");
            return None;
        }
        let all = self.reader.pairs(("the file", whole), root, &codes::DUPLICATE_KEY)?;
        let pairs: Vec<&Pair> = all.into_iter().filter(|pair| !pair.key.starts_with("x-")).collect();
        let nodes = |name: &str| pairs.iter().copied().find(|pair| pair.key == name);
        for pair in &pairs {
            if tables::FILE.key(&pair.key).is_none() {
                self.reader.unknown_key("topology", pair, tables::FILE.keys.iter().map(|key| key.name));
            }
        }
        let top = self.top(whole, &pairs);
        let mut params = params_of(&top);
        self.override_params(&mut params, set);
        let mut spec = TopologySpec {
            file,
            path: path.to_path_buf(),
            dir: self.reader.dir.to_path_buf(),
            name: top.text_opt("topology").map_or_else(|| name_of(path), str::to_string),
            description: top.text_opt("description").map(str::to_string),
            params,
            functions: files_of(top.list_opt("functions").unwrap_or_default()),
            schemas: event_types::of(&top),
            registry: top.section_opt("registry").cloned(),
            sources: IndexMap::new(),
            stages: IndexMap::new(),
            sinks: IndexMap::new(),
            checkpoint: self.part(&top, "checkpoint", &tables::CHECKPOINT, whole),
            dead_letters: self.part(&top, "dead_letters", &tables::DEAD_LETTERS, whole),
            limits: self.part(&top, "limits", &tables::LIMITS, whole),
        };
        for pair in self.node_map(nodes("sources"), &codes::NO_SOURCES, "nothing could ever happen") {
            let source = self.source(pair);
            spec.sources.insert(pair.key.clone(), source);
        }
        for pair in self.node_map(nodes("stages"), &codes::NO_SOURCES, "") {
            let stage = self.stage(pair);
            spec.stages.insert(pair.key.clone(), stage);
        }
        for pair in self.node_map(nodes("sinks"), &codes::NO_SINKS, "nothing could ever leave") {
            let sink = self.sink(pair);
            spec.sinks.insert(pair.key.clone(), sink);
        }
        Some(spec)
    }

    /// The keys of the top level without the nodes. Missing maps of nodes have codes of their own.
    fn top(&mut self, whole: Span, pairs: &[&Pair]) -> Section {
        for (name, code, why) in [
            ("sources", &codes::NO_SOURCES, "nothing could ever happen in it"),
            ("sinks", &codes::NO_SINKS, "nothing could ever leave it"),
        ] {
            if !pairs.iter().any(|pair| pair.key == name) {
                self.reader
                    .diagnostics
                    .error(code, whole, format!("the topology has no `{name}`: {why}"))
                    .help(format!("add `{name}:` with at least one node"));
            }
        }
        self.reader.entries(whole, &tables::FILE, pairs)
    }

    /// A section of the top level; if it could not be read at all, its defaults.
    fn part(&mut self, top: &Section, key: &str, table: &'static Table, whole: Span) -> Section {
        match top.section_opt(key) {
            Some(section) => section.clone(),
            None => Section { broken: true, ..self.reader.entries(whole, table, &[]) },
        }
    }

    fn override_params(&mut self, params: &mut IndexMap<String, Param>, set: &[(String, String)]) {
        for (name, text) in set {
            let value = scalars::plain(text).unwrap_or_else(|| text.as_str().into());
            match params.get_mut(name) {
                Some(param) => param.value = value,
                None => {
                    let known: Vec<&str> = params.keys().map(String::as_str).collect();
                    let declared = if known.is_empty() { "none".to_string() } else { list(&known) };
                    self.reader
                        .diagnostics
                        .error(
                            &codes::UNKNOWN_PARAM,
                            Span::NONE,
                            format!("--set names `{name}`, which `params` does not declare"),
                        )
                        .suggest(name, known)
                        .help(format!("declared: {declared}"));
                }
            }
        }
    }

    /// The nodes of `sources`, `stages` or `sinks` whose ids are usable.
    fn node_map<'n>(
        &mut self,
        pair: Option<&'n Pair>,
        empty: &'static crate::diagnostic::Code,
        why: &str,
    ) -> Vec<&'n Pair> {
        let Some(pair) = pair else { return Vec::new() };
        let at = (pair.key.as_str(), pair.key_span);
        let Some(pairs) = self.reader.pairs(at, &pair.value, &codes::DUPLICATE_NODE) else { return Vec::new() };
        if pairs.is_empty() && !why.is_empty() {
            self.reader
                .diagnostics
                .error(empty, pair.key_span, format!("`{}` is empty: {why}", pair.key))
                .help("add at least one node");
        }
        let mut usable = Vec::new();
        for node in pairs {
            self.reader.id("a node's id", &node.key, node.key_span);
            if let Some(first) = self.nodes.get(&node.key) {
                self.reader
                    .diagnostics
                    .error(&codes::DUPLICATE_NODE, node.key_span, format!("there are two nodes `{}`", node.key))
                    .also(*first, "the first one is here")
                    .help("rename one of them; ids are unique over sources, stages and sinks");
                continue;
            }
            self.nodes.insert(node.key.clone(), node.key_span);
            if self.nodes.len() == NODES_MAX + 1 {
                self.reader
                    .diagnostics
                    .error(&codes::TOO_MANY_NODES, node.key_span, format!("a topology has at most {NODES_MAX} nodes"))
                    .help("split it over a broker");
            }
            if self.nodes.len() > NODES_MAX {
                break;
            }
            usable.push(node);
        }
        usable
    }

    fn source(&mut self, pair: &Pair) -> SourceSpec {
        let parts = self.node(pair, "source", &tables::SOURCE, self.catalog.sources);
        SourceSpec { head: parts.head, connector: parts.kind, config: parts.config, common: parts.role }
    }

    fn sink(&mut self, pair: &Pair) -> SinkSpec {
        let parts = self.node(pair, "sink", &tables::SINK, self.catalog.sinks);
        let from = from_of(&parts.role);
        SinkSpec { head: parts.head, from, connector: parts.kind, config: parts.config, common: parts.role }
    }

    fn stage(&mut self, pair: &Pair) -> StageSpec {
        let parts = self.node(pair, "stage", &tables::STAGE, self.catalog.stages);
        StageSpec { head: parts.head, from: from_of(&parts.role), kind: parts.kind, config: parts.config }
    }

    /// Reads a node: the keys of every node, of its role, and of exactly one kind.
    fn node(&mut self, pair: &Pair, role: &str, table: &'static Table, kinds: &'static [&'static Table]) -> Parts {
        let before = self.reader.errors();
        let at: At<'_> = (&pair.key, pair.key_span);
        let span = if pair.value.is_null() { pair.key_span } else { pair.value.span };
        let misplaced = !matches!(pair.value.kind, Kind::Mapping { .. } | Kind::Lost) && !pair.value.is_null();
        let readable = if misplaced && is_node_key(&pair.key, table, kinds) {
            self.reader
                .wrong_type(at, &pair.value, "a mapping")
                .help(format!("as a key of the {role} above, it stands further to the right than the {role}'s id"));
            None
        } else {
            self.reader.pairs(at, &pair.value, &codes::DUPLICATE_KEY)
        };
        let is_mapping = readable.is_some();
        let pairs = readable.unwrap_or_default();
        let unknown = if is_mapping { self.unknown_keys(role, &pairs, table, kinds) } else { true };
        let any = self.reader.entries(span, &tables::NODE, &pairs);
        let mut role_section =
            if is_mapping { self.reader.entries(span, table, &pairs) } else { Section::new(table, span) };
        let (kind, config) = self.kind(at, span, role, &pairs, kinds, unknown);
        let broken = self.reader.errors() > before;
        role_section.broken |= !is_mapping;
        let head = NodeHead {
            id: pair.key.clone(),
            span: pair.key_span,
            description: any.text_opt("description").map(str::to_string),
            was: any.text_opt("was").map(str::to_string),
            broken,
        };
        Parts { head, role: role_section, kind, config }
    }

    /// Reports keys that no table of the node has. Whether there were some.
    fn unknown_keys(
        &mut self,
        role: &str,
        pairs: &[&Pair],
        table: &'static Table,
        kinds: &'static [&'static Table],
    ) -> bool {
        let of_kinds = kinds.iter().flat_map(|kind| names_of(kind));
        let known: Vec<&str> = table
            .keys
            .iter()
            .map(|key| key.name)
            .chain(of_kinds)
            .chain(tables::NODE.keys.iter().map(|key| key.name))
            .collect();
        let mut found = false;
        for pair in pairs {
            if known.contains(&pair.key.as_str()) {
                continue;
            }
            found = true;
            match kinds.iter().find(|kind| !kind.inline && kind.key(&pair.key).is_some()) {
                // `tumbling:` beside `window:` is a slip of the indentation.
                Some(kind) if crate::diagnostic::did_you_mean(&pair.key, known.iter().copied()).is_none() => {
                    self.reader
                        .diagnostics
                        .error(&codes::UNKNOWN_KEY, pair.key_span, format!("`{}` is no key of a {role}", pair.key))
                        .help(format!("it is a key of `{}`: indent it below that", kind.name));
                }
                _ => self.reader.unknown_key(role, pair, known.iter().copied()),
            }
        }
        found
    }

    /// The one kind that a node has, and what is written under it. Where there is none, the first one stands in, broken.
    fn kind(
        &mut self,
        at: At<'_>,
        span: Span,
        role: &str,
        pairs: &[&Pair],
        kinds: &'static [&'static Table],
        unknown: bool,
    ) -> (&'static Table, Section) {
        let written = |table: &'static Table| {
            pairs.iter().copied().find(|pair| names_of(table).any(|name| name == pair.key)).map(|pair| (table, pair))
        };
        let found: Vec<(&'static Table, &Pair)> = kinds.iter().filter_map(|table| written(table)).collect();
        if let [first, second, ..] = found.as_slice() {
            self.several_kinds(role, first, second);
        }
        let Some((table, pair)) = found.first().copied() else {
            if !unknown {
                self.no_kind(at, role, kinds);
            }
            let table = kinds[0];
            return (table, Section { broken: true, ..Section::new(table, span) });
        };
        let section = if table.inline {
            Some(self.reader.entries(span, table, pairs))
        } else {
            self.reader.section((table.name, pair.key_span), &pair.value, table)
        };
        (table, section.unwrap_or_else(|| Section { broken: true, ..Section::new(table, pair.value.span) }))
    }

    fn several_kinds(&mut self, role: &str, first: &(&'static Table, &Pair), second: &(&'static Table, &Pair)) {
        let (earlier, later) =
            if first.1.key_span.start <= second.1.key_span.start { (first, second) } else { (second, first) };
        let (code, help) = if role == "stage" {
            (&codes::SEVERAL_KINDS, "write a stage for each, the second one reading the first")
        } else {
            (&codes::SEVERAL_CONNECTORS, "write a node for each")
        };
        self.reader
            .diagnostics
            .error(
                code,
                later.1.key_span,
                format!("a {role} has one {}, and this has `{}` and `{}`", noun(role), earlier.1.key, later.1.key),
            )
            .also(earlier.1.key_span, "the first one is here")
            .help(help);
    }

    fn no_kind(&mut self, at: At<'_>, role: &str, kinds: &'static [&'static Table]) {
        let names: Vec<&str> = kinds.iter().flat_map(|kind| names_of(kind)).collect();
        let code = if role == "stage" { &codes::NO_KIND } else { &codes::NO_CONNECTOR };
        self.reader
            .diagnostics
            .error(code, at.1, format!("the {role} `{}` has no {}", at.0, noun(role)))
            .help(format!("add one of {}", super::reader::any_of(&names)));
    }
}

fn noun(role: &str) -> &'static str {
    if role == "stage" { "kind" } else { "connector" }
}

/// Whether an id is the name of a node's key: then it is one, without its indentation.
fn is_node_key(name: &str, table: &'static Table, kinds: &'static [&'static Table]) -> bool {
    let node = tables::NODE.key(name).or(table.key(name)).is_some();
    node || kinds.iter().any(|kind| names_of(kind).any(|key| key == name))
}

/// The keys by which a kind is recognized in a node.
fn names_of(table: &'static Table) -> impl Iterator<Item = &'static str> {
    let inline = table.keys.iter().filter(|_| table.inline).map(|key| key.name);
    inline.chain((!table.inline).then_some(table.name))
}

fn from_of(section: &Section) -> Vec<PortRef> {
    match section.value("from") {
        Some(Value::From(refs)) => refs.clone(),
        _ => Vec::new(),
    }
}

fn params_of(top: &Section) -> IndexMap<String, Param> {
    let items = top.map_opt("params").into_iter().flatten();
    items
        .filter_map(|(name, item)| match &item.value {
            Value::Any(value) => Some((name.clone(), Param { value: value.clone(), span: item.span })),
            _ => None,
        })
        .collect()
}

fn file_of(item: &Item) -> Option<FileRef> {
    match &item.value {
        Value::Path(path) => Some(FileRef { path: path.clone(), span: item.span }),
        _ => None,
    }
}

fn files_of(items: &[Item]) -> Vec<FileRef> {
    items.iter().filter_map(file_of).collect()
}

/// The name of a topology that does not tell it: its file's, in characters that a folder can have.
pub fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(PathBuf::from).unwrap_or_default().display().to_string();
    let name: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' })
        .take(100)
        .collect();
    if scalars::is_name(&name) { name } else { format!("topology{name}") }
}
