//! The smallest circuit found that reaches a faithfulness.
//!
//! From a ranking: a geometric grid of sizes from small ones up, bisection between the last size that misses and
//! the first that reaches, then backward elimination from the lowest score: passes over blocks of units, half as
//! large from pass to pass, then over single units until one removes nothing. A third of the examples only
//! validates: a removal that takes it below the target is not made. Where full and empty differ the other way there, or by
//! little, all examples judge together. A circuit that reaches does so on all examples in any case. The result is 1-minimal
//! (no single unit can go), not globally smallest.

use super::Target;
use super::forecast::Forecast;
use super::judge::Judge;
use super::sweep::{Removal, Rule, sweep};
use super::units::Units;
use crate::engine::Evaluator;
use crate::error::{Error, Result};
use crate::events::{Event, Observer, phase};
use crate::graph::{ComputationGraph, Dangling, EdgeMask, ranking};

/// Smallest size on the grid.
const FIRST_SIZE: usize = 4;
/// Ratio of neighbouring sizes on the grid.
const RATIO: f64 = 1.5;
/// Blocks of the first elimination pass.
const FIRST_BLOCKS: usize = 16;
/// Decisions closer to the target than this are counted as near ties.
const TIE: f64 = 1e-5;

/// What a target search found.
#[derive(Debug, Clone)]
pub(crate) struct TargetResult {
    pub kept: EdgeMask,
    /// Whether the circuit reaches the target on all examples.
    pub reached: bool,
    pub near_ties: usize,
    /// Why the result is not validated, where it is not.
    pub unvalidated: Option<String>,
}

/// Searches the smallest circuit of `units` that reaches the target.
///
/// # Errors
/// When full and empty do not differ, a number is not finite, or the observer interrupts.
pub(crate) fn search(
    evaluator: &mut dyn Evaluator,
    units: &Units,
    scores: &[f64],
    target: Target,
    dangling: Dangling,
    observer: &dyn Observer,
) -> Result<TargetResult> {
    let graph = evaluator.graph().clone();
    let mut judge = Judge::new(evaluator, target.faithfulness)?;
    let order = ranking(scores, true);
    let prefix = |count: usize| {
        let mask = units.mask(&graph, order.iter().copied().take(count));
        graph.drop_dangling(&mask, dangling)
    };
    let mut start = smallest_prefix(evaluator, &judge, &prefix, units.len(), observer)?;
    if start.is_none() && judge.validates() {
        judge = judge.on_all();
        start = smallest_prefix(evaluator, &judge, &prefix, units.len(), observer)?;
    }
    if start.is_none() {
        start = any_prefix(evaluator, &judge, &prefix, units.len(), observer)?;
    }
    let mut result = TargetResult {
        kept: prefix(units.len()),
        reached: false,
        near_ties: 0,
        unvalidated: judge.unvalidated.clone(),
    };
    if let Some(size) = start {
        result.kept = prefix(size);
        result.reached = true;
        let what = What {
            units,
            order: &order,
            judge: &judge,
            dangling,
        };
        eliminate(evaluator, &what, &mut result, observer)?;
    }
    Ok(result)
}

/// What is eliminated, and when.
struct What<'w> {
    units: &'w Units,
    /// All units, largest score first.
    order: &'w [usize],
    judge: &'w Judge,
    dangling: Dangling,
}

/// Takes units from a circuit that reaches, until none can go.
fn eliminate(
    evaluator: &mut dyn Evaluator,
    what: &What<'_>,
    result: &mut TargetResult,
    observer: &dyn Observer,
) -> Result<()> {
    let graph = evaluator.graph().clone();
    let mut block = None;
    let mut least_margin = 0.0;
    loop {
        let ascending: Vec<usize> = what
            .order
            .iter()
            .rev()
            .copied()
            .filter(|&unit| what.units.is_in(&graph, &result.kept, unit))
            .collect();
        let len = block.unwrap_or(ascending.len() / FIRST_BLOCKS).max(1);
        let blocks: Vec<&[usize]> = ascending.chunks(len).collect();
        phase(
            observer,
            format!("elimination in blocks of {len}"),
            blocks.len() as u64,
        );
        let mut rule = Elimination {
            units: what.units,
            blocks,
            judge: what.judge,
            dangling: what.dangling,
            least_margin,
            last_went: len > 1,
            forecast: Forecast::default(),
            near_ties: 0,
        };
        let (left, _) = sweep(evaluator, &mut rule, &result.kept, observer)?;
        result.near_ties += rule.near_ties;
        if left == result.kept && len == 1 {
            return Ok(());
        }
        // A sweep computes what differs from other runs only, which rounds otherwise than a run of the circuit alone.
        if what
            .judge
            .reaches(&evaluator.measure(std::slice::from_ref(&left))?[0])
        {
            result.kept = left;
            block = Some(len / 2);
        } else {
            least_margin = f64::max(2.0 * least_margin, TIE);
            block = Some(len);
        }
    }
}

