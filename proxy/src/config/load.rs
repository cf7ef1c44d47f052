//! Reading a configuration: file, command line, environment.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cordon_policy::config::PolicySource;
use cordon_policy::config::diagnostic::{Diagnostic, Severity};
use cordon_policy::config::source::SourceFile;

use super::Config;
use super::defaults::MAX_CONFIG_BYTES;
use super::raw::{self, Raw};
use super::surroundings::{Platform, Surroundings};
use super::upstream::Context;
use super::validate::validate;

/// What the command line says; it wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--admin-listen`.
    pub admin_listen: Option<SocketAddr>,
    /// `--public-url`.
    pub public_url: Option<String>,
    /// `--data`; relative to the working directory.
    pub data: Option<PathBuf>,
    /// `--policy`, replacing the file's list; relative to the working directory.
    pub policy_files: Vec<PathBuf>,
    /// `--log`.
    pub log_filter: Option<String>,
}

/// A configuration and what is worth saying about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
    /// The texts diagnostics point into.
    pub sources: Vec<PolicySource>,
}

/// A configuration that cannot be used.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Every problem, in the order of the file; at least one error.
    pub problems: Vec<Diagnostic>,
    /// The texts they point into.
    pub sources: Vec<PolicySource>,
}

/// Where a configuration is read from, for reading it again.
#[derive(Clone, Debug, Default)]
pub struct ConfigSource {
    /// The file; without one everything has its default.
    pub path: Option<PathBuf>,
    /// What the command line says.
    pub overrides: Overrides,
}

impl ConfigSource {
    /// Reads it. Blocks.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(&self) -> Result<Loaded, Rejected> {
        Config::load(self.path.as_deref(), &self.overrides)
    }
}

/// How problems of the command line are placed.
const COMMAND_LINE: &str = "command line";

impl Config {
    /// Reads the configuration of this process. Without a path everything has its default: Cordon
    /// serves the three public registries on loopback.
    ///
    /// # Errors
    /// Every problem found; a file that cannot be read, or says nothing, is one.
    pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Loaded, Rejected> {
        let Some(path) = path else {
            return Self::read(None, Path::new(""), overrides, &Platform);
        };
        let source = read_file(path).map_err(|problem| Rejected {
            problems: vec![problem],
            sources: Vec::new(),
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::read(Some(source), base, overrides, &Platform)
    }

    /// As [`Self::load`], from text. Relative paths in it start at `base`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn read(
        source: Option<PolicySource>,
        base: &Path,
        overrides: &Overrides,
        surroundings: &dyn Surroundings,
    ) -> Result<Loaded, Rejected> {
        let (name, text) = source
            .as_ref()
            .map_or((COMMAND_LINE, ""), |source| (&source.name, &source.text));
        let file = SourceFile::new(name, text);
        let command_line = SourceFile::new(COMMAND_LINE, "");
        let raw = match &source {
            None => Some(Raw::default()),
            Some(_) => file.root(MAX_CONFIG_BYTES).map(raw::read),
        };
        let context = Context {
            file: &file,
            base,
            surroundings,
        };
        let config = raw.and_then(|raw| validate(raw, overrides, context, &command_line));
        let mut problems = file.into_diagnostics();
        problems.extend(command_line.into_diagnostics());
        let sources = source.into_iter().collect();
        let is_usable = problems.iter().all(|it| it.severity != Severity::Error);
        match config {
            Some(config) if is_usable => Ok(Loaded {
                config,
                warnings: problems,
                sources,
            }),
            _ => Err(Rejected { problems, sources }),
        }
    }
}

/// Reads a configuration file, at most one byte more than is allowed.
fn read_file(path: &Path) -> Result<PolicySource, Diagnostic> {
    let name = path.display().to_string();
    let refuse = |code, message: String, help: &str| {
        let file = SourceFile::new(&name, "");
        file.error(code, &(0..0), message, help);
        file.into_diagnostics().remove(0)
    };
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => refuse(
            "config-missing",
            "the configuration file is not there".to_owned(),
            "mend the path, or start without a configuration for the defaults",
        ),
        _ => refuse(
            "config-unreadable",
            format!("the configuration file cannot be read: {error}"),
            "mend its rights or its path",
        ),
    };
    let limit = u64::try_from(MAX_CONFIG_BYTES).unwrap_or(u64::MAX);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_CONFIG_BYTES {
        return Err(refuse(
            "file-too-large",
            format!("the configuration file has more than {MAX_CONFIG_BYTES} bytes"),
            "drop what is not needed; rules belong into policy files",
        ));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(PolicySource { name, text }),
        Err(error) => Err(refuse(
            "config-unreadable",
            format!(
                "the configuration file is not UTF-8 (byte {})",
                error.utf8_error().valid_up_to()
            ),
            "save it as UTF-8",
        )),
    }
}
