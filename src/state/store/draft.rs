//! What a checkpoint is made from, and how records are cut into blocks.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::state::snapshot::written;
use crate::state::{Record, Shape};

use super::error::StoreError;
use super::manifest::Tally;

/// A checkpoint to be written. Every node of the topology is in it; one that is missing is gone.
#[derive(Clone, Debug)]
pub struct Draft {
    pub id: u64,
    pub topology: String,
    /// Of this run of checkpoints, since the state was last started afresh.
    pub lineage: u64,
    pub written_at_ms: i64,
    pub nodes: Vec<NodeDraft>,
    /// The texts of the topology's files. It is stored when it changes; `None`: the one that is stored stays.
    pub bundle: Option<Bytes>,
}

/// A node's part of it.
#[derive(Clone, Debug)]
pub struct NodeDraft {
    pub id: Arc<str>,
    pub kind: String,
    /// Of its state; `None`: it has none.
    pub shape: Option<Shape>,
    /// Its watermark, in milliseconds.
    pub mark: Option<i64>,
    /// The position of a source, or what a sink goes on from.
    pub state: Value,
    /// What was snapshot since the last checkpoint that was written, in order. A node's first, and one of another shape, begins with a reset.
    pub records: Vec<Bytes>,
    /// Output that a sink holds back until the checkpoint is published. Belongs to this checkpoint only.
    pub pending: Bytes,
}

/// A node's records, cut into blocks.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Nothing earlier of the node counts any more.
    pub fresh: bool,
    /// The blocks, and whether each is clean.
    pub blocks: Vec<(bool, Bytes)>,
    pub clean: Tally,
    pub later: Tally,
}

/// Cuts at the borders of records, into blocks of about this size. Nothing is copied.
pub(super) fn cut(snapshots: &[Bytes], block_bytes: usize) -> Result<Cut, StoreError> {
    let mut cut = Cut::default();
    for snapshot in snapshots {
        // The records of a whole snapshot have a key each, so they are clean as long as nothing is removed.
        let mut clean = false;
        let (mut start, mut end) = (0, 0);
        for record in written(snapshot) {
            let (record, bytes) =
                record.map_err(|why| StoreError::Draft(format!("a snapshot is not readable: {why}")))?;
            let next = end + bytes.len();
            match record {
                Record::Reset => {
                    cut = Cut { fresh: true, ..Cut::default() };
                    clean = true;
                    (start, end) = (next, next);
                    continue;
                }
                Record::Remove { .. } if clean => {
                    cut.block(clean, snapshot, &mut start, end);
                    clean = false;
                }
                Record::Put { .. } | Record::Remove { .. } => {}
            }
            if end > start && next - start > block_bytes {
                cut.block(clean, snapshot, &mut start, end);
            }
            let tally = if clean { &mut cut.clean } else { &mut cut.later };
            tally.bytes += bytes.len() as u64;
            match record {
                Record::Remove { .. } => tally.removes += 1,
                Record::Put { .. } | Record::Reset => tally.puts += 1,
            }
            end = next;
        }
        cut.block(clean, snapshot, &mut start, end);
    }
    Ok(cut)
}

impl Cut {
    fn block(&mut self, clean: bool, snapshot: &Bytes, start: &mut usize, end: usize) {
        if end > *start {
            self.blocks.push((clean, snapshot.slice(*start..end)));
            *start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Snapshot;

    fn snapshot(whole: bool, write: impl FnOnce(&mut Snapshot)) -> Bytes {
        let mut snapshot = Snapshot::new(whole);
        write(&mut snapshot);
        snapshot.finish()
    }

    #[test]
    fn a_reset_forgets_what_came_before_and_blocks_end_between_records() {
        let put = |snapshot: &mut Snapshot, key: &[u8]| snapshot.put(key, |out| out.extend_from_slice(b"12345678"));
        let lost = snapshot(false, |s| put(s, b"lost"));
        let whole = snapshot(true, |s| (0..10_u8).for_each(|key| put(s, &[key])));
        let later = snapshot(false, |s| s.remove(&[3]));
        let cut = cut(&[lost, whole.clone(), later.clone()], 30).unwrap();
        assert!(cut.fresh);
        assert_eq!((cut.clean.puts, cut.later.removes, cut.later.puts), (10, 1, 0));
        let joined: Vec<u8> = cut.blocks.iter().flat_map(|(_, block)| block.to_vec()).collect();
        assert_eq!(joined, [&whole[1..], &later[..]].concat());
        assert_eq!(cut.blocks.iter().filter(|(clean, _)| *clean).count(), 5, "two records each");
        assert!(cut.blocks.iter().all(|(_, block)| written(block).all(|record| record.is_ok())));
    }

    #[test]
    fn what_is_removed_within_a_whole_snapshot_is_not_clean() {
        let whole = snapshot(true, |s| {
            s.put(b"a", |_| {});
            s.remove(b"a");
            s.put(b"b", |_| {});
        });
        let cut = cut(&[whole], 1 << 20).unwrap();
        assert_eq!(cut.blocks.iter().map(|(clean, _)| *clean).collect::<Vec<_>>(), [true, false]);
        assert_eq!((cut.clean.puts, cut.later.puts, cut.later.removes), (1, 1, 1));
    }

    #[test]
    fn a_snapshot_that_cannot_be_read_is_not_written() {
        assert!(cut(&[Bytes::from_static(&[9])], 100).is_err());
    }
}
