//! Pages: one file each, what varies escaped, the same bytes for the same result.

use std::collections::BTreeMap;

use secateur::discover::Decision;
use secateur::evaluate::{Evaluation, ExampleScores, SplitScores};
use secateur::graph::{Circuit, EdgeMask};
use secateur::report::{
    AttentionExample, AttentionExamples, CircuitPage, Comparison, Figure, FigureOptions,
    HeadAttention, Html, PageStamp, PromptText, RunDetails, analysis_html, circuit_html,
    compare_html, exporter,
};

use super::{file, small};

const HOSTILE: &str = "</script><img src=x onerror=alert(1)><!-- \u{2028} \"' &amp;";

/// What stands in the page's element `data`.
fn data(page: &str) -> serde_json::Value {
    let start = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = page.split_once(start).expect("data");
    let (json, _) = rest.split_once("</script>").expect("an end");
    serde_json::from_str(json).expect("JSON")
}

/// The page has the scripts that are ours and no other markup from data; nothing is loaded.
fn check_safe(page: &str, scripts: usize) {
    assert_eq!(page.matches("<script").count(), scripts);
    assert_eq!(page.matches("</script>").count(), scripts);
    assert!(!page.contains("<img"), "an image from data");
    for loading in [
        " src=", "url(", "@import", "<link", "fetch(", "http://", "https://",
    ] {
        let ours = page
            .replace("http://www.w3.org/2000/svg", "")
            .replace("&lt;img src=", "");
        let ours = ours.replace("\\u003cimg src=", "");
        assert!(!ours.contains(loading), "{loading}");
    }
}

fn hostile_page() -> String {
    let (config, graph, circuit) = small();
    let mut circuit_file = file(&config, &graph, &circuit);
    for text in [
        &mut circuit_file.name,
        &mut circuit_file.task,
        &mut circuit_file.method,
        &mut circuit_file.ablation,
        &mut circuit_file.metric,
        &mut circuit_file.spec_hash,
        &mut circuit_file.data_hash,
        &mut circuit_file.model.name,
        &mut circuit_file.model.hash,
    ] {
        *text = HOSTILE.into();
    }
    circuit_file.figures.insert(HOSTILE.into(), 1.0);
    let each = ExampleScores {
        metric_full: 2.0,
        metric_empty: -2.0,
        metric_circuit: -1.0,
        accuracy_full: 1.0,
        accuracy_circuit: 0.0,
    };
    let evaluation = Evaluation {
        held_out: SplitScores {
            examples: 1,
            each: vec![each],
            ..SplitScores::default()
        },
        discovery: SplitScores::default(),
        edges_kept: circuit.kept.len(),
        edges_total: graph.edge_count(),
        nodes_kept: 1,
        nodes_total: 2,
        near_ties: 0,
    };
    let attention = AttentionExamples {
        prompts: vec![AttentionExample {
            tokens: vec![HOSTILE.into()],
        }],
        heads: vec![HeadAttention {
            head: "a0.h0".into(),
            patterns: vec!["_".into()],
        }],
    };
    let trace: Vec<Decision> = circuit.kept.edges(&graph)[..1]
        .iter()
        .map(|&edge| Decision {
            edge,
            change: 0.25,
            kept: true,
            tested: true,
        })
        .collect();
    let page = CircuitPage {
        file: &circuit_file,
        graph: &graph,
        circuit: &circuit,
        run: Some(RunDetails {
            evaluation: &evaluation,
            trace: Some(&trace),
            prompts: &[PromptText {
                clean: HOSTILE.into(),
                answer: HOSTILE.into(),
            }],
            attention: &attention,
            warnings: &[HOSTILE.into()],
            spec: HOSTILE,
            secateur: "0",
        }),
    };
    let figure = Figure::new(&circuit_file).expect("a figure");
    circuit_html(&page, &figure).expect("a page")
}

