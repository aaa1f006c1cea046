use std::time::Duration;

use super::super::compression::Compression;
use super::*;

pub fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_path_buf(),
        path: None,
        template: "{{ target }}".into(),
        replace: true,
        compression: Choice::Auto,
        rotate: None,
        open_max: 2,
    }
}

/// Without checkpoints.
pub fn afresh() -> SinkOpen {
    SinkOpen {
        name: "t/s".into(),
        lineage: 1,
        resume: None,
        has_checkpoints: false,
        notes: None,
        frames: Default::default(),
        claims: Arc::default(),
    }
}

pub fn encoded(lines: &[(&str, &str)]) -> Encoded {
    let mut events = Encoded::default();
    for (target, line) in lines {
        events.bytes.extend_from_slice(line.as_bytes());
        events.bytes.push(b'\n');
        events.ends.push(events.bytes.len() as u32);
        if !target.is_empty() {
            events.targets.push(Arc::from(*target));
        }
    }
    events
}

async fn write(settings: Settings, events: &Encoded) -> Result<Vec<Written>, ConnectorError> {
    let mut sink = FileSink::open(settings, &afresh())?;
    let mut done = 0;
    sink.write(events, &mut done).await?;
    assert_eq!(done, events.len());
    sink.close().await?;
    Ok(sink.written())
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_else(|why| format!("{name}: {why}"))
}

#[tokio::test]
async fn more_targets_than_may_be_open_and_each_replaced_once() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b.csv"), "old\n").unwrap();
    let mut events =
        encoded(&[("a.csv", "1"), ("b.csv", "2"), ("d/c.csv", "3"), ("a.csv", "4"), ("a.csv", "5"), ("b.csv", "6")]);
    events.head = b"n\n".to_vec();
    let written = write(settings(folder.path()), &events).await.unwrap();
    assert_eq!(read(folder.path(), "a.csv"), "n\n1\n4\n5\n");
    assert_eq!(read(folder.path(), "b.csv"), "n\n2\n6\n");
    assert_eq!(read(folder.path(), "d/c.csv"), "n\n3\n");
    assert_eq!(written.iter().map(|file| file.bytes).collect::<Vec<_>>(), [8, 6, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_by_size_never_cuts_a_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a-000009.jsonl"), "old\n").unwrap();
    let settings = Settings {
        path: Some("a.jsonl".into()),
        rotate: Some(Rotate { size: Some(10), every: None }),
        ..settings(folder.path())
    };
    let events = encoded(&[("", "1234"), ("", "1234"), ("", "1"), ("", "longer than all of it"), ("", "2")]);
    let written = write(settings.clone(), &events).await.unwrap();
    assert_eq!(read(folder.path(), "a-000001.jsonl"), "1234\n1234\n");
    assert_eq!(read(folder.path(), "a-000002.jsonl"), "1\n");
    assert_eq!(read(folder.path(), "a-000003.jsonl"), "longer than all of it\n");
    assert_eq!(read(folder.path(), "a-000004.jsonl"), "2\n");
    assert_eq!(written.len(), 4);
    assert!(!folder.path().join("a-000009.jsonl").exists());
    write(Settings { replace: false, ..settings }, &encoded(&[("", "3")])).await.unwrap();
    assert_eq!(read(folder.path(), "a-000004.jsonl"), "2\n3\n");
}

#[tokio::test]
async fn rotation_by_time_and_compression() {
    let folder = tempfile::tempdir().unwrap();
    let every = Some(Duration::ZERO);
    let settings = Settings {
        path: Some("a.jsonl.gz".into()),
        rotate: Some(Rotate { size: None, every }),
        ..settings(folder.path())
    };
    write(settings.clone(), &encoded(&[("", "1"), ("", "2")])).await.unwrap();
    let unpacked = |name: &str| {
        let packed = std::fs::File::open(folder.path().join(name)).unwrap();
        std::io::read_to_string(Compression::Gzip.reader(packed).unwrap())
    };
    assert_eq!(unpacked("a-000002.jsonl.gz").unwrap(), "2\n");
    let empty = Settings { path: Some("b.jsonl.gz".into()), rotate: None, ..settings };
    write(empty, &Encoded::default()).await.unwrap();
    assert_eq!(unpacked("b.jsonl.gz").unwrap(), "");
    assert!(std::fs::metadata(folder.path().join("b.jsonl.gz")).unwrap().len() > 0, "nothing at all is no gzip data");
}

#[tokio::test]
async fn an_empty_result_is_an_empty_file_and_a_full_disk_keeps_its_events() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), "old\n").unwrap();
    let one = Settings { path: Some("a.jsonl".into()), ..settings(folder.path()) };
    write(one.clone(), &Encoded::default()).await.unwrap();
    assert_eq!(read(folder.path(), "a.jsonl"), "");

    let mut sink = FileSink::open(Settings { path: Some("/dev/full".into()), ..one }, &afresh()).unwrap();
    let mut done = 0;
    sink.write(&encoded(&[("", "1")]), &mut done).await.unwrap();
    assert!(sink.flush().await.unwrap_err().is_transient());
    assert!(sink.flush().await.unwrap_err().is_transient(), "the event is still there");
}

#[tokio::test]
async fn an_impossible_name_is_that_events_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = FileSink::open(settings(folder.path()), &afresh()).unwrap();
    let long = "x".repeat(300);
    let events = encoded(&[("a", "1"), (&long, "2"), ("a/b", "2"), ("a", "3")]);
    let mut done = 0;
    let why = sink.write(&events, &mut done).await.unwrap_err();
    assert_eq!((why.kind, done), (ErrorKind::Event(crate::event::codes::BAD_PATH.id), 1));
    done += 1;
    let why = sink.write(&events, &mut done).await.unwrap_err();
    assert!(matches!(why.kind, ErrorKind::Event(_)) && why.message.contains("one of its folders"), "{why}");
    done += 1;
    sink.write(&events, &mut done).await.unwrap();
    sink.close().await.unwrap();
    assert_eq!(read(folder.path(), "a"), "1\n3\n");
    let fixed = Settings { path: Some("a/b".into()), ..settings(folder.path()) };
    assert_eq!(FileSink::open(fixed, &afresh()).err().unwrap().kind, ErrorKind::Fatal);
}
