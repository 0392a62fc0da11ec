//! The content of a file: memory-mapped, or embedded in the program.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};

/// Read-only bytes that are cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Bytes {
    /// A memory-mapped file.
    Mapped(Arc<memmap2::Mmap>),
    /// Part of the program.
    Embedded(&'static [u8]),
}

impl Bytes {
    /// Maps a file into memory.
    ///
    /// # Errors
    /// When it cannot be opened or mapped; the error names the path.
    pub(crate) fn map(path: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Error::model(path.display().to_string(), format!("cannot read: {error}"))
        };
        let file = fs_err::File::open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(Error::model(path.display().to_string(), "is not a file"));
        }
        #[expect(unsafe_code, reason = "mapping a file has no safe form")]
        // SAFETY: the mapping is read-only and private to this type. Weight files are not written while a run reads
        // them; no value read from one is trusted to be in bounds, so a change under our feet cannot break memory safety
        // beyond the bytes themselves.
        let map = unsafe { memmap2::Mmap::map(file.file()) }.map_err(failed)?;
        Ok(Self::Mapped(Arc::new(map)))
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}
