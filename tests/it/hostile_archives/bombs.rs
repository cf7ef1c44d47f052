//! Archives made to cost memory and time, of the catalogue's sizes.

use cordon_tests::fake_registry::{Protocol, Release};
use flate2::{Compress, Compression, FlushCompress};

use super::tarfile::{BLOCK, Block, Tar, record};
use super::zipfile::{End, Entry, Zip, central, end64, local};

/// One of them.
pub(super) struct Bomb {
    pub(super) protocol: Protocol,
    pub(super) package: &'static str,
    /// The finding that holds it.
    pub(super) code: &'static str,
    bytes: Vec<u8>,
}

impl Bomb {
    pub(super) fn release(&self) -> Release {
        let release = Release::new(self.protocol, self.package, "1.0.0");
        release
            .without_metadata_sibling()
            .archive(self.bytes.clone())
    }
}

const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Deflated so that it can be put behind itself.
fn repeatable(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 100 + 4_096);
    Compress::new(Compression::best(), false)
        .compress_vec(data, &mut out, FlushCompress::Full)
        .expect("there is room");
    out
}

/// Every bomb of the catalogue.
pub(super) fn all() -> Vec<Bomb> {
    let bomb = |protocol, package, code, bytes| Bomb {
        protocol,
        package,
        code,
        bytes,
    };
    let (npm, pypi, cargo) = (Protocol::Npm, Protocol::Pypi, Protocol::Cargo);
    vec![
        bomb(pypi, "a-33-overlap", "overlap", overlapping()),
        bomb(pypi, "a-34-nested", "limit", nested(1 << 20, 6)),
        bomb(pypi, "a-34-nested-large", "ratio", nested(20 << 20, 2)),
        bomb(pypi, "a-35-entries", "entries", empty_entries(10_000_000)),
        bomb(cargo, "a-60-gzip-name", "gzip", gzip_name()),
        bomb(cargo, "a-75-gzip", "ratio", zeros(10 << 10)),
        bomb(cargo, "a-76-deep", "name", deep("a-76-deep")),
        bomb(npm, "a-77-entries", "entries", folders()),
    ]
}

/// Sixty thousand entries that are all the same ten megabytes.
fn overlapping() -> Vec<u8> {
    let kernel = Entry::new("a/0", &vec![0; 10 << 20]);
    let mut out = local(&kernel);
    let entries = 60_000_u16;
    let start = u32::try_from(out.len()).expect("small");
    for n in 0..entries {
        let name = format!("a/{n}");
        let entry = kernel.clone().with(|it| it.central.name = name.into());
        out.extend(central(&entry, 0));
    }
    let end = End {
        entries,
        directory_bytes: u32::try_from(out.len()).expect("small") - start,
        directory: start,
        comment: Vec::new(),
    };
    out.extend(end.write());
    out
}

/// ZIPs of sixteen ZIPs each, so many deep.
fn nested(bytes: usize, depth: usize) -> Vec<u8> {
    let mut zip = Zip::of(vec![Entry::new("0.dll", &vec![0; bytes])]).bytes();
    for _ in 0..depth {
        let copy = |n| Entry::new(&format!("lib {n}.zip"), &zip);
        zip = Zip::of((0..16).map(copy).collect()).bytes();
    }
    zip
}

fn empty_entries(count: u64) -> Vec<u8> {
    let entry = Entry::stored("e", b"");
    let (header, record) = (local(&entry), central(&entry, 0));
    let times = usize::try_from(count).expect("a count");
    let mut out = header.repeat(times);
    let start = out.len() as u64;
    out.extend(record.repeat(times));
    let length = out.len() as u64 - start;
    out.extend(end64(count, length, start, start + length));
    let end = End {
        entries: u16::MAX,
        directory_bytes: u32::try_from(length).expect("below 4 GiB"),
        directory: u32::try_from(start).expect("below 4 GiB"),
        comment: Vec::new(),
    };
    out.extend(end.write());
    out
}

fn gzip_name() -> Vec<u8> {
    let mut out = GZIP.to_vec();
    out[3] = 1 << 3;
    out.resize(out.len() + (64 << 20), b'a');
    out
}

/// A tar of one file of zeros, so many mebibytes, in a thousandth of that.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let size = (mebibytes as u64) << 20;
    // More than eight gibibytes do not fit into the digits of a header.
    let block = Block::new(b"a-75-gzip-1.0.0/zeros", 0, b'0').with(124, &large(size));
    let head = Tar::new().block(block);
    let mut out = GZIP.to_vec();
    out.extend(repeatable(&head.0));
    out.extend(repeatable(&vec![0; 1 << 20]).repeat(mebibytes));
    out
}

/// A size in base 256.
fn large(size: u64) -> [u8; 12] {
    let mut field = [0; 12];
    field[0] = 0x80;
    field[4..].copy_from_slice(&size.to_be_bytes());
    field
}

fn deep(package: &str) -> Vec<u8> {
    let long = ["d/".repeat(100_000), format!("{}/", "c".repeat(64 << 10))];
    let add = |tar: Tar, path: &String| {
        let path = format!("{package}-1.0.0/{path}x");
        tar.pax(b'x', &record("path", path.as_bytes()))
            .file("x", b"")
    };
    long.iter().fold(Tar::new(), add).gz()
}

fn folders() -> Vec<u8> {
    const EACH: usize = 1 << 10;
    let folders = Tar::new().folder("package/d/").0.repeat(EACH);
    assert_eq!(folders.len(), EACH * BLOCK);
    let mut out = GZIP.to_vec();
    out.extend(repeatable(&folders).repeat(EACH));
    out
}
