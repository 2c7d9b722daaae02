//! A process watched from outside: its peak memory and how many files it has open.

use super::lakefold::Ended;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often it is looked at. Peak memory is kept by the kernel, so only the last moments can be missed.
const EVERY: Duration = Duration::from_millis(4);

/// What a process did and used.
pub struct Watched {
    pub ended: Ended,
    /// Bytes.
    pub peak_rss: u64,
    /// At most, sockets and pipes included.
    pub open_files: usize,
    pub took: Duration,
}

/// Runs `command` to its end with at most 256 open files.
pub fn watch(command: Command) -> Watched {
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    limited.current_dir(command.get_current_dir().expect("a folder")).env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let started = Instant::now();
    let child = limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    let process = format!("/proc/{}", child.id());
    let waiting = std::thread::spawn(move || child.wait_with_output().expect("wait"));
    let (mut peak_rss, mut open_files) = (0, 0);
    while !waiting.is_finished() {
        peak_rss = peak_rss.max(high_water_mark(&process).unwrap_or_default());
        open_files = open_files.max(fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count));
        std::thread::sleep(EVERY);
    }
    let ended = Ended::of(waiting.join().expect("the waiting thread"));
    Watched { ended, peak_rss, open_files, took: started.elapsed() }
}

fn high_water_mark(process: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
