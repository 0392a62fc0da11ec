//! One circuit on its way through the layers: what of it differs from the base so far.

use std::sync::OnceLock;

use rayon::prelude::*;

use super::FEW_WRITERS;
use super::rebase::Patch;
use crate::engine::circuit::base::{Base, Frame, get_or_make};
use crate::engine::circuit::differing::Differing;
use crate::engine::kernels::rows;
use crate::graph::EdgeMask;
use crate::model::Real;

/// One circuit on its way through the layers.
pub(super) struct Variant<'m, T> {
    pub mask: &'m EdgeMask,
    /// Readers with a kept path to `logits`.
    pub live: Vec<bool>,
    /// Per writer: how it differs from the base, once it is dirty.
    pub dirty: Vec<Option<Difference<T>>>,
    /// The dirty writers.
    pub differing: Differing,
    /// Sum of all dirty writers' differences at the current place, kept up to `full_until`.
    pub full: Option<Vec<T>>,
    /// First reader from which on no dense reader follows.
    pub full_until: usize,
    /// New activations, when they are recorded.
    pub patches: Vec<Patch<T>>,
}

/// How a dirty writer differs from the base.
pub(super) struct Difference<T> {
    /// At the rows of its span, in the writer's own space: `[rows, d_head]`, `[rows, 1]` or `[rows, d_model]`.
    inner: Vec<T>,
    /// Expanded to `[rows, d_model]`, on first use.
    expanded: OnceLock<Vec<T>>,
}

impl<T: Real> Frame<'_, T> {
    pub(super) fn variant<'m>(&self, mask: &'m EdgeMask) -> Variant<'m, T> {
        let graph = self.transformer.graph();
        let live = graph.live_readers(mask);
        let dense = |reader: &usize| live[*reader] && self.is_dense(mask, *reader);
        let last_dense = (0..graph.readers().len()).rev().find(dense);
        // Under post-norms the heads' differences do not add up.
        let full_until = match last_dense {
            Some(reader) if !self.transformer.config().post_norms => reader + 1,
            _ => 0,
        };
        Variant {
            mask,
            live,
            dirty: (0..graph.writers().len()).map(|_| None).collect(),
            differing: Differing::none(self.layout.segments.len(), graph.writers().len()),
            full: None,
            full_until,
            patches: Vec::new(),
        }
    }

    /// Notes how a writer differs, given by the first of its spans, from the base. It is not dirty where it does not.
    pub(super) fn set_dirty(&self, variant: &mut Variant<'_, T>, first: usize, inner: Vec<T>) {
        let spans = self.transformer.graph().span_count();
        if spans == 1 {
            return self.set_dirty_writer(variant, first, inner);
        }
        for writer in first..first + spans {
            let own = self.within_span(writer, &inner).into_owned();
            self.set_dirty_writer(variant, writer, own);
        }
    }

    fn set_dirty_writer(&self, variant: &mut Variant<'_, T>, writer: usize, inner: Vec<T>) {
        let own = self.rows_of(writer).map(<[usize]>::len);
        let rows = own.unwrap_or_else(|| self.layout.query_rows(self.writes_reads_only(writer)));
        let width = inner.len().checked_div(rows).unwrap_or(0);
        let examples = self.examples_where(writer, |place| {
            let values = &inner[place * width..(place + 1) * width];
            values.iter().any(|&value| value != T::ZERO)
        });
        if examples.is_empty() {
            return;
        }
        for example in examples {
            variant.differing.set(writer, example);
        }
        variant.dirty[writer] = Some(Difference {
            inner,
            expanded: OnceLock::new(),
        });
    }

    /// Whether a reader keeps more than half of its writers: then sums start from all of them.
    pub(super) fn is_dense(&self, mask: &EdgeMask, reader: usize) -> bool {
        mask.kept_into(reader) * 2 > self.transformer.graph().writers_before(reader)
    }

    pub(super) fn expanded<'v>(&self, variant: &'v Variant<'_, T>, writer: usize) -> &'v [T] {
        variant.dirty[writer].as_ref().map_or(&[], |difference| {
            get_or_make::<Vec<T>>(&difference.expanded, || {
                self.expand(writer, &difference.inner)
            })
        })
    }

    /// Adds what became dirty in a layer to the variants' sums over all dirty writers.
    pub(super) fn advance_full(&self, variants: &mut [Variant<'_, T>], layer: usize, mlp: bool) {
        let transformer = self.transformer;
        let config = transformer.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let wiring = &transformer.layers[layer];
        let reads_only = transformer.reads_only(layer);
        let spans = transformer.graph().span_count();
        let after = match wiring.mlp {
            Some(reader) if !mlp => reader,
            _ => wiring.end,
        };
        variants.par_iter_mut().for_each(|variant| {
            if variant.full_until <= after {
                variant.full = None;
                return;
            }
            let sum = if mlp {
                let count = (1 + wiring.neurons.len()) * spans;
                let writers = wiring.mlp_writer..wiring.mlp_writer + count;
                let mut sum: Option<Vec<T>> = None;
                for writer in writers.filter(|&writer| variant.dirty[writer].is_some()) {
                    let expanded = self.expanded(variant, writer);
                    match &mut sum {
                        None if spans == 1 => sum = Some(expanded.to_vec()),
                        _ => {
                            let rows = self.layout.query_rows(reads_only);
                            let sum = sum.get_or_insert_with(|| vec![T::ZERO; rows * d_model]);
                            self.apply(writer, expanded, true, sum);
                        }
                    }
                }
                sum
            } else {
                let rows = self.layout.query_rows(reads_only);
                let width = config.n_heads * d_head;
                let mut z = vec![T::ZERO; rows * width];
                let mut any = false;
                for place in 0..config.n_heads * spans {
                    if let Some(difference) = &variant.dirty[wiring.first_head + place] {
                        any = true;
                        let head = place / spans;
                        let own = self.rows_of(wiring.first_head + place);
                        for (index, values) in difference.inner.chunks_exact(d_head).enumerate() {
                            let row = own.map_or(index, |rows| rows[index]);
                            let start = row * width + head * d_head;
                            z[start..start + d_head].copy_from_slice(values);
                        }
                    }
                }
                any.then(|| transformer.project_heads(layer, &z))
            };
            if let Some(full) = &mut variant.full
                && reads_only
                && full.len() == self.layout.rows() * d_model
                && !mlp
            {
                *full = rows::gather(full, d_model, &self.layout.reads);
            }
            match (&mut variant.full, sum) {
                (Some(full), Some(sum)) => rows::add(full, &sum),
                (full @ None, sum) => *full = sum,
                (Some(_), None) => {}
            }
        });
    }
}

