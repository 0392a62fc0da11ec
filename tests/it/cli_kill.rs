//! A batch that is killed or interrupted resumes: finished jobs stay, nothing is half written.

#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::determinism::files;

const JOBS: usize = 6;

/// Specs that take long enough for a signal to arrive in the middle.
fn batch() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::create_dir(folder.path().join("specs")).expect("a folder");
    for job in 0..JOBS {
        let text = format!(
            "RunSpec(format: 1, name: \"job{job}\", models: [\"builtin:toy-llama\"],\n\
             task: Ioi(pairs: 96, seed: {job}), metric: LogitDiff, ablation: Patch,\n\
             method: Exact(), select: TopN(share: 0.1), precision: F64,\n\
             evaluate: (random_baselines: 40, bootstrap: 50))\n"
        );
        fs_err::write(folder.path().join(format!("specs/job{job}.ron")), text).expect("a spec");
    }
    folder
}

fn command(folder: &Path, out: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secateur"));
    command
        .current_dir(folder)
        .args(["run", "specs", "--jobs", "1", "--out", out]);
    command
}

fn finish(folder: &Path, out: &str) -> Output {
    let output = command(folder, out).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    output
}

/// Records of finished jobs.
fn finished(folder: &Path, out: &str) -> Vec<PathBuf> {
    (0..JOBS)
        .map(|job| folder.join(format!("{out}/job{job}/toy-llama/run.json")))
        .filter(|path| path.is_file())
        .collect()
}

/// Starts the batch and waits until this many jobs are done.
fn start(folder: &Path, out: &str, jobs: usize) -> Child {
    let child = command(folder, out)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let begin = Instant::now();
    while finished(folder, out).len() < jobs {
        assert!(begin.elapsed() < Duration::from_mins(5), "no job is done");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn read_all(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    paths
        .iter()
        .map(|path| fs_err::read(path).expect("a record"))
        .collect()
}

#[test]
fn a_killed_batch_resumes_and_ends_as_if_it_had_not_been_killed() {
    let folder = batch();
    let folder = folder.path();
    finish(folder, "whole");
    for jobs in [1, 3] {
        let mut child = start(folder, "killed", jobs);
        child.kill().expect("kill -9");
        let status = child.wait().expect("an end");
        assert_eq!(status.signal(), Some(9), "killed midway: {status}");
        assert!(finished(folder, "killed").len() < JOBS, "killed too late");
    }
    let done = finished(folder, "killed");
    let before = read_all(&done);
    let output = finish(folder, "killed");
    let table = String::from_utf8(output.stdout).expect("text");
    assert_eq!(table.matches("already done").count(), done.len(), "{table}");
    assert_eq!(before, read_all(&done), "finished jobs are not run again");
    assert_eq!(finished(folder, "killed").len(), JOBS);

    // The same files, so no temporary one is left, with the same bytes.
    let (whole, killed) = (files(&folder.join("whole")), files(&folder.join("killed")));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&whole), names(&killed));
    assert!(whole == killed, "a resumed batch gives other bytes");
}

#[test]
fn an_interrupted_batch_gives_130_and_keeps_finished_jobs() {
    let folder = batch();
    let folder = folder.path();
    let mut child = start(folder, "out", 2);
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    let status = child.wait().expect("an end");
    assert_eq!(status.code(), Some(130), "{status}");
    let done = finished(folder, "out");
    assert!((2..JOBS).contains(&done.len()), "{} jobs done", done.len());
    let before = read_all(&done);
    let output = finish(folder, "out");
    let table = String::from_utf8(output.stdout).expect("text");
    assert_eq!(table.matches("already done").count(), done.len(), "{table}");
    assert_eq!(before, read_all(&done));
    assert_eq!(finished(folder, "out").len(), JOBS);
}

fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(sent.expect("kill runs").success());
}

