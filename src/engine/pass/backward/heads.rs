//! From the gradients at heads' queries, keys and values back to the stream, through projections and norms.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::pull::{add_scattered, pull_outputs, pull_range};
use super::{GradientSink, HeadGradient, SummedGradients, Tape};
use crate::engine::kernels::matrix::Matrix;
use crate::engine::kernels::norm::{self, Normalised};
use crate::engine::kernels::{matmul, rows};
use crate::engine::pass::attention::interleave;
use crate::engine::pass::layout::Segment;
use crate::engine::pass::transformer::Transformer;
use crate::model::{Attention, Linear, Real};

/// Rows, of all runs together, that one thread pulls back at a time: few enough to stay in its cache.
const ROWS_PER_PART: usize = 128;

/// The gradient at one reader's projection.
struct Projected<'p, T: Real> {
    map: &'p Linear<T>,
    /// Head, or key/value head, whose columns of the map these are.
    head: usize,
    /// `[rows, d_head]`.
    gradient: Cow<'p, [T]>,
}

/// Runs of some rows, one after the other.
struct Runs<'l> {
    count: usize,
    /// Rows of one run.
    rows: usize,
    segments: &'l [Segment],
    reads_only: bool,
}

impl<T: Real> Transformer<'_, T> {
    /// Adds the gradients at all readers of a layer's heads to the stream's gradient, without telling them apart.
    pub(super) fn pull_together(
        &self,
        tape: &Tape<'_, T>,
        (layer, block): (usize, &Attention<T>),
        heads: &[HeadGradient<T>],
        at: &Normalised<T>,
        total: &mut [T],
    ) {
        let config = self.config();
        let group = config.group_size();
        let side_by_side = |pick: fn(&HeadGradient<T>) -> &Vec<T>, group: usize| {
            let of_group = |heads: &[HeadGradient<T>]| sum(heads.iter().map(pick)).into_owned();
            let columns: Vec<Vec<T>> = heads.chunks(group).map(of_group).collect();
            interleave(&columns, config.d_head)
        };
        let back = |gradient: &mut Vec<T>, at: &Normalised<T>| {
            norm::backward(config.norm, &block.norm, at, gradient);
        };
        let mut q = pull_outputs(&block.q, &side_by_side(|head| &head.query, 1));
        let mut kv = pull_outputs(&block.k, &side_by_side(|head| &head.key, group));
        let v = pull_outputs(&block.v, &side_by_side(|head| &head.value, group));
        rows::add(&mut kv, &v);
        if self.reads_only(layer) {
            let reads = &tape.layout.reads;
            back(&mut q, &at.gather(config.d_model, reads));
            add_scattered(total, &q, config.d_model, reads);
        } else {
            rows::add(&mut kv, &q);
        }
        back(&mut kv, at);
        rows::add(total, &kv);
    }

    /// Hands the gradient at every reader to the sink, and adds it to the stream's.
    pub(super) fn pull_each(
        &self,
        tape: &Tape<'_, T>,
        (layer, block): (usize, &Attention<T>),
        heads: &[HeadGradient<T>],
        at: &Normalised<T>,
        total: &mut [T],
        sink: &mut dyn GradientSink<T>,
    ) {
        let config = self.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let reads_only = self.reads_only(layer);
        let norm_weights = &block.norm;
        let wiring = &self.layers[layer];
        let pull = |projected: &[Projected<'_, T>], at: &Normalised<T>| -> Vec<Vec<T>> {
            let back = |it: &Projected<'_, T>| {
                let (from, to) = (it.head * d_head, (it.head + 1) * d_head);
                let mut gradient = pull_range(it.map, &it.gradient, from, to);
                norm::backward(config.norm, norm_weights, at, &mut gradient);
                gradient
            };
            projected.par_iter().map(back).collect()
        };
        let (q, kv) = self.projected((layer, block), heads);
        let q = if reads_only {
            let reads = &tape.layout.reads;
            let q = pull(&q, &at.gather(d_model, reads));
            for gradient in &q {
                add_scattered(total, gradient, d_model, reads);
            }
            q
        } else {
            let q = pull(&q, at);
            for gradient in &q {
                rows::add(total, gradient);
            }
            q
        };
        let kv = pull(&kv, at);
        for gradient in &kv {
            rows::add(total, gradient);
        }
        let (k, v) = kv.split_at(wiring.k.len());
        sink.readers(&wiring.q, &q, reads_only);
        sink.readers(&wiring.k, k, false);
        sink.readers(&wiring.v, v, false);
    }

    /// Has the sink score the readers, some examples at a time, and adds their gradients to the stream's.
    #[expect(
        clippy::too_many_arguments,
        reason = "as its siblings, and the number of runs"
    )]
    pub(super) fn pull_parts(
        &self,
        tape: &Tape<'_, T>,
        (layer, block): (usize, &Attention<T>),
        runs: usize,
        heads: &[HeadGradient<T>],
        at: &Normalised<T>,
        total: &mut [T],
        sink: &mut dyn GradientSink<T>,
    ) {
        let wiring = &self.layers[layer];
        let layout = tape.layout;
        let of = |reads_only: bool| Runs {
            count: runs,
            rows: layout.query_rows(reads_only) / runs,
            segments: &layout.segments[..layout.segments.len() / runs],
            reads_only,
        };
        let (mut projected, kv) = self.projected((layer, block), heads);
        let mut readers = wiring.q.clone();
        if self.reads_only(layer) {
            let d_model = self.config().d_model;
            let at = at.gather(d_model, &layout.reads);
            let mut of_queries = vec![T::ZERO; layout.reads.len() * d_model];
            let scores = self.parts(
                block,
                &of(true),
                &projected,
                (&readers, &at),
                &mut of_queries,
                sink,
            );
            sink.scored(&readers, scores);
            add_scattered(total, &of_queries, d_model, &layout.reads);
            projected.clear();
            readers.clear();
        }
        projected.extend(kv);
        readers.extend(wiring.k.iter().chain(&wiring.v));
        let scores = self.parts(block, &of(false), &projected, (&readers, at), total, sink);
        sink.scored(&readers, scores);
    }

    /// The gradients at the projections of the readers of queries, and of keys and then values.
    fn projected<'p>(
        &'p self,
        (layer, block): (usize, &'p Attention<T>),
        heads: &'p [HeadGradient<T>],
    ) -> (Vec<Projected<'p, T>>, Vec<Projected<'p, T>>) {
        let slots = self.layers[layer].k.len();
        let per_slot = heads.len() / slots;
        let of_slots = |map: &'p Linear<T>, pick: fn(&HeadGradient<T>) -> &Vec<T>| {
            heads
                .chunks(per_slot)
                .enumerate()
                .map(move |(slot, heads)| Projected {
                    map,
                    head: self.kv_head(layer, slot),
                    gradient: sum(heads.iter().map(pick)),
                })
        };
        let q = heads.iter().enumerate().map(|(head, gradient)| Projected {
            map: &block.q,
            head,
            gradient: Cow::Borrowed(&gradient.query),
        });
        let k = of_slots(&block.k, |head| &head.key);
        let v = of_slots(&block.v, |head| &head.value);
        (q.collect(), k.chain(v).collect())
    }

    /// Adds the gradients of readers to `total`, and gives the sink's scores per example.
    fn parts<'p>(
        &self,
        block: &Attention<T>,
        runs: &Runs<'_>,
        projected: &[Projected<'p, T>],
        (readers, at): (&[usize], &Normalised<T>),
        total: &mut [T],
        sink: &dyn GradientSink<T>,
    ) -> Vec<Vec<T>> {
        let config = self.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let parts: Vec<&[Segment]> = runs.parts().collect();
        let back = |it: &Projected<'p, T>| {
            let (from, to) = (it.head * d_head, (it.head + 1) * d_head);
            let back = it.map.matrix().columns(from, to).transpose();
            back.row_by_row()
        };
        let back: Vec<Cow<'_, [T]>> = projected.par_iter().map(back).collect();
        let done: Vec<(Vec<T>, Vec<Vec<T>>)> = parts
            .par_iter()
            .map(|segments| {
                let rows = runs.rows_of(segments);
                let mut stream = runs.gather(total, d_model, &rows);
                let gradients =
                    self.pull_part(block, runs, &rows, (projected, &back), at, &mut stream);
                let part = SummedGradients {
                    gradients: &gradients,
                    rows,
                    segments,
                    reads_only: runs.reads_only,
                };
                (stream, sink.score_part(readers, &part))
            })
            .collect();
        let mut scores = Vec::with_capacity(runs.segments.len());
        for (segments, (stream, of_part)) in parts.iter().zip(done) {
            let rows = runs.rows_of(segments);
            for (run, stream) in stream.chunks_exact(rows.len() * d_model).enumerate() {
                let start = (run * runs.rows + rows.start) * d_model;
                total[start..start + stream.len()].copy_from_slice(stream);
            }
            scores.extend(of_part);
        }
        scores
    }

    /// Pulls the gradients of all readers at some rows back to the stream, through their projections transposed row by
    /// row: adds them to `stream`, `[runs, rows, d_model]`, and returns their sums over the runs, `[readers, rows, d_model]`.
    fn pull_part(
        &self,
        block: &Attention<T>,
        runs: &Runs<'_>,
        rows: &Range<usize>,
        (projected, back): (&[Projected<'_, T>], &[Cow<'_, [T]>]),
        at: &Normalised<T>,
        stream: &mut [T],
    ) -> Vec<T> {
        let config = self.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let gain = &block.norm.gain;
        let mut summed = vec![T::ZERO; projected.len() * rows.len() * d_model];
        for ((it, back), summed) in projected
            .iter()
            .zip(back)
            .zip(summed.chunks_exact_mut(rows.len() * d_model))
        {
            let gradient = runs.gather(&it.gradient, d_head, rows);
            let lhs = Matrix::rows(&gradient, runs.count * rows.len(), d_head);
            let rhs = Matrix::rows(back, d_head, d_model);
            let mut pulled = matmul::new_product_on_one_thread(lhs, rhs);
            let streams = stream.chunks_exact_mut(d_model);
            for (index, (row, stream)) in pulled.chunks_exact_mut(d_model).zip(streams).enumerate()
            {
                let (run, row_of_run) = (index / rows.len(), index % rows.len());
                let place = run * runs.rows + rows.start + row_of_run;
                let hat = &at.hat[place * d_model..(place + 1) * d_model];
                norm::backward_row(config.norm, gain, hat, at.scale[place], row);
                rows::add(stream, row);
                rows::add(
                    &mut summed[row_of_run * d_model..(row_of_run + 1) * d_model],
                    row,
                );
            }
        }
        summed
    }
}

