//! What a mapping of the file says, read by its table: typed values with places, defaults filled in.

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use super::expr_text::{ExprText, Template, TemplatePart};
use super::table::Table;
use super::units::Rate;
use crate::diagnostic::Span;

/// A value read as its key's type says.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Share(f64),
    /// `Text` and `Id`.
    Text(String),
    /// Resolved against the folder of the topology's file.
    Path(PathBuf),
    /// The pattern, resolved against the folder of the topology's file.
    Glob(String),
    Duration(Duration),
    Size(u64),
    Rate(Rate),
    Choice(&'static str),
    Expr(ExprText),
    /// `ExprMap` and `PortMap`, in written order.
    Exprs(Vec<NamedExpr>),
    Template(Template),
    Section(Section),
    List(Vec<Item>),
    Map(IndexMap<String, Item>),
    From(Vec<PortRef>),
    Any(serde_json::Value),
    Secret(SecretRef),
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub value: Value,
    pub span: Span,
}

/// `name: expr` of a mapping of expressions.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedExpr {
    pub name: String,
    pub name_span: Span,
    pub expr: ExprText,
}

/// One expression, or one for each name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OneOrNamed<'a> {
    One(&'a ExprText),
    Named(&'a [NamedExpr]),
}

/// What `from` names: a node, and one of its ports.
#[derive(Clone, Debug, PartialEq)]
pub struct PortRef {
    pub node: String,
    /// None is the node's main port.
    pub port: Option<String>,
    pub span: Span,
}

/// Where a secret is; it is read when a connection is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
}

/// A secret's text. It has no `Debug` and no `Display`, so that it cannot get into a log or an error.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the connection that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl SecretRef {
    /// Reads the secret. A file's last line end is not part of it. The error names the place, never the content.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            SecretRef::Env(name) => std::env::var(name).map(Secret).map_err(|_| {
                format!("the environment variable `{name}`, which holds a secret, is not set or not UTF-8")
            }),
            SecretRef::File(path) => std::fs::read_to_string(path)
                .map(|text| Secret(text.trim_end_matches(['\n', '\r']).to_string()))
                .map_err(|error| format!("the secret's file {} cannot be read: {error}", path.display())),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key_span: Span,
    pub item: Item,
    /// False for a default.
    pub written: bool,
}

/// A mapping read by its table.
///
/// The getters without `_opt` are for keys that are required or have a default. They, and names or types that the table
/// does not have, panic: that is a mistake in the code, not in the file. A section with `broken` set lacks values.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    pub table: &'static Table,
    /// The mapping, or for a stage of an inline kind the whole stage.
    pub span: Span,
    /// Something in it, or below it, could not be read, and was reported.
    pub broken: bool,
    pub(super) entries: IndexMap<&'static str, Entry>,
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $opt:ident, $variant:ident => $ty:ty, |$v:ident| $out:expr;)*) => {
        $($(#[$doc])* pub fn $name(&self, key: &str) -> $ty {
            self.$opt(key).unwrap_or_else(|| self.absent(key))
        }
        /// The same for a key that may be absent.
        pub fn $opt(&self, key: &str) -> Option<$ty> {
            self.value(key).map(|value| -> $ty {match value {
                Value::$variant($v) => $out,
                other => self.mistyped(key, other),
            }})
        })*
    };
}

impl Section {
    pub(super) fn new(table: &'static Table, span: Span) -> Self {
        Section { table, span, broken: false, entries: IndexMap::new() }
    }

    getters! {
        bool, bool_opt, Bool => bool, |v| *v;
        int, int_opt, Int => i64, |v| *v;
        share, share_opt, Share => f64, |v| *v;
        text, text_opt, Text => &str, |v| v;
        path, path_opt, Path => &std::path::Path, |v| v;
        glob, glob_opt, Glob => &str, |v| v;
        duration, duration_opt, Duration => Duration, |v| *v;
        size, size_opt, Size => u64, |v| *v;
        rate, rate_opt, Rate => Rate, |v| *v;
        choice, choice_opt, Choice => &'static str, |v| *v;
        expr, expr_opt, Expr => &ExprText, |v| v;
        /// `ExprMap` and `PortMap`.
        exprs, exprs_opt, Exprs => &[NamedExpr], |v| v;
        template, template_opt, Template => &Template, |v| v;
        section, section_opt, Section => &Section, |v| v;
        list, list_opt, List => &[Item], |v| v;
        map, map_opt, Map => &IndexMap<String, Item>, |v| v;
        any, any_opt, Any => &serde_json::Value, |v| v;
        secret, secret_opt, Secret => &SecretRef, |v| v;
    }

