//! Plots of results: faithfulness against edges, how scores are distributed, what heads write, and how a ranking finds
//! the edges of a known circuit.

use std::collections::{BTreeMap, BTreeSet};

use super::heat_map::{Colours, HeatCell, HeatMap};
use super::plot::{Look, Plot, PlotPoint, Scale, Series};
use crate::error::{Error, Result};
use crate::report::CircuitFile;
use crate::report::paper::{PaperResult, result_names};
use crate::report::text::{number_of, short};

/// Faithfulness against the number of edges, of every result that has a curve, and its circuit as a point of its own;
/// `None` where none has.
pub fn curve_svg(results: &[PaperResult]) -> Option<String> {
    let mut series = Vec::new();
    for (result, name) in results.iter().zip(names(results)) {
        let Some(curve) = &result.report.curve else {
            continue;
        };
        let points = curve.iter().filter(|point| point.edges > 0);
        series.push(Series {
            name,
            points: points
                .map(|point| PlotPoint {
                    x: point.edges as f64,
                    y: point.faithfulness.unwrap_or(f64::NAN),
                    interval: point.interval,
                })
                .collect(),
        });
    }
    if series.is_empty() {
        return None;
    }
    let plot = Plot {
        title: "Faithfulness by number of edges".into(),
        x_label: "edges kept".into(),
        y_label: "faithfulness (95 % interval)".into(),
        reference: Some(("full model".into(), 1.0)),
        series,
    };
    Some(plot.drawn(Look {
        log_x: true,
        bands: true,
        ..Look::default()
    }))
}

/// Names for legends: those of files, with the method where two results differ in nothing else.
fn names(results: &[PaperResult]) -> Vec<String> {
    let names = result_names(results);
    let several = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let named = results.iter().zip(&names).map(|(result, name)| {
        if several(name) {
            format!("{name}, {}", result.file.method)
        } else {
            name.clone()
        }
    });
    named.collect()
}

/// Points of a line at most; more cannot be told apart.
const MOST_POINTS: usize = 300;

/// How many edges have a `|score|` of at least so much; `None` where no result has scores.
pub fn scores_svg(results: &[PaperResult]) -> Option<String> {
    let mut series = Vec::new();
    for (result, name) in results.iter().zip(names(results)) {
        let scores = scores_of(result);
        let mut sizes: Vec<f64> = scores.values().map(|score| score.abs()).collect();
        sizes.retain(|size| *size > 0.0);
        sizes.sort_by(|a, b| b.total_cmp(a));
        if sizes.is_empty() {
            continue;
        }
        let points = places(sizes.len()).into_iter().map(|rank| PlotPoint {
            x: sizes[rank],
            y: (rank + 1) as f64,
            interval: None,
        });
        series.push(Series {
            name,
            points: points.collect(),
        });
    }
    if series.is_empty() {
        return None;
    }
    let plot = Plot {
        title: "Distribution of scores".into(),
        x_label: "|score|".into(),
        y_label: "edges with at least this |score|".into(),
        reference: None,
        series,
    };
    Some(plot.drawn(Look {
        log_x: true,
        y: Scale::Logarithmic,
        bands: true,
    }))
}

/// Places of a list that are about equally far apart on a logarithmic axis, with the first and the last.
fn places(count: usize) -> Vec<usize> {
    let last = count.saturating_sub(1);
    let top = (count as f64).ln();
    let mut places: Vec<usize> = (0..MOST_POINTS)
        .map(|step| ((top * step as f64 / (MOST_POINTS - 1) as f64).exp() - 1.0).round() as usize)
        .map(|place| place.min(last))
        .collect();
    places.dedup();
    places
}

/// The scores of all edges, or those of the kept ones where a result has no others.
fn scores_of(result: &PaperResult) -> BTreeMap<String, f64> {
    result.scores.clone().unwrap_or_else(|| {
        let entries = result.file.edges.iter();
        entries
            .filter_map(|entry| Some((entry.edge.clone(), entry.score?)))
            .collect()
    })
}

/// What each head and MLP writes into the circuit: the sum of the scores of its kept edges, by layer; `None` without
/// scores.
pub fn heads_svg(result: &PaperResult) -> Option<String> {
    let config = &result.file.model.config;
    let mut sums = BTreeMap::<(usize, usize), (f64, usize)>::new();
    for entry in &result.file.edges {
        let score = entry.score?;
        let (writer, _) = entry.edge.split_once("->")?;
        let cell = cell_of(writer, config.n_heads);
        if let Some(cell) = cell {
            let sum = sums.entry(cell).or_insert((0.0, 0));
            *sum = (sum.0 + score, sum.1 + 1);
        }
    }
    let columns = config.n_heads + 1;
    let cells = (0..config.n_layers)
        .rev()
        .flat_map(|layer| (0..columns).map(move |column| (layer, column)))
        .map(|place| {
            let found = sums.get(&place);
            HeatCell {
                value: found.map(|(sum, _)| *sum),
                label: String::new(),
                tooltip: found.map_or_else(Vec::new, |(sum, edges)| {
                    vec![format!("{}: {}", short(*sum), number_of(*edges, "edge"))]
                }),
            }
        })
        .collect();
    let heads = (0..config.n_heads).map(|head| format!("h{head}"));
    let map = HeatMap {
        title: format!("What heads write: {}", result.file.name),
        row_axis: "layer".into(),
        column_axis: "head, and MLP".into(),
        rows: (0..config.n_layers)
            .rev()
            .map(|layer| layer.to_string())
            .collect(),
        columns: heads.chain(["MLP".into()]).collect(),
        cells,
        colours: Colours::Diverging,
        legend: "sum of scores of kept edges".into(),
    };
    Some(map.svg())
}

