//! Prompts that were run once, and are run again from any layer and position on, with the stream overwritten there or parts
//! of it put back.

use std::mem::take;
use std::ops::Range;

use super::chunk::check_finite;
use super::forward::{Changes, FullRun, LayerRun};
use super::generate::Continuation;
use super::intervention::{Intervention, Site};
use super::kernels::rows;
use super::layout::Layout;
use super::splice::Splice;
use super::steer::Steering;
use super::transformer::{Prefix, Transformer};
use crate::error::{Error, Result};
use crate::events::Observer;
use crate::model::Real;

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

/// A part of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockPart {
    /// The attention: the results of all heads.
    Attention,
    /// The MLP.
    Mlp,
}

/// Prompts that were run once, to be run again from any layer and position on.
///
/// What lies before the position, or in the layers before, is never run again.
pub struct Rerun<'t, 'a, T> {
    transformer: &'t Transformer<'a, T>,
    layout: Layout,
    /// Keys and values at every position.
    prefix: Prefix<T>,
    run: FullRun<T>,
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
    /// One forward pass.
    pub fn new(
        transformer: &'t Transformer<'a, T>,
        prompts: &[Prompt<'_>],
        noise: Option<&[T]>,
    ) -> Result<Self> {
        assert!(
            !transformer.config().attention.bidirectional,
            "a run again from a position on is of a model that reads forwards"
        );
        let layout = Layout::whole(prompts.iter().map(|it| (it.tokens, it.reads)));
        let tokens = prompts.iter().flat_map(|it| it.tokens.iter().copied());
        let mut embedded = transformer.embed(tokens);
        if let Some(noise) = noise {
            rows::add(&mut embedded, noise);
        }
        let mut run = transformer.forward(&layout, &embedded, &Prefix::default(), false);
        check_finite(&run)?;
        let prefix = Prefix {
            k: run.layers.iter_mut().map(|it| take(&mut it.k)).collect(),
            v: run.layers.iter_mut().map(|it| take(&mut it.v)).collect(),
        };
        Ok(Self {
            transformer,
            layout,
            prefix,
            run,
        })
    }

    /// Number of positions of a prompt.
    pub fn positions(&self, prompt: usize) -> usize {
        self.layout.segments[prompt].rows.len()
    }

    /// The stream that leaves a layer at a position, `[d_model]`; none behind the last layer where nothing is read.
    pub fn stream(&self, prompt: usize, position: usize, layer: usize) -> Option<&[T]> {
        let row = self.query_row(prompt, position, layer)?;
        let width = self.transformer.config().d_model;
        Some(&self.run.streams[2 * (layer + 1)][row * width..(row + 1) * width])
    }

    /// The row of a position among those that a layer's queries and MLP have.
    fn query_row(&self, prompt: usize, position: usize, layer: usize) -> Option<usize> {
        let segment = &self.layout.segments[prompt];
        let row = segment.rows.start + position;
        if !self.transformer.reads_only(layer) {
            return Some(row);
        }
        let mut reads = segment.reads.clone();
        reads.find(|&read| self.layout.reads[read] == row)
    }

    /// The logits of the run itself at the positions read, `[reads, d_out]`.
    ///
    /// # Errors
    /// When a logit is not finite.
    pub fn logits(&self) -> Result<Vec<T>> {
        self.finite_logits(self.run.streams.last().map_or(&[][..], Vec::as_slice))
    }

    /// The logits of runs with the stream that leaves `layer` overwritten, each change in a run of its own: at the
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
        self.overwritten_and(layer, changes, None)
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
        splice: Option<&dyn Splice<T>>,
    ) -> Result<Vec<T>> {
        let (_, run) = self.overwritten_run(layer, changes, splice);
        self.finite_logits(run.streams.last().map_or(&[][..], Vec::as_slice))
    }

    /// What is written after the prompts with the stream that leaves `layer` overwritten, each change in a run of its own.
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
        let config = self.transformer.config();
        let width = config.n_kv_heads * config.d_head;
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

    /// The logits of runs in which a part of the blocks of some layers writes, at one position, what it wrote at that
    /// position of the first prompt of another run; each prompt and position in a run of its own, read as by
    /// [`Self::overwritten`].
    ///
    /// # Errors
    /// When a logit is not finite.
    ///
    /// # Panics
    /// When there is no such layer or position.
    ///
    /// # Complexity
    /// One forward pass of the positions from those given on, from the first of the layers on.
    pub fn restored(
        &self,
        from: &Self,
        (layers, part): (Range<usize>, BlockPart),
        places: &[(usize, usize)],
    ) -> Result<Vec<T>> {
        let config = self.transformer.config();
        let layout = self.layout.branches(places.iter().copied());
        let rows = Self::rows_of(&layout);
        let x = rows::gather(&self.run.streams[2 * layers.start], config.d_model, &rows);
        let mut set = Vec::new();
        for layer in layers.clone() {
            let clean = &from.run.layers[layer];
            let (site, values, width) = match part {
                BlockPart::Mlp => (Site::Mlp { layer }, &clean.mlp, config.d_model),
                BlockPart::Attention => {
                    let heads = 0..config.n_heads;
                    let width = config.n_heads * config.d_head;
                    (Site::Heads { layer, heads }, &clean.z, width)
                }
            };
            for (segment, &(_, position)) in layout.segments.iter().zip(places) {
                let Some(clean) = from.query_row(0, position, layer) else {
                    // Nothing reads the last layer there.
                    continue;
                };
                let row = if self.transformer.reads_only(layer) {
                    segment.reads.start
                } else {
                    segment.rows.start
                };
                set.push(Intervention {
                    site: site.clone(),
                    rows: row..row + 1,
                    values: values[clean * width..(clean + 1) * width].to_vec(),
                });
            }
        }
        let changes = Changes {
            interventions: &set,
            ..Changes::none()
        };
        let rest = layers.start..config.n_layers;
        let run = self
            .transformer
            .blocks(rest, &layout, (x, &self.prefix), false, changes);
        self.finite_logits(run.streams.last().map_or(&[][..], Vec::as_slice))
    }

    /// The rows of the run that the rows of some branches are of.
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
        let leaving = &self.run.streams[2 * (layer + 1)];
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
                } else if let Some(row) = self.query_row(change.prompt, position, layer) {
                    x.extend_from_slice(&leaving[row * width..(row + 1) * width]);
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

    fn finite_logits(&self, finals: &[T]) -> Result<Vec<T>> {
        let logits = self.transformer.logits(finals);
        if logits.iter().all(|logit| logit.is_finite()) {
            return Ok(logits);
        }
        Err(Error::NotFinite {
            node: "logits".into(),
            problem:
                "a logit is not finite in a changed run; try smaller strengths or precision: F64"
                    .into(),
        })
    }
}
