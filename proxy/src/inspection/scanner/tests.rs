//! Scanners that answer, fail, and misbehave.

use std::io::Write as _;
use std::net::TcpListener;

use bytes::Bytes;
use cordon_policy::facts::{ScanSeverity, ScanVerdict};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::app;
use crate::config::Secret;
use crate::inspection::tests::artifact;

const DATA: &[u8] = b"the bytes of an archive";
const CLEAN: &str = r#"{"verdict":"clean"}"#;

/// A shell script as a scanner.
fn script(id: &str, text: &str, is_required: bool) -> ScannerConfig {
    let words = ["/bin/sh", "-c", text].map(String::from);
    ScannerConfig {
        id: id.into(),
        target: ScannerTarget::Command(words.to_vec()),
        timeout: Duration::from_secs(30),
        is_required,
    }
}

async fn scan(configs: &[ScannerConfig]) -> ScannerVerdicts {
    let scanners = Scanners::new(configs, Arc::new(app::metrics())).expect("clients");
    let source = Source::Memory(Bytes::from_static(DATA));
    let artifact = artifact("left-pad");
    scanners.scan(&artifact, &Digest::of(DATA), source).await
}

/// What one scanner's failure says.
async fn failure(config: ScannerConfig) -> String {
    let verdicts = scan(&[config]).await;
    assert!(!verdicts.is_clean());
    verdicts.lacking().expect("it gave no answer")
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_gets_the_archive_and_what_it_is_and_its_answer_counts() {
    let looks = r#"
        [ "$(cat)" = "the bytes of an archive" ] || exit 1
        case "$CORDON_FACTS" in
        *'"purl":"pkg:npm/left-pad@1.0.0"'*) ;;
        *) exit 2 ;;
        esac
        [ -z "$HOME" ] || exit 3
        echo '{"verdict":"clean","more":1,
               "findings":[{"rule":"odd","severity":"low","detail":"\u001b[2J"}]}'
    "#;
    // Both read the same archive, each from its beginning.
    let verdicts = scan(&[script("one", looks, true), script("two", looks, true)]).await;
    assert!(verdicts.is_clean(), "{verdicts:?}");
    for scanned in &verdicts.scanners {
        let ScanOutcome::Answered(report) = &scanned.outcome else {
            panic!("{scanned:?}");
        };
        assert_eq!(report.findings[0].severity, ScanSeverity::Low);
        assert_eq!(report.findings[0].detail, "\\u{1b}[2J");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn y_03_y_07_no_answer_is_no_clean_answer() {
    let endless = "while :; do echo '                                '; done";
    let after = format!("echo '{CLEAN}'; exit 1");
    let killed = format!("echo '{CLEAN}'; kill -9 $$");
    let twice = format!("echo '{CLEAN}{CLEAN}'");
    for (text, expected) in [
        ("exit 0", "empty"),
        ("echo '  '", "empty"),
        ("exit 1", "did not exit with 0"),
        (after.as_str(), "did not exit with 0"),
        (killed.as_str(), "did not exit with 0"),
        (endless, "more than 1048576"),
        ("echo clean", "cannot be read"),
        ("echo '{}'", "cannot be read"),
        (r#"echo '{"verdict":"Clean"}'"#, "cannot be read"),
        (twice.as_str(), "cannot be read"),
    ] {
        let why = failure(script("av", text, true)).await;
        assert!(why.contains(expected), "{text}: {why}");
    }
    let mut missing = script("av", "", true);
    missing.target = ScannerTarget::Command(vec!["/does/not/exist".to_owned()]);
    let why = failure(missing).await;
    assert!(why.contains("/does/not/exist"), "{why}");
}

#[cfg(unix)]
#[tokio::test]
async fn y_03_a_program_that_hangs_is_ended_with_all_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(status.expect("mkfifo").success());
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::custom_flags(options.read(true), libc::O_NONBLOCK);
    let reading = options.open(&pipe).expect("a pipe");
    // A grandchild holds the other end open for as long as it lives.
    let text = format!("exec 3>'{}'; sleep 1000 & wait", pipe.display());
    let mut config = script("av", &text, true);
    config.timeout = Duration::from_secs(2);
    let why = failure(config).await;
    assert!(why.contains("2 s") || why.contains("in time"), "{why}");
    let mut ends = [PollFd::new(&reading, PollFlags::empty())];
    let patience = Timespec::try_from(Duration::from_secs(60)).expect("a minute");
    assert_eq!(poll(&mut ends, Some(&patience)), Ok(1), "it goes on");
    assert!(ends[0].revents().contains(PollFlags::HUP));
}

#[cfg(unix)]
#[tokio::test]
async fn y_04_one_that_fails_is_not_covered_by_another_that_finds_nothing() {
    let clean = format!("echo '{CLEAN}'");
    let bad = r#"echo '{"verdict":"malicious","findings":[]}'"#;
    let verdicts = scan(&[script("a", "exit 1", true), script("b", &clean, true)]).await;
    assert!(!verdicts.is_clean());
    let optional = [script("a", "exit 1", false), script("b", &clean, true)];
    assert!(scan(&optional).await.is_clean());
    let both = [script("a", bad, false), script("b", &clean, true)];
    let verdicts = scan(&both).await;
    assert_eq!(verdicts.worst(), Some(ScanVerdict::Malicious));
    assert!(!verdicts.is_clean());
}

/// Answers one request with `answer` and gives what was asked.
fn serve(answer: Vec<u8>) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/scan", listener.local_addr().expect("bound"));
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut asked = Vec::new();
        let mut piece = [0; 4096];
        while !asked.ends_with(DATA) {
            let read = std::io::Read::read(&mut stream, &mut piece).expect("a request");
            assert!(read > 0, "the request was cut");
            asked.extend_from_slice(&piece[..read]);
        }
        // A client that has enough goes.
        let _ = stream.write_all(&answer);
        asked
    });
    (url, serving)
}

