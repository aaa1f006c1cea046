//! The registry that a topology names: what its section says, and what is read from it while the topology is planned.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostic::{Diagnostics, Span, codes};
use crate::event::packed::Numbering;
use crate::schema::registry::{
    Credential, Entry, ErrorKind, Known, Login, Place, Publication, Registry, RegistryError, Settings, Tls, Wanted,
};
use crate::schema::{Definition, EventType};
use crate::spec::{SchemaRef, SecretRef, Section, TopologySpec};

use super::instead::Instead;
use super::schemas;

/// Where answers are kept unless the file says so: in the folder beside it where the runner keeps what it needs.
const CACHE: &str = ".runner/schemas";

/// What a topology's schemas are read with.
pub(super) struct Schemas<'a> {
    pub topology: &'a TopologySpec,
    /// None: the topology names no registry, or none that can be used, which was reported.
    pub registry: Option<Arc<Registry>>,
    /// What its numbers stand for, for all sources.
    pub known: Option<Arc<Known>>,
    /// A schema that takes the place of another one.
    pub instead: Option<&'a Instead>,
    /// Subjects that were fetched, with what they were: none where that was reported.
    fetched: Vec<(String, Wanted, Option<Entry>)>,
}

/// What the `registry` of a topology says, if it has one.
pub fn registry_settings(topology: &TopologySpec) -> Option<Settings> {
    let section = topology.registry.as_ref().filter(|section| !section.broken)?;
    let place = match (section.text_opt("url"), section.path_opt("folder")) {
        (Some(url), _) => Place::Url(url.to_owned()),
        (None, Some(folder)) => Place::Folder(folder.to_path_buf()),
        (None, None) => return None,
    };
    let path = |section: &Section, key| section.path_opt(key).map(Path::to_path_buf);
    let tls =
        section.section_opt("tls").map(|tls| Tls { ca: path(tls, "ca"), own: path(tls, "cert").zip(path(tls, "key")) });
    Some(Settings {
        place,
        login: section.section_opt("auth").map_or(Login::None, login),
        tls: tls.unwrap_or_default(),
        cache: Some(path(section, "cache").unwrap_or_else(|| topology.dir.join(CACHE))),
        timeout: section.duration("timeout"),
    })
}

fn login(auth: &Section) -> Login {
    let credential = |secret: &SecretRef| {
        let secret = secret.clone();
        Credential::new(move || secret.read().map(|secret| secret.reveal().to_owned()))
    };
    match (auth.text_opt("user"), auth.secret_opt("password"), auth.secret_opt("token")) {
        (Some(user), Some(password), _) => Login::Basic { user: user.to_owned(), password: credential(password) },
        (_, _, Some(token)) => Login::Bearer(credential(token)),
        // The table demands one of them.
        _ => Login::None,
    }
}

