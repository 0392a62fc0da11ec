//! Files that commands without jobs write where the user says: never over what the command reads, over a file of a result,
//! or over what is not a file of ours of the same kind, unless told to.

use std::path::{Path, PathBuf};

use super::results::REPORT;
use crate::error::{Error, Result};
use crate::input;
use crate::output::{cannot, folder_of, remove_leftovers, write_whole, writing};
use crate::report::OwnFile;
use crate::run::batch::record::{RECORD_FILE, RunRecord};

/// Where a command may write.
#[derive(Debug)]
pub struct AskedFiles<'a> {
    inputs: Vec<&'a Path>,
    force: bool,
}

impl<'a> AskedFiles<'a> {
    /// For a command that reads these files; with `force`, it writes anywhere.
    pub fn new(inputs: Vec<&'a Path>, force: bool) -> Self {
        Self { inputs, force }
    }

    /// Writes files whole, or none where one of them may not be written. The folders must exist. A link stays one.
    ///
    /// # Errors
    /// When one would take the place of a file that is not to be replaced, or when the disk refuses.
    pub fn write(&self, files: &[(PathBuf, Vec<u8>)]) -> Result<()> {
        for (path, bytes) in files {
            self.check(path, kind(bytes))?;
        }
        files
            .iter()
            .try_for_each(|(path, bytes)| write_file(path, bytes))
    }

    /// Refuses a name at which a file of some kind may not be written; for commands that take long to make it.
    ///
    /// # Errors
    /// When there is a file that is not to be replaced; the message says what it is.
    pub fn check(&self, path: &Path, kind: Option<OwnFile>) -> Result<()> {
        if self.force || is_of_system(path) || !path.is_file() {
            return Ok(());
        }
        let problem = if let Some(input) = self.inputs.iter().find(|it| is_same(it, path)) {
            let also = if *input == path {
                String::new()
            } else {
                format!(" (as {})", input.display())
            };
            format!("is a file that this command reads{also}")
        } else if let Some(folder) = result_of(path) {
            format!("is a file of the result in {}", folder.display())
        } else {
            let (start, end) = input::ends(path, OwnFile::ENDS)?;
            if start.is_empty() || kind.is_some() && OwnFile::of(&start, &end) == kind {
                return Ok(());
            }
            let what = kind.map_or("a file", OwnFile::about);
            format!("is there already, and is not {what} that secateur wrote")
        };
        Err(Error::Usage(format!(
            "{} {problem}\nhint: give another --out, or --force to replace it",
            path.display()
        )))
    }
}

/// What a file will be.
fn kind(bytes: &[u8]) -> Option<OwnFile> {
    let start = &bytes[..bytes.len().min(OwnFile::ENDS)];
    let end = &bytes[bytes.len().saturating_sub(OwnFile::ENDS)..];
    OwnFile::of(start, end)
}

/// A device or a pipe cannot be replaced by renaming, nor what the system shows as a file.
fn is_of_system(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|it| path.starts_with(it))
}

/// Whether two names are of one file, by links of either kind.
#[cfg(unix)]
fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let file = |path: &Path| {
        let held = std::fs::metadata(path).ok()?;
        Some((held.dev(), held.ino()))
    };
    file(one).is_some_and(|it| file(other) == Some(it))
}

#[cfg(not(unix))]
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| std::fs::canonicalize(path).ok();
    file(one).is_some_and(|it| file(other) == Some(it))
}

/// The folder of the result that a file is part of.
fn result_of(path: &Path) -> Option<PathBuf> {
    let path = std::fs::canonicalize(path).ok()?;
    let folder = path.parent()?;
    let name = path.file_name()?.to_str()?;
    let is_part = match RunRecord::read(folder) {
        Some(record) => name == RECORD_FILE || record.files.contains_key(name),
        // Parts of a result are kept without their record, and nobody knows which.
        None => folder.join(REPORT).is_file(),
    };
    is_part.then(|| folder.to_owned())
}

/// Writes one file whole. A link stays one.
#[expect(
    clippy::disallowed_methods,
    reason = "the error names the file that was asked for"
)]
fn write_file(path: &Path, contents: &[u8]) -> Result<()> {
    // A pipe may be read by nobody, and a signal has to end the wait.
    if is_of_system(path) || path.exists() && !path.is_file() {
        return std::fs::write(path, contents).map_err(|error| cannot("write", path, &error));
    }
    let _writing = writing();
    let path = match std::fs::canonicalize(path) {
        Ok(path) => path,
        Err(_) => path.to_owned(),
    };
    remove_leftovers(folder_of(&path))?;
    write_whole(&path, contents)
}
