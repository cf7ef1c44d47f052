//! What a look at the files of an archive found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::capability::Capability;
use super::signal::Signal;

/// What the files of an archive can do, each with file and line. Every list is bounded: this is
/// kept with each decision. Paths are those inside the archive's one folder, where it has one, so
/// that those of two versions can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentFacts {
    /// How many files of each kind.
    pub files: BTreeMap<FileKind, u64>,
    /// Files of source that were larger than what is looked at, or too many: of these only a part,
    /// or nothing, is known.
    pub cut_files: u64,
    /// Code that runs at install or at start of the interpreter, by kind and place.
    pub install: Vec<InstallCode>,
    /// How often each capability was seen, tests and examples left out.
    pub capabilities: BTreeMap<Capability, u32>,
    /// The first places of each capability.
    pub traces: Vec<Trace>,
    /// What packages are hijacked for.
    pub signals: Vec<Signal>,
    /// How many native binaries.
    pub binary_count: u64,
    /// Native binaries.
    pub binaries: Vec<Binary>,
    /// Hosts that source names, sorted.
    pub hosts: Vec<SmolStr>,
    /// Whether there were more hosts than are kept: then a host that is not listed may be known.
    #[serde(default)]
    pub has_more_hosts: bool,
    /// Hosts that calls of the network name themselves.
    pub destinations: Vec<Destination>,
}

impl ContentFacts {
    /// Traces kept.
    pub const TRACES: usize = 64;
    /// Traces kept of one capability.
    pub const TRACES_OF_ONE: usize = 6;
    /// Signals kept.
    pub const SIGNALS: usize = 96;
    /// Signals kept of one kind.
    pub const SIGNALS_OF_ONE: usize = 8;
    /// Pieces of install code kept.
    pub const INSTALL: usize = 32;
    /// Binaries kept.
    pub const BINARIES: usize = 64;
    /// Hosts kept.
    pub const HOSTS: usize = 512;
    /// Destinations kept.
    pub const DESTINATIONS: usize = 32;
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Source that is parsed.
    Source,
    /// Source whose lines no person wrote: a bundle, or minified.
    Minified,
    /// Tests, examples, documentation with code: looked at, but not run by who depends on it.
    Test,
    /// Scripts of shells.
    Shell,
    /// Programs and libraries for a processor.
    Native,
    /// WebAssembly.
    Wasm,
    /// Archives inside.
    Archive,
    /// Everything else.
    Other,
}

/// When code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// When the package is installed or built.
    Install,
    /// When the file is loaded.
    Load,
    /// When a function of it is called.
    Call,
    /// In tests and examples only.
    Test,
}

impl When {
    /// In a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Install => "at install",
            Self::Load => "when loaded",
            Self::Call => "when called",
            Self::Test => "in tests",
        }
    }
}

/// A place where code does something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trace {
    /// What it does.
    pub capability: Capability,
    /// The file.
    pub file: SmolStr,
    /// The 1-based line.
    pub line: u32,
    /// When it runs.
    pub when: When,
    /// The line, cut and printable.
    pub excerpt: SmolStr,
}

/// Code that runs without being asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InstallCode {
    /// What kind.
    pub kind: InstallKind,
    /// The file it is in.
    pub file: SmolStr,
    /// The 1-based line.
    pub line: u32,
    /// What runs: the script's name and text, the command, or nothing but the file. Printable, cut.
    pub text: SmolStr,
}

/// Kinds of code that runs without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstallKind {
    /// npm `preinstall`, `install`, `postinstall`.
    Script,
    /// npm `prepare` and its like: only run when installed from a repository.
    RepositoryScript,
    /// A `binding.gyp`, which npm builds unasked.
    Gyp,
    /// `setup.py`.
    SetupPy,
    /// A `.pth` with a line that is run.
    Pth,
    /// `sitecustomize.py`, `usercustomize.py`, `_manylinux.py`.
    Customize,
    /// cargo's build script.
    BuildScript,
    /// A procedural macro, run by the compiler.
    ProcMacro,
    /// A crate that links a native library.
    Links,
}

/// A native binary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Binary {
    /// The file.
    pub file: SmolStr,
    /// Its format.
    pub format: BinaryFormat,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: SmolStr,
    /// Whether its headers are damaged: it says it is of the format and cannot be read as one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_damaged: bool,
}

/// Formats of native binaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryFormat {
    /// Linux and its like.
    Elf,
    /// Windows.
    Pe,
    /// macOS.
    MachO,
}

impl BinaryFormat {
    /// As people say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elf => "ELF",
            Self::Pe => "PE",
            Self::MachO => "Mach-O",
        }
    }
}

/// A host a call of the network names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destination {
    /// The host.
    pub host: SmolStr,
    /// The file.
    pub file: SmolStr,
    /// The 1-based line.
    pub line: u32,
    /// Whether something is sent there that is not constant: a body, headers, a made-up address.
    pub is_sent: bool,
    /// Whether it is sent by code that handles keys: what is sent names one, or the function that
    /// sends does, or is given one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_keys: bool,
    /// The line, cut and printable.
    pub excerpt: SmolStr,
}
