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
use super::walk::Walk;
use crate::error::Result;
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
/// When full and empty do not differ, or a number is not finite.
pub(crate) fn search(
    walk: &mut Walk<'_>,
    units: &Units,
    scores: &[f64],
    target: Target,
    dangling: Dangling,
) -> Result<TargetResult> {
    let graph = walk.graph();
    let mut judge = Judge::new(walk, target.faithfulness)?;
    let order = ranking(scores, true);
    let prefix = |count: usize| {
        let mask = units.mask(&graph, order.iter().copied().take(count));
        graph.drop_dangling(&mask, dangling)
    };
    let mut start = smallest_prefix(walk, &judge, &prefix, units.len())?;
    if start.is_none() && judge.validates() && !walk.has_stopped() {
        judge = judge.on_all();
        start = smallest_prefix(walk, &judge, &prefix, units.len())?;
    }
    if start.is_none() && !walk.has_stopped() {
        start = any_prefix(walk, &judge, &prefix, units.len())?;
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
        eliminate(walk, &what, &mut result)?;
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
fn eliminate(walk: &mut Walk<'_>, what: &What<'_>, result: &mut TargetResult) -> Result<()> {
    let graph = walk.graph();
    let mut block = None;
    let mut least_margin = 0.0;
    while walk.goes_on() {
        let ascending: Vec<usize> = what
            .order
            .iter()
            .rev()
            .copied()
            .filter(|&unit| what.units.is_in(&graph, &result.kept, unit))
            .collect();
        let len = block.unwrap_or(ascending.len() / FIRST_BLOCKS).max(1);
        let blocks: Vec<&[usize]> = ascending.chunks(len).collect();
        walk.begin(format!("elimination in blocks of {len}"), blocks.len());
        // What is left is measured by itself before it counts.
        walk.reserve(true);
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
        let (left, _) = sweep(walk, &mut rule, &result.kept)?;
        walk.reserve(false);
        result.near_ties += rule.near_ties;
        if left == result.kept && (len == 1 || walk.has_stopped()) {
            walk.end(&left, None);
            return Ok(());
        }
        if walk.was_interrupted() {
            result.kept = left;
            return Ok(());
        }
        // A sweep computes what differs from other runs only, which rounds otherwise than a run of the circuit alone.
        let values = &walk.measure(std::slice::from_ref(&left))?[0];
        if what.judge.reaches(values) {
            walk.end(&left, Some(values));
            result.kept = left;
            block = Some(len / 2);
        } else {
            walk.end(&result.kept, None);
            least_margin = f64::max(2.0 * least_margin, TIE);
            block = Some(len);
        }
    }
    Ok(())
}

/// The smallest prefix of the ranking that reaches the target, as far as a grid of sizes tells.
fn smallest_prefix(
    walk: &mut Walk<'_>,
    judge: &Judge,
    prefix: &dyn Fn(usize) -> EdgeMask,
    total: usize,
) -> Result<Option<usize>> {
    walk.begin("size search", 0);
    let mut found: Option<(usize, Vec<f64>)> = None;
    let mut misses = 0;
    let mut size = FIRST_SIZE.min(total);
    while walk.goes_on() {
        let values = walk.measure(&[prefix(size)])?.swap_remove(0);
        let faithfulness = judge.faithfulness(&values);
        walk.step(0, format!("{size} in the ranking: {faithfulness:.3}"));
        if judge.reaches(&values) {
            walk.best(&prefix(size));
            found = Some((size, values));
        } else {
            misses = size;
        }
        size = match &found {
            Some((reaches, _)) if reaches - misses <= 1 + misses / 50 => break,
            Some((reaches, _)) => usize::midpoint(*reaches, misses),
            None if size == total => break,
            None => ((size as f64 * RATIO).ceil() as usize).min(total),
        };
    }
    let size = found.as_ref().map(|(size, _)| *size);
    let values = found.as_ref().map(|(_, values)| &values[..]);
    walk.end(&prefix(size.unwrap_or(total)), values);
    Ok(size)
}

/// The first of all prefixes that reaches the target. Faithfulness does not rise with every edge, so above that of the whole
/// graph the sizes between those of a grid must be looked at too.
fn any_prefix(
    walk: &mut Walk<'_>,
    judge: &Judge,
    prefix: &dyn Fn(usize) -> EdgeMask,
    total: usize,
) -> Result<Option<usize>> {
    walk.begin("every size", total);
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
        if circuits.is_empty() || (circuits.len() < walk.room() && size < total) {
            continue;
        }
        if !walk.goes_on() {
            break;
        }
        let values = walk.measure(&circuits)?;
        if let Some(first) = values.iter().position(|values| judge.reaches(values)) {
            walk.end(&circuits[first], Some(&values[first]));
            return Ok(Some(sizes[first]));
        }
        walk.step(size, String::new());
        sizes.clear();
        circuits.clear();
    }
    walk.end(&prefix(total), None);
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
    /// What is alike: blocks after one that went, and blocks after one that stayed.
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
