//! Places where a test ends the process, as a power cut would: `RUNNER_FAILPOINT=name`, or `name:3` for the third time. Only in debug builds.

/// Aborts the process if it is told to end here.
#[cfg(debug_assertions)]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("RUNNER_FAILPOINT").ok()?;
        let (name, times) = text.rsplit_once(':').unwrap_or((&text, "1"));
        Some((name.to_string(), AtomicU64::new(times.parse().unwrap_or(1))))
    });
    if let Some((armed, left)) = armed
        && armed == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn hit(_name: &str) {}
