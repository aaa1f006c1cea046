//! What the kinds of windows have in common: events are placed, marks pass, results leave.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::event::codes;
use crate::flow::{Held, Reject};
use crate::limits::WINDOWS_OPEN_MAX;
use crate::state::{Keys, Probe};

use super::results::Results;
use super::slots::{Slot, Slots};

/// When results leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// Once, when the window closes.
    Final,
    /// When the window ends, and again, whole, for each event after that.
    Updates,
    /// Whenever event time passes a multiple of this, if the window has changed, and when it closes.
    Every(i64),
}

/// The settings that all windows by time share.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub emit: Emit,
    /// How long after its end a window takes events.
    pub lateness: i64,
    pub keys_max: usize,
}

/// How far event time is.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// The watermark: it closes windows.
    pub close: i64,
    /// The watermark before the next event, where that is known to be the same for all inputs: results of open windows leave
    /// by it, so that they do not depend on how many events came at once. Never less than `close`.
    pub emit: i64,
}

/// An event as windows see it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub key: Probe<'a>,
    /// Which fields of the key are whole numbers written as floats.
    pub floats: u32,
    /// `i64::MIN` for none.
    pub time: i64,
    /// The watermark that decides whether it is late: its own, or the stage's, whichever is greater.
    pub mark: i64,
    /// Of the stage. Everything that is due by them has been fired.
    pub marks: Marks,
    /// Whether every event that was placed before it has been added.
    pub is_settled: bool,
}

/// Where an event went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Into the slots that were listed.
    In,
    /// The same, and once they are updated a result leaves.
    Firing,
    /// Into none: all its windows are closed.
    Late,
    /// Nowhere yet: it joins windows, which must have all their events before that. Place it again once it is settled.
    Unsettled,
}

/// Why a window could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// As many keys as the stage may keep.
    Keys,
    /// As many windows, over all keys.
    Windows,
}

/// Stands for a slot that is not open yet.
pub const NEW: Slot = Slot::MAX;

/// The slots of one event.
pub type Into = SmallVec<[Slot; 8]>;

/// The open windows of a stage, of one kind.
pub trait OpenWindows: Send {
    /// Looks up the keys of a batch.
    fn find_all(&self, keys: &mut Keys);

    /// The slots that the event would be added to, as they are now; `NEW` for each that would be opened. None, if it is late.
    fn candidates(&self, event: &Arrival<'_>, into: &mut Into);

    /// Opens the event's windows where that is needed, and lists their slots. The caller updates them.
    fn place(&mut self, event: &Arrival<'_>, slots: &mut Slots, into: &mut Into) -> Result<Placed, Full>;

    /// Whether `fire` has something to do.
    fn is_due(&self, marks: Marks) -> bool;

    /// Sends the results that are due, and frees what is closed. False: there is more to do, because the results are full or
    /// because it took long enough.
    fn fire(&mut self, marks: Marks, slots: &mut Slots, results: &mut Results) -> bool;

    /// All open windows are to leave, in the order in which they end: the next calls of `fire` send them. Then they are of no use
    /// any more, and are to be taken away.
    fn cut(&mut self);

    /// How long after the last event of a window another may come and belong to it.
    fn reach(&self) -> i64 {
        0
    }

    /// What is held now.
    fn held(&self, slots: &Slots) -> Held;
}

/// The watermark that a result carries: it is never ahead of the result itself, and never behind the ones before.
pub fn result_mark(end: i64, emit_mark: i64, lateness: i64) -> i64 {
    match emit_mark {
        i64::MIN => i64::MIN,
        i64::MAX => end - 1,
        mark => mark.saturating_sub(lateness).min(end - 1),
    }
}

/// The first multiple of `every` after `now`.
pub fn next_tick(now: i64, every: i64) -> i64 {
    now.saturating_sub(now.rem_euclid(every)).saturating_add(every)
}

/// As many windows are open as may be.
#[cold]
pub fn windows_full(at: &Arc<str>) -> Reject {
    let message = format!(
        "the stage holds {WINDOWS_OPEN_MAX} open windows over all keys, as many as it may: make windows larger, `lateness` \
         shorter, or keys fewer"
    );
    Reject { code: codes::WINDOWS_FULL.id, message, at: at.clone() }
}
