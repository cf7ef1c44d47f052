//! The cargo adapter: the sparse index, its `config.json`, crate downloads, and refusals of the
//! web API (protocols.md §4, §5.4).
//!
//! A version that may not be had is listed as yanked instead of dropped: resolvers avoid it just
//! the same, and a build whose lock file pins it learns the reason at the download, where dropping
//! it would read as "no matching package".

#[cfg(test)]
mod changes_tests;
mod index;
mod line;
mod pins;
mod refusal;
mod route;
mod template;
#[cfg(test)]
mod tests;

use cordon_policy::model::{PackageName, Scheme};
use cordon_policy::verdict::Effect;
use http::StatusCode;
use url::Url;

use super::{
    Catalog, Denial, DenialBody, Document, DocumentRequest, Entry, Links, MetadataError, Registry,
    RequestHead, Route, RouteError, UpstreamDocument, View,
};
use index::IndexFile;
use template::DownloadTemplate;

/// The cargo adapter.
#[derive(Clone, Copy, Debug)]
pub struct Cargo;

/// The only form of a package's document. Routes add the spelling asked for as its argument.
pub(crate) const INDEX: View = View::plain("index");

impl Registry for Cargo {
    fn scheme(&self) -> &'static dyn Scheme {
        &cordon_policy::ecosystem::Cargo
    }

    fn classify(&self, request: &RequestHead<'_>, links: &Links) -> Result<Route, RouteError> {
        route::classify(request, links)
    }

    /// The index file, and the registry's `config.json`, which tells where its crates are.
    fn documents(&self, package: &PackageName, _view: &View) -> Vec<DocumentRequest> {
        let name = package.as_published().to_ascii_lowercase();
        vec![
            DocumentRequest {
                kind: "index",
                path: route::index_path(&name),
                // As asked for, not folded: `a-b` and `a_b` are one package to policy, but two
                // places at upstream, and only one of them exists.
                name: name.into(),
                accept: "text/plain",
                is_optional: false,
                is_kept: true,
            },
            DocumentRequest {
                kind: "config",
                path: route::CONFIG.to_owned(),
                name: "".into(),
                accept: "application/json, text/plain; q=0.5",
                is_optional: false,
                is_kept: true,
            },
        ]
    }

    fn read(
        &self,
        package: &PackageName,
        documents: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, MetadataError> {
        let missing = |document| MetadataError::NotFound {
            what: format!("upstream has no {document} for {package}"),
        };
        let [index, config] = documents else {
            return Err(missing("index file"));
        };
        let index = index.as_ref().ok_or_else(|| missing("index file"))?;
        let config = config.as_ref().ok_or_else(|| missing("config.json"))?;
        let template = DownloadTemplate::read(config)?;
        Ok(Box::new(IndexFile::read(package, index, template)?))
    }

    /// Search is refused (see [`Registry::classify`]), so there is never a catalogue to read.
    fn read_catalog(
        &self,
        _document: &UpstreamDocument,
    ) -> Result<Box<dyn Catalog>, MetadataError> {
        Err(MetadataError::NotFound {
            what: "the sparse index has no catalogue".to_owned(),
        })
    }

    fn deny(&self, denial: &Denial<'_>, request: &RequestHead<'_>) -> DenialBody {
        refusal::deny(denial, request)
    }

    fn error(&self, status: StatusCode, message: &str) -> DenialBody {
        refusal::error(status, message)
    }

    fn withheld_as(&self, _effect: Effect) -> Entry {
        Entry::Demoted
    }

    fn client_setup(&self, base: &Url) -> String {
        format!(
            "# ~/.cargo/config.toml\n\
             [source.crates-io]\n\
             replace-with = \"cordon\"\n\
             [source.cordon]\n\
             registry = \"sparse+{base}\"\n"
        )
    }
}
