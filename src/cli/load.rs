//! From a path to a plan: what every command does first.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::Path;

use crate::diagnostic::{Diagnostics, Style};
use crate::plan::{self, Plan};
use crate::spec::{self, Settings};

use super::SettingsArgs;

/// A topology as far as it could be read.
pub(super) struct Loaded {
    pub plan: Option<Plan>,
    pub diagnostics: Diagnostics,
}

/// Reads, checks and plans one file.
pub(super) fn load(path: &Path, settings: &SettingsArgs) -> Loaded {
    load_in_place_of(path, path, settings)
}

/// Plans the topology as its files were: their texts as [`Plan::texts`] has them.
pub(super) fn load_as_it_was(path: &Path, texts: &[u8], settings: &SettingsArgs) -> Loaded {
    let texts: HashMap<String, String> = serde_json::from_slice(texts).unwrap_or_default();
    let dir = path.parent().unwrap_or(Path::new(""));
    let texts = texts.into_iter().map(|(name, text)| (dir.join(name).display().to_string(), text));
    planned(path, path, settings, Diagnostics::remembering(texts.collect()))
}

/// The same as if the file were the other one: what is named after the file has that one's name.
pub(super) fn load_in_place_of(other: &Path, path: &Path, settings: &SettingsArgs) -> Loaded {
    planned(other, path, settings, Diagnostics::new())
}

fn planned(other: &Path, path: &Path, settings: &SettingsArgs, mut diagnostics: Diagnostics) -> Loaded {
    let env = |name: &str| std::env::var(name).ok();
    let outside = Settings { set: &settings.set, env: &env };
    let mut spec = spec::read_file(path, &plan::CATALOG, outside, &mut diagnostics);
    if let Some(spec) = spec.as_mut().filter(|spec| spec.name == spec::name_of(path)) {
        spec.name = spec::name_of(other);
    }
    let plan = spec.as_ref().and_then(|spec| plan::plan(spec, &mut diagnostics));
    if let Some(plan) = plan.as_ref().filter(|_| settings.deny_fallback) {
        plan.deny_fallback(&mut diagnostics);
    }
    let plan = plan.filter(|_| !diagnostics.has_errors());
    Loaded { plan, diagnostics }
}

/// The name of a topology whose file can be read, whatever else is wrong with it.
pub(super) fn name(path: &Path) -> Result<String, Box<Diagnostics>> {
    let mut diagnostics = Diagnostics::new();
    let env = |name: &str| std::env::var(name).ok();
    let spec = spec::read_file(path, &plan::CATALOG, Settings { set: &[], env: &env }, &mut diagnostics);
    spec.map(|spec| spec.name).ok_or(Box::new(diagnostics))
}

/// Problems as they are printed to stdout.
pub(super) fn rendered(diagnostics: &Diagnostics) -> String {
    diagnostics.render(if std::io::stdout().is_terminal() { Style::Coloured } else { Style::Plain })
}

/// Prints problems to stderr, in colour on a terminal.
pub(super) fn report(diagnostics: &Diagnostics) {
    let style = if std::io::stderr().is_terminal() { Style::Coloured } else { Style::Plain };
    super::summary::tell(&diagnostics.render(style));
}
