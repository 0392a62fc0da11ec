//! Commands that ask a question about a model: each is a spec with the key `analysis`, written on the command line.

use std::path::Path;

use secateur::paths::written;
use secateur::run::exit_code;
use secateur::spec::{SpecFile, check_any_spec};
use secateur::{Result, visible};

use super::run::run_jobs;
use crate::args::{
    AskedArgs, AttentionArgs, BatchArgs, FeatureCircuitArgs, LensArgs, NeuronsArgs, RelationArgs,
    ResidualArgs, SaeArgs, VectorArgs,
};
use crate::output;

/// What stands for a file in messages.
const COMMAND_LINE: &str = "(command line)";
/// Digits of a hash in the names that commands make up.
const DIGITS: usize = 6;
/// Letters that such names take from the name of a file.
const LONGEST: usize = 60;

/// `secateur lens`.
pub(crate) fn lens(args: &LensArgs, quiet: bool) -> Result<u8> {
    let mut question = format!(
        "texts: {:?}, after_attention: {}, drawn: {}, top: {}, attribution: {}",
        args.prompt, args.after_attention, args.drawn, args.top, !args.no_attribution
    );
    if let Some(token) = &args.token {
        question = format!("{question}, token: {token:?}");
    }
    if let Some(file) = &args.tuned {
        question = format!("{question}, tuned: Saved({:?})", written(file));
    }
    if args.tune {
        let text = corpus(&args.text, args.sampled, 0);
        question = format!(
            "{question}, tuned: Fitted(text: {text}, context: {}, train: {:?})",
            args.context, args.train
        );
    }
    let looked = Looked {
        command: "lens",
        model: &args.model,
        task: args.task.as_deref(),
        without_task: "texts",
        name: args.name.as_deref(),
    };
    let held_out = args.held_out.or(args.tune.then_some(0.1));
    let held_out = held_out.map_or_else(String::new, |share| format!("held_out: {share:?}, "));
    let question = format!("{held_out}analysis: Lens({question})");
    looked.run(&question, &args.batch, quiet)
}

/// `secateur attention`.
pub(crate) fn attention(args: &AttentionArgs, quiet: bool) -> Result<u8> {
    let looked = Looked {
        command: "attention",
        model: &args.model,
        task: args.task.as_deref(),
        without_task: "random",
        name: args.name.as_deref(),
    };
    let question = format!(
        "analysis: Attention(sequences: {}, length: {}, tokens: {}, seed: {}, threshold: {:?}, draw: {:?}, drawn: {})",
        args.sequences, args.length, args.tokens, args.seed, args.threshold, args.draw, args.drawn
    );
    looked.run(&question, &args.batch, quiet)
}

/// `secateur residual`.
pub(crate) fn residual(args: &ResidualArgs, quiet: bool) -> Result<u8> {
    let looked = Looked {
        command: "residual",
        model: &args.model,
        task: args.task.as_deref(),
        without_task: "texts",
        name: args.name.as_deref(),
    };
    let question = format!(
        "analysis: Residual(texts: {:?}, over: {}, directions: [{}])",
        args.prompt,
        args.over,
        args.direction.join(", ")
    );
    looked.run(&question, &args.batch, quiet)
}

/// A question about the prompts of a task, or about others.
struct Looked<'a> {
    command: &'a str,
    model: &'a str,
    task: Option<&'a str>,
    /// What stands for the kind of task in the name where there is none.
    without_task: &'a str,
    name: Option<&'a str>,
}

impl Looked<'_> {
    /// Runs the spec with these keys.
    fn run(&self, keys: &str, batch: &BatchArgs, quiet: bool) -> Result<u8> {
        let kind = kind_of(self.task.unwrap_or(self.without_task));
        let task = self
            .task
            .map_or_else(String::new, |task| format!("task: {task}, "));
        let asked = Question {
            model: self.model,
            name: self.name,
            kind: format!("{}-{kind}", self.command),
            keys: format!("{task}{keys}"),
        };
        asked.run(batch, quiet)
    }
}

/// Text from files, or drawn from the model.
fn corpus(files: &[std::path::PathBuf], sampled: usize, seed: u64) -> String {
    if files.is_empty() {
        return format!("Sampled(tokens: {sampled}, seed: {seed})");
    }
    let files: Vec<String> = files.iter().map(written).collect();
    format!("Files({files:?})")
}