/// Row and column of a writer; MLPs and their neurons have the column after the heads.
fn cell_of(writer: &str, heads: usize) -> Option<(usize, usize)> {
    if let Some(head) = writer.strip_prefix('a') {
        let (layer, head) = head.split_once(".h")?;
        return Some((layer.parse().ok()?, head.parse().ok()?));
    }
    let layer = writer.strip_prefix('m')?.split('.').next()?;
    Some((layer.parse().ok()?, heads))
}

/// How well each result's ranking by `|score|` finds the edges of a reference circuit: the share of its edges that are
/// ranked above, against the share of all other edges that are.
///
/// # Errors
/// When a result has no scores of all edges, or the reference has none or all of the edges.
pub fn roc_svg(results: &[PaperResult], reference: &CircuitFile) -> Result<String> {
    let known: BTreeSet<&str> = reference
        .edges
        .iter()
        .map(|entry| &entry.edge[..])
        .collect();
    let mut series = Vec::new();
    for (result, name) in results.iter().zip(names(results)) {
        let Some(scores) = &result.scores else {
            return Err(Error::data(
                name,
                "a curve against a reference needs the scores of all edges: edges.csv of a method that scores, which the output `Csv` writes",
            ));
        };
        let ranked: Vec<(f64, bool)> = scores
            .iter()
            .map(|(edge, score)| (score.abs(), known.contains(&edge[..])))
            .collect();
        let inside = ranked.iter().filter(|(_, inside)| *inside).count();
        let outside = ranked.len() - inside;
        if inside < reference.edges.len() || outside == 0 {
            return Err(Error::data(
                reference.name.clone(),
                format!(
                    "{inside} of the reference's {} edges are among the {} of `{name}`; all must be, and not be all of them",
                    reference.edges.len(),
                    ranked.len()
                ),
            ));
        }
        let (points, area) = roc(ranked, inside, outside);
        series.push(Series {
            name: format!("{name} (area {area:.3})"),
            points,
        });
    }
    let plot = Plot {
        title: format!("Edges of {} found", reference.name),
        x_label: "share of the other edges ranked above".into(),
        y_label: "share of the reference's edges ranked above".into(),
        reference: None,
        series,
    };
    Ok(plot.drawn(Look {
        bands: true,
        ..Look::default()
    }))
}

/// The curve and the area below it; edges with equal scores count as one step.
fn roc(mut ranked: Vec<(f64, bool)>, inside: usize, outside: usize) -> (Vec<PlotPoint>, f64) {
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut places = vec![[0.0, 0.0]];
    let (mut hits, mut misses) = (0, 0);
    for (index, &(size, is_inside)) in ranked.iter().enumerate() {
        if is_inside {
            hits += 1;
        } else {
            misses += 1;
        }
        let ends = ranked.get(index + 1).is_none_or(|&(next, _)| next < size);
        if ends {
            places.push([misses as f64 / outside as f64, hits as f64 / inside as f64]);
        }
    }
    let area = places
        .windows(2)
        .map(|pair| (pair[1][0] - pair[0][0]) * f64::midpoint(pair[0][1], pair[1][1]))
        .sum();
    let every = places.len().div_ceil(MOST_POINTS * 4);
    let last = places.len() - 1;
    let points = places
        .iter()
        .enumerate()
        .filter(|(index, _)| index % every == 0 || *index == last)
        .map(|(_, &[x, y])| PlotPoint {
            x,
            y,
            interval: None,
        })
        .collect();
    (points, area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        // Pairs of an edge inside and one outside: 3 of 4 in order, then a tie as a half.
        let area = |ranked: &[(f64, bool)]| roc(ranked.to_vec(), 2, 2).1;
        let ranked = [(4.0, true), (3.0, false), (2.0, true), (1.0, false)];
        assert!((area(&ranked) - 0.75).abs() < 1e-12);
        let tied = [(4.0, true), (2.0, false), (2.0, true), (1.0, false)];
        assert!((area(&tied) - 0.875).abs() < 1e-12);
    }

    #[test]
    fn places_hold_both_ends() {
        assert_eq!(places(1), [0]);
        assert_eq!(places(5), [0, 1, 2, 3, 4]);
        let many = places(70_651);
        assert!(many.len() <= MOST_POINTS && many[0] == 0 && many.ends_with(&[70_650]));
    }
}
