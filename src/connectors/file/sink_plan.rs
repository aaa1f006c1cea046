//! The file sink at plan time: its settings, checked against what is on the disk.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;

use super::compression::Choice;
use super::output::{is_device, reason};
use super::rotate::Rotate;
use super::sink::{FileSink, Settings};
use crate::connectors::blocking::blocking;
use crate::connectors::{ConnectContext, ConnectorError, Sink, SinkOpen, SinkPlan, comparable};
use crate::diagnostic::codes::{BAD_VALUE, FILE_UNREADABLE};
use crate::limits::PATH_VALUE_BYTES_MAX;
use crate::spec::{SinkSpec, TemplatePart};

#[derive(Debug)]
struct FileSinkPlan {
    settings: Settings,
    /// The path as it was written.
    shown: String,
}

pub fn plan(spec: &SinkSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SinkPlan>> {
    let config = &spec.config;
    let template = config.template("path");
    let constant = template.constant();
    let shown: String = template
        .parts
        .iter()
        .map(|part| match part {
            TemplatePart::Text(text) => text.clone(),
            TemplatePart::Expr(expr) => format!("{{{{ {} }}}}", expr.text),
        })
        .collect();
    let plan = FileSinkPlan {
        settings: Settings {
            folder: context.folder.to_path_buf(),
            template: shown.as_str().into(),
            path: constant.as_deref().map(|path| path.strip_prefix("./").unwrap_or(path).into()),
            replace: config.choice("mode") == "replace",
            compression: Choice::named(config.choice("compression")),
            rotate: config
                .section_opt("rotate")
                .map(|rotate| Rotate { size: rotate.size_opt("size"), every: rotate.duration_opt("every") }),
            open_max: usize::try_from(config.int("open_max")).unwrap_or(1),
        },
        shown,
    };
    let span = config.span_of("path");
    if plan.shown.ends_with('/') {
        context
            .diagnostics
            .error(&BAD_VALUE, span, format!("`{}` is the name of a folder", plan.shown))
            .help(format!("give the name of a file in it: `{}{}.jsonl`", plan.shown, spec.head.id));
        return None;
    }
    if plan.settings.rotate.is_some_and(|rotate| rotate.size == Some(0)) {
        context
            .diagnostics
            .error(&BAD_VALUE, config.span_of("rotate"), "a file of size 0 has no room for a line")
            .help("`rotate: { size: 100MiB }`");
        return None;
    }
    if let Some((why, help)) = plan.path().and_then(|path| obstacle(&path)) {
        context.diagnostics.error(&FILE_UNREADABLE, span, why).help(help);
        return None;
    }
    Some(Box::new(plan))
}

/// Why the file cannot be written, as far as can be seen without writing it, and a way out.
fn obstacle(path: &Path) -> Option<(String, String)> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Some((format!("`{shown}` is a folder"), format!("give the name of a file in it: `{shown}/events.jsonl`")))
        }
        Ok(found) if found.is_file() => match OpenOptions::new().write(true).open(path) {
            Ok(_) => None,
            Err(why) => Some((
                format!("`{shown}` cannot be written: {}", reason(&why)),
                "allow the runner's user to write it, or choose another path".to_string(),
            )),
        },
        Ok(_) => None,
        Err(_) => {
            let above = path.ancestors().skip(1).find(|above| above.exists())?;
            (!above.is_dir()).then(|| {
                (
                    format!("`{shown}` cannot be made: `{}` is a file, not a folder", above.display()),
                    "choose another path".to_string(),
                )
            })
        }
    }
}

impl FileSinkPlan {
    fn path(&self) -> Option<PathBuf> {
        self.settings.path.as_ref().map(|path| self.settings.folder.join(&**path))
    }
}

impl SinkPlan for FileSinkPlan {
    /// What goes beyond a checkpoint is cut off again; from a pipe nothing can be taken back.
    fn is_exactly_once(&self) -> bool {
        !self.path().is_some_and(|path| {
            is_device(&path) || std::fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir())
        })
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn writes_lines(&self) -> bool {
        true
    }

    fn target_key(&self) -> Option<&'static str> {
        self.settings.path.is_none().then_some("path")
    }

    fn check_target_value(&self, value: &str) -> Result<(), String> {
        check_name(value)
    }

    fn exclusive(&self) -> Option<String> {
        let path = self.path().filter(|path| !path.starts_with("/dev"))?;
        Some(comparable(&path).display().to_string())
    }

    /// Other paths may lead to the same files, but nothing of them is replaced.
    fn goes_on_at(&self) -> Option<String> {
        self.exclusive().or_else(|| Some(self.shown.clone()))
    }

    fn outline(&self) -> String {
        let settings = &self.settings;
        let mut words = vec![if settings.replace { "replaces" } else { "adds to" }.to_string(), self.shown.clone()];
        let packed = settings.compression.of(Path::new(&self.shown));
        words.push(format!("({})", packed.name()));
        if let Some(rotate) = settings.rotate {
            let size = rotate.size.map(|size| format!("{size} bytes"));
            let every = rotate.every.map(|every| format!("{every:?}"));
            let when: Vec<String> = size.into_iter().chain(every).collect();
            words.push(format!("a new file after {}", when.join(" or ")));
        }
        words.join(" ")
    }

    fn prepare(&self) -> BoxFuture<'static, Result<(), ConnectorError>> {
        let path = self.path();
        Box::pin(async move {
            match path.and_then(|path| blocking(|| obstacle(&path))) {
                Some((why, help)) => Err(ConnectorError::fatal(format!("{why}; {help}"))),
                None => Ok(()),
            }
        })
    }

    fn open(&self, open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        let settings = self.settings.clone();
        Box::pin(async move {
            let sink = blocking(|| FileSink::open(settings, &open))?;
            Ok(Box::new(sink) as Box<dyn Sink>)
        })
    }
}

/// Whether a value may be a part of a file's name: it must not lead to another folder.
fn check_name(value: &str) -> Result<(), String> {
    if value.is_empty() {
        return Err(
            "a value of the path is null or empty, which is no name for a file; write `x ?? \"none\"` in the path"
                .to_string(),
        );
    }
    if value == "." || value == ".." {
        return Err(format!("`{value}` as a value of the path would lead to another folder"));
    }
    if let Some(bad) = value.chars().find(|c| matches!(c, '/' | '\\' | '\0')) {
        return Err(format!(
            "{value:?} cannot be a part of a file's name, as it has {bad:?} in it; write `replace(x, ...)` in the path"
        ));
    }
    if value.len() > PATH_VALUE_BYTES_MAX {
        let len = value.len();
        return Err(format!(
            "a value of the path has {len} bytes; it may have {PATH_VALUE_BYTES_MAX} in a file's name"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_folder() {
        for good in ["a", "2026-01-01", "...", "a b", "ü"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "../a", "a\\b", "a\0b", &"x".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_stands_in_the_way_is_seen_before_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "").unwrap();
        assert!(obstacle(folder.path()).is_some_and(|(why, _)| why.ends_with("is a folder")));
        assert!(obstacle(&file.join("b/c.jsonl")).is_some_and(|(why, _)| why.ends_with("is a file, not a folder")));
        assert_eq!(obstacle(&file), None);
        assert_eq!(obstacle(&folder.path().join("new/a.jsonl")), None);
        assert_eq!(obstacle(Path::new("/dev/null")), None);
    }
}
