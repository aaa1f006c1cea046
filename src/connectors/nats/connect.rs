//! A connection to NATS: how it is opened, what is told of it, and what its errors mean to the user.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError};
use tokio::sync::Notify;

use crate::connectors::ConnectorError;
use crate::limits::{NATS_NOTES_MAX, NATS_UNREAD_MAX};
use crate::spec::SecretRef;

/// How long a server may take to answer a request, and to accept a connection.
pub(super) const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Where the servers are and how to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub servers: Vec<String>,
    pub login: Login,
    pub tls: Option<Tls>,
}

/// How to log in. Secrets are read when a connection is made, and kept nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    None,
    User { name: String, password: SecretRef },
    Token(SecretRef),
    Nkey(SecretRef),
    Credentials(PathBuf),
}

/// How the connection is encrypted, beyond what a `tls://` URL asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
    pub required: bool,
}

/// What is known of a connection beside its client: written by the client's events, read by the source or sink.
#[derive(Debug)]
pub(super) struct Link {
    /// The servers without passwords, for messages.
    pub servers: String,
    lost: AtomicBool,
    /// How often the connection was found again.
    found: AtomicU64,
    /// Wakes who waits in `changed`.
    changed: Notify,
    /// Messages that the client threw away, because this program was slower than the server.
    dropped: AtomicU64,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    notes: Vec<String>,
    refused: Option<String>,
}

impl Access {
    /// Connects, or says why not: what another try may mend is transient.
    pub async fn connect(&self) -> Result<(Client, Arc<Link>), ConnectorError> {
        let servers = self.shown();
        let addresses: Vec<ServerAddr> = self
            .servers
            .iter()
            .map(|server| server.parse())
            .collect::<Result<_, _>>()
            .map_err(|error| ConnectorError::fatal(format!("{servers} is no address of a NATS server: {error}")))?;
        let link = Arc::new(Link::new(servers));
        let watched = link.clone();
        let options = self.options().await?.event_callback(move |event| {
            let link = watched.clone();
            async move { link.on_event(event) }
        });
        match options.connect(addresses).await {
            Ok(client) => Ok((client, link)),
            Err(error) => Err(self.refused(&link.servers, &error)),
        }
    }

    /// The servers without user names and passwords.
    pub fn shown(&self) -> String {
        let bare = |server: &String| match server.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or(rest)),
            None => server.rsplit('@').next().unwrap_or(server).to_string(),
        };
        self.servers.iter().map(bare).collect::<Vec<_>>().join(", ")
    }

    async fn options(&self) -> Result<ConnectOptions, ConnectorError> {
        let mut options = ConnectOptions::new()
            .name("runner")
            .connection_timeout(ANSWER_TIME_MAX)
            .request_timeout(Some(ANSWER_TIME_MAX))
            .subscription_capacity(NATS_UNREAD_MAX)
            .ping_interval(Duration::from_secs(20));
        let read = |secret: &SecretRef| secret.read().map_err(ConnectorError::fatal);
        options = match &self.login {
            Login::None => options,
            Login::User { name, password } => {
                options.user_and_password(name.clone(), read(password)?.reveal().to_string())
            }
            Login::Token(token) => options.token(read(token)?.reveal().to_string()),
            Login::Nkey(seed) => options.nkey(read(seed)?.reveal().to_string()),
            Login::Credentials(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| unreadable("credentials", path, &error))?;
                options.credentials(&text).map_err(|_| {
                    ConnectorError::fatal(format!(
                        "{} is no NATS credentials file: it needs a user JWT and an NKey seed, as `nsc generate creds` writes them",
                        path.display()
                    ))
                })?
            }
        };
        let Some(tls) = &self.tls else { return Ok(options) };
        options = options.require_tls(tls.required);
        if let Some(ca) = &tls.ca {
            readable("ca", ca)?;
            options = options.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = &tls.own {
            readable("cert", cert)?;
            readable("key", key)?;
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        Ok(options)
    }

    fn refused(&self, servers: &str, error: &async_nats::ConnectError) -> ConnectorError {
        let why = causes(error);
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                let way_out = match self.login {
                    Login::None => "it wants a login: give one with `auth`",
                    _ => "check the secret that `auth` names, and that the server knows it",
                };
                ConnectorError::fatal(format!("the NATS server {servers} refused the login; {way_out}"))
            }
            ConnectErrorKind::Tls => ConnectorError::fatal(format!(
                "no encrypted connection to the NATS server {servers}: {why}; check the files and the host's name under `tls`"
            )),
            ConnectErrorKind::Io if tls_way_out(&why).is_some() => ConnectorError::fatal(format!(
                "no encrypted connection to the NATS server {servers}: {why}; {}",
                tls_way_out(&why).unwrap_or_default()
            )),
            ConnectErrorKind::ServerParse => {
                ConnectorError::fatal(format!("{servers} is no address of a NATS server: {why}"))
            }
            ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => ConnectorError::transient(format!(
                "no connection to the NATS server {servers}: {why}; check that it runs (`nats server check connection`) and `url`"
            )),
        }
    }
}

