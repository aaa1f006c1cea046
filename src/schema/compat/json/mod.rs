//! JSON Schema by the rules of Confluent's Schema Registry: what is asked may be relaxed, and properties may come and go as the content
//! model allows. An object that lets other properties through (`additionalProperties` is not `false`) is *open*: a property cannot be
//! added to it, as a writer may have written anything under that name. The names of findings are the registry's.
//!
//! Where the registry looks at nothing, a finding says so as a caution, but for `required` names that have no property: it lets them be
//! added, and no event without them could be read, so here they break.

mod array;
mod object;
mod view;

use std::collections::HashSet;

use serde_json::{Map, Value};

pub(in crate::schema) use self::view::followed;
use self::view::{Criterion, View, view};
use super::findings::{Finding, Findings, Pairs, Severity};
use crate::limits::{COMPAT_BRANCHES_MAX, COMPAT_DEPTH_MAX, COMPAT_STEPS_MAX};
use crate::schema::JsonSchema;

/// What stands in the way of reading what `writer` wrote by `reader`.
pub(super) fn can_read(reader: &JsonSchema, writer: &JsonSchema) -> Vec<Finding> {
    let mut comparison = Comparison {
        reader: reader.document(),
        writer: writer.document(),
        path: "#".to_owned(),
        pairs: Pairs::new(),
        findings: Findings::default(),
        depth: 0,
        steps: 0,
    };
    comparison.schema(writer.document(), reader.document());
    comparison.findings.into_list()
}

struct Comparison<'d> {
    reader: &'d Value,
    writer: &'d Value,
    /// Where in the schemas: `#/properties/user`.
    path: String,
    /// By their addresses. In a `not` the writer's is the reader's, and the two are another pair.
    pairs: Pairs<*const Value>,
    findings: Findings,
    depth: usize,
    steps: usize,
}

/// The writer's first, then the reader's, as what is read was written before.
impl<'d> Comparison<'d> {
    /// Compares two schemas of the documents.
    fn schema(&mut self, written: &'d Value, read: &'d Value) -> bool {
        let (written, read) = (followed(self.writer, written), followed(self.reader, read));
        let pair = (std::ptr::from_ref(written), std::ptr::from_ref(read));
        let begun = match self.pairs.begin(pair, &self.findings) {
            Ok(begun) => begun,
            Err(known) => return known.again(&self.path, &mut self.findings),
        };
        let readable = match (view(self.writer, written), view(self.reader, read)) {
            (Some(before), Some(after)) => {
                self.cautions(written, read);
                self.views(&before, &after)
            }
            _ => {
                let text = "a reference leads out of the schema, which cannot be followed here";
                self.breaks("REFERENCE_UNKNOWN", text, "move what it refers to into `$defs`")
            }
        };
        self.pairs.end(pair, begun, readable, &self.findings);
        readable
    }

    fn views(&mut self, written: &View<'d>, read: &View<'d>) -> bool {
        match (written, read) {
            (View::Schema(written), View::Schema(read)) => return self.schema(written, read),
            (View::Schema(written), read) => {
                let Some(written) = view(self.writer, written) else { return self.lost() };
                return self.views(&written, read);
            }
            (written, View::Schema(read)) => {
                let Some(read) = view(self.reader, read) else { return self.lost() };
                return self.views(written, &read);
            }
            _ => {}
        }
        self.steps += 1;
        if self.steps > COMPAT_STEPS_MAX || self.depth >= COMPAT_DEPTH_MAX {
            let text = "the two versions are too large or too deep to be compared";
            return self.breaks("TOO_COMPLEX", text, "split the event type into smaller ones");
        }
        self.depth += 1;
        let readable = self.simple_and_combined(written, read).unwrap_or_else(|| self.kinds(written, read));
        self.depth -= 1;
        readable
    }

    fn lost(&mut self) -> bool {
        self.breaks("REFERENCE_UNKNOWN", "a reference cannot be followed", "move what it refers to into `$defs`")
    }

    /// One schema against several combined, where that decides it.
    fn simple_and_combined(&mut self, written: &View<'d>, read: &View<'d>) -> Option<bool> {
        let before = self.findings.mark();
        match (written, read) {
            (View::Combined(..), View::Combined(..)) => return None,
            (written, View::Combined(criterion, parts)) => {
                if parts.len() > 1 && *criterion == Criterion::All {
                    return None;
                }
                for part in parts {
                    if self.views(written, part) {
                        return Some(true);
                    }
                    self.findings.take_since(before);
                }
            }
            (View::Combined(_, parts), read) => {
                if let [only] = parts.as_slice() {
                    if self.views(only, read) {
                        return Some(true);
                    }
                    self.findings.take_since(before);
                }
            }
            _ => {}
        }
        None
    }

