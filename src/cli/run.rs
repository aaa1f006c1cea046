//! `runner FILE`: runs a topology until its input ends or it is told to stop.

use std::io::IsTerminal;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::plan::Plan;
use crate::run::{self, RunOptions};

use super::status::{LogWriter, Status};
use super::{Exit, RunArgs, load, summary};

/// Runs what the file says.
pub(super) fn run(args: &RunArgs) -> Exit {
    let Some(file) = &args.file else { return Exit::Usage };
    let loaded = load::load(file, &args.settings);
    load::report(&loaded.diagnostics);
    let Some(plan) = loaded.plan else { return Exit::Invalid };
    let live = !args.plain && std::io::stderr().is_terminal();
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
    let options = RunOptions { batch_events: args.batch_events, edge_batches: args.edge_batches };
    let exit = runtime.block_on(drive(plan, options, live));
    // A blocking read of a terminal's stdin cannot be interrupted: leave it behind.
    runtime.shutdown_timeout(Duration::from_millis(100));
    exit
}

async fn drive(plan: Plan, options: RunOptions, live: bool) -> Exit {
    let name = plan.name.clone();
    let dead_letters = plan.dead_letters();
    let bounded = plan.is_bounded();
    let stop = CancellationToken::new();
    if let Err(error) = stop_on_signal(stop.clone()) {
        tracing::warn!("Ctrl-C will not stop the run in order: {error}");
    }
    // Nothing runs yet: a stop while a connection is being made has nothing to wait for.
    let started = tokio::select! {
        started = run::start(plan, options, stop.clone()) => started,
        () = stop.cancelled() => return Exit::Success,
    };
    let running = match started {
        Ok(running) => running,
        Err(failure) => {
            summary::failure(&failure);
            return Exit::Failed;
        }
    };
    let until = if bounded { "until its input ends" } else { "until Ctrl-C" };
    tracing::info!("running {name} {until}");
    let counters = running.counters.clone();
    let clock = running.clock;
    let status = Status::start(counters.clone(), clock, live);
    let outcome = running.wait().await;
    status.finish().await;
    summary::print(&name, &counters, clock.now(), &outcome, dead_letters.as_deref());
    if outcome.failure.is_some() { Exit::Failed } else { Exit::Success }
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
