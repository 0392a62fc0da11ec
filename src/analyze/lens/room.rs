//! What a lens takes in memory.

use super::parameters::{Lens, Tuned};
use super::seen::LOGITS;
use crate::engine::Transformer;
use crate::model::Real;

/// Bytes that looking at this many prompts takes at most, the longest of which has this many tokens.
pub fn room<T: Real>(
    transformer: &Transformer<'_, T>,
    question: &Lens,
    (longest, prompts): (usize, usize),
) -> usize {
    let (width, d_out) = (transformer.heads().d_model, transformer.d_out());
    let places = transformer.places(question.after_attention).len();
    let number = size_of::<T>();
    // Logits and log-probabilities: of the final stream, of an earlier one, and what these are made from.
    let rows = (LOGITS / d_out).clamp(1, prompts.max(longest).max(1));
    let logits = rows * d_out * (2 * number + 4 * size_of::<f64>());
    let streams = 2 * places * (prompts + longest) * width * number;
    let (fit, longest) = match &question.tuned {
        Some(Tuned::Fitted(fit)) => {
            let sums = 2 * places * (width + 1) * (width + 1) * size_of::<f64>();
            let rows = 4 * fit.context * places * width * (number + size_of::<f64>());
            let batch = if fit.train.is_empty() { 0 } else { fit.batch };
            let trained = 6 * width * width * number + batch * d_out * (2 * number + 16);
            (sums + rows + trained, longest.max(4 * fit.context))
        }
        Some(Tuned::Saved(_)) => (3 * places * width * width * size_of::<f64>(), longest),
        None => (0, longest),
    };
    [logits, streams, fit, transformer.run_bytes(longest)]
        .into_iter()
        .fold(0, usize::saturating_add)
}