fn service(url: &str) -> ScannerConfig {
    ScannerConfig {
        id: "service".into(),
        target: ScannerTarget::Url {
            url: url.parse().expect("an address"),
            secret: Secret::new("0123456789abcdef0123456789abcdef".to_owned()),
        },
        timeout: Duration::from_secs(30),
        is_required: true,
    }
}

fn answered(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_the_archive_signed() {
    crate::server::tls::install_crypto_provider();
    let (url, serving) = serve(answered("200 OK", CLEAN));
    let verdicts = scan(&[service(&url)]).await;
    assert!(verdicts.is_clean(), "{verdicts:?}");
    let asked = String::from_utf8(serving.join().expect("served")).expect("text");
    let header = |name: &str| {
        let line = asked.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a header").trim().to_owned()
    };
    assert!(asked.starts_with("POST /scan HTTP/1.1\r\n"), "{asked}");
    assert_eq!(header("content-length:"), DATA.len().to_string());
    let facts = header("x-cordon-facts:");
    assert!(facts.contains(&Digest::of(DATA).hex()), "{facts}");
    let signature = header("x-cordon-signature:");
    let (seconds, code) = signature.split_once(",v1=").expect("two parts");
    let signed = format!("{}.{facts}", seconds.trim_start_matches("t="));
    // Computed the way RFC 2104 words it, not by what is tested.
    let key = b"0123456789abcdef0123456789abcdef";
    let pad = |with: u8| -> Vec<u8> {
        let key = key.iter().copied().chain([0; 32]);
        key.map(|byte| byte ^ with).collect()
    };
    let hash = |parts: [&[u8]; 2]| Digest::of(&parts.concat());
    let inner = hash([&pad(0x36), signed.as_bytes()]);
    assert_eq!(code, hash([&pad(0x5c), inner.as_bytes()]).hex());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_fails_or_says_too_much_gave_no_answer() {
    crate::server::tls::install_crypto_provider();
    let large = format!("{CLEAN}{}", " ".repeat(ANSWER_BYTES));
    for (answer, expected) in [
        (answered("500 Oops", CLEAN), "500"),
        (answered("302 Found", CLEAN), "302"),
        (answered("204 Nothing", ""), "204"),
        (answered("200 OK", ""), "empty"),
        (answered("200 OK", &large), "more than 1048576"),
        (b"nonsense".to_vec(), "error"),
    ] {
        let (url, serving) = serve(answer);
        let why = failure(service(&url)).await;
        assert!(why.contains(expected), "{expected}: {why}");
        serving.join().expect("served");
    }
    // Nobody there.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let why = failure(service(&url)).await;
    assert!(why.contains("service"), "{why}");
}
