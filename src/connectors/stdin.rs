//! Stdin: events of a pipe.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use futures_util::future::BoxFuture;

use super::feed::{FeedSource, read_pipe};
use super::{ConnectContext, ConnectorError, Replay, Source, SourceKind, SourceOpen, SourcePlan};
use crate::diagnostic::codes::NOT_TOGETHER;
use crate::spec::{SourceSpec, Table};

pub static TABLE: Table =
    Table::new("stdin", "Reads lines from standard input, until it ends. One source of a topology can.", &[])
        .example("events: { stdin: {}, time: event.timestamp }\n");

pub const KIND: SourceKind = SourceKind { table: &TABLE, plan };

const NAME: &str = "standard input";

struct Stdin;

fn plan(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SourcePlan>> {
    if spec.common.is_written("start") {
        let what = "standard input has no `start`: it is read from where it stands";
        context.diagnostics.error(&NOT_TOGETHER, spec.common.key_span_of("start"), what).help("remove `start`");
        return None;
    }
    Some(Box::new(Stdin))
}

impl SourcePlan for Stdin {
    fn reads_stream(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn replay(&self) -> Replay {
        Replay::None
    }

    fn outline(&self) -> String {
        "reads standard input".to_string()
    }

    fn exclusive(&self) -> Option<String> {
        Some(NAME.to_string())
    }

    fn open(&self, open: SourceOpen) -> BoxFuture<'static, Result<Box<dyn Source>, ConnectorError>> {
        Box::pin(async move {
            let input = io::stdin().as_fd().try_clone_to_owned().map_err(|why| {
                ConnectorError::fatal(format!("cannot read {NAME}: {why}; pipe something into the runner"))
            })?;
            let mut input = File::from(input);
            let source = FeedSource::start(NAME, (), move |feed| {
                if io::stdin().is_terminal() {
                    feed.note("reading events from the terminal, a line each; Ctrl-D ends them".to_string());
                }
                read_pipe(&mut input, NAME, &open, feed, || ())
            })?;
            Ok(Box::new(source) as Box<dyn Source>)
        })
    }
}
