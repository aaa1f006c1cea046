//! Which sink of a topology writes which file. Paths made of events' values are known only while events come, and two sinks
//! that made the same one would write over each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::connectors::comparable;

/// The files of all sinks of one topology that runs, also across its reloads. A sink bounds its files (`SINK_FILES_MAX`), and with them these.
#[derive(Debug, Default)]
pub struct Claims {
    /// Hashes of paths, and the number of the sink that each belongs to. They stay when a sink ends: its file is not ended with it.
    claimed: Mutex<BTreeMap<u64, u64>>,
    next: AtomicU64,
}

/// Which files were claimed, and by which sinks, at one moment.
#[derive(Debug)]
pub struct Claimed(BTreeMap<u64, u64>);

/// One sink among them.
#[derive(Clone, Debug)]
pub struct Claimant {
    claims: Arc<Claims>,
    sink: u64,
}

impl Claims {
    /// A further sink.
    pub fn claimant(self: &Arc<Claims>) -> Claimant {
        Claimant { claims: self.clone(), sink: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// Lets others have the files of sinks that leave, by their numbers. Gives what was claimed, in case that they stay.
    pub fn release(&self, leaving: &[u64]) -> Claimed {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let before = claimed.clone();
        claimed.retain(|_, sink| !leaving.contains(sink));
        Claimed(before)
    }

    /// All is as it was before a `release`.
    pub fn restore(&self, before: Claimed) {
        *self.claimed.lock().unwrap_or_else(PoisonError::into_inner) = before.0;
    }
}

impl Claimant {
    /// What it is called in `Claims::release`.
    pub fn number(&self) -> u64 {
        self.sink
    }

    /// Takes a file, whose folder exists; false if it is another sink's.
    pub fn take(&self, path: &Path) -> bool {
        let hash = rapidhash::v3::rapidhash_v3(comparable(path).as_os_str().as_encoded_bytes());
        let mut claimed = self.claims.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        *claimed.entry(hash).or_insert(self.sink) == self.sink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_sinks() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Arc::new(Claims::default());
        let (one, two) = (claims.claimant(), claims.claimant());
        let path = folder.path().join("a.jsonl");
        assert!(one.take(&path));
        assert!(one.take(&folder.path().join("./a.jsonl")));
        assert!(!two.take(&path));
    }

    #[test]
    fn what_a_sink_leaves_is_anyones_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Arc::new(Claims::default());
        let (one, stays) = (claims.claimant(), claims.claimant());
        let (a, b) = (folder.path().join("a.jsonl"), folder.path().join("b.jsonl"));
        assert!(one.take(&a) && stays.take(&b));
        let before = claims.release(&[one.number()]);
        let next = claims.claimant();
        assert!(next.take(&a) && !next.take(&b));
        claims.restore(before);
        assert!(!next.take(&a) && one.take(&a));
    }
}
