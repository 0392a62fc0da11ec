//! A model folder as named byte sources: a directory on disk, or files embedded in the program.

use std::path::{Path, PathBuf};

use super::Bytes;
use crate::error::{Error, Result};

/// Files of a built-in model: name and content.
pub(crate) type EmbeddedFolder = &'static [(&'static str, &'static [u8])];

/// Where the files of a model are.
#[derive(Debug, Clone)]
pub(crate) enum Folder {
    /// A directory.
    Directory(PathBuf),
    /// Files in the program, and the reference that names them.
    Embedded(&'static str, EmbeddedFolder),
}

impl Folder {
    /// The folder as messages call it.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Directory(path) => path.display().to_string(),
            Self::Embedded(name, _) => format!("builtin:{name}"),
        }
    }

    /// A file of the folder as messages call it.
    pub(crate) fn file(&self, name: &str) -> String {
        match self {
            Self::Directory(path) => path.join(name).display().to_string(),
            Self::Embedded(folder, _) => format!("builtin:{folder}/{name}"),
        }
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::Directory(path) => path.join(name).exists(),
            Self::Embedded(_, files) => files.iter().any(|(file, _)| *file == name),
        }
    }

    /// The content of a file, `None` where there is none.
    ///
    /// # Errors
    /// When the file is there but cannot be read, or the name is not a plain file name.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let mut parts = Path::new(name).components();
        let plain = matches!(
            (parts.next(), parts.next()),
            (Some(std::path::Component::Normal(_)), None)
        );
        if !plain {
            let problem = format!("{name:?} is not the name of a file in the model's folder");
            return Err(Error::model(self.label(), problem));
        }
        match self {
            Self::Directory(path) => {
                let path = path.join(name);
                if path.exists() {
                    Bytes::map(&path).map(Some)
                } else {
                    Ok(None)
                }
            }
            Self::Embedded(_, files) => Ok(files
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, content)| Bytes::Embedded(content))),
        }
    }

    /// The content of a file that has to be there.
    ///
    /// # Errors
    /// When it is absent or cannot be read.
    pub(crate) fn require(&self, name: &str) -> Result<Bytes> {
        self.get(name)?
            .ok_or_else(|| Error::model(self.label(), format!("there is no {name} in it")))
    }
}
