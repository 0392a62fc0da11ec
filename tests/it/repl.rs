//! One prompt with parts of the model replaced against the plain forward pass, and the program that asks line by line, from
//! a pipe and at a terminal.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use secateur::ComputationGraph;
use secateur::analyze::Prompt;
use secateur::analyze::edit::EditScale;
use secateur::analyze::prompt::{
    AblateWith, Ablated, DirectionSwap, PromptLens, PromptTask, SwapPosition, ask_prompt,
};
use secateur::engine::{TokenVector, Transformer};
use secateur::events::Silent;
use secateur::graph::{Granularity, NeuronNodes, Node};
use secateur::model::{ModelConfig, Weights};

use crate::oracle::{self, Rows, gpt2, llama};
use crate::program::text;
use crate::shapes::post_norms;

fn graph_with(config: &ModelConfig, neurons: &NeuronNodes) -> ComputationGraph {
    ComputationGraph::new(config, &Granularity::default(), neurons).expect("a graph")
}

fn ablated(node: &str, by: AblateWith) -> Ablated {
    Ablated {
        node: node.into(),
        by,
    }
}

fn task<'t>(
    tokens: &'t [u32],
    compare: Option<&'t [u32]>,
    exchanged: &'t [[u32; 2]],
) -> PromptTask<'t, f64> {
    PromptTask {
        tokens,
        compare,
        exchanged,
        followed: None,
        tuned: None,
        tokenizer: None,
    }
}

/// Probabilities of all tokens after the last of some rows of logits.
fn softmax(logits: &Rows) -> Vec<f64> {
    let last = logits.last().expect("positions");
    let total: f64 = last.iter().map(|logit| logit.exp()).sum();
    last.iter().map(|logit| logit.exp() / total).collect()
}

/// The run of a prompt with the edges of some writers replaced by what these write otherwise.
fn plainly(
    weights: &Weights<f64>,
    graph: &ComputationGraph,
    (tokens, other): (&[u32], &[u32]),
    ablated: &[Ablated],
) -> Rows {
    let (_, own) = oracle::full_run(weights, graph, tokens);
    let (_, others) = oracle::full_run(weights, graph, other);
    let d_model = weights.config.d_model;
    let mut values = own.clone();
    let mut kept = vec![1.0; graph.edge_count()];
    for ablated in ablated {
        let node: Node = ablated.node.parse().expect("a node");
        let writer = graph.writer(node).expect("a writer");
        values[writer] = match ablated.by {
            AblateWith::Zero => vec![vec![0.0; d_model]; tokens.len()],
            AblateWith::Patch => others[writer].clone(),
            AblateWith::Mean => {
                let rows = own[writer].iter().chain(&others[writer]);
                let mut sum = vec![0.0; d_model];
                for row in rows {
                    for (sum, value) in sum.iter_mut().zip(row) {
                        *sum += value / (tokens.len() + other.len()) as f64;
                    }
                }
                vec![sum; tokens.len()]
            }
        };
        for (edge, kept) in kept.iter_mut().enumerate() {
            if graph.ends(edge).0 == writer {
                *kept = 0.0;
            }
        }
    }
    let embedded = oracle::embed(weights, tokens);
    oracle::run(weights, graph, &embedded, &values, &kept).0
}

