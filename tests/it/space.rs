//! The blob store stays within `limits.store_size` by itself, and what went comes back as it was.

use std::fs;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cordon_tests::client::http;
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Index, Protocol, Release};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

const NAME: &str = "bulky-package";
/// Four artifacts fit.
const LIMIT_BYTES: u64 = 5 * 1024 * 1024;
const LIMITS: &str = "[limits]\nartifact_size = \"2 MiB\"\nstore_size = \"5 MiB\"\n";
const VERSIONS: usize = 10;

fn version(number: usize) -> String {
    format!("1.0.{number}")
}

fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start();
    for number in 0..VERSIONS {
        registry.publish(Release::npm(NAME, &version(number)).padded(1_000_000));
    }
    registry
}

fn url(cordon: &Cordon, number: usize) -> String {
    let base = cordon.url(Protocol::Npm);
    format!("{base}{NAME}/-/{NAME}-{}.tgz", version(number))
}

fn bytes(registry: &FakeRegistry, number: usize) -> Bytes {
    registry.bytes_of(Protocol::Npm, NAME, &version(number))
}

fn gets(registry: &FakeRegistry, number: usize) -> usize {
    let path = registry.file_path(Protocol::Npm, NAME, &version(number));
    registry.log().gets(&path)
}

fn is_stored(cordon: &Cordon, bytes: &[u8]) -> bool {
    let digest = HEXLOWER.encode(&Sha256::digest(bytes));
    let shard = cordon.data().join("blobs/blobs/sha256").join(&digest[..2]);
    shard.join(digest).exists()
}

/// What the blobs take on the disk.
fn stored_bytes(cordon: &Cordon) -> u64 {
    let shards = fs::read_dir(cordon.data().join("blobs/blobs/sha256"));
    shards
        .into_iter()
        .flatten()
        .filter_map(|shard| fs::read_dir(shard.ok()?.path()).ok())
        .flatten()
        .filter_map(|blob| Some(blob.ok()?.metadata().ok()?.len()))
        .sum()
}

fn metric(cordon: &Cordon, name: &str) -> Option<u64> {
    let text = http::get(&format!("{}metrics", cordon.admin())).text();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn wait_until(what: &str, cordon: &Cordon, is_met: impl Fn() -> bool) {
    let deadline = Instant::now() + http::PATIENCE;
    while !is_met() {
        assert!(
            Instant::now() < deadline,
            "{what}: waited in vain; {} bytes on the disk, {:?} counted\n{}",
            stored_bytes(cordon),
            metric(cordon, "cordon_store_bytes"),
            cordon.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_store_shrinks_below_its_limit_by_itself_and_what_went_is_fetched_and_proved_again() {
    let registry = registry();
    let cordon = Builder::new(&registry).section(LIMITS).start();
    let limit = LIMIT_BYTES;
    for number in 0..VERSIONS {
        let body = http::get(&url(&cordon, number)).expect(200).body;
        assert_eq!(body, bytes(&registry, number));
        // Served from memory each time, and never the least recently used.
        assert_eq!(
            http::get(&url(&cordon, 0)).expect(200).body,
            bytes(&registry, 0)
        );
    }
    wait_until("the limit", &cordon, || {
        stored_bytes(&cordon) <= limit
            && metric(&cordon, "cordon_store_bytes").is_some_and(|bytes| bytes <= limit)
    });
    let counted = |name: &str| metric(&cordon, name).unwrap_or(0);
    wait_until("the end of a collection", &cordon, || {
        counted("cordon_collections_total{outcome=\"ok\"}") >= 1
    });
    assert!(counted("cordon_collected_blobs_total") >= 6);
    assert!(counted("cordon_collected_bytes_total") >= 6_000_000);
    assert!(
        cordon.log().contains("the store was above its limit"),
        "{}",
        cordon.log()
    );
    assert!(is_stored(&cordon, &bytes(&registry, 0)), "the hot one went");
    assert_eq!(gets(&registry, 0), 1);

    let gone: Vec<usize> = (0..VERSIONS)
        .filter(|number| !is_stored(&cordon, &bytes(&registry, *number)))
        .collect();
    let [first, second, ..] = gone[..] else {
        panic!("{gone:?} went");
    };
    let reply = http::get(&url(&cordon, first)).expect(200);
    assert_eq!(reply.body, bytes(&registry, first));
    assert_eq!(gets(&registry, first), 2);
    // Gone from the store is not gone from memory: other bytes than the first are refused.
    let other = vec![7; 1_000_000];
    registry.change_bytes(
        Protocol::Npm,
        NAME,
        &version(second),
        other.clone(),
        Index::Follows,
    );
    let reply = http::get(&url(&cordon, second)).expect(403);
    assert_ne!(reply.body, other);
}

#[test]
fn a_start_above_the_limit_collects_and_gc_does_so_while_stopped() {
    let registry = registry();
    let mut cordon = Builder::new(&registry).start();
    for number in 0..VERSIONS {
        let _ = http::get(&url(&cordon, number)).expect(200);
    }
    cordon.stop();
    let full = stored_bytes(&cordon);
    assert!(full > 10_000_000);
    let to = 6_000_000;
    let told = |arguments: &[&str]| {
        let output = cordon.command(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(told(&["gc", "--to", &to.to_string(), "--dry-run"]).contains("would be removed"));
    assert_eq!(stored_bytes(&cordon), full);
    let done = told(&["gc", "--to", &to.to_string()]);
    // Five files, and the keys the registry signs with.
    assert!(done.contains("6 blobs removed"), "{done}");
    assert!(stored_bytes(&cordon) <= to);

    let folder = cordon.folder().clone();
    drop(cordon);
    let cordon = Builder::new(&registry).section(LIMITS).folder(folder);
    let cordon = cordon.start();
    wait_until("the limit", &cordon, || {
        stored_bytes(&cordon) <= LIMIT_BYTES
    });
    for number in 0..VERSIONS {
        let body = http::get(&url(&cordon, number)).expect(200).body;
        assert_eq!(body, bytes(&registry, number));
    }
}
