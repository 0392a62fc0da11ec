//! One process at a time writes a folder of results: it holds the lock of a file in it, which the system takes back when
//! the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::provenance;
use crate::error::{Error, Result};
use crate::events::{Event, Observer};
use crate::input;
use crate::output::cannot;

/// Name of the file that is locked. It is there while the folder is written, and after a process was killed.
pub(crate) const LOCK_FILE: &str = ".secateur-lock";
/// How often a lock that another process holds is tried again.
const EVERY: Duration = Duration::from_millis(50);
/// Bytes of the file.
const LARGEST: u64 = 4 << 10;

/// The right to write a folder; dropped, it is given back.
#[derive(Debug)]
pub(crate) struct FolderLock {
    /// The locked file; none where the file system has no locks.
    held: Option<(PathBuf, File)>,
}

impl FolderLock {
    /// Waits until no other process writes the folder.
    ///
    /// # Errors
    /// When the folder cannot be written, or the observer interrupts.
    pub(crate) fn wait(folder: &Path, observer: &dyn Observer) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        let mut told = false;
        loop {
            match Self::attempt(&path) {
                Ok(Some(lock)) => return Ok(lock),
                Err(TryLockError::Error(error)) if is_without_locks(&error) => {
                    let notice = format!(
                        "{} is on a file system without locks: let no other run write it at the same time",
                        folder.display()
                    );
                    observer.event(Event::Notice(notice));
                    return Ok(Self { held: None });
                }
                Err(TryLockError::Error(error)) => return Err(cannot("write", &path, &error)),
                Err(TryLockError::WouldBlock) if !told => {
                    told = true;
                    let notice = format!(
                        "{} is being written by {}; waiting until it is done",
                        folder.display(),
                        holder(&path)
                    );
                    observer.event(Event::Notice(notice));
                }
                Ok(None) | Err(TryLockError::WouldBlock) => {}
            }
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            std::thread::sleep(EVERY);
        }
    }

    /// Takes the lock of a folder that no other process holds; none otherwise, and where it cannot be had.
    pub(crate) fn take(folder: &Path) -> Option<Self> {
        Self::attempt(&folder.join(LOCK_FILE)).ok().flatten()
    }

    /// One attempt; none when the file was removed by its last holder in between.
    fn attempt(path: &Path) -> Result<Option<Self>, TryLockError> {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(TryLockError::Error)?;
        file.try_lock()?;
        // The holder before may have removed the file, and then another process may hold a new one of this name.
        let own = own_words();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(own.as_bytes()));
        written.map_err(TryLockError::Error)?;
        if read(path).is_some_and(|words| words == own) {
            let held = Some((path.to_owned(), file));
            return Ok(Some(Self { held }));
        }
        Ok(None)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some((path, _file)) = self.held.take() {
            // Before the lock is given back, so that it is no other process's file. A folder that is gone has none.
            std::fs::remove_file(path).ok();
        }
    }
}

fn is_without_locks(error: &std::io::Error) -> bool {
    /// `ENOLCK` of Linux: no locks available.
    const NO_LOCKS: i32 = 37;
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(NO_LOCKS)
}

/// What tells this attempt from all others: a line for people, and a random one.
fn own_words() -> String {
    let random = RandomState::new().build_hasher().finish();
    let host = provenance::host().unwrap_or_else(|| "this machine".into());
    format!(
        "process {} on {host} since {}\n{random:016x}\n",
        std::process::id(),
        provenance::date()
    )
}

fn read(path: &Path) -> Option<String> {
    input::read_text(path, LARGEST, "a lock").ok()
}

/// Who holds the lock, for people.
fn holder(path: &Path) -> String {
    let words = read(path).unwrap_or_default();
    let line = words.lines().next().unwrap_or_default();
    let plain: String = line.chars().filter(|it| !it.is_control()).collect();
    if plain.is_empty() {
        "another process".to_owned()
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::events::Silent;

    #[test]
    fn a_lock_is_held_by_one_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lock = FolderLock::wait(folder.path(), &Silent).unwrap();
        let path = folder.path().join(LOCK_FILE);
        let pid = format!("process {} on ", std::process::id());
        assert!(holder(&path).starts_with(&pid), "{}", holder(&path));
        assert!(FolderLock::take(folder.path()).is_none());
        drop(lock);
        assert!(!path.exists());
        // What a killed process left is no lock.
        fs_err::write(&path, "process 1 on a machine\n").unwrap();
        drop(FolderLock::wait(folder.path(), &Silent).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn many_that_wait_are_never_two() {
        let folder = tempfile::tempdir().unwrap();
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..4 {
                        let lock = FolderLock::wait(folder.path(), &Silent).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(1));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
