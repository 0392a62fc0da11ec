//! Order within ranks: barycentre sweeps with transposition, keeping the order with the fewest crossings.

use super::{Layers, Segment};

const SWEEPS: usize = 24;
/// Scores with more items are ordered without transposition, whose gain they would not show.
const TRANSPOSED: usize = 6_000;

/// Orders the items of every rank so that few edges cross.
pub(crate) fn reduce_crossings(layers: &mut Layers) {
    keep_blocks_together(layers);
    let mut best = layers.ranks.clone();
    let mut fewest = crossings(layers);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let up = sweep % 2 == 0;
        let count = layers.ranks.len();
        for step in 1..count {
            let rank = if up { step } else { count - 1 - step };
            sort_by_barycentre(layers, rank, up);
        }
        if layers.items.len() <= TRANSPOSED {
            transpose(layers);
        }
        let now = crossings(layers);
        if now < fewest {
            fewest = now;
            best.clone_from(&layers.ranks);
        }
    }
    layers.ranks = best;
}

/// Place of each item within its rank.
fn places(layers: &Layers) -> Vec<usize> {
    let mut places = vec![0; layers.items.len()];
    for rank in &layers.ranks {
        for (place, &item) in rank.iter().enumerate() {
            places[item] = place;
        }
    }
    places
}

fn keep_blocks_together(layers: &mut Layers) {
    let Layers { ranks, items, .. } = layers;
    for rank in ranks {
        rank.sort_by_key(|&item| (items[item].column, items[item].block));
    }
}

/// Puts the items of every rank in the order of their columns.
pub(crate) fn by_column(layers: &mut Layers) {
    let Layers { ranks, items, .. } = layers;
    for rank in ranks {
        rank.sort_by_key(|&item| items[item].column);
    }
}

/// Where a segment arrives within its rank, ports of a node apart.
fn arrival(layers: &Layers, places: &[usize], segment: &Segment) -> f64 {
    places[segment.to] as f64 + segment.offset / (layers.items[segment.to].width + 1.0)
}

fn sort_by_barycentre(layers: &mut Layers, rank: usize, from_below: bool) {
    let places = places(layers);
    let own = |item: usize| -> (f64, usize) {
        let neighbours = if from_below {
            &layers.below[item]
        } else {
            &layers.above[item]
        };
        let sum: f64 = neighbours
            .iter()
            .map(|&segment| {
                let segment = &layers.segments[segment];
                if from_below {
                    // Seen from the port it enters, so that q, k and v of a head do not cross.
                    places[segment.from] as f64
                } else {
                    arrival(layers, &places, segment)
                }
            })
            .sum();
        (sum, neighbours.len())
    };
    let mut items = layers.ranks[rank].clone();
    // Mean per block, then per item; items without neighbours keep their place.
    let mean = |(sum, count): (f64, usize), item: usize| {
        if count == 0 {
            places[item] as f64
        } else {
            sum / count as f64
        }
    };
    let mut keys = std::collections::BTreeMap::<usize, (f64, usize)>::new();
    for &item in &items {
        let key = keys.entry(layers.items[item].block).or_insert((0.0, 0));
        let (sum, count) = own(item);
        *key = (key.0 + sum, key.1 + count);
    }
    items.sort_by(|&a, &b| {
        let block = |item: usize| layers.items[item].block;
        let column = |item: usize| layers.items[item].column;
        let blocks = mean(keys[&block(a)], a).total_cmp(&mean(keys[&block(b)], b));
        column(a)
            .cmp(&column(b))
            .then(blocks)
            .then(block(a).cmp(&block(b)))
            .then(mean(own(a), a).total_cmp(&mean(own(b), b)))
            .then(a.cmp(&b))
    });
    layers.ranks[rank] = items;
    keep_runs(layers, rank);
}

