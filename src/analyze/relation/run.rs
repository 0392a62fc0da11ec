//! The analysis of a relation from prompts to its report.

use super::baselines::{self, Otherwise};
use super::edits::{self, Edited, Exchanged};
use super::faithful::{self, Decoded};
use super::found::LinearMap;
use super::known::{SubjectPair, SubjectRuns, best};
use super::parameters::Relation;
use super::report::{
    CausalityResult, FaithfulnessResult, LayerScores, RelationReport, RelationRows, SubjectRow,
};
use super::template::{Selected, answers_correctly, enough, template};
use crate::analyze::text_of;
use crate::engine::Transformer;
use crate::error::{Error, Result};
use crate::evaluate::Share;
use crate::events::{Event, Observer};
use crate::model::{Real, Tokenizer};
use crate::task::{RelationPrompts, RelationSplit};

/// Held-out subjects below which a remark says that they are few.
const FEW: usize = 10;

/// The prompts and figures that an analysis of a relation works with.
#[derive(Clone, Copy)]
pub struct RelationTask<'t> {
    /// The relation's name.
    pub name: &'t str,
    /// The subjects.
    pub subjects: &'t [String],
    /// Their prompts, with each template that may be chosen.
    pub templates: &'t [RelationPrompts],
    /// Which subjects are for what.
    pub split: &'t RelationSplit,
    /// Random maps and changes to compare with.
    pub random_baselines: usize,
    /// The tokenizer, for text.
    pub tokenizer: Option<&'t Tokenizer>,
}

/// Finds the linear map of a relation, chooses layer, factor and rank, and judges it on held-out subjects.
///
/// # Errors
/// When a layer does not exist, the model answers correctly too few subjects, a number is not finite, or the observer interrupts.
///
/// # Complexity
/// A forward pass for each template; a backward pass of `d_model` outputs for each subject trained on; a singular value
/// decomposition for each layer; a forward pass of the rows that prompts do not share for each layer, rank and subject that
/// chooses.
pub fn decode_relation<T: Real>(
    transformer: &Transformer<'_, T>,
    task: &RelationTask<'_>,
    question: &Relation,
    observer: &dyn Observer,
) -> Result<RelationReport> {
    let layers = layers(transformer.heads().n_layers, &question.layers)?;
    let (template, known_discovery, said_discovery) = template(transformer, task, observer)?;
    let held_out = answers_correctly(transformer, template, &task.split.held_out)?;
    let known = Share::of(held_out.iter().map(|it| it.1));
    let numbers = |of: &[(usize, bool)]| -> Vec<usize> {
        of.iter().filter(|it| it.1).map(|it| it.0).collect()
    };
    let (discovery, judging) = (numbers(&known_discovery), numbers(&held_out));
    let known_discovery = Share::of(known_discovery.iter().map(|it| it.1));
    enough(task.name, known_discovery, known)?;
    let (training, choosing) = discovery.split_at(question.train.min(discovery.len() / 2));
    let unknown = task.split.discovery.iter().chain(&task.split.held_out);
    let used = RelationRows {
        trained_on: training.to_vec(),
        chosen_on: choosing.to_vec(),
        unknown: unknown
            .filter(|it| !discovery.contains(it) && !judging.contains(it))
            .copied()
            .collect(),
    };
    let [training, choosing, judging] =
        [training, choosing, &judging[..]].map(|numbers| Selected::new(template, numbers));
    let trained = SubjectRuns::new(transformer, &training.prompts)?;
    let chooses = SubjectRuns::new(transformer, &choosing.prompts)?;
    let judges = SubjectRuns::new(transformer, &judging.prompts)?;

    let maps = LinearMap::all(&trained, &layers, observer)?;
    let decoded = faithful::sweep(&maps, [&chooses, &judges], &question.betas, observer)?;
    let exchanges = [&chooses, &judges].map(|known| known.exchanges(question.seed));
    let sets = [(&chooses, &exchanges[0]), (&judges, &exchanges[1])];
    let sets = sets.map(|(known, exchanges)| Exchanged { known, exchanges });
    let can_exchange = sets.iter().all(|set| !set.exchanges.is_empty());
    let ranks = ranks(&question.ranks, transformer.heads().d_model);
    let edited = if can_exchange {
        edits::sweep(&maps, sets, &ranks, observer)?
    } else {
        Vec::new()
    };

    let place = best(decoded.iter().map(|it| &it.discovery));
    let (map, found) = (&maps[place], &decoded[place]);
    let otherwise = Otherwise {
        said_discovery: &said_discovery,
        zero_shot: if template.zero_shot.is_empty() {
            Vec::new()
        } else {
            let numbers = judging.numbers.iter();
            numbers.map(|&it| template.zero_shot[it].clone()).collect()
        },
        without_subject: template.without_subject.as_deref(),
    };
    let both = [&trained, &judges];
    let random = task.random_baselines;
    let faithful = FaithfulnessResult {
        layer: map.layer,
        beta: found.beta,
        held_out: found.held_out.share,
        baselines: baselines::faithful(map, found.beta, both, &otherwise, random, observer)?,
    };
    let place = best(edited.iter().map(|it| &it.discovery));
    let causal = match edited.get(place) {
        None => None,
        Some(edited) => Some(CausalityResult {
            layer: maps[place].layer,
            rank: edited.rank,
            held_out: edited.held_out.share,
            relative_norm: baselines::relative_norm(maps[place].layer, edited, sets[1]),
            baselines: baselines::causal(maps[place].layer, edited, sets[1], random, observer)?,
        }),
    };
    let subjects = rows(
        task,
        (&judging, &judges),
        &found.held_out.said,
        (sets[1].exchanges, edited.get(place)),
    );
    Ok(RelationReport {
        relation: task.name.to_owned(),
        template: template.template.clone(),
        rows: used,
        shown: task
            .split
            .shown
            .iter()
            .map(|&it| task.subjects[it].clone())
            .collect(),
        known_discovery,
        known,
        trained_on: trained.len(),
        chosen_on: chooses.len(),
        faithful,
        causal,
        betas: question.betas.clone(),
        ranks,
        layers: by_layer(&maps, &decoded, &edited),
        subjects,
        warnings: warnings(known, can_exchange, observer),
    })
}

