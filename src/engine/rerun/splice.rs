//! Prompts that are run again with representations changed while they are computed, and gradients at these.

use crate::engine::kernels::rows;
use crate::engine::pass::backward::Tape;
use crate::engine::pass::changes::{Changes, RowPlaces, Splice};
use crate::engine::pass::forward::{FullRun, LayerRun, check_finite};
use crate::engine::pass::layout::Layout;
use crate::engine::pass::prefix::{Prefix, split_prefix};
use crate::engine::pass::site_gradients::{SiteSink, Start};
use crate::engine::pass::transformer::Transformer;
use crate::error::Result;
use crate::graph::Representation;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// Prompts that were run once, with what is needed to run them again from the first of some representations on.
pub struct Spliced<'t, 'a, T> {
    transformer: &'t Transformer<'a, T>,
    examples: &'t [Example],
    sites: &'t [(usize, Representation)],
    layout: Layout,
    prefix: Prefix<T>,
    /// The layer of the first representation.
    first: usize,
    /// The stream that enters it.
    entering: Vec<T>,
    /// Token embeddings of the clean and the corrupt prompts.
    embedded: [Vec<T>; 2],
    clean: Vec<Vec<T>>,
    corrupt: Vec<Vec<T>>,
}

/// A run of the prompts that gradients can be taken of.
pub struct Taped<'s, 't, 'a, T> {
    spliced: &'s Spliced<'t, 'a, T>,
    run: FullRun<T>,
    /// The first layer that was run.
    first: usize,
}

impl<'t, 'a, T: Real> Spliced<'t, 'a, T> {
    /// Runs the clean prompts of some examples, and where `patched` the corrupt ones. Representations are to be in the
    /// order in which they are computed.
    ///
    /// Where `patched`, only rows from the first token on that differs are run again, so that later changes must leave
    /// those before it as they are.
    ///
    /// # Errors
    /// When an activation is not finite.
    ///
    /// # Complexity
    /// One forward pass, or two.
    pub fn new(
        transformer: &'t Transformer<'a, T>,
        examples: &'t [Example],
        sites: &'t [(usize, Representation)],
        patched: bool,
    ) -> Result<Self> {
        let d_model = transformer.config().d_model;
        let (whole, clean) = transformer.clean_rows(examples);
        let run = transformer.forward(&whole, &clean, &Prefix::default(), false);
        check_finite(&run)?;
        let causal = !transformer.config().attention.bidirectional;
        let (layout, prefix_rows) = if patched && causal {
            Layout::after_shared_prefix(examples)
        } else {
            (whole, Vec::new())
        };
        let kept = layout.rows_in_whole();
        let (run, prefix) = split_prefix(transformer, run, &kept, &prefix_rows);
        let clean = rows::gather(&clean, d_model, &kept);
        let tokens = examples.iter().flat_map(|it| it.corrupt.iter().copied());
        let corrupt = rows::gather(&transformer.embed(tokens), d_model, &kept);
        let mut corrupt_values = Vec::new();
        if patched {
            let run = transformer.forward(&layout, &corrupt, &prefix, false);
            check_finite(&run)?;
            corrupt_values = values_at(&run, sites);
        }
        let first = sites.first().map_or(0, |site| site.0);
        Ok(Self {
            transformer,
            examples,
            sites,
            layout,
            prefix,
            first,
            entering: run.streams[2 * first].clone(),
            embedded: [clean, corrupt],
            clean: values_at(&run, sites),
            corrupt: corrupt_values,
        })
    }

    /// The representations in the clean run, `[rows, width]` each.
    pub fn clean(&self) -> &[Vec<T>] {
        &self.clean
    }

    /// The representations in the corrupt run, where it was run.
    pub fn corrupt(&self) -> &[Vec<T>] {
        &self.corrupt
    }

    /// Which positions the rows of a layer's representations are of.
    pub fn places(&self, layer: usize) -> RowPlaces {
        self.layout.row_places(self.transformer.reads_only(layer))
    }

    /// Rows that are run again.
    pub fn rows(&self) -> usize {
        self.layout.rows()
    }

