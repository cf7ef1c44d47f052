//! Values that cannot be wrong: names, versions, digests, instants.
//!
//! Everything here is made by a constructor that checks it. A raw string from a client, a registry
//! or a policy file becomes one of these at the border and never travels further as a string.

mod artifact;
mod digest;
mod package;
mod purl;
mod scheme;
mod time;

pub use artifact::{ArtifactId, ArtifactKind, FileName, FileNameError};
pub use digest::{Digest, DigestAlgorithm, DigestError, Digests};
pub use package::{Ecosystem, PackageName, PackageVersion, Version};
pub use purl::{PurlError, PurlTarget, parse_purl};
pub use scheme::{Line, NameError, RangeError, Scheme, VersionError, VersionRange};
pub use time::{Timestamp, TimestampError};
