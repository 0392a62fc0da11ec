//! Drawings: well-formed for any name, stable, nothing overlaps.

use std::process::{Command, Stdio};

use proptest::prelude::*;
use secateur::graph::{Circuit, ComputationGraph, EdgeMask, Granularity, NeuronNodes};
use secateur::model::ModelConfig;
use secateur::report::layout::{Layout, NodeBox};
use secateur::report::{
    CircuitFile, Detail, Figure, FigureEdge, FigureOptions, Port, exporter, exporters, to_dot,
    to_svg,
};

use super::{any_circuit, config, file, small, xml};

fn small_file() -> CircuitFile {
    let (config, graph, circuit) = small();
    file(&config, &graph, &circuit)
}

#[test]
fn dot_of_a_small_circuit() {
    insta::assert_snapshot!(to_dot(&Figure::new(&small_file()).unwrap()));
}

#[test]
fn svg_of_a_small_circuit() {
    insta::assert_snapshot!(to_svg(&Figure::new(&small_file()).unwrap()));
}

#[test]
fn roles_label_the_nodes_of_a_drawing() {
    let plain = Figure::new(&small_file()).unwrap();
    let head = plain.nodes.iter().find(|node| node.ports.is_some());
    let head = head.expect("a head").node.to_string();
    let long = "a very long role that would not fit under a head";
    let roles = [(head, vec!["induction".to_owned(), long.to_owned()])].into();
    let with = |roles| {
        let options = FigureOptions {
            roles,
            ..FigureOptions::default()
        };
        Figure::with(&small_file(), &options).unwrap()
    };
    let figure = with(roles);
    let labelled: Vec<&str> = figure
        .nodes
        .iter()
        .filter_map(|node| node.role.as_deref())
        .collect();
    assert_eq!(labelled, ["induction, a very long role that would …"]);
    let (svg, dot) = (to_svg(&figure), to_dot(&figure));
    xml::check(&svg).unwrap();
    check_dot(&dot).unwrap();
    for text in [&svg, &dot] {
        assert!(text.contains(labelled[0]));
    }
    let (before, after) = (Layout::new(&plain), Layout::new(&figure));
    let grown = before.boxes.iter().zip(&after.boxes);
    assert_eq!(
        grown
            .filter(|(a, b)| b.height > a.height && b.width > a.width)
            .count(),
        1
    );
    // Without roles nothing changes.
    assert_eq!(
        to_svg(&with(std::collections::BTreeMap::new())),
        to_svg(&plain)
    );
}

#[test]
fn a_wrong_format_lists_those_there_are() {
    assert!(exporters().iter().all(|format| !format.about().is_empty()));
    assert_eq!(exporter("svg").unwrap().name(), "svg");
    let error = exporter("bmp").err().unwrap().to_string();
    assert_eq!(
        error,
        "there is no format `bmp`; there are dot, svg, html, pdf, png, tikz"
    );
}

/// Splits DOT into statements outside of quotes and HTML-like labels; fails where one has no end.
fn check_dot(text: &str) -> Result<(), String> {
    let (mut quoted, mut angle, mut braces) = (false, 0i32, 0i32);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => {
                characters.next();
            }
            '"' if angle == 0 => quoted = !quoted,
            '<' if !quoted => angle += 1,
            '>' if !quoted && angle > 0 => angle -= 1,
            '{' if !quoted && angle == 0 => braces += 1,
            '}' if !quoted && angle == 0 => braces -= 1,
            '\n' if quoted || angle > 0 => return Err("a line break inside a string".into()),
            '\0' => return Err("a zero byte".into()),
            _ => {}
        }
    }
    if quoted || angle != 0 || braces != 0 {
        return Err(format!("quoted {quoted}, angle {angle}, braces {braces}"));
    }
    Ok(())
}

/// Runs Graphviz over a text; `None` when it is not installed, which CI does not allow.
pub(super) fn graphviz(text: &str) -> Option<(bool, String)> {
    let child = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "Graphviz must be installed in CI: {error}"
            );
            return None;
        }
    };
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn graphviz_accepts_the_dot() {
    let mut file = small_file();
    let hostile = "a\"b\\ <b>&lt;\\N\n\0]; } > \u{1F600} \\";
    for name in ["ioi", "", " ", hostile] {
        file.name = name.into();
        file.task = name.into();
        let text = to_dot(&Figure::new(&file).unwrap());
        if let Some((accepted, messages)) = graphviz(&text) {
            assert!(accepted, "{messages}\n{text}");
            assert!(!messages.contains("rror"), "{messages}\n{text}");
        }
    }
}

