//! What is seen while a topology runs: a live table on a terminal, otherwise a log line now and then.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::observe::{Counters, NodeCounters, Nodes, Role};
use crate::run::Clock;

/// How often the live table is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// How often a plain line is logged.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Lines of the table that are on the screen; log lines are written above it.
static DRAWN: Mutex<usize> = Mutex::new(0);

/// The status of a run, until it is finished.
pub(super) struct Status {
    task: JoinHandle<()>,
    done: CancellationToken,
}

impl Status {
    /// Begins to tell about these nodes; the label stands before a plain line.
    pub fn start(nodes: Nodes, clock: Clock, live: bool, label: Option<Arc<str>>) -> Status {
        let done = CancellationToken::new();
        let until = done.clone();
        let label = label.map_or(String::new(), |name| format!("{name}: "));
        let task = tokio::spawn(async move {
            let every = if live { DRAW_EVERY } else { LOG_EVERY };
            let mut known: HashMap<Arc<str>, Counters> = HashMap::new();
            let mut last = clock.now();
            loop {
                tokio::select! {
                    () = until.cancelled() => return,
                    () = tokio::time::sleep(every) => {}
                }
                let counters = nodes.all();
                let now: Vec<Counters> = counters.iter().map(|node| node.read()).collect();
                let before = |node: &Arc<NodeCounters>| known.get(&node.id).copied().unwrap_or_default();
                let before: Vec<Counters> = counters.iter().map(before).collect();
                let seconds = (clock.now() - last).as_secs_f64().max(0.001);
                last = clock.now();
                if live {
                    draw(&table(&counters, &before, &now, seconds, clock.wall_ms(), screen()));
                } else {
                    log_line(&label, &counters, &before, &now, seconds);
                }
                known = counters.iter().map(|node| node.id.clone()).zip(now).collect();
            }
        });
        Status { task, done }
    }

    /// Stops, and takes the table off the screen.
    pub async fn finish(self) {
        self.done.cancel();
        // It ends at once; it cannot fail.
        let _ = self.task.await;
        erase(&mut io::stderr().lock());
    }
}

/// Columns and lines of the terminal.
fn screen() -> (usize, usize) {
    terminal_size::terminal_size_of(io::stderr()).map_or((100, 25), |(width, height)| (width.0.into(), height.0.into()))
}

/// The table, a row a node.
fn table(
    nodes: &[Arc<NodeCounters>],
    before: &[Counters],
    now: &[Counters],
    seconds: f64,
    wall_ms: i64,
    (width, height): (usize, usize),
) -> Vec<String> {
    let name_width = nodes.iter().map(|node| node.id.len()).max().unwrap_or(4).clamp(4, 32);
    let mut lines = vec![format!(
        "{:<name_width$} {:<7} {:>9} {:>9} {:>8} {:>7} {:>9} {:>9} {:>10} {:>9}",
        "node", "", "in/s", "out/s", "errors/s", "queue", "behind", "held", "compiled/s", "rhai/s"
    )];
    for ((node, before), now) in nodes.iter().zip(before).zip(now) {
        let rate = |now: u64, before: u64| short((now.saturating_sub(before)) as f64 / seconds);
        // Most nodes have only one of them, or none.
        let evaluated = |now: u64, before: u64| if now == 0 { String::new() } else { rate(now, before) };
        let role = match node.role {
            Role::Source => "source",
            Role::Stage => "stage",
            Role::Sink => "sink",
            Role::DeadLetters => "dead",
        };
        let queue = if now.queue_max == 0 { String::new() } else { format!("{}/{}", now.queued, now.queue_max) };
        let behind = now.mark.map_or(String::new(), |mark| span((wall_ms - mark).max(0)));
        let held = if now.held.windows > 0 { now.held.windows } else { now.held.keys };
        let held = if held == 0 { String::new() } else { short(held as f64) };
        let mut line = String::new();
        let _ = write!(
            line,
            "{:<name_width$} {role:<7} {:>9} {:>9} {:>8} {queue:>7} {behind:>9} {held:>9} {:>10} {:>9}",
            node.id,
            rate(now.events_in, before.events_in),
            rate(now.events_out, before.events_out),
            rate(now.errors, before.errors),
            evaluated(now.evaluations.compiled, before.evaluations.compiled),
            evaluated(now.evaluations.interpreted, before.evaluations.interpreted),
        );
        lines.push(line);
    }
    // What has scrolled off the screen could not be erased; the cursor's line is one, and the last row tells of the rest.
    let room = height.saturating_sub(1).max(3);
    if lines.len() > room {
        let rest = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(format!("... and {rest} more"));
    }
    for line in &mut lines {
        *line = line.chars().take(width.max(20)).collect();
    }
    lines
}

