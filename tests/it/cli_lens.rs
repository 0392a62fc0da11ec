//! Lenses, attention and the residual stream as a user looks at them.

use std::process::Output;

use crate::program::{done, refused, secateur, text};

/// The spec that a command printed.
fn spec_of(output: &Output) -> String {
    let stderr = text(&output.stderr);
    let line = stderr
        .lines()
        .find_map(|line| line.strip_prefix("as a spec file: "));
    line.expect("a spec").to_owned()
}

const IOI: &str = "Ioi(pairs: 8, seed: 1)";

#[test]
fn prompts_are_looked_at_through_lenses_that_are_fitted_saved_and_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let arguments = [
        "lens",
        "builtin:toy-llama",
        "--task",
        IOI,
        "--after-attention",
        "--tune",
    ];
    let more = [
        "--name",
        "lens-ioi",
        "--sampled",
        "600",
        "--context",
        "20",
        "--train",
        "0",
        "--held-out",
        "0.3",
    ];
    let output = secateur(folder, &[&arguments[..], &more].concat());
    let spec = spec_of(&output);
    let report = done(&output);
    for part in [
        "lens-ioi on toy-llama: Ioi(",
        "tracked: the answer",
        "embedding",
        "attention 0",
        "tuned: KL",
        "another's",
        "the tuned lens, fitted on",
        "trained",
        "the difference of logits is",
        "final norm's scale",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let results = folder.join("results/lens-ioi/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    let files = [
        "report.json",
        "places.csv",
        "kl.svg",
        "probability.svg",
        "lens.svg",
        "tuned_lens.svg",
        "lens.html",
        "attribution.csv",
        "attribution.svg",
        "tuned.csv",
        "tuned_lens.safetensors",
        "report.txt",
    ];
    let before = files.map(bytes);
    for file in ["lens.svg", "attribution.svg", "kl.svg", "tuned_lens.svg"] {
        let svg = text(&bytes(file));
        assert!(
            svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && !svg.contains("NaN")
        );
    }
    // All of it is in the page, and nothing elsewhere.
    let html = text(&bytes("lens.html"));
    let links = html.matches("://").count();
    assert_eq!(
        links,
        html.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
    assert!(html.contains("prefers-color-scheme: dark") && html.contains("\n10. "));
    assert!(!html.contains("src=") && !html.replace("href=\"#", "").contains("href="));

    // The same on one thread; and the same again through the lens that was saved.
    fs_err::write(folder.join("same.ron"), &spec).expect("a file");
    done(&secateur(
        folder,
        &["run", "same.ron", "--force", "--threads", "1"],
    ));
    assert_eq!(files.map(bytes), before);
    let saved = [
        "--tuned",
        "results/lens-ioi/toy-llama/tuned_lens.safetensors",
        "--name",
        "again",
    ];
    done(&secateur(folder, &[&arguments[..5], &saved].concat()));
    let again = folder.join("results/again/toy-llama");
    let places = fs_err::read(again.join("places.csv")).expect("a file");
    assert_eq!(text(&places), text(&bytes("places.csv")));

    // A lens of another model is refused for its width, or warned of.
    let other = ["lens", "builtin:toy-gpt2", "--task", IOI];
    let output = secateur(folder, &[&other[..], &saved].concat());
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("fitted on another model") || stderr.contains("this model needs F32"),
        "{stderr}"
    );
}

#[test]
fn texts_are_looked_at_and_a_token_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let arguments = [
        "lens",
        "builtin:toy-gpt2",
        "--prompt",
        "The dogs near the tree",
        "--no-attribution",
    ];
    let report = done(&secateur(folder, &arguments));
    assert!(report.contains("tracked: the model's prediction") && !report.contains("scale"));
    let with_token = [&arguments[..], &["--token", " are", "--name", "are"]].concat();
    let report = done(&secateur(folder, &with_token));
    assert!(report.contains("tracked: \" are\""), "{report}");
    let two = [&arguments[..], &["--token", " are are"]].concat();
    refused(
        &secateur(folder, &two),
        3,
        &["\" are are\"", "not one token"],
    );
    let unknown = [&arguments[..], &["--token", " xylophones"]].concat();
    refused(&secateur(folder, &unknown), 3, &["not one token"]);
    refused(
        &secateur(
            folder,
            &["lens", "builtin:toy-gpt2", "--prompt", "The xylophones"],
        ),
        3,
        &[
            "analysis.Lens.texts, number 1",
            "\"xylophones\"",
            "does not know",
        ],
    );
    refused(
        &secateur(folder, &["lens", "builtin:toy-gpt2"]),
        2,
        &["--task"],
    );
    let both = "(format: 1, name: \"x\", models: [\"builtin:toy-gpt2\"], task: Ioi(pairs: 4), held_out: 0.0, \
                analysis: Lens(texts: [\"a\", \"\"], top: 0, tuned: Fitted(text: Sampled(tokens: 9, seed: 0), ridge: 0.0, train: [1, 0])))";
    fs_err::write(folder.join("both.ron"), both).expect("a file");
    refused(
        &secateur(folder, &["run", "both.ron"]),
        2,
        &[
            "leave one of them out",
            "analysis.Lens.texts",
            "analysis.Lens.top",
            "analysis.Lens.tuned.Fitted.ridge",
            "analysis.Lens.tuned.Fitted.train",
            "Sampled.tokens",
            "held_out",
        ],
    );
    let last = ["--tune", "--train", "99", "--sampled", "600"];
    let output = secateur(folder, &[&arguments[..], &last].concat());
    refused(&output, 2, &["there is no map to train after layer 99"]);
    let missing = [&arguments[..], &["--tuned", "nowhere.safetensors"]].concat();
    refused(&secateur(folder, &missing), 2, &["no such file"]);
    fs_err::write(folder.join("not.safetensors"), "nothing").expect("a file");
    let broken = [&arguments[..], &["--tuned", "not.safetensors"]].concat();
    refused(
        &secateur(folder, &broken),
        3,
        &["not a whole safetensors file"],
    );
}

