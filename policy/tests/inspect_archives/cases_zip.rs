//! Group A: ZIPs.

use cordon_policy::inspect::FaultCode as F;

use super::cases_zip_names;
use super::table::{Case, WHEEL};
use super::zipfile::{End, Entry, Zip, central, descriptor, end64, extra, local};

pub(crate) fn good() -> Vec<Entry> {
    vec![
        Entry::new("a/__init__.py", b"print('a')\n"),
        Entry::new("a/b.py", b"b = 1\n"),
    ]
}

pub(crate) fn honest() -> Zip {
    Zip::of(good())
}

pub(crate) fn plus(entry: Entry) -> Vec<u8> {
    Zip::of([good(), vec![entry]].concat()).bytes()
}

pub(crate) fn named(name: &str) -> Vec<u8> {
    plus(Entry::new(name, b"x"))
}

pub(crate) fn wheel(id: &'static str, what: &'static str, code: F, bytes: Vec<u8>) -> Case {
    Case::fault(id, what, code, WHEEL, bytes)
}

pub(crate) fn cases() -> Vec<Case> {
    [
        ends(),
        headers(),
        cases_zip_names::names(),
        cases_zip_names::formats(),
        cases_zip_names::honest_ones(),
    ]
    .concat()
}

fn ends() -> Vec<Case> {
    let zip = honest();
    let whole = zip.bytes();
    let stacked = {
        // Readers that trust offsets and readers that measure from the end see other entries.
        let evil = Zip::of(vec![Entry::new("evil.py", b"evil")]).bytes();
        [evil, whole.clone()].concat()
    };
    let shifted = {
        let evil = Zip::of(vec![Entry::new("evil.py", b"evil")]).bytes();
        zip.clone().with(|it| it.before = evil).bytes()
    };
    let empty = End::default().write();
    vec![
        wheel(
            "A-01",
            "end record says the directory has 0 bytes",
            F::ZipCd,
            zip.ended(|it| it.directory_bytes = 0),
        ),
        wheel(
            "A-02",
            "end record leads to an empty directory",
            F::ZipCd,
            zip.ended(|it| {
                it.directory += it.directory_bytes;
                (it.entries, it.directory_bytes) = (0, 0);
            }),
        ),
        wheel(
            "A-02",
            "end record counts fewer entries than there are",
            F::ZipCd,
            zip.ended(|it| it.entries -= 1),
        ),
        wheel(
            "A-02",
            "end record counts more entries than there are",
            F::ZipCd,
            zip.ended(|it| it.entries += 1),
        ),
        wheel(
            "A-02",
            "bytes between directory and end record",
            F::ZipCd,
            zip.clone()
                .with(|it| it.before_end = b"gap".to_vec())
                .bytes(),
        ),
        wheel(
            "A-03",
            "second end record with 0 entries appended",
            F::ZipEocd,
            [whole.clone(), empty].concat(),
        ),
        wheel("A-04", "stacked: evil, then good", F::ZipPrefix, stacked),
        wheel(
            "A-04",
            "stacked: evil, then good with its offsets moved",
            F::ZipPrefix,
            shifted,
        ),
        wheel(
            "A-05",
            "bytes after the end record",
            F::ZipTrailing,
            zip.clone().with(|it| it.after = b"tail".to_vec()).bytes(),
        ),
        wheel(
            "A-05",
            "bytes after the comment of the end record",
            F::ZipTrailing,
            zip.clone()
                .with(|it| it.after = b"tail".to_vec())
                .ended(|it| it.comment = b"hello".to_vec()),
        ),
        wheel(
            "A-06",
            "a script before the first entry",
            F::ZipPrefix,
            [b"#!/bin/sh\nexit\n".to_vec(), whole.clone()].concat(),
        ),
        wheel(
            "A-06",
            "a script before the first entry, offsets moved",
            F::ZipPrefix,
            zip.clone()
                .with(|it| it.before = b"#!/bin/sh\n".to_vec())
                .bytes(),
        ),
        wheel(
            "A-06",
            "bytes between entries and directory",
            F::ZipPrefix,
            zip.clone()
                .with(|it| it.before_directory = b"APK Sig".to_vec())
                .bytes(),
        ),
        wheel(
            "A-20",
            "an end record in the comment of the end record",
            F::ZipEocd,
            zip.ended(|it| it.comment = End::default().write()),
        ),
        wheel(
            "A-20",
            "the mark of an end record in the comment",
            F::ZipEocd,
            zip.ended(|it| it.comment = [b"PK\x05\x06".to_vec(), vec![0; 30]].concat()),
        ),
        wheel(
            "A-18",
            "ZIP64 locator leads elsewhere",
            F::Zip64,
            zip64(|it| it[64] ^= 1),
        ),
        wheel(
            "A-18",
            "ZIP64 end record contradicts the end record",
            F::Zip64,
            zip64(|it| {
                it[24] ^= 1;
                it[32] ^= 1;
            }),
        ),
        wheel(
            "A-18",
            "ZIP64 records are missing",
            F::Zip64,
            zip.ended(|it| it.entries = u16::MAX),
        ),
        wheel("A-79", "no bytes", F::Type, Vec::new()),
        wheel("A-79", "one byte", F::Type, b"P".to_vec()),
    ]
}

