//! A project that depends on one package, in the form each client reads, and the commands that
//! install it.

use std::process::Command;

use super::sandbox::Sandbox;
use super::tools::Tool;
use crate::fake_registry::Protocol;

const PACKAGE_JSON: &str = r#"{"name":"app","version":"1.0.0","private":true}"#;

impl Tool {
    /// Writes a project into the sandbox and gives the command that adds `package` to it (or, where
    /// clients have no such command, installs what the project asks for) from the registry at
    /// `base`. `None` with a printed skip when the client is absent.
    pub fn install(self, sandbox: &Sandbox, base: &str, package: &str) -> Option<Command> {
        let mut command = self.command(sandbox, base)?;
        self.write_project(sandbox, base, package);
        match self {
            Self::Npm => command.args(["install", package]),
            Self::Pnpm | Self::Pnpm12 | Self::Yarn | Self::Berry | Self::Bun => {
                command.args(["add", package])
            }
            Self::Deno => command.arg("install"),
            Self::Pip => command.args(["install", "--target", "site", package]),
            Self::Uv => command.args(["pip", "install", "--target", "site", package]),
            Self::Poetry => command.args(["install", "--no-root"]),
            Self::Pdm => command.args(["install", "--no-self"]),
            Self::Pipenv => command.arg("install"),
            Self::Cargo => command.arg("fetch"),
        };
        Some(command)
    }

    /// The command that installs exactly what the project's lock file says, as CI does. `None` with
    /// a printed skip when the client is absent.
    ///
    /// # Panics
    /// For pip, which has no lock file of its own.
    pub fn install_locked(self, sandbox: &Sandbox, base: &str) -> Option<Command> {
        let mut command = self.command(sandbox, base)?;
        match self {
            Self::Npm => command.arg("ci"),
            Self::Pnpm | Self::Pnpm12 | Self::Yarn | Self::Bun => {
                command.args(["install", "--frozen-lockfile"])
            }
            Self::Berry => command.args(["install", "--immutable"]),
            Self::Deno => command.args(["install", "--frozen"]),
            Self::Uv => command.args(["sync", "--frozen", "--no-install-project"]),
            Self::Poetry => command.args(["install", "--no-root"]),
            Self::Pdm => command.args(["sync", "--no-self"]),
            Self::Pipenv => command.arg("sync"),
            Self::Cargo => command.args(["fetch", "--locked"]),
            Self::Pip => panic!("pip has no lock file"),
        };
        Some(command)
    }

    fn write_project(self, sandbox: &Sandbox, base: &str, package: &str) {
        match (self.protocol(), self) {
            // `deno add` says of whatever it cannot have that it was not found.
            (_, Self::Deno) => sandbox.write(
                "package.json",
                &format!("{{\"dependencies\":{{\"{package}\":\"*\"}}}}"),
            ),
            (Protocol::Npm, _) => sandbox.write("package.json", PACKAGE_JSON),
            (Protocol::Cargo, _) => {
                sandbox.write("Cargo.toml", &cargo_toml(package, "*"));
                sandbox.write("src/lib.rs", "");
            }
            (_, Self::Pipenv) => sandbox.write(
                "Pipfile",
                &format!(
                    "[[source]]\nname = \"cordon\"\nurl = \"{base}simple/\"\nverify_ssl = false\n\n\
                     [packages]\n{package} = \"*\"\n"
                ),
            ),
            (_, Self::Poetry) => sandbox.write(
                "pyproject.toml",
                &format!(
                    "{}\n[tool.poetry]\npackage-mode = false\n\n[[tool.poetry.source]]\n\
                     name = \"cordon\"\nurl = \"{base}simple/\"\npriority = \"primary\"\n",
                    pyproject(package)
                ),
            ),
            (_, Self::Pdm) => sandbox.write(
                "pyproject.toml",
                &format!(
                    "{}\n[[tool.pdm.source]]\nname = \"pypi\"\nurl = \"{base}simple/\"\n\
                     verify_ssl = false\n",
                    pyproject(package)
                ),
            ),
            (Protocol::Pypi, _) => sandbox.write("pyproject.toml", &pyproject(package)),
        }
    }
}

/// A crate that depends on one other.
pub fn cargo_toml(package: &str, requirement: &str) -> String {
    format!(
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
         [dependencies]\n{package} = \"{requirement}\"\n"
    )
}

fn pyproject(package: &str) -> String {
    format!(
        "[project]\nname = \"app\"\nversion = \"0.1.0\"\nrequires-python = \">=3.8\"\n\
         dependencies = [\"{package}\"]\n"
    )
}
