//! What heads look at, as data.

use crate::analyze::AnalysisReport;
use serde::{Deserialize, Serialize};

use crate::evaluate::Effect;

/// The answer about the attention of heads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttentionReport {
    /// Random sequences, and tokens of each before it is repeated.
    pub sequences: usize,
    /// Tokens of a sequence before it is repeated.
    pub length: usize,
    /// Prompts whose answer stands in them, on which name moving is scored.
    pub prompts: usize,
    /// A score from here on gives a head its role.
    pub threshold: f64,
    /// A token counts as copied when it is among so many most likely ones.
    pub top: usize,
    /// All heads, those with the largest score first.
    pub heads: Vec<HeadScores>,
    /// Heads with their attention on the first prompt.
    pub drawn: Vec<DrawnHead>,
    /// The texts of that prompt's tokens.
    pub tokens: Vec<String>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// A score, and what a head that looks at all positions alike would have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// The mean over sequences or prompts, with its interval.
    pub score: Effect,
    /// The same of uniform attention; of copying the share that chance gives.
    pub uniform: f64,
}

/// The scores of one head.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadScores {
    /// Its name.
    pub head: String,
    /// Its layer.
    pub layer: usize,
    /// Attention to the token before, on random tokens.
    pub previous_token: Score,
    /// Attention to the same token in the first copy of random tokens.
    pub duplicate_token: Score,
    /// Attention to the token after that.
    pub induction: Score,
    /// Attention from the scored position to the answer where it stands in the prompt.
    pub name_moving: Option<Score>,
    /// Share of tokens that are among the most likely ones when the head writes for them.
    pub copying: Score,
    /// The sum of the eigenvalues of its map from the token looked at to the logits, as a share of the sum of their sizes; of
    /// weights alone. None where the map is zero, or writes of other tokens than it reads. By chance it is 0.
    pub copying_eigenvalues: Option<Score>,
    /// Its roles.
    pub roles: Vec<Role>,
}

/// What a head does, by a score above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// Looks at the token before.
    #[serde(rename = "previous token")]
    PreviousToken,
    /// Looks at the same token earlier.
    #[serde(rename = "duplicate token")]
    DuplicateToken,
    /// Looks at what followed the same token earlier.
    #[serde(rename = "induction")]
    Induction,
    /// Looks at the answer in the prompt, and copies.
    #[serde(rename = "name mover")]
    NameMover,
}

/// The attention of a head on a prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DrawnHead {
    /// Its name.
    pub head: String,
    /// `[positions][positions]`.
    pub attention: Vec<Vec<f64>>,
}

impl Role {
    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::PreviousToken => "previous token",
            Self::DuplicateToken => "duplicate token",
            Self::Induction => "induction",
            Self::NameMover => "name mover",
        }
    }
}

impl HeadScores {
    /// The largest of its scores of attention.
    pub fn largest(&self) -> f64 {
        let scores = [self.previous_token, self.duplicate_token, self.induction];
        let scores = scores.into_iter().chain(self.name_moving);
        scores.map(|it| it.score.mean).fold(0.0, f64::max)
    }
}

impl AnalysisReport for AttentionReport {
    fn finding(&self) -> String {
        let with = |role: Role| {
            self.heads
                .iter()
                .filter(|it| it.roles.contains(&role))
                .count()
        };
        let induction = |head: &&HeadScores| head.induction.score.mean;
        let best = self
            .heads
            .iter()
            .max_by(|a, b| induction(a).total_cmp(&induction(b)));
        let best = best.map_or_else(String::new, |it| {
            format!(
                "; most inductive is {} ({:.2})",
                it.head, it.induction.score.mean
            )
        });
        format!(
            "{} induction, {} previous-token, {} duplicate-token heads, {} name movers{best}",
            with(Role::Induction),
            with(Role::PreviousToken),
            with(Role::DuplicateToken),
            with(Role::NameMover)
        )
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
