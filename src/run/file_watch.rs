//! Tells when something may have happened to some files: written in place, renamed over, deleted and made anew, or reached by
//! links that now lead elsewhere (as Kubernetes swaps `..data`). Folders are watched, as a file that is replaced has no event of
//! its own. It only says when to look again; what has changed is for whoever looks.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::limits::WATCHED_LINKS_MAX;

/// What comes this close together is one change.
const SETTLE: Duration = Duration::from_millis(200);
/// How long a change may go on before it is looked at anyway.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// Watches as long as it lives.
pub struct FileWatch {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
    matters: Arc<RwLock<Matters>>,
    happened: Arc<Notify>,
}

/// Which events matter: sinks may write into the same folders all the time.
#[derive(Default)]
struct Matters {
    /// Files, folders whose entries matter, links on the way to them, and folders that are not there yet.
    paths: BTreeSet<PathBuf>,
    /// Folders in which every topology matters.
    folders: BTreeSet<PathBuf>,
}

impl FileWatch {
    /// Watches nothing yet.
    pub fn new() -> Result<FileWatch, String> {
        let (matters, happened) = (Arc::<RwLock<Matters>>::default(), Arc::new(Notify::new()));
        let (known, wake) = (matters.clone(), happened.clone());
        let look = move |event: notify::Result<Event>| {
            let matters = match &event {
                Ok(event) => known.read().unwrap_or_else(PoisonError::into_inner).has(event),
                // Events were lost: whatever they were, looking again finds it.
                Err(_) => true,
            };
            if matters {
                wake.notify_one();
            }
        };
        let watcher = notify::recommended_watcher(look).map_err(|error| error.to_string())?;
        Ok(FileWatch { watcher, folders: BTreeSet::new(), matters, happened })
    }

    /// Watches these files (or the entries of what is a folder) and no others, by the links that lead to them now, and the topologies directly in these folders.
    pub fn follow<'p>(
        &mut self,
        files: impl IntoIterator<Item = &'p Path>,
        folders: impl IntoIterator<Item = &'p Path>,
    ) -> Result<(), String> {
        let (mut watched, mut matters) = (BTreeSet::new(), Matters::default());
        for file in files {
            let real = trace(file, &mut watched, &mut matters.paths);
            // Of a folder, what comes and goes in it matters.
            if real.is_dir() {
                watched.insert(real);
            }
        }
        for folder in folders {
            // A file that is in no folder yet: its way is the folder's.
            let real = trace(&folder.join("*"), &mut watched, &mut matters.paths);
            matters.folders.extend(real.parent().map(Path::to_path_buf));
        }
        *self.matters.write().unwrap_or_else(PoisonError::into_inner) = matters;
        for gone in self.folders.difference(&watched) {
            // One that does not exist any more is not watched any more.
            let _ = self.watcher.unwatch(gone);
        }
        let mut problem = None;
        for folder in &watched {
            // Also those that were watched: one that was deleted and made anew is another one.
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                problem.get_or_insert(format!("the folder {} cannot be watched: {error}", folder.display()));
            }
        }
        self.folders = watched;
        problem.map_or(Ok(()), Err)
    }

    /// Waits until something has happened and nothing more does for a moment.
    pub async fn settled(&mut self) {
        self.happened.notified().await;
        let last = Instant::now() + SETTLE_MAX;
        while timeout_at((Instant::now() + SETTLE).min(last), self.happened.notified()).await.is_ok() {}
    }
}

impl Matters {
    fn has(&self, event: &Event) -> bool {
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // Reading is what watching itself does.
            EventKind::Access(_) => return false,
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => {}
        }
        event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(|path| self.has_path(path))
    }

    fn has_path(&self, path: &Path) -> bool {
        let is_topology = || path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        // A watched folder that goes away is told by its own path.
        self.paths.contains(path)
            || self.paths.iter().any(|known| known.starts_with(path))
            || path.parent().is_some_and(|folder| self.paths.contains(folder))
            || path.parent().is_some_and(|folder| self.folders.contains(folder) && is_topology())
    }
}