/// What to do when the handshake of an encrypted connection fails, which reaches us as a plain I/O error.
fn tls_way_out(why: &str) -> Option<&'static str> {
    if why.contains("InvalidContentType") {
        Some("it does not encrypt: give it a certificate, or leave `tls` and `tls://` out")
    } else if why.contains("CertificateRequired") {
        Some("it wants to know its clients: `tls: { cert: FILE, key: FILE }`")
    } else if why.contains("certificate") {
        Some(
            "name the authority that signed it with `tls: { ca: FILE }`, and the server as its certificate does in `url`",
        )
    } else if why.contains("received fatal alert") {
        Some("the server's log says what it did not like")
    } else {
        None
    }
}

fn readable(what: &str, path: &Path) -> Result<(), ConnectorError> {
    std::fs::File::open(path).map(drop).map_err(|error| unreadable(what, path, &error))
}

fn unreadable(what: &str, path: &Path, error: &std::io::Error) -> ConnectorError {
    ConnectorError::fatal(format!("the file {} of `{what}` cannot be read: {error}", path.display()))
}

/// An error and what caused it, each cause once.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

impl Link {
    fn new(servers: String) -> Link {
        Link {
            servers,
            lost: AtomicBool::new(false),
            found: AtomicU64::new(0),
            changed: Notify::new(),
            dropped: AtomicU64::new(0),
            said: Mutex::default(),
        }
    }

    fn on_event(&self, event: Event) {
        match event {
            Event::Disconnected => {
                if !self.lost.swap(true, Ordering::AcqRel) {
                    self.note(format!("lost the connection to {}; trying again until it is there", self.servers));
                }
            }
            Event::Connected => {
                if self.lost.swap(false, Ordering::AcqRel) {
                    self.found.fetch_add(1, Ordering::AcqRel);
                    self.note(format!("connected to {} again", self.servers));
                }
            }
            Event::SlowConsumer(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Event::ServerError(ServerError::Other(text)) if text.to_lowercase().contains("permissions violation") => {
                self.said().refused.get_or_insert(text);
            }
            Event::ServerError(error) => self.note(format!("{} says: {error}", self.servers)),
            Event::LameDuckMode => self.note(format!("{} is about to shut down", self.servers)),
            // Attempts to connect that failed: `Disconnected` has told it, and they would fill the log.
            Event::ClientError(_) | Event::Draining | Event::Closed => {}
        }
        self.changed.notify_one();
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Keeps a note for the log; when nobody fetches them, only the first ones.
    pub fn note(&self, note: String) {
        let mut said = self.said();
        if said.notes.len() < NATS_NOTES_MAX {
            said.notes.push(note);
        }
    }

    /// The notes since the last call.
    pub fn take_notes(&self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.said().notes);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            notes.push(format!(
                "lost {dropped} messages that came faster than they could be taken; a JetStream `stream` keeps them"
            ));
        }
        notes
    }

    /// What the server forbade, once.
    pub fn take_refused(&self) -> Option<String> {
        self.said().refused.take()
    }

    /// Fails if the server forbade what reading a stream needs.
    pub fn check_refused(&self) -> Result<(), ConnectorError> {
        match self.take_refused() {
            None => Ok(()),
            Some(refused) => Err(ConnectorError::fatal(format!(
                "{} refuses: {refused}; for JetStream this user must be allowed to publish to `$JS.API.>` and `$JS.ACK.>`, and to \
                 subscribe to `_INBOX.>`",
                self.servers
            ))),
        }
    }

    /// Does work that the server may forbid: its refusal comes beside the answer, which then never comes.
    pub async fn unless_refused<T>(
        &self,
        work: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, ConnectorError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.changed() => {
                    self.check_refused()?;
                }
            }
        }
    }

    /// How often the connection was found again: what was on its way at a change may be lost.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Acquire)
    }

    /// Waits for an event of the connection. One task waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Whether the client has a connection now.
pub(super) fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let servers = ["nats://runner:secret@a:4222", "b:4222", "u:p@c"].map(String::from).to_vec();
        let access = Access { servers, login: Login::None, tls: None };
        assert_eq!(access.shown(), "nats://a:4222, b:4222, c");
    }
}