/// Moves the members of a block next to its first one.
fn keep_runs(layers: &mut Layers, rank: usize) {
    let mut rest = std::mem::take(&mut layers.ranks[rank]);
    let mut done = Vec::with_capacity(rest.len());
    let mut first_at = std::collections::BTreeMap::new();
    for (place, &item) in rest.iter().enumerate() {
        first_at.entry(layers.items[item].block).or_insert(place);
    }
    rest.sort_by_key(|&item| {
        let item = &layers.items[item];
        (item.column, first_at[&item.block])
    });
    done.append(&mut rest);
    layers.ranks[rank] = done;
}

/// Swaps neighbours while that removes crossings.
fn transpose(layers: &mut Layers) {
    for _ in 0..4 {
        let mut improved = false;
        let mut places = places(layers);
        for rank in 0..layers.ranks.len() {
            for place in 1..layers.ranks[rank].len() {
                let (left, right) = (layers.ranks[rank][place - 1], layers.ranks[rank][place]);
                if !may_swap(layers, rank, place) {
                    continue;
                }
                let (before, after) = pair_crossings(layers, &places, left, right);
                if after < before {
                    layers.ranks[rank].swap(place - 1, place);
                    places.swap(left, right);
                    improved = true;
                }
            }
        }
        if !improved {
            break;
        }
    }
}

/// Whether a swap leaves every block in one piece.
fn may_swap(layers: &Layers, rank: usize, place: usize) -> bool {
    let row = &layers.ranks[rank];
    let column = |place: usize| layers.items[row[place]].column;
    if column(place - 1) != column(place) {
        return false;
    }
    let block = |place: usize| layers.items[row[place]].block;
    let (left, right) = (block(place - 1), block(place));
    left == right
        || ((place < 2 || block(place - 2) != left)
            && (place + 1 >= row.len() || block(place + 1) != right))
}

/// Crossings between the segments of two neighbours, as they stand and swapped.
fn pair_crossings(layers: &Layers, places: &[usize], left: usize, right: usize) -> (usize, usize) {
    let (mut before, mut after) = (0, 0);
    let mut count = |a: &[f64], b: &[f64]| {
        for x in a {
            for y in b {
                before += usize::from(x > y);
                after += usize::from(x < y);
            }
        }
    };
    let ends = |item: usize| -> (Vec<f64>, Vec<f64>) {
        let below = layers.below[item]
            .iter()
            .map(|&segment| places[layers.segments[segment].from] as f64);
        let above = layers.above[item]
            .iter()
            .map(|&segment| arrival(layers, places, &layers.segments[segment]));
        (below.collect(), above.collect())
    };
    let ((left_below, left_above), (right_below, right_above)) = (ends(left), ends(right));
    count(&left_below, &right_below);
    count(&left_above, &right_above);
    (before, after)
}

/// Number of crossings in the whole figure.
pub(crate) fn crossings(layers: &Layers) -> usize {
    let places = places(layers);
    let mut total = 0;
    for rank in &layers.ranks {
        let mut arrivals: Vec<(usize, f64)> = rank
            .iter()
            .flat_map(|&item| &layers.above[item])
            .map(|&segment| {
                let segment = &layers.segments[segment];
                (places[segment.from], arrival(layers, &places, segment))
            })
            .collect();
        arrivals.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut ends: Vec<f64> = arrivals.iter().map(|&(_, end)| end).collect();
        total += inversions(&mut ends);
    }
    total
}

/// Number of pairs in the wrong order; sorts the values.
fn inversions(values: &mut [f64]) -> usize {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let mut count = inversions(left) + inversions(right);
    let mut first = 0;
    for value in right.iter() {
        while first < left.len() && left[first] <= *value {
            first += 1;
        }
        count += left.len() - first;
    }
    values.sort_by(f64::total_cmp);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversions_are_counted_as_pairs() {
        assert_eq!(inversions(&mut [1.0, 2.0, 2.0, 3.0]), 0);
        assert_eq!(inversions(&mut [3.0, 2.0, 1.0]), 3);
        assert_eq!(inversions(&mut [2.0, 3.0, 1.0, 1.0]), 4);
    }
}
