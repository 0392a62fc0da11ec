//! Runs with one group of writers between its ablated and its clean value, for EAP-IG over activations.

use crate::engine::circuit::base::Base;
use crate::engine::circuit::chunk::Chunk;
use crate::engine::kernels::rows;
use crate::engine::pass::intervention::{Intervention, Site};
use crate::engine::pass::transformer::Transformer;
use crate::model::Real;

impl<T: Real> Transformer<'_, T> {
    /// The groups that move together: the token embeddings, all heads of each layer, and each MLP.
    pub(crate) fn writer_groups(&self) -> Vec<Site> {
        let config = self.config();
        let mut groups = vec![Site::Input];
        for layer in 0..config.n_layers {
            let heads = 0..config.n_heads;
            groups.push(Site::Heads { layer, heads });
            if config.has_mlps() {
                groups.push(Site::Mlp { layer });
            }
        }
        groups
    }
}

impl<T: Real> Chunk<'_, T> {
    /// A group's values at each point between ablated (0) and clean (1), one run after the other.
    pub(crate) fn group_between(&self, group: &Site, points: &[f64]) -> Intervention<T> {
        let (clean, ablated) = self.group_values(&self.full, group);
        let values: Vec<T> = points
            .iter()
            .flat_map(|&point| {
                let point = T::from_f64(point);
                let pairs = clean.iter().zip(&ablated);
                pairs.map(move |(&clean, &ablated)| ablated + point * (clean - ablated))
            })
            .collect();
        let reads_only = |layer| self.frame.transformer.reads_only(layer);
        let rows = self
            .frame
            .layout
            .query_rows(group.layer().is_some_and(reads_only));
        Intervention {
            site: group.clone(),
            rows: 0..rows * points.len(),
            values,
        }
    }

    /// What a group writes in a run, and its ablated value.
    fn group_values(&self, run: &Base<T>, group: &Site) -> (Vec<T>, Vec<T>) {
        let ablated = &self.frame.ablated;
        match *group {
            Site::Input => (run.sources[0].clone(), ablated.sources[0].clone()),
            Site::Positions => (run.sources[1].clone(), ablated.sources[1].clone()),
            Site::Heads { layer, .. } => (run.layers[layer].z.clone(), ablated.z[layer].clone()),
            Site::MlpNode { layer } => (run.layers[layer].mlp.clone(), ablated.mlp[layer].clone()),
            Site::Neuron { layer, index } => {
                let neurons = self.frame.transformer.layers[layer].neurons.len();
                let own = |values: &[T]| rows::columns(values, neurons, index, index + 1);
                (
                    own(&run.layers[layer].neurons),
                    own(&ablated.neurons[layer]),
                )
            }
            Site::Mlp { layer } => {
                let total = |mlp: &[T], neurons: &[T]| {
                    self.frame.transformer.mlp_total(layer, mlp, neurons)
                };
                (
                    total(&run.layers[layer].mlp, &run.layers[layer].neurons),
                    total(&ablated.mlp[layer], &ablated.neurons[layer]),
                )
            }
            // Hidden units that are no nodes write nothing of their own.
            Site::Hidden { .. } => (Vec::new(), Vec::new()),
        }
    }
}
