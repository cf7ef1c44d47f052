//! The real binary as a process on free ports, with a data folder of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::http;
use crate::fake_registry::{FakeRegistry, Protocol};

/// Names the binary to test; without it the workspace's debug build is used.
pub const BINARY_VARIABLE: &str = "CORDON_BIN";

/// How long a start or an orderly stop may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A Cordon about to be started.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    upstreams: Vec<Upstream>,
    server: String,
    sections: String,
    policy: Option<String>,
    environment: Vec<(OsString, OsString)>,
    arguments: Vec<String>,
    data: Option<Arc<TempDir>>,
}

/// An upstream as it is written into the configuration.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Which protocol.
    pub protocol: Protocol,
    /// Its id.
    pub id: String,
    /// Base address.
    pub url: String,
    /// Further origins for files.
    pub files: Vec<String>,
    /// Further lines of its table: `only = ["acme-*"]`.
    pub extra: String,
}

impl Upstream {
    /// The fake registry as an upstream for one protocol.
    pub fn of(registry: &FakeRegistry, protocol: Protocol, id: &str) -> Self {
        Self {
            protocol,
            id: id.to_owned(),
            url: registry.upstream(protocol),
            files: vec![registry.files_origin().to_owned()],
            extra: String::new(),
        }
    }

    /// Adds a line to its table.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.extra.push_str(line);
        self.extra.push('\n');
        self
    }
}

impl Builder {
    /// All three protocols from one fake registry.
    pub fn new(registry: &FakeRegistry) -> Self {
        Self::without_upstreams().upstreams(
            Protocol::ALL
                .into_iter()
                .map(|protocol| Upstream::of(registry, protocol, "fake")),
        )
    }

    /// No upstream at all: every protocol is switched off.
    pub fn without_upstreams() -> Self {
        Self::default()
    }

    /// Adds upstreams, asked in this order.
    #[must_use]
    pub fn upstreams(mut self, upstreams: impl IntoIterator<Item = Upstream>) -> Self {
        self.upstreams.extend(upstreams);
        self
    }

    /// Uses this policy file; without it, one that allows everything with verified digests.
    #[must_use]
    pub fn policy(mut self, toml: &str) -> Self {
        self.policy = Some(toml.to_owned());
        self
    }

    /// Adds lines to the `[server]` table.
    #[must_use]
    pub fn server(mut self, lines: &str) -> Self {
        self.server.push_str(lines);
        self.server.push('\n');
        self
    }

    /// Adds whole tables to the configuration: `[limits]\n…`.
    #[must_use]
    pub fn section(mut self, toml: &str) -> Self {
        self.sections.push_str(toml);
        self.sections.push('\n');
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds an argument to `cordon serve`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Starts in a folder that is already there, such as another Cordon's
    /// ([`Cordon::folder`]).
    #[must_use]
    pub fn folder(mut self, folder: Arc<TempDir>) -> Self {
        self.data = Some(folder);
        self
    }

    /// Writes the configuration without starting anything, and returns the folder it is in:
    /// `cordon.toml`, `policy.toml`, and `data` (not yet made).
    ///
    /// # Panics
    /// If no temporary folder can be made.
    pub fn write(&self) -> Arc<TempDir> {
        let folder = self.data.clone().unwrap_or_else(|| {
            let made = tempfile::Builder::new().prefix("cordon-").tempdir();
            Arc::new(made.expect("a temporary folder can be made"))
        });
        let write = |name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("the folder is writable");
        };
        write("cordon.toml", &self.config_text(folder.path()));
        write("policy.toml", self.policy.as_deref().unwrap_or(ALLOW_ALL));
        folder
    }

    /// A `cordon` command on the configuration written to a folder ([`write`](Self::write)), not
    /// yet run.
    pub fn prepared(&self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = base_command(self, folder);
        command
            .args(arguments)
            .arg("--config")
            .arg(folder.join("cordon.toml"));
        command
    }

    /// Starts and waits until requests are answered.
    ///
    /// # Panics
    /// If it does not come up, with what it printed.
    pub fn start(self) -> Cordon {
        self.try_start()
            .unwrap_or_else(|printed| panic!("cordon did not start; it printed:\n{printed}"))
    }

    /// Starts and waits until requests are answered.
    ///
    /// # Errors
    /// What it printed, when it ended instead or did not get ready in time.
    pub fn try_start(self) -> Result<Cordon, String> {
        let folder = self.write();
        let (child, addresses) = launch(&self, folder.path())?;
        Ok(Cordon {
            builder: self,
            folder,
            child: Some(child),
            addresses,
        })
    }

