//! Prompts that were run once, and are run again from any layer and position on, with the stream overwritten there.

use std::mem::take;

use crate::engine::BLOCK;
use crate::engine::kernels::rows;
use crate::engine::pass::changes::{Changes, Splice};
use crate::engine::pass::forward::{FullRun, LayerRun, check_finite};
use crate::engine::pass::generate::Continuation;
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::Extent;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::steering::Steering;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

/// Rows that are run again together.
const ROWS: usize = 512;

/// A prompt with the positions whose logits are read, ascending.
#[derive(Debug, Clone, Copy)]
pub struct Prompt<'p> {
    /// Its tokens.
    pub tokens: &'p [u32],
    /// The positions; none of them is outside the prompt.
    pub reads: &'p [usize],
}

/// Consecutive positions of a prompt at which the stream is overwritten.
#[derive(Debug, Clone)]
pub struct Overwrite<T> {
    /// The prompt.
    pub prompt: usize,
    /// The first position.
    pub position: usize,
    /// The stream there, `[positions, d_model]`.
    pub values: Vec<T>,
}

/// Prompts that were run once, to be run again from any layer and position on.
///
/// What lies before the position, or in the layers before, is never run again. What all prompts begin with, such as examples
/// of a relation, is run once for all.
pub struct Rerun<'t, 'a, T> {
    pub(in crate::engine) transformer: &'t Transformer<'a, T>,
    /// The whole prompts.
    pub(in crate::engine) layout: Layout,
    /// Positions that all prompts share.
    shared: usize,
    /// Keys and values at every position of every prompt, `[rows of the layout, n_kv_heads * d_head]`.
    pub(in crate::engine) prefix: Prefix<T>,
    /// The stream that enters each layer, `[shared positions, then the others of every prompt, d_model]`.
    streams: Vec<Vec<T>>,
    /// The stream that the final norm reads, `[reads, d_model]`.
    finals: Vec<T>,
}

