//! The metric with vectors added after each layer with each strength.

use crate::engine::{AddAt, Resumable, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::metric::Metric;
use crate::model::Real;
use crate::task::Example;

/// A vector to be added after a layer.
pub(super) struct Candidate<'v> {
    pub layer: usize,
    pub vector: &'v [f64],
}

/// The metric of each candidate with each strength, `[candidates][strengths][examples]`, on the clean prompts of
/// `examples`.
///
/// # Complexity
/// One forward pass; then one from the candidate's layer on, of the rows changed, for each candidate and strength.
pub(super) fn sweep<T: Real>(
    transformer: &Transformer<'_, T>,
    (examples, metric): (&[Example], Metric),
    candidates: &[Candidate<'_>],
    (strengths, at): (&[f64], AddAt),
    (name, observer): (&str, &dyn Observer),
) -> Result<Vec<Vec<Vec<f64>>>> {
    let groups: Vec<&[Example]> = transformer.groups(examples).collect();
    phase(observer, name, (groups.len() * candidates.len()) as u64);
    let mut values =
        vec![vec![Vec::with_capacity(examples.len()); strengths.len()]; candidates.len()];
    let mut done = 0;
    for group in groups {
        let ready = Resumable::new(transformer, group, at)?;
        for (candidate, values) in candidates.iter().zip(&mut values) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let to = (candidate.layer, at);
            // All rows are many: then one strength at a time.
            let together = if at == AddAt::Every {
                1
            } else {
                strengths.len()
            };
            for (strengths, values) in strengths.chunks(together).zip(values.chunks_mut(together)) {
                let found = ready.added(metric, to, candidate.vector, strengths)?;
                for (values, found) in values.iter_mut().zip(found) {
                    values.extend(found);
                }
            }
            done += 1;
            observer.event(Event::Step {
                done,
                note: format!("layer {}", candidate.layer),
            });
        }
    }
    Ok(values)
}
