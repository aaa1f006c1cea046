//! What happens to one topology, from its start to the comparison of what it gave with what it should have given.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::child::{Launch, Running};
use super::damage::Damage;
use super::found;
use super::oracle::{self, Outputs};
use super::rng::Rng;
use super::topology::{self, Medium, Version};

/// How long the last run may take to give everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a child says of a change that it has taken up.
const RELOADED: &str = "reloaded t.yaml";

/// Where a child may be told to end.
const FAILPOINTS: [&str; 9] = [
    "segment-written",
    "manifest-renamed",
    "published",
    "committed",
    "merge-written",
    "merge-renamed",
    "handed-over",
    "reloaded",
    "publish",
];

/// How much is done, and where.
#[derive(Clone, Debug)]
pub struct Budget {
    pub seed: u64,
    pub kills: u64,
    /// A folder on a small file system of its own, to be filled up.
    pub disk: Option<PathBuf>,
}

impl Budget {
    /// `CHAOS_KILLS`, `CHAOS_SEED` and `CHAOS_DISK`; else what a normal test run can afford.
    pub fn of_environment() -> Budget {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
        let disk = std::env::var_os("CHAOS_DISK").map(PathBuf::from);
        Budget { seed: number("CHAOS_SEED").unwrap_or(1), kills: number("CHAOS_KILLS").unwrap_or(8), disk }
    }
}

/// Something that is done to what is around the topology; says what it was.
pub type Harm<'a> = &'a mut dyn FnMut(&mut Rng) -> Option<&'static str>;

/// Outputs that are not in files.
pub trait More {
    /// All of them so far.
    fn read(&mut self) -> &Outputs;
}

impl More for Outputs {
    fn read(&mut self) -> &Outputs {
        self
    }
}

/// A topology, and what is done to it.
pub struct Story {
    /// Of the topology, its state and its outputs.
    dir: tempfile::TempDir,
    /// Of everything else.
    aside: tempfile::TempDir,
    rng: Rng,
    medium: Medium,
    budget: Budget,
    version: Version,
    begun: Instant,
    told: Vec<String>,
    /// Children so far.
    children: u64,
    kills: u64,
    stops: u64,
    /// Changes that were asked for, and those that the program says were done.
    changes: u64,
    reloads: u64,
    damage: Damage,
    damages: u64,
}

impl Story {
    /// `aside` has the folder of the input, `in`.
    pub fn new(aside: tempfile::TempDir, rng: Rng, medium: Medium, budget: Budget) -> Story {
        let dir = match &budget.disk {
            Some(disk) => tempfile::tempdir_in(disk),
            None => tempfile::tempdir(),
        };
        let dir = dir.expect("a folder");
        std::os::unix::fs::symlink(aside.path().join("in"), dir.path().join("in")).expect("the input is there");
        let version = Version::first();
        fs::write(dir.path().join("users.csv"), topology::users()).expect("the table is written");
        fs::write(dir.path().join("t.yaml"), version.yaml(&medium)).expect("the topology is written");
        Story {
            dir,
            aside,
            rng,
            medium,
            budget,
            version,
            begun: Instant::now(),
            told: Vec::new(),
            children: 0,
            kills: 0,
            stops: 0,
            changes: 0,
            reloads: 0,
            damage: Damage::default(),
            damages: 0,
        }
    }

    /// Starts, hurts and kills children until the budget is spent.
    pub fn tell(&mut self, harm: Harm<'_>) -> Result<(), String> {
        while self.kills < self.budget.kills || self.reloads < self.budget.kills {
            let launch = self.launch();
            let mut child = self.start(launch.clone());
            for _ in 0..self.rng.within(0..6) {
                std::thread::sleep(self.rng.ms(0..250));
                match self.rng.within(0..10) {
                    0..7 => self.change(&mut child),
                    7 => child.make_room(),
                    8 if self.budget.disk.is_some() => self.fill_disk(&mut child),
                    _ => {
                        if let Some(what) = harm(&mut self.rng) {
                            self.say(what);
                            child.was_alone();
                        }
                    }
                }
            }
            let said = match self.rng.within(0..10) {
                0..2 => {
                    self.stops += 1;
                    child.make_room();
                    self.say("SIGTERM");
                    child.stop()
                }
                _ if launch.failpoint.is_some() => {
                    self.kills += 1;
                    child.crash(Duration::from_secs(1))
                }
                _ => {
                    self.kills += 1;
                    std::thread::sleep(self.rng.ms(0..300));
                    self.say("kill -9");
                    child.kill()
                }
            }?;
            self.reloads += said.matches(RELOADED).count() as u64;
            if self.rng.chance(20) {
                self.strike();
            }
        }
        Ok(())
    }

