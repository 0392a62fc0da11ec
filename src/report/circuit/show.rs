//! `secateur show`: a circuit as a tree of text, from the logits down, the strongest edges first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::graph::{KeyValue, Node, Qkv, Reader};
use crate::report::CircuitFile;
use crate::report::text::{clip, short, text_columns, thousands};

/// A node of the tree, and the edge that leads from it to the one above.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Branch {
    /// The node that writes.
    pub node: String,
    /// The edge into the node above; none at the logits.
    pub edge: Option<String>,
    /// `q`, `k` or `v`, where it enters a head by one of these.
    pub port: Option<char>,
    /// Its score, where there are scores.
    pub score: Option<f64>,
    /// Whether the node's own inputs are listed elsewhere in the tree.
    pub repeated: bool,
    /// Edges into this node that are not listed: weaker ones, or all of them below the depth.
    pub unlisted: usize,
    /// Where its input comes from.
    pub inputs: Vec<Self>,
}

/// What of a circuit is listed.
#[derive(Debug, Clone, Copy)]
pub struct ShowOptions {
    /// Edges from the logits down.
    pub depth: usize,
    /// Edges into a node.
    pub top: usize,
}

/// An edge of the circuit, as the tree needs it.
struct Input {
    from: String,
    port: Option<char>,
    score: Option<f64>,
    name: String,
}

/// The tree of a circuit.
///
/// A head is fed by its own queries' edges and by those of its group's keys and values, which where positions are told
/// apart may be at any span. A node that feeds several is
/// listed below each; its own inputs are listed once, where the tree reaches it first, level by level.
///
/// # Errors
/// When the file describes no circuit.
pub fn circuit_tree(file: &CircuitFile, options: ShowOptions) -> Result<Branch> {
    let (graph, circuit) = file.circuit()?;
    let group = match file.granularity.kv {
        KeyValue::Group => file.model.config.group_size(),
        KeyValue::PerHead => 1,
    };
    let mut inputs = BTreeMap::<String, Vec<Input>>::new();
    let spans = graph.spans();
    let named = |node: Node, span: Option<usize>| match span {
        Some(span) if node != Node::Logits => format!("{node}@{}", spans[span]),
        _ => node.to_string(),
    };
    let everywhere: Vec<Option<usize>> = match spans.len() {
        0 => vec![None],
        count => (0..count).map(Some).collect(),
    };
    for edge in circuit.kept.edges(&graph) {
        let (writer, reader) = graph.ends(edge);
        let reader = graph.readers()[reader];
        let span = graph.span_of(writer);
        let input = || Input {
            from: graph.writer_name(writer),
            port: match reader {
                Reader::Head { part, .. } => part.map(Qkv::letter),
                _ => None,
            },
            score: circuit.scores.as_ref().map(|scores| scores[edge]),
            name: graph.edge_name(edge),
        };
        let fed = match reader {
            Reader::Head {
                layer,
                head,
                part: Some(Qkv::K | Qkv::V),
            } => (head..head + group)
                .flat_map(|head| {
                    everywhere
                        .iter()
                        .map(move |&span| (Node::Head { layer, head }, span))
                })
                .collect(),
            Reader::Head { part: None, .. } => everywhere
                .iter()
                .map(|&span| (reader.node(), span))
                .collect(),
            Reader::Mlp { layer } => {
                let neurons = graph.neurons().get(&layer).into_iter().flatten();
                let neurons = neurons.map(|&neuron| (Node::Neuron { layer, neuron }, span));
                neurons.chain([(reader.node(), span)]).collect()
            }
            _ => vec![(reader.node(), span)],
        };
        for (node, span) in fed {
            inputs.entry(named(node, span)).or_default().push(input());
        }
    }
    for edges in inputs.values_mut() {
        let strength = |input: &Input| input.score.map_or(0.0, f64::abs);
        edges.sort_by(|a, b| {
            let strengths = strength(b).total_cmp(&strength(a));
            strengths.then_with(|| a.name.cmp(&b.name))
        });
    }
    let mut root = branch(&Node::Logits.to_string(), None);
    let mut listed = BTreeSet::new();
    grow(&mut [&mut root], &inputs, options, 0, &mut listed);
    Ok(root)
}

fn branch(node: &str, input: Option<&Input>) -> Branch {
    Branch {
        node: node.to_owned(),
        edge: input.map(|input| input.name.clone()),
        port: input.and_then(|input| input.port),
        score: input.and_then(|input| input.score),
        repeated: false,
        unlisted: 0,
        inputs: Vec::new(),
    }
}

/// Lists the inputs of all branches of a level, then those of the next.
fn grow(
    level: &mut [&mut Branch],
    inputs: &BTreeMap<String, Vec<Input>>,
    options: ShowOptions,
    depth: usize,
    listed: &mut BTreeSet<String>,
) {
    if level.is_empty() {
        return;
    }
    for above in level.iter_mut() {
        let Some(edges) = inputs.get(&above.node) else {
            continue;
        };
        if depth == options.depth {
            above.unlisted = edges.len();
        } else if listed.insert(above.node.clone()) {
            above.unlisted = edges.len().saturating_sub(options.top);
            let shown = edges.iter().take(options.top);
            above.inputs = shown
                .map(|input| branch(&input.from, Some(input)))
                .collect();
        } else {
            above.repeated = true;
        }
    }
    if depth < options.depth {
        let mut below: Vec<&mut Branch> = level
            .iter_mut()
            .flat_map(|above| above.inputs.iter_mut())
            .collect();
        grow(&mut below, inputs, options, depth + 1, listed);
    }
}

