//! The task sources a spec can name.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Agreement, GreaterThan, Induction, Ioi};

/// Where a task's examples come from.
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
    /// Rows of text.
    File(PathBuf),
    /// Rows of token ids.
    Tokens(PathBuf),
}
