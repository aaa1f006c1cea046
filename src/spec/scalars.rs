//! Single values: texts, numbers, durations and the like, with `${NAME}` filled in.

use std::path::Path;

use granit_parser::ScalarStyle;

use super::expr_text::{ExprText, Template, TemplatePart};
use super::reader::{At, Reader};
use super::table::Type;
use super::tree::{Kind, Node};
use super::units;
use super::value::{SecretRef, Value};
use crate::diagnostic::codes;

impl Reader<'_> {
    pub(super) fn scalar(&mut self, at: At<'_>, node: &Node, ty: &'static Type) -> Option<Value> {
        let text = self.filled(at, node, super::describe::shape(ty))?;
        if matches!(ty, Type::Bool | Type::Int { .. } | Type::Share) && is_quoted(node) && !self.was_filled(node) {
            let what = super::describe::shape(ty);
            self.diagnostics
                .error(&codes::WRONG_TYPE, text.span, format!("`{}` takes {what}, and this is a text in quotes", at.0))
                .help(format!("write it without quotes: `{}: {}`", at.0, short(&text.text)));
            return None;
        }
        let value = self.typed(&text, ty);
        if value.is_none() {
            self.unreadable(at, &text, ty);
        }
        value
    }

    fn typed(&self, text: &ExprText, ty: &'static Type) -> Option<Value> {
        let word = text.text.as_str();
        Some(match ty {
            Type::Bool => Value::Bool(match word {
                "true" | "True" | "TRUE" => true,
                "false" | "False" | "FALSE" => false,
                _ => return None,
            }),
            Type::Int { min, max } => Value::Int(int(word, *min, *max)?),
            Type::Share => Value::Share(float(word).filter(|share| (0.0..=1.0).contains(share))?),
            Type::Text => Value::Text(word.to_string()),
            Type::Id => Value::Text(Some(word).filter(|word| is_id(word))?.to_string()),
            Type::Name => Value::Text(Some(word).filter(|word| is_name(word))?.to_string()),
            Type::Path => Value::Path(self.resolve(Some(word).filter(|word| is_path(word))?)),
            Type::Glob => Value::Glob(glob(self.dir, word)?),
            Type::Duration => Value::Duration(units::duration(word)?),
            Type::Size => Value::Size(units::size(word)?),
            Type::Rate => Value::Rate(units::rate(word)?),
            Type::Choice(choices) => Value::Choice(choices.iter().find(|choice| choice.name == word)?.name),
            other => unreachable!("{other:?} is no single value"),
        })
    }

    fn unreadable(&mut self, at: At<'_>, text: &ExprText, ty: &'static Type) {
        let (key, written) = (at.0, short(&text.text));
        match ty {
            Type::Id => {
                self.id("an id", &text.text, text.span);
                return;
            }
            Type::Choice(choices) => return self.bad_choice(at, text, choices, ""),
            _ => {}
        }
        let takes = |what: String| format!("`{key}` takes {what}, and not `{written}`");
        let shape = super::describe::shape(ty).to_string();
        let (code, message, help) = match ty {
            Type::Bool => {
                let help = match written.to_lowercase().as_str() {
                    "yes" | "on" | "y" => format!("write `{key}: true`"),
                    "no" | "off" | "n" => format!("write `{key}: false`"),
                    _ => String::new(),
                };
                (&codes::BAD_VALUE, takes(shape), help)
            }
            Type::Int { min, max } => {
                let range = match (*min, *max) {
                    (min, i64::MAX) => format!("of at least {min}"),
                    (min, max) => format!("from {min} to {max}"),
                };
                (&codes::BAD_NUMBER, takes(format!("a whole number {range}")), String::new())
            }
            Type::Glob if is_path(&text.text) => {
                let why = glob::Pattern::new(&text.text).err().map_or("", |error| error.msg);
                let message = format!("`{key}` takes a path or pattern, and `{written}` is none: {why}");
                (&codes::BAD_PATTERN, message, "a bracket that stands for itself is written `[[]`".into())
            }
            Type::Share => (&codes::BAD_NUMBER, takes(shape), "a tenth is `0.1`".into()),
            Type::Name => (
                &codes::BAD_ID,
                format!("`{written}` cannot be the name of a topology"),
                "it starts with a letter or digit and goes on with letters, digits, `_`, `-` and `.`".into(),
            ),
            Type::Duration => {
                let number = !written.is_empty() && written.chars().all(|c| c.is_ascii_digit());
                let help = if number {
                    format!("add the unit: `{written}s` or `{written}ms`")
                } else if let Some(short) = units::shortened(&written) {
                    format!("write `{short}`")
                } else {
                    "write numbers with the units d, h, m, s, ms, the larger ones first: `5s`, `1h30m`, `250ms`".into()
                };
                (&codes::BAD_DURATION, takes(shape), help)
            }
            Type::Size => {
                (&codes::BAD_SIZE, takes(shape), "write a number with a unit: `512B`, `64KiB`, `16MiB`, `1GiB`".into())
            }
            Type::Rate => {
                (&codes::BAD_RATE, takes(shape), "write events for each unit of time: `100/s`, `5/m`, `1000/h`".into())
            }
            _ => (&codes::BAD_VALUE, takes(shape), String::new()),
        };
        let report = self.diagnostics.error(code, text.span, message);
        if !help.is_empty() {
            report.help(help);
        }
    }

    /// The text of a scalar with its `${NAME}`s filled in.
    pub(super) fn filled(&mut self, at: At<'_>, node: &Node, wanted: &str) -> Option<ExprText> {
        let mut text = self.raw_text(at, node, wanted)?;
        if let Some(filled) = self.fill(&text, 0, text.text.len())? {
            text.text = filled;
        }
        Some(text)
    }

    fn was_filled(&self, node: &Node) -> bool {
        matches!(&node.kind, Kind::Scalar(scalar) if scalar.text.contains("${"))
    }

    pub(super) fn fill_template(&mut self, template: Template, text: &ExprText) -> Option<Template> {
        let mut parts = Vec::new();
        let mut at = 0;
        for part in template.parts {
            match part {
                TemplatePart::Text(plain) => {
                    let from = text.text[at..].find(&plain).map_or(at, |found| at + found);
                    at = from + plain.len();
                    let filled = self.fill(text, from, at)?;
                    parts.push(TemplatePart::Text(filled.unwrap_or(plain)));
                }
                TemplatePart::Expr(expr) => {
                    at += text.text[at..].find("}}").map_or(0, |found| found + 2);
                    parts.push(TemplatePart::Expr(expr));
                }
            }
        }
        Some(Template { parts, span: template.span })
    }

    /// Fills `${NAME}` and `${NAME:-default}` in bytes `from..to` of a text; `$${` is a plain `${`. The outer None is an error
    /// that was reported, the inner one says that there was nothing to fill.
    fn fill(&mut self, text: &ExprText, from: usize, to: usize) -> Option<Option<String>> {
        let whole = &text.text[from..to];
        if !whole.contains("${") {
            return Some(None);
        }
        let mut out = String::new();
        let mut at = 0;
        let mut failed = false;
        while let Some(found) = whole[at..].find("${").map(|found| at + found) {
            if whole[..found].ends_with('$') {
                out.push_str(&whole[at..found - 1]);
                out.push_str("${");
                at = found + 2;
                continue;
            }
            out.push_str(&whole[at..found]);
            let close = whole[found..].find('}').map(|close| found + close);
            let span = text.span_of_bytes(from + found, from + close.map_or(whole.len(), |close| close + 1));
            let inner = close.map(|close| &whole[found + 2..close]);
            let (name, default) = match inner.map(|inner| inner.split_once(":-").unwrap_or((inner, "\0"))) {
                Some((name, "\0")) => (name, None),
                Some((name, default)) => (name, Some(default)),
                None => ("", None),
            };
            at = close.map_or(whole.len(), |close| close + 1);
            if !is_variable(name) {
                self.diagnostics
                    .error(&codes::ENV_SYNTAX, span, "this is no variable of the environment")
                    .help("write `${NAME}` or `${NAME:-default}`; for the two characters themselves write `$${`");
                failed = true;
                continue;
            }
            match ((self.env)(name), default) {
                (Some(value), _) => out.push_str(&value),
                (None, Some(default)) => out.push_str(default),
                (None, None) => {
                    self.diagnostics
                        .error(&codes::ENV_UNSET, span, format!("the environment variable `{name}` is not set"))
                        .help(format!("set it, or give a default: `${{{name}:-...}}`"));
                    failed = true;
                }
            }
        }
        out.push_str(&whole[at..]);
        if failed { None } else { Some(Some(out)) }
    }

    /// Any YAML, as JSON.
    pub(super) fn any(&mut self, node: &Node) -> Option<serde_json::Value> {
        match &node.kind {
            Kind::Sequence { items, .. } => {
                let items: Vec<Option<_>> = items.iter().map(|item| self.any(item)).collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(serde_json::Value::Array)
            }
            Kind::Mapping { .. } => {
                let mut object = serde_json::Map::new();
                for pair in self.pairs(("", node.span), node, &codes::DUPLICATE_KEY)? {
                    object.insert(pair.key.clone(), self.any(&pair.value)?);
                }
                Some(serde_json::Value::Object(object))
            }
            Kind::Lost => None,
            Kind::Scalar(_) if node.is_null() => Some(serde_json::Value::Null),
            Kind::Scalar(scalar) => {
                let text = self.filled(("", node.span), node, "a value")?;
                if scalar.style != ScalarStyle::Plain && !self.was_filled(node) {
                    return Some(text.text.into());
                }
                plain(&text.text).or_else(|| {
                    self.diagnostics.error(&codes::BAD_NUMBER, node.span, "infinity and not-a-number are no values");
                    None
                })
            }
        }
    }

    pub(super) fn secret(&mut self, at: At<'_>, node: &Node) -> Option<Value> {
        let Kind::Mapping { .. } = &node.kind else {
            if node.is_null() {
                self.wrong_type(at, node, "`{ env: NAME }` or `{ file: PATH }`");
                return None;
            }
            let variable = match &node.kind {
                Kind::Scalar(scalar) => scalar.text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')),
                _ => None,
            };
            let name = variable.map(|name| name.split(":-").next().unwrap_or(name)).filter(|name| is_variable(name));
            self.diagnostics.hide(node.span);
            self.diagnostics
                .error(
                    &codes::PLAIN_SECRET,
                    node.span,
                    format!("`{}` is a secret, and may not be written into the file", at.0),
                )
                .help(format!(
                    "name what holds it: `{0}: {{ env: {1} }}` or `{0}: {{ file: PATH }}`",
                    at.0,
                    name.unwrap_or("NAME")
                ));
            return None;
        };
        let pairs = self.pairs(at, node, &codes::DUPLICATE_KEY)?;
        for pair in &pairs {
            if !["env", "file"].contains(&pair.key.as_str()) {
                self.unknown_key(at.0, pair, ["env", "file"].into_iter());
            }
        }
        let known: Vec<_> = pairs.iter().filter(|pair| ["env", "file"].contains(&pair.key.as_str())).collect();
        let [pair] = known.as_slice() else {
            if known.len() < pairs.len() {
                return None; // A slip in the name has been told.
            }
            self.diagnostics
                .error(&codes::EXACTLY_ONE, node.span, format!("`{}` needs exactly one of `env` and `file`", at.0))
                .help("`{ env: NAME }` names a variable of the environment, `{ file: PATH }` a file");
            return None;
        };
        let text = self.filled((&pair.key, pair.key_span), &pair.value, "a text")?;
        if pair.key == "file" {
            let path = self.typed(&text, &Type::Path);
            return match path {
                Some(Value::Path(path)) => Some(Value::Secret(SecretRef::File(path))),
                _ => {
                    self.unreadable(("file", pair.key_span), &text, &Type::Path);
                    None
                }
            };
        }
        if !is_variable(&text.text) {
            self.diagnostics.error(
                &codes::BAD_VALUE,
                text.span,
                format!("`{}` cannot be the name of an environment variable", short(&text.text)),
            );
            return None;
        }
        Some(Value::Secret(SecretRef::Env(text.text)))
    }
}

