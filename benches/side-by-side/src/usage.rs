//! What a process has used, as Linux counts it.

use std::fs;
use std::time::Duration;

use crate::Result;

/// Linux tells times in these, whatever the kernel counts in.
const TICKS_PER_SECOND: u32 = 100;

/// User and system time, all threads together.
pub fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name is in brackets, and may have spaces; state and 10 more fields stand between it and the times.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    let (user, system) = ticks().zip(ticks()).ok_or("/proc/<pid>/stat has another form")?;
    let ticks = Duration::from_secs(user + system);
    Ok(ticks / TICKS_PER_SECOND)
}

/// The same to the nanosecond, of the threads that there are now. Those that have ended do not count any more.
pub fn cpu_of_threads(pid: u32) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // It may end meanwhile.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        let nanoseconds = text.split_ascii_whitespace().next().ok_or("/proc/<pid>/task/<tid>/schedstat is empty")?;
        total += Duration::from_nanos(nanoseconds.parse()?);
    }
    Ok(total)
}

/// The most memory that was resident since [`forget_peak`], in bytes.
pub fn peak(pid: u32) -> Result<u64> {
    memory(pid, "VmHWM:")
}

/// The memory that is resident now, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    memory(pid, "VmRSS:")
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn memory(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let line = line.ok_or_else(|| format!("/proc/<pid>/status has no {field}"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// From here on the peak counts anew.
pub fn forget_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Processes that were running or waiting for a processor, on average over the last minute.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
