//! The files that a model was read from, and whether they still hold what was read.

use std::sync::Arc;

use super::families::Description;
use super::source::{Bytes, Folder, Gguf, SafetensorsFiles, Seen, TensorSource};
use super::{ModelIdentity, tokenizer};
use crate::error::Result;

/// The files of a model, open.
pub(super) enum Files {
    /// A folder in Hugging Face's layout.
    Folder {
        /// The folder.
        folder: Folder,
        /// Its config.json.
        config: Bytes,
        /// Its weights.
        weights: Arc<SafetensorsFiles>,
    },
    /// A GGUF file.
    Gguf(Arc<Gguf>),
}

impl Files {
    /// The tensors.
    pub(super) fn source(&self) -> Arc<dyn TensorSource> {
        match self {
            Self::Folder { weights, .. } => Arc::<SafetensorsFiles>::clone(weights),
            Self::Gguf(gguf) => Arc::<Gguf>::clone(gguf),
        }
    }

    /// The tokenizer, or why there is none.
    pub(super) fn tokenizer(&self) -> tokenizer::Found {
        match self {
            Self::Folder { folder, config, .. } => tokenizer::folder::read(folder, config),
            Self::Gguf(gguf) => tokenizer::gguf::read(&gguf.header),
        }
    }

    /// The hash of the files of a folder's tokenizer; that of a GGUF file is part of the file.
    pub(super) fn tokenizer_hash(&self) -> Option<String> {
        match self {
            Self::Folder { folder, .. } => {
                tokenizer::folder::hash(folder).map(|hash| hash.to_hex().to_string())
            }
            Self::Gguf(_) => None,
        }
    }

    /// What they say that the model is.
    pub(super) fn identity(&self, of: &Description) -> ModelIdentity {
        match self {
            Self::Folder {
                folder,
                config,
                weights,
            } => ModelIdentity::of_folder(folder, config, of, &**weights),
            Self::Gguf(gguf) => ModelIdentity::of_gguf(&gguf.header, of, &**gguf),
        }
    }

    /// The hash of the configuration and the weight files, to go on from.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        if let Self::Folder { config, .. } = self {
            hasher.update(&(config.len() as u64).to_le_bytes());
            hasher.update(config);
        }
        self.source().hash(&mut hasher);
        hasher
    }

    /// The first file that something happened to since it was opened.
    ///
    /// # Errors
    /// When one is certainly not what was read.
    fn touched(&self) -> Result<Option<Bytes>> {
        let source = self.source();
        let config = match self {
            Self::Folder { config, .. } => Some(config),
            Self::Gguf(_) => None,
        };
        let mut touched = None;
        for bytes in config.into_iter().chain(source.contents()) {
            if bytes.seen()? == Seen::Touched {
                touched = touched.or_else(|| Some(bytes.clone()));
            }
        }
        Ok(touched)
    }
}

/// The files of a loaded model with the hash of what was read.
pub(super) struct Origin {
    files: Files,
    hash: blake3::Hash,
}

impl Origin {
    /// Keeps hold of files whose hash this is, after all of them was read.
    ///
    /// # Errors
    /// When something happened to one of them meanwhile: the hash may be of another content than what was read.
    pub(super) fn new(files: Files, hash: blake3::Hash) -> Result<Self> {
        match files.touched()? {
            Some(bytes) => Err(bytes.changed("")),
            None => Ok(Self { files, hash }),
        }
    }

    /// Refuses files that no longer hold what was read. They are read again only where something happened to one of them.
    ///
    /// # Errors
    /// When one was written to or shrank; the error names it.
    pub(super) fn check(&self) -> Result<()> {
        let Some(bytes) = self.files.touched()? else {
            return Ok(());
        };
        let now = self.files.hasher().finalize();
        // Reading may have found that one has shrunk.
        let _later: Option<Bytes> = self.files.touched()?;
        if now == self.hash {
            Ok(())
        } else {
            Err(bytes.changed(""))
        }
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Origin({})", self.hash)
    }
}
