//! What a stage writes of its state into a checkpoint: records that say what has changed, and the shape that tells who can read them.

use bytes::Bytes;
use hashbrown::HashMap;

use crate::limits::SNAPSHOT_RESERVE_BYTES_MAX;

use super::codec::{Corrupt, Reader, put_bytes};

/// What wrote a state. Another shape can read it if its `kind`, `version` and `frame` are the same: `parts` may come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The stage kind.
    pub kind: String,
    /// Of the records' format.
    pub version: u32,
    /// What must be equal for the state to mean the same: a key, the size of windows.
    pub frame: String,
    /// What is known by name: the calls of aggregates.
    pub parts: Vec<String>,
}

impl Shape {
    /// Whether a stage of this shape can take over state of another one.
    pub fn reads(&self, from: &Shape) -> bool {
        self.kind == from.kind && self.version == from.version && self.frame == from.frame
    }
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const RESET: u8 = 3;

/// What has changed of a node's state since its last snapshot, or all of it.
#[derive(Debug)]
pub struct Snapshot {
    whole: bool,
    records: Vec<u8>,
    value: Vec<u8>,
    /// Records that are there, and that are to come as far as is known.
    count: usize,
    expected: usize,
}

/// The first so many records tell how much room the others need.
const SAMPLED: usize = 1024;

impl Snapshot {
    /// Nothing yet. `whole`: everything is to be written, as no earlier records are there.
    pub fn new(whole: bool) -> Snapshot {
        let mut snapshot = Snapshot { whole, records: Vec::new(), value: Vec::new(), count: 0, expected: 0 };
        if whole {
            snapshot.records.push(RESET);
        }
        snapshot
    }

    /// Whether everything is to be written.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Everything will be written though it was not asked for: earlier records are forgotten. Before the first `put`.
    pub fn reset(&mut self) {
        if !self.whole {
            self.whole = true;
            self.records.clear();
            self.records.push(RESET);
        }
    }

    /// So many records are about to come.
    pub fn begin(&mut self, records: usize) {
        (self.count, self.expected) = (0, records);
    }

    /// Makes room at once for all that is expected, as growing little by little would copy what is there again and again.
    fn counted(&mut self) {
        self.count += 1;
        if self.count == SAMPLED && self.expected > SAMPLED {
            let average = self.records.len() / SAMPLED + 1;
            let room = (self.expected - SAMPLED).saturating_mul(average + average / 8);
            self.records.reserve(room.min(SNAPSHOT_RESERVE_BYTES_MAX));
        }
    }

    /// The record of a key has this value from now on.
    pub fn put(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.value.clear();
        write(&mut self.value);
        self.records.push(PUT);
        put_bytes(&mut self.records, key);
        put_bytes(&mut self.records, &self.value);
        self.counted();
    }

    /// The key has no record any more.
    pub fn remove(&mut self, key: &[u8]) {
        self.records.push(REMOVE);
        put_bytes(&mut self.records, key);
        self.counted();
    }

    /// The records, in order. Empty: nothing has changed.
    pub fn finish(self) -> Bytes {
        self.records.into()
    }
}

/// One change of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    Put {
        key: &'a [u8],
        value: &'a [u8],
    },
    Remove {
        key: &'a [u8],
    },
    /// Everything before is forgotten.
    Reset,
}

/// The records of one snapshot. Ends at the first that cannot be read.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Corrupt>> {
    written(bytes).map(|record| record.map(|(record, _)| record))
}

/// The same, each with the bytes that say it.
pub(super) fn written(bytes: &[u8]) -> impl Iterator<Item = Result<(Record<'_>, &[u8]), Corrupt>> {
    let mut reader = Reader::new(bytes);
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || reader.is_empty() {
            return None;
        }
        let start = reader;
        let read = record(&mut reader).map(|record| (record, start.until(&reader)));
        failed = read.is_err();
        Some(read)
    })
}

