//! What a JetStream source owes the server: which messages wait to be read, which were read, and which are to be acknowledged.
//! Pure: no connection, and time is an argument.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use async_nats::{Message, Subject};

use crate::connectors::Pull;
use crate::limits::{NATS_BARRIERS_MAX, NATS_PULL_BYTES_MAX, NATS_PULL_EVENTS_MAX, NATS_REMEMBERED_MAX};

use super::frame::{Framer, Position};

/// A message that waits to be read.
#[derive(Debug)]
struct Waiting {
    message: Message,
    position: Position,
    mark: Mark,
}

/// What acknowledges a message, and when the server last heard of it.
#[derive(Debug)]
struct Mark {
    sequence: u64,
    reply: Subject,
    heard: Instant,
}

/// The sequences of the last acknowledged messages, a bounded number of them.
#[derive(Debug, Default)]
struct Done {
    order: VecDeque<u64>,
    set: HashSet<u64>,
}

/// What is known of a stream that is read in order, each message once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Up to here everything is committed: the server need not remember it.
    pub committed: u64,
    /// Up to here everything was read.
    pub read: u64,
}

/// The messages between the server's first delivery and our acknowledgement. The consumer's `max_ack_pending` bounds them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Read and not committed, in the order of reading.
    read: VecDeque<Mark>,
    /// How many messages were ever read, and how many of them were committed: `read` holds the ones between.
    read_total: u64,
    committed_total: u64,
    /// Barriers, with what was read at their time: by `read_total`, or in order by sequence.
    barriers: VecDeque<(u64, u64)>,
    acks: Vec<Subject>,
    /// The last messages that were acknowledged: an acknowledgement may be lost, or forgotten by a server that was killed.
    done: Done,
    sequence_max: u64,
    /// Reading in order: where it stands.
    order: Option<Order>,
    /// What the server had for us behind the last message.
    behind: u64,
}

impl Ledger {
    /// Takes a message from the server. A second delivery of one that is still here only renews its mark, and one of what was
    /// acknowledged is acknowledged again.
    pub fn arrive(&mut self, message: Message, reply: Subject, position: Position, now: Instant) {
        self.behind = position.behind;
        let mark = Mark { sequence: position.sequence, reply, heard: now };
        if position.sequence <= self.sequence_max
            && let Some(old) = self.find(mark.sequence)
        {
            *old = mark;
            return;
        }
        let is_done = self.is_done(mark.sequence);
        self.sequence_max = self.sequence_max.max(position.sequence);
        if is_done {
            self.acks.push(mark.reply);
            return;
        }
        if self.order.is_some_and(|order| mark.sequence <= order.read) {
            // Read before this source was opened, and in no checkpoint on disk yet.
            self.read_total += 1;
            self.read.push_back(mark);
            return;
        }
        self.waiting_bytes += message.length;
        self.waiting.push_back(Waiting { message, position, mark });
    }

