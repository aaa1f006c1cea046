//! Chaos: real processes are killed, changed and starved while they work, and what they give must be what the input alone says.
//!
//! A child runs a topology with windows of each kind, `dedupe`, `enrich`, `route`, `sample` and dead letters, while a thread writes
//! events. The child is killed at random moments and at failpoints, stopped, changed by reloads, left without room on the disk; the
//! end of its newest checkpoint is torn; the NATS server is killed. In the end the outputs must be those of the oracle, line by line.
//!
//! Everything random follows from a seed, but for the moments at which things happen to meet. In the normal test run the budget is
//! short; a long run:
//!
//! ```sh
//! CHAOS_KILLS=1000 CHAOS_SEED=7 cargo test --test all chaos -- --nocapture
//! ```
//!
//! With `CHAOS_DISK=FOLDER`, on a small file system of its own (`mount -t tmpfs -o size=64m tmpfs FOLDER`), that is filled up now and
//! then. Otherwise a limit on the size of files stands for a full disk. As many changes as kills are taken up.

mod child;
mod damage;
mod found;
mod input;
mod oracle;
mod rng;
mod story;
mod stream;
mod topology;
mod writer;

use crate::nats::server::Server;

use oracle::Outputs;
use rng::Rng;
use story::{Budget, More, Story};
use stream::{Publisher, Reader};
use topology::Medium;
use writer::{Growing, Rotation, Writer};

#[test]
fn chaos_over_files() {
    let budget = Budget::of_environment();
    let mut rng = Rng::new(budget.seed);
    let dir = tempfile::tempdir().expect("a folder");
    let rotation = *rng.pick(&[Rotation::Rename, Rotation::Number]);
    let (into, files) = (dir.path().join("in"), rng.fork());
    let writer = Writer::start(rng.fork(), move || Growing::new(&into, rotation, files));
    let mut story = Story::new(dir, rng, Medium::Files, budget);
    let told = story.tell(&mut |_| None);
    let lines = writer.finish();
    let result = told.and_then(|()| story.end(&lines, &mut Outputs::new()));
    if let Err(why) = result {
        panic!("{}", story.failed(&why));
    }
}

#[test]
fn chaos_over_jetstream() {
    let budget = Budget::of_environment();
    let mut rng = Rng::new(budget.seed);
    let mut server = Server::start("");
    stream::make_streams(&server);
    let url = server.url();
    let medium = Medium::Nats(url.clone());
    let writer = Writer::start(rng.fork(), move || Publisher::connect(&url));
    let mut story = Story::new(tempfile::tempdir().expect("a folder"), rng, medium, budget);
    let told = story.tell(&mut |rng| {
        server.kill();
        std::thread::sleep(rng.ms(0..300));
        server.restart();
        Some("nats-server killed and started again")
    });
    writer.finish();
    // What the stream has is the input, whatever the writer believes.
    let lines = Reader::new(&server, "IN").read()["events"].clone();
    let result = told.and_then(|()| story.end(&lines, &mut Reader::new(&server, "OUT")));
    if let Err(why) = result {
        panic!("{}", story.failed(&why));
    }
}
