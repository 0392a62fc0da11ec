//! Heat maps: well-formed for any names, every text inside of the picture, a tooltip for each cell.

use proptest::prelude::*;
use secateur::report::{Colours, HeatCell, HeatMap, Theme, recoloured};

use super::xml;

fn map(rows: &[String], columns: &[String], labels: bool) -> HeatMap {
    let cell = |index: usize| HeatCell {
        value: (index % 7 != 3).then(|| (index as f64 * 0.37).sin()),
        label: if labels {
            format!("w{index}")
        } else {
            String::new()
        },
        tooltip: vec![format!("cell {index}"), "1. <b> & 50 %".into()],
    };
    HeatMap {
        title: "lens on a model".into(),
        row_axis: "layer".into(),
        column_axis: "token".into(),
        rows: rows.to_vec(),
        columns: columns.to_vec(),
        cells: (0..rows.len() * columns.len()).map(cell).collect(),
        colours: Colours::Diverging,
        legend: "logit difference".into(),
    }
}

fn names(count: usize, name: &str) -> Vec<String> {
    (0..count).map(|index| format!("{name}{index}")).collect()
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn number(tag: &str, name: &str) -> Option<f64> {
    attribute(tag, name)?.parse().ok()
}

/// The least and largest x and y of every text, by a width that most fonts stay below.
fn texts(svg: &str) -> Vec<(String, [f64; 4])> {
    let mut found = Vec::new();
    for part in svg.split("<text ").skip(1) {
        let (tag, rest) = part.split_once('>').unwrap();
        let tag = format!(" {tag}");
        let text = rest.split_once('<').unwrap().0.to_owned();
        let size = number(&tag, "font-size").unwrap_or(9.0);
        let (x, y) = (number(&tag, "x").unwrap(), number(&tag, "y").unwrap());
        let wide = 0.55 * size * text.chars().count() as f64;
        let (before, after) = match attribute(&tag, "text-anchor") {
            Some("middle") => (wide / 2.0, wide / 2.0),
            Some("end") => (wide, 0.0),
            _ => (0.0, wide),
        };
        let area = if tag.contains("rotate(-90") {
            [x - size, x + size, y - after, y + before]
        } else {
            [x - before, x + after, y - size, y + 0.2 * size]
        };
        found.push((text, area));
    }
    found
}

fn assert_nothing_is_cut_off(svg: &str) {
    let head = svg.lines().next().unwrap();
    let (width, height) = (
        number(head, "width").unwrap(),
        number(head, "height").unwrap(),
    );
    for (text, [left, right, top, bottom]) in texts(svg) {
        assert!(
            left >= 0.0 && right <= width && top >= 0.0 && bottom <= height,
            "{text:?} at {left:.0}..{right:.0}, {top:.0}..{bottom:.0} of {width} x {height}"
        );
    }
}

#[test]
fn a_map_of_many_layers_and_tokens_is_whole() {
    let svg = map(&names(33, "layer "), &names(30, " a long token "), true).svg();
    xml::check(&svg).unwrap();
    assert_nothing_is_cut_off(&svg);
    assert_eq!(svg.matches("<title>").count(), 33 * 30);
    assert!(svg.contains("<title>cell 5\n1. &lt;b&gt; &amp; 50 %</title>"));
    assert_eq!(
        svg.matches("fill=\"#DDDDDD\"").count(),
        (0..33 * 30).filter(|it| it % 7 == 3).count()
    );
}

#[test]
fn names_that_fit_lie_and_longer_ones_stand() {
    let lying = map(&names(2, "r"), &names(3, "c"), false).svg();
    let standing = map(&names(2, "r"), &names(3, "a longer name "), false).svg();
    let turned = |svg: &str| {
        svg.matches("text-anchor=\"end\" transform=\"rotate")
            .count()
    };
    assert_eq!([turned(&lying), turned(&standing)], [0, 3]);
    for svg in [lying, standing] {
        assert_nothing_is_cut_off(&svg);
    }
}

#[test]
fn equal_numbers_have_equal_colours_and_the_legend_holds_them() {
    let mut map = map(&names(1, "r"), &names(3, "c"), false);
    for (cell, value) in map.cells.iter_mut().zip([0.0, 2.0, 2.0]) {
        cell.value = Some(value);
    }
    map.colours = Colours::Sequential(None);
    let svg = map.svg();
    let cells = svg.split("<g class=\"cell\">").skip(1);
    let fills: Vec<&str> = cells
        .map(|cell| attribute(cell.split_once("<rect").unwrap().1, "fill").unwrap())
        .collect();
    assert_eq!(fills, ["#F7FAFD", "#08306B", "#08306B"]);
    assert!(texts(&svg).iter().any(|(text, _)| text == "2.0"));
}

/// In grey, both ends of two-sided colours are alike: cells below zero have a stroke there, if no label says so.
#[test]
fn numbers_below_zero_are_marked_in_print() {
    let mut map = map(&names(1, "r"), &names(4, "c"), false);
    for (cell, value) in map.cells.iter_mut().zip([-1.0, -0.02, 0.0, 1.0]) {
        cell.value = Some(value);
    }
    map.colours = Colours::Diverging;
    let strokes = |map: &HeatMap, theme, opacity: &str| {
        let svg = recoloured(&map.svg(), theme, "map.svg").expect("a plot");
        let cells = svg.split("<g class=\"cell\">").skip(1);
        let inside = cells.map(|it| it.split("</g>").next().unwrap_or_default());
        let marks = inside.map(|it| it.matches(&format!("stroke-opacity=\"{opacity}\"")).count());
        marks.collect::<Vec<usize>>()
    };
    assert_eq!(strokes(&map, Theme::Print, "0.900"), [1, 0, 0, 0]);
    for theme in [Theme::Light, Theme::Dark] {
        assert_eq!(strokes(&map, theme, "0.900"), [0; 4]);
        assert_eq!(strokes(&map, theme, "0.000"), [1, 0, 0, 0]);
    }
    // The legend has them on its lower half.
    let legend = map.svg();
    let legend = legend.split("</g>").last().expect("the end");
    assert_eq!(legend.matches("stroke-opacity").count(), 3);
    for cell in &mut map.cells {
        cell.label = "x".into();
    }
    assert_eq!(strokes(&map, Theme::Print, "0.900"), [0; 4]);
    map.colours = Colours::Sequential(None);
    assert!(!map.svg().contains("stroke-opacity"));
}

#[test]
fn few_cells_leave_room_for_the_legend_and_long_names() {
    for (rows, columns) in [(1, 1), (2, 5), (5, 2)] {
        let mut map = map(&names(rows, "r"), &names(columns, "c"), false);
        map.legend = "a long account of what the numbers are".into();
        map.row_axis = "what each of the rows stands for".into();
        map.column_axis = "what each of the columns stands for, at length".into();
        let svg = map.svg();
        super::pictures::check_texts(&svg);
        // Ticks stand beside their numbers.
        let texts = texts(&svg);
        let ticks = svg.split("h4\"").count() - 1;
        assert!(ticks >= 4, "{ticks} ticks: {texts:?}");
    }
}

proptest! {
    #[test]
    fn any_names_give_a_whole_picture(
        rows in prop::collection::vec(".{0,40}", 0..5),
        columns in prop::collection::vec(".{0,40}", 0..5),
        title in ".{0,200}",
    ) {
        let mut map = map(&rows, &columns, true);
        map.title = title;
        let svg = map.svg();
        prop_assert!(xml::check(&svg).is_ok(), "{:?}", xml::check(&svg));
        prop_assert!(!svg.contains("NaN"));
    }
}
