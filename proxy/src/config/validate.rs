//! Values to a [`Config`]: what only holds together, and what is to be found outside the file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cordon_policy::config::reader::Spanned;
use cordon_policy::config::source::SourceFile;
use cordon_policy::config::text::shown;
use cordon_policy::model::Ecosystem;

use super::defaults::{ADMIN_LISTEN, LISTEN};
use super::load::Overrides;
use super::raw::{Raw, RawTls};
use super::secret::{self, Strength};
use super::upstream::{self, Context};
use super::{Config, PublicUrl, TlsFiles, askers, feeds, indicators, inspection, url};

/// Checks everything and reports every problem to `context.file`, or to `command_line` where an
/// override is wrong. The result is only to be used when neither holds an error.
pub(super) fn validate(
    raw: Raw,
    overrides: &Overrides,
    context: Context<'_>,
    command_line: &SourceFile<'_>,
) -> Option<Config> {
    let file = context.file;
    check_order(&raw, file);
    let listen = overrides
        .listen
        .unwrap_or(value(&raw.server.listen, LISTEN));
    let admin_listen = overrides
        .admin_listen
        .unwrap_or(value(&raw.server.admin_listen, ADMIN_LISTEN));
    if listen == admin_listen && listen.port() != 0 {
        let at = place(&raw.server.admin_listen, &raw.server.listen);
        file.error(
            "same-address",
            &at,
            format!("registries and operators would share {listen}"),
            "give `admin_listen` another port: whoever installs packages must not reach it",
        );
    }
    let tls = tls(&raw.server.tls, "tls", context);
    let admin_tls = self::tls(&raw.server.admin_tls, "admin_tls", context);
    let admin_token = raw.server.admin_token.as_ref().and_then(|source| {
        secret::fetch(
            source,
            Strength::Strong,
            context.base,
            file,
            context.surroundings,
        )
    });
    // C-16. What was given but is broken has been reported already.
    let is_guarded = raw.server.admin_token.is_some() && raw.server.admin_tls.certificate.is_some();
    if !(admin_listen.ip().is_loopback() || is_guarded) {
        let (at, file) = match (overrides.admin_listen, &raw.server.admin_listen) {
            (None, Some(given)) => (given.bytes.clone(), file),
            _ => (0..0, command_line),
        };
        file.error(
            "admin-exposed",
            &at,
            format!("the admin listener at {admin_listen} can be reached from other machines"),
            "use a loopback address, or give `admin_tls_certificate`, `admin_tls_key` and \
             `admin_token_file`",
        );
    }
    let public_url = public_url(&raw, overrides, listen, file, command_line);
    let data = data(&raw, overrides, context, command_line);
    let log = log(&raw, overrides, command_line);
    let policy_files = policy_files(&raw, overrides, context, command_line);
    let popular = popular(&raw, context);
    let routes = askers::routes(&raw.server.routes, file);
    let identities = askers::identities(&raw.identities, context);
    let upstreams = upstream::validate(&raw.upstreams, context);
    let served = upstreams.iter().map(|it| it.ecosystem.clone()).collect();
    let feeds = feeds::validate(&raw.feeds, &served, context);
    let inspection = inspection::validate(&raw.inspection, context);
    let indicators = indicators::validate(&raw.indicators, context);
    Some(Config {
        listen,
        admin_listen,
        admin_token,
        public_url: public_url?,
        data: data?,
        tls,
        admin_tls,
        upstreams,
        routes,
        identities,
        popular,
        policy_files,
        contact: raw.contact.map(|contact| contact.value),
        limits: raw.limits,
        freshness: raw.freshness,
        feeds,
        inspection,
        indicators,
        quarantine: raw.quarantine,
        self_test: raw.self_test,
        log,
    })
}

fn value<T: Copy>(given: &Option<Spanned<T>>, default: T) -> T {
    given.as_ref().map_or(default, |given| given.value)
}

/// The place of the first of two settings that is given.
fn place<T>(first: &Option<Spanned<T>>, second: &Option<Spanned<T>>) -> std::ops::Range<usize> {
    first
        .as_ref()
        .or(second.as_ref())
        .map_or(0..0, |given| given.bytes.clone())
}

/// Settings that contradict each other.
fn check_order(raw: &Raw, file: &SourceFile<'_>) {
    let freshness = &raw.freshness;
    if freshness.min_age > freshness.max_age {
        file.error(
            "freshness-order",
            &raw.freshness_at,
            "`min_age` is longer than `max_age`",
            "`min_age` is the least time a document is used, `max_age` the longest",
        );
    }
    let limits = &raw.limits;
    for (small, large, says) in [
        (
            limits.large_document_bytes,
            limits.document_bytes,
            "`large_document_size` is above `document_size`",
        ),
        (
            limits.artifact_cache_each_bytes,
            limits.artifact_cache_bytes,
            "`artifact_cache_each_size` is above `artifact_cache_size`",
        ),
        (
            limits.artifact_bytes,
            limits.store_bytes,
            "`artifact_size` is above `store_size`",
        ),
    ] {
        if small > large {
            let help = "the first must fit into the second";
            file.error("limits-order", &raw.limits_at, says, help);
        }
    }
}

