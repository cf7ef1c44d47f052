//! What packages are hijacked for: capabilities that mean harm only together, or at their place.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::facts::When;

/// A sign that code is not what its package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum SignalKind {
    /// Code that runs at install connects to the network.
    InstallNetwork,
    /// Code that runs at install starts programs.
    InstallProcess,
    /// A command of a script fetches, runs code from its own line, or goes on in the background.
    InstallCommand,
    /// A `binding.gyp` runs commands of its own.
    GypCommand,
    /// A file the interpreter runs at every start.
    Autoexec,
    /// Loading a file connects to the network and starts programs.
    LoadRuns,
    /// A program is fetched, made executable and started.
    FetchAndRun,
    /// All environment variables go near a connection.
    EnvironmentSent,
    /// Credentials go near a connection.
    CredentialsSent,
    /// Files that may hold secrets go near a connection that sends something.
    SettingsSent,
    /// Decoded data is run.
    DecodedCode,
    /// An encoded constant says an address, a path or a command.
    HiddenText,
    /// It installs itself where programs are started from.
    Persistence,
    /// It writes configuration that AI agents or editors act upon.
    AgentConfig,
    /// It runs an AI agent without its questions.
    AgentCommand,
    /// It puts itself between a page and its wallet or network.
    WalletHook,
    /// It names a host where anybody can have data sent.
    DropHost,
    /// It asks for a cloud's credentials.
    CloudCredentials,
    /// It publishes packages with credentials it looks for.
    Worm,
    /// Names and texts are scrambled by an obfuscator.
    Obfuscated,
    /// Characters that show nothing hold data.
    InvisibleText,
    /// Code is pushed out of sight by spaces.
    HiddenCode,
    /// Marks that turn the direction of text make code read as something else.
    TurnedText,
    /// A file says it is a binary and its headers are damaged.
    DamagedBinary,
    /// Code or commands that were fetched are run.
    RemoteCode,
    /// A shell is given to who is at the other end of a connection.
    RemoteShell,
    /// Files of the user are deleted as a whole.
    Wipes,
    /// A page is made to load a script from a host.
    RemoteScript,
    /// The files of another package are written.
    ForeignPackage,
    /// Functions that data passes through are replaced, near a connection.
    TapSent,
    /// Data goes out in the names of hosts that are asked for.
    DnsSent,
}

impl SignalKind {
    /// Every one with its name and one line about it, in order.
    pub const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::InstallNetwork,
            "install-network",
            "connects to the network at install",
        ),
        (
            Self::InstallProcess,
            "install-process",
            "starts programs at install",
        ),
        (
            Self::InstallCommand,
            "install-command",
            "runs a doubtful command at install",
        ),
        (
            Self::GypCommand,
            "gyp-command",
            "runs commands from a binding.gyp",
        ),
        (
            Self::Autoexec,
            "autoexec",
            "runs at every start of the interpreter",
        ),
        (
            Self::LoadRuns,
            "load-runs",
            "starts programs and connects to the network when loaded",
        ),
        (
            Self::FetchAndRun,
            "fetch-and-run",
            "fetches a program and starts it",
        ),
        (
            Self::EnvironmentSent,
            "environment-sent",
            "takes all environment variables near a connection",
        ),
        (
            Self::CredentialsSent,
            "credentials-sent",
            "takes credentials near a connection",
        ),
        (
            Self::SettingsSent,
            "settings-sent",
            "takes files that may hold secrets near a connection",
        ),
        (Self::DecodedCode, "decoded-code", "runs what it decodes"),
        (
            Self::HiddenText,
            "hidden-text",
            "hides an address, path or command in an encoded text",
        ),
        (
            Self::Persistence,
            "persistence",
            "installs itself where programs are started from",
        ),
        (
            Self::AgentConfig,
            "agent-config",
            "writes what AI agents or editors act upon",
        ),
        (
            Self::AgentCommand,
            "agent-command",
            "runs an AI agent without its questions",
        ),
        (
            Self::WalletHook,
            "wallet-hook",
            "puts itself between a page and its wallet",
        ),
        (
            Self::DropHost,
            "drop-host",
            "names a host where anybody can have data sent",
        ),
        (
            Self::CloudCredentials,
            "cloud-credentials",
            "asks for a cloud's credentials",
        ),
        (
            Self::Worm,
            "worm",
            "publishes packages with credentials it looks for",
        ),
        (
            Self::Obfuscated,
            "obfuscated",
            "is scrambled by an obfuscator",
        ),
        (
            Self::InvisibleText,
            "invisible-text",
            "holds data in invisible characters",
        ),
        (
            Self::HiddenCode,
            "hidden-code",
            "has code pushed out of sight by spaces",
        ),
        (
            Self::TurnedText,
            "turned-text",
            "turns the direction of text in code",
        ),
        (
            Self::DamagedBinary,
            "damaged-binary",
            "has a binary with damaged headers",
        ),
        (
            Self::RemoteCode,
            "remote-code",
            "runs code or commands it fetches",
        ),
        (
            Self::RemoteShell,
            "remote-shell",
            "gives a shell to the other end of a connection",
        ),
        (Self::Wipes, "wipes", "deletes a user's files as a whole"),
        (
            Self::RemoteScript,
            "remote-script",
            "makes a page load a script from elsewhere",
        ),
        (
            Self::ForeignPackage,
            "foreign-package",
            "writes files of another package",
        ),
        (
            Self::TapSent,
            "tap-sent",
            "replaces functions that data passes through, near a connection",
        ),
        (
            Self::DnsSent,
            "dns-sent",
            "sends data in the names of hosts it asks for",
        ),
    ];

    /// The stable name: `decoded-code`.
    pub fn name(self) -> &'static str {
        self.listed().map_or("", |(_, name, _)| name)
    }

    /// What code with it does, as the end of a sentence.
    pub fn words(self) -> &'static str {
        self.listed().map_or("", |(_, _, words)| words)
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, it, _)| *it == name);
        found.map(|(kind, _, _)| *kind)
    }

    fn listed(self) -> Option<&'static (Self, &'static str, &'static str)> {
        Self::ALL.iter().find(|(it, _, _)| *it == self)
    }
}

/// One sign, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signal {
    /// What.
    pub kind: SignalKind,
    /// The file.
    pub file: SmolStr,
    /// The 1-based line.
    pub line: u32,
    /// When the code runs.
    pub when: When,
    /// The line, cut and printable.
    pub excerpt: SmolStr,
}
