//! The files that a topology is made of: when they have become another whole set. Content decides, so a touch is no change; a
//! set that is still being written, or of which a file is missing for a moment, is not looked at yet.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::diagnostic::{Content, FileRead};
use crate::run::FileWatch;

/// Two readings so far apart that give the same are of files at rest.
const REST: Duration = Duration::from_millis(50);
/// How long a file may be missing before that is told.
pub(super) const MISSING_GRACE: Duration = Duration::from_secs(2);

/// Watches the files of a topology.
pub(super) struct Files {
    watch: FileWatch,
    known: Vec<FileRead>,
    /// Whether it was told that a file is missing.
    told: bool,
}

/// What is to be told of the files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// They are another whole set.
    Content,
    /// This one has been missing for a while.
    Missing(PathBuf),
}

impl Files {
    /// Watches these files, which were read with that content.
    pub fn new(known: &[FileRead]) -> Result<Files, String> {
        Ok(Files { watch: FileWatch::new()?, known: known.to_vec(), told: false })
    }

    /// Waits for a change. Nothing is lost if it is given up: each call begins by looking at all files.
    pub async fn changed(&mut self) -> Changed {
        loop {
            if let Err(problem) = self.watch.follow(self.known.iter().map(|file| &*file.path), []) {
                tracing::warn!("changes of the topology may not be seen: {problem}");
            }
            let now = at_rest(&self.known).await;
            let gone =
                self.known.iter().zip(&now).find(|(known, now)| {
                    now.is_missing() && !known.content.is_missing() && !self.is_listed(&known.path)
                });
            match gone {
                None => {
                    self.told = false;
                    if self.known.iter().zip(&now).any(|(known, now)| known.content != *now) {
                        return Changed::Content;
                    }
                    self.watch.settled().await;
                }
                Some(_) if self.told => self.watch.settled().await,
                Some((known, _)) => {
                    if tokio::time::timeout(MISSING_GRACE, self.watch.settled()).await.is_err() {
                        self.told = true;
                        return Changed::Missing(known.path.clone());
                    }
                }
            }
        }
    }

    /// Whether the folder of a file is known itself: then a file that goes is a change of it, and nothing that is missing.
    fn is_listed(&self, file: &Path) -> bool {
        file.parent().is_some_and(|folder| self.known.iter().any(|known| known.path == folder))
    }

    /// The files were read anew, with this content. False: they have changed meanwhile, so that it is of no whole set, and
    /// `changed` will tell of them again. `all`: no other files belong to them; otherwise, as something is wrong with them, those
    /// that did before may be what is mended.
    pub async fn took(&mut self, reads: &[FileRead], all: bool) -> bool {
        let now = at_rest(reads).await;
        if reads.iter().zip(&now).any(|(read, now)| read.content != *now) {
            return false;
        }
        let old = std::mem::replace(&mut self.known, reads.to_vec());
        if !all {
            let rest = old.into_iter().filter(|old| !reads.iter().any(|read| read.path == old.path));
            self.known.extend(rest.map(|old| FileRead { content: Content::at(&old.path), ..old }));
        }
        true
    }
}

