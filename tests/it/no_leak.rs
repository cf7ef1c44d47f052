//! INV-3: what is refused leaves no trace of itself on any route, by any method, in any header.

use std::collections::BTreeSet;

use cordon_tests::archive;
use cordon_tests::client::http::{self, Reply};
use cordon_tests::clock::{ago, hours};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, Release, index_path};
use data_encoding::{BASE64, HEXLOWER};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};

const NAME: &str = "secret-package";
const OLD: &str = "1.0.0";
/// The version of which nothing may be seen.
const HIDDEN: &str = "1.1.7";

const AGED: &str = "[rules.minimum-age]\nversion_age = \"72h\"\n";
const DENIED: &str = "[rules.deny]\npurls = [\"pkg:npm/secret-package\", \
                      \"pkg:pypi/secret-package\", \"pkg:cargo/secret-package\"]\n";

/// What a route answers with, which says how strict its statuses must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A listing: it may answer 200 with what is left.
    Document,
    /// A crate index: a held version stays listed as yanked, with the checksum a lock file holds
    /// (cargo would otherwise not get as far as the refusal that says why).
    CrateIndex,
    /// Bytes of, or about, the hidden version: only ever refused.
    Artifact,
}

/// Every address, below the root, at which something of the hidden version could be asked for.
fn routes(registry: &FakeRegistry, protocol: Protocol) -> Vec<(Kind, String)> {
    use Kind::{Artifact, CrateIndex, Document};
    let file = registry.file_path(protocol, NAME, HIDDEN);
    let file = file.rsplit('/').next().unwrap_or_default();
    let digest = Secrets::of(registry, protocol).sha256;
    let table: Vec<(Kind, String)> = match protocol {
        Protocol::Npm => vec![
            (Document, format!("npm/{NAME}")),
            (Document, format!("npm/{NAME}?write=true")),
            (Document, format!("npm/{NAME}/{OLD}")),
            (Artifact, format!("npm/{NAME}/{HIDDEN}")),
            (Document, format!("npm/{NAME}/latest")),
            (Document, format!("npm/-/package/{NAME}/dist-tags")),
            (Document, format!("npm/-/v1/search?text={NAME}")),
            (Document, "npm/-/npm/v1/keys".to_owned()),
            (Artifact, format!("npm/{NAME}/-/{file}")),
            (Artifact, format!("npm/{NAME}/-/{file}?x=1")),
            (Artifact, format!("npm/{NAME}/-/{NAME}/{file}")),
            (Artifact, format!("npm/{NAME}/-rev/1-0")),
            (
                Artifact,
                format!("npm/-/npm/v1/attestations/{NAME}@{HIDDEN}"),
            ),
            (Artifact, format!("-/npm/v1/attestations/{NAME}@{HIDDEN}")),
        ],
        Protocol::Pypi => vec![
            (Document, "pypi/simple/".to_owned()),
            (Document, format!("pypi/simple/{NAME}/")),
            (Document, format!("pypi/simple/{NAME}")),
            (Document, format!("pypi/simple//{NAME}/")),
            (
                Document,
                format!("pypi/simple/{NAME}/?format=application/vnd.pypi.simple.v1+json"),
            ),
            (Document, format!("pypi/pypi/{NAME}/json")),
            (Document, format!("pypi/{NAME}/json")),
            (Artifact, format!("pypi/pypi/{NAME}/{HIDDEN}/json")),
            (Artifact, format!("pypi/{NAME}/{HIDDEN}/json")),
            (Artifact, format!("pypi/files/{NAME}/{file}")),
            (Artifact, format!("pypi/files/{NAME}/{file}.metadata")),
            (Artifact, format!("pypi/files/{NAME}/{file}.provenance")),
            (Artifact, format!("pypi/files/{NAME}/{file}.asc")),
            (
                Artifact,
                format!("pypi/integrity/{NAME}/{HIDDEN}/{file}/provenance"),
            ),
            (Artifact, format!("pypi/packages/{digest}/{file}")),
        ],
        Protocol::Cargo => vec![
            (Document, "cargo/config.json".to_owned()),
            (CrateIndex, format!("cargo/{}", index_path(NAME))),
            (
                Artifact,
                format!("cargo/crates/{NAME}/{HIDDEN}/{digest}/download"),
            ),
            (
                Artifact,
                format!("cargo/crates/{NAME}/{HIDDEN}/{}/download", "0".repeat(64)),
            ),
            (Artifact, format!("cargo/crates/{NAME}/{HIDDEN}/download")),
            (
                Artifact,
                format!("cargo/api/v1/crates/{NAME}/{HIDDEN}/download"),
            ),
            (Artifact, format!("cargo/api/v1/crates/{NAME}/{HIDDEN}")),
            (Document, format!("cargo/api/v1/crates/{NAME}")),
            (Document, format!("cargo/api/v1/crates?q={NAME}")),
        ],
    };
    table
}

