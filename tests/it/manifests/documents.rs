//! Documents of group M as a client meets them: what they name is not fetched, what they show is not
//! believed, and what they cost is bounded.

use std::time::Instant;

use bytes::Bytes;
use cordon_tests::archive;
use cordon_tests::client::{http, listing};
use cordon_tests::cordon::{Builder, Cordon};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Index, Protocol, Release};
use cordon_tests::memory;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{BAD, GOOD, NAME, POLICY, always_asking, serving};
use crate::incidents::{decisions, file_url, findings};

/// An npm version whose tarball is said to be there.
fn tarball_at(address: &str) -> Release {
    Release::npm(NAME, BAD).field("dist", json!({ "tarball": address }))
}

/// Asks for the tarball of a version with such an address; what `stranger` was asked for.
fn not_followed(stranger: &FakeRegistry, address: &str) {
    let (registry, cordon) = serving(Protocol::Npm, tarball_at(address));
    let document = listing::document(Protocol::Npm, &cordon.url(Protocol::Npm), NAME).expect(200);
    let own = format!("{}{NAME}/-/{NAME}-{BAD}.tgz", cordon.url(Protocol::Npm));
    if let Some(shown) = document.json()["versions"][BAD]["dist"]["tarball"].as_str() {
        assert_eq!(shown, own, "{address}");
    }
    let reply = http::get(&own);
    assert!(
        matches!(reply.status, 502 | 504),
        "{address}: {} {}",
        reply.status,
        reply.text()
    );
    let bytes = registry.bytes_of(Protocol::Npm, NAME, BAD);
    assert_ne!(reply.body, bytes, "{address}");
    assert!(stranger.log().is_empty(), "{address} was connected to");
    let url = file_url((&registry, &cordon), Protocol::Npm, NAME, GOOD);
    let _ = http::get(&url).expect(200);
}

#[test]
fn m_05_a_tarball_on_a_host_nobody_configured_is_shown_as_ours_and_not_fetched() {
    let stranger = FakeRegistry::start();
    stranger.publish(Release::npm(NAME, BAD));
    let away = format!(
        "{}{NAME}/-/{NAME}-{BAD}.tgz",
        stranger.upstream(Protocol::Npm)
    );
    for address in [
        away.as_str(),
        "https://files.example/acme/-/acme-1.1.0.tgz",
        "//files.example/acme/-/acme-1.1.0.tgz",
    ] {
        not_followed(&stranger, address);
    }
}

#[test]
fn m_06_a_tarball_at_an_internal_address_is_never_connected_to() {
    let stranger = FakeRegistry::start();
    let base = stranger.upstream(Protocol::Npm);
    let port = base
        .trim_end_matches("/npm/")
        .rsplit(':')
        .next()
        .expect("a port");
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "localhost",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "169.254.169.254",
    ] {
        let address = format!("http://{host}:{port}/npm/{NAME}/-/{NAME}-{BAD}.tgz");
        not_followed(&stranger, &address);
    }
}

#[test]
fn m_07_m_08_addresses_no_registry_needs_are_not_fetched() {
    let stranger = FakeRegistry::start();
    let base = FakeRegistry::start().upstream(Protocol::Npm);
    let host = base.trim_start_matches("http://");
    for address in [
        "file:///etc/acme/-/acme-1.1.0.tgz".to_owned(),
        "ftp://files.example/acme/-/acme-1.1.0.tgz".to_owned(),
        "data:application/gzip;base64,AAAA".to_owned(),
        "gopher://files.example/acme/-/acme-1.1.0.tgz".to_owned(),
        format!("http://user:secret@{host}acme/-/acme-1.1.0.tgz"),
        format!("{base}acme/-/acme-1.1.0.tgz#evil"),
        format!("{base}acme\\-\\acme-1.1.0.tgz"),
    ] {
        not_followed(&stranger, &address);
    }
}

