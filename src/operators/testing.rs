//! Runs a stage over lines of JSON, for the tests of the stage kinds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::diagnostic::Sources;
use crate::event::decode::{Decoder, Format};
use crate::event::{Batch, Chunk, Demand, Layout, Path, Timestamp, encode};
use crate::expr::{Context, Want};
use crate::flow::{Operator, Output, Progress};
use crate::limits::JSON_DEPTH_MAX;
use crate::spec::ExprText;
use crate::state::{Saved, Snapshot};

use super::expression::{Place, StageExpr};
use super::stage::Stage;

/// Compiles an expression that stands in no file.
pub fn expr(text: &str, want: Want) -> StageExpr {
    let expr = Context::empty().compile(text, want).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    StageExpr::new(expr, Place::new(ExprText::detached(text), Arc::new(Sources::default())), "test")
}

/// Compiles values.
pub fn exprs(texts: &[&str]) -> Vec<StageExpr> {
    texts.iter().map(|text| expr(text, Want::Value)).collect()
}

pub fn path(text: &str) -> Path {
    text.split('.').map(Arc::from).collect()
}

/// Events of these texts as a source would decode them. A field `t` is their time.
pub fn batch(lines: &[&str], layout: &Arc<Layout>) -> Batch {
    let mut chunk = Chunk::default();
    let mut text = String::new();
    for line in lines {
        let start = text.len() as u32;
        text.push_str(line);
        chunk.frames.push(start..text.len() as u32);
    }
    chunk.text = text.into();
    let decoded = Decoder::new(Format::Json, layout.clone(), "test".into(), JSON_DEPTH_MAX).decode(chunk, 0);
    assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
    let time = |line: &&str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["t"].as_i64().map_or(Timestamp::NONE, Timestamp)
    };
    Batch { times: Arc::new(lines.iter().map(time).collect()), ..decoded.batch }
}

/// A stage at work, and what it has given.
pub struct Running {
    operator: Box<dyn Operator>,
    input: Arc<Layout>,
    layouts: Vec<Vec<Arc<Layout>>>,
    /// The events that left by each port.
    pub ports: Vec<Vec<String>>,
    /// The code, and the event, of each rejected one.
    pub errors: Vec<(&'static str, String)>,
    /// The largest batch that was emitted.
    pub largest: usize,
    pub now: Duration,
    /// The snapshots since the last whole one.
    snapshots: Vec<Bytes>,
}

impl Running {
    /// Starts a stage with so many ports, of whose outputs these paths are read.
    pub fn start(stage: &dyn Stage, ports: usize, read: &[&str]) -> Running {
        let mut output = Demand::default();
        read.iter().for_each(|text| output.add(path(text)));
        let outputs = vec![output; ports];
        let input = Arc::new(Layout::text(&stage.demand(&outputs)));
        let layouts = stage.layouts(std::slice::from_ref(&input), &outputs);
        assert_eq!(layouts.len(), ports);
        let operator = stage.operator(std::slice::from_ref(&input), &layouts);
        let (ports, errors) = (vec![Vec::new(); ports], Vec::new());
        Running { operator, input, layouts, ports, errors, largest: 0, now: Duration::ZERO, snapshots: Vec::new() }
    }

    /// Takes a snapshot, as a checkpoint does.
    pub fn checkpoint(&mut self) -> &mut Running {
        let mut snapshot = Snapshot::new(self.snapshots.is_empty());
        self.operator.snapshot(&mut snapshot);
        self.snapshots.push(snapshot.finish());
        self
    }

    /// What the snapshots say, for an operator of this stage.
    pub fn saved(&self, stage: &dyn Stage) -> Saved {
        Saved { shape: stage.shape().unwrap(), snapshots: self.snapshots.clone() }
    }

    /// Goes on with a new operator of this stage that begins with what the snapshots say.
    pub fn restart(&mut self, stage: &dyn Stage) -> &mut Running {
        let saved = self.saved(stage);
        self.snapshots.clear();
        let held = self.operator.held();
        self.operator = stage.operator(std::slice::from_ref(&self.input), &self.layouts);
        self.operator.restore(&saved).unwrap();
        assert_eq!(self.operator.held(), held);
        self
    }

