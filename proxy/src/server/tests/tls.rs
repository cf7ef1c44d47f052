//! TLS: protocols offered, certificates exchanged while running.

use std::io::Write as _;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;
use crate::config::TlsFiles;

struct Pair {
    folder: tempfile::TempDir,
    files: TlsFiles,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = TlsFiles {
            certificate: folder.path().join("chain.pem"),
            key: folder.path().join("key.pem"),
        };
        Self { folder, files }
    }

    /// Writes a new certificate and returns it in PEM.
    fn issue(&self) -> String {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        write(&self.files.certificate, &cert.pem());
        write(&self.files.key, &signing_key.serialize_pem());
        cert.pem()
    }

    fn load(&self) -> Arc<Certificates> {
        Arc::new(Certificates::load(self.files.clone()).expect("loads"))
    }
}

fn write(path: &std::path::Path, text: &str) {
    let mut file = std::fs::File::create(path).expect("creates");
    file.write_all(text.as_bytes()).expect("writes");
}

fn client(trusting: &str) -> reqwest::Client {
    super::super::tls::install_crypto_provider();
    let certificate = reqwest::Certificate::from_pem(trusting.as_bytes()).expect("PEM");
    reqwest::Client::builder()
        .tls_certs_only([certificate])
        .no_proxy()
        .build()
        .expect("a client")
}

#[tokio::test]
async fn http2_is_offered_and_a_reload_exchanges_the_certificate() {
    let pair = Pair::new();
    let first = pair.issue();
    let certificates = pair.load();
    let server = start_with(settings(), Some(Arc::clone(&certificates))).await;
    let url = format!("https://localhost:{}/npm/a", server.address.port());

    let response = client(&first).get(&url).send().await.expect("answered");
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.text().await.expect("a body"), "a");

    assert!(!certificates.have_changed());
    let second = pair.issue();
    assert!(certificates.have_changed());
    certificates.reload().expect("reloads");
    assert!(!certificates.have_changed());
    assert!(client(&first).get(&url).send().await.is_err());
    assert!(client(&second).get(&url).send().await.is_ok());
}

#[tokio::test]
async fn a_broken_certificate_leaves_the_one_in_use() {
    let pair = Pair::new();
    let first = pair.issue();
    let certificates = pair.load();
    let server = start_with(settings(), Some(Arc::clone(&certificates))).await;
    let url = format!("https://localhost:{}/npm/a", server.address.port());

    let other = Pair::new();
    other.issue();
    let key = std::fs::read_to_string(&other.files.key).expect("a key");
    write(&pair.files.key, &key);
    let error = certificates
        .reload()
        .expect_err("key of another certificate");
    assert!(error.to_string().contains("does not fit"), "{error}");
    write(&pair.files.certificate, "");
    let error = certificates.reload().expect_err("no certificate");
    assert!(error.to_string().contains("chain.pem"), "{error}");
    std::fs::remove_file(&pair.files.certificate).expect("removes");
    certificates.reload().expect_err("no file");
    assert!(client(&first).get(&url).send().await.is_ok());
    drop(pair.folder);
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_is_closed() {
    let pair = Pair::new();
    pair.issue();
    let settings = ServerSettings {
        header_timeout: Duration::from_millis(150),
        ..settings()
    };
    let server = start_with(settings, Some(pair.load())).await;
    for sent in [
        &b""[..],
        &[0x16, 3, 1],
        b"GET /npm/a HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(sent).await.expect("writes");
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("closed");
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP"));
    }
}

#[tokio::test]
async fn a_handshake_under_way_does_not_hold_up_the_end() {
    let pair = Pair::new();
    pair.issue();
    let server = start_with(settings(), Some(pair.load())).await;
    let mut stream = server.connect().await;
    stream.write_all(&[0x16, 3, 1]).await.expect("writes");
    // Accepted in the order of the queue: this one is behind the other.
    let certificate = std::fs::read_to_string(&pair.files.certificate).expect("it is there");
    let url = format!("https://localhost:{}/npm/a", server.address.port());
    assert!(client(&certificate).get(&url).send().await.is_ok());
    server.shutdown.abort();
    let ended = timeout(Duration::from_secs(1), server.ended).await;
    ended.expect("within a second").expect("no panic");
}

#[tokio::test]
async fn a_client_of_these_files_trusts_their_certificate_under_any_name_and_no_other() {
    let (ours, other) = (Pair::new(), Pair::new());
    ours.issue();
    other.issue();
    let server = start_with(settings(), Some(ours.load())).await;
    // The certificate is for `localhost`.
    let url = format!("https://127.0.0.1:{}/npm/a", server.address.port());
    let ask = async |files: &TlsFiles| {
        let tls = Certificates::client_of(files).expect("loads");
        let builder = reqwest::Client::builder().no_proxy();
        let client = builder.tls_backend_preconfigured(tls).build();
        client.expect("a client").get(&url).send().await
    };
    assert_eq!(ask(&ours.files).await.expect("answered").status(), 200);
    ask(&other.files).await.expect_err("another certificate");
}
