//! What is fuzzed: the readers of archives and manifests, with whatever bytes somebody publishes.
//! Every target must end, within bounds, with an answer that is safe to print and to unpack.
//!
//! The first byte of an input chooses what the rest is taken for, so that one corpus serves every
//! form. `README.md` says how it is run.

use std::io::Cursor;

use cordon_policy::ecosystem::schemes;
use cordon_policy::inspect::archive::{Looked, Member, Reading, Sink, read};
use cordon_policy::inspect::manifest::{Manifest, Reader, agree, cargo, npm};
use cordon_policy::inspect::{Fault, Faults, Limits};
use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion, Version};
use flate2::{Crc, Decompress, FlushDecompress};
use sha2::{Digest as _, Sha256};

/// A target: its name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 6] = [
    ("tar", tar),
    ("zip", zip),
    ("gzip", gzip),
    ("package_json", package_json),
    ("metadata", metadata),
    ("cargo_toml", cargo_toml),
];

const NPM: (&str, &str) = ("npm", "a-1.0.0.tgz");
const CRATE: (&str, &str) = ("cargo", "a-1.0.0.crate");
const SDIST: (&str, &str) = ("pypi", "a-1.0.0.tar.gz");
const SDIST_ZIP: (&str, &str) = ("pypi", "a-1.0.0.zip");
const WHEEL: (&str, &str) = ("pypi", "a-1.0.0-py3-none-any.whl");

/// A tar in gzip that is not compressed: as an npm package, a crate, a source distribution.
pub fn tar(data: &[u8]) {
    if let Some((choice, data)) = data.split_first() {
        let file = [NPM, CRATE, SDIST][usize::from(choice % 3)];
        archive(file, &gzip_of_stored(data));
    }
}

/// A ZIP: as a wheel, a source distribution.
pub fn zip(data: &[u8]) {
    if let Some((choice, data)) = data.split_first() {
        archive([WHEEL, SDIST_ZIP][usize::from(choice % 2)], data);
    }
}

/// A gzip as it is, or with a trailer that is made right.
pub fn gzip(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    let file = [NPM, CRATE, SDIST][usize::from(choice % 3)];
    match choice / 3 % 2 {
        0 => archive(file, data),
        _ => archive(file, &with_true_trailer(data)),
    }
}

/// A `package.json` in an archive, and the version object of a packument.
pub fn package_json(data: &[u8]) {
    let files = [
        ("package/package.json", data),
        ("package/binding.gyp", b"{}"),
        ("package/node_modules/b/package.json", data),
    ];
    let found = manifest(NPM, &files, "package");
    compared("npm", found, npm::declared(data));
}

/// METADATA, RECORD and entry points of a wheel, parted by NUL, and PKG-INFO.
pub fn metadata(data: &[u8]) {
    const RECORD: &str = "a-1.0.0.dist-info/RECORD";
    let mut parts = data.split(|byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let files = [
        ("a-1.0.0.dist-info/METADATA", part()),
        (RECORD, part()),
        ("a-1.0.0.dist-info/entry_points.txt", part()),
        ("a/__init__.py", b"A = 1\n".as_slice()),
    ];
    let wheel = manifest(WHEEL, &files, "a-1.0.0.dist-info");
    let sdist = manifest(SDIST, &[("a-1.0.0/PKG-INFO", data)], "a-1.0.0");
    compared("pypi", wheel, sdist);
}

/// A `Cargo.toml` in a crate, and a line of the index.
pub fn cargo_toml(data: &[u8]) {
    let files = [
        ("a-1.0.0/Cargo.toml", data),
        ("a-1.0.0/build.rs", b"fn main() {}"),
    ];
    let found = manifest(CRATE, &files, "a-1.0.0");
    compared("cargo", found, cargo::declared(data));
}

/// `a` 1.0.0 in an ecosystem.
fn artifact((ecosystem, file): (&str, &str)) -> ArtifactId {
    let known = schemes();
    let scheme = known.iter().find(|it| it.ecosystem().as_str() == ecosystem);
    let scheme = scheme.expect("an ecosystem that is known");
    ArtifactId {
        subject: PackageVersion {
            name: scheme.package("a").expect("a name"),
            version: Version::verbatim("1.0.0"),
        },
        file: FileName::new(file).expect("a file name"),
        kind: ArtifactKind::Archive,
    }
}

/// Holds what is shown to what the reader promises.
#[derive(Default)]
struct Careful {
    files: u64,
    bytes: u64,
}

impl Sink for Careful {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        member.size_bytes.min(1 << 16)
    }

    fn file(&mut self, looked: Looked<'_>) {
        let path = looked.member.path;
        assert!(!path.is_empty() && !path.starts_with('/'), "{path:?}");
        let mut parts = path.split('/');
        assert!(parts.all(|it| !it.is_empty() && it != ".."), "{path:?}");
        assert!(!path.contains(['\0', '\\', ':']), "{path:?}");
        assert!(looked.bytes.len() as u64 <= looked.member.size_bytes);
        self.files += 1;
        self.bytes += looked.member.size_bytes;
    }
}

