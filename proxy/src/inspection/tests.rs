//! What the tests of this folder share.

use cordon_policy::ecosystem::{NPM, scheme_for};
use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion};

/// The archive of a package's only version.
pub(super) fn artifact(package: &str) -> ArtifactId {
    let scheme = scheme_for(&NPM).unwrap();
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package(package).unwrap(),
            version: scheme.version("1.0.0").unwrap(),
        },
        file: FileName::new(format!("{package}-1.0.0.tgz")).unwrap(),
        kind: ArtifactKind::Archive,
    }
}
