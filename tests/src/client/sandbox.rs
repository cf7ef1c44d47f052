//! A home directory of its own for a real client, and what the client printed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a client may run unless the test says otherwise: longer than any sane install, shorter
/// than a retry loop with long pauses.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// An empty home and project folder, removed when dropped.
#[derive(Debug)]
pub struct Sandbox {
    folder: TempDir,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Makes one.
    ///
    /// # Panics
    /// If no temporary folder can be made.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("cordon-client-")
            .tempdir()
            .expect("a temporary folder can be made");
        let sandbox = Self { folder };
        for part in ["home", "project", "tmp"] {
            fs::create_dir(sandbox.path(part)).expect("a new folder is writable");
        }
        sandbox
    }

    /// A path inside.
    pub fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// The home folder the client sees.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The folder the client runs in.
    pub fn project(&self) -> PathBuf {
        self.path("project")
    }

    /// Writes a file below the project folder.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, relative: &str, text: &str) {
        self.write_at(&self.project().join(relative), text);
    }

    /// Writes a file below the home folder.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_home(&self, relative: &str, text: &str) {
        self.write_at(&self.home().join(relative), text);
    }

    /// Reads a file below the project folder.
    ///
    /// # Panics
    /// If it is not there.
    pub fn read(&self, relative: &str) -> String {
        let path = self.project().join(relative);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Whether a file is below the project folder.
    pub fn has(&self, relative: &str) -> bool {
        self.project().join(relative).exists()
    }

    /// Throws away what the client keeps between runs, with everything in the home folder.
    ///
    /// # Panics
    /// If it cannot be removed.
    pub fn forget_caches(&self) {
        fs::remove_dir_all(self.home()).expect("the home folder is ours");
        fs::create_dir(self.home()).expect("a new folder is writable");
    }

    /// Removes a folder below the project folder, if it is there.
    ///
    /// # Panics
    /// If it cannot be removed.
    pub fn forget(&self, relative: &str) {
        let path = self.project().join(relative);
        if path.exists() {
            fs::remove_dir_all(&path).expect("the project folder is ours");
        }
    }

    /// A command with nothing of the caller's environment but `PATH`, in the project folder.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("TMPDIR", self.path("tmp"))
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("CI", "1")
            .env("no_proxy", "*")
            .current_dir(self.project());
        command
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run(&self, command: &mut Command) -> Transcript {
        self.run_within(command, PATIENCE)
    }

    /// Runs a command, and kills it when it takes longer than `patience`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run_within(&self, command: &mut Command, patience: Duration) -> Transcript {
        let printed = self.path("printed");
        // One file for both streams keeps their order, and cannot fill up as a pipe can.
        let output = File::create(&printed).expect("the sandbox is writable");
        let errors = output.try_clone().expect("a file handle can be copied");
        let line = format!("{command:?}");
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {line}: {error}"));
        let status = loop {
            match child.try_wait().expect("our own child can be waited for") {
                Some(status) => break Some(status),
                None if start.elapsed() > patience => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let bytes = fs::read(&printed).unwrap_or_default();
        Transcript {
            line,
            status,
            printed: String::from_utf8_lossy(&bytes).into_owned(),
            took: start.elapsed(),
        }
    }

    fn write_at(&self, path: &Path, text: &str) {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("the sandbox is writable");
        }
        fs::write(path, text).expect("the sandbox is writable");
    }
}

/// What a client did.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// The command line, for messages.
    pub line: String,
    /// How it ended; `None` when it was killed for taking too long.
    pub status: Option<ExitStatus>,
    /// Standard output and standard error, interleaved.
    pub printed: String,
    /// How long it ran.
    pub took: Duration,
}

impl Transcript {
    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Asserts that it ended well.
    #[track_caller]
    pub fn expect_success(&self) -> &Self {
        assert!(self.is_success(), "{self}");
        self
    }

    /// Asserts that it failed by itself, not by running out of time.
    #[track_caller]
    pub fn expect_failure(&self) -> &Self {
        assert!(self.status.is_some_and(|s| !s.success()), "{self}");
        self
    }

    /// Asserts that it printed a text.
    #[track_caller]
    pub fn expect_printed(&self, text: &str) -> &Self {
        assert!(self.printed.contains(text), "no {text:?} in {self}");
        self
    }

    /// Asserts that it was quick: a refusal must not send clients into retries.
    #[track_caller]
    pub fn expect_within(&self, limit: Duration) -> &Self {
        assert!(self.took < limit, "longer than {limit:?}: {self}");
        self
    }
}

impl std::fmt::Display for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = match self.status {
            Some(status) => status.to_string(),
            None => "killed for taking too long".to_owned(),
        };
        write!(
            f,
            "{} ({end}, {:.1} s):\n{}",
            self.line,
            self.took.as_secs_f32(),
            self.printed
        )
    }
}
