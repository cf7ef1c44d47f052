//! Many clients at once on what is cold and large (INV-9, INV-39; F-20, F-26): one request upstream,
//! the same bytes for all, and memory that does not grow with their number times the size.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cordon_tests::client::http;
use cordon_tests::cordon::Cordon;
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Recorded, Release};
use cordon_tests::memory;
use cordon_tests::numbers::Numbers;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tokio::sync::Barrier;

use crate::scale;

const MIB: usize = 1024 * 1024;

/// What a herd may cost in memory above what the process had before it (F-20).
const EXTRA_MIB: u64 = 128;

/// Longer than a herd takes to gather, shorter than Cordon waits for a silent upstream.
const PATIENCE: Duration = Duration::from_secs(25);

/// A body as a client received it, without keeping it.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    status: u16,
    bytes: usize,
    sha256: String,
}

async fn receive(client: &reqwest::Client, url: &str, accept_encoding: &str) -> Received {
    let request = client.get(url).header("accept-encoding", accept_encoding);
    let mut response = request.send().await.expect("an answer");
    let (mut bytes, mut hasher) = (0, Sha256::new());
    while let Some(chunk) = response.chunk().await.expect("a whole body") {
        bytes += chunk.len();
        hasher.update(&chunk);
    }
    Received {
        status: response.status().as_u16(),
        bytes,
        sha256: HEXLOWER.encode(&hasher.finalize()),
    }
}

/// Sends `count` requests at the same moment and waits for all of them.
fn herd(count: usize, url: &str, codings: &'static [&'static str]) -> Vec<Received> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let client = http::concurrent();
        let start = Arc::new(Barrier::new(count));
        let clients = (0..count).map(|number| {
            let (client, start, url) = (client.clone(), Arc::clone(&start), url.to_owned());
            let coding = codings[number % codings.len()];
            tokio::spawn(async move {
                start.wait().await;
                receive(&client, &url, coding).await
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut received = Vec::with_capacity(count);
        for client in clients {
            received.push(client.await.expect("no client panics"));
        }
        received
    })
}

/// F-20.
#[test]
fn f_20_a_herd_on_one_cold_artifact_costs_one_fetch_and_bounded_memory() {
    let _alone = crate::alone();
    let count = usize::try_from(scale(100, 1_000)).expect("small");
    let size = 20 * MIB;
    let archive = Bytes::from(Numbers::new(20).bytes(size));
    let expected = HEXLOWER.encode(&Sha256::digest(&archive));
    let registry = FakeRegistry::start();
    registry.publish(Release::npm("herd", "1.0.0").archive(archive));
    let cordon = Cordon::start(&registry);
    let pid = cordon.pid().expect("it runs");
    let file = registry.file_path(Protocol::Npm, "herd", "1.0.0");
    let document = registry.document_path(Protocol::Npm, "herd");
    // The artifact arrives when everybody has asked for it.
    registry.fault(&file, Fault::StallAt(1));
    let url = format!("{}herd/-/herd-1.0.0.tgz", cordon.url(Protocol::Npm));
    let before = memory::resident_mib(pid);
    memory::forget_peak(pid);
    let began = Instant::now();
    let clients = std::thread::spawn(move || herd(count, &url, &["identity"]));
    wait_for_connections(&cordon, count + 1);
    let is_asked = |log: &[Recorded]| log.iter().any(|recorded| recorded.path == file);
    registry.log().wait_until(PATIENCE, is_asked);
    registry.clear_faults();
    let received = clients.join().expect("no client panics");
    let took = began.elapsed();
    let peak = memory::peak_mib(pid);
    for one in &received {
        assert_eq!((one.status, one.bytes), (200, size));
        assert_eq!(one.sha256, expected);
    }
    println!(
        "{count} clients, {} MiB each: {} GET of the artifact, {} of its document, 1 digest, \
         {:.1} s; memory {before} MiB before, {peak} MiB at most",
        size / MIB,
        registry.log().gets(&file),
        registry.log().gets(&document),
        took.as_secs_f32()
    );
    assert_eq!(registry.log().gets(&file), 1);
    assert_eq!(registry.log().gets(&document), 1);
    assert!(peak <= before + EXTRA_MIB, "{peak} MiB after {before} MiB");
}

/// Waits until that many connections are open, the one that asks for it included.
fn wait_for_connections(cordon: &Cordon, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let metrics = http::get(&format!("{}metrics", cordon.admin())).text();
        let open = metrics
            .lines()
            .find_map(|line| line.strip_prefix("cordon_connections "))
            .and_then(|number| number.trim().parse::<usize>().ok());
        if open.expect("the metric is there") >= count {
            return;
        }
        assert!(Instant::now() < deadline, "{open:?} of {count} came");
    }
}

