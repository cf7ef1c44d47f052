//! One worker process, from the outside.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IoSlice, Read, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cordon_policy::config::text::shown;
use cordon_policy::inspect::indicators::IndicatorSet;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use smol_str::SmolStr;

use super::Program;
use crate::inspection::protocol::{
    Answer, HELLO_BYTES, Hello, NoMessage, REQUEST_BYTES, Request, SETUP_BYTES, Setup, frame,
    receive, send,
};

/// How long a worker may take until it is ready. It takes milliseconds; a machine that swaps, more.
const START: Duration = Duration::from_secs(30);

/// Lines of a worker's complaints that are logged, and bytes of each. What is beyond is passed over.
const LINES: usize = 64;
const LINE_BYTES: u64 = 512;

/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a Rust program says before it ends for lack of memory, and what tree-sitter says.
const NO_MEMORY: [&str; 2] = ["memory allocation of ", "tree-sitter failed to allocate "];

/// A worker that is ready. Dropping it ends the process.
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    last_words: mpsc::Receiver<String>,
    /// Archives it was given.
    pub(super) jobs: u32,
    /// The set of indicators it looks for.
    pub(super) indicators: Option<SmolStr>,
    /// What its confinement lacks; accepted.
    pub(super) lacks: Option<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It did not come in time.
    TimedOut,
    /// The process is gone: it broke, or Cordon is stopping.
    Gone,
    /// What came is no answer; what is wrong with it.
    Garbage(String),
}

/// Why a worker did not start.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// It says that it could not be confined. It will not be otherwise next time.
    Refused(String),
    /// Anything else.
    Failed(String),
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    OutOfMemory,
    Other(String),
}