fn draw(lines: &[String]) {
    let mut out = io::stderr().lock();
    erase(&mut out);
    let text = lines.join("\n");
    if writeln!(out, "{text}").is_ok()
        && let Ok(mut drawn) = DRAWN.lock()
    {
        *drawn = lines.len();
    }
}

/// Takes the table off the screen, so that a line can be written where it stood.
pub(super) fn erase(out: &mut impl Write) {
    let Ok(mut drawn) = DRAWN.lock() else { return };
    if *drawn > 0 {
        // A terminal that takes nothing has nothing to erase.
        let _ = write!(out, "\x1b[{}A\x1b[J", *drawn);
        *drawn = 0;
    }
}

fn log_line(label: &str, nodes: &[Arc<NodeCounters>], before: &[Counters], now: &[Counters], seconds: f64) {
    let sum = |role: Role, of: fn(&Counters) -> u64| -> (u64, u64) {
        let mut totals = (0, 0);
        for ((node, before), now) in nodes.iter().zip(before).zip(now) {
            if node.role == role {
                totals.0 += of(now);
                totals.1 += of(now).saturating_sub(of(before));
            }
        }
        totals
    };
    let (read, read_now) = sum(Role::Source, |counters| counters.events_in);
    let (written, written_now) = sum(Role::Sink, |counters| counters.events_out);
    let errors: u64 = now.iter().map(|counters| counters.errors).sum();
    tracing::info!(
        "{label}read {read} ({}/s), written {written} ({}/s), errors {errors}",
        short(read_now as f64 / seconds),
        short(written_now as f64 / seconds),
    );
}

/// A number in at most six characters.
fn short(number: f64) -> String {
    match number {
        0.0 => "0".into(),
        n if n < 10.0 => format!("{n:.1}"),
        n if n < 10_000.0 => format!("{n:.0}"),
        n if n < 10_000_000.0 => format!("{:.1}k", n / 1e3),
        n => format!("{:.1}M", n / 1e6),
    }
}

/// A time span in its largest unit.
fn span(ms: i64) -> String {
    match ms {
        0..10_000 => format!("{:.1}s", ms as f64 / 1e3),
        10_000..600_000 => format!("{}s", ms / 1_000),
        600_000..36_000_000 => format!("{}m", ms / 60_000),
        36_000_000..864_000_000 => format!("{}h", ms / 3_600_000),
        _ => format!("{}d", ms / 86_400_000),
    }
}

/// Writes log lines to stderr, above the live table.
pub(super) struct LogWriter {
    live: bool,
}

impl LogWriter {
    /// For a run whose table is drawn, or not.
    pub fn new(live: bool) -> LogWriter {
        LogWriter { live }
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        if self.live {
            erase(&mut out);
        }
        // Whether anybody reads the log changes nothing for the run.
        let _ = out.write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_fits_the_screen() {
        let nodes: Vec<_> =
            (0..9).map(|i| Arc::new(NodeCounters::new(format!("n{i}").as_str().into(), Role::Stage))).collect();
        let counters: Vec<Counters> = nodes.iter().map(|node| node.read()).collect();
        let all = table(&nodes, &counters, &counters, 1.0, 0, (100, 11));
        assert_eq!(all.len(), 10);
        let some = table(&nodes, &counters, &counters, 1.0, 0, (24, 10));
        assert_eq!(some.len(), 9);
        assert_eq!(some.last().map(String::as_str), Some("... and 2 more"));
        assert!(some.iter().all(|line| line.chars().count() <= 24));
    }

    #[test]
    fn numbers_and_spans_stay_short() {
        let numbers = [0.0, 0.25, 9.94, 2_000.0, 123_456.0, 9_999_999.0, 25e6];
        assert_eq!(numbers.map(short), ["0", "0.2", "9.9", "2000", "123.5k", "10000.0k", "25.0M"]);
        assert_eq!(
            [999, 59_000, 3_600_000, 90_000_000, 31_536_000_000].map(span),
            ["1.0s", "59s", "60m", "25h", "365d"]
        );
    }
}
