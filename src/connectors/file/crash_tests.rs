//! Sinks that go on behind a checkpoint: whatever a run wrote after it, and however it ended, is as if it had never been.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::compression::Compression;
use super::super::rotate::Rotate;
use super::tests::{afresh, encoded, settings};
use super::*;
use crate::connectors::{Position, SinkResume};
use crate::limits::NOTES_BYTES_KEPT_MAX;

/// With notes beside the folder of the files.
fn open(settings: &Settings, resume: Option<&SinkResume>) -> Result<FileSink, ConnectorError> {
    let notes = Some(settings.folder.join("../notes"));
    FileSink::open(settings.clone(), &SinkOpen { resume: resume.cloned(), has_checkpoints: true, notes, ..afresh() })
}

fn start(settings: &Settings, resume: Option<&SinkResume>) -> FileSink {
    open(settings, resume).unwrap()
}

/// A folder for files, with room for the notes beside it.
fn folders() -> (tempfile::TempDir, PathBuf) {
    let around = tempfile::tempdir().unwrap();
    let folder = around.path().join("out");
    fs::create_dir(&folder).unwrap();
    (around, folder)
}

async fn write(sink: &mut FileSink, lines: &[(&str, &str)]) {
    let mut events = encoded(lines);
    events.head = b"head\n".to_vec();
    let mut done = 0;
    sink.write(&events, &mut done).await.unwrap();
}

async fn checkpoint(sink: &mut FileSink, id: u64) -> (SinkResume, usize) {
    sink.flush().await.unwrap();
    let state = sink.checkpoint(id).await.unwrap();
    state.sync.iter().for_each(|file| file.sync_data().unwrap());
    // As it comes back from the disk.
    let position = serde_json::from_str(&state.state.to_string()).unwrap();
    (SinkResume { id, state: position, pending: Bytes::new() }, state.sync.len())
}

/// Every file of a folder and what is in it, unpacked.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let kind = Choice::Auto.of(&path);
            let text = std::io::read_to_string(kind.reader(fs::File::open(&path).unwrap()).unwrap()).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), text)
        })
        .collect();
    found.sort();
    found
}

/// Behind a checkpoint that knows nothing of the sink.
fn comes_after(id: u64) -> SinkResume {
    SinkResume { id, state: Position::Null, pending: Bytes::new() }
}

#[tokio::test]
async fn only_where_a_run_begins_are_files_replaced_and_what_a_later_sink_adds_is_taken_back() {
    for (path, name) in [(Some("a.jsonl"), ""), (None, "a.jsonl")] {
        let (_around, folder) = folders();
        fs::write(folder.join("a.jsonl"), "old\n").unwrap();
        let one = Settings { path: path.map(Arc::from), ..settings(&folder) };
        let is = |text: &str| assert_eq!(files(&folder), [("a.jsonl".into(), text.into())]);
        let mut sink = start(&one, Some(&comes_after(3)));
        write(&mut sink, &[(name, "1")]).await;
        sink.flush().await.unwrap();
        is("old\n1\n");
        drop(sink);
        // After a crash, from the checkpoint before it came.
        drop(start(&one, Some(&comes_after(2))));
        is("old\n");
        let mut sink = start(&one, Some(&comes_after(0)));
        write(&mut sink, &[(name, "2")]).await;
        sink.flush().await.unwrap();
        is("head\n2\n");
    }
}

#[tokio::test]
async fn files_of_before_the_run_are_replaced_also_by_a_sink_that_goes_on_unless_it_goes_elsewhere() {
    let (_around, folder) = folders();
    let many = settings(&folder);
    let (begun, _) = checkpoint(&mut start(&many, None), 1).await;
    let (came, _) = checkpoint(&mut start(&many, Some(&comes_after(1))), 2).await;
    let elsewhere = Settings { template: "{{ other }}".into(), ..settings(&folder) };
    for (settings, resume, text) in
        [(&many, &begun, "head\n1\n"), (&many, &came, "old\n1\n"), (&elsewhere, &begun, "old\n1\n")]
    {
        fs::remove_file(folder.join("../notes")).unwrap();
        fs::write(folder.join("a.jsonl"), "old\n").unwrap();
        let mut sink = start(settings, Some(resume));
        write(&mut sink, &[("a.jsonl", "1")]).await;
        sink.close().await.unwrap();
        assert_eq!(files(&folder), [("a.jsonl".into(), text.into())]);
    }
}

