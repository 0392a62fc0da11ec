//! The circuits of heads from the token that is looked at to the token that is written for it.

use crate::engine::pass::dense::Dense;
use crate::engine::pass::transformer::Transformer;
use crate::model::{Linear, Norm, NormWeights, Real};

impl<T: Real> Transformer<'_, T> {
    /// The sum over all tokens of unembedding times embedding, `[d_model, d_model]`: from what a token gives to the stream to
    /// what its logit reads there. The unembedding's mean over tokens is ablated, for a shift of all logits changes no
    /// probability. None where logits are of other tokens than those read.
    ///
    /// # Complexity
    /// A product of `d_model` squared for each token.
    pub fn token_pairs(&self) -> Option<Vec<f64>> {
        let (config, weights) = (self.config(), self.weights);
        let width = config.d_model;
        if config.d_out() != config.d_vocab {
            return None;
        }
        let mut sum = vec![0.0; width * width];
        let mut sums = [vec![0.0; width], vec![0.0; width]];
        let panels = weights.embedding.panels();
        for ((_, read), (_, written)) in panels.zip(weights.unembedding_table().panels()) {
            let wide = |rows: &[T]| rows.iter().map(|it| it.to_f64()).collect::<Vec<f64>>();
            let (read, mut written) = (wide(&read), wide(&written));
            for row in written.chunks_exact_mut(width) {
                reads_through(config.norm, &weights.final_norm, row);
            }
            for (sums, rows) in sums.iter_mut().zip([&written, &read]) {
                for row in rows.chunks_exact(width) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            }
            let written = Dense::new(&written, width).transposed();
            let product = written.times(Dense::new(&read, width));
            for (sum, value) in sum.iter_mut().zip(product) {
                *sum += value;
            }
        }
        let tokens = config.d_vocab as f64;
        for (row, written) in sum.chunks_exact_mut(width).zip(&sums[0]) {
            for (value, read) in row.iter_mut().zip(&sums[1]) {
                *value -= written * read / tokens;
            }
        }
        Some(sum)
    }

    /// For each head of a layer, `W_O` times the token pairs times `W_V`, `[d_head, d_head]`. It has the eigenvalues, but for
    /// zeros, of the map from the token looked at to all logits, embedding times `W_V W_O` times unembedding. Gains of norms are
    /// folded in, and the means that they take out, and each row's mean logit is ablated; scales of norms and all biases are
    /// left out.
    ///
    /// # Complexity
    /// A product of `d_model` squared for each number of a head.
    pub fn copying_circuits(&self, layer: usize, token_pairs: &[f64]) -> Vec<Vec<f64>> {
        let config = self.config();
        let (width, d_head) = (config.d_model, config.d_head);
        let block = self.weights.attention(layer);
        let number = |map: &Linear<T>, input: usize, output: usize| {
            let (by_input, by_output) = map.strides();
            map.weight[input * by_input + output * by_output].to_f64()
        };
        let circuit = |head: usize| {
            let (own, kv) = (head * d_head, head / config.group_size() * d_head);
            // Rows: what each number of a head reads, and what it writes.
            let mut reads = Vec::with_capacity(d_head * width);
            let mut writes = Vec::with_capacity(d_head * width);
            for unit in 0..d_head {
                let start = reads.len();
                reads.extend((0..width).map(|at| number(&block.v, at, kv + unit)));
                reads_through(config.norm, &block.norm, &mut reads[start..]);
                writes.extend((0..width).map(|at| number(&block.o, own + unit, at)));
                if let Some(norm) = &block.post_norm {
                    writes_through(config.norm, norm, &mut writes[start..]);
                }
            }
            let pairs = Dense::new(token_pairs, width);
            let read = pairs.times(Dense::new(&reads, width).transposed());
            Dense::new(&writes, width).times(Dense::new(&read, d_head))
        };
        (0..config.n_heads).map(circuit).collect()
    }
}

/// A direction that is read after a norm, as one that is read in front of it; up to the norm's scale.
fn reads_through<T: Real>(norm: Norm, weights: &NormWeights<T>, direction: &mut [f64]) {
    if norm == Norm::None {
        return;
    }
    for (value, gain) in direction.iter_mut().zip(&weights.gain) {
        *value *= gain.to_f64();
    }
    without_mean(norm, direction);
}

/// What is written in front of a norm, as it is after it; up to the norm's scale.
fn writes_through<T: Real>(norm: Norm, weights: &NormWeights<T>, written: &mut [f64]) {
    if norm == Norm::None {
        return;
    }
    without_mean(norm, written);
    for (value, gain) in written.iter_mut().zip(&weights.gain) {
        *value *= gain.to_f64();
    }
}

fn without_mean(norm: Norm, values: &mut [f64]) {
    if matches!(norm, Norm::LayerNorm { .. }) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        for value in values {
            *value -= mean;
        }
    }
}
