//! Secrets: from the environment or from a file, never from the configuration itself.

use std::path::Path;

use cordon_policy::config::reader::{Spanned, TableReader};
use cordon_policy::config::source::SourceFile;
use cordon_policy::config::text::shown;
use data_encoding::BASE64;

use super::surroundings::Surroundings;

/// A secret from the environment or a file. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// The secret itself; the caller must not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// How a credential becomes the value of `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialScheme {
    /// `Bearer <token>`: npm.
    Bearer,
    /// `Basic <base64 of user:password>`: Python indexes.
    Basic,
    /// The token alone: cargo.
    Plain,
}

impl CredentialScheme {
    /// Its words in the configuration.
    pub(super) const CHOICES: [(&'static str, Self); 3] = [
        ("bearer", Self::Bearer),
        ("basic", Self::Basic),
        ("plain", Self::Plain),
    ];

    /// The value of `Authorization`.
    pub(super) fn header(self, secret: &Secret) -> Secret {
        Secret::new(match self {
            Self::Bearer => format!("Bearer {}", secret.expose()),
            Self::Basic => format!("Basic {}", BASE64.encode(secret.expose().as_bytes())),
            Self::Plain => secret.expose().to_owned(),
        })
    }
}

/// Where a secret is to be found.
#[derive(Debug)]
pub(super) enum SecretSource {
    /// `*_env`.
    Variable(Spanned<String>),
    /// `*_file`.
    File(Spanned<String>),
}

impl SecretSource {
    pub(super) fn bytes(&self) -> &std::ops::Range<usize> {
        match self {
            Self::Variable(name) => &name.bytes,
            Self::File(path) => &path.bytes,
        }
    }
}

/// Reads `<key>_env` or `<key>_file`, of which one may be given.
pub(super) fn read_source(table: &mut TableReader<'_, '_>, key: &str) -> Option<SecretSource> {
    let variable = table.string(&format!("{key}_env"));
    let file = table.string(&format!("{key}_file"));
    match (variable, file) {
        (Some(_), Some(file)) => {
            table.file().error(
                "secret-given-twice",
                &file.bytes,
                format!("`{key}_env` and `{key}_file` are both given"),
                "keep one of them",
            );
            None
        }
        (Some(variable), None) => Some(SecretSource::Variable(variable)),
        (None, Some(file)) => Some(SecretSource::File(file)),
        (None, None) => None,
    }
}

/// How much a secret must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// A token of our own: at least 128 bits.
    Strong,
    /// A credential somebody else issued: whatever it is, it is not blank and no placeholder.
    Issued,
}

/// Fetches a secret and checks it; what is wrong is reported at its key.
pub(super) fn fetch(
    source: &SecretSource,
    strength: Strength,
    base: &Path,
    file: &SourceFile<'_>,
    surroundings: &dyn Surroundings,
) -> Option<Secret> {
    let at = source.bytes();
    let (text, origin) = match source {
        SecretSource::Variable(name) => {
            let origin = format!("environment variable `{}`", shown(&name.value));
            let Some(text) = surroundings.variable(&name.value) else {
                file.error(
                    "secret-missing",
                    at,
                    format!("{origin} is not set"),
                    "set it for the process, or name a file with `*_file`",
                );
                return None;
            };
            (text, origin)
        }
        SecretSource::File(path) => {
            let origin = format!("secret file `{}`", shown(&path.value));
            match surroundings.secret_file(&base.join(&path.value)) {
                Err(why) => {
                    file.error(
                        "secret-missing",
                        at,
                        format!("{origin} cannot be read: {why}"),
                        "relative paths start at the configuration file's folder",
                    );
                    return None;
                }
                Ok(secret) if secret.is_readable_by_others => {
                    file.error(
                        "secret-readable-by-others",
                        at,
                        format!("{origin} can be read by every user of this machine"),
                        "take the right away: chmod o-rwx, or mode 0400 in the orchestrator",
                    );
                    return None;
                }
                Ok(secret) => (secret.text, origin),
            }
        }
    };
    let text = text.trim_end_matches(['\r', '\n']);
    match weakness(text, strength) {
        None => Some(Secret::new(text.to_owned())),
        Some((why, help)) => {
            file.error("secret-weak", at, format!("{origin} {why}"), help);
            None
        }
    }
}

/// Least bits a token of our own must have.
const MIN_BITS: f64 = 128.0;

/// Words people leave in templates.
const PLACEHOLDERS: [&str; 9] = [
    "changeme",
    "change-me",
    "change_me",
    "secret",
    "password",
    "token",
    "admin",
    "xxx",
    "todo",
];

/// What is wrong with a secret and what to do, without repeating any of it.
fn weakness(text: &str, strength: Strength) -> Option<(&'static str, &'static str)> {
    const MAKE: &str = "make one with: openssl rand -base64 32";
    if text.trim().is_empty() {
        return Some(("is blank", "put the secret there, or remove the key"));
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() || byte == b' ')
    {
        return Some((
            "has characters no header can carry (line breaks, controls, non-ASCII)",
            "a secret is one line of visible ASCII",
        ));
    }
    let lower = text.trim().to_ascii_lowercase();
    if PLACEHOLDERS.contains(&lower.as_str()) || lower.starts_with("change-me") {
        return Some(("still holds a placeholder", "put the real secret there"));
    }
    if strength == Strength::Strong && bits(text) < MIN_BITS {
        return Some(("is too easy to guess: it has less than 128 bits", MAKE));
    }
    None
}

/// The bits of a random text of this length over the characters it uses; repeated characters
/// count once where the text has few different ones.
fn bits(text: &str) -> f64 {
    let mut distinct: Vec<u8> = text.bytes().collect();
    distinct.sort_unstable();
    distinct.dedup();
    let is_hex = distinct.iter().all(u8::is_ascii_hexdigit);
    let alphabet: u8 = if is_hex { 16 } else { 64 };
    let used = u8::try_from(distinct.len()).unwrap_or(u8::MAX);
    // A random text of 22 characters or more nearly always uses 10 different ones.
    let per_character = if used < 10 { used } else { alphabet };
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    f64::from(length) * f64::from(per_character).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_15_blank_placeholder_and_short_tokens_are_refused() {
        let refused = |text| weakness(text, Strength::Strong).is_some();
        assert!(refused(""));
        assert!(refused("   "));
        assert!(refused("change-me"));
        assert!(refused("CHANGE-ME-please-change-me-please"));
        assert!(refused("0123456789abcdef"));
        assert!(refused("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        assert!(refused("two\nlines0123456789abcdefABCDEFGH"));
        assert!(!refused("0123456789abcdef0123456789abcdef"));
        assert!(!refused("lqI7xXkBbVxGJqVcRmzVZlRkY3o2l0w9"));
    }

    #[test]
    fn an_issued_credential_may_be_short_but_not_blank_or_a_placeholder() {
        let refused = |text| weakness(text, Strength::Issued).is_some();
        assert!(!refused("user:pw"));
        assert!(refused("changeme"));
        assert!(refused(" "));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("canary".to_owned());
        assert_eq!(format!("{secret:?}"), "[secret]");
    }

    #[test]
    fn a_credential_becomes_the_header_its_registry_expects() {
        let secret = Secret::new("me:pw".to_owned());
        let header = |scheme: CredentialScheme| scheme.header(&secret).expose().to_owned();
        assert_eq!(header(CredentialScheme::Bearer), "Bearer me:pw");
        assert_eq!(header(CredentialScheme::Basic), "Basic bWU6cHc=");
        assert_eq!(header(CredentialScheme::Plain), "me:pw");
    }
}
