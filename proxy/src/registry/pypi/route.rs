//! What a request below `/pypi/` asks for.
//!
//! | path | answer |
//! |---|---|
//! | `simple/` | list of projects |
//! | `simple/{name}/`, also `simple//{name}/` | page, negotiated |
//! | `files/{name}/{file}` | archive |
//! | `files/{name}/{file}.metadata` | its core metadata |
//! | `files/{name}/{file}.provenance`, `integrity/{name}/{version}/{file}/provenance` | its provenance |
//! | `pypi/{name}/json`, `{name}/json`, the same with `{version}` | legacy JSON |
//!
//! Tools find the JSON API by replacing `simple` in the index address or by going to `/pypi/` at
//! the host, hence two spellings. Addresses of files name no version: file names are unique in a
//! project, and a lock file that keeps an address must stay good when a version's spelling on the
//! page changes.

use cordon_policy::model::{ArtifactKind, FileName, PackageName, Version};
use http::{Method, StatusCode};
use smol_str::SmolStr;

use super::accept::{Representation, negotiate};
use super::file_name::FileNames;
use super::{
    CATALOG_HTML, CATALOG_HTML_V1, CATALOG_JSON, FORM_HTML, FORM_HTML_V1, FORM_JSON, FORM_LEGACY,
    FORM_LEGACY_VERSION, PAGE_ACCEPT, SCHEME,
};
use crate::registry::{ArtifactRequest, DocumentRequest, RequestHead, Route, RouteError, View};

/// What a request asks for.
pub(super) fn classify(request: &RequestHead<'_>) -> Result<Route, RouteError> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if !matches!(*request.method, Method::GET | Method::HEAD) {
        return Ok(refuse(&segments));
    }
    match segments.as_slice() {
        ["simple"] if request.has_trailing_slash => catalog(request),
        ["simple"] => Ok(redirect(request, "simple/".to_owned())),
        ["simple", name] => page(request, name),
        ["files", name, file] if !request.has_trailing_slash => file_route(name, file),
        ["integrity", name, version, file, "provenance"] => provenance(name, version, file),
        ["pypi", name, "json"] | [name, "json"] => legacy(name, None),
        ["pypi", name, version, "json"] | [name, version, "json"] => legacy(name, Some(version)),
        _ => Err(refused(
            StatusCode::NOT_FOUND,
            "there is nothing here; the index is at `simple/`",
        )),
    }
}

fn refuse(segments: &[&str]) -> Route {
    match segments {
        ["legacy"] => Route::Refuse {
            status: StatusCode::FORBIDDEN,
            message: "Cordon takes no uploads; send packages to the registry itself",
        },
        _ => Route::Refuse {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: "only GET and HEAD are answered here; XML-RPC and uploads are not",
        },
    }
}

fn refused(status: StatusCode, message: impl Into<String>) -> RouteError {
    RouteError {
        status,
        message: message.into(),
    }
}

/// A name outside the grammar is 400, not 404: clients with several indexes would take a 404 for
/// leave to ask the next one.
fn package(name: &str) -> Result<PackageName, RouteError> {
    SCHEME
        .package(name)
        .map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))
}

fn redirect(request: &RequestHead<'_>, mut path: String) -> Route {
    let is_plain = |query: &&str| query.bytes().all(|byte| byte.is_ascii_graphic());
    if let Some(query) = request.query.filter(is_plain) {
        path.push('?');
        path.push_str(query);
    }
    Route::Redirect(path)
}

fn representation(request: &RequestHead<'_>) -> Result<Representation, RouteError> {
    negotiate(request.query, request.headers).ok_or_else(|| {
        refused(
            StatusCode::NOT_ACCEPTABLE,
            "simple pages are offered as application/vnd.pypi.simple.v1+json, \
             application/vnd.pypi.simple.v1+html and text/html",
        )
    })
}

fn catalog(request: &RequestHead<'_>) -> Result<Route, RouteError> {
    let form = match representation(request)? {
        Representation::JsonV1 => CATALOG_JSON,
        Representation::Html => CATALOG_HTML,
        Representation::HtmlV1 => CATALOG_HTML_V1,
    };
    Ok(Route::Catalog {
        request: DocumentRequest {
            kind: "simple-catalog",
            name: SmolStr::default(),
            path: String::new(),
            accept: PAGE_ACCEPT,
            is_optional: false,
            is_kept: true,
        },
        view: View::plain(form),
    })
}

