//! The canonical text of a policy: what it means, whatever way it was written.
//!
//! It is a policy file itself, and reads back to an equal ruleset: what `policy show` prints can be
//! used, and what the hash is taken of can be kept for replay.

use std::fmt::Write as _;
use std::time::Duration;

use super::quantity::format_duration;
use crate::evaluate::Ruleset;
use crate::exemption::{Exemption, Scope, Waives};
use crate::finding::Mode;
use crate::matching::{PackageScope, VersionSet};
use crate::model::{Digest, PackageName, PackageVersion, Version};
use crate::rejection::Rejection;
use crate::rules::{ConfiguredRule, RuleSettings, Variant};
use crate::verdict::RulesetHash;

/// TOML being written, one key a line.
#[derive(Debug, Default)]
pub struct PolicyText(String);

impl PolicyText {
    /// Begins `[path]`.
    pub fn table(&mut self, path: &str) {
        self.begin(&format!("[{path}]"));
    }

    /// Begins `[[path]]`.
    pub fn array_table(&mut self, path: &str) {
        self.begin(&format!("[[{path}]]"));
    }

    fn begin(&mut self, header: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(header);
        self.0.push('\n');
    }

    /// Writes a text.
    pub fn text(&mut self, key: &str, text: &str) {
        self.0.push_str(key);
        self.0.push_str(" = ");
        self.quoted(text);
        self.0.push('\n');
    }

    /// Writes a list of texts, one a line.
    pub fn texts<'a>(&mut self, key: &str, texts: impl IntoIterator<Item = &'a str>) {
        self.0.push_str(key);
        self.0.push_str(" = [\n");
        for text in texts {
            self.0.push_str("  ");
            self.quoted(text);
            self.0.push_str(",\n");
        }
        self.0.push_str("]\n");
    }

    /// Writes a duration.
    pub fn duration(&mut self, key: &str, duration: Duration) {
        self.text(key, &format_duration(duration));
    }

    /// Writes a number of so many decimals, given in units of the last.
    pub fn decimal(&mut self, key: &str, places: u32, units: u32) {
        let unit = 10_u32.pow(places);
        let (whole, part, width) = (units / unit, units % unit, places as usize);
        self.0
            .push_str(&format!("{key} = {whole}.{part:0width$}\n"));
    }

    /// Writes a whole number.
    pub fn integer(&mut self, key: &str, value: i64) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    /// Writes `true` or `false`.
    pub fn boolean(&mut self, key: &str, value: bool) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn quoted(&mut self, text: &str) {
        self.0.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                c if c.is_control() => {
                    write!(self.0, "\\u{:04X}", u32::from(c)).expect("a string takes all text");
                }
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }
}

impl Ruleset {
    /// The policy in canonical form: every rule with every setting, defaults included.
    pub fn describe(&self) -> String {
        let exemptions = self.exemptions().iter().map(AsRef::as_ref);
        let rejections = self.rejections().iter().map(AsRef::as_ref);
        describe(self.rules(), exemptions, rejections)
    }
}

/// The hash of a policy: over its canonical text, so that comments, order and the split into files
/// do not matter.
pub(super) fn hash_of(
    rules: &[ConfiguredRule],
    exemptions: &[Exemption],
    rejections: &[Rejection],
) -> RulesetHash {
    let text = describe(rules, exemptions.iter(), rejections.iter());
    RulesetHash(Digest::of(text.as_bytes()).to_string().into())
}

fn describe<'a>(
    rules: &[ConfiguredRule],
    exemptions: impl Iterator<Item = &'a Exemption>,
    rejections: impl Iterator<Item = &'a Rejection>,
) -> String {
    let mut out = PolicyText::default();
    for rule in rules {
        let mut variants = rule.variants.iter();
        if let Some(base) = variants.next() {
            out.table(&format!("rules.{}", rule.id));
            write_variant(base, &mut out);
            base.rule.write_tables(&rule.id, &mut out);
        }
        for variant in variants {
            out.array_table(&format!("rules.{}.override", rule.id));
            write_variant(variant, &mut out);
        }
    }
    for exemption in exemptions {
        write_exemption(exemption, &mut out);
    }
    for rejection in rejections {
        write_rejection(rejection, &mut out);
    }
    out.0
}

fn write_variant(variant: &Variant, out: &mut PolicyText) {
    let PackageScope {
        ecosystem,
        packages,
        routes,
        identities,
    } = &variant.scope;
    if let Some(ecosystem) = ecosystem {
        out.text("ecosystem", ecosystem.as_str());
    }
    if let Some(packages) = packages {
        out.texts("packages", packages.written().iter().map(AsRef::as_ref));
    }
    for (key, names) in [("routes", routes), ("identities", identities)] {
        if let Some(names) = names {
            out.texts(key, names.iter().map(AsRef::as_ref));
        }
    }
    let RuleSettings {
        is_enabled,
        mode,
        effect,
        on_unavailable,
        source: _,
    } = &variant.settings;
    out.boolean("enabled", *is_enabled);
    out.text(
        "mode",
        match mode {
            Mode::Enforce => "enforce",
            Mode::Monitor => "monitor",
        },
    );
    out.text("effect", effect.name());
    out.text("on_unavailable", on_unavailable.name());
    variant.rule.write_parameters(out);
}

/// Writes an exemption as a policy file has it.
pub fn write_exemption(exemption: &Exemption, out: &mut PolicyText) {
    out.array_table("exempt");
    out.text("id", &exemption.id.0);
    match &exemption.scope {
        Scope::Versions(name, VersionSet::Exactly(version)) => {
            out.text("package", &purl_of(name, version));
        }
        Scope::Versions(name, versions) => {
            out.text("package", &name.purl());
            out.text("versions", versions.text());
        }
        Scope::Artifact { artifact, sha256 } => {
            out.text("package", &artifact.subject.to_string());
            out.text("file", artifact.file.as_str());
            out.text("sha256", &sha256.hex());
        }
    }
    if !exemption.declared.is_empty() {
        let declared: Vec<String> = exemption.declared.iter().map(Digest::to_string).collect();
        out.texts("declared", declared.iter().map(String::as_str));
    }
    match &exemption.waives {
        Waives::Rules(rules) => out.texts("rules", rules.iter().map(|rule| rule.as_str())),
        Waives::Fingerprints(prints) => {
            out.texts("fingerprints", prints.iter().map(|print| print.as_str()));
        }
    }
    out.text("reason", &exemption.reason);
    out.text("owner", &exemption.owner);
    if let Some(other) = &exemption.approved_by {
        out.text("approved_by", other);
    }
    out.text("ticket", &exemption.ticket);
    out.text("until", &exemption.expires.to_string());
}

/// Writes a rejection as a policy file has it.
pub fn write_rejection(rejection: &Rejection, out: &mut PolicyText) {
    out.array_table("reject");
    out.text("id", &rejection.id);
    out.text("package", &rejection.subject.to_string());
    if let Some(file) = &rejection.file {
        out.text("file", file.as_str());
    }
    if let Some(sha256) = &rejection.sha256 {
        out.text("sha256", &sha256.hex());
    }
    out.text("reason", &rejection.reason);
    out.text("owner", &rejection.owner);
}

/// The purl of one version.
pub(crate) fn purl_of(name: &PackageName, version: &Version) -> String {
    PackageVersion {
        name: name.clone(),
        version: version.clone(),
    }
    .to_string()
}
