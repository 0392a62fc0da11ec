//! The chunks of a split: as many as there is room for stay in memory, the others are made again when they are used.

use crate::engine::Ablation;
use crate::engine::circuit::base::Base;
use crate::engine::circuit::chunk::Chunk;
use crate::engine::circuit::values::Values;
use crate::engine::pass::memory::{Extent, Plan};
use crate::engine::pass::transformer::Transformer;
use crate::error::Result;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// The examples of a split with what is kept of their runs.
pub(in crate::engine) struct Chunks<'a, T> {
    transformer: &'a Transformer<'a, T>,
    ablation: Ablation,
    /// What chunks are made with, where some are made again.
    values: Values<T>,
    slots: Vec<Slot<'a, T>>,
    /// The metrics whose references chunks have.
    metrics: Vec<Metric>,
    /// Sizes of the largest example.
    pub extent: Extent,
    /// How examples are grouped.
    pub plan: Plan,
}

struct Slot<'a, T> {
    examples: Vec<Example>,
    chunk: Option<Chunk<'a, T>>,
    /// Where a search stands, while the chunk is gone.
    near: Option<Base<T>>,
}

impl<'a, T: Real> Chunks<'a, T> {
    /// Groups the examples and makes the chunks that stay.
    ///
    /// # Errors
    /// When an activation is not finite, a position has no mean, or an example no donor.
    pub(in crate::engine) fn new(
        transformer: &'a Transformer<'a, T>,
        examples: &[Example],
        (ablation, values): (Ablation, &Values<T>),
        metric: Metric,
        circuits: usize,
    ) -> Result<Self> {
        let extent = transformer.extent(examples, ablation);
        let plan = transformer.plan(examples, extent, circuits);
        let slots = examples.chunks(plan.examples).map(|examples| Slot {
            examples: examples.to_vec(),
            chunk: None,
            near: None,
        });
        let mut chunks = Self {
            transformer,
            ablation,
            values: values.clone(),
            slots: slots.collect(),
            metrics: vec![metric],
            extent,
            plan,
        };
        for index in 0..chunks.len().min(plan.kept) {
            chunks.open(index)?;
        }
        Ok(chunks)
    }

    /// Number of chunks.
    pub(in crate::engine) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Number of examples.
    pub(in crate::engine) fn examples(&self) -> usize {
        self.slots.iter().map(|slot| slot.examples.len()).sum()
    }

    /// Makes sure that chunks have what a metric compares with.
    pub(in crate::engine) fn need(&mut self, metric: Metric) {
        if self.metrics.contains(&metric) {
            return;
        }
        self.metrics.push(metric);
        for chunk in self.slots.iter_mut().filter_map(|slot| slot.chunk.as_mut()) {
            chunk.ensure_reference(metric);
        }
    }

    /// A chunk to work with; [`Self::close`] it afterwards.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(in crate::engine) fn open(&mut self, index: usize) -> Result<&mut Chunk<'a, T>> {
        let slot = &mut self.slots[index];
        let mut chunk = if let Some(chunk) = slot.chunk.take() {
            chunk
        } else {
            let (examples, values) = (&slot.examples, &self.values);
            let mut chunk = Chunk::new(self.transformer, examples, self.ablation, values)?;
            for &metric in &self.metrics {
                chunk.ensure_reference(metric);
            }
            chunk
        };
        if let Some(near) = slot.near.take() {
            chunk.near = Some(near);
        }
        Ok(slot.chunk.insert(chunk))
    }

    /// Frees what there is no room to keep of a chunk.
    pub(in crate::engine) fn close(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if index >= self.plan.kept {
            slot.near = slot.chunk.take().and_then(|chunk| chunk.near);
            if let Some(near) = &mut slot.near {
                near.forget_derived();
            }
        } else if let Some(chunk) = &mut slot.chunk
            && !self.plan.keep_derived
        {
            chunk.forget_derived();
        }
    }
}

impl<T: Real> Transformer<'_, T> {
    /// Sizes of the largest of some examples under an ablation.
    pub(crate) fn extent(&self, examples: &[Example], ablation: Ablation) -> Extent {
        let causal = !self.config().attention.bidirectional;
        Extent::of(examples, ablation == Ablation::Patch && causal)
    }

    /// Rows that circuits of an example are run on.
    pub(in crate::engine) fn rows_of(&self, example: &Example, ablation: Ablation) -> usize {
        self.extent(std::slice::from_ref(example), ablation).rows
    }
}