    /// An `ExprOrMap`.
    pub fn one_or_named(&self, key: &str) -> OneOrNamed<'_> {
        self.one_or_named_opt(key).unwrap_or_else(|| self.absent(key))
    }

    /// An `ExprOrMap` that may be absent.
    pub fn one_or_named_opt(&self, key: &str) -> Option<OneOrNamed<'_>> {
        self.value(key).map(|value| match value {
            Value::Expr(expr) => OneOrNamed::One(expr),
            Value::Exprs(exprs) => OneOrNamed::Named(exprs),
            other => self.mistyped(key, other),
        })
    }

    /// A list of `Text`s.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        let items = self.list_opt(key).unwrap_or_default();
        let text = |item: &'_ Item| matches!(item.value, Value::Text(_));
        assert!(items.iter().all(text), "`{key}` of `{}` is no list of texts", self.table.name);
        items
            .iter()
            .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The value of a key, written or filled in; for `OneOf`, whose alternatives the caller tells apart.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.known(key);
        self.entries.get(key).map(|entry| &entry.item.value)
    }

    /// Every value that is there, written or filled in, in the order of the table.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.table.keys.iter().filter_map(|key| Some((key.name, &self.entries.get(key.name)?.item.value)))
    }

    /// Whether the file has the key. Defaults do not count.
    pub fn is_written(&self, key: &str) -> bool {
        self.known(key);
        self.entries.get(key).is_some_and(|entry| entry.written)
    }

    /// The place of a key's value; the section's own, where the value is a default or absent.
    pub fn span_of(&self, key: &str) -> Span {
        self.known(key);
        self.entries.get(key).filter(|entry| entry.written).map_or(self.span, |entry| entry.item.span)
    }

    /// The place of a key's name; the section's own, where it is not written.
    pub fn key_span_of(&self, key: &str) -> Span {
        self.known(key);
        self.entries.get(key).filter(|entry| entry.written).map_or(self.span, |entry| entry.key_span)
    }

    /// Every expression in the section and below it, with the path of its key (`window.aggregate.total`).
    pub fn each_expr<'a>(&'a self, visit: &mut dyn FnMut(&str, &'a ExprText)) {
        self.exprs_below("", visit);
    }

    fn exprs_below<'a>(&'a self, prefix: &str, visit: &mut dyn FnMut(&str, &'a ExprText)) {
        for (key, entry) in &self.entries {
            let path = if prefix.is_empty() { (*key).to_string() } else { format!("{prefix}.{key}") };
            exprs_of(&entry.item.value, &path, visit);
        }
    }

    fn known(&self, key: &str) {
        assert!(self.table.key(key).is_some(), "the table `{}` has no key `{key}`", self.table.name);
    }

    fn absent<T>(&self, key: &str) -> T {
        panic!("`{key}` of `{}` was not read: it is optional, or the section is broken", self.table.name)
    }

    fn mistyped<T>(&self, key: &str, value: &Value) -> T {
        panic!("`{key}` of `{}` is asked for as another type than {value:?}", self.table.name)
    }
}

fn exprs_of<'a>(value: &'a Value, path: &str, visit: &mut dyn FnMut(&str, &'a ExprText)) {
    match value {
        Value::Expr(expr) => visit(path, expr),
        Value::Exprs(exprs) => {
            for named in exprs {
                visit(&format!("{path}.{}", named.name), &named.expr);
            }
        }
        Value::Template(template) => {
            for part in &template.parts {
                if let TemplatePart::Expr(expr) = part {
                    visit(path, expr);
                }
            }
        }
        Value::Section(section) => section.exprs_below(path, visit),
        Value::List(items) => items.iter().for_each(|item| exprs_of(&item.value, path, visit)),
        Value::Map(items) => {
            items.iter().for_each(|(name, item)| exprs_of(&item.value, &format!("{path}.{name}"), visit));
        }
        _ => {}
    }
}
