//! Types through the graph: what the events of each port are, from the sources on, and what is wrong with the expressions that read them.

use crate::diagnostic::{Diagnostics, Span, codes};
use crate::event::decode;
use crate::expr::types::Scope;
use crate::flow::error_shape;
use crate::operators::{StageExpr, Typing};
use crate::schema::{Kinds, Meaning, Misfit, Shape};

use super::{Expected, Input, Node, Role, SourceNode, TimeUnit, Work};

/// What the events of a port are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortType {
    pub shape: Shape,
    /// Whether they all come from sources with a schema.
    pub declared: bool,
}

impl Default for PortType {
    fn default() -> PortType {
        PortType { shape: Shape::of(Kinds::OBJECT), declared: false }
    }
}

/// Fills in the type of each port, and reports what is wrong. The nodes are in topological order.
pub(super) fn infer(nodes: &mut [Node], diagnostics: &mut Diagnostics) {
    for place in 0..nodes.len() {
        let (input, of) = (arriving(nodes, place), read_by(nodes, place));
        let made = node(&nodes[place], &input, of, diagnostics);
        let declared = match &nodes[place].work {
            Work::Source(source) => source.schema.is_some(),
            Work::Stage(_) | Work::Sink(_) => input.declared,
        };
        for (port, shape) in nodes[place].ports.iter_mut().zip(made) {
            port.of = PortType { shape, declared };
        }
    }
}

/// What leaves a node by a port, or comes to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeType {
    /// `source card`, `stage large, port late`, `sink out`.
    pub place: String,
    pub shape: Shape,
}

/// The types of all ports and of what comes to the sinks, in the order of the nodes.
pub(super) fn listed(nodes: &[Node]) -> Vec<NodeType> {
    let mut all = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let kind = match (&node.work, node.role) {
            (_, Role::DeadLetters) => continue,
            (Work::Source(_), _) => "source",
            (Work::Stage(_), _) => "stage",
            (Work::Sink(_), _) => {
                all.push(NodeType { place: format!("sink {}", node.id), shape: arriving(nodes, place).shape });
                continue;
            }
        };
        for port in &node.ports {
            let name = if port.name.is_empty() { String::new() } else { format!(", port {}", port.name) };
            all.push(NodeType { place: format!("{kind} {}{name}", node.id), shape: port.of.shape.clone() });
        }
    }
    all
}

/// What comes into a node, of all that it reads.
pub(super) fn arriving(nodes: &[Node], place: usize) -> PortType {
    let of = |input: &Input| {
        let from = &nodes[input.node];
        from.ports.get(input.port).map(|port| port.of.clone()).unwrap_or_else(|| PortType {
            shape: error_shape(),
            declared: from.ports.iter().all(|port| port.of.declared) && !from.ports.is_empty(),
        })
    };
    let join =
        |a: PortType, b: PortType| PortType { shape: a.shape.join(&b.shape), declared: a.declared && b.declared };
    nodes[place].inputs.iter().map(of).reduce(join).unwrap_or_default()
}

/// Whose events those are that a node sees.
fn read_by(nodes: &[Node], place: usize) -> String {
    let node = &nodes[place];
    let names: Vec<String> = node.inputs.iter().map(|input| nodes[input.node].port_name(input.port)).collect();
    if names.is_empty() { node.id.to_string() } else { names.join("`, `") }
}

/// Looks at a node's expressions; what leaves by each of its ports.
fn node(node: &Node, input: &PortType, of: String, diagnostics: &mut Diagnostics) -> Vec<Shape> {
    match &node.work {
        Work::Source(source) => {
            let shape = source.shape();
            let mut typing = Typing { diagnostics, of, declared: source.schema.is_some() };
            typing.infer_all(&node.expressions(), &shape);
            vec![shape; node.ports.len()]
        }
        Work::Stage(stage) => {
            let mut typing = Typing { diagnostics, of, declared: input.declared };
            stage.stage.types(&input.shape, node.ports.len(), &mut typing)
        }
        Work::Sink(sink) => {
            let mut typing = Typing { diagnostics, of, declared: input.declared };
            typing.infer_all(&node.expressions(), &input.shape);
            if let Some(expected) = &sink.expected {
                misfits(expected, &input.shape, typing.diagnostics);
            }
            Vec::new()
        }
    }
}

/// Reports what comes to a sink and is not what its event type says.
fn misfits(expected: &Expected, given: &Shape, diagnostics: &mut Diagnostics) {
    for Misfit { field, what, help } in expected.event_type.definition.misfits(given) {
        let field = if field.is_empty() { "the event".to_owned() } else { format!("`{field}`") };
        let message = format!("these events are no `{}`: {field} {what}", expected.name);
        let report = diagnostics.error(&codes::SINK_SCHEMA, expected.span, message);
        if let Some(help) = help {
            report.help(help);
        }
    }
}

/// What the time of an event counts: as is written beside it, else as the schema says, else milliseconds. `None`: a problem was
/// reported.
pub(super) fn time_unit(
    expr: &StageExpr,
    event: Option<&Shape>,
    written: Option<(TimeUnit, Span)>,
    diagnostics: &mut Diagnostics,
) -> Option<TimeUnit> {
    let usual = written.map_or(TimeUnit::Millis, |(unit, _)| unit);
    let Some(event) = event else { return Some(usual) };
    let found = expr.expr().infer(&Scope { event, of: "", locals: &[] }).shape;
    let kinds = found.kinds.without(Kinds::NULL);
    let unit = match found.meaning {
        Some(Meaning::Time(unit)) => unit,
        None | Some(Meaning::TimeText) if kinds.meets(Kinds::NUMBER.and(Kinds::STRING)) && found.symbols.is_none() => {
            return Some(usual);
        }
        _ if kinds == Kinds::NONE => return Some(usual),
        _ => {
            let message = format!("`time` needs a time, and this is {found}");
            let report = diagnostics.error(&codes::NOT_A_TIME, expr.place().span(), message);
            report
                .help("a time is an int of a known unit, or a text of RFC 3339; `add_time` and `parse_time` make one");
            return None;
        }
    };
    match written {
        Some((written, span)) if written != unit => {
            let message = format!("the schema says that this counts {unit}, not {written}");
            diagnostics.error(&codes::TIME_UNIT, span, message).help("remove `unit`: the schema's is taken");
            None
        }
        _ => Some(unit),
    }
}

impl SourceNode {
    /// What its events are: as its schema says, else as far as the way of decoding says it.
    pub(super) fn shape(&self) -> Shape {
        if let Some(schema) = &self.schema {
            return schema.event_type.definition.shape();
        }
        match self.format {
            // Every field is a text; one that another record has is missing.
            decode::Format::Csv => Shape::map(Shape::of(Kinds::STRING.and(Kinds::PERHAPS_NULL))),
            decode::Format::Text => Shape::record([("text".into(), Shape::of(Kinds::STRING))]),
            _ => self.plan.shape().unwrap_or(Shape::of(Kinds::OBJECT)),
        }
    }
}
