//! Route: each event to the first port whose condition holds.

use std::sync::Arc;

use crate::event::{Batch, Demand, Layout};
use crate::expr::Want;
use crate::flow::{Fatal, Operator, Output, Progress};
use crate::schema::Shape;
use crate::spec::{Key, Ports, StageSpec, Table, Type};

use super::eval::{Evaluator, without};
use super::expression::{StageExpr, reads};
use super::stage::{Stage, StageContext};
use super::typing::Typing;

pub static TABLE: Table = Table::new(
    "route",
    "Sends an event to the first port, in written order, whose condition holds; what none takes leaves by `otherwise`.",
    &[Key::new("route", Type::PortMap, "A condition for each port, read as `from: id.port`.")
        .required()
        .example("{ block: event.risk > 0.8, review: event.risk > 0.5 }")],
)
.inline()
.ports(Ports::Written)
.example(
    "triage:\n  from: scored\n  route:\n    block: event.risk > params.alert_above\n    review: event.risk > 0.5\n",
);

/// Ports, each with a condition, asked in written order.
struct Route {
    conditions: Vec<StageExpr>,
}

/// Checks and compiles a `route`.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let conditions = ctx.compile_all("route", spec.config.exprs("route"), Want::Filter)?;
    Some(Box::new(Route { conditions }))
}

impl Stage for Route {
    fn reads(&self) -> Demand {
        reads(&self.conditions)
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        self.conditions.iter().collect()
    }

    fn types(&self, input: &Shape, _ports: usize, typing: &mut Typing<'_>) -> Vec<Shape> {
        let mut rest = input.clone();
        let mut ports = Vec::with_capacity(self.conditions.len() + 1);
        for condition in &self.conditions {
            let inferred = typing.infer(condition, &rest);
            ports.push(inferred.holds);
            rest = inferred.fails;
        }
        ports.push(rest);
        ports
    }

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        Box::new(Run { conditions: Evaluator::new(&self.conditions, inputs) })
    }
}

/// A `route` at work.
struct Run {
    conditions: Evaluator,
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        let mut rows = batch.selection.to_vec();
        for port in 0..self.conditions.len() {
            // What a port takes is not asked for by those after it, so their conditions may rely on it.
            let taken = self.conditions.test(port, &batch, &mut rows, out);
            without(&mut rows, &taken);
            out.emit(port, batch.select(taken));
        }
        out.emit(self.conditions.len(), batch.select(rows));
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Running, expr};
    use super::*;

    #[test]
    fn the_first_that_holds_takes_the_event() {
        let conditions = ["event.kind == \"none\"", "event.a > 2", "event.a > 1"];
        let stage = Route { conditions: conditions.iter().map(|text| expr(text, Want::Filter)).collect() };
        let mut run = Running::start(&stage, 4, &[]);
        run.give(&[r#"{"kind":"none"}"#, r#"{"a":3}"#, r#"{"a":2}"#, r#"{"a":1}"#, r#"{"a":"x"}"#]);
        assert_eq!(run.ports[0], [r#"{"kind":"none"}"#], "later conditions would have refused it");
        assert_eq!(run.ports[1], [r#"{"a":3}"#]);
        assert_eq!(run.ports[2], [r#"{"a":2}"#]);
        assert_eq!(run.ports[3], [r#"{"a":1}"#]);
        assert_eq!(run.errors, [(crate::expr::codes::COMPARE, r#"{"a":"x"}"#.to_owned())]);
    }
}
