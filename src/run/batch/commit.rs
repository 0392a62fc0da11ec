//! The files of a result take the place of the ones before: all of them are on the disk first, under temporary names, so
//! that a disk that refuses leaves the earlier result as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lock::{FolderLock, LOCK_FILE};
use super::record::{RECORD_FILE, RunRecord, is_plain};
use crate::error::{Error, Result};
use crate::input::{self, MIB};
use crate::output::{
    Staged, leftovers, remove_if_there, remove_leftovers, sync_folder, write_whole,
};

/// The names of all files of the old result and the new one, while one takes the place of the other. A process that dies
/// in between leaves it, and whoever writes the folder next knows what lies there.
const NAMES_FILE: &str = ".secateur-files";

/// What a folder held when its job began.
pub(crate) struct Before {
    /// The record of a finished job.
    pub(crate) record: Option<RunRecord>,
    /// Files of results, finished or not.
    names: BTreeSet<String>,
}

impl Before {
    /// What a folder holds, after leftovers are removed; its lock must be held.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        remove_leftovers(folder)?;
        let record = RunRecord::read(folder);
        let mut names: BTreeSet<String> = names_in(folder).into_iter().collect();
        names.extend(record.iter().flat_map(|it| it.files.keys().cloned()));
        Ok(Self { record, names })
    }

    /// Whether a file is what a process that died left of a result that it replaced.
    pub(crate) fn is_leftover(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// The names that a process that died while it wrote left.
fn names_in(folder: &Path) -> Vec<String> {
    let text = input::read(&folder.join(NAMES_FILE), MIB, "a list of names").unwrap_or_default();
    let mut names: Vec<String> = serde_json::from_slice(&text).unwrap_or_default();
    names.retain(|name| is_plain(name));
    names
}

/// Puts the files of a result into its folder, the record last: its presence marks a finished job.
///
/// # Errors
/// When the disk refuses. Until all is on the disk, that leaves the folder as it was.
pub(crate) fn commit(
    folder: &Path,
    before: &Before,
    contents: &BTreeMap<String, Vec<u8>>,
    record: &RunRecord,
) -> Result<()> {
    let staged = contents
        .iter()
        .map(|(name, bytes)| Staged::write(&folder.join(name), bytes));
    let staged: Vec<Staged> = staged.collect::<Result<_>>()?;
    let record = record.stage(folder)?;
    let names: BTreeSet<&String> = before.names.iter().chain(contents.keys()).collect();
    let names =
        serde_json::to_vec(&names).map_err(|error| Error::Bug(format!("{NAMES_FILE}: {error}")))?;
    write_whole(&folder.join(NAMES_FILE), &names)?;

    // From here on the folder holds no finished job, until the record is there again.
    remove_if_there(&folder.join(RECORD_FILE))?;
    for stale in before.names.iter().filter(|it| !contents.contains_key(*it)) {
        remove_if_there(&folder.join(stale))?;
    }
    for file in staged {
        file.place()?;
    }
    sync_folder(folder)?;
    record.place()?;
    sync_folder(folder)?;
    remove_if_there(&folder.join(NAMES_FILE))
}

/// Whether the files of a folder may be of two results, as a process died while one took the place of the other.
pub(crate) fn is_half_written(folder: &Path) -> bool {
    folder.join(NAMES_FILE).exists() && !folder.join(RECORD_FILE).exists()
}

/// Removes what a process that died left in the folder of a finished job, where nobody writes it.
pub(crate) fn tidy(folder: &Path) {
    let left = [LOCK_FILE, NAMES_FILE]
        .iter()
        .any(|it| folder.join(it).exists());
    if !left && leftovers(folder).is_ok_and(|it| it.is_empty()) {
        return;
    }
    if let Some(_lock) = FolderLock::take(folder) {
        // What cannot be removed does no harm.
        remove_leftovers(folder).ok();
        if RunRecord::read(folder).is_some() {
            remove_if_there(&folder.join(NAMES_FILE)).ok();
        }
    }
}
