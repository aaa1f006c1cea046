//! How often something is tried, and with which pauses.

use std::time::Duration;

use crate::plan::Retry;

/// The attempts left for one event, and the growing pauses between them.
pub(super) struct Attempts {
    left: Option<u64>,
    pause: Duration,
    pause_max: Duration,
}

impl Attempts {
    /// One attempt is made before the first pause.
    pub fn new(retry: &Retry) -> Attempts {
        Attempts { left: retry.attempts.map(|n| n.saturating_sub(1)), pause: retry.first, pause_max: retry.max }
    }

    /// The pause before the next attempt; `None`: there is none.
    pub fn next(&mut self) -> Option<Duration> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        let pause = self.pause;
        self.pause = (self.pause * 2).min(self.pause_max);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_attempts_end() {
        let ms = Duration::from_millis;
        let mut attempts = Attempts::new(&Retry { first: ms(100), max: ms(300), attempts: Some(4) });
        assert_eq!([(); 4].map(|()| attempts.next()), [Some(ms(100)), Some(ms(200)), Some(ms(300)), None]);
    }
}