fn is_quoted(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(scalar) if scalar.style != ScalarStyle::Plain)
}

/// The name of a variable of the environment.
fn is_variable(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `[a-z][a-z0-9_]*`
pub(super) fn is_id(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The id that comes nearest to a text.
pub(super) fn to_id(text: &str) -> String {
    let lower = text.trim().to_lowercase();
    lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A name that can be a folder's.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    text.len() <= 100
        && chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

/// The pattern with the folder before it, whose own name is no pattern.
fn glob(dir: &Path, text: &str) -> Option<String> {
    if !is_path(text) {
        return None;
    }
    glob::Pattern::new(text).ok()?;
    let text = text.strip_prefix("./").unwrap_or(text);
    let dir = dir.to_string_lossy();
    let absolute = Path::new(text).is_absolute() || dir.is_empty();
    let dir = if absolute { String::new() } else { glob::Pattern::escape(dir.trim_end_matches('/')) + "/" };
    Some(dir + text)
}

/// An integer of YAML's core schema within bounds.
pub(super) fn int(text: &str, min: i64, max: i64) -> Option<i64> {
    yaml_int(text).filter(|value| (min..=max).contains(value))
}

fn yaml_int(text: &str) -> Option<i64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok();
    }
    text.parse().ok()
}

/// A float of YAML's core schema; infinities and NaN are none.
fn float(text: &str) -> Option<f64> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    if numeric && digits { text.parse().ok().filter(|value: &f64| value.is_finite()) } else { None }
}

