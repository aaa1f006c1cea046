//! Files that stages have read and that may change while they run: watched, and read again when they do.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::task::AbortOnDropHandle;

use crate::operators::Watched;

use super::FileWatch;

/// What tells one content of a file from another without reading it.
type Signature = Option<(u64, u64, Option<SystemTime>)>;

/// Watches as long as it lives.
pub(super) struct Watch {
    _task: Option<AbortOnDropHandle<()>>,
}

/// A file, and what it was when it was last read.
type Known = Vec<(Arc<dyn Watched>, Signature)>;

impl Watch {
    /// Watches these files.
    pub fn start(files: Vec<Arc<dyn Watched>>) -> Watch {
        if files.is_empty() {
            return Watch { _task: None };
        }
        let known: Known = files.into_iter().map(|file| (file.clone(), signature(file.path()))).collect();
        Watch { _task: Some(AbortOnDropHandle::new(tokio::spawn(watch(known)))) }
    }
}

async fn watch(mut known: Known) {
    let mut watch = match FileWatch::new() {
        Ok(watch) => watch,
        Err(error) => return tracing::warn!("changes of tables will not be seen: {error}"),
    };
    loop {
        if let Err(error) = watch.follow(known.iter().map(|(file, _)| file.path()), []) {
            tracing::warn!("changes of tables may not be seen: {error}");
        }
        // Also what changed before it was watched. Reading a table takes a while, and a runtime's thread is not to wait.
        let looked = tokio::task::spawn_blocking(move || {
            known.iter_mut().for_each(look);
            known
        });
        match looked.await {
            Ok(looked) => known = looked,
            Err(error) => return tracing::warn!("changes of tables are not seen any more: {error}"),
        }
        watch.settled().await;
    }
}

fn look((file, known): &mut (Arc<dyn Watched>, Signature)) {
    let now = signature(file.path());
    if now.is_none() || now == *known {
        return;
    }
    *known = now;
    match file.reload() {
        Ok(read) => tracing::info!("{} has changed: {read}", file.path().display()),
        Err(why) => tracing::warn!("{} has changed and cannot be used: {why}", file.path().display()),
    }
}

fn signature(path: &Path) -> Signature {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.modified().ok()))
}
