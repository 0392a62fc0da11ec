//! ACDC's order of edges from a file: mistakes with their lines, and runs that follow it.

use std::path::Path;

use secateur::discover::{Acdc, EdgeOrder, ListedEdges};
use secateur::events::Silent;
use secateur::graph::{EdgeMask, Granularity, NeuronNodes};
use secateur::model::read_header;
use secateur::spec::{RunSpec, check_spec, ron_line};
use secateur::{ComputationGraph, Error, Method};

use crate::synthetic::{Gate, Synthetic, Term, small_graph};

const SPEC: &str = r#"RunSpec(
    format: 1,
    name: "replay",
    models: ["builtin:toy-gpt2"],
    task: Ioi(pairs: 8),
    metric: LogitDiff,
    ablation: Patch,
    method: Acdc(tau: 0.02, order: Listed("order.txt")),
)
"#;

/// The names of the built-in model's edges.
fn names() -> Vec<String> {
    let header = read_header("builtin:toy-gpt2", Path::new(".")).expect("the model");
    let none = NeuronNodes::new();
    let graph = ComputationGraph::new(&header.config, &Granularity::default(), &none);
    let graph = graph.expect("a graph");
    (0..graph.edge_count())
        .map(|edge| graph.edge_name(edge))
        .collect()
}

/// The spec read with this list next to it.
fn read(spec: &str, list: &str) -> Result<RunSpec, String> {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("order.txt"), list).expect("written");
    let file = folder.path().join("spec.ron");
    check_spec(spec.as_bytes(), &file).map_err(|error| {
        assert_eq!(error.exit_code(), 2);
        let place = folder.path().display().to_string();
        error.to_string().replace(&place, "F")
    })
}

#[test]
fn a_list_in_a_spec_is_read_and_checked() {
    let mut names = names();
    let spec = read(SPEC, &(names.join("\r\n") + "\n\n")).expect("a good list");
    let Method::Acdc(acdc) = &spec.method else {
        panic!("ACDC")
    };
    let EdgeOrder::Listed(list) = &acdc.order else {
        panic!("a list")
    };
    assert!(list.names().eq(names.iter().map(String::as_str)));
    let line = ron_line(&spec.method);
    assert_eq!(line, "Acdc(tau:0.02,order:Listed(\"order.txt\"))");

    // The contents count, not the path alone.
    names.reverse();
    let other = read(SPEC, &names.join("\n")).expect("a good list");
    assert_ne!(spec.hash(), other.hash());

    let total = names.len();
    let twice = format!("{}\n{}", names.join("\n"), names[3]);
    assert_eq!(
        read(SPEC, &twice).expect_err("an edge twice"),
        format!(
            "F/order.txt:{}: edge `{}` is listed in line 4 already (model \"builtin:toy-gpt2\")",
            total + 1,
            names[3]
        )
    );
    let unknown = format!("input->m9\n{}\nnonsense", names.join("\n"));
    assert_eq!(
        read(SPEC, &unknown).expect_err("unknown edges"),
        format!(
            "F/order.txt:1: edge `input->m9`: the graph has no reader m9 (model \"builtin:toy-gpt2\")\n\
             F/order.txt:{}: edge `nonsense`: expected `writer->reader` (model \"builtin:toy-gpt2\")",
            total + 2
        )
    );
    let left_out = names.split_off(2).join("\n");
    assert_eq!(
        read(SPEC, &left_out).expect_err("edges left out"),
        format!(
            "F/order.txt: 2 of the graph's {total} edges are not listed, the first is `{}` (model \"builtin:toy-gpt2\")",
            names[1]
        )
    );
    let of_groups = SPEC.replace("builtin:toy-gpt2", "builtin:toy-llama");
    let copies = read(&of_groups, "input->a0.h1<k>").expect_err("an edge of another graph");
    assert!(
        copies.contains("hint: with granularity: (kv: PerHead)"),
        "{copies}"
    );
    let many = read(SPEC, &"x\n".repeat(30)).expect_err("no edge");
    assert_eq!(many.lines().count(), 11, "{many}");
    assert!(many.contains("and 21 more mistakes"), "{many}");
}

#[test]
fn a_list_needs_its_file_and_edges_to_order() {
    let with = |from: &str, to: &str| {
        assert!(SPEC.contains(from));
        read(&SPEC.replace(from, to), "").expect_err("a mistake")
    };
    assert_eq!(
        with("order.txt", "none.txt"),
        "F/spec.ron:8:29: method.Acdc.order: no such file: F/none.txt"
    );
    let granularity = |value: &str| {
        format!("tau: 0.02, order: Listed(\"order.txt\")),\n    granularity: ({value}),\n)\n")
    };
    let end = "tau: 0.02, order: Listed(\"order.txt\")),\n)\n";
    assert!(
        with(end, &granularity("prune: Nodes")).contains("method.Acdc.order: a list orders edges")
    );
    assert!(
        with(end, &granularity("mlps: Neurons(layers: [0], top: 2)"))
            .contains("method.Acdc.order: which neurons are nodes is found by the run")
    );
}

/// Of the two inputs of an OR gate the one that is tested first goes: the order decides.
#[test]
fn a_list_decides_which_edge_is_tested_first() {
    let graph = small_graph(0);
    let edge = |name: &str| graph.find_edge(name).expect("an edge");
    let pair = ["input->a1.h0<v>", "a0.h1->m0"];
    let term = |edges: Vec<usize>, gate| Term {
        edges,
        gate,
        worth: vec![1.0],
    };
    let paths = ["a1.h0->logits", "m0->logits"].map(edge);
    let terms = vec![
        term(paths.to_vec(), Gate::And),
        term(pair.map(edge).to_vec(), Gate::Or),
    ];
    let full = EdgeMask::full(&graph);
    for first in 0..2 {
        let mut names: Vec<String> = (0..graph.edge_count())
            .map(|edge| graph.edge_name(edge))
            .collect();
        names.sort_by_key(|name| (*name != pair[first], *name != pair[1 - first]));
        let acdc = Acdc {
            tau: 0.5,
            order: EdgeOrder::Listed(ListedEdges::new("list", &names.join("\n"))),
        };
        let mut objective = Synthetic::new(graph.clone(), terms.clone(), 1);
        let found = acdc
            .edges(&mut objective, &full, &Silent)
            .expect("a result");
        let tested: Vec<String> = found
            .decisions
            .iter()
            .map(|decision| graph.edge_name(decision.edge))
            .collect();
        assert_eq!(tested, names);
        assert!(!found.decisions[0].kept && found.decisions[1].kept);
    }
}

/// A library caller whose list does not fit the graph is told so.
#[test]
fn a_list_that_does_not_fit_the_graph_is_refused() {
    let graph = small_graph(0);
    let full = EdgeMask::full(&graph);
    let mut objective = Synthetic::additive(graph.clone(), &vec![0.0; graph.edge_count()]);
    let acdc = Acdc {
        tau: 0.5,
        order: EdgeOrder::Listed(ListedEdges::new("list.txt", "input->logits\ninput->logits")),
    };
    let error = acdc
        .edges(&mut objective, &full, &Silent)
        .expect_err("a mistake");
    assert!(matches!(error, Error::Data { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("list.txt: line 2: edge `input->logits` is listed in line 1 already\n"),
        "{text}"
    );
}
