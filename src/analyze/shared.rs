//! The keys that specs of all analyses share, and which of them each analysis reads.

use super::{Analysis, Lens, Residual, Sae};
use crate::analyze::lens::Tuned;

/// A key of an analysis spec beside the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// `metric`
    Metric,
    /// `held_out`
    HeldOut,
    /// `bootstrap`
    Bootstrap,
    /// `random_baselines`
    RandomBaselines,
    /// `precision`
    Precision,
    /// `prepend_bos`
    PrependBos,
}

use Shared::{Bootstrap, HeldOut, Metric, Precision, PrependBos, RandomBaselines};

impl Shared {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Metric,
        HeldOut,
        Bootstrap,
        RandomBaselines,
        Precision,
        PrependBos,
    ];

    /// Its name in specs.
    pub fn key(self) -> &'static str {
        match self {
            Metric => "metric",
            HeldOut => "held_out",
            Bootstrap => "bootstrap",
            RandomBaselines => "random_baselines",
            Precision => "precision",
            PrependBos => "prepend_bos",
        }
    }
}

impl Analysis {
    /// Its name in specs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Attention(_) => "Attention",
            Self::Edit(_) => "Edit",
            Self::FeatureCircuit(_) => "FeatureCircuit",
            Self::Lens(_) => "Lens",
            Self::Neurons(_) => "Neurons",
            Self::Patchscope(_) => "Patchscope",
            Self::Prompt(_) => "Prompt",
            Self::Relation(_) => "Relation",
            Self::Residual(_) => "Residual",
            Self::Sae(_) => "Sae",
            Self::Tracing(_) => "Tracing",
            Self::Vector(_) => "Vector",
        }
    }

    /// The shared keys that questions of this kind read.
    pub fn uses(&self) -> &'static [Shared] {
        match self {
            Self::FeatureCircuit(_) | Self::Neurons(_) | Self::Sae(_) | Self::Vector(_) => {
                &Shared::ALL
            }
            Self::Edit(_) | Self::Lens(_) | Self::Tracing(_) => {
                &[HeldOut, Bootstrap, RandomBaselines, Precision, PrependBos]
            }
            Self::Patchscope(_) => &[HeldOut, Bootstrap, Precision, PrependBos],
            Self::Relation(_) => &[HeldOut, RandomBaselines, Precision, PrependBos],
            Self::Residual(_) => &[Bootstrap, RandomBaselines, Precision, PrependBos],
            Self::Attention(_) => &[Bootstrap, Precision, PrependBos],
            Self::Prompt(_) => &[Precision, PrependBos],
        }
    }

    /// Why a shared key is not read, with or without a task; none where it is.
    pub fn ignores(&self, key: Shared, with_task: bool) -> Option<String> {
        let (name, key_name) = (self.name(), key.key());
        if !self.uses().contains(&key) {
            return Some(format!("{name} does not use `{key_name}`; remove it"));
        }
        let condition = match (self, key) {
            (Self::Lens(Lens { tuned, .. }), HeldOut) if !fits(tuned.as_ref()) => {
                "with `tuned: Fitted(..)`"
            }
            (Self::Lens(Lens { attribution, .. }), RandomBaselines) if !attribution => {
                "with `attribution: true`"
            }
            (Self::Residual(Residual { directions, .. }), RandomBaselines)
                if directions.is_empty() =>
            {
                "with `directions`"
            }
            (Self::Patchscope(_), HeldOut | Bootstrap)
            | (Self::Sae(_), Metric | Bootstrap | RandomBaselines)
                if !with_task =>
            {
                "with a task"
            }
            (Self::Sae(Sae { load: Some(_), .. }), HeldOut) if !with_task => {
                "for training or with a task"
            }
            _ => return None,
        };
        Some(format!(
            "{name} uses `{key_name}` {condition} only; remove it"
        ))
    }
}

fn fits(tuned: Option<&Tuned>) -> bool {
    matches!(tuned, Some(Tuned::Fitted(_)))
}