    /// The mark of a message that is here.
    fn find(&mut self, sequence: u64) -> Option<&mut Mark> {
        if self.order.is_some() {
            // Both lists are in order, and one is behind the other.
            return match self.read.binary_search_by_key(&sequence, |mark| mark.sequence) {
                Ok(at) => self.read.get_mut(at),
                Err(_) => {
                    let at = self.waiting.binary_search_by_key(&sequence, |waiting| waiting.mark.sequence).ok()?;
                    self.waiting.get_mut(at).map(|waiting| &mut waiting.mark)
                }
            };
        }
        let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.mark);
        waiting.chain(&mut self.read).find(|old| old.sequence == sequence)
    }

    fn is_done(&self, sequence: u64) -> bool {
        match self.order {
            Some(order) => sequence <= order.committed,
            None => sequence <= self.sequence_max && self.done.set.contains(&sequence),
        }
    }

    /// From now on the server gives each message once and in order, behind `committed`. What comes up to `read` was read before.
    pub fn begin_in_order(&mut self, committed: u64, read: u64) {
        self.order = Some(Order { committed, read });
        self.sequence_max = committed;
    }

    /// Where reading stands, if it is in order.
    pub fn order(&self) -> Option<Order> {
        self.order
    }

    /// The last message that has arrived.
    pub fn arrived_up_to(&self) -> u64 {
        self.sequence_max
    }

    /// The next events, at most a batch of them.
    pub fn read(&mut self, mut framer: Framer) -> Option<Pull> {
        while let Some(waiting) = self.waiting.pop_front() {
            if !framer.add(&waiting.message, Some(waiting.position)) {
                self.waiting.push_front(waiting);
                break;
            }
            self.waiting_bytes -= waiting.message.length;
            self.read_total += 1;
            if let Some(order) = &mut self.order {
                order.read = order.read.max(waiting.mark.sequence);
            }
            self.read.push_back(waiting.mark);
        }
        framer.finish()
    }

    /// Remembers what was read before a barrier; told again of the same one, it counts as it stands now. Beyond the bound a barrier is left out: the next one covers what it covered.
    pub fn barrier(&mut self, id: u64) {
        let (read, committed) = match self.order {
            Some(order) => (order.read, order.committed),
            None => (self.read_total, self.committed_total),
        };
        if let Some((_, before)) = self.barriers.back_mut().filter(|(last, _)| *last == id) {
            *before = read;
            return;
        }
        let is_new = self.barriers.back().is_none_or(|(_, before)| *before < read);
        if is_new && read > committed && self.barriers.len() < NATS_BARRIERS_MAX {
            self.barriers.push_back((id, read));
        }
    }

    /// What came before the barrier is to be acknowledged.
    pub fn commit(&mut self, id: u64) {
        while let Some((_, read)) = self.barriers.front().copied().filter(|(barrier, _)| *barrier <= id) {
            self.barriers.pop_front();
            let count = match &mut self.order {
                Some(order) => {
                    order.committed = order.committed.max(read);
                    self.read.partition_point(|mark| mark.sequence <= read)
                }
                None => usize::try_from(read - self.committed_total).unwrap_or(usize::MAX).min(self.read.len()),
            };
            self.committed_total += count as u64;
            for mark in self.read.drain(..count) {
                if self.order.is_none() {
                    self.done.add(mark.sequence);
                }
                self.acks.push(mark.reply);
            }
        }
    }

    /// The stream is another one, or has lost its end: only its sequences up to `last` still say something about what was read.
    pub fn forget_sequences(&mut self, last: u64) {
        self.sequence_max = self.sequence_max.min(last);
        self.done = Done::default();
        if let Some(order) = &mut self.order {
            order.committed = order.committed.min(last);
            order.read = order.read.min(last);
        }
        self.barriers.iter_mut().filter(|_| self.order.is_some()).for_each(|(_, read)| *read = (*read).min(last));
        // Nothing that comes is the same as these, and reading goes on as if they were not there.
        let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.mark);
        waiting.chain(&mut self.read).for_each(|mark| mark.sequence = mark.sequence.min(last));
    }

    /// The acknowledgements to send now.
    pub fn take_acks(&mut self) -> Vec<Subject> {
        std::mem::take(&mut self.acks)
    }

    /// Whether there is an acknowledgement to send.
    pub fn has_acks(&self) -> bool {
        !self.acks.is_empty()
    }

    /// Messages that the server should be asked for more time for: those that it has not heard of for so long.
    pub fn overdue(&mut self, now: Instant, after: Duration) -> Vec<Subject> {
        let marks = self.waiting.iter_mut().map(|waiting| &mut waiting.mark).chain(&mut self.read);
        let overdue = marks.filter(|mark| now.saturating_duration_since(mark.heard) >= after);
        overdue
            .map(|mark| {
                mark.heard = now;
                mark.reply.clone()
            })
            .collect()
    }

    /// Gives up everything that is not committed: the server shall give it again.
    pub fn give_up(&mut self) -> Vec<Subject> {
        self.waiting_bytes = 0;
        self.committed_total = self.read_total;
        self.barriers.clear();
        let waiting = self.waiting.drain(..).map(|waiting| waiting.mark.reply);
        self.read.drain(..).map(|mark| mark.reply).chain(waiting).collect()
    }

    /// How many messages there is room for.
    pub fn room(&self) -> usize {
        if self.waiting_bytes >= NATS_PULL_BYTES_MAX {
            0
        } else {
            NATS_PULL_EVENTS_MAX.saturating_sub(self.waiting.len())
        }
    }

    /// How many messages are here and not committed.
    pub fn held(&self) -> usize {
        self.waiting.len() + self.read.len()
    }

    /// Whether nothing waits here, nor behind the last message.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.behind == 0
    }

    /// What the server has for us, as it says itself.
    pub fn set_behind(&mut self, behind: u64) {
        self.behind = behind;
    }

    /// Where a new consumer must begin so that nothing is left out: at the first message that is not committed.
    pub fn resume_at(&self) -> Option<u64> {
        let open =
            self.waiting.iter().map(|waiting| waiting.mark.sequence).chain(self.read.iter().map(|mark| mark.sequence));
        let first = open.filter(|sequence| *sequence > 0).min();
        first.or((self.sequence_max > 0 || self.order.is_some()).then_some(self.sequence_max + 1))
    }
}

