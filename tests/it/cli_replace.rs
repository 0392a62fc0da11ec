//! What a run never takes away: the files that it reads, and weights that another question made.

use crate::program::{done, refused, secateur, text};

const TRAIN: [&str; 13] = [
    "sae",
    "builtin:toy-llama",
    "--name",
    "sae-1",
    "--layer",
    "1",
    "--features",
    "32",
    "--sampled",
    "2000",
    "--tokens",
    "4000",
    "--context=24",
];

#[test]
fn weights_stay_until_they_are_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    done(&secateur(folder.path(), &TRAIN));
    let result = folder.path().join("results/sae-1/toy-llama");
    let weights = || fs_err::read(result.join("sae_weights.safetensors")).expect("weights");
    let before = weights();

    // The same layer's MLP under the same name.
    let other = [&TRAIN[..], &["--of", "Mlp"]].concat();
    let parts = [
        "results/sae-1/toy-llama holds the answer to another question",
        "analysis.Sae.of is left out there and \"Mlp\" here",
        "another --out, or --force",
    ];
    refused(&secateur(folder.path(), &other), 2, &parts);
    // The dictionary in the folder of the result, even when it may be replaced.
    let load = [
        "sae",
        "builtin:toy-llama",
        "--load",
        "results/sae-1/toy-llama",
        "--context=24",
        "--sampled=600",
        "--name=sae-1",
        "--force",
    ];
    refused(
        &secateur(folder.path(), &load),
        2,
        &["is read by", "another name"],
    );
    let circuit = [
        "feature-circuit",
        "builtin:toy-llama",
        "--task",
        "Agreement(pairs: 24, seed: 0)",
        "--dictionary",
        "results/sae-1/toy-llama",
    ];
    let here = [&circuit[..], &["--name", "sae-1"]].concat();
    refused(&secateur(folder.path(), &here), 2, &["is read by"]);
    assert_eq!(weights(), before);

    // A target out of reach, no report when quiet, and a result that is no spec.
    let missed = [&circuit[..], &["--keep", "Faithfulness(1.5)", "--quiet"]].concat();
    let missed = secateur(folder.path(), &missed);
    assert_eq!(missed.status.code(), Some(4), "{}", text(&missed.stderr));
    assert_eq!(
        (text(&missed.stdout), text(&missed.stderr)),
        (String::new(), String::new())
    );
    let only = folder.path().join("results");
    let only = only.to_str().expect("a path");
    refused(
        &secateur(folder.path(), &["run", only]),
        2,
        &["no *.ron file"],
    );

    done(&secateur(
        folder.path(),
        &[&other[..], &["--force"]].concat(),
    ));
    assert_ne!(weights(), before);
}
