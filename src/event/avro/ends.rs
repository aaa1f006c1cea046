//! Where events end that lie one behind the other, as in the blocks of a container.

use std::sync::Arc;

use crate::limits::AVRO_CUT_DEPTH_MAX;

use super::fault::Fault;
use super::machine::Machine;
use super::node::Reading;
use super::op::Step;
use super::program::Program;
use super::read::EMPTY_ITEMS;

/// Finds the ends of events of a schema, without looking at what is in them.
#[derive(Clone, Debug)]
pub struct Ends(Arc<Program>);

/// Goes from event to event.
#[derive(Debug)]
pub struct Walk {
    program: Arc<Program>,
    steps: Vec<Step>,
}

impl Ends {
    /// For a reading of a schema by itself: of another's, what cannot be read has no end.
    pub fn new(own: Arc<Reading>) -> Ends {
        Ends(Arc::new(Program::ends_only(own, AVRO_CUT_DEPTH_MAX)))
    }

    pub fn walk(&self) -> Walk {
        Walk { program: self.0.clone(), steps: self.0.steps() }
    }
}

impl Walk {
    /// The end of the event at `at`. Blocks whose size is told are jumped over, so what is in an event may be bad nevertheless.
    pub fn end(&mut self, text: &[u8], at: usize) -> Result<usize, Fault> {
        let mut machine = Machine {
            program: &self.program,
            steps: &self.steps,
            text,
            columns: &mut [],
            row: 0,
            made: &mut Vec::new(),
            made_max: 0,
            constants: 0,
            depth_max: AVRO_CUT_DEPTH_MAX,
            empty: EMPTY_ITEMS,
        };
        machine.block(0, at, 0)
    }
}
