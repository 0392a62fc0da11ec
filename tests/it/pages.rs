//! What the pages list against the program: commands and their flags, keys and values of specs, files, exit codes.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use secateur::spec::check_any_spec;

use crate::program::{done, secateur};

const SPEC: &str = r#"RunSpec(
    format: 1,
    name: "ioi",
    models: ["builtin:toy-gpt2"],
    task: Ioi(pairs: 16),
    metric: LogitDiff,
    ablation: Patch,
    method: Eap(),
    granularity: (),
    select: TopN(share: 0.1),
    evaluate: (curve: true, random_baselines: 2, bootstrap: 40),
    precision: F32,
    prepend_bos: Auto,
    outputs: [],
)
"#;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs_err::read_to_string(root().join(name)).unwrap()
}

/// The README, and all pages of circuits/ and docs/, by their paths.
fn pages() -> BTreeMap<String, String> {
    let mut names = vec!["README.md".to_owned(), "circuits/README.md".to_owned()];
    for entry in fs_err::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_page = Path::new(&name).extension().is_some_and(|it| it == "md");
        // The contents of the book.
        if is_page && name != "SUMMARY.md" {
            names.push(format!("docs/{name}"));
        }
    }
    let text = |name: String| (name.clone(), page(&name));
    names.into_iter().map(text).collect()
}

/// What the program says it expected in place of a value: the names in the message.
fn expected(from: &str, to: &str) -> Vec<String> {
    assert!(SPEC.contains(from), "{from}");
    names_in(&SPEC.replacen(from, to, 1))
}

/// The names that the one mistake of a spec lists.
fn names_in(spec: &str) -> Vec<String> {
    let error = check_any_spec(spec.as_bytes(), Path::new("spec.ron")).unwrap_err();
    let error = error.to_string();
    let (_, list) = error.rsplit_once("expected ").expect(&error);
    let names: Vec<String> = list
        .split('`')
        .skip(1)
        .step_by(2)
        .map(String::from)
        .collect();
    assert!(!names.is_empty(), "{error}");
    names
}

/// The row of a table whose first cell is this key.
fn row<'a>(page: &'a str, key: &str) -> &'a str {
    let start = format!("| `{key}` |");
    let mut rows = page.lines().filter(|line| line.starts_with(&start));
    rows.next().unwrap_or_else(|| panic!("no row of {key}"))
}

/// The rows of the table below a header row.
fn table<'a>(page: &'a str, header: &str) -> Vec<&'a str> {
    let (_, rows) = page.split_once(header).expect(header);
    let rows = rows.lines().skip(2);
    rows.take_while(|line| line.starts_with('|')).collect()
}

/// The flags in a text.
fn flags(text: &str) -> BTreeSet<String> {
    let letters = |it: char| it.is_ascii_lowercase() || it == '-';
    let found = text.match_indices("--").filter_map(|(at, _)| {
        let before = text[..at].chars().next_back();
        let flag: String = text[at..].chars().take_while(|it| letters(*it)).collect();
        let begins = !before.is_some_and(|it| it.is_alphanumeric() || it == '-');
        (begins && flag.len() > 3).then_some(flag)
    });
    found.collect()
}

/// The help of every command.
fn helps() -> BTreeMap<String, String> {
    let help = done(&secateur(&root(), &["--help"]));
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names = names.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names = names.filter(|name| !name.is_empty() && *name != "help");
    let help = |name: &str| (name.to_owned(), done(&secateur(&root(), &[name, "--help"])));
    names.map(help).collect()
}

