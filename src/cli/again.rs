//! A change that could not be taken up, and when it is tried again: what it needs may be there then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{RELOAD_PAUSE_MAX_MS, RELOAD_PAUSE_MS};
use crate::plan::Plan;

pub(super) struct Again {
    pub plan: Arc<Plan>,
    pause: Duration,
    at: Instant,
}

impl Again {
    /// It has just been tried for the first time.
    pub fn new(plan: Arc<Plan>) -> Again {
        let pause = Duration::from_millis(RELOAD_PAUSE_MS);
        Again { plan, pause, at: Instant::now() + pause }
    }

    /// It was tried in vain.
    pub fn wait_longer(&mut self) {
        self.pause = (self.pause * 2).min(Duration::from_millis(RELOAD_PAUSE_MAX_MS));
        self.at = Instant::now() + self.pause;
    }
}

/// Waits until it is time to try; for ever if there is nothing to try.
pub(super) async fn due(again: &Option<Again>) {
    match again {
        Some(again) => tokio::time::sleep_until(again.at).await,
        None => std::future::pending().await,
    }
}
