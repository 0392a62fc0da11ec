//! Places along the figure, and the points where edges leave, pass and arrive.

use super::{Column, Layers, Layout, NodeBox, Route, columns, extent, port_offset};
use crate::report::circuit::figure::{Figure, Port};
use crate::report::circuit::style::Direction;

/// Space above and below the figure, and at its right.
const MARGIN: f64 = 16.0;
/// Space for the names of the layers: at the left, and above a figure drawn to the right.
const LEFT: f64 = 64.0;
const ABOVE: f64 = 30.0;

/// Rows of a figure whose rows are closer together.
const DEEP: usize = 24;

/// Boxes and routes from the items' centres.
pub(crate) fn draw(figure: &Figure, layers: &Layers, mut x: Vec<f64>) -> Layout {
    let sides = |item: usize, x: &[f64]| {
        let half = layers.items[item].width / 2.0;
        (x[item] - half, x[item] + half)
    };
    let items = 0..layers.items.len();
    let least = items.clone().map(|item| sides(item, &x).0);
    let direction = figure.style.direction;
    let names = match direction {
        Direction::Up => LEFT,
        Direction::Right => ABOVE,
    };
    let least = match layers.columns.first() {
        Some(column) => column.sides.0,
        None => least.fold(f64::INFINITY, f64::min),
    };
    let shift = names - least;
    for x in &mut x {
        *x += shift;
    }
    let most = items.map(|item| sides(item, &x).1);
    let columns = moved(&layers.columns, shift);
    let most = most.chain(columns.iter().map(|column| column.sides.1));
    let across = most.fold(0.0, f64::max) + MARGIN;

    let length_of = |node: usize| extent(&figure.nodes[node], (0, 0), direction).1;
    let (before, after) = columns::header(figure);
    let rows = rows(layers, &x, before, length_of);
    let along = rows.last().map_or(0.0, |row| row.0) + MARGIN + after;
    // `rows` are measured from the input on; y grows downwards.
    let place = |row: f64| match direction {
        Direction::Up => along - row,
        Direction::Right => row,
    };
    let boxes: Vec<NodeBox> = (0..figure.nodes.len())
        .map(|node| {
            let (end, start) = rows[figure.nodes[node].rank];
            let middle = place(f64::midpoint(start, end));
            let (width, length) = (layers.items[node].width, length_of(node));
            match direction {
                Direction::Up => NodeBox {
                    x: x[node],
                    y: middle - length / 2.0,
                    width,
                    height: length,
                },
                Direction::Right => NodeBox {
                    x: middle,
                    y: x[node] - width / 2.0,
                    width: length,
                    height: width,
                },
            }
        })
        .collect();
    // Where edges leave a node, and where they arrive.
    let upper = |node: usize| match direction {
        Direction::Up => boxes[node].y,
        Direction::Right => boxes[node].right(),
    };
    let lower = |node: usize| match direction {
        Direction::Up => boxes[node].bottom(),
        Direction::Right => boxes[node].left(),
    };
    let leave = departures(layers, &x);
    let arrive = arrivals(figure, layers, &x);
    let routes = layers
        .chains
        .iter()
        .enumerate()
        .map(|(edge, chain)| {
            let ends = &figure.edges[edge];
            if chain.is_empty() {
                return beside(&boxes[ends.from], &boxes[ends.to], direction);
            }
            let mut stops = Vec::new();
            for (step, &segment) in chain.iter().enumerate() {
                let to = layers.segments[segment].to;
                if layers.items[to].node.is_none() {
                    let (far, near) = rows[figure.nodes[ends.from].rank + step + 1];
                    stops.push((x[to], place(near), place(far)));
                }
            }
            let end = lower(ends.to);
            stops.push((arrive[edge], end, end));
            Route {
                start: (leave[edge], upper(ends.from)),
                stops,
            }
        })
        .collect();
    let (width, height) = match direction {
        Direction::Up => (across, along),
        Direction::Right => (along, across),
    };
    Layout {
        width,
        height,
        boxes,
        routes,
        columns,
    }
}

/// The columns further across.
fn moved(columns: &[Column], by: f64) -> Vec<Column> {
    let columns = columns.iter().map(|column| Column {
        sides: (column.sides.0 + by, column.sides.1 + by),
        ..*column
    });
    columns.collect()
}

/// From the side of a box to that of one in the same row.
fn beside(from: &NodeBox, to: &NodeBox, direction: Direction) -> Route {
    let (from, to, along) = match direction {
        Direction::Up => {
            let along = from.y + from.height / 2.0;
            ([from.left(), from.right()], [to.left(), to.right()], along)
        }
        Direction::Right => ([from.y, from.bottom()], [to.y, to.bottom()], from.x),
    };
    let (start, end) = if from[0] < to[0] {
        (from[1], to[0])
    } else {
        (from[0], to[1])
    };
    Route {
        start: (start, along),
        stops: vec![(end, along, along)],
    }
}

/// End and start of every rank, measured along from the input's side of the figure.
fn rows(
    layers: &Layers,
    x: &[f64],
    before: f64,
    length_of: impl Fn(usize) -> f64,
) -> Vec<(f64, f64)> {
    let mut rows = Vec::with_capacity(layers.ranks.len());
    let mut bottom = MARGIN + before;
    // Deep figures are tall enough.
    let [least, slope, most] = if layers.ranks.len() > DEEP {
        [22.0, 0.09, 54.0]
    } else {
        [30.0, 0.12, 90.0]
    };
    for rank in &layers.ranks {
        let nodes = rank.iter().filter_map(|&item| layers.items[item].node);
        let height = nodes.map(&length_of).fold(0.0, f64::max);
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
        bottom += height + (least + slope * furthest).min(most);
    }
    rows
}

/// Where each edge leaves its writer; edges that begin as one line leave at one place.
fn departures(layers: &Layers, x: &[f64]) -> Vec<f64> {
    let mut at = vec![0.0; layers.segments.len()];
    let goal = |segment: usize| x[layers.segments[segment].to] + layers.segments[segment].offset;
    let mut by_writer = vec![Vec::new(); layers.items.len()];
    for &first in layers.chains.iter().filter_map(|chain| chain.first()) {
        by_writer[layers.segments[first].from].push(first);
    }
    for (item, lines) in by_writer.iter_mut().enumerate() {
        lines.sort_by(|&a, &b| goal(a).total_cmp(&goal(b)).then(a.cmp(&b)));
        lines.dedup();
        let places = spread(x[item], layers.items[item].width - 14.0, lines.len(), 9.0);
        for (&line, place) in lines.iter().zip(places) {
            at[line] = place;
        }
    }
    let first = layers.chains.iter().map(|chain| chain.first());
    first
        .map(|first| first.map_or(0.0, |&segment| at[segment]))
        .collect()
}

/// Where each edge enters its reader: spread over its port.
fn arrivals(figure: &Figure, layers: &Layers, x: &[f64]) -> Vec<f64> {
    let mut at = vec![0.0; layers.chains.len()];
    let mut by_port = std::collections::BTreeMap::<(usize, Port), Vec<usize>>::new();
    let risen = figure.edges.iter().enumerate();
    for (edge, ends) in risen.filter(|(edge, _)| !layers.chains[*edge].is_empty()) {
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
            Port::Only | Port::Several | Port::Inside | Port::Attended => width - 16.0,
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
