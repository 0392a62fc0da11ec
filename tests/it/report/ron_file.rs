//! `circuit.ron`: round trips and refusals.

use proptest::prelude::*;
use secateur::report::CircuitFile;

use super::{any_circuit, file, small};

fn small_text() -> String {
    let (config, graph, circuit) = small();
    file(&config, &graph, &circuit).to_ron().unwrap()
}

fn refusal(text: &str) -> String {
    let error = CircuitFile::from_ron(text, "circuit.ron").unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
    error.to_string()
}

#[test]
fn one_edge_per_line() {
    insta::assert_snapshot!(small_text());
}

#[test]
fn mistakes_are_named_with_their_place() {
    let text = small_text();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        refusal(&text.replacen(from, to, 1))
    };
    let messages = [
        changed("name: \"ioi\"", "nmae: \"ioi\""),
        changed("score: 0.5", "score: \"a\""),
        changed("score: 0.5", "score: NaN"),
        changed("format: 1", "format: 7, novelty: 3"),
        changed("\"m0->a1.h0<k>\"", "\"m0->a9.h0<k>\""),
        changed("\"m0->a1.h0<k>\"", "\"input->m0\""),
        changed("\"m0->a1.h0<k>\"", "\"m0\""),
        changed("edges_total: 36", "edges_total: 21"),
        changed("n_layers: 2", "n_layers: 1000000000"),
        changed("n_layers: 2, n_heads: 2", "n_layers: 1000, n_heads: 1024"),
        changed("n_kv_heads: 1", "n_kv_heads: 0"),
        changed("n_heads: 2", "n_heads: 3, n_heads: 3"),
        changed("neurons: {}", "neurons: {1: [5, 5]}"),
        changed("neurons: {}", "neurons: {1: [500]}"),
        refusal(""),
        refusal(&"[".repeat(100_000)),
    ];
    insta::assert_snapshot!(messages.join("\n"));
}

proptest! {
    #[test]
    fn circuits_round_trip_by_bits((config, graph, circuit) in any_circuit(), name in "[\\s\\S]{0,20}") {
        let mut file = file(&config, &graph, &circuit);
        file.name = name;
        let text = file.to_ron().unwrap();
        let read = CircuitFile::from_ron(&text, "x").unwrap();
        let bits = |file: &CircuitFile| -> Vec<_> {
            file.edges.iter().map(|entry| entry.score.map(f64::to_bits)).collect()
        };
        prop_assert_eq!(bits(&read), bits(&file));
        prop_assert_eq!(&read, &file);
        prop_assert_eq!(read.to_ron().unwrap(), text);
        let (again, kept) = read.circuit().unwrap();
        prop_assert_eq!(again.edge_count(), graph.edge_count());
        prop_assert_eq!(kept.kept, circuit.kept);
    }

    #[test]
    fn any_score_that_can_be_summed_keeps_its_bits(score in proptest::num::f64::ANY) {
        let (config, graph, circuit) = small();
        let mut file = file(&config, &graph, &circuit);
        file.edges[0].score = Some(score);
        let read = CircuitFile::from_ron(&file.to_ron().unwrap(), "x");
        if score.abs() <= 1e100 {
            prop_assert_eq!(read.unwrap().edges[0].score.map(f64::to_bits), Some(score.to_bits()));
        } else {
            prop_assert!(read.is_err());
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\s\\S]{0,200}") {
        let _ = CircuitFile::from_ron(&text, "x").is_ok();
    }

    #[test]
    fn damaged_files_never_panic(at in 0usize..4000, length in 0usize..30, with in "[\\[\\]{}(),:\"0-9a-z.<>-]{0,12}") {
        let mut text = small_text();
        let at = at % text.len();
        let end = (at + length).min(text.len());
        text.replace_range(at..end, &with);
        let _ = CircuitFile::from_ron(&text, "x").is_ok();
    }
}

#[test]
fn every_committed_circuit_is_readable_and_can_be_drawn() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/circuits/found");
    let mut count = 0;
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs_err::read_to_string(&path).unwrap();
        let file = CircuitFile::from_ron(&text, &path.display().to_string()).unwrap();
        let (_, circuit) = file.circuit().unwrap();
        assert_eq!(circuit.edge_count(), file.edges.len());
        for name in ["dot", "svg"] {
            let drawing = secateur::report::exporter(name)
                .unwrap()
                .export(&file, &secateur::report::FigureOptions::default())
                .unwrap();
            assert!(!drawing.is_empty());
        }
        count += 1;
    }
    assert!(count > 0);
}
