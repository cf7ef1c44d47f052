//! What a file of an archive is, by its path and first bytes.

use super::facts::{BinaryFormat, FileKind};
use super::token::Language;

/// A file's place in its package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place<'p> {
    /// The path inside the archive's one folder.
    pub(super) path: &'p str,
    /// Its last component.
    pub(super) name: &'p str,
    /// Whether it is a test, an example or documentation.
    pub(super) is_in_tests: bool,
    /// The language it is written in, when that is one that is read.
    pub(super) language: Option<Language>,
}

impl<'p> Place<'p> {
    /// Of a path below the archive's one folder.
    pub(super) fn of(path: &'p str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        Self {
            path,
            name,
            is_in_tests: is_in_tests(path, name),
            language: language(name),
        }
    }

    /// Whether it is directly in the package's folder.
    pub(super) fn is_at_root(&self) -> bool {
        !self.path.contains('/')
    }
}

fn language(name: &str) -> Option<Language> {
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".d.ts") || lower.ends_with(".d.mts") || lower.ends_with(".d.cts") {
        return None;
    }
    match lower.rsplit_once('.')?.1 {
        // Markup in plain JavaScript is within its grammar.
        "js" | "mjs" | "cjs" | "jsx" => Some(Language::JavaScript),
        "ts" | "mts" | "cts" => Some(Language::TypeScript),
        "tsx" => Some(Language::Tsx),
        "py" | "pyw" => Some(Language::Python),
        "rs" => Some(Language::Rust),
        _ => None,
    }
}

fn is_in_tests(path: &str, name: &str) -> bool {
    const FOLDERS: [&str; 18] = [
        "test",
        "tests",
        "testing",
        "__tests__",
        "__mocks__",
        "spec",
        "specs",
        "fixtures",
        "example",
        "examples",
        "doc",
        "docs",
        "demo",
        "demos",
        "bench",
        "benches",
        "benchmark",
        "benchmarks",
    ];
    let mut folders = path.split('/').rev().skip(1);
    let is_in_folder = folders.any(|it| FOLDERS.contains(&it.to_ascii_lowercase().as_str()));
    let stem = name.split('.').next().unwrap_or(name);
    let is_named = name.contains(".test.")
        || name.contains(".spec.")
        || name == "conftest.py"
        || (name.ends_with(".py") && (stem.starts_with("test_") || stem.ends_with("_test")));
    is_in_folder || is_named
}

/// What a file is that is not source in a language that is read.
pub(super) fn kind_of(name: &str, head: &[u8]) -> FileKind {
    if native_format(head).is_some() {
        return FileKind::Native;
    }
    if head.starts_with(b"\0asm") {
        return FileKind::Wasm;
    }
    let is_archive = head.starts_with(b"PK\x03\x04")
        || head.starts_with(b"\x1f\x8b")
        || head.starts_with(b"7z\xbc\xaf")
        || head.starts_with(b"\xfd7zXZ")
        || head.starts_with(b"BZh");
    if is_archive {
        return FileKind::Archive;
    }
    let extension = name.rsplit_once('.').map_or("", |(_, it)| it);
    let is_shell = matches!(extension, "sh" | "bash" | "ps1" | "bat" | "cmd")
        || (head.starts_with(b"#!")
            && memchr::memchr(b'\n', head).is_some_and(|end| {
                let line = head.get(..end).unwrap_or_default();
                line.ends_with(b"sh") || line.ends_with(b"bash")
            }));
    match is_shell {
        true => FileKind::Shell,
        false => FileKind::Other,
    }
}

/// The language of a program without an extension, by its first line.
pub(super) fn language_of_program(head: &[u8]) -> Option<Language> {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let line = head.get(..end.min(200))?;
    if !line.starts_with(b"#!") {
        return None;
    }
    let contains = |needle: &[u8]| memchr::memmem::find(line, needle).is_some();
    if contains(b"node") || contains(b"bun") || contains(b"deno") {
        return Some(Language::JavaScript);
    }
    contains(b"python").then_some(Language::Python)
}

/// The format of a native binary, by its first bytes.
pub(super) fn native_format(head: &[u8]) -> Option<BinaryFormat> {
    match head {
        [0x7f, b'E', b'L', b'F', ..] => Some(BinaryFormat::Elf),
        [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] => {
            Some(BinaryFormat::MachO)
        }
        // A fat binary holds a few architectures; a Java class has its version there.
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 1..=20, ..] => Some(BinaryFormat::MachO),
        [b'M', b'Z', ..] if is_pe(head) => Some(BinaryFormat::Pe),
        _ => None,
    }
}

/// `MZ` may begin any text; the header it points to may not.
fn is_pe(head: &[u8]) -> bool {
    let Some(at) = head.get(0x3c..0x40) else {
        return false;
    };
    let at = at
        .iter()
        .rev()
        .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    match at.checked_add(4).and_then(|end| head.get(at..end)) {
        Some(magic) => magic == b"PE\0\0",
        // It points past what was read: a stub of a strange size, or damage.
        None => at < 0x1000_0000 && head.get(2..0x3c).is_some_and(|it| it.contains(&0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_documentation_are_told_from_what_runs() {
        for (path, is_in_tests) in [
            ("lib/index.js", false),
            ("lib/test/index.js", true),
            ("docs/conf.py", true),
            ("pkg/test_x.py", true),
            ("a.test.js", true),
            ("testing.js", false),
            ("attest/index.js", false),
        ] {
            assert_eq!(Place::of(path).is_in_tests, is_in_tests, "{path}");
        }
    }

    #[test]
    fn binaries_are_told_by_their_first_bytes() {
        assert_eq!(native_format(b"\x7fELF\x02"), Some(BinaryFormat::Elf));
        assert_eq!(native_format(b"MZ is a text"), None);
        let mut pe = vec![0_u8; 0x44];
        pe[..2].copy_from_slice(b"MZ");
        pe[0x3c] = 0x40;
        pe[0x40..].copy_from_slice(b"PE\0\0");
        assert_eq!(native_format(&pe), Some(BinaryFormat::Pe));
        // A class of Java.
        assert_eq!(native_format(b"\xca\xfe\xba\xbe\0\0\0\x34"), None);
    }
}
