//! From the final stream at the rows read to metric values, and the gradient back.

use crate::engine::BLOCK;
use crate::engine::kernels::filled::zeros;
use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::{matmul, norm, rows};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::Extent;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::metric::{Metric, Read, log_softmax};
use crate::model::Real;
use crate::task::Example;

impl<T: Real> Transformer<'_, T> {
    /// All logits, `[rows, d_out]`.
    pub(crate) fn logits(&self, finals: &[T]) -> Vec<T> {
        let config = self.config();
        let normed = self.norm(&self.weights.final_norm, finals);
        let rows = normed.len() / config.d_model;
        let mut out = zeros(rows * config.d_out());
        let lhs = Matrix::rows(&normed, rows, config.d_model);
        if rows == 0 {
            return out;
        }
        for (tokens, panel) in self.weights.unembedding_table().panels() {
            let panel = Matrix::rows(&panel, tokens.len(), config.d_model).transpose();
            let out = &mut out[tokens.start..];
            matmul::product(lhs, panel, out, config.d_out(), false);
        }
        if let Some(bias) = self.weights.unembedding_bias() {
            rows::add_row(&mut out, bias);
        }
        if let Some(cap) = self.logit_cap() {
            for logit in &mut out {
                *logit = cap * (*logit / cap).tanh();
            }
        }
        out
    }

    fn logit_cap(&self) -> Option<T> {
        self.config().logit_soft_cap.map(T::from_f64)
    }

    /// The logits at the last position of each row of tokens, `[rows, d_out]`.
    ///
    /// # Panics
    /// When a row is empty, or a token is outside the vocabulary.
    ///
    /// # Example
    /// ```
    /// # use std::path::Path;
    /// # use secateur::model::PrependBos;
    /// # use secateur::{Transformer, load_model};
    /// let model = load_model("builtin:toy-llama", Path::new("."))?;
    /// let transformer = Transformer::plain(&model.weights)?;
    /// let tokenizer = model.require_tokenizer()?;
    /// let tokens = tokenizer.encode("The war lasted from the year 1732 to the year 17", PrependBos::Auto)?;
    /// let logits = transformer.last_logits(&[tokens]);
    /// assert_eq!(logits[0].len(), model.config().d_vocab);
    /// # Ok::<(), secateur::Error>(())
    /// ```
    pub fn last_logits(&self, rows: &[Vec<u32>]) -> Vec<Vec<T>> {
        let mut out = Vec::with_capacity(rows.len());
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        let extent = Extent {
            tokens: longest,
            rows: longest,
            reads: 1,
        };
        for block in rows.chunks(self.plain_examples(extent, BLOCK, false)) {
            let last: Vec<[usize; 1]> = block.iter().map(|row| [row.len() - 1]).collect();
            let layout =
                Layout::whole(block.iter().zip(&last).map(|(row, at)| (&row[..], &at[..])));
            let embedded = self.embed(block.iter().flatten().copied());
            let run = self.forward(&layout, &embedded, &Prefix::default(), false);
            let finals = &run.streams[2 * self.config().n_layers];
            let logits = self.logits(finals);
            out.extend(
                logits
                    .chunks_exact(self.config().d_out())
                    .map(<[T]>::to_vec),
            );
        }
        out
    }

    /// The logits at every position of each row of tokens, `[positions, d_out]` row-major, one row after the other.
    ///
    /// # Panics
    /// When a row is empty, or a token is outside the vocabulary.
    pub fn all_logits(&self, rows: &[&[u32]]) -> Vec<T> {
        let every: Vec<Vec<usize>> = rows.iter().map(|row| (0..row.len()).collect()).collect();
        let sequences = rows.iter().zip(&every);
        let layout = Layout::whole(sequences.map(|(&row, at)| (row, &at[..])));
        let embedded = self.embed(rows.iter().flat_map(|row| row.iter().copied()));
        let run = self.forward(&layout, &embedded, &Prefix::default(), false);
        self.logits(&run.streams[2 * self.config().n_layers])
    }

    /// All log-probabilities, `[rows, d_out]`.
    pub(crate) fn log_probs(&self, finals: &[T]) -> Vec<T> {
        self.logits(finals)
            .chunks_exact(self.config().d_out())
            .flat_map(|logits| log_softmax(logits).into_iter().map(T::from_f64))
            .collect()
    }

    /// The metric of every example, a mean over its scored positions.
    pub(crate) fn metric_values(
        &self,
        metric: Metric,
        layout: &Layout,
        examples: &[Example],
        finals: &[T],
        reference: &[T],
    ) -> Vec<f64> {
        let reads = self.metric_logits(metric, layout, examples, finals);
        let d_vocab = self.config().d_out();
        layout
            .segments
            .iter()
            .zip(examples)
            .map(|(segment, example)| {
                let count = segment.reads.len() as f64;
                segment
                    .reads
                    .clone()
                    .enumerate()
                    .map(|(place, read)| {
                        let full = reference.get(read * d_vocab..(read + 1) * d_vocab);
                        metric.value(&Read {
                            logits: reads.row(read),
                            answer: example.answers_at(place),
                            wrong: &example.wrong,
                            full: full.unwrap_or_default(),
                        })
                    })
                    .sum::<f64>()
                    / count
            })
            .collect()
    }

    /// The logits a metric sees, one row per scored position.
    fn metric_logits(
        &self,
        metric: Metric,
        layout: &Layout,
        examples: &[Example],
        finals: &[T],
    ) -> ReadLogits<T> {
        let d_model = self.config().d_model;
        if metric.needs_vocabulary() {
            return ReadLogits::Vocabulary(self.logits(finals), self.config().d_out());
        }
        let normed = self.norm(&self.weights.final_norm, finals);
        let (table, bias) = (
            self.weights.unembedding_table(),
            self.weights.unembedding_bias(),
        );
        let cap = self.logit_cap();
        let mut out = vec![Vec::new(); layout.reads.len()];
        for (segment, example) in layout.segments.iter().zip(examples.iter().cycle()) {
            for &token in example.answer.iter().chain(&example.wrong) {
                let column = table.gather(&[token as usize]);
                let bias = bias.map_or(T::ZERO, |bias| bias[token as usize]);
                for read in segment.reads.clone() {
                    let row = &normed[read * d_model..(read + 1) * d_model];
                    let logit = rows::dot(row, &column) + bias;
                    out[read].push(cap.map_or(logit, |cap| cap * (logit / cap).tanh()));
                }
            }
        }
        ReadLogits::Columns(out)
    }

    /// Gradient of the metric's values with respect to the final stream, `[reads, d_model]`; each example's
    /// value has weight 1.
    pub(crate) fn metric_gradient(
        &self,
        metric: Metric,
        layout: &Layout,
        examples: &[Example],
        finals: &[T],
        reference: &[T],
    ) -> Vec<T> {
        let config = self.config();
        let (d_model, d_vocab) = (config.d_model, config.d_out());
        let table = self.weights.unembedding_table();
        let reads = self.metric_logits(metric, layout, examples, finals);
        let mut gradient = vec![T::ZERO; layout.reads.len() * d_model];
        let mut dense = match &reads {
            ReadLogits::Vocabulary(logits, _) => vec![T::ZERO; logits.len()],
            ReadLogits::Columns(_) => Vec::new(),
        };
        let references = reference.len() / d_vocab;
        for (segment, example) in layout.segments.iter().zip(examples.iter().cycle()) {
            let weight = 1.0 / segment.reads.len() as f64;
            for (place, index) in segment.reads.clone().enumerate() {
                // Several copies of the examples on the row axis share what the full model has.
                let full = if references == 0 {
                    &[]
                } else {
                    let row = index % references;
                    &reference[row * d_vocab..(row + 1) * d_vocab]
                };
                let read = Read {
                    logits: reads.row(index),
                    answer: example.answers_at(place),
                    wrong: &example.wrong,
                    full,
                };
                if metric.needs_vocabulary() {
                    let target = &mut dense[index * d_vocab..(index + 1) * d_vocab];
                    metric.gradient(&read, weight, target);
                    self.uncap(read.logits, target);
                    continue;
                }
                let mut columns = vec![T::ZERO; read.logits.len()];
                metric.gradient(&read, weight, &mut columns);
                self.uncap(read.logits, &mut columns);
                let target = &mut gradient[index * d_model..(index + 1) * d_model];
                let tokens = example.answer.iter().chain(&example.wrong);
                for (&token, &value) in tokens.zip(&columns) {
                    rows::add_scaled(target, value, &table.gather(&[token as usize]));
                }
            }
        }
        if metric.needs_vocabulary() {
            let rows = layout.reads.len();
            let lhs = Matrix::rows(&dense, rows, d_vocab);
            for (tokens, panel) in table.panels() {
                let panel = Matrix::rows(&panel, tokens.len(), d_model);
                let lhs = lhs.columns(tokens.start, tokens.end);
                matmul::product(lhs, panel, &mut gradient, d_model, true);
            }
        }
        let at = norm::normalised(config.norm, d_model, finals);
        norm::backward(config.norm, &self.weights.final_norm, &at, &mut gradient);
        gradient
    }

    /// Pulls a gradient at capped logits back through the cap.
    pub(in crate::engine) fn uncap(&self, logits: &[T], gradient: &mut [T]) {
        if let Some(cap) = self.logit_cap() {
            for (gradient, &logit) in gradient.iter_mut().zip(logits) {
                let tanh = logit / cap;
                *gradient *= T::ONE - tanh * tanh;
            }
        }
    }
}

/// Logits at the scored positions.
enum ReadLogits<T> {
    /// The answer columns of each position.
    Columns(Vec<Vec<T>>),
    /// The whole vocabulary, with its size.
    Vocabulary(Vec<T>, usize),
}

impl<T> ReadLogits<T> {
    fn row(&self, read: usize) -> &[T] {
        match self {
            Self::Columns(rows) => &rows[read],
            Self::Vocabulary(data, width) => &data[read * width..(read + 1) * width],
        }
    }
}
