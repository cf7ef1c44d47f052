//! Tiny archives that the real clients accept, built byte by byte so that the same input always
//! gives the same digest.

use std::io::Write as _;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use flate2::{Compression, Crc, GzBuilder};
use sha2::{Digest as _, Sha256};

/// A file inside an archive: path and content.
pub type Entry = (String, Vec<u8>);

/// What an archive holds beside what makes it one.
#[derive(Clone, Debug, Default)]
pub struct Filling {
    /// Bytes of filler.
    pub padding_bytes: usize,
    /// Files of source, by path below the archive's folder; one that is there already is replaced.
    pub sources: Vec<(String, String)>,
}

impl From<usize> for Filling {
    fn from(padding_bytes: usize) -> Self {
        Self {
            padding_bytes,
            sources: Vec::new(),
        }
    }
}

/// An npm tarball: `package/package.json`, `package/index.js`, a `binding.gyp` where the manifest
/// speaks of one, and the filling.
pub fn npm_tarball(package_json: &str, filling: impl Into<Filling>) -> Bytes {
    let mut entries = vec![
        ("package/package.json".to_owned(), package_json.into()),
        (
            "package/index.js".to_owned(),
            b"module.exports = 1;\n".to_vec(),
        ),
    ];
    let manifest: serde_json::Value = serde_json::from_str(package_json).unwrap_or_default();
    if manifest["gypfile"] == true {
        entries.push(("package/binding.gyp".to_owned(), b"{}\n".to_vec()));
    }
    fill(&mut entries, "package", filling.into());
    tar_gz(&entries)
}

/// A crate file: `{name}-{version}/Cargo.toml`, `src/lib.rs`, and the filling.
/// `dependencies` are `(name, requirement)`.
pub fn crate_file(
    name: &str,
    version: &str,
    dependencies: &[(String, String)],
    filling: impl Into<Filling>,
) -> Bytes {
    let root = format!("{name}-{version}");
    let mut manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\n\
         description = \"a test crate\"\nlicense = \"MIT\"\n\n[dependencies]\n"
    );
    for (dependency, requirement) in dependencies {
        manifest.push_str(&format!("{dependency} = \"{requirement}\"\n"));
    }
    let mut entries = vec![
        (format!("{root}/Cargo.toml"), manifest.into_bytes()),
        (
            format!("{root}/src/lib.rs"),
            b"//! A test crate.\n".to_vec(),
        ),
    ];
    fill(&mut entries, &root, filling.into());
    tar_gz(&entries)
}

/// The core metadata of a Python distribution.
pub fn core_metadata(
    name: &str,
    version: &str,
    dependencies: &[(String, String)],
    requires_python: Option<&str>,
) -> Vec<u8> {
    let mut text = format!(
        "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: a test distribution\n"
    );
    if let Some(requirement) = requires_python {
        text.push_str(&format!("Requires-Python: {requirement}\n"));
    }
    for (dependency, requirement) in dependencies {
        text.push_str(&format!("Requires-Dist: {dependency}{requirement}\n"));
    }
    text.into_bytes()
}

/// A pure wheel with one module, `METADATA`, `WHEEL` and a correct `RECORD`.
pub fn wheel(name: &str, version: &str, metadata: &[u8], filling: impl Into<Filling>) -> Bytes {
    let module = python_module(name);
    let info = format!("{module}-{version}.dist-info");
    let mut entries: Vec<Entry> = vec![
        (format!("{module}/__init__.py"), b"VALUE = 1\n".to_vec()),
        (format!("{info}/METADATA"), metadata.to_vec()),
        (
            format!("{info}/WHEEL"),
            b"Wheel-Version: 1.0\nGenerator: cordon-tests\nRoot-Is-Purelib: true\n\
              Tag: py3-none-any\n"
                .to_vec(),
        ),
    ];
    let Filling {
        padding_bytes,
        sources,
    } = filling.into();
    put_sources(&mut entries, "", sources);
    push_padding(
        &mut entries,
        &format!("{module}/padding.bin"),
        padding_bytes,
    );
    let mut record = String::new();
    for (path, content) in &entries {
        let digest = BASE64URL_NOPAD.encode(&Sha256::digest(content));
        record.push_str(&format!("{path},sha256={digest},{}\n", content.len()));
    }
    record.push_str(&format!("{info}/RECORD,,\n"));
    entries.push((format!("{info}/RECORD"), record.into_bytes()));
    zip(&entries)
}

/// A source distribution with `PKG-INFO`, `pyproject.toml` and one module.
pub fn sdist(name: &str, version: &str, metadata: &[u8], filling: impl Into<Filling>) -> Bytes {
    let module = python_module(name);
    let root = format!("{module}-{version}");
    let project = format!(
        "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n\
         \n[project]\nname = \"{name}\"\nversion = \"{version}\"\n"
    );
    let mut entries = vec![
        (format!("{root}/PKG-INFO"), metadata.to_vec()),
        (format!("{root}/pyproject.toml"), project.into_bytes()),
        (
            format!("{root}/{module}/__init__.py"),
            b"VALUE = 1\n".to_vec(),
        ),
    ];
    fill(&mut entries, &root, filling.into());
    tar_gz(&entries)
}

