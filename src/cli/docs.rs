//! `runner docs` and `runner schema`: what is generated from the tables of the code.

use std::path::PathBuf;

use clap::Args;

use crate::{diagnostic, event, expr, operators, plan, schema, spec};

use super::Exit;

/// What `docs` takes.
#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    /// The folder to write to.
    #[arg(long, value_name = "DIR", default_value = "docs")]
    out: PathBuf,
    /// Write nothing; fail if a file is not up to date.
    #[arg(long)]
    check: bool,
}

/// The JSON Schema of the language, as text.
pub(super) fn schema() -> String {
    let schema = spec::json_schema(&plan::CATALOG);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// Writes the generated documents, or compares them.
pub(super) fn docs(args: &DocsArgs) -> Exit {
    let pages = [
        ("language.md", spec::reference(&plan::CATALOG)),
        ("functions.md", expr::library::reference()),
        ("compiled.md", expr::coverage::reference()),
        ("aggregates.md", operators::aggregate::reference()),
        ("errors.md", diagnostic::reference()),
        ("principles.md", schema::principles::reference(&spec::principles_reference())),
        ("event-errors.md", event::codes::reference()),
    ];
    let mut stale = false;
    for (name, text) in pages {
        let path = args.out.join(name);
        if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        if args.check {
            eprintln!("error: {} is not up to date; `runner docs` writes it", path.display());
            stale = true;
        } else if let Err(error) = std::fs::create_dir_all(&args.out).and_then(|()| std::fs::write(&path, text)) {
            eprintln!("error: {} cannot be written: {error}", path.display());
            return Exit::Failed;
        } else {
            println!("wrote {}", path.display());
        }
    }
    if stale { Exit::Failed } else { Exit::Success }
}
