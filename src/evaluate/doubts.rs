//! What a reader of a result should know before believing it: all rules in one place.

use super::bootstrap::FEWEST_EXAMPLES;
use super::proportion::paired_difference;
use super::{Evaluation, ExampleScores, Gap, SplitScores};
use crate::discover::{Selected, can_judge};
use crate::metric::Metric;

/// Prompts below which an interval is rough.
const FEW_EXAMPLES: usize = 10;
/// Faithfulness up to which a circuit is as good as the full model.
const MOST_FAITHFUL: f64 = 1.05;
/// Accuracy of the full model below which it may not do the task.
const LEAST_ACCURACY: f64 = 0.5;
/// Accuracy that a circuit may lose.
const MOST_LOST: f64 = 0.2;
/// Share of the random circuits that may be as good as the circuit.
const MOST_AS_GOOD: f64 = 0.1;
/// Share of the units selected that may be on no path.
const MOST_DANGLING: f64 = 0.1;

/// What a circuit was to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CircuitRequest<'a> {
    /// The measure of the behaviour.
    pub metric: Metric,
    /// The faithfulness to reach.
    pub target: Option<f64>,
    /// Whether it is reached on the discovery prompts, as far as that matters.
    pub target_reached: bool,
    /// What was selected by scores: nodes, edges, or one after the other.
    pub selected: &'a [Selected],
    /// Whether nothing said which edges to keep.
    pub whole: bool,
}

/// Doubts about a circuit, from its held-out figures.
pub fn circuit_doubts(evaluation: &Evaluation, asked: &CircuitRequest<'_>) -> Vec<String> {
    let figures = &evaluation.held_out;
    let mut doubts = Vec::new();
    if asked.whole {
        doubts.push(
            "the spec has neither `select` nor `target`, so every edge is kept: this is the full model"
                .to_owned(),
        );
    } else if asked.selected.is_empty() && evaluation.edges_kept == evaluation.edges_total {
        doubts.push("no edge is removed: this is the full model".to_owned());
    }
    doubts.extend(asked.selected.iter().filter_map(selection_doubt));
    if evaluation.edges_kept == 0 && asked.selected.iter().all(|it| it.left > 0) {
        doubts.push("no edge is left: the circuit is empty".into());
    }
    if let Some(target) = asked.target {
        let interval = figures.faithfulness_interval;
        if !asked.target_reached {
            let reached = reached(evaluation.discovery.faithfulness, None);
            doubts.push(format!(
                "the target {target} is not reached on the discovery prompts: faithfulness is {reached}"
            ));
        } else if is_below(figures.faithfulness, target) {
            doubts.push(below_target(figures.faithfulness, interval, target));
        }
    }
    let range = |figures: &SplitScores| figures.metric_full - figures.metric_empty;
    let (judged, found) = (range(figures), range(&evaluation.discovery));
    if figures.faithfulness.is_some() && !can_judge(judged, found) {
        doubts.push(format!(
            "full minus empty is {judged:.4} on the held-out examples and {found:.4} on those of discovery: faithfulness on the \
             held-out ones says little; use more examples"
        ));
    }
    doubts.extend(task_doubts(asked.metric, figures));
    doubts
}

/// Whether a faithfulness is not known to reach a target.
pub fn is_below(faithfulness: Option<f64>, target: f64) -> bool {
    faithfulness.is_none_or(|faithfulness| faithfulness < target)
}

/// Says that held-out prompts do not reach the target that the discovery prompts reach.
pub fn below_target(faithfulness: Option<f64>, interval: Option<[f64; 2]>, target: f64) -> String {
    format!(
        "held-out faithfulness {} is below the target {target}",
        reached(faithfulness, interval)
    )
}

fn reached(faithfulness: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let value = faithfulness.map_or_else(|| "undefined".into(), |it| format!("{it:.3}"));
    let interval =
        interval.map_or_else(String::new, |[low, high]| format!(" [{low:.3}, {high:.3}]"));
    value + &interval
}

/// What went otherwise in a selection than whoever asked for it may think.
pub fn selection_doubt(selected: &Selected) -> Option<String> {
    let &Selected {
        what,
        available,
        asked,
        chosen,
        left,
        largest,
    } = selected;
    if chosen == 0 {
        return Some(match asked {
            Some(_) => format!(
                "the share selected is less than one of the {available} {what}, so the circuit is empty"
            ),
            None => format!(
                "no score reaches the threshold, so the circuit is empty; the largest of {available} {what} is {}",
                digits(largest)
            ),
        });
    }
    if left == 0 {
        return Some(format!(
            "none of the {chosen} {what} selected is on a path from input to logits, so the circuit is empty; select more, \
             or with Greedy(edges: n)"
        ));
    }
    if let Some(asked) = asked.filter(|&asked| asked > available) {
        return Some(format!(
            "{asked} {what} are asked for, and there are {available}"
        ));
    }
    let few = (chosen - left) as f64 > MOST_DANGLING * chosen as f64;
    if few {
        return Some(format!(
            "of the {chosen} {what} selected {left} are kept; the others are on no path from input to logits"
        ));
    }
    let grown = asked.filter(|&asked| chosen < asked)?;
    Some(format!(
        "{grown} {what} are asked for, and {chosen} can be reached"
    ))
}

