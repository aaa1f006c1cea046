//! This runner against the same job written by hand with serde, in one run: `cargo bench`. Prints a table of CPU time.
//!
//! The input is made here, below `target/bench`, the same each time. Each job is a process of its own; what counts is the CPU time,
//! user and system, that it took, the best of several runs in turn. Both must give the same number of lines and the same sums.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Payments in the input.
const EVENTS: u64 = 1_000_000;
/// Runs of each job; the best one counts.
const RUNS: usize = 3;
/// Different users.
const USERS: u64 = 1_000;
/// The clock ticks of `/proc/self/stat` in a second: fixed on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// One job, as a topology and as a function.
struct Job {
    name: &'static str,
    /// Source and sink are put before and behind it.
    stages: &'static str,
    last: &'static str,
    by_hand: fn(&mut BufReader<File>, &mut BufWriter<File>) -> std::io::Result<()>,
}

const JOBS: [Job; 2] = [
    Job {
        name: "filter-map",
        stages: "  large:\n    from: card\n    filter: event.amount > 50.0\n    map:\n      user: event.user_id\n      \
                 amount: event.amount\n      country: event.merchant.country\n      abroad: event.merchant.country != event.card_country\n",
        last: "large",
        by_hand: filter_map,
    },
    Job {
        name: "window",
        stages: "  minute:\n    from: card\n    window:\n      key: { user: event.user_id }\n      tumbling: 1m\n      aggregate:\n        \
                 n: count()\n        total: sum(event.amount)\n",
        last: "minute",
        by_hand: window,
    },
];

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, name, input, output] = arguments.as_slice()
        && flag == "--by-hand"
    {
        let job = JOBS.iter().find(|job| job.name == name).expect("a job of this name");
        let mut output = BufWriter::with_capacity(1 << 18, File::create(output)?);
        (job.by_hand)(&mut BufReader::with_capacity(1 << 18, File::open(input)?), &mut output)?;
        return output.flush();
    }
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&dir)?;
    let input = dir.join(format!("payments-{EVENTS}.jsonl"));
    if !input.exists() {
        make_payments(&input)?;
    }
    let megabytes = std::fs::metadata(&input)?.len() as f64 / 1e6;
    println!("{EVENTS} payments, {megabytes:.0} MB; CPU seconds, the best of {RUNS} runs\n");
    println!("{:<12} {:>8} {:>8} {:>7} {:>14}", "job", "by hand", "runner", "ratio", "runner events/s");
    for job in &JOBS {
        measure(job, &dir, &input)?;
    }
    Ok(())
}

fn measure(job: &Job, dir: &Path, input: &Path) -> std::io::Result<()> {
    let topology = dir.join(format!("{}.yaml", job.name));
    let (ours, theirs) = (dir.join(format!("{}.runner.jsonl", job.name)), dir.join(format!("{}.hand.jsonl", job.name)));
    std::fs::write(
        &topology,
        format!(
            "sources:\n  card:\n    file: {{ path: {input:?} }}\n    time: event.timestamp\n    watermark: {{ lag: 5s }}\n\
             stages:\n{}sinks:\n  out: {{ from: {}, file: {{ path: {ours:?} }} }}\n",
            job.stages, job.last
        ),
    )?;
    let mut best: [Option<Taken>; 2] = [None, None];
    for _ in 0..RUNS {
        let mut by_hand = Command::new(std::env::current_exe()?);
        by_hand.args(["--by-hand", job.name]).arg(input).arg(&theirs);
        let mut runner = Command::new(env!("CARGO_BIN_EXE_runner"));
        runner.arg(&topology);
        for (best, command) in best.iter_mut().zip([by_hand, runner]) {
            let taken = run(command)?;
            if best.is_none_or(|best| taken.cpu < best.cpu) {
                *best = Some(taken);
            }
        }
    }
    assert_eq!(sums(&ours)?, sums(&theirs)?, "{}: the results differ: see {ours:?} and {theirs:?}", job.name);
    let [Some(hand), Some(runner)] = best else { return Ok(()) };
    println!(
        "{:<12} {:>8.2} {:>8.2} {:>7.2} {:>14.0}",
        job.name,
        hand.cpu.as_secs_f64(),
        runner.cpu.as_secs_f64(),
        runner.cpu.as_secs_f64() / hand.cpu.as_secs_f64(),
        EVENTS as f64 / runner.wall.as_secs_f64(),
    );
    Ok(())
}

/// What one process took.
#[derive(Clone, Copy)]
struct Taken {
    cpu: Duration,
    wall: Duration,
}