/// Follows a path to the file it stands for, link by link. Notes the folders in which something of the way can change, and what.
fn trace(path: &Path, folders: &mut BTreeSet<PathBuf>, paths: &mut BTreeSet<PathBuf>) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut rest: Vec<PathBuf> = parts(&absolute);
    let (mut at, mut links) = (PathBuf::new(), 0);
    while let Some(part) = rest.pop() {
        if part == Path::new("..") {
            at.pop();
            continue;
        }
        let here = at.join(&part);
        let is_last = rest.is_empty();
        match std::fs::read_link(&here) {
            Ok(target) if links < WATCHED_LINKS_MAX => {
                links += 1;
                folders.insert(at.clone());
                paths.insert(here);
                if target.is_absolute() {
                    at = PathBuf::new();
                }
                rest.extend(parts(&target));
                continue;
            }
            _ if is_last || !here.exists() => {
                // The file, or the first folder on the way that is missing: nothing below it can be watched.
                folders.insert(at);
                paths.insert(here.clone());
                return rest.iter().rev().fold(here, |here, part| here.join(part));
            }
            _ => at = here,
        }
    }
    at
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    let mut parts: Vec<PathBuf> = parts.map(|part| PathBuf::from(part.as_os_str())).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    async fn is_told(watch: &mut FileWatch) -> bool {
        tokio::time::timeout(Duration::from_secs(3), watch.settled()).await.is_ok()
    }

    async fn is_quiet(watch: &mut FileWatch) -> bool {
        tokio::time::timeout(Duration::from_millis(400), watch.settled()).await.is_err()
    }

    fn watching(file: &Path) -> FileWatch {
        let mut watch = FileWatch::new().unwrap();
        watch.follow([file], []).unwrap();
        watch
    }

    #[tokio::test]
    async fn a_file_is_seen_however_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        fs::write(&file, "1").unwrap();
        let mut watch = watching(&file);
        fs::write(&file, "2").unwrap();
        assert!(is_told(&mut watch).await, "written in place");
        fs::write(&other, "3").unwrap();
        assert!(is_quiet(&mut watch).await, "another file");
        fs::read(&file).unwrap();
        assert!(is_quiet(&mut watch).await, "read");
        fs::rename(&other, &file).unwrap();
        assert!(is_told(&mut watch).await, "renamed over");
        fs::remove_file(&file).unwrap();
        assert!(is_told(&mut watch).await, "deleted");
        fs::write(&file, "4").unwrap();
        assert!(is_told(&mut watch).await, "made anew");
    }

    #[tokio::test]
    async fn links_are_followed() {
        // As Kubernetes mounts a ConfigMap.
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for version in ["..1", "..2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), version).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        let mut watch = watching(&at("a.yaml"));
        symlink("..2", at("..new")).unwrap();
        assert!(is_quiet(&mut watch).await, "nothing leads there yet");
        fs::rename(at("..new"), at("..data")).unwrap();
        assert!(is_told(&mut watch).await, "the link leads elsewhere");
        watch.follow([&*at("a.yaml")], []).unwrap();
        fs::write(at("..2").join("a.yaml"), "3").unwrap();
        assert!(is_told(&mut watch).await, "where it leads now");
        fs::write(at("..1").join("a.yaml"), "3").unwrap();
        assert!(is_quiet(&mut watch).await, "where it led");
    }

    #[tokio::test]
    async fn a_folder_that_comes_back_is_watched_again() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        let file = below.join("c.yaml");
        fs::create_dir_all(&below).unwrap();
        fs::write(&file, "1").unwrap();
        let mut watch = watching(&file);
        fs::remove_dir_all(folder.path().join("a")).unwrap();
        assert!(is_told(&mut watch).await, "gone");
        watch.follow([&*file], []).unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        assert!(is_told(&mut watch).await, "a part of the way is there");
        watch.follow([&*file], []).unwrap();
        fs::create_dir(&below).unwrap();
        assert!(is_told(&mut watch).await, "all of the way is there");
        watch.follow([&*file], []).unwrap();
        fs::write(&file, "2").unwrap();
        assert!(is_told(&mut watch).await, "the file is there");
    }

    #[tokio::test]
    async fn topologies_of_a_folder_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut watch = FileWatch::new().unwrap();
        watch.follow([], [folder.path()]).unwrap();
        fs::write(folder.path().join("data.jsonl"), "1").unwrap();
        assert!(is_quiet(&mut watch).await, "no topology");
        fs::write(folder.path().join("a.yaml"), "1").unwrap();
        assert!(is_told(&mut watch).await, "a topology");
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        let (mut folders, mut paths) = (BTreeSet::new(), BTreeSet::new());
        trace(&folder.path().join("a"), &mut folders, &mut paths);
        assert_eq!((folders.len(), paths.len()), (1, 2));
    }
}
