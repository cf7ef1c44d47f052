//! Code that runs without being asked for, from the files that say so: `package.json`, `binding.gyp`,
//! `Cargo.toml`, `.pth`, and settings of editors.

use smol_str::SmolStr;

use super::analyse::Analysis;
use super::capability::Capability;
use super::facts::{InstallCode, InstallKind, When};
use super::nested;
use super::scan;
use super::signal::{Signal, SignalKind};
use super::strings::{self, Command};
use super::text::excerpt;
use super::token::{Language, Lines, Token};

/// What one such file says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) install: Vec<InstallCode>,
    pub(super) signals: Vec<Signal>,
    /// Files that run at install, as named: without `./`, perhaps without extension.
    pub(super) targets: Vec<String>,
    /// Whether every file of the package runs at build: a crate of procedural macros.
    pub(super) is_all_run: bool,
}

/// Targets kept of one file.
pub(super) const TARGETS: usize = 32;

pub(super) fn signal(kind: SignalKind, file: &str, line: u32, text: &str) -> Signal {
    Signal {
        kind,
        file: file.into(),
        line,
        when: When::Install,
        excerpt: excerpt(text),
    }
}

fn code(kind: InstallKind, file: &str, line: u32, text: &str) -> InstallCode {
    InstallCode {
        kind,
        file: file.into(),
        line,
        text: excerpt(text),
    }
}

/// The line a text is on; 1 when it is not found.
pub(super) fn line_of(text: &str, needle: &str) -> u32 {
    let at = memchr::memmem::find(text.as_bytes(), needle.as_bytes());
    at.map_or(1, |at| Lines::of(text).at(at))
}

/// The scripts of a `package.json`.
pub(super) fn package_json(path: &str, text: &str) -> Said {
    const AT_INSTALL: [&str; 3] = ["preinstall", "install", "postinstall"];
    const FROM_REPOSITORY: [&str; 5] = [
        "prepare",
        "prepublish",
        "preprepare",
        "postprepare",
        "prepack",
    ];
    let mut said = Said::default();
    // Damage is for the manifest's reader to tell.
    let Ok(manifest) =
        serde_json::from_str::<serde_json::Value>(text.trim_start_matches('\u{feff}'))
    else {
        return said;
    };
    let Some(scripts) = manifest.get("scripts").and_then(|it| it.as_object()) else {
        return said;
    };
    for (name, script) in scripts {
        let Some(script) = script.as_str() else {
            continue;
        };
        let is_at_install = AT_INSTALL.contains(&name.as_str());
        let kind = match is_at_install {
            true => InstallKind::Script,
            false if FROM_REPOSITORY.contains(&name.as_str()) => InstallKind::RepositoryScript,
            false => continue,
        };
        let line = line_of(text, &format!("\"{name}\""));
        said.install
            .push(code(kind, path, line, &format!("{name}: {script}")));
        if is_at_install {
            said.script(path, line, script);
        }
    }
    said
}

impl Said {
    /// Notes a line that Python runs at every start.
    fn runs_at_start(&mut self, path: &str, number: u32, line: &str) {
        self.install
            .push(code(InstallKind::Pth, path, number, line));
        self.signals
            .push(signal(SignalKind::Autoexec, path, number, line));
    }

    fn script(&mut self, path: &str, line: u32, script: &str) {
        let doubtful = matches!(
            strings::command(script),
            Some(
                Command::Fetches
                    | Command::Sends
                    | Command::FetchesAndRuns
                    | Command::Detached
                    | Command::Connects
                    | Command::Encoded
                    | Command::Wipes
            )
        ) || installs_from_address(script);
        let inline = nested::of_command(script);
        let inline = inline.and_then(|(language, code)| nested::analyse(language, code));
        self.inline(path, line, script, inline);
        if doubtful {
            let found = signal(SignalKind::InstallCommand, path, line, script);
            self.signals.push(found);
        }
        self.targets(script);
    }

