//! What Python's clients rely on (protocols.md §11, 54 to 75 and 79 to 84), one test a line.

#![expect(
    clippy::unwrap_used,
    reason = "an answer of another shape than expected fails the test that asked for it"
)]

mod files;

use cordon_tests::archive;
use cordon_tests::client::http::{self, Reply};
use cordon_tests::clock::{ago, hours};
use cordon_tests::fake_registry::{FakeRegistry, Fault, Protocol, PythonFile, Release};
use cordon_tests::fixture::{OLD, PACKAGE, SETTLED, Scene, Shared, YOUNG};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const PIP: &str = "application/vnd.pypi.simple.v1+json, \
    application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
const POLICY: &str = "[rules.integrity]\n\n[rules.minimum-age]\nversion_age = \"72h\"\n\n\
    [rules.deny]\npurls = [\"pkg:pypi/denied\", \"pkg:pypi/legacy-name@1.0\"]\n";
const LARGE: &str = "large";

static SHARED: Shared = Shared::new(|| {
    let scene = Scene::with_policy(POLICY);
    let registry = &scene.registry;
    registry.publish(Release::pypi("denied", "1.0.0"));
    registry.publish(Release::pypi("Foo.Bar_baz", "1.0.0"));
    let both = [PythonFile::Wheel, PythonFile::Sdist];
    let rich = Release::pypi("rich", "1.0.0").files(&both);
    registry.publish(rich.requires_python(">=3.8,<4"));
    let bare = Release::pypi("rich", "1.1.0").without_metadata_sibling();
    registry.publish(bare.with_provenance());
    registry.publish(Release::pypi("rich", "1.2.0"));
    registry.yank(
        Protocol::Pypi,
        "rich",
        "1.2.0",
        "breaks \"quoted\" <things>",
    );
    registry.publish(Release::pypi(LARGE, "1.0.0").padded(30_000));
    for name in [
        "range-first",
        "range-wrong",
        "order-1",
        "order-2",
        "order-3",
    ] {
        registry.publish(Release::pypi(name, "1.0.0").padded(5_000));
    }
    registry.publish(Release::pypi("in-quarantine", "1.0.0"));
    registry.set_status("in-quarantine", "quarantined");
    put_pages(registry);
    scene
});

/// Pages of shapes that no publishing makes: see the tests that ask for them.
fn put_pages(registry: &FakeRegistry) {
    let page = |name: &str, body: Value| {
        registry.put(&format!("/pypi/simple/{name}/"), JSON, body.to_string());
    };
    let wheel = archive::wheel("x", "1.0", b"Metadata-Version: 2.1\n", 0);
    let digest = HEXLOWER.encode(&Sha256::digest(&wheel));
    let entry = |file: &str, url: String, time: String| {
        json!({"filename": file, "url": url, "hashes": {"sha256": digest}, "size": wheel.len(),
            "upload-time": time, "yanked": false, "requires-python": null})
    };
    let old = || "2020-01-01T00:00:00.000000Z".to_owned();
    let files = registry.files_origin();
    let document = |name: &str, versions: &[&str], files: Vec<Value>| json!({"meta": {"api-version": "1.4"}, "name": name, "versions": versions, "files": files});

    let late = format!("{:.6}", ago(hours(1)));
    let [first, second] = ["py3-none-any", "cp311-cp311-linux_x86_64"]
        .map(|tags| format!("late_file-1.0-{tags}.whl"));
    let listed = vec![
        entry(&first, format!("{files}packages/l/{first}"), old()),
        entry(&second, format!("{files}packages/l/{second}"), late),
    ];
    page("late-file", document("late-file", &["1.0"], listed));

    let listed = [
        "legacy-name-1.0.zip",
        "legacy-name-1.1.zip",
        "legacy_name-1.1.tar.bz2",
    ];
    let listed = listed.map(|file| entry(file, format!("{files}packages/l/{file}"), old()));
    page(
        "legacy-name",
        document("legacy-name", &["1.0", "1.1"], listed.into()),
    );

    let file = "relative-1.0-py3-none-any.whl";
    let listed = vec![entry(file, format!("../../files/{file}"), old())];
    page("relative", document("relative", &["1.0"], listed));
    registry.put(
        &format!("/pypi/files/{file}"),
        "application/zip",
        wheel.clone(),
    );

    let file = "with_base-1.0-py3-none-any.whl";
    let html = format!(
        "<!DOCTYPE html><html><head><base href=\"{files}packages/based/\"></head><body>\
         <a href=\"{file}#sha256={digest}\">{file}</a></body></html>"
    );
    registry.put("/pypi/simple/with-base/", "text/html", html);
    registry.put(&format!("/packages/based/{file}"), "application/zip", wheel);
}