impl Done {
    fn add(&mut self, sequence: u64) {
        if self.set.insert(sequence) {
            self.order.push_back(sequence);
        }
        if self.order.len() > NATS_REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::SourceOpen;
    use crate::event::Timestamp;

    fn arrive(ledger: &mut Ledger, sequence: u64, delivery: &str, now: Instant) {
        let message = Message {
            subject: "a".into(),
            reply: None,
            payload: "{}".into(),
            headers: None,
            status: None,
            description: None,
            length: 2,
        };
        let position = Position { sequence, time: Timestamp(0), delivery: 0, behind: 0 };
        ledger.arrive(message, format!("{sequence}.{delivery}").into(), position, now);
    }

    fn read(ledger: &mut Ledger, count: usize) -> Vec<i64> {
        let open = SourceOpen {
            framing: Default::default(),
            event_bytes_max: 100,
            chunk_events_max: count,
            resume: None,
            fresh: false,
            has_checkpoints: false,
        };
        match ledger.read(Framer::new(&open)) {
            Some(Pull::Chunk(chunk)) => chunk.offsets,
            other => panic!("{other:?}"),
        }
    }

    fn read_up_to(ledger: &Ledger) -> u64 {
        ledger.order().unwrap().read
    }

    fn texts(subjects: Vec<Subject>) -> Vec<String> {
        subjects.iter().map(|subject| subject.to_string()).collect()
    }

    #[test]
    fn a_commit_acknowledges_what_came_before_its_barrier() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        (1..=5).for_each(|sequence| arrive(&mut ledger, sequence, "1", now));
        assert_eq!(read(&mut ledger, 2), [1, 2]);
        ledger.barrier(1);
        assert_eq!(read(&mut ledger, 2), [3, 4]);
        ledger.barrier(2);
        ledger.barrier(3);
        ledger.commit(1);
        assert_eq!(texts(ledger.take_acks()), ["1.1", "2.1"]);
        assert_eq!(ledger.resume_at(), Some(3));
        ledger.commit(3);
        assert_eq!(texts(ledger.take_acks()), ["3.1", "4.1"]);
        assert_eq!(texts(ledger.give_up()), ["5.1"]);
        assert_eq!(ledger.resume_at(), Some(6));
    }