/// The import name of a distribution, also the first part of its file names.
pub fn python_module(name: &str) -> String {
    let mut module = String::new();
    for character in name.chars().map(|c| c.to_ascii_lowercase()) {
        match character {
            '-' | '_' | '.' if module.ends_with('_') => {}
            '-' | '_' | '.' => module.push('_'),
            other => module.push(other),
        }
    }
    module
}

/// A gzip-compressed ustar archive. Paths longer than 100 bytes are not supported.
pub fn tar_gz(entries: &[Entry]) -> Bytes {
    gzip(&tar(entries))
}

/// A ustar archive.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let mut archive = Vec::new();
    for (path, content) in entries {
        let mut header = [0_u8; BLOCK];
        put(&mut header, 0, path.as_bytes());
        put(&mut header, 100, b"0000644\0");
        put(&mut header, 108, b"0000000\0");
        put(&mut header, 116, b"0000000\0");
        put(
            &mut header,
            124,
            format!("{:011o}\0", content.len()).as_bytes(),
        );
        put(&mut header, 136, b"00000000000\0");
        put(&mut header, 148, b"        ");
        put(&mut header, 156, b"0");
        put(&mut header, 257, b"ustar\x0000");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

/// gzip with a fixed header, so that digests are stable.
pub fn gzip(data: &[u8]) -> Bytes {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("writing to memory");
    encoder.finish().expect("writing to memory").into()
}

/// A zip archive of stored (uncompressed) entries, all with permissions 0644.
pub fn zip(entries: &[Entry]) -> Bytes {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (path, content) in entries {
        let offset = length(archive.len());
        let mut crc = Crc::new();
        crc.update(content);
        // Fields common to the local and the central header, from "version needed" on.
        let mut shared = Vec::new();
        shared.extend_from_slice(&20_u16.to_le_bytes());
        shared.extend_from_slice(&[0, 0, 0, 0]);
        shared.extend_from_slice(&0_u16.to_le_bytes());
        shared.extend_from_slice(&0x5821_u16.to_le_bytes());
        shared.extend_from_slice(&crc.sum().to_le_bytes());
        shared.extend_from_slice(&length(content.len()).to_le_bytes());
        shared.extend_from_slice(&length(content.len()).to_le_bytes());
        shared.extend_from_slice(&short(path.len()).to_le_bytes());
        shared.extend_from_slice(&0_u16.to_le_bytes());

        archive.extend_from_slice(b"PK\x03\x04");
        archive.extend_from_slice(&shared);
        archive.extend_from_slice(path.as_bytes());
        archive.extend_from_slice(content);

        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&(0x0300_u16 | 20).to_le_bytes());
        directory.extend_from_slice(&shared);
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&(0o100_644_u32 << 16).to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(path.as_bytes());
    }
    let start = length(archive.len());
    archive.extend_from_slice(&directory);
    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    archive.extend_from_slice(&short(entries.len()).to_le_bytes());
    archive.extend_from_slice(&short(entries.len()).to_le_bytes());
    archive.extend_from_slice(&length(directory.len()).to_le_bytes());
    archive.extend_from_slice(&start.to_le_bytes());
    archive.extend_from_slice(&[0, 0]);
    archive.into()
}

/// Bytes that do not compress, the same for the same length.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Puts a filling below the archive's folder.
fn fill(entries: &mut Vec<Entry>, root: &str, filling: Filling) {
    put_sources(entries, &format!("{root}/"), filling.sources);
    push_padding(
        entries,
        &format!("{root}/padding.bin"),
        filling.padding_bytes,
    );
}

fn put_sources(entries: &mut Vec<Entry>, below: &str, sources: Vec<(String, String)>) {
    for (path, text) in sources {
        let path = format!("{below}{path}");
        entries.retain(|(other, _)| *other != path);
        entries.push((path, text.into_bytes()));
    }
}

fn push_padding(entries: &mut Vec<Entry>, path: &str, length: usize) {
    if length > 0 {
        entries.push((path.to_owned(), noise(length)));
    }
}

fn put(header: &mut [u8], at: usize, bytes: &[u8]) {
    header[at..at + bytes.len()].copy_from_slice(bytes);
}

fn length(value: usize) -> u32 {
    u32::try_from(value).expect("test archives are below 4 GiB")
}

fn short(value: usize) -> u16 {
    u16::try_from(value).expect("test archives have few, short names")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        assert_eq!(npm_tarball("{}", 100), npm_tarball("{}", 100));
        assert_eq!(noise(1000), noise(1000));
        assert_eq!(noise(13).len(), 13);
    }

    #[test]
    fn padding_decides_the_size() {
        let small = crate_file("demo", "1.0.0", &[], 0).len();
        let large = crate_file("demo", "1.0.0", &[], 100_000).len();
        assert!(large > small + 99_000, "{small} and {large}");
    }

    #[test]
    fn python_module_names_fold_separators() {
        assert_eq!(python_module("Foo.-Bar_baz"), "foo_bar_baz");
    }
}
