//! Who may know whom: the rules of docs/architecture.md, held against the text of the sources.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The top-level modules that a module may name, itself left out.
const MAY_NAME: [(&str, &[&str]); 25] = [
    ("paths", &[]),
    ("contain", &[]),
    ("visible", &[]),
    ("version", &[]),
    ("ron_line", &[]),
    ("flags", &["paths", "ron_line"]),
    ("error", &[]),
    ("events", &[]),
    ("input", &["error"]),
    ("output", &["error"]),
    ("model", &["contain", "error", "input", "paths", "visible"]),
    ("graph", &["error", "model"]),
    (
        "task",
        &["error", "events", "flags", "input", "model", "paths"],
    ),
    ("metric", &["model", "task"]),
    (
        "engine",
        &["error", "events", "graph", "metric", "model", "task"],
    ),
    ("score", &["engine", "error", "events", "graph"]),
    (
        "discover",
        &[
            "engine", "error", "events", "graph", "input", "paths", "score",
        ],
    ),
    (
        "evaluate",
        &[
            "discover", "engine", "error", "events", "graph", "metric", "model",
        ],
    ),
    (
        "report",
        &[
            "contain", "discover", "error", "evaluate", "graph", "model", "visible",
        ],
    ),
    (
        "setting",
        &[
            "engine", "error", "events", "graph", "metric", "model", "task",
        ],
    ),
    ("parity", &["engine", "error", "graph", "model"]),
    (
        "bench",
        &[
            "discover", "engine", "error", "evaluate", "events", "graph", "metric", "model",
            "report", "score", "setting", "task",
        ],
    ),
    (
        "analyze",
        &[
            "discover", "engine", "error", "evaluate", "events", "flags", "graph", "input",
            "metric", "model", "output", "paths", "report", "ron_line", "score", "setting", "task",
            "version",
        ],
    ),
    (
        "spec",
        &[
            "analyze", "discover", "engine", "error", "graph", "input", "metric", "model", "paths",
            "ron_line", "task", "visible",
        ],
    ),
    (
        "run",
        &[
            "analyze", "contain", "discover", "engine", "error", "evaluate", "events", "graph",
            "input", "metric", "model", "output", "paths", "report", "score", "setting", "spec",
            "task", "version", "visible",
        ],
    ),
];

/// Single names that a module may take from another one, where it may not know the whole.
const ONLY: [(&str, &str, &[&str]); 3] = [
    // The graph knows a model's shape, never its weights.
    ("graph", "model", &["ModelConfig", "Positions"]),
    // A search knows an evaluator, never the model behind it.
    ("discover", "engine", &["Evaluator", "mean"]),
    ("score", "engine", &["Evaluator", "mean"]),
];

