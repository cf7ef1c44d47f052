//! Names and versions of cargo.

use std::cmp::Ordering;

use crate::model::{
    Ecosystem, NameError, PackageName, RangeError, Scheme, Version, VersionError, VersionRange,
};

/// The cargo scheme.
#[derive(Clone, Copy, Debug)]
pub struct Cargo;

impl Scheme for Cargo {
    fn ecosystem(&self) -> &Ecosystem {
        static ECOSYSTEM: Ecosystem = Ecosystem::from_static("cargo");
        &ECOSYSTEM
    }
    fn osv_name(&self) -> &'static str {
        "crates.io"
    }
    fn package(&self, _raw: &str) -> Result<PackageName, NameError> {
        todo!()
    }
    fn version(&self, _raw: &str) -> Result<Version, VersionError> {
        todo!()
    }
    fn compare(&self, _a: &Version, _b: &Version) -> Ordering {
        todo!()
    }
    fn is_prerelease(&self, _version: &Version) -> bool {
        todo!()
    }
    fn range(&self, _raw: &str) -> Result<Box<dyn VersionRange>, RangeError> {
        todo!()
    }
}
