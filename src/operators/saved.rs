//! What operators have in common where they write their state and read it again.

use crate::state::{Corrupt, HEAD, KEY};

/// The key that a record is of; `None` for the operator's own record.
pub fn key_of(name: &[u8]) -> Result<Option<&[u8]>, Corrupt> {
    match name {
        HEAD => Ok(None),
        [KEY, key @ ..] => Ok(Some(key)),
        _ => Err(Corrupt("a record belongs to nothing".into())),
    }
}
