//! Searches that stop before they are done: at a limit, or because somebody interrupts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use secateur::Error;
use secateur::discover::{
    Acdc, Discovery, Method, Search, StopReason, Target, Watcher, discover, discover_within,
};
use secateur::engine::mean;
use secateur::events::{Event, Silent};
use secateur::graph::{Dangling, EdgeMask, Prune};
use secateur::report::CircuitFile;
use secateur::run::{
    BatchObserver, BatchOptions, Job, JobReport, plan, read_circuit_text, run_batch,
};
use secateur::score::{Eap, Exact};
use secateur::spec::read_specs;
use serde_json::Value;

use crate::program::{done, refused, secateur, text};
use crate::synthetic::{Synthetic, small_graph};

fn objective() -> Synthetic {
    Synthetic::random(small_graph(0), 6, true, 3)
}

fn search(method: Method, faithfulness: Option<f64>, prune: Prune) -> Search {
    Search {
        method,
        select: None,
        target: faithfulness.map(|faithfulness| Target { faithfulness }),
        prune,
        dangling: Dangling::NoPathToLogits,
    }
}

fn within(search: &Search, circuits: u64) -> secateur::Result<Discovery> {
    let watcher = Watcher {
        circuits: Some(circuits),
        ..Watcher::unlimited(&Silent)
    };
    discover_within(&mut objective(), search, watcher)
}

fn searches() -> Vec<Search> {
    let mut all = Vec::new();
    for prune in [Prune::Edges, Prune::Nodes, Prune::NodesThenEdges] {
        all.push(search(Method::Acdc(Acdc::new(0.4)), None, prune));
        all.push(search(Method::Eap(Eap::default()), Some(0.8), prune));
    }
    all
}

#[test]
fn a_limit_is_kept_to_the_circuit_and_a_large_one_changes_nothing() {
    for search in searches() {
        let whole = discover(&mut objective(), &search, &Silent).expect("a circuit");
        assert_eq!(whole.record.stop, StopReason::Finished);
        let all = whole.record.circuits;
        let in_iterations: u64 = whole.record.iterations.iter().map(|it| it.circuits).sum();
        // Each stage measures the full model and the empty circuit before its first iteration.
        let stages = if search.prune == Prune::NodesThenEdges {
            2
        } else {
            1
        };
        assert_eq!(in_iterations + 2 * stages, all, "{search:?}");
        let mut edges = usize::MAX;
        for limit in 3..all {
            let found = within(&search, limit).expect("a circuit");
            assert!(found.record.circuits <= limit, "{search:?}, {limit}");
            assert_ne!(found.record.stop, StopReason::Interrupted);
            if found.record.stop == StopReason::Finished {
                // A smaller window guesses less, so that it measures fewer circuits.
                assert_eq!(found.kept, whole.kept, "{search:?}, {limit}");
            } else if search.target.is_none() && search.prune != Prune::NodesThenEdges {
                assert_eq!(found.record.circuits, limit, "{search:?}");
                assert!(whole.kept.is_subset(&found.kept), "{search:?}, {limit}");
                assert!(found.kept.len() <= edges, "{search:?}, {limit}");
                edges = found.kept.len();
            }
        }
        // A target search keeps one circuit back, for the check of what it has left.
        let found = within(&search, all + 1).expect("a circuit");
        assert_eq!(found.record, whole.record);
        assert_eq!(found.kept, whole.kept);
    }
}

#[test]
fn what_a_target_search_found_until_then_reaches_the_target() {
    let search = search(Method::Eap(Eap::default()), Some(0.8), Prune::Edges);
    let whole = discover(&mut objective(), &search, &Silent).expect("a circuit");
    let objective = objective();
    let [full, empty] = [
        EdgeMask::full(&objective.graph),
        EdgeMask::empty(&objective.graph),
    ]
    .map(|circuit| mean(&objective.values(&circuit)));
    let mut stopped = 0;
    for limit in 3..whole.record.circuits {
        let found = within(&search, limit).expect("a circuit");
        let faithfulness = (mean(&objective.values(&found.kept)) - empty) / (full - empty);
        assert!(faithfulness >= 0.8, "{limit}: {faithfulness}");
        assert!(found.kept.len() >= whole.kept.len(), "{limit}");
        stopped += usize::from(found.record.stop == StopReason::CircuitLimit);
    }
    assert!(stopped > 3, "{stopped}");
}

#[test]
fn exact_patching_needs_room_for_every_edge() {
    let search = search(Method::Exact(Exact::default()), Some(0.8), Prune::Edges);
    let Err(Error::Usage(problem)) = within(&search, 5) else {
        panic!("exact patching of few edges");
    };
    assert!(
        problem.contains("limit.circuits leaves 5 circuits"),
        "{problem}"
    );
}

const SPEC: &str = "(format: 1, name: \"limited\", models: [\"builtin:toy-llama\"], task: Ioi(pairs: 16), metric: LogitDiff, \
                    ablation: Patch, method: Acdc(tau: 0.01), LIMIT evaluate: (random_baselines: 2, bootstrap: 0))";

/// A folder with the spec under a limit.
fn folder(limit: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = SPEC.replace("LIMIT", limit);
    fs_err::write(folder.path().join("spec.ron"), spec).expect("a spec");
    folder
}

