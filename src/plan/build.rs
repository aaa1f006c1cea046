//! Makes the plan of a spec: every part is planned, so that every problem is reported; the graph is put together only if there is none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::connectors::{self, ConnectContext, SinkPlan, SourcePlan};
use crate::diagnostic::{Content, Diagnostics, Span, codes};
use crate::event::encode;
use crate::expr::{Context, FunctionFile, Want};
use crate::observe::Role;
use crate::operators::{self, StageContext, StageExpr, StageLimits};
use crate::spec::{
    Catalog, NodeHead, PortRef, Section, SinkSpec, SourceSpec, StageSpec, TemplatePart, TopologySpec, Value,
};

use super::conflicts;
use super::corrections;
use super::formats;
use super::graph::{self, From};
use super::identity::{Identity, Scope};
use super::instead::Instead;
use super::registry::Schemas;
use super::schemas;
use super::types::{self, NodeType};
use super::{
    Gather, Node, Plan, Retry, RunLimits, SinkNode, SourceNode, SourceSchema, StageNode, TargetPart, TimeRule,
    TimeUnit, Work,
};

/// The tables that a topology is read by.
pub static CATALOG: Catalog =
    Catalog { stages: operators::STAGES, sources: connectors::SOURCES, sinks: connectors::SINKS };

/// Plans a topology. `None`: problems were reported.
pub fn plan(spec: &TopologySpec, diagnostics: &mut Diagnostics) -> Option<Plan> {
    let mut nodes = nodes(spec, None, diagnostics)?;
    if diagnostics.has_errors() {
        return None;
    }
    graph::fuse(&mut nodes);
    Some(Plan {
        name: spec.name.as_str().into(),
        drift_groups: graph::drift_groups(&nodes),
        nodes,
        limits: run_limits(&spec.limits),
        checkpoint_every: spec.checkpoint.duration("every"),
        texts: texts(&spec.dir, diagnostics),
    })
}

/// The types of everything that leaves a node or comes to a sink, with a schema in the place of another one if one is given. `None`:
/// problems were reported that leave no graph; others leave types, as far as they are known.
pub fn types(spec: &TopologySpec, instead: Option<&Instead>, diagnostics: &mut Diagnostics) -> Option<Vec<NodeType>> {
    nodes(spec, instead, diagnostics).map(|nodes| types::listed(&nodes))
}

/// The nodes with their layouts and types. `None`: they cannot be put together, for problems that were reported.
fn nodes(spec: &TopologySpec, instead: Option<&Instead>, diagnostics: &mut Diagnostics) -> Option<Vec<Node>> {
    let expr = expr_context(spec, diagnostics)?;
    check_checkpoint(&spec.checkpoint, diagnostics);
    let schemas = Schemas::new(spec, instead, diagnostics);
    let mut planner = Planner { spec, expr: &expr, limits: StageLimits::of(&spec.limits), schemas, diagnostics };
    let mut parts: Vec<Part<'_>> = Vec::new();
    for source in spec.sources.values() {
        let made = planner.source(source);
        parts.extend(made.map(|made| Part { head: &source.head, role: Role::Source, from: &[], made }));
    }
    for stage in spec.stages.values() {
        let made = planner.stage(stage);
        parts.extend(made.map(|made| Part { head: &stage.head, role: Role::Stage, from: &stage.from, made }));
    }
    for sink in spec.sinks.values() {
        let made = planner.sink(sink);
        parts.extend(made.map(|made| Part { head: &sink.head, role: Role::Sink, from: &sink.from, made }));
    }
    let works = parts.iter().map(|part| (part.head, &part.made.work));
    conflicts::report(&conflicts::uses(spec, works), &connectors::comparable(&spec.dir), planner.diagnostics);
    corrections::warn(spec, planner.diagnostics);
    if planner.diagnostics.has_errors() {
        return None;
    }
    let mut nodes = assemble(spec, parts);
    let dead_letters = dead_letters(spec, &expr, &mut nodes);
    nodes.push(dead_letters);
    graph::demand(&mut nodes);
    schemas::compile(&mut nodes);
    graph::layouts(&mut nodes);
    types::infer(&mut nodes, diagnostics);
    Some(nodes)
}

