//! What can be asked about the residual stream.

use std::path::{Path, PathBuf};

#[cfg(feature = "cli")]
use crate::flags::{shown, value};
use serde::{Deserialize, Serialize};

/// Most directions.
const MOST_DIRECTIONS: usize = 20;

/// How the stream grows, and which parts write what into it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Residual {
    /// Texts to look at instead of a task; their last token is the scored position. The flag may be repeated.
    #[cfg_attr(feature = "cli", arg(long = "prompt", value_name = "TEXT"))]
    pub texts: Vec<String>,
    /// At which positions: `Scored` (the scored position) or `Every` (the mean over all but the first).
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHERE", value_parser = value::<Over>(), default_value = shown(&Over::default())))]
    pub over: Over,
    /// Directions into which parts may write: `Token(" Paris")`, `Difference(" Paris", " Rome")` or
    /// `Vector("vector.safetensors")`. The flag may be repeated.
    #[cfg_attr(feature = "cli", arg(long = "direction", value_name = "DIRECTION", value_parser = value::<Direction>()))]
    pub directions: Vec<Direction>,
}

/// Positions that a prompt is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Over {
    /// The scored position; of a text the last one.
    #[default]
    Scored,
    /// The mean over all positions but the first, where streams are often of another size.
    Every,
}

/// A direction of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Direction {
    /// What the logit of a token reads.
    Token(String),
    /// What the logit of a token minus that of another one reads.
    Difference(String, String),
    /// A vector in a file that `vector` wrote.
    Vector(PathBuf),
}

impl Direction {
    /// What it is, in words.
    pub fn name(&self) -> String {
        match self {
            Self::Token(token) => format!("{token:?}"),
            Self::Difference(token, other) => format!("{token:?} minus {other:?}"),
            Self::Vector(path) => path.display().to_string(),
        }
    }
}

impl Residual {
    /// The files of its vectors.
    pub fn files(&self) -> Vec<&Path> {
        let files = self.directions.iter().map(|direction| match direction {
            Direction::Vector(path) => Some(path.as_path()),
            Direction::Token(_) | Direction::Difference(..) => None,
        });
        files.flatten().collect()
    }

    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.texts.iter().any(String::is_empty) {
            let problem = "an empty text has no token to look at; remove it";
            found.push(("analysis.Residual.texts", problem.into()));
        }
        let key = "analysis.Residual.directions";
        if self.directions.len() > MOST_DIRECTIONS {
            let got = self.directions.len();
            found.push((
                key,
                format!("expected at most {MOST_DIRECTIONS}, got {got}"),
            ));
        }
        for direction in &self.directions {
            if let Direction::Difference(token, other) = direction
                && token == other
            {
                found.push((key, format!("{token:?} minus itself is no direction")));
            }
        }
        found
    }
}
