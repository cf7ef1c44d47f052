//! Running: from a configuration to listeners, and back down in order.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::model::Digest;
use cordon_storage::evidence::{Entry, PolicyChange};
use cordon_storage::generations::Generations;
use cordon_storage::{Chain, StorageError};
use http::uri::Authority;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::admin::{Admin, AdminSettings};
use crate::config::{Config, ConfigSource};
use crate::data::{self, OpenData};
use crate::engine::{Clock, Engine, Parts, RandomIds, SystemClock};
use crate::feeds::{AdvisoryData, Feeds};
use crate::http::body::DamageReport;
use crate::http::respond::Responder;
use crate::indicators::IndicatorsError;
use crate::inspection::Workers;
use crate::inspection::scanner::{ScannerError, Scanners};
use crate::maintenance;
use crate::names::{Names, NamesError};
use crate::policy_files::{Granted, LoadedPolicy};
use crate::reload::Reloader;
use crate::selftest::SelfTest;
use crate::server::{Certificates, Phase, Registries, Server, ServerSettings, Shutdown, tls};
use crate::signals::{Asked, Signals};
use crate::telemetry::{Metrics, log};
use crate::upstream::{UpstreamError, Upstreams};
use crate::{app, indicators, registry};

/// A start that failed.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A list of popular names cannot be used.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// What is looked for in archives cannot be used.
    #[error(transparent)]
    Indicators(#[from] IndicatorsError),
    /// An address cannot be listened on.
    #[error("listening on {address}: {error}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The data folder cannot be used.
    #[error("opening the data folder {}", folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What the store said.
        #[source]
        error: StorageError,
    },
    /// The evidence store refused the first record.
    #[error("recording the start")]
    Record(#[source] StorageError),
    /// An upstream client cannot be made.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// A scanner cannot be asked.
    #[error(transparent)]
    Scanner(#[from] ScannerError),
    /// A certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// Logging cannot be started.
    #[error(transparent)]
    Log(#[from] log::LogError),
    /// The ready file cannot be written.
    #[error("writing the ready file {}: {error}", path.display())]
    ReadyFile {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// Rules that are enabled were seen not to act, or nothing could be tested.
    #[error(
        "the self-test failed:\n  {}\nmend or disable the rules named; to serve all the same, set \
         `on_failure = \"warn\"` in [self_test]",
        .0.join("\n  ")
    )]
    SelfTest(Vec<String>),
    /// The operating system refused something a service needs.
    #[error("setting up the process: {0}")]
    System(#[source] io::Error),
}

/// Serves until told to stop. `announce` is told the addresses once both listeners answer; the
/// configuration is read again from `source` when a reload is asked for.
///
/// # Errors
/// If it cannot start. Once it serves it ends in order.
pub async fn serve(
    config: Config,
    source: ConfigSource,
    policy: LoadedPolicy,
    ready_file: Option<&Path>,
    announce: impl FnOnce(&Addresses),
) -> Result<(), ServeError> {
    let mut signals = Signals::install().map_err(ServeError::System)?;
    tls::install_crypto_provider();
    let config = Arc::new(config);
    let metrics = Arc::new(app::metrics());
    let listener = bind(config.listen).await?;
    let admin_listener = bind(config.admin_listen).await?;
    let bound = listener.local_addr().map_err(ServeError::System)?;
    let public_url = config.public_url(bound);
    let open = open(&config).await?;
    let granted = Granted::of(&*open.stores.evidence).await;
    let policy = policy.with_granted(&granted.map_err(ServeError::Record)?);
    let feeds = feeds(&config).await?;
    let judging = Judging {
        policy: &policy,
        advisories: Arc::new(feeds.data()),
    };
    let engine = engine(&config, judging, &open, public_url.clone(), &metrics)?;
    record_policy(&engine, &policy, "start")
        .await
        .map_err(ServeError::Record)?;
    if open.wants_rebuild {
        tokio::select! {
            _ = maintenance::refill(&open.stores) => {}
            () = signals.stop() => {
                tracing::info!("stopping before the cache index was made again");
                open.evidence.close().await;
                return Ok(());
            }
        }
    }

    let self_test = Arc::new(SelfTest::new(
        Arc::clone(&engine),
        Arc::clone(&metrics),
        config.self_test.every,
    ));
    let tested = self_test.run().await;
    if !tested.is_ok() && !config.self_test.may_fail {
        open.evidence.close().await;
        return Err(ServeError::SelfTest(tested.problems()));
    }
    let shutdown = Shutdown::new();
    let certificates = certificates(config.tls.clone())?;
    let admin_certificates = certificates_of_admin(&config)?;
    let reloader = Reloader::new(
        Arc::clone(&engine),
        Arc::clone(&config),
        source,
        &policy,
        Arc::clone(&metrics),
    )
    .with_certificates(certificates.iter().chain(&admin_certificates).cloned())
    .with_self_test(Arc::clone(&self_test))
    .with_feeds(feeds.clone());
    let responder = Responder::new(damage_report(&engine));
    let registries = Registries::new(Arc::clone(&engine), responder, Arc::clone(&metrics));
    let settings = ServerSettings::new(&config.limits, authorities(&public_url));
    let server = Server::on(
        listener,
        settings.clone(),
        certificates.clone(),
        registries,
        Arc::clone(&metrics),
    )
    .map_err(ServeError::System)?;
    let admin = Admin::new(
        Arc::new(reloader.clone()),
        AdminSettings::new(&config),
        Arc::clone(&metrics),
    );
    let admin_server = Server::on(
        admin_listener,
        settings,
        admin_certificates.clone(),
        admin,
        Arc::clone(&metrics),
    )
    .map_err(ServeError::System)?;
    let addresses = Addresses {
        admin: admin_url(&config, admin_server.address()),
        registry: public_url,
    };

    let mut helpers = JoinSet::new();
    for certificates in [certificates, admin_certificates].into_iter().flatten() {
        helpers.spawn(certificates.watch(Arc::clone(&metrics), shutdown.drain()));
    }
    let writing = tokio::spawn({
        let engine = Arc::clone(&engine);
        let mut drain = shutdown.drain();
        async move { engine.write_servings(drain.reached(Phase::Aborting)).await }
    });
    helpers.spawn({
        let engine = Arc::clone(&engine);
        async move { engine.keep_store_bounded().await }
    });
    helpers.spawn(self_test.watch(shutdown.drain()));
    for watch in feeds.watches(&engine, &metrics)? {
        helpers.spawn(watch.run(shutdown.drain()));
    }
    let passing = tokio::spawn({
        let (engine, notes) = (Arc::clone(&engine), pass_notes(&config)?);
        let mut drain = shutdown.drain();
        async move {
            engine
                .run_passes(notes, drain.reached(Phase::Draining))
                .await
        }
    });
    let rechecking = tokio::spawn({
        let engine = Arc::clone(&engine);
        let mut drain = shutdown.drain();
        async move { engine.recheck(drain.reached(Phase::Draining)).await }
    });
    helpers.spawn(maintenance::watch_index(open.stores.clone()));
    helpers.spawn(reloader.clone().watch_files(shutdown.drain()));
    let serving = tokio::spawn(server.run(shutdown.drain()));
    let administering = tokio::spawn(admin_server.run(shutdown.drain()));

    if let Some(path) = ready_file {
        write_ready_file(path, &addresses)?;
    }
    announce(&addresses);
    wait_for_the_end(signals, &reloader, &shutdown).await;
    let drained = serving
        .await
        .map_err(|error| ServeError::System(io::Error::other(error)))?;
    shutdown.abort();
    let _ = administering.await;
    helpers.shutdown().await;
    // Not cut off: they may be in the middle of writing who received what.
    let _ = passing.await;
    let _ = rechecking.await;
    let _ = writing.await;
    engine.finish().await;
    if let Err(error) = engine.stores().cache.flush().await {
        tracing::warn!(error = %Chain(&error), "writing out the cache index failed");
    }
    open.evidence.close().await;
    tracing::info!(aborted_connections = drained.aborted, "stopped");
    Ok(())
}

/// Where a running Cordon answers.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The address clients use, ending in `/`.
    pub registry: Url,
    /// The admin listener, ending in `/`.
    pub admin: Url,
}

impl Addresses {
    /// The lines to paste, for each registry.
    pub fn client_setup(&self) -> String {
        registry::all()
            .iter()
            .map(|registry| {
                let mount = format!("{}/", registry.scheme().ecosystem());
                let base = self
                    .registry
                    .join(&mount)
                    .expect("a mount is a relative address");
                registry.client_setup(&base)
            })
            .collect::<Vec<_>>()
            .join("\n")
    }
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| ServeError::Listen { address, error })
}