#[test]
fn m_09_the_file_of_another_package_is_not_served_under_an_allowed_name() {
    let registry = FakeRegistry::start();
    registry.publish(Release::npm("evil", BAD));
    registry.publish(Release::npm(NAME, GOOD));
    let evil = format!("{}evil/-/evil-{BAD}.tgz", registry.upstream(Protocol::Npm));
    registry.publish(tarball_at(&evil));
    let policy = format!("{POLICY}[rules.deny]\npurls = [\"pkg:npm/evil\"]\n");
    let cordon = Cordon::with_policy(&registry, &policy);
    let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
    let reply = http::get(&url);
    assert_eq!(reply.status, 502, "{}", reply.text());
    let file = registry.file_path(Protocol::Npm, "evil", BAD);
    assert_eq!(registry.log().gets(&file), 0);
}

/// A packument of about that many bytes in versions such as large projects have: each requires nearly
/// what the one before did.
fn packument(name: &str, main: &str, bytes: usize) -> String {
    let (mut versions, mut times) = (serde_json::Map::new(), serde_json::Map::new());
    let mut dependencies: serde_json::Map<String, Value> = (0..200)
        .map(|number| (format!("dependency-{number}"), "^1.0.0".into()))
        .collect();
    let (mut size, mut number) = (0, 0);
    while size < bytes {
        let version = format!("1.{}.{}", number / 100, number % 100);
        let changed = format!("dependency-{}", number % 200);
        dependencies.insert(changed, format!("^1.{number}.0").into());
        let manifest = json!({
            "name": name,
            "version": version,
            "description": format!("Version {version} of a large package"),
            "dependencies": dependencies,
            "dist": {
                "tarball": format!("{main}npm/{name}/-/{name}-{version}.tgz"),
                "shasum": HEXLOWER.encode(&Sha256::digest(&version)[..20]),
            },
        });
        size += manifest.to_string().len();
        versions.insert(version.clone(), manifest);
        times.insert(version, "2020-01-01T00:00:00.000Z".into());
        number += 1;
    }
    json!({
        "name": name,
        "dist-tags": { "latest": "1.0.0" },
        "versions": versions,
        "time": times,
    })
    .to_string()
}

#[test]
fn m_22_eight_clients_on_a_packument_of_50_megabytes_are_served_within_256_mebibytes() {
    let _alone = crate::alone();
    let registry = FakeRegistry::start();
    let main = registry.upstream(Protocol::Npm).replace("npm/", "");
    let document = packument("huge", &main, 50_000_000);
    let bytes = document.len();
    registry.put("/npm/huge", "application/json", document);
    let (peak, took) = crate::herd::packument_herd(&registry, bytes, &["gzip"], 8);
    println!("{bytes} bytes, 8 clients: {took:.1} s, {peak} MiB at most");
    assert_eq!(registry.log().gets("/npm/huge"), 1);
    assert!(peak < crate::herd::LIMIT_MIB, "{peak} MiB");
}

#[test]
fn m_23_a_document_without_end_is_refused_at_its_limit() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, NAME, GOOD));
    }
    let cordon = Builder::new(&registry)
        .policy(POLICY)
        .section("[limits]\ndocument_size = \"8 MiB\"\n")
        .start();
    let pid = cordon.pid().expect("it runs");
    for protocol in Protocol::ALL {
        let path = registry.document_path(protocol, NAME);
        registry.fault(&path, Fault::Endless);
        let began = Instant::now();
        let reply = listing::document(protocol, &cordon.url(protocol), NAME);
        assert_eq!(reply.status, 502, "{protocol:?}: {}", reply.text());
        // Not by a time-out, and without taking in more than may be.
        assert!(began.elapsed() < http::PATIENCE, "{protocol:?}");
        registry.clear_faults();
    }
    assert!(memory::peak_mib(pid) < 256, "{}", memory::peak_mib(pid));
}

