//! A chunk of examples with its cached runs.

use crate::engine::pass::forward::check_finite;
use crate::engine::pass::prefix::{Prefix, split_prefix};
use std::mem::take;
use std::sync::OnceLock;

use crate::engine::Ablation;
use crate::engine::circuit::base::{Base, Frame};
use crate::engine::circuit::incremental::Recording;
use crate::engine::circuit::row_spans::RowSpans;
use crate::engine::circuit::values::Values;
use crate::engine::kernels::rows;
use crate::engine::pass::layout::Layout;
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::graph::EdgeMask;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Examples that are run together, with the runs of the full model and of the empty circuit.
pub(crate) struct Chunk<'a, T> {
    pub examples: Vec<Example>,
    pub ablation: Ablation,
    pub frame: Frame<'a, T>,
    /// Every edge kept.
    pub full: Base<T>,
    /// Every edge ablated: under patching the corrupt run, else run once it was wanted.
    pub empty: OnceLock<Base<T>>,
    /// The circuit of the last rebase.
    pub near: Option<Base<T>>,
    /// Runs from it that it may be moved to.
    pub recorded: Vec<Recording<T>>,
    /// Token embeddings of the clean and the corrupt prompts at the frame's rows.
    pub clean: Vec<T>,
    pub corrupt: Vec<T>,
    /// Logits of the full model at the scored positions, once a metric needed them.
    pub(in crate::engine) full_logits: Vec<T>,
}

impl<'a, T: Real> Chunk<'a, T> {
    /// Runs clean, corrupt and empty on some examples.
    ///
    /// # Errors
    /// When an activation is not finite, or an ablated value is missing.
    pub(crate) fn new(
        transformer: &'a Transformer<'a, T>,
        examples: &[Example],
        ablation: Ablation,
        values: &Values<T>,
    ) -> Result<Self> {
        let d_model = transformer.config().d_model;
        let whole = Layout::whole(
            examples
                .iter()
                .map(|example| (&example.clean[..], &example.at[..])),
        );
        let clean_whole = transformer.embed(
            examples
                .iter()
                .flat_map(|example| example.clean.iter().copied()),
        );
        let corrupt_whole = transformer.embed(
            examples
                .iter()
                .flat_map(|example| example.corrupt.iter().copied()),
        );
        let run = transformer.forward(&whole, &clean_whole, &Prefix::default(), false);
        check_finite(&run)?;
        // Only under patching do all runs share the activations before the first difference, and only where no query
        // sees later positions.
        let causal = !transformer.config().attention.bidirectional;
        let (layout, prefix_rows) = if ablation == Ablation::Patch && causal {
            Layout::after_shared_prefix(examples)
        } else {
            (whole.clone(), Vec::new())
        };
        let kept = layout.rows_in_whole();
        let clean = rows::gather(&clean_whole, d_model, &kept);
        let corrupt = rows::gather(&corrupt_whole, d_model, &kept);
        let (run, prefix) = split_prefix(transformer, run, &kept, &prefix_rows);
        let mut projections = Vec::new();
        let ablated = match (ablation, values) {
            (Ablation::Patch, _) => {
                let mut run = transformer.forward(&layout, &corrupt, &prefix, false);
                check_finite(&run)?;
                let taken = run.layers.iter_mut().map(|run| {
                    let (q, k, v) = (&mut run.q, &mut run.k, &mut run.v);
                    (take(q), take(k), take(v))
                });
                projections = taken.collect();
                transformer.ablated_by_run(&layout, &corrupt, run)
            }
            (Ablation::Zero, _) => transformer.ablated_by_zero(&layout),
            (_, Values::Constants(means)) => transformer.ablated_by_means(&layout, means)?,
            (_, Values::Donors(donors)) => {
                transformer.ablated_by_donors(&layout, examples, donors)?
            }
            (_, Values::Nothing) => {
                return Err(Error::Bug(
                    "the ablation's values are those of another".into(),
                ));
            }
        };
        let frame = Frame {
            transformer,
            spans: RowSpans::new(transformer.graph(), examples, &layout)?,
            layout,
            prefix,
            ablated_heads: ablated.z.iter().map(|_| OnceLock::new()).collect(),
            ablated,
        };
        let sources = transformer.sources(&frame.layout, &clean);
        let empty = OnceLock::new();
        if ablation == Ablation::Patch {
            empty.get_or_init(|| frame.patched_base(sources.clone(), projections));
        }
        let full = frame.full_base(sources, run);
        Ok(Self {
            examples: examples.to_vec(),
            ablation,
            frame,
            full,
            empty,
            near: None,
            recorded: Vec::new(),
            clean,
            corrupt,
            full_logits: Vec::new(),
        })
    }

    /// The run with every edge ablated.
    pub(crate) fn empty(&self) -> &Base<T> {
        self.empty
            .get_or_init(|| self.frame.empty_base(self.full.sources.clone()))
    }

    /// Drops what is computed again when it is wanted.
    pub(crate) fn forget_derived(&mut self) {
        let bases = [
            Some(&mut self.full),
            self.empty.get_mut(),
            self.near.as_mut(),
        ];
        for base in bases.into_iter().flatten() {
            base.forget_derived();
        }
    }

    /// The base from which a circuit is cheapest to run.
    pub(crate) fn nearest(&self, circuit: &EdgeMask) -> &Base<T> {
        if self.prefers_empty(circuit) {
            self.empty()
        } else {
            &self.full
        }
    }

    /// Whether a circuit is nearer to the empty one than to the full model.
    pub(crate) fn prefers_empty(&self, circuit: &EdgeMask) -> bool {
        circuit.len() * 2 < self.frame.transformer.graph().edge_count()
    }

    /// Computes what a metric compares with unless it is there.
    pub(crate) fn ensure_reference(&mut self, metric: Metric) {
        let transformer = self.frame.transformer;
        let finals = self
            .frame
            .stream(&self.full, 2 * transformer.config().n_layers);
        if metric.needs_full_model() && self.full_logits.is_empty() {
            self.full_logits = transformer.logits(finals);
        }
    }

    /// What a metric compares with, `[reads, d_vocab]`; nothing for most.
    pub(crate) fn reference(&self, metric: Metric) -> &[T] {
        if metric.needs_full_model() {
            &self.full_logits
        } else {
            &[]
        }
    }

    /// Token embeddings at `point` between corrupt (0) and clean (1).
    pub(crate) fn between(&self, point: f64) -> Vec<T> {
        let point = T::from_f64(point);
        self.clean
            .iter()
            .zip(&self.corrupt)
            .map(|(&clean, &corrupt)| corrupt + point * (clean - corrupt))
            .collect()
    }
}
