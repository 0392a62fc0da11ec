//! What memory there is, what this process takes of it, and what a job may take.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fs_err as fs;

/// Share of the memory there is that a process takes unless told otherwise.
const SHARE: f64 = 0.7;
/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(20);

/// The memory that a process should take unless told otherwise, where the system tells what there is: 70 % of what is
/// available, or of what its control group still allows where that is less.
pub fn default_memory() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let available = kilobytes(&meminfo, "MemAvailable:")?;
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let left = group_remainder(&group, Path::new("/sys/fs/cgroup"));
    let there = left.map_or(available, |left| left.min(available));
    Some((there as f64 * SHARE) as u64)
}

/// What control groups still allow; `list` is the text of `/proc/self/cgroup`, `root` where their files are.
fn group_remainder(list: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in list.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, limit, usage) = if controllers.is_empty() {
            (root.to_owned(), "memory.max", "memory.current")
        } else if controllers.split(',').any(|name| name == "memory") {
            let names = ("memory.limit_in_bytes", "memory.usage_in_bytes");
            (root.join("memory"), names.0, names.1)
        } else {
            continue;
        };
        // A container sees its own group as the root, whatever its path is outside.
        let own: PathBuf = root.join(path.trim_start_matches('/'));
        for folder in own
            .ancestors()
            .take_while(|folder| folder.starts_with(&root))
        {
            let number = |file: &str| -> Option<u64> {
                let text = fs_err::read_to_string(folder.join(file)).ok()?;
                text.trim().parse().ok()
            };
            if let (Some(limit), Some(usage)) = (number(limit), number(usage)) {
                let stat = fs_err::read_to_string(folder.join("memory.stat")).unwrap_or_default();
                // Files that were read lately are given back when memory is wanted.
                let file = stat
                    .lines()
                    .filter_map(|line| line.strip_prefix("inactive_file "))
                    .find_map(|number| number.trim().parse().ok())
                    .unwrap_or(0);
                let left = limit.saturating_sub(usage.saturating_sub(file));
                least = Some(least.map_or(left, |least: u64| least.min(left)));
            }
        }
    }
    least
}

/// A number of a file of `/proc` that is in kB there, in bytes.
fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024)
}

/// Anonymous memory of this process now, in bytes, where the system tells.
fn anonymous() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&status, "RssAnon:")
}

/// Watches the anonymous memory of this process from a thread of its own; the system keeps no such peak.
#[derive(Debug)]
pub(crate) struct Watch {
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches from now on, until it is dropped.
    pub(crate) fn start() -> Self {
        let (peak, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (seen, stopped) = (Arc::clone(&peak), Arc::clone(&stop));
        let watch = move || {
            while !stopped.load(Ordering::Relaxed) {
                let Some(now) = anonymous() else { return };
                seen.fetch_max(now, Ordering::Relaxed);
                std::thread::park_timeout(EVERY);
            }
        };
        let thread = std::thread::Builder::new().spawn(watch).ok();
        Self { peak, stop, thread }
    }

    /// The largest so far, in bytes.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.peak.fetch_max(anonymous()?, Ordering::Relaxed);
        Some(self.peak.load(Ordering::Relaxed))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_control_group_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let left = |list: &str| group_remainder(list, folder.path());
        assert_eq!(left("0::/a/b\n"), None);
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        write("a/memory.stat", "anon 1\ninactive_file 100\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "5\n");
        assert_eq!(left("0::/a/b\n"), Some(400));
        write("memory/x/memory.limit_in_bytes", "600\n");
        write("memory/x/memory.usage_in_bytes", "350\n");
        let old = "3:cpu,memory:/x\n2:pids:/x\n";
        assert_eq!(left(old), Some(250));
        assert_eq!(left(&format!("{old}0::/a/b\n")), Some(250));
        assert_eq!(left("nonsense\n"), None);
    }

    #[test]
    fn the_watch_sees_what_was_allocated() {
        let watch = Watch::start();
        let Some(before) = watch.peak() else { return };
        let block = vec![1_u8; 64 << 20];
        std::thread::sleep(5 * EVERY);
        assert!(block.iter().all(|byte| *byte == 1));
        drop(block);
        assert!(watch.peak().unwrap() >= before + (60 << 20));
    }
}
