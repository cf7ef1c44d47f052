//! How much memory a process has and may have, as the kernel counts it.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit};

const MIB: u64 = 1024 * 1024;

/// The most memory the process had at once since it began or since [`forget_peak`], in MiB.
///
/// # Panics
/// If there is no such process, or no `/proc`.
pub fn peak_mib(pid: u32) -> u64 {
    field(pid, "VmHWM:")
}

/// The memory the process has now, in MiB.
///
/// # Panics
/// If there is no such process, or no `/proc`.
pub fn resident_mib(pid: u32) -> u64 {
    field(pid, "VmRSS:")
}

/// Lets the peak begin anew at what the process has now.
///
/// # Panics
/// If there is no such process of ours, or no `/proc`.
pub fn forget_peak(pid: u32) {
    // 5: proc(5), `clear_refs`.
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("a process of ours");
}

/// Lets the process have at most this much private writable memory from now on; what it asks for
/// beyond that is refused, which ends it.
///
/// # Panics
/// If there is no such process of ours.
pub fn limit_mib(pid: u32, limit: u64) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let bytes = Some(limit * MIB);
    let limit = Rlimit {
        current: bytes,
        maximum: bytes,
    };
    rustix::process::prlimit(pid, Resource::Data, limit).expect("a process of ours");
}

fn field(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("the kernel counts it") * 1024 / MIB
}
