//! Calls that may wait for a disk or a pipe, out of the way of other tasks.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does the work here and now; a runtime of several threads moves its other tasks to another thread meanwhile. Nothing is
/// awaited, so nothing can be cancelled half-way.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