/// `secateur neurons`.
pub(crate) fn neurons(args: &NeuronsArgs, quiet: bool) -> Result<u8> {
    let (of, key, sets) = match (&args.task, &args.behaviour, &args.other) {
        (_, Some(behaviour), Some(other)) => {
            let stem = behaviour.file_stem().unwrap_or_default();
            let sets = format!(
                "sets: (behaviour: {:?}, other: {:?}, answer: {:?}, wrong: {:?}), ",
                written(behaviour),
                written(other),
                args.answer,
                args.wrong
            );
            (plain(&stem.to_string_lossy()), String::new(), sets)
        }
        (task, ..) => {
            let task = task.as_deref().unwrap_or_default();
            (kind_of(task), format!("task: {task}, "), String::new())
        }
    };
    let own_text = args.task.is_none() && args.wrong.is_empty();
    let metric = args.metric.as_deref();
    let keys = format!(
        "{key}metric: {}, held_out: {:?}, analysis: Neurons({sets}top: {}, pool: {}, ablation: {})",
        metric.unwrap_or(if own_text { "Nll" } else { "LogitDiff" }),
        args.held_out,
        args.top,
        args.pool,
        args.ablation
    );
    let asked = Question {
        model: &args.model,
        name: args.name.as_deref(),
        kind: format!("neurons-{of}"),
        keys,
    };
    asked.run(&args.batch, quiet)
}

/// `secateur feature-circuit`.
pub(crate) fn feature_circuit(args: &FeatureCircuitArgs, quiet: bool) -> Result<u8> {
    let dictionaries = args.dictionary.iter().map(|it| {
        if it.trim_start().starts_with("Train(") {
            it.clone()
        } else {
            format!("Load({it:?})")
        }
    });
    let dictionaries: Vec<String> = dictionaries.collect();
    let keep = args.keep.as_ref();
    let keep = keep.map_or_else(String::new, |keep| format!(", keep: {keep}"));
    let question = format!(
        "FeatureCircuit(dictionaries: [{}], method: {}, ablation: {}, edges: {}{keep})",
        dictionaries.join(", "),
        args.method,
        args.ablation,
        args.edges
    );
    let asked = (&args.asked, Some(&args.metric[..]));
    ask("features", asked, &question, &args.batch, quiet)
}

/// `secateur vector`.
pub(crate) fn vector(args: &VectorArgs, quiet: bool) -> Result<u8> {
    let add_to = args.add_to.as_ref();
    let add_to = add_to.map_or_else(String::new, |task| format!(", add_to: {task}"));
    let text = args.text.as_ref().map(written);
    let text = text.map_or_else(String::new, |path| format!(", text: {path:?}"));
    let question = format!(
        "Vector(from: {}, layers: {:?}, strengths: {:?}, add_at: {}, says: {:?}, samples: {}, tokens: {}{add_to}{text})",
        args.from, args.layers, args.strengths, args.add_at, args.says, args.samples, args.tokens
    );
    let asked = (&args.asked, Some(&args.metric[..]));
    ask("vector", asked, &question, &args.batch, quiet)
}

/// Runs the spec of a question about a task, with a metric where the question has one.
pub(super) fn ask(
    kind: &str,
    (asked, metric): (&AskedArgs, Option<&str>),
    question: &str,
    batch: &BatchArgs,
    quiet: bool,
) -> Result<u8> {
    let metric = metric.map_or_else(String::new, |metric| format!("metric: {metric}, "));
    let question = Question {
        model: &asked.model,
        name: asked.name.as_deref(),
        kind: format!("{kind}-{}", kind_of(&asked.task)),
        keys: format!(
            "task: {}, {metric}held_out: {:?}, analysis: {question}",
            asked.task, asked.held_out
        ),
    };
    question.run(batch, quiet)
}

/// The kind of a task in small letters, or the name of the file that it takes its rows from.
fn kind_of(task: &str) -> String {
    let (kind, rest) = task.split_once('(').unwrap_or((task, ""));
    let kind = kind.trim().to_lowercase();
    let file = rest
        .split('"')
        .nth(1)
        .filter(|_| ["file", "tokens"].contains(&&kind[..]));
    let stem = file.and_then(|file| Path::new(file).file_stem());
    stem.map_or(kind, |stem| plain(&stem.to_string_lossy()))
}

/// A part of a name of which nothing is left that a folder's name may not have.
fn plain(name: &str) -> String {
    let fits = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let letters = name.chars().map(|it| if fits(it) { it } else { '-' });
    letters.take(LONGEST).collect()
}

