//! Questions to a registry over HTTP: login, encryption, how long and how much, and more attempts while it is away for a moment.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use crate::event::json::base64;
use crate::limits::{
    REGISTRY_ANSWER_BYTES_MAX, REGISTRY_ATTEMPTS_MAX, REGISTRY_PAUSE_FIRST_MS, REGISTRY_PAUSE_MAX_MS, SCHEMA_BYTES_MAX,
};

use super::error::plain;
use super::{ErrorKind, Login, RegistryError, Settings, Tls};

/// What the API says that it is.
const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// A way to ask one server.
pub(super) struct Http {
    agent: ureq::Agent,
    /// Without a slash at its end.
    base: String,
    /// The base, for messages.
    shown: String,
    login: Login,
    timeout: Duration,
}

/// An answer: what was asked for, or why not.
pub(super) struct Answer {
    pub status: u16,
    pub body: Value,
}

/// Why one attempt gave no answer.
struct Failed {
    error: RegistryError,
    /// Another attempt may go better, after a pause that the server may have asked for.
    again: Option<Option<Duration>>,
}

impl Http {
    pub fn new(url: &str, settings: &Settings) -> Result<Http, RegistryError> {
        let shown = settings.place.shown();
        settings.place.check().map_err(|(why, help)| RegistryError::broken(format!("{why}: {help}")))?;
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // A redirect would lose the login, and send schemas where nobody said.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")))
            .accept(format!("{MEDIA_TYPE}, application/json"))
            .timeout_global(Some(settings.timeout));
        if url.starts_with("https://") {
            config = config.tls_config(tls(&settings.tls)?);
        }
        Ok(Http {
            agent: config.build().new_agent(),
            base: url.trim_end_matches('/').to_owned(),
            shown,
            login: settings.login.clone(),
            timeout: settings.timeout,
        })
    }

