//! Packages inside the archive of another one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::AdvisoryMatch;
use crate::ecosystem::scheme_for;
use crate::inspect::manifest::Nested;
use crate::model::{Ecosystem, PackageVersion, Version};

/// A package that the archive of another one brings along, and that is installed with it without
/// ever being asked for by its own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundled {
    /// Its folder in the archive, printable: `package/node_modules/left-pad`.
    pub place: SmolStr,
    /// What it says it is, or what its folder says.
    pub subject: PackageVersion,
    /// The advisories that call it malware.
    #[serde(default, skip_serializing_if = "<[AdvisoryMatch]>::is_empty")]
    pub malware: Arc<[AdvisoryMatch]>,
}

impl Bundled {
    /// Those of the packages in an archive that are found as dependencies of the package itself. A
    /// package is judged by the name it gives itself and by that of its folder, under which it is
    /// found; one whose version cannot be read has the empty one, which every range may mean.
    pub fn of(nested: &[Nested], ecosystem: &Ecosystem) -> Vec<Self> {
        let Some(scheme) = scheme_for(ecosystem) else {
            return Vec::new();
        };
        let mut all: Vec<Self> = Vec::new();
        for it in nested.iter().filter(|it| it.is_bundled()) {
            let folder = it.place.rsplit_once("node_modules/");
            let folder = folder.map_or(it.name.as_str(), |(_, folder)| folder);
            let mut names = vec![it.name.as_str()];
            names.extend((folder != it.name).then_some(folder));
            for name in names {
                let Ok(name) = scheme.package(name) else {
                    continue;
                };
                all.push(Self {
                    place: it.place.as_str().into(),
                    subject: PackageVersion {
                        name,
                        version: Version::verbatim(it.version.as_deref().unwrap_or_default()),
                    },
                    malware: Arc::default(),
                });
            }
        }
        all
    }
}
