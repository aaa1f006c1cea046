//! What only one node of a topology can use: the files that sinks write, standard input and output. Pure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::connectors;
use crate::diagnostic::{Diagnostics, Span, codes};
use crate::spec::{NodeHead, TopologySpec};

use super::Work;
use super::build::dead_letter_path;

/// What a node uses, as its connector tells it.
pub(super) struct Uses {
    pub id: String,
    pub span: Span,
    pub is_sink: bool,
    /// No node, but the topology's own files.
    pub is_topology: bool,
    /// What nobody else may use.
    pub exclusive: Option<String>,
    /// Files that nobody may write.
    pub reads: Vec<PathBuf>,
}

impl Uses {
    fn name(&self) -> String {
        if self.is_topology { "the topology itself".to_string() } else { format!("`{}`", self.id) }
    }
}

/// Reports nodes that would get in each other's way. Paths below `folder` are told from there.
pub(super) fn report(nodes: &[Uses], folder: &Path, diagnostics: &mut Diagnostics) {
    let shown = |path: &str| Path::new(path).strip_prefix(folder).unwrap_or(Path::new(path)).display().to_string();
    let mut first: HashMap<&str, &Uses> = HashMap::new();
    for node in nodes {
        let Some(what) = &node.exclusive else { continue };
        let Some(other) = first.insert(what, node) else { continue };
        let (code, help) = match node.is_sink {
            true if what.contains('/') => {
                (&codes::SAME_FILE, "let one sink read both (`from: [a, b]`), or write two files")
            }
            true => (&codes::USED_TWICE, "let one sink read both: `from: [a, b]`"),
            false => (&codes::USED_TWICE, "let several stages read one source"),
        };
        diagnostics
            .error(code, node.span, format!("`{}` and `{}` both use {}", other.id, node.id, shown(what)))
            .also(other.span, format!("`{}` uses it here", other.id))
            .help(help);
    }
    let read = nodes.iter().flat_map(|node| node.reads.iter().map(move |path| (node, path.display().to_string())));
    for (reader, path) in read {
        let Some(writer) = first.get(path.as_str()).filter(|node| node.is_sink) else { continue };
        let error = diagnostics.error(
            &codes::SINK_READS_SOURCE,
            writer.span,
            format!("`{}` writes {}, which {} reads", writer.id, shown(&path), reader.name()),
        );
        let error = match reader.is_topology {
            true => error,
            false => error.also(reader.span, format!("`{}` reads it here", reader.id)),
        };
        error.help("write another file; to change a file in place, write a new one and rename it after the run");
    }
}

/// What the connectors of these nodes use.
pub(super) fn uses<'a>(spec: &TopologySpec, parts: impl Iterator<Item = (&'a NodeHead, &'a Work)>) -> Vec<Uses> {
    let of = |(head, work): (&NodeHead, &Work)| {
        let (span, is_sink, exclusive, reads) = match work {
            Work::Source(node) => {
                (spec.sources.get(&head.id)?.config.span, false, node.plan.exclusive(), node.plan.reads())
            }
            Work::Sink(node) => (spec.sinks.get(&head.id)?.config.span, true, node.plan.exclusive(), Vec::new()),
            Work::Stage(_) => return None,
        };
        Some(Uses { id: head.id.clone(), span, is_sink, is_topology: false, exclusive, reads })
    };
    let letters = Uses {
        id: "dead_letters".to_string(),
        span: spec.dead_letters.span,
        is_sink: true,
        is_topology: false,
        exclusive: Some(connectors::comparable(&dead_letter_path(spec)).display().to_string()),
        reads: Vec::new(),
    };
    parts.filter_map(of).chain([letters, own_files(spec)]).collect()
}

/// The files that the topology itself is made of: a sink that wrote one would destroy it.
fn own_files(spec: &TopologySpec) -> Uses {
    let files = spec.functions.iter().map(|file| file.path.as_path());
    let files = files.chain(spec.schemas.values().filter_map(|schema| schema.path.as_deref()));
    let tables = spec.stages.values().filter(|stage| stage.kind.name == "enrich");
    let tables = tables.filter_map(|stage| stage.config.section_opt("table")?.section_opt("file")?.path_opt("path"));
    Uses {
        id: spec.name.clone(),
        span: Span::of_file(spec.file),
        is_sink: false,
        is_topology: true,
        exclusive: None,
        reads: [spec.path.as_path()].into_iter().chain(files).chain(tables).map(connectors::comparable).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(id: &str, is_sink: bool, exclusive: Option<&str>, reads: &[&str]) -> Uses {
        let reads = reads.iter().map(PathBuf::from).collect();
        Uses {
            id: id.to_string(),
            span: Span::NONE,
            is_sink,
            is_topology: false,
            exclusive: exclusive.map(str::to_string),
            reads,
        }
    }

    #[test]
    fn each_pair_in_conflict_is_reported() {
        let mut diagnostics = Diagnostics::new();
        let nodes = [
            uses("in", false, Some("standard input"), &[]),
            uses("again", false, Some("standard input"), &[]),
            uses("card", false, None, &["/d/a.jsonl", "/d/b.jsonl"]),
            uses("card2", false, None, &["/d/a.jsonl"]),
            uses("one", true, Some("/d/out.jsonl"), &[]),
            uses("two", true, Some("/d/out.jsonl"), &[]),
            uses("loop", true, Some("/d/b.jsonl"), &[]),
            uses("free", true, None, &[]),
        ];
        report(&nodes, Path::new("/d"), &mut diagnostics);
        let found: Vec<&str> = diagnostics.found().iter().map(|found| found.code.id).collect();
        assert_eq!(found, ["used-twice", "same-file", "file-read-and-written"]);
        assert!(diagnostics.found()[2].message.contains("`loop` writes b.jsonl, which `card` reads"));
    }
}