async fn open(config: &Config) -> Result<OpenData, ServeError> {
    let folder = config.data.clone();
    let opened = tokio::task::spawn_blocking(move || data::open(&folder, SystemClock.now()));
    opened
        .await
        .map_err(|error| ServeError::System(io::Error::other(error)))?
        .map_err(|error| ServeError::Data {
            folder: config.data.clone(),
            error,
        })
}

/// What a start judges by.
struct Judging<'a> {
    policy: &'a LoadedPolicy,
    advisories: Arc<AdvisoryData>,
}

async fn feeds(config: &Arc<Config>) -> Result<Feeds, ServeError> {
    let config = Arc::clone(config);
    tokio::task::spawn_blocking(move || Feeds::open(config, Arc::new(SystemClock)))
        .await
        .map_err(|error| ServeError::System(io::Error::other(error)))
}

/// Where it is remembered how far passes over what was recorded have come.
fn pass_notes(config: &Config) -> Result<Generations, ServeError> {
    Generations::open(config.data.join("feeds")).map_err(|error| ServeError::Data {
        folder: config.data.clone(),
        error,
    })
}

fn engine(
    config: &Arc<Config>,
    judging: Judging<'_>,
    open: &OpenData,
    public_url: Url,
    metrics: &Arc<Metrics>,
) -> Result<Arc<Engine>, ServeError> {
    let inspector =
        Workers::new(&config.inspection, Arc::clone(metrics)).map_err(ServeError::System)?;
    let scanners = Scanners::new(&config.inspection.scanners, Arc::clone(metrics))?;
    Ok(Engine::new(Parts {
        config: Arc::clone(config),
        public_url,
        ruleset: Arc::clone(&judging.policy.ruleset),
        advisories: judging.advisories,
        names: Names::read(&config.popular)?,
        indicators: indicators::read(&config.indicators)?,
        stores: open.stores.clone(),
        upstreams: Upstreams::new(&config.upstreams, &config.limits)?,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        inspector: Arc::new(inspector),
        scanners: Arc::new(scanners),
        metrics: Arc::clone(metrics),
    }))
}