#[test]
fn hostile_texts_stay_texts() {
    let page = hostile_page();
    check_safe(&page, 3);
    let data = data(&page);
    // All of it, but for the separator of lines, which nobody would see.
    let shown = HOSTILE.replace('\u{2028}', "\u{fffd}");
    assert_eq!(data["attention"]["prompts"][0]["tokens"][0], shown);
    assert!(page.contains("<span class=\"wrong\">wrong</span>"));
    assert_eq!(page, hostile_page(), "other bytes for the same result");

    let stamp = PageStamp {
        title: HOSTILE,
        finding: HOSTILE,
        secateur: "0",
        spec: HOSTILE.into(),
        spec_hash: HOSTILE.into(),
        model: HOSTILE.into(),
        weights: HOSTILE,
        model_hash: HOSTILE,
    };
    let unit = serde_json::json!({"feature": 3, "density": 0.5, "mean": 1.0, "contexts":
        [{"activation": 2.0, "before": HOSTILE, "token": HOSTILE}, {"activation": -1.0, "before": "", "token": "b"}]});
    let report = serde_json::json!({ "described": [unit] });
    let files = BTreeMap::from([
        ("report.txt", HOSTILE.as_bytes().to_vec()),
        ("samples.txt", HOSTILE.as_bytes().to_vec()),
        ("report.json", report.to_string().into_bytes()),
        ("plot.svg", b"<svg><text>of ours</text></svg>".to_vec()),
        ("weights.safetensors", vec![255, 0]),
    ]);
    let page = analysis_html(&stamp, &files);
    check_safe(&page, 1);
    for part in [
        "<svg><text>of ours</text></svg>",
        "<h3>feature 3</h3>",
        "<mark class=\"high\" style=\"--share:100%\">",
        "<mark class=\"low\" style=\"--share:50%\">b</mark>",
        "<summary>samples.txt</summary>",
    ] {
        assert!(page.contains(part), "{part}");
    }

    let row = Comparison {
        name: HOSTILE.into(),
        model: HOSTILE.into(),
        method: HOSTILE.into(),
        edges_kept: 1,
        edges_total: 2,
        faithfulness: Some(0.5),
        interval: Some([0.4, 0.6]),
        accuracy: None,
        accuracy_interval: None,
        random: Some(0.1),
        warnings: vec![HOSTILE.into()],
    };
    check_safe(&compare_html(&[row.clone(), row]), 1);
    check_safe(&compare_html(&[]), 1);
}

#[test]
fn the_page_holds_edges_by_rank_with_their_effects() {
    let data = data(&hostile_page());
    let (_, graph, circuit) = small();
    let scores = circuit.scores.as_ref().expect("scores");
    let edges = &data["edges"];
    let held: Vec<f64> = edges["score"]
        .as_array()
        .expect("scores")
        .iter()
        .map(|score| score.as_f64().expect("a number"))
        .collect();
    assert_eq!(held.len(), graph.edge_count());
    assert!(held.windows(2).all(|pair| pair[0].abs() >= pair[1].abs()));
    let mass: f64 = scores.iter().map(|score| score.abs()).sum();
    assert!((data["mass"].as_f64().expect("a number") - mass).abs() < 1e-12);
    for (index, rank) in edges["rank"].as_array().expect("ranks").iter().enumerate() {
        assert_eq!(*rank, index + 1);
    }
    let kept = edges["kept"].as_str().expect("flags");
    assert_eq!(kept.matches('1').count(), circuit.kept.len());
    // Names put together from the data are those of the graph.
    let node = |which: &str, index: usize| {
        let number = edges[which][index].as_u64().expect("a number") as usize;
        data["nodes"][number]["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    };
    let ports = edges["port"].as_str().expect("ports");
    let mut names: Vec<String> = ports
        .chars()
        .enumerate()
        .map(|(index, port)| {
            let port = if port == '-' {
                String::new()
            } else {
                format!("<{port}>")
            };
            format!("{}->{}{port}", node("from", index), node("to", index))
        })
        .collect();
    let mut wanted: Vec<String> = (0..graph.edge_count())
        .map(|edge| graph.edge_name(edge))
        .collect();
    names.sort();
    wanted.sort();
    assert_eq!(names, wanted);
    let effects = edges["effect"].as_array().expect("effects");
    assert_eq!(effects.iter().filter(|effect| **effect == 0.25).count(), 1);
    assert_eq!(
        effects.iter().filter(|effect| effect.is_null()).count(),
        effects.len() - 1
    );
}

#[test]
fn a_circuit_file_alone_has_a_page() {
    let (config, graph, circuit) = small();
    let circuit_file = file(&config, &graph, &circuit);
    let bytes = exporter("html")
        .expect("the format")
        .export(&circuit_file, &FigureOptions::default())
        .expect("a page");
    let page = String::from_utf8(bytes).expect("text");
    check_safe(&page, 3);
    let held = data(&page);
    assert_eq!(
        held["edges"]["from"].as_array().map(Vec::len),
        Some(circuit.kept.len())
    );
    assert_eq!(held["ranked"], false);
    assert!(page.contains("<svg"), "no drawing");

    // An empty circuit without scores too.
    let nothing = Circuit {
        kept: EdgeMask::empty(&graph),
        scores: None,
    };
    let empty = file(&config, &graph, &nothing);
    let figure = Figure::new(&empty).expect("a figure");
    let page = Html::of_file(&empty, &figure).expect("a page");
    assert_eq!(data(&page)["nodes"].as_array().map(Vec::len), Some(2));
}
