//! The checkpoint of where a run begins. It is on disk before anything is read: what a crash in the first moments has left in a
//! sink is taken back like any other, and a source that begins at the latest event begins there again.

use crate::connectors::SinkState;
use crate::plan::Plan;

use super::graph::saved_node;
use super::parts::Supply;
use super::recovery::{Past, sink_position};
use super::saver::NodePart;

/// Writes it, for a run that goes on from nothing and would go on from a checkpoint. If that cannot be done the run begins all the
/// same: the next checkpoint has it all.
pub(super) async fn save(plan: &Plan, past: &mut Past, supplies: &mut [Supply]) {
    let is_first = past.begun.from.is_none() && !plan.is_bounded();
    let Some(saver) = past.saver.as_mut().filter(|_| is_first) else { return };
    let id = past.next_id;
    past.next_id += 1;
    saver.set_plan(plan.nodes.iter().map(saved_node).collect(), plan.texts.clone());
    for (node, supply) in plan.nodes.iter().zip(&mut *supplies) {
        let part = match supply {
            Supply::Source(part) => NodePart { state: part.position(id), ..NodePart::default() },
            Supply::Sink(part) => match part.sink.checkpoint(id).await {
                Ok(SinkState { state, pending, sync }) => {
                    let state = sink_position(state, part.columns.as_deref());
                    NodePart { state, pending, sync, ..NodePart::default() }
                }
                Err(error) => return tracing::warn!(node = %node.id, "it begins without a checkpoint: {error}"),
            },
            Supply::Stage(_) => continue,
        };
        saver.take(&node.id, id, part);
    }
    if let Err(why) = saver.write(id) {
        return tracing::warn!("the run begins without a checkpoint: {why}");
    }
    while let Some(written) = saver.written().await {
        if let Err(why) = written.result {
            return tracing::warn!("the run begins without a checkpoint: {why}");
        }
    }
    for supply in supplies {
        if let Supply::Sink(part) = supply {
            part.uncommitted = Some(id);
        }
    }
}
