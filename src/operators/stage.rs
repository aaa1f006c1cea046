//! What a stage kind is at plan time: it declares what it reads, what its outputs look like, and makes operators.

use std::sync::Arc;

use crate::event::{Demand, Layout};
use crate::flow::Operator;

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

    /// The layouts of each port's batches, when the input's are these and this is read of the ports (one demand a port).
    /// A batch's `variant` is its place in its port's list. The default suits stages whose outputs are their input's
    /// rows: each port has the input's layouts.
    fn layouts(&self, inputs: &[Arc<Layout>], outputs: &[Demand]) -> Vec<Vec<Arc<Layout>>> {
        vec![inputs.to_vec(); outputs.len()]
    }

    /// Whether the stage keeps something from one batch to the next. Stages that do not are fused with their neighbours.
    fn is_stateful(&self) -> bool {
        false
    }

    /// An operator for input of these layouts, and outputs of those that `layouts` gave.
    fn operator(&self, inputs: &[Arc<Layout>], outputs: &[Vec<Arc<Layout>>]) -> Box<dyn Operator>;
}
