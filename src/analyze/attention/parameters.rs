//! What can be asked about attention.

#[cfg(feature = "cli")]
use crate::flags::{shown, value};
use serde::{Deserialize, Serialize};

/// Most random sequences.
const MOST_SEQUENCES: usize = 1000;
/// Longest half of a random sequence.
const LONGEST: usize = 1 << 16;
/// Most tokens whose copying is scored.
const MOST_TOKENS: usize = 4096;
/// Most heads that are drawn.
const MOST_DRAWN: usize = 100;

/// What heads attend to, and which roles that gives them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct AttentionRoles {
    /// Number of random sequences, each repeated once, on which heads are scored.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = AttentionRoles::default().sequences))]
    pub sequences: usize,
    /// Tokens of a random sequence before it is repeated; fewer if the model's context is shorter.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = AttentionRoles::default().length))]
    pub length: usize,
    /// What random tokens are drawn from: `Vocabulary`, or `Prompts` (the tokens of the task's clean prompts, for models with a
    /// small vocabulary in use).
    #[cfg_attr(feature = "cli", arg(long, value_name = "WHICH", value_parser = value::<RandomTokens>(), default_value = shown(&AttentionRoles::default().tokens)))]
    pub tokens: RandomTokens,
    /// Seed of the random tokens.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = AttentionRoles::default().seed))]
    pub seed: u64,
    /// Number of tokens on which copying is scored.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = AttentionRoles::default().copied))]
    pub copied: usize,
    /// A token counts as copied if it is among so many top tokens.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = AttentionRoles::default().top))]
    pub top: usize,
    /// The lowest score that gives a head its role.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = AttentionRoles::default().threshold, allow_negative_numbers = true))]
    pub threshold: f64,
    /// Heads whose attention on the first prompt is drawn, such as `a5.h1` [default: those with the highest scores].
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "HEAD,..", value_delimiter = ',')
    )]
    pub draw: Vec<String>,
    /// Number of heads that are drawn if `draw` names none.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = AttentionRoles::default().drawn))]
    pub drawn: usize,
}

/// What random tokens are drawn among.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum RandomTokens {
    /// The whole vocabulary.
    #[default]
    Vocabulary,
    /// The tokens of the task's clean prompts: for models that know few words in few places.
    Prompts,
}

impl Default for AttentionRoles {
    fn default() -> Self {
        Self {
            sequences: 8,
            length: 50,
            tokens: RandomTokens::Vocabulary,
            seed: 0,
            copied: 32,
            top: 5,
            threshold: 0.4,
            draw: Vec::new(),
            drawn: 6,
        }
    }
}

impl AttentionRoles {
    /// Values that make no sense, each with its key in the spec.
    pub(super) fn wrong_values(&self, has_task: bool) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        if self.tokens == RandomTokens::Prompts && !has_task {
            let problem = "there are no prompts without a task; add one, or use Vocabulary";
            found.push(("analysis.Attention.tokens", problem.into()));
        }
        for (key, least, most, got) in [
            (
                "analysis.Attention.sequences",
                1,
                MOST_SEQUENCES,
                self.sequences,
            ),
            ("analysis.Attention.length", 2, LONGEST, self.length),
            ("analysis.Attention.copied", 1, MOST_TOKENS, self.copied),
            ("analysis.Attention.top", 1, 1000, self.top),
            ("analysis.Attention.drawn", 0, MOST_DRAWN, self.drawn),
        ] {
            if !(least..=most).contains(&got) {
                found.push((key, format!("expected {least} to {most}, got {got}")));
            }
        }
        if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            let problem = format!(
                "expected more than 0 and at most 1, got {:?}",
                self.threshold
            );
            found.push(("analysis.Attention.threshold", problem));
        }
        if self.draw.len() > MOST_DRAWN {
            let problem = format!(
                "expected at most {MOST_DRAWN} heads, got {}",
                self.draw.len()
            );
            found.push(("analysis.Attention.draw", problem));
        }
        for name in &self.draw {
            if head_of(name).is_none() {
                let problem = format!("expected heads such as \"a5.h1\", got {name:?}");
                found.push(("analysis.Attention.draw", problem));
            }
        }
        found
    }
}

/// Layer and number of a head by its name.
pub(crate) fn head_of(name: &str) -> Option<(usize, usize)> {
    let (layer, head) = name.strip_prefix('a')?.split_once(".h")?;
    Some((layer.parse().ok()?, head.parse().ok()?))
}
