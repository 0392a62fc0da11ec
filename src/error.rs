//! The one error type of the library: what is wrong, where, and what to do.
//!
//! Mistakes of the user (arguments, specs, models, data) and bugs of ours are different variants, so that the
//! program can give them different exit codes.

use std::path::PathBuf;

/// A `Result` with the library's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in the library.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A run spec is wrong: syntax, types, impossible values or missing files. One entry per mistake.
    #[error("{}", join(.0))]
    Spec(Vec<SpecMistake>),

    /// An argument, name or option is wrong.
    #[error("{0}")]
    Usage(String),

    /// A model cannot be used: missing, truncated, of unknown architecture, with wrong shapes or NaN.
    #[error("model {model}: {problem}")]
    Model {
        /// The model as the user wrote it, or the file at fault.
        model: String,
        /// What is wrong and what to do, naming the tensor or key.
        problem: String,
    },

    /// Data cannot be used: rows of unequal length, answers of several tokens, a circuit of another shape.
    #[error("{source_name}: {problem}")]
    Data {
        /// The file, or the generator, with the row where one is at fault.
        source_name: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// A number that is not finite appeared in a run.
    #[error("not a finite number at {node}: {problem}")]
    NotFinite {
        /// The node whose value is NaN or infinite.
        node: String,
        /// Where it was seen.
        problem: String,
    },

    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// The work was interrupted from outside; finished parts are on disk.
    #[error("interrupted")]
    Interrupted,

    /// An invariant of ours does not hold.
    #[error("bug in secateur: {0} (please report it with the spec that shows it)")]
    Bug(String),
}

/// One mistake in a spec file, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecMistake {
    /// The spec file.
    pub file: PathBuf,
    /// Line, counted from 1; 0 when the mistake has no place.
    pub line: usize,
    /// Column, counted from 1; 0 when unknown.
    pub column: usize,
    /// The key path, such as `select.TopN.share`; empty for syntax errors.
    pub key: String,
    /// What is wrong and what to do.
    pub problem: String,
}

impl std::fmt::Display for SpecMistake {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.file.display())?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
            if self.column > 0 {
                write!(out, ":{}", self.column)?;
            }
        }
        if self.key.is_empty() {
            write!(out, ": {}", self.problem)
        } else {
            write!(out, ": {}: {}", self.key, self.problem)
        }
    }
}

impl Error {
    /// A model error.
    pub fn model(model: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Model {
            model: model.into(),
            problem: problem.into(),
        }
    }

    /// A data error.
    pub fn data(source_name: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Data {
            source_name: source_name.into(),
            problem: problem.into(),
        }
    }

    /// The program's exit code for this error: 1 bug, 2 arguments or spec, 3 model or data, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Bug(_) => 1,
            Self::Spec(_) | Self::Usage(_) => 2,
            Self::Model { .. } | Self::Data { .. } | Self::NotFinite { .. } | Self::Io(_) => 3,
            Self::Interrupted => 130,
        }
    }
}

fn join(mistakes: &[SpecMistake]) -> String {
    mistakes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}
