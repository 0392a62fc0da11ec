//! How far the output of changed final streams is from the model's own, and the gradient of that.

use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::{matmul, norm};
use crate::engine::pass::transformer::Transformer;
use crate::metric::{divergence, log_softmax};
use crate::model::Real;

impl<T: Real> Transformer<'_, T> {
    /// KL divergence of the output of `finals` from that of `streams`, both in front of the final norm, in nats for each
    /// row; and its gradient with respect to `streams`, `[rows, d_model]`, each row having weight 1.
    ///
    /// # Panics
    /// When there are not as many rows of both.
    ///
    /// # Complexity
    /// Three products with the unembedding.
    pub fn divergence(&self, streams: &[T], finals: &[T]) -> (Vec<f64>, Vec<T>) {
        let config = self.config();
        let d_out = config.d_out();
        assert_eq!(streams.len(), finals.len(), "rows");
        let mut at_logits = self.logits(streams);
        let own = self.logits(finals);
        let mut losses = Vec::with_capacity(streams.len() / config.d_model);
        for (logits, own) in at_logits
            .chunks_exact_mut(d_out)
            .zip(own.chunks_exact(d_out))
        {
            let (here, own) = (log_softmax(logits), log_softmax(own));
            losses.push(divergence(&own, &here));
            let capped = logits.to_vec();
            for (value, (here, own)) in logits.iter_mut().zip(here.iter().zip(&own)) {
                *value = T::from_f64(here.exp() - own.exp());
            }
            self.uncap(&capped, logits);
        }
        let rows = losses.len();
        let mut gradient = vec![T::ZERO; streams.len()];
        let lhs = Matrix::rows(&at_logits, rows, d_out);
        for (tokens, panel) in self.weights.unembedding_table().panels() {
            let panel = Matrix::rows(&panel, tokens.len(), config.d_model);
            let lhs = lhs.columns(tokens.start, tokens.end);
            matmul::product(lhs, panel, &mut gradient, config.d_model, true);
        }
        let at = norm::normalised(config.norm, config.d_model, streams);
        norm::backward(config.norm, &self.weights.final_norm, &at, &mut gradient);
        (losses, gradient)
    }
}