    /// What code in the script itself does.
    fn inline(&mut self, path: &str, line: u32, script: &str, analysis: Option<Analysis>) {
        let found = analysis.map(|it| it.found).unwrap_or_default();
        let does = |capability| found.iter().any(|it| it.capability == capability);
        for (capability, kind) in [
            (Capability::Network, SignalKind::InstallNetwork),
            (Capability::Process, SignalKind::InstallProcess),
        ] {
            if does(capability) {
                self.signals.push(signal(kind, path, line, script));
            }
        }
    }

    /// The files a command line names.
    fn targets(&mut self, command: &str) {
        let words = command.split(|it: char| it.is_whitespace() || "'\"`;&|()".contains(it));
        let mut runs = false;
        for word in words.filter(|it| !it.is_empty()) {
            let word = word.trim_start_matches("./").replace('\\', "/");
            let extension = word.rsplit_once('.').map_or("", |(_, it)| it);
            let is_source = matches!(extension, "js" | "mjs" | "cjs" | "ts" | "py" | "sh");
            if (is_source || runs) && !word.starts_with('-') && self.targets.len() < TARGETS {
                self.targets.push(word.clone());
            }
            let is_runner = matches!(
                word.as_str(),
                "node" | "bun" | "python" | "python3" | "sh" | "bash" | "deno" | "run"
            );
            runs = is_runner || (runs && word.starts_with('-'));
        }
    }

    /// Whether a path is one of the files named.
    pub(super) fn is_target(targets: &[String], path: &str) -> bool {
        let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
        let folder = stem.strip_suffix("/index");
        targets.iter().any(|it| {
            it == path
                || it == stem
                || folder.is_some_and(|folder| it.trim_end_matches('/') == folder)
        })
    }
}

/// Whether a script installs a package from an address instead of a registry.
fn installs_from_address(script: &str) -> bool {
    let mut words = script.split_whitespace();
    let is_installer =
        words.any(|it| matches!(it, "npm" | "npx" | "yarn" | "pnpm" | "pip" | "pip3"));
    is_installer && (script.contains("http://") || script.contains("https://"))
}

/// The commands of a `binding.gyp` or a file it includes.
pub(super) fn gyp(path: &str, text: &str, is_main: bool) -> Said {
    let mut said = Said::default();
    if is_main {
        said.install
            .push(code(InstallKind::Gyp, path, 1, "binding.gyp"));
    }
    // The format is that of Python's literals.
    let tokens = scan::read(Language::Python, text).tokens;
    for (at, token) in tokens.iter().enumerate() {
        let Some(constant) = token.constant() else {
            continue;
        };
        if constant == "action" {
            said.action(path, tokens.get(at..).unwrap_or_default());
        }
        // Conditions are expressions of Python.
        if ["__import__", "__class__", "__subclasses__"]
            .iter()
            .any(|it| constant.contains(it))
        {
            let found = signal(SignalKind::GypCommand, path, token.line, constant);
            said.signals.push(found);
        }
        for start in ["<!(", "<!@(", ">!(", ">!@(", "^!(", "^!@("] {
            let Some((_, command)) = constant.split_once(start) else {
                continue;
            };
            if !is_usual(command) {
                let found = signal(SignalKind::GypCommand, path, token.line, constant);
                said.signals.push(found);
                said.targets(command);
            }
        }
    }
    said
}

