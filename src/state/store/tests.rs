//! The store against a model: whatever is written, merged, cut or flipped, a checkpoint that is read is one that was written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::json;

use crate::state::{Record, Shape, Snapshot};

use super::*;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a checkpoint should hold: records, position and pending output by node.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    nodes: BTreeMap<String, (Records, serde_json::Value, Vec<u8>)>,
    bundle: Option<Vec<u8>>,
}

impl Model {
    fn of(loaded: &Loaded) -> Model {
        let nodes = loaded.nodes.iter().map(|(id, node)| {
            let mut records = Records::new();
            for record in node.saved.iter().flat_map(|saved| saved.records()) {
                match record.unwrap() {
                    Record::Put { key, value } => drop(records.insert(key.to_vec(), value.to_vec())),
                    Record::Remove { key } => drop(records.remove(key)),
                    Record::Reset => records.clear(),
                }
            }
            (id.clone(), (records, node.state.clone(), node.pending.to_vec()))
        });
        Model { nodes: nodes.collect(), bundle: loaded.bundle.as_ref().map(|bytes| bytes.to_vec()) }
    }
}

fn shape() -> Shape {
    Shape { kind: "window".into(), version: 1, frame: "1m".into(), parts: vec!["count()".into()] }
}

/// One checkpoint's changes of one node.
#[derive(Clone, Debug)]
struct Change {
    node: u8,
    whole: bool,
    /// Keys, and the size of the value that each gets; none: it is removed.
    records: Vec<(u8, Option<u8>)>,
    pending: u8,
    position: u16,
}

#[derive(Clone, Debug)]
enum Then {
    Nothing,
    Reopen,
    /// The newest manifest is lost.
    Lose,
    /// The first try fails at the manifest.
    FailFirst,
}

fn change() -> impl Strategy<Value = Change> {
    let records = prop::collection::vec((0..12_u8, prop::option::weighted(0.7, 0..60_u8)), 0..12);
    (0..3_u8, prop::bool::weighted(0.15), records, 0..80_u8, 0..6000_u16)
        .prop_map(|(node, whole, records, pending, position)| Change { node, whole, records, pending, position })
}

fn step() -> impl Strategy<Value = (Vec<Change>, Option<u8>, Then)> {
    let then = prop_oneof![
        6 => Just(Then::Nothing),
        2 => Just(Then::Reopen),
        2 => Just(Then::Lose),
        1 => Just(Then::FailFirst),
    ];
    (prop::collection::vec(change(), 0..4), prop::option::weighted(0.3, 0..4_u8), then)
}

/// Makes the draft of these changes, and changes the model as they should.
fn draft(id: u64, changes: &[Change], bundle: Option<u8>, model: &mut Model) -> Draft {
    let before = std::mem::take(&mut model.nodes);
    let mut nodes = Vec::new();
    for change in changes {
        let name = format!("node{}", change.node);
        if model.nodes.contains_key(&name) {
            continue;
        }
        let earlier = before.get(&name).map(|node| node.0.clone());
        let whole = change.whole || earlier.is_none();
        let mut records = if whole { Records::new() } else { earlier.unwrap_or_default() };
        let mut snapshot = Snapshot::new(whole);
        for (key, value) in &change.records {
            match value {
                Some(len) => {
                    let value = vec![id as u8; *len as usize];
                    snapshot.put(&[*key], |out| out.extend_from_slice(&value));
                    records.insert(vec![*key], value);
                }
                None => {
                    snapshot.remove(&[*key]);
                    records.remove(&[*key][..]);
                }
            }
        }
        let state = json!({ "at": id, "text": "x".repeat(change.position as usize) });
        let pending = vec![id as u8; change.pending as usize];
        model.nodes.insert(name.clone(), (records, state.clone(), pending.clone()));
        nodes.push(NodeDraft {
            id: name.into(),
            kind: "window".into(),
            shape: Some(shape()),
            mark: Some(id as i64),
            state,
            records: vec![snapshot.finish()],
            pending: pending.into(),
        });
    }
    let bundle = bundle.map(|byte| vec![byte; 200]);
    if bundle.is_some() {
        model.bundle = bundle.clone();
    }
    Draft { id, topology: "t".into(), lineage: 7, written_at_ms: 0, nodes, bundle: bundle.map(Bytes::from) }
}

/// In memory where there is such a place: thousands of syncs are nothing to wait for.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn open(dir: &Path) -> Store {
    let mut store = Store::open(dir).unwrap();
    store.tuning = Tuning { block_bytes: 50, merge_bytes_min: 300, merge_keys: 3 };
    store
}

