//! What a stage kind is at plan time: it declares what it reads, what its outputs look like, and makes operators.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostics, Sources, Span};
use crate::event::{Demand, Layout};
use crate::expr::{Context, Want, problem::Problem};
use crate::flow::Operator;
use crate::schema;
use crate::spec::{ExprText, NamedExpr, OneOrNamed, Section, StageSpec, Table};
use crate::state::Shape;

use super::expression::{Place, StageExpr, at};
use super::typing::Typing;

/// A stage as planned: checked, its expressions compiled, not yet bound to columns. Ports are counted as in
/// [`crate::flow::PortId`]: the main port first, where the kind has one, then the named ones in their order
/// (`route` and `fan_out` have no main port: 0 is the first that is written, and `otherwise` is the last).
pub trait Stage: Send + Sync {
    /// What the stage reads of its input when this is read of its outputs (one demand a port). The default suits stages
    /// whose outputs are their input's rows: everything read downstream, and what the stage itself reads.
    fn demand(&self, outputs: &[Demand]) -> Demand {
        let mut all = self.reads();
        outputs.iter().for_each(|output| all.extend(output));
        all
    }

    /// What the stage's own expressions read.
    fn reads(&self) -> Demand;

    /// Every expression of the stage, in written order.
    fn expressions(&self) -> Vec<&StageExpr>;

    /// The layouts of each port's batches, when the input's are these and this is read of the ports (one demand a port).
    /// A batch's `variant` is its place in its port's list. The default suits stages whose outputs are their input's
    /// rows: each port has the input's layouts.
    fn layouts(&self, inputs: &[Arc<Layout>], outputs: &[Demand]) -> Vec<Vec<Arc<Layout>>> {
        vec![inputs.to_vec(); outputs.len()]
    }

    /// Has the types of its expressions looked at on events of this shape, and says what leaves by each of `ports` ports. The default
    /// suits stages whose outputs are their input's events.
    fn types(&self, input: &schema::Shape, ports: usize, typing: &mut Typing<'_>) -> Vec<schema::Shape> {
        typing.infer_all(&self.expressions(), input);
        vec![input.clone(); ports]
    }

    /// Whether the stage keeps something from one batch to the next. Stages that do not are fused with their neighbours.
    fn is_stateful(&self) -> bool {
        false
    }

    /// What its state in a checkpoint looks like; `None`: it has none that outlives a restart.
    fn shape(&self) -> Option<Shape> {
        None
    }

    /// What becomes of state of this shape when this stage takes the place of the one that wrote it.
    fn carry(&self, from: &Shape) -> Carry {
        match self.shape() {
            Some(shape) if shape.reads(from) => Carry::Kept,
            _ => Carry::Lost("its state was of another kind".into()),
        }
    }

    /// Files that the stage has read and that may change while it runs.
    fn watched(&self) -> Vec<Arc<dyn Watched>> {
        Vec::new()
    }

    /// An operator for input of these layouts, and outputs of those that `layouts` gave.
    fn operator(&self, inputs: &[Arc<Layout>], outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator>;
}

/// What becomes of a state where the stage that wrote it has changed. The words follow the node's name in a report; a reason says
/// only what has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carry {
    /// It goes on as it was.
    Kept,
    /// It goes on, and this is different.
    Changed(String),
    /// It cannot go on, for this reason: what it holds leaves now as results marked `partial`.
    Cut(String),
    /// It cannot go on, for this reason, and nothing of it can leave.
    Lost(String),
}

/// A file that is read again when it changes, without anything else being built anew.
pub trait Watched: Send + Sync {
    /// The file.
    fn path(&self) -> &Path;

    /// Reads it, and lets the stage use it from its next batch on. Both texts are for the log, after the file's name: what was
    /// read, or why the stage goes on with what it had.
    fn reload(&self) -> Result<String, String>;
}

/// A stage kind: its keys, and how a stage is made of them. `None` after a problem was reported.
pub struct StageKind {
    pub table: &'static Table,
    pub plan: fn(&StageSpec, &mut StageContext) -> Option<Box<dyn Stage>>,
}

/// What a node is planned with.
pub struct StageContext<'a> {
    /// `params`, functions and limits.
    pub expr: &'a Context,
    /// Where problems go.
    pub diagnostics: &'a mut Diagnostics,
    /// The texts of the files, for the places of errors at run time.
    pub sources: Arc<Sources>,
    /// The bounds of state.
    pub limits: StageLimits,
}

/// The bounds of a stage's state: keys of `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageLimits {
    pub keys: usize,
    pub distinct: usize,
    pub collect: usize,
}