fn url(scene: &Scene, path: &str) -> String {
    format!("{}{path}", scene.cordon.url(Protocol::Pypi))
}

fn get(scene: &Scene, path: &str) -> Reply {
    http::get(&url(scene, path))
}

fn page_as(scene: &Scene, project: &str, accept: &str) -> Reply {
    http::get_with(
        &url(scene, &format!("simple/{project}/")),
        &[("Accept", accept)],
    )
}

fn page(scene: &Scene, project: &str) -> Value {
    page_as(scene, project, PIP).expect(200).json()
}

fn files(page: &Value) -> &Vec<Value> {
    page["files"].as_array().unwrap()
}

fn names(page: &Value) -> Vec<&str> {
    files(page)
        .iter()
        .map(|file| file["filename"].as_str().unwrap())
        .collect()
}

fn wheel_of(project: &str, version: &str) -> String {
    let module = archive::python_module(project);
    format!("files/{project}/{module}-{version}-py3-none-any.whl")
}

/// The anchors of an HTML page: attributes and text.
fn anchors(html: &str) -> Vec<(String, String)> {
    html.split("<a ")
        .skip(1)
        .map(|anchor| {
            let (attributes, rest) = anchor.split_once('>').unwrap();
            let text = rest.split("</a>").next().unwrap();
            (attributes.to_owned(), text.to_owned())
        })
        .collect()
}

/// An address found on a page, absolute.
fn resolved(scene: &Scene, address: &str) -> String {
    if address.starts_with("http://") {
        return address.to_owned();
    }
    let relative = address.trim_start_matches("../");
    url(scene, relative)
}

fn content_type(reply: &Reply) -> &str {
    reply
        .header("content-type")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
}

#[test]
fn conformance_054_the_representation_is_the_one_asked_for() {
    let scene = SHARED.get();
    for (accept, expected) in [
        (PIP, JSON),
        (JSON, JSON),
        ("application/vnd.pypi.simple.latest+json", JSON),
        ("text/html", "text/html"),
        ("*/*", "text/html"),
        (
            "application/vnd.pypi.simple.v1+html",
            "application/vnd.pypi.simple.v1+html",
        ),
    ] {
        let reply = page_as(&scene, PACKAGE, accept).expect(200);
        assert_eq!(content_type(&reply), expected, "{accept}");
    }
    assert_eq!(
        content_type(&get(&scene, "simple/demo-package/")),
        "text/html"
    );
}

#[test]
fn conformance_055_what_cannot_be_offered_is_406() {
    let _ = page_as(&SHARED.get(), PACKAGE, "image/png").expect(406);
}

#[test]
fn conformance_056_weights_are_honoured() {
    let scene = SHARED.get();
    let html = page_as(&scene, PACKAGE, &format!("{JSON};q=0.1, text/html")).expect(200);
    assert_eq!(content_type(&html), "text/html");
    let json = page_as(&scene, PACKAGE, &format!("{JSON}, text/html;q=0.9")).expect(200);
    assert_eq!(content_type(&json), JSON);
}

#[test]
fn conformance_057_representations_vary_by_accept_and_have_their_own_etags() {
    let scene = SHARED.get();
    let mut etags = Vec::new();
    for accept in [JSON, "text/html"] {
        let reply = page_as(&scene, PACKAGE, accept).expect(200);
        let vary = reply.header("vary").unwrap().to_lowercase();
        assert!(vary.split(", ").any(|one| one == "accept"), "{vary}");
        etags.push(reply.header("etag").unwrap().to_owned());
    }
    assert_ne!(etags[0], etags[1]);
    for (accept, etag, status) in [(JSON, 0, 304), (JSON, 1, 200), ("text/html", 1, 304)] {
        let headers = [("Accept", accept), ("If-None-Match", etags[etag].as_str())];
        let _ = http::get_with(&url(&scene, "simple/demo-package/"), &headers).expect(status);
    }
}

#[test]
fn conformance_058_other_spellings_are_redirected_to_the_normal_one() {
    let scene = SHARED.get();
    for path in [
        "simple/Foo.Bar_baz/",
        "simple/foo-bar-baz",
        "simple/FOO--bar.baz",
    ] {
        let reply = get(&scene, path);
        assert!(
            [301, 308].contains(&reply.status),
            "{path}: {}",
            reply.status
        );
        let location = reply.header("location").unwrap();
        assert!(
            location.ends_with("/pypi/simple/foo-bar-baz/"),
            "{path}: {location}"
        );
    }
}

#[test]
fn conformance_059_a_doubled_slash_is_served() {
    let scene = SHARED.get();
    let doubled = http::get_with(&url(&scene, "simple//rich/"), &[("Accept", JSON)]).expect(200);
    assert_eq!(doubled.body, page_as(&scene, "rich", JSON).body);
}

