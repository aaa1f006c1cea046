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

/// What an event costs, as a multiple of that in the first row, of the runner and by hand. With many keys each event opens a window of its
/// own, whose result is written: what that costs by hand is the measure.
pub fn growth(dir: &Path) -> io::Result<()> {
    report::title(
        "Growth of a tumbling window: CPU nanoseconds an event by hand, of the runner, and both as multiples of the first row",
    );
    let mut sizes = vec![1_000_000, 10_000_000];
    if std::env::var_os("HUNDRED_MILLION").is_some() {
        sizes.push(100_000_000);
    }
    let mut first = None;
    for events in sizes {
        let costs = costs(dir, events, 50_000)?;
        report::growth(&format!("{events} events, 50000 keys"), costs, *first.get_or_insert(costs));
    }
    let mut first = None;
    for keys in [100, 10_000, 1_000_000] {
        let costs = costs(dir, 3_000_000, keys)?;
        report::growth(&format!("3000000 events, {keys} keys"), costs, *first.get_or_insert(costs));
    }
    Ok(())
}

/// By hand, and of the runner; both read standard input.
fn costs(dir: &Path, events: u64, keys: u64) -> io::Result<[f64; 2]> {
    let job = JOBS.iter().find(|job| job.name == "tumbling").ok_or_else(|| io::Error::other("no such job"))?;
    let (theirs, ours) = (outputs(job, dir, "hand"), outputs(job, dir, "runner"));
    let topology = dir.join("growth.yaml");
    let text = job.topology.replace("file: { path: $IN }", "stdin: {}");
    std::fs::write(&topology, Job::fill(&text, Path::new(""), &ours))?;
    let mut hand = Command::new(std::env::current_exe()?);
    hand.args(["--by-hand", job.name, "/dev/stdin"]).args(&theirs);
    let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.args(["run", "--fresh"]).arg(topology);
    let one = |command: &Command| {
        let mut generator = measure::generator(events, keys)?;
        let input = generator.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        let taken = measure::run(command, ONE_CORE, input.into());
        generator.wait()?;
        taken
    };
    // A long run needs no second one to be believed.
    let cost = |command: &Command| {
        let taken = if events > 3_000_000 { one(command)? } else { best_of(|| one(command))? };
        Ok::<_, io::Error>(taken.cpu.as_nanos() as f64 / events as f64)
    };
    let costs = [cost(&hand)?, cost(&runner)?];
    if events <= 10_000_000 {
        theirs.iter().zip(&ours).try_for_each(|(theirs, ours)| compare::equal(theirs, ours, job.ordered))?;
    }
    Ok(costs)
}