fn archive(file: (&str, &str), bytes: &[u8]) {
    let mut careful = Careful::default();
    let mut input = Cursor::new(bytes);
    let Reading {
        files,
        unpacked_bytes,
        faults,
        ..
    } = read(
        &artifact(file),
        &mut input,
        &Limits::default(),
        &mut careful,
    )
    .expect("memory can be read");
    assert_eq!(careful.files, files);
    assert!(careful.bytes <= unpacked_bytes);
    printable(&faults);
}

/// What is told of an archive can be shown to anybody.
fn printable(faults: &Faults) {
    assert!(faults.first().len() <= Faults::KEPT);
    for fault in faults.first() {
        let text = format!("{}{}", fault.place, fault.detail);
        assert!(!text.chars().any(char::is_control), "{text:?}");
        // One more for the sign that it was cut.
        assert!(fault.place.chars().count() <= Fault::PLACE_CHARS + 1);
        assert!(fault.detail.chars().count() <= Fault::DETAIL_CHARS + 1);
    }
}

/// The manifest of an archive of these files.
fn manifest(file: (&str, &str), files: &[(&str, &[u8])], root: &str) -> Option<Manifest> {
    let limits = Limits::default();
    let mut reader = Reader::new(&artifact(file), &limits);
    for (path, bytes) in files {
        let member = Member {
            path,
            size_bytes: bytes.len() as u64,
            mode: 0o644,
        };
        let wanted = usize::try_from(reader.wants(&member)).unwrap_or(usize::MAX);
        reader.file(Looked {
            member: &member,
            sha256: Sha256::digest(bytes).into(),
            bytes: bytes.get(..wanted).unwrap_or(bytes),
        });
    }
    let mut faults = Faults::default();
    let found = reader.finish(Some(root), &mut faults);
    printable(&faults);
    found
}

/// Every manifest agrees with itself, and can be compared with any other.
fn compared(ecosystem: &str, found: Option<Manifest>, declared: Option<Manifest>) {
    let ecosystem = artifact((ecosystem, "a")).subject.name.ecosystem().clone();
    if let Some(found) = &found {
        let own = agree(found, found, &ecosystem);
        assert!(own.is_empty(), "{own:?}");
    }
    if let (Some(found), Some(declared)) = (found, declared) {
        for it in agree(&declared, &found, &ecosystem) {
            let text = format!("{}{}", it.declared, it.found);
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}

/// A gzip member around the data as they are: blocks that are stored.
fn gzip_of_stored(data: &[u8]) -> Vec<u8> {
    const BLOCK: usize = u16::MAX as usize;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for block in data.chunks(BLOCK) {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    // The last one is empty.
    out.extend([1, 0, 0, 0xff, 0xff]);
    trailer(&mut out, data);
    out
}

fn trailer(out: &mut Vec<u8>, data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(data);
    out.extend(crc.sum().to_le_bytes());
    out.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
}

/// A gzip member of compressed data as far as they can be read.
fn with_true_trailer(deflated: &[u8]) -> Vec<u8> {
    const MOST: usize = 1 << 20;
    let mut data = Vec::with_capacity(MOST);
    let mut inflate = Decompress::new(false);
    // What cannot be read ends the data.
    let _ = inflate.decompress_vec(deflated, &mut data, FlushDecompress::Finish);
    let used = usize::try_from(inflate.total_in()).unwrap_or(usize::MAX);
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    out.extend(deflated.get(..used).unwrap_or(deflated));
    trailer(&mut out, &data);
    out
}