    fn config_text(&self, folder: &Path) -> String {
        let mut text = format!(
            "policy = [{}]\n\n[server]\nlisten = \"127.0.0.1:0\"\n\
             admin_listen = \"127.0.0.1:0\"\ndata = {}\n{}\n{}",
            quoted(&folder.join("policy.toml").to_string_lossy()),
            quoted(&folder.join("data").to_string_lossy()),
            self.server,
            self.sections
        );
        // Without a word about feeds they would be fetched from the public ones.
        if !self.sections.contains("[feeds") {
            text.push_str("\n[feeds]\nadvisories = []\n");
        }
        text.push_str("\n[upstream]\n");
        for protocol in Protocol::ALL {
            // A protocol without a table would get its public registry.
            if !self.upstreams.iter().any(|u| u.protocol == protocol) {
                text.push_str(&format!("{} = []\n", protocol.purl_type()));
            }
        }
        for upstream in &self.upstreams {
            let files: Vec<String> = upstream.files.iter().map(|url| quoted(url)).collect();
            text.push_str(&format!(
                "\n[[upstream.{}]]\nid = {}\nurl = {}\nfiles = [{}]\n{}",
                upstream.protocol.purl_type(),
                quoted(&upstream.id),
                quoted(&upstream.url),
                files.join(", "),
                upstream.extra
            ));
        }
        text
    }
}

/// The policy a test gets unless it brings its own: digests are verified, nothing else is asked.
pub const ALLOW_ALL: &str = "[rules.integrity]\n";

/// Where a running Cordon listens, both ending in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Addresses {
    registry: String,
    admin: String,
}

/// A running (or stopped) Cordon. Killed and cleaned up when dropped.
#[derive(Debug)]
pub struct Cordon {
    builder: Builder,
    folder: Arc<TempDir>,
    child: Option<Child>,
    addresses: Addresses,
}

impl Cordon {
    /// One with all three protocols from a fake registry, and the policy [`ALLOW_ALL`].
    ///
    /// # Panics
    /// If it does not come up.
    pub fn start(registry: &FakeRegistry) -> Self {
        Builder::new(registry).start()
    }

    /// The same with a policy.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn with_policy(registry: &FakeRegistry, policy: &str) -> Self {
        Builder::new(registry).policy(policy).start()
    }

    /// The registry's base for a protocol, ending in `/`: `http://127.0.0.1:…/npm/`.
    pub fn url(&self, protocol: Protocol) -> String {
        format!("{}{}/", self.addresses.registry, protocol.purl_type())
    }

    /// The registry listener's root, ending in `/`.
    pub fn root(&self) -> &str {
        &self.addresses.registry
    }

    /// The admin listener's root, ending in `/`.
    pub fn admin(&self) -> &str {
        &self.addresses.admin
    }

    /// GETs a path below a protocol's base.
    #[track_caller]
    pub fn get(&self, protocol: Protocol, path: &str) -> http::Reply {
        http::get(&format!("{}{path}", self.url(protocol)))
    }

    /// The folder with `cordon.toml`, `policy.toml` and `data`.
    pub fn folder(&self) -> &Arc<TempDir> {
        &self.folder
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything it printed so far, over all runs in this folder.
    pub fn log(&self) -> String {
        printed(self.folder.path())
    }

    /// Replaces the policy file. Whether and when it takes effect is up to the process.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write_policy(&self, toml: &str) {
        let path = self.folder.path().join("policy.toml");
        let fresh = self.folder.path().join("policy.toml.new");
        fs::write(&fresh, toml).expect("the folder is writable");
        fs::rename(fresh, path).expect("the folder is writable");
    }

    /// Runs another `cordon` command on the same configuration, such as `["why", id]`.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn command(&self, arguments: &[&str]) -> std::process::Output {
        self.prepared(arguments)
            .output()
            .expect("the binary can be run")
    }

    /// The same, not yet run.
    pub fn prepared(&self, arguments: &[&str]) -> Command {
        self.builder.prepared(self.folder.path(), arguments)
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Panics
    /// If it does not within [`PATIENCE`], or is not running.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::Terminate);
        let mut child = self.child.take().expect("it was running");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("our own child can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "cordon did not stop when asked; it printed:\n{}",
                    self.log()
                );
            }
            std::thread::sleep(POLL);
        }
    }

    /// Kills it as a power cut would, as far as a process can tell.
    ///
    /// # Panics
    /// If it is not running.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it was running");
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be waited for");
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If it is not running.
    pub fn signal(&self, signal: Signal) {
        signal.send(self.pid().expect("it is running"));
    }

    /// Starts it again in the same folder, with the same configuration and new ports. Returns how
    /// long it took until it answered.
    ///
    /// # Panics
    /// If it still runs or does not come up.
    pub fn restart(&mut self) -> Duration {
        assert!(self.child.is_none(), "stop or kill it first");
        let start = Instant::now();
        let (child, addresses) = launch(&self.builder, self.folder.path())
            .unwrap_or_else(|printed| panic!("cordon did not start again:\n{printed}"));
        self.child = Some(child);
        self.addresses = addresses;
        start.elapsed()
    }
}

