//! Reading on from a checkpoint: every event once, whatever has become of the files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::super::compression::Compression;
use super::*;
use crate::connectors::{Framing, Position, Pull};

fn open(resume: Option<Position>, events: usize, framing: Framing) -> SourceOpen {
    SourceOpen {
        framing,
        event_bytes_max: 1 << 20,
        chunk_events_max: events,
        resume,
        fresh: false,
        has_checkpoints: true,
    }
}

fn plan(folder: &Path, path: &str, follow: bool) -> FileSourcePlan {
    let text = folder.join(path).to_string_lossy().into_owned();
    FileSourcePlan { pattern: Pattern { text }, compression: Choice::Auto, follow, latest: false, has_pipe: false }
}

fn start(plan: &FileSourcePlan, resume: Option<&Position>) -> FeedSource<Standing> {
    plan.clone().start(open(resume.cloned(), 1024, Framing::Lines)).unwrap()
}

/// The texts of the next chunk; those of CSV with their header.
async fn next(source: &mut FeedSource<Standing>) -> Option<Vec<String>> {
    let pull =
        tokio::time::timeout(Duration::from_secs(10), source.next()).await.expect("something within ten seconds");
    let Pull::Chunk(chunk) = pull.unwrap() else { return None };
    let header = chunk.header.as_ref().map_or(String::new(), |header| format!("{:?}", header.0));
    let text = |frame: &std::ops::Range<u32>| &chunk.text[frame.start as usize..frame.end as usize];
    let good = chunk.frames.iter().map(|frame| format!("{header}{}", String::from_utf8_lossy(text(frame))));
    let mut events: Vec<String> = good.collect();
    for bad in chunk.bad.iter().rev() {
        events.insert(bad.before as usize, bad.code.id.to_string());
    }
    Some(events)
}

async fn rest(source: &mut FeedSource<Standing>) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(more) = next(source).await {
        events.extend(more);
    }
    events
}

fn append(path: &Path, text: &str) {
    fs::File::options().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Reads a plan whole, and from every place between two chunks.
async fn check_every_cut(plan: &FileSourcePlan, events: usize, framing: Framing) {
    let all = rest(&mut plan.clone().start(open(None, 1024, framing.clone())).unwrap()).await;
    let mut source = plan.clone().start(open(None, events, framing.clone())).unwrap();
    let mut given = 0;
    loop {
        let position = source.barrier(1);
        let position: Position = serde_json::from_str(&position.to_string()).unwrap();
        let mut resumed = plan.clone().start(open(Some(position.clone()), 1024, framing.clone())).unwrap();
        let left = rest(&mut resumed).await;
        assert_eq!(left, all[given..], "from {position} of {all:?}");
        assert_eq!(resumed.take_notes(), [""; 0]);
        let Some(more) = next(&mut source).await else { break };
        given += more.len();
    }
    assert_eq!(given, all.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_event_comes_once_from_every_place(
        texts in prop::collection::vec("[ab,\r\n\"]{0,40}", 1..5),
        packed in prop::collection::vec(0usize..3, 5),
        events in 1usize..5,
        is_csv: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        for (i, text) in texts.iter().enumerate() {
            let kind = [Compression::None, Compression::Gzip, Compression::Zstd][packed[i]];
            fs::write(folder.path().join(format!("{i}.txt")), kind.pack(text.clone().into_bytes()).unwrap()).unwrap();
        }
        let framing = if is_csv { Framing::Csv } else { Framing::Lines };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check_every_cut(&plan(folder.path(), "*.txt", false), events, framing));
    }
}

#[tokio::test]
async fn large_files_go_on_between_reads_and_in_a_line_that_was_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..3000).map(|i| format!("{i} {}\n", "x".repeat(i % 700))).collect();
    fs::write(folder.path().join("a"), format!("{lines}{}\nlast\n", "y".repeat(3 << 20))).unwrap();
    fs::write(folder.path().join("b.gz"), Compression::Gzip.pack(lines.clone().into_bytes()).unwrap()).unwrap();
    let cut = Compression::Gzip.pack(lines.into_bytes()).unwrap();
    fs::write(folder.path().join("c.gz"), &cut[..cut.len() / 2]).unwrap();
    // What is damaged is told again where it is read again.
    let plan = plan(folder.path(), "*", false);
    let all = rest(&mut start(&plan, None)).await;
    assert_eq!(all.iter().filter(|event| event.ends_with('d')).count(), 1, "input-damaged");
    let mut source = start(&plan, None);
    let mut given = 0;
    while let Some(more) = next(&mut source).await {
        given += more.len();
        let position = source.barrier(1);
        assert!(position.to_string().len() < 500, "{position}");
        assert_eq!(rest(&mut start(&plan, Some(&position))).await.len(), all.len() - given, "{position}");
    }
}