#[test]
fn probabilities_with_parts_replaced_are_those_of_the_plain_forward_pass() {
    let (tokens, other) = ([3, 9, 4, 11, 2], [3, 7, 4, 1, 12]);
    for config in [gpt2(false), gpt2(true), llama(), post_norms()] {
        let weights = oracle::random_weights(&config, 5);
        // Where the MLP's output is normed a neuron is no node; it is held against the oracle in `neurons`.
        let neurons = if config.post_norms {
            NeuronNodes::new()
        } else {
            NeuronNodes::from([(1, vec![7])])
        };
        let oracle_graph = graph_with(&config, &neurons);
        let graph = graph_with(&config, &NeuronNodes::new());
        let transformer = Transformer::new(&weights, &graph);
        let last = config.n_layers - 1;
        let head = format!("a{last}.h1");
        let mut sets = vec![
            vec![],
            vec![ablated("a0.h2", AblateWith::Zero)],
            vec![
                ablated(&head, AblateWith::Patch),
                ablated("m2", AblateWith::Mean),
            ],
            vec![
                ablated("a1.h0", AblateWith::Mean),
                ablated("m3", AblateWith::Zero),
            ],
            vec![ablated("m0", AblateWith::Patch)],
        ];
        if !config.post_norms {
            sets.push(vec![
                ablated("m1.n7", AblateWith::Mean),
                ablated("a2.h3", AblateWith::Zero),
            ]);
            sets.push(vec![ablated("m1.n7", AblateWith::Patch)]);
        }
        let before = softmax(&plainly(&weights, &oracle_graph, (&tokens, &other), &[]));
        let after_other = softmax(&oracle::full_run(&weights, &oracle_graph, &other).0);
        for set in sets {
            let question = Prompt {
                compare: Some(String::new()),
                ablate: set.clone(),
                top: config.d_vocab,
                ..Prompt::new(String::new())
            };
            let task = task(&tokens, Some(&other), &[]);
            let report = ask_prompt(&transformer, &task, &question, &Silent).expect("a report");
            let wanted = softmax(&plainly(&weights, &oracle_graph, (&tokens, &other), &set));
            assert_eq!(report.next.len(), config.d_vocab);
            assert!(
                report
                    .next
                    .is_sorted_by(|a, b| a.probability >= b.probability)
            );
            for next in &report.next {
                let id = next.token.id as usize;
                let found = (next.probability, next.compare.expect("another prompt"));
                let close = |a: f64, b: f64| (a - b).abs() < 1e-10;
                assert!(
                    close(found.0, wanted[id]) && close(found.1, after_other[id]),
                    "{set:?}, {next:?}, not {}",
                    wanted[id]
                );
                assert_eq!(next.before.is_some(), !set.is_empty());
                assert!(close(next.before.unwrap_or(before[id]), before[id]));
            }
            let kl: f64 = (before.iter().zip(&wanted))
                .map(|(from, to)| from * (from / to).ln())
                .sum();
            assert!((report.kl.unwrap_or(0.0) - kl).abs() < 1e-10, "{set:?}");
        }
    }
}

#[test]
fn text_is_continued_with_the_parts_replaced() {
    let config = llama();
    let weights = oracle::random_weights(&config, 6);
    let graph = graph_with(&config, &NeuronNodes::new());
    let transformer = Transformer::new(&weights, &graph);
    let set = [
        ablated("a1.h0", AblateWith::Zero),
        ablated("m2", AblateWith::Zero),
    ];
    let question = Prompt {
        ablate: set.to_vec(),
        generate: 4,
        ..Prompt::new(String::new())
    };
    let report = ask_prompt(
        &transformer,
        &task(&[3, 9, 4], None, &[]),
        &question,
        &Silent,
    );
    let mut tokens = vec![3, 9, 4];
    for _ in 0..4 {
        let next = softmax(&plainly(&weights, &graph, (&tokens, &tokens), &set));
        let best = (0..next.len()).max_by(|&a, &b| next[a].total_cmp(&next[b]));
        tokens.push(best.expect("tokens") as u32);
    }
    let wanted: Vec<String> = tokens[3..].iter().map(ToString::to_string).collect();
    assert_eq!(report.expect("a report").written, Some(wanted.join(" ")));
}

fn exchange(layers: &[usize], at: SwapPosition, scale: EditScale) -> DirectionSwap {
    DirectionSwap {
        from: String::new(),
        to: String::new(),
        layers: layers.to_vec(),
        at,
        vector: TokenVector::Unembedding,
        scale,
        strength: 0.7,
    }
}

