//! Values a spec can hold that make no sense, and files that are not there: all of them at once.

mod analysis;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::folder_of;
use super::position::{KeyPath, position_of};
use super::{Evaluate, RunSpec, SpecFile};
use crate::discover::{Method, Select};
use crate::engine::Ablation;
use crate::error::{Error, Result, SpecMistake};
use crate::graph::Mlps;
use crate::model::{added, builtin_models};
use crate::paths::place;
use crate::task::{InContext, Induction, MOST_SHOTS, TaskSource};
use crate::visible::file_name_problem;

pub(super) use analysis::analysis_mistakes;
pub use analysis::check_analysis;

/// Fewest and most pairs a generator is asked for.
const PAIRS: std::ops::RangeInclusive<usize> = 2..=1_000_000;
/// Most gradient runs of EAP-IG.
const MAX_STEPS: usize = 1000;
/// Most edges and neurons that are asked for: more than the largest model has.
const MAX_EDGES: usize = 1_000_000_000;
const MAX_NEURONS: usize = 10_000_000;
/// Longest prompt of the induction task.
const MAX_LENGTH: usize = 1 << 16;
/// Most training steps of optimal ablation.
const MAX_TRAINING: usize = 1_000_000;
/// Longest time limit, in minutes: a year.
const MAX_MINUTES: f64 = 525_600.0;
/// Largest faithfulness a target can ask for.
const MAX_TARGET: f64 = 1.5;
/// Most random circuits to compare with.
const MAX_BASELINES: usize = 10_000;
/// Most resamples of the bootstrap.
const MAX_BOOTSTRAP: usize = 1_000_000;
/// Fewest resamples of which one in forty is at each end.
const FEWEST_RESAMPLES: usize = 40;

/// All mistakes of a spec whose syntax and types are right, in the order of the text.
pub(super) fn mistakes(spec: &RunSpec, text: &str, file: &Path) -> Vec<SpecMistake> {
    let mut check = Check::new(text, file);
    check.format_and_name(spec.format, &spec.name);
    check.models(&spec.models);
    check.task(&spec.task);
    check.metric(spec);
    check.ablation(spec.ablation);
    check.method(&spec.method);
    check.selection(spec);
    check.limit(spec);
    check.evaluation(&spec.evaluate);
    check.neurons(&spec.granularity.mlps);
    check.outputs(spec);
    check.in_order()
}

/// Refuses models that are not there, of a spec whose models were changed after it was read.
///
/// # Errors
/// When a model or a vector added to it is not there.
pub fn check_models(spec: &SpecFile) -> Result<()> {
    for model in spec.spec.models() {
        if let Some(problem) = model_problem(model, spec.base()) {
            return Err(Error::Usage(problem));
        }
    }
    Ok(())
}

struct Check<'a> {
    text: &'a str,
    file: &'a Path,
    found: Vec<SpecMistake>,
}

impl<'a> Check<'a> {
    fn new(text: &'a str, file: &'a Path) -> Self {
        Self {
            text,
            file,
            found: Vec::new(),
        }
    }

    /// What was found, in the order of the text.
    fn in_order(mut self) -> Vec<SpecMistake> {
        self.found
            .sort_by_key(|mistake| (mistake.line, mistake.column));
        self.found
    }

    fn add(&mut self, key: &KeyPath, problem: impl Into<String>) {
        let (line, column) = position_of(self.text, key);
        self.found.push(SpecMistake {
            file: self.file.to_owned(),
            line,
            column,
            key: key.to_string(),
            problem: problem.into(),
        });
    }

    /// Notes a mistake at `key` unless `holds`.
    fn require(&mut self, holds: bool, key: &str, problem: impl FnOnce() -> String) {
        if !holds {
            self.add(&KeyPath::new(key), problem());
        }
    }

    /// A number from 1.
    fn within(&mut self, key: &str, most: usize, got: usize) {
        self.require((1..=most).contains(&got), key, || match got {
            0 => "expected at least 1, got 0".into(),
            _ => format!("expected at most {most}, got {got}"),
        });
    }

