//! The file source at plan time and at its opening: files one after the other in the order of their names, or followed.

use std::path::PathBuf;

use futures_util::future::BoxFuture;

use super::compression::Choice;
use super::follow;
use super::input::{Obstacle, Pattern, read_file};
use crate::connectors::blocking::blocking;
use crate::connectors::feed::{Feed, FeedSource, Stopped};
use crate::connectors::{ConnectContext, ConnectorError, Replay, Source, SourceOpen, SourcePlan, comparable};
use crate::diagnostic::codes::{FILE_UNREADABLE, INPUT_MISSING, NOT_TOGETHER};
use crate::spec::{SourceSpec, Value};

#[derive(Clone, Debug)]
struct FileSourcePlan {
    pattern: Pattern,
    compression: Choice,
    follow: bool,
    /// Begin at the end of what is there.
    latest: bool,
}

pub fn plan(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SourcePlan>> {
    let config = &spec.config;
    let plan = FileSourcePlan {
        pattern: Pattern { text: config.glob("path").to_string() },
        compression: Choice::named(config.choice("compression")),
        follow: config.bool("follow"),
        latest: matches!(spec.common.value("start"), Some(Value::Choice("latest"))),
    };
    let is_sound = check_settings(&plan, spec, context);
    check_files(&plan, spec, context).then_some(())?;
    is_sound.then(|| Box::new(plan) as Box<dyn SourcePlan>)
}

/// Whether the keys make sense together.
fn check_settings(plan: &FileSourcePlan, spec: &SourceSpec, context: &mut ConnectContext<'_>) -> bool {
    let mut is_sound = true;
    if matches!(spec.common.value("start"), Some(Value::Section(_))) {
        context
            .diagnostics
            .error(
                &NOT_TOGETHER,
                spec.common.span_of("start"),
                "a file cannot be read from a time on, as its lines have none",
            )
            .help("leave out `start`, and keep what is wanted with a `filter` on the event's time");
        is_sound = false;
    }
    if plan.latest && !plan.follow {
        context
            .diagnostics
            .error(
                &NOT_TOGETHER,
                spec.common.span_of("start"),
                "`start: latest` skips all that a file has, and without `follow` nothing comes after it",
            )
            .help("add `follow: true` to the file, or leave out `start`");
        is_sound = false;
    }
    if plan.follow && matches!(plan.compression, Choice::Always(kind) if kind != super::compression::Compression::None)
    {
        context
            .diagnostics
            .error(
                &NOT_TOGETHER,
                spec.config.span_of("compression"),
                "a compressed file cannot be followed while it grows",
            )
            .help("leave out `follow` to read it once, or write it without compression");
        is_sound = false;
    }
    is_sound
}

/// Whether the files can be read; that they are not there yet is only a warning.
fn check_files(plan: &FileSourcePlan, spec: &SourceSpec, context: &mut ConnectContext<'_>) -> bool {
    let span = spec.config.span_of("path");
    match plan.pattern.readable_files() {
        Ok(_) => true,
        Err(Obstacle { is_missing: true, .. }) if plan.follow => true,
        Err(Obstacle { why, help, is_missing: true }) => {
            context.diagnostics.warning(&INPUT_MISSING, span, why).help(help);
            true
        }
        Err(Obstacle { why, help, is_missing: false }) => {
            context.diagnostics.error(&FILE_UNREADABLE, span, why).help(help);
            false
        }
    }
}

impl SourcePlan for FileSourcePlan {
    fn is_bounded(&self) -> bool {
        !self.follow
    }

    fn replay(&self) -> Replay {
        Replay::Position
    }

    fn outline(&self) -> String {
        let how = if self.follow { "follows" } else { "reads" };
        let packed = match self.compression {
            Choice::Auto => String::new(),
            Choice::Always(kind) => format!(" ({})", kind.name()),
        };
        format!("{how} {}{packed}", self.pattern.text)
    }

    fn reads(&self) -> Vec<PathBuf> {
        let files = self.pattern.files().map(|matched| matched.files).unwrap_or_default();
        files.iter().filter(|path| !path.starts_with("/dev")).map(|path| comparable(path)).collect()
    }

    fn open(&self, open: SourceOpen) -> BoxFuture<'static, Result<Box<dyn Source>, ConnectorError>> {
        let plan = self.clone();
        Box::pin(async move { Ok(Box::new(blocking(|| plan.start(open))?) as Box<dyn Source>) })
    }
}

impl FileSourcePlan {
    fn start(self, open: SourceOpen) -> Result<FeedSource, ConnectorError> {
        let name = self.pattern.text.clone();
        if self.follow {
            let known = match self.pattern.readable_files() {
                Ok(matched) => matched.files,
                Err(obstacle) if obstacle.is_missing => Vec::new(),
                Err(obstacle) => return Err(obstacle.into()),
            };
            return FeedSource::start(&name, move |feed| {
                follow::run(&self.pattern, self.compression, known, self.latest, &open, feed)
            });
        }
        let matched = self.pattern.readable_files()?;
        FeedSource::start(&name, move |feed| {
            if matched.folders > 0 {
                feed.note(format!("{} folders match `{}` and are not read", matched.folders, self.pattern.text));
            }
            read_all(&matched.files, self.compression, &open, feed)
        })
    }
}

fn read_all(files: &[PathBuf], compression: Choice, open: &SourceOpen, feed: &Feed) -> Result<(), Stopped> {
    files.iter().try_for_each(|path| read_file(path, compression, open, feed))
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