impl<'t, 'a, T: Real> Rerun<'t, 'a, T> {
    /// Runs some prompts; `noise` is added to their token embeddings, `[positions of all, d_model]`.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Panics
    /// When a token is outside the vocabulary, a prompt is empty or longer than `n_ctx`, or the model reads in both
    /// directions.
    ///
    /// # Complexity
    /// One forward pass; without noise of what all prompts begin with once.
    pub fn new(
        transformer: &'t Transformer<'a, T>,
        prompts: &[Prompt<'_>],
        noise: Option<&[T]>,
    ) -> Result<Self> {
        let config = transformer.config();
        assert!(
            !config.attention.bidirectional,
            "a run again from a position on is of a model that reads forwards"
        );
        let mut found = Self {
            transformer,
            layout: Layout::whole(prompts.iter().map(|it| (it.tokens, it.reads))),
            shared: if noise.is_none() { shared(prompts) } else { 0 },
            prefix: Prefix::empty(config.n_layers),
            streams: vec![Vec::new(); config.n_layers],
            finals: Vec::new(),
        };
        let mut beginning = Prefix::empty(config.n_layers);
        if found.shared > 0 {
            let tokens = &prompts[0].tokens[..found.shared];
            let layout = Layout::after_prefix(0, [(tokens.len(), &[tokens.len() - 1][..])]);
            let embedded = transformer.embed(tokens.iter().copied());
            let run = transformer.forward(&layout, &embedded, &Prefix::default(), false);
            found.keep_streams(&run)?;
            for (layer, run) in run.layers.into_iter().enumerate() {
                (beginning.k[layer], beginning.v[layer]) = (run.k, run.v);
            }
        }
        let longest = prompts.iter().map(|it| it.tokens.len()).max().unwrap_or(0);
        let extent = Extent {
            tokens: longest,
            rows: longest,
            reads: 0,
        };
        let mut noise = noise.unwrap_or_default();
        for group in prompts.chunks(transformer.plain_examples(extent, BLOCK, false)) {
            let own = group.iter().map(|it| &it.tokens[found.shared..]);
            let sequences = own.clone().zip(group);
            let sequences = sequences.map(|(own, it)| (own.len(), it.reads));
            let layout = Layout::after_prefix(found.shared, sequences);
            let mut embedded = transformer.embed(own.flatten().copied());
            if !noise.is_empty() {
                let (here, after) = noise.split_at(embedded.len());
                rows::add(&mut embedded, here);
                noise = after;
            }
            let run = transformer.forward(&layout, &embedded, &beginning, false);
            found.keep_streams(&run)?;
            found
                .finals
                .extend(run.streams.last().into_iter().flatten());
            found.keep_prefix(&layout, &beginning, &run);
        }
        Ok(found)
    }

    /// Keeps the streams that enter the layers of a run.
    fn keep_streams(&mut self, run: &FullRun<T>) -> Result<()> {
        check_finite(run)?;
        for (streams, entering) in self.streams.iter_mut().zip(run.streams.iter().step_by(2)) {
            streams.extend_from_slice(entering);
        }
        Ok(())
    }

    /// Keeps the keys and values of some prompts, each after those of the beginning.
    fn keep_prefix(&mut self, layout: &Layout, beginning: &Prefix<T>, run: &FullRun<T>) {
        let width = self.kv_width();
        for (layer, run) in run.layers.iter().enumerate() {
            for segment in &layout.segments {
                let own = segment.rows.start * width..segment.rows.end * width;
                self.prefix.k[layer].extend_from_slice(&beginning.k[layer]);
                self.prefix.k[layer].extend_from_slice(&run.k[own.clone()]);
                self.prefix.v[layer].extend_from_slice(&beginning.v[layer]);
                self.prefix.v[layer].extend_from_slice(&run.v[own]);
            }
        }
    }

    fn kv_width(&self) -> usize {
        let config = self.transformer.config();
        config.n_kv_heads * config.d_head
    }

    /// Positions that all prompts begin with, and that were run once.
    pub fn shared(&self) -> usize {
        self.shared
    }

    /// Number of positions of a prompt.
    pub fn positions(&self, prompt: usize) -> usize {
        self.layout.segments[prompt].rows.len()
    }

    /// The stream after a layer at a position, `[d_model]`; none after the last layer where nothing is read.
    pub fn stream(&self, prompt: usize, position: usize, layer: usize) -> Option<&[T]> {
        if !self.transformer.reads_only(layer) {
            return Some(self.entering(prompt, position, layer + 1));
        }
        let segment = &self.layout.segments[prompt];
        let row = segment.rows.start + position;
        let mut reads = segment.reads.clone();
        let read = reads.find(|&read| self.layout.reads[read] == row)?;
        let width = self.transformer.config().d_model;
        Some(&self.finals[read * width..(read + 1) * width])
    }

    /// The streams that the final norm reads, `[reads of all prompts, d_model]`.
    pub fn read(&self) -> &[T] {
        &self.finals
    }

    /// The stream that enters a layer at a position, `[d_model]`.
    fn entering(&self, prompt: usize, position: usize, layer: usize) -> &[T] {
        // Every prompt before has its shared positions in the layout, but not among the streams.
        let row = if position < self.shared {
            position
        } else {
            self.layout.segments[prompt].rows.start + position - prompt * self.shared
        };
        let width = self.transformer.config().d_model;
        &self.streams[layer][row * width..(row + 1) * width]
    }

    /// The streams that enter a layer at the positions of some branches, `[rows, d_model]`.
    pub(in crate::engine) fn entering_branches(
        &self,
        branches: &[(usize, usize)],
        layer: usize,
    ) -> Vec<T> {
        let branches = branches.iter();
        let rows = branches.flat_map(|&(prompt, from)| {
            let positions = from..self.positions(prompt);
            positions.flat_map(move |position| self.entering(prompt, position, layer))
        });
        rows.copied().collect()
    }

    /// The logits of the run itself at the scored positions, `[reads, d_out]`.
    ///
    /// # Errors
    /// When a logit is not finite.
    pub fn logits(&self) -> Result<Vec<T>> {
        self.finite_logits(&self.finals)
    }

    /// The logits of runs with the stream after `layer` overwritten, each change in a run of its own: at the
    /// positions of its prompt that are read and not before the change, `[changes, reads, d_out]`.
    ///
    /// # Errors
    /// When a logit is not finite.
    ///
    /// # Panics
    /// When a change is not inside its prompt.
    ///
    /// # Complexity
    /// One forward pass of the positions from the changes on, from the layer on.
    pub fn overwritten(&self, layer: usize, changes: &[Overwrite<T>]) -> Result<Vec<T>> {
        self.finite_logits(&self.finals(layer, changes)?)
    }

    /// The same with representations of later layers changed as they are computed; a change's number is that of its
    /// sequence.
    ///
    /// # Errors
    /// When a logit is not finite.
    ///
    /// # Panics
    /// When a change is not inside its prompt.
    ///
    /// # Complexity
    /// As [`Self::overwritten`].
    pub fn overwritten_and(
        &self,
        layer: usize,
        changes: &[Overwrite<T>],
        splice: &dyn Splice<T>,
    ) -> Result<Vec<T>> {
        let (_, run) = self.overwritten_run(layer, changes, Some(splice));
        self.finite_logits(run.streams.last().map_or(&[][..], Vec::as_slice))
    }

    /// The streams that the final norm reads in the runs of [`Self::overwritten`], `[changes, reads, d_model]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Panics
    /// When a change is not inside its prompt.
    ///
    /// # Complexity
    /// As [`Self::overwritten`], without logits.
    pub fn finals(&self, layer: usize, changes: &[Overwrite<T>]) -> Result<Vec<T>> {
        let rows = |it: &Overwrite<T>| self.positions(it.prompt) - it.position;
        let longest = changes.iter().map(rows).max().unwrap_or(1);
        let extent = Extent {
            tokens: longest,
            rows: longest,
            reads: 0,
        };
        let together = self
            .transformer
            .plain_examples(extent, (ROWS / longest).max(1), false);
        let mut finals = Vec::new();
        for changes in changes.chunks(together) {
            let (_, mut run) = self.overwritten_run(layer, changes, None);
            finals.extend(run.streams.pop().unwrap_or_default());
        }
        if finals.iter().all(|value| value.is_finite()) {
            return Ok(finals);
        }
        Err(not_finite(format!(
            "the final stream is not finite with the stream after layer {layer} overwritten"
        )))
    }

    /// What is written after the prompts with the stream after `layer` overwritten, each change in a run of its own.
    /// New tokens are not changed; they see the changed positions.
    ///
    /// # Errors
    /// When a logit is not finite, or the observer interrupts.
    ///
    /// # Panics
    /// When a change is not inside its prompt, or a prompt is not read at its last position.
    ///
    /// # Complexity
    /// As [`Self::overwritten`], and a forward pass of a row a change for each token.
    pub fn generate(
        &self,
        layer: usize,
        changes: &[Overwrite<T>],
        continuation: Continuation,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<u32>>> {
        let (layout, mut run) = self.overwritten_run(layer, changes, None);
        let (config, width) = (self.transformer.config(), self.kv_width());
        // Up to the layer, keys and values are those of the run itself.
        let rows = Self::rows_of(&layout);
        let below = (0..=layer).map(|layer| LayerRun {
            k: rows::gather(&self.prefix.k[layer], width, &rows),
            v: rows::gather(&self.prefix.v[layer], width, &rows),
            ..LayerRun::default()
        });
        run.layers = below.chain(take(&mut run.layers)).collect();
        let last: Vec<usize> = layout
            .segments
            .iter()
            .map(|segment| {
                assert_eq!(
                    layout.reads[segment.reads.end - 1] + 1,
                    segment.rows.end,
                    "the last position is read"
                );
                segment.reads.end - 1
            })
            .collect();
        if let Some(finals) = run.streams.last_mut() {
            *finals = rows::gather(finals, config.d_model, &last);
        }
        let begun = (layout, &self.prefix, run);
        let next_run = |layout: &Layout, embedded, prefix: &Prefix<T>| {
            let steering = Steering::none();
            self.transformer
                .steered(layout, embedded, prefix, &steering)
        };
        self.transformer
            .continued(begun, continuation, next_run, observer)
    }

    /// The rows of the layout that the rows of some branches are of.
    fn rows_of(branches: &Layout) -> Vec<usize> {
        let segments = branches.segments.iter();
        segments
            .flat_map(|it| {
                let first = it.prefix_row + it.start;
                first..first + it.rows.len()
            })
            .collect()
    }

    fn overwritten_run(
        &self,
        layer: usize,
        changes: &[Overwrite<T>],
        splice: Option<&dyn Splice<T>>,
    ) -> (Layout, FullRun<T>) {
        let config = self.transformer.config();
        let width = config.d_model;
        let layout = self
            .layout
            .branches(changes.iter().map(|it| (it.prompt, it.position)));
        let reads_only = self.transformer.reads_only(layer);
        let mut x = Vec::with_capacity(layout.query_rows(reads_only) * width);
        for (segment, change) in layout.segments.iter().zip(changes) {
            let changed = change.position..change.position + change.values.len() / width;
            assert!(
                changed.end <= self.positions(change.prompt),
                "a change inside its prompt"
            );
            for (_, position) in layout.queries(segment, reads_only) {
                if changed.contains(&position) {
                    let from = (position - changed.start) * width;
                    x.extend_from_slice(&change.values[from..from + width]);
                } else if let Some(stream) = self.stream(change.prompt, position, layer) {
                    x.extend_from_slice(stream);
                }
            }
        }
        let rest = layer + 1..config.n_layers;
        let input = (x, &self.prefix);
        let later = Changes {
            splice,
            ..Changes::none()
        };
        let run = self.transformer.blocks(rest, &layout, input, false, later);
        (layout, run)
    }

    pub(in crate::engine) fn finite_logits(&self, finals: &[T]) -> Result<Vec<T>> {
        let logits = self.transformer.logits(finals);
        if logits.iter().all(|logit| logit.is_finite()) {
            return Ok(logits);
        }
        Err(not_finite(
            "a logit is not finite in a changed run".to_owned(),
        ))
    }
}

fn not_finite(problem: String) -> Error {
    Error::NotFinite {
        node: "logits".into(),
        problem: problem + "; try smaller strengths or precision: F64",
    }
}

/// Number of tokens that all of several prompts begin with, none of them at a position that is read or at the end.
fn shared(prompts: &[Prompt<'_>]) -> usize {
    let [first, others @ ..] = prompts else {
        return 0;
    };
    if others.is_empty() {
        return 0;
    }
    let most = |it: &Prompt<'_>| it.reads.first().copied().unwrap_or(it.tokens.len() - 1);
    others.iter().fold(most(first), |shared, other| {
        let pairs = first.tokens.iter().zip(other.tokens);
        let equal = pairs.take_while(|(a, b)| a == b).count();
        shared.min(equal).min(most(other))
    })
}