    fn at_most(&mut self, key: &str, got: usize, most: usize) {
        self.require(got <= most, key, || {
            format!("expected at most {most}, got {got}")
        });
    }

    fn format_and_name(&mut self, format: u32, name: &str) {
        self.require(format == 1, "format", || {
            format!("expected 1, the format this version reads, got {format}")
        });
        if let Some(problem) = file_name_problem(name) {
            self.require(false, "name", || {
                format!("{problem}, got {name:?}: the name is the folder of the results")
            });
        }
    }

    fn models(&mut self, models: &[String]) {
        self.require(!models.is_empty(), "models", || {
            "expected at least one model, such as \"builtin:toy-gpt2\"".into()
        });
        let mut seen = BTreeSet::new();
        for (index, model) in models.iter().enumerate() {
            let key = KeyPath::new("models").at(index);
            if let Some(problem) = model_problem(model, folder_of(self.file)) {
                self.add(&key, problem);
            } else if !seen.insert(model_key(model, folder_of(self.file))) {
                self.add(&key, format!("{model:?} is listed twice"));
            }
        }
    }

    fn task(&mut self, task: &TaskSource) {
        self.task_at("task", task);
        if let TaskSource::InContext(InContext { shots: 0 | 1, .. }) = task {
            self.require(false, "task.InContext.shots", || {
                "expected at least 2: with fewer examples clean and corrupt are the same".into()
            });
        }
    }

    fn task_at(&mut self, key: &str, task: &TaskSource) {
        let kind = task.kind();
        let pairs = match task {
            TaskSource::Ioi(task) => task.pairs,
            TaskSource::GreaterThan(task) => task.pairs,
            TaskSource::Induction(task) => task.pairs,
            TaskSource::Agreement(task) => task.pairs,
            TaskSource::InContext(task) => task.pairs,
            TaskSource::File(path) => return self.data_file(&format!("{key}.File"), path),
            TaskSource::Tokens(path) => return self.data_file(&format!("{key}.Tokens"), path),
        };
        self.require(
            PAIRS.contains(&pairs),
            &format!("{key}.{kind}.pairs"),
            || format!("expected {} to {}, got {pairs}", PAIRS.start(), PAIRS.end()),
        );
        if let TaskSource::Induction(Induction { length, .. }) = task {
            let fits = (4..=MAX_LENGTH).contains(length);
            self.require(fits, &format!("{key}.Induction.length"), || {
                format!("expected 4 (a word, A, B and A again) to {MAX_LENGTH}, got {length}")
            });
        }
        if let TaskSource::InContext(InContext { shots, .. }) = task {
            self.at_most(&format!("{key}.InContext.shots"), *shots, MOST_SHOTS);
        }
    }

    fn data_file(&mut self, key: &str, path: &Path) {
        let place = place(folder_of(self.file), path);
        self.require(place.is_file(), key, || {
            format!("no such file: {}", place.display())
        });
    }

    fn metric(&mut self, spec: &RunSpec) {
        let method = spec.method.name();
        let metric = spec.metric;
        let by_gradient = !matches!(spec.method, Method::Exact(_) | Method::Acdc(_));
        if !metric.has_gradient() && by_gradient {
            self.require(false, "metric", || {
                format!(
                    "{metric:?} has no gradient, which {method} needs\n\
                     hint: use metric: LogitDiff, or method: Exact() or Acdc(..)"
                )
            });
        } else if !metric.has_gradient() && spec.granularity.mlps != Mlps::Whole {
            self.require(false, "metric", || {
                format!(
                    "{metric:?} has no gradient, by which the neurons that become nodes are chosen\n\
                     hint: use metric: LogitDiff, or granularity: (mlps: Whole)"
                )
            });
        } else if metric.needs_full_model() && matches!(spec.method, Method::Eap(_)) {
            self.require(false, "metric", || {
                format!(
                    "the gradient of {metric:?} is zero on the clean run, the only place Eap looks at\n\
                     hint: use method: EapIg(steps: 5) or Exact()"
                )
            });
        }
    }

