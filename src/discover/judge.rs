//! When a circuit of a target search reaches: its faithfulness on all examples, and on parts of them where a ratio can be
//! judged.

use std::ops::Range;

use super::walk::Walk;
use crate::engine::mean;
use crate::error::{Error, Result};
use crate::graph::EdgeMask;

/// Smallest difference of full and empty for which faithfulness is defined.
const LEAST_RANGE: f64 = 1e-6;
/// Smallest share of the difference on all examples that a part must have to be judged on.
const LEAST_SHARE: f64 = 0.25;
/// Fewest examples of which a third validates.
const LEAST_EXAMPLES: usize = 3;

/// What the examples say of a circuit.
#[derive(Debug, Clone)]
pub(super) struct Judge {
    /// All examples; then those that select and those that validate, where both can judge.
    parts: Vec<Part>,
    target: f64,
    /// Why no part validates, where none does.
    pub(super) unvalidated: Option<String>,
}

/// Some examples with the metric of the full model and of the empty circuit on them.
#[derive(Debug, Clone)]
struct Part {
    examples: Range<usize>,
    full: f64,
    empty: f64,
}

/// Whether a ratio says something on a part of the examples: where full minus empty there, its denominator, has the sign of that
/// on all of them, `whole`, and is not small against it.
pub fn can_judge(part: f64, whole: f64) -> bool {
    part / whole >= LEAST_SHARE
}

impl Part {
    fn new(ends: &[Vec<f64>], examples: Range<usize>) -> Self {
        let of = |values: &Vec<f64>| mean(&values[examples.clone()]);
        Self {
            full: of(&ends[0]),
            empty: of(&ends[1]),
            examples,
        }
    }

    fn range(&self) -> f64 {
        self.full - self.empty
    }

    fn faithfulness(&self, values: &[f64]) -> f64 {
        (mean(&values[self.examples.clone()]) - self.empty) / self.range()
    }
}

impl Judge {
    /// Measures full and empty.
    ///
    /// # Errors
    /// When full and empty do not differ on all examples together, or a number is not finite.
    pub(super) fn new(walk: &mut Walk<'_>, target: f64) -> Result<Self> {
        let graph = walk.graph();
        let ends = [EdgeMask::full(&graph), EdgeMask::empty(&graph)];
        let ends = walk.measure(&ends)?;
        let count = walk.evaluator.examples();
        let whole = Part::new(&ends, 0..count);
        let range = whole.range();
        if range.abs() < LEAST_RANGE {
            return Err(Error::data(
                "target",
                "the metric of the full model equals that of the empty circuit, so faithfulness \
                 is undefined; choose prompts on which clean and corrupt differ",
            ));
        }
        let mut judge = Self {
            parts: vec![whole],
            target,
            unvalidated: None,
        };
        if count < LEAST_EXAMPLES {
            judge.unvalidated = Some(format!(
                "there are fewer than {LEAST_EXAMPLES} discovery examples, so none of them only validates; the target was \
                 searched on all of them"
            ));
            return Ok(judge);
        }
        let split = count - count / 3;
        let [select, validate] = [0..split, split..count].map(|part| Part::new(&ends, part));
        let parts = [("select", select), ("validate", validate)];
        if let Some((does, part)) = parts
            .iter()
            .find(|(_, part)| !can_judge(part.range(), range))
        {
            judge.unvalidated = Some(format!(
                "validation was not possible: full minus empty is {:.4} on the discovery examples that {does} and {range:.4} on \
                 all of them; the target was searched on all of them",
                part.range()
            ));
        } else {
            judge.parts.extend(parts.map(|(_, part)| part));
        }
        Ok(judge)
    }

    /// Whether some examples only validate.
    pub(super) fn validates(&self) -> bool {
        self.parts.len() > 1
    }

    /// The same on all examples only, as no size reaches on both parts.
    pub(super) fn on_all(mut self) -> Self {
        self.parts.truncate(1);
        self.unvalidated = Some(
            "no size reached the target on the discovery examples that select and on those that validate; the target was \
             searched on all of them"
                .into(),
        );
        self
    }

    /// The smallest faithfulness of the parts. As one of them is all examples, what reaches reaches on these.
    pub(super) fn faithfulness(&self, values: &[f64]) -> f64 {
        let parts = self.parts.iter().map(|part| part.faithfulness(values));
        parts.fold(f64::INFINITY, f64::min)
    }

    /// By how much a circuit is more faithful than asked.
    pub(super) fn margin(&self, values: &[f64]) -> f64 {
        self.faithfulness(values) - self.target
    }

    /// Whether a circuit is as faithful as asked.
    pub(super) fn reaches(&self, values: &[f64]) -> bool {
        self.faithfulness(values) >= self.target
    }
}