/// A packument of about that many bytes, in versions such as large projects have.
fn packument(name: &str, main: &str, bytes: usize) -> String {
    let mut numbers = Numbers::new(25);
    let (mut versions, mut times) = (serde_json::Map::new(), serde_json::Map::new());
    let mut size = 0;
    let mut number = 0;
    while size < bytes {
        let version = format!("1.{}.{}", number / 100, number % 100);
        let words: Vec<String> = (0..300)
            .map(|_| {
                format!(
                    "\"dependency-{}\": \"^{}.0.0\"",
                    numbers.below(9_000),
                    numbers.below(20)
                )
            })
            .collect();
        let manifest = serde_json::json!({
            "name": name,
            "version": version,
            "description": format!("Version {version} of a large package"),
            "dependencies": serde_json::from_str::<serde_json::Value>(&format!("{{{}}}", words.join(",")))
                .expect("an object of strings"),
            "readme": words.join("\n"),
            "dist": {
                "tarball": format!("{main}npm/{name}/-/{name}-{version}.tgz"),
                "shasum": HEXLOWER.encode(&numbers.bytes(20)),
            },
        });
        size += manifest.to_string().len();
        versions.insert(version.clone(), manifest);
        times.insert(version, "2020-01-01T00:00:00.000Z".into());
        number += 1;
    }
    let latest = format!("1.{}.{}", (number - 1) / 100, (number - 1) % 100);
    serde_json::json!({
        "name": name,
        "dist-tags": { "latest": latest },
        "versions": versions,
        "time": times,
    })
    .to_string()
}

/// Memory a Cordon may have here (F-26).
pub(crate) const LIMIT_MIB: u64 = 256;

/// F-26: 16 clients at once on a cold packument of 20 MB, of a Cordon that is refused more
/// than 256 MiB; compressed and not, on both sides.
#[test]
fn f_26_a_herd_on_a_packument_of_20_megabytes_stays_within_256_mebibytes() {
    let _alone = crate::alone();
    let registry = FakeRegistry::start();
    let main = registry.upstream(Protocol::Npm).replace("npm/", "");
    let document = packument("huge", &main, 20_000_000);
    let bytes = document.len();
    registry.put("/npm/huge", "application/json", document);
    for codings in [&["gzip"][..], &["identity"], &["gzip", "identity"]] {
        for is_compressed in [false, true] {
            registry.clear_faults();
            if is_compressed {
                registry.fault("/npm/huge", Fault::Gzip { layers: 1 });
            }
            registry.log().clear();
            let (peak, took) = packument_herd(&registry, bytes, codings, 16);
            println!(
                "{bytes} bytes, 16 clients, {codings:?}, upstream compressed: {is_compressed}: \
                 {took:.1} s, {peak} MiB at most"
            );
            assert_eq!(registry.log().gets("/npm/huge"), 1);
            assert!(peak < LIMIT_MIB, "{peak} MiB");
        }
    }
}

