//! Every example of every document is run. A fenced block `json file=NAME` or `yaml file=NAME` is a file; in a `console` block the lines
//! after `$` are commands, run by a shell in one folder a document, and the lines below are what they print. A `yaml` block
//! without a name that has `sources:` is checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{finish, runner};

#[test]
fn documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs"))
        .expect("docs are there")
        .map(|entry| entry.expect("docs are there").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        // Its examples are mistakes; each is shown by a case of `check`.
        .filter(|path| !path.ends_with("errors.md"))
        .chain([root.join("README.md")])
        .collect();
    pages.sort();
    let mut problems = Vec::new();
    for page in &pages {
        let dir = tempfile::tempdir().expect("a folder");
        for block in blocks(&fs::read_to_string(page).expect("the document is read")) {
            if let Err(problem) = try_block(dir.path(), &block) {
                problems.push(format!("{}:{}: {problem}", page.display(), block.line));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// A fenced block of a document.
struct Block {
    /// What stands after the fence.
    info: String,
    text: String,
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info: info.trim().into(), text: String::new(), line: at + 1 }),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

fn try_block(dir: &Path, block: &Block) -> Result<(), String> {
    let (language, rest) = block.info.split_once(' ').unwrap_or((&block.info, ""));
    if let Some(name) = rest.strip_prefix("file=") {
        fs::write(dir.join(name), &block.text).map_err(|error| error.to_string())?;
        return Ok(());
    }
    match language {
        "console" => console(dir, &block.text),
        "yaml" if block.text.lines().any(|line| line == "sources:") => {
            fs::write(dir.join("checked.yaml"), &block.text).map_err(|error| error.to_string())?;
            let mut command = runner(dir);
            command.args(["check", "checked.yaml"]);
            let done = finish(command, None);
            if done.status.success() { Ok(()) } else { Err(done.stderr) }
        }
        _ => Ok(()),
    }
}

fn console(dir: &Path, text: &str) -> Result<(), String> {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(typed) = line.strip_prefix("$ ") else {
            return Err(format!("a console block begins with `$`, not `{line}`"));
        };
        let mut wanted = String::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
            wanted.push_str(line);
            wanted.push('\n');
        }
        let program = Path::new(env!("CARGO_BIN_EXE_runner"));
        let mut path = program.parent().expect("it lies in a folder").as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.current_dir(dir).args(["-c", typed]).env("PATH", path).env("NO_COLOR", "1");
        let done = finish(shell, None);
        let got = String::from_utf8_lossy(&done.stdout);
        if got != wanted {
            return Err(format!("`{typed}` printed\n{got}and not\n{wanted}{}", done.stderr));
        }
    }
    Ok(())
}
