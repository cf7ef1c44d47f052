//! Reading `[[reject]]`: what a person refused, why, and who.
//!
//! ```toml
//! [[reject]]
//! id = "left-pad-miner"
//! package = "pkg:npm/left-pad@1.3.1"
//! file = "left-pad-1.3.1.tgz"            # optional: one file of the version
//! sha256 = "…"                           # optional: these bytes, under whatever name
//! reason = "starts a miner on import"
//! owner = "security team"
//! ```

use super::exempt::read_bytes;
use super::names::{read_purl, read_reason};
use super::reader::TableReader;
use super::text::shown;
use crate::model::PackageVersion;
use crate::rejection::Rejection;

/// Reads one rejection. `None` when it is not usable; the reasons are among the file's problems.
pub(super) fn read_rejection(mut table: TableReader<'_, '_>) -> Option<Rejection> {
    let file = table.file();
    let source = file.span(table.bytes());
    let id = table.required_string("id", "give it a short name that records can show");
    table.require(
        "package",
        "name the version: package = \"pkg:npm/left-pad@1.3.1\"",
    );
    let package = table.string("package");
    let (name, sha256) = read_bytes(&mut table);
    table.require("reason", "say why it is refused");
    let reason = read_reason(&mut table);
    let owner = table.required_string("owner", "say who refused it");
    table.finish();
    let package = package?;
    let subject = match read_purl(file, &package)? {
        (name, Some(version)) => PackageVersion { name, version },
        (_, None) => {
            file.error(
                "unclear-scope",
                &package.bytes,
                format!("`{}` names no version", shown(&package.value)),
                "name one version (`…@1.3.1`); whole packages are for the rule `deny`",
            );
            return None;
        }
    };
    Some(Rejection {
        id: id?.value.into(),
        subject,
        file: name.map(|it| it.value),
        sha256: sha256.map(|it| it.value),
        reason: reason?.to_string(),
        owner: owner?.value,
        source,
    })
}