/// The logits of a prompt of `prompt` tokens, with what was written after it, by plain runs from one changed layer to the next.
fn exchanged_plainly(
    weights: &Weights<f64>,
    (tokens, prompt): (&[u32], usize),
    exchanges: &[(&DirectionSwap, [u32; 2])],
) -> Rows {
    let graph = graph_with(&weights.config, &NeuronNodes::new());
    let transformer = Transformer::new(weights, &graph);
    let unit = |token: u32| {
        let vector = transformer.token_vector(token, TokenVector::Unembedding);
        let norm = oracle::dot(&vector, &vector).sqrt();
        vector.iter().map(|value| value / norm).collect::<Vec<_>>()
    };
    let (mut logits, mut streams) = oracle::plain(weights, &graph, &oracle::embed(weights, tokens));
    for layer in 0..weights.config.n_layers {
        for (exchange, [from, to]) in exchanges {
            if !exchange.layers.contains(&layer) {
                continue;
            }
            for (position, x) in streams[layer].iter_mut().enumerate() {
                let here = match exchange.at {
                    SwapPosition::Last => position + 1 == prompt,
                    SwapPosition::Position(at) => position == at,
                    SwapPosition::Every => true,
                };
                let along = match exchange.scale {
                    EditScale::Removed => oracle::dot(x, &unit(*from)),
                    EditScale::Stream => oracle::dot(x, x).sqrt(),
                };
                let along = if here { exchange.strength * along } else { 0.0 };
                for ((x, from), to) in x.iter_mut().zip(unit(*from)).zip(unit(*to)) {
                    *x += along * (to - from);
                }
            }
        }
        (logits, streams) = oracle::onwards(weights, &graph, layer, &streams[layer]);
    }
    logits
}

/// What is said, what a lens shows and what is written with tokens exchanged after several layers and at several places.
#[test]
fn exchanges_and_lenses_are_those_of_plain_runs() {
    let tokens = [3, 9, 4, 11];
    let (pairs, last) = ([[5, 7], [2, 6]], SwapPosition::Last);
    for config in [gpt2(false), gpt2(true), llama()] {
        let weights = oracle::random_weights(&config, 15);
        let graph = graph_with(&config, &NeuronNodes::new());
        let transformer = Transformer::new(&weights, &graph);
        let end = config.n_layers - 1;
        for edit in [
            vec![exchange(&[0, 2], last, EditScale::Stream)],
            vec![exchange(&[end], last, EditScale::Removed)],
            vec![
                exchange(&[1], SwapPosition::Every, EditScale::Stream),
                exchange(&[1, end], SwapPosition::Position(2), EditScale::Removed),
            ],
        ] {
            let question = Prompt {
                edit: edit.clone(),
                lens: Some(PromptLens::default()),
                top: config.d_vocab,
                generate: 4,
                ..Prompt::new(String::new())
            };
            let task = task(&tokens, None, &pairs[..edit.len()]);
            let report = ask_prompt(&transformer, &task, &question, &Silent).expect("a report");
            let exchanges: Vec<(&DirectionSwap, [u32; 2])> = edit.iter().zip(pairs).collect();
            let mut text = tokens.to_vec();
            for written in 0..4 {
                let next = softmax(&exchanged_plainly(
                    &weights,
                    (&text, tokens.len()),
                    &exchanges,
                ));
                if written == 0 {
                    for found in &report.next {
                        let wanted = next[found.token.id as usize];
                        assert!((found.probability - wanted).abs() < 1e-10, "{edit:?}");
                    }
                    let shown = &report.lens.last().expect("places").logit_lens;
                    assert!(shown.kl < 1e-12 && shown.rank == 1);
                    assert!((shown.probability - report.next[0].probability).abs() < 1e-12);
                }
                let best = (0..next.len()).max_by(|&a, &b| next[a].total_cmp(&next[b]));
                text.push(best.expect("tokens") as u32);
            }
            let wanted: Vec<String> = text[4..].iter().map(ToString::to_string).collect();
            assert_eq!(report.written, Some(wanted.join(" ")));
            assert_eq!(report.lens.len(), config.n_layers + 1);
            assert!(report.kl.expect("a change") > 0.0);
        }
    }
}

#[test]
fn exchanges_outside_the_model_or_the_prompt_are_refused() {
    let config = llama();
    let weights = oracle::random_weights(&config, 6);
    let graph = graph_with(&config, &NeuronNodes::new());
    let transformer = Transformer::new(&weights, &graph);
    for (layer, at, part) in [
        (config.n_layers, SwapPosition::Last, "no layer"),
        (0, SwapPosition::Position(2), "no position 2"),
    ] {
        let question = Prompt {
            edit: vec![exchange(&[layer], at, EditScale::Stream)],
            ..Prompt::new(String::new())
        };
        let task = task(&[3, 9], None, &[[1, 2]]);
        let problem = ask_prompt(&transformer, &task, &question, &Silent).expect_err(part);
        assert!(problem.to_string().contains(part), "{problem}");
    }
}

