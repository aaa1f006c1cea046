//! The file source at plan time and at its opening: files one after the other in the order of their names, or followed.

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use indexmap::IndexMap;

use super::begin::Begin;
use super::compression::Choice;
use super::follow;
use super::input::{Obstacle, Pattern, read_file};
use super::position::{Found, Present, Saved, Standing};
use crate::connectors::blocking::blocking;
use crate::connectors::feed::FeedSource;
use crate::connectors::{ConnectContext, ConnectorError, Replay, Source, SourceOpen, SourcePlan, comparable};
use crate::diagnostic::codes::{FILE_UNREADABLE, INPUT_MISSING, NOT_TOGETHER};
use crate::event::frame::Place;
use crate::spec::{SourceSpec, Value};

#[derive(Clone, Debug)]
struct FileSourcePlan {
    pattern: Pattern,
    compression: Choice,
    follow: bool,
    /// Begin at the end of what is there.
    latest: bool,
    /// Whether one of the files is a pipe, which cannot be read again.
    has_pipe: bool,
}

pub fn plan(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SourcePlan>> {
    let config = &spec.config;
    let pattern = Pattern { text: config.glob("path").to_string() };
    let files = pattern.files().map(|matched| matched.files).unwrap_or_default();
    let plan = FileSourcePlan {
        has_pipe: files
            .iter()
            .any(|path| std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())),
        pattern,
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
    fn reads_stream(&self) -> bool {
        true
    }

    fn is_bounded(&self) -> bool {
        !self.follow
    }

    fn replay(&self) -> Replay {
        if self.has_pipe { Replay::None } else { Replay::Position }
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

    fn prepare(&self) -> BoxFuture<'static, Result<(), ConnectorError>> {
        let plan = self.clone();
        Box::pin(async move {
            match blocking(|| plan.pattern.readable_files()) {
                Err(obstacle) if !(plan.follow && obstacle.is_missing) => Err(obstacle.into()),
                _ => Ok(()),
            }
        })
    }

    fn open(&self, open: SourceOpen) -> BoxFuture<'static, Result<Box<dyn Source>, ConnectorError>> {
        let plan = self.clone();
        Box::pin(async move { Ok(Box::new(blocking(|| plan.start(open))?) as Box<dyn Source>) })
    }
}

impl FileSourcePlan {
    fn start(self, open: SourceOpen) -> Result<FeedSource<Standing>, ConnectorError> {
        let name = self.pattern.text.clone();
        let resume = open.resume.as_ref().map(|position| Saved::of(position, self.follow)).transpose()?.flatten();
        if self.follow {
            let known = match self.pattern.readable_files() {
                Ok(matched) => matched.files,
                Err(obstacle) if obstacle.is_missing => Vec::new(),
                Err(obstacle) => return Err(obstacle.into()),
            };
            let begin = Begin::of(&self.pattern, &known, resume, self.latest, &open)?;
            return FeedSource::start(&name, begin.standing(), move |feed| {
                follow::run(&self.pattern, self.compression, begin, &open, feed)
            });
        }
        let matched = self.pattern.readable_files()?;
        let mut rest = Rest::of(matched.files, resume, self.pattern.is_glob());
        if matched.folders > 0 {
            rest.notes.push(format!("{} folders match `{}` and are not read", matched.folders, self.pattern.text));
        }
        FeedSource::start(&name, rest.standing.clone(), move |feed| {
            rest.notes.into_iter().for_each(|note| feed.note(note));
            let mut from = rest.from;
            rest.files.iter().try_for_each(|path| read_file(path, from.take(), self.compression, &open, feed))
        })
    }
}

/// What is left to read of files that are read one after the other.
struct Rest {
    files: Vec<PathBuf>,
    /// Where the first of them goes on; `None`: at its start.
    from: Option<Place>,
    standing: Standing,
    notes: Vec<String>,
}

impl Rest {
    fn of(mut files: Vec<PathBuf>, resume: Option<Saved>, is_glob: bool) -> Rest {
        let mut standing = Standing { follows: false, matched: files.len(), marks: IndexMap::new() };
        let Some(saved) = resume else { return Rest { files, from: None, standing, notes: Vec::new() } };
        let Some(mark) = saved.marks.into_iter().next() else {
            return Rest { files, from: None, standing, notes: Vec::new() };
        };
        let mut notes = Vec::new();
        if saved.matched != files.len() {
            notes.push(format!(
                "{} files are there, and {} when the run began; those whose names sort after `{}` are read",
                files.len(),
                saved.matched,
                mark.path.display()
            ));
        }
        // Done is what sorts before the file, by the name that it had: a new name may be anywhere among the others.
        let (shown, next) = (mark.path.display().to_string(), files.partition_point(|path| **path < *mark.path));
        let from = match Present::new(&files).find(&mark) {
            Found::Here(path) => {
                let at = files.iter().position(|file| *file == path).unwrap_or(next);
                if path.file_name() == mark.path.file_name() {
                    files.drain(..at);
                } else {
                    files.drain(..next);
                    files.retain(|file| *file != path);
                    files.insert(0, path);
                }
                Some(mark.place)
            }
            Found::Replaced(why) => {
                notes.push(format!("`{shown}` {why} and is read from its start again"));
                files.drain(..next);
                None
            }
            Found::Gone if !is_glob => {
                notes.push(format!("`{shown}`, which was being read, is not the file that the path leads to now; that is read from its start"));
                None
            }
            Found::Gone => {
                notes.push(format!("`{shown}`, which was being read, is gone; what is left of it is not read"));
                files.drain(..next);
                None
            }
        };
        if from.is_some() {
            standing.marks.insert((0, mark.inode), mark);
        }
        Rest { files, from, standing, notes }
    }
}
#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "resume_tests.rs"]
mod resume_tests;