fn newest_manifest(dir: &Path) -> PathBuf {
    manifest::path(dir, names::manifests(dir).unwrap()[0])
}

/// Tombstones that the newest checkpoint has.
fn tombstones(dir: &Path) -> usize {
    let loaded = Store::peek(dir).unwrap().unwrap();
    let records = loaded.nodes.values().flat_map(|node| node.saved.iter()).flat_map(|saved| saved.records());
    records.filter(|record| matches!(record, Ok(Record::Remove { .. }))).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_is_read(steps in prop::collection::vec(step(), 1..25)) {
        let dir = folder();
        let dir = dir.path();
        let mut store = open(dir);
        let mut models = BTreeMap::from([(0, Model::default())]);
        let mut now = 0;
        let mut next = 1;
        for (changes, bundle, then) in steps {
            let before = now;
            let mut model = models[&now].clone();
            let draft = draft(next, &changes, bundle, &mut model);
            if matches!(then, Then::FailFirst) {
                fs::create_dir(names::unpublished(dir)).unwrap();
                prop_assert!(store.write(&draft).is_err());
                fs::remove_dir(names::unpublished(dir)).unwrap();
            }
            let stats = store.write(&draft).unwrap();
            prop_assert!(stats.warnings.is_empty(), "{:?}", stats.warnings);
            now = next;
            next += 1;
            if stats.merged {
                prop_assert_eq!(tombstones(dir), 0);
            }
            models.insert(now, model);
            if matches!(then, Then::Reopen | Then::Lose) {
                drop(store);
                if matches!(then, Then::Lose) {
                    fs::remove_file(newest_manifest(dir)).unwrap();
                }
                store = open(dir);
                let loaded = store.load().unwrap();
                now = loaded.as_ref().map_or(0, |loaded| loaded.id);
                prop_assert!(now == before || now + 1 == next);
                let read = loaded.as_ref().map(Model::of).unwrap_or_default();
                prop_assert_eq!(&read, &models[&now]);
            }
        }
        let read = Store::peek(dir).unwrap();
        prop_assert_eq!(read.as_ref().map(Model::of).unwrap_or_default(), models[&now].clone());
    }
}

/// A folder with some checkpoints, and what each holds.
fn some_checkpoints(dir: &Path) -> BTreeMap<u64, Model> {
    let mut store = open(dir);
    let mut model = Model::default();
    let mut models = BTreeMap::new();
    for id in 1..=6 {
        let change =
            |node, records: Vec<(u8, Option<u8>)>| Change { node, whole: false, records, pending: 9, position: 3 };
        let changes =
            [change(0, vec![(id as u8, Some(40)), (1, Some(id as u8))]), change(1, vec![(3, Some(9)), (2, None)])];
        store.write(&draft(id, &changes, Some((id / 4) as u8), &mut model)).unwrap();
        models.insert(id, model.clone());
    }
    models
}

/// Whatever is read now is a checkpoint that was written.
fn is_true(dir: &Path, models: &BTreeMap<u64, Model>) -> bool {
    match Store::peek(dir) {
        Ok(None) => false,
        Ok(Some(loaded)) => {
            models.get(&loaded.id) == Some(&Model::of(&loaded)) && (loaded.id == 6 || !loaded.warnings.is_empty())
        }
        Err(StoreError::Damaged { flaws, .. }) => !flaws.is_empty(),
        Err(_) => false,
    }
}

#[test]
fn damage_anywhere_is_found() {
    let dir = folder();
    let dir = dir.path();
    let models = some_checkpoints(dir);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let whole = fs::read(&path).unwrap();
        let is_lock = path.ends_with("lock");
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            assert!(is_true(dir, &models), "{}: byte {at} flipped", path.display());
            fs::write(&path, &whole[..at]).unwrap();
            assert!(is_true(dir, &models), "{}: cut at {at}", path.display());
        }
        fs::remove_file(&path).unwrap();
        assert!(is_lock || is_true(dir, &models), "{}: removed", path.display());
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(Model::of(&Store::peek(dir).unwrap().unwrap()), models[&6]);
}

#[test]
fn after_damage_the_one_before_is_used_and_written_on() {
    let dir = folder();
    let dir = dir.path();
    let models = some_checkpoints(dir);
    fs::write(newest_manifest(dir), "runner checkpoint, format 1, check 0\n{}").unwrap();
    let mut store = open(dir);
    let loaded = store.load().unwrap().unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert!(loaded.warnings[0].contains("is used"), "{}", loaded.warnings[0]);
    let mut model = models[&loaded.id].clone();
    store.write(&draft(9, &[], None, &mut model)).unwrap();
    assert_eq!(Model::of(&store.load().unwrap().unwrap()), model);
    assert_eq!(names::manifests(dir).unwrap().len(), 2, "the damaged one is gone");
}