impl Process {
    /// Starts one and waits until it is ready. The thread that calls this must outlive it: the
    /// system ends the process with the thread.
    pub(super) fn start(
        program: &Program,
        indicators: Option<&IndicatorSet>,
    ) -> Result<Self, NotStarted> {
        let failed = |error: io::Error| NotStarted::Failed(error.to_string());
        let (socket, theirs) = UnixStream::pair().map_err(failed)?;
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .current_dir("/")
            // An interrupt from the terminal is Cordon's to deal with.
            .process_group(0)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (tell, last_words) = mpsc::sync_channel(1);
        if let Some(stderr) = child.stderr.take() {
            let process = child.id();
            std::thread::spawn(move || {
                // Nobody may be interested.
                let _ = tell.send(listen(process, stderr));
            });
        }
        let mut started = Self {
            child,
            socket,
            last_words,
            jobs: 0,
            lacks: None,
            indicators: indicators.map(|set| set.id().clone()),
        };
        let deadline = Instant::now() + START;
        let setup = Setup {
            indicators: indicators.map(|set| Cow::Borrowed(set.source())),
        };
        // One that is gone by now tells why below.
        started.set_up(&setup).or_else(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
            _ => Err(failed(error)),
        })?;
        match started.receive(HELLO_BYTES, deadline) {
            Ok(Hello::Confined) => Ok(started),
            Ok(Hello::Partly(lacks)) => {
                started.lacks = Some(lacks);
                Ok(started)
            }
            Ok(Hello::Refused(why)) => Err(NotStarted::Refused(shown(&why))),
            Err(NoAnswer::TimedOut) => {
                let seconds = START.as_secs();
                Err(NotStarted::Failed(format!("not ready after {seconds} s")))
            }
            Err(NoAnswer::Garbage(what)) => Err(NotStarted::Failed(what)),
            Err(NoAnswer::Gone) => Err(NotStarted::Failed(match started.end() {
                End::OutOfMemory => "it has not enough memory to start".to_owned(),
                End::Other(how) => how,
            })),
        }
    }

    fn set_up(&self, setup: &Setup<'_>) -> io::Result<()> {
        self.socket.set_write_timeout(Some(START))?;
        send(&self.socket, setup, SETUP_BYTES)?;
        self.socket.set_write_timeout(None)
    }

    /// A second handle of the socket, to end the talk from another thread.
    pub(super) fn socket(&self) -> io::Result<UnixStream> {
        self.socket.try_clone()
    }

    /// Has it look into a file. After anything but an answer the process is of no use any more.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        file: &File,
        limit: Duration,
    ) -> Result<Answer, NoAnswer> {
        let deadline = Instant::now() + limit;
        self.jobs = self.jobs.saturating_add(1);
        self.send(request, file).map_err(|_| NoAnswer::Gone)?;
        let answer: Answer = self.receive(request.task.answer_bytes(), deadline)?;
        match answer.number == request.number {
            true => Ok(answer),
            false => Err(NoAnswer::Garbage("the answer to another request".into())),
        }
    }

    fn send(&mut self, request: &Request, file: &File) -> io::Result<()> {
        let framed = frame(request, REQUEST_BYTES)?;
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !beside.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        let data = [IoSlice::new(&framed)];
        let sent = sendmsg(&self.socket, &data, &mut beside, SendFlags::NOSIGNAL)?;
        self.socket
            .write_all(framed.get(sent..).unwrap_or_default())
    }

    fn receive<T: serde::de::DeserializeOwned>(
        &mut self,
        limit_bytes: usize,
        deadline: Instant,
    ) -> Result<T, NoAnswer> {
        let until = Until {
            socket: &self.socket,
            deadline,
        };
        receive(until, limit_bytes).map_err(|error| match error {
            NoMessage::Io(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => NoAnswer::TimedOut,
                _ => NoAnswer::Gone,
            },
            other => NoAnswer::Garbage(shown(&other.to_string())),
        })
    }

    /// Bytes of memory it takes now, where the system tells.
    pub(super) fn memory_bytes(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        pages.checked_mul(u64::try_from(rustix::param::page_size()).ok()?)
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, if it has not ended by itself; how it did.
    pub(super) fn end(mut self) -> End {
        let status = self.stop();
        let last_words = self.last_words.recv_timeout(LAST_WORDS);
        let last_words = last_words.unwrap_or_default();
        if NO_MEMORY.iter().any(|it| last_words.contains(it)) {
            return End::OutOfMemory;
        }
        let how = match status {
            Ok(status) => in_words(status),
            Err(error) => error.to_string(),
        };
        End::Other(match last_words.as_str() {
            "" => how,
            words => format!("{how}: {}", shown(words)),
        })
    }

    fn stop(&mut self) -> io::Result<ExitStatus> {
        // One that has ended already keeps what it ended with.
        self.child.kill()?;
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, process = self.child.id(), "an inspection worker could not be ended");
        }
    }
}

/// How a process ended, in words.
fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (_, Some(libc::SIGSYS)) => "it was ended for trying what it may not do".to_owned(),
        (_, Some(libc::SIGSEGV | libc::SIGBUS)) => {
            "it was ended for touching memory it does not have".to_owned()
        }
        (_, Some(libc::SIGKILL)) => "it was killed from outside".to_owned(),
        (_, Some(signal)) => format!("it ended by signal {signal}"),
        (Some(code), None) => format!("it exited with {code}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// A socket read until a deadline.
struct Until<'a> {
    socket: &'a UnixStream,
    deadline: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(buffer)
    }
}

/// Logs what a worker complains of, until its end; its last line.
fn listen(process: u32, stderr: ChildStderr) -> String {
    let mut reader = BufReader::new(stderr);
    let mut last = String::new();
    for _ in 0..LINES {
        let mut line = Vec::new();
        match reader
            .by_ref()
            .take(LINE_BYTES)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        // Advice about back-traces, after what matters.
        if !line.is_empty() && !line.starts_with("note: ") {
            tracing::warn!(process, line = ?line, "an inspection worker complains");
            line.clone_into(&mut last);
        }
    }
    // The rest is read all the same: a worker must not wait for room to complain.
    let _ = io::copy(&mut reader, &mut io::sink());
    last
}
