//! The smallest group of neurons found whose replacement removes the behaviour.

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::effects::Replacement;
use super::screen::Unit;
use crate::engine::mean;
use crate::error::Result;
use crate::evaluate::{Gap, intervals_of_sets};
use crate::graph::Node;
use crate::model::Real;
use crate::task::Example;

/// A group of neurons without which the behaviour is gone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NeuronSet {
    /// Its neurons. None of them can be left out on the discovery prompts.
    pub neurons: Vec<String>,
    /// Share of the behaviour that is left on the discovery prompts: (metric with the group replaced - metric without the
    /// behaviour) / (metric of the full model - metric without the behaviour). Without the behaviour are the corrupt prompts
    /// or those of the other set; of texts, their own with all neurons measured replaced that they need.
    pub remaining_discovery: f64,
    /// The same on the held-out prompts; none where their metric is not above that without the behaviour.
    pub remaining: Option<f64>,
    /// Its 95 % bootstrap interval.
    pub remaining_interval: Option<[f64; 2]>,
    /// The same share of groups of as many random neurons of the same layers, on the held-out prompts.
    pub random: Vec<f64>,
}

impl NeuronSet {
    /// Says that the model without the group is worse than one that lacks the behaviour.
    pub(super) fn doubt(&self) -> Option<String> {
        let left = self.remaining.filter(|left| *left < LEAST_LEFT)?;
        Some(format!(
            "without the group the metric falls far below that without the behaviour ({:.0}% of it is left): the group is \
             needed for more than the behaviour",
            100.0 * left
        ))
    }
}

/// Share that is left, below 0, at which a group says more about the model than about the behaviour.
const LEAST_LEFT: f64 = -0.5;
/// Least difference of the metric on clean and corrupt prompts of which shares are taken.
const LEAST_RANGE: f64 = 1e-6;

/// The metric without the behaviour and with it, per example.
#[derive(Clone, Copy)]
pub(super) struct Range<'r> {
    pub without: &'r [f64],
    pub full: &'r [f64],
    /// Whether the values without it belong to those with it one by one.
    pub paired: bool,
}

impl Range<'_> {
    /// Says that there may be no behaviour to take shares of.
    pub(super) fn doubt(&self) -> Option<String> {
        let gap = Gap {
            with: ("prompts with the behaviour", self.full),
            without: ("what lacks it", self.without),
            paired: self.paired,
        };
        gap.doubt("what is left of the behaviour")
    }

    /// The share of the behaviour that is left, where there is a behaviour.
    pub(super) fn remaining(&self, metric: &[f64]) -> Option<f64> {
        let (without, full) = (mean(self.without), mean(self.full));
        (full - without >= LEAST_RANGE).then(|| (mean(metric) - without) / (full - without))
    }
}

/// The shortest prefix of `order` whose replacement leaves at most `most` of the behaviour, made smaller as long as that
/// stays so; nothing where not even all of them do.
///
/// # Complexity
/// One measurement for each neuron, and for each round of leaving one out as many as the group has.
pub(super) fn smallest<T: Real>(
    replacement: &Replacement<'_, '_, T>,
    examples: &[Example],
    range: &Range<'_>,
    order: &[Unit],
    most: f64,
) -> Result<Option<(Vec<Unit>, f64)>> {
    let prefixes: Vec<Vec<Unit>> = (1..=order.len()).map(|len| order[..len].to_vec()).collect();
    let measured = replacement.measure("groups of neurons", examples, &prefixes)?;
    let shares = measured.iter().filter_map(|metric| range.remaining(metric));
    let mut enough = shares.enumerate().filter(|(_, share)| *share <= most);
    let Some((first, mut remaining)) = enough.next() else {
        return Ok(None);
    };
    let mut group = prefixes[first].clone();
    while group.len() > 1 {
        let smaller: Vec<Vec<Unit>> = (0..group.len())
            .map(|left_out| {
                let mut smaller = group.clone();
                smaller.remove(left_out);
                smaller
            })
            .collect();
        let measured = replacement.measure("leaving neurons out", examples, &smaller)?;
        let least = measured
            .iter()
            .filter_map(|metric| range.remaining(metric))
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(&b.1));
        match least {
            Some((left_out, share)) if share <= most => {
                group.remove(left_out);
                remaining = share;
            }
            _ => break,
        }
    }
    Ok(Some((group, remaining)))
}