fn page(request: &RequestHead<'_>, name: &str) -> Result<Route, RouteError> {
    let package = package(name)?;
    if name != package.normalized() || !request.has_trailing_slash {
        let path = format!("simple/{}/", package.normalized());
        return Ok(redirect(request, path));
    }
    let form = match representation(request)? {
        Representation::JsonV1 => FORM_JSON,
        Representation::Html => FORM_HTML,
        Representation::HtmlV1 => FORM_HTML_V1,
    };
    Ok(Route::Metadata {
        package,
        view: View::plain(form),
    })
}

fn file_route(name: &str, file: &str) -> Result<Route, RouteError> {
    let (file, kind) = if let Some(archive) = file.strip_suffix(".metadata") {
        (archive, ArtifactKind::CoreMetadata)
    } else if let Some(archive) = file.strip_suffix(".provenance") {
        (archive, ArtifactKind::Provenance)
    } else {
        (file, ArtifactKind::Archive)
    };
    artifact(package(name)?, file, kind)
}

fn artifact(package: PackageName, file: &str, kind: ArtifactKind) -> Result<Route, RouteError> {
    let file =
        FileName::new(file).map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(Route::Artifact(ArtifactRequest {
        package,
        version: None,
        file: Some(file),
        kind,
        expected: None,
    }))
}

/// PyPI's own address of a provenance object. The version must be the file's; the file decides.
fn provenance(name: &str, version: &str, file: &str) -> Result<Route, RouteError> {
    let package = package(name)?;
    let is_its_version = FileNames::new(SCHEME, &package)
        .version(file)
        .is_some_and(|found| {
            let (found, asked) = (Version::verbatim(found), Version::verbatim(version));
            SCHEME.compare(&found, &asked).is_eq()
        });
    if !is_its_version {
        return Err(refused(
            StatusCode::NOT_FOUND,
            "the file is none of that version",
        ));
    }
    artifact(package, file, ArtifactKind::Provenance)
}