#[test]
fn what_cannot_be_replaced_is_refused() {
    let config = llama();
    let weights = oracle::random_weights(&config, 6);
    let graph = graph_with(&config, &NeuronNodes::new());
    let transformer = Transformer::new(&weights, &graph);
    let ask = |node: &str, by: AblateWith, other: Option<&[u32]>| {
        let question = Prompt {
            ablate: vec![ablated(node, by)],
            ..Prompt::new(String::new())
        };
        let report = ask_prompt(&transformer, &task(&[3, 9], other, &[]), &question, &Silent);
        report.expect_err(node).to_string()
    };
    for node in ["a0.h6", "a4.h0", "m4", "m0.n20", "input", "logits"] {
        let problem = ask(node, AblateWith::Zero, None);
        assert!(
            problem.contains(&format!("no head, MLP or neuron {node}")),
            "{problem}"
        );
    }
    let unequal = ask("m0", AblateWith::Patch, Some(&[3, 9, 1]));
    assert!(
        unequal.contains("the prompt has 2 tokens and the other one 3"),
        "{unequal}"
    );
}

fn repl(folder: &Path, lines: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder)
        .args(["repl", "builtin:toy-llama"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut input = program.stdin.take().expect("a pipe");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    program.wait_with_output().expect("it ends")
}

/// A session by a pipe: answers and errors, and specs that give the same answers.
#[test]
fn lines_from_a_pipe_are_answered_and_reproduced_by_their_specs() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = "# a session\nprompt The dogs near the tree\ntop 3\nfly\nablate m1 zero\nablate a0.h99\n\
                 compare The dog near the tree\nablate m1 patch\ngenerate 2\ntokens\nspec\nundo\nundo\nundo\nundo\nablate\n\
                 edit are is 1,2 0.3\nedit\nedit are is 9\nedit are nowhere 1\nlens is\nlens none.safetensors\nundo\nquit\nprompt never";
    let output = repl(folder.path(), lines);
    assert_eq!(output.status.code(), Some(0));
    let (answers, messages) = (text(&output.stdout), text(&output.stderr));
    for part in [
        "prompt, ",
        "\" dogs\"",
        "replaced: m1 by Zero",
        "replaced: m1 by Patch",
        "nothing changed",
        "compared with, ",
        "KL between the two prompts",
        "continued: \"",
        "edited: \" is\" for \" are\" after layers 1, 2 at the last position, 0.3 of the stream's norm",
        "(from:\" are\",to:\" is\",layers:[1,2]",
        "logit lens",
    ] {
        assert!(answers.contains(part), "{part}: {answers}");
    }
    for part in [
        "error: \"fly\" is no command; `help` shows them",
        "no head, MLP or neuron a0.h99",
        "there is no layer 9",
        "\" nowhere\": not one token",
        "none.safetensors",
    ] {
        assert!(messages.contains(part), "{part}: {messages}");
    }
    assert!(!answers.contains("never") && !answers.contains('\u{1b}'));
    // Four changes were made after the prompt; four steps back there is the prompt as it was.
    let shown: Vec<&str> = answers.split("prompt, ").skip(1).collect();
    assert_eq!(shown.first(), shown.last());
    assert_eq!(shown.len(), 13, "{answers}");
    // The specs that were printed, each as a job.
    let specs: Vec<&str> = messages
        .lines()
        .filter_map(|line| line.strip_prefix("as a spec file: "))
        .collect();
    assert!(specs.len() >= 8, "{messages}");
    let spec = specs
        .iter()
        .find(|it| it.contains("generate"))
        .expect("a spec");
    fs_err::write(folder.path().join("p.ron"), spec).expect("a file");
    let run = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder.path())
        .args(["run", "p.ron"])
        .output()
        .expect("the program runs");
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let results = folder.path().join("results/prompt/toy-llama");
    let report = fs_err::read_to_string(results.join("report.txt")).expect("a report");
    let (_, body) = report.split_once('\n').expect("a title");
    assert!(answers.contains(body), "{body}\nis not in\n{answers}");
    for file in ["next.csv", "report.json", "run.json"] {
        assert!(results.join(file).is_file(), "{file}");
    }
    // The spec of the state is the same but for what was only asked once.
    let state = spec.replace(",generate:2", "");
    assert!(
        state != *spec && answers.lines().any(|line| line == state),
        "{state}: {answers}"
    );
}

