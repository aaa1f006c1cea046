//! Fields that no event can have: read of a stage's input whose every layout is known, and in none of them.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostics, codes};
use crate::event::{Demand, Layout};
use crate::operators::StageExpr;

use super::{Node, Work};

/// Warns of each such field, where it is read first.
pub(super) fn warn_of_unknown(nodes: &[Node], diagnostics: &mut Diagnostics) {
    for node in nodes {
        let (inputs, reads) = match &node.work {
            Work::Source(_) => continue,
            Work::Stage(stage) => (&stage.inputs, stage.stage.reads()),
            Work::Sink(sink) => (&sink.inputs, sink.reads()),
        };
        let known: Option<Vec<_>> = inputs.iter().map(|layout| Layout::field_names(layout)).collect();
        let Some(known) = known else { continue };
        let known: BTreeSet<&str> = known.iter().flatten().map(|name| &**name).collect();
        for name in unknown(&reads, &known) {
            let Some((expr, range)) = node.expressions().into_iter().find_map(|expr| Some((expr, place(expr, name)?)))
            else {
                continue;
            };
            let from = node
                .inputs
                .iter()
                .map(|input| nodes[input.node].port_name(input.port))
                .collect::<Vec<_>>()
                .join("`, `");
            let message = format!("no event of `{from}` has a field `{name}`");
            let report = diagnostics.warning(&codes::UNKNOWN_FIELD, expr.place().span_of(range), message);
            report.suggest(name, known.iter().copied());
        }
    }
}

fn unknown<'r>(reads: &'r Demand, known: &BTreeSet<&str>) -> BTreeSet<&'r str> {
    reads
        .paths
        .iter()
        .filter_map(|path| path.first())
        .map(|name| &**name)
        .filter(|name| !known.contains(name))
        .collect()
}

/// Where in its text an expression reads a field.
fn place(expr: &StageExpr, name: &str) -> Option<std::ops::Range<usize>> {
    if !expr.expr().reads().paths.iter().any(|path| path.first().is_some_and(|first| **first == *name)) {
        return None;
    }
    let text = expr.expr().text();
    let written = format!("event.{name}");
    let whole = |at: usize| !text[at + written.len()..].starts_with(|next: char| next.is_alphanumeric() || next == '_');
    if let Some(at) = text.match_indices(&written).map(|(at, _)| at).find(|at| whole(*at)) {
        return Some(at + "event.".len()..at + written.len());
    }
    let quoted = format!("[\"{name}\"]");
    Some(text.find(&quoted).map_or(0..text.len(), |at| at + 1..at + quoted.len() - 1))
}
