//! What the two rules about content have in common: the names of signs in policies, and how findings
//! of them are worded.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::reader::TableReader;
use crate::finding::FindingCode;
use crate::inspect::content::{Binary, Destination, InstallCode, Signal, SignalKind};
use crate::reason;

/// Something a policy can name to watch or ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sign {
    /// A sign inspection itself tells.
    Signal(SignalKind),
    /// A script at install that is new or another.
    InstallScript,
    /// A native binary.
    Binary,
    /// A host something is sent to.
    Destination,
    /// A host something is sent to by code that handles keys.
    KeysSent,
}

impl Sign {
    /// What specimens are made with.
    pub(super) const SHOWN: Self = Self::Signal(SignalKind::EnvironmentSent);

    /// What honest versions newly do too often to stop them for it.
    pub(super) const WATCHED_CHANGES: [Self; 4] = [
        Self::Destination,
        Self::Signal(SignalKind::LoadRuns),
        Self::Signal(SignalKind::SettingsSent),
        Self::Signal(SignalKind::CloudCredentials),
    ];

    /// What honest new packages do too often.
    pub(super) const WATCHED_NEW: [Self; 6] = [
        Self::Signal(SignalKind::InstallProcess),
        Self::Signal(SignalKind::LoadRuns),
        Self::Signal(SignalKind::Persistence),
        Self::Signal(SignalKind::CloudCredentials),
        Self::Signal(SignalKind::RemoteScript),
        Self::Signal(SignalKind::ForeignPackage),
    ];

    /// Every one.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let signals = SignalKind::ALL.iter().map(|(it, _, _)| Self::Signal(*it));
        signals.chain([
            Self::InstallScript,
            Self::Binary,
            Self::Destination,
            Self::KeysSent,
        ])
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signal(kind) => kind.name(),
            Self::InstallScript => "install-script",
            Self::Binary => "binary",
            Self::Destination => "destination",
            Self::KeysSent => "keys-sent",
        }
    }

    fn group(self) -> Group {
        match self {
            Self::InstallScript => Group::Install,
            Self::Binary => Group::Binary,
            Self::Destination => Group::Destination,
            Self::KeysSent => Group::Capability,
            Self::Signal(kind) => match kind {
                SignalKind::InstallNetwork
                | SignalKind::InstallProcess
                | SignalKind::InstallCommand
                | SignalKind::GypCommand
                | SignalKind::Autoexec => Group::Install,
                SignalKind::DecodedCode
                | SignalKind::HiddenText
                | SignalKind::Obfuscated
                | SignalKind::InvisibleText
                | SignalKind::HiddenCode
                | SignalKind::TurnedText => Group::Obfuscation,
                SignalKind::AgentConfig | SignalKind::AgentCommand => Group::Agent,
                SignalKind::DamagedBinary => Group::Binary,
                SignalKind::LoadRuns
                | SignalKind::FetchAndRun
                | SignalKind::EnvironmentSent
                | SignalKind::CredentialsSent
                | SignalKind::SettingsSent
                | SignalKind::Persistence
                | SignalKind::WalletHook
                | SignalKind::DropHost
                | SignalKind::CloudCredentials
                | SignalKind::RemoteCode
                | SignalKind::RemoteShell
                | SignalKind::Wipes
                | SignalKind::RemoteScript
                | SignalKind::ForeignPackage
                | SignalKind::TapSent
                | SignalKind::DnsSent
                | SignalKind::Worm => Group::Capability,
            },
        }
    }
}

/// What findings of a rule are told under one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    Install,
    Capability,
    Obfuscation,
    Agent,
    Binary,
    Destination,
}

/// The code of a group, from a rule's codes in the order of the groups.
pub(super) fn code_of(codes: &[&'static str; 6], group: Group) -> FindingCode {
    let [install, capability, obfuscation, agent, binary, destination] = *codes;
    FindingCode::from_static(match group {
        Group::Install => install,
        Group::Capability => capability,
        Group::Obfuscation => obfuscation,
        Group::Agent => agent,
        Group::Binary => binary,
        Group::Destination => destination,
    })
}

/// Reads a list of signs.
pub(super) fn read_signs(
    table: &mut TableReader<'_, '_>,
    key: &str,
    inherited: &BTreeSet<Sign>,
) -> BTreeSet<Sign> {
    let choices: Vec<(&str, Sign)> = Sign::all().map(|it| (it.name(), it)).collect();
    match table.choices(key, &choices) {
        Some(read) => read.into_iter().collect(),
        None => inherited.clone(),
    }
}

/// A sign at its place, ready to be told.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) sign: Sign,
    /// What the package does, to stand after its name.
    words: String,
    file: String,
    line: u32,
}

impl Finding {
    pub(super) fn of_signal(signal: &Signal) -> Self {
        Self {
            sign: Sign::Signal(signal.kind),
            words: signal.kind.words().to_owned(),
            file: signal.file.to_string(),
            line: signal.line,
        }
    }

    pub(super) fn of_install(code: &InstallCode) -> Self {
        Self {
            sign: Sign::InstallScript,
            words: format!("runs `{}` at install", reason::ascii(&code.text, 60)),
            file: code.file.to_string(),
            line: code.line,
        }
    }

    pub(super) fn of_binary(binary: &Binary) -> Self {
        Self {
            sign: Sign::Binary,
            words: format!("carries a native binary ({})", binary.format.name()),
            file: binary.file.to_string(),
            line: 1,
        }
    }

    pub(super) fn of_destination(destination: &Destination) -> Self {
        let host = reason::ascii(&destination.host, 60);
        let (sign, words) = match destination.has_keys {
            true => (
                Sign::KeysSent,
                format!("sends something to {host} where it handles keys"),
            ),
            false => (Sign::Destination, format!("sends something to {host}")),
        };
        Self {
            sign,
            words,
            file: destination.file.to_string(),
            line: destination.line,
        }
    }
}

/// Findings by whether they are only watched, and by code.
pub(super) fn grouped<'f>(
    found: &'f [Finding],
    watched: &BTreeSet<Sign>,
) -> Vec<(bool, Group, Vec<&'f Finding>)> {
    let mut groups: BTreeMap<(bool, Group), Vec<&Finding>> = BTreeMap::new();
    for finding in found {
        let key = (watched.contains(&finding.sign), finding.sign.group());
        groups.entry(key).or_default().push(finding);
    }
    let split = groups.into_iter();
    split
        .map(|((is_watched, group), of)| (is_watched, group, of))
        .collect()
}

/// The first two of them in words, with their places, and how many more there are.
pub(super) fn tell(found: &[&Finding]) -> String {
    const TOLD: usize = 2;
    let in_words = |it: &&Finding| {
        let file = reason::ascii(&it.file, 60);
        format!("{} ({file}:{})", it.words, it.line)
    };
    let told: Vec<String> = found.iter().take(TOLD).map(in_words).collect();
    let told = told.join(" and ");
    match found.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told}, and {more} more"),
    }
}

/// What sets a finding apart: the signs and their files, never lines, which move.
pub(super) fn evidence(found: &[&Finding]) -> String {
    let named: BTreeSet<String> = found
        .iter()
        .map(|it| format!("{}:{}", it.sign.name(), it.file))
        .collect();
    let named: Vec<String> = named.into_iter().collect();
    reason::ascii(&named.join("+"), 240)
}
