//! A trouble that lasts is told at once, then with growing pauses, and when it is over.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{TROUBLE_PAUSE_MAX_MS, TROUBLE_PAUSE_MS};

#[derive(Default)]
pub(super) struct Trouble(Option<Lasting>);

struct Lasting {
    pause: Duration,
    /// When it is told again.
    at: Instant,
}

impl Trouble {
    /// Whether there is one.
    pub fn lasts(&self) -> bool {
        self.0.is_some()
    }

    /// It is there, or still there. Whether to tell so.
    pub fn is_told(&mut self) -> bool {
        let now = Instant::now();
        let pause = match &self.0 {
            None => Duration::from_millis(TROUBLE_PAUSE_MS),
            Some(lasting) if now >= lasting.at => (lasting.pause * 2).min(Duration::from_millis(TROUBLE_PAUSE_MAX_MS)),
            Some(_) => return false,
        };
        self.0 = Some(Lasting { pause, at: now + pause });
        true
    }

    /// All is well. Whether that is news.
    pub fn is_over(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_with_growing_pauses_and_when_it_is_over() {
        let mut trouble = Trouble::default();
        assert!(!trouble.is_over());
        let mut told = 0;
        for _ in 0..3600 {
            told += usize::from(trouble.is_told());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((8..14).contains(&told), "{told} times in an hour");
        assert!(trouble.is_over() && !trouble.is_over() && trouble.is_told());
    }
}
