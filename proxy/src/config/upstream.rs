//! Upstreams: addresses, names, credentials.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::url::Url;
use cordon_policy::config::names::read_name;
use cordon_policy::config::reader::Spanned;
use cordon_policy::config::source::SourceFile;
use cordon_policy::config::text::shown;
use cordon_policy::ecosystem::scheme_for;
use cordon_policy::matching::NamePattern;
use cordon_policy::model::{Ecosystem, Scheme};
use globset::{Glob, GlobSet, GlobSetBuilder};
use smol_str::SmolStr;

use super::defaults::{PUBLIC_REGISTRIES, PublicRegistry, UPSTREAM_ID};
use super::raw::RawUpstream;
use super::secret::{self, Strength};
use super::surroundings::Surroundings;
use super::url;
use super::{Secret, UpstreamConfig};
use crate::registry::signature::SigningKey;

/// Most patterns in one `only`.
const MAX_PATTERNS: usize = 2_000;

/// Longest id: it becomes part of cache keys.
const MAX_ID_BYTES: usize = 32;

/// Where problems are reported, and what the upstreams are read against.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) file: &'a SourceFile<'a>,
    /// Folder relative paths start at.
    pub(super) base: &'a Path,
    pub(super) surroundings: &'a dyn Surroundings,
}

impl Context<'_> {
    /// The file a key names; that it is not there is reported.
    pub(super) fn named_file(&self, given: &Spanned<String>) -> PathBuf {
        let path = self.base.join(&given.value);
        if !self.surroundings.is_file(&path) {
            self.file.error(
                "file-missing",
                &given.bytes,
                format!("`{}` is not there", shown(&path.display().to_string())),
                "relative paths start at the configuration file's folder",
            );
        }
        path
    }
}

/// All upstreams: those given, and the public registry of each ecosystem nothing is said about.
pub(super) fn validate(
    given: &[(Ecosystem, Vec<RawUpstream>)],
    context: Context<'_>,
) -> Vec<UpstreamConfig> {
    let mut all = Vec::new();
    for registry in &PUBLIC_REGISTRIES {
        let scheme = scheme_for(&registry.ecosystem).expect("each registry has a scheme");
        match given.iter().find(|(name, _)| *name == registry.ecosystem) {
            None => all.push(public(registry)),
            Some((_, entries)) => {
                let mut checked: Vec<UpstreamConfig> = Vec::with_capacity(entries.len());
                for raw in entries {
                    check_id_is_new(raw, &checked, context.file);
                    checked.extend(one(raw, registry, scheme, context));
                }
                check_exclusive(entries, context.file);
                // A name that belongs to one upstream alone must not be asked for elsewhere first.
                checked.sort_by_key(|upstream| !upstream.is_exclusive);
                all.extend(checked);
            }
        }
    }
    all
}

fn public(registry: &PublicRegistry) -> UpstreamConfig {
    UpstreamConfig {
        id: UPSTREAM_ID.into(),
        ecosystem: registry.ecosystem.clone(),
        url: public_url(registry.url),
        files: registry.files.iter().map(|url| public_url(url)).collect(),
        only: None,
        is_exclusive: false,
        credential: None,
        may_be_private: false,
        signature_keys: None,
    }
}

fn public_url(text: &str) -> Url {
    text.parse().expect("a built-in address is valid")
}

fn id_of(raw: &RawUpstream) -> &str {
    raw.id.as_ref().map_or(UPSTREAM_ID, |id| &id.value)
}

/// C-17.
fn check_id_is_new(raw: &RawUpstream, earlier: &[UpstreamConfig], file: &SourceFile<'_>) {
    let id = id_of(raw);
    if earlier.iter().any(|upstream| upstream.id == id) {
        file.error(
            "upstream-duplicate-id",
            raw.id.as_ref().map_or(&raw.at, |id| &id.bytes),
            format!("two upstreams of one ecosystem have the id `{}`", shown(id)),
            "give each its own `id`: what is cached is kept under it",
        );
    }
}

