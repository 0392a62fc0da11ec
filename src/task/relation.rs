//! A relation between subjects and objects, such as countries and their capitals, and prompts that ask for it.
//!
//! A file is JSON: `name`, `prompt_templates` with `{}` where the subject stands, perhaps `prompt_templates_zs` for prompts
//! without examples, and `samples` of a `subject` and an `object` (or a list of objects that are all right). An object
//! stands after the template and a space. Reference: Hernandez et al., arXiv:2308.09124, whose files are the same.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::check::Problems;
use super::sampling::Sampler;
use super::{LoadRequest, text};
use crate::error::{Error, Result};
use crate::input::{self, MIB, without_bom};
use crate::model::Tokenizer;

/// Largest file that is read, in bytes.
const LARGEST_FILE: u64 = 64 * MIB;
/// Where the subject stands in a template.
const SUBJECT: &str = "{}";

/// A prompt that says something about a subject and asks for what belongs to it: "The capital of France is".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectPrompt {
    /// The tokens.
    pub tokens: Vec<u32>,
    /// Position of the subject's last token.
    pub subject: usize,
}

/// Bytes that a prompt of a relation takes beside its tokens: three lists.
const RELATION_PROMPT: usize = 3 * (size_of::<Vec<u32>>() + 16) + size_of::<usize>();

/// A relation as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// The file that it is from, for messages.
    pub source: String,
    /// Templates of prompts with examples in front.
    pub templates: Vec<String>,
    /// Templates of prompts without; empty where the others serve for them.
    pub zero_shot_templates: Vec<String>,
    /// Subjects with their objects.
    pub samples: Vec<RelationSample>,
}

/// A subject with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationSample {
    /// The subject.
    pub subject: String,
    /// Objects that are right; at least one.
    pub objects: Vec<String>,
}

/// Which samples are for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationSplit {
    /// Those shown as examples in front of every prompt.
    pub shown: Vec<usize>,
    /// Those that the relation is found on, in random order.
    pub discovery: Vec<usize>,
    /// Those that are held out for evaluation.
    pub held_out: Vec<usize>,
}

/// A relation's prompts with one of its templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationPrompts {
    /// The template.
    pub template: String,
    /// The prompt of every sample, with the same examples in front.
    pub prompts: Vec<SubjectPrompt>,
    /// The first tokens of every sample's objects.
    pub answers: Vec<Vec<u32>>,
    /// The prompt with the subject left out, unless nothing is left of it.
    pub without_subject: Option<Vec<u32>>,
    /// The prompt of every sample without examples; nothing where there are none in front anyway.
    pub zero_shot: Vec<Vec<u32>>,
}

impl RelationPrompts {
    /// The bytes that they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        let prompts = self.prompts.iter().map(|it| it.tokens.capacity());
        let answers = self.answers.iter().map(Vec::capacity);
        let zero_shot = self.zero_shot.iter().map(Vec::capacity);
        let tokens: usize = prompts.chain(answers).chain(zero_shot).sum();
        size_of::<u32>() * tokens + RELATION_PROMPT * self.prompts.len()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    prompt_templates: Vec<String>,
    #[serde(default)]
    prompt_templates_zs: Vec<String>,
    #[serde(default, rename = "properties")]
    _properties: Option<IgnoredAny>,
    samples: Vec<Sample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    subject: String,
    object: Objects,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected `object` to be a text or a list of texts"
)]
enum Objects {
    One(String),
    Several(Vec<String>),
}

