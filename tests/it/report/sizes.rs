//! Circuits of about 20, 200 and 2,000 edges, found in SmolLM2-135M-Instruct: drawn in every format, each looked at as a picture
//! when its snapshot was taken.

use std::collections::BTreeSet;
use std::path::Path;

use secateur::graph::Qkv;
use secateur::report::layout::Layout;
use secateur::report::{
    CircuitFile, Direction, Figure, FigureOptions, Port, Style, Theme, to_dot, to_svg, to_tikz,
};

use super::drawing::{graphviz, points};
use super::pictures::{check_texts, styles};
use super::xml;

const SIZES: [usize; 3] = [20, 200, 2_000];

/// The committed circuit of about so many edges.
fn circuit(size: usize) -> CircuitFile {
    let path = format!("circuits/gallery/results/ioi-{size}/circuit.ron");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs_err::read_to_string(path).unwrap();
    CircuitFile::from_ron(&text, "circuit.ron").unwrap()
}

fn figure(size: usize, style: Style) -> Figure {
    let options = FigureOptions {
        style,
        ..FigureOptions::default()
    };
    Figure::with(&circuit(size), &options).unwrap()
}

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// The values of an attribute.
fn values<'t>(svg: &'t str, attribute: &str) -> BTreeSet<&'t str> {
    let pattern = format!(" {attribute}=\"");
    let parts = svg.split(&pattern[..]).skip(1);
    parts.filter_map(|part| part.split('"').next()).collect()
}

#[test]
fn what_was_looked_at_is_what_is_drawn() {
    let mut lines = Vec::new();
    for size in SIZES {
        for direction in [Direction::Up, Direction::Right] {
            let style = Style {
                theme: Theme::Light,
                direction,
            };
            let figure = figure(size, style);
            let layout = Layout::new(&figure);
            let svg = to_svg(&figure);
            lines.push(format!(
                "{size} {direction:?}: {} nodes, {} lines, {:.0} x {:.0}; svg {}, tikz {}, dot {}",
                figure.nodes.len(),
                figure.edges.len(),
                layout.width,
                layout.height,
                hash(&svg),
                hash(&to_tikz(&svg, "a").unwrap()),
                hash(&to_dot(&figure)),
            ));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_circuits_have_the_sizes_they_are_named_by() {
    for size in SIZES {
        let edges = circuit(size).edges.len() as f64 / size as f64;
        assert!((0.85..1.15).contains(&edges), "{size}: {edges}");
    }
}

#[test]
fn labels_are_whole_and_apart_and_nothing_runs_through_a_box() {
    for size in SIZES {
        for style in styles() {
            let figure = figure(size, style);
            let svg = to_svg(&figure);
            assert_eq!(xml::check(&svg), Ok(()));
            check_texts(&svg);
            let layout = Layout::new(&figure);
            for (index, area) in layout.boxes.iter().enumerate() {
                assert!(area.left() >= 0.0 && area.right() <= layout.width);
                assert!(area.y >= 0.0 && area.bottom() <= layout.height);
                for other in &layout.boxes[..index] {
                    let apart = area.left() >= other.right()
                        || other.left() >= area.right()
                        || area.y >= other.bottom()
                        || other.y >= area.bottom();
                    assert!(apart, "{area:?} {other:?}");
                }
            }
            if style.direction == Direction::Right {
                continue;
            }
            for (edge, ends) in figure.edges.iter().enumerate() {
                for (x, y) in points(&layout, edge) {
                    for (node, area) in layout.boxes.iter().enumerate() {
                        let inside =
                            x > area.left() && x < area.right() && y > area.y && y < area.bottom();
                        let own = node == ends.from || node == ends.to;
                        assert!(own || !inside, "{} runs through a box", ends.tooltip);
                    }
                }
            }
        }
    }
}

#[test]
fn small_circuits_show_every_edge_and_large_ones_fit_a_page() {
    for size in [20, 200] {
        let figure = figure(size, Style::default());
        assert_eq!(figure.edges.len(), circuit(size).edges.len());
    }
    let figure = figure(2_000, Style::default());
    assert!((50..=180).contains(&figure.edges.len()));
    let layout = Layout::new(&figure);
    assert!(layout.height < 4.0 * layout.width.max(480.0), "{layout:?}");
}

#[test]
fn the_legend_explains_every_colour_and_ports_are_apart() {
    for size in SIZES {
        for style in styles() {
            let figure = figure(size, style);
            let svg = to_svg(&figure);
            let (drawing, legend) = svg.rsplit_once("<g transform").unwrap();
            let lines = drawing.split_once("<g fill=\"none\">").unwrap().1;
            let lines = lines
                .split_once("</g>\n</g>\n<rect")
                .unwrap_or((lines, ""))
                .0;
            let explained = values(legend, "stroke");
            for colour in values(lines, "stroke") {
                assert!(explained.contains(colour), "{size} {style:?}: {colour}");
            }
            let ports: BTreeSet<Port> = figure.edges.iter().map(|edge| edge.port).collect();
            for (part, name) in [(Qkv::Q, "into q"), (Qkv::K, "into k"), (Qkv::V, "into v")] {
                assert_eq!(ports.contains(&Port::Part(part)), legend.contains(name));
            }
            assert!(legend.contains("|score|"));
        }
    }
}

#[test]
fn graphviz_draws_every_size() {
    for size in SIZES {
        if let Some((accepted, messages)) = graphviz(&to_dot(&figure(size, Style::default()))) {
            assert!(accepted && messages.is_empty(), "{messages}");
        }
    }
}
