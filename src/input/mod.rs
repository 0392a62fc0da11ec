//! Files that are read: the one place that opens them.
//!
//! Whatever a user names may be anything. Only regular files are opened: a pipe would be waited on for ever, a device has
//! no end, and neither can be read a second time, which hashing takes. Every reader says how much it reads at most, and
//! what is larger is refused before a byte of it is in memory.

mod fingerprint;
mod json;
mod text;

use std::fs::Metadata;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::{Error, Result};

pub(crate) use fingerprint::Fingerprint;
pub(crate) use json::refuse_repeated_keys;
pub(crate) use text::{json, text, without_bom};

/// A mebibyte.
pub(crate) const MIB: u64 = 1 << 20;
/// A gibibyte.
pub(crate) const GIB: u64 = 1 << 30;
/// Bytes of a file that is read for its hash.
const LARGEST_HASHED: u64 = 256 * GIB;

/// The content of a file.
///
/// # Errors
/// When it is not a regular file, cannot be read, or has more than `limit` bytes; `what` is what a file of that size is
/// not, such as "a circuit file".
pub fn read(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>> {
    bytes(path, limit, what).map_err(|problem| Error::data(path.display().to_string(), problem))
}

/// The content of a text file, without a byte-order mark.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, limit: u64, what: &str) -> Result<String> {
    let bytes = read(path, limit, what)?;
    text(&bytes)
        .map(str::to_owned)
        .map_err(|problem| Error::data(path.display().to_string(), problem))
}

/// The first bytes of a file and its last ones, up to so many of each.
///
/// # Errors
/// When it is not a regular file, or cannot be read.
pub(crate) fn ends(path: &Path, bytes: usize) -> Result<(Vec<u8>, Vec<u8>)> {
    let fail = |problem: String| Error::data(path.display().to_string(), problem);
    let (mut file, metadata) = open(path).map_err(fail)?;
    let mut part = |from: u64| {
        let mut part = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&file).take(bytes as u64).read_to_end(&mut part)?;
        Ok(part)
    };
    let read = part(0).and_then(|start| {
        let end = part(metadata.len().saturating_sub(bytes as u64))?;
        Ok((start, end))
    });
    read.map_err(|error: std::io::Error| fail(format!("cannot be read: {error}")))
}

/// As [`read`], for callers with errors of their own.
///
/// # Errors
/// What is wrong, without the path.
pub(crate) fn bytes(path: &Path, limit: u64, what: &str) -> Result<Vec<u8>, String> {
    let (file, metadata) = open(path)?;
    let too_large = || format!("larger than {}: this is not {what}", size(limit));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // Files of the system say that they are empty, and others grow: the metadata is not believed.
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Opens a regular file.
///
/// # Errors
/// What is wrong, without the path: there is none, it is something else, or it may not be read.
pub(crate) fn open(path: &Path) -> Result<(std::fs::File, Metadata), String> {
    let cannot = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => format!("cannot be opened: {error}"),
    };
    // Opening a device may already do something, so it is looked at first, and again once it is open.
    refuse_irregular(&std::fs::metadata(path).map_err(cannot)?)?;
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A pipe that took the file's place meanwhile is not waited on.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    refuse_irregular(&metadata)?;
    Ok((file, metadata))
}

/// The hash of a file's content, which may be larger than memory.
///
/// # Errors
/// When it is not a regular file, cannot be read, or is too large to be anybody's data.
pub(crate) fn hash(path: &Path) -> Result<(blake3::Hash, Fingerprint)> {
    let fail = |problem: String| Error::data(path.display().to_string(), problem);
    let (file, metadata) = open(path).map_err(fail)?;
    if metadata.len() > LARGEST_HASHED {
        return Err(fail(format!("larger than {}", size(LARGEST_HASHED))));
    }
    let mut hasher = blake3::Hasher::new();
    hasher
        .update_reader(file.take(LARGEST_HASHED))
        .map_err(|error| fail(format!("cannot be read: {error}")))?;
    Ok((hasher.finalize(), Fingerprint::of(&metadata)))
}

/// The fingerprint of what has this path now; none where there is nothing.
pub(crate) fn fingerprint(path: &Path) -> Option<Fingerprint> {
    Some(Fingerprint::of(&std::fs::metadata(path).ok()?))
}

/// Refuses what is not a regular file.
fn refuse_irregular(metadata: &Metadata) -> Result<(), String> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err("is a folder, not a file".into());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return Err(
                "is a pipe, not a file; write it to a file first (files are read more than once)"
                    .into(),
            );
        }
        if kind.is_socket() {
            return Err("is a socket, not a file".into());
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err("is a device, not a file; write it to a file first".into());
        }
    }
    Err("is not a regular file".into())
}

/// A number of bytes as messages say it.
fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= GIB && bytes.is_multiple_of(GIB) => format!("{} GiB", bytes / GIB),
        bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_its_reader_takes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs_err::write(&path, "\u{feff}abc").unwrap();
        assert_eq!(read(&path, 6, "a text").unwrap().len(), 6);
        assert_eq!(read_text(&path, 6, "a text").unwrap(), "abc");
        let error = read(&path, 5, "a text").unwrap_err().to_string();
        assert!(
            error.contains("a.txt: larger than 5 bytes: this is not a text"),
            "{error}"
        );
        // Ten terabytes, none of them on the disk.
        let file = fs_err::File::create(&path).unwrap();
        file.set_len(10 << 40).unwrap();
        let error = read(&path, GIB, "a text").unwrap_err().to_string();
        assert!(error.contains("larger than 1 GiB"), "{error}");
    }

    /// Files of the system claim to be empty.
    #[cfg(target_os = "linux")]
    #[test]
    fn files_that_claim_to_be_empty_are_bounded_too() {
        let error = read(Path::new("/proc/self/maps"), 10, "a text").unwrap_err();
        assert!(
            error.to_string().contains("larger than 10 bytes"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let socket = folder.path().join("socket");
        let _held = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, problem) in [
            (pipe.as_path(), "is a pipe"),
            (&link, "is a pipe"),
            (&socket, "is a socket"),
            (Path::new("/dev/zero"), "is a device"),
            (folder.path(), "is a folder"),
            (&folder.path().join("none"), "no such file"),
        ] {
            let error = read(path, 10, "a text").unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