    /// Fills the disk up for a moment.
    fn fill_disk(&mut self, child: &mut Running) {
        child.is_starved();
        let ballast = self.path("ballast");
        let mut file = fs::File::create(&ballast).expect("a file");
        let block = vec![0; 1 << 16];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        std::thread::sleep(self.rng.ms(100..1_500));
        fs::remove_file(ballast).expect("the disk is made empty again");
        self.say("the disk was full for a while");
    }

    /// Damages the end of what was stored last.
    fn strike(&mut self) {
        // Messages that were sent for a checkpoint are sent again when it is lost: that is told, and no surprise.
        let may_lose = matches!(self.medium, Medium::Files);
        let store = self.path(".runner/chaos");
        if let Some(what) = self.damage.strike(&store, may_lose, &mut self.rng) {
            self.damages += 1;
            self.say(&what);
        }
    }

    fn launch(&mut self) -> Launch {
        let mut args = Vec::new();
        if self.rng.chance(30) {
            args.extend(["--batch-events".to_string(), self.rng.pick(&[1, 3, 50]).to_string()]);
        }
        if self.rng.chance(30) {
            args.extend(["--edge-batches".to_string(), "1".to_string()]);
        }
        let failpoint = self.rng.chance(30).then(|| {
            let name = *self.rng.pick(&FAILPOINTS);
            format!("{name}:{}", self.rng.within(1..6))
        });
        let file_kib_max = self.rng.chance(10).then(|| self.rng.within(16..200));
        Launch { args, failpoint, file_kib_max }
    }

    fn start(&mut self, launch: Launch) -> Running {
        self.children += 1;
        let mut what = format!("start {}", launch.args.join(" "));
        if let Some(name) = &launch.failpoint {
            _ = write!(what, ", failpoint {name}");
        }
        if let Some(kib) = launch.file_kib_max {
            _ = write!(what, ", files of at most {kib} KiB");
        }
        self.say(&what);
        let log = self.aside.path().join(format!("log-{:05}", self.children));
        Running::start(self.dir.path(), log, launch)
    }

    /// Changes the topology's file while it runs.
    fn change(&mut self, child: &mut Running) {
        self.changes += 1;
        self.version = self.version.next(&mut self.rng);
        let (file, text) = (self.path("t.yaml"), self.version.yaml(&self.medium));
        // A program that starts while its file is half written, or broken, says so and ends: that is no change while it runs.
        let has_begun = child.says("running chaos", Duration::from_secs(5));
        let how = match self.rng.within(0..6) {
            0 if has_begun => {
                fs::write(&file, &text).expect("the topology is written");
                "in place"
            }
            1 if has_begun => {
                let broken = text.replace("stages:", "stagse:");
                fs::write(&file, broken).expect("the topology is written");
                std::thread::sleep(self.rng.ms(0..300));
                self.replace(&text);
                "after a broken version"
            }
            2..5 => {
                self.replace(&text);
                child.says_more(RELOADED, Duration::from_millis(1_000));
                "by rename, with a pause"
            }
            _ => {
                self.replace(&text);
                "by rename"
            }
        };
        self.say(&format!("change {how}"));
    }

    fn replace(&self, text: &str) {
        fs::write(self.path("t.new"), text).expect("the topology is written");
        fs::rename(self.path("t.new"), self.path("t.yaml")).expect("the topology is replaced");
    }

