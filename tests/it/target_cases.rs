//! Searches for a target that the whole graph reaches, on prompts whose last third says otherwise: run as a user runs them.

use std::path::Path;

use crate::program::{done, secateur, text};

/// Runs the spec of a case; its report and what was said.
fn run(case: &str) -> (serde_json::Value, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cases");
    let spec = folder.join(case).join("spec.ron").display().to_string();
    let out = tempfile::tempdir().expect("a folder");
    let output = secateur(out.path(), &["run", &spec, "--out", "results"]);
    done(&output);
    let results = fs_err::read_dir(out.path().join("results/t")).expect("results");
    let results = results.map(|entry| entry.expect("a folder").path());
    let folder = results.into_iter().next().expect("a result");
    let report = fs_err::read(folder.join("report.json")).expect("a report");
    (
        serde_json::from_slice(&report).expect("JSON"),
        text(&output.stderr),
    )
}

fn warns(report: &serde_json::Value, said: &str) {
    let warning = "validation was not possible";
    let warnings = report["warnings"].as_array().expect("warnings").iter();
    let mut warnings = warnings.filter_map(serde_json::Value::as_str);
    assert!(
        warnings.any(|it| it.starts_with(warning)),
        "{:?}",
        report["warnings"]
    );
    assert!(said.contains(warning), "{said}");
}

#[test]
fn a_third_of_the_other_sign_does_not_miss_the_target() {
    let (report, said) = run("target-validation-sign");
    let of = |key: &str| report["discovery"][key].as_f64().expect("a number");
    assert!(of("faithfulness") >= 0.8, "{}", of("faithfulness"));
    // Made with a plain model in numpy.
    assert!((of("metric_full") - 2.308_937_7).abs() < 1e-6);
    assert!((of("metric_empty") + 0.719_362_9).abs() < 1e-6);
    warns(&report, &said);
    assert_eq!(report["split"]["discovery"], "1-8");
    assert_eq!(report["split"]["held_out"], "");
}

#[test]
fn a_third_without_a_gap_is_no_error() {
    let (report, said) = run("target-accuracy-false-error");
    let of = |key: &str| report["discovery"][key].as_f64().expect("a number");
    assert!(of("faithfulness") >= 0.8, "{}", of("faithfulness"));
    assert!((of("accuracy_full") - 1.0).abs() < 1e-12);
    assert!((of("metric_empty") - 2.0 / 3.0).abs() < 1e-12);
    warns(&report, &said);
}
