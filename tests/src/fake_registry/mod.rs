//! A programmable upstream: npm, PyPI and the sparse crate index on loopback.
//!
//! It runs on a thread of its own, so tests may be synchronous, and answers on two origins, as the
//! public registries do: one for documents (and npm's tarballs), one for PyPI's files and crates.
//! Whatever is asked is recorded; whatever is answered can be made to go wrong.

mod cargo;
mod fault;
mod npm;
mod pypi;
mod release;
mod request_log;
mod server;
pub mod signature;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use cargo::index_path;
pub use fault::Fault;
pub use release::{Protocol, PythonFile, Release};
pub use request_log::{Recorded, RequestLog};

use crate::clock::Clock;
use server::{Answer, Request};
use state::{Declared, State};

/// The two origins, each ending in `/`.
#[derive(Clone, Debug)]
struct Origins {
    main: String,
    files: String,
}

/// What connections share.
struct Shared {
    state: Mutex<State>,
    faults: fault::Faults,
    log: RequestLog,
    origins: Origins,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Answer {
        let state = self.state();
        if let Some((content_type, bytes)) = state.fixed.get(&request.path) {
            return Answer::ok(content_type, bytes.clone());
        }
        if request.method != "GET" && request.method != "HEAD" {
            return Answer::with_status(405, "text/plain", "read only\n");
        }
        let path = request.path.trim_start_matches('/');
        let answer = match path.split_once('/') {
            Some(("npm", rest)) => npm::answer(&state, &self.origins, rest, request),
            Some(("pypi", rest)) => pypi::answer(&state, &self.origins, rest, request),
            Some(("cargo", rest)) => cargo::answer(&state, &self.origins, rest, request),
            Some(("packages", rest)) => pypi::file(&state, rest),
            Some(("crates", rest)) => cargo::file(&state, rest),
            _ => None,
        };
        answer.unwrap_or_else(|| Answer::with_status(404, "application/json", "{}"))
    }
}

/// Whether the index follows when bytes change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// The declared digests become those of the new bytes.
    Follows,
    /// The declared digests stay those of the old bytes.
    Stays,
}

/// The fake registry. Stops when dropped.
pub struct FakeRegistry {
    shared: Arc<Shared>,
    clock: Clock,
    addresses: [SocketAddr; 2],
    servers: Vec<JoinHandle<()>>,
    // Last, so that the servers are aborted before their runtime goes.
    runtime: Option<tokio::runtime::Runtime>,
}

