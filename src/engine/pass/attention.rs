//! Attention of heads over packed sequences: which positions a query sees, and how keys are scored.

use std::ops::Range;

use rayon::prelude::*;

use crate::engine::kernels::attention::{HeadRows, Scoring, Sequence, attend};
use crate::engine::pass::layout::{Layout, Segment};
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::model::Real;

impl<T: Real> Transformer<'_, T> {
    /// How attention scores are made of dot products.
    pub(crate) fn scoring(&self) -> Scoring<T> {
        let config = self.config();
        let plain = T::ONE / T::from_f64(config.d_head as f64).sqrt();
        Scoring {
            scale: config.attention.scale.map_or(plain, T::from_f64),
            soft_cap: config.attention.soft_cap.map(T::from_f64),
        }
    }

    /// The positions that a query at `position` of a sequence sees.
    pub(crate) fn visible(&self, layer: usize, segment: &Segment, position: usize) -> Range<usize> {
        let config = self.config();
        let window = config.window(layer);
        if config.attention.bidirectional {
            // As transformers counts: a window is that many positions to either side, and the query's own.
            let end = window.map_or(usize::MAX, |window| position + 1 + window);
            let start = window.map_or(0, |window| position.saturating_sub(window));
            return start..end.min(segment.positions());
        }
        (position + 1).saturating_sub(window.unwrap_or(usize::MAX))..position + 1
    }

    /// The shared prefix of a layer as keys, or as values, of one key/value head.
    pub(crate) fn prefix_rows<'p>(
        &self,
        prefix: &'p [Vec<T>],
        layer: usize,
        kv_head: usize,
    ) -> HeadRows<'p, T> {
        let config = self.config();
        HeadRows {
            data: prefix.get(layer).map_or(&[], Vec::as_slice),
            stride: config.n_kv_heads * config.d_head,
            offset: kv_head * config.d_head,
            width: config.d_head,
        }
    }

    /// Attention of one head over all sequences: `[query rows, d_head]`.
    pub(crate) fn attend_head(
        &self,
        layer: usize,
        layout: &Layout,
        q: HeadRows<'_, T>,
        keys: (HeadRows<'_, T>, HeadRows<'_, T>),
        values: (HeadRows<'_, T>, HeadRows<'_, T>),
    ) -> Vec<T> {
        let d_head = self.config().d_head;
        let scoring = self.scoring();
        let reads_only = self.reads_only(layer);
        let mut out = vec![T::ZERO; layout.query_rows(reads_only) * d_head];
        let mut scratch = Vec::new();
        for segment in &layout.segments {
            for (query, position) in layout.queries(segment, reads_only) {
                attend(
                    q.row(query),
                    sequence(segment, keys),
                    sequence(segment, values),
                    self.visible(layer, segment, position),
                    scoring,
                    &mut scratch,
                    &mut out[query * d_head..(query + 1) * d_head],
                );
            }
        }
        out
    }

    /// Attention of all heads: `[query rows, n_heads * d_head]`; keys and values have one slot per key/value head.
    pub(crate) fn attend_all(
        &self,
        layer: usize,
        layout: &Layout,
        (q, k, v): (&[T], &[T], &[T]),
        prefix: &Prefix<T>,
    ) -> Vec<T> {
        let config = self.config();
        let (d_head, heads) = (config.d_head, config.n_heads);
        let results: Vec<Vec<T>> = (0..heads)
            .into_par_iter()
            .map(|head| {
                let kv = head / config.group_size();
                let own = |data, count, head: usize| HeadRows {
                    data,
                    stride: count * d_head,
                    offset: head * d_head,
                    width: d_head,
                };
                self.attend_head(
                    layer,
                    layout,
                    own(q, heads, head),
                    (
                        self.prefix_rows(&prefix.k, layer, kv),
                        own(k, config.n_kv_heads, kv),
                    ),
                    (
                        self.prefix_rows(&prefix.v, layer, kv),
                        own(v, config.n_kv_heads, kv),
                    ),
                )
            })
            .collect();
        interleave(&results, d_head)
    }
}

/// Keys or values of one sequence: those of its shared prefix, then its own.
pub(in crate::engine) fn sequence<'a, T>(
    segment: &Segment,
    (prefix, own): (HeadRows<'a, T>, HeadRows<'a, T>),
) -> Sequence<'a, T> {
    Sequence {
        prefix,
        prefix_start: segment.prefix_row,
        prefix_len: segment.start,
        own,
        own_start: segment.rows.start,
    }
}

/// Puts the columns of several heads side by side.
pub(crate) fn interleave<T: Real>(heads: &[Vec<T>], d_head: usize) -> Vec<T> {
    let rows = heads.first().map_or(0, |head| head.len() / d_head);
    let mut out = Vec::with_capacity(rows * heads.len() * d_head);
    for row in 0..rows {
        for head in heads {
            out.extend_from_slice(&head[row * d_head..(row + 1) * d_head]);
        }
    }
    out
}
