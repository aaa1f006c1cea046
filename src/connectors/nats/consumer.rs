//! The JetStream consumer that remembers, in the server, what a source has read: found or made, and checked.

use std::time::Duration;

use async_nats::Client;
use async_nats::datetime::DateTime;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, Info, PullConsumer, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{self, ErrorCode};

use crate::connectors::ConnectorError;

use super::connect::causes;

/// How long the server waits for an acknowledgement before it gives an event again. While this program lives it asks for more time
/// at a third of it, so a slow sink makes nothing come twice; after a crash it is how long the rest takes to come again.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// Which consumer, and how it is made where it does not exist.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub stream: String,
    pub durable: String,
    pub subject: Option<String>,
    pub max_pending: i64,
    /// Where reading begins; the server keeps to its own record once the consumer exists.
    pub deliver: DeliverPolicy,
}

/// A consumer that is there.
#[derive(Debug)]
pub(super) struct Bound {
    pub info: Info,
    /// Whether this call made it.
    pub made: bool,
    /// When the stream was made: a stream that was removed and made anew counts its messages from 1 again.
    pub stream_created: DateTime,
}

/// Where a source stands in a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume {
    pub stream_created: DateTime,
    /// The first message that is not committed; `None` before the first one.
    pub sequence: Option<u64>,
}

impl Wanted {
    /// Finds the consumer or makes it, and checks that it does what the topology says. `resume`: where a source that is at work
    /// stands, in case that the consumer is gone.
    pub async fn bind(&self, client: &Client, resume: Option<Resume>) -> Result<Bound, ConnectorError> {
        let context = jetstream::new(client.clone());
        let stream = match context.get_stream(&self.stream).await {
            Ok(stream) => stream,
            Err(error) => return Err(stream_error(&self.stream, self.subject.as_deref(), &error)),
        };
        let stream_created = stream.cached_info().created;
        let info = match stream.consumer_info(&self.durable).await {
            Ok(info) => info,
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound => {
                    let deliver = match resume {
                        None => self.deliver,
                        Some(resume) if resume.stream_created != stream_created => DeliverPolicy::All,
                        Some(Resume { sequence: Some(start_sequence), .. }) => {
                            DeliverPolicy::ByStartSequence { start_sequence }
                        }
                        Some(Resume { sequence: None, .. }) => self.deliver,
                    };
                    let info = self.make(&context, deliver).await?;
                    return Ok(Bound { info, made: true, stream_created });
                }
                ConsumerInfoErrorKind::StreamNotFound => return Err(self.no_stream()),
                ConsumerInfoErrorKind::InvalidName => return Err(self.bad_name()),
                ConsumerInfoErrorKind::Offline
                | ConsumerInfoErrorKind::Request
                | ConsumerInfoErrorKind::JetStream(_)
                | ConsumerInfoErrorKind::TimedOut
                | ConsumerInfoErrorKind::NoResponders => {
                    return Err(ConnectorError::transient(format!(
                        "no answer about the consumer `{}` of the stream `{}`: {}",
                        self.durable,
                        self.stream,
                        causes(&error)
                    )));
                }
            },
        };
        self.check(&info)?;
        Ok(Bound { info, made: false, stream_created })
    }

    async fn make(&self, context: &jetstream::Context, deliver: DeliverPolicy) -> Result<Info, ConnectorError> {
        let config = pull::Config {
            durable_name: Some(self.durable.clone()),
            deliver_policy: deliver,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: self.max_pending,
            filter_subject: self.subject.clone().unwrap_or_default(),
            ..Default::default()
        };
        let made: Result<PullConsumer, _> = context.create_consumer_on_stream(config, &self.stream).await;
        match made {
            Ok(consumer) => Ok(consumer.cached_info().clone()),
            Err(error) => Err(match error.kind() {
                ConsumerErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    self.no_stream()
                }
                ConsumerErrorKind::InvalidName => self.bad_name(),
                ConsumerErrorKind::JetStream(why) => ConnectorError::fatal(format!(
                    "the server refused a consumer `{}` on the stream `{}`: {why}; if this user may not make one, `{}` does",
                    self.durable,
                    self.stream,
                    self.command()
                )),
                _ => ConnectorError::transient(format!(
                    "no consumer `{}` on the stream `{}`: {}; if this user may not make one, `{}` does",
                    self.durable,
                    self.stream,
                    causes(&error),
                    self.command()
                )),
            }),
        }
    }

    fn check(&self, info: &Info) -> Result<(), ConnectorError> {
        let (durable, stream) = (&self.durable, &self.stream);
        let refuse = |why: String| {
            Err(ConnectorError::fatal(format!(
                "the consumer `{durable}` of the stream `{stream}` {why}; name another `durable`, or remove it with \
                 `nats consumer rm {stream} {durable}`"
            )))
        };
        if info.config.deliver_subject.is_some() {
            return refuse("pushes to a subject and cannot be pulled from".into());
        }
        if info.config.ack_policy == AckPolicy::None {
            return refuse("takes no acknowledgements, so a failure would lose events".into());
        }
        let filters: Vec<&str> = match info.config.filter_subject.as_str() {
            "" => info.config.filter_subjects.iter().map(String::as_str).collect(),
            one => vec![one],
        };
        match &self.subject {
            Some(subject) if filters != [subject.as_str()] => {
                let reads =
                    if filters.is_empty() { "all subjects".to_string() } else { format!("`{}`", filters.join("`, `")) };
                refuse(format!("reads {reads}, not `{subject}`"))
            }
            _ => Ok(()),
        }
    }

    fn no_stream(&self) -> ConnectorError {
        no_stream(&self.stream, self.subject.as_deref())
    }

    fn bad_name(&self) -> ConnectorError {
        ConnectorError::fatal(format!(
            "`{}` or `{}` cannot be the name of a stream or consumer: letters, digits, `-` and `_` can",
            self.stream, self.durable
        ))
    }

    fn command(&self) -> String {
        let filter = self.subject.as_ref().map(|subject| format!(" --filter '{subject}'")).unwrap_or_default();
        format!(
            "nats consumer add {} {} --pull --ack explicit --deliver all --max-pending {}{filter} --defaults",
            self.stream, self.durable, self.max_pending
        )
    }
}

