//! NATS at plan time: what a source or sink is told to do, checked.

use std::path::{Path, PathBuf};

use async_nats::ServerAddr;
use async_nats::jetstream::consumer::DeliverPolicy;
use futures_util::future::BoxFuture;

use crate::connectors::{
    ConnectContext, ConnectorError, Replay, Sink, SinkOpen, SinkPlan, Source, SourceOpen, SourcePlan,
};
use crate::diagnostic::codes::{BAD_VALUE, DELIVERY, NOT_TOGETHER};
use crate::event::Timestamp;
use crate::spec::{Section, SinkSpec, SourceSpec, TemplatePart, Value};

use super::connect::{Access, Login, Tls};
use super::consumer::Wanted;
use super::held::ID_HEADER;
use super::publish::{Target, check_subject};
use super::sink::NatsSink;
use super::stream::StreamSource;
use super::subject::SubjectSource;

struct NatsSourcePlan {
    access: Access,
    reads: Reads,
}

#[derive(Clone)]
enum Reads {
    Subject(String),
    Stream(Wanted),
}

struct NatsSinkPlan {
    access: Access,
    target: Target,
    exactly_once: bool,
    /// The subject as it was written.
    shown: String,
}

/// A source that reads a subject, or a stream.
pub fn source(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SourcePlan>> {
    let config = &spec.config;
    let access = access(config, context)?;
    let subject = config.text_opt("subject").map(String::from);
    if let Some(why) = subject.as_deref().and_then(unreadable) {
        context
            .diagnostics
            .error(&BAD_VALUE, config.span_of("subject"), why)
            .help("`payments.>` reads all below `payments`");
        return None;
    }
    let reads = match (config.text_opt("stream"), subject) {
        (Some(stream), subject) => {
            let durable = match config.text_opt("durable") {
                Some(durable) => durable.to_string(),
                None => name(&format!("{}-{}", context.topology, spec.head.id)),
            };
            for (key, value) in [("stream", stream), ("durable", durable.as_str())] {
                if name(value) != value || value.is_empty() {
                    let what = format!(
                        "`{value}` cannot be the name of a {}",
                        if key == "stream" { "stream" } else { "consumer" }
                    );
                    let report = context.diagnostics.error(&BAD_VALUE, config.span_of(key), what);
                    report.help("letters, digits, `-` and `_` can be in it");
                    return None;
                }
            }
            let max_pending = config.int("max_pending");
            Reads::Stream(Wanted {
                stream: stream.into(),
                durable,
                subject,
                max_pending,
                deliver: deliver(spec, context)?,
            })
        }
        (None, Some(subject)) => {
            if spec.common.is_written("start") && spec.common.value("start") != Some(&Value::Choice("latest")) {
                let what = "`start` needs a `stream`: a plain subject has no past to begin in";
                context.diagnostics.error(&NOT_TOGETHER, spec.common.key_span_of("start"), what);
                return None;
            }
            Reads::Subject(subject)
        }
        // The table demands one of the two.
        (None, None) => return None,
    };
    Some(Box::new(NatsSourcePlan { access, reads }))
}

/// A sink that publishes on a subject.
pub fn sink(spec: &SinkSpec, context: &mut ConnectContext<'_>) -> Option<Box<dyn SinkPlan>> {
    let config = &spec.config;
    let access = access(config, context)?;
    let template = config.template("subject");
    let subject = template.constant();
    if let Some(why) = subject.as_deref().and_then(|subject| check_subject(subject).err()) {
        context.diagnostics.error(&BAD_VALUE, config.span_of("subject"), why).help("for example `alerts.card`");
        return None;
    }
    let part = |part: &TemplatePart| match part {
        TemplatePart::Text(text) => text.clone(),
        TemplatePart::Expr(expr) => format!("{{{{ {} }}}}", expr.text),
    };
    let target = Target {
        subject,
        stream: config.text_opt("stream").map(String::from),
        max_pending: usize::try_from(config.int("max_pending")).unwrap_or(1).max(1),
    };
    let exactly_once = spec.common.choice_opt("delivery") == Some("exactly_once");
    if exactly_once && !can_be_exactly_once(spec, &target, context) {
        return None;
    }
    Some(Box::new(NatsSinkPlan { access, target, exactly_once, shown: template.parts.iter().map(part).collect() }))
}

/// Reports what a message needs to be in its stream exactly once.
fn can_be_exactly_once(spec: &SinkSpec, target: &Target, context: &mut ConnectContext<'_>) -> bool {
    if target.stream.is_none() {
        let message = "a plain subject of NATS is delivered at least once: only a stream knows which messages it has";
        let report = context.diagnostics.error(&DELIVERY, spec.common.span_of("delivery"), message);
        report.help("name the JetStream stream that takes the subject: `stream: ALERTS`");
        return false;
    }
    let headers = spec.common.exprs_opt("headers").unwrap_or_default();
    if headers.iter().any(|named| named.name.eq_ignore_ascii_case(ID_HEADER)) {
        let message =
            format!("`{ID_HEADER}` is how the stream knows an event again: with `exactly_once` the sink sets it");
        let report = context.diagnostics.error(&NOT_TOGETHER, spec.common.key_span_of("headers"), message);
        report.help("remove the header, or `delivery`");
        return false;
    }
    true
}

/// Where a new consumer begins.
fn deliver(spec: &SourceSpec, context: &mut ConnectContext<'_>) -> Option<DeliverPolicy> {
    match spec.common.value("start") {
        Some(Value::Choice("latest")) => Some(DeliverPolicy::New),
        Some(Value::Section(start)) => {
            let text = start.text("time");
            let moment = Timestamp::parse_rfc3339(text.as_bytes())
                .and_then(|time| async_nats::datetime::from_nanos(i128::from(time.0) * 1_000_000).ok());
            if moment.is_none() {
                let what = format!("`{text}` is no time of RFC 3339 with an offset");
                context.diagnostics.error(&BAD_VALUE, start.span_of("time"), what).help("`2026-01-31T08:00:00Z`");
            }
            moment.map(|start_time| DeliverPolicy::ByStartTime { start_time })
        }
        _ => Some(DeliverPolicy::All),
    }
}

fn access(config: &Section, context: &mut ConnectContext<'_>) -> Option<Access> {
    let servers: Vec<String> = config.texts("url").into_iter().map(String::from).collect();
    if let Some((bad, why)) = servers.iter().find_map(|server| Some((server, server.parse::<ServerAddr>().err()?))) {
        let bare = Access { servers: vec![bad.clone()], login: Login::None, tls: None };
        let what = format!("`{}` is no address of a NATS server: {why}", bare.shown());
        context
            .diagnostics
            .error(&BAD_VALUE, config.span_of("url"), what)
            .help("`nats://host:4222`, or `tls://host:4222`");
        return None;
    }
    let path = |section: &Section, key| section.path_opt(key).map(Path::to_path_buf);
    let login = match config.section_opt("auth") {
        None => Login::None,
        Some(auth) => match (auth.text_opt("user"), auth.secret_opt("password")) {
            (Some(name), Some(password)) => Login::User { name: name.into(), password: password.clone() },
            _ => match (auth.secret_opt("token"), auth.secret_opt("nkey"), path(auth, "credentials")) {
                (Some(token), _, _) => Login::Token(token.clone()),
                (_, Some(seed), _) => Login::Nkey(seed.clone()),
                (_, _, Some(file)) => Login::Credentials(file),
                // The table demands one of them.
                _ => return None,
            },
        },
    };
    let tls = config.section_opt("tls").map(|tls| Tls {
        ca: path(tls, "ca"),
        own: path(tls, "cert").zip(path(tls, "key")) as Option<(PathBuf, PathBuf)>,
        required: tls.bool("required"),
    });
    Some(Access { servers, login, tls })
}

/// Why a subject cannot be read.
fn unreadable(subject: &str) -> Option<String> {
    let tokens: Vec<&str> = subject.split('.').collect();
    let bad = |why: &str| Some(format!("`{subject}` is no subject: {why}"));
    if tokens.iter().any(|token| token.is_empty()) {
        bad("there is nothing before, after or between its dots")
    } else if tokens.iter().rev().skip(1).any(|token| *token == ">") {
        bad("`>` can only be its last part")
    } else if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        bad("there is a space in it")
    } else {
        None
    }
}

