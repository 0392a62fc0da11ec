//! Vertical coordinates, and the points where edges leave, pass and arrive.

use super::{Layers, Layout, NodeBox, Route, port_offset, size};
use crate::report::figure::{Figure, Port};

/// Space above and below the figure, and at its right.
const MARGIN: f64 = 16.0;
/// Space at the left, for the names of the layers.
const LEFT: f64 = 64.0;

/// Boxes and routes from the items' centres.
pub(super) fn draw(figure: &Figure, layers: &Layers, mut x: Vec<f64>) -> Layout {
    let sides = |item: usize, x: &[f64]| {
        let half = layers.items[item].width / 2.0;
        (x[item] - half, x[item] + half)
    };
    let items = 0..layers.items.len();
    let least = items.clone().map(|item| sides(item, &x).0);
    let shift = LEFT - least.fold(f64::INFINITY, f64::min);
    for x in &mut x {
        *x += shift;
    }
    let most = items.map(|item| sides(item, &x).1);
    let width = most.fold(0.0, f64::max) + MARGIN;

    let height_of = |node: usize| {
        let node = &figure.nodes[node];
        size(node, (0, 0)).1
    };
    let rows = rows(layers, &x, height_of);
    let height = rows.last().map_or(0.0, |row| row.0) + MARGIN;
    // y measured from the top; `rows` from the bottom.
    let boxes: Vec<NodeBox> = (0..figure.nodes.len())
        .map(|node| {
            let (top, bottom) = rows[figure.nodes[node].rank];
            let own = height_of(node);
            NodeBox {
                x: x[node],
                y: height - f64::midpoint(top, bottom) - own / 2.0,
                width: layers.items[node].width,
                height: own,
            }
        })
        .collect();
    let leave = departures(layers, &x);
    let arrive = arrivals(figure, layers, &x);
    let routes = layers
        .chains
        .iter()
        .enumerate()
        .map(|(edge, chain)| {
            let ends = &figure.edges[edge];
            let mut stops = Vec::new();
            for (step, &segment) in chain.iter().enumerate() {
                let to = layers.segments[segment].to;
                if layers.items[to].node.is_none() {
                    let (top, bottom) = rows[figure.nodes[ends.from].rank + step + 1];
                    stops.push((x[to], height - bottom, height - top));
                }
            }
            let end = boxes[ends.to].bottom();
            stops.push((arrive[edge], end, end));
            Route {
                start: (leave[edge], boxes[ends.from].y),
                stops,
            }
        })
        .collect();
    Layout {
        width,
        height,
        boxes,
        routes,
    }
}

/// Upper and lower side of every rank, measured upwards from the bottom of the figure.
fn rows(layers: &Layers, x: &[f64], height_of: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
    let mut rows = Vec::with_capacity(layers.ranks.len());
    let mut bottom = MARGIN;
    for rank in &layers.ranks {
        let nodes = rank.iter().filter_map(|&item| layers.items[item].node);
        let height = nodes.map(&height_of).fold(0.0, f64::max);
        rows.push((bottom + height, bottom));
        // Edges that go far sideways need more height to stay readable.
        let furthest = rank
            .iter()
            .flat_map(|&item| &layers.above[item])
            .map(|&segment| {
                let segment = &layers.segments[segment];
                (x[segment.to] + segment.offset - x[segment.from]).abs()
            })
            .fold(0.0, f64::max);
        bottom += height + (30.0 + 0.12 * furthest).min(90.0);
    }
    rows
}

/// Where each edge leaves the upper side of its writer.
fn departures(layers: &Layers, x: &[f64]) -> Vec<f64> {
    let mut at = vec![0.0; layers.chains.len()];
    let first = |edge: usize| {
        let segment = &layers.segments[layers.chains[edge][0]];
        (segment.from, x[segment.to] + segment.offset)
    };
    let mut by_writer = vec![Vec::new(); layers.items.len()];
    for edge in 0..layers.chains.len() {
        by_writer[first(edge).0].push(edge);
    }
    for (item, edges) in by_writer.iter_mut().enumerate() {
        edges.sort_by(|&a, &b| first(a).1.total_cmp(&first(b).1).then(a.cmp(&b)));
        let places = spread(x[item], layers.items[item].width - 14.0, edges.len(), 9.0);
        for (&edge, place) in edges.iter().zip(places) {
            at[edge] = place;
        }
    }
    at
}

/// Where each edge enters the lower side of its reader: spread over its port.
fn arrivals(figure: &Figure, layers: &Layers, x: &[f64]) -> Vec<f64> {
    let mut at = vec![0.0; layers.chains.len()];
    let mut by_port = std::collections::BTreeMap::<(usize, Port), Vec<usize>>::new();
    for (edge, ends) in figure.edges.iter().enumerate() {
        by_port.entry((ends.to, ends.port)).or_default().push(edge);
    }
    let origin = |edge: usize| {
        let last = layers.chains[edge].last();
        last.map_or(0.0, |&segment| x[layers.segments[segment].from])
    };
    for ((node, port), mut edges) in by_port {
        edges.sort_by(|&a, &b| origin(a).total_cmp(&origin(b)).then(a.cmp(&b)));
        let width = layers.items[node].width;
        let room = match port {
            Port::Part(_) => width / 3.0 - 8.0,
            Port::Only | Port::Inside => width - 16.0,
        };
        let centre = x[node] + port_offset(port, width);
        for (&edge, place) in edges.iter().zip(spread(centre, room, edges.len(), 7.0)) {
            at[edge] = place;
        }
    }
    at
}

/// Evenly spread places around a centre, at most `step` apart and within `room`.
fn spread(centre: f64, room: f64, count: usize, step: f64) -> impl Iterator<Item = f64> {
    let gaps = count.saturating_sub(1).max(1) as f64;
    let step = step.min(room / gaps);
    (0..count).map(move |place| centre + (place as f64 - (count as f64 - 1.0) / 2.0) * step)
}
