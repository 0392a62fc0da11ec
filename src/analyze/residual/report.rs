//! The residual stream, as data.

use crate::analyze::AnalysisReport;
use serde::Serialize;

use crate::evaluate::Effect;

/// The answer about the stream: means over prompts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResidualReport {
    /// Number of prompts.
    pub prompts: usize,
    /// Positions looked at, of all prompts.
    pub positions: usize,
    /// The stream at every place.
    pub places: Vec<PlaceNorm>,
    /// What is written between places, in the order of the model.
    pub writers: Vec<WriterScores>,
    /// Mean cosine of what two of these write, `[writers][writers]`.
    pub cosines: Vec<Vec<f64>>,
    /// What every part writes into directions.
    pub directions: Vec<DirectionScores>,
    /// Remarks that belong to the result.
    pub warnings: Vec<String>,
}

/// The norm of the stream at a place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaceNorm {
    /// The place.
    pub place: String,
    /// Blocks that ran before it.
    pub blocks: f64,
    /// The norm.
    pub norm: Effect,
}

/// What the embedding, an attention or an MLP writes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WriterScores {
    /// Its name.
    pub writer: String,
    /// Its layer.
    pub layer: Option<usize>,
    /// The norm of what it writes.
    pub norm: Effect,
    /// That norm as a share of the norm of the stream that it is added to.
    pub share: Option<Effect>,
    /// Cosine of what it writes and the stream that it is added to; below zero it takes out what is there.
    pub cosine: Option<Effect>,
}

/// What parts write into a direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DirectionScores {
    /// The direction.
    pub direction: String,
    /// Every part, the largest in size first.
    pub parts: Vec<PartAlong>,
}

/// What a part writes along a direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartAlong {
    /// The part.
    pub part: String,
    /// Inner product of what it writes and the unit vector of the direction.
    pub along: Effect,
    /// Cosine of the two.
    pub cosine: Effect,
    /// Mean size of the inner product with random unit vectors.
    pub random: Option<f64>,
}

impl AnalysisReport for ResidualReport {
    fn finding(&self) -> String {
        let norm = |place: Option<&PlaceNorm>| place.map_or(0.0, |it| it.norm.mean);
        let grown = format!(
            "the stream's norm goes from {:.2} to {:.2}",
            norm(self.places.first()),
            norm(self.places.last())
        );
        let direction = self.directions.first();
        match direction.and_then(|it| Some((it, it.parts.first()?))) {
            None => grown,
            Some((direction, part)) => format!(
                "{grown}; {} writes most into {} ({:.2})",
                part.part, direction.direction, part.along.mean
            ),
        }
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