/// A new Cordon's peak memory in MiB, and the seconds the herd took.
pub(crate) fn packument_herd(
    registry: &FakeRegistry,
    bytes: usize,
    codings: &'static [&'static str],
    clients: usize,
) -> (u64, f32) {
    let cordon = Cordon::start(registry);
    let pid = cordon.pid().expect("it runs");
    memory::limit_mib(pid, LIMIT_MIB);
    let began = Instant::now();
    let url = format!("{}huge", cordon.url(Protocol::Npm));
    let received = herd(clients, &url, codings);
    for (number, one) in received.iter().enumerate() {
        let kind = number % codings.len();
        assert_eq!(*one, received[kind], "{codings:?}");
        assert_eq!(one.status, 200, "{codings:?}");
        // Nearly all of it is passed on as it is.
        let is_whole = codings[kind] == "gzip" || one.bytes.abs_diff(bytes) < bytes / 10;
        assert!(is_whole, "{codings:?}: {} bytes", one.bytes);
    }
    (memory::peak_mib(pid), began.elapsed().as_secs_f32())
}

/// How long a failure is answered from memory: the step after which upstream is asked again.
const STEP: Duration = Duration::from_secs(2);

/// F-21: whatever goes wrong upstream, the many who ask again and again cost one request in a step,
/// and each of them is answered at once.
#[test]
fn inv_09_f_21_a_failing_leader_costs_one_request_in_a_step_however_many_ask() {
    let _alone = crate::alone();
    let faults = [
        Fault::CutAt(10),
        Fault::Status(503),
        Fault::WrongBytes,
        Fault::Close,
    ];
    let lasting = Duration::from_secs(scale(5, 15));
    for fault in faults {
        let registry = FakeRegistry::start();
        registry.publish_all(Protocol::Npm, "failing", &["1.0.0"]);
        registry.publish_all(Protocol::Npm, "missing", &["1.0.0"]);
        let file = registry.file_path(Protocol::Npm, "failing", "1.0.0");
        let document = registry.document_path(Protocol::Npm, "missing");
        registry.fault(&file, fault.clone());
        // A document has no digest to be wrong.
        let is_about_files = fault == Fault::WrongBytes;
        if !is_about_files {
            registry.fault(&document, fault.clone());
        }
        let cordon = Cordon::start(&registry);
        let base = cordon.url(Protocol::Npm);
        let mut urls = vec![format!("{base}failing/-/failing-1.0.0.tgz")];
        if !is_about_files {
            urls.push(format!("{base}missing"));
        }
        let began = Instant::now();
        let (answers, slowest) = hammer(64, &urls, lasting);
        let steps = began.elapsed().as_secs_f32() / STEP.as_secs_f32();
        let asked = [registry.log().gets(&file), registry.log().gets(&document)];
        println!(
            "{fault:?}: {answers} answers in {steps:.1} steps, requests upstream: {asked:?}, slowest \
             answer {slowest:?}"
        );
        let limit = steps.ceil() as usize + 1;
        for count in asked.iter().take(urls.len()) {
            assert!((1..=limit).contains(count), "{count} in {steps:.1} steps");
        }
        assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    }
}

/// Asks for all addresses in turn from `clients` clients, each as fast as it is refused. How many
/// answers came, and how long the slowest took.
fn hammer(clients: usize, urls: &[String], lasting: Duration) -> (usize, Duration) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let end = Instant::now() + lasting;
    runtime.block_on(async {
        let client = http::concurrent();
        let all = (0..clients).map(|number| {
            let (client, urls) = (client.clone(), urls.to_owned());
            tokio::spawn(async move {
                let (mut answers, mut slowest) = (0, Duration::ZERO);
                while Instant::now() < end {
                    let began = Instant::now();
                    let url = &urls[(number + answers) % urls.len()];
                    let response = client.get(url).send().await.expect("an answer");
                    let status = response.status().as_u16();
                    assert!(status >= 500 || status == 403, "{url}: {status}");
                    drop(response.bytes().await.expect("a whole body"));
                    answers += 1;
                    slowest = slowest.max(began.elapsed());
                }
                (answers, slowest)
            })
        });
        let all: Vec<_> = all.collect();
        let mut total = (0, Duration::ZERO);
        for one in all {
            let (answers, slowest) = one.await.expect("no client panics");
            total = (total.0 + answers, total.1.max(slowest));
        }
        total
    })
}
