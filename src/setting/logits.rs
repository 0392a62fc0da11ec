//! The logits of rows of tokens, for comparison with other implementations: `secateur logits`.

use super::bound::Bound;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::LoadedModel;

/// The logits at the last position of each row of tokens, `[rows, d_vocab]`.
///
/// # Errors
/// When a token is outside the vocabulary, a row is empty or too long, or a logit is not finite.
pub fn last_logits(model: &LoadedModel, rows: &[Vec<u32>]) -> Result<Vec<Vec<f32>>> {
    let config = model.config();
    for (index, row) in rows.iter().enumerate() {
        let problem = if row.is_empty() {
            "has no tokens".into()
        } else if row.len() > config.n_ctx {
            format!("has {} tokens; the model takes {}", row.len(), config.n_ctx)
        } else if let Some(token) = row.iter().find(|&&token| token as usize >= config.d_vocab) {
            format!("holds token {token}; the vocabulary has {}", config.d_vocab)
        } else {
            continue;
        };
        return Err(Error::data(format!("row {}", index + 1), problem));
    }
    let room = Bound::new::<f32>(model, None, 0).map(Bound::room);
    let transformer = Transformer::plain(&model.weights)?.within(room);
    let logits = transformer.last_logits(rows);
    let finite = |row: &Vec<f32>| row.iter().all(|logit| logit.is_finite());
    match logits.iter().position(|row| !finite(row)) {
        Some(index) => Err(Error::NotFinite {
            node: "logits".into(),
            problem: format!("in row {}", index + 1),
        }),
        None => Ok(logits),
    }
}