/// A text as the name of a consumer.
fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

impl SourcePlan for NatsSourcePlan {
    fn is_bounded(&self) -> bool {
        false
    }

    fn has_time(&self) -> bool {
        matches!(self.reads, Reads::Stream(_))
    }

    fn replay(&self) -> Replay {
        match self.reads {
            Reads::Subject(_) => Replay::None,
            Reads::Stream(_) => Replay::Position,
        }
    }

    fn needs_acks(&self) -> bool {
        matches!(self.reads, Reads::Stream(_))
    }

    fn prepare(&self) -> BoxFuture<'static, Result<(), ConnectorError>> {
        let (access, reads) = (self.access.clone(), self.reads.clone());
        Box::pin(async move {
            let (client, link) = access.connect().await?;
            match reads {
                Reads::Subject(_) => Ok(()),
                Reads::Stream(wanted) => link.unless_refused(wanted.look(&client)).await,
            }
        })
    }

    fn outline(&self) -> String {
        let servers = self.access.shown();
        match &self.reads {
            Reads::Subject(subject) => format!(
                "NATS subject {subject} at {servers}; the server keeps nothing, so what comes while the runner is down is lost"
            ),
            Reads::Stream(wanted) => format!(
                "JetStream stream {}{} at {servers} by the consumer {}; acknowledged once a checkpoint or every sink has it",
                wanted.stream,
                wanted.subject.as_ref().map(|subject| format!(", subject {subject},")).unwrap_or_default(),
                wanted.durable,
            ),
        }
    }

    fn exclusive(&self) -> Option<String> {
        match &self.reads {
            Reads::Subject(_) => None,
            // Two readers of one consumer would share its events.
            Reads::Stream(wanted) => Some(format!("the consumer {} of the stream {}", wanted.durable, wanted.stream)),
        }
    }

    fn positions_in(&self) -> String {
        match &self.reads {
            Reads::Subject(_) => String::new(),
            Reads::Stream(wanted) => wanted.stream.to_string(),
        }
    }

    fn open(&self, open: SourceOpen) -> BoxFuture<'static, Result<Box<dyn Source>, ConnectorError>> {
        let (access, reads) = (self.access.clone(), self.reads.clone());
        Box::pin(async move {
            Ok(match reads {
                Reads::Subject(subject) => {
                    Box::new(SubjectSource::open(access, subject, open).await?) as Box<dyn Source>
                }
                Reads::Stream(wanted) => Box::new(StreamSource::open(access, wanted, open).await?),
            })
        })
    }
}