    #[test]
    fn a_second_delivery_is_read_once_and_acknowledged_by_its_new_name() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        arrive(&mut ledger, 1, "1", now);
        assert_eq!(read(&mut ledger, 9), [1]);
        arrive(&mut ledger, 2, "1", now);
        arrive(&mut ledger, 1, "2", now);
        arrive(&mut ledger, 2, "2", now);
        assert_eq!(read(&mut ledger, 9), [2]);
        ledger.barrier(7);
        ledger.commit(7);
        assert_eq!(texts(ledger.take_acks()), ["1.2", "2.2"]);
        arrive(&mut ledger, 1, "3", now);
        assert!(ledger.is_empty(), "what was acknowledged does not come again");
        assert_eq!(texts(ledger.take_acks()), ["1.3"]);
    }

    #[test]
    fn in_order_each_message_is_read_once_behind_the_checkpoint() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.begin_in_order(3, 3);
        assert_eq!((read_up_to(&ledger), ledger.resume_at()), (3, Some(4)));
        (2..=6).for_each(|sequence| arrive(&mut ledger, sequence, "1", now));
        assert_eq!(
            texts(ledger.take_acks()),
            ["2.1", "3.1"],
            "the checkpoint has them: their acknowledgements were lost"
        );
        assert_eq!(read(&mut ledger, 2), [4, 5]);
        ledger.barrier(1);
        assert_eq!(read_up_to(&ledger), 5);
        assert_eq!(ledger.resume_at(), Some(4), "nothing is committed yet");
        (4..=7).for_each(|sequence| arrive(&mut ledger, sequence, "2", now));
        assert_eq!(read(&mut ledger, 9), [6, 7]);
        ledger.commit(1);
        assert_eq!(texts(ledger.take_acks()), ["4.2", "5.2"]);
        arrive(&mut ledger, 5, "3", now);
        assert_eq!(texts(ledger.take_acks()), ["5.3"]);
        assert_eq!((read_up_to(&ledger), ledger.resume_at()), (7, Some(6)));
    }

    #[test]
    fn what_was_read_before_is_not_read_again_and_acknowledged_with_the_next_checkpoint() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.begin_in_order(2, 5);
        (3..=4).for_each(|sequence| arrive(&mut ledger, sequence, "1", now));
        assert_eq!((ledger.resume_at(), ledger.held()), (Some(3), 2), "a crash now must find them again");
        ledger.barrier(1);
        assert!(texts(ledger.take_acks()).is_empty());
        ledger.commit(1);
        assert_eq!(texts(ledger.take_acks()), ["3.1", "4.1"]);
        (5..=6).for_each(|sequence| arrive(&mut ledger, sequence, "1", now));
        assert_eq!(texts(ledger.take_acks()), ["5.1"], "the checkpoint had it, though it had not arrived");
        assert_eq!(read(&mut ledger, 9), [6]);
        ledger.barrier(2);
        ledger.commit(2);
        assert_eq!(texts(ledger.take_acks()), ["6.1"]);
    }

    #[test]
    fn a_new_stream_of_the_same_name_is_read_from_its_beginning() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.begin_in_order(0, 0);
        (1..=4).for_each(|sequence| arrive(&mut ledger, sequence, "old", now));
        assert_eq!(read(&mut ledger, 2), [1, 2]);
        ledger.forget_sequences(0);
        assert_eq!((read_up_to(&ledger), ledger.resume_at()), (0, Some(1)));
        (1..=2).for_each(|sequence| arrive(&mut ledger, sequence, "new", now));
        assert_eq!(read(&mut ledger, 2), [3, 4]);
        assert_eq!(read_up_to(&ledger), 0, "those were of the old stream");
        assert_eq!(read(&mut ledger, 1), [1]);
        assert_eq!(read_up_to(&ledger), 1);
    }

    #[test]
    fn what_waits_long_asks_for_more_time_once_a_period() {
        let (mut ledger, start) = (Ledger::default(), Instant::now());
        arrive(&mut ledger, 1, "1", start);
        arrive(&mut ledger, 2, "1", start + Duration::from_secs(5));
        assert_eq!(read(&mut ledger, 1), [1]);
        let third = Duration::from_secs(10);
        assert_eq!(texts(ledger.overdue(start + third, third)), ["1.1"]);
        assert!(ledger.overdue(start + third, third).is_empty());
        assert_eq!(texts(ledger.overdue(start + third * 2, third)), ["2.1", "1.1"]);
    }

    #[test]
    fn barriers_without_events_are_not_kept() {
        let mut ledger = Ledger::default();
        (0..10_000).for_each(|id| ledger.barrier(id));
        assert!(ledger.barriers.is_empty());
    }
}
