//! What reaches a client is whole, proved, and the first that was seen (INV-1, 2, 4 to 10).

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Index, Protocol, Release};
use cordon_tests::fixture::{self, OLD, PACKAGE, Scene};
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::scale;

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// Where the blob store keeps these bytes.
fn blob(cordon: &Cordon, bytes: &[u8]) -> PathBuf {
    let digest = sha256(bytes);
    let shard = cordon.data().join("blobs/blobs/sha256").join(&digest[..2]);
    shard.join(digest)
}

/// Every live blob, as path and content.
fn live_blobs(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let shards = fs::read_dir(data.join("blobs/blobs/sha256"));
    shards
        .into_iter()
        .flatten()
        .filter_map(|shard| fs::read_dir(shard.ok()?.path()).ok())
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_blob = path.file_name()?.len() == 64;
            let content = is_blob.then(|| fs::read(&path).ok()).flatten()?;
            Some((path, content))
        })
        .collect()
}

fn locked(scene: &Scene, protocol: Protocol, version: &str) -> String {
    listing::locked_url(protocol, &scene.cordon.url(protocol), PACKAGE, version)
}

#[test]
fn inv_01_not_a_byte_is_sent_while_the_last_one_is_missing() {
    let scene = Scene::new();
    for protocol in Protocol::ALL {
        let expected = scene.registry.bytes_of(protocol, PACKAGE, OLD);
        let path = scene.registry.file_path(protocol, PACKAGE, OLD);
        let url = locked(&scene, protocol, OLD);
        scene
            .registry
            .fault_times(&path, Fault::StallAt(expected.len() - 1), 1);
        let mut client = http::connect(&url).expect("a connection");
        let target = &url[url
            .find("/npm/")
            .or(url.find("/pypi/"))
            .or(url.find("/cargo/"))
            .expect("a mount")..];
        write!(
            client,
            "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        scene
            .registry
            .log()
            .wait_until(http::PATIENCE, |all| all.iter().any(|r| r.path == path));
        let silence = Duration::from_secs(scale(2, 20));
        client.set_read_timeout(Some(silence)).expect("a time-out");
        let mut first = [0; 1];
        let early = client.read(&mut first);
        assert!(early.is_err(), "{protocol:?}: {early:?} arrived early");
        scene.registry.release_stalls();
        client
            .set_read_timeout(Some(http::PATIENCE))
            .expect("a time-out");
        let mut received = Vec::new();
        client.read_to_end(&mut received).expect("the answer");
        let reply = http::parse(&received, false)
            .expect("an answer")
            .expect(200);
        assert_eq!(reply.body, expected);
        assert!(reply.header("x-cordon-decision").is_some(), "{reply:?}");
    }
}

/// What stands under the address changes after the first request: the address's bytes do not.
fn later_bytes_never_arrive(index: Index) {
    let registry = fixture::registry();
    let freshness = "[freshness]\nmin_age = \"1s\"\nmax_age = \"1s\"\n";
    let mut cordon = Builder::new(&registry).section(freshness).start();
    for protocol in Protocol::ALL {
        let url = |cordon: &Cordon| {
            let path = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, OLD);
            // The checksum in the address is that of the first bytes: it is in the lock file.
            path.replace(cordon.root(), "")
        };
        let before = url(&cordon);
        let first = registry.bytes_of(protocol, PACKAGE, OLD);
        let reply = http::get(&format!("{}{before}", cordon.root())).expect(200);
        assert_eq!(reply.body, first);
        let mut other = first.to_vec();
        other.extend_from_slice(b"later");
        registry.change_bytes(protocol, PACKAGE, OLD, other.clone(), index);
        let path = registry.file_path(protocol, PACKAGE, OLD);
        for step in ["at once", "after a restart", "with the stored bytes gone"] {
            match step {
                "at once" => {}
                "after a restart" => {
                    cordon.stop();
                    cordon.restart();
                }
                _ => {
                    cordon.stop();
                    fs::remove_file(blob(&cordon, &first)).expect("the first bytes are kept");
                    cordon.restart();
                }
            }
            // Until upstream was asked for the index again, there is nothing to be taken in by.
            let document = registry.document_path(protocol, PACKAGE);
            let asked = registry.log().gets(&document);
            let deadline = Instant::now() + http::PATIENCE;
            while registry.log().gets(&document) == asked {
                assert!(
                    Instant::now() < deadline,
                    "{document} is never asked for again"
                );
                let _ = listing::document(protocol, &cordon.url(protocol), PACKAGE);
            }
            let now = http::get(&format!("{}{before}", cordon.root()));
            let mut replies = vec![now];
            // Whatever the index says now may be followed as well.
            let document = listing::document(protocol, &cordon.url(protocol), PACKAGE);
            if document.status == 200 {
                let all = listing::list(protocol, &cordon.url(protocol), PACKAGE);
                let listed = all.iter().find(|one| one.version == OLD);
                replies.extend(listed.map(|one| http::get(&one.url)));
            }
            for reply in replies {
                let is_refusal = reply.status >= 400;
                assert!(
                    is_refusal || reply.body == first,
                    "{protocol:?} {step} {path}: {} and other bytes",
                    reply.status
                );
                assert!(!reply.body.ends_with(b"later"), "{protocol:?} {step}");
            }
        }
    }
}