fn run(mut command: Command) -> std::io::Result<Taken> {
    let (before, start) = (children_cpu()?, Instant::now());
    let output = command.stdin(Stdio::null()).output()?;
    let wall = start.elapsed();
    assert!(output.status.success(), "{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(Taken { cpu: children_cpu()? - before, wall })
}

/// The CPU time of all children that have ended: fields 16 and 17 of `/proc/self/stat`, counted behind the name, which may hold
/// anything.
fn children_cpu() -> std::io::Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(13).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Lines, and the sums of `n` and of the amounts in cents: what both must agree on.
fn sums(path: &PathBuf) -> std::io::Result<(u64, u64, i64)> {
    #[derive(Deserialize)]
    struct Line {
        n: Option<u64>,
        amount: Option<f64>,
        total: Option<f64>,
    }
    let mut all = (0, 0, 0);
    for line in BufReader::new(File::open(path)?).lines() {
        let line: Line = serde_json::from_str(&line?).map_err(std::io::Error::other)?;
        let amount = line.amount.or(line.total).unwrap_or(0.0);
        all = (all.0 + 1, all.1 + line.n.unwrap_or(0), all.2 + (amount * 100.0).round() as i64);
    }
    Ok(all)
}

/// What the jobs read of a payment.
#[derive(Deserialize)]
struct Payment<'a> {
    timestamp: i64,
    user_id: &'a str,
    amount: f64,
    card_country: &'a str,
    #[serde(borrow)]
    merchant: Merchant<'a>,
}

#[derive(Deserialize)]
struct Merchant<'a> {
    country: &'a str,
}

fn each_payment(
    input: &mut BufReader<File>,
    mut take: impl FnMut(Payment<'_>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        take(serde_json::from_slice(&line).map_err(std::io::Error::other)?)?;
        line.clear();
    }
    Ok(())
}

fn filter_map(input: &mut BufReader<File>, output: &mut BufWriter<File>) -> std::io::Result<()> {
    #[derive(Serialize)]
    struct Large<'a> {
        user: &'a str,
        amount: f64,
        country: &'a str,
        abroad: bool,
    }
    each_payment(input, |payment| {
        if payment.amount > 50.0 {
            let country = payment.merchant.country;
            let large = Large {
                user: payment.user_id,
                amount: payment.amount,
                country,
                abroad: country != payment.card_country,
            };
            serde_json::to_writer(&mut *output, &large)?;
            output.write_all(b"\n")?;
        }
        Ok(())
    })
}

fn window(input: &mut BufReader<File>, output: &mut BufWriter<File>) -> std::io::Result<()> {
    const SIZE: i64 = 60_000;
    const LAG: i64 = 5_000;
    #[derive(Serialize)]
    struct Minute<'a> {
        user: &'a str,
        window_start: i64,
        window_end: i64,
        n: u64,
        total: f64,
    }
    type Users = HashMap<String, (u64, f64)>;
    let mut open: HashMap<i64, Users> = HashMap::new();
    let mut close = |start: i64, users: Users| -> std::io::Result<()> {
        for (user, (n, total)) in users {
            serde_json::to_writer(
                &mut *output,
                &Minute { user: &user, window_start: start, window_end: start + SIZE, n, total },
            )?;
            output.write_all(b"\n")?;
        }
        Ok(())
    };
    let mut mark = i64::MIN;
    each_payment(input, |payment| {
        let start = payment.timestamp.div_euclid(SIZE) * SIZE;
        if mark < start + SIZE {
            let users = open.entry(start).or_default();
            let sums = match users.get_mut(payment.user_id) {
                Some(sums) => sums,
                None => users.entry(payment.user_id.to_string()).or_default(),
            };
            sums.0 += 1;
            sums.1 += payment.amount;
        }
        if payment.timestamp - LAG > mark {
            mark = payment.timestamp - LAG;
            let due: Vec<i64> = open.keys().copied().filter(|start| start + SIZE <= mark).collect();
            for start in due {
                let users = open.remove(&start).unwrap_or_default();
                close(start, users)?;
            }
        }
        Ok(())
    })?;
    for (start, users) in open {
        close(start, users)?;
    }
    Ok(())
}

/// Payments of about 280 bytes, nearly in order of their time.
fn make_payments(path: &Path) -> std::io::Result<()> {
    const COUNTRIES: [&str; 8] = ["DE", "FR", "US", "GB", "PL", "ES", "IT", "NL"];
    let unfinished = path.with_extension("part");
    let mut out = BufWriter::with_capacity(1 << 18, File::create(&unfinished)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    // xorshift64: the same numbers each time.
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for i in 0..EVENTS {
        let country = COUNTRIES[random(8) as usize];
        let card_country = if random(10) < 9 { country } else { COUNTRIES[random(8) as usize] };
        writeln!(
            out,
            r#"{{"event_id":"evt-{i:012}","event_type":"payment","timestamp":{},"user_id":"user-{:06}","card_id":"card-{:08}","amount":{}.{:02},"currency":"EUR","card_country":"{card_country}","merchant":{{"id":"m-{:05}","category":"groceries","country":"{country}"}},"channel":"online","schema_version":3}}"#,
            1_767_225_600_000 + i * 2 + random(2_000),
            random(USERS),
            random(5_000),
            random(200),
            random(100),
            random(20_000),
        )?;
    }
    out.flush()?;
    drop(out);
    std::fs::rename(unfinished, path)
}