fn overlap(a: &NodeBox, b: &NodeBox) -> bool {
    a.left() < b.right() && b.left() < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

/// Points along a route: curves between ranks, straight lines past them.
pub(super) fn points(layout: &Layout, edge: usize) -> Vec<(f64, f64)> {
    let route = &layout.routes[edge];
    let (mut x, mut y) = route.start;
    let mut points = Vec::new();
    for &(to, arrives, leaves) in &route.stops {
        for step in 0..=20 {
            let t = f64::from(step) / 20.0;
            let (a, b, c, d) = (
                (1.0 - t).powi(3),
                3.0 * t * (1.0 - t).powi(2),
                3.0 * t * t * (1.0 - t),
                t.powi(3),
            );
            let middle = f64::midpoint(y, arrives);
            points.push((
                (a + b) * x + (c + d) * to,
                a * y + (b + c) * middle + d * arrives,
            ));
        }
        points.push((to, leaves));
        (x, y) = (to, leaves);
    }
    points
}

#[test]
fn a_full_graph_draws_its_strongest_edges_where_all_are_asked_for() {
    let config = config(6, 8, 1);
    let graph =
        ComputationGraph::new(&config, &Granularity::default(), &NeuronNodes::new()).unwrap();
    let scores = (0..graph.edge_count()).map(|edge| edge as f64).collect();
    let circuit = Circuit {
        kept: EdgeMask::full(&graph),
        scores: Some(scores),
    };
    let options = FigureOptions {
        detail: Detail::Edges,
        ..FigureOptions::default()
    };
    let figure = Figure::with(&file(&config, &graph, &circuit), &options).unwrap();
    assert!(graph.edge_count() > 1_500);
    assert_eq!(figure.edges.len(), 1_500);
    let caption = figure.caption.replace('\u{a0}', " ");
    assert!(caption.contains("the 1,500 strongest of"), "{caption}");
    let strongest = figure.edges.last().unwrap();
    assert!(strongest.tooltip.starts_with("m5->logits"));
    assert_eq!(xml::check(&to_svg(&figure)), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_name_gives_a_well_formed_file(name in "\\PC{0,300}|[\\s\\S]{0,40}", task in ".{0,40}|[<>&\"'\\\\]{0,9}") {
        let mut file = small_file();
        file.name.clone_from(&name);
        file.model.name = name;
        file.task = task;
        let figure = Figure::new(&file).unwrap();
        let svg = to_svg(&figure);
        prop_assert_eq!(xml::check(&svg), Ok(()), "{}", svg);
        let dot = to_dot(&figure);
        prop_assert_eq!(check_dot(&dot), Ok(()), "{}", dot);
    }

    #[test]
    fn nothing_overlaps_and_edges_pass_between_boxes((config, graph, circuit) in any_circuit()) {
        let figure = Figure::new(&file(&config, &graph, &circuit)).unwrap();
        let layout = Layout::new(&figure);
        prop_assert_eq!(&layout, &Layout::new(&figure));
        for (index, area) in layout.boxes.iter().enumerate() {
            prop_assert!(area.left() >= 0.0 && area.right() <= layout.width);
            prop_assert!(area.y >= 0.0 && area.bottom() <= layout.height);
            let letters = figure.nodes[index].node.to_string().len() as f64;
            prop_assert!(area.width >= 5.5 * letters, "the label fits");
            for other in &layout.boxes[..index] {
                prop_assert!(!overlap(area, other), "{area:?} {other:?}");
            }
        }
        for (edge, ends) in figure.edges.iter().enumerate() {
            for (x, y) in points(&layout, edge) {
                prop_assert!((0.0..=layout.width).contains(&x));
                for (node, area) in layout.boxes.iter().enumerate() {
                    let inside = x > area.left() && x < area.right() && y > area.y && y < area.bottom();
                    let own = node == ends.from || node == ends.to;
                    prop_assert!(own || !inside, "{} runs through {}", ends.tooltip, figure.nodes[node].node);
                }
            }
        }
        prop_assert_eq!(xml::check(&to_svg(&figure)), Ok(()));
        prop_assert_eq!(check_dot(&to_dot(&figure)), Ok(()));
    }
}

/// A random part of a model's graph with three spans.
fn spanned_file(config: &ModelConfig, share: u64, seed: u64) -> CircuitFile {
    let graph = ComputationGraph::new(config, &Granularity::default(), &NeuronNodes::new());
    let graph = graph.unwrap();
    let spans = ["S1", "a long name of a span", "END"].map(str::to_owned);
    let graph = graph.split_by(spans.to_vec()).unwrap();
    let edges = 0..graph.edge_count() as u64;
    let mixed =
        |edge: &u64| (edge.wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 100;
    let edges = edges.filter(|edge| mixed(edge) < share);
    let kept = EdgeMask::from_edges(&graph, edges.map(|edge| edge as usize));
    let scores = (0..graph.edge_count()).map(|edge| (edge as f64 * 0.7).sin());
    let circuit = Circuit {
        kept,
        scores: Some(scores.collect()),
    };
    let mut file = file(config, &graph, &circuit);
    file.granularity.positions = secateur::graph::PositionSplit::Spans;
    file.spans = spans.to_vec();
    file
}

#[test]
fn spans_are_columns() {
    let mut drawn = 0;
    for (share, seed) in [(1, 3), (10, 1), (40, 2), (100, 0)] {
        for direction in [
            secateur::report::Direction::Up,
            secateur::report::Direction::Right,
        ] {
            let mut options = FigureOptions::default();
            options.style.direction = direction;
            let figure =
                Figure::with(&spanned_file(&config(2, 2, 2), share, seed), &options).unwrap();
            let layout = Layout::new(&figure);
            let up = direction == secateur::report::Direction::Up;
            for (node, area) in figure.nodes.iter().zip(&layout.boxes) {
                let column = layout
                    .columns
                    .iter()
                    .find(|it| Some(it.number) == node.column);
                let (from, to) = column.expect("its column").sides;
                let (low, high) = if up {
                    (area.left(), area.right())
                } else {
                    (area.y, area.bottom())
                };
                assert!(
                    low > from - 1e-6 && high < to + 1e-6,
                    "{} {low} {high} {from} {to}",
                    node.label
                );
                drawn += 1;
            }
            assert!(
                layout
                    .columns
                    .is_sorted_by(|one, next| one.sides.1 < next.sides.0)
            );
            for (index, area) in layout.boxes.iter().enumerate() {
                for other in &layout.boxes[..index] {
                    assert!(!overlap(area, other), "{area:?} {other:?}");
                }
            }
            // Edges stay in their span; only what heads look at goes from one to another.
            for edge in &figure.edges {
                let columns = [edge.from, edge.to].map(|node| figure.nodes[node].column);
                let inside = edge.port == Port::Attended;
                assert!(columns[0] == columns[1] || inside, "{}", edge.tooltip);
                if inside {
                    assert!(figure.nodes[edge.from].is_source && !figure.nodes[edge.to].is_source);
                }
            }
            let (svg, dot) = (to_svg(&figure), to_dot(&figure));
            xml::check(&svg).unwrap();
            check_dot(&dot).unwrap();
        }
    }
    assert!(drawn > 100, "{drawn}");
    insta::assert_snapshot!(to_svg(
        &Figure::new(&spanned_file(&config(2, 2, 2), 3, 1)).unwrap()
    ));
    insta::assert_snapshot!(to_dot(
        &Figure::new(&spanned_file(&config(2, 2, 2), 3, 1)).unwrap()
    ));
}

/// Links inside of heads are no edges: they do not count among the strongest, and stay as long as their ends do.
#[test]
fn links_inside_of_heads_are_not_counted_as_edges() {
    let attended = |edge: &&FigureEdge| edge.port == Port::Attended;
    let options = FigureOptions {
        detail: Detail::Layers,
        ..FigureOptions::default()
    };
    let (mut all_drawn, mut some_dropped) = (0, 0);
    for share in (1..40).step_by(3) {
        let file = spanned_file(&config(6, 4, 4), share, 3);
        let figure = Figure::with(&file, &options).unwrap();
        let links = figure.edges.iter().filter(attended).count();
        let edges = figure.edges.len() - links;
        assert!(edges <= 180 && links > 0, "{edges} {links}");
        if figure.caption.contains("strongest") {
            assert_eq!(edges, 180, "{}", figure.caption);
            some_dropped += 1;
        } else if edges + links > 180 {
            all_drawn += 1;
        }
    }
    assert!(
        all_drawn > 0 && some_dropped > 0,
        "{all_drawn} {some_dropped}"
    );
}
