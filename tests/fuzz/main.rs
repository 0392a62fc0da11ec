//! Hostile files, a bounded number of them, for every format that is read:
//!
//! ```text
//! cargo test --release --test fuzz -- [--format F] [--tries N] [--seconds S] [--seed X] [--keep FOLDER]
//! ```
//!
//! Files are seeds with a few changes (`mutate.rs`) and go through the library functions that the program uses
//! (`formats.rs`). That happens in child processes with bounded memory, so that an abort, a file that takes all memory and
//! one that takes for ever are found like a panic: the file is kept and the round goes on after it. The same seed gives the
//! same files.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a tool for tests")]
#![expect(clippy::print_stdout, clippy::exit, reason = "a program of its own")]

mod formats;
mod mutate;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use formats::{FORMATS, Format};

/// Memory of a child, in KiB.
const MEMORY: u64 = 6 << 20;
/// Longest that one file may take, in seconds of the processor and by the clock.
const LONGEST: f64 = 20.0;
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Exit codes of a child.
const PANICKED: i32 = 101;
const TOO_LONG: i32 = 102;
/// Failures of a format after which its round ends.
const MOST_FAILURES: usize = 20;

struct Options {
    format: Option<String>,
    tries: u64,
    seconds: u64,
    seed: u64,
    keep: PathBuf,
    /// The first try, of a child.
    from: Option<u64>,
}

fn options() -> Options {
    let mut options = Options {
        format: None,
        tries: 300,
        seconds: u64::MAX,
        seed: 1,
        keep: std::env::temp_dir().join("secateur-fuzz"),
        from: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().expect("a value");
        match &name[..] {
            "--format" => options.format = Some(value()),
            "--tries" => options.tries = value().parse().expect("a number"),
            "--seconds" => options.seconds = value().parse().expect("a number"),
            "--seed" => options.seed = value().parse().expect("a number"),
            "--keep" => options.keep = value().into(),
            "--from" => options.from = Some(value().parse().expect("a number")),
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn main() {
    let options = options();
    let wanted = |format: &&Format| options.format.as_ref().is_none_or(|it| it == format.name);
    let formats: Vec<&Format> = FORMATS.iter().filter(wanted).collect();
    assert!(!formats.is_empty(), "no such format; there are {}", names());
    fs_err::create_dir_all(&options.keep).unwrap();
    if let Some(from) = options.from {
        child(formats[0], &options, from);
        return;
    }
    let mut failures = 0;
    for format in formats {
        failures += round(format, &options);
    }
    if failures > 0 {
        println!("{failures} files fail, kept in {}", options.keep.display());
        std::process::exit(1);
    }
}

fn names() -> String {
    let names: Vec<&str> = FORMATS.iter().map(|it| it.name).collect();
    names.join(", ")
}

/// Children until all tries are done or the time is up; gives the number of files that fail.
fn round(format: &Format, options: &Options) -> usize {
    let start = Instant::now();
    let (mut from, mut failures) = (0, 0);
    let place = options.keep.join(format!("{}-current", format.name));
    while from < options.tries && start.elapsed().as_secs() < options.seconds {
        let left = options.seconds - start.elapsed().as_secs();
        let status = Command::new("bash")
            .args(["-c", "ulimit -c 0; ulimit -v $0; exec \"$@\""])
            .arg(MEMORY.to_string())
            .arg(std::env::current_exe().unwrap())
            .args(["--format", format.name, "--seed", &options.seed.to_string()])
            .args(["--tries", &options.tries.to_string()])
            .args(["--seconds", &left.to_string()])
            .args(["--from", &from.to_string()])
            .arg("--keep")
            .arg(&options.keep)
            .stderr(Stdio::null())
            .status()
            .expect("a child");
        let reached = reached(&place);
        if status.success() {
            from = reached;
            break;
        }
        let what = match status.code() {
            Some(PANICKED) => "panics",
            Some(TOO_LONG) => "takes too long",
            _ => "ends the process",
        };
        let kept = format!("{}-{}-{reached}", format.name, options.seed);
        let file = options.keep.join(&kept);
        fs_err::copy(place.join("file"), &file).expect("the file of the try");
        println!("{}: try {reached} {what} ({status}): {kept}", format.name);
        failures += 1;
        from = reached + 1;
        if failures == MOST_FAILURES {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}: {from} files, {failures} fail, {seconds:.1} s",
        format.name
    );
    failures
}

/// The try that a child came to.
fn reached(place: &Path) -> u64 {
    let text = fs_err::read_to_string(place.join("try")).expect("the number of the try");
    text.trim().parse().expect("a number")
}

/// The number of the try, for the watch.
static TRY: AtomicU64 = AtomicU64::new(0);

/// Ends the process when a try takes too long: in processor time, as others may use the machine, or by the clock where it
/// waits for something.
fn watch() {
    let mut current = (u64::MAX, processor_seconds(), Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let index = TRY.load(Ordering::Relaxed);
        if current.0 != index {
            current = (index, processor_seconds(), Instant::now());
        }
        let (_, seconds, start) = current;
        if processor_seconds() - seconds > LONGEST || start.elapsed() > LONGEST_WAIT {
            std::process::exit(TOO_LONG);
        }
    }
}

/// Processor time of this process; 0 where the system does not say it.
fn processor_seconds() -> f64 {
    let text = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn child(format: &Format, options: &Options, from: u64) {
    let start = Instant::now();
    std::thread::spawn(watch);
    let place = options.keep.join(format!("{}-current", format.name));
    fs_err::create_dir_all(&place).unwrap();
    let seeds = (format.seeds)();
    assert!(!seeds.is_empty(), "{} has no seeds", format.name);
    // The seeds themselves come first: they must work as well.
    let count = seeds.len() as u64;
    for index in from..options.tries {
        if start.elapsed().as_secs() >= options.seconds {
            fs_err::write(place.join("try"), index.to_string()).unwrap();
            return;
        }
        let bytes = match usize::try_from(index) {
            Ok(at) if index < count => seeds[at].clone(),
            _ => mutate::mutated(&seeds, format.kind, options.seed, index),
        };
        fs_err::write(place.join("try"), index.to_string()).unwrap();
        fs_err::write(place.join("file"), &bytes).unwrap();
        TRY.store(index, Ordering::Relaxed);
        let outcome = std::panic::catch_unwind(|| (format.read)(&bytes, &place));
        if outcome.is_err() {
            std::process::exit(PANICKED);
        }
    }
    fs_err::write(place.join("try"), options.tries.to_string()).unwrap();
}
