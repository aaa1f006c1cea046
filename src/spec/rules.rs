//! What must hold between the keys of one mapping.

use super::reader::{Reader, any_of, list};
use super::table::{Rule, Table};
use crate::diagnostic::{Span, codes};

impl Reader<'_> {
    /// Reports a rule that the written keys do not keep.
    pub(super) fn rule(&mut self, span: Span, table: &Table, rule: &Rule, written: &dyn Fn(&str) -> Option<Span>) {
        let found = |names: &'static [&'static str]| -> Vec<(&'static str, Span)> {
            names.iter().filter_map(|name| written(name).map(|span| (*name, span))).collect()
        };
        let name = table.name;
        match rule {
            Rule::ExactlyOne(names) => match found(names).as_slice() {
                [] => {
                    let message = format!("`{name}` needs exactly one of {}, and has none", list(names));
                    let report = self.diagnostics.error(&codes::EXACTLY_ONE, span, message);
                    let first = names.first().and_then(|name| table.key(name));
                    if let Some((key, example)) = first.and_then(|key| Some((key, key.example?))) {
                        report.help(format!("for example `{}: {example}`", key.name));
                    }
                }
                [_] => {}
                [first, second, ..] => {
                    self.diagnostics
                        .error(
                            &codes::EXACTLY_ONE,
                            second.1,
                            format!("`{name}` needs exactly one of {}, and has several", list(names)),
                        )
                        .also(first.1, "the first one")
                        .help("keep one of them");
                }
            },
            Rule::AtMostOne(names) => {
                if let [first, second, ..] = found(names).as_slice() {
                    self.diagnostics
                        .error(
                            &codes::NOT_TOGETHER,
                            second.1,
                            format!("`{}` and `{}` cannot be used together", first.0, second.0),
                        )
                        .also(first.1, format!("`{}` is here", first.0))
                        .help("remove one of them");
                }
            }
            Rule::AtLeastOne(names) => {
                if found(names).is_empty() {
                    self.diagnostics.error(
                        &codes::AT_LEAST_ONE,
                        span,
                        format!("`{name}` needs {}, and has none", any_of(names)),
                    );
                }
            }
            Rule::Needs(key, other) => {
                if let (Some(span), None) = (written(key), written(other)) {
                    self.diagnostics.error(
                        &codes::NEEDS_KEY,
                        span,
                        format!("`{key}` makes sense only together with `{other}`, which is not there"),
                    );
                }
            }
        }
    }
}
