//! `fold`: its expression runs event by event, with the value so far as a variable.

use std::sync::Arc;

use crate::event::{Batch, Cell, Column, Layout, Texts};
use crate::expr::{Arena, EvalError, Program};
use crate::flow::{Evaluations, Reject};
use crate::operators::aggregate::Accumulator;
use crate::operators::expression::{Place, StageExpr};
use crate::state::Value;

use super::open::NEW;
use super::slots::{Slot, Slots};

/// One `fold` of a window.
#[derive(Clone)]
pub struct Fold {
    /// Which of the aggregate calls it is.
    pub call: usize,
    /// The expression of its start: which of the arguments.
    pub start: usize,
    /// Of the value so far (its variable) and an event.
    pub step: StageExpr,
}

/// The folds of a stage, ready to run.
pub struct Folds {
    folds: Vec<Running>,
    arena: Arena,
    errors: Vec<EvalError>,
    /// New values, kept until it is sure that nothing refuses the event.
    next: Vec<(Slot, usize, Value)>,
    /// Not yet told to the output.
    pub evaluations: Evaluations,
}

struct Running {
    call: usize,
    start: usize,
    programs: Vec<Program>,
    place: Place,
}

impl Folds {
    /// For input of these layouts.
    pub fn new(folds: &[Fold], inputs: &[Arc<Layout>]) -> Folds {
        let running = |fold: &Fold| Running {
            call: fold.call,
            start: fold.start,
            programs: inputs.iter().map(|layout| fold.step.bind(layout)).collect(),
            place: fold.step.place().clone(),
        };
        Folds {
            folds: folds.iter().map(running).collect(),
            arena: Arena::default(),
            errors: Vec::new(),
            next: Vec::new(),
            evaluations: Evaluations::default(),
        }
    }

    /// Computes what each fold becomes with an event, in these slots (`NEW`: in one that is to be opened); `set` puts it there.
    /// `args` are the arguments of the stage's aggregates.
    pub fn run(
        &mut self,
        batch: &Batch,
        row: u32,
        slots: &Slots,
        held: &[Slot],
        args: (&[Column], &Texts),
    ) -> Result<(), Reject> {
        self.next.clear();
        if self.folds.is_empty() {
            return Ok(());
        }
        let single = batch.select(vec![row]).compact();
        for &slot in held {
            for fold in &mut self.folds {
                let before = if slot == NEW { None } else { slots.any(slot, fold.call) };
                let before = match before {
                    Some(Accumulator::Absent) => continue,
                    Some(Accumulator::Fold(Some(value))) => value.clone(),
                    _ => {
                        let cell = args.0.get(fold.start).and_then(|column| column.cells().get(row as usize));
                        Value::of(cell.copied().unwrap_or(Cell::Missing), args.1)
                    }
                };
                self.evaluations.add(fold.is_compiled(), 1);
                let value = fold.step(&single, &before, &mut self.arena, &mut self.errors)?;
                self.next.push((slot, fold.call, value));
            }
        }
        Ok(())
    }

    /// Puts the computed values into the slots that the event was placed in.
    pub fn set(&mut self, slots: &mut Slots, placed: &[Slot]) {
        for fold in &self.folds {
            for &slot in placed {
                let Some(held) = slots.any_mut(slot, fold.call) else { continue };
                if matches!(held, Accumulator::Absent) {
                    continue;
                }
                let of = |wanted: Slot| self.next.iter().find(|(at, call, _)| *at == wanted && *call == fold.call);
                if let Some((.., value)) = of(slot).or_else(|| of(NEW)) {
                    *held = Accumulator::Fold(Some(value.clone()));
                }
            }
        }
        self.next.clear();
    }
}

impl Running {
    fn is_compiled(&self) -> bool {
        self.programs.first().is_none_or(Program::is_compiled)
    }

    fn step(
        &mut self,
        single: &Batch,
        before: &Value,
        arena: &mut Arena,
        errors: &mut Vec<EvalError>,
    ) -> Result<Value, Reject> {
        let mut batch = single.clone();
        let local = Column::from(vec![before.cell_beside(&mut batch.texts)]);
        let Some(program) = self.programs.get_mut(usize::from(batch.variant)) else { return Ok(before.clone()) };
        arena.begin(&batch.texts);
        let column = program.eval(&batch, &[0], &[local], arena, errors);
        if let Some(error) = errors.pop() {
            errors.clear();
            return Err(self.place.reject(&error));
        }
        let mut texts = batch.texts;
        arena.finish(&mut texts);
        Ok(Value::of(column.cells().first().copied().unwrap_or(Cell::Missing), &texts))
    }
}
