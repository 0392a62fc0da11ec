//! The analysis of a relation as a job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{RelationReport, RelationTask, decode_relation};
use super::{betas_svg, ranks_svg, relation_csv, relation_svg, relation_text, subjects_csv};
use crate::analyze::Relation;
use crate::analyze::{
    Analysis, AnalysisOutput, PromptSource, Setting, Shared, SharedKeys, hash_of, keyed, no_text,
};
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::model::{Real, Weights};
use crate::paths::place;
use crate::report::Rows;
use crate::setting::Bound;
use crate::setting::at_precision;
use crate::setting::check_rows;
use crate::setting::slips;
use crate::task::{self, LoadRequest, Prompts, RelationPrompts, RelationSplit};

impl Analysis for Relation {
    const NAME: &'static str = "Relation";
    const USES: &'static [Shared] = &[
        Shared::HeldOut,
        Shared::RandomBaselines,
        Shared::Precision,
        Shared::PrependBos,
    ];
    type Report = RelationReport;

    fn mistakes(&self, keys: &SharedKeys) -> Vec<(String, String)> {
        let mut found = keyed(self.wrong_values());
        if keys.held_out <= 0.0 {
            let problem = "expected more than 0: a relation is evaluated on held-out subjects";
            found.push(("held_out".to_owned(), problem.to_owned()));
        }
        found
    }

    fn prompts(&self) -> PromptSource<'_> {
        PromptSource::Own("a relation has its prompts in `data` and needs no task; leave it out")
    }

    fn inputs(&self) -> Vec<(&'static str, PathBuf)> {
        vec![("analysis.Relation.data", self.data.clone())]
    }

    fn answer(&self, setting: &Setting<'_>) -> Result<AnalysisOutput<RelationReport>> {
        let (keys, model) = (setting.keys, setting.model);
        if let Some(problem) = no_text(model.config()) {
            return Err(Error::model(&model.name, problem));
        }
        let base = setting.base;
        let path = place(base, &self.data);
        let name = path.display().to_string();
        let relation = task::Relation::read(&path)?;
        let split = relation.split(keys.held_out, self.shots, self.seed);
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
            prepend_bos: keys.prepend_bos,
            prompts: Prompts::Sets,
            base,
            observer: setting.observer,
        };
        let count = relation.templates.len();
        let asked_for = match self.template {
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
        let rule = (model.require_tokenizer()?, keys.prepend_bos);
        for asked_with in &prompts {
            let template = format!("{name}, the template {:?}", asked_with.template);
            let first = asked_with.prompts.first().map_or(&[][..], |it| &it.tokens);
            slips::tell_of_text(
                (&template, &asked_with.template),
                first,
                rule,
                setting.observer,
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
        let mut report = at_precision!(keys.precision, (model, rows), |weights, bound| {
            asking.decode((weights, bound), setting, self)?
        });
        setting.observer.add_to(&mut report.warnings);
        let mut files = BTreeMap::new();
        let mut add = |name: &'static str, text: String| files.insert(name, text.into_bytes());
        let title = setting.title;
        let about = format!("{title}: {}", relation.name);
        add("report.txt", relation_text(&report, &about));
        add("layers.csv", relation_csv(&report));
        add("layers.svg", relation_svg(&report, title));
        add("betas.svg", betas_svg(&report, title));
        if let Some(svg) = ranks_svg(&report, title) {
            add("ranks.svg", svg);
        }
        add("subjects.csv", subjects_csv(&report));
        let rows = Rows::default()
            .with("shown", split.shown.iter().copied())
            .with("trained_on", report.rows.trained_on.iter().copied())
            .with("chosen_on", report.rows.chosen_on.iter().copied())
            .with("held_out", split.held_out.iter().copied())
            .with("unknown", report.rows.unknown.iter().copied());
        Ok(AnalysisOutput {
            report,
            rows,
            data_hash: asking.hash(),
            files,
            seconds: BTreeMap::new(),
        })
    }
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
        setting: &Setting<'_>,
        parameters: &Relation,
    ) -> Result<RelationReport> {
        let transformer = Transformer::plain(weights)?;
        if let Some(bound) = bound {
            bound.check(self.bytes(&transformer, parameters))?;
        }
        let transformer = transformer.within(bound.map(Bound::room));
        let task = RelationTask {
            name: &self.relation.name,
            subjects: self.subjects,
            templates: self.prompts,
            split: self.split,
            random_baselines: setting.keys.random_baselines,
            tokenizer: setting.model.tokenizer.as_ref(),
        };
        decode_relation(&transformer, &task, parameters, setting.observer)
    }

    /// Bytes that the analysis takes: maps of all layers, singular vectors of those at work, changes of the streams, prompts.
    fn bytes<T: Real>(&self, transformer: &Transformer<'_, T>, parameters: &Relation) -> usize {
        let shape = transformer.heads();
        let layers = match parameters.layers.len() {
            0 => shape.n_layers,
            some => some,
        };
        let at_work = rayon::current_num_threads().min(layers);
        let maps = (layers + 8 * at_work) * shape.d_model * shape.d_model;
        let changes = layers * parameters.ranks.len() * self.subjects.len() * shape.d_model;
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
