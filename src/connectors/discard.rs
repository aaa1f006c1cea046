//! Discard: a sink that says that events are not needed.

use futures_util::future::BoxFuture;

use super::{ConnectContext, ConnectorError, Encoded, Sink, SinkKind, SinkOpen, SinkPlan};
use crate::spec::{SinkSpec, Table};

pub static TABLE: Table =
    Table::new("discard", "Drops events, and counts them: says that a port is left unread on purpose.", &[])
        .example("quiet: { from: triage.otherwise, discard: {} }\n");

pub const KIND: SinkKind = SinkKind { table: &TABLE, plan };

struct Discard;

fn plan(_spec: &SinkSpec, _context: &mut ConnectContext<'_>) -> Option<Box<dyn SinkPlan>> {
    Some(Box::new(Discard))
}

impl SinkPlan for Discard {
    fn writes_lines(&self) -> bool {
        false
    }

    fn reads_events(&self) -> bool {
        false
    }

    fn is_exactly_once(&self) -> bool {
        true
    }

    fn needs_checkpoints(&self) -> bool {
        false
    }

    fn outline(&self) -> String {
        "drops its events and counts them".to_string()
    }

    fn open(&self, _open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        Box::pin(async { Ok(Box::new(Discard) as Box<dyn Sink>) })
    }
}

impl Sink for Discard {
    fn write<'a>(&'a mut self, events: &'a Encoded, done: &'a mut usize) -> BoxFuture<'a, Result<(), ConnectorError>> {
        *done = events.len();
        Box::pin(async { Ok(()) })
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async { Ok(()) })
    }
}