    /// The metric of `copies` copies of the prompts, run side by side, `[copies][examples]`.
    ///
    /// # Errors
    /// When the metric is not finite.
    ///
    /// # Complexity
    /// A forward pass from the first representation on for each copy.
    pub fn metric(
        &self,
        metric: Metric,
        copies: usize,
        splice: &dyn Splice<T>,
    ) -> Result<Vec<Vec<f64>>> {
        let layout = self.layout.repeat(copies);
        let changes = Changes {
            splice: Some(splice),
            ..Changes::none()
        };
        let layers = self.first..self.transformer.config().n_layers;
        let x = self.entering.repeat(copies);
        let run = self
            .transformer
            .blocks(layers, &layout, (x, &self.prefix), false, changes);
        let finals = run.streams.last().map_or(&[][..], Vec::as_slice);
        let prompts = (&self.layout, self.examples);
        self.transformer
            .metric_of_copies(metric, prompts, copies, finals)
    }

    /// A run that gradients can be taken of, as it is or changed.
    ///
    /// # Complexity
    /// A forward pass from the first representation on.
    pub fn taped(&self, splice: Option<&dyn Splice<T>>) -> Taped<'_, 't, 'a, T> {
        let changes = Changes {
            splice,
            ..Changes::none()
        };
        let layers = self.first..self.transformer.config().n_layers;
        let entering = (self.entering.clone(), &self.prefix);
        let mut run = self
            .transformer
            .blocks(layers, &self.layout, entering, true, changes);
        // Places are counted from the first layer of the model.
        run.streams
            .splice(0..0, (0..2 * self.first).map(|_| Vec::new()));
        run.layers
            .splice(0..0, (0..self.first).map(|_| LayerRun::default()));
        Taped {
            spliced: self,
            run,
            first: self.first,
        }
    }

    /// A run whose token embeddings are at `point` between the corrupt (0) and the clean ones (1).
    ///
    /// # Complexity
    /// One forward pass.
    pub fn taped_between(&self, point: f64) -> Taped<'_, 't, 'a, T> {
        let point = T::from_f64(point);
        let [clean, corrupt] = &self.embedded;
        let ends = clean.iter().zip(corrupt);
        let embedded: Vec<T> = ends
            .map(|(&clean, &corrupt)| corrupt + point * (clean - corrupt))
            .collect();
        let run = self
            .transformer
            .forward(&self.layout, &embedded, &self.prefix, true);
        Taped {
            spliced: self,
            run,
            first: 0,
        }
    }
}

impl<T: Real> Taped<'_, '_, '_, T> {
    /// The gradient at every representation, `[rows, width]` each, or nothing for those that are not before the start.
    /// Where `direct`, without what passes another one of them on the way.
    ///
    /// # Complexity
    /// A backward pass from the start to the first representation.
    pub fn gradients(&self, start: Start<'_, T>, direct: bool) -> Vec<Vec<T>> {
        let spliced = self.spliced;
        let transformer = spliced.transformer;
        let tape = Tape {
            layout: &spliced.layout,
            prefix: &spliced.prefix,
            run: &self.run,
            interventions: &[],
        };
        let (last, stream) = match start {
            Start::Metric(metric) => {
                let finals = self.run.streams.last().map_or(&[][..], Vec::as_slice);
                let prompts = (&spliced.layout, spliced.examples);
                let gradient =
                    transformer.metric_gradient(metric, prompts.0, prompts.1, finals, &[]);
                (transformer.config().n_layers, gradient)
            }
            Start::Site(index, _) => {
                let layer = spliced.sites[index].0;
                let rows = spliced.layout.query_rows(transformer.reads_only(layer));
                let nothing = vec![T::ZERO; rows * transformer.config().d_model];
                (layer + 1, nothing)
            }
        };
        let mut sink = SiteSink {
            sites: spliced.sites,
            start,
            direct,
            found: vec![Vec::new(); spliced.sites.len()],
        };
        transformer.backward_blocks(&tape, self.first..last, stream, &mut sink);
        sink.found
    }
}

/// Representations in a run of all layers that nothing was changed in.
fn values_at<T: Real>(run: &FullRun<T>, sites: &[(usize, Representation)]) -> Vec<Vec<T>> {
    let value = |&(layer, of): &(usize, Representation)| run.representation(layer, of).to_vec();
    sites.iter().map(value).collect()
}
