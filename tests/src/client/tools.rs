//! The real package managers, each set up for one Cordon and nothing else.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::sandbox::Sandbox;
use crate::fake_registry::Protocol;

/// Folders to look for clients in before `PATH`, as the environment names them.
pub const TOOLS_VARIABLE: &str = "CORDON_TEST_TOOLS";

/// Set where every client must be there: a missing one then fails its tests.
pub const REQUIRE_VARIABLE: &str = "CORDON_REQUIRE_CLIENTS";

/// A real client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// npm.
    Npm,
    /// pnpm 10, the last that is written in JavaScript.
    Pnpm,
    /// pnpm 12, which speaks HTTP by other means.
    Pnpm12,
    /// yarn 1.
    Yarn,
    /// yarn 2 and later.
    Berry,
    /// bun.
    Bun,
    /// deno.
    Deno,
    /// pip of the first `python3`.
    Pip,
    /// uv.
    Uv,
    /// poetry.
    Poetry,
    /// pdm.
    Pdm,
    /// pipenv, which runs pip.
    Pipenv,
    /// cargo.
    Cargo,
}

impl Tool {
    /// The protocol it speaks.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Npm
            | Self::Pnpm
            | Self::Pnpm12
            | Self::Yarn
            | Self::Berry
            | Self::Bun
            | Self::Deno => Protocol::Npm,
            Self::Pip | Self::Uv | Self::Poetry | Self::Pdm | Self::Pipenv => Protocol::Pypi,
            Self::Cargo => Protocol::Cargo,
        }
    }

    /// Its program name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Pnpm12 => "pnpm-12",
            Self::Yarn => "yarn",
            Self::Berry => "yarn-berry",
            Self::Bun => "bun",
            Self::Deno => "deno",
            Self::Pip => "pip",
            Self::Uv => "uv",
            Self::Poetry => "poetry",
            Self::Pdm => "pdm",
            Self::Pipenv => "pipenv",
            Self::Cargo => "cargo",
        }
    }

    /// Where it is, or a printed line saying that the test is skipped without it.
    ///
    /// # Panics
    /// If it is absent where [`REQUIRE_VARIABLE`] is set.
    pub fn find(self) -> Option<PathBuf> {
        let found = match self {
            Self::Pip => python().filter(|python| runs(python, &["-m", "pip", "--version"])),
            Self::Cargo => std::env::var_os("CARGO")
                .map(PathBuf::from)
                .or_else(|| on_path("cargo")),
            _ => on_path(self.program()),
        };
        if found.is_none() {
            skip(self.program());
        }
        found
    }

    /// A command that sees only the registry at `base` (as [`Cordon::url`] gives it for the tool's
    /// protocol), or `None` with a printed skip when the tool is absent.
    ///
    /// [`Cordon::url`]: crate::cordon::Cordon::url
    pub fn command(self, sandbox: &Sandbox, base: &str) -> Option<Command> {
        let program = self.find()?;
        let mut command = sandbox.command(&program);
        if let Some(path) = path_with(&program) {
            command.env("PATH", path);
        }
        match self {
            Self::Npm => npm(&mut command, sandbox, base),
            Self::Pnpm | Self::Pnpm12 => {
                npm(&mut command, sandbox, base);
                command.env("npm_config_store_dir", sandbox.home().join("pnpm-store"));
                command.env("npm_config_manage_package_manager_versions", "false");
                command.env("COREPACK_ENABLE_STRICT", "0");
            }
            Self::Yarn => {
                npm(&mut command, sandbox, base);
                command.env("YARN_REGISTRY", base);
                command.env("YARN_CACHE_FOLDER", sandbox.home().join("yarn-cache"));
            }
            Self::Berry => {
                command
                    .env("YARN_NPM_REGISTRY_SERVER", base.trim_end_matches('/'))
                    .env("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1")
                    .env("YARN_ENABLE_TELEMETRY", "0")
                    .env("YARN_ENABLE_IMMUTABLE_INSTALLS", "0")
                    .env("YARN_NODE_LINKER", "node-modules")
                    .env("YARN_GLOBAL_FOLDER", sandbox.home().join("berry"));
            }
            Self::Bun => {
                command
                    .env("BUN_CONFIG_REGISTRY", base)
                    .env("npm_config_registry", base)
                    .env("BUN_INSTALL_CACHE_DIR", sandbox.home().join("bun-cache"));
            }
            Self::Deno => {
                command
                    .env("NPM_CONFIG_REGISTRY", base)
                    .env("DENO_DIR", sandbox.home().join("deno"))
                    .env("DENO_NO_UPDATE_CHECK", "1");
            }
            Self::Pip => {
                command.args(["-m", "pip"]);
                command
                    .env("PIP_CONFIG_FILE", "/dev/null")
                    .env("PIP_INDEX_URL", format!("{base}simple/"))
                    .env("PIP_CACHE_DIR", sandbox.home().join("pip-cache"))
                    .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
                    .env("PIP_NO_INPUT", "1")
                    .env("PYTHONNOUSERSITE", "1");
            }
            Self::Uv => {
                command
                    .env("UV_DEFAULT_INDEX", format!("{base}simple/"))
                    .env("UV_CACHE_DIR", sandbox.home().join("uv-cache"))
                    .env("UV_NO_CONFIG", "1")
                    .env("UV_PYTHON_DOWNLOADS", "never");
                if let Some(python) = python() {
                    command.env("UV_PYTHON", python);
                }
            }
            Self::Poetry => {
                command
                    .env("POETRY_CACHE_DIR", sandbox.home().join("poetry-cache"))
                    .env("POETRY_CONFIG_DIR", sandbox.home().join("poetry-config"))
                    .env("POETRY_VIRTUALENVS_IN_PROJECT", "true")
                    .env("POETRY_NO_INTERACTION", "1")
                    .env("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring");
            }
            Self::Pdm => {
                command
                    .env("PDM_CACHE_DIR", sandbox.home().join("pdm-cache"))
                    .env("PDM_CHECK_UPDATE", "0")
                    .env("PDM_PYPI_URL", format!("{base}simple/"))
                    .env("PDM_NON_INTERACTIVE", "1");
                if let Some(python) = python() {
                    command.env("PDM_PYTHON", python);
                }
            }
            Self::Pipenv => {
                command
                    .env("PIPENV_CACHE_DIR", sandbox.home().join("pipenv-cache"))
                    .env("PIPENV_VENV_IN_PROJECT", "1")
                    .env("PIPENV_YES", "1")
                    .env("PIPENV_NOSPIN", "1")
                    .env("PIP_CACHE_DIR", sandbox.home().join("pip-cache"))
                    .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
                if let Some(python) = python() {
                    command.env("PIPENV_PYTHON", python);
                }
            }
            Self::Cargo => cargo(&mut command, sandbox, base),
        }
        Some(command)
    }
}

