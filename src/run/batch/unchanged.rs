//! The files that a job reads, held against what they were when their hashes were taken.

use std::path::PathBuf;

use super::plan::Job;
use crate::error::{Error, Result};
use crate::input::{self, Fingerprint};
use crate::paths::place;

/// The data files of a job: the task's rows, vectors, dictionaries, texts.
pub(crate) struct DataFiles(Vec<DataFile>);

struct DataFile {
    path: PathBuf,
    hash: blake3::Hash,
    fingerprint: Fingerprint,
}

impl DataFiles {
    /// Hashes the files.
    ///
    /// # Errors
    /// When one cannot be read.
    pub(crate) fn read(job: &Job) -> Result<Self> {
        let files = job.spec.spec.data_files().into_iter().map(|file| {
            let path = place(job.spec.base(), file);
            let (hash, fingerprint) = input::hash(&path)?;
            Ok(DataFile {
                path,
                hash,
                fingerprint,
            })
        });
        Ok(Self(files.collect::<Result<_>>()?))
    }

    /// Their hashes, where there are files.
    pub(crate) fn hash(&self) -> Option<String> {
        let hashes: Vec<_> = self
            .0
            .iter()
            .map(|file| file.hash.to_hex().to_string())
            .collect();
        (!hashes.is_empty()).then(|| hashes.join(" "))
    }

    /// Refuses files that hold something else now: what the job read may not be what was hashed.
    ///
    /// # Errors
    /// When one of them does; the error names it.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        for file in &self.0 {
            if input::fingerprint(&file.path) == Some(file.fingerprint) {
                continue;
            }
            // It may have been touched only.
            if input::hash(&file.path).is_ok_and(|(hash, _)| hash == file.hash) {
                continue;
            }
            let problem = "changed while the job read it; its result is not kept. Run again once nothing writes to it";
            return Err(Error::data(file.path.display().to_string(), problem));
        }
        Ok(())
    }
}
