//! Files the interpreter runs without being asked, because of where an installer puts them.

use super::Format;

/// Bytes of a `.pth` that are searched for an import line. Longer ones count as having one.
const PTH_BYTES: u64 = 64 << 10;

/// Why a file might run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// It does not.
    No,
    /// By its name.
    Always,
    /// If a line begins with `import`: the `site` module executes those.
    WithImport,
}

impl Runs {
    /// For a file of an archive. Only wheels put files where they are found.
    pub(super) fn of(format: Format, path: &str) -> Self {
        let Some(name) = Some(path)
            .filter(|_| format == Format::Wheel)
            .and_then(top_level)
        else {
            return Self::No;
        };
        match name {
            "sitecustomize.py" | "usercustomize.py" | "_manylinux.py" => Self::Always,
            _ if name.ends_with(".pth") => Self::WithImport,
            _ => Self::No,
        }
    }

    /// How many of its bytes are needed to tell.
    pub(super) fn bytes_needed(self) -> u64 {
        match self {
            Self::WithImport => PTH_BYTES,
            Self::No | Self::Always => 0,
        }
    }

    /// Whether it runs, by its first bytes.
    pub(super) fn unasked(self, bytes: &[u8]) -> bool {
        match self {
            Self::No => false,
            Self::Always => true,
            Self::WithImport => bytes.len() as u64 >= PTH_BYTES || has_import(bytes),
        }
    }
}

/// The file's name, if the installer puts it directly into a folder that is searched.
fn top_level(path: &str) -> Option<&str> {
    if !path.contains('/') {
        return Some(path);
    }
    let (folder, below) = path.split_once('/')?;
    let (scheme, name) = below.split_once('/')?;
    let is_searched = folder.ends_with(".data") && matches!(scheme, "purelib" | "platlib");
    (is_searched && !name.contains('/')).then_some(name)
}

/// As the `site` module sees it: lines end with any of the usual ends, a byte-order mark is passed over.
fn has_import(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .any(|line| line.starts_with(b"import ") || line.starts_with(b"import\t"))
}