    fn kinds(&mut self, written: &View<'d>, read: &View<'d>) -> bool {
        match (written, read) {
            (View::Never, _) | (_, View::Any) | (View::Null, View::Null) | (View::Boolean, View::Boolean) => true,
            (View::String(written), View::String(read)) => self.strings(written, read),
            (View::Number { keywords: written, integer }, View::Number { keywords: read, integer: only }) => {
                let numbers = self.numbers(written, read);
                if *only && !integer {
                    let text = "any number is written, and only integers are read";
                    return self.breaks("TYPE_NARROWED", text, "keep `number`");
                }
                numbers
            }
            (View::Object(written), View::Object(read)) => self.objects(written, read),
            (View::Array(written), View::Array(read)) => self.arrays(written, read),
            (View::Enum(written), View::Enum(read)) => self.enums(written, read),
            (View::Const(written), View::Const(read)) => {
                let text = format!("{:.40} is written, and only {:.40} is read", written.to_string(), read.to_string());
                written == read || self.breaks("ENUM_ARRAY_CHANGED", text, "keep the constant, or use an `enum`")
            }
            (View::Not(written), View::Not(read)) => {
                let before = self.findings.mark();
                // What is not allowed is read the other way round: the reader's must be within the writer's. Their documents change
                // sides too.
                std::mem::swap(&mut self.reader, &mut self.writer);
                let narrower = self.schema(read, written);
                std::mem::swap(&mut self.reader, &mut self.writer);
                self.findings.take_since(before);
                let text = "`not` excludes more than it did";
                narrower || self.breaks("NOT_TYPE_EXTENDED", text, "exclude no more than the older version does")
            }
            (View::Combined(how, written), View::Combined(criterion, read)) => {
                self.combined(*how, written, *criterion, read)
            }
            (written, read) => {
                let text = format!("{} is written, and {} is read", written.described(), read.described());
                let help = "keep the type, or let the reader take both: `\"type\": [...]`, `anyOf`";
                self.breaks("TYPE_CHANGED", text, help)
            }
        }
    }

    fn combined(&mut self, how: Criterion, written: &[View<'d>], criterion: Criterion, read: &[View<'d>]) -> bool {
        let single = |parts: &[View<'_>]| parts.len() == 1;
        let allowed = match criterion {
            _ if how == criterion => true,
            Criterion::Any => true,
            Criterion::One => single(written),
            Criterion::All => single(written) && single(read),
        };
        if !allowed {
            let text = format!("`{}` became `{}`", how.keyword(), criterion.keyword());
            return self.breaks(
                "COMBINED_TYPE_CHANGED",
                text,
                "keep the keyword; only `anyOf` asks for less than the others",
            );
        }
        let (written, read) = (distinct(written), distinct(read));
        if written.len().max(read.len()) > COMPAT_BRANCHES_MAX {
            let text = format!("more than {COMPAT_BRANCHES_MAX} schemas are combined");
            return self.breaks("TOO_COMPLEX", text, "split the event type into smaller ones");
        }
        let mut readable = true;
        if criterion == Criterion::All && written.len() < read.len() {
            let text = "the reader asks for more schemas to fit than the writer did";
            readable = self.breaks("PRODUCT_TYPE_EXTENDED", text, "ask for no more than the older version does");
        }
        if criterion != Criterion::All && written.len() > read.len() {
            let text = format!("{} kinds of values are written, and {} are read", written.len(), read.len());
            readable = self.breaks("SUM_TYPE_NARROWED", text, "keep the kinds that were there");
        }
        self.matched(how, &written, &read) && readable
    }

    /// Each schema of the shorter list must have one of the other that it goes with, no two the same.
    fn matched(&mut self, how: Criterion, written: &[View<'d>], read: &[View<'d>]) -> bool {
        let mut edges = vec![Vec::new(); written.len()];
        let mut alike = Vec::new();
        for (at, before) in written.iter().enumerate() {
            for (to, after) in read.iter().enumerate() {
                let mark = self.findings.mark();
                let goes = match before {
                    View::Schema(_) => self.within(&format!("{}/{at}", how.keyword()), |all| all.views(before, after)),
                    // Keywords of one schema, which have no place of their own.
                    _ => self.views(before, after),
                };
                if goes {
                    edges[at].push(to);
                }
                let why = self.findings.take_since(mark);
                if self.are_alike(before, after) {
                    alike.push((at, to, why));
                }
            }
        }
        let partner = maximum_matching(&edges, read.len());
        if partner.iter().flatten().count() >= written.len().min(read.len()) {
            return true;
        }
        // What is wrong with two that look alike says more than that no two go together.
        let taken: HashSet<usize> = partner.iter().flatten().copied().collect();
        alike.retain(|(at, to, _)| !taken.contains(at) && partner[*to].is_none());
        let why: Vec<Finding> = alike.into_iter().flat_map(|(_, _, why)| why).collect();
        if why.iter().any(|finding| finding.severity == Severity::Breaks) {
            why.into_iter().for_each(|finding| self.findings.add(finding));
            return false;
        }
        let text = "of the combined schemas, some of those written go with none of those read";
        self.breaks(
            "COMBINED_TYPE_SUBSCHEMAS_CHANGED",
            text,
            "keep the schemas that were there, and relax or add others",
        )
    }

    /// Whether two schemas are of one kind.
    fn are_alike(&self, written: &View<'d>, read: &View<'d>) -> bool {
        let kind = |document, view: &View<'d>| match view {
            View::Schema(schema) => self::view(document, schema).map(|view| std::mem::discriminant(&view)),
            view => Some(std::mem::discriminant(view)),
        };
        kind(self.writer, written) == kind(self.reader, read)
    }

