//! Schema registries: where schemas are kept by subject and version, and by the number that stands in front of each event.
//!
//! A registry is a server with the REST API of the Confluent Schema Registry, or a folder. A server's answers are kept on disk, so that
//! one that is away stops nobody who has asked before.

#[cfg(feature = "schemas")]
mod cache;
#[cfg(feature = "schemas")]
mod client;
mod disk;
mod error;
mod folder;
#[cfg(feature = "schemas")]
mod http;
mod index;
#[cfg_attr(not(feature = "schemas"), allow(dead_code, reason = "what servers say"))]
mod json;
mod known;
mod references;
mod settings;
#[cfg(all(test, feature = "schemas"))]
mod tests;

use std::fmt;
use std::sync::Arc;

use super::{Definition, Language, Reference};

pub use self::error::{ErrorKind, RegistryError};
pub use self::known::{Known, Publication};
pub use self::settings::{Credential, Login, Place, Settings, Tls};

/// A schema as a registry keeps it: its text, and what it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    pub language: Language,
    pub text: Arc<str>,
    pub links: Vec<Link>,
}

/// What a schema refers to: the name that it uses, and where that is in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    pub subject: String,
    pub version: u32,
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub subject: String,
    pub version: u32,
    /// The number by which events name the schema.
    pub id: u32,
    pub schema: Registered,
}

/// Which version of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Latest,
    Number(u32),
}

/// A schema with the texts of all that it refers to, each behind those that it refers to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    pub language: Language,
    pub text: Arc<str>,
    pub references: Vec<Reference>,
}

/// What a registry says of a candidate for the next version of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub is_compatible: bool,
    /// Why it is not, in the registry's words. Some registries give none.
    pub reasons: Vec<String>,
}

/// What every kind of registry can do. Calls wait for the disk or the network.
trait Shelf: Send + Sync {
    fn by_id(&self, id: u32) -> Result<Registered, RegistryError>;
    fn entry(&self, subject: &str, wanted: Wanted) -> Result<Entry, RegistryError>;
    fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError>;
    /// Where the subject has this schema; `None`: nowhere.
    fn lookup(&self, subject: &str, schema: &Registered) -> Result<Option<Entry>, RegistryError>;
    /// Makes it the subject's next version, where it is none yet, and gives its number.
    fn register(&self, subject: &str, schema: &Registered) -> Result<u32, RegistryError>;
    fn check(&self, subject: &str, schema: &Registered) -> Result<Verdict, RegistryError>;
    /// The compatibility that a subject's versions must have, as registries call it: `BACKWARD`.
    fn level(&self, subject: &str) -> Result<String, RegistryError>;
    /// What there is to tell since the last call.
    fn take_notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A registry. Its calls wait for the disk or the network: an answer takes at most a few times `Settings::timeout`.
pub struct Registry {
    shelf: Box<dyn Shelf>,
    shown: String,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.shown).finish()
    }
}

impl Registry {
    /// A registry that is ready to be asked. Nothing is connected yet.
    pub fn open(settings: &Settings) -> Result<Registry, RegistryError> {
        let shelf: Box<dyn Shelf> = match &settings.place {
            Place::Folder(folder) => Box::new(folder::Folder::new(folder)),
            #[cfg(feature = "schemas")]
            Place::Url(url) => {
                let client = client::Client::new(url, settings)?;
                match &settings.cache {
                    Some(folder) => Box::new(cache::Cached::new(client, folder, url, settings.place.shown())),
                    None => Box::new(client),
                }
            }
            #[cfg(not(feature = "schemas"))]
            Place::Url(_) => {
                return Err(RegistryError::broken(
                    "this program was built without its client of schema registries: build it with its feature `schemas`, which is on by default, or name a folder",
                ));
            }
        };
        Ok(Registry { shelf, shown: settings.place.shown() })
    }

    /// Its address, without a login.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The schema of a number, with all that it refers to.
    pub fn schema(&self, id: u32) -> Result<Resolved, RegistryError> {
        self.resolve(&self.shelf.by_id(id)?)
    }

    /// A version of a subject.
    pub fn entry(&self, subject: &str, wanted: Wanted) -> Result<Entry, RegistryError> {
        self.shelf.entry(subject, wanted)
    }

    /// The numbers of a subject's versions, ascending.
    pub fn versions(&self, subject: &str) -> Result<Vec<u32>, RegistryError> {
        self.shelf.versions(subject)
    }

    /// Fetches all that a schema refers to.
    pub fn resolve(&self, schema: &Registered) -> Result<Resolved, RegistryError> {
        references::resolve(schema, &|link| {
            self.shelf.entry(&link.subject, Wanted::Number(link.version)).map(|entry| entry.schema)
        })
    }

    /// The schema of a definition from a file, with links to the files that it imports: each is a version of the subject of its name.
    /// `register`: those that are none are made one.
    pub fn with_imports(&self, definition: &Definition, register: bool) -> Result<Registered, RegistryError> {
        references::with_imports(self, definition, register)
    }

    /// The version of the subject that is this very schema, if there is one.
    pub fn lookup(&self, subject: &str, schema: &Registered) -> Result<Option<Entry>, RegistryError> {
        self.shelf.lookup(subject, schema)
    }

    /// Makes the schema the subject's next version, unless it has it already, and gives the number of the schema. A refusal has the
    /// registry's reasons.
    pub fn register(&self, subject: &str, schema: &Registered) -> Result<u32, RegistryError> {
        self.shelf.register(subject, schema)
    }

    /// Whether the registry would take the schema as the subject's next version.
    pub fn check(&self, subject: &str, schema: &Registered) -> Result<Verdict, RegistryError> {
        self.shelf.check(subject, schema)
    }

    /// The compatibility that the subject's versions must have: `BACKWARD`, ...
    pub fn level(&self, subject: &str) -> Result<String, RegistryError> {
        self.shelf.level(subject)
    }

    /// What there is to tell the user since the last call: that an answer is an old one, as the registry is away.
    pub fn take_notes(&self) -> Vec<String> {
        self.shelf.take_notes()
    }
}
