//! Prompts that were run once and are run again from any layer on, with the stream, some heads or hidden units changed.

use std::collections::BTreeMap;

use crate::engine::kernels::rows;
use crate::engine::pass::changes::{Changes, RowPlaces};
use crate::engine::pass::forward::{FullRun, check_finite};
use crate::engine::pass::intervention::{Intervention, Site};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::memory::{Extent, examples_per_chunk};
use crate::engine::pass::prefix::{Prefix, split_prefix};
use crate::engine::pass::steering::{AddAt, add_at, scaled};
use crate::engine::pass::transformer::Transformer;
use crate::engine::rerun::steer::finite;
use crate::error::Result;
use crate::graph::Representation;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Prompts that were run once, with what is needed to run them again from any layer on.
pub struct Resumable<'t, 'a, T> {
    transformer: &'t Transformer<'a, T>,
    examples: &'t [Example],
    layout: Layout,
    prefix: Prefix<T>,
    run: FullRun<T>,
}

impl<'t, 'a, T: Real> Resumable<'t, 'a, T> {
    /// Runs the clean prompts of some examples. Later changes are at the scored positions, or at every one.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Complexity
    /// One forward pass.
    pub fn new(
        transformer: &'t Transformer<'a, T>,
        examples: &'t [Example],
        at: AddAt,
    ) -> Result<Self> {
        let (whole, embedded) = transformer.clean_rows(examples);
        let run = transformer.forward(&whole, &embedded, &Prefix::default(), false);
        check_finite(&run)?;
        let causal = !transformer.config().attention.bidirectional;
        let (layout, prefix_rows) = if at == AddAt::Scored && causal {
            Layout::from_first_read(examples)
        } else {
            (whole, Vec::new())
        };
        let (run, prefix) = split_prefix(transformer, run, &layout.rows_in_whole(), &prefix_rows);
        Ok(Self {
            transformer,
            examples,
            layout,
            prefix,
            run,
        })
    }

    /// The metric with `vector` times each of some strengths added to the stream after `layer`,
    /// `[strengths][examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// A forward pass of the rows changed, from the layer on, for each strength.
    pub fn added(
        &self,
        metric: Metric,
        (layer, at): (usize, AddAt),
        vector: &[f64],
        strengths: &[f64],
    ) -> Result<Vec<Vec<f64>>> {
        let leaving = &self.run.streams[2 * (layer + 1)];
        let reads_only = self.transformer.reads_only(layer);
        let mut values = Vec::with_capacity(strengths.len());
        for strengths in strengths.chunks(self.together()) {
            let mut x = Vec::with_capacity(strengths.len() * leaving.len());
            for &strength in strengths {
                let mut changed = leaving.clone();
                let vector = scaled(vector, strength);
                add_at(at, &self.layout, reads_only, &vector, &mut changed);
                x.extend(changed);
            }
            values.extend(self.resume(layer + 1, x, strengths.len(), &[], metric)?);
        }
        Ok(values)
    }

    /// Copies that have as many rows as the run of the whole prompts had.
    fn together(&self) -> usize {
        let whole: usize = self.examples.iter().map(|it| it.clean.len()).sum();
        (whole / self.layout.rows().max(1)).max(1)
    }

    /// The metric with the result of each of some heads of a layer, before `W_O`, set at the scored positions,
    /// `[heads][examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// A forward pass of the rows read, from the layer on, for each head.
    pub fn heads_set(
        &self,
        metric: Metric,
        layer: usize,
        values: &[(usize, Vec<T>)],
    ) -> Result<Vec<Vec<f64>>> {
        let reads_only = self.transformer.reads_only(layer);
        let rows = self.layout.query_rows(reads_only);
        let mut found = Vec::with_capacity(values.len());
        for values in values.chunks(self.together()) {
            let mut interventions = Vec::new();
            for (copy, (head, values)) in values.iter().enumerate() {
                for read in 0..self.layout.reads.len() {
                    let row = copy * rows + self.layout.query_row(read, reads_only);
                    interventions.push(Intervention {
                        site: Site::Heads {
                            layer,
                            heads: *head..head + 1,
                        },
                        rows: row..row + 1,
                        values: values.clone(),
                    });
                }
            }
            let x = self.run.streams[2 * layer].repeat(values.len());
            found.extend(self.resume(layer, x, values.len(), &interventions, metric)?);
        }
        Ok(found)
    }

    /// The example and the position of every row at which a layer's hidden units are computed.
    pub fn unit_rows(&self, layer: usize) -> Vec<(usize, usize)> {
        let reads_only = self.transformer.reads_only(layer);
        let segments = self.layout.segments.iter().enumerate();
        let rows = segments.flat_map(|(example, segment)| {
            let queries = self.layout.queries(segment, reads_only);
            queries.map(move |(_, position)| (example, position))
        });
        rows.collect()
    }