/// Doubts about whether the full model does the task.
fn task_doubts(metric: Metric, figures: &SplitScores) -> Vec<String> {
    let mut doubts = Vec::new();
    let of_answers = matches!(metric, Metric::LogitDiff | Metric::ProbDiff);
    if of_answers && figures.metric_full < 0.0 {
        doubts.push(format!(
            "the full model prefers the wrong answers: its metric is {}",
            digits(figures.metric_full)
        ));
    } else if let Some(accuracy) = figures.accuracy_full.filter(|it| *it < LEAST_ACCURACY) {
        doubts.push(format!(
            "the full model answers only {} of the evaluated prompts: it may not do this task",
            percent(accuracy)
        ));
    }
    if figures.metric_full < figures.metric_empty {
        doubts.push(
            "the metric of the full model is below that of the empty circuit: do clean and corrupt have the right roles?"
                .into(),
        );
    }
    doubts
}

/// Doubts about the prompts of a split, of which so many differ.
pub fn prompt_doubt(examples: usize, different: usize) -> Option<String> {
    (examples > 1 && 2 * different <= examples).then(|| {
        format!(
            "of the {examples} evaluated prompts only {different} differ: intervals are narrower than they may be"
        )
    })
}

/// Doubts that follow from the figures of a split alone.
pub fn figure_doubts(evaluation: &Evaluation, figures: &SplitScores) -> Vec<String> {
    let mut doubts = Vec::new();
    let (kept, total) = (evaluation.edges_kept, evaluation.edges_total);
    let of_each = |metric: fn(&ExampleScores) -> f64| -> Vec<f64> {
        figures.each.iter().map(metric).collect()
    };
    let gap = Gap {
        with: ("the full model", &of_each(|it| it.metric_full)),
        without: ("the empty circuit", &of_each(|it| it.metric_empty)),
        paired: true,
    };
    let noise = gap.doubt("faithfulness");
    // Where faithfulness is no share, there is nothing to compare.
    let share = figures
        .faithfulness
        .filter(|it| *it >= 0.0 && noise.is_none());
    match figures.faithfulness {
        None => doubts.push(format!(
            "faithfulness is undefined: the metric of the full model, {}, equals that of the empty circuit, {}",
            figures.metric_full, figures.metric_empty
        )),
        Some(_) if noise.is_some() => doubts.extend(noise),
        Some(faithfulness) => doubts.extend(outside_doubt(faithfulness)),
    }
    if 0 < kept && kept < total {
        if let [Some(full), Some(circuit)] = [figures.accuracy_full, figures.accuracy_circuit] {
            let each = figures.each.iter();
            let lost: Vec<f64> = each
                .map(|it| it.accuracy_full - it.accuracy_circuit)
                .collect();
            doubts.extend(accuracy_doubt([full, circuit], &lost));
        }
        let random = figures.random.as_ref().map(|it| &it.values[..]);
        doubts.extend(random_doubt(
            "circuits of as many edges",
            share,
            random.unwrap_or_default(),
        ));
        if let Some([low, high]) = figures.faithfulness_interval
            && high <= low
        {
            doubts.push(
                "the interval of faithfulness has no width, as all these prompts give the same; others may not".into(),
            );
        }
    }
    doubts.extend(few_doubt(figures.examples));
    doubts
}

fn outside_doubt(faithfulness: f64) -> Option<String> {
    let why = if faithfulness > MOST_FAITHFUL {
        "edges that work against the answer are left out"
    } else if faithfulness < 0.0 {
        "the circuit does worse than no edge at all"
    } else {
        return None;
    };
    Some(format!(
        "faithfulness {} is outside [0, {MOST_FAITHFUL}]: {why}",
        digits(faithfulness)
    ))
}

/// Says that a circuit answers far fewer prompts than the full model; `lost` is the difference of each.
pub fn accuracy_doubt([full, circuit]: [f64; 2], lost: &[f64]) -> Option<String> {
    let beyond_noise = paired_difference(lost)[0] > 0.0;
    (full - circuit > MOST_LOST && beyond_noise).then(|| {
        format!(
            "accuracy falls from {} of the full model to {} of the circuit",
            percent(full),
            percent(circuit)
        )
    })
}

/// Says that what was drawn at random is as faithful.
pub fn random_doubt(what: &str, faithfulness: Option<f64>, random: &[f64]) -> Option<String> {
    let away = |value: f64| (1.0 - value).abs();
    let own = away(faithfulness?);
    let as_good = random.iter().filter(|it| away(**it) <= own).count();
    (as_good as f64 > MOST_AS_GOOD * random.len() as f64).then(|| {
        format!(
            "random {what} do as well: {as_good} of {} are as faithful",
            random.len()
        )
    })
}

/// Says that there are too few prompts to judge by.
pub fn few_doubt(examples: usize) -> Option<String> {
    match examples {
        0 => None,
        1 => Some("only one prompt is evaluated: there are no intervals".into()),
        2..FEWEST_EXAMPLES => Some(format!(
            "only {examples} prompts are evaluated: too few for intervals"
        )),
        FEWEST_EXAMPLES..FEW_EXAMPLES => Some(format!(
            "only {examples} prompts are evaluated: intervals are rough"
        )),
        _ => None,
    }
}

/// A number with three digits after the point, or of its own size.
pub(super) fn digits(value: f64) -> String {
    if value.abs() >= 0.001 || value.abs() <= 0.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    }
}

fn percent(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}
