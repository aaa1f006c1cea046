//! What a stage kind is at plan time: it declares what it reads, what its outputs look like, and makes operators.

use std::sync::Arc;

use crate::event::{Demand, Layout};
use crate::flow::Operator;

/// A stage as planned: checked, its expressions compiled, not yet bound to columns. Ports are counted as in
/// [`crate::flow::PortId`]: 0 is the main port, then those that the table declares, in its order.
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

    /// The layouts of each port's batches, when the input's are these. A batch's `variant` is its place in that list.
    /// The default suits stages whose outputs are their input's rows: each port has the input's layouts.
    fn layouts(&self, inputs: &[Arc<Layout>], ports: usize) -> Vec<Vec<Arc<Layout>>> {
        vec![inputs.to_vec(); ports]
    }

    /// Whether the stage keeps something from one batch to the next. Stages that do not are fused with their neighbours.
    fn is_stateful(&self) -> bool {
        false
    }

    /// An operator for input of these layouts.
    fn operator(&self, inputs: &[Arc<Layout>]) -> Box<dyn Operator>;
}