/// How the tree is printed.
#[derive(Debug, Clone, Copy)]
pub struct ShowLook {
    /// Columns of the terminal.
    pub columns: usize,
    /// Whether ports and signs have colours.
    pub coloured: bool,
}

/// A row of the printed tree.
struct Row {
    tree: String,
    port: Option<char>,
    score: Option<f64>,
    note: String,
}

/// Columns of the longest bar.
const BAR: usize = 16;

/// The tree as aligned text with a line for the circuit above it.
pub fn show_text(file: &CircuitFile, tree: &Branch, look: ShowLook) -> String {
    let mut rows = Vec::new();
    rows.push(row("", tree));
    add_rows(tree, "", &mut rows);
    let names = rows.iter().map(|row| text_columns(&row.tree));
    let names = names.max().unwrap_or(0);
    let scores: Vec<String> = rows
        .iter()
        .map(|row| row.score.map_or_else(String::new, short))
        .collect();
    let numbers = scores.iter().map(String::len).max().unwrap_or(0);
    let strengths = rows.iter().filter_map(|row| row.score).map(f64::abs);
    let largest = strengths.fold(0.0, f64::max);
    // Name, port, score, each two columns apart; then notes, and bars where these leave room.
    let used = names + 2 + 1 + 2 + numbers + 2;
    let notes = rows.iter().map(|row| text_columns(&row.note)).max();
    let notes = notes
        .filter(|&longest| longest > 0)
        .map_or(0, |longest| longest + 2);
    let bar = look.columns.saturating_sub(used + notes).min(BAR);
    let mut out = heading(file, look.columns);
    for (row, score) in rows.iter().zip(&scores) {
        let colour = colour(row);
        let painted = |text: String| match colour {
            Some(colour) if look.coloured => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            _ => text,
        };
        let port = row.port.map_or_else(|| " ".into(), |port| port.to_string());
        let length = row
            .score
            .filter(|_| largest > 0.0 && bar >= 4)
            .map(|score| {
                let length = (score.abs() / largest * bar as f64).ceil() as usize;
                length.clamp(1, bar)
            });
        let room = look.columns.saturating_sub(used + length.unwrap_or(0) + 2);
        let space = " ".repeat(names - text_columns(&row.tree));
        let cells = [
            format!("{}{space}", row.tree),
            painted(port),
            painted(format!("{score:>numbers$}")),
            length.map_or_else(String::new, |length| painted("▪".repeat(length))),
            clip(&row.note, room),
        ];
        let line = cells.join("  ");
        let line = if look.coloured {
            line
        } else {
            clip(line.trim_end(), look.columns.max(20))
        };
        out += line.trim_end();
        out.push('\n');
    }
    out
}

fn heading(file: &CircuitFile, columns: usize) -> String {
    let mut parts = vec![
        file.name.clone(),
        file.model.label(),
        file.method.clone(),
        format!(
            "{} of {} edges",
            thousands(file.edges.len()),
            thousands(file.edges_total)
        ),
    ];
    if let Some(faithfulness) = file.figures.get("faithfulness") {
        parts.push(format!("faithfulness {faithfulness:.2}"));
    }
    // As many to a line as fit.
    let mut lines = vec![String::new()];
    for part in parts {
        let part = clip(&part, columns.max(20));
        let line = lines.last_mut().map(std::mem::take).unwrap_or_default();
        let joined = if line.is_empty() {
            part.clone()
        } else {
            format!("{line} · {part}")
        };
        lines.pop();
        if text_columns(&joined) <= columns || line.is_empty() {
            lines.push(joined);
        } else {
            lines.extend([line, part]);
        }
    }
    lines.join("\n") + "\n\n"
}

fn row(tree: &str, branch: &Branch) -> Row {
    let note = match (branch.repeated, branch.unlisted) {
        (true, _) => "listed above".into(),
        (false, 0) => String::new(),
        (false, unlisted) if branch.inputs.is_empty() => {
            format!("+{} below", thousands(unlisted))
        }
        (false, unlisted) => format!("+{} weaker", thousands(unlisted)),
    };
    Row {
        tree: format!("{tree}{}", branch.node),
        port: branch.port,
        score: branch.score,
        note,
    }
}

fn add_rows(branch: &Branch, indent: &str, rows: &mut Vec<Row>) {
    for (place, input) in branch.inputs.iter().enumerate() {
        let last = place + 1 == branch.inputs.len();
        let (twig, space) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        rows.push(row(&format!("{indent}{twig}"), input));
        add_rows(input, &format!("{indent}{space}"), rows);
    }
}

/// Red for what works against the task, else by port as in drawings.
fn colour(row: &Row) -> Option<&'static str> {
    match (row.score, row.port) {
        (Some(score), _) if score < 0.0 => Some("31"),
        (_, Some('q')) => Some("34"),
        (_, Some('k')) => Some("35"),
        (_, Some('v')) => Some("32"),
        _ => None,
    }
}

/// The tree as JSON, with a line break at the end.
///
/// # Errors
/// Never for values of this type; the serialiser's signature allows it.
pub fn show_json(tree: &Branch) -> Result<String> {
    let mut text = serde_json::to_string_pretty(tree)
        .map_err(|error| Error::Bug(format!("tree of a circuit: {error}")))?;
    text.push('\n');
    Ok(text)
}