impl SinkPlan for NatsSinkPlan {
    fn has_headers(&self) -> bool {
        true
    }

    fn writes_lines(&self) -> bool {
        false
    }

    fn target_key(&self) -> Option<&'static str> {
        self.target.subject.is_none().then_some("subject")
    }

    fn check_target_value(&self, value: &str) -> Result<(), String> {
        check_subject(value)
    }

    fn outline(&self) -> String {
        let servers = self.access.shown();
        match &self.target.stream {
            None => format!("NATS subject {} at {servers}", self.shown),
            Some(stream) if self.exactly_once => format!(
                "NATS subject {} at {servers}, in the stream {stream} exactly once: sent when the checkpoint that has it is on disk",
                self.shown
            ),
            Some(stream) => format!("NATS subject {} at {servers}, confirmed by the stream {stream}", self.shown),
        }
    }

    fn is_exactly_once(&self) -> bool {
        self.exactly_once
    }

    fn prepare(&self) -> BoxFuture<'static, Result<(), ConnectorError>> {
        let (access, target) = (self.access.clone(), self.target.clone());
        Box::pin(async move {
            let (client, link) = access.connect().await?;
            target.look(&client, &link).await.map(drop)
        })
    }

    fn open(&self, open: SinkOpen) -> BoxFuture<'static, Result<Box<dyn Sink>, ConnectorError>> {
        let (access, target, exactly_once) = (self.access.clone(), self.target.clone(), self.exactly_once);
        Box::pin(
            async move { Ok(Box::new(NatsSink::open(access, target, exactly_once, open).await?) as Box<dyn Sink>) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_to_read() {
        for good in ["a", "a.b", "a.*", "a.>", ">", "*.b"] {
            assert_eq!(unreadable(good), None);
        }
        for bad in ["", "a.", "a..b", ">.a", "a b"] {
            assert!(unreadable(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn consumers_get_names_that_the_server_takes() {
        assert_eq!(name("fraud.v2-card reader"), "fraud_v2-card_reader");
    }
}
