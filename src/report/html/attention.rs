//! Attention patterns of the heads of a circuit on a few prompts, as a page holds them.

use serde::Serialize;

/// Attention of heads on example prompts.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AttentionExamples {
    /// The prompts.
    pub prompts: Vec<AttentionExample>,
    /// The heads, those with the largest `|score|` at their edges first.
    pub heads: Vec<HeadAttention>,
}

/// A prompt that attention is shown on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttentionExample {
    /// Its tokens as text.
    pub tokens: Vec<String>,
}

/// Attention of one head on each prompt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadAttention {
    /// Name of the head's node.
    pub head: String,
    /// For each prompt one character for each query and key, row by row.
    ///
    /// Units: in 64 steps from 0, `A`, to 1, `_`.
    pub patterns: Vec<String>,
}

/// The characters of the 64 levels, in order.
const LEVELS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl HeadAttention {
    /// Writes a pattern down, one character a number.
    pub fn pattern(attention: impl Iterator<Item = f64>) -> String {
        attention.map(level).collect()
    }
}

/// The level that is nearest to a share.
fn level(share: f64) -> char {
    let level = (share.clamp(0.0, 1.0) * 63.0).round();
    char::from(LEVELS[level as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_nearest() {
        assert_eq!(
            HeadAttention::pattern([0.0, 1.0, 0.5, 1.0 / 63.0, 2.0, f64::NAN].into_iter()),
            "A_gB_A"
        );
    }
}
