//! The smallest circuit found that reaches a faithfulness.
//!
//! From a ranking: a geometric grid of sizes from small ones up, bisection between the last size that misses and
//! the first that reaches, then backward elimination from the lowest score: passes over blocks of units, half as
//! large from pass to pass, then over single units until one removes nothing. A third of the examples only
//! validates: a removal that takes it below the target is not made. The result is 1-minimal (no single unit can
//! go), not globally smallest.

use super::Target;
use super::forecast::Forecast;
use super::sweep::{Removal, Rule, sweep};
use super::units::Units;
use crate::engine::{Evaluator, mean};
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
    /// Whether the circuit reaches the target on both parts of the examples.
    pub reached: bool,
    pub near_ties: usize,
}

/// Faithfulness on the selection part and on the validation part of the examples.
#[derive(Debug, Clone, Copy)]
struct Judge {
    /// Examples before this one select, the others validate.
    split: usize,
    full: [f64; 2],
    empty: [f64; 2],
    target: f64,
    dangling: Dangling,
}

impl Judge {
    fn parts<'v>(&self, values: &'v [f64]) -> [&'v [f64]; 2] {
        let (selection, validation) = values.split_at(self.split);
        [
            selection,
            if validation.is_empty() {
                selection
            } else {
                validation
            },
        ]
    }

    /// The smaller faithfulness of the two parts.
    fn faithfulness(&self, values: &[f64]) -> f64 {
        let parts = self.parts(values);
        (0..2)
            .map(|part| {
                (mean(parts[part]) - self.empty[part]) / (self.full[part] - self.empty[part])
            })
            .fold(f64::INFINITY, f64::min)
    }
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
    let judge = Judge::new(evaluator, target, dangling)?;
    let order = ranking(scores, true);
    let prefix = |count: usize| {
        let mask = units.mask(&graph, order.iter().copied().take(count));
        graph.drop_dangling(&mask, dangling)
    };
    let Some(size) = smallest_prefix(evaluator, &judge, &prefix, units.len(), observer)? else {
        return Ok(TargetResult {
            kept: prefix(units.len()),
            reached: false,
            near_ties: 0,
        });
    };
    let mut kept = prefix(size);
    let mut near_ties = 0;
    let mut block = None;
    loop {
        let ascending: Vec<usize> = order
            .iter()
            .rev()
            .copied()
            .filter(|&unit| units.is_in(&graph, &kept, unit))
            .collect();
        let len = block.unwrap_or(ascending.len() / FIRST_BLOCKS).max(1);
        let blocks: Vec<&[usize]> = ascending.chunks(len).collect();
        phase(
            observer,
            format!("elimination in blocks of {len}"),
            blocks.len() as u64,
        );
        let mut rule = Elimination {
            units,
            blocks,
            judge,
            last_went: len > 1,
            forecast: Forecast::default(),
            near_ties: 0,
        };
        let (left, _) = sweep(evaluator, &mut rule, &kept, observer)?;
        near_ties += rule.near_ties;
        if left == kept && len == 1 {
            return Ok(TargetResult {
                kept,
                reached: true,
                near_ties,
            });
        }
        kept = left;
        block = Some(len / 2);
    }
}

impl Judge {
    fn new(evaluator: &mut dyn Evaluator, target: Target, dangling: Dangling) -> Result<Self> {
        let graph = evaluator.graph().clone();
        let ends = evaluator.measure(&[EdgeMask::full(&graph), EdgeMask::empty(&graph)])?;
        let count = evaluator.examples();
        let mut judge = Self {
            split: if count < 3 { count } else { count - count / 3 },
            full: [0.0; 2],
            empty: [0.0; 2],
            target: target.faithfulness,
            dangling,
        };
        judge.full = judge.parts(&ends[0]).map(mean);
        judge.empty = judge.parts(&ends[1]).map(mean);
        if (0..2).any(|part| (judge.full[part] - judge.empty[part]).abs() < 1e-6) {
            return Err(Error::data(
                "target",
                "the metric of the full model equals that of the empty circuit, so faithfulness \
                 is undefined; choose prompts on which clean and corrupt differ",
            ));
        }
        Ok(judge)
    }
}

/// The smallest prefix of the ranking that reaches the target.
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
        Ok(faithfulness >= judge.target)
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

/// One pass of backward elimination.
struct Elimination<'u> {
    units: &'u Units,
    /// What is removed together.
    blocks: Vec<&'u [usize]>,
    judge: Judge,
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
        Removal::Test(graph.drop_dangling(&without, self.judge.dangling))
    }

    /// The units that can go come first, by their scores, so what happened to the block before tells most.
    fn chance(&self, _: usize) -> f64 {
        let prior = if self.last_went { 0.9 } else { 0.1 };
        self.forecast.chance(self.kind(), prior)
    }

    fn decide(&mut self, _: usize, _: &[f64], after: &[f64]) -> bool {
        let margin = self.judge.faithfulness(after) - self.judge.target;
        if margin.abs() < TIE {
            self.near_ties += 1;
        }
        let went = margin >= 0.0;
        self.forecast.see(self.kind(), went);
        self.last_went = went;
        went
    }

    fn went_untested(&mut self, _: usize) {}
}
