//! Damage to a store that nobody uses: the end of the last write is torn, as a disk may do that did not keep its promise, or a write
//! was under way.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::rng::Rng;

/// Damages one store again and again, but never so that no checkpoint is whole.
#[derive(Default)]
pub struct Damage {
    /// The number of the manifest that was torn last, or whose segment was.
    torn: u64,
}

/// A manifest: its number, its file, and the segments that it names with their lengths.
struct Manifest {
    number: u64,
    path: PathBuf,
    segments: Vec<(u64, u64)>,
}

impl Damage {
    /// Does something to the store in the folder, and says what. `may_lose`: the last checkpoint may become useless.
    pub fn strike(&mut self, store: &Path, may_lose: bool, rng: &mut Rng) -> Option<String> {
        let manifests = manifests(store);
        let [.., older, newest] = &manifests[..] else { return None };
        if !may_lose || older.number <= self.torn || rng.chance(30) {
            return leave_behind(store, newest, rng);
        }
        self.torn = newest.number;
        // What the newest checkpoint has, and the one before has not.
        let more = newest.segments.iter().find_map(|(number, until)| {
            let from = older.segments.iter().find(|(old, _)| old == number).map_or(0, |(_, len)| *len);
            (from < *until).then(|| (segment(store, *number), from..*until))
        });
        let (path, range) = match more {
            Some(more) if rng.chance(50) => more,
            _ => (newest.path.clone(), 0..newest.path.metadata().ok()?.len()),
        };
        let at = rng.within(range);
        let file = OpenOptions::new().read(true).write(true).open(&path).ok()?;
        let how = if rng.chance(50) {
            file.set_len(at).expect("the file is cut");
            "cut"
        } else {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).expect("the byte is there");
            file.write_all_at(&[byte[0] ^ (1 << rng.within(0..8))], at).expect("the byte is changed");
            "changed"
        };
        Some(format!("{} {how} at byte {at}", name(&path)))
    }
}

/// A write that was under way: it is nobody's.
fn leave_behind(store: &Path, newest: &Manifest, rng: &mut Rng) -> Option<String> {
    let bytes: Vec<u8> = (0..rng.within(1..3_000)).map(|_| rng.within(0..256) as u8).collect();
    let path = match newest.segments.last() {
        Some((number, _)) if rng.chance(50) => segment(store, *number),
        _ => store.join("manifest.new"),
    };
    let mut file = OpenOptions::new().create(true).append(true).open(&path).ok()?;
    file.write_all(&bytes).expect("the rest is written");
    Some(format!("{} with {} bytes of an unfinished write", name(&path), bytes.len()))
}

/// Those that are there, the newest last.
fn manifests(store: &Path) -> Vec<Manifest> {
    let mut manifests: Vec<Manifest> =
        fs::read_dir(store).into_iter().flatten().flatten().filter_map(|entry| manifest(entry.path())).collect();
    manifests.sort_by_key(|manifest| manifest.number);
    manifests
}

fn manifest(path: PathBuf) -> Option<Manifest> {
    let number = path.file_name()?.to_str()?.strip_prefix("manifest-")?.parse().ok()?;
    let text = fs::read_to_string(&path).unwrap_or_default();
    let value: Value = text.split_once('\n').and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or_default();
    let named = value["segments"].as_array().into_iter().flatten();
    let segments = named.filter_map(|segment| Some((segment["number"].as_u64()?, segment["bytes"].as_u64()?)));
    Some(Manifest { number, segments: segments.collect(), path })
}

fn segment(store: &Path, number: u64) -> PathBuf {
    store.join(format!("segment-{number:012}"))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
