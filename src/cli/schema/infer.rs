//! `runner schema infer`: a first schema from events.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::limits::LINE_BYTES_MAX;
use crate::schema::Language;
use crate::schema::infer::Inference;

use super::super::{Exit, print};

/// What `schema infer` takes.
#[derive(Debug, Args)]
pub(super) struct InferArgs {
    /// JSON Lines; `-` is stdin.
    file: PathBuf,
    /// The language of the schema.
    #[arg(long = "as", value_enum, value_name = "LANGUAGE", default_value_t = As::Avro)]
    language: As,
    /// The name of the type, with a verb in the past tense [default: the file's name].
    #[arg(long)]
    name: Option<String>,
    /// Events to look at, at most.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    events: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum As {
    Avro,
    Protobuf,
    Json,
}

impl From<As> for Language {
    fn from(language: As) -> Language {
        match language {
            As::Avro => Language::Avro,
            As::Protobuf => Language::Protobuf,
            As::Json => Language::Json,
        }
    }
}

/// Reads the events and prints the schema.
pub(super) fn infer(args: &InferArgs) -> Exit {
    let is_stdin = args.file.as_os_str() == "-";
    let read = if is_stdin {
        look(io::stdin().lock(), args.events)
    } else {
        File::open(&args.file).and_then(|file| look(BufReader::new(file), args.events))
    };
    let (inference, bad) = match read {
        Ok(read) => read,
        Err(error) => {
            eprintln!("error: {} cannot be read: {error}", args.file.display());
            return Exit::Failed;
        }
    };
    if let Some(first) = &bad.first {
        eprintln!("warning: lines that are no events were passed over: {}; the first is {first}", bad.count);
    }
    if inference.events() == 0 {
        eprintln!("error: there is no event in {}: events are JSON objects, one a line", args.file.display());
        return Exit::Failed;
    }
    let stem = if is_stdin { None } else { args.file.file_stem() };
    let name = args.name.clone().or_else(|| stem.map(|stem| stem.to_string_lossy().into_owned()));
    let inferred = inference.schema(name.as_deref().unwrap_or("event"), args.language.into());
    for note in &inferred.notes {
        eprintln!("note: {note}");
    }
    print(&inferred.text)
}

/// Lines that are no events.
#[derive(Default)]
struct Bad {
    count: u64,
    /// The first: its number and what is wrong with it.
    first: Option<String>,
}

impl Bad {
    fn add(&mut self, line: u64, why: &str) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("line {line}: {why}"));
    }
}

fn look(mut input: impl BufRead, events_max: u64) -> io::Result<(Inference, Bad)> {
    let (mut inference, mut bad) = (Inference::default(), Bad::default());
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if inference.events() == events_max
            || input.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line)? == 0
        {
            break;
        }
        if line.len() > LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            bad.add(number, &format!("it has more than {LINE_BYTES_MAX} bytes"));
            input.skip_until(b'\n')?;
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(event @ Value::Object(_)) => inference.add(&event),
            Ok(_) => bad.add(number, "it is no object"),
            Err(error) => bad.add(number, &error.to_string()),
        }
    }
    Ok((inference, bad))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_one_line_and_not_held() {
        let long = io::repeat(b'x').take(3 * LINE_BYTES_MAX as u64);
        let input = BufReader::new(b"{\"a\":1}\n".chain(long).chain(&b"\n{\"a\":2}\n[]"[..]));
        let (inference, bad) = look(input, 10).unwrap();
        assert_eq!((inference.events(), bad.count), (2, 2));
        assert_eq!(bad.first.unwrap(), format!("line 2: it has more than {LINE_BYTES_MAX} bytes"));
    }
}