/// A million prompts take minutes to make: longer than anybody waits for an end.
const MILLION: &str = "RunSpec(format: 1, name: \"million\", models: [\"builtin:toy-llama\"],\n\
     task: Ioi(pairs: 1000000), metric: LogitDiff, ablation: Patch, method: Eap(), select: TopN(edges: 5))\n";

/// A batch with a job that is done, and one that is busy where nothing asks whether to stop.
fn busy(folder: &Path) -> Child {
    fs_err::create_dir_all(folder.join("million")).expect("a folder");
    let quick = MILLION
        .replace("\"million\"", "\"quick\"")
        .replace("1000000", "8");
    fs_err::write(folder.join("million/a.ron"), quick).expect("a spec");
    fs_err::write(folder.join("million/b.ron"), MILLION).expect("a spec");
    // Where the tests run under `nohup`, a hangup would stay ignored.
    let child = Command::new("env")
        .args(["--default-signal=HUP", env!("CARGO_BIN_EXE_secateur")])
        .current_dir(folder)
        .args(["run", "million", "--memory", "64"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let begin = Instant::now();
    while !folder
        .join("results/million/toy-llama/.secateur-lock")
        .is_file()
    {
        assert!(
            begin.elapsed() < Duration::from_mins(2),
            "it does not begin"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(200));
    child
}

#[test]
fn signals_are_heard_while_prompts_are_made() {
    for (name, code, again) in [
        ("INT", 130, false),
        ("TERM", 143, false),
        ("HUP", 129, false),
        ("TERM", 143, true),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let child = busy(folder);
        let begin = Instant::now();
        signal(name, &child);
        if again {
            std::thread::sleep(Duration::from_millis(60));
            signal(name, &child);
        }
        let output = child.wait_with_output().expect("an end");
        let waited = begin.elapsed();
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
        assert!(waited < Duration::from_secs(5), "{name}: {waited:?}");
        // What is finished is there and in the table, with what is not.
        let table = String::from_utf8(output.stdout).expect("text");
        let row = |of: &str| table.lines().find(|line| line.starts_with(of));
        assert!(
            row("quick").is_some_and(|it| it.contains(" done ")),
            "{table}"
        );
        let interrupted = row("million").is_some_and(|it| it.contains("interrupted"));
        assert!(interrupted, "{table}");
        assert!(folder.join("results/quick/toy-llama/run.json").is_file());
        assert!(!folder.join("results/million/toy-llama/run.json").exists());
    }
}

/// A spec that is done at once.
const QUICK: &str = "RunSpec(format: 1, name: \"quick\", models: [\"builtin:toy-llama\"], task: Agreement(pairs: 8), metric: LogitDiff, \
                     ablation: Patch, method: Eap(), select: TopN(edges: 20), evaluate: (curve: false, random_baselines: 0, \
                     bootstrap: 0))";

/// `nohup` ignores hangups, and what it starts does too.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let folder = batch();
    let child = Command::new("nohup")
        .arg(env!("CARGO_BIN_EXE_secateur"))
        .args(["run", "specs", "--out", "out", "--quiet"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nohup");
    std::thread::sleep(Duration::from_millis(300));
    signal("HUP", &child);
    let output = child.wait_with_output().expect("an end");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Commands without jobs are ended by signals too, and one whose reader has gone is no failure.
#[test]
fn signals_and_closed_pipes_end_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_secateur"))
            .current_dir(folder.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    };
    fs_err::write(folder.path().join("s.ron"), QUICK).expect("a spec");
    let found = start(&["run", "s.ron", "--out", "results"]).wait_with_output();
    assert!(found.expect("an end").status.success());
    let circuit = folder.path().join("results/quick/toy-llama");
    fs_err::os::unix::fs::symlink(circuit, folder.path().join("c")).expect("a link");
    let pipe = Command::new("mkfifo")
        .arg(folder.path().join("unread"))
        .status();
    assert!(pipe.expect("mkfifo").success());
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        for arguments in [
            &["superposition", "--rounds", "1000000"][..],
            // Waits for lines that do not come.
            &["repl", "builtin:toy-llama"],
            // Waits for somebody to read the pipe.
            &[
                "render",
                "c/circuit.ron",
                "--format",
                "svg",
                "--out",
                "unread",
            ],
        ] {
            let child = start(arguments);
            std::thread::sleep(Duration::from_millis(400));
            signal(name, &child);
            let begin = Instant::now();
            let mut child = child;
            let status = loop {
                if let Some(status) = child.try_wait().expect("a state") {
                    break status;
                }
                assert!(begin.elapsed() < Duration::from_secs(5), "{arguments:?}");
                std::thread::sleep(Duration::from_millis(5));
            };
            assert_eq!(status.code(), Some(code), "{arguments:?}");
        }
    }
    for arguments in [
        &["inspect", "builtin:toy-llama"][..],
        &["--help"],
        &["models"],
        &["run", "s.ron", "--out", "unseen"],
    ] {
        let mut child = start(arguments);
        drop(child.stdout.take());
        let status = child.wait().expect("an end");
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
}

/// Weights that take seconds to read and hash, as a file of zeros that takes no room on the disk.
fn slow_model(folder: &Path) {
    let (rows, width, bytes) = (24_000_000_u64, 32_u64, 4_u64);
    let config = format!(
        "{{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"vocab_size\": {rows}, \"hidden_size\": \
         {width}, \"intermediate_size\": 8, \"num_hidden_layers\": 1, \"num_attention_heads\": 1, \"num_key_value_heads\": 1, \
         \"max_position_embeddings\": 16, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", \
         \"tie_word_embeddings\": true}}"
    );
    fs_err::write(folder.join("config.json"), config).expect("a configuration");
    let layer = "model.layers.0";
    let tensors = [
        ("model.embed_tokens.weight".to_owned(), vec![rows, width]),
        ("model.norm.weight".into(), vec![width]),
        (format!("{layer}.input_layernorm.weight"), vec![width]),
        (
            format!("{layer}.post_attention_layernorm.weight"),
            vec![width],
        ),
        (
            format!("{layer}.self_attn.q_proj.weight"),
            vec![width, width],
        ),
        (
            format!("{layer}.self_attn.k_proj.weight"),
            vec![width, width],
        ),
        (
            format!("{layer}.self_attn.v_proj.weight"),
            vec![width, width],
        ),
        (
            format!("{layer}.self_attn.o_proj.weight"),
            vec![width, width],
        ),
        (format!("{layer}.mlp.gate_proj.weight"), vec![8, width]),
        (format!("{layer}.mlp.up_proj.weight"), vec![8, width]),
        (format!("{layer}.mlp.down_proj.weight"), vec![width, 8]),
    ];
    let mut end = 0;
    let entries = tensors.map(|(name, shape)| {
        let start = end;
        end += shape.iter().product::<u64>() * bytes;
        format!("\"{name}\": {{\"dtype\": \"F32\", \"shape\": {shape:?}, \"data_offsets\": [{start}, {end}]}}")
    });
    let header = format!("{{{}}}", entries.join(", "));
    let mut start = (header.len() as u64).to_le_bytes().to_vec();
    start.extend(header.as_bytes());
    fs_err::write(folder.join("model.safetensors"), &start).expect("weights");
    let file = fs_err::File::options()
        .write(true)
        .open(folder.join("model.safetensors"));
    let file = file.expect("weights");
    file.set_len(start.len() as u64 + end).expect("room");
}

#[test]
fn signals_are_heard_while_a_model_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    slow_model(folder.path());
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let child = Command::new(env!("CARGO_BIN_EXE_secateur"))
            .current_dir(folder.path())
            .args(["inspect", "."])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(150));
        let begin = Instant::now();
        signal(name, &child);
        let output = child.wait_with_output().expect("an end");
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
        assert!(
            begin.elapsed() < Duration::from_secs(3),
            "{:?}",
            begin.elapsed()
        );
    }
}