/// What must not be seen of the hidden version.
struct Secrets {
    bytes: Vec<u8>,
    metadata: Vec<u8>,
    sha256: String,
    digests: Vec<String>,
}

/// A run of bytes this long does not occur by chance; shorter than a gzip or zip header's length
/// would find those headers in anything.
const WINDOW: usize = 32;

impl Secrets {
    fn of(registry: &FakeRegistry, protocol: Protocol) -> Self {
        let bytes = registry.bytes_of(protocol, NAME, HIDDEN).to_vec();
        let metadata = archive::core_metadata(NAME, HIDDEN, &[], None);
        let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
        let mut digests = vec![
            sha256.clone(),
            HEXLOWER.encode(&Sha1::digest(&bytes)),
            HEXLOWER.encode(&Sha512::digest(&bytes)),
            BASE64.encode(&Sha512::digest(&bytes)),
        ];
        if protocol == Protocol::Pypi {
            digests.push(HEXLOWER.encode(&Sha256::digest(&metadata)));
        }
        Self {
            bytes,
            metadata: metadata.to_vec(),
            sha256,
            digests,
        }
    }

    /// What of it an answer shows.
    fn found_in(&self, reply: &Reply, is_digest_known: bool) -> Vec<String> {
        let mut found = Vec::new();
        let holds = |part: &[u8]| reply.body.windows(part.len()).any(|window| window == part);
        // The archive's middle and end; its beginning is the format's own.
        for start in [self.bytes.len() / 2, self.bytes.len() - WINDOW] {
            if self.bytes.get(start..start + WINDOW).is_some_and(holds) {
                found.push(format!("bytes at {start}"));
            }
        }
        if holds(&self.metadata) {
            found.push("core metadata".to_owned());
        }
        let mut text = format!("{} {}\n", reply.status, reply.phrase);
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        text.push_str(&reply.text());
        for digest in &self.digests {
            if text.contains(digest) && !is_digest_known {
                found.push(format!("digest {digest}"));
            }
        }
        let size = self.bytes.len().to_string();
        let is_size = |(at, _): (usize, &str)| {
            let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            !is_part(text[..at].chars().next_back())
                && !is_part(text[at + size.len()..].chars().next())
        };
        if text.match_indices(&size).any(is_size) {
            found.push(format!("size {size}"));
        }
        found
    }
}

/// Methods and headers: everything a client could try on an address.
fn attempts(sha256: &str) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let tag = format!("\"{sha256}\"");
    let mut all: Vec<(&'static str, Vec<(&'static str, String)>)> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
    ]
    .into_iter()
    .map(|method| (method, Vec::new()))
    .collect();
    for range in [
        "bytes=0-0",
        "bytes=-1",
        "bytes=0-99999999",
        "bytes=99999999-",
        "bytes=0-1,3-4",
    ] {
        all.push(("GET", vec![("Range", range.to_owned())]));
    }
    all.push(("HEAD", vec![("Range", "bytes=0-0".to_owned())]));
    all.push(("GET", vec![("If-None-Match", tag.clone())]));
    all.push(("HEAD", vec![("If-None-Match", tag.clone())]));
    all.push(("GET", vec![("If-None-Match", format!("W/{tag}"))]));
    all.push(("GET", vec![("If-Match", tag.clone())]));
    all.push((
        "GET",
        vec![(
            "If-Modified-Since",
            "Sat, 01 Jan 2050 00:00:00 GMT".to_owned(),
        )],
    ));
    all.push((
        "GET",
        vec![("If-Range", tag), ("Range", "bytes=0-9".to_owned())],
    ));
    all
}

/// Asks every route in every way, and shows each answer that told something.
fn nothing_is_told(cordon: &Cordon, registry: &FakeRegistry, situation: &str) -> usize {
    let mut asked = 0;
    let mut leaks = Vec::new();
    for protocol in Protocol::ALL {
        let secrets = Secrets::of(registry, protocol);
        let mut decisions = BTreeSet::new();
        for (kind, route) in routes(registry, protocol) {
            let url = format!("{}{route}", cordon.root());
            for (method, headers) in attempts(&secrets.sha256) {
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                let reply = http::request(method, &url, &headers, b"");
                asked += 1;
                decisions.extend(reply.header("x-cordon-decision").map(str::to_owned));
                let mut found = secrets.found_in(&reply, kind == Kind::CrateIndex);
                if kind == Kind::Artifact
                    && (reply.status < 400 || matches!(reply.status, 412 | 416))
                {
                    found.push(format!("status {}", reply.status));
                }
                if !found.is_empty() {
                    leaks.push(format!("{method} {route} {headers:?}: {found:?}"));
                }
            }
        }
        // Whoever is refused is told where the reason stands; that page is for everybody.
        for decision in &decisions {
            for route in [format!("why/{decision}"), format!("why/{decision}.json")] {
                let reply = http::get(&format!("{}{route}", cordon.root())).expect(200);
                asked += 1;
                let found = secrets.found_in(&reply, false);
                if !found.is_empty() {
                    leaks.push(format!("GET {route}: {found:?}"));
                }
            }
        }
    }
    assert!(
        leaks.is_empty(),
        "{situation}: {} leaks\n{}",
        leaks.len(),
        leaks.join("\n")
    );
    asked
}

