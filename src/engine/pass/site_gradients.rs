//! The gradients at representations of a run.

use super::backward::GradientSink;
use crate::graph::Representation;
use crate::metric::Metric;
use crate::model::Real;

/// Where a gradient starts.
#[derive(Debug, Clone, Copy)]
pub enum Start<'g, T> {
    /// At the metric, each example with weight 1.
    Metric(Metric),
    /// At one of the representations, by its number, with this gradient there, `[rows, width]`.
    Site(usize, &'g [T]),
}

/// Takes the gradients at some representations.
pub(in crate::engine) struct SiteSink<'s, T> {
    pub sites: &'s [(usize, Representation)],
    pub start: Start<'s, T>,
    pub direct: bool,
    /// As many as there are representations.
    pub found: Vec<Vec<T>>,
}

impl<T: Real> GradientSink<T> for SiteSink<'_, T> {
    fn wants_representation(&self, layer: usize, of: Representation) -> bool {
        self.sites.contains(&(layer, of))
    }

    fn representation(&mut self, layer: usize, of: Representation, gradient: &mut [T]) {
        let Some(index) = self.sites.iter().position(|&site| site == (layer, of)) else {
            return;
        };
        match self.start {
            Start::Site(start, values) if start == index => gradient.copy_from_slice(values),
            Start::Site(start, _) if start < index => {}
            _ => {
                self.found[index] = gradient.to_vec();
                if self.direct {
                    gradient.fill(T::ZERO);
                }
            }
        }
    }
}
