//! The cached run of one circuit: what incremental runs start from.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use crate::engine::circuit::ablated::Ablated;
use crate::engine::circuit::differing::Differing;
use crate::engine::circuit::incremental::NormedHeads;
use crate::engine::circuit::row_spans::RowSpans;
use crate::engine::kernels::rows;
use crate::engine::pass::attention::interleave;
use crate::engine::pass::forward::FullRun;
use crate::engine::pass::layout::{Layout, Segment};
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::transformer::Transformer;
use crate::graph::{EdgeMask, Node};
use crate::model::Real;

/// The run of a circuit on the rows of a chunk, with everything lazily derived from it.
#[derive(Clone)]
pub(crate) struct Base<T> {
    /// The circuit.
    pub mask: EdgeMask,
    /// Current values of the source writers, `[rows, d_model]`.
    pub sources: Vec<Vec<T>>,
    /// Activations per layer.
    pub layers: Vec<BaseLayer<T>>,
    /// Per writer: current minus ablated output, `[rows or reads, d_model]`; of its span, where it has one.
    deltas: Vec<OnceLock<Vec<T>>>,
    /// The writers whose differences are not exactly zero.
    pub differing: Differing,
    /// Per place: the stream with every writer's current output.
    streams: Vec<OnceLock<Vec<T>>>,
    /// Per layer: what all heads add through the post-norm, in models that have one.
    pub normed_heads: Vec<OnceLock<Vec<T>>>,
}

impl<T> Base<T> {
    /// Some rows of a run, from which only differences of writers are taken.
    pub(crate) fn of_parts(
        whole: &Self,
        sources: Vec<Vec<T>>,
        layers: Vec<BaseLayer<T>>,
        streams: Vec<Vec<T>>,
    ) -> Self {
        Self {
            mask: whole.mask.clone(),
            sources,
            layers,
            deltas: whole.deltas.iter().map(|_| OnceLock::new()).collect(),
            differing: Differing::none(0, whole.deltas.len()),
            streams: streams.into_iter().map(OnceLock::from).collect(),
            normed_heads: Vec::new(),
        }
    }

    /// Drops what is computed again when it is wanted.
    pub(crate) fn forget_derived(&mut self) {
        for delta in &mut self.deltas {
            delta.take();
        }
        for normed in &mut self.normed_heads {
            normed.take();
        }
    }

    /// Whether a writer's current and ablated outputs are equal in all examples.
    pub(crate) fn is_zero(&self, writer: usize) -> bool {
        !self.differing.contains(writer)
    }
}

/// The value of a cell, made first where there is none.
///
/// It is made outside of the cell: a product of matrices lets its thread take up other work while it waits, and that work
/// may ask for the same value, for which a locked cell would make it wait for itself.
pub(crate) fn get_or_make<V>(cell: &OnceLock<V>, make: impl FnOnce() -> V) -> &V {
    if let Some(value) = cell.get() {
        return value;
    }
    let value = make();
    cell.get_or_init(|| value)
}

/// Activations of one layer in a circuit's run.
#[derive(Clone)]
pub(crate) struct BaseLayer<T> {
    /// `[query rows, n_heads * d_head]`, rotated.
    pub q: Vec<T>,
    /// `[rows, slots * d_head]`, rotated.
    pub k: Vec<T>,
    /// `[rows, slots * d_head]`.
    pub v: Vec<T>,
    /// `[query rows, n_heads * d_head]`.
    pub z: Vec<T>,
    /// `[query rows, d_model]`.
    pub mlp: Vec<T>,
    /// `[query rows, neurons]`.
    pub neurons: Vec<T>,
}

/// The rows that a run works on, with the constants all runs on them share.
pub(crate) struct Frame<'a, T> {
    pub transformer: &'a Transformer<'a, T>,
    pub layout: Layout,
    pub prefix: Prefix<T>,
    pub ablated: Ablated<T>,
    /// The span of every row, where positions are told apart.
    pub spans: RowSpans,
    /// Per layer: the ablated heads through the post-norm, in models that have one.
    pub ablated_heads: Vec<OnceLock<NormedHeads<T>>>,
}

