//! Reading `[[exempt]]`: what is set aside, for what, why, by whom and until when.
//!
//! ```toml
//! [[exempt]]
//! id = "left-pad-hotfix"
//! package = "pkg:npm/left-pad@1.3.1"     # a version; or a package and `versions = "…"`;
//!                                        # or a version with `file` and `sha256`, which covers
//!                                        # the archive and what derives from it
//! declared = ["sha512:0a1b…"]            # only while the registry declares these digests
//! rules = ["minimum-age"]                # or fingerprints = ["minimum-age/too-young/…"]
//! reason = "fixes the outage of 24 November"
//! owner = "platform team"
//! approved_by = "security team"          # somebody else; obligatory for the rule `malware`
//! ticket = "OPS-512"
//! until = "2026-12-24T00:00:00Z"
//! ```

use super::names::{read_purl, read_range, read_reason};
use super::reader::{Spanned, TableReader};
use super::text::{help_for, shown};
use crate::ecosystem::scheme_for;
use crate::exemption::{Exemption, ExemptionId, Scope, Waives};
use crate::finding::{Fingerprint, RuleId};
use crate::matching::VersionSet;
use crate::model::{
    ArtifactId, ArtifactKind, Digest, DigestAlgorithm, FileName, PackageName, PackageVersion,
    Version,
};
use crate::rules;

/// Reads one exemption. `None` when it is not usable; the reasons are among the file's problems.
pub(super) fn read_exemption(mut table: TableReader<'_, '_>) -> Option<Exemption> {
    let file = table.file();
    let (source, bytes) = (file.span(table.bytes()), table.bytes().clone());
    let id = table.required_string("id", "give it a short name that records can show");
    table.require(
        "package",
        "name the package: package = \"pkg:npm/left-pad@1.3.1\"",
    );
    let package = table.string("package");
    let scope = read_scope(&mut table, package.as_ref());
    let declared = read_declared(&mut table);
    let waives = read_waives(&mut table, scope.as_ref());
    table.require("reason", "say why this is accepted");
    let reason = read_reason(&mut table);
    let owner = table.required_string("owner", "say who answers for it");
    let approved_by = table.string("approved_by");
    let ticket = table.required_string("ticket", "name where it was agreed");
    table.require(
        "until",
        "say when it ends: until = \"2026-12-31T00:00:00Z\"",
    );
    let until = table.timestamp("until");
    table.finish();
    let exemption = Exemption {
        id: ExemptionId(id?.value.into()),
        scope: scope?,
        declared: declared?,
        waives: waives?,
        reason: reason?.to_string(),
        owner: owner?.value,
        approved_by: approved_by.as_ref().map(|name| name.value.clone()),
        ticket: ticket?.value,
        expires: until?.value,
        source,
        bytes,
    };
    if exemption.is_about_what_needs_two_people() && !exemption.has_two_people() {
        let place = approved_by.map_or(exemption.bytes.clone(), |name| name.bytes);
        file.error(
            "needs-two-people",
            &place,
            "setting aside a malware finding takes two people",
            "name another person than the owner: approved_by = \"security team\"",
        );
        return None;
    }
    Some(exemption)
}

/// Which file, and which bytes.
pub(super) fn read_bytes(
    table: &mut TableReader<'_, '_>,
) -> (Option<Spanned<FileName>>, Option<Spanned<Digest>>) {
    let file = table.parsed(
        "file",
        "write the file's name as the registry lists it",
        |text| FileName::new(text),
    );
    let sha256 = table.parsed(
        "sha256",
        "write the 64 hexadecimal digits of the file's SHA-256",
        |text| Digest::from_hex(DigestAlgorithm::Sha256, text),
    );
    (file, sha256)
}

fn read_scope(table: &mut TableReader<'_, '_>, package: Option<&Spanned<String>>) -> Option<Scope> {
    let versions = table.string("versions");
    let (file, sha256) = read_bytes(table);
    let written = package?;
    let (name, version) = read_purl(table.file(), written)?;
    match (version, versions, file, sha256) {
        (Some(version), None, None, None) => {
            Some(Scope::Versions(name, VersionSet::Exactly(version)))
        }
        (None, Some(versions), None, None) => {
            let scheme = scheme_for(name.ecosystem())?;
            let versions = read_range(table.file(), scheme, &versions)?;
            Some(Scope::Versions(name, versions))
        }
        (Some(version), None, Some(file), Some(sha256)) => {
            Some(artifact_scope(name, version, file.value, sha256.value))
        }
        _ => {
            table.file().error(
                "unclear-scope",
                &written.bytes,
                format!("`{}` does not say what is exempt", shown(&written.value)),
                "give one version in the package URL (`…@1.3.1`); or a package and \
                 `versions = \"*\"` or a range; or one version with both `file` and `sha256`",
            );
            None
        }
    }
}

