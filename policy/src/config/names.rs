//! Reading names, package URLs and versions: what cannot exist is refused, what is oddly spelled is
//! understood and remarked on.

use std::sync::Arc;

use super::limits::MAX_REASON_CHARS;
use super::reader::{Spanned, TableReader};
use super::source::SourceFile;
use super::text::{help_for, shown};
use crate::ecosystem::schemes;
use crate::matching::{NamePattern, PatternError, VersionSet, parse_name_or_pattern};
use crate::model::{PackageName, PurlError, Scheme, Version, parse_purl};

/// Reads the key `ecosystem`.
pub fn read_ecosystem(table: &mut TableReader<'_, '_>) -> Option<&'static dyn Scheme> {
    let choices = schemes().map(|scheme| (scheme.ecosystem().as_str(), scheme));
    let chosen = table.choice("ecosystem", &choices)?;
    Some(chosen.value)
}

/// Reads a name or pattern of one ecosystem.
pub fn read_name(
    file: &SourceFile<'_>,
    scheme: &dyn Scheme,
    written: &Spanned<String>,
) -> Option<NamePattern> {
    match parse_name_or_pattern(scheme, &written.value) {
        Ok(name) => {
            let is_odd = match &name {
                NamePattern::Exact(name) => is_oddly_spelled(name),
                NamePattern::Glob { canonical, .. } => {
                    *canonical != written.value && prints_normalized(scheme)
                }
            };
            if is_odd {
                warn_of_spelling(file, written, name.canonical());
            }
            Some(name)
        }
        Err(error) => {
            report_name(file, written, &error);
            None
        }
    }
}

/// Reports a name no package can have, or a malformed pattern.
pub(super) fn report_name(file: &SourceFile<'_>, written: &Spanned<String>, error: &PatternError) {
    let (code, help) = match error {
        PatternError::Name(_) => (
            "impossible-name",
            "no package can have this name, so the line would never apply; correct it",
        ),
        PatternError::Syntax { .. } => (
            "invalid-pattern",
            "patterns know `*` (not across `/`), `?`, `[abc]` and `{a,b}`",
        ),
    };
    file.error(code, &written.bytes, error.to_string(), help);
}

/// Reads a package URL without qualifiers, with or without a version.
pub fn read_purl(
    file: &SourceFile<'_>,
    written: &Spanned<String>,
) -> Option<(PackageName, Option<Version>)> {
    match parse_purl(&written.value, &schemes()) {
        Ok(target) => {
            if is_oddly_spelled(&target.name) {
                warn_of_spelling(file, written, &target.name.purl());
            }
            Some((target.name, target.version))
        }
        Err(error) => {
            let (code, help) = match &error {
                PurlError::Syntax(_) => (
                    "invalid-purl",
                    "write a package URL: pkg:npm/left-pad@1.3.0".to_owned(),
                ),
                PurlError::Narrowed => (
                    "invalid-purl",
                    "leave out what follows `?` or `#`".to_owned(),
                ),
                PurlError::UnknownEcosystem(found) => (
                    "unknown-ecosystem",
                    help_for(found, schemes().map(|scheme| scheme.ecosystem().as_str())),
                ),
                PurlError::Name(_) => (
                    "impossible-name",
                    "no package can have this name, so the line would never apply; correct it"
                        .to_owned(),
                ),
                PurlError::Version(_) => (
                    "invalid-version",
                    "write the version as the registry does, or a range under `versions`"
                        .to_owned(),
                ),
            };
            file.error(code, &written.bytes, error.to_string(), help);
            None
        }
    }
}

/// Reads a version range in the ecosystem's own syntax.
pub fn read_range(
    file: &SourceFile<'_>,
    scheme: &dyn Scheme,
    written: &Spanned<String>,
) -> Option<VersionSet> {
    match VersionSet::parse_range(scheme, &written.value) {
        Ok(set) => Some(set),
        Err(error) => {
            let example = match scheme.range(">=1.2,<2") {
                Ok(_) => "\">=1.2, <2\"",
                Err(_) => "\">=1.2 <2\"",
            };
            file.error(
                "invalid-range",
                &written.bytes,
                error.to_string(),
                format!("write it as the ecosystem does, e.g. {example}; every version is \"*\""),
            );
            None
        }
    }
}

/// Reads a reason that developers will see.
pub fn read_reason(table: &mut TableReader<'_, '_>) -> Option<Arc<str>> {
    let reason = table.string("reason")?;
    let characters = reason.value.chars().count();
    let is_plain = reason.value.chars().all(|c| matches!(c, ' '..='~'));
    if characters > MAX_REASON_CHARS {
        table.file().error(
            "too-long",
            &reason.bytes,
            format!("the reason has {characters} characters, at most {MAX_REASON_CHARS} are shown"),
            "shorten it, or point to where more is written",
        );
        return None;
    }
    if !is_plain {
        table.file().warning(
            "not-ascii",
            &reason.bytes,
            "the reason has characters that clients cannot print".to_owned(),
            "they are shown as `?`; write plain ASCII on one line",
        );
    }
    Some(reason.value.into())
}

fn warn_of_spelling(file: &SourceFile<'_>, written: &Spanned<String>, canonical: &str) {
    file.warning(
        "non-canonical-name",
        &written.bytes,
        format!("`{}` is understood as `{canonical}`", shown(&written.value)),
        format!("write `{canonical}`"),
    );
}

/// Whether a name is spelled otherwise than its ecosystem prints it. Where an ecosystem prints the
/// published spelling (cargo), no spelling is odd: only the registry knows which one that is.
fn is_oddly_spelled(name: &PackageName) -> bool {
    name.as_published() != name.normalized() && name.purl().ends_with(name.normalized())
}

fn prints_normalized(scheme: &dyn Scheme) -> bool {
    scheme
        .package("A_b")
        .is_ok_and(|name| is_oddly_spelled(&name))
}