impl<T: Real> Frame<'_, T> {
    /// The run with every edge kept.
    pub(crate) fn full_base(&self, sources: Vec<Vec<T>>, run: FullRun<T>) -> Base<T> {
        let graph = self.transformer.graph();
        let streams = run.streams.into_iter().map(OnceLock::from).collect();
        let layers = run
            .layers
            .into_iter()
            .enumerate()
            .map(|(layer, run)| BaseLayer {
                q: run.q,
                k: self.to_slots(layer, run.k),
                v: self.to_slots(layer, run.v),
                z: run.z,
                mlp: run.mlp,
                neurons: run.neurons,
            })
            .collect();
        self.base(EdgeMask::full(graph), sources, layers, streams)
    }

    /// The run with every edge ablated when the ablated values are those of a run with these queries, keys and values:
    /// that run.
    pub(crate) fn patched_base(
        &self,
        sources: Vec<Vec<T>>,
        projections: Vec<(Vec<T>, Vec<T>, Vec<T>)>,
    ) -> Base<T> {
        let layers = projections.into_iter().enumerate();
        let layers = layers.map(|(layer, (q, k, v))| BaseLayer {
            q,
            k: self.to_slots(layer, k),
            v: self.to_slots(layer, v),
            z: self.ablated.z[layer].clone(),
            mlp: self.ablated.mlp[layer].clone(),
            neurons: self.ablated.neurons[layer].clone(),
        });
        self.empty_base_of(sources, layers.collect())
    }

    /// The run with every edge ablated: each reader reads the ablated stream of its place.
    pub(crate) fn empty_base(&self, sources: Vec<Vec<T>>) -> Base<T> {
        let transformer = self.transformer;
        let layers = (0..transformer.config().n_layers)
            .map(|layer| {
                let x = &self.ablated.streams[2 * layer];
                let (q, k, v) = transformer.projections(layer, &self.layout, x);
                let z = transformer.attend_all(layer, &self.layout, (&q, &k, &v), &self.prefix);
                let at_mlp = &self.ablated.streams[2 * layer + 1];
                let (run, _) = transformer.mlp_run(layer, at_mlp, false, &[]);
                BaseLayer {
                    q,
                    k: self.to_slots(layer, k),
                    v: self.to_slots(layer, v),
                    z,
                    mlp: run.mlp,
                    neurons: run.neurons,
                }
            })
            .collect();
        self.empty_base_of(sources, layers)
    }

    fn empty_base_of(&self, sources: Vec<Vec<T>>, layers: Vec<BaseLayer<T>>) -> Base<T> {
        let streams = self.ablated.streams.iter().map(|_| OnceLock::new());
        let mask = EdgeMask::empty(self.transformer.graph());
        self.base(mask, sources, layers, streams.collect())
    }

    fn base(
        &self,
        mask: EdgeMask,
        sources: Vec<Vec<T>>,
        layers: Vec<BaseLayer<T>>,
        streams: Vec<OnceLock<Vec<T>>>,
    ) -> Base<T> {
        let writers = self.transformer.graph().writers().len();
        let mut base = Base {
            mask,
            sources,
            layers,
            deltas: (0..writers).map(|_| OnceLock::new()).collect(),
            differing: Differing::none(self.layout.segments.len(), writers),
            streams,
            normed_heads: (0..self.ablated.z.len()).map(|_| OnceLock::new()).collect(),
        };
        self.note_differing(&mut base, 0..writers);
        base
    }

    /// Copies of key/value heads, one per slot.
    fn to_slots(&self, layer: usize, data: Vec<T>) -> Vec<T> {
        let config = self.transformer.config();
        let slots = self.transformer.layers[layer].k.len();
        if slots == config.n_kv_heads {
            return data;
        }
        let width = config.n_kv_heads * config.d_head;
        let copies: Vec<Vec<T>> = (0..slots)
            .map(|slot| {
                let from = self.transformer.kv_head(layer, slot) * config.d_head;
                rows::columns(&data, width, from, from + config.d_head)
            })
            .collect();
        interleave(&copies, config.d_head)
    }

    /// The key/value heads of copies, one per slot.
    pub(crate) fn heads_of_slots(&self, layer: usize, data: &[T]) -> Vec<T> {
        let config = self.transformer.config();
        let slots = self.transformer.layers[layer].k.len();
        if slots == config.n_kv_heads {
            return data.to_vec();
        }
        let width = slots * config.d_head;
        let heads: Vec<Vec<T>> = (0..config.n_kv_heads)
            .map(|head| {
                let from = head * slots / config.n_kv_heads * config.d_head;
                rows::columns(data, width, from, from + config.d_head)
            })
            .collect();
        interleave(&heads, config.d_head)
    }

    /// Whether a writer's rows are only those read.
    pub(crate) fn writes_reads_only(&self, writer: usize) -> bool {
        let layer = self.transformer.graph().writers()[writer].layer();
        layer.is_some_and(|layer| self.transformer.reads_only(layer))
    }

    /// Notes which of some writers do not write the ablated values, and in which examples.
    fn note_differing(&self, base: &mut Base<T>, writers: Range<usize>) {
        let examples = |writer| self.differing_examples(base, writer);
        let found: Vec<Vec<usize>> = writers.clone().into_par_iter().map(examples).collect();
        base.differing.clear(writers.clone());
        for (writer, examples) in writers.zip(found) {
            for example in examples {
                base.differing.set(writer, example);
            }
        }
    }

    fn differing_examples(&self, base: &Base<T>, writer: usize) -> Vec<usize> {
        let (current, ablated, width, from, to) = self.values(base, writer);
        let own = self.rows_of(writer);
        self.examples_where(writer, |place| {
            let row = own.map_or(place, |rows| rows[place]);
            let (start, end) = (row * width + from, row * width + to);
            current[start..end] != ablated[start..end]
        })
    }

    /// The examples where something holds for one of a writer's rows, which are asked for by their places among all of them.
    pub(crate) fn examples_where(
        &self,
        writer: usize,
        holds: impl Fn(usize) -> bool,
    ) -> Vec<usize> {
        let (own, reads_only) = (self.rows_of(writer), self.writes_reads_only(writer));
        let places = |segment: &Segment| {
            let rows = segment.range(reads_only).clone();
            let place = |row: usize| match own {
                Some(own) => own.partition_point(|&other| other < row),
                None => row,
            };
            place(rows.start)..place(rows.end)
        };
        let segments = self.layout.segments.iter().map(places).enumerate();
        segments
            .filter(|(_, places)| places.clone().any(&holds))
            .map(|(example, _)| example)
            .collect()
    }

    /// A writer's current and ablated activations as columns `from..to` of matrices of `width` columns.
    fn values<'b>(
        &'b self,
        base: &'b Base<T>,
        writer: usize,
    ) -> (&'b [T], &'b [T], usize, usize, usize) {
        let config = self.transformer.config();
        let (d_model, d_head) = (config.d_model, config.d_head);
        let ablated = &self.ablated;
        match self.transformer.graph().writers()[writer] {
            Node::Head { layer, head } => (
                &base.layers[layer].z,
                &ablated.z[layer],
                config.n_heads * d_head,
                head * d_head,
                (head + 1) * d_head,
            ),
            Node::Mlp { layer } => (
                &base.layers[layer].mlp,
                &ablated.mlp[layer],
                d_model,
                0,
                d_model,
            ),
            Node::Neuron { layer, .. } => {
                let index = self.transformer.neuron_place(layer, writer);
                let width = self.transformer.layers[layer].neurons.len();
                (
                    &base.layers[layer].neurons,
                    &ablated.neurons[layer],
                    width,
                    index,
                    index + 1,
                )
            }
            _ => {
                let source = writer / self.transformer.graph().span_count();
                (
                    &base.sources[source],
                    &ablated.sources[source],
                    d_model,
                    0,
                    d_model,
                )
            }
        }
    }

    /// Difference of a writer's activations, expanded to what it writes.
    pub(crate) fn expand(&self, writer: usize, difference: &[T]) -> Vec<T> {
        match self.transformer.graph().writers()[writer] {
            Node::Head { layer, head } => self.transformer.project_head(layer, head, difference),
            Node::Neuron { layer, neuron } => {
                self.transformer.project_neuron(layer, neuron, difference)
            }
            _ => difference.to_vec(),
        }
    }

    /// Current minus ablated output of a writer.
    pub(crate) fn delta<'b>(&'b self, base: &'b Base<T>, writer: usize) -> &'b [T] {
        get_or_make::<Vec<T>>(&base.deltas[writer], || self.fresh_delta(base, writer))
    }

    /// As [`Self::delta`], not kept.
    fn fresh_delta(&self, base: &Base<T>, writer: usize) -> Vec<T> {
        let difference = self.inner_difference(base, writer);
        self.expand(writer, &self.within_span(writer, &difference))
    }

    /// Current minus ablated output of a writer at the rows of all spans.
    pub(crate) fn whole_delta(&self, base: &Base<T>, writer: usize) -> Vec<T> {
        self.expand(writer, &self.inner_difference(base, writer))
    }

    fn inner_difference(&self, base: &Base<T>, writer: usize) -> Vec<T> {
        let (current, ablated, width, from, to) = self.values(base, writer);
        let current = rows::columns(current, width, from, to);
        let ablated = rows::columns(ablated, width, from, to);
        rows::difference(&current, &ablated)
    }

    /// The rows of a writer's span, where it has one.
    pub(crate) fn rows_of(&self, writer: usize) -> Option<&[usize]> {
        let span = self.transformer.graph().span_of(writer)?;
        Some(self.spans.rows(span, self.writes_reads_only(writer)))
    }

    /// What a writer writes at the rows of its span, from what it writes at all.
    pub(crate) fn within_span<'v>(&self, writer: usize, values: &'v [T]) -> Cow<'v, [T]> {
        let Some(rows) = self.rows_of(writer) else {
            return Cow::Borrowed(values);
        };
        let count = self.layout.query_rows(self.writes_reads_only(writer));
        let width = values.len().checked_div(count).unwrap_or(0);
        Cow::Owned(rows::gather(values, width, rows))
    }

    /// Adds or subtracts what a writer writes at the rows of its span.
    pub(crate) fn apply(&self, writer: usize, values: &[T], add: bool, x: &mut [T]) {
        let apply = if add { rows::add } else { rows::subtract };
        let Some(rows) = self.rows_of(writer) else {
            return apply(x, values);
        };
        let d_model = self.transformer.config().d_model;
        for (&row, values) in rows.iter().zip(values.chunks_exact(d_model)) {
            apply(&mut x[row * d_model..(row + 1) * d_model], values);
        }
    }

    /// The stream at a place with every writer's current output.
    pub(crate) fn stream<'b>(&'b self, base: &'b Base<T>, place: usize) -> &'b [T] {
        if base.streams[place].get().is_none() {
            self.fill_streams(base, place);
        }
        base.streams[place].get().map_or(&[], Vec::as_slice)
    }

    fn fill_streams(&self, base: &Base<T>, last: usize) {
        let layer = (0..=last / 2)
            .rev()
            .find(|layer| base.streams[2 * layer].get().is_some());
        let mut x = match layer {
            Some(layer) => base.streams[2 * layer].get().cloned().unwrap_or_default(),
            None => self.transformer.source_stream(&self.layout, &base.sources),
        };
        for layer in layer.unwrap_or(0)..self.transformer.config().n_layers {
            base.streams[2 * layer].get_or_init(|| x.clone());
            if 2 * layer >= last {
                return;
            }
            let run = &base.layers[layer];
            let values = (&run.z[..], &run.mlp[..], &run.neurons[..]);
            let at_mlp = self
                .transformer
                .through_block(layer, &self.layout, &mut x, values);
            base.streams[2 * layer + 1].get_or_init(|| at_mlp);
        }
        base.streams[2 * self.transformer.config().n_layers].get_or_init(|| x);
    }

    /// Makes derived values of a base forget the writers from `layer` on.
    pub(crate) fn forget_from(&self, base: &mut Base<T>, layer: usize) {
        // Writers are in the order of their layers.
        let writers = self.transformer.graph().writers();
        let first = writers.partition_point(|writer| writer.layer() < Some(layer));
        self.note_differing(base, first..writers.len());
        for delta in &mut base.deltas[first..] {
            delta.take();
        }
        for place in 2 * layer + 1..base.streams.len() {
            base.streams[place] = OnceLock::new();
        }
        for normed in &mut base.normed_heads[layer..] {
            *normed = OnceLock::new();
        }
    }
}