/// The layers asked for.
fn layers(n_layers: usize, asked: &[usize]) -> Result<Vec<usize>> {
    let last = n_layers - 1;
    if let Some(layer) = asked.iter().find(|layer| **layer >= last) {
        return Err(Error::Usage(format!(
            "no subject can be taken after layer {layer}: the model has {n_layers} layers, counted from 0, and nothing moves \
             from one position to another after the last"
        )));
    }
    if last == 0 {
        let problem =
            "the model has a single layer, so that nothing moves to the end of a prompt after it";
        return Err(Error::model("the model", problem));
    }
    if asked.is_empty() {
        return Ok((0..last).collect());
    }
    Ok(asked.to_vec())
}

/// The ranks that a map of this width can have.
fn ranks(asked: &[usize], d_model: usize) -> Vec<usize> {
    let mut ranks: Vec<usize> = asked.iter().map(|&rank| rank.min(d_model)).collect();
    ranks.dedup();
    ranks
}

fn by_layer(maps: &[LinearMap], decoded: &[Decoded], edited: &[Edited]) -> Vec<LayerScores> {
    let figures = maps.iter().zip(decoded).enumerate();
    figures
        .map(|(index, (map, decoded))| {
            let edited = edited.get(index);
            LayerScores {
                layer: map.layer,
                beta: decoded.beta,
                faithful_discovery: decoded.discovery.share,
                faithful_log_probability: decoded.discovery.log_probability,
                faithful: decoded.held_out.share,
                rank: edited.map(|it| it.rank),
                causal_discovery: edited.map(|it| it.discovery.share),
                causal_log_probability: edited.map(|it| it.discovery.log_probability),
                causal: edited.map(|it| it.held_out.share),
                faithful_by_beta: decoded.by_beta.clone(),
                causal_by_rank: edited.map_or_else(Vec::new, |it| it.by_rank.clone()),
            }
        })
        .collect()
}

/// What was said of every held-out subject that the model answers correctly.
fn rows<T: Real>(
    task: &RelationTask<'_>,
    (selected, known): (&Selected, &SubjectRuns<'_, '_, T>),
    decoded: &[u32],
    (exchanges, edited): (&[SubjectPair], Option<&Edited>),
) -> Vec<SubjectRow> {
    let text = |token: u32| text_of(task.tokenizer, &[token]);
    let name = |index: usize| task.subjects[selected.numbers[index]].clone();
    let row = |index: usize| {
        let place = exchanges.iter().position(|it| it.of == index);
        let place = place.filter(|_| edited.is_some());
        let with = place.map(|place| exchanges[place].with);
        SubjectRow {
            subject: name(index),
            said: text(known.said[index]),
            decoded: text(decoded[index]),
            other: with.map(name),
            wanted: with.map(|with| text(known.said[with])),
            edited: place.and_then(|place| Some(text(edited?.held_out.said[place]))),
        }
    };
    (0..selected.numbers.len()).map(row).collect()
}

/// Remarks, which the observer hears too.
fn warnings(known: Share, can_exchange: bool, observer: &dyn Observer) -> Vec<String> {
    let mut warnings = Vec::new();
    if known.count < FEW {
        warnings.push(format!(
            "the model answers {} held-out subjects: the intervals are wide",
            known.count
        ));
    }
    if !can_exchange {
        let warning =
            "the model predicts the same for all subjects, so none can be given another object";
        warnings.push(warning.to_owned());
    }
    for warning in &warnings {
        observer.event(Event::Warning(warning.clone()));
    }
    warnings
}