impl Relation {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is no such file, or a template or sample is wrong (up to ten are named).
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bytes = input::read(path, LARGEST_FILE, "a relation of a few hundred subjects")?;
        let file: File = serde_json::from_slice(without_bom(&bytes))
            .map_err(|error| Error::data(&name, format!("not a relation: {error}")))?;
        let samples = file.samples.into_iter().map(|sample| RelationSample {
            subject: sample.subject,
            objects: match sample.object {
                Objects::One(object) => vec![object],
                Objects::Several(objects) => objects,
            },
        });
        let relation = Self {
            name: file.name,
            source: name,
            templates: file.prompt_templates,
            zero_shot_templates: file.prompt_templates_zs,
            samples: samples.collect(),
        };
        relation.check()?;
        Ok(relation)
    }

    fn check(&self) -> Result<()> {
        let source = &self.source;
        if self.templates.is_empty() {
            let problem =
                "`prompt_templates` is empty; write at least one, such as \"The capital of {} is\"";
            return Err(Error::data(source, problem));
        }
        for template in self.templates.iter().chain(&self.zero_shot_templates) {
            if template.matches(SUBJECT).count() != 1 {
                let problem = format!(
                    "the template {template:?} must have {SUBJECT} once, where the subject stands"
                );
                return Err(Error::data(source, problem));
            }
        }
        if self.samples.len() < 2 {
            return Err(Error::data(source, "`samples` needs at least two subjects"));
        }
        let mut problems = Problems::named("sample");
        let mut seen = BTreeSet::new();
        for (index, sample) in self.samples.iter().enumerate() {
            let subject = &sample.subject;
            if subject.trim() != subject || subject.is_empty() {
                let problem = format!("the subject {subject:?} is empty or has space around it");
                problems.add(index + 1, problem);
            } else if !seen.insert(subject) {
                problems.add(
                    index + 1,
                    format!("the subject {subject:?} is there twice; remove one"),
                );
            }
            let bad = |object: &&String| object.is_empty() || object.trim() != *object;
            if let Some(object) = sample.objects.iter().find(bad) {
                let problem = format!("the object {object:?} is empty or has space around it");
                problems.add(index + 1, problem);
            }
            if sample.objects.is_empty() {
                problems.add(index + 1, "there is no object; give at least one");
            }
        }
        problems.report(source)
    }

    /// Divides the samples: a share is held out, always the same; of the others so many are shown, the rest is in an order
    /// of this seed.
    pub fn split(&self, held_out: f64, shots: usize, seed: u64) -> RelationSplit {
        let mut discovery: Vec<usize> = (0..self.samples.len()).collect();
        Sampler::new("split", 0).shuffle(&mut discovery);
        let count = (held_out * self.samples.len() as f64).round() as usize;
        let mut held_out = discovery.split_off(discovery.len() - count.min(discovery.len()));
        held_out.sort_unstable();
        discovery.sort_unstable();
        Sampler::new("relation", seed).shuffle(&mut discovery);
        let rest = discovery.split_off(shots.min(discovery.len()));
        RelationSplit {
            shown: discovery,
            discovery: rest,
            held_out,
        }
    }

    /// About the bytes that the prompts of these templates take in memory, before they are made: a token for every two bytes
    /// of the longest, twice for those without examples.
    pub(crate) fn expected_bytes(&self, templates: &Range<usize>, shots: usize) -> usize {
        let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
        let subject = longest(&mut self.samples.iter().map(|it| it.subject.len()));
        let objects = self.samples.iter().flat_map(|it| &it.objects);
        let object = longest(&mut objects.map(String::len));
        let templates = self.templates.get(templates.clone()).unwrap_or_default();
        let text = templates.iter().map(|template| {
            let question = template.len().saturating_add(subject);
            question
                .saturating_add(object)
                .saturating_mul(shots)
                .saturating_add(question)
        });
        let text = text.fold(0, usize::saturating_add);
        text.saturating_mul(size_of::<u32>())
            .saturating_add(RELATION_PROMPT * templates.len())
            .saturating_mul(self.samples.len())
    }

    /// The prompts of all samples with a template, for a model.
    ///
    /// # Errors
    /// When the model has no tokenizer, or a prompt does not fit it (up to ten are named).
    ///
    /// # Panics
    /// When there is no such template.
    pub fn prompts(
        &self,
        template: usize,
        shown: &[usize],
        request: &LoadRequest<'_>,
    ) -> Result<RelationPrompts> {
        let tokenizer = text::tokenizer(request, &self.source)?;
        let template = &self.templates[template];
        let example = |&sample: &usize| {
            let sample = &self.samples[sample];
            let prompt = template.replace(SUBJECT, &sample.subject);
            let object = sample.objects.first().map_or("", String::as_str);
            format!("{prompt} {object}\n")
        };
        let examples: String = shown.iter().map(example).collect();
        let mut problems = Problems::named("sample");
        let (mut prompts, mut answers, mut zero_shot) = (Vec::new(), Vec::new(), Vec::new());
        for (index, sample) in self.samples.iter().enumerate() {
            let asked = (&examples[..], &template[..], sample);
            match question(asked, tokenizer, request) {
                Ok((prompt, first_tokens)) => {
                    prompts.push(prompt);
                    answers.push(first_tokens);
                }
                Err(problem) => problems.add(index + 1, problem),
            }
            if !shown.is_empty() {
                let plain = self.zero_shot_templates.first().unwrap_or(template);
                match encoded(&plain.replace(SUBJECT, &sample.subject), tokenizer, request) {
                    Ok(tokens) => zero_shot.push(tokens),
                    Err(problem) => problems.add(index + 1, problem),
                }
            }
        }
        let rest = template.split(SUBJECT).map(str::trim);
        let rest = rest.filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let rest = encoded(&format!("{examples}{}", rest.join(" ")), tokenizer, request);
        let rest = rest.map_err(|problem| Error::data(&self.source, problem));
        problems.report(&self.source)?;
        let rest = rest?;
        Ok(RelationPrompts {
            template: template.clone(),
            prompts,
            answers,
            without_subject: (!rest.is_empty()).then_some(rest),
            zero_shot,
        })
    }
}