impl<T: Real> Variant<'_, T> {
    /// Whether a reader's input is summed afresh: where it keeps few writers. The base itself has the base's inputs, to the last
    /// bit.
    pub(super) fn sums_afresh(&self, base: &Base<T>, reader: usize) -> bool {
        self.mask.kept_into(reader) <= FEW_WRITERS && *self.mask != base.mask
    }

    /// Whether a reader's input differs from the base's.
    pub(super) fn is_dirty(&self, base: &Base<T>, reader: usize) -> bool {
        self.reads_dirty(reader, base, self.differing.any(), base.differing.any())
    }

    /// The examples in which a reader's input is the base's.
    pub(super) fn clean_examples(&self, base: &Base<T>, reader: usize) -> Vec<usize> {
        let clean = |&example: &usize| {
            let (dirty, nonzero) = (self.differing.of(example), base.differing.of(example));
            !self.reads_dirty(reader, base, dirty, nonzero)
        };
        (0..self.differing.examples()).filter(clean).collect()
    }

    /// Whether a reader's input differs from the base's where these writers are dirty, and these of the base not ablated.
    fn reads_dirty(&self, reader: usize, base: &Base<T>, dirty: &[u64], nonzero: &[u64]) -> bool {
        if !self.live[reader] {
            return false;
        }
        let (kept, before) = (self.mask.row(reader), base.mask.row(reader));
        let writers = kept.iter().zip(before).zip(dirty.iter().zip(nonzero));
        let mut words = writers
            .map(|((kept, before), (dirty, nonzero))| (kept & dirty) | ((kept ^ before) & nonzero));
        words.any(|word| word != 0)
    }
}
