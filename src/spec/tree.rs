//! The YAML file as a tree of spanned nodes, aliases and merge keys resolved.
//!
//! Safe against hostile input: depth, nodes (aliases counted as what they stand for) and file size are bounded.

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use super::expr_text::ScalarMap;
use super::{eaten, scalar, syntax};
use crate::diagnostic::{Diagnostics, FileId, Span, codes};
use crate::limits::{SPEC_DEPTH_MAX, SPEC_NODES_MAX};

/// A value of the file.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub span: Span,
    pub kind: Kind,
    /// The place of an explicit tag that means something else than YAML's own types.
    pub tag: Option<Span>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    Sequence {
        items: Vec<Node>,
        flow: bool,
    },
    Mapping {
        pairs: Vec<Pair>,
        flow: bool,
    },
    /// What stood here could not be read, and was reported.
    Lost,
}

#[derive(Clone, Debug)]
pub(super) struct Scalar {
    /// The decoded text.
    pub text: String,
    pub style: ScalarStyle,
    /// From the text to bytes of the file.
    pub place: ScalarMap,
}

#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub key: String,
    pub key_span: Span,
    pub value: Node,
    /// Taken from another mapping by `<<`.
    pub merged: bool,
}

impl Node {
    /// Whether YAML reads it as null: nothing, `~` or `null`, without quotes.
    pub fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar(scalar) => {
                scalar.style == ScalarStyle::Plain
                    && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::Sequence { .. } | Kind::Mapping { .. } | Kind::Lost => false,
        }
    }

    /// What it is, in words.
    pub fn shape(&self) -> &'static str {
        match &self.kind {
            _ if self.is_null() => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::Sequence { .. } => "a list",
            Kind::Lost => "unreadable",
            Kind::Mapping { .. } => "a mapping",
        }
    }

    /// Nodes in it, itself counted, and how deep they nest.
    fn size(&self) -> (usize, usize) {
        let below: Vec<&Node> = match &self.kind {
            Kind::Scalar(_) | Kind::Lost => return (1, 1),
            Kind::Sequence { items, .. } => items.iter().collect(),
            Kind::Mapping { pairs, .. } => pairs.iter().map(|pair| &pair.value).collect(),
        };
        below.into_iter().map(Node::size).fold((1, 2), |(nodes, deep), (n, d)| (nodes + n, deep.max(d + 1)))
    }
}

/// Reads a file's text. None if it has no usable content; that was reported then.
pub(super) fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    let options = granit_parser::options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        disallow_directives: true,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: SPEC_DEPTH_MAX,
        block_nesting_limit: SPEC_DEPTH_MAX,
    };
    let mut builder = Builder {
        file,
        text,
        diagnostics,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        documents: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match event {
            Ok(next) => next,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                syntax::syntax_error(file, text, at, &error, builder.diagnostics);
                return None;
            }
        };
        let range = span.byte_range().unwrap_or(0..0);
        let tag = span.tag_span().and_then(|tag| tag.byte_range());
        if !builder.on_event(event, range, tag) {
            return None;
        }
    }
    if builder.root.is_none() {
        builder
            .diagnostics
            .error(&codes::FILE_EMPTY, Span::of_file(file), "the file has nothing in it")
            .help("a topology needs `sources` and `sinks`; `runner new` writes a first one");
    }
    builder.root
}

/// A collection whose end has not come.
struct Open {
    start: usize,
    tag: Option<Span>,
    anchor: usize,
    flow: bool,
    what: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping { pairs: Vec<Pair>, key: Option<Key> },
}

/// A key whose value has not come. One that is no text is kept, so that values stay at their keys.
struct Key {
    text: Option<String>,
    span: Span,
    merge: bool,
}

struct Builder<'a> {
    file: FileId,
    text: &'a str,
    diagnostics: &'a mut Diagnostics,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

type Range = std::ops::Range<usize>;

