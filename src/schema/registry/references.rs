//! What a schema refers to. Fetched, it is bounded in number, depth and bytes, and refused where it goes in a circle; files that a schema
//! imports become subjects of their own.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::{REFERENCE_DEPTH_MAX, REFERENCES_BYTES_MAX, REFERENCES_MAX};
use crate::schema::Definition;

use super::{Link, Reference, Registered, Registry, RegistryError, Resolved};

type Fetch<'a> = &'a dyn Fn(&Link) -> Result<Registered, RegistryError>;

/// Fetches everything that the schema refers to, directly or not. What is referred to comes before what refers to it.
pub(super) fn resolve(schema: &Registered, fetch: Fetch<'_>) -> Result<Resolved, RegistryError> {
    let mut walk = Walk { fetch, way: Vec::new(), found: HashMap::new(), references: Vec::new(), bytes: 0 };
    walk.follow(schema)?;
    Ok(Resolved { language: schema.language, text: schema.text.clone(), references: walk.references })
}

struct Walk<'a> {
    fetch: Fetch<'a>,
    /// From the schema to what is being followed now: subject and version.
    way: Vec<(String, u32)>,
    /// Which subject and version a name stands for.
    found: HashMap<String, (String, u32)>,
    references: Vec<Reference>,
    bytes: usize,
}

impl Walk<'_> {
    fn follow(&mut self, schema: &Registered) -> Result<(), RegistryError> {
        for link in &schema.links {
            let Link { name, subject, version } = link;
            let target = (subject.clone(), *version);
            if self.way.contains(&target) {
                return Err(RegistryError::unusable(format!(
                    "the schema refers to version {version} of `{subject}`, which refers back to itself; register a version without the circle"
                )));
            }
            match self.found.get(name) {
                Some(known) if *known == target => continue,
                Some((other, number)) => {
                    return Err(RegistryError::unusable(format!(
                        "what the schema refers to calls both version {number} of `{other}` and version {version} of `{subject}` by the name `{name}`; let all agree on one"
                    )));
                }
                None => {}
            }
            if self.way.len() == REFERENCE_DEPTH_MAX {
                return Err(too_many(format!("more than {REFERENCE_DEPTH_MAX} deep")));
            }
            if self.found.len() == REFERENCES_MAX {
                return Err(too_many(format!("to more than {REFERENCES_MAX} others")));
            }
            self.found.insert(name.clone(), target.clone());
            let found = (self.fetch)(link).map_err(|error| RegistryError {
                message: format!("`{name}`, which the schema refers to: {}", error.message),
                ..error
            })?;
            self.bytes += found.text.len();
            if self.bytes > REFERENCES_BYTES_MAX {
                return Err(too_many(format!("to more than {REFERENCES_BYTES_MAX} bytes of others")));
            }
            self.way.push(target);
            self.follow(&found)?;
            self.way.pop();
            self.references.push(Reference { name: name.clone(), text: found.text });
        }
        Ok(())
    }
}

/// The schema of a definition from a file, with links to what it imports: each import is a version of the subject that has its name, as
/// Confluent's serializers have it. `register`: those that are none are made one.
pub(super) fn with_imports(
    registry: &Registry,
    definition: &Definition,
    register: bool,
) -> Result<Registered, RegistryError> {
    let plain = |text: &Arc<str>, links| Registered { language: definition.language(), text: text.clone(), links };
    let Definition::Protobuf(schema) = definition else { return Ok(plain(definition.text(), Vec::new())) };
    let mut known: Vec<Link> = Vec::new();
    let links = |known: &[Link], names: &[Arc<str>]| {
        known.iter().filter(|link| names.iter().any(|name| **name == *link.name)).cloned().collect()
    };
    for import in &schema.model.imports {
        let subject = import.name.to_string();
        let imported = plain(&import.text, links(&known, &import.imported));
        if register {
            registry.register(&subject, &imported)?;
        }
        let entry = registry.lookup(&subject, &imported)?.ok_or_else(|| {
            RegistryError::unknown(format!(
                "the schema imports `{subject}`, which the schema registry {} has in no version of the subject `{subject}`: register it (`runner schema register`)",
                registry.shown()
            ))
        })?;
        known.push(Link { name: subject.clone(), subject, version: entry.version });
    }
    Ok(plain(&schema.text, links(&known, &schema.model.imported)))
}

fn too_many(what: String) -> RegistryError {
    RegistryError::unusable(format!(
        "the schema refers {what}, which is the limit; put what belongs together into one schema"
    ))
}
