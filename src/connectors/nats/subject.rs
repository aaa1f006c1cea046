//! The source that reads a subject as it comes. The server keeps nothing, so nothing can be read again.

use std::sync::Arc;

use async_nats::{Client, Message, Subscriber};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use crate::connectors::{ConnectorError, Pull, Source, SourceOpen};

use super::connect::{Access, Link, is_connected};
use super::frame::Framer;

/// A subject being read.
pub(super) struct SubjectSource {
    client: Client,
    link: Arc<Link>,
    subscriber: Subscriber,
    /// A message that did not fit into the last chunk.
    carried: Option<Message>,
    /// Nothing more was there when the last chunk was made.
    drained: bool,
    open: SourceOpen,
}

impl SubjectSource {
    /// Connects and subscribes.
    pub async fn open(access: Access, subject: String, open: SourceOpen) -> Result<SubjectSource, ConnectorError> {
        let (client, link) = access.connect().await?;
        let subscriber = client
            .subscribe(subject.clone())
            .await
            .map_err(|error| ConnectorError::fatal(format!("cannot subscribe to `{subject}`: {error}")))?;
        // The server's refusal, if there is one, arrives before its answer to this.
        let _ = client.flush().await;
        Ok(SubjectSource { client, link, subscriber, carried: None, drained: true, open })
    }

    /// All that is ready, at most a batch. Does not wait, so nothing can be lost in between.
    fn gather(&mut self) -> Option<Pull> {
        let mut framer = Framer::new(&self.open);
        self.drained = false;
        loop {
            let message = match self.carried.take() {
                Some(message) => message,
                None => match self.subscriber.next().now_or_never() {
                    Some(Some(message)) => message,
                    Some(None) => break,
                    None => {
                        self.drained = true;
                        break;
                    }
                },
            };
            if !framer.add(&message, None) {
                self.carried = Some(message);
                break;
            }
        }
        framer.finish()
    }
}

impl Source for SubjectSource {
    fn next(&mut self) -> BoxFuture<'_, Result<Pull, ConnectorError>> {
        Box::pin(async {
            loop {
                if let Some(pull) = self.gather() {
                    return Ok(pull);
                }
                if let Some(refused) = self.link.take_refused() {
                    return Err(ConnectorError::fatal(format!("{} refuses: {refused}", self.link.servers)));
                }
                tokio::select! {
                    message = self.subscriber.next() => match message {
                        Some(message) => self.carried = Some(message),
                        None => return Err(ConnectorError::fatal(format!("the connection to {} is closed", self.link.servers))),
                    },
                    () = self.link.changed() => {}
                }
            }
        })
    }

    fn is_caught_up(&self) -> bool {
        self.drained && self.carried.is_none() && is_connected(&self.client)
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), ConnectorError>> {
        Box::pin(async {
            // Nothing is owed to anyone: an error here changes nothing.
            let _ = self.subscriber.unsubscribe().await;
            Ok(())
        })
    }

    fn take_notes(&mut self) -> Vec<String> {
        self.link.take_notes()
    }
}
