//! Lines and arrowheads. In bundles the shared part is drawn once, in the colour of lines without a port; each edge has
//! its own colour from where it parts.

use std::collections::BTreeMap;

use crate::report::circuit::figure::{Figure, FigureEdge, Port};
use crate::report::circuit::layout::{Layout, Route};
use crate::report::circuit::style::{Direction, Palette};
use crate::report::text::{Text, xml};

/// All edges, the strongest on top.
pub(crate) fn draw(out: &mut Text, figure: &Figure, layout: &Layout, palette: &Palette) {
    let mut order: Vec<usize> = (0..figure.edges.len()).collect();
    let strength = |edge: usize| figure.edges[edge].score.map_or(0.0, f64::abs);
    order.sort_by(|&a, &b| strength(a).total_cmp(&strength(b)).then(a.cmp(&b)));
    let opacity = match figure.edges.len() {
        0..60 => 0.9,
        60..200 => 0.75,
        _ => 0.6,
    };
    out.line(format_args!("<g fill=\"none\">"));
    if figure.bundled {
        trunks(out, figure, layout, palette, opacity);
    }
    for edge in order {
        out.line(format_args!("<g opacity=\"{opacity}\">"));
        let own = own_part(&layout.routes[edge], figure.bundled);
        draw_edge(out, figure, &figure.edges[edge], &own, palette);
        out.line(format_args!("</g>"));
    }
    out.line(format_args!("</g>"));
}

/// The part of a route that no other edge shares.
fn own_part(route: &Route, bundled: bool) -> Route {
    match route.stops[..] {
        [.., (across, _, leaves), last] if bundled => Route {
            start: (across, leaves),
            stops: vec![last],
        },
        _ => route.clone(),
    }
}

/// The shared parts, as wide as the widest edge in them.
fn trunks(out: &mut Text, figure: &Figure, layout: &Layout, palette: &Palette, opacity: f64) {
    // By writer and number of ranks passed: where the piece begins, where it ends, and its width.
    let mut pieces = BTreeMap::<(usize, usize), (Route, f64)>::new();
    for (edge, route) in figure.edges.iter().zip(&layout.routes) {
        let width = figure.line_width(edge);
        let mut start = route.start;
        for (rank, &stop) in route.stops[..route.stops.len() - 1].iter().enumerate() {
            let piece = pieces.entry((edge.from, rank)).or_insert_with(|| {
                // Up to the end of its way past the rank, so that the next piece joins it.
                let stops = vec![stop, (stop.0, stop.2, stop.2)];
                (Route { start, stops }, 0.0)
            });
            piece.1 = piece.1.max(width);
            start = (stop.0, stop.2);
        }
    }
    out.line(format_args!(
        "<g opacity=\"{opacity}\" stroke=\"{}\">",
        palette.faint
    ));
    for (route, width) in pieces.values() {
        out.line(format_args!(
            "<path d=\"{}\" stroke-width=\"{width:.2}\"/>",
            path(route, 0.0, figure.style.direction)
        ));
    }
    out.line(format_args!("</g>"));
}

fn draw_edge(out: &mut Text, figure: &Figure, edge: &FigureEdge, route: &Route, palette: &Palette) {
    let direction = figure.style.direction;
    let width = figure.line_width(edge);
    let arrow = if edge.is_inside() {
        0.0
    } else {
        4.0 + 1.4 * width
    };
    let dash = match edge.port {
        Port::Inside | Port::Attended => " stroke-dasharray=\"1 2.5\"".into(),
        _ if edge.is_negative() => format!(" stroke-dasharray=\"{:.1} 3\"", 3.0 + width),
        _ => String::new(),
    };
    out.line(format_args!(
        "<title>{}</title><path d=\"{}\" stroke=\"{}\" stroke-width=\"{width:.2}\"{dash}/>",
        xml(&edge.tooltip),
        path(route, arrow, direction),
        edge.colour(palette)
    ));
    if let Some(&(across, along, _)) = route.stops.last()
        && arrow > 0.0
    {
        let half = 1.8 + 0.6 * width;
        let [left, right] = if route.is_sideways() {
            let base = across - arrow * (across - route.start.0).signum();
            [(base, along - half), (base, along + half)]
        } else {
            let base = along - arrow * ahead(direction);
            [(across - half, base), (across + half, base)]
        };
        out.line(format_args!(
            "<path d=\"M{}L{}L{}Z\" fill=\"{}\"/>",
            point(left.0, left.1, direction),
            point(across, along, direction),
            point(right.0, right.1, direction),
            palette.line(edge.port)
        ));
    }
}

/// The sign of steps along the figure, in coordinates of the picture.
fn ahead(direction: Direction) -> f64 {
    match direction {
        Direction::Up => -1.0,
        Direction::Right => 1.0,
    }
}

/// A place of the layout as `x y`.
fn point(across: f64, along: f64, direction: Direction) -> String {
    match direction {
        Direction::Up => format!("{across:.1} {along:.1}"),
        Direction::Right => format!("{along:.1} {across:.1}"),
    }
}

/// The line of an edge, up to where its arrowhead begins.
fn path(route: &Route, arrow: f64, direction: Direction) -> String {
    let (mut across, mut along) = route.start;
    let mut path = format!("M{}", point(across, along, direction));
    if route.is_sideways() {
        let end = route.stops[0].0;
        let end = end - arrow * (end - across).signum();
        return format!("{path}L{}", point(end, along, direction));
    }
    let last = route.stops.len().saturating_sub(1);
    for (stop, &(to, arrives, leaves)) in route.stops.iter().enumerate() {
        let arrives = if stop == last {
            arrives - arrow * ahead(direction)
        } else {
            arrives
        };
        let bend = (arrives - along) * 0.5;
        if stop > 0 && (to - across).abs() < 0.05 && bend.abs() < 0.05 {
            continue;
        }
        path.extend([
            "C".into(),
            point(across, along + bend, direction),
            " ".into(),
            point(to, arrives - bend, direction),
            " ".into(),
            point(to, arrives, direction),
        ]);
        if stop != last && (leaves - arrives).abs() > 0.05 {
            path.extend(["L".into(), point(to, leaves, direction)]);
        }
        (across, along) = (to, leaves);
    }
    path
}
