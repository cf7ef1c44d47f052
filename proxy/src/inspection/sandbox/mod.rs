//! What a worker does to itself before it reads the first byte of an archive.
//!
//! Whoever breaks a parser runs code in the worker. It then finds a process that can read the file
//! it was handed, compute, and answer: no other file, no network, no other program, no child, and
//! memory up to a limit (Y-08). On Linux that is done with resource limits and two seccomp filters,
//! which need no rights and work in containers. Elsewhere there are the resource limits alone.

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
mod calls;
#[cfg(unix)]
mod limits;

/// How a worker is to be confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confinement {
    /// Bytes of memory it may have.
    pub memory_bytes: u64,
    /// Whether it works only when all of it could be done.
    pub is_required: bool,
}

/// What could not be done.
#[derive(Debug)]
pub(super) struct Lacking {
    /// Whether it works all the same.
    pub(super) is_accepted: bool,
    /// What, and what the system said.
    pub(super) what: String,
}

/// Confines this process for good.
#[cfg(unix)]
pub(super) fn confine(confinement: &Confinement) -> Result<(), Lacking> {
    let lacking = |what: String| Lacking {
        is_accepted: !confinement.is_required,
        what,
    };
    // The filters last: they forbid what the others need. In best effort each is tried.
    let limited = limits::apply(confinement.memory_bytes);
    let limited = limited.map_err(|error| format!("resource limits: {error}"));
    if let (Err(what), true) = (&limited, confinement.is_required) {
        return Err(lacking(what.clone()));
    }
    let filtered = filter();
    match limited.and(filtered) {
        // No other system has anything like it that this process could use.
        Err(what) if !cfg!(target_os = "linux") => Err(Lacking {
            is_accepted: true,
            what,
        }),
        outcome => outcome.map_err(lacking),
    }
}

#[cfg(all(
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "riscv64"
    )
))]
fn filter() -> Result<(), String> {
    calls::forbid().map_err(|error| format!("seccomp: {error}"))
}

#[cfg(all(
    unix,
    not(all(
        target_os = "linux",
        any(
            target_arch = "x86_64",
            target_arch = "aarch64",
            target_arch = "riscv64"
        )
    ))
))]
fn filter() -> Result<(), String> {
    Err("there are no system call filters for this system".to_owned())
}
