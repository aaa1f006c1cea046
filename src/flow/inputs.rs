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
    /// How long all inputs have been idle, as told last: time goes on by what comes on top of it.
    idle_told: Option<i64>,
    /// Whether the outputs were told to leave this node out.
    is_idle: bool,
}

impl Inputs {
    /// `n` inputs that have said nothing.
    pub fn new(n: usize) -> Inputs {
        let input = Input { mark: Timestamp::NONE, idle: None, barrier: None, ended: false };
        Inputs { inputs: vec![input; n], mark: Timestamp::NONE, idle_told: None, is_idle: false }
    }

    /// The same, at a node whose event time had come to `mark` before: it does not go back.
    pub fn from(n: usize, mark: Timestamp) -> Inputs {
        Inputs { mark, ..Inputs::new(n) }
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
            self.idle_told = None;
            return self.advance_to(least);
        }
        if !self.mark.is_some() {
            // Some input has never had an event, and all are idle: time begins where the others are, or were when they ended.
            let known = self.inputs.iter().map(|input| input.mark).filter(|mark| mark.is_some()).min();
            if let Some(least) = known {
                return self.advance_to(least);
            }
        }
        let elapsed = live().filter_map(|input| input.idle).min().unwrap_or(0);
        // Less than before: a new silence, which has just begun. What comes out of a stage that is idle (windows fire) begins none.
        let more = self.idle_told.map_or(0, |told| if elapsed < told { 0 } else { elapsed - told });
        self.idle_told = Some(elapsed);
        self.is_idle = true;
        self.mark = self.mark.plus(more);
        Some(Step::Advance { mark: self.mark, forward: Watermark::Idle(elapsed) })
    }

    /// Time is at least here; who was told to leave this node out is told again that it counts.
    fn advance_to(&mut self, least: Timestamp) -> Option<Step> {
        let wakes = self.is_idle && self.mark.is_some();
        if least <= self.mark && !wakes {
            return None;
        }
        self.is_idle = false;
        self.mark = self.mark.max(least);
        Some(Step::Advance { mark: self.mark, forward: Watermark::At(self.mark) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Saves, Then};
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
    fn windows_that_fire_in_the_silence_do_not_make_time_go_faster() {
        let mut inputs = Inputs::new(1);
        let mut time = |watermark| match inputs.on_watermark(0, watermark) {
            Some(Step::Advance { mark, .. }) => mark.0,
            other => panic!("{other:?}"),
        };
        assert_eq!([at(1_000), Watermark::Idle(0), Watermark::Idle(20)].map(&mut time), [1_000, 1_000, 1_020]);
        inputs.on_batch(0);
        let mut time = |watermark| inputs.on_watermark(0, watermark);
        let idle = |mark, elapsed| Some(Step::Advance { mark: Timestamp(mark), forward: Watermark::Idle(elapsed) });
        assert_eq!(time(Watermark::Idle(30)), idle(1_030, 30));
        assert_eq!(time(Watermark::Idle(5)), idle(1_030, 5), "a new silence");
        assert_eq!(time(Watermark::Idle(7)), idle(1_032, 7));
        assert_eq!(time(at(1_010)), moved(1_032), "awake again, and said so");
        assert_eq!(time(at(1_020)), None);
    }

    #[test]
    fn an_input_without_any_event_holds_nobody_up_once_all_are_idle() {
        let mut inputs = Inputs::new(2);
        assert_eq!(inputs.on_watermark(0, at(1_000)), None);
        assert_eq!(inputs.on_watermark(0, Watermark::Idle(0)), None);
        assert_eq!(inputs.on_watermark(1, Watermark::Idle(0)), moved(1_000));
        let step = |mark, elapsed| Some(Step::Advance { mark: Timestamp(mark), forward: Watermark::Idle(elapsed) });
        assert_eq!(inputs.on_watermark(1, Watermark::Idle(10)), step(1_000, 0));
        assert_eq!(inputs.on_watermark(0, Watermark::Idle(10)), step(1_010, 10));

        let mut inputs = Inputs::new(2);
        inputs.on_watermark(0, at(1_000));
        assert_eq!(inputs.on_end(0), vec![]);
        assert_eq!(inputs.on_watermark(1, Watermark::Idle(0)), moved(1_000), "what has ended is known to be there");
    }

    #[test]
    fn a_barrier_passes_when_every_live_input_has_it() {
        let barrier = Barrier { id: 7, then: Then::Continue, saves: Saves::Changes };
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