/// An old version, and one an hour old: sizes with five digits, which no answer holds by chance.
fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, NAME, OLD).with_provenance());
        let hidden = Release::new(protocol, NAME, HIDDEN)
            .published_at(ago(hours(1)))
            .with_provenance()
            .padded(31_337);
        registry.publish(hidden);
    }
    registry
}

fn never_fetched(registry: &FakeRegistry) {
    for protocol in Protocol::ALL {
        let path = registry.file_path(protocol, NAME, HIDDEN);
        assert_eq!(registry.log().containing(&path), 0, "{path} was asked for");
    }
}

#[test]
fn inv_03_nothing_of_a_denied_package_is_told() {
    let registry = registry();
    let cordon = Cordon::with_policy(&registry, DENIED);
    let asked = nothing_is_told(&cordon, &registry, "denied");
    never_fetched(&registry);
    println!("{asked} requests, 0 leaks");
}

#[test]
fn inv_03_nothing_of_a_version_that_is_too_young_is_told() {
    let registry = registry();
    let cordon = Cordon::with_policy(&registry, AGED);
    let asked = nothing_is_told(&cordon, &registry, "held");
    never_fetched(&registry);
    println!("{asked} requests, 0 leaks");
}

/// The bytes are in the store, verified and allowed yesterday; today's policy denies them.
#[test]
fn inv_03_nothing_of_what_is_stored_but_now_refused_is_told() {
    let registry = registry();
    let mut cordon = Cordon::start(&registry);
    for protocol in Protocol::ALL {
        // Allowed, it shows everywhere: what is looked for below is really there to be found.
        let secrets = Secrets::of(&registry, protocol);
        let mut shown = Vec::new();
        for (_, route) in routes(&registry, protocol) {
            let reply = http::get(&format!("{}{route}", cordon.root()));
            shown.extend(secrets.found_in(&reply, false));
        }
        for kind in ["bytes at", "digest"] {
            let is_shown = shown.iter().any(|what| what.starts_with(kind));
            assert!(is_shown, "{protocol:?}: {kind} in {shown:?}");
        }
    }
    for policy in [DENIED, AGED] {
        cordon.stop();
        cordon.write_policy(policy);
        cordon.restart();
        let asked = nothing_is_told(&cordon, &registry, policy);
        println!("{asked} requests, 0 leaks");
    }
}

/// Nothing is known, and upstream fails: no answer may be made of pieces.
#[test]
fn inv_03_nothing_of_an_unseen_package_is_told_while_upstream_fails() {
    let registry = registry();
    let cordon = Cordon::with_policy(&registry, AGED);
    for tree in ["/npm/*", "/pypi/*", "/cargo/*", "/packages/*", "/crates/*"] {
        registry.fault(tree, Fault::Status(500));
    }
    let asked = nothing_is_told(&cordon, &registry, "unseen");
    println!("{asked} requests, 0 leaks");
}

/// The index is there and allows it, but the file always breaks off: no byte of it gets through.
#[test]
fn inv_03_no_byte_of_a_file_that_breaks_off_is_told() {
    let registry = registry();
    let cordon = Builder::new(&registry).start();
    for protocol in Protocol::ALL {
        let secrets = Secrets::of(&registry, protocol);
        let path = registry.file_path(protocol, NAME, HIDDEN);
        registry.fault(&path, Fault::CutAt(secrets.bytes.len() - 1));
        let name = path.rsplit('/').next().unwrap_or_default();
        for (kind, route) in routes(&registry, protocol) {
            let is_archive = route.ends_with(name) || route.ends_with("/download");
            if kind != Kind::Artifact || !is_archive {
                continue;
            }
            for (method, headers) in attempts(&secrets.sha256) {
                let headers: Vec<(&str, &str)> = headers
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                let url = format!("{}{route}", cordon.root());
                let reply = http::request(method, &url, &headers, b"");
                assert!(reply.status >= 400, "{method} {route}: {}", reply.status);
                let found = secrets.found_in(&reply, false);
                assert!(found.is_empty(), "{method} {route} {headers:?}: {found:?}");
            }
        }
    }
}
