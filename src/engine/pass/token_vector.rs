//! Vectors of the stream that stand for tokens.

use crate::engine::pass::transformer::Transformer;
use crate::model::{Norm, Real};

/// Which vector of the stream stands for a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TokenVector {
    /// The one whose product with the stream is the token's logit, up to the final norm's scale: the token's row of the
    /// unembedding times the gain of the final norm, without its mean where that norm takes means out.
    #[default]
    Unembedding,
    /// The token's embedding.
    Embedding,
}

impl<T: Real> Transformer<'_, T> {
    /// The vector of a token, `[d_model]`.
    ///
    /// # Panics
    /// When the token is outside the vocabulary.
    pub fn token_vector(&self, token: u32, which: TokenVector) -> Vec<f64> {
        let table = match which {
            TokenVector::Unembedding => self.weights.unembedding_table(),
            TokenVector::Embedding => &self.weights.embedding,
        };
        let row = table.gather(&[token as usize]);
        let row = row.iter().map(|value| value.to_f64());
        if which == TokenVector::Embedding {
            return row.collect();
        }
        let gain = self.weights.final_norm.gain.iter();
        let mut vector: Vec<f64> = match self.config().norm {
            Norm::None => return row.collect(),
            _ => row
                .zip(gain)
                .map(|(row, gain)| row * gain.to_f64())
                .collect(),
        };
        if matches!(self.config().norm, Norm::LayerNorm { .. }) {
            let mean = vector.iter().sum::<f64>() / vector.len() as f64;
            for value in &mut vector {
                *value -= mean;
            }
        }
        vector
    }
}
