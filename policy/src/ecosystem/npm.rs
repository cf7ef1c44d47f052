//! Names and versions of npm.

use std::cmp::Ordering;

use crate::model::{
    Ecosystem, NameError, PackageName, RangeError, Scheme, Version, VersionError, VersionRange,
};

/// The npm scheme.
#[derive(Clone, Copy, Debug)]
pub struct Npm;

impl Scheme for Npm {
    fn ecosystem(&self) -> &Ecosystem {
        static ECOSYSTEM: Ecosystem = Ecosystem::from_static("npm");
        &ECOSYSTEM
    }
    fn osv_name(&self) -> &'static str {
        "npm"
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
