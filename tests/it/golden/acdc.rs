//! Runs of two other ACDC programs, replayed edge by edge by our own search.

use std::collections::BTreeSet;

use secateur::discover::{Acdc, Decision, EdgeOrder, ListedEdges, Method};
use secateur::engine::Ablation;
use secateur::metric::Metric;

use super::{AcdcRun, Setup, TOLERANCE, setup};

/// Our decisions in the order of a run; edges that the run does not test come last.
fn replay(setup: &Setup, run: &AcdcRun) -> Vec<Decision> {
    let metric = match run.metric.as_str() {
        "kl" => Metric::Kl,
        "logit_diff" => Metric::LogitDiff,
        other => panic!("metric {other}"),
    };
    let listed = run.order.iter().map(|(name, ..)| name.as_str());
    let mut names: Vec<&str> = listed.filter(|name| !name.starts_with("direct:")).collect();
    let tested: BTreeSet<&str> = names.iter().copied().collect();
    let rest = setup.golden.edges.iter().map(String::as_str);
    names.extend(rest.filter(|name| !tested.contains(name)));
    let method = Method::Acdc(Acdc {
        tau: run.threshold,
        order: EdgeOrder::Listed(ListedEdges::new("replay", &names.join("\n"))),
    });
    let how = (metric, Ablation::Patch);
    let found = setup.discover(&setup.weights, "A", how, method, None);
    let decisions = found.decisions.expect("a decision on every edge");
    assert_eq!(decisions.len(), names.len());
    for (decision, name) in decisions.iter().zip(names) {
        assert_eq!(setup.graph.edge_name(decision.edge), name);
    }
    decisions
}

/// Holds decisions against the part of a run they stand for; gives the largest difference of a change.
fn compare<'a>(
    decisions: &[Decision],
    wanted: impl Iterator<Item = &'a (String, f64, bool)>,
) -> (usize, f64) {
    let mut worst = 0.0f64;
    let mut compared = 0;
    for (found, (name, change, kept)) in decisions.iter().zip(wanted) {
        assert_eq!(found.kept, *kept, "{name}: {found:?}, not {change}");
        let error = (found.change - change).abs();
        assert!(error < TOLERANCE, "{name}: {found:?}, not {change}");
        worst = worst.max(error);
        compared += 1;
    }
    (compared, worst)
}

fn runs<'a>(setup: &'a Setup, tool: &str) -> Vec<&'a AcdcRun> {
    let runs = setup.golden.acdc.iter();
    runs.filter(|run| run.tool == tool).collect()
}

/// auto-circuit tests every edge, also those into readers that nothing is left of: their change is 0.
#[test]
fn auto_circuits_acdc_is_replayed() {
    let setup = setup("tiny-gpt2");
    let runs = runs(&setup, "auto_circuit_acdc");
    assert_eq!(runs.len(), 3);
    for run in runs {
        let decisions = replay(&setup, run);
        let (compared, worst) = compare(&decisions, run.order.iter());
        assert_eq!(compared, setup.graph.edge_count());
        println!("auto-circuit, tau {}: {worst:.1e}", run.threshold);
    }
}

/// The original program has edges of its own, from a head's input to its projection. Ours has not, so runs agree
/// until the first of them goes.
#[test]
fn the_original_acdc_is_replayed_until_it_removes_an_edge_of_its_own() {
    let setup = setup("tiny-gpt2");
    let runs = runs(&setup, "original_acdc");
    assert_eq!(runs.len(), 6);
    for run in runs {
        let of_its_own = |name: &str| name.starts_with("direct:");
        let shared = run
            .order
            .iter()
            .take_while(|(name, _, kept)| *kept || !of_its_own(name))
            .filter(|(name, ..)| !of_its_own(name));
        let (compared, worst) = compare(&replay(&setup, run), shared);
        println!(
            "ACDC, {}, tau {}: {compared} edges, {worst:.1e}",
            run.metric, run.threshold
        );
        assert!(compared > 30, "only {compared} edges are shared");
    }
}
