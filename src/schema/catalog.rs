//! Where event types are on disk: a file, or a folder with a file for each version (`1.avsc`, `2.avsc`).

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostic::{Content, FileRead};
use crate::limits::{SCHEMA_BYTES_MAX, SCHEMA_VERSIONS_MAX};

use super::protobuf::{Imports, ProtobufSchema};
use super::{Definition, EventType, Language, SchemaError};

/// The versions of one event type, oldest first; a file alone has one without a number.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub language: Language,
    pub versions: Vec<Version>,
}

/// A version's file, read but not parsed.
#[derive(Clone, Debug)]
pub struct Version {
    pub number: Option<u32>,
    pub path: PathBuf,
    pub text: Arc<str>,
    pub content: Content,
}

impl Catalog {
    /// Reads the file, or all files of the folder whose names are numbers.
    pub fn read(path: &Path) -> Result<Catalog, SchemaError> {
        if std::fs::metadata(path).map_err(|error| unreadable(&error))?.is_dir() {
            return Catalog::of_folder(path);
        }
        let language = language(path)?;
        Ok(Catalog { language, versions: vec![Version::read(None, path)?] })
    }

    fn of_folder(folder: &Path) -> Result<Catalog, SchemaError> {
        let entries = std::fs::read_dir(folder).map_err(|error| unreadable(&error))?;
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u32>().ok());
            if let (Some(number), Some(language)) = (number, Language::of(&path)) {
                files.push((number, language, path));
            }
            if files.len() > SCHEMA_VERSIONS_MAX {
                let message = format!("a folder of more than {SCHEMA_VERSIONS_MAX} versions");
                return Err(SchemaError::Broken(message));
            }
        }
        files.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
        let Some((_, language, _)) = files.first() else {
            let message = "a folder without versions: they are files like `1.avsc`, `2.avsc`".to_owned();
            return Err(SchemaError::Broken(message));
        };
        let language = *language;
        let name = |file: &(u32, Language, PathBuf)| file.2.file_name().map(|name| name.display().to_string());
        for pair in files.windows(2) {
            if pair[0].0 == pair[1].0 || pair[1].1 != language {
                let (a, b) = (name(&pair[0]).unwrap_or_default(), name(&pair[1]).unwrap_or_default());
                let message = format!(
                    "a folder with both {a} and {b}: a type has one language and one file for each version; put another type into a folder of its own"
                );
                return Err(SchemaError::Broken(message));
            }
        }
        let versions = files.iter().map(|file| {
            let version = Version::read(Some(file.0), &file.2);
            version.map_err(|why| {
                let (SchemaError::Broken(why) | SchemaError::Unsupported(why)) = why;
                SchemaError::Broken(format!("a folder whose `{}` is {why}", name(file).unwrap_or_default()))
            })
        });
        Ok(Catalog { language, versions: versions.collect::<Result<_, _>>()? })
    }

    /// The version of this number, or the newest.
    pub fn version(&self, number: Option<u32>) -> Option<&Version> {
        match number {
            None => self.versions.last(),
            Some(_) => self.versions.iter().find(|version| version.number == number),
        }
    }

    /// What the other versions of an event type in Avro say; those that cannot be read are left out. Events of the other languages are
    /// read by one version, whichever they were written with.
    pub fn others(&self, version: &Version) -> Vec<Definition> {
        if self.language != Language::Avro {
            return Vec::new();
        }
        let others = self.versions.iter().filter(|other| other.number != version.number);
        others.filter_map(|other| Definition::parse(self.language, &other.text, None, &[]).ok()).collect()
    }

    /// Parses a version.
    pub fn parse(&self, version: &Version, message: Option<&str>) -> Result<EventType, SchemaError> {
        self.parse_noting(version, message, &mut Vec::new())
    }

    /// The same; the files that it imports, which lie beside it, are added to `reads`, whether it can be parsed or not.
    pub fn parse_noting(
        &self,
        version: &Version,
        message: Option<&str>,
        reads: &mut Vec<FileRead>,
    ) -> Result<EventType, SchemaError> {
        let definition = match self.language {
            Language::Protobuf => {
                let imported = Rc::new(RefCell::new(Vec::new()));
                let name = version.path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
                let imports = imports_beside(&version.path, imported.clone());
                let parsed = ProtobufSchema::parse(&name, &version.text, imports, message);
                reads.append(&mut imported.borrow_mut());
                Definition::Protobuf(parsed?)
            }
            language => Definition::parse(language, &version.text, message, &[])?,
        };
        Ok(EventType { version: version.number, definition, others: Vec::new() })
    }
}