/// A plain scalar as YAML reads it. None for infinities and NaN, which JSON does not have.
pub(super) fn plain(text: &str) -> Option<serde_json::Value> {
    Some(match text {
        "" | "~" | "null" | "Null" | "NULL" => serde_json::Value::Null,
        "true" | "True" | "TRUE" => true.into(),
        "false" | "False" | "FALSE" => false.into(),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => {
            return None;
        }
        _ => match (yaml_int(text), float(text)) {
            (Some(int), _) => int.into(),
            (None, Some(float)) => float.into(),
            (None, None) => text.into(),
        },
    })
}

/// A text for a message: one line, not long.
pub(super) fn short(text: &str) -> String {
    const CHARS: usize = 60;
    let line = text.split(['\n', '\r']).next().unwrap_or("");
    let cut: String = line.chars().take(CHARS).collect();
    if cut.len() < text.trim_end().len() { cut + "..." } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_as_yaml_reads_them() {
        assert_eq!(plain("5"), Some(5.into()));
        assert_eq!(plain("0x1f"), Some(31.into()));
        assert_eq!(plain("1.5e3"), Some(1500.0.into()));
        assert_eq!(plain("yes"), Some("yes".into()));
        assert_eq!(plain("-"), Some("-".into()));
        assert_eq!(plain("1.2.3"), Some("1.2.3".into()));
        assert_eq!(plain("~"), Some(serde_json::Value::Null));
        assert_eq!(plain(".inf"), None);
        assert_eq!(plain("99999999999999999999"), Some(1e20.into()));
    }

    #[test]
    fn names_and_patterns() {
        assert!(is_id("a1_b") && !is_id("A") && !is_id("1a") && !is_id("") && !is_id("a-b"));
        assert_eq!(to_id("Card-In"), "card_in");
        assert!(is_name("fraud-2.1") && !is_name("../x") && !is_name("a/b") && !is_name(""));
        assert_eq!(glob(Path::new("a[1]"), "./x*.jsonl").as_deref(), Some("a[[]1[]]/x*.jsonl"));
        assert_eq!(glob(Path::new("a"), "/x").as_deref(), Some("/x"));
        assert_eq!(glob(Path::new(""), "x["), None);
    }
}