impl<'l> Runs<'l> {
    /// Examples that one thread takes at a time: as many for each, as far as that goes.
    fn parts(&self) -> impl Iterator<Item = &'l [Segment]> {
        let threads = rayon::current_num_threads();
        let parts = (self.count * self.rows)
            .div_ceil(ROWS_PER_PART)
            .max(1)
            .next_multiple_of(threads);
        let (segments, count) = (self.segments, self.segments.len());
        let parts = parts.min(count);
        (0..parts).map(move |part| &segments[count * part / parts..count * (part + 1) / parts])
    }

    /// The rows of some neighbouring examples in one run.
    fn rows_of(&self, segments: &[Segment]) -> Range<usize> {
        match segments {
            [] => 0..0,
            [first, ..] => {
                let last = &segments[segments.len() - 1];
                first.range(self.reads_only).start..last.range(self.reads_only).end
            }
        }
    }

    /// Some rows of every run, one run after the other.
    fn gather<T: Real>(&self, data: &[T], width: usize, rows: &Range<usize>) -> Vec<T> {
        let mut out = Vec::with_capacity(self.count * rows.len() * width);
        for run in 0..self.count {
            let start = run * self.rows;
            out.extend_from_slice(&data[(start + rows.start) * width..(start + rows.end) * width]);
        }
        out
    }
}

/// Sum of some gradients; of one, that one.
fn sum<'g, T: Real>(mut gradients: impl Iterator<Item = &'g Vec<T>>) -> Cow<'g, [T]> {
    let mut total = gradients
        .next()
        .map_or(Cow::Borrowed(&[][..]), |first| Cow::Borrowed(&first[..]));
    for gradient in gradients {
        rows::add(total.to_mut(), gradient);
    }
    total
}