fn legacy(name: &str, version: Option<&str>) -> Result<Route, RouteError> {
    let package = package(name)?;
    let view = match version {
        None => View::plain(FORM_LEGACY),
        Some(text) => {
            let version = SCHEME
                .version(text)
                .map_err(|error| refused(StatusCode::BAD_REQUEST, error.to_string()))?;
            View {
                form: FORM_LEGACY_VERSION,
                argument: Some(SmolStr::new(version.as_str())),
            }
        }
    };
    Ok(Route::Metadata { package, view })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::ACCEPT;

    use super::*;

    fn route_of(method: Method, path: &str, accept: &str) -> Result<Route, RouteError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect();
        classify(&RequestHead {
            method: &method,
            segments: &segments,
            has_trailing_slash: path.ends_with('/'),
            has_doubled_slash: path.contains("//"),
            query,
            headers: &headers,
        })
    }

    fn get(path: &str) -> Result<Route, RouteError> {
        route_of(Method::GET, path, "*/*")
    }

    fn metadata(name: &str, form: &'static str, argument: Option<&str>) -> Route {
        Route::Metadata {
            package: SCHEME.package(name).unwrap(),
            view: View {
                form,
                argument: argument.map(SmolStr::new),
            },
        }
    }

    fn file(name: &str, file: &str, kind: ArtifactKind) -> Route {
        Route::Artifact(ArtifactRequest {
            package: SCHEME.package(name).unwrap(),
            version: None,
            file: Some(FileName::new(file).unwrap()),
            kind,
            expected: None,
        })
    }

    #[test]
    fn conformance_058_unnormalised_or_unslashed_names_are_redirected() {
        for path in [
            "simple/Foo.Bar_baz/",
            "simple/foo-bar-baz",
            "simple/foo--bar..baz",
            "simple//FOO-bar-baz/",
        ] {
            let expected = Route::Redirect("simple/foo-bar-baz/".to_owned());
            assert_eq!(get(path), Ok(expected), "{path}");
        }
        assert_eq!(get("simple"), Ok(Route::Redirect("simple/".to_owned())));
        assert_eq!(
            get("simple/Foo?format=json"),
            Ok(Route::Redirect("simple/foo/?format=json".to_owned()))
        );
    }

    #[test]
    fn conformance_059_a_doubled_slash_is_served() {
        assert_eq!(get("simple//foo/"), Ok(metadata("foo", FORM_HTML, None)));
    }

    #[test]
    fn h_43_pages_are_negotiated() {
        for (accept, form) in [
            ("text/html", FORM_HTML),
            ("application/vnd.pypi.simple.v1+html", FORM_HTML_V1),
            ("application/vnd.pypi.simple.v1+json", FORM_JSON),
        ] {
            let route = route_of(Method::GET, "simple/foo/", accept);
            assert_eq!(route, Ok(metadata("foo", form, None)), "{accept}");
        }
        let error = route_of(Method::HEAD, "simple/foo/", "image/png").unwrap_err();
        assert_eq!(error.status, StatusCode::NOT_ACCEPTABLE);
    }

    #[test]
    fn files_and_their_siblings_keep_the_file_name_last() {
        let name = "foo-1.0-py3-none-any.whl";
        let path = format!("files/foo/{name}");
        assert_eq!(get(&path), Ok(file("foo", name, ArtifactKind::Archive)));
        assert_eq!(
            get(&format!("{path}.metadata")),
            Ok(file("foo", name, ArtifactKind::CoreMetadata))
        );
        for path in [
            format!("{path}.provenance"),
            format!("integrity/Foo/1.0.0/{name}/provenance"),
        ] {
            let expected = file("foo", name, ArtifactKind::Provenance);
            assert_eq!(get(&path), Ok(expected), "{path}");
        }
        for path in [
            format!("integrity/foo/2.0/{name}/provenance"),
            format!("integrity/bar/1.0/{name}/provenance"),
            format!("files/foo/{name}/"),
        ] {
            assert_eq!(
                get(&path).unwrap_err().status,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }

    #[test]
    fn n_01_to_06_every_spelling_of_a_name_is_the_same_package() {
        for name in ["Foo_Bar", "foo..bar", "foo-_-.bar", "FOO-BAR", "foo_bar"] {
            let path = format!("files/{name}/foo_bar-1.0.tar.gz");
            let expected = file("foo-bar", "foo_bar-1.0.tar.gz", ArtifactKind::Archive);
            assert_eq!(get(&path), Ok(expected), "{path}");
            let path = format!("pypi/{name}/json");
            assert_eq!(
                get(&path),
                Ok(metadata("foo-bar", FORM_LEGACY, None)),
                "{path}"
            );
        }
    }

    #[test]
    fn n_07_to_11_names_outside_the_grammar_are_refused_and_never_404() {
        for name in [
            "acme sdk",
            "acme+sdk",
            "acme\tsdk",
            "-foo",
            "foo.",
            "_foo",
            "ｆoo",
            "\u{212a}",
            "ſoo",
            "fıoo",
            "f\u{200b}oo",
            "fo\u{301}o",
            "\u{202e}foo",
            "f\u{43e}o",
            "a/b",
            "\0",
        ] {
            for path in [format!("simple/{name}/"), format!("{name}/json")] {
                let request = [path.split('/').next().unwrap(), name];
                let segments: Vec<String> = if path.starts_with("simple") {
                    vec!["simple".to_owned(), request[1].to_owned()]
                } else {
                    vec![name.to_owned(), "json".to_owned()]
                };
                let error = classify(&RequestHead {
                    method: &Method::GET,
                    segments: &segments,
                    has_trailing_slash: true,
                    has_doubled_slash: false,
                    query: None,
                    headers: &HeaderMap::new(),
                })
                .unwrap_err();
                assert_eq!(error.status, StatusCode::BAD_REQUEST, "{name:?}");
            }
        }
    }

    #[test]
    fn legacy_json_is_found_where_tools_look_for_it() {
        for path in ["pypi/foo/json", "foo/json", "pypi/foo/json/"] {
            assert_eq!(get(path), Ok(metadata("foo", FORM_LEGACY, None)), "{path}");
        }
        for path in ["pypi/foo/1.0/json", "foo/1.0/json"] {
            let expected = metadata("foo", FORM_LEGACY_VERSION, Some("1.0"));
            assert_eq!(get(path), Ok(expected), "{path}");
        }
        assert_eq!(
            get("pypi/pypi/json"),
            Ok(metadata("pypi", FORM_LEGACY, None))
        );
        assert_eq!(
            get("foo/one point oh/json").unwrap_err().status,
            StatusCode::BAD_REQUEST
        );
    }

    #[test]
    fn uploads_and_xml_rpc_are_refused_without_upstream() {
        for (path, expected) in [
            ("legacy/", 403),
            ("", 405),
            ("pypi", 405),
            ("simple/foo/", 405),
        ] {
            match route_of(Method::POST, path, "*/*") {
                Ok(Route::Refuse { status, .. }) => assert_eq!(status, expected, "{path}"),
                other => panic!("{path}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_list_of_projects_is_a_catalogue() {
        match get("simple/?format=json") {
            Ok(Route::Catalog { request, view }) => {
                assert_eq!(request.path, "");
                assert_eq!(view, View::plain(CATALOG_JSON));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn anything_else_is_not_found() {
        for path in [
            "",
            "files/foo",
            "files",
            "legacy/",
            "simple/foo/bar/",
            "x/y/z/w",
        ] {
            assert_eq!(
                get(path).unwrap_err().status,
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }
}
