//! Prompts about subjects: run once behind what they share, and again with what stands for the subject replaced.

use super::BLOCK;
use super::chunk::check_finite;
use super::forward::Changes;
use super::kernels::rows;
use super::layout::Layout;
use super::memory::Extent;
use super::transformer::{Prefix, Transformer};
use crate::error::{Error, Result};
use crate::model::Real;
use crate::task::SubjectPrompt;

/// Rows that are run again together.
const ROWS: usize = 256;

/// Prompts that were run once, with what is needed to run them again from any layer on. What all of them begin with, such
/// as examples of a relation, is run once for all.
pub struct Subjects<'t, 'a, T> {
    pub(super) transformer: &'t Transformer<'a, T>,
    pub(super) prompts: &'t [SubjectPrompt],
    /// Tokens that all prompts begin with, in front of every subject's last token.
    pub(super) shared: usize,
    /// Keys and values of these tokens.
    pub(super) prefix: Prefix<T>,
    /// First row of every prompt's other tokens, and the number of all rows.
    pub(super) starts: Vec<usize>,
    /// The stream that leaves each layer but the last, `[rows, d_model]`.
    streams: Vec<Vec<T>>,
    /// Keys and values of the rows by layer.
    pub(super) own: Prefix<T>,
    /// The stream that the final norm reads at the last position of each prompt, `[prompts, d_model]`.
    finals: Vec<T>,
}

impl<'t, 'a, T: Real> Subjects<'t, 'a, T> {
    /// Runs some prompts.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, a subject outside its prompt, or a prompt longer than `n_ctx`.
    ///
    /// # Complexity
    /// One forward pass, of what all prompts share once.
    pub fn new(transformer: &'t Transformer<'a, T>, prompts: &'t [SubjectPrompt]) -> Result<Self> {
        let shared = shared(prompts);
        let mut found = Self {
            transformer,
            prompts,
            shared,
            prefix: Prefix::default(),
            starts: vec![0],
            streams: vec![Vec::new(); transformer.config().n_layers - 1],
            own: Prefix::default(),
            finals: Vec::new(),
        };
        if shared > 0 {
            let tokens = &prompts[0].tokens[..shared];
            let layout = Layout::whole([(tokens, &[shared - 1][..])]);
            let embedded = transformer.embed(tokens.iter().copied());
            let run = transformer.forward(&layout, &embedded, &Prefix::default(), false);
            check_finite(&run)?;
            for layer in run.layers {
                found.prefix.k.push(layer.k);
                found.prefix.v.push(layer.v);
            }
        }
        let layers = transformer.config().n_layers;
        found.own.k.resize(layers, Vec::new());
        found.own.v.resize(layers, Vec::new());
        let longest = prompts.iter().map(|it| it.tokens.len()).max().unwrap_or(0);
        let extent = Extent {
            tokens: longest,
            rows: longest,
            reads: 0,
        };
        for group in prompts.chunks(transformer.plain_examples(extent, BLOCK, false)) {
            let lengths = group.iter().map(|it| it.tokens.len() - shared);
            let layout = Layout::behind(shared, lengths.clone());
            let tokens = group.iter().flat_map(|it| it.tokens[shared..].iter());
            let embedded = transformer.embed(tokens.copied());
            let run = transformer.forward(&layout, &embedded, &found.prefix, false);
            check_finite(&run)?;
            for length in lengths {
                found.starts.push(found.rows() + length);
            }
            for (layer, streams) in found.streams.iter_mut().enumerate() {
                streams.extend_from_slice(&run.streams[2 * (layer + 1)]);
            }
            found.finals.extend_from_slice(&run.streams[2 * layers]);
            for (layer, run) in run.layers.iter().enumerate() {
                found.own.k[layer].extend_from_slice(&run.k);
                found.own.v[layer].extend_from_slice(&run.v);
            }
        }
        Ok(found)
    }

