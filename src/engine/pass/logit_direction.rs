//! What a logit reads in the final stream, with the scale of the final norm apart.

use crate::engine::kernels::norm;
use crate::engine::pass::transformer::Transformer;
use crate::model::{Norm, Real};

/// What a logit, or a difference of logits, reads in the final stream: `scale * stream . towards + norm_bias +
/// unembedding_bias`, with the scale of the final norm at that position.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitDirection {
    /// The norm's gain times the unembedding, centred where the norm centres, `[d_model]`.
    pub towards: Vec<f64>,
    /// What the norm's bias adds.
    pub norm_bias: f64,
    /// What the unembedding's bias adds.
    pub unembedding_bias: f64,
}

impl<T: Real> Transformer<'_, T> {
    /// What the mean logit of some tokens minus that of others reads in the final stream; before any soft cap.
    ///
    /// # Panics
    /// When a token has no logit, or there is no first one.
    pub fn logit_direction(&self, tokens: &[u32], minus: &[u32]) -> LogitDirection {
        let table = self.weights.unembedding_table();
        let width = self.config().d_model;
        let mut unembedding = vec![0.0; width];
        let mut unembedding_bias = 0.0;
        let mut add = |tokens: &[u32], sign: f64| {
            let weight = sign / tokens.len().max(1) as f64;
            for &token in tokens {
                for (sum, value) in unembedding.iter_mut().zip(table.gather(&[token as usize])) {
                    *sum += weight * value.to_f64();
                }
                let bias = self.weights.unembedding_bias();
                unembedding_bias += bias.map_or(0.0, |bias| weight * bias[token as usize].to_f64());
            }
        };
        assert!(!tokens.is_empty(), "a logit of no token");
        add(tokens, 1.0);
        add(minus, -1.0);
        let norm = &self.weights.final_norm;
        if self.config().norm == Norm::None {
            return LogitDirection {
                towards: unembedding,
                norm_bias: 0.0,
                unembedding_bias,
            };
        }
        let norm_bias = norm.bias.iter().flatten().zip(&unembedding);
        let norm_bias = norm_bias.map(|(bias, value)| bias.to_f64() * value).sum();
        let gains = norm.gain.iter().zip(&unembedding);
        let mut towards: Vec<f64> = gains.map(|(gain, value)| gain.to_f64() * value).collect();
        if let Norm::LayerNorm { .. } = self.config().norm {
            // Reading a centred stream is reading the stream with centred weights.
            let mean = towards.iter().sum::<f64>() / width as f64;
            for value in &mut towards {
                *value -= mean;
            }
        }
        LogitDirection {
            towards,
            norm_bias,
            unembedding_bias,
        }
    }

    /// The factor that the final norm gives each of some streams, `[rows]`.
    pub fn final_scales(&self, finals: &[T]) -> Vec<f64> {
        let normalised = norm::normalised(self.config().norm, self.config().d_model, finals);
        normalised
            .scale
            .iter()
            .map(|scale| scale.to_f64())
            .collect()
    }
}
