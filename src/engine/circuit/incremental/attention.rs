//! The attention of one layer in all variants: dirty queries, keys and values, then the heads they reach.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::inputs::{Input, Place, distinct_inputs};
use super::rebase::Patch;
use super::variant::Variant;
use crate::engine::circuit::base::{Base, Frame};
use crate::engine::kernels::attention::HeadRows;
use crate::engine::kernels::rows;
use crate::engine::pass::transformer::Transformer;
use crate::model::Real;

/// What a reader feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    /// Queries of a head.
    Q(usize),
    /// Keys of a slot.
    K(usize),
    /// Values of a slot.
    V(usize),
}

/// Where the freshly computed rows of a port are.
#[derive(Clone, Copy)]
struct Block {
    buffer: usize,
    start: usize,
    stride: usize,
    offset: usize,
}

impl<T: Real> Frame<'_, T> {
    pub(super) fn attention_place(
        &self,
        base: &Base<T>,
        variants: &mut [Variant<'_, T>],
        layer: usize,
        record: bool,
    ) {
        let transformer = self.transformer;
        let wiring = &transformer.layers[layer];
        let reads_only = transformer.reads_only(layer);
        let q = wiring
            .q
            .iter()
            .enumerate()
            .map(|(head, &reader)| (reader, Port::Q(head)));
        let kv = wiring
            .k
            .iter()
            .enumerate()
            .map(|(slot, &reader)| (reader, Port::K(slot)))
            .chain(
                wiring
                    .v
                    .iter()
                    .enumerate()
                    .map(|(slot, &reader)| (reader, Port::V(slot))),
            );
        let mut fresh = Fresh {
            buffers: Vec::new(),
            blocks: BTreeMap::new(),
        };
        if reads_only {
            let place = Place {
                index: 2 * layer,
                reads_only: true,
            };
            self.project(
                base,
                variants,
                layer,
                place,
                &q.collect::<Vec<_>>(),
                &mut fresh,
            );
            let place = Place {
                index: 2 * layer,
                reads_only: false,
            };
            self.project(
                base,
                variants,
                layer,
                place,
                &kv.collect::<Vec<_>>(),
                &mut fresh,
            );
        } else {
            let place = Place {
                index: 2 * layer,
                reads_only: false,
            };
            self.project(
                base,
                variants,
                layer,
                place,
                &q.chain(kv).collect::<Vec<_>>(),
                &mut fresh,
            );
        }
        if !fresh.blocks.is_empty() {
            self.attend_dirty(base, variants, layer, &fresh, record);
            if record {
                fresh.record(self, variants, layer);
            }
        }
        self.advance_full(variants, layer, false);
    }

    /// Computes the queries, keys and values of every dirty input.
    fn project(
        &self,
        base: &Base<T>,
        variants: &[Variant<'_, T>],
        layer: usize,
        place: Place,
        ports: &[(usize, Port)],
        fresh: &mut Fresh<T>,
    ) {
        let mut inputs = distinct_inputs(base, variants, ports);
        if inputs.is_empty() {
            return;
        }
        // Inputs with the same ports go through one product, for which they lie next to each other.
        inputs.sort_by(|one, other| one.ports.cmp(&other.ports));
        let transformer = self.transformer;
        let d_model = transformer.config().d_model;
        let stacked = self.stack(base, variants, place, &inputs);
        let normed = transformer.norm(&transformer.weights.attention(layer).norm, &stacked);
        let positions = self.layout.query_positions(place.reads_only);
        let rows_each = positions.len() * d_model;
        let mut projections = Vec::new();
        let mut first = 0;
        for members in inputs.chunk_by(|one, next| one.ports == next.ports) {
            let end = first + members.len();
            let x = &normed[first * rows_each..end * rows_each];
            projections.extend(
                transformer
                    .neighbours(layer, &members[0].ports)
                    .map(|ports| Projection { members, ports, x }),
            );
            first = end;
        }
        // Many small products: each on a thread of its own, not all threads at each.
        let buffers: Vec<Vec<T>> = projections
            .par_iter()
            .map(|it| {
                let mut buffer = transformer.project_ports(layer, it, &positions);
                self.keep_clean(base, variants, (layer, place), it, &mut buffer);
                buffer
            })
            .collect();
        for (projection, buffer) in projections.iter().zip(buffers) {
            fresh.add(
                projection,
                buffer,
                positions.len(),
                transformer.config().d_head,
            );
        }
    }

    /// Puts back the base's rows of the examples for which an input is not dirty.
    fn keep_clean(
        &self,
        base: &Base<T>,
        variants: &[Variant<'_, T>],
        (layer, place): (usize, Place),
        projection: &Projection<'_, T>,
        buffer: &mut [T],
    ) {
        let config = self.transformer.config();
        let d_head = config.d_head;
        let slots = self.transformer.layers[layer].k.len();
        let run = &base.layers[layer];
        let rows = self.layout.query_rows(place.reads_only);
        let stride = projection.ports.len() * d_head;
        for (member, input) in projection.members.iter().enumerate() {
            for example in variants[input.variant].clean_examples(base, input.reader) {
                for (index, &port) in projection.ports.iter().enumerate() {
                    let (old, count, head) = match port {
                        Port::Q(head) => (&run.q, config.n_heads, head),
                        Port::K(slot) => (&run.k, slots, slot),
                        Port::V(slot) => (&run.v, slots, slot),
                    };
                    for row in self.layout.segments[example]
                        .range(place.reads_only)
                        .clone()
                    {
                        let from = (row * count + head) * d_head;
                        let to = (member * rows + row) * stride + index * d_head;
                        buffer[to..to + d_head].copy_from_slice(&old[from..from + d_head]);
                    }
                }
            }
        }
    }

    /// The examples in which nothing that a head reads is dirty, given that something is.
    fn clean_heads(
        &self,
        base: &Base<T>,
        variant: &Variant<'_, T>,
        layer: usize,
        head: usize,
    ) -> Vec<usize> {
        let wiring = &self.transformer.layers[layer];
        let slot = self.transformer.slot(layer, head);
        let [q, k, v] = [wiring.q[head], wiring.k[slot], wiring.v[slot]]
            .map(|reader| variant.clean_examples(base, reader));
        let all = |example: &usize| k.contains(example) && v.contains(example);
        q.into_iter().filter(all).collect()
    }

    /// Recomputes the dirty heads and notes how they differ.
    fn attend_dirty(
        &self,
        base: &Base<T>,
        variants: &mut [Variant<'_, T>],
        layer: usize,
        fresh: &Fresh<T>,
        record: bool,
    ) {
        let transformer = self.transformer;
        let config = transformer.config();
        let (heads, d_head) = (config.n_heads, config.d_head);
        let run = &base.layers[layer];
        let slots = transformer.layers[layer].k.len();
        let work: Vec<(usize, usize)> = (0..variants.len())
            .flat_map(|variant| (0..heads).map(move |head| (variant, head)))
            .filter(|&(variant, head)| {
                let slot = transformer.slot(layer, head);
                [Port::Q(head), Port::K(slot), Port::V(slot)]
                    .iter()
                    .any(|&port| fresh.blocks.contains_key(&(variant, port)))
            })
            .collect();
        let results: Vec<(Vec<T>, Vec<T>)> = work
            .par_iter()
            .map(|&(variant, head)| {
                let slot = transformer.slot(layer, head);
                let kv = transformer.kv_head(layer, slot);
                let own = |data, count: usize, index: usize| HeadRows {
                    data,
                    stride: count * d_head,
                    offset: index * d_head,
                    width: d_head,
                };
                let pick = |port, old| fresh.rows(variant, port, d_head).unwrap_or(old);
                let q = pick(Port::Q(head), own(&run.q, heads, head));
                let k = pick(Port::K(slot), own(&run.k, slots, slot));
                let v = pick(Port::V(slot), own(&run.v, slots, slot));
                let mut z = transformer.attend_head(
                    layer,
                    &self.layout,
                    q,
                    (transformer.prefix_rows(&self.prefix.k, layer, kv), k),
                    (transformer.prefix_rows(&self.prefix.v, layer, kv), v),
                );
                let old = rows::columns(&run.z, heads * d_head, head * d_head, (head + 1) * d_head);
                for example in self.clean_heads(base, &variants[variant], layer, head) {
                    let own = self.layout.segments[example].range(transformer.reads_only(layer));
                    let own = own.start * d_head..own.end * d_head;
                    z[own.clone()].copy_from_slice(&old[own]);
                }
                let difference = rows::difference(&z, &old);
                (z, difference)
            })
            .collect();
        for ((variant, head), (z, difference)) in work.into_iter().zip(results) {
            let spans = transformer.graph().span_count();
            let writer = transformer.layers[layer].first_head + head * spans;
            self.set_dirty(&mut variants[variant], writer, difference);
            if record {
                variants[variant]
                    .patches
                    .push(Patch::Head { layer, head, z });
            }
        }
    }
}

/// Ports of neighbouring heads that read the same inputs, one per variant.
struct Projection<'i, T> {
    members: &'i [Input<Port>],
    ports: &'i [Port],
    /// The normed inputs, one after the other.
    x: &'i [T],
}

impl<T: Real> Transformer<'_, T> {
    /// The ports in runs of neighbouring heads of one map.
    fn neighbours<'p>(&self, layer: usize, ports: &'p [Port]) -> impl Iterator<Item = &'p [Port]> {
        ports.chunk_by(move |&one, &next| {
            let (head, map) = heads_of(self, layer, one);
            heads_of(self, layer, next) == (head + 1, map)
        })
    }

    /// Queries, keys or values of some inputs; `positions` are those of one.
    fn project_ports(
        &self,
        layer: usize,
        projection: &Projection<'_, T>,
        positions: &[usize],
    ) -> Vec<T> {
        let positions = positions.repeat(projection.members.len());
        let (from, map) = heads_of(self, layer, projection.ports[0]);
        let heads = (from, from + projection.ports.len());
        match map {
            0 => self.queries(layer, projection.x, heads, &positions),
            1 => self.keys(layer, projection.x, heads, &positions),
            _ => self.values(layer, projection.x, heads, positions.len()),
        }
    }
}

