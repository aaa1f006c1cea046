//! Which windows an event belongs to: pure arithmetic on milliseconds.
//!
//! Windows of `size` begin every `every`, at `offset` from the epoch. They are cut into panes of the greatest common divisor of
//! the two: an event is added to one pane, and a window is the sum of its panes. Where aggregates cannot be added up, the
//! windows themselves are the units, and an event is added to each of its windows.

/// Windows of one size at even distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    size: i64,
    every: i64,
    offset: i64,
    /// Length of a unit: a pane, or a whole window.
    unit: i64,
    /// Distance between units.
    step: i64,
}

impl Spans {
    /// Windows of `size` that begin every `every`, both above 0 and `every <= size`. `mergeable`: they may be cut into panes.
    pub fn new(size: i64, every: i64, offset: i64, mergeable: bool) -> Spans {
        debug_assert!(0 < every && every <= size);
        let pane = gcd(size, every);
        let (unit, step) = if mergeable { (pane, pane) } else { (size, every) };
        Spans { size, every, offset: offset.rem_euclid(every), unit, step }
    }

    /// Where a window that starts here ends.
    pub fn end(&self, window: i64) -> i64 {
        window.saturating_add(self.size)
    }

    /// Where the next window starts.
    pub fn next(&self, window: i64) -> i64 {
        window.saturating_add(self.every)
    }

    /// The starts of the units that an event is added to, ascending.
    pub fn units(&self, time: i64) -> impl Iterator<Item = i64> + use<> {
        let last = align(time, self.step, self.offset);
        let step = self.step;
        let count = (last.saturating_add(self.unit).saturating_sub(time) - 1) / step;
        (0..=count).map(move |back| last - (count - back) * step)
    }

    /// The start of the last unit that an event is added to: the only one, where windows are cut into panes.
    pub fn unit(&self, time: i64) -> i64 {
        align(time, self.step, self.offset)
    }

    /// Whether an event is added to no more than one unit.
    pub fn is_one_unit(&self) -> bool {
        self.unit == self.step
    }

    /// Whether the time lies in the unit that starts here.
    pub fn holds(&self, unit: i64, time: i64) -> bool {
        unit <= time && time.saturating_sub(unit) < self.unit
    }

    /// The first window with this unit.
    pub fn first_window(&self, unit: i64) -> i64 {
        if self.unit == self.size {
            return unit;
        }
        // The last unit of a window starts `size - unit` after it.
        self.at_or_after(unit.saturating_sub(self.size - self.unit))
    }

    /// The last window with this unit.
    pub fn last_window(&self, unit: i64) -> i64 {
        if self.unit == self.size { unit } else { align(unit, self.every, self.offset) }
    }

    /// Where the units of a window start: from the window's start to before this.
    pub fn units_end(&self, window: i64) -> i64 {
        window.saturating_add(self.size - self.unit + 1)
    }

    /// The first window that ends after `mark`.
    pub fn first_open(&self, mark: i64) -> i64 {
        if mark == i64::MIN { mark } else { self.at_or_after(mark.saturating_sub(self.size).saturating_add(1)) }
    }

    /// The first window that starts at or after this.
    fn at_or_after(&self, time: i64) -> i64 {
        let at = align(time, self.every, self.offset);
        if at < time { at.saturating_add(self.every) } else { at }
    }
}

impl std::fmt::Display for Spans {
    /// All that decides which events a window has, and of what it is made up.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Spans { size, every, offset, unit, step } = self;
        write!(f, "spans {size} each {every} at {offset} of {unit} each {step}")
    }
}

/// The last point of the grid at or before a time; the times near the ends of i64 stay what they are.
fn align(time: i64, step: i64, offset: i64) -> i64 {
    match time.checked_sub(offset) {
        Some(from_offset) => time.saturating_sub(from_offset.rem_euclid(step)),
        None => time,
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A session on the way to being one: from its first event to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    pub first: i64,
    pub last: i64,
}

/// How sessions are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// An event so much after the last one starts another session.
    pub gap: i64,
    /// No session is longer.
    pub max: i64,
}

impl Gaps {
    /// Where the session ends: `gap` after its last event, but not later than `max` after its first.
    pub fn end(&self, session: Activity) -> i64 {
        session.last.saturating_add(self.gap).min(session.first.saturating_add(self.max))
    }

    /// Whether less than `gap` lies between the two.
    pub fn is_near(&self, a: Activity, b: Activity) -> bool {
        a.first.saturating_sub(b.last) < self.gap && b.first.saturating_sub(a.last) < self.gap
    }

    /// The two as one session, if they are within `gap` of each other and together shorter than `max`.
    pub fn join(&self, a: Activity, b: Activity) -> Option<Activity> {
        let near = self.is_near(a, b);
        let joined = Activity { first: a.first.min(b.first), last: a.last.max(b.last) };
        (near && joined.last - joined.first < self.max).then_some(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The starts of all windows that hold a time, from the definition alone.
    fn windows(size: i64, every: i64, offset: i64, time: i64) -> Vec<i64> {
        let near = (time - size - every)..=time;
        near.filter(|start| (start - offset).rem_euclid(every) == 0 && *start + size > time).collect()
    }

    #[test]
    fn an_event_at_the_end_belongs_to_the_next_window() {
        let minute = Spans::new(60, 60, 0, true);
        assert_eq!([-1, 0, 59, 60].map(|time| minute.unit(time)), [-60, 0, 0, 60]);
        let shifted = Spans::new(60, 60, 45, true);
        assert_eq!([44, 45, 104, 105].map(|time| shifted.unit(time)), [-15, 45, 45, 105]);
    }

    #[test]
    fn an_event_a_gap_later_starts_another_session() {
        let gaps = Gaps { gap: 10, max: 25 };
        let at = |first, last| Activity { first, last };
        assert_eq!(gaps.join(at(0, 5), at(15, 15)), None);
        assert_eq!(gaps.join(at(0, 5), at(14, 14)), Some(at(0, 14)));
        assert_eq!(gaps.join(at(8, 20), at(-1, -1)), Some(at(-1, 20)));
        assert_eq!(gaps.join(at(8, 30), at(5, 5)), None, "it would reach the longest");
        assert_eq!(gaps.end(at(0, 24)), 25);
    }

    proptest! {
        #[test]
        fn units_add_up_to_windows(size in 1_i64..40, every in 1_i64..40, offset in 0_i64..50, time in -100_i64..100, mark in -100_i64..100) {
            let every = every.min(size);
            let wanted = windows(size, every, offset, time);
            for mergeable in [true, false] {
                let spans = Spans::new(size, every, offset, mergeable);
                let units: Vec<i64> = spans.units(time).collect();
                prop_assert_eq!(units.last().copied(), Some(spans.unit(time)));
                prop_assert!(units.len() == 1 || !mergeable);
                // Walk the windows of each unit and count how often each comes: once.
                let mut got = Vec::new();
                for unit in units {
                    prop_assert!(spans.holds(unit, time));
                    let mut window = spans.first_window(unit);
                    while window <= spans.last_window(unit) {
                        prop_assert!((window..spans.units_end(window)).contains(&unit));
                        got.push(window);
                        window = spans.next(window);
                    }
                }
                prop_assert_eq!(&got, &wanted);
                let open = spans.first_open(mark);
                prop_assert!(spans.end(open) > mark && spans.end(open - every) <= mark);
            }
        }
    }
}
