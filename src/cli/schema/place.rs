//! `--registry`: a server, a folder, or the registry that a topology names, with its login.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::diagnostic::Diagnostics;
use crate::schema::registry::{Login, Place, Registry, RegistryError, Settings, Tls};
use crate::{plan, spec};

use super::super::{Exit, load};

/// The variable that is used where no `--registry` is given.
const VARIABLE: &str = "RUNNER_REGISTRY";
/// How long a server may take for one answer, where no topology says it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Which registry.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// The registry: a URL, a folder, or a topology (`.yaml`) that names one and how to log in [default: $RUNNER_REGISTRY].
    #[arg(long, value_name = "URL|DIR|FILE")]
    registry: Option<String>,
}

impl PlaceArgs {
    /// Opens the registry. `Err`: that was told.
    pub fn open(&self) -> Result<Registry, Exit> {
        let given = self.registry.clone().or_else(|| std::env::var(VARIABLE).ok().filter(|place| !place.is_empty()));
        let Some(given) = given else {
            eprintln!("error: no registry is named: give `--registry URL`, a folder, or a topology that names one");
            return Err(Exit::Usage);
        };
        let settings = settings(&given)?;
        if let Err((why, help)) = settings.place.check() {
            eprintln!("error: {why}\n  = help: {help}");
            return Err(Exit::Usage);
        }
        Registry::open(&settings).map_err(|error| failed(&error))
    }
}

fn settings(given: &str) -> Result<Settings, Exit> {
    let place = if given.contains("://") { Place::Url(given.to_owned()) } else { Place::Folder(PathBuf::from(given)) };
    if !matches!(Path::new(given).extension().and_then(|ending| ending.to_str()), Some("yaml" | "yml")) {
        return Ok(Settings { place, login: Login::None, tls: Tls::default(), cache: None, timeout: TIMEOUT });
    }
    let mut diagnostics = Diagnostics::new();
    let env = |name: &str| std::env::var(name).ok();
    let outside = spec::Settings { set: &[], env: &env };
    let topology = spec::read_file(Path::new(given), &plan::CATALOG, outside, &mut diagnostics);
    if diagnostics.has_errors() {
        load::report(&diagnostics);
        return Err(Exit::Invalid);
    }
    topology.and_then(|topology| plan::registry_settings(&topology)).ok_or_else(|| {
        eprintln!("error: {given} names no registry\n  = help: add `registry: {{ url: \"http://127.0.0.1:8081\" }}` to it, or give the URL");
        Exit::Invalid
    })
}

/// Tells why a registry did not do what it was asked.
pub(super) fn failed(error: &RegistryError) -> Exit {
    eprintln!("error: {error}");
    Exit::Failed
}

/// Tells what there is to tell of the last answers.
pub(super) fn tell_notes(registry: &Registry) {
    registry.take_notes().iter().for_each(|note| eprintln!("warning: {note}"));
}
