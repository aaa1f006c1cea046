//! What a node was lowered to, as a hash for each of its keys: the same for two nodes that do the same, however they are written.
//! Comments, quotes, the order of keys where it has no meaning, and the places of lines are no part of it.

use std::fmt::Write as _;
use std::path::Path;

use rapidhash::v3::rapidhash_v3;

use crate::event::encode::Format;
use crate::expr::Context;
use crate::operators::StageExpr;
use crate::spec::{ExprText, SecretRef, Section, SinkSpec, SourceSpec, StageSpec, TemplatePart, Value};

use super::{SinkNode, SourceNode, StageNode};

/// What a node does, apart from whom it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The stage kind or the connector.
    pub kind: &'static str,
    facts: Vec<Fact>,
}

/// What one key was lowered to. Keys whose order has a meaning stand in written order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    /// `window.aggregate.total`.
    key: String,
    hash: u64,
    /// Whether the connection to another system depends on it.
    connects: bool,
}

impl Identity {
    /// A hash of the whole.
    pub fn settings(&self) -> u64 {
        self.hash(|_| true)
    }

    /// A hash of what the connection depends on.
    pub fn connection(&self) -> u64 {
        self.hash(|fact| fact.connects)
    }

    fn hash(&self, of: impl Fn(&Fact) -> bool) -> u64 {
        let mut bytes = self.kind.as_bytes().to_vec();
        for fact in self.facts.iter().filter(|fact| of(fact)) {
            bytes.extend_from_slice(fact.key.as_bytes());
            bytes.extend_from_slice(&fact.hash.to_le_bytes());
        }
        rapidhash_v3(&bytes)
    }

    /// The keys that differ, in the order of the new one, then what is gone. A key stands for all below it.
    pub fn differences(&self, new: &Identity) -> Vec<String> {
        let find = |facts: &[Fact], key: &str| facts.iter().position(|fact| fact.key == key);
        let mut keys: Vec<&str> = Vec::new();
        let mut last = 0;
        let mut moved = None;
        for fact in &new.facts {
            match find(&self.facts, &fact.key) {
                Some(at) if self.facts[at].hash == fact.hash => {
                    if at < last {
                        moved.get_or_insert(fact.key.as_str());
                    }
                    last = last.max(at);
                }
                Some(_) => keys.push(&fact.key),
                None if is_limit(&fact.key) => {}
                None => keys.push(&fact.key),
            }
        }
        let gone = self.facts.iter().map(|fact| fact.key.as_str()).filter(|key| find(&new.facts, key).is_none());
        keys.extend(gone.filter(|key| !is_limit(key)));
        if let Some(moved) = moved.filter(|_| keys.is_empty()) {
            // Nothing else differs than the order: it is the order of the mapping that says something.
            return vec![format!("the order of `{}`", moved.rsplit_once('.').map_or(moved, |(above, _)| above))];
        }
        let below = |key: &str, above: &str| key.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
        keys.iter().filter(|key| !keys.iter().any(|above| below(key, above))).map(|key| (*key).to_string()).collect()
    }

    pub(super) fn of_source(spec: &SourceSpec, node: &SourceNode, scope: Scope<'_>) -> Identity {
        let exprs: Vec<&StageExpr> = node.time.expr().into_iter().chain(&node.key).collect();
        let mut facts = Facts::new(scope, &exprs);
        facts.connects = true;
        facts.section(spec.connector.name, &spec.config);
        facts.text("decode.framing", format!("{:?}", node.framing));
        facts.optional("start", spec.common.value("start"));
        facts.section_key("limits.line", scope.limits);
        facts.connects = false;
        // Written or not, it is decoded in the same way.
        facts.text("decode", node.format.identity());
        if let Some(schema) = &node.schema {
            facts.add("schema", schema.event_type.definition.identity());
            facts.text("validate", schema.full.to_string());
        }
        for key in ["time", "key", "watermark"] {
            facts.optional(key, spec.common.value(key));
        }
        facts.section_key("limits.depth", scope.limits);
        facts.finish(spec.connector.name)
    }

    pub(super) fn of_stage(spec: &StageSpec, node: &StageNode, scope: Scope<'_>) -> Identity {
        let exprs = node.stage.expressions();
        let mut facts = Facts::new(scope, &exprs);
        let (kind, config) = (spec.kind, &spec.config);
        facts.section(if kind.inline { "" } else { kind.name }, config);
        if kind.key("keys_max").is_some() && !config.is_written("keys_max") {
            facts.section_key("limits.keys", scope.limits);
        }
        if kind.key("aggregate").is_some() {
            facts.section_key("limits.distinct", scope.limits);
            facts.section_key("limits.collect", scope.limits);
        }
        facts.finish(kind.name)
    }

    pub(super) fn of_sink(spec: &SinkSpec, node: &SinkNode, scope: Scope<'_>) -> Identity {
        let exprs: Vec<&StageExpr> = node.expressions().collect();
        let mut facts = Facts::new(scope, &exprs);
        let system = spec.connector.name;
        facts.connects = true;
        facts.section(system, &spec.config);
        let default = if system == "file" { "exactly_once" } else { "at_least_once" };
        facts.text("delivery", spec.common.choice_opt("delivery").unwrap_or(default).to_string());
        // A container has one schema from its head on, and in a stream of bytes events are told apart in one way.
        facts.connects = node.plan.writes_lines() && matches!(node.encoding, Format::Packed(_));
        facts.text("encode", node.encoding.identity());
        facts.connects = false;
        for key in ["key", "headers", "batch", "retry"] {
            facts.optional(key, spec.common.value(key));
        }
        facts.finish(system)
    }