impl StageLimits {
    /// As the section `limits` says.
    pub fn of(limits: &Section) -> StageLimits {
        let size = |key| usize::try_from(limits.int(key)).unwrap_or(usize::MAX);
        StageLimits { keys: size("keys"), distinct: size("distinct"), collect: size("collect") }
    }
}

impl<'a> StageContext<'a> {
    /// For nodes of the files that `diagnostics` knows.
    pub fn new(expr: &'a Context, diagnostics: &'a mut Diagnostics, limits: StageLimits) -> StageContext<'a> {
        let sources = Arc::new(diagnostics.sources().clone());
        StageContext { expr, diagnostics, sources, limits }
    }

    /// Compiles an expression that stands under this key; its problems are reported at their places.
    pub fn compile(&mut self, key: &str, text: &ExprText, want: Want) -> Option<StageExpr> {
        self.compile_with(key, text, want, &[])
    }

    /// The same with more variables, see [`Context::compile_with`].
    pub fn compile_with(&mut self, key: &str, text: &ExprText, want: Want, scope: &[&str]) -> Option<StageExpr> {
        match self.expr.compile_with(&text.text, want, scope) {
            Ok(expr) => Some(StageExpr::new(expr, Place::new(text.clone(), self.sources.clone()), key)),
            Err(problems) => {
                problems.iter().for_each(|problem| report(self.diagnostics, text, problem));
                None
            }
        }
    }

    /// Compiles `name: expr` pairs, all of them, so that every problem is reported.
    pub fn compile_all(&mut self, key: &str, exprs: &[NamedExpr], want: Want) -> Option<Vec<StageExpr>> {
        let compiled: Vec<Option<StageExpr>> =
            exprs.iter().map(|named| self.compile(&format!("{key}.{}", named.name), &named.expr, want)).collect();
        compiled.into_iter().collect()
    }

    /// Compiles a key of state: one expression, or several with names.
    pub fn compile_key(&mut self, key: &str, exprs: OneOrNamed<'_>) -> Option<Vec<StageExpr>> {
        match exprs {
            OneOrNamed::One(text) => Some(vec![self.compile(key, text, Want::Value)?]),
            OneOrNamed::Named(exprs) => self.compile_all(key, exprs, Want::Value),
        }
    }

    /// The bound on keys: `keys_max` of the stage, else `limits.keys`.
    pub fn keys_max(&self, config: &Section) -> usize {
        config.int_opt("keys_max").map_or(self.limits.keys, |keys| usize::try_from(keys).unwrap_or(usize::MAX))
    }

    /// `file:line:column` of a place.
    pub fn at(&self, span: Span) -> Arc<str> {
        at(&self.sources, span)
    }
}

/// Reports a problem of an expression at its place in the YAML.
pub fn report(diagnostics: &mut Diagnostics, text: &ExprText, problem: &Problem) {
    let span = text.span_of_bytes(problem.range.start, problem.range.end);
    let report = diagnostics.error(problem.code, span, problem.message.clone());
    if let Some(help) = &problem.help {
        report.help(help.clone());
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::EvalError;
    use crate::spec::ScalarMap;

    use super::*;

    const YAML: &str = "filter: event.a > lenght(1)\n";

    fn text(diagnostics: &mut Diagnostics) -> ExprText {
        let file = diagnostics.add_file("t.yaml", YAML);
        let start = "filter: ".len();
        let text = YAML[start..].trim_end().to_owned();
        let map = ScalarMap::straight(start, text.len());
        ExprText::new(text, Span::new(file, start, YAML.len() - 1), map)
    }

    #[test]
    fn problems_of_an_expression_are_placed_in_the_file() {
        let mut diagnostics = Diagnostics::new();
        let text = text(&mut diagnostics);
        let (expr, limits) = (Context::empty(), StageLimits { keys: 1, distinct: 1, collect: 1 });
        assert!(StageContext::new(&expr, &mut diagnostics, limits).compile("filter", &text, Want::Filter).is_none());
        let found = &diagnostics.found()[0];
        assert_eq!(diagnostics.sources().slice(found.span), Some("lenght"));
        assert_eq!(found.code.id, "expr-unknown-function");
    }

    #[test]
    fn errors_of_events_name_the_place_in_the_file() {
        let mut diagnostics = Diagnostics::new();
        let place = Place::new(text(&mut diagnostics), Arc::new(diagnostics.sources().clone()));
        assert_eq!(&*place.start(), "t.yaml:1:9");
        let error = EvalError { row: 0, code: "x", message: String::new(), offset: 8 };
        assert_eq!(&*place.reject(&error).at, "t.yaml:1:17");
    }
}
