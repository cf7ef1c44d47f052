//! PyPI: the simple repository API in JSON and HTML, the legacy JSON API, files.
//!
//! A client asks for a project's page, chooses among its files by version, Python and platform, and
//! fetches a wheel's `.metadata`, then the file. Upstream's page is read once into one model,
//! whichever form it has; every answer about the project is made from that, so that a file withheld
//! in one form is withheld in all. Each file is judged on its own.
//!
//! The modules, in the order of a request: `route` (with `accept`); `read_json` or `read_html`,
//! which by `build` (with `file_name` and `versions`) make a `page`; `render`, or `legacy` and
//! `legacy_render`, or `refusal`. `catalog` is the list of all projects.

mod accept;
mod build;
mod catalog;
mod file_name;
mod html;
mod json;
mod legacy;
mod legacy_render;
mod page;
mod read_html;
mod read_json;
mod refusal;
mod render;
mod route;
#[cfg(test)]
mod tests;
mod versions;

use cordon_policy::model::{PackageName, Scheme};
use cordon_policy::verdict::Effect;
use http::StatusCode;
use smol_str::{SmolStr, format_smolstr};
use url::Url;

use super::{
    Catalog, Denial, DenialBody, Document, DocumentRequest, Entry, Links, MetadataError, Registry,
    RequestHead, Route, RouteError, UpstreamDocument, View,
};

/// The PyPI adapter.
#[derive(Clone, Copy, Debug)]
pub struct PyPi;

static SCHEME: &dyn Scheme = &cordon_policy::ecosystem::PyPi;

const FORM_JSON: &str = "simple-json";
const FORM_HTML: &str = "simple-html";
const FORM_HTML_V1: &str = "simple-html-v1";
const FORM_LEGACY: &str = "legacy-json";
const FORM_LEGACY_VERSION: &str = "legacy-json-version";
const CATALOG_JSON: &str = "catalog-json";
const CATALOG_HTML: &str = "catalog-html";
const CATALOG_HTML_V1: &str = "catalog-html-v1";

/// What upstream is asked for: JSON, and HTML only from an index that has nothing else, because
/// HTML knows neither upload times nor sizes.
const PAGE_ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
                           application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

impl Registry for PyPi {
    fn scheme(&self) -> &'static dyn Scheme {
        SCHEME
    }

    fn classify(&self, request: &RequestHead<'_>, _links: &Links) -> Result<Route, RouteError> {
        route::classify(request)
    }

    fn documents(&self, package: &PackageName, view: &View) -> Vec<DocumentRequest> {
        let name = package.normalized();
        let mut documents = vec![DocumentRequest {
            kind: "simple",
            name: SmolStr::new(name),
            path: format!("{name}/"),
            accept: PAGE_ACCEPT,
            is_optional: false,
            is_kept: true,
        }];
        let legacy = |kind, key: SmolStr, path| DocumentRequest {
            kind,
            name: key,
            path,
            accept: "application/json",
            is_optional: true,
            is_kept: true,
        };
        match (view.form, view.argument.as_deref()) {
            (FORM_LEGACY, _) => {
                let path = format!("../pypi/{name}/json");
                documents.push(legacy(FORM_LEGACY, SmolStr::new(name), path));
            }
            (FORM_LEGACY_VERSION, Some(version)) => {
                let path = format!("../pypi/{name}/{}/json", render::segment(version));
                let key = format_smolstr!("{name}/{version}");
                documents.push(legacy(FORM_LEGACY_VERSION, key, path));
            }
            _ => {}
        }
        documents
    }

    fn read(
        &self,
        package: &PackageName,
        documents: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, MetadataError> {
        let Some(Some(document)) = documents.first() else {
            return Err(page::malformed("simple page", package, "it is missing"));
        };
        let is_json = is_json(document)
            .map_err(|content_type| page::malformed("simple page", package, content_type))?;
        let mut page = if is_json {
            read_json::read(package, document)?
        } else {
            read_html::read(package, document)?
        };
        if let Some(Some(document)) = documents.get(1) {
            page.legacy = Some(legacy::read(&page, document)?);
        }
        Ok(Box::new(page))
    }

    fn read_catalog(&self, document: &UpstreamDocument) -> Result<Box<dyn Catalog>, MetadataError> {
        let is_json = is_json(document).map_err(|why| MetadataError::Malformed {
            document: "project list",
            subject: "pkg:pypi".to_owned(),
            why,
        })?;
        Ok(Box::new(catalog::read(document, is_json)?))
    }

    fn deny(&self, denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
        refusal::deny(denial, request)
    }

    fn error(&self, status: StatusCode, message: &str) -> DenialBody {
        refusal::error(status, message)
    }

    /// What is blocked stays listed as yanked, without what its bytes are known by: resolvers
    /// take other versions, and who pins it reads the reason when the file is refused, instead of
    /// "no matching distribution". What is hidden is as if it were not there.
    fn withheld_as(&self, effect: Effect) -> Entry {
        match effect {
            Effect::Block => Entry::Demoted,
            Effect::Allow | Effect::Hide | Effect::Quarantine => Entry::Hidden,
        }
    }

    fn client_setup(&self, base: &Url) -> String {
        format!(
            "pip config set global.index-url {base}simple/\n\
             export UV_DEFAULT_INDEX={base}simple/\n\
             poetry source add --priority=primary cordon {base}simple/\n"
        )
    }
}

/// Which form upstream sent.
///
/// # Errors
/// Neither of the two; the text says what.
fn is_json(document: &UpstreamDocument) -> Result<bool, String> {
    match document.content_type.as_str() {
        "application/vnd.pypi.simple.v1+json" | "application/json" => Ok(true),
        "application/vnd.pypi.simple.v1+html" | "text/html" => Ok(false),
        other => {
            let shown: String = other.chars().take(64).collect();
            Err(format!("its content type is {shown:?}, which is no page's"))
        }
    }
}