    /// Goes on with a new operator of this stage that is given the state of the old one; whether it took it.
    pub fn hand_over(&mut self, stage: &dyn Stage) -> bool {
        let given = self.operator.give().unwrap();
        self.operator = stage.operator(std::slice::from_ref(&self.input), &self.layouts);
        self.operator.adopt(given)
    }

    /// Gives it events, and goes on until it is done; a wait takes no real time.
    pub fn give(&mut self, lines: &[&str]) -> &mut Running {
        self.give_batch(batch(lines, &self.input.clone()))
    }

    /// The same for a batch that stands ready.
    pub fn give_batch(&mut self, batch: Batch) -> &mut Running {
        let mut out = Output::new(self.now);
        let mut progress = self.operator.on_batch(batch, &mut out).unwrap();
        while self.take(progress, &mut out) {
            progress = self.operator.resume(&mut out).unwrap();
        }
        self
    }

    pub fn watermark(&mut self, mark: i64) -> &mut Running {
        let mut out = Output::new(self.now);
        let mut progress = self.operator.on_watermark(Timestamp(mark), &mut out).unwrap();
        while self.take(progress, &mut out) {
            progress = self.operator.resume(&mut out).unwrap();
        }
        self
    }

    /// Whether it is to be resumed.
    fn take(&mut self, progress: Progress, out: &mut Output) -> bool {
        for (port, batch) in out.take_emitted() {
            batch.assert_sound();
            assert_eq!(batch.layout, self.layouts[port][usize::from(batch.variant)]);
            self.largest = self.largest.max(batch.len());
            self.ports[port].extend(batch.selection.iter().map(|row| json(&batch, row)));
            self.check_slots(&batch);
        }
        for rejected in out.take_rejected() {
            assert_eq!(rejected.batch.selection.to_vec(), [rejected.row]);
            self.errors.push((rejected.why.code, json(&rejected.batch, rejected.row)));
        }
        match progress {
            Progress::Done => return false,
            Progress::More => {}
            Progress::Wait(then) => {
                assert!(then > self.now, "a wait until {then:?} at {:?}", self.now);
                self.now = then;
            }
        }
        *out = Output::new(self.now);
        true
    }

    /// What stands in a column is what the whole event says there.
    fn check_slots(&self, batch: &Batch) {
        for row in batch.selection.iter() {
            let event: serde_json::Value = serde_json::from_str(&json(batch, row)).unwrap();
            for path in batch.layout.slots.iter().flatten() {
                let Some((column, [])) = batch.layout.resolve(path) else { continue };
                let mut text = Vec::new();
                let cell = batch.cell(column, row);
                if !matches!(cell, crate::event::Cell::Missing) {
                    encode::write_cell(&mut text, &batch.texts, cell);
                }
                let found = path.iter().try_fold(&event, |value, name| value.get(&**name));
                let want = found.map(serde_json::Value::to_string).unwrap_or_default();
                let cut: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
                assert_eq!(cut.map(|value| value.to_string()).unwrap_or_default(), want, "{path:?} of {event}");
            }
        }
    }
}

/// A stage's operator reads snapshots that were cut, or in which a bit was flipped: it may refuse them, or read something else.
pub fn damage(stage: &dyn Stage, good: &Saved, at: usize, bit: u8) {
    let bytes = good.snapshots.concat();
    let input = Arc::new(Layout::text(&stage.reads()));
    let layouts = stage.layouts(std::slice::from_ref(&input), &vec![Demand::default(); 2]);
    let read = |bytes: Vec<u8>| {
        let mut operator = stage.operator(std::slice::from_ref(&input), &layouts);
        operator.restore(&Saved { shape: good.shape.clone(), snapshots: vec![bytes.into()] })
    };
    assert_eq!(read(bytes.clone()), Ok(()));
    let at = at % bytes.len();
    let mut flipped = bytes.clone();
    flipped[at] ^= 1 << bit;
    drop((read(flipped), read(bytes[..at].to_vec())));
}

fn json(batch: &Batch, row: u32) -> String {
    let mut out = Vec::new();
    encode::encode_json(batch, row, &mut out).unwrap_or_else(|error| panic!("{error:?}"));
    String::from_utf8(out).unwrap()
}