impl<'a> Schemas<'a> {
    /// Opens the registry, if there is one. Nothing is asked yet.
    pub fn new(topology: &'a TopologySpec, instead: Option<&'a Instead>, diagnostics: &mut Diagnostics) -> Schemas<'a> {
        let none = Schemas { topology, registry: None, known: None, instead, fetched: Vec::new() };
        let (Some(section), Some(settings)) = (&topology.registry, registry_settings(topology)) else { return none };
        if let Err((why, help)) = settings.place.check() {
            // There may be a login in it.
            let span = section.span_of("url");
            diagnostics.hide(span);
            diagnostics.error(&codes::BAD_VALUE, span, why).help(help);
            return none;
        }
        match Registry::open(&settings) {
            Ok(registry) => {
                let registry = Arc::new(registry);
                Schemas { known: Some(Arc::new(Known::new(registry.clone()))), registry: Some(registry), ..none }
            }
            Err(error) => {
                diagnostics.error(&codes::REGISTRY, section.span, error.message);
                none
            }
        }
    }

    /// Reads a version of an event type that the registry has: the one asked for at a place, else the one that `schemas` says, else the
    /// newest.
    pub fn fetch(
        &mut self,
        reference: &SchemaRef,
        subject: &str,
        version: Option<(u32, Span)>,
        diagnostics: &mut Diagnostics,
    ) -> Option<EventType> {
        let (number, span) = match version {
            Some((number, span)) => (Some(number), span),
            None => (reference.version, reference.span),
        };
        let Some(registry) = self.registry.clone() else {
            if self.topology.registry.is_none() {
                let message = format!("`subject: {subject}` needs a `registry` to read it from");
                let report = diagnostics.error(&codes::NEEDS_KEY, reference.span, message);
                report.help("add `registry: { url: \"http://127.0.0.1:8081\" }` to the file, or name the schema's file with `path`");
            }
            return None;
        };
        let wanted = number.map_or(Wanted::Latest, Wanted::Number);
        let known = self.fetched.iter().find(|(name, which, _)| name == subject && *which == wanted);
        let entry = match known {
            Some((_, _, entry)) => entry.clone()?,
            None => {
                let entry = registry.entry(subject, wanted);
                self.tell_notes(diagnostics);
                let entry = entry.map_err(|error| report(&error, span, diagnostics)).ok();
                self.fetched.push((subject.to_owned(), wanted, entry.clone()));
                entry?
            }
        };
        let resolved = registry.resolve(&entry.schema).map_err(|error| report(&error, span, diagnostics)).ok()?;
        let message = reference.message.as_deref();
        let parsed = Definition::parse(resolved.language, &resolved.text, message, &resolved.references);
        let name = format!("version {} of `{subject}` in {}", entry.version, registry.shown());
        let definition = parsed.map_err(|why| schemas::report(why, &name, reference.span, diagnostics)).ok()?;
        Some(EventType { version: Some(entry.version), definition, others: Vec::new() })
    }

    /// The number that events of a sink stand behind: of this very version in the registry, or of the file's text under the type's subject.
    /// `None`: that was reported.
    pub fn publication(
        &self,
        common: &Section,
        event_type: &EventType,
        diagnostics: &mut Diagnostics,
    ) -> Option<Arc<dyn Numbering>> {
        let registry = self.registry.clone()?;
        let name = common.text_opt("schema")?;
        let reference = self.topology.schemas.get(name.split('@').next().unwrap_or(name))?;
        let subject = reference.subject.as_deref().or(event_type.definition.full_name());
        let Some(subject) = subject.map(str::to_owned) else {
            let message = format!(
                "the schema of `{name}` gives itself no name, so that its subject in the registry is not known"
            );
            let report = diagnostics.error(&codes::NEEDS_KEY, common.span_of("schema"), message);
            report
                .help("say more of the type: `schemas: { Payment: { path: payment.json, subject: payments-value } }`");
            return None;
        };
        let fetched = self.fetched.iter().filter_map(|(_, _, entry)| entry.as_ref());
        let fetched = fetched.filter(|_| reference.path.is_none());
        let known =
            fetched.into_iter().find(|entry| entry.subject == subject && Some(entry.version) == event_type.version);
        if let Some(entry) = known {
            return Some(Arc::new(entry.id));
        }
        let definition = event_type.definition.clone();
        Some(Arc::new(Publication::new(registry, subject, definition, common.bool("register"))))
    }

    /// Warns of what the registry could not answer as it should.
    pub fn tell_notes(&self, diagnostics: &mut Diagnostics) {
        let (Some(registry), Some(section)) = (&self.registry, &self.topology.registry) else { return };
        for note in registry.take_notes() {
            diagnostics.warning(&codes::REGISTRY_AWAY, section.span, note);
        }
    }
}

fn report(error: &RegistryError, span: Span, diagnostics: &mut Diagnostics) {
    let code = if error.kind == ErrorKind::Unknown { &codes::UNKNOWN_SCHEMA } else { &codes::REGISTRY };
    let report = diagnostics.error(code, span, error.message.clone());
    if error.is_away() {
        report.help("once it has answered, what it said is kept, and it may be away");
    }
}