    /// The activations of some hidden units in the run, each at the rows of its layer.
    ///
    /// # Complexity
    /// The input projections of the MLPs that they are of.
    pub fn units(&self, units: &[(usize, usize)]) -> Vec<Vec<T>> {
        let d_mlp = self.transformer.config().d_mlp;
        let mut hidden: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        let mut taken = Vec::with_capacity(units.len());
        for &(layer, unit) in units {
            let hidden = hidden.entry(layer).or_insert_with(|| self.hidden(layer));
            taken.push(rows::columns(hidden, d_mlp, unit, unit + 1));
        }
        taken
    }

    fn hidden(&self, layer: usize) -> Vec<T> {
        let Some(mlp) = self.transformer.weights.mlp(layer) else {
            return Vec::new();
        };
        let entering = &self.run.streams[2 * layer + 1];
        let normed = self.transformer.norm(&mlp.norm, entering);
        self.transformer.mlp_inner(&mlp, &normed).hidden
    }

    /// The metric with some hidden units set at the rows of their layers before the output projection, `[examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Complexity
    /// A forward pass from the first of their layers on.
    pub fn units_set(
        &self,
        metric: Metric,
        units: impl IntoIterator<Item = ((usize, usize), Vec<T>)>,
    ) -> Result<Vec<f64>> {
        let mut first = self.transformer.config().n_layers;
        let mut interventions = Vec::new();
        for ((layer, unit), values) in units {
            first = first.min(layer);
            interventions.push(Intervention {
                site: Site::Hidden { layer, unit },
                rows: 0..values.len(),
                values,
            });
        }
        let x = self.run.streams[2 * first].clone();
        let found = self.resume(first, x, 1, &interventions, metric)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// A layer's representation in the run as it is, `[rows, width]`, and where the rows are.
    pub fn representation(&self, layer: usize, of: Representation) -> (&[T], RowPlaces) {
        let reads_only = self.transformer.reads_only(layer);
        let data = self.run.representation(layer, of);
        (data, self.layout.row_places(reads_only))
    }

    /// The metric of the run as it is, `[examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    pub fn metric(&self, metric: Metric) -> Result<Vec<f64>> {
        let finals = self.run.streams.last().map_or(&[][..], Vec::as_slice);
        let values =
            self.transformer
                .metric_values(metric, &self.layout, self.examples, finals, &[]);
        finite(values)
    }

    /// The metric with a layer's representation replaced by each of some others, `[others][examples]`.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Panics
    /// When one has not as many numbers as [`Self::representation`].
    ///
    /// # Complexity
    /// A forward pass of the rows at hand, from the layer on, for each.
    pub fn replaced(
        &self,
        metric: Metric,
        (layer, of): (usize, Representation),
        others: &[Vec<T>],
    ) -> Result<Vec<Vec<f64>>> {
        let mut found = Vec::with_capacity(others.len());
        let query_rows = self.layout.query_rows(self.transformer.reads_only(layer));
        for others in others.chunks(self.together()) {
            let values = others.concat();
            let site = match of {
                Representation::Stream => {
                    found.extend(self.resume(layer + 1, values, others.len(), &[], metric)?);
                    continue;
                }
                Representation::Mlp => Site::Mlp { layer },
                Representation::Heads => Site::Heads {
                    layer,
                    heads: 0..self.transformer.config().n_heads,
                },
            };
            let set = Intervention {
                site,
                rows: 0..others.len() * query_rows,
                values,
            };
            let x = self.run.streams[2 * layer].repeat(others.len());
            found.extend(self.resume(layer, x, others.len(), &[set], metric)?);
        }
        Ok(found)
    }

    /// Runs `copies` of the prompts from a layer on.
    fn resume(
        &self,
        layer: usize,
        x: Vec<T>,
        copies: usize,
        interventions: &[Intervention<T>],
        metric: Metric,
    ) -> Result<Vec<Vec<f64>>> {
        let layout = self.layout.repeat(copies);
        let changes = Changes {
            interventions,
            ..Changes::none()
        };
        let layers = self.transformer.config().n_layers;
        let run =
            self.transformer
                .blocks(layer..layers, &layout, (x, &self.prefix), false, changes);
        let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
        let prompts = (&self.layout, self.examples);
        self.transformer
            .metric_of_copies(metric, prompts, copies, finals)
    }
}

impl<T: Real> Transformer<'_, T> {
    /// The metric of each of some copies of the prompts, `[copies][examples]`, from the final stream of all; the layout is
    /// that of one copy.
    pub(in crate::engine) fn metric_of_copies(
        &self,
        metric: Metric,
        (layout, examples): (&Layout, &[Example]),
        copies: usize,
        finals: &[T],
    ) -> Result<Vec<Vec<f64>>> {
        let each = finals.len() / copies.max(1);
        let values = finals
            .chunks_exact(each.max(1))
            .map(|finals| finite(self.metric_values(metric, layout, examples, finals, &[])));
        values.collect()
    }
}

impl<T: Real> Transformer<'_, T> {
    /// Examples in groups of which one run is kept while another is made.
    pub fn resumed_groups<'e>(&self, examples: &'e [Example]) -> std::slice::Chunks<'e, Example> {
        let most = examples_per_chunk(examples);
        // A run that is kept takes no more than the gradients of one.
        examples.chunks(self.plain_examples(Extent::of(examples, false), most, true))
    }
}
