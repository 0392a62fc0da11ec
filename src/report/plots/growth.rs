//! How the cost of work grows with prompts and model: the records of `bench`, as plots side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::plot::{Look, Plot, PlotPoint, Scale, Series, side_by_side};
use crate::error::{Error, Result};
use crate::report::circuit::limits::read_figures;
use crate::report::text::thousands;

/// What a piece of work took on a model and prompts: a line of `bench --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchRecord {
    /// The work, such as `eap-ig`.
    pub work: String,
    /// Wall time of each repetition, in seconds.
    pub seconds: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// Number of pairs.
    pub pairs: usize,
    /// Tokens of the longest prompt.
    pub tokens: usize,
    /// Layers of the model.
    pub layers: usize,
    /// Heads of a layer.
    pub heads: usize,
    /// Width of the stream.
    pub d_model: usize,
    /// Edges of the graph.
    pub graph_edges: usize,
    /// Number of circuits measured; zero for work that measures none.
    pub circuits: usize,
    /// ACDC's threshold.
    pub tau: Option<f64>,
    /// Edges of the circuit found, by ACDC.
    pub edges: Option<usize>,
    /// The cost of ACDC's tests from the first to the last.
    pub sweep: Vec<SweepPart>,
    /// Floating-point operations that the work needs at least; of circuits, older records lack them.
    pub operations: Option<f64>,
    /// Threads.
    pub threads: usize,
    /// Operations a second of the machine's matrix products at that time, where measured.
    pub matrix_rate: Option<f64>,
    /// Bytes a second that the machine reads, where measured.
    pub bandwidth: Option<f64>,
    /// Share of the matrix rate that the work reaches.
    pub share_of_matrix_rate: Option<f64>,
}

/// Consecutive tests of ACDC.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SweepPart {
    /// Number of edges tested.
    pub tested: usize,
    /// What that took.
    pub seconds: f64,
    /// Edges of the circuit before the first of these tests.
    pub edges: usize,
    /// Edges decided before, those of dead readers included, which need no test.
    pub decided: usize,
}

/// Works in the order of colours, and their names.
const WORKS: [(&str, &str); 7] = [
    ("forward", "forward, all logits"),
    ("eap", "EAP"),
    ("eap-ig", "EAP-IG"),
    ("evaluate", "ten circuits"),
    ("exact", "exact patching"),
    ("acdc", "ACDC"),
    ("vjp", "VJP"),
];

/// A size that the cost grows with.
struct Size {
    title: &'static str,
    label: &'static str,
    /// What tells two sizes apart; sizes of a plot differ in nothing but this one.
    of: fn(&BenchRecord) -> usize,
    /// What the axis shows.
    shown: fn(&BenchRecord) -> usize,
}

const SIZES: [Size; 4] = [
    Size {
        title: "By examples",
        label: "pairs of prompts",
        of: |it| it.pairs,
        shown: |it| it.pairs,
    },
    Size {
        title: "By sequence length",
        label: "tokens of a prompt",
        of: |it| it.tokens,
        shown: |it| it.tokens,
    },
    Size {
        title: "By layers",
        label: "layers",
        of: |it| it.layers,
        shown: |it| it.layers,
    },
    Size {
        title: "By edges",
        label: "edges of the graph, as heads become more",
        of: |it| it.heads,
        shown: |it| it.graph_edges,
    },
];

/// The records in lines of JSON, as `bench --json` writes them, one or several runs after each other.
///
/// # Errors
/// When a line is none, with its number.
pub fn parse_bench(text: &str, name: &str) -> Result<Vec<BenchRecord>> {
    let lines = text.lines().enumerate();
    let records = lines.filter(|(_, line)| !line.trim().is_empty());
    records
        .map(|(index, line)| {
            let place = format!("{name}:{}: not a record of `bench --json`", index + 1);
            read_figures(line, &place)
        })
        .collect()
}

/// Plots of seconds against each size that varies while the others stay as they are, of the cost of a token, and of the
/// cost of ACDC's tests.
///
/// # Errors
/// When nothing varies.
pub fn growth_svg(records: &[BenchRecord], name: &str) -> Result<String> {
    let mut plots: Vec<(Plot, Look)> = Vec::new();
    let log = Look {
        log_x: true,
        y: Scale::Logarithmic,
        ..Look::default()
    };
    for (index, size) in SIZES.iter().enumerate() {
        let varied = varied(records, index);
        if !varied.is_empty() {
            plots.push((by_size(&varied, size), log));
        }
    }
    let linear = Look {
        y: Scale::FromZero,
        ..Look::default()
    };
    plots.extend(by_token(records).map(|plot| (plot, linear)));
    plots.extend(by_tests(records).map(|plot| (plot, linear)));
    if plots.is_empty() {
        return Err(Error::data(
            name,
            "nothing to plot: record the same work with more or fewer pairs, longer prompts, or models with more layers or heads",
        ));
    }
    Ok(side_by_side("How the cost grows", &plots))
}