#[test]
fn inv_02_bytes_changed_behind_an_address_never_arrive() {
    later_bytes_never_arrive(Index::Stays);
}

#[test]
fn inv_06_bytes_changed_together_with_the_index_never_arrive() {
    later_bytes_never_arrive(Index::Follows);
}

/// A version of its own for every way to break, so that none rests on another's failure.
#[test]
fn inv_07_an_incomplete_or_wrong_body_is_never_kept() {
    let registry = FakeRegistry::start();
    let cuts = usize::try_from(scale(6, 64)).expect("small");
    for protocol in Protocol::ALL {
        let name = "broken-package";
        registry.publish(Release::new(protocol, name, "0.9.0"));
        let length = |version: &str| registry.bytes_of(protocol, name, version).len();
        let mut broken = Vec::new();
        for number in 0..cuts + 6 {
            let version = format!("1.0.{number}");
            registry.publish(Release::new(protocol, name, &version).padded(64 * 1024));
            let length = length(&version);
            let fault = match number.checked_sub(cuts) {
                None => Fault::CutAt(number * (length - 1) / (cuts - 1)),
                Some(0) => Fault::WrongLength(1),
                Some(1) => Fault::WrongLength(-1),
                Some(2) => Fault::ChunkedWithoutEnd,
                Some(3) => Fault::WrongBytes,
                Some(4) => Fault::MislabelledGzip,
                Some(_) => Fault::HtmlPage(200),
            };
            let path = registry.file_path(protocol, name, &version);
            registry.fault(&path, fault.clone());
            broken.push((version, fault));
        }
        let cordon = Cordon::start(&registry);
        let base = cordon.url(protocol);
        for (version, fault) in broken {
            let listed = listing::list(protocol, &base, name);
            let url = &listed
                .iter()
                .find(|one| one.version == version)
                .expect("listed")
                .url;
            let path = registry.file_path(protocol, name, &version);
            let asked = registry.log().gets(&path);
            let reply = http::get(url);
            let bytes = registry.bytes_of(protocol, name, &version);
            if fault == Fault::MislabelledGzip && reply.status == 200 {
                // The label was wrong, the bytes were not: they match the published digest.
                assert_eq!(reply.body, bytes, "{protocol:?} {fault:?}");
                continue;
            }
            let is_refusal = matches!(reply.status, 403 | 502 | 503 | 504);
            assert!(is_refusal, "{protocol:?} {fault:?}: {}", reply.status);
            assert!(
                !blob(&cordon, &bytes).exists(),
                "{protocol:?} {fault:?} was kept"
            );
            for (kept, content) in live_blobs(&cordon.data()) {
                let named = kept.file_name().and_then(|name| name.to_str());
                assert_eq!(named, Some(sha256(&content).as_str()), "{fault:?}");
            }
            if registry.log().gets(&path) > asked {
                continue;
            }
            // The circuit was open: this case proved nothing yet, so it is asked again.
            std::thread::sleep(Duration::from_millis(1100));
            let again = http::get(url);
            assert!(
                again.status >= 400,
                "{protocol:?} {fault:?}: {}",
                again.status
            );
            assert!(
                registry.log().gets(&path) > asked,
                "{protocol:?} {fault:?} was not asked"
            );
        }
    }
}

#[test]
fn inv_08_a_compressed_answer_is_stored_and_sent_as_the_index_declares_it() {
    for layers in 1..=2 {
        let scene = Scene::new();
        for protocol in Protocol::ALL {
            let expected = scene.registry.bytes_of(protocol, PACKAGE, OLD);
            let path = scene.registry.file_path(protocol, PACKAGE, OLD);
            scene.registry.fault(&path, Fault::Gzip { layers });
            let reply = http::get(&locked(&scene, protocol, OLD));
            match reply.status {
                200 => assert_eq!(reply.body, expected, "{protocol:?} {layers}"),
                status => assert!(status >= 500, "{protocol:?} {layers}: {status}"),
            }
            assert_eq!(
                reply.header("content-encoding"),
                None,
                "{protocol:?} {layers}"
            );
            for asked in scene.registry.log().of(&path) {
                assert_eq!(
                    asked.header("accept-encoding"),
                    Some("identity"),
                    "{asked:?}"
                );
            }
        }
    }
}