/// The smallest prefix of the ranking that reaches the target, as far as a grid of sizes tells.
fn smallest_prefix(
    evaluator: &mut dyn Evaluator,
    judge: &Judge,
    prefix: &dyn Fn(usize) -> EdgeMask,
    total: usize,
    observer: &dyn Observer,
) -> Result<Option<usize>> {
    phase(observer, "size search", 0);
    let reaches = |evaluator: &mut dyn Evaluator, size: usize| -> Result<bool> {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let values = evaluator.measure(&[prefix(size)])?;
        let faithfulness = judge.faithfulness(&values[0]);
        let note = format!("{size} in the ranking: {faithfulness:.3}");
        observer.event(Event::Step { done: 0, note });
        Ok(judge.reaches(&values[0]))
    };
    let mut misses = 0;
    let mut size = FIRST_SIZE.min(total);
    while !reaches(evaluator, size)? {
        if size == total {
            return Ok(None);
        }
        misses = size;
        size = ((size as f64 * RATIO).ceil() as usize).min(total);
    }
    while size - misses > 1 + misses / 50 {
        let middle = usize::midpoint(size, misses);
        if reaches(evaluator, middle)? {
            size = middle;
        } else {
            misses = middle;
        }
    }
    Ok(Some(size))
}

/// The first of all prefixes that reaches the target. Faithfulness does not rise with every edge, so above that of the whole
/// graph the sizes between those of a grid must be looked at too.
fn any_prefix(
    evaluator: &mut dyn Evaluator,
    judge: &Judge,
    prefix: &dyn Fn(usize) -> EdgeMask,
    total: usize,
    observer: &dyn Observer,
) -> Result<Option<usize>> {
    phase(observer, "every size", total as u64);
    let mut sizes = Vec::new();
    let mut circuits: Vec<EdgeMask> = Vec::new();
    let mut last = None;
    for size in 1..=total {
        let circuit = prefix(size);
        if last.as_ref() != Some(&circuit) {
            last = Some(circuit.clone());
            sizes.push(size);
            circuits.push(circuit);
        }
        if circuits.is_empty() || (circuits.len() < evaluator.batch() && size < total) {
            continue;
        }
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let values = evaluator.measure(&circuits)?;
        if let Some(first) = values.iter().position(|values| judge.reaches(values)) {
            return Ok(Some(sizes[first]));
        }
        observer.event(Event::Step {
            done: size as u64,
            note: String::new(),
        });
        sizes.clear();
        circuits.clear();
    }
    Ok(None)
}

/// One pass of backward elimination.
struct Elimination<'u> {
    units: &'u Units,
    /// What is removed together.
    blocks: Vec<&'u [usize]>,
    judge: &'u Judge,
    dangling: Dangling,
    /// What a removal must leave above the target: more than 0 where rounding took a circuit below it.
    least_margin: f64,
    /// The latest decision.
    last_went: bool,
    forecast: Forecast,
    near_ties: usize,
}

impl Elimination<'_> {
    /// What is alike: blocks behind one that went, and blocks behind one that stayed.
    fn kind(&self) -> i32 {
        if self.last_went { 3 } else { -3 }
    }
}

impl Rule for Elimination<'_> {
    fn len(&self) -> usize {
        self.blocks.len()
    }

    fn removal(&self, graph: &ComputationGraph, circuit: &EdgeMask, candidate: usize) -> Removal {
        let mut without = circuit.clone();
        for &unit in self.blocks[candidate] {
            self.units.remove(graph, &mut without, unit);
        }
        if without == *circuit {
            return Removal::Absent;
        }
        Removal::Test(graph.drop_dangling(&without, self.dangling))
    }

    /// The units that can go come first, by their scores, so what happened to the block before tells most.
    fn chance(&self, _: usize) -> f64 {
        let prior = if self.last_went { 0.9 } else { 0.1 };
        self.forecast.chance(self.kind(), prior)
    }

    fn decide(&mut self, _: usize, _: &[f64], after: &[f64]) -> bool {
        let margin = self.judge.margin(after);
        if margin.abs() < TIE {
            self.near_ties += 1;
        }
        let went = margin >= self.least_margin;
        self.forecast.see(self.kind(), went);
        self.last_went = went;
        went
    }

    fn went_untested(&mut self, _: usize) {}
}
