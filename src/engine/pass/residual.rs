//! What a plain run holds at every layer and position, to be compared with other implementations.

use crate::engine::pass::layout::Layout;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::model::Real;

/// The residual streams and logits of one sequence.
#[derive(Debug, Clone)]
pub struct Residuals<T> {
    /// The stream that each block reads, first to last, then the one that the final norm reads;
    /// `[n_layers + 1][positions * d_model]`.
    pub streams: Vec<Vec<T>>,
    /// Logits of all positions, `[positions, d_out]` row-major.
    pub logits: Vec<T>,
}

impl<T: Real> Transformer<'_, T> {
    /// Runs one sequence and keeps the residual stream at every layer and position.
    ///
    /// Memory grows with `positions * (n_layers * d_model + d_out)`.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, or there are more than `n_ctx`.
    pub fn residuals(&self, tokens: &[u32]) -> Residuals<T> {
        let every: Vec<usize> = (0..tokens.len()).collect();
        let layout = Layout::whole([(tokens, &every[..])]);
        let embedded = self.embed(tokens.iter().copied());
        let run = self.forward(&layout, &embedded, &Prefix::default(), false);
        let logits = self.logits(&run.streams[2 * self.config().n_layers]);
        Residuals {
            // Every other place is in front of an MLP.
            streams: run.streams.into_iter().step_by(2).collect(),
            logits,
        }
    }
}