fn all_at_once(urls: &[String]) -> Vec<(u16, Bytes)> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let client = http::concurrent();
        let sent = urls.iter().map(|url| {
            let request = client.get(url).send();
            async move {
                let reply = request.await.expect("an answer");
                let status = reply.status().as_u16();
                (status, reply.bytes().await.expect("a body"))
            }
        });
        futures_util::future::join_all(sent).await
    })
}

#[test]
fn inv_09_many_cold_requests_make_one_fetch() {
    let scene = Scene::new();
    let count = usize::try_from(scale(40, 400)).expect("small");
    for protocol in Protocol::ALL {
        let path = scene.registry.file_path(protocol, PACKAGE, OLD);
        let expected = scene.registry.bytes_of(protocol, PACKAGE, OLD);
        let urls = vec![locked(&scene, protocol, OLD); count];
        for (status, body) in all_at_once(&urls) {
            assert_eq!(status, 200, "{protocol:?}");
            assert_eq!(body, expected, "{protocol:?}");
        }
        assert_eq!(scene.registry.log().gets(&path), 1, "{protocol:?}");
    }
}

#[test]
fn inv_09_a_failing_leader_makes_few_fetches_not_one_for_each_who_waits() {
    let scene = Scene::new();
    let count = usize::try_from(scale(40, 400)).expect("small");
    for protocol in Protocol::ALL {
        let path = scene.registry.file_path(protocol, PACKAGE, OLD);
        scene.registry.fault(&path, Fault::CutAt(10));
        let urls = vec![locked(&scene, protocol, OLD); count];
        for (status, _) in all_at_once(&urls) {
            assert!(status >= 500, "{protocol:?}: {status}");
        }
        let fetches = scene.registry.log().gets(&path);
        println!("{protocol:?}: {count} requests, {fetches} fetches");
        assert!(
            (1..=count / 4).contains(&fetches),
            "{protocol:?}: {fetches} of {count}"
        );
    }
}

#[test]
fn inv_04_no_served_document_names_an_origin() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        for version in ["1.0.0", "1.1.0"] {
            registry.publish(Release::new(protocol, PACKAGE, version).with_provenance());
        }
    }
    let cordon = Cordon::start(&registry);
    let main = registry.upstream(Protocol::Npm);
    let origins = [main.trim_end_matches("npm/"), registry.files_origin()];
    let authorities: Vec<&str> = origins
        .iter()
        .map(|origin| origin.trim_start_matches("http://").trim_end_matches('/'))
        .collect();
    let cargo_index = format!("cargo/{}", cordon_tests::fake_registry::index_path(PACKAGE));
    let paths = [
        format!("npm/{PACKAGE}"),
        format!("npm/{PACKAGE}/1.0.0"),
        format!("npm/-/v1/search?text={PACKAGE}"),
        format!("npm/-/package/{PACKAGE}/dist-tags"),
        format!("npm/-/npm/v1/attestations/{PACKAGE}@1.0.0"),
        "npm/-/npm/v1/keys".to_owned(),
        "pypi/simple/".to_owned(),
        format!("pypi/simple/{PACKAGE}/"),
        format!("pypi/simple/{PACKAGE}/?format=application/vnd.pypi.simple.v1+json"),
        format!("pypi/pypi/{PACKAGE}/json"),
        format!("pypi/pypi/{PACKAGE}/1.0.0/json"),
        "cargo/config.json".to_owned(),
        cargo_index,
        "npm/no-such-package".to_owned(),
        "pypi/simple/no-such-package/".to_owned(),
    ];
    let abbreviated = "application/vnd.npm.install-v1+json";
    for path in paths {
        for accept in ["*/*", abbreviated, "text/html"] {
            let url = format!("{}{path}", cordon.root());
            let reply = http::get_with(&url, &[("Accept", accept)]);
            let text = format!("{:?}\n{}", reply.headers, reply.text());
            for authority in &authorities {
                for form in [
                    (*authority).to_owned(),
                    authority.replace(':', "%3A"),
                    authority.replace(':', "%3a"),
                    authority.replace(':', "&#58;"),
                    authority.replace(':', "\\u003a"),
                ] {
                    assert!(
                        !text.contains(&form),
                        "{path} as {accept} names {form}: {text}"
                    );
                }
            }
        }
    }
}

