//! Where a registry is, and how to get in.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What the file's `registry` says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub place: Place,
    pub login: Login,
    pub tls: Tls,
    /// The folder for what a server has answered; `None`: nothing is kept.
    pub cache: Option<PathBuf>,
    /// How long a server may take for one answer.
    pub timeout: Duration,
}

/// Where a registry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Url(String),
    Folder(PathBuf),
}

/// How to log in. Secrets are read when a request is made, and kept nowhere.
#[derive(Clone, Debug, Default)]
pub enum Login {
    #[default]
    None,
    Basic {
        user: String,
        password: Credential,
    },
    Bearer(Credential),
}

/// How a connection is encrypted; an `https` URL without these trusts the system's authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the server's certificate, as PEM.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its key, as PEM.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Reads a secret at the moment that it is needed. The error says where it should be, never what it is.
#[derive(Clone)]
pub struct Credential(Arc<Read>);

type Read = dyn Fn() -> Result<String, String> + Send + Sync;

impl Credential {
    pub fn new(read: impl Fn() -> Result<String, String> + Send + Sync + 'static) -> Credential {
        Credential(Arc::new(read))
    }

    /// The secret itself, for the request that needs it.
    pub fn read(&self) -> Result<String, String> {
        (self.0)()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Place {
    /// For messages. A login within a URL is left out, and what follows its path.
    pub fn shown(&self) -> String {
        match self {
            Place::Folder(folder) => folder.display().to_string(),
            Place::Url(url) => match url.split_once("://") {
                Some((scheme, rest)) => {
                    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                    let bare = rest[..host].rfind('@').map_or(0, |at| at + 1);
                    let end = rest.find(['?', '#']).unwrap_or(rest.len());
                    format!("{scheme}://{}", rest[bare..end].trim_end_matches('/'))
                }
                None => url.rsplit('@').next().unwrap_or(url).to_owned(),
            },
        }
    }

    /// Why a URL is none that can be asked, and what to write.
    pub fn check(&self) -> Result<(), (String, &'static str)> {
        let Place::Url(url) = self else { return Ok(()) };
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let Some(rest) = rest.filter(|rest| !rest.starts_with('/') && !rest.is_empty()) else {
            let why = format!("`{}` is no address of a schema registry", self.shown());
            return Err((why, "for example `http://127.0.0.1:8081`"));
        };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.contains('@') {
            let why = format!("there is a login in the URL of {}", self.shown());
            return Err((
                why,
                "give it with `auth: { user: NAME, password: { env: VARIABLE } }`, where it is shown to nobody",
            ));
        }
        // What looks like a port may be the start of a password with a slash.
        let behind_address = host.rsplit_once(']').map_or(host, |(_, behind)| behind);
        if behind_address.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_err()) {
            let why = "the URL of the schema registry has a port that is no number up to 65535".to_owned();
            return Err((why, "for example `http://127.0.0.1:8081`"));
        }
        if url.contains(['?', '#']) || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            let why = format!("`{}` is no address of a schema registry", self.shown());
            return Err((
                why,
                "it ends with the path that the API is below, and nothing follows: `http://127.0.0.1:8080/apis/ccompat/v7`",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_a_url_is_refused_and_not_shown() {
        let place = Place::Url("http://runner:hunter2@host:8081/x@y/".into());
        assert_eq!(place.shown(), "http://host:8081/x@y");
        assert!(!place.check().unwrap_err().0.contains("hunter2"));
        assert_eq!(Place::Url("http://host:8081/a@b".into()).check(), Ok(()));
        for bad in ["host:8081", "ftp://host", "http://", "http:///x", "http://h/a b", "http://h?x=1", "http://h:99999"]
        {
            assert!(Place::Url(bad.into()).check().is_err(), "{bad}");
        }
        for secret in ["http://h/?token=hunter2", "http://h#hunter2", "http://u:a/hunter2@h", "u:hunter2@h"] {
            let why = Place::Url(secret.into()).check().unwrap_err().0;
            assert!(!why.contains("hunter2"), "{why}");
        }
        assert_eq!(Place::Url("http://[::1]:8081".into()).check(), Ok(()));
    }

    #[test]
    fn a_credential_is_printed_nowhere() {
        let login = Login::Basic { user: "runner".into(), password: Credential::new(|| Ok("hunter2".into())) };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
