//! Every method finds a planted circuit: the answer is known, the evaluator is synthetic.

use secateur::discover::{Acdc, Discovery, Method, Search, Select, Target, discover};
use secateur::events::Silent;
use secateur::graph::{ComputationGraph, Dangling, EdgeMask, Granularity, Prune};
use secateur::score::{CleanCorrupted, Eap, EapIg, Exact};

use crate::synthetic::{Synthetic, graph_of, named, shape};

const PLANTED: [&str; 9] = [
    "input->a0.h1<v>",
    "input->m0",
    "m0->a1.h0<k>",
    "a0.h1->a1.h0<v>",
    "input->a1.h1<q>",
    "a1.h1->m2",
    "a1.h0->m1",
    "m1->logits",
    "m2->logits",
];

/// Planted edges are worth about 1, the others next to nothing.
fn planted(negative: bool) -> (Synthetic, EdgeMask) {
    let graph = graph_of(&shape(3, 2), &Granularity::default());
    let circuit = named(&graph, &PLANTED);
    let mut weights: Vec<f64> = (0..graph.edge_count())
        .map(|edge| 1e-5 * (1.0 + (edge * 7 % 11) as f64))
        .collect();
    for (index, edge) in circuit.edges(&graph).into_iter().enumerate() {
        let sign = if negative && index % 3 == 1 {
            -1.0
        } else {
            1.0
        };
        weights[edge] = sign * (1.0 + 0.1 * index as f64);
    }
    (Synthetic::additive(graph, &weights), circuit)
}

fn search(method: &Method, select: Option<Select>) -> Search {
    Search {
        method: method.clone(),
        select,
        target: None,
        prune: Prune::Edges,
        dangling: Dangling::NoPathEitherWay,
    }
}

fn run(objective: &mut Synthetic, search: &Search) -> Discovery {
    discover(objective, search, &Silent).expect("a discovery")
}

fn scoring() -> [Method; 4] {
    [
        Method::Exact(Exact::default()),
        Method::Eap(Eap::default()),
        Method::EapIg(EapIg::default()),
        Method::CleanCorrupted(CleanCorrupted::default()),
    ]
}

fn top(edges: usize) -> Select {
    Select::TopN {
        edges: Some(edges),
        share: None,
    }
}

#[test]
fn selections_keep_the_planted_circuit() {
    for negative in [false, true] {
        let (mut objective, circuit) = planted(negative);
        let total = objective.graph.edge_count() as f64;
        let count = circuit.len();
        let share = Select::TopN {
            edges: None,
            share: Some((count as f64 + 0.5) / total),
        };
        let selects = [
            top(count),
            share,
            Select::Greedy { edges: count },
            Select::Threshold(0.5),
        ];
        for method in scoring() {
            for select in selects {
                let found = run(&mut objective, &search(&method, Some(select)));
                assert_eq!(found.kept, circuit, "{method:?}, {select:?}");
                assert!(found.target_reached && found.decisions.is_none());
            }
        }
    }
}

#[test]
fn without_selection_every_edge_stays() {
    let (mut objective, _) = planted(false);
    let found = run(&mut objective, &search(&scoring()[0], None));
    assert_eq!(found.kept, EdgeMask::full(&objective.graph));
    for (score, wanted) in found.scores.iter().zip(objective.effects()) {
        assert!((score - wanted).abs() < 1e-12);
    }
}

#[test]
fn ranking_is_by_magnitude_with_ties_by_edge_and_dangling_parts_go() {
    let graph = graph_of(&shape(2, 2), &Granularity::default());
    let mut objective = Synthetic::additive(graph.clone(), &vec![0.0; graph.edge_count()]);
    let score = |objective: &mut Synthetic, name: &str, value: f64| {
        let edge = graph.find_edge(name).expect("an edge");
        objective.estimates[edge] = value;
    };
    score(&mut objective, "m0->logits", -3.0);
    score(&mut objective, "input->m0", 0.5);
    score(&mut objective, "input->a1.h0<q>", 2.0); // leads nowhere
    score(&mut objective, "m1->logits", 1.0); // comes from nowhere
    let eap = Method::Eap(Eap::default());
    let found = run(&mut objective, &search(&eap, Some(top(4))));
    assert_eq!(found.kept, named(&graph, &["m0->logits", "input->m0"]));
    let found = run(&mut objective, &search(&eap, Some(top(3))));
    assert!(found.kept.is_empty(), "input->m0 is the fourth");

    // All equal: the first edges in writer order, then reader order.
    objective.estimates.fill(0.25);
    let found = run(
        &mut objective,
        &search(&eap, Some(top(graph.edge_count() / 2))),
    );
    let prefix = EdgeMask::from_edges(&graph, 0..graph.edge_count() / 2);
    assert_eq!(
        found.kept,
        graph.drop_dangling(&prefix, Dangling::NoPathEitherWay)
    );
}

