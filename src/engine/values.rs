//! What an ablation takes from the discovery split, shared by the evaluators of both splits.

use super::ablated::Means;
use super::transformer::Transformer;
use super::{Ablation, Donors};
use crate::error::Result;
use crate::events::Observer;
use crate::model::Real;
use crate::task::Example;

/// What an ablation takes from the discovery split: nothing, mean activations, or examples whose runs replace others.
#[derive(Debug, Clone)]
pub struct AblationValues<T>(pub(crate) Values<T>);

#[derive(Debug, Clone)]
pub(crate) enum Values<T> {
    /// Patch and zero take nothing.
    Nothing,
    /// A constant for each writer, or one per position.
    Constants(Means<T>),
    /// Examples to draw from.
    Donors(Donors),
}

impl<T: Real> AblationValues<T> {
    /// What an ablation takes from the clean runs of `examples`, the discovery split.
    ///
    /// # Errors
    /// When a number is not finite, or the observer interrupts.
    ///
    /// # Complexity
    /// One forward pass for mean ablations.
    pub fn new(
        transformer: &Transformer<'_, T>,
        examples: &[Example],
        ablation: Ablation,
        _observer: &dyn Observer,
    ) -> Result<Self> {
        Ok(Self(match ablation {
            Ablation::Patch | Ablation::Zero => Values::Nothing,
            Ablation::Mean => Values::Constants(Means::over(transformer, examples, false)),
            Ablation::MeanPositional => Values::Constants(Means::over(transformer, examples, true)),
            Ablation::Resample(resample) => Values::Donors(Donors::new(examples, resample)),
        }))
    }
}
