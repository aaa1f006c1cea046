use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::super::compression::Compression;
use super::*;
use crate::connectors::{Framing, Pull};
use crate::limits::LINE_BYTES_MAX;

const OPEN: SourceOpen = SourceOpen {
    framing: Framing::Lines,
    event_bytes_max: LINE_BYTES_MAX,
    chunk_events_max: 1024,
    resume: None,
    fresh: false,
    has_checkpoints: false,
};

fn source(folder: &Path, path: &str, follow: bool) -> FileSourcePlan {
    let text = folder.join(path).to_string_lossy().into_owned();
    FileSourcePlan { pattern: Pattern { text }, compression: Choice::Auto, follow, latest: false, has_pipe: false }
}

fn start(plan: FileSourcePlan) -> FeedSource<Standing> {
    plan.start(OPEN).unwrap()
}

/// The next events as texts; what could not be framed as its code.
async fn next(source: &mut FeedSource<Standing>) -> Option<Vec<String>> {
    let pull =
        tokio::time::timeout(Duration::from_secs(10), source.next()).await.expect("something within ten seconds");
    match pull.unwrap() {
        Pull::Chunk(chunk) => {
            chunk.assert_sound();
            let text = |frame: &std::ops::Range<u32>| {
                String::from_utf8_lossy(&chunk.text[frame.start as usize..frame.end as usize]).into_owned()
            };
            let good = chunk.frames.iter().map(text);
            Some(good.chain(chunk.bad.iter().map(|bad| bad.code.id.to_string())).collect())
        }
        Pull::End => None,
    }
}

async fn all(source: &mut FeedSource<Standing>) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(more) = next(source).await {
        events.extend(more);
    }
    events
}

fn error(plan: FileSourcePlan) -> String {
    plan.start(OPEN).err().map(|why| why.message).unwrap_or_default()
}

#[tokio::test]
async fn files_of_a_pattern_come_in_the_order_of_their_names_whatever_their_compression() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("b.jsonl.zst", &Compression::Zstd.pack(b"3\n4\n".to_vec()).unwrap());
    let mut two = Compression::Gzip.pack(b"1\n".to_vec()).unwrap();
    two.extend(Compression::Gzip.pack(b"2".to_vec()).unwrap());
    write("a.jsonl.gz", &two);
    write("c.jsonl", b"\xEF\xBB\xBF5\r\n\r\n6");
    write("d-is-gzip.jsonl", &Compression::Gzip.pack(b"7\n".to_vec()).unwrap());
    write("e.jsonl.gz", b"");
    fs::create_dir(folder.path().join("f.jsonl")).unwrap();
    let mut source = start(source(folder.path(), "*.jsonl*", false));
    assert_eq!(all(&mut source).await, ["1", "2", "3", "4", "5", "6", "7"]);
    assert!(source.take_notes()[0].starts_with("1 folders match"));
    assert_eq!(next(&mut source).await, None);
}

#[tokio::test]
async fn a_cut_file_is_an_error_event_and_the_next_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..100_000).map(|i| format!("{}\n", i * 7919 % 100_003)).collect();
    for (name, kind) in [("a.gz", Compression::Gzip), ("b.zst", Compression::Zstd)] {
        let packed = kind.pack(lines.clone().into_bytes()).unwrap();
        fs::write(folder.path().join(name), &packed[..packed.len() / 2]).unwrap();
    }
    fs::write(folder.path().join("c.gz"), "no gzip at all\n").unwrap();
    fs::write(folder.path().join("d"), "last\n").unwrap();
    let mut source = start(source(folder.path(), "*", false));
    let events = all(&mut source).await;
    assert_eq!(events.iter().filter(|event| *event == "input-damaged").count(), 3);
    assert!(events.len() > 10_000);
    assert_eq!(events.last().unwrap(), "last");
    let notes = source.take_notes();
    assert!(notes[0].contains("a.gz` is cut off"), "{notes:?}");
    assert!(notes[1].contains("b.zst` is cut off"), "{notes:?}");
    assert!(notes[2].contains("c.gz` is not gzip data"), "{notes:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_before_anything_is() {
    let folder = tempfile::tempdir().unwrap();
    let missing = error(source(folder.path(), "nowhere.jsonl", false));
    assert!(missing.contains("nowhere.jsonl`: no such file or directory; correct the path"), "{missing}");
    assert!(error(source(folder.path(), "", false)).contains("is a folder; name a file in it"));
    assert!(error(source(folder.path(), "*.jsonl", false)).contains("no file matches"));
    assert!(error(source(folder.path(), "***", false)).contains("cannot be used"));
    std::os::unix::fs::symlink("gone", folder.path().join("link")).unwrap();
    assert!(error(source(folder.path(), "link", false)).contains("a link to a file that is gone"));
    fs::write(folder.path().join("a[1]"), "x\n").unwrap();
    assert_eq!(all(&mut start(source(folder.path(), "a[1]", false))).await, ["x"]);
}