fn npm(command: &mut Command, sandbox: &Sandbox, base: &str) {
    // As `npm config set registry` writes it; pnpm 12 reads no such variable.
    sandbox.write_home(".npmrc", &format!("registry={base}\n"));
    command
        .env("npm_config_registry", base)
        .env("npm_config_cache", sandbox.home().join("npm-cache"))
        .env("npm_config_userconfig", sandbox.home().join(".npmrc"))
        .env(
            "npm_config_globalconfig",
            sandbox.home().join("global-npmrc"),
        )
        .env("npm_config_update_notifier", "false")
        .env("npm_config_fund", "false")
        .env("npm_config_audit", "false");
}

fn cargo(command: &mut Command, sandbox: &Sandbox, base: &str) {
    // The source replaced is the built-in one, by the name every set-up text uses.
    sandbox.write_home(
        ".cargo/config.toml",
        &format!(
            "[source.crates-io]\nreplace-with = \"cordon\"\n\n\
             [source.cordon]\nregistry = \"sparse+{base}\"\n\n\
             [registries.cordon]\nindex = \"sparse+{base}\"\n"
        ),
    );
    command
        .env("CARGO_HOME", sandbox.home().join(".cargo"))
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TARGET_DIR", sandbox.path("target"));
    // With rustup, the program is a proxy that looks for its toolchains in the caller's home.
    for variable in ["RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        if let Some(value) = std::env::var_os(variable) {
            command.env(variable, value);
        }
    }
    let rustup = std::env::var_os("HOME").map(|home| Path::new(&home).join(".rustup"));
    if std::env::var_os("RUSTUP_HOME").is_none()
        && let Some(rustup) = rustup.filter(|folder| folder.is_dir())
    {
        command.env("RUSTUP_HOME", rustup);
    }
}

/// The real interpreter behind `python3`, which may be a shim that needs the caller's home.
fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| {
            let shim = on_path("python3")?;
            let output = Command::new(shim)
                .args(["-c", "import sys; print(sys.executable)"])
                .output()
                .ok()?;
            let path = String::from_utf8(output.stdout).ok()?;
            Some(PathBuf::from(path.trim())).filter(|path| path.is_file())
        })
        .clone()
}

fn runs(program: &Path, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn on_path(program: &str) -> Option<PathBuf> {
    search_folders()
        .into_iter()
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn search_folders() -> Vec<PathBuf> {
    [TOOLS_VARIABLE, "PATH"]
        .into_iter()
        .filter_map(std::env::var_os)
        .flat_map(|value| std::env::split_paths(&value).collect::<Vec<_>>())
        .collect()
}

/// `PATH` with the program's own folder first: a client's launcher finds its siblings there.
fn path_with(program: &Path) -> Option<OsString> {
    let own = program.parent()?.to_owned();
    std::env::join_paths(std::iter::once(own).chain(search_folders())).ok()
}

/// Says on the terminal that a test does nothing here, and why.
///
/// # Panics
/// Where [`REQUIRE_VARIABLE`] says that nothing may be skipped.
pub fn skip(absent: &str) {
    let message = format!("{absent} is not installed (looked in ${TOOLS_VARIABLE} and $PATH)");
    assert!(
        std::env::var_os(REQUIRE_VARIABLE).is_none(),
        "{message}, and ${REQUIRE_VARIABLE} is set"
    );
    // Not through the test harness's capture: a skip nobody sees looks like a pass.
    let _ = writeln!(std::io::stderr(), "skipped: {message}");
}