#[test]
fn heads_get_roles_and_drawings_show_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let task = "Induction(pairs: 16, seed: 1)";
    let few = ["--tokens", "Prompts", "--length", "6", "--threshold", "0.3"];
    let arguments = [
        "attention",
        "builtin:toy-llama",
        "--task",
        task,
        "--name",
        "attention-induction",
    ];
    let output = secateur(folder, &[&arguments[..], &few].concat());
    let spec = spec_of(&output);
    let report = done(&output);
    for part in [
        "most induction:",
        "most copying:",
        "name moving",
        "in brackets what uniform",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let results = folder.join("results/attention-induction/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    let files = [
        "report.json",
        "heads.csv",
        "attention.svg",
        "attention.html",
        "roles.json",
    ];
    let before = files.map(bytes);
    fs_err::write(folder.join("same.ron"), &spec).expect("a file");
    done(&secateur(
        folder,
        &["run", "same.ron", "--force", "--threads", "1"],
    ));
    assert_eq!(files.map(bytes), before);
    // The built-in model does induction as the field knows it: a head of the first layer looks at the token before, those of
    // the second at what followed the same token.
    let roles: serde_json::Value = serde_json::from_slice(&bytes("roles.json")).expect("JSON");
    let has = |head: &str, role: &str| {
        let own = roles["roles"][head].as_array().cloned().unwrap_or_default();
        own.iter().any(|it| it == role)
    };
    assert!(has("a0.h0", "previous token"), "{roles}");
    for head in ["a1.h0", "a1.h1", "a1.h2", "a1.h3"] {
        assert!(has(head, "induction") && has(head, "name mover"), "{roles}");
    }

    let circuit = "(format: 1, name: \"circuit\", models: [\"builtin:toy-llama\"], task: Induction(pairs: 16, seed: 1), \
                   metric: LogitDiff, ablation: Patch, method: EapIg(steps: 2), select: TopN(edges: 60))";
    fs_err::write(folder.join("circuit.ron"), circuit).expect("a file");
    done(&secateur(folder, &["run", "circuit.ron"]));
    let drawn = |more: &[&str]| {
        let circuit = "results/circuit/toy-llama/circuit.ron";
        secateur(
            folder,
            &[&["render", circuit, "--format", "svg"], more].concat(),
        )
    };
    let file = results.join("roles.json").display().to_string();
    let labelled = done(&drawn(&["--roles", &file]));
    assert!(labelled.contains(">induction"), "{labelled}");
    assert!(!done(&drawn(&[])).contains(">induction"));
    fs_err::write(folder.join("own.json"), "{\"logits\": \"the answer\"}").expect("a file");
    assert!(done(&drawn(&["--roles", "own.json"])).contains(">the answer</text>"));
    fs_err::write(folder.join("no.json"), "[]").expect("a file");
    refused(
        &drawn(&["--roles", "no.json"]),
        3,
        &["not a file of roles", "secateur attention"],
    );
    let unknown = ["attention", "builtin:toy-llama", "--draw", "a99.h0"];
    refused(&secateur(folder, &unknown), 2, &["there is no head a99.h0"]);
    let unread = [
        "attention",
        "builtin:toy-llama",
        "--draw",
        "m1",
        "--length",
        "1",
    ];
    refused(
        &secateur(folder, &unread),
        2,
        &["expected heads such as \"a5.h1\", got \"m1\"", "--length: "],
    );
}

#[test]
fn the_stream_is_looked_at_with_directions() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let vector = [
        "vector",
        "builtin:toy-llama",
        "--task",
        "GreaterThan(pairs: 16, seed: 1)",
        "--samples",
        "0",
        "--name",
        "vector-greaterthan",
    ];
    done(&secateur(folder, &vector));
    let file = "Vector(\"results/vector-greaterthan/toy-llama/vector.safetensors\")";
    let arguments = [
        "residual",
        "builtin:toy-llama",
        "--task",
        IOI,
        "--over",
        "Every",
    ];
    let directions = [
        "--name",
        "residual-ioi",
        "--direction",
        file,
        "--direction",
        "Difference(\" are\", \" is\")",
    ];
    let output = secateur(folder, &[&arguments[..], &directions].concat());
    let spec = spec_of(&output);
    let report = done(&output);
    for part in [
        "norm of the stream",
        "share of the stream",
        "written into \" are\" minus \" is\"",
        "vector.safetensors",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let results = folder.join("results/residual-ioi/toy-llama");
    let bytes = |file: &str| fs_err::read(results.join(file)).expect("a file");
    let files = [
        "report.json",
        "stream.csv",
        "directions.csv",
        "norm.svg",
        "writes.svg",
        "cosines.svg",
        "residual.html",
    ];
    let before = files.map(bytes);
    fs_err::write(folder.join("same.ron"), &spec).expect("a file");
    done(&secateur(
        folder,
        &["run", "same.ron", "--force", "--threads", "1"],
    ));
    assert_eq!(files.map(bytes), before);
    let narrow = [
        "residual",
        "builtin:toy-gpt2",
        "--prompt",
        "The dogs",
        "--direction",
        "Difference(\" is\", \" is\")",
    ];
    refused(
        &secateur(folder, &narrow),
        2,
        &["minus itself is no direction"],
    );
    let unknown = [
        "residual",
        "builtin:toy-gpt2",
        "--prompt",
        "The dogs",
        "--direction",
        "Token(\" two words\")",
    ];
    refused(&secateur(folder, &unknown), 3, &["not one token"]);
}
