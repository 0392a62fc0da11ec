//! A model folder as named byte sources: a directory on disk, or files embedded in the program.

use std::path::{Path, PathBuf};

use super::Bytes;
use crate::error::{Error, Result};
use crate::input::MIB;

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
                if !path.exists() {
                    return refuse_dangling(&path).map(|()| None);
                }
                let bytes = Bytes::map(&path)?;
                if bytes.len() as u64 > largest(name) {
                    let problem = format!(
                        "has {} bytes, more than is read of such a file ({} MiB)",
                        bytes.len(),
                        largest(name) / MIB
                    );
                    return Err(Error::model(path.display().to_string(), problem));
                }
                Ok(Some(bytes))
            }
            Self::Embedded(_, files) => Ok(files
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, content)| Bytes::Embedded(content))),
        }
    }

    /// The names of all files, sorted; none where the directory cannot be listed.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = match self {
            Self::Directory(path) => fs_err::read_dir(path)
                .into_iter()
                .flatten()
                .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
                .collect(),
            Self::Embedded(_, files) => files.iter().map(|(name, _)| (*name).to_owned()).collect(),
        };
        names.sort();
        names
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

/// Refuses a link whose file is not there: a download that was not finished.
fn refuse_dangling(path: &Path) -> Result<()> {
    match fs_err::read_link(path) {
        Ok(to) => {
            let problem = format!(
                "is a link to {}, which is not there; fetch it again",
                to.display()
            );
            Err(Error::model(path.display().to_string(), problem))
        }
        Err(_) => Ok(()),
    }
}

/// Bytes that are read of a file: weights are mapped and may have any number, others are held in memory many times over.
fn largest(name: &str) -> u64 {
    match name {
        "config.json" => 4 * MIB,
        "tokenizer.json" => 256 * MIB,
        name if name.ends_with(".safetensors") => u64::MAX,
        _ => 64 * MIB,
    }
}
