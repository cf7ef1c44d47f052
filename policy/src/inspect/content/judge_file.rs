//! From what one file does to what packages are hijacked for.

use super::analyse::{Analysis, Detail, Found};
use super::capability::Capability;
use super::commands::is_of_cloud;
use super::facts::When;
use super::signal::SignalKind;
use super::strings::Command;
use super::token::Language;

/// How near, in tokens, two capabilities must be to belong together: about a page of code. A bundle
/// holds everything somewhere.
const NEAR: usize = 1_500;
/// Names an obfuscator made, from which on a file counts as its work.
const SCRAMBLED: usize = 12;

/// A sign in one file: what, its line, when it runs.
pub(super) type Sign = (SignalKind, u32, When);

/// What a file is judged by besides its tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) language: Language,
    /// Whether it runs at install.
    pub(super) is_install: bool,
    pub(super) is_in_tests: bool,
}

/// The signs of one file, each kind at most once.
pub(super) fn signs(role: Role, analysis: &Analysis) -> Vec<Sign> {
    let file = File { role, analysis };
    let mut out = Vec::new();
    let mut tell = |kind: SignalKind, found: Option<(u32, When)>| {
        if let Some((line, when)) = found {
            out.push((kind, line, when));
        }
    };
    if role.is_install {
        tell(SignalKind::InstallNetwork, file.first(Capability::Network));
        let starts = file.first(Capability::Process);
        tell(
            SignalKind::InstallProcess,
            starts.filter(|_| role.language != Language::Rust),
        );
        tell(SignalKind::InstallCommand, file.doubtful_command());
    }
    tell(SignalKind::LoadRuns, file.load_runs());
    tell(SignalKind::FetchAndRun, file.fetch_and_run());
    tell(SignalKind::EnvironmentSent, file.environment_sent());
    tell(SignalKind::CredentialsSent, file.credentials_sent());
    tell(SignalKind::SettingsSent, file.settings_sent());
    tell(SignalKind::DecodedCode, file.decoded_code());
    tell(SignalKind::RemoteCode, file.remote_code());
    tell(SignalKind::RemoteShell, file.remote_shell());
    tell(SignalKind::Wipes, file.wipes());
    tell(SignalKind::HiddenText, file.hidden_text());
    let acts = [Capability::Write, Capability::Process];
    tell(
        SignalKind::Persistence,
        file.near(Capability::Persistence, &acts),
    );
    tell(
        SignalKind::AgentConfig,
        file.near(Capability::AgentConfig, &[Capability::Write]),
    );
    tell(
        SignalKind::AgentCommand,
        file.first(Capability::AgentCommand),
    );
    tell(SignalKind::WalletHook, file.wallet_hook());
    tell(
        SignalKind::DropHost,
        file.near(Capability::DropHost, &[Capability::Network]),
    );
    let network = [Capability::Network];
    tell(
        SignalKind::CloudCredentials,
        file.near(Capability::MetadataService, &network),
    );
    let settings = [
        Capability::SettingsPath,
        Capability::CredentialPath,
        Capability::SecretVariable,
    ];
    tell(SignalKind::Worm, file.near(Capability::Publish, &settings));
    tell(SignalKind::Obfuscated, file.obfuscated());
    tell(
        SignalKind::RemoteScript,
        file.first(Capability::RemoteScript),
    );
    tell(SignalKind::ForeignPackage, file.foreign_package());
    tell(SignalKind::TapSent, file.tap_sent());
    tell(SignalKind::DnsSent, file.dns_sent());
    out
}

struct File<'a> {
    role: Role,
    analysis: &'a Analysis,
}