#[test]
fn conformance_060_the_name_is_normal_and_the_version_is_1() {
    let page = page(&SHARED.get(), "foo-bar-baz");
    assert_eq!(page["name"], "foo-bar-baz");
    let version = page["meta"]["api-version"].as_str().unwrap();
    assert!(version.starts_with("1."), "{version}");
}

#[test]
fn conformance_061_every_file_has_digest_size_and_upstreams_time() {
    let scene = SHARED.get();
    let address = format!("{}rich/", scene.registry.upstream(Protocol::Pypi));
    let original = http::get_with(&address, &[("Accept", JSON)])
        .expect(200)
        .json();
    let served = page(&scene, "rich");
    assert_eq!(names(&served), names(&original));
    for (file, original) in files(&served).iter().zip(files(&original)) {
        assert_eq!(file["hashes"]["sha256"].as_str().unwrap().len(), 64);
        for member in ["hashes", "size", "requires-python"] {
            assert_eq!(file[member], original[member], "{member}");
        }
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(time(&file["upload-time"]), time(&original["upload-time"]));
    }
}

#[test]
fn conformance_062_every_address_is_ours_and_ends_in_the_file_name() {
    let scene = SHARED.get();
    for project in [PACKAGE, "rich", "legacy-name", "relative"] {
        for file in files(&page(&scene, project)) {
            let address = resolved(&scene, file["url"].as_str().unwrap());
            assert!(
                address.starts_with(&scene.cordon.url(Protocol::Pypi)),
                "{address}"
            );
            let name = file["filename"].as_str().unwrap();
            assert!(address.ends_with(&format!("/{name}")), "{address}");
        }
    }
}

#[test]
fn conformance_062_no_upstream_address_is_on_any_page() {
    let scene = SHARED.get();
    let main = scene.registry.upstream(Protocol::Pypi);
    let hosts = [
        main.trim_end_matches("/pypi/simple/"),
        scene.registry.files_origin(),
    ];
    for project in [PACKAGE, "rich", "relative"] {
        for path in [
            format!("simple/{project}/"),
            format!("simple/{project}/?format=json"),
        ] {
            let text = get(&scene, &path).expect(200).text();
            assert!(!hosts.iter().any(|host| text.contains(host)), "{text}");
        }
    }
    for path in ["pypi/rich/json", "pypi/rich/1.0.0/json"] {
        let text = get(&scene, path).expect(200).text();
        assert!(!hosts.iter().any(|host| text.contains(host)), "{text}");
    }
}

#[test]
fn conformance_063_html_has_digests_and_escaped_requirements() {
    let scene = SHARED.get();
    let html = page_as(&scene, "rich", "text/html").expect(200).text();
    let anchors = anchors(&html);
    assert_eq!(anchors.len(), 4, "{html}");
    for (attributes, _) in &anchors {
        assert!(attributes.contains("#sha256="), "{attributes}");
    }
    let (attributes, _) = &anchors[0];
    assert!(
        attributes.contains("data-requires-python=\"&gt;=3.8,&lt;4\""),
        "{attributes}"
    );
}

#[test]
fn conformance_064_json_and_html_list_the_same_files() {
    let scene = SHARED.get();
    for project in [PACKAGE, "rich", "late-file", "legacy-name", "in-quarantine"] {
        let html = page_as(&scene, project, "text/html").expect(200).text();
        let listed: Vec<String> = anchors(&html).into_iter().map(|(_, text)| text).collect();
        assert_eq!(names(&page(&scene, project)), listed, "{project}");
    }
}

#[test]
fn conformance_065_a_hidden_version_has_no_file_and_is_not_listed() {
    let document = page(&SHARED.get(), PACKAGE);
    assert_eq!(document["versions"], json!([OLD, SETTLED]));
    assert!(!names(&document).iter().any(|name| name.contains(YOUNG)));
}

#[test]
fn conformance_066_yanks_and_their_reasons_stay() {
    let scene = SHARED.get();
    let document = page(&scene, "rich");
    let yanked = files(&document).last().unwrap();
    assert_eq!(yanked["yanked"], "breaks \"quoted\" <things>");
    assert_eq!(files(&document)[0]["yanked"], false);
    let html = page_as(&scene, "rich", "text/html").expect(200).text();
    let anchors = anchors(&html.replace("&gt;", ")").replace("&lt;", "("));
    let (attributes, _) = anchors.last().unwrap();
    assert!(
        attributes.contains("data-yanked=\"breaks &quot;quoted&quot; (things)\""),
        "{attributes}"
    );
    assert!(!anchors[0].0.contains("data-yanked"));
}