fn check_checkpoint(checkpoint: &Section, diagnostics: &mut Diagnostics) {
    if checkpoint.duration("every") < Duration::from_millis(1) {
        diagnostics
            .error(&codes::BAD_DURATION, checkpoint.span_of("every"), "`every` is less than a millisecond")
            .help("write a longer one, such as `1s`: a checkpoint brings what sinks have written to the disk");
    }
}

/// The topology's file and those of its functions, by their paths from its folder: what a start needs to know of the definition that
/// wrote a checkpoint.
fn texts(dir: &Path, diagnostics: &Diagnostics) -> Bytes {
    let inside = |path: &str| Path::new(path).strip_prefix(dir).map_or(path.into(), |path| path.display().to_string());
    let texts: BTreeMap<String, &str> =
        diagnostics.sources().texts().map(|(path, text)| (inside(path), text)).collect();
    serde_json::to_vec(&texts).unwrap_or_default().into()
}

fn run_limits(limits: &Section) -> RunLimits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    RunLimits {
        edge_events: usize::try_from(limits.int("edge_events")).unwrap_or(1),
        edge_bytes: size(limits.size("edge_bytes")),
        line: size(limits.size("line")),
        depth: usize::try_from(limits.int("depth")).unwrap_or(1),
    }
}

/// A node that was planned, and where it reads.
struct Part<'a> {
    head: &'a NodeHead,
    role: Role,
    from: &'a [PortRef],
    made: Made,
}

/// What the planning of a node gives.
struct Made {
    work: Work,
    ports: Vec<super::Port>,
    identity: Identity,
}

pub(super) fn dead_letter_path(spec: &TopologySpec) -> PathBuf {
    match spec.dead_letters.path_opt("path") {
        Some(path) => path.to_path_buf(),
        None => spec.resolve(&format!("out/{}.dead.jsonl", spec.name)),
    }
}

/// The nodes in topological order, attached to each other.
fn assemble(spec: &TopologySpec, parts: Vec<Part<'_>>) -> Vec<Node> {
    let place = |id: &str| parts.iter().position(|part| part.head.id == id).unwrap_or(0);
    let reads: Vec<Vec<usize>> =
        parts.iter().map(|part| part.from.iter().map(|from| place(&from.node)).collect()).collect();
    let order = graph::topological(&reads);
    let mut parts: Vec<Option<Part<'_>>> = parts.into_iter().map(Some).collect();
    let mut nodes: Vec<Node> = Vec::with_capacity(order.len());
    for part in order {
        let Some(part) = parts[part].take() else { continue };
        let from: Vec<From<'_>> = part
            .from
            .iter()
            .filter_map(|from| {
                let node = nodes.iter().position(|node| *node.id == *from.node)?;
                Some(From { node, port: from.port.as_deref() })
            })
            .collect();
        debug_assert_eq!(from.len(), part.from.len(), "the spec of {} was checked", spec.name);
        nodes.push(Node {
            id: part.head.id.as_str().into(),
            was: part.head.was.as_deref().map(Arc::from),
            identity: part.made.identity,
            role: part.role,
            work: part.made.work,
            inputs: Vec::new(),
            ports: part.made.ports,
            error_readers: Vec::new(),
            is_fused: false,
        });
        let reader = nodes.len() - 1;
        graph::attach(&mut nodes, reader, &from);
    }
    nodes
}

