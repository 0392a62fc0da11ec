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