#[test]
fn a_result_says_that_its_search_stopped() {
    let limited = folder("limit: (circuits: 40),");
    let output = secateur(limited.path(), &["run", "spec.ron"]);
    done(&output);
    let said = text(&output.stderr);
    let warning = "the search stopped at its limit of circuits after 40 circuits, in ACDC";
    assert!(said.contains(warning), "{said}");
    let result = limited.path().join("results/limited/toy-llama");
    let report = fs_err::read_to_string(result.join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["search"]["stop"], "circuit_limit");
    assert_eq!(report["search"]["circuits"], 40);
    assert_eq!(report["search"]["iterations"][0]["name"], "ACDC");
    assert!(report["warnings"].to_string().contains(warning));
    for file in ["circuit.svg", "circuit.dot", "report.html"] {
        let drawn = fs_err::read_to_string(result.join(file)).expect("a drawing");
        assert!(drawn.contains("stopped at its limit"), "{file}");
    }
    // It is done, and the same with one thread.
    let again = secateur(limited.path(), &["run", "spec.ron"]);
    assert!(done(&again).contains("already done"));
    let before = fs_err::read(result.join("report.json")).expect("a report");
    done(&secateur(
        limited.path(),
        &["run", "spec.ron", "--force", "--threads", "1"],
    ));
    assert_eq!(
        fs_err::read(result.join("report.json")).expect("a report"),
        before
    );
    let compared = done(&secateur(limited.path(), &["compare", "results"]));
    assert!(compared.contains("stopped at its limit"), "{compared}");

    let unlimited = folder("");
    done(&secateur(unlimited.path(), &["run", "spec.ron"]));
    let report = unlimited
        .path()
        .join("results/limited/toy-llama/report.json");
    let report = fs_err::read_to_string(report).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["search"]["stop"], "finished");
    assert!(report["search"]["circuits"].as_u64() > Some(40));
}

#[test]
fn time_limits_stop_a_search_or_say_that_there_is_no_circuit_yet() {
    let brief = folder("limit: (minutes: 1e-9),");
    let output = secateur(brief.path(), &["run", "spec.ron"]);
    done(&output);
    let said = text(&output.stderr);
    assert!(
        said.contains("stopped at its time limit after 2 circuits"),
        "{said}"
    );
    let spec = SPEC.replace("Acdc(tau: 0.01)", "Exact(), select: TopN(edges: 5)");
    let spec = spec.replace("LIMIT", "limit: (minutes: 1e-9),");
    fs_err::write(brief.path().join("exact.ron"), spec).expect("a spec");
    let output = secateur(brief.path(), &["run", "exact.ron", "--force"]);
    refused(&output, 2, &["the time limit passed", "limit.minutes"]);
}

#[test]
fn limits_that_limit_nothing_are_refused() {
    for (from, limit, problem) in [
        (
            "Acdc(tau: 0.01)",
            "limit: (circuits: 2),",
            "limit.circuits: expected at least 3",
        ),
        (
            "Acdc(tau: 0.01)",
            "limit: (minutes: 0.0),",
            "limit.minutes: expected more than 0",
        ),
        (
            "Eap(), select: TopN(edges: 5)",
            "limit: (minutes: 1.0),",
            "limit: the search measures no circuits",
        ),
    ] {
        let folder = folder(limit);
        let spec = SPEC
            .replace("LIMIT", limit)
            .replace("Acdc(tau: 0.01)", from);
        fs_err::write(folder.path().join("spec.ron"), spec).expect("a spec");
        refused(
            &secateur(folder.path(), &["run", "spec.ron"]),
            2,
            &[problem],
        );
    }
}

/// Interrupts at the first step of the search.
#[derive(Default)]
struct Impatient {
    stop: AtomicBool,
    search: AtomicBool,
}

impl BatchObserver for Impatient {
    fn started(&self, _: usize, _: &Job) {}

    fn event(&self, _: usize, event: Event) {
        match event {
            Event::Phase { name, .. } => self.search.store(name == "ACDC", Ordering::Relaxed),
            Event::Step { .. } if self.search.load(Ordering::Relaxed) => {
                self.stop.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn finished(&self, _: usize, _: &JobReport) {}

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[test]
fn an_interrupted_search_leaves_its_best_circuit_and_no_result() {
    let folder = folder("");
    let set = read_specs(&[folder.path().join("spec.ron")]);
    let jobs = plan(&set.specs, &folder.path().join("results")).expect("jobs");
    let reports = run_batch(&jobs, &BatchOptions::default(), &Impatient::default());
    let reports = reports.expect("reports");
    assert!(matches!(reports[0].result, Err(Error::Interrupted)));
    let result = folder.path().join("results/limited/toy-llama");
    let unfinished = result.join("circuit.unfinished.ron");
    let file = read_circuit_text(&unfinished).expect("a circuit");
    let file = CircuitFile::from_ron(&file, "circuit.unfinished.ron").expect("a circuit");
    assert_eq!(file.stop, StopReason::Interrupted);
    assert!(file.edges.len() < file.edges_total);
    file.circuit().expect("edges of the model");
    assert!(!result.join("run.json").exists() && !result.join("circuit.ron").exists());

    // Other commands do not take it for a result, and can read it when they are told to.
    refused(
        &secateur(folder.path(), &["compare", "results"]),
        2,
        &["results"],
    );
    let shown = "results/limited/toy-llama/circuit.unfinished.ron";
    done(&secateur(folder.path(), &["show", shown]));
    done(&secateur(
        folder.path(),
        &["eval", shown, "--spec", "spec.ron"],
    ));

    // The next run has the whole circuit, and takes the file away.
    let output = secateur(folder.path(), &["run", "spec.ron"]);
    assert!(!done(&output).contains("already done"));
    assert!(Path::new(&result).join("run.json").is_file() && !unfinished.exists());
}