/// Digests as decisions print them; `None` when one of them is none (reported).
fn read_declared(table: &mut TableReader<'_, '_>) -> Option<Vec<Digest>> {
    let written = table.strings("declared").unwrap_or_default();
    let read = written.iter().map(|text| {
        let digest = text.value.parse::<Digest>();
        if let Err(error) = &digest {
            table.file().error(
                "invalid-value",
                &text.bytes,
                format!("`{}` is not a digest: {error}", shown(&text.value)),
                "write the algorithm and the hexadecimal digits: \"sha512:0a1b…\"",
            );
        }
        digest.ok()
    });
    let read: Vec<Option<Digest>> = read.collect();
    read.into_iter().collect()
}

fn artifact_scope(name: PackageName, version: Version, file: FileName, sha256: Digest) -> Scope {
    Scope::Artifact {
        artifact: ArtifactId {
            subject: PackageVersion { name, version },
            file,
            kind: ArtifactKind::Archive,
        },
        sha256,
    }
}

fn read_waives(table: &mut TableReader<'_, '_>, scope: Option<&Scope>) -> Option<Waives> {
    let rules = table.strings("rules");
    let fingerprints = table.strings("fingerprints");
    match (rules, fingerprints) {
        (Some(rules), None) if !rules.is_empty() => {
            let rules: Vec<Option<RuleId>> = rules
                .iter()
                .map(|written| read_rule(table, written, scope))
                .collect();
            Some(Waives::Rules(rules.into_iter().collect::<Option<_>>()?))
        }
        (None, Some(prints)) if !prints.is_empty() => {
            let prints: Vec<Option<Fingerprint>> = prints
                .iter()
                .map(|written| read_fingerprint(table, written))
                .collect();
            Some(Waives::Fingerprints(
                prints.into_iter().collect::<Option<_>>()?,
            ))
        }
        _ => {
            table.file().error(
                "missing-key",
                table.bytes(),
                "an exemption sets aside either `rules` or `fingerprints`, at least one of them",
                "write rules = [\"minimum-age\"], or the fingerprints shown with a decision",
            );
            None
        }
    }
}

fn read_rule(
    table: &TableReader<'_, '_>,
    written: &Spanned<String>,
    scope: Option<&Scope>,
) -> Option<RuleId> {
    let Some(kind) = rules::kind(&written.value) else {
        report_rule(table, written, &written.value);
        return None;
    };
    if kind.is_fixed && matches!(scope, Some(Scope::Versions(..))) {
        table.file().error(
            "cannot-be-weakened",
            &written.bytes,
            format!("findings of `{}` are not set aside for a name", kind.id),
            "exempt exact bytes (`file` and `sha256`), or a fingerprint",
        );
        return None;
    }
    Some(kind.id.clone())
}

fn read_fingerprint(table: &TableReader<'_, '_>, written: &Spanned<String>) -> Option<Fingerprint> {
    let mut parts = written.value.splitn(3, '/');
    let (rule, code) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let Some(kind) = rules::kind(rule) else {
        report_rule(table, written, rule);
        return None;
    };
    let codes = kind.codes.iter().map(|(code, _)| *code);
    if !codes.clone().any(|known| known == code) || parts.next().is_none() {
        table.file().error(
            "unknown-value",
            &written.bytes,
            format!(
                "`{}` is not the fingerprint of a finding",
                shown(&written.value)
            ),
            format!(
                "a fingerprint is rule/code/evidence; {}",
                help_for(code, codes)
            ),
        );
        return None;
    }
    Some(Fingerprint::parse(&written.value))
}

fn report_rule(table: &TableReader<'_, '_>, written: &Spanned<String>, rule: &str) {
    let ids = rules::RULES.iter().map(|kind| kind.id.as_str());
    table.file().error(
        "unknown-rule",
        &written.bytes,
        format!("there is no rule `{}`", shown(rule)),
        help_for(rule, ids),
    );
}
