//! Files of a result appear whole or not at all: written under a temporary name, brought to the disk, then renamed.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError as Busy};

use fs_err as fs;

use crate::error::{Error, Result};

/// End of the names of files that are being written.
const TEMPORARY: &str = ".secateur-part";
/// How often another name is taken when a process that cleans up took the first for a leftover.
const TRIES: usize = 8;

/// Shared by whoever writes files; whoever ends the program in the middle of work takes it alone.
static WRITING: RwLock<()> = RwLock::new(());

/// Kept while files are written, so that the program is not ended in between.
pub(crate) fn writing() -> RwLockReadGuard<'static, ()> {
    WRITING
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// While this is held, no file is written.
#[derive(Debug)]
pub struct NoWriting(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>);

/// Keeps files from being written, so that a process can end in the middle of work; nothing while some are.
pub fn stop_writing() -> Option<NoWriting> {
    match WRITING.try_write() {
        Ok(guard) => Some(NoWriting(guard)),
        Err(Busy::Poisoned(guard)) => Some(NoWriting(guard.into_inner())),
        Err(Busy::WouldBlock) => None,
    }
}

/// A file that is on the disk under a temporary name; dropped, it is removed.
pub(crate) struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    placed: bool,
    /// Locked as long as this process lives, which tells the file from a leftover.
    file: File,
}

impl Staged {
    /// Writes a file under a temporary name.
    ///
    /// # Errors
    /// When the disk refuses; the error names the file that was to be written.
    pub(crate) fn write(target: &Path, contents: &[u8]) -> Result<Self> {
        let failed = |error| cannot("write", target, &error);
        let mut staged = Self::new(target).map_err(failed)?;
        let written = staged.file.write_all(contents);
        written
            .and_then(|()| staged.file.sync_all())
            .map_err(failed)?;
        Ok(staged)
    }

    fn new(target: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            let temporary = folder_of(target).join(temporary_name());
            let file = File::options()
                .write(true)
                .create_new(true)
                .open(&temporary);
            let file = match file {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            match file.try_lock() {
                // Another process is about to remove it as a leftover.
                Err(TryLockError::WouldBlock) => continue,
                // Without locks nobody takes it for one.
                Ok(()) | Err(TryLockError::Error(_)) => {}
            }
            // It may have been removed before it was locked.
            if temporary.exists() {
                return Ok(Self {
                    temporary,
                    target: target.to_owned(),
                    placed: false,
                    file,
                });
            }
        }
        Err(io::Error::other(
            "its temporary file is removed again and again",
        ))
    }

    /// Renames it to its name.
    ///
    /// # Errors
    /// When the disk refuses.
    #[expect(
        clippy::disallowed_methods,
        reason = "the error names the file that was asked for"
    )]
    pub(crate) fn place(mut self) -> Result<()> {
        std::fs::rename(&self.temporary, &self.target)
            .map_err(|error| cannot("write", &self.target, &error))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // A disk that refuses this too leaves a file that the next run removes.
            std::fs::remove_file(&self.temporary).ok();
        }
    }
}

/// An error of the system with what was done to which file.
pub(crate) fn cannot(what: &str, path: &Path, error: &io::Error) -> Error {
    let text = format!("cannot {what} {}: {error}", path.display());
    Error::Io(io::Error::new(error.kind(), text))
}

/// A name that no other process, thread or call takes.
fn temporary_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Its keys are random.
    let random = RandomState::new().build_hasher().finish();
    format!(".{}-{count}-{random:016x}{TEMPORARY}", std::process::id())
}

/// The folder of a file.
pub(crate) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Writes a file under a temporary name and renames it.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    Staged::write(path, contents)?.place()?;
    sync_folder(folder_of(path))
}

/// Brings the names in a folder to the disk, where the system can.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let opened = File::options().read(true).open(folder);
    let synced = opened.and_then(|folder| folder.sync_all());
    match synced {
        // Some file systems have no such thing.
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Err(cannot("write", folder, &error))
        }
        _ => Ok(()),
    }
}

/// Removes what processes that have ended left half written in `folder`.
///
/// # Errors
/// When the folder cannot be read; a leftover that cannot be removed stays.
pub(crate) fn remove_leftovers(folder: &Path) -> Result<()> {
    for path in leftovers(folder)? {
        // Whoever writes it holds its lock.
        let unused = File::options().write(true).open(&path).ok();
        if unused.is_some_and(|file| file.try_lock().is_ok()) {
            std::fs::remove_file(&path).ok();
        }
    }
    Ok(())
}

/// The files in `folder` that are being written, or were when a process ended.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn leftovers(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(TEMPORARY) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes a file if it is there.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
