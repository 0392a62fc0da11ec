//! The residual stream and its writers, against plain sums in double precision.

use secateur::analyze::residual::{ResidualTask, residual};
use secateur::engine::Transformer;
use secateur::events::Silent;

use crate::lens::{assert_close, models, tokens};
use crate::oracle::{self, Rows, dot};

/// The cosine; 0 where one is nothing but rounding.
fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let norms = [one, other].map(|row| dot(row, row).sqrt());
    if norms.iter().any(|norm| *norm < 1e-12) {
        return 0.0;
    }
    dot(one, other) / (norms[0] * norms[1])
}

#[test]
fn norms_shares_and_cosines_are_those_of_plain_streams() {
    for (name, weights, graph) in models() {
        let config = &weights.config;
        let transformer = Transformer::new(&weights, &graph);
        let direction: Vec<f64> = (0..config.d_model)
            .map(|at| (at as f64 * 1.3).sin())
            .collect();
        let prompts = [
            (tokens(config, 5, 1), vec![1, 3]),
            (tokens(config, 4, 2), vec![2]),
        ];
        let task = ResidualTask {
            prompts: &prompts,
            directions: &[("somewhere".into(), direction.clone())],
            bootstrap: 20,
            random_baselines: 2,
        };
        let report = residual(&transformer, &task, &Silent).expect("a report");
        let plain = prompts
            .each_ref()
            .map(|(tokens, _)| oracle::streams(&weights, &graph, tokens));
        // The mean over prompts of the mean over positions.
        let mean = |of: &dyn Fn(&[Rows], usize) -> f64| {
            f64::midpoint(
                f64::midpoint(of(&plain[0], 1), of(&plain[0], 3)),
                of(&plain[1], 2),
            )
        };
        let norm = |row: &[f64]| dot(row, row).sqrt();
        for (at, place) in report.places.iter().enumerate() {
            let wanted = mean(&|streams, position| norm(&streams[2 * at][position]));
            assert_close(
                &[place.norm.mean],
                &[wanted],
                &format!("{name}, norm at {}", place.place),
            );
        }
        // What attention or MLP writes is the difference of two places.
        let written = |streams: &[Rows], position: usize, at: usize| -> Vec<f64> {
            let (after, before) = (&streams[at + 1][position], &streams[at][position]);
            after
                .iter()
                .zip(before)
                .map(|(after, before)| after - before)
                .collect()
        };
        let mut seen = 0;
        for writer in &report.writers {
            let Some(layer) = writer.layer else { continue };
            let at = 2 * layer + usize::from(writer.writer.starts_with("MLP"));
            let what = format!("{name}, {}", writer.writer);
            let own = mean(&|streams, position| norm(&written(streams, position, at)));
            assert_close(&[writer.norm.mean], &[own], &what);
            let share = mean(&|streams, position| {
                norm(&written(streams, position, at)) / norm(&streams[at][position])
            });
            assert_close(&[writer.share.expect("a share").mean], &[share], &what);
            let along = mean(&|streams, position| {
                cosine(&written(streams, position, at), &streams[at][position])
            });
            assert!(
                (writer.cosine.expect("a cosine").mean - along).abs() < 1e-6,
                "{what}"
            );
            seen += 1;
        }
        assert_eq!(seen, config.n_layers * (1 + usize::from(config.has_mlps())));
        let places = report.writers.iter().map(|writer| {
            let layer = writer.layer?;
            Some(2 * layer + usize::from(writer.writer.starts_with("MLP")))
        });
        let places: Vec<Option<usize>> = places.collect();
        for (values, row) in report.cosines.iter().zip(&places) {
            for (value, column) in values.iter().zip(&places) {
                let (Some(row), Some(column)) = (*row, *column) else {
                    continue;
                };
                let wanted = mean(&|streams, position| {
                    cosine(
                        &written(streams, position, row),
                        &written(streams, position, column),
                    )
                });
                assert!(
                    (value - wanted).abs() < 1e-6,
                    "{name}: {value}, not {wanted}"
                );
            }
        }
        // All parts together write the final stream into the direction.
        let parts = &report.directions[0].parts;
        let sum: f64 = parts.iter().map(|part| part.along.mean).sum();
        let unit = norm(&direction);
        let wanted = mean(&|streams, position| {
            dot(&streams[streams.len() - 1][position], &direction) / unit
        });
        assert_close(&[sum], &[wanted], &format!("{name}, along the direction"));
        assert!(parts.is_sorted_by(|a, b| a.along.mean.abs() >= b.along.mean.abs()));
    }
}