/// Judges a group on other prompts, next to random groups.
pub(super) fn judge<T: Real>(
    replacement: &Replacement<'_, '_, T>,
    examples: &[Example],
    range: &Range<'_>,
    (group, remaining_discovery): (Vec<Unit>, f64),
    (random, bootstrap): (usize, usize),
) -> Result<NeuronSet> {
    let d_mlp = replacement.transformer.config().d_mlp;
    let own = std::slice::from_ref(&group);
    let own = replacement.measure("the group on held-out prompts", examples, own)?;
    let own = &own[0];
    let sets: Vec<Vec<Unit>> = (0..random as u64)
        .filter_map(|seed| alike(&group, d_mlp, seed))
        .collect();
    let measured = replacement.measure("random groups", examples, &sets)?;
    let random = measured.iter().filter_map(|metric| range.remaining(metric));
    let statistic = |picks: &[Vec<usize>]| {
        let pick = |from: &[f64], picks: &[usize]| -> Vec<f64> {
            picks.iter().map(|&index| from[index]).collect()
        };
        let (own_picks, without_picks) = (&picks[0], &picks[picks.len() - 1]);
        let resampled = Range {
            without: &pick(range.without, without_picks),
            full: &pick(range.full, own_picks),
            ..*range
        };
        vec![resampled.remaining(&pick(own, own_picks))]
    };
    let sizes = [own.len(), range.without.len()];
    let sizes = &sizes[..if range.paired { 1 } else { 2 }];
    let interval = intervals_of_sets(sizes, bootstrap, 0, statistic)
        .pop()
        .flatten();
    let name = |&(layer, neuron): &Unit| Node::Neuron { layer, neuron }.to_string();
    Ok(NeuronSet {
        neurons: group.iter().map(name).collect(),
        remaining_discovery,
        remaining: range.remaining(own),
        remaining_interval: interval,
        random: random.collect(),
    })
}

/// As many random neurons of the same layers, none of them in the group; nothing where a layer has too few.
fn alike(group: &[Unit], d_mlp: usize, seed: u64) -> Option<Vec<Unit>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn: Vec<Unit> = Vec::with_capacity(group.len());
    for &(layer, _) in group {
        let free: Vec<Unit> = (0..d_mlp)
            .map(|neuron| (layer, neuron))
            .filter(|unit| !group.contains(unit) && !drawn.contains(unit))
            .collect();
        drawn.push(*free.choose(&mut rng)?);
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_groups_have_the_layers_of_the_group_and_none_of_its_neurons() {
        let group = [(0, 3), (2, 1), (2, 2)];
        for seed in 0..50 {
            let drawn = alike(&group, 6, seed).expect("neurons enough");
            let layers: Vec<usize> = drawn.iter().map(|unit| unit.0).collect();
            assert_eq!(layers, [0, 2, 2]);
            assert!(drawn.iter().all(|unit| !group.contains(unit)));
            assert_ne!(drawn[1], drawn[2]);
        }
        assert_eq!(alike(&group, 3, 0), None);
    }

    #[test]
    fn what_remains_is_one_for_the_full_model_and_zero_without_the_behaviour() {
        let range = Range {
            without: &[-1.0, -3.0],
            full: &[4.0, 2.0],
            paired: true,
        };
        assert_eq!(range.remaining(&[4.0, 2.0]), Some(1.0));
        assert_eq!(range.remaining(&[-2.0, -2.0]), Some(0.0));
        let turned = Range {
            without: range.full,
            full: range.without,
            ..range
        };
        assert_eq!(turned.remaining(&[1.0, 1.0]), None);
    }
}