    fn method(&mut self, method: &Method) {
        match method {
            Method::EapIg(params) => self.steps(method, params.steps),
            Method::EapIgActivations(params) => self.steps(method, params.steps),
            Method::Acdc(params) => {
                self.require(params.tau.is_finite(), "method.Acdc.tau", || {
                    format!("expected a finite number, got {:?}", params.tau)
                });
            }
            Method::Exact(_) | Method::Eap(_) | Method::CleanCorrupted(_) => {}
        }
    }

    fn ablation(&mut self, ablation: Ablation) {
        let Ablation::Optimal(optimal) = ablation else {
            return;
        };
        let steps = optimal.steps;
        let key = "ablation.Optimal.steps";
        self.require((1..=MAX_TRAINING).contains(&steps), key, || {
            format!("expected 1 to {MAX_TRAINING}, got {steps}")
        });
        let rate = optimal.learning_rate;
        let key = "ablation.Optimal.learning_rate";
        self.require(rate > 0.0 && rate.is_finite(), key, || {
            format!("expected a finite number above 0, got {rate:?}")
        });
    }

    fn steps(&mut self, method: &Method, steps: usize) {
        let key = format!("method.{}.steps", method.name());
        self.require((1..=MAX_STEPS).contains(&steps), &key, || {
            format!("expected 1 to {MAX_STEPS}, got {steps}")
        });
    }

    fn selection(&mut self, spec: &RunSpec) {
        if let Some(target) = spec.target {
            let wanted = target.faithfulness;
            self.require(
                wanted > 0.0 && wanted <= MAX_TARGET,
                "target.faithfulness",
                || format!("expected more than 0 and at most {MAX_TARGET}, got {wanted:?}"),
            );
        }
        let Some(select) = spec.select else { return };
        if matches!(spec.method, Method::Acdc(_)) {
            self.require(false, "select", || {
                "with Acdc, tau decides which edges stay\n\
                 hint: leave `select` out, or use a method that gives scores"
                    .into()
            });
        } else if spec.target.is_some() {
            self.require(false, "select", || {
                "`select` and `target` exclude each other: `target` finds the size itself".into()
            });
        }
        self.select(select);
    }

    /// A limit that can be kept, of a search that measures circuits.
    fn limit(&mut self, spec: &RunSpec) {
        let limit = spec.limit;
        if let Some(minutes) = limit.minutes {
            let fits = minutes > 0.0 && minutes <= MAX_MINUTES;
            self.require(fits, "limit.minutes", || {
                format!("expected more than 0 and at most {MAX_MINUTES}, got {minutes:?}")
            });
        }
        if let Some(circuits) = limit.circuits {
            let least = 3;
            self.require(circuits >= least, "limit.circuits", || {
                format!(
                    "expected at least {least} (the full model, the empty circuit and another one), got {circuits}"
                )
            });
        }
        let measures = matches!(spec.method, Method::Exact(_) | Method::Acdc(_));
        let searches = measures || spec.target.is_some();
        self.require(limit.is_none() || searches, "limit", || {
            "the search measures no circuits, so it has nothing to limit: only Exact, Acdc and `target` do; remove it".into()
        });
    }

    fn select(&mut self, select: Select) {
        match select {
            Select::TopN { edges, share } => {
                self.require(edges.is_some() != share.is_some(), "select.TopN", || {
                    "expected either `edges: n` or `share: x`".into()
                });
                self.within("select.TopN.edges", MAX_EDGES, edges.unwrap_or(1));
                let share = share.unwrap_or(1.0);
                self.require(share > 0.0 && share <= 1.0, "select.TopN.share", || {
                    format!("expected more than 0 and at most 1, got {share:?}")
                });
            }
            Select::Greedy { edges } => {
                self.within("select.Greedy.edges", MAX_EDGES, edges);
            }
            Select::Threshold(least) => {
                let fits = least.is_finite() && least >= 0.0;
                self.require(fits, "select.Threshold", || {
                    format!("expected a finite number of at least 0, got {least:?}")
                });
            }
        }
    }