    fn enums(&mut self, written: &[Value], read: &[Value]) -> bool {
        let missing: Vec<String> = written
            .iter()
            .filter(|value| !read.contains(value))
            .map(|value| format!("{:.40}", value.to_string()))
            .collect();
        if missing.is_empty() {
            return true;
        }
        let rule = match read.iter().all(|value| written.contains(value)) {
            true => "ENUM_ARRAY_NARROWED",
            false => "ENUM_ARRAY_CHANGED",
        };
        let missing = missing.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        self.breaks(
            rule,
            format!("{missing} may be written, and the reader does not know it"),
            "keep all values of the `enum`",
        )
    }

    fn strings(&mut self, written: &Map<String, Value>, read: &Map<String, Value>) -> bool {
        let lengths = self.at_most(written, read, "maxLength", "MAX_LENGTH_ADDED", "MAX_LENGTH_DECREASED")
            & self.at_least(written, read, "minLength", "MIN_LENGTH_ADDED", "MIN_LENGTH_INCREASED");
        let help = "ask for no more than the older version does";
        let pattern = match (written.get("pattern"), read.get("pattern")) {
            (_, None) => true,
            (None, Some(pattern)) => {
                let text = format!("any string is written, and only those that match {pattern} are read");
                self.breaks("PATTERN_ADDED", text, help)
            }
            (Some(before), Some(after)) => {
                let text = format!("what is read matches {after}, and what is written {before}");
                before == after || self.breaks("PATTERN_CHANGED", text, help)
            }
        };
        lengths && pattern
    }

    fn numbers(&mut self, written: &Map<String, Value>, read: &Map<String, Value>) -> bool {
        let bounds = self.at_most(written, read, "maximum", "MAXIMUM_ADDED", "MAXIMUM_DECREASED")
            & self.at_least(written, read, "minimum", "MINIMUM_ADDED", "MINIMUM_INCREASED")
            & self.at_most(written, read, "exclusiveMaximum", "EXCLUSIVE_MAXIMUM_ADDED", "EXCLUSIVE_MAXIMUM_DECREASED")
            & self.at_least(
                written,
                read,
                "exclusiveMinimum",
                "EXCLUSIVE_MINIMUM_ADDED",
                "EXCLUSIVE_MINIMUM_INCREASED",
            );
        let of = |keywords: &Map<String, Value>| keywords.get("multipleOf").and_then(Value::as_f64);
        let multiple = match (of(written), of(read)) {
            (_, None) => true,
            (None, Some(of)) => {
                let text = format!("any number is written, and only multiples of {of} are read");
                self.breaks("MULTIPLE_OF_ADDED", text, "leave out `multipleOf`")
            }
            (Some(before), Some(after)) if is_multiple(before, after) => true,
            (Some(before), Some(after)) => {
                let rule = if is_multiple(after, before) { "MULTIPLE_OF_EXPANDED" } else { "MULTIPLE_OF_CHANGED" };
                let text = format!("multiples of {before} are written, and multiples of {after} are read");
                self.breaks(rule, text, "choose a divisor of the older version's `multipleOf`")
            }
        };
        bounds && multiple
    }