fn tls(raw: &RawTls, key: &str, context: Context<'_>) -> Option<TlsFiles> {
    let file = context.file;
    let (certificate, private_key) = match (&raw.certificate, &raw.key) {
        (None, None) => return None,
        (Some(certificate), Some(private_key)) => (certificate, private_key),
        (given, other) => {
            let missing = if given.is_some() {
                "key"
            } else {
                "certificate"
            };
            file.error(
                "tls-incomplete",
                &place(given, other),
                format!("`{key}_{missing}` is missing"),
                "TLS needs a certificate and its key",
            );
            return None;
        }
    };
    let existing = |path: &Spanned<String>| {
        let full = context.base.join(&path.value);
        if context.surroundings.is_file(&full) {
            return Some(full);
        }
        file.error(
            "file-missing",
            &path.bytes,
            format!("`{}` is not a file", shown(&path.value)),
            "relative paths start at the configuration file's folder",
        );
        None
    };
    let (certificate, key) = (existing(certificate), existing(private_key));
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

/// C-14: the address clients use is given, or known because nobody else can reach the listener.
fn public_url(
    raw: &Raw,
    overrides: &Overrides,
    listen: SocketAddr,
    file: &SourceFile<'_>,
    command_line: &SourceFile<'_>,
) -> Option<PublicUrl> {
    let given = match (&overrides.public_url, &raw.server.public_url) {
        (Some(text), _) => Some((text, 0..0, command_line)),
        (None, Some(given)) => Some((&given.value, given.bytes.clone(), file)),
        (None, None) => None,
    };
    let Some((text, at, file)) = given else {
        if listen.ip().is_loopback() {
            return Some(PublicUrl::FromListener);
        }
        let (at, file) = match (overrides.listen, &raw.server.listen) {
            (None, Some(given)) => (given.bytes.clone(), file),
            _ => (0..0, command_line),
        };
        file.error(
            "public-url-missing",
            &at,
            format!("clients reach {listen} by a name Cordon cannot know"),
            "give `public_url`, e.g. \"https://packages.example/\": it is written into the documents clients get",
        );
        return None;
    };
    let url = match url::parse(text) {
        Ok(url) => url,
        Err(problem) => {
            let message = format!("`public_url` {}", problem.what);
            file.error("public-url-invalid", &at, message, problem.help);
            return None;
        }
    };
    if url.scheme() == "http" && !url::is_loopback(&url) {
        file.warning(
            "public-url-plain-http",
            &at,
            "`public_url` is plain http: pip and uv refuse it unless told to trust the host, and \
             anybody on the way can change what is installed",
            "serve TLS here (`tls_certificate`, `tls_key`) or in front, and write https",
        );
    }
    Some(PublicUrl::Given(url))
}

fn data(
    raw: &Raw,
    overrides: &Overrides,
    context: Context<'_>,
    command_line: &SourceFile<'_>,
) -> Option<PathBuf> {
    if let Some(data) = &overrides.data {
        return Some(data.clone());
    }
    if let Some(data) = &raw.server.data {
        return Some(context.base.join(&data.value));
    }
    let folder = context.surroundings.data_folder();
    if folder.is_none() {
        command_line.error(
            "data-folder-unknown",
            &(0..0),
            "this user has no folder for data",
            "name one with --data or `server.data`",
        );
    }
    folder.map(|folder| folder.join("cordon"))
}

fn log(raw: &Raw, overrides: &Overrides, command_line: &SourceFile<'_>) -> super::LogConfig {
    let mut log = raw.log.clone();
    if let Some(filter) = &overrides.log_filter {
        match tracing_subscriber::EnvFilter::try_new(filter) {
            Ok(_) => log.filter.clone_from(filter),
            Err(error) => command_line.error(
                "invalid-value",
                &(0..0),
                format!("log filter `{}`: {error}", shown(filter)),
                "write a level (\"info\") or targets with levels (\"info,cordon=debug\")",
            ),
        }
    }
    log
}

fn popular(raw: &Raw, context: Context<'_>) -> Vec<(Ecosystem, PathBuf)> {
    let lists = raw.popular.iter();
    lists
        .map(|(ecosystem, given)| (ecosystem.clone(), context.named_file(given)))
        .collect()
}

fn policy_files(
    raw: &Raw,
    overrides: &Overrides,
    context: Context<'_>,
    command_line: &SourceFile<'_>,
) -> Vec<PathBuf> {
    let missing = |path: &Path, at, file: &SourceFile<'_>| {
        if !context.surroundings.is_file(path) {
            let path = path.display().to_string();
            file.error(
                "policy-file-missing",
                at,
                format!("policy file `{}` is not there", shown(&path)),
                "relative paths start at the configuration file's folder",
            );
        }
    };
    if !overrides.policy_files.is_empty() {
        for path in &overrides.policy_files {
            missing(path, &(0..0), command_line);
        }
        return overrides.policy_files.clone();
    }
    let mut files = Vec::with_capacity(raw.policy_files.len());
    for given in &raw.policy_files {
        let path = context.base.join(&given.value);
        missing(&path, &given.bytes, context.file);
        if files.contains(&path) {
            context.file.error(
                "policy-file-twice",
                &given.bytes,
                format!("policy file `{}` is named twice", shown(&given.value)),
                "keep one of them",
            );
        }
        files.push(path);
    }
    files
}
