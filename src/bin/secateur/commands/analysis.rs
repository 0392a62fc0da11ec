//! Commands that ask a question about a model: each is a spec with the key `analysis`, written on the command line.

use std::path::Path;

use secateur::Result;
use secateur::run::exit_code;
use secateur::spec::{SpecFile, check_any_spec};

use super::run::run_jobs;
use crate::args::{AskedArgs, BatchArgs, NeuronsArgs, SaeArgs, VectorArgs};
use crate::output;

/// What stands for a file in messages.
const COMMAND_LINE: &str = "(command line)";

/// `secateur neurons`.
pub(crate) fn neurons(args: &NeuronsArgs, quiet: bool) -> Result<u8> {
    let question = format!(
        "Neurons(top: {}, pool: {}, ablation: {})",
        args.top, args.pool, args.ablation
    );
    ask("neurons", &args.asked, &question, &args.batch, quiet)
}

/// `secateur vector`.
pub(crate) fn vector(args: &VectorArgs, quiet: bool) -> Result<u8> {
    let add_to = args.add_to.as_ref();
    let add_to = add_to.map_or_else(String::new, |task| format!(", add_to: {task}"));
    let text = args.text.as_ref().map(|path| path.display().to_string());
    let text = text.map_or_else(String::new, |path| format!(", text: {path:?}"));
    let question = format!(
        "Vector(from: {}, layers: {:?}, strengths: {:?}, add_at: {}, says: {:?}, samples: {}, tokens: {}{add_to}{text})",
        args.from, args.layers, args.strengths, args.add_at, args.says, args.samples, args.tokens
    );
    ask("vector", &args.asked, &question, &args.batch, quiet)
}

/// Runs the spec of a question about a task.
fn ask(
    kind: &str,
    asked: &AskedArgs,
    question: &str,
    batch: &BatchArgs,
    quiet: bool,
) -> Result<u8> {
    let name = asked.name.clone().unwrap_or_else(|| {
        let task = asked.task.split('(').next().unwrap_or_default();
        format!("{kind}-{}", task.trim().to_lowercase())
    });
    let text = format!(
        "(format: 1, name: {name:?}, models: [{:?}], task: {}, metric: {}, held_out: {:?}, analysis: {question})",
        asked.model, asked.task, asked.metric, asked.held_out
    );
    run_text(&text, batch, quiet)
}

/// `secateur sae`.
pub(crate) fn sae(args: &SaeArgs, quiet: bool) -> Result<u8> {
    let text = match &args.text[..] {
        [] => format!("Sampled(tokens: {}, seed: {})", args.sampled, args.seed),
        files => {
            let files: Vec<String> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            format!("Files({files:?})")
        }
    };
    let (name, origin, held_out) = match (&args.load, args.layer) {
        (Some(folder), _) => {
            let last = folder.file_name().unwrap_or_default().to_string_lossy();
            let load = format!("load: {:?}", folder.display().to_string());
            (format!("sae-{last}"), load, 0.5)
        }
        (None, layer) => (format!("sae-{}", layer.unwrap_or(0)), recipe(args), 0.1),
    };
    let name = args.name.clone().unwrap_or(name);
    let task = args.task.as_ref().map_or_else(String::new, |task| {
        format!("task: {task}, metric: {}, ", args.metric)
    });
    let effects = args.task.as_ref().map_or_else(String::new, |_| {
        format!(
            ", effects: (top: {}, changes: {}, at: {}, strength: {:?})",
            args.top, args.changes, args.at, args.strength
        )
    });
    let text = format!(
        "(format: 1, name: {name:?}, models: [{:?}], {task}held_out: {:?}, analysis: Sae({origin}, text: {text}, context: {}, \
         seed: {}, prompts: {:?}{effects}))",
        args.model,
        args.held_out.unwrap_or(held_out),
        args.context,
        args.seed,
        args.prompt
    );
    run_text(&text, &args.batch_args, quiet)
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

/// Runs a spec and prints its report.
fn run_text(text: &str, batch: &BatchArgs, quiet: bool) -> Result<u8> {
    if !quiet {
        output::message(&format!("as a spec file: {text}"));
    }
    let path = Path::new(COMMAND_LINE);
    let spec = SpecFile {
        spec: check_any_spec(text.as_bytes(), path)?,
        path: path.to_owned(),
    };
    let reports = run_jobs(&[spec], 1, batch, quiet)?;
    for report in reports.iter().filter(|report| report.result.is_ok()) {
        let text = fs_err::read(report.job.folder.join("report.txt"))?;
        output::data(&text)?;
    }
    Ok(exit_code([], &reports))
}
