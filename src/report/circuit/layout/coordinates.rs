//! Horizontal coordinates: every item wants to be at the weighted mean of its neighbours; each rank in turn takes
//! the positions closest to that (least squares) that keep order and distances. Long edges weigh most, so that they
//! become straight.

use super::Layers;

const SWEEPS: usize = 120;

/// Centre of every item.
pub(crate) fn assign(layers: &Layers) -> Vec<f64> {
    let mut x = vec![0.0; layers.items.len()];
    for rank in &layers.ranks {
        let wanted = vec![(0.0, 1.0); rank.len()];
        place_rank(layers, rank, &wanted, &mut x);
    }
    for sweep in 0..SWEEPS {
        let count = layers.ranks.len();
        for step in 0..count {
            let index = if sweep % 2 == 0 {
                step
            } else {
                count - 1 - step
            };
            let rank = &layers.ranks[index];
            let wanted: Vec<(f64, f64)> = rank.iter().map(|&item| wish(layers, item, &x)).collect();
            place_rank(layers, rank, &wanted, &mut x);
        }
    }
    x
}

/// Where an item wants to be, and how much.
fn wish(layers: &Layers, item: usize, x: &[f64]) -> (f64, f64) {
    let below = layers.below[item].iter().map(|&segment| {
        let segment = &layers.segments[segment];
        (x[segment.from] - segment.offset, segment.weight)
    });
    let above = layers.above[item].iter().map(|&segment| {
        let segment = &layers.segments[segment];
        (x[segment.to] + segment.offset, segment.weight)
    });
    let (mut sum, mut total) = (0.0, 0.0);
    for (at, weight) in below.chain(above) {
        sum += at * weight;
        total += weight;
    }
    if total == 0.0 {
        (x[item], 1e-3)
    } else {
        (sum / total, total)
    }
}

/// Puts a rank at the positions closest to the wishes, column by column.
fn place_rank(layers: &Layers, rank: &[usize], wanted: &[(f64, f64)], x: &mut [f64]) {
    let column = |item: usize| layers.items[item].column;
    let mut start = 0;
    for items in rank.chunk_by(|&one, &next| column(one) == column(next)) {
        let wanted = &wanted[start..start + items.len()];
        let mut columns = layers.columns.iter();
        let sides = columns.find(|it| it.number == column(items[0]));
        place(layers, (items, wanted), sides.map(|it| it.sides), x);
        start += items.len();
    }
}

/// Puts items at the positions closest to the wishes, in order, apart and between the sides: isotonic regression by
/// pooling.
fn place(
    layers: &Layers,
    (rank, wanted): (&[usize], &[(f64, f64)]),
    sides: Option<(f64, f64)>,
    x: &mut [f64],
) {
    let mut shift = 0.0;
    let mut shifts = Vec::with_capacity(rank.len());
    // Pools of (mean, weight, members).
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (place, &item) in rank.iter().enumerate() {
        if place > 0 {
            shift += layers.distance(rank[place - 1], item);
        }
        shifts.push(shift);
        let (at, weight) = wanted[place];
        pools.push((at - shift, weight, 1));
        while let [.., left, right] = pools[..] {
            if left.0 <= right.0 {
                break;
            }
            let weight = left.1 + right.1;
            let mean = (left.0 * left.1 + right.0 * right.1) / weight;
            pools.truncate(pools.len() - 2);
            pools.push((mean, weight, left.2 + right.2));
        }
    }
    let (low, high) = sides.map_or((f64::NEG_INFINITY, f64::INFINITY), |(left, right)| {
        let half = |item: usize| layers.items[item].width / 2.0;
        let low = left + half(rank[0]);
        (low, (right - half(rank[rank.len() - 1]) - shift).max(low))
    });
    let means = pools
        .iter()
        .flat_map(|&(mean, _, members)| std::iter::repeat_n(mean.clamp(low, high), members));
    for ((mean, shift), &item) in means.zip(shifts).zip(rank) {
        x[item] = mean + shift;
    }
}
