//! One topology while it runs: started, changed when its files change, told about when it has ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use clap::ValueEnum;
use tokio_util::sync::CancellationToken;

use crate::plan::{self, Diff, Plan};
use crate::run::{self, Failure, NotReloaded, NotStarted, Pace, Recovery, Reloaded, RunOptions, Running};
use crate::state::store;

use super::again::{self, Again};
use super::claims::{Claim, Claims};
use super::load::{self, Loaded};
use super::status::Status;
use super::watch::{Changed, Files};
use super::{Exit, SettingsArgs, summary};

/// What becomes of a change of the topology's files while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Reload {
    /// It is taken up.
    On,
    /// It is taken up if no state is lost by it.
    Careful,
    /// Nothing is watched.
    Off,
}

/// What all topologies of a process share.
pub(super) struct Shared {
    pub settings: SettingsArgs,
    pub reload: Reload,
    pub recovery: Recovery,
    /// `--state`: the folder of all topologies' folders.
    pub state: Option<PathBuf>,
    pub batch_events: usize,
    pub edge_batches: usize,
    pub pace: Option<Pace>,
    /// What the first reload of `Pace::HandOver` takes up.
    pub hand_over_to: Option<PathBuf>,
    /// The table is drawn: there is one topology, and a terminal.
    pub live: bool,
    /// There are several topologies, so that lines must tell of which they are.
    pub several: bool,
    pub claims: Claims,
}

impl Shared {
    /// Reads a topology, off the threads that run tasks, and reports its problems.
    pub async fn load(self: &Arc<Shared>, file: &Path) -> Loaded {
        let (shared, path) = (self.clone(), file.to_path_buf());
        let loaded = tokio::task::spawn_blocking(move || load::load(&path, &shared.settings)).await;
        loaded.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    fn options(&self, file: &Path, plan: &Plan) -> RunOptions {
        RunOptions {
            recovery: self.recovery,
            state: Some(store::folder(file, &plan.name, self.state.as_deref())),
            batch_events: self.batch_events,
            edge_batches: self.edge_batches,
            pace: self.pace,
        }
    }
}

/// Runs a topology that was loaded, until it ends or is told to stop.
pub(super) async fn supervise(file: &Path, loaded: Loaded, shared: &Arc<Shared>, stop: CancellationToken) -> Exit {
    let Loaded { plan: Some(plan), diagnostics } = loaded else { return Exit::Invalid };
    let plan = Arc::new(plan);
    let claim = match shared.claims.claim(file, &plan) {
        Ok(claim) => claim,
        Err(problem) => {
            summary::tell(&format!("error: {}: {problem}\n", file.display()));
            return Exit::Invalid;
        }
    };
    let files = match shared.reload {
        Reload::Off => None,
        Reload::On | Reload::Careful => Files::new(diagnostics.reads())
            .inspect_err(|problem| tracing::warn!("changes of {} will not be seen: {problem}", file.display()))
            .ok(),
    };
    // Nothing runs yet: a stop while a connection is being made has nothing to wait for.
    let started = tokio::select! {
        started = run::start(plan.clone(), shared.options(file, &plan), stop.clone()) => started,
        () = stop.cancelled() => return Exit::Success,
    };
    let (running, was) = match started {
        Ok(running) => (running, None),
        Err(NotStarted::Failed(failure)) => return failed(&failure),
        Err(NotStarted::Differs { failure, texts }) => {
            match start_as_it_was(file, shared, &claim, texts, &stop).await {
                Some(running) => (running, Some(plan.clone())),
                None => return failed(&failure),
            }
        }
    };
    summary::begun(&plan, &running.begun, shared.recovery == Recovery::Resume);
    let mut supervisor = Supervisor { file, running, shared, claim, again: None };
    if let Some(plan) = was {
        supervisor.take_up(plan).await;
    }
    supervisor.run(files).await
}

fn failed(failure: &Failure) -> Exit {
    summary::failure(failure);
    Exit::Failed
}

/// Starts the definition that wrote the checkpoint, where the one of now cannot take over its state: changed while it runs, what it
/// holds leaves first.
async fn start_as_it_was(
    file: &Path,
    shared: &Arc<Shared>,
    claim: &Claim<'_>,
    texts: Option<Bytes>,
    stop: &CancellationToken,
) -> Option<Running> {
    if shared.reload == Reload::Careful {
        return None;
    }
    let (path, all, texts) = (file.to_path_buf(), shared.clone(), texts?);
    let loaded = tokio::task::spawn_blocking(move || load::load_as_it_was(&path, &texts, &all.settings)).await.ok()?;
    let plan = Arc::new(loaded.plan?);
    if let Err(problem) = claim.extend(&plan) {
        tracing::warn!("the definition that wrote the checkpoint cannot be started: {problem}");
        return None;
    }
    let options = RunOptions { recovery: Recovery::Resume, ..shared.options(file, &plan) };
    let started = tokio::select! {
        started = run::start(plan, options, stop.clone()) => started,
        () = stop.cancelled() => return None,
    };
    match started {
        Ok(running) => Some(running),
        Err(NotStarted::Failed(failure) | NotStarted::Differs { failure, .. }) => {
            tracing::warn!("the definition that wrote the checkpoint cannot be started any more: {}", failure.message);
            None
        }
    }
}

struct Supervisor<'a> {
    file: &'a Path,
    running: Running,
    shared: &'a Arc<Shared>,
    /// Its name and its files are taken for as long as it runs.
    claim: Claim<'a>,
    /// A change that could not be taken up.
    again: Option<Again>,
}