impl FakeRegistry {
    /// Starts on two free loopback ports, with nothing published and a clock that stands over a
    /// year ago.
    ///
    /// # Panics
    /// If loopback cannot be bound.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fake-registry")
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners =
            [any, any].map(|address| bind(&runtime, address).expect("loopback can be bound"));
        let addresses = listeners.each_ref().map(|listener| {
            listener
                .local_addr()
                .expect("a bound socket has an address")
        });
        let [main, files] = addresses.map(|address| format!("http://{address}/"));
        let mut registry = Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                faults: fault::Faults::new(),
                log: RequestLog::default(),
                origins: Origins { main, files },
            }),
            clock: Clock::long_ago(),
            addresses,
            servers: Vec::new(),
            runtime: Some(runtime),
        };
        registry.spawn(listeners.into());
        registry
    }

    /// The base address to configure as upstream: npm's registry root, PyPI's simple index, or the
    /// sparse index root. Ends in `/`.
    pub fn upstream(&self, protocol: Protocol) -> String {
        let main = &self.shared.origins.main;
        match protocol {
            Protocol::Npm => format!("{main}npm/"),
            Protocol::Pypi => format!("{main}pypi/simple/"),
            Protocol::Cargo => format!("{main}cargo/"),
        }
    }

    /// The second origin, where PyPI's files and crates are. Ends in `/`.
    pub fn files_origin(&self) -> &str {
        &self.shared.origins.files
    }

    /// The registry's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What was asked so far.
    pub fn log(&self) -> &RequestLog {
        &self.shared.log
    }

    /// Publishes a version (or replaces it, as no public registry would).
    pub fn publish(&self, release: Release) {
        self.shared.state().publish(release, self.clock.now());
    }

    /// Publishes plain versions of one package, in this order, all at the clock's time.
    pub fn publish_all(&self, protocol: Protocol, name: &str, versions: &[&str]) {
        for version in versions {
            self.publish(Release::new(protocol, name, version));
        }
    }

    /// Takes a version away, with its files; tags pointing to it go as well.
    pub fn delete(&self, protocol: Protocol, name: &str, version: &str) {
        let now = self.clock.now();
        let mut state = self.shared.state();
        let package = state.package_mut(protocol, name);
        package.releases.retain(|r| r.release.version != version);
        package.tags.retain(|_, target| target != version);
        package.modified = package.modified.max(now);
    }

    /// Takes a whole package away: 404 from now on.
    pub fn delete_package(&self, protocol: Protocol, name: &str) {
        let key = (protocol, state::path_name(protocol, name));
        self.shared.state().packages.remove(&key);
    }

    /// Yanks a version (PyPI, cargo), with a reason where the protocol carries one.
    pub fn yank(&self, protocol: Protocol, name: &str, version: &str, reason: &str) {
        self.shared
            .state()
            .stored_mut(protocol, name, version)
            .yanked = Some(reason.to_owned());
    }

    /// Takes a yank back.
    pub fn unyank(&self, protocol: Protocol, name: &str, version: &str) {
        self.shared
            .state()
            .stored_mut(protocol, name, version)
            .yanked = None;
    }

    /// npm: deprecates a version.
    pub fn deprecate(&self, name: &str, version: &str, message: &str) {
        self.shared
            .state()
            .stored_mut(Protocol::Npm, name, version)
            .deprecated = Some(message.to_owned());
    }

    /// npm: points a dist-tag somewhere, or nowhere real.
    pub fn tag(&self, name: &str, tag: &str, version: &str) {
        self.shared
            .state()
            .package_mut(Protocol::Npm, name)
            .tags
            .insert(tag.to_owned(), version.to_owned());
    }

    /// PyPI: sets the project status (PEP 792).
    pub fn set_status(&self, name: &str, status: &str) {
        self.shared.state().package_mut(Protocol::Pypi, name).status = Some(status.to_owned());
    }

    /// Rewrites the publication time of a version that is already out.
    pub fn set_publish_time(
        &self,
        protocol: Protocol,
        name: &str,
        version: &str,
        instant: Option<Timestamp>,
    ) {
        self.shared
            .state()
            .stored_mut(protocol, name, version)
            .published_at = instant;
    }

    /// Changes the bytes of a version's first file under the same name.
    pub fn change_bytes(
        &self,
        protocol: Protocol,
        name: &str,
        version: &str,
        bytes: impl Into<Bytes>,
        index: Index,
    ) {
        let bytes = bytes.into();
        let mut state = self.shared.state();
        let stored = state.stored_mut(protocol, name, version);
        let file = stored.files.first_mut().expect("a release has a file");
        if index == Index::Follows {
            file.declared = Declared::of(&bytes);
        }
        file.bytes = bytes;
    }

    /// The bytes of a version's first file.
    pub fn bytes_of(&self, protocol: Protocol, name: &str, version: &str) -> Bytes {
        let mut state = self.shared.state();
        let stored = state.stored_mut(protocol, name, version);
        stored
            .files
            .first()
            .expect("a release has a file")
            .bytes
            .clone()
    }

    /// The SHA-256 the index declares for a version's first file, in hexadecimal.
    pub fn digest_of(&self, protocol: Protocol, name: &str, version: &str) -> String {
        let mut state = self.shared.state();
        let stored = state.stored_mut(protocol, name, version);
        let file = stored.files.first().expect("a release has a file");
        file.declared.sha256.clone()
    }

    /// The decoded path (on whichever origin) of a version's first file, for faults and counting.
    pub fn file_path(&self, protocol: Protocol, name: &str, version: &str) -> String {
        let origins = self.shared.origins.clone();
        let mut state = self.shared.state();
        let stored = state.stored_mut(protocol, name, version);
        let file = stored.files.first().expect("a release has a file");
        match protocol {
            Protocol::Npm => format!("/npm/{name}/-/{}", file.name),
            Protocol::Cargo => format!("/crates/{name}/{}", file.name),
            Protocol::Pypi => pypi::file_url(file, &origins)
                .strip_prefix(origins.files.trim_end_matches('/'))
                .expect("files are on the files' origin")
                .to_owned(),
        }
    }

    /// The decoded path of a package's document, for faults and counting.
    pub fn document_path(&self, protocol: Protocol, name: &str) -> String {
        let path = state::path_name(protocol, name);
        match protocol {
            Protocol::Npm => format!("/npm/{path}"),
            Protocol::Pypi => format!("/pypi/simple/{path}/"),
            Protocol::Cargo => format!("/cargo/{}", index_path(&path)),
        }
    }

    /// Answers 200 with exactly these bytes at a decoded path, whatever is published.
    pub fn put(&self, path: &str, content_type: &str, bytes: impl Into<Bytes>) {
        self.shared
            .state()
            .fixed
            .insert(path.to_owned(), (content_type.to_owned(), bytes.into()));
    }

    /// Takes a fixed answer back.
    pub fn remove(&self, path: &str) {
        self.shared.state().fixed.remove(path);
    }

    /// cargo: the `dl` template of `config.json`, as given.
    pub fn set_cargo_dl(&self, template: &str) {
        self.shared.state().cargo_dl = Some(template.to_owned());
    }

    /// Makes answers for a decoded path (or, ending in `*`, all below it) go wrong until cleared.
    pub fn fault(&self, path: &str, fault: Fault) {
        self.shared.faults.plan(path, fault, None);
    }

    /// The same for the next `times` answers only.
    pub fn fault_times(&self, path: &str, fault: Fault, times: u32) {
        self.shared.faults.plan(path, fault, Some(times));
    }

    /// Ends the faults planned for exactly this path or pattern.
    pub fn clear_fault(&self, path: &str) {
        self.shared.faults.clear_path(path);
    }

    /// Ends all faults and releases what stalls.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Lets every answer that stalls now go on.
    pub fn release_stalls(&self) {
        self.shared.faults.release();
    }

    /// Closes the ports and every connection: upstream is unreachable.
    pub fn stop(&mut self) {
        let servers = std::mem::take(&mut self.servers);
        let runtime = self.runtime.as_ref().expect("present until dropped");
        for server in &servers {
            server.abort();
        }
        // Waited for, so that the ports are free when this returns.
        for server in servers {
            let _ = futures_block_on(runtime, server);
        }
    }

    /// Opens the same ports again.
    ///
    /// # Panics
    /// If another process took one of them meanwhile.
    pub fn restart(&mut self) {
        self.stop();
        let runtime = self.runtime.as_ref().expect("present until dropped");
        let listeners = self
            .addresses
            .map(|address| bind(runtime, address).expect("the port is still free"));
        self.spawn(listeners.into());
    }

    fn spawn(&mut self, listeners: Vec<TcpListener>) {
        let runtime = self.runtime.as_ref().expect("present until dropped");
        for listener in listeners {
            let task = runtime.spawn(server::serve(listener, Arc::clone(&self.shared)));
            self.servers.push(task);
        }
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        // A plain drop would block, which is not allowed inside a test's own runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn bind(runtime: &tokio::runtime::Runtime, address: SocketAddr) -> std::io::Result<TcpListener> {
    // The standard library's socket can be bound inside and outside a runtime alike.
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let _context = runtime.enter();
    TcpListener::from_std(listener)
}

/// Waits for an aborted task from synchronous or asynchronous tests alike.
fn futures_block_on(runtime: &tokio::runtime::Runtime, task: JoinHandle<()>) -> bool {
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let _ = task.await;
        let _ = sender.send(());
    });
    receiver.recv().is_ok()
}

/// An HTTP date.
fn http_date(instant: Timestamp) -> String {
    jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&instant)
        .expect("test instants have four-digit years")
}