#[tokio::test]
async fn a_file_is_cut_back_to_the_checkpoint_and_nothing_else_of_it_is_touched() {
    for (name, replace) in [("a.jsonl", true), ("a.jsonl", false), ("a.jsonl.gz", true), ("a.jsonl.zst", false)] {
        let (_around, folder) = folders();
        let one = Settings { path: Some(name.into()), replace, ..settings(&folder) };
        let mut sink = start(&one, None);
        write(&mut sink, &[("", "1"), ("", "2")]).await;
        let (state, synced) = checkpoint(&mut sink, 1).await;
        assert_eq!(synced, 2, "the file and its folder");
        write(&mut sink, &[("", "3")]).await;
        sink.flush().await.unwrap();
        drop(sink);
        // A write that was torn by the crash.
        fs::File::options().append(true).open(folder.join(name)).unwrap().write_all(b"{\"to").unwrap();
        let mut sink = start(&one, Some(&state));
        write(&mut sink, &[("", "4")]).await;
        sink.close().await.unwrap();
        assert_eq!(files(&folder), [(name.to_string(), "head\n1\n2\n4\n".to_string())]);
    }
}

#[tokio::test]
async fn rotated_files_that_came_after_the_checkpoint_are_gone() {
    let (_around, folder) = folders();
    let rotate = Some(Rotate { size: Some(10), every: None });
    let one = Settings { path: Some("a.txt".into()), rotate, ..settings(&folder) };
    let mut sink = start(&one, None);
    write(&mut sink, &[("", "11"), ("", "12"), ("", "21")]).await;
    let (state, _) = checkpoint(&mut sink, 1).await;
    sink.commit(1).await.unwrap();
    write(&mut sink, &[("", "x22"), ("", "x3"), ("", "x4"), ("", "x5")]).await;
    sink.close().await.unwrap();
    assert_eq!(files(&folder).len(), 7);
    let mut sink = start(&one, Some(&state));
    assert_eq!(files(&folder).len(), 3);
    write(&mut sink, &[("", "22"), ("", "31")]).await;
    sink.close().await.unwrap();
    let found = files(&folder);
    let texts: Vec<&str> = found.iter().map(|(_, text)| &**text).collect();
    assert_eq!(texts, ["head\n11\n", "head\n12\n", "head\n21\n", "head\n22\n", "head\n31\n"]);
}

#[tokio::test]
async fn files_of_values_go_on_also_when_they_were_closed_or_made_after_the_checkpoint() {
    let (_around, folder) = folders();
    // Two may be open at once.
    let many = settings(&folder);
    let mut sink = start(&many, None);
    write(&mut sink, &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).await;
    let (state, synced) = checkpoint(&mut sink, 1).await;
    assert_eq!(state.state["files"].as_array().unwrap().len(), 2);
    assert_eq!(synced, 5, "four files, two of them closed, and the folder");
    sink.commit(1).await.unwrap();
    assert_eq!(checkpoint(&mut sink, 2).await.1, 0, "nothing is new");
    write(&mut sink, &[("a", "x"), ("e", "x"), ("d", "x")]).await;
    sink.close().await.unwrap();
    let mut sink = start(&many, Some(&state));
    write(&mut sink, &[("e", "2"), ("a", "2"), ("d", "2")]).await;
    let (state, _) = checkpoint(&mut sink, 3).await;
    write(&mut start(&many, Some(&state)), &[]).await;
    let texts: Vec<String> = files(&folder).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["head\n1\n2\n", "head\n1\n", "head\n1\n", "head\n1\n2\n", "head\n2\n"]);
}

#[tokio::test]
async fn files_that_were_opened_after_the_checkpoint_are_taken_back_whatever_is_written_next() {
    for replace in [true, false] {
        let (_around, folder) = folders();
        fs::write(folder.join("old"), "0\n").unwrap();
        let many = Settings { replace, ..settings(&folder) };
        let mut sink = start(&many, None);
        write(&mut sink, &[("a", "1"), ("b", "1"), ("c", "1")]).await;
        let (state, _) = checkpoint(&mut sink, 1).await;
        sink.commit(1).await.unwrap();
        // One that was closed, two that nobody knew; the next checkpoint is asked for and never published.
        write(&mut sink, &[("a", "x"), ("old", "x"), ("new", "x")]).await;
        checkpoint(&mut sink, 2).await;
        write(&mut sink, &[("a", "y"), ("b", "y"), ("newer", "y")]).await;
        sink.flush().await.unwrap();
        drop(sink);
        for _ in 0..2 {
            drop(start(&many, Some(&state)));
            let text = |name: &str| (name.to_string(), "head\n1\n".to_string());
            let old = (!replace).then(|| ("old".to_string(), "0\n".to_string()));
            let expected: Vec<_> = ["a", "b", "c"].map(text).into_iter().chain(old).collect();
            assert_eq!(files(&folder), expected);
            // It crashes again, behind the same checkpoint.
            let mut sink = start(&many, Some(&state));
            write(&mut sink, &[("c", "z"), ("a", "z"), ("newest", "z"), ("b", "z")]).await;
            sink.flush().await.unwrap();
        }
    }
}