#[tokio::test]
async fn a_file_read_to_its_end_goes_on_where_it_has_grown_moved_or_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let one = plan(folder.path(), "a", false);
    fs::write(&a, "1\n2\n").unwrap();
    let mut source = start(&one, None);
    assert_eq!(next(&mut source).await.unwrap(), ["1", "2"]);
    let position = source.barrier(1);
    append(&a, "3\n");
    assert_eq!(rest(&mut start(&one, Some(&position))).await, ["3"], "grown");
    fs::copy(&a, &b).unwrap();
    fs::rename(&b, &a).unwrap();
    assert_eq!(rest(&mut start(&one, Some(&position))).await, ["3"], "a copy in its place");

    fs::write(&a, "7\n8\n9\n").unwrap();
    let mut changed = start(&one, Some(&position));
    assert_eq!(rest(&mut changed).await, ["7", "8", "9"]);
    assert!(changed.take_notes()[0].contains("has other content than before and is read from its start"));
    fs::write(&a, "1\n").unwrap();
    let mut shorter = start(&one, Some(&position));
    assert_eq!(rest(&mut shorter).await, ["1"]);
    assert!(shorter.take_notes()[0].contains("has become shorter"));
    fs::remove_file(&a).unwrap();
    let why = one.clone().start(open(Some(position), 9, Framing::Lines)).err().unwrap();
    assert!(why.message.contains("no such file or directory"), "{why}");
}

#[tokio::test]
async fn of_several_files_those_that_were_done_stay_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let all = plan(folder.path(), "*", false);
    for name in ["a", "b", "c"] {
        fs::write(path(name), format!("{name}1\n{name}2\n")).unwrap();
    }
    let mut source = all.clone().start(open(None, 1, Framing::Lines)).unwrap();
    for _ in 0..3 {
        next(&mut source).await.unwrap();
    }
    let position = source.barrier(1);
    // Rotation: the file that was being read has the name of one that is done, and is still read first.
    fs::rename(path("b"), path("a")).unwrap();
    let mut renamed = start(&all, Some(&position));
    assert_eq!(rest(&mut renamed).await, ["b2", "c1", "c2"]);
    assert!(renamed.take_notes()[0].contains("2 files are there, and 3 when the run began"));
    fs::remove_file(path("a")).unwrap();
    let mut gone = start(&all, Some(&position));
    assert_eq!(rest(&mut gone).await, ["c1", "c2"]);
    assert!(gone.take_notes()[1].contains("b`, which was being read, is gone"));
    let why = plan(folder.path(), "*", true).start(open(Some(position), 9, Framing::Lines)).err().unwrap();
    assert!(why.message.contains("`--fresh` starts over"), "{why}");
}

#[tokio::test]
async fn following_goes_on_through_rotation_truncation_and_new_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let follow = plan(folder.path(), "a.log", true);
    fs::write(path("a.log"), "1\n2\n3").unwrap();
    let mut source = start(&follow, None);
    assert_eq!(source.barrier(1)["files"], serde_json::json!([]));
    assert_eq!(next(&mut source).await.unwrap(), ["1", "2"]);
    let position = source.barrier(2);
    assert_eq!(position["files"][0]["at"], 4, "behind the last whole line");
    drop(source);

    // Rotated while nobody looked: the rest of the old file comes, then the new one.
    append(&path("a.log"), "3\n4\n");
    fs::rename(path("a.log"), path("a.log.1")).unwrap();
    fs::write(path("a.log"), "5\n").unwrap();
    let mut source = start(&follow, Some(&position));
    assert_eq!(next(&mut source).await.unwrap(), ["33", "4"]);
    assert_eq!(next(&mut source).await.unwrap(), ["5"]);
    assert!(source.take_notes()[0].contains("a.log.1` now and is read to its end"));
    let both = source.barrier(3);
    assert_eq!(both["files"].as_array().unwrap().len(), 2, "{both}");
    drop(source);

    fs::remove_file(path("a.log.1")).unwrap();
    fs::write(path("a.log"), "6\n7\n").unwrap();
    let mut source = start(&follow, Some(&both));
    assert_eq!(next(&mut source).await.unwrap(), ["6", "7"]);
    let notes = source.take_notes();
    assert!(notes[0].contains("is gone; what it had behind byte 9"), "{notes:?}");
    assert!(notes[1].contains("other content than before"), "{notes:?}");
}

#[tokio::test]
async fn what_was_skipped_at_the_start_stays_skipped_and_headers_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.csv"), "n\n1\n").unwrap();
    let latest = FileSourcePlan { latest: true, ..plan(folder.path(), "*.csv", true) };
    let first = latest.clone().start(open(None, 9, Framing::Csv)).unwrap().barrier(1);
    append(&path("a.csv"), "2\n");
    append(&path("b.csv"), "m\n3\n");
    let mut source = latest.clone().start(open(Some(first), 9, Framing::Csv)).unwrap();
    let mut events = next(&mut source).await.unwrap();
    events.extend(next(&mut source).await.unwrap());
    assert_eq!(events, [r#"Ok(["n"])2"#, r#"Ok(["m"])3"#]);
}
