//! Faithfulness against size as a plot.

use crate::evaluate::{CurvePoint, SplitScores};
use crate::report::plots::plot::{Look, Plot, PlotPoint, Series};

/// The curves of both rankings, and the circuit itself; none without curves.
pub(crate) fn svg(figures: &SplitScores, edges_kept: usize) -> Option<String> {
    let by_magnitude = series("by |score|", figures.curve.as_ref()?);
    let mut series_all = vec![by_magnitude];
    series_all.extend(figures.curve_signed.iter().map(|it| series("by score", it)));
    if let (Some(faithfulness), true) = (figures.faithfulness, edges_kept > 0) {
        series_all.push(Series {
            name: "this circuit".into(),
            points: vec![PlotPoint {
                x: edges_kept as f64,
                y: faithfulness,
                interval: figures.faithfulness_interval,
            }],
        });
    }
    let plot = Plot {
        title: "Faithfulness by number of edges".into(),
        x_label: "edges kept".into(),
        y_label: "faithfulness (95 % interval)".into(),
        reference: Some(("full model".into(), 1.0)),
        series: series_all,
    };
    Some(plot.drawn(Look {
        log_x: true,
        ..Look::default()
    }))
}

fn series(name: &str, points: &[CurvePoint]) -> Series {
    let points = points.iter().filter(|point| point.edges > 0);
    Series {
        name: name.into(),
        points: points
            .map(|point| PlotPoint {
                x: point.edges as f64,
                y: point.faithfulness.unwrap_or(f64::NAN),
                interval: point.interval,
            })
            .collect(),
    }
}
