//! Reads a mapping by its table: every value as its key's type says, every problem reported, defaults filled in.

use std::collections::HashMap;
use std::path::Path;

use granit_parser::ScalarStyle;
use indexmap::IndexMap;

use super::describe::elsewhere;
use super::eaten;
use super::expr_text::{ExprText, ScalarMap, Template};
use super::model::resolve;
use super::scalars;
use super::table::{Choice, Default, Key, Rule, Table, Type};
use super::tree::{Kind, Node, Pair, Scalar};
use super::value::{Entry, Item, NamedExpr, PortRef, Section, Value};
use crate::diagnostic::{Code, Diagnostics, Report, Span, codes, did_you_mean};
use crate::limits::NODES_MAX;

/// A key as it stands in the file, for messages about its value.
pub(super) type At<'a> = (&'a str, Span);

/// The key that was meant by a name that is none.
fn slip<'c>(name: &str, known: &[&'c str]) -> Option<&'c str> {
    elsewhere(name, known).or_else(|| did_you_mean(name, known.iter().copied()))
}

pub(super) struct Reader<'a> {
    pub text: &'a str,
    pub dir: &'a Path,
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub diagnostics: &'a mut Diagnostics,
    /// Values that could not be read and were reported before.
    pub lost: usize,
}

impl Reader<'_> {
    /// How many errors there are so far: more afterwards mean that something is broken.
    pub fn errors(&self) -> usize {
        self.lost + self.diagnostics.errors()
    }

    /// Reads a mapping all of whose keys are in the table. None if it is no mapping at all.
    pub fn section(&mut self, at: At<'_>, node: &Node, table: &'static Table) -> Option<Section> {
        if let Kind::Scalar(scalar) = &node.kind
            && !node.is_null()
        {
            self.no_tag(node);
            let report = self.wrong_type(at, node, "a mapping");
            if let Some(inner) = super::describe::in_braces(table, &scalar.text) {
                report.help(format!("for example `{}: {inner}`", at.0));
            }
            return None;
        }
        let pairs = self.pairs(at, node, &codes::DUPLICATE_KEY)?;
        let before = self.errors();
        for pair in &pairs {
            if table.key(&pair.key).is_none() {
                self.unknown_key(table.name, pair, table.keys.iter().map(|key| key.name));
            }
        }
        // `window:` without anything is shown by its key.
        let span = if node.is_null() { at.1 } else { node.span };
        let mut section = self.entries(span, table, &pairs);
        section.broken |= self.errors() > before;
        Some(section)
    }

    /// Reads those of the pairs that are keys of the table, and checks its rules.
    pub fn entries(&mut self, span: Span, table: &'static Table, pairs: &[&Pair]) -> Section {
        let before = self.errors();
        let mut section = Section::new(table, span);
        for pair in pairs {
            if let Some(key) = table.key(&pair.key)
                && let Some(value) = self.value((key.name, pair.key_span), &pair.value, &key.ty)
            {
                let item = Item { value, span: pair.value.span };
                section.entries.insert(key.name, Entry { key_span: pair.key_span, item, written: true });
            }
        }
        let written = |name: &str| pairs.iter().find(|pair| pair.key == name).map(|pair| pair.key_span);
        for key in table.keys {
            match key.default {
                // Also where what is written could not be read: a section whose keys all have defaults can always be used.
                Default::Value(text) if !section.entries.contains_key(key.name) => {
                    if let Some(value) = self.default(key, text) {
                        let item = Item { value, span };
                        section.entries.insert(key.name, Entry { key_span: span, item, written: false });
                    }
                }
                // Nodes are read, and missed, by whoever knows their tables.
                _ if matches!(key.ty, Type::Nodes) => {}
                _ if key.required && written(key.name).is_none() => self.missing_key(span, table, key, pairs),
                _ => {}
            }
        }
        for rule in table.rules {
            if let Rule::ExactlyOne(names) = rule
                && pairs.iter().any(|pair| table.key(&pair.key).is_none() && slip(&pair.key, names).is_some())
            {
                continue; // A slip in the name of one is told as such.
            }
            self.rule(span, table, rule, &written);
        }
        section.broken = self.errors() > before;
        section
    }

    fn default(&mut self, key: &'static Key, text: &'static str) -> Option<Value> {
        let kind = if text == "{}" {
            Kind::Mapping { pairs: Vec::new(), flow: true }
        } else {
            let place = ScalarMap::straight(0, text.len());
            Kind::Scalar(Scalar { text: text.to_string(), style: ScalarStyle::Plain, place })
        };
        self.value((key.name, Span::NONE), &Node { span: Span::NONE, kind, tag: None }, &key.ty)
    }

    fn missing_key(&mut self, span: Span, table: &'static Table, key: &'static Key, pairs: &[&Pair]) {
        let unknown = pairs.iter().filter(|pair| table.key(&pair.key).is_none());
        if unknown.into_iter().any(|pair| did_you_mean(&pair.key, [key.name]).is_some()) {
            return; // A slip in its name is told as such.
        }
        let report =
            self.diagnostics.error(&codes::MISSING_KEY, span, format!("`{}` needs the key `{}`", table.name, key.name));
        let doc = key.doc.split_once(". ").map_or(key.doc, |(first, _)| first).trim_end_matches('.');
        let report = report.help(doc);
        if let Some(example) = key.example {
            report.help(format!("for example `{}: {example}`", key.name));
        }
    }

    pub fn unknown_key<'c>(&mut self, place: &str, pair: &Pair, known: impl Iterator<Item = &'c str>) {
        let known: Vec<&str> = known.collect();
        let report =
            self.diagnostics.error(&codes::UNKNOWN_KEY, pair.key_span, format!("`{place}` has no key `{}`", pair.key));
        let near = slip(&pair.key, &known);
        match near {
            Some(near) => report.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => report.help("it has no keys at all: write `{}`"),
            None => report.help(format!("its keys are {}", list(&known))),
        };
    }

    /// The pairs of a mapping, the first of equal keys alone. Null is an empty mapping.
    pub fn pairs<'n>(&mut self, at: At<'_>, node: &'n Node, twice: &'static Code) -> Option<Vec<&'n Pair>> {
        self.no_tag(node);
        let pairs = match &node.kind {
            Kind::Mapping { pairs, .. } => pairs.as_slice(),
            Kind::Lost => {
                self.lost += 1;
                return None;
            }
            Kind::Scalar(_) if node.is_null() => &[],
            Kind::Scalar(_) | Kind::Sequence { .. } => {
                self.wrong_type(at, node, "a mapping");
                return None;
            }
        };
        let mut first: HashMap<&str, Span> = HashMap::new();
        let mut kept = Vec::new();
        for pair in pairs {
            match first.insert(&pair.key, pair.key_span) {
                None => kept.push(pair),
                Some(earlier) => {
                    first.insert(&pair.key, earlier);
                    self.diagnostics
                        .error(twice, pair.key_span, format!("`{}` is written twice", pair.key))
                        .also(earlier, "the first one is here")
                        .help("remove one of them, or rename it");
                }
            }
        }
        Some(kept)
    }

    pub fn wrong_type(&mut self, at: At<'_>, node: &Node, wanted: &str) -> Report<'_> {
        let span = if node.span.start == node.span.end { at.1 } else { node.span };
        if node.is_null() {
            self.diagnostics
                .error(&codes::EMPTY_VALUE, span, format!("`{}` takes {wanted}, and there is nothing", at.0))
                .help("write the value, or remove the key")
        } else {
            self.diagnostics.error(
                &codes::WRONG_TYPE,
                span,
                format!("`{}` takes {wanted}, and this is {}", at.0, node.shape()),
            )
        }
    }

    fn no_tag(&mut self, node: &Node) {
        if let Some(tag) = node.tag {
            self.diagnostics
                .error(&codes::YAML_TAG, tag, "YAML reads this as a tag, and tags mean nothing here")
                .help("remove it; if it belongs to a text, put the text in quotes");
        }
    }

    /// Reads a value as a type says. None if it could not be read; that was reported.
    pub fn value(&mut self, at: At<'_>, node: &Node, ty: &'static Type) -> Option<Value> {
        if matches!(node.kind, Kind::Lost) {
            self.lost += 1;
            return None;
        }
        match ty {
            Type::Expr => eaten::expression(self.text, at, node, self.diagnostics).map(Value::Expr),
            Type::ExprOrMap => match &node.kind {
                Kind::Mapping { .. } => self.exprs(at, node, false),
                Kind::Scalar(_) | Kind::Sequence { .. } | Kind::Lost => self.value(at, node, &Type::Expr),
            },
            Type::ExprMap => self.exprs(at, node, false),
            Type::PortMap => self.exprs(at, node, true),
            // `missing: null` is a word, whatever YAML reads.
            Type::Choice(choices) if node.is_null() && !is_blank(node) => {
                match choices.iter().find(|choice| choice.name == "null") {
                    Some(choice) => Some(Value::Choice(choice.name)),
                    None => self.scalar(at, node, ty),
                }
            }
            Type::Section(table) => self.sub_section(at, node, table),
            Type::OneOf(types) => self.one_of(at, node, types),
            Type::ListOf(item) => self.list(at, node, item),
            Type::MapOf(item) => self.map(at, node, item),
            Type::From => self.from(at, node),
            Type::Nodes => None,
            Type::Any => self.any(node).map(Value::Any),
            Type::Secret => self.secret(at, node),
            Type::Template => {
                let text = self.raw_text(at, node, "a text")?;
                self.template(at, &text).map(Value::Template)
            }
            _ => self.scalar(at, node, ty),
        }
    }

    fn sub_section(&mut self, at: At<'_>, node: &Node, table: &'static Table) -> Option<Value> {
        if node.is_null() && node.tag.is_none() && table.keys.iter().any(|key| key.required) {
            self.wrong_type(at, node, "a mapping");
            return None;
        }
        self.section(at, node, table).map(Value::Section)
    }

    /// The first alternative whose shape fits: a mapping is a section or expressions, a word one of the choices, anything
    /// else the first other type of a single value.
    fn one_of(&mut self, at: At<'_>, node: &Node, types: &'static [Type]) -> Option<Value> {
        let is_choice = |ty: &&Type| matches!(ty, Type::Choice(_));
        let is_map = |ty: &&Type| matches!(ty, Type::Section(_) | Type::ExprMap | Type::MapOf(_));
        let fits = match &node.kind {
            Kind::Mapping { .. } => types.iter().find(is_map),
            Kind::Sequence { .. } => types.iter().find(|ty| matches!(ty, Type::ListOf(_))),
            Kind::Lost => None,
            Kind::Scalar(scalar) => {
                let word = types.iter().find(
                    |ty| matches!(ty, Type::Choice(choices) if choices.iter().any(|choice| choice.name == scalar.text)),
                );
                let other = types.iter().find(|ty| !is_choice(ty) && !is_map(ty));
                word.or(other).or_else(|| types.iter().find(is_choice))
            }
        };
        match fits {
            Some(Type::Int { min, max }) => {
                // The message must name the words as well.
                let words =
                    types.iter().find_map(|ty| if let Type::Choice(choices) = ty { Some(*choices) } else { None });
                let text = self.filled(at, node, "a number")?;
                scalars::int(&text.text, *min, *max).map(Value::Int).or_else(|| {
                    self.bad_choice(at, &text, words.unwrap_or_default(), " or a number");
                    None
                })
            }
            Some(ty) => self.value(at, node, ty),
            None => {
                self.wrong_type(at, node, &super::describe::shape_of_any(types));
                None
            }
        }
    }

    fn list(&mut self, at: At<'_>, node: &Node, item: &'static Type) -> Option<Value> {
        let items: Vec<&Node> = match &node.kind {
            Kind::Sequence { items, .. } => items.iter().collect(),
            Kind::Scalar(_) | Kind::Mapping { .. } | Kind::Lost => vec![node],
        };
        self.no_tag(node);
        let read: Vec<Option<Item>> = items
            .into_iter()
            .map(|node| self.value(at, node, item).map(|value| Item { value, span: node.span }))
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(Value::List)
    }

    fn map(&mut self, at: At<'_>, node: &Node, item: &'static Type) -> Option<Value> {
        let mut map = IndexMap::new();
        for pair in self.pairs(at, node, &codes::DUPLICATE_KEY)? {
            if let Some(value) = self.value((&pair.key, pair.key_span), &pair.value, item) {
                map.insert(pair.key.clone(), Item { value, span: pair.value.span });
            }
        }
        Some(Value::Map(map))
    }

    fn exprs(&mut self, at: At<'_>, node: &Node, ports: bool) -> Option<Value> {
        let wanted = if ports { "a mapping of ports to expressions" } else { "a mapping of names to expressions" };
        if !matches!(node.kind, Kind::Mapping { .. }) {
            self.no_tag(node);
            let example = if ports { "large: event.amount > 100" } else { "id: event.user" };
            self.wrong_type(at, node, wanted).help(format!("for example `{}: {{ {example} }}`", at.0));
            return None;
        }
        let pairs = self.pairs(at, node, &codes::DUPLICATE_KEY)?;
        if pairs.is_empty() {
            self.diagnostics.error(
                &codes::EMPTY_VALUE,
                node.span,
                format!("`{}` takes {wanted}, and this is empty", at.0),
            );
            return None;
        }
        let mut exprs = Vec::new();
        for pair in pairs {
            if ports {
                self.port_name(pair);
            } else if pair.key.is_empty() {
                self.diagnostics.error(&codes::BAD_VALUE, pair.key_span, "a name cannot be empty");
            }
            if let Some(expr) = eaten::expression(self.text, (&pair.key, pair.key_span), &pair.value, self.diagnostics)
            {
                exprs.push(NamedExpr { name: pair.key.clone(), name_span: pair.key_span, expr });
            }
        }
        Some(Value::Exprs(exprs))
    }

    fn port_name(&mut self, pair: &Pair) {
        if pair.key == super::ERRORS || pair.key == super::OTHERWISE {
            self.diagnostics
                .error(&codes::BAD_ID, pair.key_span, format!("the port `{}` is there already", pair.key))
                .help("choose another name");
        } else {
            self.id("a port's name", &pair.key, pair.key_span);
        }
    }

    /// Reports what is no id.
    pub fn id(&mut self, what: &str, text: &str, span: Span) -> bool {
        if scalars::is_id(text) {
            return true;
        }
        let report = self.diagnostics.error(&codes::BAD_ID, span, format!("`{text}` cannot be {what}"));
        let near = scalars::to_id(text);
        let report = report.help("it starts with a small letter and goes on with small letters, digits and `_`");
        if scalars::is_id(&near) {
            report.help(format!("for example `{near}`"));
        }
        false
    }

    fn from(&mut self, at: At<'_>, node: &Node) -> Option<Value> {
        let Some(Value::List(items)) = self.list(at, node, &Type::Text) else { return None };
        if items.is_empty() {
            self.diagnostics.error(&codes::EMPTY_VALUE, node.span, "`from` is empty: nothing would ever arrive");
            return None;
        }
        if items.len() > NODES_MAX {
            self.diagnostics.error(
                &codes::TOO_MANY_NODES,
                node.span,
                format!("`from` names more ports than the {NODES_MAX} nodes that a topology may have"),
            );
            return None;
        }
        let mut refs: Vec<PortRef> = Vec::new();
        for item in items {
            let Value::Text(text) = item.value else { continue };
            let (id, port) = match text.split_once('.') {
                Some((id, port)) => (id, Some(port)),
                None => (text.as_str(), None),
            };
            if !scalars::is_id(id) || !port.is_none_or(scalars::is_id) {
                self.diagnostics
                    .error(&codes::BAD_VALUE, item.span, format!("`{text}` is no node and no port of one"))
                    .help("write the id of a source or stage (`velocity`), or one of its ports (`velocity.late`)");
                return None;
            }
            let next = PortRef { node: id.to_string(), port: port.map(str::to_string), span: item.span };
            if let Some(first) = refs.iter().find(|have| have.node == next.node && have.port == next.port) {
                self.diagnostics
                    .error(&codes::DUPLICATE_FROM, next.span, format!("`from` names `{text}` twice"))
                    .also(first.span, "the first one is here");
                continue;
            }
            refs.push(next);
        }
        Some(Value::From(refs))
    }

    /// The text of a scalar with its map, as it stands.
    pub fn raw_text(&mut self, at: At<'_>, node: &Node, wanted: &str) -> Option<ExprText> {
        self.no_tag(node);
        match &node.kind {
            Kind::Scalar(scalar) if !node.is_null() => {
                Some(ExprText::new(scalar.text.clone(), node.span, scalar.place.clone()))
            }
            Kind::Lost => None,
            Kind::Scalar(_) | Kind::Sequence { .. } | Kind::Mapping { .. } => {
                self.wrong_type(at, node, wanted);
                None
            }
        }
    }

    fn template(&mut self, at: At<'_>, text: &ExprText) -> Option<Template> {
        match Template::split(text) {
            Ok(template) => self.fill_template(template, text),
            Err(brace) => {
                self.diagnostics
                    .error(
                        &codes::BAD_TEMPLATE,
                        text.span_of_bytes(brace, brace + 2),
                        format!("the braces of the template `{}` do not match, or hold nothing", at.0),
                    )
                    .help("write `{{ expression }}` with both its braces; other text stands for itself");
                None
            }
        }
    }

    pub fn bad_choice(&mut self, at: At<'_>, text: &ExprText, choices: &'static [Choice], or: &str) {
        let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
        self.diagnostics
            .error(
                &codes::BAD_CHOICE,
                text.span,
                format!("`{}` takes {}{or}, and not `{}`", at.0, any_of(&names), scalars::short(&text.text)),
            )
            .suggest(&text.text, names);
    }

    pub fn resolve(&self, path: &str) -> std::path::PathBuf {
        resolve(self.dir, path)
    }
}

/// Whether nothing at all is written.
fn is_blank(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.is_empty())
}

/// `a`, `b` and `c`.
pub(super) fn list(names: &[&str]) -> String {
    join(names, "and")
}

/// `a`, `b` or `c`.
pub(super) fn any_of(names: &[&str]) -> String {
    join(names, "or")
}

fn join(names: &[&str], word: &str) -> String {
    match names {
        [] => "none".to_string(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} {word} `{last}`", first.join(", "))
        }
    }
}
