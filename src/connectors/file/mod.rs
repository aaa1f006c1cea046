//! Files: lines of JSON, CSV or text, read once or followed, written whole.

mod begin;
mod claims;
mod compression;
mod follow;
mod input;
mod ledger;
mod notes;
mod output;
mod packing;
mod position;
mod rotate;
mod sink;
mod sink_plan;
mod source;

pub use claims::Claims;
pub use ledger::Kept;
pub use output::{Output, failed};

use super::{SinkKind, SourceKind};
use crate::spec::{Choice, Key, Rule, Table, Type};

pub static SOURCE: Table = Table::new(
    "file",
    "Reads files line by line, one after the other in the order of their names. Files do not change while they are read, unless they \
     are followed: then lines are read as they are added, also when a file is emptied, renamed, or replaced by a new one. A run that goes \
     on from a checkpoint knows each file by its number and its first bytes, whatever rotation has called it meanwhile; one that was \
     replaced or emptied is read from its start, and a warning says so.",
    &[
        Key::new("path", Type::Glob, "The file, or a pattern of several: `*`, `?`, `[a-z]`, `**`.").required().example("data/card-*.jsonl"),
        Key::new("follow", Type::Bool, "Go on when the end is reached: wait for more lines and more files.").default("false"),
        Key::new("compression", Type::Choice(COMPRESSION), "How the file is compressed.").default("auto"),
    ],
)
.example("card:\n  file: { path: data/card.jsonl }\n  time: event.timestamp\n");

pub static SINK: Table = Table::new(
    "file",
    "Writes lines to files, whole ones only. A path with `{{ expr }}` writes a file for each value; folders are made. A run that goes on \
     from a checkpoint cuts each file back to what that has of it, and takes back what came after: files that were made are removed, \
     and files that were added to have their old length, which is noted in the state before the first line is written.",
    &[
        Key::new(
            "path",
            Type::Template,
            "The file. A value in it may not be empty, `.` or `..`, nor have a `/` or `\\` in it.",
        )
        .required()
        .example("out/{{ event.day }}.jsonl"),
        Key::new(
            "mode",
            Type::Choice(&[
                Choice::new("replace", "a run starts with an empty file, which takes the old one's place"),
                Choice::new("append", "a run adds to what is there"),
            ]),
            "What happens to a file that is already there when the run begins. A sink that comes later, with a reload or while the run was \
             interrupted, and one that goes elsewhere, adds to what is there.",
        )
        .default("replace"),
        Key::new("rotate", Type::Section(&ROTATE), "When to go on in a next file: the files are numbered from the first, `name-000001.jsonl`, so that they sort in order.")
            .example("{ size: 100MiB }"),
        Key::new("compression", Type::Choice(COMPRESSION), "How the file is compressed.").default("auto"),
        Key::new(
            "open_max",
            Type::Int { min: 1, max: 4096 },
            "Files that are open at once, where the path has expressions.",
        )
        .default("64"),
    ],
)
.example("alerts: { from: triage.block, file: { path: out/alerts.jsonl } }\n");

pub const SOURCE_KIND: SourceKind = SourceKind { table: &SOURCE, plan: source::plan };
pub const SINK_KIND: SinkKind = SinkKind { table: &SINK, plan: sink_plan::plan };

static COMPRESSION: &[Choice] = &[
    Choice::new("auto", "by the ending: `.gz`, `.zst`, else none; a source looks at the content as well"),
    Choice::new("none", "not compressed"),
    Choice::new("gzip", "gzip; a sink writes a member of its own each time, so that the file is whole at any moment"),
    Choice::new("zstd", "Zstandard; a sink writes a frame of its own each time"),
];

static ROTATE: Table = Table::new(
    "rotate",
    "When a file is full.",
    &[
        Key::new("size", Type::Size, "Before it grows beyond this size.").example("100MiB"),
        Key::new("every", Type::Duration, "When it has been written to for this long, by the wall clock.")
            .example("1h"),
    ],
)
.rules(&[Rule::AtLeastOne(&["size", "every"])]);