/// Lines of a file in `src/`.
const LONGEST_FILE: usize = 600;
/// Lines of docs/architecture.md.
const LONGEST_ARCHITECTURE: usize = 150;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder by their path from the root, with their text.
fn rust_files(folder: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap();
                let name = name.to_str().unwrap().replace('\\', "/");
                files.insert(name, fs_err::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has no Rust files");
    files
}

/// The files of the library, comments left out.
fn library() -> BTreeMap<String, String> {
    let mut files = rust_files("src");
    files.retain(|name, _| !name.starts_with("src/bin/"));
    for text in files.values_mut() {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        *text = code.collect::<Vec<_>>().join("\n");
    }
    files
}

/// The top-level module of a file of the library; none for `lib.rs`.
fn module(name: &str) -> Option<&str> {
    let first = name.strip_prefix("src/")?.split('/').next()?;
    let module = first.strip_suffix(".rs").unwrap_or(first);
    (module != "lib").then_some(module)
}

fn word(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The module and the names taken from it, for every `crate::` path of a text.
fn uses(text: &str) -> Vec<(&str, Vec<&str>)> {
    let paths = text.split("crate::").skip(1);
    paths
        .filter(|path| !path.starts_with('$'))
        .map(|path| {
            let first = word(path);
            let rest = path[first.len()..].strip_prefix("::").unwrap_or("");
            let names = match (rest.strip_prefix('{'), rest.find('}')) {
                (Some(list), Some(end)) => list[..end - 1].split(',').map(str::trim).collect(),
                _ => vec![word(rest)],
            };
            (first, names)
        })
        .collect()
}

#[test]
fn modules_name_only_those_below_them() {
    for (name, text) in library() {
        let Some(module) = module(&name) else {
            continue;
        };
        let (_, allowed) = MAY_NAME
            .iter()
            .find(|(known, _)| *known == module)
            .unwrap_or_else(|| panic!("{name}: module {module} is not in the table"));
        for (used, names) in uses(&text) {
            // `crate::Error` and the like are of `error`.
            let used = if used.starts_with(char::is_uppercase) {
                "error"
            } else {
                used
            };
            assert!(
                used == module || allowed.contains(&used),
                "{name} names crate::{used}, which {module}/ may not know"
            );
            let only = ONLY
                .iter()
                .find(|(from, to, _)| *from == module && *to == used);
            if let Some((_, _, known)) = only {
                for item in names.into_iter().filter(|item| !item.is_empty()) {
                    assert!(
                        known.contains(&item),
                        "{name} names crate::{used}::{item}; of {used}/ it may know {known:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_table_has_no_cycles() {
    for (index, (module, below)) in MAY_NAME.iter().enumerate() {
        for used in *below {
            let place = MAY_NAME.iter().position(|(known, _)| known == used);
            assert!(
                place.is_some_and(|place| place < index),
                "{module} -> {used}"
            );
        }
    }
}

#[test]
fn some_words_belong_to_some_files() {
    let places: [(&str, &[&str]); 7] = [
        ("petgraph", &["src/graph/"]),
        ("candle", &["src/model/source/"]),
        (
            "unsafe ",
            &[
                "src/engine/kernels/",
                "src/model/source/",
                "src/model/tokenizer/backtracking.rs",
            ],
        ),
        ("SystemTime", &["src/run/batch/provenance.rs"]),
        ("Instant", &["src/setting/clock.rs"]),
        (
            "env::var",
            &["src/model/cache.rs", "src/run/batch/provenance.rs"],
        ),
        ("HashMap", &[]),
    ];
    for (name, text) in library() {
        for (word, allowed) in &places {
            let here = allowed.iter().any(|place| name.starts_with(place));
            assert!(here || !text.contains(word), "{name} names {word}");
        }
    }
}

/// What opens a file to read it.
const OPENING: [&str; 9] = [
    "fs::read(",
    "fs_err::read(",
    "read_to_string(",
    "::File::open(",
    " File::open(",
    "OpenOptions",
    "Reader::from_path(",
    "Mmap::map_",
    "open_buffered",
];
/// The files that may: the one for inputs, and two that ask the system about itself.
const MAY_OPEN: [&str; 3] = [
    "src/input/mod.rs",
    "src/run/batch/memory.rs",
    "src/run/batch/provenance.rs",
];

/// A pipe would be waited on for ever, and a file without a bound fills memory: `input` refuses both.
#[test]
fn inputs_are_opened_in_one_place() {
    for (name, text) in rust_files("src") {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let code = code.split("#[cfg(all(test").next().unwrap();
        if name.ends_with("tests.rs") || MAY_OPEN.contains(&name.as_str()) {
            continue;
        }
        for opening in OPENING {
            assert!(
                !code.contains(opening),
                "{name} has {opening}..., and only src/input opens files"
            );
        }
    }
}

#[test]
fn the_library_never_prints() {
    for (name, text) in library() {
        // `eprint` ends in `print`.
        for printing in ["print", "println", "dbg"] {
            let call = format!("{printing}!(");
            assert!(!text.contains(&call), "{name} has {call}");
        }
    }
}

/// Kernels know no pass; passes know neither circuits nor reruns, and these do not know each other.
#[test]
fn the_folders_of_the_engine_depend_one_way() {
    for (folder, others) in [
        ("kernels", &["pass", "circuit", "rerun"][..]),
        ("pass", &["circuit", "rerun"]),
        ("circuit", &["rerun"]),
        ("rerun", &["circuit"]),
    ] {
        for (name, text) in rust_files(&format!("src/engine/{folder}")) {
            for other in others {
                let names = text.contains(&format!("engine::{other}::"));
                assert!(!names, "{name} names engine::{other}");
            }
        }
    }
}

#[test]
fn graphs_know_no_engine() {
    for (name, text) in library() {
        if module(&name) == Some("graph") {
            assert!(!text.contains("engine"), "{name} names the engine");
        }
    }
}

#[test]
fn files_are_of_a_readable_length() {
    for (name, text) in rust_files("src") {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{name} has {lines} lines");
    }
    let page = fs_err::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert!(
        page.lines().count() <= LONGEST_ARCHITECTURE,
        "docs/architecture.md is too long"
    );
}

#[test]
fn the_architecture_page_names_every_folder() {
    let page = fs_err::read_to_string(root().join("docs/architecture.md")).unwrap();
    for name in rust_files("src").keys() {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = folder.strip_prefix("src/").unwrap_or_default();
        assert!(
            page.contains(&format!("{folder}/`")) || folder.is_empty(),
            "docs/architecture.md says nothing about {folder}/"
        );
    }
}

#[test]
fn every_test_file_is_declared() {
    let main = fs_err::read_to_string(root().join("tests/it/main.rs")).unwrap();
    for entry in fs_err::read_dir(root().join("tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            let declared = main.lines().any(|line| line == format!("mod {module};"));
            assert!(declared, "tests/it/{name} is not declared in main.rs");
        }
    }
}

/// docs/conventions.md names tests as `module::test`; all of them exist.
#[test]
fn the_conventions_page_names_tests_that_exist() {
    let page = fs_err::read_to_string(root().join("docs/conventions.md")).unwrap();
    let files = rust_files("tests/it");
    let mut named = 0;
    for name in page.split('`').skip(1).step_by(2) {
        let Some((module, test)) = name.rsplit_once("::") else {
            continue;
        };
        let file = format!("tests/it/{}.rs", module.replace("::", "/"));
        let text = files.get(&file);
        let text = text
            .unwrap_or_else(|| panic!("docs/conventions.md names {name}, but there is no {file}"));
        assert!(
            text.contains(&format!("fn {test}(")),
            "docs/conventions.md names {name}, which {file} does not have"
        );
        named += 1;
    }
    assert!(named > 30, "{named} tests are named");
}