impl Cordon {
    /// Starts it again on the ports it had, for clients that keep addresses. Another process may
    /// take a port meanwhile, so tests that do not need this use [`restart`](Self::restart).
    ///
    /// # Panics
    /// If it still runs or does not come up.
    pub fn restart_in_place(&mut self) -> Duration {
        let path = self.folder.path().join("cordon.toml");
        let mut text = fs::read_to_string(&path).expect("the configuration is there");
        for (key, url) in [
            ("\nlisten", &self.addresses.registry),
            ("\nadmin_listen", &self.addresses.admin),
        ] {
            let authority = url
                .trim_end_matches('/')
                .rsplit('/')
                .next()
                .unwrap_or_default();
            let free = format!("{key} = {}", quoted("127.0.0.1:0"));
            text = text.replace(&free, &format!("{key} = {}", quoted(authority)));
        }
        fs::write(path, text).expect("the folder is writable");
        self.restart()
    }
}

impl Drop for Cordon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Signals a test may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stop in an orderly way.
    Terminate,
    /// As from a terminal.
    Interrupt,
    /// Read the configuration again.
    Reload,
    /// Stand still.
    Pause,
    /// Go on.
    Resume,
}

impl Signal {
    /// Sends it to a child that was not waited for yet.
    ///
    /// # Panics
    /// If there is no such child.
    pub fn send(self, pid: u32) {
        let pid = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .expect("a child's id is a valid process id");
        let signal = match self {
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Reload => rustix::process::Signal::HUP,
            Self::Pause => rustix::process::Signal::STOP,
            Self::Resume => rustix::process::Signal::CONT,
        };
        rustix::process::kill_process(pid, signal).expect("our own child can be signalled");
    }
}

const POLL: Duration = Duration::from_millis(10);

fn base_command(builder: &Builder, folder: &Path) -> Command {
    let mut command = Command::new(binary());
    // Nothing of the caller's proxies, policies or home may leak in.
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("NO_PROXY", "127.0.0.1")
        .envs(
            builder
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn launch(builder: &Builder, folder: &Path) -> Result<(Child, Addresses), String> {
    let ready = folder.join("ready.json");
    let _ = fs::remove_file(&ready);
    let output = File::options()
        .create(true)
        .append(true)
        .open(folder.join("printed.log"))
        .expect("the folder is writable");
    let errors = output.try_clone().expect("a file handle can be copied");
    let mut child = base_command(builder, folder)
        .arg("serve")
        .arg("--config")
        .arg(folder.join("cordon.toml"))
        .arg("--ready-file")
        .arg(&ready)
        .args(&builder.arguments)
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| error.to_string())?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(addresses) = read_ready(&ready) {
            return Ok((child, addresses));
        }
        let has_ended = child.try_wait().is_ok_and(|status| status.is_some());
        if has_ended || Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(printed(folder));
        }
        std::thread::sleep(POLL);
    }
}

fn read_ready(path: &Path) -> Option<Addresses> {
    let value: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let address = |name: &str| {
        let text = value.get(name)?.as_str()?;
        Some(format!("{}/", text.trim_end_matches('/')))
    };
    Some(Addresses {
        registry: address("registry")?,
        admin: address("admin")?,
    })
}

fn printed(folder: &Path) -> String {
    let bytes = fs::read(folder.join("printed.log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The binary under test: what the environment names, else the workspace's debug build, which is
/// brought up to date once per test process.
///
/// # Panics
/// If it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = std::env::var_os(BINARY_VARIABLE) {
            return PathBuf::from(named);
        }
        build().unwrap_or_else(|error| panic!("building cordon: {error}"))
    })
}

/// cargo itself knows where it puts things, whatever `CARGO_TARGET_DIR` says.
fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "cordon", "--bin", "cordon"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit())
        .output()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "cordon")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| io::Error::other("cargo made no executable named cordon"))
}

/// A TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
