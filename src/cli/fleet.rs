//! Several topologies in one process: each runs by itself; one that is invalid or fails holds up no other. In the folders that
//! were named, a topology that appears starts, and one that goes away stops.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connectors::comparable;
use crate::diagnostic::{Content, FileRead};
use crate::limits::TOPOLOGIES_MAX;
use crate::run::FileWatch;

use super::supervise::{Reload, Shared, supervise};
use super::watch::{MISSING_GRACE, topologies_in};
use super::{Exit, load, summary};

/// What was named on the command line.
pub(super) struct Named {
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
}

/// All topologies of the process.
pub(super) struct Fleet {
    named: Named,
    shared: Arc<Shared>,
    stop: CancellationToken,
    tasks: JoinSet<Ended>,
    /// What runs, and how it is stopped.
    running: BTreeMap<PathBuf, CancellationToken>,
    /// What cannot run: it is looked at again once one of its files has changed.
    invalid: BTreeMap<PathBuf, Vec<FileRead>>,
    /// What has ended by itself: it does not start again while its file is there.
    ended: BTreeSet<PathBuf>,
    /// What runs and whose file is missing, since when.
    gone: BTreeMap<PathBuf, Instant>,
    failed: bool,
}

/// How the task of a topology ended.
struct Ended {
    file: PathBuf,
    exit: Exit,
    reads: Vec<FileRead>,
}

impl Fleet {
    pub fn new(named: Named, shared: Arc<Shared>, stop: CancellationToken) -> Fleet {
        Fleet {
            named,
            shared,
            stop,
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
            invalid: BTreeMap::new(),
            ended: BTreeSet::new(),
            gone: BTreeMap::new(),
            failed: false,
        }
    }

