//! The curve of a ranking: circuits of MIB's ten sizes, and the areas that sum them up.

use super::CurvePoint;
use super::bootstrap::intervals;
use super::faithfulness::faithfulness_on_part;
use super::proportion::share_interval;
use crate::engine::mean;
use crate::graph::{ComputationGraph, Dangling, EdgeMask};

/// MIB's ten sizes, as shares of the graph's edges.
pub(super) const SHARES: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// A curve with the area that belongs to its ranking.
pub(super) struct Curve {
    pub(super) points: Vec<CurvePoint>,
    pub(super) area: Option<f64>,
    pub(super) area_interval: Option<[f64; 2]>,
}

/// What was measured of the circuits of a curve: `[sizes][examples]`.
pub(super) struct Measured {
    pub(super) metric: Vec<Vec<f64>>,
    pub(super) accuracy: Vec<Vec<f64>>,
    /// KL(full model || circuit).
    pub(super) kl: Vec<Vec<f64>>,
}

/// The metric per example with every edge kept, and with none.
#[derive(Clone, Copy)]
pub(super) struct Ends<'e> {
    pub(super) full: &'e [f64],
    pub(super) empty: &'e [f64],
}

/// The first edges of a ranking, at each size, without dangling parts.
pub fn circuits(graph: &ComputationGraph, order: &[usize]) -> Vec<EdgeMask> {
    SHARES
        .iter()
        .map(|&share| {
            let count = (share * order.len() as f64) as usize;
            let mask = EdgeMask::from_edges(graph, order[..count].iter().copied());
            graph.drop_dangling(&mask, Dangling::NoPathEitherWay)
        })
        .collect()
}

/// The points of a curve, by the edges of its circuits, and the area under `height` of its faithfulness, with intervals from the same resamples.
pub(super) fn curve(
    edges: &[usize],
    measured: &Measured,
    ends: Ends<'_>,
    height: fn(f64) -> f64,
    resamples: usize,
) -> Curve {
    let whole = mean(ends.full) - mean(ends.empty);
    let statistics = |picks: &[usize]| {
        let pick = |from: &[f64]| mean(&picks.iter().map(|&index| from[index]).collect::<Vec<_>>());
        let (full, empty) = (pick(ends.full), pick(ends.empty));
        let sizes = measured.metric.iter();
        let mut values: Vec<Option<f64>> = sizes
            .map(|values| faithfulness_on_part(pick(values), full, empty, whole))
            .collect();
        values.push(area(&values, height));
        values
    };
    let all: Vec<usize> = (0..ends.full.len()).collect();
    let mut values = statistics(&all);
    let mut intervals = intervals(all.len(), resamples, 0, statistics);
    let (area, area_interval) = (values.pop().flatten(), intervals.pop().flatten());
    let points = (0..edges.len())
        .map(|size| CurvePoint {
            share: SHARES[size],
            edges: edges[size],
            faithfulness: values[size],
            interval: intervals[size],
            accuracy: mean(&measured.accuracy[size]),
            accuracy_interval: share_interval(&measured.accuracy[size]),
            kl: mean(&measured.kl[size]),
        })
        .collect();
    Curve {
        points,
        area,
        area_interval,
    }
}

/// Area under `height` of the faithfulness over the nominal shares, by trapezoids (MIB).
fn area(faithfulness: &[Option<f64>], height: fn(f64) -> f64) -> Option<f64> {
    let heights: Vec<f64> = faithfulness
        .iter()
        .map(|value| value.map(height))
        .collect::<Option<_>>()?;
    let trapezoids = SHARES.windows(2).zip(heights.windows(2));
    Some(
        trapezoids
            .map(|(shares, heights)| (shares[1] - shares[0]) * (heights[0] + heights[1]) / 2.0)
            .sum(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap;
    use super::*;

    /// With the same range for every example, an area is a mean over examples, and so is its resample.
    #[test]
    fn the_interval_of_an_area_takes_the_same_examples_at_every_size() {
        let examples = 9;
        let metric: Vec<Vec<f64>> = (0..SHARES.len())
            .map(|size| {
                let value = |example: usize| ((example * 7 + size * 5) % 11) as f64 / 10.0;
                (0..examples).map(value).collect()
            })
            .collect();
        let (ones, zeros) = (vec![1.0; examples], vec![0.0; examples]);
        let areas: Vec<f64> = (0..examples)
            .map(|example| {
                let values: Vec<_> = metric.iter().map(|values| Some(values[example])).collect();
                area(&values, |value| value).expect("an area")
            })
            .collect();
        let ends = Ends {
            full: &ones,
            empty: &zeros,
        };
        let measured = Measured {
            accuracy: metric.clone(),
            kl: metric.clone(),
            metric,
        };
        let found = curve(&[0; SHARES.len()], &measured, ends, |value| value, 80);
        let wanted = bootstrap(&areas, &ones, &zeros, 80, 0).expect("an interval");
        let interval = found.area_interval.expect("an interval");
        for (found, wanted) in interval.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
        }
        assert!((found.area.expect("an area") - mean(&areas)).abs() < 1e-12);
    }

    #[test]
    fn areas_are_trapezoids_over_the_shares() {
        let flat = vec![Some(0.5); SHARES.len()];
        let all = area(&flat, |value| value).expect("an area");
        assert!((all - 0.5 * 0.999).abs() < 1e-12);
        let mut rising = vec![Some(0.0); SHARES.len()];
        rising[9] = Some(1.0);
        let last = area(&rising, |value| value).expect("an area");
        assert!((last - 0.25).abs() < 1e-12);
        let away = area(&rising, |value| (1.0 - value).abs()).expect("an area");
        assert!((away - (0.999 - 0.25)).abs() < 1e-12);
        rising[3] = None;
        assert_eq!(area(&rising, |value| value), None);
    }
}