/// Freshly computed queries, keys and values of a layer.
struct Fresh<T> {
    buffers: Vec<Vec<T>>,
    blocks: BTreeMap<(usize, Port), Block>,
}

impl<T: Real> Fresh<T> {
    /// Takes the rows that were projected, `rows` of each input.
    fn add(&mut self, projection: &Projection<'_, T>, buffer: Vec<T>, rows: usize, d_head: usize) {
        let stride = projection.ports.len() * d_head;
        for (index, &port) in projection.ports.iter().enumerate() {
            for (member, input) in projection.members.iter().enumerate() {
                let block = Block {
                    buffer: self.buffers.len(),
                    start: member * rows * stride,
                    stride,
                    offset: index * d_head,
                };
                self.blocks.insert((input.variant, port), block);
            }
        }
        self.buffers.push(buffer);
    }

    /// The rows of a port in a variant, if they are fresh.
    fn rows(&self, variant: usize, port: Port, d_head: usize) -> Option<HeadRows<'_, T>> {
        self.blocks.get(&(variant, port)).map(|block| HeadRows {
            data: &self.buffers[block.buffer][block.start..],
            stride: block.stride,
            offset: block.offset,
            width: d_head,
        })
    }

    /// Copies everything fresh into the variants' patches.
    fn record(&self, frame: &Frame<'_, T>, variants: &mut [Variant<'_, T>], layer: usize) {
        let d_head = frame.transformer.config().d_head;
        let reads_only = frame.transformer.reads_only(layer);
        for &(variant, port) in self.blocks.keys() {
            let Some(fresh) = self.rows(variant, port, d_head) else {
                continue;
            };
            let count = match port {
                Port::Q(_) => frame.layout.query_rows(reads_only),
                Port::K(_) | Port::V(_) => frame.layout.rows(),
            };
            let data = (0..count).flat_map(|row| fresh.row(row)).copied().collect();
            variants[variant]
                .patches
                .push(Patch::Port { layer, port, data });
        }
    }
}

/// The query or key/value head a port projects to, and which of the three maps it uses.
fn heads_of<T: Real>(transformer: &Transformer<'_, T>, layer: usize, port: Port) -> (usize, usize) {
    match port {
        Port::Q(head) => (head, 0),
        Port::K(slot) => (transformer.kv_head(layer, slot), 1),
        Port::V(slot) => (transformer.kv_head(layer, slot), 2),
    }
}
