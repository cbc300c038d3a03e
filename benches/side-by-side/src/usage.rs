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

/// The most memory that was resident since [`forget_peak`], in bytes.
pub fn peak(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc/<pid>/status has no VmHWM")?;
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