/// Greedy takes a weak edge into the circuit before a strong one whose reader is not in it.
#[test]
fn greedy_grows_from_the_logits() {
    let graph = graph_of(&shape(2, 2), &Granularity::default());
    let mut objective = Synthetic::additive(graph.clone(), &vec![0.0; graph.edge_count()]);
    for (name, value) in [
        ("input->m0", 9.0),
        ("m0->a1.h0<v>", 8.0),
        ("a1.h0->logits", 0.1),
        ("input->logits", 0.2),
        ("a0.h0->m1", 7.0),
    ] {
        objective.estimates[graph.find_edge(name).expect("an edge")] = value;
    }
    let eap = Method::Eap(Eap::default());
    for (edges, wanted) in [
        (1, &["input->logits"][..]),
        (2, &["input->logits"]),
        (
            4,
            &[
                "input->logits",
                "a1.h0->logits",
                "m0->a1.h0<v>",
                "input->m0",
            ],
        ),
    ] {
        let select = Select::Greedy { edges };
        let found = run(&mut objective, &search(&eap, Some(select)));
        assert_eq!(found.kept, named(&graph, wanted), "{edges} edges");
    }
}

#[test]
fn target_search_and_acdc_find_the_planted_circuit() {
    let (mut objective, circuit) = planted(false);
    for method in scoring() {
        let wanted = Search {
            target: Some(Target { faithfulness: 0.98 }),
            ..search(&method, None)
        };
        let found = run(&mut objective, &wanted);
        assert_eq!(found.kept, circuit, "{method:?}");
        assert!(found.target_reached);
    }
    let found = run(&mut objective, &search(&Method::Acdc(Acdc::new(0.5)), None));
    assert_eq!(found.kept, circuit);
    let decisions = found.decisions.expect("decisions");
    assert_eq!(decisions.len(), objective.graph.edge_count());
    for decision in &decisions {
        assert_eq!(
            found.scores[decision.edge].to_bits(),
            decision.change.to_bits()
        );
    }
}

/// The edges between `input`, these writers and `logits`.
fn between(graph: &ComputationGraph, nodes: &[&str]) -> EdgeMask {
    let inside = |name: &str| {
        let node = name.split('<').next().expect("a name");
        node == "input" || node == "logits" || nodes.contains(&node)
    };
    EdgeMask::from_edges(
        graph,
        (0..graph.edge_count()).filter(|&edge| {
            let name = graph.edge_name(edge);
            let (from, to) = name.split_once("->").expect("two ends");
            inside(from) && inside(to)
        }),
    )
}

#[test]
fn nodes_are_kept_with_all_edges_between_them() {
    let (mut objective, circuit) = planted(false);
    let nodes = ["a0.h1", "m0", "a1.h0", "a1.h1", "m1", "m2"];
    let graph = objective.graph.clone();
    let wanted = between(&graph, &nodes);
    assert!(circuit.is_subset(&wanted) && wanted.len() < graph.edge_count());
    let with = |method: &Method, select, target, prune| Search {
        target,
        prune,
        ..search(method, select)
    };
    let target = Some(Target { faithfulness: 0.98 });
    let acdc = Method::Acdc(Acdc::new(0.5));
    for method in scoring() {
        for select in [
            top(nodes.len()),
            Select::Threshold(0.5),
            Select::Greedy { edges: nodes.len() },
        ] {
            let found = run(
                &mut objective,
                &with(&method, Some(select), None, Prune::Nodes),
            );
            assert_eq!(found.kept, wanted, "{method:?}, {select:?}");
        }
        let found = run(&mut objective, &with(&method, None, target, Prune::Nodes));
        assert_eq!(found.kept, wanted, "{method:?}");
        let both = with(&method, None, target, Prune::NodesThenEdges);
        let found = run(&mut objective, &both);
        assert_eq!(found.kept, circuit, "{method:?}");
    }
    let found = run(&mut objective, &with(&acdc, None, None, Prune::Nodes));
    assert_eq!(found.kept, wanted);
    assert_eq!(
        found.decisions.expect("decisions").len(),
        graph.edge_count()
    );
    let found = run(
        &mut objective,
        &with(&acdc, None, None, Prune::NodesThenEdges),
    );
    assert_eq!(found.kept, circuit);
    let mut decided: Vec<usize> = found
        .decisions
        .expect("decisions")
        .iter()
        .map(|decision| decision.edge)
        .collect();
    decided.sort_unstable();
    assert_eq!(decided, (0..graph.edge_count()).collect::<Vec<_>>());
}