    /// A bound from above may go or be raised.
    fn at_most(
        &mut self,
        written: &Map<String, Value>,
        read: &Map<String, Value>,
        keyword: &str,
        added: &'static str,
        decreased: &'static str,
    ) -> bool {
        self.bound(written, read, keyword, added, decreased, |before, after| after >= before)
    }

    /// A bound from below may go or be lowered.
    fn at_least(
        &mut self,
        written: &Map<String, Value>,
        read: &Map<String, Value>,
        keyword: &str,
        added: &'static str,
        increased: &'static str,
    ) -> bool {
        self.bound(written, read, keyword, added, increased, |before, after| after <= before)
    }

    fn bound(
        &mut self,
        written: &Map<String, Value>,
        read: &Map<String, Value>,
        keyword: &str,
        added: &'static str,
        tightened: &'static str,
        is_wider: fn(f64, f64) -> bool,
    ) -> bool {
        let of = |keywords: &Map<String, Value>| keywords.get(keyword).and_then(Value::as_f64);
        let help = "ask for no more than the older version does";
        match (of(written), of(read)) {
            (_, None) => true,
            (None, Some(after)) => {
                let text = format!("the reader asks for a `{keyword}` of {after}, and the writer has none");
                self.within(keyword, |all| all.breaks(added, text, help))
            }
            (Some(before), Some(after)) if is_wider(before, after) => true,
            (Some(before), Some(after)) => {
                let text = format!("the reader's `{keyword}` is {after}, and the writer's {before}");
                self.within(keyword, |all| all.breaks(tightened, text, help))
            }
        }
    }

    /// Keywords that the rules do not look at.
    fn cautions(&mut self, written: &Value, read: &Value) {
        const NOT_COMPARED: [&str; 9] = [
            "format",
            "patternProperties",
            "propertyNames",
            "unevaluatedProperties",
            "unevaluatedItems",
            "contains",
            "if",
            "then",
            "else",
        ];
        for keyword in NOT_COMPARED {
            if read.get(keyword).is_some_and(|after| written.get(keyword) != Some(after)) {
                let text = format!("`{keyword}` is not what it was; what that means for events is not compared");
                self.findings.add(Finding::caution("NOT_COMPARED", &self.path, text));
            }
        }
    }

    fn breaks(&mut self, rule: &'static str, text: impl Into<String>, help: &str) -> bool {
        self.findings.add(Finding::breaks(rule, &self.path, text).help(help));
        false
    }

    fn within<T>(&mut self, step: &str, go_on: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        self.path.push('/');
        self.path.push_str(step);
        let done = go_on(self);
        self.path.truncate(before);
        done
    }
}

/// Without those that come twice.
fn distinct<'d>(views: &[View<'d>]) -> Vec<View<'d>> {
    let mut kept: Vec<View<'d>> = Vec::new();
    for view in views.iter().take(COMPAT_BRANCHES_MAX + 1) {
        if !kept.contains(view) {
            kept.push(view.clone());
        }
    }
    kept
}

fn is_multiple(of: f64, by: f64) -> bool {
    let times = of / by;
    (times - times.round()).abs() < 1e-9
}

/// The largest set of edges no two of which share an end (Kuhn's algorithm): for each right end its left one.
fn maximum_matching(edges: &[Vec<usize>], right: usize) -> Vec<Option<usize>> {
    let mut partner = vec![None; right];
    for left in 0..edges.len() {
        augment(edges, left, &mut vec![false; right], &mut partner);
    }
    partner
}

fn augment(edges: &[Vec<usize>], left: usize, seen: &mut [bool], partner: &mut [Option<usize>]) -> bool {
    for &to in &edges[left] {
        if std::mem::replace(&mut seen[to], true) {
            continue;
        }
        if partner[to].is_none_or(|other| augment(edges, other, seen, partner)) {
            partner[to] = Some(left);
            return true;
        }
    }
    false
}