    /// Runs until all have ended. Folders that are watched and have become empty are waited on.
    pub async fn run(mut self) -> Exit {
        let mut watch = match self.shared.reload {
            Reload::Off => None,
            Reload::On | Reload::Careful => FileWatch::new()
                .inspect_err(|problem| tracing::warn!("changes of topologies will not be seen: {problem}"))
                .ok(),
        };
        loop {
            self.follow(&mut watch);
            self.look();
            if self.tasks.is_empty() && !self.waits(watch.is_some()) {
                return self.exit();
            }
            let (stop, next_stop) = (self.stop.clone(), self.next_stop());
            tokio::select! {
                Some(ended) = self.tasks.join_next() => self.ended(ended),
                () = settled(&mut watch), if !stop.is_cancelled() => {}
                () = until(next_stop), if !stop.is_cancelled() => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }

    /// Whether it goes on though nothing runs: all that ran was taken away, and more may come.
    fn waits(&self, is_watched: bool) -> bool {
        let nothing_left = self.ended.is_empty() && self.invalid.is_empty() && !self.failed;
        is_watched && !self.named.folders.is_empty() && nothing_left && !self.stop.is_cancelled()
    }

    fn exit(&self) -> Exit {
        match (self.failed, self.invalid.is_empty()) {
            (true, _) => Exit::Failed,
            (false, false) => Exit::Invalid,
            (false, true) => Exit::Success,
        }
    }

    fn follow(&self, watch: &mut Option<FileWatch>) {
        let Some(watch) = watch else { return };
        let files = self.invalid.values().flatten().map(|read| &*read.path);
        if let Err(problem) = watch.follow(files, self.named.folders.iter().map(|folder| &**folder)) {
            tracing::warn!("changes of topologies may not be seen: {problem}");
        }
    }

    /// Every topology that there is now.
    fn present(&self) -> Vec<PathBuf> {
        let mut all = self.named.files.clone();
        for folder in &self.named.folders {
            // A folder that cannot be read now has not lost its topologies for that.
            let inside = |file: &&PathBuf| file.parent() == Some(folder);
            all.extend(topologies_in(folder).unwrap_or_else(|_| self.running.keys().filter(inside).cloned().collect()));
        }
        let mut seen = BTreeSet::new();
        all.retain(|file| seen.insert(comparable(file)));
        all
    }

    /// Starts what has appeared, and what was invalid and has changed since; stops what has gone away.
    fn look(&mut self) {
        if self.stop.is_cancelled() {
            return;
        }
        let present = self.present();
        self.let_go(&present);
        self.invalid.retain(|file, _| present.contains(file));
        self.ended.retain(|file| present.contains(file));
        for file in present {
            let changed = |reads: &Vec<FileRead>| reads.iter().any(|read| Content::at(&read.path) != read.content);
            let is_known = self.running.contains_key(&file)
                || self.ended.contains(&file)
                || self.invalid.get(&file).is_some_and(|reads| !changed(reads));
            if is_known {
                continue;
            }
            if self.running.len() >= TOPOLOGIES_MAX {
                tracing::warn!("{} does not start: a process runs at most {TOPOLOGIES_MAX} topologies", file.display());
                self.invalid.insert(file, Vec::new());
                continue;
            }
            self.invalid.remove(&file);
            self.start(file);
        }
    }

    fn start(&mut self, file: PathBuf) {
        let stop = self.stop.child_token();
        self.running.insert(file.clone(), stop.clone());
        let shared = self.shared.clone();
        self.tasks.spawn(async move {
            let loaded = shared.load(&file).await;
            load::report(&loaded.diagnostics);
            let reads = loaded.diagnostics.reads().to_vec();
            let exit = supervise(&file, loaded, &shared, stop).await;
            Ended { file, exit, reads }
        });
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ended { file, exit, reads } = match ended {
            Ok(ended) => ended,
            Err(error) => {
                summary::tell(&format!("error: a topology's task panicked, which is a bug: {error}\n"));
                self.failed = true;
                return;
            }
        };
        let was_stopped = self.running.remove(&file).is_some_and(|stop| stop.is_cancelled());
        match exit {
            Exit::Invalid => drop(self.invalid.insert(file, reads)),
            Exit::Failed => {
                self.failed = true;
                self.ended.insert(file);
            }
            // One that was taken away is forgotten, so that it starts again if it comes back.
            Exit::Success | Exit::Usage | Exit::Interrupted if was_stopped => {}
            Exit::Success | Exit::Usage | Exit::Interrupted => drop(self.ended.insert(file)),
        }
    }

    /// Stops what has gone away and stays away.
    fn let_go(&mut self, present: &[PathBuf]) {
        let now = Instant::now();
        self.gone.retain(|file, _| self.running.contains_key(file) && !present.contains(file));
        for (file, stop) in self.running.iter().filter(|(file, stop)| !present.contains(file) && !stop.is_cancelled()) {
            let since = *self.gone.entry(file.clone()).or_insert(now);
            if now >= since + MISSING_GRACE {
                tracing::info!("{} has gone away: it stops in order", file.display());
                stop.cancel();
            }
        }
    }

    /// When the first of what has gone away is to stop.
    fn next_stop(&self) -> Option<Instant> {
        let running = |file: &PathBuf| self.running.get(file).is_some_and(|stop| !stop.is_cancelled());
        self.gone.iter().filter(|(file, _)| running(file)).map(|(_, since)| *since + MISSING_GRACE).min()
    }
}

/// Waits until something may have happened; for ever where nothing is watched.
async fn settled(watch: &mut Option<FileWatch>) {
    match watch {
        Some(watch) => watch.settled().await,
        None => std::future::pending().await,
    }
}

/// Waits until a moment; for ever without one.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Sorts what was named into files and folders. `Err`: what is wrong with it.
pub(super) fn named(paths: &[PathBuf]) -> Result<Named, String> {
    let mut named = Named { files: Vec::new(), folders: Vec::new() };
    for path in paths {
        if !path.is_dir() {
            named.files.push(path.clone());
            continue;
        }
        let found = topologies_in(path);
        let found = found.map_err(|error| format!("the folder {} cannot be read: {error}", path.display()))?;
        if found.is_empty() {
            return Err(format!("there is no .yaml file in {}", path.display()));
        }
        named.folders.push(path.clone());
    }
    Ok(named)
}

/// The one topology that was named, if it is one.
pub(super) fn only(named: &Named) -> Option<&Path> {
    match (&named.files[..], &named.folders[..]) {
        ([file], []) => Some(file),
        _ => None,
    }
}
