//! The analysis of a relation as a job.

use std::collections::BTreeMap;

use super::analysis_job::{Answer, Asked, hash_of, no_text};
use super::job::check_rows;
use super::memory::Bound;
use super::precision::at_precision;
use super::slips;
use crate::analyze::Relation;
use crate::analyze::relation::{RelationReport, RelationTask, decode_relation};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::graph::{ComputationGraph, Granularity};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::{
    Rows, betas_svg, ranks_svg, relation_csv, relation_svg, relation_text, subjects_csv,
};
use crate::task::{self, LoadRequest, Prompts, RelationPrompts, RelationSplit};

/// Whether the relation is a linear map.
///
/// # Errors
/// When the model or the data cannot be used, or the observer interrupts.
pub(super) fn answer(asked: &Asked<'_>, question: &Relation) -> Result<Answer> {
    let (spec, model) = (asked.spec, asked.model);
    if let Some(problem) = no_text(model.config()) {
        return Err(Error::model(&model.name, problem));
    }
    let base = asked.job.spec.base();
    let path = place(base, &question.data);
    let name = path.display().to_string();
    let relation = task::Relation::read(&path)?;
    let split = relation.split(spec.held_out, question.shots, question.seed);
    if split.discovery.len() < 2 || split.held_out.is_empty() {
        let problem = format!(
            "of {} subjects {} are shown, {} are for discovery and {} held out; at least 2 and 1 are needed: lower `shots` or \
             change `held_out`",
            relation.samples.len(),
            split.shown.len(),
            split.discovery.len(),
            split.held_out.len()
        );
        return Err(Error::data(name, problem));
    }
    let request = LoadRequest {
        tokenizer: model.tokenizer.as_ref(),
        config: model.config(),
        prepend_bos: spec.prepend_bos,
        prompts: Prompts::Sets,
        base,
        observer: asked.observer,
    };
    let count = relation.templates.len();
    let asked_for = match question.template {
        None => 0..count,
        Some(template) if template < count => template..template + 1,
        Some(template) => {
            let problem =
                format!("there is no template {template}: it has {count}, counted from 0");
            return Err(Error::data(name, problem));
        }
    };
    let expected = relation.expected_bytes(&asked_for, split.shown.len());
    check_rows(model, &name, expected)?;
    let prompts = asked_for.map(|template| relation.prompts(template, &split.shown, &request));
    let prompts: Vec<RelationPrompts> = prompts.collect::<Result<_>>()?;
    let rule = (model.require_tokenizer()?, spec.prepend_bos);
    for asked_with in &prompts {
        let template = format!("{name}, the template {:?}", asked_with.template);
        let first = asked_with.prompts.first().map_or(&[][..], |it| &it.tokens);
        slips::tell_of_text(
            (&template, &asked_with.template),
            first,
            rule,
            asked.observer,
        );
    }
    let subjects: Vec<String> = relation
        .samples
        .iter()
        .map(|it| it.subject.clone())
        .collect();
    let asking = Asking {
        relation: &relation,
        subjects: &subjects,
        prompts: &prompts,
        split: &split,
    };
    let rows = prompts.iter().map(RelationPrompts::bytes).sum();
    let mut report = at_precision!(spec.precision, (model, rows), |weights, bound| {
        asking.decode((weights, bound), asked, question)?
    });
    asked.observer.add_to(&mut report.warnings);
    let mut files = BTreeMap::new();
    let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
    let title = asked.title();
    let about = format!("{title}: {}", relation.name);
    add("report.txt", relation_text(&report, &about));
    add("layers.csv", relation_csv(&report));
    add("layers.svg", relation_svg(&report, &title));
    add("betas.svg", betas_svg(&report, &title));
    if let Some(svg) = ranks_svg(&report, &title) {
        add("ranks.svg", svg);
    }
    add("subjects.csv", subjects_csv(&report));
    let rows = Rows::default()
        .with("shown", split.shown.iter().copied())
        .with("trained_on", report.rows.trained_on.iter().copied())
        .with("chosen_on", report.rows.chosen_on.iter().copied())
        .with("held_out", split.held_out.iter().copied())
        .with("unknown", report.rows.unknown.iter().copied());
    files.insert("report.json", asked.json(&report, &rows, &asking.hash())?);
    Ok(Answer {
        files,
        finding: report.finding(),
        target_reached: true,
        below_target: false,
        warnings: report.warnings,
        seconds: BTreeMap::new(),
    })
}

/// A relation with its prompts for a model.
struct Asking<'p> {
    relation: &'p task::Relation,
    subjects: &'p [String],
    prompts: &'p [RelationPrompts],
    split: &'p RelationSplit,
}

impl Asking<'_> {
    fn decode<T: Real>(
        &self,
        (weights, bound): (&Weights<T>, Option<Bound>),
        asked: &Asked<'_>,
        question: &Relation,
    ) -> Result<RelationReport> {
        let config = &weights.config;
        let graph = ComputationGraph::new(config, &Granularity::default(), &BTreeMap::new())?;
        let transformer = Transformer::new(weights, &graph);
        if let Some(bound) = bound {
            bound.check(self.bytes(&transformer, question))?;
        }
        let transformer = transformer.within(bound.map(Bound::room));
        let task = RelationTask {
            name: &self.relation.name,
            subjects: self.subjects,
            templates: self.prompts,
            split: self.split,
            random_baselines: asked.spec.random_baselines,
            tokenizer: asked.model.tokenizer.as_ref(),
        };
        decode_relation(&transformer, &task, question, asked.observer)
    }

    /// Bytes that the analysis takes: maps of all layers, singular vectors of those at work, changes of the streams, prompts.
    fn bytes<T: Real>(&self, transformer: &Transformer<'_, T>, question: &Relation) -> usize {
        let shape = transformer.heads();
        let layers = match question.layers.len() {
            0 => shape.n_layers,
            some => some,
        };
        let at_work = rayon::current_num_threads().min(layers);
        let maps = (layers + 8 * at_work) * shape.d_model * shape.d_model;
        let changes = layers * question.ranks.len() * self.subjects.len() * shape.d_model;
        let prompts = self.prompts.iter();
        let prompts = prompts.map(|it| transformer.subject_bytes(&it.prompts));
        (maps + changes) * size_of::<f64>() + prompts.max().unwrap_or(0)
    }

    /// Hash of everything that is read of the data: tokens, answers, and what they are for.
    fn hash(&self) -> String {
        let numbers = |numbers: &[usize]| numbers.iter().map(|&it| it as u32).collect();
        let split = self.split;
        let mut rows: Vec<Vec<u32>> = vec![
            numbers(&split.shown),
            numbers(&split.discovery),
            numbers(&split.held_out),
        ];
        for it in self.prompts {
            let subjects: Vec<usize> = it.prompts.iter().map(|it| it.subject).collect();
            rows.push(numbers(&subjects));
            rows.extend(it.prompts.iter().map(|it| it.tokens.clone()));
            rows.extend(it.answers.iter().chain(&it.zero_shot).cloned());
            rows.extend(it.without_subject.clone());
        }
        hash_of(&rows)
    }
}