#[test]
fn conformance_079_refusals_are_problem_documents_without_parameters() {
    let scene = SHARED.get();
    let wheel = wheel_of("denied", "1.0.0");
    for (path, status) in [
        ("simple/denied/".to_owned(), 451),
        (wheel.clone(), 403),
        (format!("{wheel}.metadata"), 403),
        (wheel_of(PACKAGE, YOUNG), 403),
    ] {
        let reply = get(&scene, &path).expect(status);
        let said = reply.header("content-type");
        assert_eq!(said, Some("application/problem+json"), "{path}");
        let problem = reply.json();
        assert!(
            problem["title"].is_string() && problem["detail"].is_string(),
            "{problem}"
        );
    }
}

#[test]
fn conformance_080_only_what_does_not_exist_is_404() {
    let scene = SHARED.get();
    let _ = page_as(&scene, "no-such-project", PIP).expect(404);
    let _ = page_as(&scene, "denied", PIP).expect(451);
    // Upstream is out of order for these: no leave to ask the next index.
    let faults = [
        Fault::HtmlPage(403),
        Fault::Close,
        Fault::Status(401),
        // A captive portal.
        Fault::HtmlPage(200),
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let project = &format!("order-{number}");
        let path = scene.registry.document_path(Protocol::Pypi, project);
        scene.registry.fault(&path, fault.clone());
        let reply = page_as(&scene, project, PIP);
        scene.registry.clear_fault(&path);
        let is_refused = reply.status >= 400 && reply.status != 404;
        assert!(is_refused, "{fault:?}: {}", reply.status);
    }
}

#[test]
fn conformance_081_the_legacy_document_is_filtered_alike() {
    let scene = SHARED.get();
    let document = get(&scene, &format!("pypi/{PACKAGE}/json")).expect(200);
    assert!(!document.text().contains(YOUNG), "{}", document.text());
    let document = document.json();
    assert_eq!(document["info"]["version"], SETTLED);
    let releases: Vec<_> = document["releases"].as_object().unwrap().keys().collect();
    assert_eq!(releases, [OLD, SETTLED]);
    for release in document["releases"].as_object().unwrap().values() {
        let address = release[0]["url"].as_str().unwrap();
        assert!(resolved(&scene, address).starts_with(&scene.cordon.url(Protocol::Pypi)));
    }
    let hidden = get(&scene, &format!("pypi/{PACKAGE}/{YOUNG}/json"));
    assert!(
        [403, 404, 451].contains(&hidden.status),
        "{}",
        hidden.status
    );
    let denied = get(&scene, "pypi/denied/json");
    assert!([403, 451].contains(&denied.status), "{}", denied.status);
}

#[test]
fn conformance_082_legacy_file_names_belong_to_their_version() {
    let scene = SHARED.get();
    let document = page(&scene, "legacy-name");
    assert_eq!(
        names(&document),
        [
            "legacy-name-1.0.zip",
            "legacy-name-1.1.zip",
            "legacy_name-1.1.tar.bz2"
        ]
    );
    // The blocked one, whose version stands between a dash and a suffix nobody else uses.
    let is_marked = |index: usize| files(&document)[index]["yanked"].is_string();
    assert_eq!([0, 1, 2].map(is_marked), [true, false, false]);
    let _ = get(&scene, "files/legacy-name/legacy-name-1.0.zip").expect(403);
}

#[test]
fn conformance_083_a_quarantined_project_offers_nothing_and_says_so() {
    let document = page(&SHARED.get(), "in-quarantine");
    assert_eq!(names(&document), Vec::<&str>::new());
    assert_eq!(document["project-status"]["status"], "quarantined");
}

fn is_had_from(scene: &Scene, project: &str, upstream: &str) {
    let document = page(scene, project);
    let address = resolved(scene, files(&document)[0]["url"].as_str().unwrap());
    let _ = http::get(&address).expect(200);
    assert_eq!(scene.registry.log().gets(upstream), 1, "{project}");
}

#[test]
fn conformance_084_relative_addresses_are_resolved_against_upstreams_page() {
    let upstream = "/pypi/files/relative-1.0-py3-none-any.whl";
    is_had_from(&SHARED.get(), "relative", upstream);
}

/// A page of HTML bears no dates, so this one has no age to be asked for.
#[test]
fn conformance_084_the_base_of_an_upstream_page_is_honoured() {
    let scene = Scene::new();
    put_pages(&scene.registry);
    let upstream = "/packages/based/with_base-1.0-py3-none-any.whl";
    is_had_from(&scene, "with-base", upstream);
    let text = get(&scene, "simple/with-base/").expect(200).text();
    assert!(!text.contains(scene.registry.files_origin()), "{text}");
}
