//! The tables of parameters in the pages are made from the structs that hold the parameters: their docs, defaults and flags.
//!
//! After a change, `UPDATE_PAGES=1 cargo test --release parameters` writes the tables.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use clap::{Arg, ArgAction, Args, Command};
use secateur::analyze::{
    Analysis, AttentionRoles, Edit, FeatureCircuit, Lens, Neurons, Patchscope, Relation, Residual,
    Sae, Tracing, Vector,
};

/// Flags that are no key of the same name, with what they set.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("Lens", "tune", "tuned: Fitted(..)"),
    ("Lens", "tuned.Saved", "tuned: Saved(\"FILE\")"),
    ("Lens", "text", "text: Files([..])` of `Fitted"),
    (
        "Lens",
        "sampled",
        "text: Sampled(tokens: N, seed: 0)` of `Fitted",
    ),
    ("Lens", "context", "context` of `Fitted"),
    ("Lens", "ridge", "ridge` of `Fitted"),
    ("Lens", "train", "train` of `Fitted"),
    ("Lens", "steps", "steps` of `Fitted"),
    ("Lens", "batch", "batch` of `Fitted"),
    ("Lens", "learning_rate", "learning_rate` of `Fitted"),
    ("Lens", "seed", "seed` of `Fitted"),
    ("Lens", "judged", "judged` of `Fitted"),
    ("Neurons", "behaviour", "behaviour` of `sets"),
    ("Neurons", "other", "other` of `sets"),
    ("Neurons", "answer", "answer` of `sets"),
    ("Neurons", "wrong", "wrong` of `sets"),
    ("Sae", "text", "text: Files([..])"),
    (
        "Sae",
        "text.Sampled.tokens",
        "text: Sampled(tokens: N, seed: 0)",
    ),
    ("Sae", "top", "top` of `effects"),
    ("Sae", "changes", "changes` of `effects"),
    ("Sae", "at", "at` of `effects"),
    ("Sae", "written", "written` of `effects"),
    ("Sae", "strength", "strength` of `effects"),
    ("Sae", "samples", "samples` of `effects"),
    ("Sae", "effects.tokens", "tokens` of `effects"),
];

/// The flags of an analysis, and that of the task, which some of them name.
fn flags<A: Analysis + Args>() -> Command {
    A::augment_args(Command::new("analysis").arg(Arg::new("task").long("task")))
}

/// The table of an analysis.
fn table<A: Analysis + Args>() -> String {
    let command = flags::<A>();
    let own = command.get_arguments().filter(|it| it.get_id() != "task");
    let rows: String = own.map(|it| row(A::NAME, it)).collect();
    format!(
        "| key of `{}` | flag | default | meaning |\n|---|---|---|---|\n{rows}",
        A::NAME
    )
}

fn row(analysis: &str, argument: &Arg) -> String {
    let id = argument.get_id().as_str();
    let mut elsewhere = ELSEWHERE.iter();
    let key = elsewhere.find(|it| (it.0, it.1) == (analysis, id));
    let key = key.map_or(id, |it| it.2);
    let flag = argument.get_long().unwrap();
    let names = argument.get_value_names().unwrap_or_default();
    let takes = argument.get_action().takes_values();
    let flag = match names.first() {
        Some(name) if takes => format!("`--{flag} {name}`"),
        _ => format!("`--{flag}`"),
    };
    let help = argument.get_help().unwrap().to_string();
    let (meaning, default) = match help.rsplit_once(" [default") {
        Some((meaning, default)) => {
            let default = default.split_once(": ").unwrap().1;
            (meaning, default.trim_end_matches(']').to_owned())
        }
        None => (&help[..], default(argument)),
    };
    let repeated = " The flag may be repeated";
    let (meaning, again) = match meaning.split_once(repeated) {
        Some((before, after)) => (format!("{before}{after}"), ", repeated"),
        None => (meaning.to_owned(), ""),
    };
    let meaning = meaning.trim_end_matches('.').replace('|', "\\|");
    format!("| `{key}` | {flag}{again} | {default} | {meaning} |\n")
}

