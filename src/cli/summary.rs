//! What is told when a run has ended.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::Evaluations;
use crate::observe::{NodeCounters, Role};
use crate::plan::Plan;
use crate::run::{Begun, Checkpoint, Failure, Outcome};

/// Prints the summary to stderr: what was read, written and refused, and every file.
pub(super) fn print(plan: &Plan, nodes: &[Arc<NodeCounters>], took: Duration, outcome: &Outcome) {
    tell(&text(&plan.name, nodes, took, outcome, plan.dead_letters().as_deref()));
    if let Some(failure) = &outcome.failure {
        self::failure(failure);
    }
    // One whose input does not end goes on from it anyway.
    if plan.is_bounded() && outcome.can_resume && !outcome.is_complete {
        tell("  `--resume` goes on from its last checkpoint\n");
    }
}

/// Tells how a run has begun. `resume`: it was asked to go on from a checkpoint.
pub(super) fn begun(plan: &Plan, begun: &Begun, resume: bool) {
    let until = if plan.is_bounded() { "until its input ends" } else { "until Ctrl-C" };
    let name = &plan.name;
    match (&begun.from, &begun.passed_over) {
        (Some(checkpoint), _) => {
            let Checkpoint { id, written_at_ms, sources } = checkpoint;
            tracing::info!("running {name} {until}, from checkpoint {id} of {}", super::state::moment(*written_at_ms));
            for (source, position) in sources.iter().filter(|(_, position)| !position.is_null()) {
                tracing::info!("  {source} goes on at {}", shortened(position.to_string()));
            }
        }
        (None, Some(Checkpoint { written_at_ms, .. })) => tracing::info!(
            "running {name} {until}, afresh: the run before it was interrupted at {}, and `--resume` would have gone on from there",
            super::state::moment(*written_at_ms)
        ),
        (None, None) if resume => match &begun.folder {
            Some(folder) => tracing::warn!(
                "running {name} {until}, from the beginning: there is no checkpoint in {} to resume from",
                folder.display()
            ),
            None => tracing::warn!(
                "running {name} {until}, from the beginning: it keeps no checkpoints that it could resume from"
            ),
        },
        (None, None) => tracing::info!("running {name} {until}"),
    }
}

/// A position may list thousands of files.
fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

/// Characters of a position that are shown.
const SHOWN_MAX: usize = 200;

/// Prints why a run failed.
pub(super) fn failure(failure: &Failure) {
    match &failure.node {
        Some(node) => tell(&format!("error: {node}: {}\n", failure.message)),
        None => tell(&format!("error: {}\n", failure.message)),
    }
}

/// Writes to stderr, above the live table. If its reader has gone, the run was no worse for it, and the exit code still tells how it went.
pub(super) fn tell(text: &str) {
    let mut out = io::stderr().lock();
    super::status::erase(&mut out);
    let _ = out.write_all(text.as_bytes());
}

fn text(
    name: &str,
    nodes: &[Arc<NodeCounters>],
    took: Duration,
    outcome: &Outcome,
    dead_letters: Option<&Path>,
) -> String {
    let mut out = String::new();
    let total = |role: Role| nodes.iter().filter(move |node| node.role == role).map(|node| node.read());
    let read: u64 = total(Role::Source).map(|counters| counters.events_in).sum();
    let written: u64 = total(Role::Sink).map(|counters| counters.events_out).sum();
    let errors: u64 = nodes.iter().map(|node| node.read().errors).sum();
    let seconds = took.as_secs_f64();
    let _ = writeln!(out, "{name}: {read} events read, {written} written, {errors} errors in {seconds:.1} s");
    for node in nodes {
        let counters = node.read();
        if counters.errors > 0 {
            let _ = writeln!(out, "  {}: {} refused", node.id, counted(counters.errors, "event"));
        }
        if counters.dropped > 0 {
            let why =
                if node.role == Role::Sink { "its reader has gone" } else { "nobody reads the port they left by" };
            let _ = writeln!(out, "  {}: {} dropped: {why}", node.id, counted(counters.dropped, "event"));
        }
        let Evaluations { compiled, interpreted } = counters.evaluations;
        if interpreted > 0 {
            let all = counted(compiled + interpreted, "evaluation");
            let _ =
                writeln!(out, "  {}: {interpreted} of {all} by the interpreter: `runner explain` says why", node.id);
        }
        if counters.skipped > 0 {
            let _ = writeln!(out, "  {}: {} skipped", node.id, counted(counters.skipped, "empty line"));
        }
        if counters.held.windows > 0 {
            let windows = counted(counters.held.windows, "window");
            let what = match outcome.can_resume {
                true => "still open: in the checkpoint",
                false => "still open at the end, without a result",
            };
            let _ = writeln!(out, "  {}: {windows} {what}", node.id);
        }
    }
    for file in &outcome.written {
        let is_dead = dead_letters == Some(file.path.as_path());
        let what = if is_dead { " (dead letters)" } else { "" };
        let _ = writeln!(out, "  wrote {} ({}){what}", file.path.display(), size(file.bytes));
    }
    out
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