/// What the user can do about a stream that cannot be looked up.
pub(super) fn stream_error(
    stream: &str,
    subject: Option<&str>,
    error: &async_nats::jetstream::context::GetStreamError,
) -> ConnectorError {
    match error.kind() {
        GetStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => {
            no_stream(stream, subject)
        }
        GetStreamErrorKind::JetStream(why)
            if matches!(
                why.error_code(),
                ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT | ErrorCode::JETSTREAM_NOT_ENABLED
            ) =>
        {
            ConnectorError::fatal("JetStream is off for this account: without `stream` the subject is read as it comes")
        }
        GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => ConnectorError::fatal(format!(
            "`{stream}` cannot be the name of a stream: letters, digits, `-` and `_` can"
        )),
        GetStreamErrorKind::JetStream(why) => ConnectorError::transient(format!("the stream `{stream}`: {why}")),
        GetStreamErrorKind::Request => ConnectorError::transient(format!(
            "the server does not answer for the stream `{stream}`: {}; check that it runs with JetStream (`nats-server -js`) \
             and that this user may publish to `$JS.API.>`",
            causes(error)
        )),
    }
}

fn no_stream(stream: &str, subject: Option<&str>) -> ConnectorError {
    let subjects = subject.filter(|subject| !subject.contains("{{")).unwrap_or("SUBJECT.>");
    ConnectorError::fatal(format!(
        "there is no stream `{stream}`; `nats stream add {stream} --subjects '{subjects}' --defaults` makes it, `nats stream ls` \
         shows those that exist"
    ))
}

/// How long the server waits for an acknowledgement of this consumer.
pub(super) fn ack_wait(info: &Info) -> Duration {
    let wait = info.config.backoff.first().copied().unwrap_or(info.config.ack_wait);
    if wait.is_zero() { ACK_WAIT } else { wait }
}