impl Builder<'_> {
    /// False stops the reading; that was reported then.
    fn on_event(&mut self, event: Event<'_>, range: Range, tag: Option<Range>) -> bool {
        let span = Span::new(self.file, range.start, range.end);
        let tag_span = |tag: Option<Range>| tag.map(|tag| Span::new(self.file, tag.start, tag.end));
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.diagnostics
                        .error(&codes::YAML_SEVERAL_DOCUMENTS, span, "a second YAML document begins here")
                        .help("one file is one topology: write each into a file of its own");
                    return false;
                }
                true
            }
            Event::Scalar(text, style, anchor, meaning) => {
                let custom = meaning.is_some_and(|tag| !tag.is_yaml_core_schema());
                let tag = tag_span(tag).filter(|_| custom);
                let (span, text, place) = self.scalar(&text, style, range);
                self.add(Node { span, kind: Kind::Scalar(Scalar { text, style, place }), tag }, anchor)
            }
            Event::SequenceStart(style, anchor, meaning) => {
                let custom = meaning.is_some_and(|tag| !tag.is_yaml_core_schema());
                let what = OpenKind::Sequence(Vec::new());
                let tag = tag_span(tag).filter(|_| custom);
                self.begin(Open { start: range.start, tag, anchor, flow: style == StructureStyle::Flow, what })
            }
            Event::MappingStart(style, anchor, meaning) => {
                let custom = meaning.is_some_and(|tag| !tag.is_yaml_core_schema());
                let what = OpenKind::Mapping { pairs: Vec::new(), key: None };
                let tag = tag_span(tag).filter(|_| custom);
                self.begin(Open { start: range.start, tag, anchor, flow: style == StructureStyle::Flow, what })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                self.missing_anchor(&name, span);
                // Read on, as if nothing stood there, to find the other problems.
                self.add(lost(span), 0)
            }
            _ => true,
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, range: Range) -> (Span, String, ScalarMap) {
        // Nothing written is given as `~` without a place.
        let text = if range.is_empty() && style == ScalarStyle::Plain { "" } else { text };
        let place = scalar::map(self.text, text, style, range.clone());
        let raw = self.text.get(range.clone()).unwrap_or("");
        let end = range.start + raw.trim_end().len();
        let end = if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) { end } else { range.end };
        (Span::new(self.file, range.start, end), text.to_string(), place)
    }

    fn missing_anchor(&mut self, name: &str, span: Span) {
        let whole = eaten::whole_value(self.text, span.start as usize);
        if let Some(whole) = whole.filter(|whole| whole.value != format!("*{name}")) {
            // The parser stops right behind it, and that says the same at the same place.
            syntax::anchor(self.file, &whole, self.diagnostics);
            return;
        }
        self.diagnostics
            .error(&codes::YAML_ALIAS, span, format!("the alias `*{name}` has no anchor `&{name}` above it"))
            .help("mark the value it stands for with `&`, or write the value out")
            .help(format!("if it is meant as an expression or a text, put it in quotes: '*{name}'"));
    }

    fn alias(&mut self, id: usize, span: Span) -> bool {
        let Some(node) = self.anchors.get(&id) else {
            self.diagnostics
                .error(&codes::YAML_ALIAS, span, "this alias stands for a value that contains it")
                .help("write out what is meant");
            return self.add(lost(span), 0);
        };
        let (nodes, depth) = node.size();
        if self.nodes + nodes > SPEC_NODES_MAX {
            return self.too_large(span);
        }
        if self.open.len() + depth > SPEC_DEPTH_MAX {
            return self.too_deep(span);
        }
        let copy = node.clone();
        self.nodes += nodes;
        self.add(copy, 0)
    }

    fn begin(&mut self, open: Open) -> bool {
        if self.open.len() >= SPEC_DEPTH_MAX {
            return self.too_deep(Span::new(self.file, open.start, open.start + 1));
        }
        self.open.push(open);
        true
    }

    fn end(&mut self, at: usize) -> bool {
        let Some(open) = self.open.pop() else { return true };
        let last = match &open.what {
            OpenKind::Sequence(items) => items.last().map(|item| item.span.end),
            OpenKind::Mapping { pairs, .. } => {
                pairs.iter().map(|pair| pair.value.span.end.max(pair.key_span.end)).max()
            }
        };
        // A block ends where its last value does; the parser gives the start of what follows.
        let end = if open.flow { at } else { last.map_or(at, |last| (last as usize).max(open.start)) };
        let kind = match open.what {
            OpenKind::Sequence(items) => Kind::Sequence { items, flow: open.flow },
            OpenKind::Mapping { pairs, .. } => Kind::Mapping { pairs: own_keys_first(pairs), flow: open.flow },
        };
        self.add(Node { span: Span::new(self.file, open.start, end), kind, tag: open.tag }, open.anchor)
    }

    fn add(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if self.nodes > SPEC_NODES_MAX {
            return self.too_large(node.span);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.what) {
            None => self.root = Some(node),
            Some(OpenKind::Sequence(items)) => items.push(node),
            Some(OpenKind::Mapping { pairs, key }) => match key.take() {
                None => *key = Some(read_key(node, self.diagnostics)),
                Some(Key { merge: true, .. }) => merge(pairs, node, self.diagnostics),
                Some(Key { text: None, .. }) => {}
                Some(Key { text: Some(text), span, .. }) => {
                    pairs.push(Pair { key: text, key_span: span, value: node, merged: false })
                }
            },
        }
        true
    }

    fn too_large(&mut self, span: Span) -> bool {
        self.diagnostics
            .error(
                &codes::YAML_TOO_LARGE,
                span,
                format!("the file has more than {SPEC_NODES_MAX} values, aliases counted as what they stand for"),
            )
            .help("an alias that repeats aliases grows without bound: write out what is meant");
        false
    }

    fn too_deep(&mut self, span: Span) -> bool {
        self.diagnostics.error(&codes::YAML_TOO_DEEP, span, format!("values nest deeper than {SPEC_DEPTH_MAX} here"));
        false
    }
}

