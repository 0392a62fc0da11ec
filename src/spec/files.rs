//! Specs on the command line: files and folders of them, read and checked in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::position::{KeyPath, position_of};
use super::{Spec, check_any_spec, parse};
use crate::error::{Error, Result, SpecMistake};
use crate::input;

/// Name of the circuits that runs write, often to a folder below the specs.
const RESULTS: [&str; 2] = ["circuit.ron", "features.ron"];

/// A checked spec and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecFile {
    /// The file.
    pub path: PathBuf,
    /// What it says.
    pub spec: Spec,
}

impl SpecFile {
    /// The folder that paths in the spec are relative to.
    pub fn base(&self) -> &Path {
        folder_of(&self.path)
    }
}

/// What reading several specs gave: the good ones, and the mistakes in the others.
#[derive(Debug, Default)]
pub struct SpecSet {
    /// Specs without a mistake, in the order given.
    pub specs: Vec<SpecFile>,
    /// One error per file that cannot be run, in the order given.
    pub errors: Vec<Error>,
}

/// The spec files that arguments name: files as they are, folders as all `*.ron` files below them, sorted, but for
/// `circuit.ron` and `features.ron`, which are results. A file named twice counts once.
///
/// # Errors
/// When an argument does not exist or a folder holds no spec.
pub fn spec_files(arguments: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for argument in arguments {
        if argument.is_dir() {
            let before = files.len();
            collect(argument, &mut files)?;
            if files.len() == before {
                return Err(Error::Usage(format!(
                    "{}: no *.ron file in this folder or below it",
                    argument.display()
                )));
            }
        } else if argument.exists() {
            files.push(argument.clone());
        } else {
            return Err(Error::Usage(format!(
                "{}: no such file or folder",
                argument.display()
            )));
        }
    }
    let mut seen = BTreeSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    Ok(files)
}

/// Adds all `*.ron` files of a folder but results, files before folders, each sorted by name.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        entries.push(entry?);
    }
    entries.sort_by_key(fs_err::DirEntry::file_name);
    let (mut folders, mut found) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.path();
        // The type of the entry itself: links to folders are not followed, so that a loop ends.
        if entry.file_type()?.is_dir() {
            folders.push(path);
        } else if path.extension().is_some_and(|extension| extension == "ron")
            && !RESULTS.iter().any(|result| entry.file_name() == *result)
        {
            found.push(path);
        }
    }
    files.append(&mut found);
    folders.iter().try_for_each(|inner| collect(inner, files))
}

/// Reads and checks spec files, all of them before any is run.
pub fn read_specs(files: &[PathBuf]) -> SpecSet {
    let mut read: Vec<(PathBuf, Result<Spec>, String)> = Vec::new();
    for file in files {
        match read_bytes(file) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
                read.push((file.clone(), check_any_spec(&bytes, file), text));
            }
            Err(error) => read.push((file.clone(), Err(error), String::new())),
        }
    }
    refuse_shared_names(&mut read);
    let mut set = SpecSet::default();
    for (path, result, _) in read {
        match result {
            Ok(spec) => set.specs.push(SpecFile { path, spec }),
            Err(error) => set.errors.push(error),
        }
    }
    set
}

fn read_bytes(file: &Path) -> Result<Vec<u8>> {
    input::bytes(file, parse::MAX_BYTES as u64, "a spec").map_err(|problem| {
        Error::Spec(vec![SpecMistake {
            file: file.to_owned(),
            line: 0,
            column: 0,
            key: String::new(),
            problem,
        }])
    })
}

/// Two specs of one name would write to one folder: neither is run.
fn refuse_shared_names(read: &mut [(PathBuf, Result<Spec>, String)]) {
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, (_, result, _)) in read.iter().enumerate() {
        if let Ok(spec) = result {
            by_name
                .entry(spec.name().to_owned())
                .or_default()
                .push(index);
        }
    }
    for (name, indices) in by_name.iter().filter(|(_, indices)| indices.len() > 1) {
        for &index in indices {
            let others: Vec<String> = indices
                .iter()
                .filter(|&&other| other != index)
                .map(|&other| read[other].0.display().to_string())
                .collect();
            let key = KeyPath::new("name");
            let (line, column) = position_of(&read[index].2, &key);
            read[index].1 = Err(Error::Spec(vec![SpecMistake {
                file: read[index].0.clone(),
                line,
                column,
                key: key.to_string(),
                problem: format!(
                    "{name:?} is also the name of {}; both would write to one folder",
                    others.join(", ")
                ),
            }]));
        }
    }
}

/// The folder of a file.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
