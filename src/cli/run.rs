//! `runner FILE ...`: runs topologies until their input ends or they are told to stop.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::run::{Pace, Recovery};

use super::claims::Claims;
use super::fleet::{self, Fleet, Named};
use super::status::LogWriter;
use super::supervise::{Shared, supervise};
use super::{Exit, RunArgs, load};

/// Runs what the files say.
pub(super) fn run(args: RunArgs) -> Exit {
    let named = match fleet::named(&args.paths) {
        Ok(named) => named,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    let several = fleet::only(&named).is_none();
    // One table on the screen, for one topology.
    let live = !args.plain && !several && std::io::stderr().is_terminal();
    start_log(live);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads {
        builder.worker_threads(threads.into());
    }
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads to run on: {error}");
            return Exit::Failed;
        }
    };
    let shared = Shared {
        settings: args.settings,
        reload: args.reload,
        recovery: match (args.resume, args.fresh) {
            (true, _) => Recovery::Resume,
            (_, true) => Recovery::Fresh,
            (false, false) => Recovery::Auto,
        },
        state: args.state,
        batch_events: args.batch_events,
        edge_batches: args.edge_batches,
        pace: args.checkpoint_batches.map(Pace::Checkpoint).or(args.hand_over_batches.map(Pace::HandOver)),
        hand_over_to: args.hand_over_to,
        live,
        several,
        claims: Claims::default(),
    };
    let exit = runtime.block_on(drive(named, Arc::new(shared)));
    // A blocking read of a terminal's stdin cannot be interrupted: leave it behind.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

async fn drive(named: Named, shared: Arc<Shared>) -> Exit {
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signal(stop.clone()) {
        tracing::warn!("Ctrl-C will not stop the run in order: {error}");
    }
    match fleet::only(&named) {
        None => Fleet::new(named, shared, stop).run().await,
        Some(file) => {
            let loaded = shared.load(file).await;
            load::report(&loaded.diagnostics);
            supervise(file, loaded, &shared, stop).await
        }
    }
}

/// The first Ctrl-C or SIGTERM stops in order, a second one at once.
fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminates = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        for is_first in [true, false] {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminates.recv() => {}
            }
            if !is_first {
                std::process::exit(Exit::Interrupted as i32);
            }
            tracing::info!("stopping: sources end, what is in flight is written; Ctrl-C again ends at once");
            stop.cancel();
        }
    });
    Ok(())
}

/// Log lines go to stderr, so that stdout is the stream's. `RUNNER_LOG` sets what is told, as `warn` or `topology_runner=debug`.
fn start_log(live: bool) {
    let filter = EnvFilter::try_from_env("RUNNER_LOG").unwrap_or_else(|_| EnvFilter::new("info,async_nats=warn"));
    let color = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(color);
    if let Err(error) = log.with_writer(move || LogWriter::new(live)).try_init() {
        eprintln!("warning: no log: {error}");
    }
}