impl File<'_> {
    fn of(&self, capability: Capability) -> impl Iterator<Item = &Found> {
        let found = self.analysis.found.iter();
        found.filter(move |it| it.capability == capability && self.when(it) != When::Test)
    }

    fn when(&self, found: &Found) -> When {
        self.settle(found.when)
    }

    fn settle(&self, when: When) -> When {
        match when {
            _ if self.role.is_install => When::Install,
            _ if self.role.is_in_tests => When::Test,
            other => other,
        }
    }

    fn place(&self, found: &Found) -> (u32, When) {
        (found.line, self.when(found))
    }

    fn first(&self, capability: Capability) -> Option<(u32, When)> {
        self.of(capability).next().map(|it| self.place(it))
    }

    /// The first of a capability that has one of the others near it.
    fn near(&self, capability: Capability, others: &[Capability]) -> Option<(u32, When)> {
        self.pair(capability, others).map(|(it, _)| self.place(it))
    }

    fn pair(&self, capability: Capability, others: &[Capability]) -> Option<(&Found, &Found)> {
        self.of(capability).find_map(|found| {
            let mut others = others.iter().flat_map(|it| self.of(*it));
            let near = others.find(|it| it.at.abs_diff(found.at) <= NEAR)?;
            Some((found, near))
        })
    }

    fn doubtful_command(&self) -> Option<(u32, When)> {
        let found = self.of(Capability::Process).find(|it| {
            matches!(
                it.detail,
                Detail::Command(
                    Command::Fetches
                        | Command::Sends
                        | Command::FetchesAndRuns
                        | Command::Connects
                        | Command::Encoded
                )
            )
        });
        found.map(|it| self.place(it))
    }

    fn load_runs(&self) -> Option<(u32, When)> {
        let at_load = |capability| self.of(capability).filter(|it| self.when(it) == When::Load);
        let network: Vec<usize> = at_load(Capability::Network).map(|it| it.at).collect();
        let found = at_load(Capability::Process)
            .find(|it| network.iter().any(|at| at.abs_diff(it.at) <= NEAR));
        found.map(|it| self.place(it))
    }

    fn fetch_and_run(&self) -> Option<(u32, When)> {
        let by_command = self
            .of(Capability::Process)
            .find(|it| it.detail == Detail::Command(Command::FetchesAndRuns));
        let by_steps = || {
            let (made, _) = self.pair(Capability::MakeExecutable, &[Capability::Network])?;
            let is_run = self
                .of(Capability::Process)
                .any(|it| it.at.abs_diff(made.at) <= NEAR);
            is_run.then_some(made)
        };
        by_command
            .or_else(by_steps)
            .or_else(|| self.fetched_unseen())
            .or_else(|| self.dropped())
            .or_else(|| self.dropped_library())
            .map(|it| self.place(it))
    }

    /// A file is fetched, written and started so that nobody sees it.
    fn fetched_unseen(&self) -> Option<&Found> {
        const WITHIN: usize = 300;
        let mut started = self
            .of(Capability::Process)
            .filter(|it| it.detail == Detail::Unseen);
        started.find(|start| {
            let is_near = |capability| {
                self.of(capability)
                    .any(|it| it.at.abs_diff(start.at) <= WITHIN)
            };
            let mut commands = self.of(Capability::Process);
            let fetches = commands.any(|it| {
                it.detail == Detail::Command(Command::Fetches)
                    && it.at < start.at
                    && start.at - it.at <= WITHIN
            });
            fetches || (is_near(Capability::Network) && is_near(Capability::Write))
        })
    }

    /// A file is written, made executable and started, all in a few statements.
    fn dropped(&self) -> Option<&Found> {
        const WITHIN: usize = 80;
        // Tools of npm carry their programs so.
        if self.role.language.is_script() {
            return None;
        }
        let is_near =
            |capability, at: usize| self.of(capability).any(|it| it.at.abs_diff(at) <= WITHIN);
        self.of(Capability::MakeExecutable)
            .find(|it| is_near(Capability::Write, it.at) && is_near(Capability::Process, it.at))
    }

    /// A library is written and loaded, all in a few statements.
    fn dropped_library(&self) -> Option<&Found> {
        const WITHIN: usize = 150;
        let mut loaded = self
            .of(Capability::NativeCode)
            .filter(|it| it.detail == Detail::LoadsLibrary);
        loaded.find(|it| {
            let is_near = |found: &Found| it.at > found.at && it.at - found.at <= WITHIN;
            // Who compiles at run time starts a compiler in between.
            self.of(Capability::Write).any(is_near) && !self.of(Capability::Process).any(is_near)
        })
    }

    fn remote_code(&self) -> Option<(u32, When)> {
        let runs = [Capability::DynamicCode, Capability::Process];
        let mut found = runs.into_iter().flat_map(|it| self.of(it));
        found
            .find(|it| it.detail == Detail::RunsFetched)
            .map(|it| self.place(it))
    }

    /// A shell without a command, a few statements from a connection without a protocol.
    fn remote_shell(&self) -> Option<(u32, When)> {
        const WITHIN: usize = 200;
        let by_command = self
            .of(Capability::Process)
            .find(|it| it.detail == Detail::Command(Command::Connects));
        let by_steps = || {
            let mut shells = self
                .of(Capability::Process)
                .filter(|it| it.detail == Detail::Shell);
            shells.find(|shell| {
                let mut sockets = self
                    .of(Capability::Network)
                    .filter(|it| it.detail == Detail::Socket);
                sockets.any(|it| it.at.abs_diff(shell.at) <= WITHIN)
            })
        };
        by_command.or_else(by_steps).map(|it| self.place(it))
    }

    fn wipes(&self) -> Option<(u32, When)> {
        let does = [Capability::Process, Capability::Delete, Capability::Write];
        let mut found = does.into_iter().flat_map(|it| self.of(it));
        found
            .find(|it| it.detail == Detail::Command(Command::Wipes))
            .map(|it| self.place(it))
    }

    /// Files of another package are named a few statements from where files are written.
    fn foreign_package(&self) -> Option<(u32, When)> {
        const WITHIN: usize = 150;
        let mut named = self.of(Capability::ForeignPackage);
        let found = named.find(|it| {
            let mut writes = self.of(Capability::Write);
            writes.any(|write| write.at.abs_diff(it.at) <= WITHIN)
        });
        found.map(|it| self.place(it))
    }

    /// A function that data passes through is replaced, a few statements from a connection.
    fn tap_sent(&self) -> Option<(u32, When)> {
        const WITHIN: usize = 200;
        if self.analysis.hosts.is_empty() {
            return None;
        }
        let mut taps = self.of(Capability::Tap);
        let found = taps.find(|tap| {
            let mut networks = self.of(Capability::Network);
            tap.detail == Detail::Sends
                || networks.any(|it| {
                    let is_after = it.at > tap.at && it.at - tap.at <= WITHIN;
                    // Hooks of imports stand at the end of what they are for.
                    let is_hook = tap.detail == Detail::HooksImports;
                    is_after || (is_hook && tap.at.abs_diff(it.at) <= WITHIN)
                })
        });
        found.map(|it| self.place(it))
    }

    fn dns_sent(&self) -> Option<(u32, When)> {
        let mut networks = self.of(Capability::Network);
        let found = networks.find(|it| it.detail == Detail::NamesData)?;
        Some(self.place(found))
    }

    fn environment_sent(&self) -> Option<(u32, When)> {
        self.near(Capability::Environment, &[Capability::Network])
    }

    fn credentials_sent(&self) -> Option<(u32, When)> {
        let mut paths = self.of(Capability::CredentialPath);
        let near = paths.find(|path| {
            let is_near = |it: &&Found| it.at.abs_diff(path.at) <= NEAR;
            let mut networks = self.of(Capability::Network).filter(is_near);
            match path.detail == Detail::SshKey && self.is_of_ssh(path.at) {
                true => false,
                false => networks.next().is_some(),
            }
        });
        near.map(|it| self.place(it))
            .or_else(|| self.cloud_credentials_sent())
    }

    /// Whether the only connections near a place are those of SSH, to a host that is not named: that
    /// is what its keys are for.
    fn is_of_ssh(&self, at: usize) -> bool {
        let mut networks = self
            .of(Capability::Network)
            .filter(|it| it.at.abs_diff(at) <= NEAR);
        let is_named = !self.analysis.reached.is_empty();
        let has_ssh = self
            .of(Capability::Network)
            .any(|it| it.detail == Detail::Ssh);
        let is_kind = |it: &Found| matches!(it.detail, Detail::Ssh | Detail::Socket);
        has_ssh && !is_named && networks.all(is_kind)
    }

    /// Credentials of a cloud are asked for where something is sent to a host that is none of it.
    fn cloud_credentials_sent(&self) -> Option<(u32, When)> {
        let mut asked = self
            .of(Capability::MetadataService)
            .filter(|it| it.detail == Detail::CloudCredentials);
        let found = asked.find(|asked| {
            self.analysis
                .reached
                .iter()
                .any(|it| it.is_sent && !is_of_cloud(&it.host) && it.at.abs_diff(asked.at) <= NEAR)
        });
        found.map(|it| self.place(it))
    }

    fn settings_sent(&self) -> Option<(u32, When)> {
        let sends = self.analysis.reached.iter().any(|it| it.is_sent);
        let found = self.near(Capability::SettingsPath, &[Capability::Network]);
        found.filter(|_| sends)
    }

    fn decoded_code(&self) -> Option<(u32, When)> {
        let decodes = [Capability::Decode, Capability::DecodeLong];
        let inside = decodes
            .into_iter()
            .flat_map(|it| self.of(it))
            .find(|it| it.detail == Detail::InsideDynamicCode);
        if let Some(found) = inside {
            return Some(self.place(found));
        }
        let followed = || {
            let mut runs = self.of(Capability::DynamicCode);
            let found = runs.find(|it| it.detail == Detail::RunsDecoded)?;
            Some(self.place(found))
        };
        let runs = [Capability::DynamicCode, Capability::Process];
        self.near(Capability::DecodeLong, &runs)
            .or_else(|| self.near_compiled())
            .or_else(followed)
    }

    /// A key and a decipher beside code made at run time.
    fn near_compiled(&self) -> Option<(u32, When)> {
        let found = self
            .pair(Capability::Decode, &[Capability::DynamicCode])
            .filter(|(decoded, run)| {
                // Texts decoded elsewhere on the page are none: it must be a few statements.
                decoded.at.abs_diff(run.at) <= 120
            });
        found.map(|(it, _)| self.place(it))
    }

    fn hidden_text(&self) -> Option<(u32, When)> {
        let decodes = [Capability::Decode, Capability::DecodeLong];
        let mut found = decodes.into_iter().flat_map(|it| self.of(it));
        found
            .find(|it| it.detail == Detail::HidesText)
            .map(|it| self.place(it))
    }

    fn wallet_hook(&self) -> Option<(u32, When)> {
        if let Some(clipper) = self.clipper() {
            return Some(clipper);
        }
        let hook = self.first(Capability::NetworkHook)?;
        let is_after_wallets =
            self.of(Capability::Wallet).next().is_some() || self.analysis.wallet_addresses >= 3;
        is_after_wallets.then_some(hook)
    }

    /// The clipboard is read where addresses of wallets are known.
    fn clipper(&self) -> Option<(u32, When)> {
        let found = self.first(Capability::Clipboard)?;
        let has_wallets =
            self.analysis.wallet_addresses >= 1 || self.of(Capability::Wallet).next().is_some();
        let knows = has_wallets && self.of(Capability::Clipboard).nth(1).is_some();
        knows.then_some(found)
    }

    fn obfuscated(&self) -> Option<(u32, When)> {
        let (count, line) = self.analysis.scrambled_names;
        let by_names = (count >= SCRAMBLED).then_some(line);
        let by_codes = self
            .analysis
            .character_codes_line
            .filter(|_| self.of(Capability::DynamicCode).next().is_some());
        let line = by_names.or(by_codes)?;
        Some((line, self.settle(When::Load)))
    }
}
