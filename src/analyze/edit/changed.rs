//! Prompts of a run changed after one layer, or after several at once.

use std::sync::{Mutex, PoisonError};

use super::change::{Change, SwapPrompt};
use crate::engine::{Overwrite, Rerun, RowPlaces, Splice};
use crate::error::Result;
use crate::graph::Representation;
use crate::model::Real;

/// A prompt of a run, with its change.
#[derive(Clone, Copy)]
pub(super) struct Changed<'c> {
    /// Its number.
    pub prompt: usize,
    pub item: &'c SwapPrompt,
    pub change: Change<'c>,
}

/// The logits of prompts that are changed after the same layers, each in a run of its own, and the mean over places and layers
/// of each change's norm, as a share of the stream's.
///
/// # Complexity
/// A forward pass of the positions from the first places on, from the first layer on.
pub(super) fn changed<T: Real>(
    run: &Rerun<'_, '_, T>,
    which: &[Changed<'_>],
) -> Result<(Vec<T>, Vec<f64>)> {
    let Some(one) = which.first() else {
        return Ok((Vec::new(), Vec::new()));
    };
    let (first, later) = one.change.split_layers()?;
    let overwrites = which
        .iter()
        .map(|it| it.change.overwrite(run, (it.prompt, it.item), first));
    let (overwrites, shares): (Vec<Overwrite<T>>, Vec<f64>) = overwrites.unzip();
    let after = Later {
        which,
        layers: later,
        shares: Mutex::new(shares),
    };
    let logits = if later.is_empty() {
        run.overwritten(first, &overwrites)?
    } else {
        run.overwritten_and(first, &overwrites, &after)?
    };
    let shares = after
        .shares
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let sizes = shares.iter().zip(which).map(|(share, it)| {
        let changes = it.item.places.len() * it.change.layers.len();
        share / changes.max(1) as f64
    });
    Ok((logits, sizes.collect()))
}

/// Changes after layers that come after the first one.
struct Later<'c> {
    which: &'c [Changed<'c>],
    layers: &'c [usize],
    /// Sums of the changes' norms, as shares of the stream's.
    shares: Mutex<Vec<f64>>,
}

impl<T: Real> Splice<T> for Later<'_> {
    fn splice(&self, (layer, of): (usize, Representation), rows: &mut [T], places: &RowPlaces) {
        if of != Representation::Stream || !self.layers.contains(&layer) {
            return;
        }
        let Some(width) = rows.len().checked_div(places.positions.len()) else {
            return;
        };
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let found = places.sequences.iter().zip(&places.positions);
        for (row, (&sequence, &position)) in rows.chunks_exact_mut(width).zip(found) {
            let Changed { item, change, .. } = &self.which[sequence];
            let place = item
                .places
                .binary_search_by_key(&position, |place| place.position);
            if let Ok(place) = place {
                shares[sequence] += change.apply(row, &item.places[place]);
            }
        }
    }
}