fn check_exclusive(entries: &[RawUpstream], file: &SourceFile<'_>) {
    for raw in entries {
        if raw.is_exclusive && raw.only.is_none() && entries.len() > 1 {
            file.error(
                "exclusive-without-only",
                &raw.at,
                format!(
                    "upstream `{}` is exclusive for every name, so no other is ever asked",
                    shown(id_of(raw))
                ),
                "name its packages in `only`, or take the other upstreams out",
            );
        }
    }
}

fn one(
    raw: &RawUpstream,
    registry: &PublicRegistry,
    scheme: &dyn Scheme,
    context: Context<'_>,
) -> Option<UpstreamConfig> {
    let id = id(raw, context.file);
    let url = base_url(raw, registry, context.file);
    let files = file_origins(raw, url.as_ref(), registry, context.file);
    let only = match &raw.only {
        None => Some(None),
        Some(patterns) => name_patterns(raw, patterns, scheme, context.file).map(Some),
    };
    let credential = credential(raw, registry, url.as_ref(), context);
    let signature_keys = match &raw.signature_keys {
        None => Some(None),
        Some(path) => signature_keys(path, context).map(Some),
    };
    let (id, url, files, only) = (id?, url?, files?, only?);
    let signature_keys = signature_keys?;
    let may_be_private = raw.is_private || std::iter::once(&url).chain(&files).any(url::is_private);
    Some(UpstreamConfig {
        id,
        ecosystem: registry.ecosystem.clone(),
        url,
        files,
        only,
        is_exclusive: raw.is_exclusive,
        credential,
        may_be_private,
        signature_keys,
    })
}

fn id(raw: &RawUpstream, file: &SourceFile<'_>) -> Option<SmolStr> {
    let id = id_of(raw);
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.len() <= MAX_ID_BYTES && !id.starts_with('-') && id.bytes().all(is_word) {
        return Some(id.into());
    }
    file.error(
        "upstream-id-invalid",
        raw.id.as_ref().map_or(&raw.at, |id| &id.bytes),
        format!("`{}` cannot be the id of an upstream", shown(id)),
        format!("lower-case letters, digits and hyphens, at most {MAX_ID_BYTES}"),
    );
    None
}

fn base_url(raw: &RawUpstream, registry: &PublicRegistry, file: &SourceFile<'_>) -> Option<Url> {
    match &raw.url {
        None => Some(public_url(registry.url)),
        Some(given) => address(raw, &given.value, &given.bytes, "url", file),
    }
}

/// Other origins files come from; the public registry has its own.
fn file_origins(
    raw: &RawUpstream,
    url: Option<&Url>,
    registry: &PublicRegistry,
    file: &SourceFile<'_>,
) -> Option<Vec<Url>> {
    let Some(given) = &raw.files else {
        let is_public = url.is_some_and(|url| url.as_str() == registry.url);
        let defaults = registry.files.iter().filter(|_| is_public);
        return Some(defaults.map(|url| public_url(url)).collect());
    };
    let mut origins = Vec::with_capacity(given.len());
    let mut are_valid = true;
    for text in given {
        match address(raw, &text.value, &text.bytes, "files", file) {
            Some(url) if url.path() == "/" => origins.push(url),
            Some(_) => {
                are_valid = false;
                file.error(
                    "upstream-url-invalid",
                    &text.bytes,
                    "an address in `files` has a path",
                    "write scheme, host and port only: files are allowed by origin, not by path",
                );
            }
            None => are_valid = false,
        }
    }
    are_valid.then_some(origins)
}

/// C-13: one address of an upstream.
fn address(
    raw: &RawUpstream,
    text: &str,
    at: &std::ops::Range<usize>,
    key: &str,
    file: &SourceFile<'_>,
) -> Option<Url> {
    let url = match url::parse(text) {
        Ok(url) => url,
        Err(problem) => {
            let message = format!("`{key}` {}", problem.what);
            file.error("upstream-url-invalid", at, message, problem.help);
            return None;
        }
    };
    if url.scheme() == "http" && !url::is_loopback(&url) && !raw.is_insecure {
        file.error(
            "upstream-plain-http",
            at,
            format!("`{key}` is plain http to another machine: anybody on the way can change what is installed"),
            "use https, or accept it with `insecure = true`",
        );
        return None;
    }
    Some(url)
}