impl Version {
    fn read(number: Option<u32>, path: &Path) -> Result<Version, SchemaError> {
        let broken = |error: std::io::Error| unreadable(&error);
        let found = std::fs::metadata(path).map_err(broken)?;
        // To open a pipe would wait for whoever writes it, and a device may have no end.
        if !found.is_file() {
            let what = if found.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(SchemaError::Broken(format!("not readable: it is {what}, and no file")));
        }
        let length = found.len();
        if length > SCHEMA_BYTES_MAX {
            return Err(SchemaError::Broken(format!(
                "too large: {length} bytes, and at most {SCHEMA_BYTES_MAX} are read"
            )));
        }
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(SCHEMA_BYTES_MAX).read_to_end(&mut bytes));
        read.map_err(broken)?;
        let content = Content::of(&bytes);
        let text = String::from_utf8(bytes).map_err(|_| SchemaError::Broken("not UTF-8".to_owned()))?;
        Ok(Version { number, path: path.to_path_buf(), text: text.into(), content })
    }
}

/// Reads imports from the folder of a file and those below it, and notes what was read.
fn imports_beside(file: &Path, reads: Rc<RefCell<Vec<FileRead>>>) -> Imports {
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    Rc::new(move |name| {
        // A name that leads out of the folder is none of a file beside it.
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Ok(None);
        }
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let read = Version::read(None, &path).map_err(|why| match why {
            SchemaError::Broken(why) | SchemaError::Unsupported(why) => format!("{name} is {why}"),
        })?;
        reads.borrow_mut().push(FileRead { path, content: read.content });
        Ok(Some(read.text.to_string()))
    })
}

fn unreadable(error: &io::Error) -> SchemaError {
    SchemaError::Broken(format!("not readable: {error}"))
}

fn language(path: &Path) -> Result<Language, SchemaError> {
    Language::of(path).ok_or_else(|| {
        let message =
            "in a language that its ending does not tell; give it one: Avro is `.avsc`, Protobuf `.proto`, JSON Schema `.json`";
        SchemaError::Unsupported(message.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        files.iter().for_each(|name| std::fs::write(folder.path().join(name), "{}").unwrap());
        folder
    }

    #[test]
    fn the_newest_version_is_the_greatest_number() {
        let folder = folder(&["1.json", "2.json", "10.json", "README.md"]);
        let catalog = Catalog::read(folder.path()).unwrap();
        assert_eq!(catalog.versions.len(), 3);
        assert_eq!(catalog.version(None).unwrap().number, Some(10));
        assert_eq!(catalog.version(Some(2)).unwrap().path, folder.path().join("2.json"));
        assert!(catalog.version(Some(3)).is_none());
    }

    #[test]
    fn a_folder_of_several_languages_is_refused() {
        let why = Catalog::read(folder(&["1.avsc", "2.json"]).path()).unwrap_err();
        let SchemaError::Broken(why) = why else { panic!("{why:?}") };
        assert!(why.contains("1.avsc and 2.json"), "{why}");
        assert!(Catalog::read(folder(&["a.json"]).path()).is_err());
    }

    #[test]
    fn what_is_no_file_is_named_and_not_waited_for() {
        let why = |path: &Path| match Catalog::read(path) {
            Err(SchemaError::Broken(why)) => why,
            other => panic!("{other:?}"),
        };
        let folder = folder(&["1.json"]);
        let of = |name: &str| folder.path().join(name);
        assert!(why(&of("nothing")).contains("No such file"), "whatever its ending");
        std::os::unix::fs::symlink("/dev/zero", of("endless.json")).unwrap();
        assert!(why(&of("endless.json")).contains("a pipe or a device"));
        std::fs::create_dir(of("2.json")).unwrap();
        assert!(why(folder.path()).contains("a folder whose `2.json` is not readable: it is a folder"));
        std::fs::remove_dir(of("2.json")).unwrap();
        std::os::unix::fs::symlink("2.json", of("2.json")).unwrap();
        assert!(why(folder.path()).contains("`2.json`"));
        std::fs::remove_file(of("2.json")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(of("2.json")).status().unwrap().success());
        assert!(why(folder.path()).contains("`2.json` is not readable: it is a pipe"));
    }
}