#[tokio::test]
async fn lines_of_a_run_that_crashed_before_its_first_checkpoint_are_taken_back() {
    let (_around, folder) = folders();
    fs::write(folder.join("a"), "0\n").unwrap();
    let adds = Settings { replace: false, ..settings(&folder) };
    let mut sink = start(&adds, None);
    write(&mut sink, &[("a", "x"), ("b", "x")]).await;
    sink.flush().await.unwrap();
    let nothing = SinkResume { id: 0, state: Position::Null, pending: Bytes::new() };
    let mut sink = start(&adds, Some(&nothing));
    assert_eq!(files(&folder), [("a".to_string(), "0\n".to_string())]);
    write(&mut sink, &[("a", "1")]).await;
    sink.close().await.unwrap();
    assert_eq!(files(&folder), [("a".to_string(), "0\n1\n".to_string())]);
}

#[tokio::test]
async fn the_number_of_a_checkpoint_that_was_never_published_is_given_again() {
    let (_around, folder) = folders();
    let many = Settings { replace: false, ..settings(&folder) };
    let mut sink = start(&many, None);
    write(&mut sink, &[("a", "1")]).await;
    let (first, _) = checkpoint(&mut sink, 1).await;
    sink.commit(1).await.unwrap();
    write(&mut sink, &[("b", "x"), ("c", "x"), ("d", "x")]).await;
    checkpoint(&mut sink, 2).await;
    write(&mut sink, &[("a", "x"), ("b", "x")]).await;
    sink.flush().await.unwrap();
    let mut sink = start(&many, Some(&first));
    write(&mut sink, &[("a", "2"), ("b", "1"), ("c", "1")]).await;
    let (second, _) = checkpoint(&mut sink, 2).await;
    drop(start(&many, Some(&second)));
    let texts: Vec<String> = files(&folder).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["head\n1\n2\n", "head\n1\n", "head\n1\n"]);
}