/// Vectors are added and taken back; what fails changes nothing.
#[test]
fn vectors_are_added_at_the_prompt() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new(env!("CARGO_BIN_EXE_secateur"))
        .current_dir(folder.path())
        .args([
            "vector",
            "builtin:toy-llama",
            "--task",
            "GreaterThan(pairs: 8, seed: 1)",
            "--samples",
            "0",
            "--name",
            "vector-greaterthan",
        ])
        .output()
        .expect("the program runs");
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let file = "results/vector-greaterthan/toy-llama/vector.safetensors";
    let lines = format!("prompt The dogs\nadd {file}@1:4\nadd nothing.safetensors\nundo\ntop 10\n");
    let output = repl(folder.path(), &lines);
    let (answers, messages) = (text(&output.stdout), text(&output.stderr));
    assert!(
        messages.contains(&format!("builtin:toy-llama + {file}@1:4")),
        "{messages}"
    );
    assert!(messages.contains("nothing.safetensors"), "{messages}");
    let shown: Vec<&str> = answers.split("prompt, ").skip(1).collect();
    assert_eq!(shown.len(), 4, "{answers}");
    assert_ne!(shown[0], shown[1]);
    assert_eq!([shown[2], shown[3]], [shown[0]; 2]);
}

/// Mistakes in a spec have their place.
#[test]
fn specs_of_prompts_are_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    for (question, part) in [
        (
            "Prompt(prompt: \"The\", top: 0)",
            "analysis.Prompt.top: expected 1 to 1000, got 0",
        ),
        (
            "Prompt(prompt: \"The\", ablate: [(node: \"b3\")])",
            "analysis.Prompt.ablate: \"b3\"",
        ),
        (
            "Prompt(prompt: \"The\", ablate: [(node: \"m0\", by: Patch)])",
            "there is none; give `compare`",
        ),
    ] {
        let spec = format!(
            "(format: 1, name: \"p\", models: [\"builtin:toy-gpt2\"], analysis: {question})"
        );
        fs_err::write(folder.path().join("p.ron"), spec).expect("a file");
        let output = Command::new(env!("CARGO_BIN_EXE_secateur"))
            .current_dir(folder.path())
            .args(["run", "p.ron"])
            .output()
            .expect("the program runs");
        assert_eq!(output.status.code(), Some(2));
        let messages = text(&output.stderr);
        assert!(messages.contains(part), "{part}: {messages}");
    }
}

/// What a person at a terminal does: completes, has the history, interrupts, ends.
const TERMINAL: &str = r#"
import os, pty, select, sys, time
program = sys.argv[1]
child, terminal = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execv(program, [program, "repl", "builtin:toy-llama"])
seen, at = "", 0
def read(until):
    global seen, at
    end = time.time() + 60
    while until not in seen[at:]:
        if time.time() > end:
            sys.exit(f"no {until!r} in {seen[at:]!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4096).decode("utf8", "replace")
    at = seen.index(until, at) + len(until)
def send(text):
    os.write(terminal, text.encode())
read("> ")
send("pro\t")
read("prompt ")
send("The dogs near\r")
read("next token")
read("> ")
send("ablate a0.h3 z\t\r")
read("replaced: a0.h3 by Zero")
read("> ")
send("le\t")
read("lens ")
send("is\r")
read("logit lens")
read("> ")
send("ed\tteac\t")
read("teacher ")
send("teachers 1 1 ev\t\r")
read("edited: ")
read("> ")
send("half a line\x03")
read("> ")
send("\x1b[A")
read("edit teacher teachers 1 1 every")
send("\x03")
read("> ")
send("\x04")
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"#;

#[test]
fn a_terminal_has_completion_history_and_interruption() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state");
    let output = Command::new("python3")
        .args(["-c", TERMINAL, env!("CARGO_BIN_EXE_secateur")])
        .env("XDG_STATE_HOME", &state)
        .output()
        .expect("python3 runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let history = fs_err::read_to_string(state.join("secateur/history")).expect("a history");
    assert!(history.contains("prompt The dogs near"), "{history}");
    assert!(history.contains("ablate a0.h3 zero"), "{history}");
}
