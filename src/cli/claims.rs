//! What only one topology of a process can have: its name, under which its state is kept, and the files and pipes that it writes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::plan::Plan;

/// Who has what.
#[derive(Default)]
pub(super) struct Claims(Mutex<HashMap<String, PathBuf>>);

/// Gives back what a topology has when it is dropped.
pub(super) struct Claim<'a> {
    claims: &'a Claims,
    file: PathBuf,
}

impl Claims {
    /// Takes all that a topology needs for itself, or nothing.
    pub fn claim(&self, file: &Path, plan: &Plan) -> Result<Claim<'_>, String> {
        self.take(file, plan)?;
        Ok(Claim { claims: self, file: file.to_path_buf() })
    }

    fn take(&self, file: &Path, plan: &Plan) -> Result<(), String> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = needs(plan);
        let other = wanted.iter().find_map(|what| Some((what, taken.get(what).filter(|other| *other != file)?)));
        if let Some((what, other)) = other {
            return Err(format!("{what} is in use by the topology of {}", other.display()));
        }
        taken.extend(wanted.into_iter().map(|what| (what, file.to_path_buf())));
        Ok(())
    }

    fn give_back(&self, file: &Path, but: &[String]) {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.retain(|what, holder| holder != file || but.contains(what));
    }
}

impl Claim<'_> {
    /// Takes beside it what another version of the topology needs, or nothing.
    pub fn extend(&self, plan: &Plan) -> Result<(), String> {
        self.claims.take(&self.file, plan)
    }

    /// Gives back what this version does not need.
    pub fn narrow(&self, plan: &Plan) {
        self.claims.give_back(&self.file, &needs(plan));
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.give_back(&self.file, &[]);
    }
}

fn needs(plan: &Plan) -> Vec<String> {
    let sources = plan.sources().filter_map(|source| source.plan.exclusive());
    let sinks = plan.sinks().filter_map(|sink| sink.plan.exclusive());
    sources.chain(sinks).chain([format!("the name `{}`", plan.name)]).collect()
}