/// The node that reads every `errors` port that nobody else reads.
fn dead_letters(spec: &TopologySpec, expr: &Context, nodes: &mut [Node]) -> Node {
    let config = &spec.dead_letters;
    // Bounded input is read from its start again, so what an earlier run left is written anew.
    let keep = nodes.iter().any(|node| matches!(&node.work, Work::Source(source) if !source.plan.is_bounded()));
    let path = dead_letter_path(spec);
    let identity = Identity::of_dead_letters(config, &path, scope(spec, expr));
    let plan: Arc<dyn SinkPlan> = Arc::new(connectors::DeadLetters::new(path, config.size("max"), keep));
    let retry = Retry { first: Duration::from_millis(100), max: Duration::from_secs(30), attempts: None };
    let sink = SinkNode {
        plan,
        inputs: Vec::new(),
        encoding: encode::Format::Json,
        expected: None,
        target: None,
        key: None,
        headers: Vec::new(),
        gather: Gather {
            events: crate::limits::BATCH_EVENTS_MAX,
            bytes: crate::limits::BATCH_BYTES_MAX,
            linger: Duration::ZERO,
        },
        retry,
        place: Arc::from(""),
    };
    let at = nodes.len();
    let mut inputs = Vec::new();
    for (node, from) in nodes.iter_mut().enumerate().filter(|(_, node)| node.error_readers.is_empty()) {
        from.error_readers.push(super::Reader { node: at, input: inputs.len() });
        inputs.push(super::Input { node, port: from.ports.len(), variants: Arc::from([]) });
    }
    Node {
        id: "dead_letters".into(),
        was: None,
        identity,
        role: Role::DeadLetters,
        work: Work::Sink(Box::new(sink)),
        inputs,
        ports: Vec::new(),
        error_readers: Vec::new(),
        is_fused: false,
    }
}

/// `params`, functions and limits of expressions.
fn expr_context(spec: &TopologySpec, diagnostics: &mut Diagnostics) -> Option<Context> {
    let params = spec.params.iter().map(|(name, param)| (name.clone(), param.value.clone())).collect();
    let mut files = Vec::new();
    let mut ids = Vec::new();
    for function in &spec.functions {
        let read = match diagnostics.remembered(&function.path) {
            Some(text) => Ok(text.to_string()),
            None => std::fs::read_to_string(&function.path),
        };
        let content = read.as_ref().map_or_else(|_| Content::at(&function.path), |text| Content::of(text.as_bytes()));
        diagnostics.was_read(&function.path, content);
        match read {
            Ok(text) => {
                let name = function.path.display().to_string();
                ids.push(diagnostics.add_file(name.clone(), text.as_str()));
                files.push(FunctionFile { name, text });
            }
            Err(error) => {
                let message = format!("the file {} cannot be read: {error}", function.path.display());
                diagnostics.error(&codes::FILE_UNREADABLE, function.span, message);
            }
        }
    }
    match Context::new(params, &files, expr_limits(&spec.limits)) {
        Ok(context) if files.len() == spec.functions.len() => Some(context),
        Ok(_) => None,
        Err(problems) => {
            for (file, problem) in problems {
                let span = Span::new(ids[file], problem.range.start, problem.range.end);
                let report = diagnostics.error(problem.code, span, problem.message);
                if let Some(help) = problem.help {
                    report.help(help);
                }
            }
            None
        }
    }
}

fn expr_limits(limits: &Section) -> crate::expr::Limits {
    let int = |key| usize::try_from(limits.int(key)).unwrap_or(usize::MAX);
    crate::expr::Limits {
        operations: u64::try_from(limits.int("operations")).unwrap_or(u64::MAX),
        string: usize::try_from(limits.size("string")).unwrap_or(usize::MAX),
        array: int("array"),
        map: int("map"),
    }
}

/// What the identities of all nodes share.
fn scope<'a>(spec: &'a TopologySpec, expr: &'a Context) -> Scope<'a> {
    Scope { expr, limits: &spec.limits, dir: &spec.dir }
}

struct Planner<'a> {
    spec: &'a TopologySpec,
    expr: &'a Context,
    limits: StageLimits,
    schemas: Schemas<'a>,
    diagnostics: &'a mut Diagnostics,
}

