//! Writes lines to a followed file while everything else goes on: in pieces, at a changing pace, with rotation.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::input::Input;
use super::rng::Rng;

/// The one who writes the input, in a thread of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<String>>,
}

/// Where lines go.
pub trait Target: Send + 'static {
    /// Takes lines, all of them before it returns.
    fn write(&mut self, lines: &[String]);
    /// The time has come for another file.
    fn rotate(&mut self) {}
}

impl Writer {
    /// Writes until it is told to stop.
    pub fn start<T: Target>(mut rng: Rng, make: impl FnOnce() -> T + Send + 'static) -> Writer {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (ready, begun) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut target = make();
            ready.send(()).expect("the test waits");
            let mut input = Input::new(rng.fork());
            let mut written = Vec::new();
            let mut pace = 5;
            while !stopped.load(Ordering::Relaxed) {
                match rng.within(0..300) {
                    0 => target.rotate(),
                    1 => std::thread::sleep(rng.ms(50..300)),
                    2..8 => pace = *rng.pick(&[1, 5, 10, 40]),
                    _ => {}
                }
                let lines: Vec<String> = (0..rng.within(1..pace * 2)).map(|_| input.line()).collect();
                target.write(&lines);
                written.extend(lines);
                std::thread::sleep(Duration::from_millis(10));
            }
            let last = input.last();
            target.write(std::slice::from_ref(&last));
            written.push(last);
            written
        });
        begun.recv().expect("the writer begins");
        Writer { stop, thread }
    }

    /// Writes the last line, and gives all that was written.
    pub fn finish(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the input is written")
    }
}

/// How the file that is written to is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It is renamed, and a new one takes its name.
    Rename,
    /// The next one has the next number.
    Number,
}

/// A file that grows.
pub struct Growing {
    dir: PathBuf,
    rotation: Rotation,
    rng: Rng,
    file: File,
    number: u32,
}

impl Growing {
    pub fn new(dir: &Path, rotation: Rotation, rng: Rng) -> Growing {
        fs::create_dir_all(dir).expect("a folder for the input");
        let file = open(&path(dir, rotation, 0));
        Growing { dir: dir.to_path_buf(), rotation, rng, file, number: 0 }
    }
}

impl Target for Growing {
    fn write(&mut self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        // A reader may see a line in two pieces.
        let cut = self.rng.within(0..text.len() as u64 + 1) as usize;
        for (piece, pause) in [(&text[..cut], self.rng.chance(10)), (&text[cut..], false)] {
            self.file.write_all(piece.as_bytes()).expect("the input is written");
            if pause {
                std::thread::sleep(self.rng.ms(1..150));
            }
        }
    }

    fn rotate(&mut self) {
        self.number += 1;
        if self.rotation == Rotation::Rename {
            let older = self.dir.join(format!("a-{:06}.jsonl", self.number));
            fs::rename(path(&self.dir, self.rotation, 0), older).expect("the input is renamed");
        }
        self.file = open(&path(&self.dir, self.rotation, self.number));
    }
}

fn path(dir: &Path, rotation: Rotation, number: u32) -> PathBuf {
    match rotation {
        Rotation::Rename => dir.join("live.jsonl"),
        Rotation::Number => dir.join(format!("b-{number:06}.jsonl")),
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().create_new(true).append(true).open(path).expect("the input is made")
}