/// The honest archive with ZIP64 records, changed.
pub(crate) fn zip64(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut end = End::default();
    honest().ended(|it| end = it.clone());
    let position = u64::from(end.directory) + u64::from(end.directory_bytes);
    let mut records = end64(
        end.entries.into(),
        end.directory_bytes.into(),
        end.directory.into(),
        position,
    );
    change(&mut records);
    honest().with(|it| it.before_end = records).bytes()
}

fn headers() -> Vec<Case> {
    let content = b"x = 1\n".repeat(20);
    let entry = || Entry::new("a/c.py", &content);
    let lying = |change: fn(&mut Entry)| plus(entry().with(change));
    let wide = |size: u64| extra(1, &[size.to_le_bytes(), 24_u64.to_le_bytes()].concat());
    let fake = central(&Entry::new("evil.py", b""), 0);
    vec![
        wheel(
            "A-07",
            "one name twice, other data",
            F::Dup,
            plus(Entry::new("a/b.py", b"b = 2\n")),
        ),
        wheel(
            "A-07",
            "one name twice, the same data",
            F::Dup,
            plus(Entry::new("a/b.py", b"b = 1\n")),
        ),
        wheel(
            "A-08",
            "local entry that is not in the directory",
            F::ZipLfh,
            lying(|it| it.is_central = false),
        ),
        wheel(
            "A-08",
            "the first local entry is not in the directory",
            F::ZipLfh,
            Zip::of([vec![entry().with(|it| it.is_central = false)], good()].concat()).bytes(),
        ),
        wheel(
            "A-09",
            "directory entry without a local header",
            F::ZipLfh,
            lying(|it| {
                it.is_local = false;
                (it.central.packed, it.central.size) = (0, 0);
            }),
        ),
        wheel(
            "A-09",
            "directory entry that leads into other data",
            F::ZipLfh,
            broken_signature(),
        ),
        wheel(
            "A-10",
            "names differ",
            F::ZipMismatch,
            lying(|it| it.local.name = b"a/e.py".to_vec()),
        ),
        wheel(
            "A-11",
            "sizes differ",
            F::ZipMismatch,
            lying(|it| it.local.size += 1),
        ),
        wheel(
            "A-11",
            "compressed sizes differ",
            F::ZipMismatch,
            lying(|it| it.local.packed -= 1),
        ),
        wheel(
            "A-12",
            "checksums differ",
            F::Crc,
            lying(|it| it.local.crc ^= 1),
        ),
        wheel(
            "A-12",
            "checksum is wrong",
            F::Crc,
            plus(entry().both(|it| it.crc ^= 1)),
        ),
        wheel(
            "A-12",
            "checksum of stored data is wrong",
            F::Crc,
            plus(Entry::stored("a/c.py", &content).both(|it| it.crc ^= 1)),
        ),
        wheel(
            "A-13",
            "methods differ",
            F::ZipMismatch,
            lying(|it| it.local.method = 0),
        ),
        wheel(
            "A-13",
            "flags differ",
            F::ZipMismatch,
            lying(|it| it.local.flags ^= 1 << 2),
        ),
        wheel(
            "A-14",
            "descriptor contradicts the directory",
            F::ZipDd,
            plus(
                entry()
                    .deferred()
                    .with(|it| it.descriptor = descriptor(it.central.crc, 1, it.central.size)),
            ),
        ),
        wheel(
            "A-14",
            "descriptor is missing",
            F::ZipDd,
            plus(entry().deferred().with(|it| it.descriptor.clear())),
        ),
        wheel(
            "A-14",
            "bytes after the descriptor",
            F::ZipPrefix,
            plus(entry().deferred().with(|it| it.descriptor.extend(b"more"))),
        ),
        wheel(
            "A-15",
            "descriptor after stored data",
            F::ZipDd,
            plus(Entry::stored("a/c.py", &content).deferred()),
        ),
        wheel(
            "A-16",
            "comment of an entry holds a directory entry",
            F::ZipCd,
            plus(entry().with(|it| it.comment = fake)),
        ),
        wheel(
            "A-19",
            "ZIP64 field contradicts the sizes",
            F::Zip64,
            plus(entry().with(|it| it.central.extra = wide(1 << 40))),
        ),
        wheel(
            "A-19",
            "local ZIP64 field contradicts the sizes",
            F::Zip64,
            plus(entry().with(|it| it.local.extra = wide(1 << 40))),
        ),
        wheel(
            "A-19",
            "ZIP64 field is missing",
            F::Zip64,
            plus(entry().both(|it| it.size = u32::MAX)),
        ),
        wheel(
            "A-19",
            "two ZIP64 fields",
            F::Zip64,
            plus(entry().with(|it| it.central.extra = [extra(1, &[]), extra(1, &[])].concat())),
        ),
        wheel(
            "A-31",
            "encrypted",
            F::Encrypted,
            plus(entry().both(|it| it.flags |= 1)),
        ),
        wheel(
            "A-32",
            "method lzma",
            F::Method,
            plus(entry().both(|it| it.method = 14)),
        ),
        wheel(
            "A-32",
            "method zstd",
            F::Method,
            plus(entry().both(|it| it.method = 93)),
        ),
        wheel(
            "A-32",
            "method 99",
            F::Method,
            plus(entry().both(|it| it.method = 99)),
        ),
        wheel(
            "A-32",
            "the directory wants a later version than readers have",
            F::Method,
            lying(|it| it.central.version = 63),
        ),
        wheel(
            "A-32",
            "a local header wants a later version than readers have",
            F::Method,
            lying(|it| it.local.version = 0x0300 | 47),
        ),
        wheel(
            "A-36",
            "4 GiB are said, 10 bytes are there",
            F::ZipMismatch,
            plus(Entry::new("a/c.py", &[b'x'; 10]).both(|it| it.size = u32::MAX - 1)),
        ),
        wheel(
            "A-36",
            "more is there than is said",
            F::ZipMismatch,
            plus(entry().both(|it| it.size = 10)),
        ),
        wheel(
            "A-36",
            "stored data of another size",
            F::ZipMismatch,
            plus(Entry::stored("a/c.py", &content).both(|it| it.size -= 1)),
        ),
        wheel(
            "A-36",
            "bytes after the end of deflated data",
            F::ZipMismatch,
            plus(
                entry()
                    .with(|it| it.data.extend(b"more"))
                    .both(|it| it.packed += 4),
            ),
        ),
        wheel(
            "A-12",
            "deflated data are damaged",
            F::Compression,
            plus(entry().with(|it| it.data[0] = 0xff)),
        ),
        wheel(
            "A-27",
            "link, then a file beneath it",
            F::Link,
            Zip::of(vec![
                Entry::stored("a/link", b"/etc").with(|it| it.attributes = 0o120_777 << 16),
                Entry::new("a/link/passwd", b"root"),
            ])
            .bytes(),
        ),
        wheel(
            "A-65",
            "a device",
            F::Type,
            lying(|it| it.attributes = 0o020_644 << 16),
        ),
        wheel(
            "A-65",
            "a folder with content",
            F::Type,
            plus(Entry::new("a/d/", b"content")),
        ),
        wheel(
            "A-33",
            "entries share their bytes",
            F::Overlap,
            lying(|it| it.position = Some(0)),
        ),
        wheel(
            "A-33",
            "an entry holds the next one's header",
            F::Overlap,
            quoted(),
        ),
    ]
}

/// The third local header is damaged.
fn broken_signature() -> Vec<u8> {
    let good = good();
    let start = local(&good[0]).len();
    let mut bytes = Zip::of(good).bytes();
    bytes[start + 3] = 9;
    bytes
}

/// The first entry is said to be as long as both.
fn quoted() -> Vec<u8> {
    let inner = Entry::new("a/inner.py", b"inner = 1\n");
    let bytes = local(&inner);
    let count = bytes.len() as u32;
    let outer = Entry::stored("a/outer.py", &bytes).with(|it| it.data.clear());
    let start = local(&outer).len() as u32;
    Zip::of(vec![outer, inner])
        .with(|it| it.entries[1].position = Some(start))
        .ended(|_| {
            assert!(count > 30);
        })
}
