//! Pictures in other formats: the same bytes every time, no text cut off or over another, LaTeX that holds together.

use std::collections::BTreeMap;

use resvg::usvg;
use secateur::graph::{Circuit, ComputationGraph, EdgeMask, Granularity, NeuronNodes, ranking};
use secateur::report::layout::Layout;
use secateur::report::{
    CircuitFile, Detail, Direction, Figure, FigureOptions, Style, Theme, exporter, outlined,
    to_png, to_svg, to_tikz,
};

use super::{config, file, small, xml};

/// A circuit of the strongest so many edges of a model of some size, with scores of both signs; the same every time.
fn circuit_of(edges: usize, layers: usize, heads: usize) -> CircuitFile {
    let config = config(layers, heads, if heads.is_multiple_of(2) { 2 } else { 1 });
    let graph =
        ComputationGraph::new(&config, &Granularity::default(), &NeuronNodes::new()).unwrap();
    let count = graph.edge_count();
    let score = |edge: usize| {
        let noise = (edge as f64 * 12.9898).sin() * 43_758.545_3;
        let noise = noise - noise.floor();
        (0.02 / (noise + 0.002)) * if edge.is_multiple_of(5) { -1.0 } else { 1.0 }
    };
    let scores: Vec<f64> = (0..count).map(score).collect();
    let kept = ranking(&scores, true).into_iter().take(edges);
    let circuit = Circuit {
        kept: EdgeMask::from_edges(&graph, kept),
        scores: Some(scores),
    };
    file(&config, &graph, &circuit)
}

/// The sizes of a gallery: what is drawn whole, bundled, and as an overview.
fn gallery() -> Vec<CircuitFile> {
    let (config, graph, circuit) = small();
    let mut files = vec![file(&config, &graph, &circuit)];
    for (edges, layers, heads) in [(20, 6, 4), (200, 12, 8), (2_000, 24, 12)] {
        files.push(circuit_of(edges, layers, heads));
    }
    files
}

pub(super) fn styles() -> Vec<Style> {
    let mut styles = Vec::new();
    for theme in [Theme::Light, Theme::Dark, Theme::Print] {
        for direction in [Direction::Up, Direction::Right] {
            styles.push(Style { theme, direction });
        }
    }
    styles
}

/// The texts of a picture with the boxes that the embedded font gives them.
fn texts(svg: &str) -> (usvg::Tree, Vec<(String, usvg::Rect)>) {
    let mut options = usvg::Options::default();
    let fonts = options.fontdb_mut();
    fonts.load_font_data(dejavu::sans_condensed::regular().to_vec());
    fonts.load_font_data(dejavu::sans_condensed::bold().to_vec());
    let family = fonts.faces().next().unwrap().families[0].0.clone();
    fonts.set_sans_serif_family(family);
    let tree = usvg::Tree::from_str(svg, &options).unwrap();
    let mut found = Vec::new();
    let mut groups = vec![tree.root()];
    while let Some(group) = groups.pop() {
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => groups.push(group),
                usvg::Node::Text(text) => {
                    let words: Vec<&str> = text
                        .chunks()
                        .iter()
                        .map(resvg::usvg::TextChunk::text)
                        .collect();
                    found.push((words.concat(), text.abs_bounding_box()));
                }
                _ => {}
            }
        }
    }
    (tree, found)
}

/// Fails where a text is not within the picture, or two of them overlap.
pub(super) fn check_texts(svg: &str) {
    let (tree, found) = texts(svg);
    assert!(!found.is_empty());
    for (index, (words, area)) in found.iter().enumerate() {
        let inside = area.left() >= 0.0
            && area.top() >= 0.0
            && area.right() <= tree.size().width()
            && area.bottom() <= tree.size().height();
        assert!(inside, "{words} is cut off: {area:?}");
        for (other_words, other) in &found[..index] {
            let apart = area.right() <= other.left()
                || other.right() <= area.left()
                || area.bottom() <= other.top()
                || other.bottom() <= area.top();
            assert!(apart, "{words} is over {other_words}: {area:?} {other:?}");
        }
    }
}

#[test]
fn no_label_is_cut_off_or_over_another() {
    for file in gallery() {
        for style in styles() {
            let figure = Figure::with(
                &file,
                &FigureOptions {
                    style,
                    ..FigureOptions::default()
                },
            )
            .unwrap();
            let svg = to_svg(&figure);
            assert_eq!(xml::check(&svg), Ok(()));
            check_texts(&svg);
            let layout = Layout::new(&figure);
            for (index, area) in layout.boxes.iter().enumerate() {
                for other in &layout.boxes[..index] {
                    let apart = area.left() >= other.right()
                        || other.left() >= area.right()
                        || area.y >= other.bottom()
                        || other.y >= area.bottom();
                    assert!(apart, "{area:?} {other:?}");
                }
            }
        }
    }
}

