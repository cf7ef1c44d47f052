//! Paths below the mount, and where things are at upstream.

use cordon_policy::ecosystem;
use cordon_policy::model::{ArtifactKind, Digest, DigestAlgorithm, Scheme as _};
use http::{Method, StatusCode};

use super::INDEX;
use crate::registry::{ArtifactRequest, Links, Rendered, RequestHead, Route, RouteError, View};

/// The registry's own description, at the root of the index.
pub(super) const CONFIG: &str = "config.json";

/// First segment of our download addresses.
const CRATES: &str = "crates";

/// First segment of the web API.
const API: &str = "api";

const NO_PUBLISHING: &str = "this registry is read-only: publish, yank and change owners at the \
                             registry behind it";
const NO_SEARCH: &str = "this registry has no search: the sparse index behind it offers none; \
                         search on the registry's own web page";

/// What a request asks for.
pub(super) fn classify(request: &RequestHead<'_>, links: &Links) -> Result<Route, RouteError> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if segments.first() == Some(&API) {
        return classify_api(request.method, &segments);
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(RouteError {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: format!("{} is not allowed on the index", request.method),
        });
    }
    if request.has_trailing_slash || request.has_doubled_slash {
        return Err(nothing_at(&segments));
    }
    match segments.as_slice() {
        [CONFIG] => Ok(Route::Static(config(links))),
        ["me"] => Ok(Route::Static(text(
            "no token is needed to read from this registry, and none can be had: it is read-only\n",
        ))),
        [CRATES, name, version, checksum, "download"] => {
            download(name, version, Some(checksum)).ok_or_else(|| nothing_at(&segments))
        }
        [_, .., name] => index(name, &segments),
        _ => Err(nothing_at(&segments)),
    }
}

/// The web API: downloads by its address, for tools that do not read `dl`; everything else is
/// refused in words cargo prints.
fn classify_api(method: &Method, segments: &[&str]) -> Result<Route, RouteError> {
    if method != Method::GET && method != Method::HEAD {
        return Ok(Route::Refuse {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: NO_PUBLISHING,
        });
    }
    match segments {
        [API, "v1", CRATES] => Ok(Route::Refuse {
            status: StatusCode::FORBIDDEN,
            message: NO_SEARCH,
        }),
        [API, "v1", CRATES, name, version, "download"] => {
            download(name, version, None).ok_or_else(|| nothing_at(segments))
        }
        _ => Err(nothing_at(segments)),
    }
}

fn download(name: &str, version: &str, checksum: Option<&str>) -> Option<Route> {
    let scheme = &ecosystem::Cargo;
    let expected = match checksum {
        Some(hex) => Some(Digest::from_hex(DigestAlgorithm::Sha256, hex).ok()?),
        None => None,
    };
    Some(Route::Artifact(ArtifactRequest {
        package: scheme.package(name).ok()?,
        version: Some(scheme.version(version).ok()?),
        file: None,
        kind: ArtifactKind::Archive,
        expected,
    }))
}

/// An index file: only under the one path a lower-case name has.
fn index(name: &str, segments: &[&str]) -> Result<Route, RouteError> {
    let package = ecosystem::Cargo
        .package(name)
        .map_err(|_| nothing_at(segments))?;
    let is_lower_case = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if is_lower_case && index_path(name).split('/').eq(segments.iter().copied()) {
        Ok(Route::Metadata {
            package,
            // To policy `a-b` and `a_b` are one package, but only one of them has an index file.
            // The spelling keeps whatever is remembered by package and view apart.
            view: View {
                argument: Some(name.into()),
                ..INDEX
            },
        })
    } else {
        Err(nothing_at(segments))
    }
}

/// The path of an index file, for a valid name: `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcd`. Keeps the
/// case it is given.
pub(super) fn index_path(name: &str) -> String {
    format!("{}/{name}", prefix(name))
}

/// The folder of an index file.
pub(super) fn prefix(name: &str) -> String {
    match (name.len(), name.get(..1), name.get(..2), name.get(2..4)) {
        (3, Some(first), ..) => format!("3/{first}"),
        (4.., _, Some(first), Some(second)) => format!("{first}/{second}"),
        // Valid names are ASCII, so that only those of one and two characters come here.
        (length, ..) => length.to_string(),
    }
}

/// Our own `config.json`. The checksum in `dl` lets a stale lock file or index be refused by name;
/// there is never an `auth-required`, whatever upstream says.
fn config(links: &Links) -> Rendered {
    let base = links.base.as_str();
    let config = serde_json::json!({
        "dl": format!("{base}{CRATES}/{{crate}}/{{version}}/{{sha256-checksum}}/download"),
        // cargo appends `/api/v1/…`.
        "api": base.trim_end_matches('/'),
    });
    Rendered {
        body: config.to_string().into(),
        content_type: "application/json",
        last_modified: None,
        vary: "",
    }
}

fn text(body: &'static str) -> Rendered {
    Rendered {
        body: body.into(),
        content_type: "text/plain",
        last_modified: None,
        vary: "",
    }
}

fn nothing_at(segments: &[&str]) -> RouteError {
    let path = crate::registry::denial::ascii(&segments.join("/"), 100);
    RouteError {
        status: StatusCode::NOT_FOUND,
        message: format!("there is nothing at `{path}` in a sparse index"),
    }
}