/// `secateur sae`.
pub(crate) fn sae(args: &SaeArgs, quiet: bool) -> Result<u8> {
    // A dictionary trained here may have seen the text that its seed draws.
    let seed = args.seed.wrapping_add(u64::from(args.load.is_some()));
    let text = corpus(&args.text, args.sampled, seed);
    let (kind, origin, held_out) = match (&args.load, args.layer) {
        (Some(folder), _) => {
            let last = folder.file_name().unwrap_or_default().to_string_lossy();
            let load = format!("load: {:?}", written(folder));
            (format!("sae-{}", plain(&last)), load, 0.5)
        }
        (None, layer) => (format!("sae-{}", layer.unwrap_or(0)), recipe(args), 0.1),
    };
    let task = args.task.as_ref().map_or_else(String::new, |task| {
        format!("task: {task}, metric: {}, ", args.metric)
    });
    let judges = args.load.is_none() || args.task.is_some();
    let held_out = args.held_out.or(judges.then_some(held_out));
    let held_out = held_out.map_or_else(String::new, |share| format!("held_out: {share:?}, "));
    let effects = args.task.as_ref().map_or_else(String::new, |_| {
        format!(
            ", effects: (top: {}, changes: {}, at: {}, strength: {:?})",
            args.top, args.changes, args.at, args.strength
        )
    });
    let lengths = [("context", args.context), ("skip_first", args.skip_first)];
    let lengths: String = lengths
        .into_iter()
        .filter_map(|(key, value)| Some(format!("{key}: {}, ", value?)))
        .collect();
    let keys = format!(
        "{task}{held_out}analysis: Sae({origin}, text: {text}, {lengths}seed: {}, prompts: {:?}{effects})",
        args.seed, args.prompt
    );
    let asked = Question {
        model: &args.model,
        name: args.name.as_deref(),
        kind,
        keys,
    };
    asked.run(&args.batch_args, quiet)
}

/// `secateur relation`.
pub(crate) fn relation(args: &RelationArgs, quiet: bool) -> Result<u8> {
    let file = args.data.file_stem().unwrap_or_default();
    let template = args
        .template
        .map_or_else(String::new, |it| format!(", template: {it}"));
    let keys = format!(
        "held_out: {:?}, analysis: Relation(data: {:?}{template}, shots: {}, train: {}, layers: {:?}, betas: {:?}, ranks: {:?}, \
         seed: {})",
        args.held_out,
        written(&args.data),
        args.shots,
        args.train,
        args.layers,
        args.betas,
        args.ranks,
        args.seed
    );
    let asked = Question {
        model: &args.model,
        name: args.name.as_deref(),
        kind: format!("relation-{}", plain(&file.to_string_lossy())),
        keys,
    };
    asked.run(&args.batch, quiet)
}

/// The keys of a spec that training has.
fn recipe(args: &SaeArgs) -> String {
    let mut keys = vec![
        format!("layer: {}", args.layer.unwrap_or(0)),
        format!("features: {}", args.features.unwrap_or(0)),
        format!("tokens: {}", args.tokens.unwrap_or(500_000)),
    ];
    keys.extend(args.of.as_ref().map(|it| format!("of: {it}")));
    keys.extend(args.kind.as_ref().map(|it| format!("kind: {it}")));
    keys.extend(args.batch.map(|it| format!("batch: {it}")));
    keys.extend(
        args.learning_rate
            .map(|it| format!("learning_rate: {it:?}")),
    );
    keys.join(", ")
}

/// A question about a model, as the keys of a spec.
pub(super) struct Question<'a> {
    pub(super) model: &'a str,
    /// The name that was asked for.
    pub(super) name: Option<&'a str>,
    /// What other names begin with; what follows tells all questions apart.
    pub(super) kind: String,
    /// All keys but the format, the name and the model.
    pub(super) keys: String,
}

impl Question<'_> {
    /// Answers it and prints the report.
    pub(super) fn run(&self, batch: &BatchArgs, quiet: bool) -> Result<u8> {
        let name = self.name.map_or_else(|| self.made_name(), str::to_owned);
        let text = self.text(&name);
        if !quiet {
            output::message(&visible(&format!("as a spec file: {text}")));
        }
        let path = Path::new(COMMAND_LINE);
        let spec = SpecFile {
            spec: check_any_spec(text.as_bytes(), path)?,
            path: path.to_owned(),
        };
        let reports = run_jobs(&[spec], 1, batch, quiet, |_| ())?;
        let shown = reports.iter().filter(|it| !quiet && it.result.is_ok());
        for report in shown {
            let file = report.job.folder.join("report.txt");
            let text = secateur::input::read_text(&file, 1 << 30, "a report")?;
            output::text(&text)?;
            let folder = report.job.folder.display();
            output::message(&visible(&format!("the results are in {folder}")));
        }
        Ok(exit_code([], &reports, batch.strict))
    }

    fn text(&self, name: &str) -> String {
        let (model, keys) = (self.model, &self.keys);
        format!("(format: 1, name: {name:?}, models: [{model:?}], {keys})")
    }

    /// The name of a question that was given none: of another one, whatever differs, it is another name.
    fn made_name(&self) -> String {
        // The same spec whatever the layout of its text, and whether defaults are written out. A spec with mistakes needs
        // no name.
        let spec = check_any_spec(self.text("unnamed").as_bytes(), Path::new(COMMAND_LINE));
        match spec {
            Ok(spec) => format!("{}-{}", self.kind, &spec.hash()[..DIGITS]),
            Err(_) => self.kind.clone(),
        }
    }
}
