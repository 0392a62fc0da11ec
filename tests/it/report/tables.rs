//! Tables, `report.json` and `trace.jsonl`.

use secateur::discover::{Decision, SearchRecord};
use secateur::evaluate::{Baseline, CurvePoint, Evaluation, SplitScores};
use secateur::graph::Circuit;
use secateur::report::{
    Comparison, Provenance, REPORT_FORMAT, Rows, compare_csv, compare_latex, compare_markdown,
    compare_text, curve_csv, edges_csv, report_json, trace_lines,
};

use super::small;

fn figures() -> SplitScores {
    SplitScores {
        examples: 4,
        metric_full: 3.5,
        metric_empty: -0.1,
        metric_circuit: 3.0,
        faithfulness: Some(0.861_111_111_111_111_2),
        faithfulness_interval: Some([0.8, 0.9]),
        accuracy_full: Some(1.0),
        accuracy_full_interval: Some([0.51, 1.0]),
        accuracy_circuit: None,
        accuracy_circuit_interval: None,
        kl_circuit: Some(0.25),
        curve: Some(curve()),
        curve_signed: Some(curve()[2..].to_vec()),
        cpr: Some(0.7),
        cpr_interval: None,
        cmd: Some(1e-20),
        cmd_interval: Some([0.0, 1e-19]),
        random: Some(Baseline {
            mean: 0.1,
            max: 0.2,
            values: vec![0.0, 0.2],
        }),
        permuted: None,
        each: Vec::new(),
    }
}

fn curve() -> Vec<CurvePoint> {
    let point = |share, edges, faithfulness| CurvePoint {
        share,
        edges,
        faithfulness,
        interval: faithfulness.map(|value: f64| [value - 0.1, value + 0.25]),
        accuracy: 0.5,
        accuracy_interval: [0.25, 0.75],
        kl: 1.0 - share,
    };
    vec![
        point(0.001, 1, None),
        point(0.1, 2, Some(0.3)),
        point(1.0, 20, Some(1.0)),
    ]
}

#[test]
fn the_report_has_the_same_keys_for_both_splits() {
    let evaluation = Evaluation {
        held_out: figures(),
        discovery: SplitScores {
            metric_full: f64::NAN,
            ..SplitScores::default()
        },
        edges_kept: 5,
        edges_total: 20,
        nodes_kept: 4,
        nodes_total: 7,
        near_ties: 0,
    };
    let word = String::from;
    let provenance = Provenance {
        format: REPORT_FORMAT,
        secateur: word("0.1.0"),
        spec: word("ioi"),
        spec_hash: word("1e"),
        model: word("toy"),
        model_hash: word("0f"),
        model_identity: None,
        task: word("Ioi(pairs: 4, seed: 0)"),
        data_hash: word("2d"),
        method: word("EapIg(steps: 5)"),
        ablation: word("Patch"),
        metric: word("LogitDiff"),
    };
    let rows = Rows::split([vec![0, 1, 3], vec![2]]);
    let text = report_json(
        &evaluation,
        &rows,
        &provenance,
        &[word("tied scores at the cut")],
        Some(&SearchRecord::default()),
    )
    .unwrap();
    insta::assert_snapshot!(text);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let mut top = keys(&value);
    top.retain(|key| !["discovery", "search", "split", "provenance"].contains(&&key[..]));
    assert_eq!(top, keys(&value["discovery"]));
}

#[test]
fn the_trace_has_one_line_per_decision() {
    let (_, graph, _) = small();
    let decision = |name: &str, change, kept, tested| Decision {
        edge: graph.find_edge(name).unwrap(),
        change,
        kept,
        tested,
    };
    let lines = trace_lines(
        &graph,
        &[
            decision("m0->a1.h1<q>", 0.0123, true, true),
            decision("input->m0", 0.0, false, false),
        ],
    );
    insta::assert_snapshot!(lines.unwrap(), @r#"
    {"edge":"m0->a1.h1<q>","change":0.0123,"kept":true}
    {"edge":"input->m0","change":0.0,"kept":false,"tested":false}
    "#);
}

#[test]
fn edges_are_listed_by_magnitude() {
    let (_, graph, circuit) = small();
    let text = edges_csv(&graph, &circuit);
    assert_eq!(text.lines().count(), graph.edge_count() + 1);
    let top: Vec<&str> = text.lines().take(6).collect();
    insta::assert_snapshot!(top.join("\n"), @"
    edge,writer,reader,score,kept
    m1->logits,m1,logits,2.0,true
    a1.h1->m1,a1.h1,m1,1.0,true
    input->m0,input,m0,0.5,true
    m0->a1.h0<k>,m0,a1.h0<k>,0.25,true
    input->a1.h1<q>,input,a1.h1<q>,-0.125,true
    ");
    let bare = Circuit {
        scores: None,
        ..circuit
    };
    assert_eq!(edges_csv(&graph, &bare).lines().count(), 6);
}

#[test]
fn curves_are_listed_by_share() {
    insta::assert_snapshot!(curve_csv(&figures()), @"
    ranking,share,edges,faithfulness,low,high,accuracy,kl,accuracy_low,accuracy_high
    magnitude,0.001,1,,,,0.5,0.999,0.25,0.75
    magnitude,0.1,2,0.3,0.19999999999999998,0.55,0.5,0.9,0.25,0.75
    magnitude,1.0,20,1.0,0.9,1.25,0.5,0.0,0.25,0.75
    signed,1.0,20,1.0,0.9,1.25,0.5,0.0,0.25,0.75
    ");
}

#[test]
fn results_stand_side_by_side() {
    let row = |name: &str, method: &str, faithfulness| Comparison {
        name: name.into(),
        model: "smollm2-135m".into(),
        method: method.into(),
        edges_kept: 1413,
        edges_total: 70_651,
        faithfulness,
        interval: faithfulness.map(|f: f64| [f - 0.05, f + 0.05]),
        accuracy: Some(0.9375),
        accuracy_interval: Some([0.7989, 0.9827]),
        random: None,
        warnings: Vec::new(),
    };
    let doubtful = Comparison {
        warnings: vec![
            "accuracy falls from 100% | to 43%".into(),
            "2 prompts".into(),
        ],
        ..row("a|b_\"c\",\n50%", "Acdc(tau: 0.02)", None)
    };
    let rows = [row("ioi", "EapIg(steps: 5)", Some(0.912_345)), doubtful];
    let tables = [
        compare_text(&rows, usize::MAX),
        compare_csv(&rows),
        compare_markdown(&rows),
        compare_latex(&rows),
    ];
    insta::assert_snapshot!(tables.join("\n"));
}