/// Keeps the text of a policy and records that it came into force.
pub(crate) async fn record_policy(
    engine: &Engine,
    policy: &LoadedPolicy,
    cause: &'static str,
) -> Result<(), StorageError> {
    let evidence = &engine.stores().evidence;
    let text = policy.text();
    let digest: Digest = evidence.put_text(text.into()).await?;
    let change = PolicyChange {
        at: SystemClock.now(),
        ruleset: policy.ruleset.hash().0.clone(),
        text: digest,
        cause: cause.into(),
    };
    evidence.append(vec![Entry::Policy(change)]).await.map(drop)
}

fn certificates(
    files: Option<crate::config::TlsFiles>,
) -> Result<Option<Arc<Certificates>>, ServeError> {
    Ok(files.map(Certificates::load).transpose()?.map(Arc::new))
}

fn certificates_of_admin(config: &Config) -> Result<Option<Arc<Certificates>>, ServeError> {
    certificates(config.admin_tls.clone())
}

fn authorities(public_url: &Url) -> Vec<Authority> {
    let authority = match (public_url.host_str(), public_url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Vec::new(),
    };
    authority.parse().into_iter().collect()
}

fn admin_url(config: &Config, address: std::net::SocketAddr) -> Url {
    let scheme = if config.admin_tls.is_some() {
        "https"
    } else {
        "http"
    };
    Url::parse(&format!("{scheme}://{address}/")).expect("a socket address is a URL authority")
}

fn damage_report(engine: &Arc<Engine>) -> DamageReport {
    let engine = Arc::downgrade(engine);
    let runtime = tokio::runtime::Handle::current();
    Arc::new(move |cleared, error| {
        let Some(engine) = engine.upgrade() else {
            return;
        };
        if error.kind == cordon_storage::StorageErrorKind::Corrupt {
            let (artifact, sha256) = (
                cleared.permit().artifact().clone(),
                cleared.permit().sha256().clone(),
            );
            runtime.spawn(async move { engine.damaged(&artifact, &sha256).await });
        }
    })
}

fn write_ready_file(path: &Path, addresses: &Addresses) -> Result<(), ServeError> {
    let text = serde_json::json!({
        "registry": addresses.registry.as_str().trim_end_matches('/'),
        "admin": addresses.admin.as_str().trim_end_matches('/'),
    })
    .to_string();
    let failed = |error| ServeError::ReadyFile {
        path: path.to_owned(),
        error,
    };
    // Whoever waits for the file must never see half of it.
    let staged = path.with_extension("tmp");
    std::fs::write(&staged, text).map_err(failed)?;
    std::fs::rename(&staged, path).map_err(failed)
}

/// Until asked to stop, reloading when asked to. A second request to stop cuts running requests.
async fn wait_for_the_end(mut signals: Signals, reloader: &Reloader, shutdown: &Shutdown) {
    while signals.next().await == Asked::Reload {
        // What came of it is in the log.
        drop(reloader.reload().await);
    }
    tracing::info!("stopping: finishing running requests");
    shutdown.begin();
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        signals.stop().await;
        shutdown.abort();
    });
}
