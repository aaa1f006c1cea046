//! The program under test as a child that is hurt, and what it has said.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support;

/// How long an ending in order may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a child is to run.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    pub args: Vec<String>,
    pub failpoint: Option<String>,
    /// No file may become larger than so many KiB: as if the disk were full.
    pub file_kib_max: Option<u64>,
}

/// A running topology.
pub struct Running {
    child: Child,
    log: PathBuf,
    launch: Launch,
    /// It was told how to fail.
    may_fail: bool,
    /// What it connects with was away, perhaps before it had begun.
    may_not_begin: bool,
}

impl Running {
    /// Starts the folder's topology; `log` takes what it says.
    pub fn start(dir: &Path, log: PathBuf, launch: Launch) -> Running {
        let mut command = match launch.file_kib_max {
            None => support::runner(dir),
            // A write beyond the limit is to fail, as on a full disk, and not to end the program.
            Some(kib) => {
                let limit = format!("trap '' XFSZ; ulimit -S -f {}; exec \"$0\" \"$@\"", kib * 2);
                let mut shell = Command::new("sh");
                shell.args(["-c", &limit]).arg(env!("CARGO_BIN_EXE_runner"));
                shell.current_dir(dir).stdin(Stdio::null()).env_remove("RUNNER_LOG").env("NO_COLOR", "1");
                shell
            }
        };
        command.arg("t.yaml").args(&launch.args).env("RUST_BACKTRACE", "0");
        if let Some(name) = &launch.failpoint {
            command.env("RUNNER_FAILPOINT", name);
        }
        let file = File::create(&log).expect("a log");
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("the program starts");
        let may_fail = launch.failpoint.is_some() || launch.file_kib_max.is_some();
        Running { child, log, launch, may_fail, may_not_begin: false }
    }

    /// There is room on the disk again.
    pub fn make_room(&mut self) {
        if self.launch.file_kib_max.take().is_some() {
            let pid = self.child.id().to_string();
            let told = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).output();
            // It may have ended at a failpoint meanwhile.
            assert!(told.is_ok(), "prlimit (util-linux) runs");
        }
    }

    /// It has no room on its disk: it may end for that.
    pub fn is_starved(&mut self) {
        self.may_fail = true;
    }

    /// What it connects with was away for a moment.
    pub fn was_alone(&mut self) {
        self.may_not_begin = true;
    }

    fn may_end(&self) -> bool {
        self.may_fail || self.may_not_begin && !self.said().contains("running chaos")
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it, as a crash does. `Err`: it had ended by itself, and should not have.
    pub fn kill(mut self) -> Result<String, String> {
        let ended = self.child.try_wait().expect("the child can be waited for");
        if let Some(status) = ended.filter(|_| !self.may_end()) {
            return Err(format!("it ended by itself ({status}) and said:\n{}", self.said()));
        }
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("the child can be waited for");
        self.end()
    }

    /// Stops it in order. `Err`: it did not end so.
    pub fn stop(mut self) -> Result<String, String> {
        if self.child.try_wait().expect("the child can be waited for").is_some() {
            return self.kill();
        }
        support::signal(&self.child, "TERM");
        let Some(status) = support::wait(&mut self.child, PATIENCE) else {
            return Err(format!("it did not stop in {PATIENCE:?}; it said:\n{}", self.said()));
        };
        // The signal may come before anybody listens to it, or the failpoint before its end.
        if status.success() || status.code().is_none() || self.may_end() {
            return self.end();
        }
        Err(format!("it stopped with {status} and said:\n{}", self.said()))
    }

    /// Waits until it has ended at its failpoint, and kills it if it does not come there.
    pub fn crash(mut self, at_most: Duration) -> Result<String, String> {
        support::wait(&mut self.child, at_most);
        self.end()
    }

    /// Waits until it has said something; whether it has.
    pub fn says(&mut self, what: &str, at_most: Duration) -> bool {
        self.says_so_often(what, 1, at_most)
    }

    /// Waits until it says something once more than so far.
    pub fn says_more(&mut self, what: &str, at_most: Duration) -> bool {
        self.says_so_often(what, self.said().matches(what).count() + 1, at_most)
    }

    fn says_so_often(&mut self, what: &str, times: usize, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        while self.said().matches(what).count() < times {
            let ended = self.child.try_wait().expect("the child can be waited for").is_some();
            if ended || Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn end(&self) -> Result<String, String> {
        let said = self.said();
        match said.contains("panicked") || said.contains("which is a bug") {
            true => Err(format!("it panicked:\n{said}")),
            false => Ok(said),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
