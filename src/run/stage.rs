//! The task of stages that are fed by edges.

use crate::flow::{Message, Step, Then};

use super::Failure;
use super::chain::{Chain, Signal};
use super::intake::Intake;
use super::parts::Parts;

/// Runs until the inputs have ended or a stopping barrier has passed.
pub(super) async fn run(mut chain: Chain, mut intake: Intake) -> Result<Parts, Failure> {
    loop {
        let (queued, max) = intake.fill();
        chain.links[0].counters.queues(queued, max);
        let (input, message) = intake.next().await?;
        let steps = match message {
            Message::Batch(batch) => {
                intake.inputs.on_batch(input);
                chain.batch(0, batch).await?;
                tokio::task::consume_budget().await;
                Vec::new()
            }
            Message::Watermark(watermark) => intake.inputs.on_watermark(input, watermark).into_iter().collect(),
            Message::Barrier(barrier) => intake.inputs.on_barrier(input, barrier).into_iter().collect(),
            Message::End => intake.inputs.on_end(input),
        };
        for step in steps {
            match step {
                Step::Advance { mark, forward } => chain.signal(0, Signal::Watermark { mark, forward }).await?,
                Step::Barrier(barrier) => {
                    chain.signal(0, Signal::Barrier(barrier)).await?;
                    match barrier.then {
                        Then::Continue => {}
                        Then::Stop => return Ok(Parts::new()),
                        Then::HandOver => return Ok(chain.into_parts()),
                    }
                }
                Step::End => {
                    chain.signal(0, Signal::End).await?;
                    return Ok(Parts::new());
                }
            }
        }
    }
}