    fn evaluation(&mut self, evaluate: &Evaluate) {
        let share = evaluate.held_out;
        self.require((0.0..1.0).contains(&share), "evaluate.held_out", || {
            format!("expected at least 0 and less than 1, got {share:?}")
        });
        let baselines = evaluate.random_baselines;
        self.at_most("evaluate.random_baselines", baselines, MAX_BASELINES);
        self.bootstrap("evaluate.bootstrap", evaluate.bootstrap);
    }

    /// The ends of an interval of few resamples are whatever was drawn.
    fn bootstrap(&mut self, key: &str, got: usize) {
        let fits = got == 0 || (FEWEST_RESAMPLES..=MAX_BOOTSTRAP).contains(&got);
        self.require(fits, key, || {
            format!(
                "expected 0 for no intervals, or {FEWEST_RESAMPLES} to {MAX_BOOTSTRAP}, got {got}"
            )
        });
    }

    fn neurons(&mut self, mlps: &Mlps) {
        let Mlps::Neurons { layers, top } = mlps else {
            return;
        };
        let key = "granularity.mlps.Neurons";
        self.within(&format!("{key}.top"), MAX_NEURONS, *top);
        self.require(!layers.is_empty(), &format!("{key}.layers"), || {
            "expected at least one layer".into()
        });
        for (index, layer) in layers.iter().enumerate() {
            if layers[..index].contains(layer) {
                let key = KeyPath::new(&format!("{key}.layers")).at(index);
                self.add(&key, format!("layer {layer} is listed twice"));
            }
        }
    }

    fn outputs(&mut self, spec: &RunSpec) {
        for (index, output) in spec.outputs.iter().enumerate() {
            if spec.outputs[..index].contains(output) {
                let key = KeyPath::new("outputs").at(index);
                self.add(&key, format!("{output:?} is listed twice"));
            }
        }
    }
}

/// Why a model reference cannot be right, as far as a look at the file system tells.
fn model_problem(reference: &str, base: &Path) -> Option<String> {
    let (reference, mut vectors) = added::split(reference, base);
    let missing = vectors.find_map(|vector| {
        let file = added::file(vector, base);
        (!file.is_file()).then(|| {
            format!(
                "no such file: {}\nhint: a vector is added to a model by \"MODEL + vector.safetensors@LAYER:STRENGTH\"",
                file.display()
            )
        })
    });
    if missing.is_some() {
        return missing;
    }
    if let Some(name) = reference.strip_prefix("builtin:") {
        let known = builtin_models();
        return (!known.contains(&name)).then(|| {
            format!(
                "no built-in model {name:?}, expected one of {}",
                known.join(", ")
            )
        });
    }
    if let Some(name) = reference.strip_prefix("hf:") {
        let part = |text: &str| {
            let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            !text.is_empty() && text.chars().all(fits) && !text.starts_with('.')
        };
        let fits = matches!(name.split_once('/'), Some((org, name)) if part(org) && part(name));
        return (!fits).then(|| format!("expected hf:ORG/NAME, got {reference:?}"));
    }
    if reference.is_empty() {
        return Some("expected a model, such as \"builtin:toy-gpt2\"".into());
    }
    let place = place(base, reference);
    (!place.exists()).then(|| {
        format!(
            "no such file or folder: {}\n\
             hint: a model is a folder, a .gguf file, builtin:NAME or hf:ORG/NAME",
            place.display()
        )
    })
}

/// Equal for references to the same model.
pub(crate) fn model_key(reference: &str, base: &Path) -> PathBuf {
    let alone = added::split(reference, base).0;
    if alone != reference {
        let key = model_key(alone, base).display().to_string();
        return PathBuf::from(key + &reference[alone.len()..]);
    }
    if reference.starts_with("builtin:") || reference.starts_with("hf:") {
        return PathBuf::from(reference);
    }
    let place = place(base, reference);
    fs_err::canonicalize(&place).unwrap_or(place)
}
