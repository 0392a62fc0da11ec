//! The content of a file: memory-mapped, or embedded in the program.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bus_error::Watched;
use crate::error::{Error, Result};
use crate::input::{self, Fingerprint};

/// How a file starts that stands in for a large one in a Git repository.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Read-only bytes that are cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Bytes {
    /// A memory-mapped file.
    Mapped(Arc<MappedFile>),
    /// Part of the program.
    Embedded(&'static [u8]),
}

/// A file in memory, with what tells whether it is still the one that was mapped.
#[derive(Debug)]
pub(crate) struct MappedFile {
    // Before the mapping: what is unmapped is not watched.
    watched: Watched,
    map: memmap2::Mmap,
    file: std::fs::File,
    path: PathBuf,
    opened: Fingerprint,
}

/// What is known of a file without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing happened to it.
    Same,
    /// Something happened to it, be it only to its name; its content may be the same.
    Touched,
}

impl Bytes {
    /// Maps a file into memory.
    ///
    /// # Errors
    /// When it is not a regular file, cannot be opened or mapped, or only stands in for the file that is meant; the error
    /// names the path.
    pub(crate) fn map(path: &Path) -> Result<Self> {
        let fail = |problem: String| Error::model(path.display().to_string(), problem);
        let (file, metadata) = input::open(path).map_err(fail)?;
        #[expect(unsafe_code, reason = "mapping a file has no safe form")]
        // SAFETY: the mapping is read-only and private to this type. No value read from it is trusted to be in bounds, so
        // a change under our feet cannot break memory safety beyond the bytes themselves. Where the file shrinks, zeros are
        // read (`bus_error`), and `seen` tells of both before a result is kept.
        let map = unsafe { memmap2::Mmap::map(&file) }
            .map_err(|error| fail(format!("cannot be mapped into memory: {error}")))?;
        let bytes = Arc::new(MappedFile {
            watched: Watched::new(&map),
            map,
            file,
            path: path.to_owned(),
            opened: Fingerprint::of(&metadata),
        });
        if bytes.map.starts_with(LFS_POINTER) {
            let problem =
                "is a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`";
            return Err(fail(problem.into()));
        }
        Ok(Self::Mapped(bytes))
    }

    /// What happened to the file since it was mapped.
    ///
    /// # Errors
    /// When it is certain that not all that was read of it was its content: it shrank, or is of another length.
    pub(crate) fn seen(&self) -> Result<Seen> {
        let Self::Mapped(mapped) = self else {
            return Ok(Seen::Same);
        };
        // The open file, not the path: another file of its name changes nothing about what is mapped.
        let now = mapped.file.metadata().map(|it| Fingerprint::of(&it));
        match now {
            Ok(now) if now.length != mapped.opened.length => {
                let lengths = format!(" (from {} bytes to {})", mapped.opened.length, now.length);
                Err(self.changed(&lengths))
            }
            _ if mapped.watched.is_broken() => Err(self.changed("")),
            Ok(now) if now == mapped.opened => Ok(Seen::Same),
            _ => Ok(Seen::Touched),
        }
    }

    /// The error for a file that is not what it was.
    pub(crate) fn changed(&self, how: &str) -> Error {
        let name = match self {
            Self::Mapped(mapped) => mapped.path.display().to_string(),
            Self::Embedded(_) => String::new(),
        };
        let problem = format!(
            "changed while it was read{how}; what was computed from it is not kept. Run again once nothing writes to it"
        );
        Error::model(name, problem)
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped) => &mapped.map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn mapped(content: &[u8]) -> (tempfile::TempDir, PathBuf, Bytes) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        fs_err::write(&path, content).expect("a file");
        let bytes = Bytes::map(&path).expect("a file");
        (folder, path, bytes)
    }

    /// Without the handler, the first of these reads would end the process.
    #[test]
    fn a_file_that_shrinks_is_read_as_zeros_by_every_thread_and_refused() {
        let content = vec![1; 1 << 20];
        let (_folder, path, bytes) = mapped(&content);
        let (_other_folder, _, other) = mapped(&content);
        assert_eq!(bytes.seen().unwrap(), Seen::Same);
        let file = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1000).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(bytes[999], 1);
                    assert!(bytes[1000..].iter().all(|byte| *byte == 0));
                    assert!(other.iter().all(|byte| *byte == 1));
                });
            }
        });
        let error = bytes.seen().unwrap_err().to_string();
        assert!(error.contains("from 1048576 bytes to 1000"), "{error}");
        // As long as before, and still not what was read.
        file.set_len(1 << 20).unwrap();
        assert!(bytes.seen().is_err());
        assert_eq!(other.seen().unwrap(), Seen::Same);
    }

    #[test]
    fn writing_is_noticed_and_another_file_of_the_name_is_not() {
        let (folder, path, bytes) = mapped(b"abc");
        let new = folder.path().join("b");
        fs_err::write(&new, "xyz").unwrap();
        fs_err::rename(&new, &path).unwrap();
        // The mapped file lost its name, which is a change of it too, but not of what it holds.
        assert_eq!(bytes.seen().unwrap(), Seen::Touched);
        assert_eq!(&bytes[..], b"abc");
        let (_folder, path, bytes) = mapped(b"abc");
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs_err::write(&path, "abd").unwrap();
        assert_eq!(bytes.seen().unwrap(), Seen::Touched);
    }

    #[test]
    fn memory_is_watched_only_while_it_is_mapped() {
        for _ in 0..100 {
            let (_folder, _, bytes) = mapped(b"abc");
            assert_eq!(bytes.seen().unwrap(), Seen::Same);
        }
    }

    #[test]
    fn a_pointer_is_not_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let text = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 10\n";
        fs_err::write(&path, text).unwrap();
        let error = Bytes::map(&path).unwrap_err().to_string();
        assert!(error.contains("Git LFS pointer"), "{error}");
    }
}