/// Every command line in a page, from `secateur` to the end of the code that it is in: the command, and the text.
fn command_lines(page: &str) -> Vec<(String, String)> {
    // A line that goes on is one line.
    let page = page.replace("\\\n", " ");
    let mut found = Vec::new();
    let mut block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            block = !block;
            continue;
        }
        let codes: Vec<&str> = if block {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for code in codes {
            let code = code.replace("cargo run --release -- ", "secateur ");
            for (at, _) in code.match_indices("secateur ") {
                let text = &code[at + "secateur ".len()..];
                let name = text.split(' ').next().unwrap_or_default();
                found.push((name.to_owned(), text.to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_command_is_in_the_table_of_commands_and_no_other() {
    let commands = page("docs/commands.md");
    let rows = table(&commands, "| command | does |");
    let listed: BTreeSet<String> = rows
        .iter()
        .map(|row| row.split([' ', '`']).nth(3).unwrap().to_owned())
        .collect();
    assert_eq!(listed, helps().into_keys().collect());
}

#[test]
fn flags_in_the_pages_are_those_of_the_commands() {
    let helps = helps();
    let mut seen = 0;
    for (name, text) in pages() {
        for (command, line) in command_lines(&text) {
            let Some(help) = helps.get(&command) else {
                continue;
            };
            let known = flags(help);
            for flag in flags(&line) {
                seen += 1;
                assert!(
                    known.contains(&flag),
                    "{name}: {command} has no {flag}: {line}"
                );
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

/// A flag of an analysis sets the parameter of its name, and pages describe that.
#[test]
fn every_flag_is_in_a_page() {
    let all: String = pages().into_values().collect();
    let documented = flags(&all);
    for (command, help) in helps() {
        for flag in flags(&help) {
            let parameter = format!("`{}`", flag.trim_start_matches('-').replace('-', "_"));
            assert!(
                documented.contains(&flag) || all.contains(&parameter) || flag == "--help",
                "no page has {flag} of {command}"
            );
        }
    }
}

#[test]
fn every_key_and_value_of_a_spec_is_in_the_tables() {
    let values = [
        ("task", expected("Ioi(pairs: 16)", "Bogus")),
        ("metric", expected("LogitDiff", "Bogus")),
        ("ablation", expected("Patch", "Bogus")),
        ("method", expected("Eap()", "Bogus")),
        ("select", expected("TopN(share: 0.1)", "Bogus")),
        ("outputs", expected("[]", "[Bogus]")),
        ("precision", expected("F32", "Bogus")),
        ("prepend_bos", expected("Auto", "Bogus")),
    ];
    let page = page("docs/specs.md");
    let keys: BTreeSet<String> = table(&page, "| key | values | default |")
        .iter()
        .filter_map(|row| row.strip_prefix("| `")?.split('`').next().map(String::from))
        .collect();
    assert_eq!(
        keys,
        expected("    format", "    bogus: 1,\n    format")
            .into_iter()
            .collect()
    );
    for (key, values) in &values {
        let in_row = row(&page, key);
        for value in values {
            assert!(in_row.contains(value.as_str()), "{key} may be {value}");
        }
    }
    for key in expected("granularity: (", "granularity: (bogus: 1") {
        row(&page, &key);
    }
    for key in expected("evaluate: (", "evaluate: (bogus: 1, ") {
        assert!(page.contains(&format!("| `{key}`: ")), "evaluate: {key}");
    }
}

/// The task of every spec, with the keys of the generators.
#[test]
fn every_task_and_its_keys_are_in_their_tables() {
    let page = page("docs/tasks.md");
    let tasks = expected("Ioi(pairs: 16)", "Bogus");
    for task in &tasks {
        let start = format!("| `{task}(");
        let rows = page.lines().filter(|line| line.starts_with(&start));
        assert_eq!(rows.count(), 1, "{task}");
    }
    let keys = table(&page, "| key of a task | used by | default |").join("\n");
    for generator in tasks.iter().filter(|it| *it != "File" && *it != "Tokens") {
        for key in expected("Ioi(pairs: 16)", &format!("{generator}(bogus: 1)")) {
            assert!(keys.contains(&format!("`{key}`")), "{key} of {generator}");
        }
    }
}

/// The README stays short and leads to every page, directly or by one that it names.
#[test]
fn the_readme_leads_to_every_page() {
    let readme = page("README.md");
    assert!(readme.lines().count() <= 150, "the README is too long");
    let circuits = page("circuits/README.md");
    for name in pages().into_keys() {
        let by_a_page =
            name == "docs/growth.md" && page("docs/performance.md").contains("](growth.md)");
        assert!(
            name == "README.md" || readme.contains(&format!("]({name})")) || by_a_page,
            "the README has no link to {name}"
        );
    }
    let book = page("docs/SUMMARY.md");
    for name in pages().keys().filter_map(|it| it.strip_prefix("docs/")) {
        assert!(
            book.contains(&format!("]({name})")),
            "the book has no {name}"
        );
    }
    for name in ["specs.md", "tasks.md", "tutorial.md"] {
        assert!(circuits.contains(&format!("](../docs/{name})")), "{name}");
    }
}

#[test]
fn every_analysis_and_its_parameters_have_a_page() {
    let spec = |analysis: &str| {
        format!(
            "(format: 1, name: \"a\", models: [\"builtin:toy-gpt2\"], task: Ioi(pairs: 16), analysis: {analysis})"
        )
    };
    let specs = page("docs/specs.md");
    let (_, section) = specs.split_once("\n## Analyses\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    for analysis in names_in(&spec("Bogus")) {
        let (_, link) = section
            .split_once(&format!("`{analysis}(..)`"))
            .unwrap_or_else(|| panic!("docs/specs.md has no {analysis}"));
        let link = link
            .split("](")
            .nth(1)
            .and_then(|it| it.split([')', '#']).next())
            .unwrap();
        let text = page(&format!("docs/{link}"));
        for parameter in names_in(&spec(&format!("{analysis}(bogus: 1)"))) {
            assert!(
                text.contains(&format!("`{parameter}`"))
                    || text.contains(&format!("`{parameter}: ")),
                "{link} does not have {parameter} of {analysis}"
            );
        }
    }
    for key in names_in(&spec("Lens()").replace("format: 1", "format: 1, bogus: 1")) {
        assert!(specs.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn every_file_of_a_result_is_in_the_page_of_results() {
    let results = page("docs/results.md");
    let outputs = expected("[]", "[Bogus]").join(", ");
    let folder = tempfile::tempdir().unwrap();
    let spec = SPEC.replacen("[]", &format!("[{outputs}]"), 1);
    fs_err::write(folder.path().join("spec.ron"), spec).unwrap();
    done(&secateur(folder.path(), &["run", "spec.ron"]));
    let mut files = 0;
    for entry in fs_err::read_dir(folder.path().join("results/ioi/toy-gpt2")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(results.contains(&format!("`{name}`")), "{name}");
        files += 1;
    }
    assert!(files > 8, "{files}");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let commands = page("docs/commands.md");
    let in_page: BTreeSet<String> = table(&commands, "| exit code | meaning |")
        .iter()
        .flat_map(|row| row.split('|').nth(1).unwrap().split(','))
        .map(|code| code.trim().to_owned())
        .collect();
    let help = done(&secateur(&root(), &["--help"])).replace('\n', " ");
    let (_, codes) = help.split_once("Exit codes: ").unwrap();
    let codes = codes
        .split([' ', ',', '.'])
        .filter(|word| word.parse::<u8>().is_ok());
    assert_eq!(in_page, codes.map(String::from).collect());
}
