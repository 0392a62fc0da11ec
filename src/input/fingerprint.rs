//! Whether a file is still the one that was read, without reading it again.

use std::fs::Metadata;
use std::time::{Duration, UNIX_EPOCH};

/// What changes when a file is written to or another one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// Bytes.
    pub(crate) length: u64,
    /// Since 1970.
    modified: Option<Duration>,
    /// The volume, the file on it, and when anything about it changed, which nobody can set back.
    #[cfg(unix)]
    inode: (u64, u64, (i64, i64)),
}

impl Fingerprint {
    /// The fingerprint in a file's metadata.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            length: metadata.len(),
            modified: metadata
                .modified()
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok()),
            #[cfg(unix)]
            inode: (
                metadata.dev(),
                metadata.ino(),
                (metadata.ctime(), metadata.ctime_nsec()),
            ),
        }
    }
}