    /// Lets a last child give everything that these lines ask for, and compares. `more` has what is not in files.
    pub fn end(&mut self, lines: &[String], more: &mut dyn More) -> Result<(), String> {
        let expected = oracle::expected(lines);
        let count = |outputs: &Outputs| outputs.values().map(Vec::len).sum::<usize>();
        let (wanted, out) = (count(&expected), self.path("out"));
        let child = self.start(Launch::default());
        let until = Instant::now() + PATIENCE;
        while count(&found::files(&out)) + count(more.read()) < wanted && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(100));
        }
        child.stop()?;
        let mut found = found::files(&out);
        found.extend(more.read().clone());
        let sides = self.compare_sides(&expected["passed"]);
        let problems = format!("{}{sides}", compare(expected, found));
        if !problems.is_empty() {
            return Err(problems);
        }
        println!(
            "chaos, seed {}: {} lines, {wanted} in outputs; {} kills, {} stops, {} damages, {} changes, {} reloads, {:.0} s",
            self.budget.seed,
            lines.len(),
            self.kills,
            self.stops,
            self.damages,
            self.changes,
            self.reloads,
            self.begun.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// A sink that came and went has a part of the events, without a gap.
    fn compare_sides(&self, passed: &[String]) -> String {
        let places: HashMap<&str, usize> = passed.iter().enumerate().map(|(at, line)| (&**line, at)).collect();
        let mut problems = String::new();
        for (path, lines) in found::sides(&self.path("out")) {
            let at: Vec<Option<&usize>> = lines.iter().map(|line| places.get(&**line)).collect();
            let gap = at.windows(2).position(|pair| match pair {
                [Some(a), Some(b)] => **a + 1 != **b,
                _ => true,
            });
            if let Some(gap) = gap {
                _ = writeln!(problems, "{}: a gap behind line {}", path.display(), gap + 1);
            }
        }
        problems
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn say(&mut self, what: &str) {
        self.told.push(format!("{:8.3} s  {what}", self.begun.elapsed().as_secs_f64()));
    }

    /// What is told of a failure; the folder stays to be looked at.
    pub fn failed(&mut self, why: &str) -> String {
        self.dir.disable_cleanup(true);
        self.aside.disable_cleanup(true);
        let from = self.told.len().saturating_sub(40);
        format!(
            "seed {}: {why}\nThe folder is {}, with the input and what was said in {}. What was done last:\n{}",
            self.budget.seed,
            self.dir.path().display(),
            self.aside.path().display(),
            self.told[from..].join("\n")
        )
    }
}

/// Says what is missing and what is too much in each output.
fn compare(expected: Outputs, mut found: Outputs) -> String {
    let mut problems = String::new();
    for (output, wanted) in expected {
        let got = found.remove(&output).unwrap_or_default();
        let mut counts: HashMap<&str, i64> = HashMap::new();
        wanted.iter().for_each(|line| *counts.entry(line).or_default() += 1);
        got.iter().for_each(|line| *counts.entry(line).or_default() -= 1);
        let mut wrong: Vec<(&str, i64)> = counts.into_iter().filter(|(_, count)| *count != 0).collect();
        wrong.sort_unstable();
        let number = |is: fn(i64) -> bool| wrong.iter().filter(|(_, count)| is(*count)).count();
        if !wrong.is_empty() {
            let (missing, more) = (number(|count| count > 0), number(|count| count < 0));
            _ = writeln!(problems, "{output}: of {} lines {missing} are missing, {more} are too many:", wanted.len());
            for (line, count) in wrong.iter().take(8) {
                _ = writeln!(problems, "  {:+} {line:.300}", -count);
            }
        } else if PASSING.contains(&&*output) && wanted != got {
            _ = writeln!(problems, "{output}: the lines are in another order");
        }
    }
    for (output, lines) in found.iter().filter(|(_, lines)| !lines.is_empty()) {
        _ = writeln!(problems, "{output}: nobody expects it, and it has {} lines", lines.len());
    }
    problems
}

/// Outputs of events that pass as they came, in files: their order holds. Over JetStream a message that was not confirmed may be sent
/// again behind its successors.
const PASSING: [&str; 3] = ["again", "foreign", "rest"];
