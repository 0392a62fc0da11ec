//! Numbers for LaTeX and plots of results.

use std::collections::BTreeMap;

use secateur::report::{
    PaperReport, PaperResult, Theme, curve_svg, heads_svg, numbers_tex, recoloured, result_names,
    roc_svg, scores_svg,
};

use super::{file, small, xml};

fn result(name: &str, model: &str) -> PaperResult {
    let (config, graph, circuit) = small();
    let scores = (0..graph.edge_count()).map(|edge| {
        let score = circuit.scores.as_ref().unwrap()[edge];
        (graph.edge_name(edge), score)
    });
    let mut file = file(&config, &graph, &circuit);
    file.name = name.into();
    file.model.name = model.into();
    let report = r#"{"examples": 64, "edges_kept": 5, "edges_total": 12345, "metric_full": 4.0,
        "metric_empty": -4.656, "metric_circuit": 3.5, "faithfulness": 0.926,
        "faithfulness_interval": [0.86, 1.01], "accuracy_full": 0.875, "accuracy_circuit": 0.625,
        "random": {"mean": -0.001}, "unknown": 1,
        "curve": [{"edges": 0, "faithfulness": 0.0, "interval": null},
                  {"edges": 3, "faithfulness": 0.4, "interval": [0.3, 0.5]},
                  {"edges": 40, "faithfulness": 0.9, "interval": [0.8, 1.0]},
                  {"edges": 12345, "faithfulness": 1.0, "interval": [1.0, 1.0]}]}"#;
    PaperResult {
        report: PaperReport::parse(report, "report.json").unwrap(),
        scores: Some(scores.collect::<BTreeMap<String, f64>>()),
        file,
    }
}

#[test]
fn numbers_are_commands() {
    insta::assert_snapshot!(numbers_tex(&[result("ioi_2", "toy")]).unwrap());
}

#[test]
fn names_are_apart_or_refused() {
    let two = [result("ioi", "toy-a"), result("ioi", "toy-b")];
    assert_eq!(result_names(&two), ["ioi-toy-a", "ioi-toy-b"]);
    let numbers = numbers_tex(&two).unwrap();
    assert!(
        numbers.contains("\\newcommand{\\ioiToyAEdges}{5}"),
        "{numbers}"
    );
    let alike = [result("ioi-x", "toy"), result("ioi_x", "toy")];
    let error = numbers_tex(&alike).unwrap_err().to_string();
    assert!(error.contains("both define \\ioiX"), "{error}");
    // One name with another's figure after it.
    let nested = [result("a", "toy"), result("aRandom", "toy")];
    let error = numbers_tex(&nested).unwrap_err().to_string();
    assert!(error.contains("\\aRandomFaithfulness"), "{error}");
}

#[test]
fn plots_of_results_are_well_formed_and_hold_their_text() {
    let two = [result("ioi", "toy-a"), result("ioi", "toy-b")];
    let reference = two[0].file.clone();
    let plots = [
        curve_svg(&two).unwrap(),
        scores_svg(&two).unwrap(),
        heads_svg(&two[0]).unwrap(),
        roc_svg(&two, &reference).unwrap(),
    ];
    for svg in plots {
        for theme in [Theme::Light, Theme::Dark, Theme::Print] {
            let svg = recoloured(&svg, theme, "plot.svg").unwrap();
            assert_eq!(xml::check(&svg), Ok(()));
            super::pictures::check_texts(&svg);
        }
    }
    assert!(curve_svg(&two).unwrap().contains(">10,000</text>"));
    // The ranking that the reference was taken from finds it.
    let roc = roc_svg(&two, &reference).unwrap();
    assert!(roc.contains("ioi-toy-a (area 1.000)"), "{roc}");
}

#[test]
fn a_reference_needs_scores_of_all_edges() {
    let mut one = result("ioi", "toy");
    let reference = one.file.clone();
    one.scores = None;
    let error = roc_svg(&[one], &reference).unwrap_err().to_string();
    assert!(error.contains("edges.csv"), "{error}");
}
