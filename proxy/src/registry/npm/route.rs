//! What npm's clients ask for (protocols.md §2.1).

use cordon_policy::ecosystem::Npm as NpmScheme;
use cordon_policy::model::{ArtifactKind, FileName, PackageName, Scheme};
use http::{Method, StatusCode};
use smol_str::SmolStr;

use super::negotiate::{self, Form};
use super::{catalog, forms, upstream_path};
use crate::registry::{
    ArtifactRequest, DocumentRequest, Rendered, RequestHead, Route, RouteError, View,
};

/// Longest version or tag in a path.
const MAX_SELECTOR_BYTES: usize = 128;

const NO_PUBLISHING: &str =
    "this registry only serves packages; publish to the registry they come from";
const NO_ACCOUNTS: &str =
    "this registry has no accounts; log in to the registry packages are published to";
const NO_AUDIT: &str =
    "audit reports are not available here; every package served is checked against policy";
const NOT_LOGGED_IN: &str = "this registry has no accounts, so nobody is logged in";

pub(super) fn classify(request: &RequestHead<'_>) -> Result<Route, RouteError> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    if request.has_trailing_slash || request.has_doubled_slash {
        return Err(not_found("no route ends in or doubles a slash"));
    }
    if !matches!(*request.method, Method::GET | Method::HEAD) {
        return Ok(refuse(request.method, &segments));
    }
    match segments.as_slice() {
        ["-", rest @ ..] => registry_route(rest, request.query),
        _ => package_route(&segments, request),
    }
}

/// Anything but reading.
fn refuse(method: &Method, segments: &[&str]) -> Route {
    let (status, message) = match segments {
        ["-", "npm", "v1", "security", ..] if *method == Method::POST => {
            (StatusCode::NOT_FOUND, NO_AUDIT)
        }
        ["-", "user", ..] | ["-", "v1", "login", ..] | ["-", "npm", "v1", ..] => {
            (StatusCode::METHOD_NOT_ALLOWED, NO_ACCOUNTS)
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, NO_PUBLISHING),
    };
    Route::Refuse { status, message }
}

/// Below `/-/`: what is about the registry rather than one package's documents.
fn registry_route(segments: &[&str], query: Option<&str>) -> Result<Route, RouteError> {
    match segments {
        ["ping"] => Ok(Route::Static(Rendered {
            body: "{}".into(),
            content_type: negotiate::FULL,
            last_modified: None,
            vary: "",
        })),
        ["whoami"] => Ok(Route::Refuse {
            status: StatusCode::UNAUTHORIZED,
            message: NOT_LOGGED_IN,
        }),
        ["v1", "search"] => catalog::route(query),
        ["package", name @ .., "dist-tags"] => Ok(Route::Metadata {
            package: package(name)?,
            view: View::plain(forms::DIST_TAGS),
        }),
        ["npm", "v1", "keys"] => Ok(Route::Forward {
            request: keys(),
            package: None,
            version: None,
        }),
        ["npm", "v1", "attestations", spec @ ..] => attestations(spec),
        _ => Err(not_found("no such route")),
    }
}

/// The keys the registry signs with.
pub(super) fn keys() -> DocumentRequest {
    DocumentRequest {
        kind: "keys",
        name: SmolStr::new_static("keys"),
        path: "-/npm/v1/keys".to_owned(),
        accept: negotiate::FULL,
        is_optional: false,
        is_kept: true,
    }
}

/// `{name}@{version}`, the scope in a segment of its own or not.
fn attestations(spec: &[&str]) -> Result<Route, RouteError> {
    let spec = spec.join("/");
    let (name, version) = spec
        .rsplit_once('@')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| not_found("attestations are asked for as `name@version`"))?;
    let package = package(&[name])?;
    let version = NpmScheme
        .version(version)
        .map_err(|error| not_found(&error.to_string()))?;
    Ok(Route::Forward {
        request: DocumentRequest {
            kind: "attestations",
            name: format!("{}@{version}", package.normalized()).into(),
            path: format!(
                "-/npm/v1/attestations/{}@{}",
                upstream_path(&package),
                version.as_str().replace('+', "%2b")
            ),
            accept: negotiate::FULL,
            is_optional: false,
            is_kept: true,
        },
        package: Some(package),
        version: Some(version),
    })
}

/// Below a package's name.
fn package_route(segments: &[&str], request: &RequestHead<'_>) -> Result<Route, RouteError> {
    let (name, rest) = split_name(segments)?;
    match rest {
        [] => Ok(Route::Metadata {
            package: name,
            view: View::plain(match negotiate::form(request.headers) {
                Form::Full => forms::PACKUMENT,
                Form::Abbreviated => forms::ABBREVIATED,
            }),
        }),
        ["-", file] => artifact(name, file),
        [selector] if is_selector(selector) => Ok(Route::Metadata {
            package: name,
            view: View {
                form: forms::VERSION,
                argument: Some(SmolStr::new(selector)),
            },
        }),
        _ => Err(not_found("no such route")),
    }
}

/// The package's name, from one segment or two, and what follows it.
fn split_name<'a>(segments: &'a [&'a str]) -> Result<(PackageName, &'a [&'a str]), RouteError> {
    let takes = match segments {
        [scope, ..] if scope.starts_with('@') && !scope.contains('/') => 2,
        _ => 1,
    };
    let (name, rest) = segments
        .split_at_checked(takes)
        .ok_or_else(|| not_found("a scope is followed by a package name"))?;
    Ok((package(name)?, rest))
}

fn package(segments: &[&str]) -> Result<PackageName, RouteError> {
    NpmScheme
        .package(&segments.join("/"))
        .map_err(|error| not_found(&error.to_string()))
}

/// `{basename}-{version}.tgz`: the file's name must be the package's, or a file of one package
/// could be asked for under the name of another.
fn artifact(package: PackageName, file: &str) -> Result<Route, RouteError> {
    let version = version_of(&package, file).and_then(|version| NpmScheme.version(version).ok());
    let (Some(version), Ok(file)) = (version, FileName::new(file)) else {
        return Err(not_found(&format!(
            "a tarball of {} is named {}-<version>.tgz",
            package.purl(),
            basename(&package)
        )));
    };
    Ok(Route::Artifact(ArtifactRequest {
        package,
        version: Some(version),
        file: Some(file),
        kind: ArtifactKind::Archive,
        expected: None,
    }))
}

/// A package's name without its scope.
pub(super) fn basename(package: &PackageName) -> &str {
    let name = package.as_published();
    name.rsplit_once('/').map_or(name, |(_, name)| name)
}

/// The version a canonical file name of the package names.
pub(super) fn version_of<'a>(package: &PackageName, file: &'a str) -> Option<&'a str> {
    file.strip_prefix(basename(package))?
        .strip_prefix('-')?
        .strip_suffix(".tgz")
}

/// Whether a segment can be a version or a tag. A range cannot be asked for by path.
fn is_selector(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~'()+".contains(&byte);
    segment.len() <= MAX_SELECTOR_BYTES && segment != "-" && segment.bytes().all(is_plain)
}

pub(super) fn not_found(message: &str) -> RouteError {
    RouteError {
        status: StatusCode::NOT_FOUND,
        message: message.to_owned(),
    }
}