#[test]
fn large_circuits_are_drawn_as_one_can_read_them() {
    let files = gallery();
    let figures: Vec<Figure> = files.iter().map(|it| Figure::new(it).unwrap()).collect();
    assert_eq!(figures[1].edges.len(), files[1].edges.len());
    assert!(!figures[1].bundled && figures[2].bundled);
    assert_eq!(figures[2].edges.len(), files[2].edges.len());
    assert!(figures[3].edges.len() <= 180 && figures[3].nodes.len() <= 50);
    assert!(
        figures[3].caption.contains("lines"),
        "{}",
        figures[3].caption
    );
    assert!(
        figures[3]
            .nodes
            .iter()
            .any(|node| node.label.contains("heads"))
    );
    // What was joined is as strong as its parts are together.
    let file = circuit_of(300, 4, 4);
    let whole: Vec<f64> = file.edges.iter().filter_map(|edge| edge.score).collect();
    let options = FigureOptions {
        detail: Detail::Nodes,
        ..FigureOptions::default()
    };
    let joined = Figure::with(&file, &options).unwrap();
    let parts: Vec<f64> = joined.edges.iter().filter_map(|edge| edge.score).collect();
    assert!(parts.len() < whole.len());
    let total = |scores: &[f64]| scores.iter().map(|score| score.abs()).sum::<f64>();
    assert!((total(&parts) - total(&whole)).abs() < 1e-9 * total(&whole));
}

#[test]
fn every_format_gives_the_same_bytes_again() {
    let file = &gallery()[1];
    let options = FigureOptions::default();
    for (name, start) in [
        ("dot", &b"digraph"[..]),
        ("svg", b"<svg "),
        ("pdf", b"%PDF-"),
        ("png", b"\x89PNG"),
        ("tikz", b"% needs"),
    ] {
        let export = || exporter(name).unwrap().export(file, &options).unwrap();
        let bytes = export();
        assert!(bytes.starts_with(start), "{name}");
        assert!(bytes == export(), "{name} differs from run to run");
    }
}

#[test]
fn pictures_have_the_width_asked_for() {
    let svg = to_svg(&Figure::new(&gallery()[0]).unwrap());
    let png = to_png(&svg, "a", Some(321)).unwrap();
    assert_eq!(u32::from_be_bytes(png[16..20].try_into().unwrap()), 321);
    for width in [0, 4_000_000_000] {
        let error = to_png(&svg, "a", Some(width)).unwrap_err().to_string();
        assert!(error.contains("pixels"), "{error}");
    }
    let error = to_png("<svg", "plot.svg", None).unwrap_err().to_string();
    assert!(error.starts_with("plot.svg: not an SVG picture"), "{error}");
}

#[test]
fn outlined_text_needs_no_font() {
    let svg = to_svg(&Figure::new(&gallery()[0]).unwrap());
    let outlined = outlined(&svg, "a").unwrap();
    assert!(svg.contains("<text") && !outlined.contains("<text"));
}

#[test]
fn tikz_of_a_small_circuit() {
    let svg = to_svg(&Figure::new(&gallery()[0]).unwrap());
    insta::assert_snapshot!(to_tikz(&svg, "a").unwrap());
}

#[test]
fn tikz_escapes_what_latex_reads() {
    let mut file = gallery().swap_remove(0);
    file.name = "50 % of $x_1$ & {more} \\end{document} \u{1F600} # ~ ^ <é>".into();
    let text = to_tikz(&to_svg(&Figure::new(&file).unwrap()), "a").unwrap();
    let line = text.lines().find(|line| line.contains("50 ")).unwrap();
    assert!(
        line.contains("50 \\% of \\$x\\_1\\$ \\& \\{more\\} \\textbackslash{}end\\{document\\}")
    );
    assert!(!text.contains('\u{1F600}') && text.matches("\\end{").count() == 1);
}

#[test]
fn roles_stand_below_names() {
    let file = gallery().swap_remove(0);
    let roles = |node: &str| FigureOptions {
        roles: BTreeMap::from([(node.to_owned(), vec!["induction <&>".to_owned()])]),
        ..FigureOptions::default()
    };
    let figure = Figure::with(&file, &roles("a1.h1")).unwrap();
    let svg = to_svg(&figure);
    assert_eq!(xml::check(&svg), Ok(()));
    assert!(svg.contains(">induction &lt;&amp;&gt;</text>"));
    check_texts(&svg);
    assert!(secateur::report::to_dot(&figure).contains("induction &lt;&amp;&gt;"));
    let error = Figure::with(&file, &roles("a9.h1"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("no node `a9.h1`"), "{error}");
}
