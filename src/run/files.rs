//! Files of a result appear whole or not at all: written under a temporary name, then renamed.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use fs_err as fs;

use crate::error::Result;

/// End of the names of files that are being written.
const TEMPORARY: &str = ".secateur-part";

/// Writes a file of `folder` under a temporary name and renames it.
///
/// # Errors
/// When the disk refuses.
pub(super) fn write_whole(folder: &Path, name: impl AsRef<OsStr>, contents: &[u8]) -> Result<()> {
    let name = name.as_ref();
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(TEMPORARY);
    let temporary = folder.join(temporary);
    fs::write(&temporary, contents)?;
    fs::rename(&temporary, folder.join(name))?;
    Ok(())
}

/// Writes one file outside a results folder whole; the name's folder must exist.
///
/// # Errors
/// When the disk refuses.
pub fn write_file(path: &Path, contents: &[u8]) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // A device or a pipe cannot be replaced by renaming.
    if path.exists() && !path.is_file() {
        return Ok(fs::write(path, contents)?);
    }
    write_whole(folder, path.file_name().unwrap_or_default(), contents)
}

/// Removes what a killed run left half written in `folder`.
///
/// # Errors
/// When the disk refuses.
pub(super) fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(TEMPORARY) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file if it is there.
///
/// # Errors
/// When the disk refuses.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
