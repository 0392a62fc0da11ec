//! Some examples of a chunk, with those of its runs that gradients are taken from.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use crate::engine::Ablation;
use crate::engine::circuit::ablated::Ablated;
use crate::engine::circuit::base::{Base, BaseLayer, Frame};
use crate::engine::circuit::chunk::Chunk;
use crate::engine::pass::layout::{Layout, Segment};
use crate::engine::pass::prefix::Prefix;
use crate::model::Real;

impl Layout {
    /// The sequences `range`, with the rows before them left out.
    fn part(&self, range: Range<usize>) -> Self {
        let segments = &self.segments[range];
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            return Self::default();
        };
        let (row, read) = (first.rows.start, first.reads.start);
        let shift = |range: &Range<usize>, by: usize| range.start - by..range.end - by;
        Self {
            segments: segments
                .iter()
                .map(|segment| Segment {
                    start: segment.start,
                    rows: shift(&segment.rows, row),
                    reads: shift(&segment.reads, read),
                    prefix_row: segment.prefix_row - first.prefix_row,
                })
                .collect(),
            positions: self.positions[row..last.rows.end].to_vec(),
            reads: self.reads[read..last.reads.end]
                .iter()
                .map(|index| index - row)
                .collect(),
        }
    }
}

impl<T: Real> Chunk<'_, T> {
    /// The examples `range` as a chunk that gradients can be taken from, and nothing else.
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        let frame = &self.frame;
        let transformer = frame.transformer;
        let segments = &frame.layout.segments[range.clone()];
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
            unreachable!("a part of a chunk has examples");
        };
        let rows = Cut(first.rows.start..last.rows.end, frame.layout.rows());
        let reads = Cut(first.reads.start..last.reads.end, frame.layout.reads.len());
        let prefix_rows: usize = frame
            .layout
            .segments
            .iter()
            .map(|segment| segment.start)
            .sum();
        let prefix = Cut(first.prefix_row..last.prefix_row + last.start, prefix_rows);
        let of_layer = |layer: usize| {
            if transformer.reads_only(layer) {
                &reads
            } else {
                &rows
            }
        };
        let each = |data: &[Vec<T>]| -> Vec<Vec<T>> {
            let layers = data.par_iter().enumerate();
            layers
                .map(|(layer, data)| of_layer(layer).of(data))
                .collect()
        };
        let sources = |data: &[Vec<T>]| data.iter().map(|data| rows.of(data)).collect();
        let ablated = &frame.ablated;
        let last_mlp = 2 * transformer.config().n_layers - 1;
        let streams = |whole: Vec<&[T]>| -> Vec<Vec<T>> {
            let places = whole.into_par_iter().enumerate();
            let cut = |place| if place < last_mlp { &rows } else { &reads };
            places
                .map(|(place, stream)| cut(place).of(stream))
                .collect()
        };
        let base = |whole: &Base<T>, streams: Vec<Vec<T>>| {
            let layers = whole.layers.par_iter().enumerate().map(|(layer, run)| {
                let cut = of_layer(layer);
                BaseLayer {
                    q: cut.of(&run.q),
                    k: rows.of(&run.k),
                    v: rows.of(&run.v),
                    z: cut.of(&run.z),
                    mlp: cut.of(&run.mlp),
                    neurons: cut.of(&run.neurons),
                }
            });
            Base::of_parts(whole, sources(&whole.sources), layers.collect(), streams)
        };
        let full_streams = (0..=last_mlp + 1).map(|place| frame.stream(&self.full, place));
        let empty = OnceLock::new();
        let mut ablated_streams = Vec::new();
        if self.ablation == Ablation::Patch
            && let Some(corrupt) = self.empty.get()
        {
            empty.get_or_init(|| base(corrupt, Vec::new()));
            ablated_streams = streams(ablated.streams.iter().map(Vec::as_slice).collect());
        }
        Self {
            examples: self.examples[range.clone()].to_vec(),
            ablation: self.ablation,
            full: base(&self.full, streams(full_streams.collect())),
            frame: Frame {
                transformer,
                layout: frame.layout.part(range),
                prefix: Prefix {
                    k: frame.prefix.k.iter().map(|data| prefix.of(data)).collect(),
                    v: frame.prefix.v.iter().map(|data| prefix.of(data)).collect(),
                },
                ablated: Ablated {
                    sources: sources(&ablated.sources),
                    z: each(&ablated.z),
                    mlp: each(&ablated.mlp),
                    neurons: each(&ablated.neurons),
                    streams: ablated_streams,
                },
                spans: frame.spans.part(rows.0.clone(), reads.0.clone()),
                ablated_heads: Vec::new(),
            },
            empty,
            near: None,
            recorded: Vec::new(),
            clean: rows.of(&self.clean),
            corrupt: rows.of(&self.corrupt),
            full_logits: reads.of(&self.full_logits),
        }
    }
}

/// Some of a matrix's rows, and how many it has.
struct Cut(Range<usize>, usize);

impl Cut {
    fn of<T: Copy>(&self, data: &[T]) -> Vec<T> {
        let width = data.len().checked_div(self.1).unwrap_or(0);
        data[self.0.start * width..self.0.end * width].to_vec()
    }
}
