//! A hash of what computes results, so that a changed program does not take another's results for its own.
//!
//! Hashed are the sources of the library, the files built into it, and the versions of its dependencies, by their names
//! and contents: the same for every checkout, wherever it is built and with whatever optimisation.

#![expect(
    clippy::disallowed_methods,
    reason = "only this script would need fs_err"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// What the library is made of, relative to the package.
const SOURCES: [&str; 4] = ["Cargo.lock", "Cargo.toml", "circuits/models", "src"];
/// The program over the library, which computes nothing.
const PROGRAM: &str = "src/bin";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut hasher = blake3::Hasher::new();
    for source in SOURCES {
        hash(Path::new(source), &mut hasher);
    }
    let hash = hasher.finalize().to_hex();
    println!("cargo::rustc-env=SECATEUR_SOURCES={}", &hash[..16]);
}

/// Adds a file, or all files of a folder in order of their names; what is not there adds nothing (a dependency has no
/// lock file).
fn hash(path: &Path, hasher: &mut blake3::Hasher) {
    if path == Path::new(PROGRAM) {
        return;
    }
    if let Ok(entries) = fs::read_dir(path) {
        let mut inner: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        inner.sort();
        for path in inner {
            hash(&path, hasher);
        }
    } else if let Ok(bytes) = fs::read(path) {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.to_string_lossy().replace('\\', "/");
        for part in [name.as_bytes(), &bytes] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
}
