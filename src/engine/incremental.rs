//! Ablated runs of many circuits at once, each recomputing only what differs from a cached base.
//!
//! A variant is a circuit run on the same rows as the base. A reader is dirty in a variant when its kept writers
//! differ from the base's where that matters, or when a kept writer is dirty; a writer is dirty when a reader it
//! is computed from is. Only dirty parts with a kept path to `logits` are computed.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::base::{Base, Frame};
use super::kernels::attention::HeadRows;
use super::kernels::rows;
use super::patch::Patch;
use crate::graph::EdgeMask;
use crate::model::Real;

/// Kept writers up to which a reader's input is summed afresh, which costs little and cancels nothing.
const FEW_WRITERS: usize = 16;

/// One circuit on its way through the layers.
pub(super) struct Variant<'m, T> {
    mask: &'m EdgeMask,
    /// Readers with a kept path to `logits`.
    live: Vec<bool>,
    /// Per writer: how it differs from the base, once it is dirty.
    dirty: Vec<Option<Difference<T>>>,
    /// Bits of the dirty writers.
    dirty_bits: Vec<u64>,
    /// Sum of all dirty writers' differences at the current place, kept up to `full_until`.
    full: Option<Vec<T>>,
    /// First reader from which on no dense reader follows.
    full_until: usize,
    /// New activations, when they are recorded.
    pub(super) patches: Vec<Patch<T>>,
}

/// How a dirty writer differs from the base.
struct Difference<T> {
    /// In the writer's own space: `[rows, d_head]`, `[rows, 1]` or `[rows, d_model]`.
    inner: Vec<T>,
    /// Expanded to `[rows, d_model]`, on first use.
    expanded: OnceLock<Vec<T>>,
}

/// A place where readers of one layer read.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    /// Whether only the rows read are needed.
    reads_only: bool,
}

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

/// A distinct input at a place: one variant, one row of the mask, and the ports that read it.
struct Input<P> {
    variant: usize,
    reader: usize,
    ports: Vec<P>,
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
    /// The final stream of each circuit at the rows read, `[reads, d_model]`.
    pub(crate) fn run_circuits(&self, base: &Base<T>, circuits: &[EdgeMask]) -> Vec<Vec<T>> {
        self.run_variants(base, circuits, false).1
    }