#[test]
fn m_28_markup_in_what_a_package_says_of_itself_stays_text() {
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>";
    let registry = FakeRegistry::start();
    let release = Release::npm(NAME, BAD)
        .field("author", hostile)
        .field("readme", hostile)
        .field("license", hostile)
        .field("deprecated", hostile)
        .field("repository", "javascript:alert(3)");
    registry.publish(release);
    let policy = "[rules.integrity]\n[rules.license]\necosystem = \"npm\"\nallow = [\"MIT\"]\n";
    let cordon = Cordon::with_policy(&registry, policy);
    let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
    let refused = http::get(&url).expect(403);
    let decision = refused.header("x-cordon-decision").expect("a decision");
    let why = format!("{}why/{decision}", cordon.root());
    for accept in ["text/html", "text/plain", "application/json"] {
        let page = http::get_with(&why, &[("Accept", accept)]).expect(200);
        let is_html = page
            .header("content-type")
            .is_some_and(|it| it.starts_with("text/html"));
        let text = page.text();
        assert!(!is_html || !text.contains("<script>alert"), "{text}");
        assert!(!is_html || !text.contains("<img src=x"), "{text}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    // The document itself is data, and is said to be.
    registry.publish(Release::npm("plain", GOOD).field("readme", hostile));
    let page = listing::document(Protocol::Npm, &cordon.url(Protocol::Npm), "plain").expect(200);
    let content_type = page.header("content-type").expect("a type");
    assert!(content_type.contains("json"), "{content_type}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn m_30_m_31_a_file_with_no_digest_or_only_an_md5_is_refused_unless_the_policy_pins_it() {
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    for hashes in [json!({}), json!({ "md5": md5 })] {
        let bad = Release::pypi(NAME, BAD).field("hashes", hashes.clone());
        let (registry, cordon) = serving(Protocol::Pypi, bad.clone());
        let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
        let reply = http::get(&url).expect(403);
        assert!(reply.text().contains("cannot be verified"), "{hashes}");
    }
    // By policy our own digest of what came first is what holds.
    let registry = FakeRegistry::start();
    registry.publish(Release::pypi(NAME, BAD).field("hashes", json!({})));
    let cordon = Builder::new(&registry)
        .policy("[rules.integrity]\nundeclared = \"allow\"\n")
        .section("[freshness]\nmax_age = \"0s\"\nmin_age = \"0s\"\n")
        .start();
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let first = http::get(&url).expect(200).body;
    registry.change_bytes(
        Protocol::Pypi,
        NAME,
        BAD,
        [&first[..], b"later"].concat(),
        Index::Follows,
    );
    assert_eq!(http::get(&url).expect(200).body, first);
}

/// A page of HTML with one wheel, the element before it and the address as given.
fn page(before: &str, href: &str, bytes: &[u8]) -> String {
    let digest = HEXLOWER.encode(&Sha256::digest(bytes));
    let file = format!("{NAME}-{BAD}-py3-none-any.whl");
    format!(
        "<!DOCTYPE html><html><head>{before}</head><body>\
         <a href=\"{href}#sha256={digest}\">{file}</a></body></html>"
    )
}

fn wheel(name: &str) -> Bytes {
    let metadata = archive::core_metadata(name, BAD, &[], None);
    archive::wheel(name, BAD, &metadata, 0)
}

/// What comes of a project whose page is this.
fn file_of_page(registry: &FakeRegistry, page: String) -> http::Reply {
    let path = registry.document_path(Protocol::Pypi, NAME);
    registry.put(&path, "text/html", page);
    let cordon = Cordon::with_policy(registry, POLICY);
    let base = cordon.url(Protocol::Pypi);
    let shown = http::get(&format!("{base}simple/{NAME}/"));
    assert!(!shown.text().contains("evil"), "{}", shown.text());
    http::get(&format!("{base}files/{NAME}/{NAME}-{BAD}-py3-none-any.whl"))
}

#[test]
fn m_33_m_34_a_page_that_leads_to_another_host_is_not_followed() {
    let stranger = FakeRegistry::start();
    let file = format!("{NAME}-{BAD}-py3-none-any.whl");
    let away = format!("{}evil/{file}", stranger.files_origin());
    stranger.put(&format!("/evil/{file}"), "application/zip", wheel(NAME));
    let base = format!("<base href=\"{}evil/\">", stranger.files_origin());
    let scheme_less = away.trim_start_matches("http:").to_owned();
    for (before, href) in [
        (base.as_str(), file.as_str()),
        ("", away.as_str()),
        ("", scheme_less.as_str()),
    ] {
        let registry = FakeRegistry::start();
        let reply = file_of_page(&registry, page(before, href, &wheel(NAME)));
        assert_eq!(reply.status, 502, "{before} {href}: {}", reply.text());
        assert!(stranger.log().is_empty(), "{before} {href}");
    }
}

#[test]
fn m_35_a_page_that_leads_to_the_file_of_another_project_is_not_followed() {
    let registry = FakeRegistry::start();
    let other = "/pypi/simple/other/other-1.1.0-py3-none-any.whl";
    registry.put(other, "application/zip", wheel("other"));
    let href = "../other/other-1.1.0-py3-none-any.whl";
    let reply = file_of_page(&registry, page("", href, &wheel("other")));
    assert!(matches!(reply.status, 404 | 502), "{}", reply.text());
    assert_eq!(registry.log().gets(other), 0);
}

#[test]
fn m_40_the_metadata_of_a_refused_wheel_is_refused_as_well() {
    let registry = FakeRegistry::start();
    registry.publish(Release::pypi(NAME, GOOD));
    registry.publish(Release::pypi(NAME, BAD));
    let policy = format!("{POLICY}[rules.deny]\npurls = [\"pkg:pypi/{NAME}@{BAD}\"]\n");
    let cordon = Cordon::with_policy(&registry, &policy);
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let _ = http::get(&format!("{url}.metadata")).expect(403);
    let path = registry.file_path(Protocol::Pypi, NAME, BAD);
    assert_eq!(registry.log().gets(&format!("{path}.metadata")), 0);
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, GOOD);
    let _ = http::get(&format!("{url}.metadata")).expect(200);
}

#[test]
fn m_38_metadata_that_is_not_the_wheel_s_is_refused_as_soon_as_the_wheel_is_known() {
    let dependencies = [("evil".to_owned(), ">=1".to_owned())];
    let metadata = archive::core_metadata(NAME, BAD, &dependencies, None);
    let bytes = archive::wheel(NAME, BAD, &metadata, 0);
    let lie = Release::pypi(NAME, BAD).archive(bytes);
    let (registry, cordon) = serving(Protocol::Pypi, lie);
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let sibling = format!("{url}.metadata");
    // As long as nobody has the wheel, it is what the registry declares.
    let _ = http::get(&sibling).expect(200);
    let _ = http::get(&url).expect(403);
    let _ = http::get(&sibling).expect(403);
    let _ = http::get(&url).expect(403);
}

#[test]
fn m_38_the_metadata_of_a_known_wheel_is_taken_from_the_wheel() {
    let (registry, cordon) = serving(Protocol::Pypi, Release::pypi(NAME, BAD));
    let path = registry.file_path(Protocol::Pypi, NAME, BAD);
    registry.fault(&format!("{path}.metadata"), Fault::WrongBytes);
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let _ = http::get(&url).expect(200);
    let reply = http::get(&format!("{url}.metadata")).expect(200);
    assert_eq!(registry.log().gets(&format!("{path}.metadata")), 0);
    let page = listing::document(Protocol::Pypi, &cordon.url(Protocol::Pypi), NAME).json();
    let files = page["files"].as_array().expect("files");
    let file = files
        .iter()
        .find(|it| path.ends_with(it["filename"].as_str().unwrap_or("-")));
    let declared = &file.expect("it is listed")["core-metadata"]["sha256"];
    assert_eq!(declared, &HEXLOWER.encode(&Sha256::digest(&reply.body)));
    assert!(reply.text().contains("Name: acme"), "{}", reply.text());
}

#[test]
fn m_38_the_metadata_of_a_large_wheel_is_taken_out_by_a_worker_and_once() {
    let large = Release::pypi(NAME, BAD).padded(70 << 20);
    let (registry, mut cordon) = serving(Protocol::Pypi, large);
    let path = registry.file_path(Protocol::Pypi, NAME, BAD);
    registry.fault(&format!("{path}.metadata"), Fault::WrongBytes);
    let inspections = |cordon: &Cordon| {
        let text = http::get(&format!("{}metrics", cordon.admin())).text();
        let line = "cordon_inspections_total{outcome=\"done\"} ";
        let value = text.lines().find_map(|it| it.strip_prefix(line));
        value.map_or(0, |it| it.parse::<u32>().expect("a number"))
    };
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let _ = http::get(&url).expect(200);
    let before = inspections(&cordon);
    let first = http::get(&format!("{url}.metadata")).expect(200);
    assert!(first.text().contains("Name: acme"), "{}", first.text());
    assert_eq!(inspections(&cordon), before + 1);
    cordon.stop();
    cordon.restart();
    let before = inspections(&cordon);
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let again = http::get(&format!("{url}.metadata")).expect(200);
    assert_eq!(again.body, first.body);
    assert_eq!(inspections(&cordon), before);
    assert_eq!(registry.log().gets(&format!("{path}.metadata")), 0);
}

#[test]
fn m_38_metadata_that_cannot_be_taken_out_of_the_wheel_has_to_be_the_same_upstream() {
    let mut metadata = archive::core_metadata(NAME, BAD, &[], None);
    // More than is taken out.
    metadata.extend_from_slice("\nmore".repeat(1 << 20).as_bytes());
    let bytes = archive::wheel(NAME, BAD, &metadata, 0);
    let registry = FakeRegistry::start();
    registry.publish(Release::pypi(NAME, BAD).archive(bytes));
    // No rule looks at what the two say.
    let cordon = Cordon::with_policy(&registry, "[rules.integrity]\n[rules.archive]\n");
    let url = file_url((&registry, &cordon), Protocol::Pypi, NAME, BAD);
    let _ = http::get(&url).expect(200);
    let reply = http::get(&format!("{url}.metadata"));
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert!(
        reply.text().contains("inside its wheel"),
        "{}",
        reply.text()
    );
}

/// The notices about changed digests.
fn alarms(cordon: &Cordon) -> Vec<String> {
    let output = cordon.command(&["log", "notices", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
    lines
        .filter(|line| line.to_string().contains("digest-changed"))
        .map(|line| line.to_string())
        .collect()
}

#[test]
fn m_43_m_52_a_digest_that_changes_is_an_incident_everywhere_an_operator_looks() {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish(Release::new(protocol, NAME, GOOD));
    }
    let cordon = always_asking(&registry);
    for (number, protocol) in Protocol::ALL.into_iter().enumerate() {
        let url = file_url((&registry, &cordon), protocol, NAME, GOOD);
        let first = http::get(&url).expect(200).body;
        let later = [&first[..], b"later"].concat();
        registry.change_bytes(protocol, NAME, GOOD, later.clone(), Index::Follows);
        let _ = listing::document(protocol, &cordon.url(protocol), NAME).expect(200);
        let reply = http::get(&url);
        assert!(reply.status == 403 || reply.body == first, "{protocol:?}");
        let digest = HEXLOWER.encode(&Sha256::digest(&first));
        cordon_tests::wait::until("the alarm is on record", || {
            alarms(&cordon).iter().any(|it| it.contains(&digest))
        });
        let told = alarms(&cordon);
        assert_eq!(told.len(), number + 1, "{told:?}");
        let told = told.iter().find(|it| it.contains(&digest));
        let told = told.expect("it is told");
        assert!(
            told.contains("127.0.0.1") && told.contains("first seen on"),
            "{told}"
        );
        let label = format!("{{ecosystem=\"{}\"}} 1", protocol.purl_type());
        let metrics = http::get(&format!("{}metrics", cordon.admin())).text();
        let line = format!("cordon_digest_changes_total{label}");
        assert!(metrics.contains(&line), "{metrics}");
        let health = http::get(&format!("{}healthz", cordon.admin())).text();
        let said = format!("other bytes for {} files", number + 1);
        assert!(health.contains(&said), "{health}");
    }
}

#[test]
fn m_51_the_index_of_another_crate_is_no_answer() {
    for other in ["ac_me", "acmee", "ac-me"] {
        let registry = FakeRegistry::start();
        let line = json!({"name": other, "vers": BAD, "deps": [], "cksum": "0".repeat(64),
                          "features": {}, "yanked": false});
        let path = registry.document_path(Protocol::Cargo, NAME);
        registry.put(&path, "text/plain", format!("{line}\n"));
        let cordon = Cordon::with_policy(&registry, POLICY);
        let reply = listing::document(Protocol::Cargo, &cordon.url(Protocol::Cargo), NAME);
        assert_eq!(reply.status, 502, "{other}: {}", reply.text());
    }
}

#[test]
fn m_54_a_download_address_elsewhere_is_refused_and_nobody_is_connected_to() {
    let stranger = FakeRegistry::start();
    stranger.publish(Release::cargo(NAME, GOOD));
    let away = stranger.files_origin().to_owned();
    for template in [
        format!("{away}crates/{{crate}}/{{crate}}-{{version}}.crate"),
        format!("{away}crates"),
        "https://files.example/{crate}".to_owned(),
        "http://169.254.169.254/{crate}/{version}".to_owned(),
        "file:///etc/{crate}".to_owned(),
    ] {
        let registry = FakeRegistry::start();
        registry.publish(Release::cargo(NAME, GOOD));
        registry.set_cargo_dl(&template);
        let cordon = Cordon::with_policy(&registry, POLICY);
        let url = file_url((&registry, &cordon), Protocol::Cargo, NAME, GOOD);
        let reply = http::get(&url);
        assert_eq!(reply.status, 502, "{template}: {}", reply.text());
        assert!(stranger.log().is_empty(), "{template}");
        // Ours never names another place.
        let config = http::get(&format!("{}config.json", cordon.url(Protocol::Cargo))).json();
        let download = config["dl"].as_str().expect("an address");
        assert!(download.starts_with(cordon.root()), "{download}");
    }
}

#[test]
fn m_58_a_dependency_from_another_registry_is_on_record_and_for_the_policy() {
    let dependency = json!([{"name": "private", "req": "^1", "features": [], "optional": false,
        "default_features": true, "target": null, "kind": "normal",
        "registry": "https://index.example/"}]);
    let bad = Release::cargo(NAME, BAD).field("deps", dependency);
    let registry = FakeRegistry::start();
    registry.publish(Release::cargo(NAME, GOOD));
    registry.publish(bad);
    let policy = "[rules.integrity]\n[rules.exotic-dependency]\necosystem = \"cargo\"\n\
                  any = true\n";
    let cordon = Cordon::with_policy(&registry, policy);
    let url = file_url((&registry, &cordon), Protocol::Cargo, NAME, BAD);
    let _ = http::get(&url).expect(403);
    let all = decisions(&cordon, Protocol::Cargo, NAME, BAD);
    let last = all.last().expect("a decision");
    let found = findings(last);
    assert!(
        found.iter().any(|it| it.starts_with("exotic-dependency/")),
        "{found:?}"
    );
    assert!(last.to_string().contains("index.example"), "{last}");
}

#[test]
fn m_25_dependencies_out_of_reach_are_on_record_and_for_the_policy() {
    for written in [
        "npm:blocked@1",
        "git+ssh://git@forge.example/a/b.git",
        "https://files.example/a.tgz",
        "file:../a",
    ] {
        let registry = FakeRegistry::start();
        registry.publish(Release::npm(NAME, GOOD));
        registry.publish(Release::npm(NAME, BAD).depends_on("away", written));
        let policy =
            "[rules.integrity]\n[rules.exotic-dependency]\necosystem = \"npm\"\nany = true\n";
        let cordon = Cordon::with_policy(&registry, policy);
        let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
        let reply = http::get(&url);
        if written.starts_with("npm:") {
            // An alias is a package of the registry: asked for and judged by its own name.
            assert_eq!(reply.status, 200, "{}", reply.text());
            continue;
        }
        assert_eq!(reply.status, 403, "{written}: {}", reply.text());
        let all = decisions(&cordon, Protocol::Npm, NAME, BAD);
        let last = all.last().expect("a decision").to_string();
        assert!(last.contains("exotic-dependency"), "{last}");
    }
}

#[test]
fn m_10_a_version_with_a_sha1_alone_is_held_to_our_own_digest() {
    let old = Release::npm(NAME, BAD).field("dist", json!({ "integrity": null }));
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, GOOD));
    registry.publish(old);
    let cordon = always_asking(&registry);
    let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
    let first = http::get(&url).expect(200).body;
    // It says so, and stops nothing.
    let all = decisions(&cordon, Protocol::Npm, NAME, BAD);
    let last = all.last().expect("a decision").to_string();
    assert!(last.contains("integrity-weak"), "{last}");
    let later = [&first[..], b"later"].concat();
    registry.change_bytes(Protocol::Npm, NAME, BAD, later, Index::Follows);
    assert_eq!(http::get(&url).expect(200).body, first);
    // And by policy it is held.
    let old = Release::npm(NAME, BAD).field("dist", json!({ "integrity": null }));
    let registry = FakeRegistry::start();
    registry.publish(Release::npm(NAME, GOOD));
    registry.publish(old);
    let cordon = Cordon::with_policy(&registry, "[rules.integrity]\nweak = \"quarantine\"\n");
    let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
    let _ = http::get(&url).expect(403);
    let url = file_url((&registry, &cordon), Protocol::Npm, NAME, GOOD);
    let _ = http::get(&url).expect(200);
}

#[test]
fn m_26_a_denied_package_brought_along_holds_whoever_brings_it() {
    let nested = |place: &str, name: &str, version: &str| {
        let text = json!({"name": name, "version": version}).to_string();
        (format!("{place}/package.json"), text)
    };
    for (place, name, is_held) in [
        ("node_modules/evil", "evil", true),
        ("node_modules/@acme/evil", "@acme/evil", true),
        // Under another folder's name.
        ("node_modules/innocent", "evil", true),
        ("node_modules/a/node_modules/evil", "evil", true),
        ("node_modules/innocent", "innocent", false),
        // Data of the package's own tests, which nothing installs or finds.
        ("test/node_modules/evil", "evil", false),
    ] {
        let (path, text) = nested(place, name, "6.6.6");
        let mut release = Release::npm(NAME, BAD).source(&path, &text);
        if place.starts_with("node_modules/a/") {
            let (path, text) = nested("node_modules/a", "a", "1.0.0");
            release = release.source(&path, &text);
        }
        let registry = FakeRegistry::start();
        registry.publish(Release::npm(NAME, GOOD));
        registry.publish(release);
        let policy = format!(
            "{POLICY}[rules.deny]\npurls = [\"pkg:npm/evil@6.6.6\", \"pkg:npm/%40acme/evil\"]\n"
        );
        let cordon = Cordon::with_policy(&registry, &policy);
        let url = file_url((&registry, &cordon), Protocol::Npm, NAME, BAD);
        let reply = http::get(&url);
        assert_eq!(reply.status == 403, is_held, "{place}: {}", reply.text());
        if is_held {
            let text = reply.text();
            assert!(text.contains(&format!("package/{place}")), "{text}");
            let all = decisions(&cordon, Protocol::Npm, NAME, BAD);
            let found = all.last().map(findings).unwrap_or_default();
            assert_eq!(found, ["deny/denied-bundled"], "{place}");
        }
    }
}