fn lost(span: Span) -> Node {
    Node { span, kind: Kind::Lost, tag: None }
}

fn read_key(node: Node, diagnostics: &mut Diagnostics) -> Key {
    match node.kind {
        Kind::Scalar(scalar) => {
            let merge = scalar.style == ScalarStyle::Plain && scalar.text == "<<";
            Key { text: Some(scalar.text), span: node.span, merge }
        }
        Kind::Lost => Key { text: None, span: node.span, merge: false },
        Kind::Sequence { .. } | Kind::Mapping { .. } => {
            let what = node.shape();
            diagnostics
                .error(&codes::YAML_KEY, node.span, format!("{what} cannot be a key"))
                .help("keys are texts; a template or an expression needs quotes");
            Key { text: None, span: node.span, merge: false }
        }
    }
}

/// A mapping's own keys take the place of those that it merged before them.
fn own_keys_first(mut pairs: Vec<Pair>) -> Vec<Pair> {
    if pairs.iter().any(|pair| pair.merged) {
        let own: HashSet<String> = pairs.iter().filter(|pair| !pair.merged).map(|pair| pair.key.clone()).collect();
        pairs.retain(|pair| !pair.merged || !own.contains(&pair.key));
    }
    pairs
}

/// `<<: *base` adds the keys that the mapping does not have. Those that come later in it replace what was added.
fn merge(pairs: &mut Vec<Pair>, node: Node, diagnostics: &mut Diagnostics) {
    let bases = match node.kind {
        Kind::Mapping { .. } => vec![node],
        Kind::Sequence { items, .. } => items,
        Kind::Lost => Vec::new(),
        Kind::Scalar(_) => vec![node],
    };
    let mut have: HashSet<String> = pairs.iter().map(|pair| pair.key.clone()).collect();
    for base in bases {
        match base.kind {
            Kind::Mapping { pairs: more, .. } => {
                for pair in more {
                    if have.insert(pair.key.clone()) {
                        pairs.push(Pair { merged: true, ..pair });
                    }
                }
            }
            _ => {
                diagnostics
                    .error(&codes::YAML_MERGE, base.span, "`<<` takes the keys of a mapping, and this is none")
                    .help("write an alias of a mapping: `<<: *base`");
            }
        }
    }
}