    pub(super) fn of_dead_letters(config: &Section, path: &Path, scope: Scope<'_>) -> Identity {
        let mut facts = Facts::new(scope, &[]);
        facts.connects = true;
        let path = facts.path(path);
        facts.text("dead_letters.path", path);
        facts.text("dead_letters.max", config.size("max").to_string());
        Identity { kind: "dead_letters", facts: facts.facts }
    }
}

/// The limits that every expression is under.
const EXPR_LIMITS: [&str; 4] = ["limits.string", "limits.array", "limits.map", "limits.operations"];

/// A limit comes and goes with the key that it limits, which says it all.
fn is_limit(key: &str) -> bool {
    key.starts_with("limits.")
}

/// What all nodes of a topology share.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub expr: &'a Context,
    pub limits: &'a Section,
    /// The topology's folder: two files in different folders that name files beside them say the same.
    pub dir: &'a Path,
}

/// Gathers the facts of a node.
struct Facts<'a> {
    scope: Scope<'a>,
    /// The node's compiled expressions.
    compiled: &'a [&'a StageExpr],
    facts: Vec<Fact>,
    connects: bool,
    has_expr: bool,
}

impl<'a> Facts<'a> {
    fn new(scope: Scope<'a>, compiled: &'a [&'a StageExpr]) -> Facts<'a> {
        Facts { scope, compiled, facts: Vec::new(), connects: false, has_expr: false }
    }

    fn add(&mut self, key: impl Into<String>, hash: u64) {
        self.facts.push(Fact { key: key.into(), hash, connects: self.connects });
    }

    fn text(&mut self, key: &str, text: String) {
        self.add(key, rapidhash_v3(text.as_bytes()));
    }

    /// `section.key` of a section that is not the node's own.
    fn section_key(&mut self, key: &str, section: &Section) {
        let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
        self.optional(key, section.value(name));
    }

    fn optional(&mut self, key: &str, value: Option<&Value>) {
        if let Some(value) = value {
            self.value(key, value);
        }
    }

    fn section(&mut self, key: &str, section: &Section) {
        for (name, value) in section.values() {
            let key = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
            self.value(&key, value);
        }
    }

    fn value(&mut self, key: &str, value: &Value) {
        if let Some(text) = self.leaf(value) {
            return self.text(key, text);
        }
        match value {
            Value::Section(section) => {
                self.text(key, "section".into());
                self.section(key, section);
            }
            Value::Exprs(exprs) => {
                let mut exprs: Vec<_> = exprs.iter().collect();
                if is_unordered(key) {
                    exprs.sort_by(|a, b| a.name.cmp(&b.name));
                }
                for named in exprs {
                    let hash = self.expression(&named.expr);
                    self.add(format!("{key}.{}", named.name), hash);
                }
            }
            Value::Map(items) => {
                let mut items: Vec<_> = items.iter().collect();
                items.sort_by(|a, b| a.0.cmp(b.0));
                items.into_iter().for_each(|(name, item)| self.value(&format!("{key}.{name}"), &item.value));
            }
            Value::List(items) => {
                items.iter().enumerate().for_each(|(i, item)| self.value(&format!("{key}.{i}"), &item.value));
            }
            // All others are leaves.
            _ => {}
        }
    }

    /// A value without keys, as a text that tells its type too; `None` for one that has keys. No place is in it.
    fn leaf(&mut self, value: &Value) -> Option<String> {
        Some(match value {
            Value::Section(_) | Value::Exprs(_) | Value::Map(_) => return None,
            Value::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(|item| self.leaf(&item.value)).collect();
                format!("list {:?}", items?)
            }
            Value::From(ports) => {
                let ports: Vec<_> = ports.iter().map(|from| (&from.node, &from.port)).collect();
                format!("from {ports:?}")
            }
            Value::Expr(expr) => format!("expr {}", self.expression(expr)),
            Value::Template(template) => {
                let mut text = String::from("template");
                for part in &template.parts {
                    let _ = match part {
                        TemplatePart::Text(part) => write!(text, " {}", self.path(Path::new(part))),
                        TemplatePart::Expr(expr) => write!(text, " {}", self.expression(expr)),
                    };
                }
                text
            }
            Value::Any(value) => format!("any {value}"),
            Value::Path(path) => self.path(path),
            Value::Glob(glob) => self.path(Path::new(glob)),
            Value::Secret(SecretRef::File(path)) => format!("secret {}", self.path(path)),
            Value::Bool(_)
            | Value::Int(_)
            | Value::Share(_)
            | Value::Text(_)
            | Value::Duration(_)
            | Value::Size(_)
            | Value::Rate(_)
            | Value::Choice(_)
            | Value::Secret(SecretRef::Env(_)) => format!("{value:?}"),
        })
    }

    /// As it was written: without the topology's folder, where it lies there.
    fn path(&self, path: &Path) -> String {
        let path = path.strip_prefix(self.scope.dir).unwrap_or(path);
        format!("{:?}", path.strip_prefix(".").unwrap_or(path))
    }

    /// What the text was compiled to; for an aggregate, whose parts are compiled, its tokens.
    fn expression(&mut self, text: &ExprText) -> u64 {
        self.has_expr = true;
        let compiled = self.compiled.iter().find(|expr| expr.expr().text() == text.text);
        compiled.map_or_else(|| self.scope.expr.identity(&text.text), |expr| expr.expr().identity())
    }

    fn finish(mut self, kind: &'static str) -> Identity {
        if self.has_expr {
            EXPR_LIMITS.iter().for_each(|key| self.section_key(key, self.scope.limits));
        }
        Identity { kind, facts: self.facts }
    }
}

/// Mappings whose written order changes nothing: every port that holds gets an event, and all columns must be equal.
fn is_unordered(key: &str) -> bool {
    matches!(key, "fan_out" | "enrich.on")
}