/// The names an upstream is asked for. Two are equal when they are written alike.
#[derive(Clone, Debug)]
pub struct NamePatterns {
    written: Vec<String>,
    globs: GlobSet,
}

impl NamePatterns {
    /// Whether one of them matches a normalised name.
    pub fn match_name(&self, normalized: &str) -> bool {
        self.globs.is_match(normalized)
    }
}

impl PartialEq for NamePatterns {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for NamePatterns {}

fn name_patterns(
    raw: &RawUpstream,
    patterns: &[cordon_policy::config::reader::Spanned<String>],
    scheme: &dyn Scheme,
    file: &SourceFile<'_>,
) -> Option<NamePatterns> {
    if patterns.is_empty() || patterns.len() > MAX_PATTERNS {
        file.error(
            "invalid-pattern",
            &raw.at,
            format!("`only` has {} patterns", patterns.len()),
            format!("from 1 to {MAX_PATTERNS}; leave the key out to ask for every name"),
        );
        return None;
    }
    let mut set = GlobSetBuilder::new();
    let mut are_valid = true;
    for pattern in patterns {
        let glob = match read_name(file, scheme, pattern) {
            Some(NamePattern::Glob { glob, .. }) => Some(glob),
            Some(NamePattern::Exact(name)) => Glob::new(&globset::escape(name.normalized())).ok(),
            None => None,
        };
        match glob {
            Some(glob) => _ = set.add(glob),
            None => are_valid = false,
        }
    }
    if !are_valid {
        return None;
    }
    match set.build() {
        Ok(globs) => Some(NamePatterns {
            written: patterns.iter().map(|it| it.value.clone()).collect(),
            globs,
        }),
        Err(error) => {
            let message = format!("`only` cannot be used: {}", error.kind());
            file.error("invalid-pattern", &raw.at, message, "use fewer patterns");
            None
        }
    }
}

/// The keys a registry signs with, from a file in the form registries list them in.
fn signature_keys(
    path: &cordon_policy::config::reader::Spanned<String>,
    context: Context<'_>,
) -> Option<Arc<[SigningKey]>> {
    let found = context.base.join(&path.value);
    let code = match context.surroundings.is_file(&found) {
        true => "signature-keys-unreadable",
        false => "file-missing",
    };
    let read = context
        .surroundings
        .secret_file(&found)
        .and_then(|file| SigningKey::read_list(file.text.as_bytes()));
    let (why, help) = match read {
        Ok(keys) if !keys.is_empty() => return Some(keys.into()),
        Ok(_) => (
            "it has no key that can be used".to_owned(),
            "keys are `ecdsa-sha2-nistp256`, in the form of the registry's `-/npm/v1/keys`",
        ),
        Err(why) => (
            why,
            "save the registry's `-/npm/v1/keys` there, had from where you trust",
        ),
    };
    context.file.error(
        code,
        &path.bytes,
        format!(
            "`signature_keys` = `{}` cannot be used: {why}",
            shown(&path.value)
        ),
        help,
    );
    None
}

fn credential(
    raw: &RawUpstream,
    registry: &PublicRegistry,
    url: Option<&Url>,
    context: Context<'_>,
) -> Option<Secret> {
    let Some(source) = &raw.credential else {
        if raw.credential_scheme.is_some() {
            context.file.error(
                "missing-key",
                &raw.at,
                "`credential_scheme` is given without a credential",
                "add `credential_env` or `credential_file`, or take it out",
            );
        }
        return None;
    };
    if url.is_some_and(|url| url.scheme() == "http" && !url::is_loopback(url)) {
        context.file.error(
            "credential-over-plain-http",
            &raw.at,
            "the credential would cross the network readable by anybody on the way",
            "use https for this upstream; `insecure` does not cover credentials",
        );
    }
    let secret = secret::fetch(
        source,
        Strength::Issued,
        context.base,
        context.file,
        context.surroundings,
    )?;
    let scheme = raw.credential_scheme.unwrap_or(registry.credential_scheme);
    Some(scheme.header(&secret))
}