    fn rows(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Tokens that were run once for all prompts.
    pub fn shared(&self) -> usize {
        self.shared
    }

    /// The stream that leaves a layer, but the last, at the last token of a prompt's subject, `[d_model]`.
    pub fn subject(&self, layer: usize, prompt: usize) -> &[T] {
        let d_model = self.transformer.config().d_model;
        let row = self.starts[prompt] + self.prompts[prompt].subject - self.shared;
        &self.streams[layer][row * d_model..(row + 1) * d_model]
    }

    /// The stream that the final norm reads at the last position of a prompt, `[d_model]`.
    pub fn object(&self, prompt: usize) -> &[T] {
        let d_model = self.transformer.config().d_model;
        &self.finals[prompt * d_model..(prompt + 1) * d_model]
    }

    /// The streams that the final norm reads at the last position when the one that leaves a layer, but the last, is
    /// another one at the subject's last token: of each prompt by number and such a stream, `[changes, d_model]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// A forward pass of the rows that prompts do not share, from the layer on, for each change.
    pub fn changed(&self, layer: usize, changes: &[(usize, Vec<T>)]) -> Result<Vec<T>> {
        let config = self.transformer.config();
        let d_model = config.d_model;
        let mut finals = Vec::with_capacity(changes.len() * d_model);
        let longest = self.starts.windows(2).map(|it| it[1] - it[0]).max();
        let longest = longest.unwrap_or(1);
        let extent = Extent {
            tokens: longest,
            rows: longest,
            reads: 0,
        };
        let most = (ROWS / longest).max(1);
        for changes in changes.chunks(self.transformer.plain_examples(extent, most, false)) {
            let of = |prompt: usize| self.starts[prompt]..self.starts[prompt + 1];
            let layout = Layout::behind(self.shared, changes.iter().map(|it| of(it.0).len()));
            let mut x = Vec::with_capacity(layout.rows() * d_model);
            for (prompt, value) in changes {
                let rows = of(*prompt);
                let subject = x.len() + (self.prompts[*prompt].subject - self.shared) * d_model;
                let rows = rows.start * d_model..rows.end * d_model;
                x.extend_from_slice(&self.streams[layer][rows]);
                x[subject..subject + d_model].copy_from_slice(value);
            }
            let rest = layer + 1..config.n_layers;
            let start = (x, &self.prefix);
            let mut run = self
                .transformer
                .blocks(rest, &layout, start, false, Changes::none());
            finals.extend(run.streams.pop().unwrap_or_default());
        }
        if finals.iter().all(|value| value.is_finite()) {
            return Ok(finals);
        }
        Err(Error::NotFinite {
            node: "logits".into(),
            problem: format!(
                "the final stream is not finite with the subject changed after layer {layer}; try precision: F64"
            ),
        })
    }

    /// What is in front of a prompt's subject as a prefix of its own: keys and values of one layer.
    pub(super) fn before_subject(&self, prompt: usize) -> Prefix<T> {
        let config = self.transformer.config();
        let width = config.n_kv_heads * config.d_head;
        let start = self.starts[prompt];
        let own: Vec<usize> = (start..start + self.prompts[prompt].subject - self.shared).collect();
        let joined = |shared: &[Vec<T>], data: &[Vec<T>]| {
            let layers = data.iter().enumerate().map(|(layer, data)| {
                let mut all = shared.get(layer).cloned().unwrap_or_default();
                all.extend(rows::gather(data, width, &own));
                all
            });
            layers.collect()
        };
        Prefix {
            k: joined(&self.prefix.k, &self.own.k),
            v: joined(&self.prefix.v, &self.own.v),
        }
    }
}

/// Number of tokens that all prompts begin with, all of them in front of the last tokens of their subjects.
fn shared(prompts: &[SubjectPrompt]) -> usize {
    let Some((first, others)) = prompts.split_first() else {
        return 0;
    };
    others.iter().fold(first.subject, |shared, other| {
        let pairs = first.tokens.iter().zip(&other.tokens);
        let equal = pairs.take_while(|(a, b)| a == b).count();
        shared.min(equal).min(other.subject)
    })
}