/// The most records that differ in one size only, if at least two sizes are among them.
fn varied(records: &[BenchRecord], size: usize) -> Vec<&BenchRecord> {
    let mut groups = BTreeMap::<Vec<usize>, Vec<&BenchRecord>>::new();
    for record in records {
        let others = SIZES.iter().enumerate().filter(|(it, _)| *it != size);
        let mut key: Vec<usize> = others.map(|(_, other)| (other.of)(record)).collect();
        key.extend([record.d_model, record.threads]);
        groups.entry(key).or_default().push(record);
    }
    let sizes = |group: &Vec<&BenchRecord>| {
        let found: BTreeSet<usize> = group.iter().map(|it| (SIZES[size].of)(it)).collect();
        found.len()
    };
    let groups = groups.into_values().filter(|group| sizes(group) > 1);
    groups
        .max_by_key(|group| (sizes(group), group.len()))
        .unwrap_or_default()
}

/// Least seconds of a work by what is shown of a size; of ACDC with the threshold that was run at most sizes.
fn least(
    records: &[&BenchRecord],
    work: &str,
    shown: impl Fn(&BenchRecord) -> usize,
) -> Vec<(usize, f64)> {
    let mut found = BTreeMap::<Option<u64>, BTreeMap<usize, f64>>::new();
    for record in records.iter().filter(|it| it.work == work) {
        let seconds = record.seconds.iter().copied().fold(f64::INFINITY, f64::min);
        let points = found.entry(record.tau.map(f64::to_bits)).or_default();
        let point = points.entry(shown(record)).or_insert(f64::INFINITY);
        *point = point.min(seconds);
    }
    let most = found.into_values().max_by_key(BTreeMap::len);
    most.unwrap_or_default().into_iter().collect()
}

fn point(x: f64, y: f64) -> PlotPoint {
    PlotPoint {
        x,
        y,
        interval: None,
    }
}

fn by_size(records: &[&BenchRecord], size: &Size) -> Plot {
    let series = WORKS.iter().map(|(work, name)| Series {
        name: (*name).into(),
        points: least(records, work, size.shown)
            .into_iter()
            .map(|(x, y)| point(x as f64, y))
            .collect(),
    });
    Plot {
        title: size.title.into(),
        x_label: size.label.into(),
        y_label: "seconds".into(),
        reference: None,
        series: series.collect(),
    }
}

/// What a token costs, with more pairs and with longer prompts; level where the cost is linear.
fn by_token(records: &[BenchRecord]) -> Option<Plot> {
    let series = ["more examples", "longer prompts"].into_iter().enumerate();
    let series = series.map(|(size, name)| {
        let tokens = |it: &BenchRecord| it.pairs.saturating_mul(it.tokens);
        let points = least(&varied(records, size), "eap-ig", tokens);
        let points = points.into_iter().map(|(tokens, seconds)| {
            let tokens = tokens as f64;
            point(tokens, 1e6 * seconds / tokens.max(1.0))
        });
        Series {
            name: name.into(),
            points: points.collect(),
        }
    });
    let series: Vec<Series> = series.collect();
    series.iter().any(|it| it.points.len() > 1).then(|| Plot {
        title: "EAP-IG by token".into(),
        x_label: "tokens of all prompts".into(),
        y_label: "microseconds a token".into(),
        reference: None,
        series,
    })
}

/// What a test of ACDC costs from the last layer's edges to the first's, for each threshold of the model with the most.
fn by_tests(records: &[BenchRecord]) -> Option<Plot> {
    let mut models = BTreeMap::<[usize; 5], BTreeMap<u64, &BenchRecord>>::new();
    for record in records.iter().filter(|it| it.sweep.len() > 1) {
        let Some(tau) = record.tau else { continue };
        let key = [
            record.layers,
            record.heads,
            record.d_model,
            record.pairs,
            record.tokens,
        ];
        models.entry(key).or_default().insert(tau.to_bits(), record);
    }
    let most = models.into_values().max_by_key(BTreeMap::len)?;
    let mut found: Vec<&BenchRecord> = most.into_values().collect();
    found.sort_by(|a, b| {
        let tau = |it: &BenchRecord| it.tau.unwrap_or_default();
        tau(a).total_cmp(&tau(b))
    });
    let series = found.iter().map(|record| {
        let name = match record.edges {
            Some(kept) if kept < record.graph_edges => {
                let tau = record.tau.unwrap_or_default();
                format!("threshold {tau}: {} edges kept", thousands(kept))
            }
            _ => "nothing goes".into(),
        };
        Series {
            name,
            points: tests(record),
        }
    });
    Some(Plot {
        title: format!("ACDC's tests, {} layers", found[0].layers),
        x_label: "% of the edges decided, last layer first".into(),
        y_label: "milliseconds a test".into(),
        reference: None,
        series: series.collect(),
    })
}

/// Milliseconds a test of each part, at the middle of the edges decided in it.
fn tests(record: &BenchRecord) -> Vec<PlotPoint> {
    let edges = record.graph_edges.max(1) as f64;
    let ends = record.sweep.iter().skip(1).map(|part| part.decided);
    let ends = ends.chain([record.graph_edges]);
    let parts = record.sweep.iter().zip(ends);
    parts
        .map(|(part, end)| {
            let middle = 50.0 * (part.decided as f64 + end as f64) / edges;
            point(middle, 1000.0 * part.seconds / part.tested.max(1) as f64)
        })
        .collect()
}