    /// Its address, without a login.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    pub fn get(&self, path: &str) -> Result<Answer, RegistryError> {
        self.ask(path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, RegistryError> {
        self.ask(path, Some(body.to_string()))
    }

    /// Asks until there is an answer. All questions of the API may be asked twice.
    fn ask(&self, path: &str, body: Option<String>) -> Result<Answer, RegistryError> {
        let mut pause = Duration::from_millis(REGISTRY_PAUSE_FIRST_MS);
        let mut attempt = 1;
        loop {
            let failed = match self.once(path, body.as_deref()) {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(wanted) = failed.again.filter(|_| attempt < REGISTRY_ATTEMPTS_MAX) else {
                return Err(failed.error);
            };
            let longest = Duration::from_millis(REGISTRY_PAUSE_MAX_MS);
            if wanted.is_some_and(|wanted| wanted > longest) {
                return Err(failed.error);
            }
            thread::sleep(wanted.unwrap_or(pause));
            pause = (pause * 3).min(longest);
            attempt += 1;
        }
    }

    fn once(&self, path: &str, body: Option<&str>) -> Result<Answer, Failed> {
        let url = format!("{}{path}", self.base);
        let login = self.authorization().map_err(Failed::for_good)?;
        let sent = match body {
            None => {
                let request = self.agent.get(&url);
                match &login {
                    Some(login) => request.header("Authorization", login).call(),
                    None => request.call(),
                }
            }
            Some(body) => {
                let request = self.agent.post(&url).content_type(MEDIA_TYPE);
                match &login {
                    Some(login) => request.header("Authorization", login).send(body),
                    None => request.send(body),
                }
            }
        };
        let mut response = sent.map_err(|error| self.failed(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (after, location) = (header("retry-after"), header("location"));
        let bytes = response.body_mut().with_config().limit(REGISTRY_ANSWER_BYTES_MAX).read_to_vec();
        let bytes = bytes.map_err(|error| self.failed(&error))?;
        let body = serde_json::from_slice(&bytes).ok();
        match (status, body) {
            (200..=299, Some(body)) => Ok(Answer { status, body }),
            (401 | 403, body) => Err(Failed::for_good(self.denied(status, body.as_ref()))),
            (300..=399, _) => {
                let location = plain(&location.unwrap_or_default());
                let why = format!(
                    "it sends us elsewhere (HTTP {status}, to `{location}`); name that in `url` if it is right"
                );
                Err(Failed::for_good(self.error(ErrorKind::Broken, &why)))
            }
            (408 | 429 | 500..=599, body) => {
                let why = format!("it answered {}; its own log says why", reason(status, body.as_ref()));
                let wanted = after.and_then(|after| after.trim().parse().ok()).map(Duration::from_secs);
                Err(Failed { error: self.error(ErrorKind::Away, &why), again: Some(wanted) })
            }
            // What is refused, or not there, is told in JSON: anything else comes from somebody else.
            (400..=499, Some(body)) if body.get("error_code").is_some() => Ok(Answer { status, body }),
            (status, _) => {
                let why = format!(
                    "what answers there (HTTP {status}) is no schema registry; check `url`, which ends with the path that the API is below: `http://127.0.0.1:8081` of Confluent's, `http://127.0.0.1:8080/apis/ccompat/v7` of Apicurio's"
                );
                Err(Failed::for_good(self.error(ErrorKind::Broken, &why)))
            }
        }
    }

    /// The header, made of the secret as it is now.
    fn authorization(&self) -> Result<Option<String>, RegistryError> {
        let broken = |why: String| self.error(ErrorKind::Broken, &why);
        let header = match &self.login {
            Login::None => return Ok(None),
            Login::Bearer(token) => format!("Bearer {}", token.read().map_err(broken)?),
            Login::Basic { user, password } => {
                let mut header = b"Basic ".to_vec();
                base64(&mut header, format!("{user}:{}", password.read().map_err(broken)?).as_bytes());
                String::from_utf8(header).unwrap_or_default()
            }
        };
        // Said here, as what a client says of a bad header may hold it.
        if header.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Ok(Some(header));
        }
        Err(broken(
            "the secret of `auth` holds characters that no header can have; check that it is the token alone".into(),
        ))
    }

    fn denied(&self, status: u16, body: Option<&Value>) -> RegistryError {
        let way_out = match &self.login {
            Login::None => "it wants a login: give one with `auth`",
            _ => "check the secret that `auth` names, and what the registry lets its owner do",
        };
        self.error(ErrorKind::Denied, &format!("it refused the login ({}); {way_out}", reason(status, body)))
    }

    fn error(&self, kind: ErrorKind, why: &str) -> RegistryError {
        RegistryError::new(kind, format!("the schema registry {}: {why}", self.shown))
    }

    /// What a failure of the client means to the user. Of its texts only those are used that are made of what the server did.
    fn failed(&self, error: &ureq::Error) -> Failed {
        use ureq::Error as E;
        let away = |why: &str| Failed { error: self.error(ErrorKind::Away, why), again: Some(None) };
        let check = "check that it runs, and `url`";
        match error {
            E::Timeout(_) => {
                let why = format!("it gave no answer within {:?}; `timeout` can give it longer", self.timeout);
                Failed { error: self.error(ErrorKind::Away, &why), again: None }
            }
            E::HostNotFound => away(&format!("its host's name leads nowhere; {check}")),
            E::Io(error) if is_tls(error) => Failed::for_good(self.not_encrypted(&error.to_string())),
            E::Rustls(error) => Failed::for_good(self.not_encrypted(&error.to_string())),
            E::Tls(why) => Failed::for_good(self.not_encrypted(why)),
            E::Io(error) => away(&format!("no connection: {error}; {check}")),
            E::ConnectionFailed | E::ConnectProxyFailed(_) => away(&format!("no connection; {check}")),
            E::Protocol(error) => away(&format!("its answer is no HTTP or was cut off: {error}; {check}")),
            E::BodyExceedsLimit(_) => {
                let why =
                    format!("its answer has more than {REGISTRY_ANSWER_BYTES_MAX} bytes: no schema is that large");
                Failed::for_good(self.error(ErrorKind::Unusable, &why))
            }
            _ => Failed::for_good(self.error(ErrorKind::Broken, &format!("it cannot be asked; {check}"))),
        }
    }

    fn not_encrypted(&self, why: &str) -> RegistryError {
        let way_out = if why.contains("InvalidContentType") {
            "it does not encrypt: write `http://`"
        } else if why.contains("CertificateRequired") {
            "it wants to know its clients: `tls: { cert: FILE, key: FILE }`"
        } else if why.contains("certificate") {
            "name the authority that signed it with `tls: { ca: FILE }`, and the server as its certificate does in `url`"
        } else {
            "its log says what it did not like"
        };
        self.error(ErrorKind::Broken, &format!("no encrypted connection: {}; {way_out}", plain(why)))
    }
}

impl Failed {
    fn for_good(error: RegistryError) -> Failed {
        Failed { error, again: None }
    }
}

/// What a server says of a question that it does not answer: `HTTP 409: its words`.
pub(super) fn reason(status: u16, body: Option<&Value>) -> String {
    let words = body.and_then(|body| body.get("message").or_else(|| body.get("title"))?.as_str());
    match words.map(plain).filter(|words| !words.is_empty()) {
        Some(words) => format!("HTTP {status}: {words}"),
        None => format!("HTTP {status}"),
    }
}

/// A segment of a path: what is not plain is written as `%` and its hex digits.
pub(super) fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn is_tls(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
    while let Some(inner) = cause {
        if inner.is::<rustls::Error>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn tls(files: &Tls) -> Result<TlsConfig, RegistryError> {
    let roots = match &files.ca {
        Some(ca) => certificates("ca", ca)?,
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|root| Certificate::from_der(root).to_owned()).collect()
        }
    };
    let own = match &files.own {
        None => None,
        Some((cert, key)) => {
            let text = read("key", key)?;
            // The error of a key that cannot be read may quote it.
            let key = PrivateKey::from_pem(&text)
                .map_err(|_| RegistryError::broken(format!("`key`: {} holds no private key in PEM", key.display())))?;
            Some(ClientCert::new_with_certs(&certificates("cert", cert)?, key))
        }
    };
    Ok(TlsConfig::builder()
        // Named, as a provider that somebody else installs for the process is none of ours.
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .client_cert(own)
        .build())
}

fn certificates(key: &str, path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let text = read(key, path)?;
    let found: Vec<_> = ureq::tls::parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(found)) => Some(found),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(RegistryError::broken(format!("`{key}`: {} holds no certificate in PEM", path.display())));
    }
    Ok(found)
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, RegistryError> {
    let absent = |why: String| RegistryError::broken(format!("`{key}`: {} cannot be read: {why}", path.display()));
    let found = super::disk::read(path, SCHEMA_BYTES_MAX).map_err(|error| absent(error.to_string()))?;
    found.ok_or_else(|| absent("there is no such file".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_segment_of_a_path() {
        assert_eq!(segment("shop/Payment value?#%"), "shop%2FPayment%20value%3F%23%25");
        assert_eq!(segment("payments-value.v1"), "payments-value.v1");
    }

    #[test]
    fn the_words_of_a_server_are_one_plain_line() {
        let body = serde_json::json!({ "message": "no\u{1b}[31m\nway" });
        assert_eq!(reason(409, Some(&body)), "HTTP 409: no [31m way");
        assert_eq!(reason(500, None), "HTTP 500");
    }
}
