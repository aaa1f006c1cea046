//! Which sink of a topology writes which file. Paths made of events' values are known only while events come, and two sinks
//! that made the same one would write over each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::connectors::comparable;

/// The files of all sinks of one topology. A sink bounds its files (`SINK_FILES_MAX`), and with them these.
#[derive(Debug, Default)]
pub struct Claims {
    /// Hashes of paths, and the number of the sink that each belongs to. They stay when a sink ends: its file is not ended with it.
    claimed: Mutex<BTreeMap<u64, u64>>,
    next: AtomicU64,
}

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
}

impl Claimant {
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
}
