//! TLS for listeners, with a certificate that is exchanged while running.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use cordon_storage::Chain;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::TlsAcceptor;

use super::{Drain, Phase};
use crate::config::TlsFiles;
use crate::telemetry::Metrics;

/// How often the files are looked at. Looking, and not being told, also works where a folder is
/// exchanged behind a link, as container platforms do.
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Largest certificate or key file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Makes aws-lc-rs the process's cryptography. To be called first thing in `main`; a second call
/// changes nothing.
pub fn install_crypto_provider() {
    let _ = provider().install_default();
}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// The certificate of a listener.
pub struct Certificates {
    files: TlsFiles,
    live: Arc<Live>,
    acceptor: TlsAcceptor,
    seen: Mutex<Option<Stamp>>,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// If they are not a certificate chain and its key.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = Stamp::of(&files);
        let live = Arc::new(Live(ArcSwap::from_pointee(read(&files)?)));
        let resolver = Arc::<Live>::clone(&live);
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            files,
            live,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            seen: Mutex::new(seen),
        })
    }

    /// Reads the files again; new connections get the new certificate.
    ///
    /// # Errors
    /// As for [`load`](Self::load); the certificate in use stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let stamp = Stamp::of(&self.files);
        let key = read(&self.files);
        // Also after a failure: the same broken files are not tried, and reported, again and again.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        self.live.0.store(Arc::new(key?));
        Ok(())
    }

    /// Whether the files are not those read last.
    pub fn have_changed(&self) -> bool {
        Stamp::of(&self.files) != *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the files until the end and reloads them when they change.
    pub async fn watch(self: Arc<Self>, metrics: Arc<Metrics>, mut drain: Drain) {
        loop {
            tokio::select! {
                () = drain.reached(Phase::Draining) => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => (),
            }
            let certificates = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || {
                certificates.have_changed().then(|| certificates.reload())
            });
            match looked.await {
                Ok(Some(outcome)) => report(&metrics, outcome),
                Ok(None) => (),
                Err(error) => tracing::error!(%error, "looking at the TLS certificate failed"),
            }
        }
    }

    /// A client that trusts the certificate in these files and nothing else, whatever name or
    /// address it stands for: for asking this very server.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn client_of(files: &TlsFiles) -> Result<ClientConfig, TlsError> {
        let pinned = Pinned {
            leaf: read(files)?
                .end_entity_cert()
                .map_err(TlsError::Setup)?
                .to_vec(),
            algorithms: provider().signature_verification_algorithms,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        Ok(config)
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Counts and tells how a reload went.
pub fn report(metrics: &Metrics, outcome: Result<(), TlsError>) {
    metrics.certificate_reloaded(outcome.is_ok());
    match outcome {
        Ok(()) => tracing::info!("the TLS certificate was reloaded"),
        Err(error) => {
            tracing::error!(
                error = %Chain(&error),
                "the TLS certificate could not be reloaded; the one before stays in use"
            );
        }
    }
}

/// The certificate in use.
#[derive(Debug)]
struct Live(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Live {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Accepts one certificate. It is compared whole, so names, issuers and dates add nothing; that the
/// other side has its key is still checked.
#[derive(Debug)]
struct Pinned {
    leaf: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if end_entity.as_ref() == self.leaf {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// What tells one state of the files from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp([(SystemTime, u64); 2]);

impl Stamp {
    fn of(files: &TlsFiles) -> Option<Self> {
        let stamp = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Some(Self([stamp(&files.certificate)?, stamp(&files.key)?]))
    }
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let not_pem = |path: &Path| {
        let path = path.to_owned();
        move |error| TlsError::Pem { path, error }
    };
    let chain = contents(&files.certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(not_pem(&files.certificate))?;
    if chain.is_empty() {
        let path = files.certificate.clone();
        return Err(TlsError::Empty { path });
    }
    let key = PrivateKeyDer::from_pem_slice(&contents(&files.key)?).map_err(not_pem(&files.key))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| TlsError::Mismatch {
        files: files.clone(),
        error,
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read as _;
    let unreadable = |error| TlsError::Unreadable {
        path: path.to_owned(),
        error,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("reading {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A file is not PEM, or has no such section.
    #[error("{} is not PEM as expected: {error}", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        error: rustls_pki_types::pem::Error,
    },
    /// No certificate in the file.
    #[error("{} holds no certificate; it needs the chain in PEM, leaf first", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together.
    #[error("the key in {} does not fit the certificate in {}: {error}", files.key.display(), files.certificate.display())]
    Mismatch {
        /// Which.
        files: TlsFiles,
        /// Why.
        error: rustls::Error,
    },
    /// The library refused its own defaults.
    #[error("setting up TLS")]
    Setup(#[source] rustls::Error),
}
