//! The training of a dictionary: rounds with checkpoints.

use super::checkpoint::{self, Checkpoint};
use super::{Progress, Recipe, Rows, Stage, TextRows, Training};
use crate::analyze::Setting;
use crate::engine::{Representation, Transformer};
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::setting::Profile;

/// Rows of a round, about: after each the state is written down.
pub(super) const ROUND_ROWS: usize = 16_384;

/// Contexts of text that the rows of a training come from, read once.
pub(super) fn contexts_wanted(recipe: &Recipe, (context, skip_first): (usize, usize)) -> usize {
    recipe
        .tokens
        .div_ceil(context.saturating_sub(skip_first).max(1))
}

/// Trains from where a run with the same inputs stopped, or from the start.
///
/// # Errors
/// When the loss is not finite, the disk refuses, or the observer interrupts.
pub(super) fn train(
    setting: &Setting<'_>,
    recipe: &Recipe,
    (transformer, at): (&Transformer<'_, f32>, (usize, Representation)),
    (contexts, skip_first): (&[Vec<u32>], usize),
    (checkpoint, profile): (&Checkpoint, &Profile),
) -> Result<Training<f32>> {
    let observer = setting.observer;
    let context = contexts.iter().map(Vec::len).max().unwrap_or(1);
    let per_round = (ROUND_ROWS / context).max(1);
    let rows_each = per_round * context.saturating_sub(skip_first).max(1);
    let rounds = recipe.tokens.div_ceil(rows_each);
    let progress = Progress {
        rounds,
        steps: recipe.tokens / rows_each * rows_each.div_ceil(recipe.batch)
            + (recipe.tokens % rows_each).div_ceil(recipe.batch),
    };
    let mut rows = TextRows {
        transformer,
        contexts,
        at,
        per_round,
        skip_first,
        observer,
    };
    let folder = &setting.folder;
    let width = Rows::<f32>::width(&rows);
    let found = checkpoint::read(folder, recipe, width, checkpoint);
    let mut training = found.unwrap_or_else(|| Training::new(recipe, width));
    phase(observer, "training", rounds as u64);
    while training.rounds.len() < rounds {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let number = training.rounds.len();
        profile.done("training: rest");
        let mut inputs_of_round = rows.round(number)?;
        profile.done("training: forward");
        // The last round is as long as is left.
        let left = recipe.tokens - number * rows_each;
        inputs_of_round.truncate(left.saturating_mul(width));
        training.round(recipe, progress, &inputs_of_round, &mut |stage| {
            profile.done(match stage {
                Stage::Gradient => "training: gradient",
                Stage::Adam => "training: Adam",
            });
        });
        let last = training.rounds[number];
        if !last.reconstruction.is_finite() {
            return Err(Error::NotFinite {
                node: "the autoencoder".into(),
                problem: "its loss is not finite; lower learning_rate, unless the layer holds nothing but zeros".into(),
            });
        }
        checkpoint::write(folder, &training, checkpoint)?;
        observer.event(Event::Step {
            done: number as u64 + 1,
            note: format!("loss {:.3}, {:.1} active", last.reconstruction, last.l0),
        });
    }
    profile.done("training: rest");
    Ok(training)
}
