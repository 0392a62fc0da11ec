//! What stands in for features and errors that a circuit does not keep.

use super::decomposition::Parts;
use super::placed::SaeNodes;
use crate::engine::{Ablation, BLOCK, Transformer};
use crate::error::{Error, Result};
use crate::model::Real;
use crate::task::Example;

/// What replaces nodes that are not kept.
#[derive(Debug, Clone)]
pub struct Replacement<T>(Values<T>);

#[derive(Debug, Clone)]
enum Values<T> {
    /// Their values at the same position of the corrupt prompt.
    Corrupt,
    /// Constants, by autoencoder.
    Constants(Vec<Parts<T>>),
}

impl<T: Real> Replacement<T> {
    /// The values under an ablation; means are over all positions of these examples' clean prompts.
    ///
    /// # Errors
    /// When an activation is not finite, or the ablation is not one of features.
    ///
    /// # Complexity
    /// One forward pass for each autoencoder for `Mean`.
    pub fn new(
        transformer: &Transformer<'_, T>,
        placements: &SaeNodes<T>,
        examples: &[Example],
        ablation: Ablation,
    ) -> Result<Self> {
        let values = match ablation {
            Ablation::Patch => Values::Corrupt,
            Ablation::Zero => {
                let nothing = placements.all().iter().map(|placed| Parts {
                    active: vec![Vec::new()],
                    error: vec![T::ZERO; placed.dictionary.width],
                    whole: placed.made_of(&Vec::new()),
                });
                Values::Constants(nothing.collect())
            }
            Ablation::Mean => Values::Constants(means(transformer, placements, examples)?),
            _ => {
                return Err(Error::Bug(format!(
                    "{ablation:?} does not replace features"
                )));
            }
        };
        Ok(Self(values))
    }

    /// The constants, by autoencoder; none where values are those of the corrupt prompt.
    pub(super) fn constants(&self) -> Option<&[Parts<T>]> {
        match &self.0 {
            Values::Corrupt => None,
            Values::Constants(constants) => Some(constants),
        }
    }
}

/// Mean activations of features, and means of what is left.
fn means<T: Real>(
    transformer: &Transformer<'_, T>,
    placements: &SaeNodes<T>,
    examples: &[Example],
) -> Result<Vec<Parts<T>>> {
    let mut sums: Vec<(Vec<f64>, Vec<f64>, usize)> = placements
        .all()
        .iter()
        .map(|it| {
            let (features, width) = (it.dictionary.features, it.dictionary.width);
            (vec![0.0; features], vec![0.0; width], 0)
        })
        .collect();
    for group in examples.chunks(BLOCK) {
        let sequences: Vec<&[u32]> = group.iter().map(|it| &it.clean[..]).collect();
        let sites = placements.all().iter().zip(&mut sums);
        for (placed, (features, whole, count)) in sites {
            // At every position, also in the last layer.
            let rows = transformer.representation(&sequences, placed.layer, placed.of)?;
            for active in placed.active(&rows) {
                for (feature, activation) in active {
                    features[feature] += activation.to_f64();
                }
                *count += 1;
            }
            for row in rows.chunks_exact(placed.dictionary.width) {
                for (sum, value) in whole.iter_mut().zip(row) {
                    *sum += value.to_f64();
                }
            }
        }
    }
    let means = placements.all().iter().zip(sums);
    let means = means.map(|(placed, (features, whole, count))| {
        let mean = |sum: f64| T::from_f64(sum / count as f64);
        let active = features.iter().enumerate().filter(|(_, sum)| **sum > 0.0);
        let active = active.map(|(feature, &sum)| (feature, mean(sum))).collect();
        let whole: Vec<T> = whole.into_iter().map(mean).collect();
        let made = placed.made_of(&active);
        let error = whole.iter().zip(made).map(|(&whole, made)| whole - made);
        Parts {
            error: error.collect(),
            active: vec![active],
            whole,
        }
    });
    Ok(means.collect())
}