#[tokio::test]
async fn notes_do_not_grow_with_the_run() {
    let (around, folder) = folders();
    let mut sink = start(&settings(&folder), None);
    let mut longest = 0;
    for id in 1..60 {
        let names: Vec<String> = (0..40).map(|i| format!("{i:0100}")).collect();
        let lines: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
        write(&mut sink, &lines).await;
        checkpoint(&mut sink, id).await;
        sink.commit(id).await.unwrap();
        longest = longest.max(fs::metadata(around.path().join("notes")).unwrap().len());
    }
    assert!((1..NOTES_BYTES_KEPT_MAX + (1 << 16)).contains(&longest), "{longest}");
    for id in 60..64 {
        checkpoint(&mut sink, id).await;
        sink.commit(id).await.unwrap();
    }
    assert_eq!(fs::metadata(around.path().join("notes")).unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_lost_is_an_error_and_never_cut() {
    let (_around, folder) = folders();
    let path = folder.join("a");
    let one = Settings { path: Some("a".into()), ..settings(&folder) };
    let mut sink = start(&one, None);
    write(&mut sink, &[("", "1")]).await;
    let (state, _) = checkpoint(&mut sink, 1).await;
    let error = || open(&one, Some(&state)).err().unwrap();
    fs::write(&path, "head\n").unwrap();
    assert!(error().message.contains("has only 5 bytes, and the checkpoint has 7 bytes of it"), "{}", error());
    fs::rename(&path, folder.join("moved")).unwrap();
    assert!(error().message.contains("cannot be found"), "{}", error());
    fs::write(&path, "something else that is longer\n").unwrap();
    assert!(error().message.contains("is another file"), "{}", error());
    assert_eq!(error().kind, ErrorKind::Fatal);
    assert_eq!(fs::read_to_string(&path).unwrap(), "something else that is longer\n");
    let why = open(&one, Some(&SinkResume { state: serde_json::json!({ "bytes": 1 }), ..state })).err().unwrap();
    assert!(why.message.contains("`--fresh` starts over"), "{why}");
}

#[tokio::test]
async fn what_an_abandoned_checkpoint_waited_for_is_waited_for_again() {
    let (_around, folder) = folders();
    let mut sink = start(&settings(&folder), None);
    write(&mut sink, &[("a", "1"), ("b", "1"), ("c", "1")]).await;
    assert_eq!(checkpoint(&mut sink, 1).await.1, 4);
    assert_eq!(checkpoint(&mut sink, 2).await.1, 4);
    sink.commit(2).await.unwrap();
    assert_eq!(checkpoint(&mut sink, 3).await.1, 0);
}

/// What happens to a sink: lines for one of a few files, a checkpoint that is published or not, a crash.
#[derive(Clone, Debug)]
enum Act {
    Lines(Vec<u8>),
    Checkpoint,
    Crash,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn every_line_is_there_once_after_any_crashes(
        acts in prop::collection::vec(
            prop_oneof![
                4 => prop::collection::vec(0u8..6, 1..8).prop_map(Act::Lines),
                2 => Just(Act::Checkpoint),
                1 => Just(Act::Crash),
            ],
            1..30,
        ),
        kind in 0usize..3,
        is_rotated: bool,
    ) {
        let (_around, folder) = folders();
        let compression = Choice::Always([Compression::None, Compression::Gzip, Compression::Zstd][kind]);
        let rotate = is_rotated.then_some(Rotate { size: Some(40), every: None });
        let settings = Settings { compression, rotate, ..settings(&folder) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            // The lines that a source would give, and how many a published checkpoint stands behind.
            let (mut given, mut published, mut saved) = (Vec::<(String, String)>::new(), 0, None);
            let mut sink = start(&settings, None);
            for (id, act) in acts.iter().chain([&Act::Crash, &Act::Checkpoint]).enumerate() {
                match act {
                    Act::Lines(targets) => {
                        let from = given.len();
                        let line = |(i, target): (usize, &u8)| (format!("{target}.txt"), format!("{}", from + i));
                        given.extend(targets.iter().enumerate().map(line));
                        let lines: Vec<_> = given[from..].iter().map(|(target, line)| (&**target, &**line)).collect();
                        write(&mut sink, &lines).await;
                    }
                    Act::Checkpoint => {
                        saved = Some(checkpoint(&mut sink, id as u64).await.0);
                        sink.commit(id as u64).await.unwrap();
                        published = given.len();
                    }
                    Act::Crash => {
                        // What the process wrote is there, what it held is not; the source gives the rest again.
                        if id % 2 == 0 {
                            sink.flush().await.unwrap();
                        }
                        drop(sink);
                        sink = start(&settings, saved.as_ref());
                        let lines: Vec<_> = given[published..].iter().map(|(t, line)| (&**t, &**line)).collect();
                        write(&mut sink, &lines).await;
                    }
                }
            }
            sink.close().await.unwrap();
            for target in 0u8..6 {
                let name = format!("{target}");
                let mut text = String::new();
                for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect::<std::collections::BTreeSet<_>>() {
                    if entry.file_name().unwrap().to_string_lossy().starts_with(&name) {
                        let Choice::Always(kind) = compression else { unreachable!() };
                        text += &std::io::read_to_string(kind.reader(fs::File::open(entry).unwrap()).unwrap()).unwrap();
                    }
                }
                let lines: Vec<&str> = text.lines().filter(|line| *line != "head").collect();
                let target = format!("{target}.txt");
                let expected: Vec<&str> =
                    given.iter().filter(|(to, _)| *to == target).map(|(_, line)| &**line).collect();
                assert_eq!(lines, expected, "{target}");
            }
        });
    }
}

#[tokio::test]
async fn a_sink_without_checkpoints_keeps_no_handles() {
    let (_around, folder) = folders();
    let mut sink = FileSink::open(settings(&folder), &afresh()).unwrap();
    let names: Vec<Arc<str>> = (0..50).map(|i| Arc::from(format!("{i}"))).collect();
    for name in &names {
        write(&mut sink, &[(name, "1")]).await;
    }
    assert!(!sink.wants_checkpoint());
    assert_eq!(checkpoint(&mut sink, 1).await.1, 2);
}
