//! Who asks: the routes registries are reached by, and the identities of those who show a token.

use std::collections::BTreeSet;

use cordon_policy::config::reader::{Spanned, TableReader};
use cordon_policy::config::source::SourceFile;
use cordon_policy::config::text::shown;
use cordon_policy::config::{MAX_ASKER_NAME, is_asker_name};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use subtle::ConstantTimeEq as _;

use super::Secret;
use super::secret::{self, SecretSource, Strength};
use super::upstream::Context;

/// Most routes, and most identities.
const MOST: usize = 256;

/// Who shows a token.
#[derive(Clone)]
pub struct Identity {
    /// The name policies and records know them by.
    pub name: SmolStr,
    /// SHA-256 of the token; the token itself is not kept.
    digest: [u8; 32],
}

impl Identity {
    /// Somebody with a token.
    pub fn new(name: SmolStr, token: &Secret) -> Self {
        let digest = Sha256::digest(token.expose().as_bytes()).into();
        Self { name, digest }
    }

    /// Whether a digest is that of their token, in a time that does not depend on the answer.
    pub fn holds(&self, digest: &[u8; 32]) -> bool {
        self.digest.ct_eq(digest).into()
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.holds(&other.digest)
    }
}

impl Eq for Identity {}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Identity").field(&self.name).finish()
    }
}

/// One `[identities.*]`.
#[derive(Debug)]
pub(super) struct RawIdentity {
    at: std::ops::Range<usize>,
    name: Spanned<String>,
    token: Option<SecretSource>,
}

/// Reads `[identities]`.
pub(super) fn read_identities(mut table: TableReader<'_, '_>) -> Vec<RawIdentity> {
    let mut identities = Vec::new();
    for (name, mut table) in table.named_tables() {
        identities.push(RawIdentity {
            at: table.bytes().clone(),
            name,
            token: secret::read_source(&mut table, "token"),
        });
        table.finish();
    }
    table.finish();
    identities
}

/// The routes, in the order written.
pub(super) fn routes(written: &[Spanned<String>], file: &SourceFile<'_>) -> Vec<SmolStr> {
    let mut seen = BTreeSet::new();
    for name in written {
        check_name(name, "a route", &mut seen, file);
    }
    let count = written.len();
    too_many(count, "routes", written.get(MOST).map(|it| &it.bytes), file);
    written.iter().map(|it| it.value.as_str().into()).collect()
}

/// The identities, each with a token nobody else has.
pub(super) fn identities(raw: &[RawIdentity], context: Context<'_>) -> Vec<Identity> {
    let file = context.file;
    let mut seen = BTreeSet::new();
    let mut known: Vec<Identity> = Vec::new();
    too_many(
        raw.len(),
        "identities",
        raw.get(MOST).map(|it| &it.at),
        file,
    );
    for identity in raw.iter().take(MOST) {
        check_name(&identity.name, "an identity", &mut seen, file);
        let Some(source) = &identity.token else {
            file.error(
                "missing-key",
                &identity.at,
                format!("`{}` has no token", shown(&identity.name.value)),
                "give `token_file` or `token_env`; make a token by `openssl rand -base64 32`",
            );
            continue;
        };
        let token = secret::fetch(
            source,
            Strength::Strong,
            context.base,
            file,
            context.surroundings,
        );
        let Some(token) = token else {
            continue;
        };
        let one = Identity::new(identity.name.value.as_str().into(), &token);
        if let Some(other) = known.iter().find(|other| other.holds(&one.digest)) {
            file.error(
                "token-not-unique",
                &identity.at,
                format!("`{}` and `{}` have the same token", other.name, one.name),
                "give each its own: nobody could be told from the other",
            );
        }
        known.push(one);
    }
    known
}

fn check_name<'t>(
    name: &'t Spanned<String>,
    what: &str,
    seen: &mut BTreeSet<&'t str>,
    file: &SourceFile<'_>,
) {
    if !is_asker_name(&name.value) {
        file.error(
            "invalid-value",
            &name.bytes,
            format!("`{}` cannot be the name of {what}", shown(&name.value)),
            format!("write at most {MAX_ASKER_NAME} lower-case letters, digits and `-`"),
        );
    }
    if !seen.insert(&name.value) {
        file.error(
            "duplicate-name",
            &name.bytes,
            format!("`{}` is there twice", shown(&name.value)),
            "remove one of them",
        );
    }
}

fn too_many(count: usize, what: &str, at: Option<&std::ops::Range<usize>>, file: &SourceFile<'_>) {
    if let Some(at) = at {
        file.error(
            "too-many",
            at,
            format!("there are {count} {what}"),
            format!("{MOST} are the most"),
        );
    }
}
