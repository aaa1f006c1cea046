//! Two cores against one, and what an event costs as events and keys grow.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::compare;
use crate::jobs::{JOBS, Job};
use crate::measure::{self, Taken, best_of, outputs, programs};
use crate::report::{self, Row};

const BOTH_CORES: &str = "0,1";
const ONE_CORE: &str = "1";

/// The window of the rows on growth; it reads standard input.
const COUNTS: &str = r#"
sources:
  card: { stdin: {}, time: event.timestamp, watermark: { lag: 2s } }
stages:
  minute:
    from: card
    window:
      key: { user: event.user_id }
      tumbling: 1m
      aggregate: { n: count(), total: sum(event.amount) }
sinks:
  out: { from: minute, file: { path: $OUT1 } }
"#;

/// Wall time on two cores against one, of the runner and by hand.
pub fn two_cores(dir: &Path) -> io::Result<()> {
    report::title("Two cores: wall time as a share of that on one core");
    for name in ["filter-map", "tumbling"] {
        let Some(job) = JOBS.iter().find(|job| job.name == name) else { continue };
        let [alone, runner] = programs(job, name, dir, job.input.events())?;
        let [threads, _] = programs(job, &format!("{name}-2"), dir, job.input.events())?;
        let runs = |command: &Command, cores| best_of(|| measure::run(command, cores, Stdio::null()));
        let (hand_one, hand_two) = (runs(&alone, ONE_CORE)?, runs(&threads, BOTH_CORES)?);
        let (one, two) = (runs(&runner, ONE_CORE)?, runs(&runner, BOTH_CORES)?);
        for (theirs, ours) in outputs(job, dir, "hand").iter().zip(outputs(job, dir, "runner")) {
            compare::equal(theirs, &ours, job.ordered)?;
        }
        let share = |one: Taken, two: Taken| two.wall.as_secs_f64() / one.wall.as_secs_f64();
        Row::new(&format!("{name}, by hand"), share(hand_one, hand_two)).print();
        Row::new(&format!("{name}, runner"), share(one, two)).goal(0.6).print();
    }
    Ok(())
}

/// CPU time of an event, as a multiple of that in the first row.
pub fn growth(dir: &Path) -> io::Result<()> {
    report::title(
        "Growth: CPU nanoseconds an event, of a window that counts and adds up; the goal is the multiple of the first",
    );
    let topology = dir.join("counts.yaml");
    std::fs::write(&topology, Job::fill(COUNTS, Path::new(""), &[dir.join("counts.jsonl")]))?;
    let mut sizes = vec![1_000_000, 10_000_000];
    if std::env::var_os("HUNDRED_MILLION").is_some() {
        sizes.push(100_000_000);
    }
    let mut first = None;
    for events in sizes {
        let cost = cost(&topology, events, 50_000)?;
        report::growth(&format!("{events} events, 50000 keys"), cost, *first.get_or_insert(cost));
    }
    let mut first = None;
    for keys in [100, 10_000, 1_000_000] {
        let cost = cost(&topology, 3_000_000, keys)?;
        report::growth(&format!("3000000 events, {keys} keys"), cost, *first.get_or_insert(cost));
    }
    Ok(())
}

fn cost(topology: &Path, events: u64, keys: u64) -> io::Result<f64> {
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.arg("run").arg("--fresh").arg(topology);
    let one = || {
        let mut generator = measure::generator(events, keys)?;
        let events = generator.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let taken = measure::run(&runner, ONE_CORE, events.into());
        generator.wait()?;
        taken
    };
    // A long run needs no second one to be believed.
    let taken = if events > 3_000_000 { one()? } else { best_of(one)? };
    Ok(taken.cpu.as_nanos() as f64 / events as f64)
}