impl Planner<'_> {
    fn context(&mut self) -> StageContext<'_> {
        StageContext::new(self.expr, self.diagnostics, self.limits)
    }

    fn stage(&mut self, spec: &StageSpec) -> Option<Made> {
        if spec.head.broken {
            self.report_expressions(&[&spec.config]);
            return None;
        }
        let kind = operators::KINDS.iter().find(|kind| kind.table == spec.kind)?;
        let stage = (kind.plan)(spec, &mut self.context())?;
        let ports = graph::ports(spec.has_main_port(), spec.named_ports());
        let node = StageNode { stage, kind: spec.kind.name, inputs: Vec::new() };
        let identity = Identity::of_stage(spec, &node, scope(self.spec, self.expr));
        Some(Made { work: Work::Stage(node), ports, identity })
    }

    /// What is wrong with the expressions of a node whose keys are wrong too.
    fn report_expressions(&mut self, sections: &[&Section]) {
        let mut context = self.context();
        for section in sections {
            section.each_expr(&mut |key, text| {
                // Aggregates are no functions of one event; they are checked once the window's keys are right.
                if !key.starts_with("aggregate.") {
                    context.compile(key, text, Want::Value);
                }
            });
        }
    }

    fn connect(&mut self) -> ConnectContext<'_> {
        ConnectContext {
            diagnostics: self.diagnostics,
            topology: &self.spec.name,
            folder: &self.spec.dir,
            expr: self.expr,
        }
    }

    fn source(&mut self, spec: &SourceSpec) -> Option<Made> {
        if spec.head.broken {
            self.report_expressions(&[&spec.config, &spec.common]);
            return None;
        }
        let kind = connectors::SOURCE_KINDS.iter().find(|kind| kind.table == spec.connector)?;
        let plan = (kind.plan)(spec, &mut self.connect());
        let key = self.optional(&spec.common, "key");
        let schema = schemas::of_source(&mut self.schemas, &spec.common, self.diagnostics);
        let format = formats::of_source(&self.schemas, spec, schema.as_ref(), plan.as_deref(), self.diagnostics);
        let time = self.time(spec, plan.as_deref(), schema.as_ref());
        let watermark = spec.common.section("watermark");
        let place = self.context().at(spec.head.span);
        let (format, framing) = format?;
        let node = SourceNode {
            plan: plan?,
            format,
            framing,
            time: time?,
            key: key?,
            schema: schema?,
            lag: watermark.duration("lag"),
            idle: watermark.duration("idle"),
            max_future: watermark.duration("max_future"),
            max_drift: watermark.duration("max_drift"),
            place,
        };
        let identity = Identity::of_source(spec, &node, scope(self.spec, self.expr));
        Some(Made { work: Work::Source(Box::new(node)), ports: graph::ports(true, []), identity })
    }

    /// The rule of the event time. The outer option: whether it could be planned; so is that of the schema.
    fn time(
        &mut self,
        spec: &SourceSpec,
        plan: Option<&dyn SourcePlan>,
        schema: Option<&Option<SourceSchema>>,
    ) -> Option<TimeRule> {
        let (text, written) = match spec.common.value("time") {
            None if plan.is_some_and(SourcePlan::has_time) => return Some(TimeRule::Broker),
            None => return Some(TimeRule::None),
            Some(Value::Choice(_)) => return Some(TimeRule::Arrival),
            Some(Value::Section(section)) => {
                let written =
                    section.is_written("unit").then(|| (unit(section.choice("unit")), section.span_of("unit")));
                (section.expr("at"), written)
            }
            Some(Value::Expr(expr)) => (expr, None),
            Some(_) => return None,
        };
        let expr = self.context().compile("time", text, Want::Value)?;
        let shape = schema?.as_ref().map(|schema| schema.event_type.definition.shape());
        let unit = types::time_unit(&expr, shape.as_ref(), written, self.diagnostics);
        Some(TimeRule::Expr { expr, unit: unit? })
    }

    /// An expression that may be absent. The outer option: whether it could be planned.
    fn optional(&mut self, section: &Section, key: &str) -> Option<Option<StageExpr>> {
        match section.expr_opt(key) {
            None => Some(None),
            Some(text) => self.context().compile(key, text, Want::Value).map(Some),
        }
    }

    fn sink(&mut self, spec: &SinkSpec) -> Option<Made> {
        if spec.head.broken {
            self.report_expressions(&[&spec.config, &spec.common]);
            return None;
        }
        let kind = connectors::SINK_KINDS.iter().find(|kind| kind.table == spec.connector)?;
        let plan = (kind.plan)(spec, &mut self.connect());
        if let Some(plan) = &plan {
            self.refuse_beside(spec, &**plan);
        }
        let expected = schemas::of_sink(&mut self.schemas, &spec.common, self.diagnostics);
        let encoding = formats::of_sink(&mut self.schemas, spec, plan.as_deref(), self.diagnostics);
        let target = match plan.as_ref().and_then(|plan| plan.target_key()) {
            None => Some(None),
            Some(key) => self.template(&spec.config, key).map(Some),
        };
        let key = self.optional(&spec.common, "key");
        let headers: Vec<Option<(String, StageExpr)>> = spec
            .common
            .exprs_opt("headers")
            .unwrap_or_default()
            .iter()
            .map(|named| {
                let key = format!("headers.{}", named.name);
                Some((named.name.clone(), self.context().compile(&key, &named.expr, Want::Value)?))
            })
            .collect();
        let headers: Option<Vec<_>> = headers.into_iter().collect();
        let place = self.context().at(spec.head.span);
        let node = SinkNode {
            plan: plan?.into(),
            inputs: Vec::new(),
            encoding: encoding?,
            expected: expected?,
            target: target?,
            key: key?,
            headers: headers?,
            gather: gather(spec.common.section("batch")),
            retry: retry(spec.common.section("retry")),
            place,
        };
        let identity = Identity::of_sink(spec, &node, scope(self.spec, self.expr));
        Some(Made { work: Work::Sink(Box::new(node)), ports: Vec::new(), identity })
    }

    /// What is asked of the system that it cannot do.
    fn refuse_beside(&mut self, spec: &SinkSpec, plan: &dyn SinkPlan) {
        let (common, system) = (&spec.common, spec.connector.name);
        for key in ["key", "headers"].into_iter().filter(|key| common.is_written(key) && !plan.has_headers()) {
            let message = format!("`{key}` has no meaning here: what `{system}` writes has neither key nor headers");
            let report = self.diagnostics.error(&codes::NOT_TOGETHER, common.key_span_of(key), message);
            report.help("remove it, or put the value into the event with a `map`");
        }
        if common.choice_opt("delivery") == Some("exactly_once") && !plan.is_exactly_once() {
            let message = format!("`{system}` delivers at least once: after a failure an event may be written again");
            let report = self.diagnostics.error(&codes::DELIVERY, common.span_of("delivery"), message);
            report.help("remove `delivery`, and let readers drop what they have seen (an id in the event, `dedupe`)");
        }
    }

    fn template(&mut self, section: &Section, key: &str) -> Option<Vec<TargetPart>> {
        let template = section.template(key);
        let parts: Vec<Option<TargetPart>> = template
            .parts
            .iter()
            .map(|part| match part {
                TemplatePart::Text(text) => Some(TargetPart::Text(text.clone())),
                TemplatePart::Expr(text) => self.context().compile(key, text, Want::Text).map(TargetPart::Expr),
            })
            .collect();
        parts.into_iter().collect()
    }
}

fn unit(name: &str) -> TimeUnit {
    match name {
        "s" => TimeUnit::Seconds,
        "us" => TimeUnit::Micros,
        "ns" => TimeUnit::Nanos,
        _ => TimeUnit::Millis,
    }
}

fn gather(batch: &Section) -> Gather {
    Gather {
        events: usize::try_from(batch.int("events")).unwrap_or(1).max(1),
        bytes: usize::try_from(batch.size("bytes")).unwrap_or(usize::MAX).clamp(1, crate::limits::GATHER_BYTES_MAX),
        linger: batch.duration("linger"),
    }
}

fn retry(section: &Section) -> Retry {
    let attempts = match section.value("attempts") {
        Some(Value::Int(attempts)) => u64::try_from(*attempts).ok(),
        _ => None,
    };
    Retry { first: section.duration("first"), max: section.duration("max"), attempts }
}
