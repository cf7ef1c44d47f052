//! The cargo adapter.

use cordon_policy::model::{PackageName, Scheme};
use http::StatusCode;
use url::Url;

use super::{
    Catalog, Denial, DenialBody, Document, DocumentRequest, Links, MetadataError, Registry,
    RequestHead, Route, RouteError, UpstreamDocument, View,
};

/// The cargo adapter.
#[derive(Clone, Copy, Debug)]
pub struct Cargo;

impl Registry for Cargo {
    fn scheme(&self) -> &'static dyn Scheme {
        &cordon_policy::ecosystem::Cargo
    }
    fn classify(&self, _request: &RequestHead<'_>, _links: &Links) -> Result<Route, RouteError> {
        todo!()
    }
    fn documents(&self, _package: &PackageName, _view: &View) -> Vec<DocumentRequest> {
        todo!()
    }
    fn read(
        &self,
        _package: &PackageName,
        _documents: &[Option<UpstreamDocument>],
    ) -> Result<Box<dyn Document>, MetadataError> {
        todo!()
    }
    fn read_catalog(
        &self,
        _document: &UpstreamDocument,
    ) -> Result<Box<dyn Catalog>, MetadataError> {
        todo!()
    }
    fn deny(&self, _denial: &Denial<'_>, _request: &RequestHead<'_>) -> DenialBody {
        todo!()
    }
    fn error(&self, _status: StatusCode, _message: &str) -> DenialBody {
        todo!()
    }
    fn client_setup(&self, _base: &Url) -> String {
        todo!()
    }
}
