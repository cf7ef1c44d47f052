//! What the content of a version changes against the version before it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::capability::Capability;
use super::facts::{
    Binary, BinaryFormat, ContentFacts, Destination, FileKind, InstallCode, InstallKind,
};
use super::signal::{Signal, SignalKind};
use super::text::site;
use crate::model::{Digest, FileName, Version};

/// The archive a version was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArchiveBefore {
    /// Its file.
    pub file: FileName,
    /// The digest of its bytes.
    pub sha256: Digest,
}

/// The difference between the content of two versions: what the later one has and the earlier one
/// did not. Bounded as [`ContentFacts`] are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentChange {
    /// The version compared with.
    pub since: Version,
    /// Its archive, for people to compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive_before: Option<ArchiveBefore>,
    /// Signs of a kind that the package did not have; of what runs at install, also those in a file
    /// that had none, and of the gravest, also those of a file and a line that had none.
    pub signals: Vec<Signal>,
    /// Code that runs unasked and did not, or runs another text.
    pub install: Vec<InstallCode>,
    /// Native binaries of a format the package had none of.
    pub binaries: Vec<Binary>,
    /// Hosts that something is sent to, of owners the package did not name at all.
    pub destinations: Vec<Destination>,
    /// Capabilities the package did not have.
    pub capabilities: Vec<Capability>,
    /// Whether the only bundled or minified source is new.
    pub has_first_minified: bool,
}

impl ContentChange {
    /// Most entries of each list.
    pub const LISTED: usize = 16;

    /// Compares two versions.
    pub fn between(since: Version, before: &ContentFacts, after: &ContentFacts) -> Self {
        let mut capabilities: Vec<Capability> = after.capabilities.keys().copied().collect();
        capabilities.retain(|it| !before.capabilities.contains_key(it));
        let minified = |facts: &ContentFacts| facts.files.get(&FileKind::Minified).copied();
        Self {
            since,
            archive_before: None,
            signals: signals(before, after),
            install: install(before, after),
            binaries: binaries(before, after),
            destinations: destinations(before, after),
            capabilities,
            has_first_minified: minified(before).is_none() && minified(after).is_some(),
        }
    }

    /// Whether nothing is new.
    pub fn is_empty(&self) -> bool {
        self.signals.is_empty()
            && self.install.is_empty()
            && self.binaries.is_empty()
            && self.destinations.is_empty()
            && self.capabilities.is_empty()
            && !self.has_first_minified
    }
}

/// Whether a sign counts again in every file: what runs unasked.
fn is_of_file(kind: SignalKind) -> bool {
    matches!(
        kind,
        SignalKind::InstallNetwork
            | SignalKind::InstallProcess
            | SignalKind::InstallCommand
            | SignalKind::GypCommand
            | SignalKind::Autoexec
    )
}

/// Whether a sign counts again where neither its file nor its line is known: what honest packages
/// have in one place, if at all.
fn is_of_place(kind: SignalKind) -> bool {
    matches!(
        kind,
        SignalKind::EnvironmentSent
            | SignalKind::CredentialsSent
            | SignalKind::DecodedCode
            | SignalKind::HiddenText
            | SignalKind::RemoteCode
            | SignalKind::RemoteShell
            | SignalKind::WalletHook
            | SignalKind::Wipes
            | SignalKind::InvisibleText
            | SignalKind::HiddenCode
    )
}

fn signals(before: &ContentFacts, after: &ContentFacts) -> Vec<Signal> {
    let had = |signal: &Signal| {
        before.signals.iter().any(|it| {
            let is_same_file = stem(&it.file) == stem(&signal.file);
            let is_known = match signal.kind {
                kind if is_of_file(kind) => is_same_file,
                kind if is_of_place(kind) => is_same_file || it.excerpt == signal.excerpt,
                _ => true,
            };
            it.kind == signal.kind && is_known
        }) || (is_of_place(signal.kind) && is_full(before, signal.kind))
    };
    let new = after.signals.iter().filter(|it| !had(it));
    new.take(ContentChange::LISTED).cloned().collect()
}

/// Whether a package had so many signs of a kind that not all were kept.
fn is_full(facts: &ContentFacts, kind: SignalKind) -> bool {
    let of_kind = facts.signals.iter().filter(|it| it.kind == kind);
    of_kind.count() >= ContentFacts::SIGNALS_OF_ONE / 2
}

/// A path without its extension and digits: builds rename `.js` to `.mjs`, and put digests in names.
fn stem(path: &str) -> String {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    stem.chars().filter(|it| !it.is_ascii_digit()).collect()
}

fn install(before: &ContentFacts, after: &ContentFacts) -> Vec<InstallCode> {
    let builds = |it: &InstallCode| {
        it.kind == InstallKind::Gyp
            || (it.kind == InstallKind::Script
                && (it.text.starts_with("install:") || it.text.starts_with("preinstall:")))
    };
    let had = |code: &InstallCode| match code.kind {
        // The text is what runs.
        InstallKind::Script => {
            let is_same = |it: &&InstallCode| words(&it.text) == words(&code.text);
            before.install.iter().any(|it| is_same(&it))
        }
        // Tools add the script for the file.
        InstallKind::Gyp => before.install.iter().any(builds),
        kind => before.install.iter().any(|it| it.kind == kind),
    };
    let new = after.install.iter().filter(|it| !had(it));
    new.take(ContentChange::LISTED).cloned().collect()
}

/// A command in one spelling.
fn words(text: &str) -> Vec<&str> {
    text.split_whitespace()
        .map(|it| it.trim_start_matches("./"))
        .collect()
}

fn binaries(before: &ContentFacts, after: &ContentFacts) -> Vec<Binary> {
    let formats: BTreeSet<BinaryFormat> = before.binaries.iter().map(|it| it.format).collect();
    let is_known = |it: &Binary| {
        // Of so many that not all are kept, any format may have been there.
        formats.contains(&it.format) || before.binary_count > ContentFacts::BINARIES as u64
    };
    let new = after.binaries.iter().filter(|it| !is_known(it));
    new.take(ContentChange::LISTED).cloned().collect()
}

fn destinations(before: &ContentFacts, after: &ContentFacts) -> Vec<Destination> {
    if before.has_more_hosts {
        return Vec::new();
    }
    let known: BTreeSet<&str> = before.hosts.iter().map(|it: &SmolStr| site(it)).collect();
    let is_new = |it: &&Destination| it.is_sent && !known.contains(site(&it.host));
    let new = after.destinations.iter().filter(is_new);
    new.take(ContentChange::LISTED).cloned().collect()
}
