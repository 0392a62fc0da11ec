//! `secateur bench`: how long the engine's work takes on this machine, and how far that is from its limits.

use std::path::Path;

use secateur::bench::{MatrixRate, Timing, Work, bandwidth, time};
use secateur::events::Silent;
use secateur::graph::KeyValue;
use secateur::model::{ModelConfig, PrependBos, load_model};
use secateur::report::{BenchRecord, SweepPart, table};
use secateur::task::LoadRequest;
use secateur::{Error, Result, TaskSource};

use crate::args::{BenchArgs, BenchWork};
use crate::output;

pub(crate) fn bench(args: &BenchArgs) -> Result<u8> {
    // The work runs on a thread of the pool, as jobs do: another thread would wait for the pool at every product.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads.unwrap_or(0))
        .build()
        .map_err(|error| Error::Bug(format!("the thread pool: {error}")))?;
    pool.install(|| measure(args))
}

fn measure(args: &BenchArgs) -> Result<u8> {
    let bandwidth = args.roofline.then(bandwidth);
    let mut rate = args.roofline.then(MatrixRate::new);
    let model = load_model(&args.added.to(&args.model), Path::new("."))?;
    output::warnings(&model.warnings);
    let request = LoadRequest {
        prompts: secateur::task::Prompts::Pairs,
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: PrependBos::Never,
        base: Path::new("."),
        observer: &Silent,
    };
    let dataset = TaskSource::Tokens(args.rows.clone()).load(&request)?;
    let examples = &dataset.examples;
    let kv = if args.per_head {
        KeyValue::PerHead
    } else {
        KeyValue::Group
    };
    let lengths = examples.iter().map(|it| it.clean.len());
    let prompts = (examples.len(), lengths.max().unwrap_or_default());
    let mut rows = Vec::new();
    let mut sweep = Vec::new();
    for &name in &args.work {
        let work = work(name, args);
        let repeat = (args.repeat, kv);
        let timing = time(&model, &dataset, &work, repeat, rate.as_mut(), &Silent)?;
        if args.json {
            let record = record((name, &work), prompts, model.config(), (&timing, bandwidth));
            let line = serde_json::to_string(&record)
                .map_err(|error| Error::Bug(format!("a record as JSON: {error}")))?;
            output::data(format!("{line}\n").as_bytes())?;
        } else {
            rows.push(row(name, &timing));
            sweep.extend(timing.sweep);
        }
    }
    if !args.json {
        output::data(text(&rows, &sweep, bandwidth).as_bytes())?;
    }
    Ok(0)
}

fn work(name: BenchWork, args: &BenchArgs) -> Work {
    match name {
        BenchWork::Forward => Work::Forward,
        BenchWork::Vjp => Work::Vjp,
        BenchWork::Eap => Work::Eap,
        BenchWork::EapIg => Work::EapIg { steps: args.steps },
        BenchWork::Evaluate => Work::Evaluate,
        BenchWork::Exact => Work::Exact,
        BenchWork::Acdc => Work::Acdc { tau: args.tau },
    }
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The machine's matrix rate while some work was timed, where it was measured.
fn matrix_rate(timing: &Timing) -> Option<f64> {
    (!timing.matrix_rates.is_empty()).then(|| median(&timing.matrix_rates))
}

/// Share of that rate that the work reaches.
fn share(timing: &Timing) -> Option<f64> {
    Some(timing.operations / median(&timing.seconds) / matrix_rate(timing)?)
}

/// What some work took on this many pairs of at most so many tokens.
fn record(
    (name, work): (BenchWork, &Work),
    (pairs, tokens): (usize, usize),
    config: &ModelConfig,
    (timing, bandwidth): (&Timing, Option<f64>),
) -> BenchRecord {
    BenchRecord {
        work: name.label().into(),
        seconds: timing.seconds.clone(),
        median: median(&timing.seconds),
        pairs,
        tokens,
        layers: config.n_layers,
        heads: config.n_heads,
        d_model: config.d_model,
        graph_edges: timing.edges,
        circuits: timing.circuits,
        tau: match work {
            Work::Acdc { tau } => Some(*tau),
            _ => None,
        },
        edges: timing.edges_kept,
        sweep: timing.sweep.clone(),
        operations: Some(timing.operations),
        threads: rayon::current_num_threads(),
        matrix_rate: matrix_rate(timing),
        bandwidth,
        share_of_matrix_rate: share(timing),
    }
}

fn row(name: BenchWork, timing: &Timing) -> Vec<String> {
    let middle = median(&timing.seconds);
    vec![
        name.label().into(),
        format!("{middle:.3}"),
        format!(
            "{:.3}",
            timing.seconds.iter().copied().fold(f64::INFINITY, f64::min)
        ),
        if timing.circuits == 0 {
            "-".into()
        } else {
            format!("{:.3}", 1000.0 * middle / timing.circuits as f64)
        },
        timing
            .edges_kept
            .map_or("-".into(), |edges| edges.to_string()),
        format!("{:.1}", timing.operations / 1e9),
        format!("{:.1}", timing.operations / middle / 1e9),
        matrix_rate(timing).map_or("-".into(), |rate| format!("{:.1}", rate / 1e9)),
        share(timing).map_or("-".into(), |share| format!("{:.0} %", 100.0 * share)),
    ]
}

/// ACDC's tests, from the first to the last.
fn sweep_rows(sweep: &[SweepPart]) -> Vec<Vec<String>> {
    let parts = sweep.iter().map(|part| {
        vec![
            part.tested.to_string(),
            part.edges.to_string(),
            format!("{:.3}", 1000.0 * part.seconds / part.tested as f64),
        ]
    });
    parts.collect()
}

fn text(rows: &[Vec<String>], sweep: &[SweepPart], bandwidth: Option<f64>) -> String {
    let header = [
        "work",
        "median s",
        "least s",
        "ms a circuit",
        "edges kept",
        "GFLOP at least",
        "GFLOP/s",
        "matrices GFLOP/s",
        "of the limit",
    ];
    let mut out = table(&header, rows, 1);
    if !sweep.is_empty() {
        let header = ["edges tested by ACDC", "edges before", "ms a test"];
        out.push('\n');
        out.push_str(&table(&header, &sweep_rows(sweep), 0));
    }
    if let Some(bandwidth) = bandwidth {
        let line = format!(
            "Between the repetitions this machine multiplied f32 matrices at that rate with {} threads; it reads memory at {:.1} GB/s.\n",
            rayon::current_num_threads(),
            bandwidth / 1e9,
        );
        out.push_str(&line);
    }
    out
}