#[test]
fn inv_05_stored_bytes_that_rot_are_never_served_and_fetched_once_more() {
    let registry = fixture::registry();
    let mut cordon = Cordon::start(&registry);
    let flips = scale(3, 300);
    for protocol in Protocol::ALL {
        let expected = registry.bytes_of(protocol, PACKAGE, OLD);
        let path = registry.file_path(protocol, PACKAGE, OLD);
        let first = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, OLD);
        assert_eq!(http::get(&first).expect(200).body, expected);
        for round in 0..flips {
            cordon.stop();
            let file = blob(&cordon, &expected);
            let mut rotten = fs::read(&file).expect("the blob is where the layout says");
            let at = usize::try_from(round).expect("small") * (rotten.len() - 1)
                / usize::try_from(flips).expect("small");
            rotten[at] ^= 1 << (round % 8);
            fs::write(&file, rotten).expect("a write");
            cordon.restart();
            registry.log().clear();
            let url = listing::locked_url(protocol, &cordon.url(protocol), PACKAGE, OLD);
            // The answer under way may be given up; the one after it must be right.
            let reply = http::try_request("GET", &url, &[], b"");
            if let Ok(reply) = reply
                && reply.status == 200
                && reply.is_complete
            {
                assert_eq!(reply.body, expected, "{protocol:?}, byte {at}");
            }
            assert_eq!(
                http::get(&url).expect(200).body,
                expected,
                "{protocol:?}, byte {at}"
            );
            assert_eq!(registry.log().gets(&path), 1, "{protocol:?}, byte {at}");
            let metrics = http::get(&format!("{}metrics", cordon.admin())).text();
            let counted = metrics
                .lines()
                .find(|line| line.contains("damaged_blobs_total"));
            assert!(
                counted.is_some_and(|line| line.ends_with(" 1")),
                "{counted:?}"
            );
        }
    }
    assert!(
        cordon.log().contains("stored bytes are damaged"),
        "{}",
        cordon.log()
    );
}

#[test]
fn inv_10_a_kill_while_committing_leaves_no_object_that_fails_its_hash() {
    let registry = FakeRegistry::start();
    let names: Vec<String> = (0..8).map(|n| format!("kill-{n}")).collect();
    for name in &names {
        registry.publish(Release::npm(name, "1.0.0").padded(200_000));
    }
    let mut cordon = Cordon::start(&registry);
    for round in 0..scale(4, 100) {
        let urls: Vec<String> = names
            .iter()
            .map(|name| format!("{}{name}/-/{name}-1.0.0.tgz", cordon.url(Protocol::Npm)))
            .collect();
        let load = std::thread::spawn(move || {
            for url in urls {
                let _ = http::try_request("GET", &url, &[], b"");
            }
        });
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 400));
        cordon.kill();
        load.join().expect("the load ends by itself");
        for (path, content) in live_blobs(&cordon.data()) {
            let named = path.file_name().and_then(|name| name.to_str());
            assert_eq!(named, Some(sha256(&content).as_str()), "round {round}");
        }
        cordon.restart();
    }
    for name in &names {
        let url = format!("{}{name}/-/{name}-1.0.0.tgz", cordon.url(Protocol::Npm));
        let expected = registry.bytes_of(Protocol::Npm, name, "1.0.0");
        assert_eq!(http::get(&url).expect(200).body, expected);
    }
    assert!(
        !live_blobs(&cordon.data()).is_empty(),
        "looked in the wrong place"
    );
}

/// A process may have 1,024 files open where nobody raised the limit; many distinct large files
/// must not use them up, nor memory for the parts of them that were asked for.
#[test]
fn inv_49_large_files_in_memory_hold_few_open_files() {
    const FILES: usize = 320;
    let registry = FakeRegistry::start();
    for patch in 0..FILES {
        let release = Release::npm("heavy", &format!("1.0.{patch}")).padded(300 * 1024);
        registry.publish(release);
    }
    let cordon = Cordon::start(&registry);
    let base = cordon.url(Protocol::Npm);
    for patch in 0..FILES {
        let url = listing::locked_url(Protocol::Npm, &base, "heavy", &format!("1.0.{patch}"));
        let _ = http::get_with(&url, &[("range", "bytes=0-0")]).expect(206);
    }
    let pid = cordon.pid().expect("it runs");
    let open = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("readable")
        .count();
    assert!(
        open < FILES,
        "{open} files are open after {FILES} downloads"
    );
}