#[tokio::test]
async fn a_line_over_the_limit_is_one_error_and_memory_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(folder.path().join("a")).unwrap();
    file.write_all(b"1\n").unwrap();
    (0..100).for_each(|_| file.write_all(&[b'x'; 1 << 20]).unwrap());
    file.write_all(b"\n2\n").unwrap();
    let plan = source(folder.path(), "a", false);
    let mut source = plan.start(SourceOpen { event_bytes_max: 1 << 20, ..OPEN }).unwrap();
    assert_eq!(all(&mut source).await, ["1", "line-too-long", "2"]);
}

#[tokio::test]
async fn a_pipe_is_read_as_it_is_written_and_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let mut source = start(source(folder.path(), "fifo", false));
    let mut writer = fs::File::options().write(true).open(&path).unwrap();
    writer.write_all(b"1\n2").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["1"]);
    writer.write_all(b"2\n3").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["22"]);
    drop(writer);
    assert_eq!(all(&mut source).await, ["3"]);
}

#[tokio::test]
async fn following_survives_growth_renaming_and_emptying() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    let mut source = start(source(folder.path(), "a.log", true));
    fs::write(&path, "1\n").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["1"]);
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"2").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(source.is_caught_up());
    file.write_all(b"2\n").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["22"]);
    // Renamed, with the writer still at it, and a new file in its place.
    fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    file.write_all(b"3\n").unwrap();
    fs::write(&path, "4\n").unwrap();
    let mut both = next(&mut source).await.unwrap();
    both.extend(next(&mut source).await.unwrap());
    assert_eq!(both, ["3", "4"]);
    // Emptied and written anew.
    fs::write(&path, "").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(&path, "5\n").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["5"]);
    let notes = source.take_notes();
    assert!(notes[0].contains("waiting for one"), "{notes:?}");
    assert!(notes[1].contains("become shorter"), "{notes:?}");
}

#[tokio::test]
async fn following_from_the_end_keeps_the_header() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "n,m\n1,2\n3,").unwrap();
    let plan = FileSourcePlan { latest: true, ..source(folder.path(), "*.csv", true) };
    let mut source = plan.start(SourceOpen { framing: Framing::Csv, ..OPEN }).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    fs::File::options().append(true).open(&path).unwrap().write_all(b"4\n").unwrap();
    let Ok(Pull::Chunk(chunk)) = source.next().await else { panic!("a chunk") };
    assert_eq!(&chunk.text[..], b"3,4");
    assert_eq!(chunk.header.unwrap().0, Ok(vec!["n".to_string(), "m".to_string()]));
    fs::write(folder.path().join("b.csv"), "k\n9\n").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["9"]);
}

#[tokio::test]
async fn more_files_than_may_be_open_are_all_followed() {
    let folder = tempfile::tempdir().unwrap();
    let count = crate::limits::FOLLOWED_OPEN_MAX + 10;
    for i in 0..count {
        fs::write(folder.path().join(format!("{i:03}")), "1\n").unwrap();
    }
    let mut source = start(source(folder.path(), "*", true));
    for _ in 0..count {
        assert_eq!(next(&mut source).await.unwrap(), ["1"]);
    }
    fs::File::options().append(true).open(folder.path().join("000")).unwrap().write_all(b"2\n").unwrap();
    assert_eq!(next(&mut source).await.unwrap(), ["2"]);
}

#[tokio::test]
async fn a_file_that_vanishes_while_it_is_read_is_read_on_and_one_that_vanishes_before_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&a, "1\n".repeat(50_000)).unwrap();
    fs::write(&b, "2\n").unwrap();
    let mut source = start(source(folder.path(), "*", false));
    let mut count = next(&mut source).await.unwrap().len();
    // The thread is held up by the bound on chunks, in the middle of the first file.
    fs::remove_file(&a).unwrap();
    fs::remove_file(&b).unwrap();
    let why = loop {
        match source.next().await {
            Ok(Pull::Chunk(chunk)) => count += chunk.frames.len(),
            Ok(Pull::End) => panic!("a missing file is no end"),
            Err(why) => break why.message,
        }
    };
    assert_eq!(count, 50_000);
    assert!(why.contains("b`: no such file or directory"), "{why}");
}
