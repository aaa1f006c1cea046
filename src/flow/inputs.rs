//! The inputs of one node: the least watermark over them, and the alignment of barriers. A pure counter: no channel, no clock.

use crate::event::Timestamp;

use super::{Barrier, Watermark};

/// What is known of one input.
#[derive(Clone, Debug)]
struct Input {
    mark: Timestamp,
    idle: Option<i64>,
    barrier: Option<Barrier>,
    ended: bool,
}

/// What a node must do next because of what came in on one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Event time of the node has moved: run the operator to `mark`, then tell the outputs `forward`.
    Advance { mark: Timestamp, forward: Watermark },
    /// Every live input has this barrier: pass it on; all inputs are open again.
    Barrier(Barrier),
    /// Every input has ended.
    End,
}

/// The state of all inputs of a node.
#[derive(Clone, Debug)]
pub struct Inputs {
    inputs: Vec<Input>,
    /// The watermark told so far.
    mark: Timestamp,
    /// The watermark when the last input fell idle: time goes on from here while all are.
    idle_base: Option<Timestamp>,
}

impl Inputs {
    /// `n` inputs that have said nothing.
    pub fn new(n: usize) -> Inputs {
        let input = Input { mark: Timestamp::NONE, idle: None, barrier: None, ended: false };
        Inputs { inputs: vec![input; n], mark: Timestamp::NONE, idle_base: None }
    }

    /// Whether an input may be polled: it has not ended and is not waiting for the others at a barrier.
    pub fn is_open(&self, input: usize) -> bool {
        let input = &self.inputs[input];
        !input.ended && input.barrier.is_none()
    }

    /// The node's event time.
    pub fn mark(&self) -> Timestamp {
        self.mark
    }

    /// An event came: the input is not idle, wherever its watermark stands.
    pub fn on_batch(&mut self, input: usize) {
        self.inputs[input].idle = None;
        self.idle_base = None;
    }

    /// A watermark came.
    pub fn on_watermark(&mut self, input: usize, watermark: Watermark) -> Option<Step> {
        let state = &mut self.inputs[input];
        match watermark {
            Watermark::At(mark) => {
                state.mark = state.mark.max(mark);
                state.idle = None;
            }
            Watermark::Idle(elapsed) => state.idle = Some(elapsed),
        }
        self.advance()
    }

    /// A barrier came: the input waits until all live ones have it.
    pub fn on_barrier(&mut self, input: usize, barrier: Barrier) -> Option<Step> {
        debug_assert!(self.is_open(input), "an input that waits at a barrier is not polled");
        self.inputs[input].barrier = Some(barrier);
        self.aligned()
    }

    /// An input ended: it has every barrier and every time. Call again with the steps done until it gives none: the end
    /// of one input can complete a barrier, move time, and end the node.
    pub fn on_end(&mut self, input: usize) -> Vec<Step> {
        self.inputs[input].ended = true;
        let mut steps: Vec<Step> = self.advance().into_iter().collect();
        steps.extend(self.aligned());
        if self.inputs.iter().all(|input| input.ended) {
            steps.push(Step::End);
        }
        steps
    }

    fn aligned(&mut self) -> Option<Step> {
        let mut live = self.inputs.iter().filter(|input| !input.ended);
        let first = live.next()?.barrier?;
        if !live.all(|input| input.barrier.is_some_and(|barrier| barrier.id == first.id)) {
            return None;
        }
        self.inputs.iter_mut().for_each(|input| input.barrier = None);
        Some(Step::Barrier(first))
    }

    fn advance(&mut self) -> Option<Step> {
        let live = || self.inputs.iter().filter(|input| !input.ended);
        live().next()?; // With none left, the end itself closes what is open.
        if let Some(least) = live().filter(|input| input.idle.is_none()).map(|input| input.mark).min() {
            self.idle_base = None;
            return (least > self.mark).then(|| {
                self.mark = least;
                Step::Advance { mark: least, forward: Watermark::At(least) }
            });
        }
        let elapsed = live().filter_map(|input| input.idle).min().unwrap_or(0);
        let base = *self.idle_base.get_or_insert(self.mark);
        self.mark = self.mark.max(base.plus(elapsed));
        Some(Step::Advance { mark: self.mark, forward: Watermark::Idle(elapsed) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Then;
    use super::*;

    fn at(ms: i64) -> Watermark {
        Watermark::At(Timestamp(ms))
    }

    fn moved(ms: i64) -> Option<Step> {
        Some(Step::Advance { mark: Timestamp(ms), forward: at(ms) })
    }

    #[test]
    fn time_is_the_least_of_the_inputs_that_are_not_idle() {
        let mut inputs = Inputs::new(2);
        assert_eq!(inputs.on_watermark(0, at(10)), None);
        assert_eq!(inputs.on_watermark(1, at(4)), moved(4));
        assert_eq!(inputs.on_watermark(1, Watermark::Idle(0)), moved(10));
        assert_eq!(inputs.on_watermark(1, at(6)), None, "a late riser does not turn time back");
        assert_eq!(inputs.on_watermark(0, at(20)), None);
        assert_eq!(inputs.on_watermark(1, at(15)), moved(15));
    }

    #[test]
    fn with_all_idle_time_goes_on_by_what_has_elapsed() {
        let mut inputs = Inputs::new(2);
        inputs.on_watermark(0, at(1_000));
        inputs.on_watermark(1, at(50));
        inputs.on_watermark(0, Watermark::Idle(0));
        let idle = |mark, elapsed| Some(Step::Advance { mark: Timestamp(mark), forward: Watermark::Idle(elapsed) });
        assert_eq!(inputs.on_watermark(1, Watermark::Idle(0)), idle(50, 0), "no jump to the one ahead");
        assert_eq!(inputs.on_watermark(0, Watermark::Idle(30)), idle(50, 0));
        assert_eq!(inputs.on_watermark(1, Watermark::Idle(20)), idle(70, 20));
    }

    #[test]
    fn a_barrier_passes_when_every_live_input_has_it() {
        let barrier = Barrier { id: 7, then: Then::Continue };
        let mut inputs = Inputs::new(3);
        assert_eq!(inputs.on_barrier(0, barrier), None);
        assert!(!inputs.is_open(0) && inputs.is_open(1));
        assert_eq!(inputs.on_barrier(2, barrier), None);
        assert_eq!(inputs.on_end(1), vec![Step::Barrier(barrier)], "an ended input has every barrier");
        assert!(inputs.is_open(0) && !inputs.is_open(1));
        assert_eq!(inputs.on_end(0), vec![]);
        assert_eq!(inputs.on_end(2), vec![Step::End]);
    }
}