/// The prompt of a sample after some examples, and the first tokens of its objects; or what is wrong with it.
fn question(
    (examples, template, sample): (&str, &str, &RelationSample),
    tokenizer: &Tokenizer,
    request: &LoadRequest<'_>,
) -> Result<(SubjectPrompt, Vec<u32>), String> {
    let (before, after) = template.split_once(SUBJECT).unwrap_or((template, ""));
    let to_subject = format!("{examples}{before}{}", sample.subject);
    let whole = format!("{to_subject}{after}");
    let tokens = encoded(&whole, tokenizer, request)?;
    let start = encoded(&to_subject, tokenizer, request)?;
    if start.is_empty() || !tokens.starts_with(&start) {
        return Err(format!(
            "the tokenizer joins the end of the subject {:?} with what follows it in the template; put a space there",
            sample.subject
        ));
    }
    let mut first_tokens = Vec::new();
    for object in &sample.objects {
        let found = text::continuations(tokenizer, &whole, &format!(" {object}"))
            .map_err(|error| error.to_string())?;
        let first = found.and_then(|tokens| tokens.first().copied());
        let first = first.filter(|first| (*first as usize) < request.config.d_out());
        let first = first.ok_or_else(|| {
            format!("the object {object:?} has no token of this tokenizer and model")
        })?;
        if !first_tokens.contains(&first) {
            first_tokens.push(first);
        }
    }
    let subject = start.len() - 1;
    Ok((SubjectPrompt { tokens, subject }, first_tokens))
}

/// The tokens of a prompt that the model can read.
fn encoded(
    text: &str,
    tokenizer: &Tokenizer,
    request: &LoadRequest<'_>,
) -> Result<Vec<u32>, String> {
    if let Some(word) = tokenizer.unknown_in(text) {
        return Err(format!(
            "the prompt has {word:?}, which this tokenizer does not know; the model would not see it"
        ));
    }
    let tokens = tokenizer.encode(text, request.prepend_bos);
    let tokens = tokens.map_err(|error| error.to_string())?;
    let config = request.config;
    if tokens.len() > config.n_ctx {
        return Err(format!(
            "the prompt has {} tokens and the model reads at most {}; lower `shots`",
            tokens.len(),
            config.n_ctx
        ));
    }
    match tokens
        .iter()
        .find(|token| **token as usize >= config.d_vocab)
    {
        None => Ok(tokens),
        Some(token) => Err(format!(
            "the prompt has token {token}, but the model's vocabulary ends at {}",
            config.d_vocab.saturating_sub(1)
        )),
    }
}