#[test]
fn what_no_manifest_names_is_removed_and_what_is_not_ours_stays() {
    let dir = folder();
    let dir = dir.path();
    some_checkpoints(dir);
    let left = [segment::path(dir, 900), names::unpublished(dir)];
    let others = [dir.join("notes.txt"), dir.join("segment-x")];
    for path in left.iter().chain(&others) {
        fs::write(path, "x").unwrap();
    }
    assert_eq!(open(dir).load().unwrap().unwrap().id, 6);
    assert!(left.iter().all(|path| !path.exists()) && others.iter().all(|path| path.exists()));
}

#[test]
fn damage_under_a_run_is_told_and_a_whole_draft_mends_it() {
    let dir = folder();
    let mut store = open(dir.path());
    let mut model = Model::default();
    let change = |whole| Change { node: 0, whole, records: vec![(1, Some(60))], pending: 0, position: 0 };
    store.write(&draft(1, &[change(true)], Some(1), &mut model)).unwrap();
    let log = store.log.as_ref().unwrap().segment().number;
    let path = segment::path(dir.path(), log);
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut writes = 2..;
    let told = writes
        .by_ref()
        .take(100)
        .find(|id| store.write(&draft(*id, &[change(false)], None, &mut model)).unwrap().damaged);
    assert!(told.is_some());
    assert!(matches!(Store::peek(dir.path()), Err(StoreError::Damaged { .. })));
    store.write(&draft(200, &[change(true)], Some(1), &mut model)).unwrap();
    assert_eq!(Model::of(&Store::peek(dir.path()).unwrap().unwrap()), model);
}

#[test]
fn a_format_of_the_future_is_told() {
    let dir = folder();
    some_checkpoints(dir.path());
    let body = b"{}\n";
    let check = segment::check(body, segment::check(b"2", 0));
    fs::write(newest_manifest(dir.path()), format!("runner checkpoint, format 2, check {check:016x}\n{{}}\n")).unwrap();
    let error = Store::peek(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Version { .. }), "{error}");
}

#[test]
fn one_store_at_a_time() {
    let dir = folder();
    let dir = dir.path().join(".runner").join("t");
    let store = Store::open(&dir).unwrap();
    let error = Store::open(&dir).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())) && error.contains("--state"), "{error}");
    store.remove().unwrap();
    assert!(!dir.parent().unwrap().exists(), "nothing is left behind");
    drop(Store::open(&dir).unwrap());
    drop(Store::open(&dir).unwrap());
}

#[test]
fn a_store_stays_small() {
    let dir = folder();
    let mut store = open(dir.path());
    let mut model = Model::default();
    for id in 1..=200 {
        let records = (0..12).map(|key| (key, Some(50))).collect();
        let change = Change { node: 0, whole: false, records, pending: 79, position: 5000 };
        let stats = store.write(&draft(id, &[change], None, &mut model)).unwrap();
        assert!(names::manifests(dir.path()).unwrap().len() <= 2);
        assert!(stats.bytes_on_disk < 25_000, "{}", stats.bytes_on_disk);
    }
    store.clear().unwrap();
    assert_eq!(names::bytes(dir.path()).unwrap(), 0);
    assert!(store.load().unwrap().is_none());
}

#[test]
fn a_node_may_be_forgotten() {
    let dir = folder();
    let mut models = some_checkpoints(dir.path());
    let mut store = open(dir.path());
    store.load().unwrap();
    assert!(store.forget("node0").unwrap() && !store.forget("node0").unwrap());
    let mut model = models.remove(&6).unwrap();
    model.nodes.remove("node0");
    assert_eq!(Model::of(&store.load().unwrap().unwrap()), model);
}

#[test]
fn the_folder_lies_beside_the_file_or_where_states_are() {
    let folder = |file: &str, states: Option<&str>| super::folder(Path::new(file), "fraud", states.map(Path::new));
    assert_eq!(folder("a/f.yaml", None), Path::new("a/.runner/fraud"));
    assert_eq!(folder("f.yaml", None), Path::new(".runner/fraud"));
    assert_eq!(folder("a/f.yaml", Some("/var/states")), Path::new("/var/states/fraud"));
}
