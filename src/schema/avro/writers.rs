//! The schemas that events of a source may be written with: the versions of its event type, those of a registry, and whatever a
//! container says at its head.

use std::collections::HashMap;
use std::sync::Arc;

use rapidhash::v3::rapidhash_v3;

use super::{AvroSchema, own, resolve};
use crate::event::avro::{Ends, Writer, Writers};
use crate::event::packed::Numbered;
use crate::schema::registry::Known;
use crate::schema::{Definition, SchemaError};

/// Gives schemas by the number that a registry has for them.
pub trait AvroSchemasById: Numbered {
    /// The schema of a number that was learned. `Err`: why there is none, for people.
    fn schema(&self, id: u32) -> Result<Arc<AvroSchema>, String>;
}

impl AvroSchemasById for Known {
    fn schema(&self, id: u32) -> Result<Arc<AvroSchema>, String> {
        let found = self.resolved(id)?;
        match Definition::parse(found.language, &found.text, None, &found.references) {
            Ok(Definition::Avro(schema)) => Ok(schema),
            Ok(_) => Err(format!("schema {id} of the registry is in {}, not in Avro", found.language)),
            Err(SchemaError::Broken(why) | SchemaError::Unsupported(why)) => {
                Err(format!("schema {id} of the registry is {why}"))
            }
        }
    }
}

/// The writers of one reader's schema.
#[derive(Debug)]
pub struct AvroWriters {
    reader: Arc<AvroSchema>,
    own: Arc<Writer>,
    /// By fingerprint.
    versions: HashMap<u64, Arc<AvroSchema>>,
    by_id: Option<Arc<dyn AvroSchemasById>>,
}

impl AvroWriters {
    /// Those of a source that reads `reader`; `versions` are all that are known of its event type.
    pub fn new(
        reader: Arc<AvroSchema>,
        versions: impl IntoIterator<Item = Arc<AvroSchema>>,
        by_id: Option<Arc<dyn AvroSchemasById>>,
    ) -> AvroWriters {
        let versions = versions.into_iter().chain([reader.clone()]);
        let versions = versions.map(|version| (version.fingerprint(), version)).collect();
        AvroWriters { own: Arc::new(writer(&reader, &reader)), reader, versions, by_id }
    }
}

/// What a writer's schema is to a reader's.
fn writer(writer: &AvroSchema, reader: &AvroSchema) -> Writer {
    Writer {
        reading: Arc::new(resolve(writer, reader)),
        ends: Ends::new(Arc::new(own(writer))),
        identity: writer.identity(),
        text: writer.text().clone(),
        reader: reader.identity(),
    }
}

impl Writers for AvroWriters {
    fn own(&self) -> Arc<Writer> {
        self.own.clone()
    }

    fn by_fingerprint(&self, fingerprint: u64) -> Result<Arc<Writer>, String> {
        if let Some(schema) = self.versions.get(&fingerprint) {
            return Ok(Arc::new(writer(schema, &self.reader)));
        }
        let mut known: Vec<_> = self.versions.keys().map(|known| format!("{known:016x}")).collect();
        known.sort();
        Err(format!(
            "no version of the event type has the fingerprint {fingerprint:016x}; known are {}",
            known.join(", ")
        ))
    }

    fn by_id(&self, id: u32) -> Result<Arc<Writer>, String> {
        let Some(registry) = &self.by_id else {
            return Err(format!("the event names schema {id} of a registry, and the file has no `registry`"));
        };
        Ok(Arc::new(writer(&*registry.schema(id)?, &self.reader)))
    }

    fn numbered(&self) -> Option<Arc<dyn Numbered>> {
        Some(self.by_id.clone()?)
    }

    fn by_text(&self, text: &str) -> Result<Arc<Writer>, String> {
        let schema = AvroSchema::parse(text, &[]).map_err(|error| error.to_string())?;
        Ok(Arc::new(writer(&schema, &self.reader)))
    }

    fn identity(&self) -> u64 {
        let mut versions: Vec<_> = self.versions.values().map(|version| version.identity()).collect();
        versions.sort_unstable();
        let parts: Vec<String> = versions.iter().map(|version| format!("{version:016x}")).collect();
        rapidhash_v3(format!("{:016x} of {}", self.reader.identity(), parts.join(" ")).as_bytes())
    }

    fn reader(&self) -> u64 {
        self.own.reader
    }
}