    /// Runs the circuits; with `record`, keeps their new activations as patches of the base.
    pub(super) fn run_variants<'m>(
        &self,
        base: &Base<T>,
        circuits: &'m [EdgeMask],
        record: bool,
    ) -> (Vec<Variant<'m, T>>, Vec<Vec<T>>) {
        let mut variants: Vec<_> = circuits.iter().map(|mask| self.variant(mask)).collect();
        for layer in 0..self.transformer.config().n_layers {
            self.attention_place(base, &mut variants, layer, record);
            self.mlp_place(base, &mut variants, layer, record);
        }
        let place = Place {
            index: 2 * self.transformer.config().n_layers,
            reads_only: true,
        };
        let reader = self.transformer.graph.readers().len() - 1;
        let many = variants
            .iter()
            .filter(|variant| variant.mask.kept_into(reader) > FEW_WRITERS);
        let shared = self.shared_inputs(base, place, many.map(|_| reader));
        let finals = variants
            .par_iter()
            .map(|variant| self.input(base, &shared, variant, place, reader))
            .collect();
        (variants, finals)
    }

    fn variant<'m>(&self, mask: &'m EdgeMask) -> Variant<'m, T> {
        let graph = self.transformer.graph;
        let live = graph.live_readers(mask);
        let dense = |reader: &usize| live[*reader] && self.is_dense(mask, *reader);
        let full_until = (0..graph.readers().len())
            .rev()
            .find(dense)
            .map_or(0, |reader| reader + 1);
        Variant {
            mask,
            live,
            dirty: (0..graph.writers().len()).map(|_| None).collect(),
            dirty_bits: vec![0; graph.writers().len().div_ceil(64)],
            full: None,
            full_until,
            patches: Vec::new(),
        }
    }

    /// Whether a reader keeps more than half of its writers: then sums start from all of them.
    fn is_dense(&self, mask: &EdgeMask, reader: usize) -> bool {
        mask.kept_into(reader) * 2 > self.transformer.graph.writers_before(reader)
    }

    /// The base's input for every distinct mask row among these readers.
    fn shared_inputs<'b>(
        &self,
        base: &'b Base<T>,
        place: Place,
        readers: impl Iterator<Item = usize>,
    ) -> BTreeMap<&'b [u64], Vec<T>> {
        let mut first: BTreeMap<&[u64], usize> = BTreeMap::new();
        for reader in readers {
            first.entry(base.mask.row(reader)).or_insert(reader);
        }
        let first: Vec<_> = first.into_iter().collect();
        first
            .into_par_iter()
            .map(|(row, reader)| (row, self.base_input(base, place, reader)))
            .collect()
    }

    /// What a reader reads in the base.
    fn base_input(&self, base: &Base<T>, place: Place, reader: usize) -> Vec<T> {
        let before = self.transformer.graph.writers_before(reader);
        let dense = self.is_dense(&base.mask, reader);
        let stream = if dense {
            self.stream(base, place.index)
        } else {
            &self.ablated.streams[place.index]
        };
        let mut x = self.at_place(place, stream);
        for writer in 0..before {
            if base.mask.contains(writer, reader) == dense || base.is_zero(writer) {
                continue;
            }
            self.combine(place, writer, self.delta(base, writer), !dense, &mut x);
        }
        x
    }

    /// A stream's rows at a place: those read, where the place needs no others.
    fn at_place(&self, place: Place, stream: &[T]) -> Vec<T> {
        let d_model = self.transformer.config().d_model;
        if place.reads_only && stream.len() == self.layout.rows() * d_model {
            rows::gather(stream, d_model, &self.layout.reads)
        } else {
            stream.to_vec()
        }
    }

    /// Adds or subtracts a writer's rows at a place.
    fn combine(&self, place: Place, writer: usize, values: &[T], add: bool, x: &mut [T]) {
        let apply = if add { rows::add } else { rows::subtract };
        if place.reads_only && !self.writes_reads_only(writer) {
            let d_model = self.transformer.config().d_model;
            apply(x, &rows::gather(values, d_model, &self.layout.reads));
        } else {
            apply(x, values);
        }
    }

    /// What a reader reads in a variant.
    fn input(
        &self,
        base: &Base<T>,
        shared: &BTreeMap<&[u64], Vec<T>>,
        variant: &Variant<'_, T>,
        place: Place,
        reader: usize,
    ) -> Vec<T> {
        if variant.mask.kept_into(reader) <= FEW_WRITERS {
            return self.input_of_few(base, variant, place, reader);
        }
        let before = base.mask.row(reader);
        let kept = variant.mask.row(reader);
        let mut x = shared[before].clone();
        for writer in writers_of(kept.iter().zip(before).map(|(kept, before)| kept ^ before)) {
            if !base.is_zero(writer) {
                let added = variant.mask.contains(writer, reader);
                self.combine(place, writer, self.delta(base, writer), added, &mut x);
            }
        }
        let all = if self.is_dense(variant.mask, reader) {
            variant.full.as_deref()
        } else {
            None
        };
        if let Some(all) = all {
            rows::add(&mut x, &self.at_place(place, all));
        }
        let flip = if all.is_some() { u64::MAX } else { 0 };
        let words = kept
            .iter()
            .zip(&variant.dirty_bits)
            .map(|(kept, dirty)| (kept ^ flip) & dirty);
        for writer in writers_of(words) {
            let difference = self.expanded(variant, writer);
            self.combine(place, writer, difference, all.is_none(), &mut x);
        }
        x
    }

    /// What a reader with few kept writers reads: the sum itself, without any cancellation.
    fn input_of_few(
        &self,
        base: &Base<T>,
        variant: &Variant<'_, T>,
        place: Place,
        reader: usize,
    ) -> Vec<T> {
        let mut x = self.at_place(place, &self.ablated.streams[place.index]);
        for writer in variant.mask.writers_into(reader) {
            if !base.is_zero(writer) {
                self.combine(place, writer, self.delta(base, writer), true, &mut x);
            }
            if variant.dirty[writer].is_some() {
                self.combine(place, writer, self.expanded(variant, writer), true, &mut x);
            }
        }
        x
    }

    fn expanded<'v>(&self, variant: &'v Variant<'_, T>, writer: usize) -> &'v [T] {
        variant.dirty[writer].as_ref().map_or(&[], |difference| {
            difference
                .expanded
                .get_or_init(|| self.expand(writer, &difference.inner))
        })
    }

    /// The inputs' rows, one after the other.
    fn stack<P: Sync + Send>(
        &self,
        base: &Base<T>,
        variants: &[Variant<'_, T>],
        place: Place,
        inputs: &[Input<P>],
    ) -> Vec<T> {
        let many = inputs
            .iter()
            .filter(|input| variants[input.variant].mask.kept_into(input.reader) > FEW_WRITERS);
        let shared = self.shared_inputs(base, place, many.map(|input| input.reader));
        let parts: Vec<Vec<T>> = inputs
            .par_iter()
            .map(|input| self.input(base, &shared, &variants[input.variant], place, input.reader))
            .collect();
        parts.concat()
    }

    fn attention_place(
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
        let inputs = distinct_inputs(base, variants, ports);
        if inputs.is_empty() {
            return;
        }
        let transformer = self.transformer;
        let d_model = transformer.config().d_model;
        let stacked = self.stack(base, variants, place, &inputs);
        let norm = &transformer.weights.layers[layer].attention_norm;
        let normed = transformer.norm(norm, &stacked);
        let positions = self.layout.query_positions(place.reads_only);
        let rows_each = positions.len() * d_model;
        // Inputs with the same ports go through one product.
        let mut groups: BTreeMap<&[Port], Vec<usize>> = BTreeMap::new();
        for (index, input) in inputs.iter().enumerate() {
            groups.entry(&input.ports).or_default().push(index);
        }
        for (ports, members) in groups {
            let x: Vec<T> = members
                .iter()
                .flat_map(|&index| &normed[index * rows_each..(index + 1) * rows_each])
                .copied()
                .collect();
            let positions = positions.repeat(members.len());
            let variants: Vec<usize> = members.iter().map(|&index| inputs[index].variant).collect();
            fresh.add(self, layer, ports, &x, &positions, &variants);
        }
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
        let reads_only = transformer.reads_only(layer);
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
        let results: Vec<Vec<T>> = work
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
                transformer.attend_head(
                    &self.layout,
                    reads_only,
                    q,
                    (transformer.prefix_rows(&self.prefix.k, layer, kv), k),
                    (transformer.prefix_rows(&self.prefix.v, layer, kv), v),
                )
            })
            .collect();
        for ((variant, head), z) in work.into_iter().zip(results) {
            let writer = transformer.layers[layer].first_head + head;
            let old = rows::columns(&run.z, heads * d_head, head * d_head, (head + 1) * d_head);
            variants[variant].set_dirty(writer, rows::difference(&z, &old));
            if record {
                variants[variant]
                    .patches
                    .push(Patch::Head { layer, head, z });
            }
        }
    }

    fn mlp_place(
        &self,
        base: &Base<T>,
        variants: &mut [Variant<'_, T>],
        layer: usize,
        record: bool,
    ) {
        let transformer = self.transformer;
        let wiring = &transformer.layers[layer];
        let place = Place {
            index: 2 * layer + 1,
            reads_only: transformer.reads_only(layer),
        };
        let inputs = distinct_inputs(base, variants, &[(wiring.mlp, ())]);
        if inputs.is_empty() {
            return;
        }
        let stacked = self.stack(base, variants, place, &inputs);
        let normed = transformer.norm(&transformer.weights.layers[layer].mlp_norm, &stacked);
        let hidden = transformer.mlp_inner(layer, &normed).hidden;
        let (mlp, neurons) = transformer.mlp_outputs(layer, hidden);
        let run = &base.layers[layer];
        for (index, input) in inputs.iter().enumerate() {
            let variant = &mut variants[input.variant];
            let len = run.mlp.len();
            let new = &mlp[index * len..(index + 1) * len];
            variant.set_dirty(wiring.mlp_writer, rows::difference(new, &run.mlp));
            let len = run.neurons.len();
            let activations = &neurons[index * len..(index + 1) * len];
            let difference = rows::difference(activations, &run.neurons);
            let count = wiring.neurons.len();
            for neuron in 0..count {
                let inner = rows::columns(&difference, count, neuron, neuron + 1);
                variant.set_dirty(wiring.mlp_writer + 1 + neuron, inner);
            }
            if record {
                variant.patches.push(Patch::Mlp {
                    layer,
                    mlp: new.to_vec(),
                    neurons: activations.to_vec(),
                });
            }
        }
        self.advance_full(variants, layer, true);
    }

    /// Adds what became dirty in a layer to the variants' sums over all dirty writers.
    fn advance_full(&self, variants: &mut [Variant<'_, T>], layer: usize, mlp: bool) {
        let transformer = self.transformer;
        let config = transformer.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let wiring = &transformer.layers[layer];
        let reads_only = transformer.reads_only(layer);
        let after = if mlp { wiring.mlp + 1 } else { wiring.mlp };
        variants.par_iter_mut().for_each(|variant| {
            if variant.full_until <= after {
                variant.full = None;
                return;
            }
            let sum = if mlp {
                let writers = wiring.mlp_writer..=wiring.mlp_writer + wiring.neurons.len();
                let mut sum: Option<Vec<T>> = None;
                for writer in writers.filter(|&writer| variant.dirty[writer].is_some()) {
                    let expanded = self.expanded(variant, writer);
                    match &mut sum {
                        Some(sum) => rows::add(sum, expanded),
                        None => sum = Some(expanded.to_vec()),
                    }
                }
                sum
            } else {
                let rows = self.layout.query_rows(reads_only);
                let width = config.n_heads * d_head;
                let mut z = vec![T::ZERO; rows * width];
                let mut any = false;
                for head in 0..config.n_heads {
                    if let Some(difference) = &variant.dirty[wiring.first_head + head] {
                        any = true;
                        for (row, values) in difference.inner.chunks_exact(d_head).enumerate() {
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
    /// Whether a reader's input differs from the base's in this self.
    fn is_dirty(&self, base: &Base<T>, reader: usize) -> bool {
        if !self.live[reader] {
            return false;
        }
        let (kept, before) = (self.mask.row(reader), base.mask.row(reader));
        kept.iter()
            .zip(&self.dirty_bits)
            .any(|(kept, dirty)| kept & dirty != 0)
            || writers_of(kept.iter().zip(before).map(|(kept, before)| kept ^ before))
                .any(|writer| !base.is_zero(writer))
    }

    fn set_dirty(&mut self, writer: usize, inner: Vec<T>) {
        if inner.iter().all(|&value| value == T::ZERO) {
            return;
        }
        self.dirty[writer] = Some(Difference {
            inner,
            expanded: OnceLock::new(),
        });
        self.dirty_bits[writer / 64] |= 1 << (writer % 64);
    }
}

/// Freshly computed queries, keys and values of a layer.
struct Fresh<T> {
    buffers: Vec<Vec<T>>,
    blocks: BTreeMap<(usize, Port), Block>,
}

impl<T: Real> Fresh<T> {
    /// Computes the ports of stacked normed inputs, one per variant listed.
    fn add(
        &mut self,
        frame: &Frame<'_, T>,
        layer: usize,
        ports: &[Port],
        x: &[T],
        positions: &[usize],
        variants: &[usize],
    ) {
        let transformer = frame.transformer;
        let d_head = transformer.config().d_head;
        let rows_each = positions.len() / variants.len();
        let mut index = 0;
        while index < ports.len() {
            let (from, kind) = heads_of(transformer, layer, ports[index]);
            let mut count = 1;
            while ports
                .get(index + count)
                .is_some_and(|&port| heads_of(transformer, layer, port) == (from + count, kind))
            {
                count += 1;
            }
            let range = (from, from + count);
            let buffer = match kind {
                0 => transformer.queries(layer, x, range, positions),
                1 => transformer.keys(layer, x, range, positions),
                _ => transformer.values(layer, x, range, positions.len()),
            };
            for offset in 0..count {
                for (member, &variant) in variants.iter().enumerate() {
                    let block = Block {
                        buffer: self.buffers.len(),
                        start: member * rows_each * count * d_head,
                        stride: count * d_head,
                        offset: offset * d_head,
                    };
                    self.blocks.insert((variant, ports[index + offset]), block);
                }
            }
            self.buffers.push(buffer);
            index += count;
        }
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

/// The distinct dirty inputs at a place. Readers with equal rows share one.
fn distinct_inputs<T: Real, P: Copy>(
    base: &Base<T>,
    variants: &[Variant<'_, T>],
    ports: &[(usize, P)],
) -> Vec<Input<P>> {
    let mut inputs = Vec::new();
    for (index, variant) in variants.iter().enumerate() {
        let mut groups: BTreeMap<(&[u64], &[u64]), Input<P>> = BTreeMap::new();
        for &(reader, port) in ports {
            if variant.is_dirty(base, reader) {
                groups
                    .entry((variant.mask.row(reader), base.mask.row(reader)))
                    .or_insert_with(|| Input {
                        variant: index,
                        reader,
                        ports: Vec::new(),
                    })
                    .ports
                    .push(port);
            }
        }
        inputs.extend(groups.into_values());
    }
    inputs
}

/// The query or key/value head a port projects to, and which of the three maps it uses.
fn heads_of<T: Real>(
    transformer: &super::transformer::Transformer<'_, T>,
    layer: usize,
    port: Port,
) -> (usize, usize) {
    match port {
        Port::Q(head) => (head, 0),
        Port::K(slot) => (transformer.kv_head(layer, slot), 1),
        Port::V(slot) => (transformer.kv_head(layer, slot), 2),
    }
}

/// The writers whose bits are set in a row of words.
fn writers_of(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(word, mut bits)| {
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                word * 64 + bit
            })
        })
    })
}
