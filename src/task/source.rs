//! The task sources a spec can name.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Agreement, Dataset, GreaterThan, InContext, Induction, Ioi, check, rows};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::{ModelConfig, PrependBos, Tokenizer};

/// Examples that are made to see how much memory all will take.
const FEW: usize = 32;

/// Where a task's examples come from.
///
/// # Example
/// ```
/// use std::path::Path;
///
/// use secateur::TaskSource;
/// use secateur::events::Silent;
/// use secateur::model::PrependBos;
/// use secateur::task::{Agreement, LoadRequest, Prompts};
///
/// let model = secateur::load_model("builtin:toy-llama", Path::new("."))?;
/// let task = TaskSource::Agreement(Agreement { pairs: 16, seed: 0 });
/// let dataset = task.load(&LoadRequest {
///     prompts: Prompts::Pairs,
///     tokenizer: model.tokenizer.as_ref(),
///     config: model.config(),
///     prepend_bos: PrependBos::Auto,
///     base: Path::new("."),
///     observer: &Silent,
/// })?;
/// let (discovery, held_out) = dataset.split(0.25);
/// assert_eq!((discovery.len(), held_out.len()), (12, 4));
/// assert_eq!(discovery[0].clean.len(), discovery[0].corrupt.len());
/// # Ok::<(), secateur::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TaskSource {
    /// Indirect object identification, generated.
    Ioi(Ioi),
    /// Greater-than, generated.
    GreaterThan(GreaterThan),
    /// Induction, generated.
    Induction(Induction),
    /// Subject-verb agreement, generated.
    Agreement(Agreement),
    /// A function of words shown by examples, generated.
    InContext(InContext),
    /// Rows of text.
    File(PathBuf),
    /// Rows of token ids.
    Tokens(PathBuf),
}

/// The model that examples are made for.
#[derive(Clone, Copy)]
pub struct LoadRequest<'a> {
    /// Its tokenizer; without one only `Tokens` and `Induction` work.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Its shape: the vocabulary and the longest sequence.
    pub config: &'a ModelConfig,
    /// Whether text gets a beginning-of-sequence token; token ids never do.
    pub prepend_bos: PrependBos,
    /// What the two prompts of an example are to each other.
    pub prompts: Prompts,
    /// The folder that relative paths start from: the spec file's.
    pub base: &'a Path,
    /// Asked before every example whether to stop.
    pub observer: &'a dyn Observer,
}

impl LoadRequest<'_> {
    /// Ends the work where the observer asks for it.
    pub(super) fn go_on(&self) -> Result<()> {
        if self.observer.interrupted() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

/// What clean and corrupt prompts are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompts {
    /// Pairs, token by token: of equal length, and different.
    Pairs,
    /// Two sets that are compared as wholes: of any length, and equal where only one is asked for.
    Sets,
}

impl TaskSource {
    /// The examples of this task for a model, checked.
    ///
    /// # Errors
    /// When a file cannot be read, a row is wrong (up to ten are named), the model has no tokenizer for text, or
    /// its tokenizer does not fit the task, or the observer interrupts.
    pub fn load(&self, request: &LoadRequest<'_>) -> Result<Dataset> {
        let (examples, is_text) = match self {
            Self::Ioi(task) => (task.examples(request)?, true),
            Self::GreaterThan(task) => (task.examples(request)?, true),
            Self::Induction(task) => (task.examples(request)?, request.tokenizer.is_some()),
            Self::Agreement(task) => (task.examples(request)?, true),
            Self::InContext(task) => (task.examples(request)?, true),
            Self::File(path) => (rows::text(path, request)?, true),
            Self::Tokens(path) => (rows::tokens(path, request)?, false),
        };
        let source = self.label();
        if !matches!(self, Self::File(_) | Self::Tokens(_)) {
            check::all(&source, &examples, request)?;
        }
        let prepend_bos = is_text
            && request
                .tokenizer
                .is_some_and(|it| it.prepends_bos(request.prepend_bos));
        Ok(Dataset {
            examples,
            source,
            prepend_bos,
        })
    }

    /// About the bytes that its examples take in memory, before they are made: of the first of those that are generated, and of
    /// the size of the file.
    ///
    /// # Errors
    /// As [`TaskSource::load`].
    pub fn expected_bytes(&self, request: &LoadRequest<'_>) -> Result<usize> {
        let mut first = self.clone();
        let pairs = match &mut first {
            Self::Ioi(task) => &mut task.pairs,
            Self::GreaterThan(task) => &mut task.pairs,
            Self::Induction(task) => &mut task.pairs,
            Self::Agreement(task) => &mut task.pairs,
            Self::InContext(task) => &mut task.pairs,
            Self::File(path) | Self::Tokens(path) => {
                return Ok(rows::expected_bytes(request.base, path));
            }
        };
        let all = std::mem::replace(pairs, FEW.min(*pairs));
        // Few enough to be loaded twice without waiting.
        if all <= FEW {
            return Ok(0);
        }
        Ok((first.load(request)?.bytes() / FEW).saturating_mul(all))
    }

    /// The file that it takes rows from, where it does.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::Tokens(path) => Some(path),
            _ => None,
        }
    }

    /// Its name in specs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ioi(_) => "Ioi",
            Self::GreaterThan(_) => "GreaterThan",
            Self::Induction(_) => "Induction",
            Self::Agreement(_) => "Agreement",
            Self::InContext(_) => "InContext",
            Self::File(_) => "File",
            Self::Tokens(_) => "Tokens",
        }
    }

    /// The source for reports: a generator with its parameters, or the file as the spec names it.
    pub fn label(&self) -> String {
        match self {
            Self::Ioi(task) => task.source(),
            Self::GreaterThan(task) => task.source(),
            Self::Induction(task) => task.source(),
            Self::Agreement(task) => task.source(),
            Self::InContext(task) => task.source(),
            Self::File(path) => format!("File({})", path.display()),
            Self::Tokens(path) => format!("Tokens({})", path.display()),
        }
    }
}
