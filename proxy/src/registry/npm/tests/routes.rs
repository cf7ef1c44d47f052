//! What requests mean.

use http::{Method, StatusCode};

use super::*;
use crate::registry::conformance::Target;
use crate::registry::{Route, RouteError};

fn get(path: &str) -> Result<Route, RouteError> {
    with(&Method::GET, path, None)
}

fn with(method: &Method, path: &str, accept: Option<&str>) -> Result<Route, RouteError> {
    let mut headers = HeaderMap::new();
    if let Some(accept) = accept {
        headers.insert(http::header::ACCEPT, accept.parse().unwrap());
    }
    Target::parse(path).classify(&Npm, method, &headers)
}

fn metadata(path: &str) -> (String, &'static str) {
    match get(path) {
        Ok(Route::Metadata { package, view }) => (package.as_published().to_owned(), view.form),
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn conformance_008_every_spelling_of_a_scoped_name_is_one_package() {
    for path in ["@s%2fp", "@s%2Fp", "@s/p", "%40s%2fp", "%40s/p"] {
        assert_eq!(
            metadata(path),
            ("@s/p".to_owned(), forms::PACKUMENT),
            "{path}"
        );
        let (name, form) = metadata(&format!("{path}/1.0.0"));
        assert_eq!((name.as_str(), form), ("@s/p", forms::VERSION));
        let (name, form) = metadata(&format!("-/package/{path}/dist-tags"));
        assert_eq!((name.as_str(), form), ("@s/p", forms::DIST_TAGS));
    }
}

#[test]
fn conformance_009_names_are_case_sensitive() {
    assert_eq!(metadata("JSONStream").0, "JSONStream");
    assert_eq!(metadata("jsonstream").0, "jsonstream");
}

#[test]
fn h_42_accept_chooses_the_form() {
    let install = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*";
    match with(&Method::HEAD, "left-pad", Some(install)) {
        Ok(Route::Metadata { view, .. }) => assert_eq!(view.form, forms::ABBREVIATED),
        other => panic!("{other:?}"),
    }
}

#[test]
fn conformance_026_both_spellings_of_a_scoped_tarball_are_one_file() {
    for path in ["@s/p/-/p-1.0.0.tgz", "@s%2fp/-/p-1.0.0.tgz"] {
        match get(path) {
            Ok(Route::Artifact(request)) => {
                assert_eq!(request.package.as_published(), "@s/p");
                assert_eq!(request.file.unwrap().as_str(), "p-1.0.0.tgz");
                assert_eq!(request.version.unwrap().as_str(), "1.0.0");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn n_16_to_n_21_what_names_no_file_of_the_package_is_refused() {
    for path in [
        "foo/-/bar-1.0.0.tgz",
        "foo/-/foo-1.0.0.zip",
        "foo/-/foo-.tgz",
        "foo/-/foo-v1.0.0.tgz",
        "foo/-/foo-latest.tgz",
        "foo/-/foo-1.0.tgz",
        "foo/-/foo1.0.0.tgz",
        "foo/-/Foo-1.0.0.tgz",
        "@s/foo/-/@s/foo-1.0.0.tgz",
        "@s/foo/-/@s%2ffoo-1.0.0.tgz",
        "@s/foo/-/foo-1.0.0.tgz/",
        "@s%252fname",
        "@s/a/b/c",
        "@/name",
        "@s",
        "-",
        "-/foo",
        "node_modules",
        "favicon.ico",
        ".hidden",
        "_x",
        "_changes",
        "-/all",
        "foo/",
        "foo/-",
        "foo/^1.0.0",
        "foo/>=1",
        "foo/1.x || 2.x",
        "foo/-/a/b/foo-1.0.0.tgz",
    ] {
        let error = get(path).expect_err(path);
        assert_eq!(error.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn conformance_042_to_047_audits_are_answered_honestly() {
    for path in [
        "-/npm/v1/security/advisories/bulk",
        "-/npm/v1/security/audits",
        "-/npm/v1/security/audits/quick",
    ] {
        match with(&Method::POST, path, None) {
            Ok(Route::Refuse { status, message }) => {
                assert_eq!(status, StatusCode::NOT_FOUND);
                assert!(message.contains("not available"));
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn conformance_048_ping_is_answered_without_upstream() {
    for path in ["-/ping", "-/ping?write=true"] {
        match get(path) {
            Ok(Route::Static(rendered)) => assert_eq!(rendered.body, "{}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn conformance_049_050_keys_and_attestations_are_forwarded() {
    match get("-/npm/v1/keys") {
        Ok(Route::Forward {
            request, package, ..
        }) => {
            assert_eq!(request.path, "-/npm/v1/keys");
            assert_eq!(package, None);
        }
        other => panic!("{other:?}"),
    }
    for path in [
        "-/npm/v1/attestations/@s%2fp@1.0.0+b",
        "-/npm/v1/attestations/@s/p@1.0.0+b",
        "-/npm/v1/attestations/%40s%2Fp@1.0.0%2bb",
    ] {
        match get(path) {
            Ok(Route::Forward {
                request,
                package,
                version,
            }) => {
                assert_eq!(request.path, "-/npm/v1/attestations/@s%2fp@1.0.0%2bb");
                assert_eq!(package.unwrap().as_published(), "@s/p");
                assert_eq!(version.unwrap().as_str(), "1.0.0+b");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
    for path in [
        "-/npm/v1/attestations",
        "-/npm/v1/attestations/p",
        "-/npm/v1/attestations/@s%2fp",
        "-/npm/v1/attestations/p@latest",
        "-/npm/v1/attestations/../keys@1.0.0",
    ] {
        assert!(get(path).is_err(), "{path}");
    }
    assert_eq!(Npm.root_segment(), Some("-"));
}

#[test]
fn conformance_051_writing_is_refused() {
    for (method, path) in [
        (Method::PUT, "pkg"),
        (Method::PUT, "@s%2fp"),
        (Method::DELETE, "pkg/-rev/1-0"),
        (Method::PUT, "-/package/pkg/dist-tags/latest"),
        (Method::PUT, "-/user/org.couchdb.user:ada"),
        (Method::POST, "-/v1/login"),
        (Method::POST, "-/npm/v1/tokens"),
        (Method::POST, "-/npm/v1/hooks/hook"),
        (Method::PATCH, "pkg"),
    ] {
        match with(&method, path, None) {
            Ok(Route::Refuse { status, message }) => {
                assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
                let body = Npm.error(status, message);
                let parsed: Value = serde_json::from_slice(&body.body).unwrap();
                assert!(parsed["error"].is_string());
                assert!(body.headers.iter().any(|(name, _)| name == "allow"));
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn documents_are_asked_for_under_npms_own_spelling() {
    let package = Npm.scheme().package("@s/p").unwrap();
    for view in views() {
        let documents = Npm.documents(&package, &view);
        assert_eq!(documents.len(), 1);
        assert_eq!(documents[0].path, "@s%2fp");
        assert_eq!(documents[0].accept, "application/json");
    }
}

#[test]
fn set_up_names_the_base_for_each_client() {
    let links = links(&Npm);
    insta::assert_snapshot!("client-setup", Npm.client_setup(&links.base));
}
