//! A certificate is exchanged when asked, without a restart and without cutting anybody off.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use cordon_tests::client::http;
use cordon_tests::cordon::{Builder, Signal};
use cordon_tests::fake_registry::FakeRegistry;

/// A certificate for this machine and its key, in PEM.
fn issue() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Puts both files there, both with this time.
fn put(folder: &Path, (certificate, key): &(String, String), at: SystemTime) {
    for (name, text) in [("tls.pem", certificate), ("tls.key", key)] {
        fs::write(folder.join(name), text).expect("the folder is writable");
        let file = File::options().write(true).open(folder.join(name));
        let file = file.expect("it was just written");
        file.set_modified(at).expect("the time can be set");
    }
}

/// Whether the server proves itself by this certificate.
fn has(url: &str, certificate: &str) -> bool {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let trusted = reqwest::Certificate::from_pem(certificate.as_bytes()).expect("PEM");
        let client = reqwest::Client::builder()
            .tls_certs_only([trusted])
            .no_proxy()
            .build()
            .expect("a client");
        client.get(url).send().await.is_ok()
    })
}

#[test]
fn sighup_exchanges_the_certificate_also_where_looking_at_the_files_would_not() {
    let registry = FakeRegistry::start();
    let builder =
        Builder::new(&registry).server("tls_certificate = \"tls.pem\"\ntls_key = \"tls.key\"");
    let folder = builder.write();
    let at = SystemTime::now() - Duration::from_secs(3600);
    let first = issue();
    put(folder.path(), &first, at);
    let cordon = builder.folder(folder.clone()).start();
    let url = cordon.root().to_owned();
    assert!(url.starts_with("https://"), "{url}");
    assert!(has(&url, &first.0));

    // Of the same sizes and times, so that only being asked makes Cordon read them.
    let sizes = |pair: &(String, String)| (pair.0.len(), pair.1.len());
    let second = std::iter::repeat_with(issue)
        .take(1000)
        .find(|other| sizes(other) == sizes(&first))
        .expect("sizes vary by a few bytes only");
    put(folder.path(), &second, at);
    assert!(has(&url, &first.0) && !has(&url, &second.0));
    cordon.signal(Signal::Reload);
    let deadline = Instant::now() + http::PATIENCE;
    while !has(&url, &second.0) {
        assert!(Instant::now() < deadline, "{}", cordon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!has(&url, &first.0));

    // A broken one is named, and the one before stays.
    fs::write(folder.path().join("tls.pem"), "no PEM\n").expect("the folder is writable");
    let reload = format!("{}reload", cordon.admin());
    let said = http::request("POST", &reload, &[], b"").expect(422).text();
    assert!(said.contains("tls.pem"), "{said}");
    assert!(said.contains("stays in force"), "{said}");
    assert!(has(&url, &second.0));
}
