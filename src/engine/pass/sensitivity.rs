//! The gradient of the metric at one representation of a layer.

use crate::engine::pass::backward::Tape;
use crate::engine::pass::changes::RowPlaces;
use crate::engine::pass::forward::check_finite;
use crate::engine::pass::prefix::Prefix;
use crate::engine::pass::site_gradients::{SiteSink, Start};
use crate::engine::pass::transformer::Transformer;
use crate::error::{Error, Result};
use crate::graph::Representation;
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// A representation of a layer in the clean run of some examples, and the metric's gradient there.
#[derive(Debug, Clone)]
pub struct Sensitivity<T> {
    /// The representation, `[rows, width]`: every position, in the last layer those read.
    pub values: Vec<T>,
    /// The gradient of each example's metric, `[rows, width]`.
    pub gradient: Vec<T>,
    /// Where the rows are.
    pub places: RowPlaces,
}

impl<T: Real> Transformer<'_, T> {
    /// The gradient of each example's metric on its clean prompt with respect to a layer's representation.
    ///
    /// # Errors
    /// When a number is not finite.
    ///
    /// # Panics
    /// When there is no such layer.
    ///
    /// # Complexity
    /// One forward pass, and one backward pass down to the layer.
    pub fn sensitivity(
        &self,
        examples: &[Example],
        metric: Metric,
        (layer, of): (usize, Representation),
    ) -> Result<Sensitivity<T>> {
        let (layout, embedded) = self.clean_rows(examples);
        let prefix = Prefix::default();
        let run = self.forward(&layout, &embedded, &prefix, true);
        check_finite(&run)?;
        let finals = &run.streams[2 * self.config().n_layers];
        let gradient = self.metric_gradient(metric, &layout, examples, finals, &[]);
        let mut sink = SiteSink {
            sites: &[(layer, of)],
            start: Start::Metric(metric),
            direct: false,
            found: vec![Vec::new()],
        };
        let tape = Tape {
            layout: &layout,
            prefix: &prefix,
            run: &run,
            interventions: &[],
        };
        self.backward_blocks(&tape, layer..self.config().n_layers, gradient, &mut sink);
        let gradient = sink.found.concat();
        if !gradient.iter().all(|value| value.is_finite()) {
            return Err(Error::NotFinite {
                node: format!("layer {layer} ({of:?})"),
                problem: "the gradient of the metric is not finite there".into(),
            });
        }
        let reads_only = self.reads_only(layer);
        Ok(Sensitivity {
            values: run.representation(layer, of).to_vec(),
            gradient,
            places: layout.row_places(reads_only),
        })
    }
}