/// What is in the files, once two readings give the same.
async fn at_rest(files: &[FileRead]) -> Vec<Content> {
    let mut before = contents(files);
    loop {
        tokio::time::sleep(REST).await;
        let now = contents(files);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// The files are small; reading them keeps a thread for less than handing them to another one would take.
fn contents(files: &[FileRead]) -> Vec<Content> {
    files.iter().map(|file| Content::at(&file.path)).collect()
}

/// The topologies directly in a folder, in order.
pub(super) fn topologies_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        // Editors and Kubernetes keep files of their own under names that begin with a dot.
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
        if is_yaml && !is_hidden && std::fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(paths: &[&Path]) -> Vec<FileRead> {
        paths.iter().map(|path| FileRead { path: path.to_path_buf(), content: Content::at(path) }).collect()
    }

    /// What is told within a second.
    async fn told(files: &mut Files) -> Option<Changed> {
        tokio::time::timeout(Duration::from_secs(1), files.changed()).await.ok()
    }

    #[tokio::test]
    async fn each_way_to_change_a_file_is_one_change_and_a_touch_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.yaml"), folder.path().join("b"));
        fs::write(&file, "1").unwrap();
        let mut files = Files::new(&read(&[&file])).unwrap();
        fs::write(&file, "2").unwrap();
        assert_eq!(told(&mut files).await, Some(Changed::Content), "before it was watched, in place");
        assert!(files.took(&read(&[&file]), true).await);
        assert_eq!(told(&mut files).await, None);
        let modified = fs::File::options().write(true).open(&file).unwrap();
        modified.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        drop(modified);
        fs::write(&file, "2").unwrap();
        assert_eq!(told(&mut files).await, None, "a touch, and the same content written again");
        fs::write(&other, "3").unwrap();
        fs::rename(&other, &file).unwrap();
        assert_eq!(told(&mut files).await, Some(Changed::Content), "renamed over");
        assert!(files.took(&read(&[&file]), true).await);
        fs::remove_file(&file).unwrap();
        assert_eq!(told(&mut files).await, None, "missing for a moment");
        fs::write(&file, "4").unwrap();
        assert_eq!(told(&mut files).await, Some(Changed::Content), "made anew");
    }

    #[tokio::test]
    async fn a_swapped_link_is_one_change_of_all_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "1"), ("..2", "2"), ("..3", "2")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("a.yaml"), text).unwrap();
            fs::write(at(version).join("f.rhai"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/a.yaml", at("a.yaml")).unwrap();
        symlink("..data/f.rhai", at("f.rhai")).unwrap();
        let swap = |version: &str| {
            symlink(version, at("..new")).unwrap();
            fs::rename(at("..new"), at("..data")).unwrap();
        };
        let all = || read(&[&at("a.yaml"), &at("f.rhai")]);
        let mut files = Files::new(&all()).unwrap();
        assert_eq!(told(&mut files).await, None);
        swap("..2");
        assert_eq!(told(&mut files).await, Some(Changed::Content));
        assert!(files.took(&all(), true).await);
        swap("..3");
        assert_eq!(told(&mut files).await, None, "the same content elsewhere");
        swap("..1");
        assert_eq!(told(&mut files).await, Some(Changed::Content));
    }

    #[tokio::test]
    async fn a_file_that_stays_away_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let mut files = Files::new(&read(&[&file])).unwrap();
        fs::remove_file(&file).unwrap();
        let told_of = tokio::time::timeout(MISSING_GRACE * 2, files.changed()).await;
        assert_eq!(told_of.ok(), Some(Changed::Missing(file.clone())));
        assert_eq!(told(&mut files).await, None);
        fs::write(&file, "1").unwrap();
        assert_eq!(told(&mut files).await, None, "it is back as it was");
    }

    #[tokio::test]
    async fn what_was_read_of_a_moving_set_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "1").unwrap();
        let reads = read(&[&file]);
        let mut files = Files::new(&reads).unwrap();
        fs::write(&file, "2").unwrap();
        assert!(!files.took(&reads, true).await);
        assert_eq!(told(&mut files).await, Some(Changed::Content));
    }

    #[tokio::test]
    async fn mending_any_file_of_a_broken_set_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (file, functions) = (folder.path().join("a.yaml"), folder.path().join("f.rhai"));
        fs::write(&file, "1").unwrap();
        fs::write(&functions, "1").unwrap();
        let mut files = Files::new(&read(&[&file, &functions])).unwrap();
        // Of a YAML file that cannot be read it is not known which other files it names.
        assert!(files.took(&read(&[&file]), false).await);
        fs::write(&functions, "2").unwrap();
        assert_eq!(told(&mut files).await, Some(Changed::Content));
    }
}
