//! A plan in words: the graph, what each source decodes, how each expression runs, and what holds after a failure.

use std::fmt::Write as _;

use crate::connectors::Replay;
use crate::diagnostic::{Diagnostics, codes};
use crate::event::{Demand, Path};
use crate::operators::StageExpr;
use crate::schema::{Kinds, Shape};

use super::types;
use super::{Node, Plan, Role, SinkNode, SourceNode, TargetPart, TimeRule, Work};

impl Plan {
    /// The plan in words, for `runner explain`.
    pub fn explain(&self) -> String {
        let mut out = String::new();
        let count = |what: fn(&Work) -> bool| self.nodes.iter().filter(|node| what(&node.work)).count();
        let _ = writeln!(
            out,
            "topology {}: sources {}, stages {}, sinks {}; it runs {}",
            self.name,
            count(|work| matches!(work, Work::Source(_))),
            count(|work| matches!(work, Work::Stage(_))),
            // The dead letters are not the user's.
            count(|work| matches!(work, Work::Sink(_))) - 1,
            if self.is_bounded() { "until its input ends" } else { "until it is stopped" },
        );
        for place in 0..self.nodes.len() {
            out.push('\n');
            self.node(place, &mut out);
        }
        self.guarantees(&mut out);
        out
    }

    /// Reports every expression that Rhai has to interpret as an error (`--deny-fallback`).
    pub fn deny_fallback(&self, diagnostics: &mut Diagnostics) {
        for expr in self.nodes.iter().flat_map(Node::expressions) {
            if let Err(why) = expr.expr().is_lowered() {
                let message = format!("`{}` is interpreted: {}", expr.key(), why.message);
                diagnostics.error(&codes::EXPR_INTERPRETED, expr.place().span_of(why.range), message);
            }
        }
    }

    fn node(&self, place: usize, out: &mut String) {
        let node = &self.nodes[place];
        match &node.work {
            Work::Source(source) => self.source(node, source, out),
            Work::Stage(stage) => {
                let _ = writeln!(out, "stage {} ({}) from {}", node.id, stage.kind, self.from(node));
                let task = if node.is_fused {
                    format!("the task of {}", self.head(place))
                } else {
                    "a task of its own".into()
                };
                let _ =
                    writeln!(out, "  runs in {task}{}", if stage.stage.is_stateful() { ", keeps state" } else { "" });
            }
            Work::Sink(sink) => {
                let _ = writeln!(out, "sink {} from {}", node.id, self.from(node));
                let _ = writeln!(out, "  {}", sink.plan.outline());
                if let Some(expected) = &sink.expected {
                    let _ = writeln!(out, "  event type: {}", expected.event_type);
                }
            }
        }
        self.types(place, out);
        let expressions = node.expressions();
        let width = expressions.iter().map(|expr| expr.key().len()).max().unwrap_or(0);
        for expr in expressions {
            let text = shortened(expr.expr().text());
            let _ = match expr.expr().is_lowered() {
                Ok(()) => writeln!(out, "  {:<width$}  compiled     {text}", expr.key()),
                Err(why) => writeln!(out, "  {:<width$}  interpreted  {text}  ({})", expr.key(), why.message),
            };
        }
    }

    fn source(&self, node: &Node, source: &SourceNode, out: &mut String) {
        let _ = writeln!(out, "source {}", node.id);
        let _ = writeln!(out, "  {}", source.plan.outline());
        if let Some(schema) = &source.schema {
            let _ = writeln!(out, "  event type: {}", schema.event_type);
        }
        let time = match &source.time {
            TimeRule::None => "none",
            TimeRule::Broker => "the broker's timestamp",
            TimeRule::Arrival => "the moment an event is read",
            TimeRule::Expr { .. } => "of the event",
        };
        let _ = writeln!(out, "  time: {time}");
        let mut demand = source.reads();
        node.ports.iter().for_each(|port| demand.extend(&port.demand));
        let _ = writeln!(out, "  decodes {}", decoded(&demand));
    }

    /// What leaves by each port, where something is known of it.
    fn types(&self, place: usize, out: &mut String) {
        let input = types::arriving(&self.nodes, place).shape;
        let node = &self.nodes[place];
        for port in &node.ports {
            let name = if port.name.is_empty() { "events".to_owned() } else { format!("events of {}", port.name) };
            if port.of.shape == Shape::of(Kinds::OBJECT) {
                continue;
            }
            if port.of.shape == input && !matches!(node.work, Work::Source(_)) {
                let _ = writeln!(out, "  {name}: as they came");
                continue;
            }
            fields(&format!("  {name}: "), &port.of.shape, out);
        }
    }

    /// The node in whose task a fused node runs.
    fn head(&self, mut place: usize) -> &str {
        while self.nodes[place].is_fused {
            place = self.nodes[place].inputs[0].node;
        }
        &self.nodes[place].id
    }

    /// `id`, `id.port` of everything that a node reads.
    fn from(&self, node: &Node) -> String {
        let names: Vec<String> = node.inputs.iter().map(|input| self.nodes[input.node].port_name(input.port)).collect();
        listed(&names)
    }