impl Said {
    /// `'action': ['node', 'x.js']`: a command that the build runs.
    fn action(&mut self, path: &str, tokens: &[Token<'_>]) {
        const WORDS: usize = 60;
        let words = tokens
            .iter()
            .skip(3)
            .take(WORDS)
            .take_while(|it| !it.is_mark("]"));
        let words: Vec<&str> = words.filter_map(|it| it.constant()).collect();
        let command = words.join(" ");
        let is_doubtful = matches!(
            strings::command(&command),
            Some(
                Command::Fetches
                    | Command::Sends
                    | Command::FetchesAndRuns
                    | Command::Connects
                    | Command::Encoded
            )
        );
        if let Some(token) = tokens.first().filter(|_| is_doubtful) {
            let found = signal(SignalKind::GypCommand, path, token.line, &command);
            self.signals.push(found);
        }
        self.targets(&command);
    }
}

/// Commands that build files have for years: asking a package for its headers, or the system for a
/// library.
fn is_usual(command: &str) -> bool {
    let command = command.trim_start_matches(['"', ' ']);
    let asks_node = (command.starts_with("node -p") || command.starts_with("node -e"))
        && command.contains("require(")
        && ![
            "child_process",
            "http",
            "eval",
            "Buffer",
            "net'",
            "execSync",
        ]
        .iter()
        .any(|it| command.contains(it));
    let is_tool = [
        "pkg-config",
        "uname",
        "python -c",
        "python3 -c",
        "sw_vers",
        "arch",
        "xcrun",
    ]
    .iter()
    .any(|it| command.starts_with(it));
    (asks_node || is_tool)
        && strings::command(command).is_none_or(|it| it == Command::Inline)
        && !command.contains("&&")
}

/// Lines of a `.pth` that Python runs at every start.
pub(super) fn pth(path: &str, text: &str) -> Said {
    let mut said = Said::default();
    // Python reads the file without its mark of the byte order, and ends lines as `str.splitlines`.
    let text = text.trim_start_matches('\u{feff}');
    let ends_line = |it: char| {
        matches!(
            it,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut number = 1;
    for line in text.split_inclusive(ends_line) {
        let own = number;
        number += u32::from(line.ends_with('\n'));
        let (number, line) = (own, line.trim_end_matches(ends_line));
        if line.starts_with("import ") || line.starts_with("import\t") {
            said.runs_at_start(path, number, line);
            break;
        }
    }
    said
}

/// A `.start` file: functions that Python calls at every start (PEP 829).
pub(super) fn start(path: &str, text: &str) -> Said {
    let mut said = Said::default();
    let is_part = |it: &str| {
        !it.is_empty()
            && it
                .chars()
                .all(|it| it.is_alphanumeric() || matches!(it, '_' | '.'))
    };
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let function = line.trim().split_once(':');
        if function.is_some_and(|(module, function)| is_part(module) && is_part(function)) {
            said.runs_at_start(path, number, line);
            break;
        }
    }
    said
}

/// The build backend a source distribution brings along, and the scripts that backends run.
pub(super) fn pyproject_toml(text: &str) -> Said {
    let mut said = Said::default();
    let Ok(project) = toml_span::parse(text) else {
        return said;
    };
    let at = |pointer: &str| project.pointer(pointer);
    let backend = at("/build-system/build-backend").and_then(|it| it.as_str().map(str::to_owned));
    let folder = at("/build-system/backend-path/0").and_then(|it| it.as_str().map(str::to_owned));
    if let (Some(backend), Some(folder)) = (backend, folder) {
        let module = backend
            .split(':')
            .next()
            .unwrap_or_default()
            .replace('.', "/");
        let folder = folder.trim_start_matches("./").trim_matches('/');
        said.targets.push(match folder {
            "" | "." => module,
            folder => format!("{folder}/{module}"),
        });
    }
    for pointer in ["/tool/poetry/build", "/tool/poetry/build/script"] {
        if let Some(script) = at(pointer).and_then(|it| it.as_str().map(str::to_owned)) {
            said.targets.push(script);
        }
    }
    said
}

/// The commands a `setup.cfg` puts in place of those of setuptools.
pub(super) fn setup_cfg(text: &str) -> Said {
    let mut said = Said::default();
    let commands = text.lines().skip_while(|it| !it.starts_with("cmdclass"));
    for line in commands.take(20) {
        let value = line.split_once('=').map_or("", |(_, value)| value.trim());
        if let Some((module, _)) = value.rsplit_once('.') {
            said.targets.push(module.replace('.', "/"));
        }
    }
    said
}

/// A module Python imports at every start by its name.
pub(super) fn customize(path: &str, text: &str) -> Said {
    let first = text
        .lines()
        .find(|it| !it.trim().is_empty() && !it.starts_with('#'))
        .unwrap_or_default();
    Said {
        install: vec![code(InstallKind::Customize, path, 1, path)],
        signals: vec![signal(SignalKind::Autoexec, path, 1, first)],
        ..Said::default()
    }
}

/// Whether Python imports a module of that name at every start, or when it looks for wheels.
pub(super) fn is_customize(name: &str) -> bool {
    matches!(
        name,
        "sitecustomize.py" | "usercustomize.py" | "_manylinux.py"
    )
}

/// The build script, procedural macros and `links` of a `Cargo.toml`.
pub(super) fn cargo_toml(path: &str, text: &str) -> Said {
    let mut said = Said::default();
    let Ok(manifest) = toml_span::parse(text) else {
        return said;
    };
    let at = |pointer: &str| manifest.pointer(pointer);
    let text_at = |pointer: &str| at(pointer).and_then(|it| it.as_str().map(SmolStr::from));
    if let Some(build) = text_at("/package/build") {
        let line = line_of(text, "build =");
        said.install
            .push(code(InstallKind::BuildScript, path, line, &build));
        let target = build.trim_start_matches("./");
        said.targets.push(target.to_owned());
    }
    if let Some(links) = text_at("/package/links") {
        let line = line_of(text, "links =");
        said.install
            .push(code(InstallKind::Links, path, line, &links));
    }
    let is_macro = ["/lib/proc-macro", "/lib/proc_macro"]
        .iter()
        .any(|it| at(it).and_then(|it| it.as_bool()) == Some(true));
    if is_macro {
        let line = line_of(text, "proc-macro");
        said.install
            .push(code(InstallKind::ProcMacro, path, line, "proc-macro"));
        said.is_all_run = true;
    }
    said
}

/// A script of a shell: what its lines fetch and run, told as if it ran at install.
pub(super) fn shell(path: &str, text: &str) -> Vec<Signal> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('#') || line.len() > 4_000 {
            continue;
        }
        if matches!(
            strings::command(line),
            Some(Command::Fetches | Command::Sends | Command::FetchesAndRuns | Command::Connects)
        ) {
            found.push(signal(SignalKind::InstallCommand, path, number, line));
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_scripts_name_are_found() {
        let said = package_json(
            "package.json",
            r#"{"scripts":{"test":"node t.js","postinstall":"node ./lib/setup && sh x.sh"}}"#,
        );
        assert_eq!(said.targets, ["lib/setup", "x.sh"]);
        assert!(Said::is_target(&said.targets, "lib/setup.js"));
        assert!(Said::is_target(&said.targets, "lib/setup/index.mjs"));
        assert!(!Said::is_target(&said.targets, "t.js"));
        assert_eq!(said.install.len(), 1);
    }

    #[test]
    fn commands_of_build_files_are_told_from_the_usual_ones() {
        let text = "{ # a comment with <!(curl x)\n'include_dirs': [\"<!@(node -p \\\"require('node-addon-api').include\\\")\"],\n\
                    'sources': ['<!(node index.js > /dev/null 2>&1 && echo stub.c)'] }";
        let said = gyp("binding.gyp", text, true);
        assert_eq!(said.signals.len(), 1);
        assert_eq!(said.signals[0].line, 3);
        assert_eq!(said.targets[0], "index.js");
    }

    #[test]
    fn lines_of_a_pth_that_run_are_told_from_paths() {
        assert_eq!(pth("a.pth", "../src\nimportant\n").signals, []);
        assert_eq!(pth("a.pth", "\u{feff}import os").signals[0].line, 1);
        assert_eq!(pth("a.pth", "a\n\u{c}import os").signals[0].line, 2);
        assert_eq!(start("a.start", "# x: y\npkg.mod:run\n").signals[0].line, 2);
        assert_eq!(start("a.start", "https://x.invalid\n").signals, []);
        assert_eq!(
            pth("a.pth", "x\nimport os; os.system('x')\n").signals[0].line,
            2
        );
    }
}