impl Supervisor<'_> {
    async fn run(mut self, mut files: Option<Files>) -> Exit {
        let label = self.shared.several.then(|| self.running.plan().name.clone());
        let (nodes, clock) = (self.running.nodes.clone(), self.running.clock);
        let status = Status::start(nodes.clone(), clock, self.shared.live, label);
        let (due, mut next) = (self.running.hand_over_due(), self.shared.hand_over_to.clone());
        let outcome = loop {
            tokio::select! {
                outcome = self.running.wait() => break outcome,
                () = due.notified() => self.hand_over(next.take()).await,
                changed = changed(&mut files) => self.changed(changed, files.as_mut()).await,
                () = again::due(&self.again) => self.try_again().await,
            }
        };
        status.finish().await;
        if self.again.is_some() {
            tracing::warn!("the last change of {} was not taken up: {}", self.file.display(), self.way_out());
        }
        let plan = self.running.plan();
        summary::print(plan, &nodes.all(), clock.now(), &outcome);
        if outcome.failure.is_some() { Exit::Failed } else { Exit::Success }
    }

    /// Takes up a change, or tells why not; what runs goes on in any case.
    async fn changed(&mut self, changed: Changed, files: Option<&mut Files>) {
        let (file, Some(files)) = (self.file.display(), files) else { return };
        if let Changed::Missing(missing) = changed {
            return tracing::warn!("{} is missing; what runs goes on", missing.display());
        }
        let loaded = self.shared.load(self.file).await;
        if !files.took(loaded.diagnostics.reads(), loaded.plan.is_some()).await {
            return;
        }
        load::report(&loaded.diagnostics);
        // Whatever it is now, it is no longer what could not be taken up.
        self.again = None;
        match loaded.plan {
            None => tracing::warn!("{file} has changed and cannot be used; what runs goes on"),
            Some(plan) => self.take_up(Arc::new(plan)).await,
        }
    }

    /// Hands over to what `next` says, and to what runs anyway where that is not taken up: all sources wait for it.
    async fn hand_over(&mut self, next: Option<PathBuf>) {
        if let Some(file) = next {
            let loaded = self.shared.load(&file).await;
            load::report(&loaded.diagnostics);
            if let Some(plan) = loaded.plan.map(Arc::new) {
                self.take_up(plan.clone()).await;
                if Arc::ptr_eq(self.running.plan(), &plan) {
                    return;
                }
            }
        }
        let plan = self.running.plan().clone();
        let nothing = plan::diff(&plan, &plan);
        if let Err(problem) = self.running.reload(plan, &nothing).await {
            tracing::warn!("not handed over: {problem:?}");
        }
    }

    async fn take_up(&mut self, plan: Arc<Plan>) {
        let file = self.file.display();
        let running = self.running.plan();
        if plan.name != running.name {
            let (old, new) = (&running.name, &plan.name);
            return tracing::warn!(
                "{file} now has the name {new}, under which it has no state; {old} goes on as it is: stop and start it to rename it"
            );
        }
        let diff = plan::diff(running, &plan);
        if diff.is_empty() {
            return tracing::info!("{file} has changed, and nothing of what it does");
        }
        tracing::info!("{file} has changed:");
        summary::tell(&diff.text());
        if self.shared.reload == Reload::Careful && diff.loses_state() {
            let nodes: Vec<&str> = diff.losses().map(|change| &*change.id).collect();
            let nodes = nodes.join(", ");
            return tracing::warn!("not taken up, as state of {nodes} cannot go on; `--reload on` takes it up");
        }
        if let Err(why) = self.replace(&plan, &diff).await {
            tracing::error!(
                "{file} cannot be taken up: {why}; what ran goes on, and it is tried again with growing pauses"
            );
            self.again = Some(Again::new(plan));
        }
    }

    /// Tries once more what could not be taken up.
    async fn try_again(&mut self) {
        let Some(mut again) = self.again.take() else { return };
        let diff = plan::diff(self.running.plan(), &again.plan);
        if let Err(why) = self.replace(&again.plan, &diff).await {
            tracing::debug!("{} still cannot be taken up: {why}", self.file.display());
            again.wait_longer();
            self.again = Some(again);
        }
    }

    /// Puts a plan in the place of the one that runs. `Err`: why that cannot be done at the moment.
    async fn replace(&mut self, plan: &Arc<Plan>, diff: &Diff) -> Result<(), String> {
        self.claim.extend(plan)?;
        let reloaded = self.running.reload(plan.clone(), diff).await;
        self.claim.narrow(self.running.plan());
        let file = self.file.display();
        match reloaded {
            Ok(Reloaded { pause, undelivered, unsure }) => {
                tracing::info!("reloaded {file}: events waited {:.1} ms", pause.as_secs_f64() * 1000.0);
                if unsure > 0 {
                    tracing::warn!(
                        "{unsure} events were written by sinks that left, and not flushed: their systems may not have them"
                    );
                }
                if undelivered > 0 {
                    tracing::warn!("{undelivered} events that sinks had not delivered when they left are dead letters");
                }
            }
            Err(NotReloaded::Refused(Failure { node, message })) => {
                return Err(node.map_or(message.clone(), |node| format!("{node}: {message}")));
            }
            Err(NotReloaded::Ending) => {
                tracing::warn!("{file} has changed while its topology was ending: not taken up: {}", self.way_out())
            }
        }
        Ok(())
    }

    /// What to do about a change that a run has not taken up before it ended.
    fn way_out(&self) -> &'static str {
        match self.running.stop.is_cancelled() {
            true => "the next start takes it up",
            false => {
                "the input has ended, and all results are of the definition before it; `--fresh` reads the input again \
                 with the new one"
            }
        }
    }
}

/// Waits for a change; for ever where nothing is watched.
async fn changed(files: &mut Option<Files>) -> Changed {
    match files {
        Some(files) => files.changed().await,
        None => std::future::pending().await,
    }
}
