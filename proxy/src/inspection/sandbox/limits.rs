//! Resource limits, and what else a process can give up by itself.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Address space besides the memory: the program itself, libraries, what is set aside and not used.
const BESIDES_BYTES: u64 = 1 << 30;

/// Open files: the standard three, the socket, and the archive. One more, because a descriptor is
/// received before the last one is closed.
const OPEN_FILES: u64 = 6;

/// How much later than others it gets the processor: serving comes first.
const NICENESS: i32 = 5;

/// Limits this process for good.
pub(super) fn apply(memory_bytes: u64) -> io::Result<()> {
    end_with_parent()?;
    be_ended_first();
    // Only a courtesy to others.
    let _ = rustix::process::nice(NICENESS);
    let both = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    // Data is what counts: memory that was written to. The address space closes what it leaves
    // open (shared memory), and holds what is set aside without being used.
    setrlimit(Resource::Data, both(memory_bytes))?;
    setrlimit(
        Resource::As,
        both(memory_bytes.saturating_add(BESIDES_BYTES)),
    )?;
    setrlimit(Resource::Nofile, both(OPEN_FILES))?;
    setrlimit(Resource::Fsize, both(0))?;
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::Nproc, both(0))?;
    Ok(())
}

/// Cordon may be killed: the worker, busy with an archive, would not see the socket close.
#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Ok(())
}

/// When memory runs out, rather this process than the one it works for.
fn be_ended_first() {
    if cfg!(target_os = "linux") {
        // Without /proc the system chooses by size, as it always did.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
}
