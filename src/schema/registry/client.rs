//! The operations of the REST API of the Confluent Schema Registry. Contexts of subjects are left out.

use serde_json::Value;

use super::http::{Answer, Http, reason, segment};
use super::json;
use super::{Entry, ErrorKind, Registered, RegistryError, Settings, Shelf, Verdict, Wanted};

/// Codes of errors: what is not there.
const NO_SUBJECT: u64 = 40401;
const NO_VERSION: u64 = 40402;
const NO_SCHEMA: u64 = 40403;
/// A subject has no compatibility of its own.
const NO_LEVEL: u64 = 40408;

/// A server.
pub(super) struct Client {
    http: Http,
}

impl Client {
    pub fn new(url: &str, settings: &Settings) -> Result<Client, RegistryError> {
        Http::new(url, settings).map(|http| Client { http })
    }

    fn unknown(&self, what: &str, way_out: &str) -> RegistryError {
        RegistryError::unknown(format!("the schema registry {} has no {what}; {way_out}", self.http.shown()))
    }

    /// An answer that is none to what was asked.
    fn odd(&self, what: &str, answer: &Answer) -> RegistryError {
        let words = reason(answer.status, Some(&answer.body));
        RegistryError::broken(format!("the schema registry {}, asked for {what}, answered {words}", self.http.shown()))
    }

    fn unreadable(&self, what: &str, why: &str) -> RegistryError {
        RegistryError::unusable(format!(
            "the answer of the schema registry {} to a question for {what} cannot be used: {why}",
            self.http.shown()
        ))
    }

    fn refused(&self, subject: &str, answer: &Answer) -> RegistryError {
        let words = reason(answer.status, Some(&answer.body));
        let message = match answer.status {
            409 => format!(
                "the schema registry {} refuses the schema as the next version of `{subject}`, which is not compatible with those before: {words}; mend the schema (`runner schema compat` says what may change), or give a new type a subject of its own",
                self.http.shown()
            ),
            _ => format!(
                "the schema registry {} does not take the schema for `{subject}`: {words}; mend the schema, or register what it refers to first",
                self.http.shown()
            ),
        };
        RegistryError::new(ErrorKind::Refused, message)
    }
}

fn code(answer: &Answer) -> u64 {
    answer.body.get("error_code").and_then(Value::as_u64).unwrap_or_default()
}

fn is_good(answer: &Answer) -> bool {
    (200..300).contains(&answer.status)
}

impl Shelf for Client {
    fn by_id(&self, id: u32) -> Result<Registered, RegistryError> {
        let answer = self.http.get(&format!("/schemas/ids/{id}"))?;
        let what = format!("schema {id}");
        if answer.status == 404 {
            return Err(self.unknown(&what, "the event is from elsewhere, or its schema was deleted"));
        }
        if !is_good(&answer) {
            return Err(self.odd(&what, &answer));
        }
        json::schema(&answer.body).map_err(|why| self.unreadable(&what, &why))
    }

    fn entry(&self, subject: &str, wanted: Wanted) -> Result<Entry, RegistryError> {
        let (version, what) = match wanted {
            Wanted::Latest => ("latest".to_owned(), format!("a version of `{subject}`")),
            Wanted::Number(number) => (number.to_string(), format!("version {number} of `{subject}`")),
        };
        let answer = self.http.get(&format!("/subjects/{}/versions/{version}", segment(subject)))?;
        match (answer.status, code(&answer)) {
            (404, NO_SUBJECT) => Err(self.no_subject(subject)),
            (404, _) => Err(self.unknown(&what, "its versions are told by `runner schema pull`")),
            _ if is_good(&answer) => json::entry(&answer.body).map_err(|why| self.unreadable(&what, &why)),
            _ => Err(self.odd(&what, &answer)),
        }
    }

    fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        let answer = self.http.get(&format!("/subjects/{}/versions", segment(subject)))?;
        let what = format!("the versions of `{subject}`");
        if answer.status == 404 {
            return Err(self.no_subject(subject));
        }
        let items = answer.body.as_array().filter(|_| is_good(&answer)).ok_or_else(|| self.odd(&what, &answer))?;
        let mut numbers = Vec::with_capacity(items.len());
        for item in items {
            let number = item.as_u64().and_then(|number| u32::try_from(number).ok());
            numbers.push(number.ok_or_else(|| self.unreadable(&what, "one is no number"))?);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn lookup(&self, subject: &str, schema: &Registered) -> Result<Option<Entry>, RegistryError> {
        let answer = self.http.post(&format!("/subjects/{}", segment(subject)), &json::of_schema(schema).into())?;
        let what = format!("a schema of `{subject}`");
        match (answer.status, code(&answer)) {
            (404, NO_SUBJECT | NO_VERSION | NO_SCHEMA) => Ok(None),
            (422, _) => Err(self.refused(subject, &answer)),
            _ if is_good(&answer) => json::entry(&answer.body).map(Some).map_err(|why| self.unreadable(&what, &why)),
            _ => Err(self.odd(&what, &answer)),
        }
    }

    fn register(&self, subject: &str, schema: &Registered) -> Result<u32, RegistryError> {
        let path = format!("/subjects/{}/versions", segment(subject));
        let answer = self.http.post(&path, &json::of_schema(schema).into())?;
        if matches!(answer.status, 409 | 422) {
            return Err(self.refused(subject, &answer));
        }
        if !is_good(&answer) {
            return Err(self.odd(&format!("a new version of `{subject}`"), &answer));
        }
        json::number(&answer.body, "id").map_err(|why| self.unreadable("a new schema", &why))
    }

    fn check(&self, subject: &str, schema: &Registered) -> Result<Verdict, RegistryError> {
        let path = format!("/compatibility/subjects/{}/versions?verbose=true", segment(subject));
        let answer = self.http.post(&path, &json::of_schema(schema).into())?;
        match answer.status {
            // The first version of a subject is compatible with all before.
            404 => return Ok(Verdict { is_compatible: true, reasons: Vec::new() }),
            422 => return Err(self.refused(subject, &answer)),
            _ => {}
        }
        let verdict = answer.body.get("is_compatible").and_then(Value::as_bool).filter(|_| is_good(&answer));
        let is_compatible = verdict.ok_or_else(|| self.odd(&format!("the compatibility with `{subject}`"), &answer))?;
        let messages = answer.body.get("messages").and_then(Value::as_array).into_iter().flatten();
        let reasons = messages.filter_map(Value::as_str).map(super::error::plain).collect();
        Ok(Verdict { is_compatible, reasons })
    }

    fn level(&self, subject: &str) -> Result<String, RegistryError> {
        let mut answer = self.http.get(&format!("/config/{}?defaultToGlobal=true", segment(subject)))?;
        if answer.status == 404 && matches!(code(&answer), NO_SUBJECT | NO_LEVEL) {
            answer = self.http.get("/config")?;
        }
        let level = answer.body.get("compatibilityLevel").and_then(Value::as_str).filter(|_| is_good(&answer));
        level.map(super::error::plain).ok_or_else(|| self.odd(&format!("the compatibility of `{subject}`"), &answer))
    }
}

impl Client {
    fn no_subject(&self, subject: &str) -> RegistryError {
        let way_out = format!("register it (`runner schema register FILE --subject {subject}`), or check its name");
        self.unknown(&format!("subject `{subject}`"), &way_out)
    }
}