fn record<'a>(reader: &mut Reader<'a>) -> Result<Record<'a>, Corrupt> {
    match reader.byte()? {
        PUT => Ok(Record::Put { key: reader.bytes()?, value: reader.bytes()? }),
        REMOVE => Ok(Record::Remove { key: reader.bytes()? }),
        RESET => Ok(Record::Reset),
        tag => Err(Corrupt(format!("no record has the tag {tag}"))),
    }
}

/// The state of a node as it was written: snapshots in order, the oldest first.
#[derive(Clone, Debug)]
pub struct Saved {
    pub shape: Shape,
    pub snapshots: Vec<Bytes>,
}

impl Saved {
    /// Every change, in order.
    pub fn records(&self) -> impl Iterator<Item = Result<Record<'_>, Corrupt>> {
        self.snapshots.iter().flat_map(|snapshot| records(snapshot))
    }

    /// What is there after every change: each key, once, and its value. The records of the last whole snapshot come as they were
    /// written, so that only what changed since then has to be looked up.
    pub fn current(&self) -> Result<Vec<(&[u8], &[u8])>, Corrupt> {
        let mut whole: Vec<(&[u8], &[u8])> = Vec::new();
        let mut later: HashMap<&[u8], Option<&[u8]>, foldhash::fast::RandomState> = HashMap::default();
        for snapshot in &self.snapshots {
            let mut is_whole = false;
            for record in records(snapshot) {
                match record? {
                    Record::Reset => {
                        is_whole = true;
                        whole.clear();
                        later.clear();
                    }
                    Record::Put { key, value } if is_whole && later.is_empty() => whole.push((key, value)),
                    Record::Put { key, value } => drop(later.insert(key, Some(value))),
                    Record::Remove { key } => drop(later.insert(key, None)),
                }
            }
        }
        if !later.is_empty() {
            whole.retain(|(key, _)| !later.contains_key(key));
            whole.extend(later.into_iter().filter_map(|(key, value)| Some((key, value?))));
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_what_changes_make_of_the_last_whole_one() {
        let put = |snapshot: &mut Snapshot, key: &[u8], value: u8| snapshot.put(key, |out| out.push(value));
        let mut snapshots: Vec<Snapshot> = [true, true, false, false].map(Snapshot::new).into();
        put(&mut snapshots[0], b"gone", 0);
        [(b"a", 1), (b"b", 2), (b"c", 3)].iter().for_each(|(key, value)| put(&mut snapshots[1], *key, *value));
        snapshots[2].remove(b"a");
        put(&mut snapshots[2], b"d", 4);
        put(&mut snapshots[2], b"b", 5);
        snapshots[3].remove(b"d");
        put(&mut snapshots[3], b"a", 6);
        let shape = Shape { kind: String::new(), version: 1, frame: String::new(), parts: Vec::new() };
        let saved = Saved { shape, snapshots: snapshots.into_iter().map(Snapshot::finish).collect() };
        let mut current = saved.current().unwrap();
        current.sort_unstable();
        assert_eq!(current, [(&b"a"[..], &[6][..]), (b"b", &[5]), (b"c", &[3])]);
    }

    #[test]
    fn records_come_back_in_order_and_a_cut_is_an_error() {
        let mut snapshot = Snapshot::new(false);
        snapshot.put(b"a", |out| out.extend_from_slice(b"lost"));
        snapshot.reset();
        snapshot.put(b"b", |out| out.extend_from_slice(b"1"));
        snapshot.remove(b"c");
        let bytes = snapshot.finish();
        let all: Vec<Record<'_>> = records(&bytes).map(Result::unwrap).collect();
        assert_eq!(all, [Record::Reset, Record::Put { key: b"b", value: b"1" }, Record::Remove { key: b"c" }]);
        for end in 2..bytes.len() {
            let cut: Vec<_> = records(&bytes[..end]).collect();
            assert!(cut.len() <= 3 && (cut.last().is_some_and(Result::is_err) || cut.len() < 3));
        }
    }
}
