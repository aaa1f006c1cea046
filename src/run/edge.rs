//! One edge: a channel from a port to a node, bounded by batches and by bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::event::{Batch, Cell};
use crate::flow::Message;

use super::Failure;

/// A message and the share of the edge's bytes that it takes up while it waits.
pub(super) struct Sent {
    message: Message,
    _share: Option<OwnedSemaphorePermit>,
}

/// The bounds of an edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub batches: usize,
    pub bytes: usize,
}

/// The end at the producer's side.
pub(super) struct EdgeSender {
    sender: mpsc::Sender<Sent>,
    bytes: Arc<Semaphore>,
    bytes_max: u32,
    /// The consumer's number for each layout of the port.
    variants: Arc<[u16]>,
}

/// The end at the consumer's side.
pub(super) struct EdgeReceiver {
    receiver: mpsc::Receiver<Sent>,
}

/// An edge whose consumer knows the port's layouts by these numbers.
pub(super) fn edge(bounds: Bounds, variants: Arc<[u16]>) -> (EdgeSender, EdgeReceiver) {
    let (sender, receiver) = mpsc::channel(bounds.batches.max(1));
    let bytes_max = u32::try_from(bounds.bytes).unwrap_or(u32::MAX).clamp(1, Semaphore::MAX_PERMITS as u32);
    let bytes = Arc::new(Semaphore::new(bytes_max as usize));
    (EdgeSender { sender, bytes, bytes_max, variants }, EdgeReceiver { receiver })
}

impl EdgeSender {
    /// Waits for room, then sends. Little of much is copied first, so that it does not hold the rest in memory.
    pub async fn send_batch(&self, batch: Batch) -> Result<(), Failure> {
        let mut batch = if batch.is_sparse() { batch.compact() } else { batch };
        batch.variant = self.variants.get(batch.variant as usize).copied().unwrap_or(batch.variant);
        let bytes = u32::try_from(size(&batch)).unwrap_or(u32::MAX).min(self.bytes_max);
        let share = self.bytes.clone().acquire_many_owned(bytes).await.map_err(|_| Failure::neighbour())?;
        self.put(Message::Batch(batch), Some(share)).await
    }

    /// Sends what is no batch.
    pub async fn send(&self, message: Message) -> Result<(), Failure> {
        self.put(message, None).await
    }

    async fn put(&self, message: Message, share: Option<OwnedSemaphorePermit>) -> Result<(), Failure> {
        self.sender.send(Sent { message, _share: share }).await.map_err(|_| Failure::neighbour())
    }
}

impl EdgeReceiver {
    /// The next message; `None` when the sender has gone.
    pub fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<Message>> {
        self.receiver.poll_recv(cx).map(|sent| sent.map(|sent| sent.message))
    }

    /// Batches waiting, and how many can.
    pub fn fill(&self) -> (usize, usize) {
        (self.receiver.len(), self.receiver.max_capacity())
    }
}

fn size(batch: &Batch) -> usize {
    batch.texts.size() + batch.rows() * batch.columns.len() * size_of::<Cell>()
}
