//! Files that stages have read and that may change while they run: watched, and read again when they do.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};

use crate::operators::Watched;

/// Changes of one file that come close together are one.
const SETTLE: Duration = Duration::from_millis(200);

/// What tells one content of a file from another without reading it.
type Signature = Option<(u64, u64, Option<SystemTime>)>;

/// Watches as long as it lives.
pub(super) struct Watch {
    _debouncer: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
}

impl Watch {
    /// Watches the folders of these files: a file that is replaced by a rename, or by a swapped link, has no event of its own.
    pub fn start(files: Vec<Arc<dyn Watched>>) -> Watch {
        if files.is_empty() {
            return Watch { _debouncer: None };
        }
        let mut known: Vec<Signature> = files.iter().map(|file| signature(file.path())).collect();
        let watched = files.clone();
        let look_again = move |result: DebounceEventResult| {
            if let Err(errors) = result {
                errors.iter().for_each(|error| tracing::warn!("watching files: {error}"));
            }
            for (file, known) in watched.iter().zip(&mut known) {
                let now = signature(file.path());
                if now.is_some() && now != *known {
                    *known = now;
                    reload(&**file);
                }
            }
        };
        match watching(&files, look_again) {
            Ok(debouncer) => Watch { _debouncer: Some(debouncer) },
            Err(error) => {
                tracing::warn!("changes of tables will not be seen: {error}");
                Watch { _debouncer: None }
            }
        }
    }
}

fn watching(
    files: &[Arc<dyn Watched>],
    handler: impl FnMut(DebounceEventResult) + Send + 'static,
) -> notify_debouncer_full::notify::Result<Debouncer<RecommendedWatcher, RecommendedCache>> {
    let mut debouncer = new_debouncer(SETTLE, None, handler)?;
    let mut folders: Vec<&Path> = files.iter().map(|file| folder(file.path())).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        debouncer.watch(folder, RecursiveMode::NonRecursive)?;
    }
    Ok(debouncer)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn reload(file: &dyn Watched) {
    match file.reload() {
        Ok(read) => tracing::info!("{} has changed: {read}", file.path().display()),
        Err(why) => tracing::warn!("{} has changed and cannot be used: {why}", file.path().display()),
    }
}

fn signature(path: &Path) -> Signature {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}
