//! The JetStream consumer that remembers, in the server, what a source has read: found or made, and checked.

use std::time::Duration;

use async_nats::Client;
use async_nats::datetime::DateTime;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, FromConsumer, Info, PullConsumer, pull};
use async_nats::jetstream::context::{ConsumerInfoErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{self, ConsumerErrorKind, RetentionPolicy, Stream};
use async_nats::jetstream::{self, ErrorCode};

use crate::connectors::ConnectorError;

use super::connect::causes;
use super::place::{Begin, Choice, choose};

/// How long the server waits for an acknowledgement before it gives an event again. While this program lives it asks for more time
/// at a third of it, so a slow sink makes nothing come twice; after a crash it is how long the rest takes to come again.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// How long a consumer that keeps messages may outlive a runner that was killed while it made another one anew.
const KEEPER_TIME: Duration = Duration::from_secs(3600);

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
    pub stream: StreamState,
}

/// What the server said of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamState {
    /// When the stream was made: a stream that was removed and made anew counts its messages from 1 again.
    pub created: DateTime,
    pub first_sequence: u64,
    pub last_sequence: u64,
}

impl StreamState {
    fn of(info: &stream::Info) -> StreamState {
        let state = &info.state;
        StreamState { created: info.created, first_sequence: state.first_sequence, last_sequence: state.last_sequence }
    }
}

impl Wanted {
    /// Finds the consumer or makes it, and checks that it does what the topology says. `in_order`: see `place::choose`.
    pub async fn bind(&self, client: &Client, begin: &Begin, in_order: bool) -> Result<Bound, ConnectorError> {
        let context = jetstream::new(client.clone());
        let stream = match context.get_stream(&self.stream).await {
            Ok(stream) => stream,
            Err(error) => return Err(stream_error(&self.stream, self.subject.as_deref(), &error)),
        };
        let about = stream.cached_info();
        let found = self.find(&stream).await?;
        if let Some(info) = &found {
            self.check(info)?;
        }
        let bound = |info, made| Bound { info, made, stream: StreamState::of(about) };
        let deliver = match (choose(begin, in_order, self.deliver, about.created, found.as_ref()), &found) {
            (Choice::Take, Some(info)) => return Ok(bound(info.clone(), false)),
            (Choice::Take, None) => self.deliver,
            // Such a stream has nothing that was acknowledged, and takes no other beginning.
            (Choice::Make(_), _) if about.config.retention == RetentionPolicy::WorkQueue => DeliverPolicy::All,
            (Choice::Make(deliver), _) => deliver,
        };
        let made = match found {
            None => self.make(&context, self.config(deliver)).await?,
            Some(info) => self.make_anew(&context, &stream, info, deliver).await?,
        };
        Ok(bound(made, true))
    }

    /// Whether the stream is there and, if the consumer is, whether it can be read from. Changes nothing.
    pub async fn look(&self, client: &Client) -> Result<(), ConnectorError> {
        let context = jetstream::new(client.clone());
        let stream = context.get_stream(&self.stream).await;
        let stream = stream.map_err(|error| stream_error(&self.stream, self.subject.as_deref(), &error))?;
        match self.find(&stream).await? {
            Some(info) => self.check(&info),
            None => Ok(()),
        }
    }

    async fn find(&self, stream: &Stream) -> Result<Option<Info>, ConnectorError> {
        let error = match stream.consumer_info(&self.durable).await {
            Ok(info) => return Ok(Some(info)),
            Err(error) => error,
        };
        match error.kind() {
            ConsumerInfoErrorKind::NotFound => Ok(None),
            ConsumerInfoErrorKind::StreamNotFound => Err(self.no_stream()),
            ConsumerInfoErrorKind::InvalidName => Err(self.bad_name()),
            ConsumerInfoErrorKind::Offline
            | ConsumerInfoErrorKind::Request
            | ConsumerInfoErrorKind::JetStream(_)
            | ConsumerInfoErrorKind::TimedOut
            | ConsumerInfoErrorKind::NoResponders => Err(ConnectorError::transient(format!(
                "no answer about the consumer `{}` of the stream `{}`: {}",
                self.durable,
                self.stream,
                causes(&error)
            ))),
        }
    }

    fn config(&self, deliver: DeliverPolicy) -> pull::Config {
        pull::Config {
            durable_name: Some(self.durable.clone()),
            deliver_policy: deliver,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: self.max_pending,
            filter_subject: self.subject.clone().unwrap_or_default(),
            ..Default::default()
        }
    }

    /// Makes the consumer again, as it was but for where it begins.
    async fn make_anew(
        &self,
        context: &jetstream::Context,
        stream: &Stream,
        old: Info,
        deliver: DeliverPolicy,
    ) -> Result<Info, ConnectorError> {
        let config = match pull::Config::try_from_consumer_config(old.config) {
            Ok(config) => pull::Config { deliver_policy: deliver, ..config },
            Err(_) => self.config(deliver),
        };
        // A stream that keeps what somebody waits for would drop its messages with the consumer: another one waits meanwhile.
        let keeper = if stream.cached_info().config.retention == RetentionPolicy::Interest {
            let keeper = pull::Config {
                durable_name: None,
                name: None,
                inactive_threshold: KEEPER_TIME,
                description: Some(format!("keeps messages while `{}` is made anew", self.durable)),
                ..config.clone()
            };
            Some(self.make(context, keeper).await?)
        } else {
            None
        };
        self.remove(stream, &self.durable).await?;
        let made = self.make(context, config).await;
        if let (Some(keeper), Ok(_)) = (keeper, &made) {
            self.remove(stream, &keeper.name).await?;
        }
        made
    }

    async fn remove(&self, stream: &Stream, name: &str) -> Result<(), ConnectorError> {
        let Err(error) = stream.delete_consumer(name).await else { return Ok(()) };
        match error.kind() {
            ConsumerErrorKind::JetStream(why) if why.error_code() == ErrorCode::CONSUMER_NOT_FOUND => Ok(()),
            _ => Err(ConnectorError::transient(format!(
                "the consumer `{name}` of the stream `{}` must be made anew to go on from the checkpoint, and cannot be removed: {}; \
                 `nats consumer rm {0} {name}` does it",
                self.stream,
                causes(&error)
            ))),
        }
    }

    async fn make(&self, context: &jetstream::Context, config: pull::Config) -> Result<Info, ConnectorError> {
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