    /// What holds for the events of each source at each sink, after a failure of the runner: it follows from what the source can give
    /// again, and from what the sink can take back.
    fn guarantees(&self, out: &mut String) {
        let every = self.checkpoint_every;
        let _ = match self.is_bounded() {
            true => writeln!(
                out,
                "\nafter a crash of the runner a new run starts afresh; with `--resume` it goes on from the last checkpoint (one each \
                 {every:?}), by source:"
            ),
            false => writeln!(
                out,
                "\nafter a crash of the runner it goes on from the last checkpoint (one each {every:?}), by source:"
            ),
        };
        for (place, node) in self.nodes.iter().enumerate() {
            let Work::Source(source) = &node.work else { continue };
            if source.plan.replay() == Replay::None {
                let _ =
                    writeln!(out, "  {}: what came after the checkpoint is lost, as it cannot be given again", node.id);
                continue;
            }
            let (mut once, mut often) = (Vec::new(), Vec::new());
            for sink in self.below(place).into_iter().map(|place| &self.nodes[place]) {
                match &sink.work {
                    // The dead letters are not the user's.
                    Work::Sink(_) if sink.role == Role::DeadLetters => {}
                    Work::Sink(work) if source.plan.replay() == Replay::Position && work.plan.is_exactly_once() => {
                        once.push(sink.id.to_string());
                    }
                    Work::Sink(_) => often.push(sink.id.to_string()),
                    Work::Source(_) | Work::Stage(_) => {}
                }
            }
            let ways = [("exactly once", once), ("at least once", often)];
            let ways = ways.iter().filter(|(_, sinks)| !sinks.is_empty());
            let ways: Vec<String> = ways.map(|(how, sinks)| format!("{how} in {}", listed(sinks))).collect();
            let _ = writeln!(out, "  {}: {}", node.id, ways.join("; "));
        }
    }

    /// Every node that events of this one can come to.
    fn below(&self, place: usize) -> Vec<usize> {
        let mut reached = vec![false; self.nodes.len()];
        reached[place] = true;
        for (at, node) in self.nodes.iter().enumerate().skip(place + 1) {
            reached[at] = node.inputs.iter().any(|input| reached[input.node]);
        }
        (place + 1..self.nodes.len()).filter(|&at| reached[at]).collect()
    }
}

impl Node {
    /// `id` for the main port, else `id.port`.
    pub(super) fn port_name(&self, port: usize) -> String {
        match self.ports.get(port) {
            Some(port) if port.name.is_empty() => self.id.to_string(),
            Some(port) => format!("{}.{}", self.id, port.name),
            None => format!("{}.errors", self.id),
        }
    }

    /// Every expression of the node.
    pub(super) fn expressions(&self) -> Vec<&StageExpr> {
        match &self.work {
            Work::Source(source) => source.time.expr().into_iter().chain(&source.key).collect(),
            Work::Stage(stage) => stage.stage.expressions(),
            Work::Sink(sink) => sink.expressions().collect(),
        }
    }
}

impl SinkNode {
    /// Every expression beside an event's body.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &StageExpr> {
        let target = self.target.iter().flatten().filter_map(|part| match part {
            TargetPart::Text(_) => None,
            TargetPart::Expr(expr) => Some(expr),
        });
        target.chain(&self.key).chain(self.headers.iter().map(|(_, expr)| expr))
    }
}

/// Names, as far as they are few.
fn listed(names: &[String]) -> String {
    match names.len() {
        0..8 => names.join(", "),
        n => format!("{} and {} more", names[..6].join(", "), n - 6),
    }
}

/// The fields of an object with their types, in lines of a bounded width.
fn fields(start: &str, shape: &Shape, out: &mut String) {
    let Some(object) = shape.object.as_deref() else {
        let _ = writeln!(out, "{start}{shape}");
        return;
    };
    let mut parts: Vec<String> =
        object.fields.iter().take(FIELDS_SHOWN_MAX).map(|field| format!("{}: {}", field.name, field.shape)).collect();
    match object.fields.len().checked_sub(parts.len()) {
        Some(more) if more > 0 => parts.push(format!("and {more} more")),
        _ => {}
    }
    match &object.rest {
        Some(rest) if object.fields.is_empty() => parts.push(format!("any fields, each {rest}")),
        Some(_) => parts.push("others".to_owned()),
        None => {}
    }
    let mut line = match &object.name {
        Some(name) => format!("{start}{name} {{ "),
        None => format!("{start}{{ "),
    };
    let mut is_begun = false;
    for (place, part) in parts.iter().enumerate() {
        let part = if place + 1 < parts.len() { format!("{part}, ") } else { part.clone() };
        if line.len() + part.trim_end().len() > EXPLAIN_WIDTH && is_begun {
            let _ = writeln!(out, "{}", line.trim_end());
            line = "    ".to_owned();
        }
        is_begun = true;
        line.push_str(&part);
    }
    let _ = writeln!(out, "{} }}", line.trim_end());
}

/// Fields of one port that `explain` names.
const FIELDS_SHOWN_MAX: usize = 64;

/// Characters of a line of types.
const EXPLAIN_WIDTH: usize = 110;

/// What is cut out of each event, in words.
fn decoded(demand: &Demand) -> String {
    let name = |path: &Path| path.iter().map(|part| &**part).collect::<Vec<_>>().join(".");
    let names: Vec<String> = demand.paths.iter().filter(|path| !path.is_empty()).map(name).collect();
    if names.is_empty() { "nothing: events are checked and passed on".into() } else { names.join(", ") }
}

/// The first line of an expression, cut to a width that fits beside its key.
fn shortened(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let cut: String = first.chars().take(60).collect();
    let more = cut.len() < first.len() || lines.next().is_some();
    if more { format!("{cut} ...") } else { cut }
}
