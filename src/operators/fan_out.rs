//! Fan-out: a copy of the event for every port whose condition holds.

use std::sync::Arc;

use crate::event::{Batch, Demand, Layout};
use crate::expr::Want;
use crate::flow::{Fatal, Operator, Output, Progress};
use crate::schema::Shape;
use crate::spec::{Key, Ports, StageSpec, Table, Type};

use super::eval::Evaluator;
use super::expression::{StageExpr, reads};
use super::stage::{Stage, StageContext};
use super::typing::Typing;

pub static TABLE: Table = Table::new(
    "fan_out",
    "Sends an event to every port whose condition holds; what none takes leaves by `otherwise`. \
     (Where every reader is to get every event, let several nodes read one port: no stage is needed.)",
    &[Key::new("fan_out", Type::PortMap, "A condition for each port, read as `from: id.port`.")
        .required()
        .example("{ fraud: event.amount > 1000, analytics: \"true\" }")],
)
.inline()
.ports(Ports::Written)
.example("purchase:\n  from: actions\n  fan_out:\n    fraud: event.amount > 1000\n    recommendations: event.user != ()\n    analytics: true\n");

/// A copy for each port whose condition holds.
struct FanOut {
    conditions: Vec<StageExpr>,
}

/// Checks and compiles a `fan_out`.
pub fn plan(spec: &StageSpec, ctx: &mut StageContext) -> Option<Box<dyn Stage>> {
    let conditions = ctx.compile_all("fan_out", spec.config.exprs("fan_out"), Want::Filter)?;
    Some(Box::new(FanOut { conditions }))
}

impl Stage for FanOut {
    fn reads(&self) -> Demand {
        reads(&self.conditions)
    }

    fn expressions(&self) -> Vec<&StageExpr> {
        self.conditions.iter().collect()
    }

    fn types(&self, input: &Shape, _ports: usize, typing: &mut Typing<'_>) -> Vec<Shape> {
        let held = self.conditions.iter().map(|condition| typing.infer(condition, input).holds);
        held.chain([input.clone()]).collect()
    }

    fn operator(&self, inputs: &[Arc<Layout>], _outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator> {
        Box::new(Run { conditions: Evaluator::new(&self.conditions, inputs) })
    }
}

/// A `fan_out` at work.
struct Run {
    conditions: Evaluator,
}

impl Operator for Run {
    fn on_batch(&mut self, batch: Batch, out: &mut Output) -> Result<Progress, Fatal> {
        // An event that one condition refuses leaves by `errors` alone, so all are asked before any port gets something.
        let mut rows = batch.selection.to_vec();
        let ports = self.conditions.len();
        let mut held: Vec<Vec<u32>> =
            (0..ports).map(|port| self.conditions.test(port, &batch, &mut rows, out)).collect();
        if rows.len() < batch.len() {
            held.iter_mut().for_each(|held| held.retain(|row| rows.binary_search(row).is_ok()));
        }
        let mut taken = vec![false; batch.rows()];
        for (port, held) in held.into_iter().enumerate() {
            held.iter().for_each(|row| taken[*row as usize] = true);
            out.emit(port, batch.select(held));
        }
        rows.retain(|row| !taken[*row as usize]);
        out.emit(ports, batch.select(rows));
        Ok(Progress::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Running, expr};
    use super::*;

    fn fan_out(conditions: &[&str]) -> FanOut {
        FanOut { conditions: conditions.iter().map(|text| expr(text, Want::Filter)).collect() }
    }

    #[test]
    fn every_port_that_holds_gets_the_event() {
        let stage = fan_out(&["event.a > 1", "event.a > 2"]);
        let mut run = Running::start(&stage, 3, &[]);
        run.give(&[r#"{"a":1}"#, r#"{"a":2}"#, r#"{ "a": 3 }"#]);
        assert_eq!(run.ports[0], [r#"{"a":2}"#, r#"{ "a": 3 }"#]);
        assert_eq!(run.ports[1], [r#"{ "a": 3 }"#]);
        assert_eq!(run.ports[2], [r#"{"a":1}"#]);
    }

    #[test]
    fn a_refused_event_leaves_by_no_port() {
        let stage = fan_out(&["event.a > 1", "event.b > 1"]);
        let mut run = Running::start(&stage, 3, &[]);
        run.give(&[r#"{"a":2}"#, r#"{"a":2,"b":2}"#, r#"{}"#]);
        assert_eq!(run.ports, [vec![r#"{"a":2,"b":2}"#], vec![r#"{"a":2,"b":2}"#], vec![]]);
        let errors: Vec<&str> = run.errors.iter().map(|(_, event)| event.as_str()).collect();
        assert_eq!(errors, [r#"{"a":2}"#, "{}"]);
    }
}