/// What a key has that is left out.
fn default(argument: &Arg) -> String {
    if argument.is_required_set() {
        return "required".to_owned();
    }
    match argument.get_action() {
        ArgAction::SetTrue => return "false".to_owned(),
        ArgAction::SetFalse => return "true".to_owned(),
        _ => {}
    }
    let values = argument.get_default_values();
    let values: Vec<String> = values
        .iter()
        .map(|it| format!("`{}`", it.to_string_lossy()))
        .collect();
    if values.is_empty() {
        "none".to_owned()
    } else {
        values.join(", ")
    }
}

#[test]
fn tables_of_parameters_are_those_of_the_structs() {
    let tables = [
        ("attention", table::<AttentionRoles>()),
        ("edit", table::<Edit>()),
        ("edit", table::<Tracing>()),
        ("feature-circuits", table::<FeatureCircuit>()),
        ("lens", table::<Lens>()),
        ("neurons", table::<Neurons>()),
        ("patchscope", table::<Patchscope>()),
        ("relations", table::<Relation>()),
        ("residual", table::<Residual>()),
        ("saes", table::<Sae>()),
        ("vectors", table::<Vector>()),
    ];
    let update = std::env::var_os("UPDATE_PAGES").is_some();
    for (page, table) in tables {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/{page}.md"));
        let text = fs_err::read_to_string(&path).unwrap();
        let title = table.split(" | flag").next().unwrap();
        let start = text
            .find(title)
            .unwrap_or_else(|| panic!("{page} has no {title}"));
        let end = text[start..]
            .find("\n\n")
            .map_or(text.len(), |it| start + it + 1);
        if update {
            let text = format!("{}{table}{}", &text[..start], &text[end..]);
            fs_err::write(&path, text).unwrap();
        } else {
            assert_eq!(
                &text[start..end],
                table,
                "UPDATE_PAGES=1 cargo test --release parameters writes docs/{page}.md"
            );
        }
    }
}

#[test]
fn defaults_of_the_flags_are_those_of_the_keys() {
    /// The parameters that no flag was given for, as JSON.
    fn parsed<A: Analysis + Args>(needed: &[&str]) -> serde_json::Value {
        let arguments = std::iter::once(&"analysis").chain(needed);
        let matches = flags::<A>().try_get_matches_from(arguments).unwrap();
        serde_json::to_value(A::from_arg_matches(&matches).unwrap()).unwrap()
    }
    fn read<A: Analysis>(text: &str) -> serde_json::Value {
        let parameters: A = ron::from_str(text).unwrap();
        serde_json::to_value(parameters).unwrap()
    }
    assert_eq!(parsed::<AttentionRoles>(&[]), read::<AttentionRoles>("()"));
    assert_eq!(parsed::<Edit>(&[]), read::<Edit>("()"));
    assert_eq!(parsed::<Tracing>(&[]), read::<Tracing>("()"));
    assert_eq!(parsed::<Lens>(&[]), read::<Lens>("()"));
    assert_eq!(parsed::<Neurons>(&[]), read::<Neurons>("()"));
    assert_eq!(parsed::<Patchscope>(&[]), read::<Patchscope>("()"));
    assert_eq!(parsed::<Residual>(&[]), read::<Residual>("()"));
    assert_eq!(parsed::<Vector>(&[]), read::<Vector>("()"));
    assert_eq!(
        parsed::<Relation>(&["--data", "a.json"]),
        read::<Relation>("(data: \"a.json\")")
    );
    assert_eq!(
        parsed::<Sae>(&[]),
        read::<Sae>("(text: Sampled(tokens: 50000, seed: 0))")
    );
    assert_eq!(
        parsed::<FeatureCircuit>(&["--dictionary", "sae"]),
        read::<FeatureCircuit>("(dictionaries: [Load(\"sae\")])")
    );
    let tuned = "(tuned: Some(Fitted((text: Sampled(tokens: 50000, seed: 0)))))";
    assert_eq!(parsed::<Lens>(&["--tune"]), read::<Lens>(tuned));
    assert_eq!(
        parsed::<Lens>(&["--tuned", "a"]),
        read::<Lens>("(tuned: Some(Saved(\"a\")))")
    );
    assert_eq!(
        parsed::<Neurons>(&["--behaviour", "a", "--other", "b", "--answer", "c"]),
        read::<Neurons>("(sets: Some((behaviour: \"a\", other: \"b\", answer: [\"c\"])))")
    );
}
