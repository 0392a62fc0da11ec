//! How the cost grows: which records make a line, and which do not.

use secateur::report::{BenchRecord, SweepPart, growth_svg, parse_bench};

use super::xml;

/// A record whose seconds are 0.001 for each token.
fn record(work: &str, [pairs, tokens, layers, heads]: [usize; 4]) -> BenchRecord {
    let seconds = 0.001 * (pairs * tokens) as f64;
    BenchRecord {
        work: work.into(),
        seconds: vec![2.0 * seconds, seconds],
        median: 1.5 * seconds,
        pairs,
        tokens,
        layers,
        heads,
        d_model: 64,
        graph_edges: 100 * layers * heads,
        circuits: 0,
        tau: None,
        edges: None,
        sweep: Vec::new(),
        operations: None,
        threads: 2,
        matrix_rate: None,
        bandwidth: None,
        share_of_matrix_rate: None,
    }
}

fn acdc(tau: f64, edges: usize) -> BenchRecord {
    let part = |decided| SweepPart {
        tested: 40,
        seconds: 0.2,
        edges: 1600 - decided,
        decided,
    };
    BenchRecord {
        tau: Some(tau),
        edges: Some(edges),
        sweep: vec![part(0), part(800)],
        ..record("acdc", [8, 16, 4, 4])
    }
}

fn records() -> Vec<BenchRecord> {
    let sizes = [
        [8, 16, 4, 4],
        [16, 16, 4, 4],
        [32, 16, 4, 4],
        [8, 32, 4, 4],
        [8, 16, 2, 4],
        [8, 16, 4, 2],
        // It differs from the others in two sizes, and is in no plot.
        [64, 64, 4, 4],
    ];
    let works = ["forward", "eap-ig"].into_iter();
    let mut found: Vec<BenchRecord> = works
        .flat_map(|work| sizes.map(|size| record(work, size)))
        .collect();
    found.extend([acdc(-1.0, 1600), acdc(0.01, 120)]);
    found
}

/// Text of the elements of a picture.
fn texts(svg: &str) -> Vec<String> {
    let pieces = svg.split("<text").skip(1);
    let inside = pieces.filter_map(|it| it.split_once('>')?.1.split_once('<'));
    inside.map(|(text, _)| text.to_owned()).collect()
}

#[test]
fn each_size_that_varies_alone_has_a_plot() {
    let svg = growth_svg(&records(), "growth.jsonl").expect("a plot");
    xml::check(&svg).expect("well-formed");
    let found = texts(&svg);
    for title in [
        "By examples",
        "By sequence length",
        "By layers",
        "By edges",
        "EAP-IG by token",
        "ACDC&#39;s tests, 4 layers",
        "threshold 0.01: 120 edges kept",
        "nothing goes",
    ] {
        let with = |it: &String| it.replace('\'', "&#39;").replace("&apos;", "&#39;") == title;
        assert!(found.iter().any(with), "{title}: {found:?}");
    }
    // Three sizes of examples and two of the others for two works; two dots of each line that costs a token; two tests.
    let dots = svg.matches("<title>").count();
    assert_eq!(dots, 2 * (3 + 2 + 2 + 2) + 3 + 2 + 2 * 2 + 4);
    // The cost of a token is the same everywhere: a level line.
    let tokens = svg.split("EAP-IG by token").nth(1).expect("the plot");
    let line = tokens.split("<polyline points=\"").nth(1).expect("a line");
    let heights = line.split('"').next().expect("points").split(' ');
    let heights: Vec<&str> = heights.filter_map(|it| it.split(',').nth(1)).collect();
    assert!(
        heights.len() == 3 && heights.iter().all(|it| *it == heights[0]),
        "{heights:?}"
    );
}

#[test]
fn the_order_of_records_does_not_matter() {
    let mut other = records();
    other.reverse();
    let svg = |records: &[BenchRecord]| growth_svg(records, "growth.jsonl").expect("a plot");
    assert_eq!(svg(&other), svg(&records()));
    // Work that was measured again counts with its least time.
    let again = BenchRecord {
        seconds: vec![99.0],
        ..other[3].clone()
    };
    other.push(again);
    assert_eq!(svg(&other), svg(&records()));
}

#[test]
fn records_are_read_line_by_line_and_one_size_is_no_plot() {
    let one = record("eap", [8, 16, 4, 4]);
    let line = serde_json::to_string(&one).expect("JSON");
    let read = parse_bench(&format!("{line}\n\n{line}\n"), "x.jsonl").expect("records");
    assert_eq!(read, [one.clone(), one.clone()]);
    let error = parse_bench(&format!("{line}\n[1, 2]\n"), "x.jsonl").expect_err("no record");
    let message = error.to_string();
    assert!(
        message.contains("x.jsonl:2") && message.contains("not a record of `bench --json`"),
        "{message}"
    );
    // Numbers of any size make a picture.
    let huge = BenchRecord {
        seconds: Vec::new(),
        ..record("eap-ig", [1, 1, 4, 4])
    };
    let other = BenchRecord {
        pairs: usize::MAX,
        seconds: vec![1e300],
        graph_edges: usize::MAX,
        ..huge.clone()
    };
    let svg = growth_svg(&[huge, other], "x.jsonl").expect("a plot");
    xml::check(&svg).expect("well-formed");
    let error = growth_svg(&[one], "x.jsonl").expect_err("no plot");
    assert!(error.to_string().contains("nothing to plot"), "{error}");
}
