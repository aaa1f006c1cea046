//! The numbers that events name: what a registry has said that they stand for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::event::packed::{Numbered, Numbering};
use crate::limits::REGISTRY_NUMBERS_MAX;
use crate::schema::Definition;

use super::{ErrorKind, Registry, RegistryError, Resolved};

/// Schemas by number, as far as they were asked for. The sources of a topology share it.
pub struct Known {
    registry: Arc<Registry>,
    found: Mutex<HashMap<u32, Result<Arc<Resolved>, String>>>,
}

impl Known {
    /// Nothing is known of the registry's numbers yet.
    pub fn new(registry: Arc<Registry>) -> Known {
        Known { registry, found: Mutex::default() }
    }

    /// The schema of a number that was asked for. `Err`: why there is none, for people.
    pub fn resolved(&self, id: u32) -> Result<Arc<Resolved>, String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        found.unwrap_or_else(|| {
            Err(format!("schema {id} could not be asked for: the schema registry {} was away", self.registry.shown()))
        })
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Known").field(&self.registry).finish()
    }
}

impl Numbered for Known {
    fn is_known(&self, id: u32) -> bool {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id)
    }

    fn learn(&self, id: u32) -> Result<(), String> {
        if self.is_known(id) {
            return Ok(());
        }
        // Without the lock: this may take a while.
        let answer = match self.registry.schema(id) {
            Ok(schema) => Ok(Arc::new(schema)),
            Err(error) => match error.kind {
                ErrorKind::Unknown | ErrorKind::Refused | ErrorKind::Unusable => Err(error.message),
                // Nothing is wrong with the number. A login that is refused is most likely mended, not meant.
                ErrorKind::Away | ErrorKind::Denied | ErrorKind::Broken => return Err(error.message),
            },
        };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= REGISTRY_NUMBERS_MAX {
            // What stands for nothing is forgotten first: decoders do not remember it, and can do without.
            found.retain(|_, answer| answer.is_ok());
        }
        if found.len() >= REGISTRY_NUMBERS_MAX {
            found.clear();
        }
        found.insert(id, answer);
        Ok(())
    }

    fn forget_missing(&self) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, answer| answer.is_ok());
    }

    fn take_notes(&self) -> Vec<String> {
        self.registry.take_notes()
    }
}

/// What a sink writes with, and how a registry knows it.
#[derive(Debug)]
pub struct Publication {
    registry: Arc<Registry>,
    subject: String,
    definition: Definition,
    /// Whether it is to be made a version of the subject where it is none.
    register: bool,
    number: OnceLock<u32>,
}

impl Publication {
    /// Of a definition from a file.
    pub fn new(registry: Arc<Registry>, subject: String, definition: Definition, register: bool) -> Publication {
        Publication { registry, subject, definition, register, number: OnceLock::new() }
    }

    fn ask(&self) -> Result<u32, RegistryError> {
        let schema = self.registry.with_imports(&self.definition, self.register)?;
        if self.register {
            return self.registry.register(&self.subject, &schema);
        }
        let entry = self.registry.lookup(&self.subject, &schema)?.ok_or_else(|| {
            RegistryError::unknown(format!(
                "the schema registry {} has this schema in no version of `{}`: register it (`runner schema register`), or let the sink do that with `register: true`",
                self.registry.shown(),
                self.subject
            ))
        })?;
        Ok(entry.id)
    }
}

impl Numbering for Publication {
    fn number(&self) -> Result<u32, String> {
        if let Some(number) = self.number.get() {
            return Ok(*number);
        }
        let number = self.ask().map_err(|error| error.message)?;
        Ok(*self.number.get_or_init(|| number))
    }
}
