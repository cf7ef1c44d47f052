//! The worker: a process that looks into one file after the other and can do nothing else.
//!
//! It is this same program, started as `cordon inspect-worker`. Its standard input is a socket to
//! Cordon. It opens nothing: each file comes to it as an open descriptor. It has one thread, so that
//! the time it is given bounds the processor time as well, and it does not survive a panic: what a
//! panic left behind is not known.

use std::fs::File;
use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use cordon_policy::config::text::shown;
use cordon_policy::inspect::content::KnownFiles;
use cordon_policy::inspect::indicators::IndicatorSet;
use cordon_policy::inspect::{self, Depth, Input, Limits, Sheet};
use cordon_policy::model::{ArtifactId, Digest};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::protocol::{
    Answer, HELLO_BYTES, Hello, LENGTH_BYTES, NoMessage, Outcome, REQUEST_BYTES, Request,
    SETUP_BYTES, Setup, Task, frame, receive, receive_body, send,
};
use super::sandbox::{self, Confinement};

/// What looks into an archive: [`inspect::inspect_for`].
type Inspect = fn(
    &ArtifactId,
    Depth,
    &mut dyn Input,
    &Limits,
    Option<&IndicatorSet>,
    &mut KnownFiles,
) -> io::Result<Sheet>;

/// What takes the core metadata out of a wheel: [`inspect::core_metadata`].
type TakeOut = fn(&ArtifactId, &Digest, &mut dyn Input, &Limits) -> io::Result<Option<Vec<u8>>>;

/// What reads archives.
pub(crate) struct Reading {
    pub(crate) inspect: Inspect,
    pub(crate) core_metadata: TakeOut,
}

impl Reading {
    /// That of the policy.
    pub(crate) const POLICY: Self = Self {
        inspect: inspect::inspect_for,
        core_metadata: inspect::core_metadata,
    };

    /// Does what is asked for.
    fn answer(
        &self,
        request: &Request,
        file: &mut File,
        (set, known): (Option<&IndicatorSet>, &mut KnownFiles),
    ) -> io::Result<Outcome> {
        let (artifact, limits) = (&request.artifact, &request.limits);
        match &request.task {
            Task::Inspect { depth, is_searched } => {
                let set = set.filter(|_| *is_searched);
                let sheet = (self.inspect)(artifact, *depth, file, limits, set, known)?;
                Ok(Outcome::Sheet(Box::new(sheet)))
            }
            Task::CoreMetadata { sha256 } => {
                let found = (self.core_metadata)(artifact, sha256, file, limits)?;
                Ok(Outcome::of_core_metadata(found.as_deref()))
            }
        }
    }
}

/// Works until Cordon goes.
///
/// # Errors
/// When Cordon says something that cannot be understood.
pub(crate) fn run(confinement: &Confinement, reading: &Reading) -> io::Result<()> {
    close_inherited();
    let socket: OwnedFd = rustix::stdio::stdin().try_clone_to_owned()?;
    let mut socket = UnixStream::from(socket);
    if socket.peer_addr().is_err() {
        return Err(io::Error::other(
            "standard input is not a socket: Cordon starts this by itself",
        ));
    }
    std::panic::set_hook(Box::new(complain));
    // Before it is confined: this is Cordon's own word, and takes what an archive may not have.
    let set = receive(&socket, SETUP_BYTES).map_err(as_io).map(prepare)?;
    let (set, hello) = match set {
        Err(why) => (None, Hello::Refused(why)),
        Ok(set) => match sandbox::confine(confinement) {
            Ok(()) => (set, Hello::Confined),
            Err(lacking) if lacking.is_accepted => (set, Hello::Partly(lacking.what)),
            Err(lacking) => (None, Hello::Refused(lacking.what)),
        },
    };
    send(&socket, &hello, HELLO_BYTES)?;
    if let Hello::Refused(why) = hello {
        return Err(io::Error::other(why));
    }
    let mut known = KnownFiles::default();
    while let Some((request, mut file)) = next(&socket)? {
        let outcome = reading.answer(&request, &mut file, (set.as_ref(), &mut known));
        let outcome = outcome.unwrap_or_else(|error| Outcome::Input(error.to_string()));
        // Before the answer: whoever has it may put another file in its place.
        drop(file);
        let answer = Answer {
            number: request.number,
            outcome,
        };
        socket.write_all(&frame(&answer, request.task.answer_bytes())?)?;
    }
    Ok(())
}

/// Makes what is looked for; what is wrong with it. Cordon made the same and found nothing wrong.
fn prepare(setup: Setup<'_>) -> Result<Option<IndicatorSet>, String> {
    let Some(source) = setup.indicators else {
        return Ok(None);
    };
    match IndicatorSet::build(source.into_owned()) {
        Ok(set) => Ok(Some(set.without_source())),
        Err(problems) => {
            let first = problems.first().map(ToString::to_string);
            Err(format!("indicators: {}", shown(&first.unwrap_or_default())))
        }
    }
}

fn as_io(error: NoMessage) -> io::Error {
    match error {
        NoMessage::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// Closes what whoever started Cordon left open for its children, and Cordon so for this one:
/// listening sockets, log files, pipes.
fn close_inherited() {
    let Ok(open) = std::fs::read_dir("/dev/fd") else {
        return;
    };
    let numbers: Vec<RawFd> = open
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    // The folder just read is closed already; that one, and any like it, is no error.
    for number in numbers.into_iter().filter(|number| *number > 2) {
        let _ = nix::unistd::close(number);
    }
}

/// Says in one line what panicked: Cordon shows the last line a worker wrote.
fn complain(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let what = panic.payload_as_str().unwrap_or("no message");
    let line = format!(
        "panicked: {}, at {}\n",
        what.escape_debug(),
        place.unwrap_or_default()
    );
    // Nobody else to tell.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// The next request with its file; `None` when Cordon is gone.
fn next(socket: &UnixStream) -> io::Result<Option<(Request, File)>> {
    let mut head = [0; LENGTH_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let into = &mut [IoSliceMut::new(&mut head)];
        match recvmsg(socket, into, &mut beside, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?.bytes,
        }
    };
    if got == 0 {
        return Ok(None);
    }
    let file = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let mut socket = socket;
    if let Some(rest) = head.get_mut(got..) {
        socket.read_exact(rest)?;
    }
    let request = receive_body(socket, head, REQUEST_BYTES).map_err(as_io)?;
    let file = file.ok_or_else(|| io::Error::other("a request without its file"))?;
    Ok(Some((request, File::from(file))))
}
