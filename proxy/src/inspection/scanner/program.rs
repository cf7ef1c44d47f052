//! A scanner that is a program of this machine.
//!
//! The archive is its standard input: a file, which may be read from any place. What it is told is in
//! the environment variable `CORDON_FACTS`. It writes its answer to standard output and exits with 0.

use std::fs::File;
use std::io::{self, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::ANSWER_BYTES;

/// How often it is looked whether a program that said everything has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Runs a scanner for `limit` at most; what it answered. One that takes longer is ended.
pub(super) async fn run(
    words: &[String],
    told: String,
    file: &File,
    limit: Duration,
) -> Result<Vec<u8>, String> {
    let file = reopened(file).map_err(|error| error.to_string())?;
    let words = words.to_vec();
    // Waits on a thread of its own, and ends by itself also when nobody waits for it any more.
    tokio::task::spawn_blocking(move || run_to_end(&words, told, file, limit))
        .await
        .map_err(|error| error.to_string())?
}

/// The file with a position of its own: several scanners read it at the same time.
#[cfg(target_os = "linux")]
pub(super) fn reopened(file: &File) -> io::Result<File> {
    use std::os::fd::AsRawFd as _;
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn reopened(mut file: &File) -> io::Result<File> {
    use std::io::Seek as _;
    // Elsewhere a second handle shares the position of the first.
    let mut copy = tempfile::tempfile()?;
    file.rewind()?;
    io::copy(&mut file, &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}

fn run_to_end(
    words: &[String],
    told: String,
    file: File,
    limit: Duration,
) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + limit;
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("CORDON_FACTS", told)
        .current_dir("/")
        .stdin(Stdio::from(file))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut running = Running {
        child,
        is_gone: false,
    };
    let answer = running.answer(deadline)?;
    let is_ok = running.exit(deadline)?;
    match is_ok {
        true => Ok(answer),
        false => Err("it did not exit with 0".to_owned()),
    }
}

/// A program that is ended, with all it started, when this is dropped.
struct Running {
    child: Child,
    /// It was waited for: its number may be another's by now.
    is_gone: bool,
}

impl Running {
    /// Everything it writes, or the beginning of too much.
    fn answer(&mut self, deadline: Instant) -> Result<Vec<u8>, String> {
        let output = self.child.stdout.take().ok_or("it has no output")?;
        let (tell, told) = mpsc::sync_channel(1);
        std::thread::spawn(move || {
            let mut answer = Vec::new();
            let most = ANSWER_BYTES as u64 + 1;
            let read = output.take(most).read_to_end(&mut answer);
            // Whoever asked may have given up.
            let _ = tell.send(read.map(|_| answer));
        });
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = told.recv_timeout(left).map_err(|_| "no answer in time")?;
        let answer = answer.map_err(|error| error.to_string())?;
        match answer.len() > ANSWER_BYTES {
            true => Err(format!("an answer of more than {ANSWER_BYTES} bytes")),
            false => Ok(answer),
        }
    }

    /// Whether it exits with 0.
    fn exit(&mut self, deadline: Instant) -> Result<bool, String> {
        loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => {
                    self.is_gone = true;
                    return Ok(status.success());
                }
                None if Instant::now() >= deadline => return Err("it does not end".to_owned()),
                None => std::thread::sleep(LOOK_EVERY),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        // Also when it ended: what it started may go on.
        #[cfg(unix)]
        if let Ok(number) = i32::try_from(self.child.id())
            && let Some(group) = rustix::process::Pid::from_raw(number)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
