//! Group A: the layers that compress a tar.

use cordon_policy::inspect::FaultCode as F;

use super::cases_tar::{crate_, sdist};
use super::table::{CRATE, Case, File, SDIST, SDIST_ZIP, WHEEL};
use super::tarfile::{BLOCK, Tar, bz2, gz, xz, zst};
use super::zipfile::{Entry, Zip};

const BZ2: File = ("pypi", "a-1.0.0.tar.bz2");

const XZ: File = ("pypi", "a-1.0.0.tar.xz");

const ZST: File = ("pypi", "a-1.0.0.tar.zst");

pub(crate) fn gzip() -> Vec<Case> {
    let whole = crate_().gz();
    let gzip = |id, what, code, bytes| Case::fault(id, what, code, CRATE, bytes);
    let changed = |at: usize, change: fn(u8) -> u8| {
        let mut bytes = whole.clone();
        bytes[at] = change(bytes[at]);
        bytes
    };
    let end = whole.len();
    let zip = Zip::of(vec![Entry::new("a-1.0.0/setup.py", b"evil")]).bytes();
    let polyglot = Tar::new().file("a-1.0.0/setup.py", b"good").end();
    let header = |flags: u8, rest: &[u8]| {
        [
            &[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3][..],
            rest,
            &whole[10..],
        ]
        .concat()
    };
    vec![
        Case::fault(
            "A-44",
            "a tar.gz that is also a ZIP",
            F::Type,
            SDIST,
            [gz(&polyglot), zip.clone()].concat(),
        ),
        Case::fault(
            "A-44",
            "a plain tar that is also a ZIP",
            F::Type,
            SDIST,
            [polyglot, zip.clone()].concat(),
        ),
        Case::fault("A-45", "a ZIP named .tar.gz", F::Type, SDIST, zip.clone()),
        gzip("A-45", "a ZIP named .crate", F::Type, zip),
        gzip("A-45", "a plain tar named .crate", F::Type, crate_().end()),
        gzip(
            "A-45",
            "gzipped text named .crate",
            F::Type,
            gz(&b"no tar ".repeat(100)),
        ),
        Case::fault(
            "A-45",
            "a tar.bz2 named .tar.gz",
            F::Type,
            SDIST,
            bz2(&sdist().end()),
        ),
        Case::fault(
            "",
            "an egg",
            F::Uninspectable,
            ("pypi", "a-1.0.0-py2.7.egg"),
            Zip::default().bytes(),
        ),
        gzip(
            "A-57",
            "a second gzip member",
            F::GzipMulti,
            [whole.clone(), Tar::new().file("a-1.0.0/evil.rs", b"1").gz()].concat(),
        ),
        gzip("A-57", "a tar cut into two gzip members", F::GzipMulti, {
            let tar = crate_().end();
            [gz(&tar[..BLOCK]), gz(&tar[BLOCK..])].concat()
        }),
        gzip(
            "A-58",
            "bytes after the gzip trailer",
            F::Gzip,
            [whole.clone(), b"tail".to_vec()].concat(),
        ),
        gzip(
            "A-58",
            "zeros after the gzip trailer",
            F::Gzip,
            [whole.clone(), vec![0; 20]].concat(),
        ),
        gzip(
            "A-59",
            "gzip checksum is wrong",
            F::Gzip,
            changed(end - 8, |it| !it),
        ),
        gzip(
            "A-59",
            "gzip size is wrong",
            F::Gzip,
            changed(end - 1, |it| !it),
        ),
        gzip(
            "A-59",
            "gzip trailer is cut",
            F::Gzip,
            whole[..end - 3].to_vec(),
        ),
        gzip(
            "A-59",
            "gzip data are cut",
            F::Gzip,
            whole[..end / 2].to_vec(),
        ),
        gzip("A-59", "gzip header is cut", F::Gzip, whole[..9].to_vec()),
        gzip(
            "A-59",
            "gzip data are damaged",
            F::Gzip,
            changed(10, |_| 0xff),
        ),
        gzip(
            "A-59",
            "gzip header with reserved flags",
            F::Gzip,
            changed(3, |it| it | 0x80),
        ),
        gzip(
            "A-59",
            "gzip header with a wrong checksum",
            F::Gzip,
            header(1 << 1, &[0, 0]),
        ),
        gzip(
            "A-60",
            "gzip name of 8 KiB",
            F::Gzip,
            header(1 << 3, &[vec![b'a'; 8 << 10], vec![0]].concat()),
        ),
        gzip(
            "A-60",
            "gzip extra field of 60 KiB",
            F::Gzip,
            header(1 << 2, &[vec![0x60, 0xea], vec![0; 60_000]].concat()),
        ),
        gzip("A-79", "no bytes", F::Type, Vec::new()),
        gzip("A-79", "one byte", F::Type, vec![0x1f]),
        gzip("A-79", "an empty gzip", F::Tar, gz(b"")),
        Case::fine(
            "",
            "gzip header with name, comment and extra field",
            CRATE,
            header(0b1_1100, b"\x02\0ab\x61.tar\0comment\0"),
        ),
    ]
}

pub(crate) fn compressed() -> Vec<Case> {
    let tar = sdist().end();
    let fine = |what, file, bytes| Case::fine("A-78", what, file, bytes);
    let twice = |what, file, bytes: Vec<u8>| {
        Case::fault("A-78", what, F::Compression, file, bytes.repeat(2))
    };
    let cut = |what, file, bytes: &[u8]| {
        Case::fault(
            "A-78",
            what,
            F::Compression,
            file,
            bytes[..bytes.len() - 9].to_vec(),
        )
    };
    vec![
        fine("honest .tar.bz2", BZ2, bz2(&tar)),
        fine("honest .tar.xz", XZ, xz(&tar)),
        fine("honest .tar.zst", ZST, zst(&tar)),
        twice("two bzip2 streams", BZ2, bz2(&tar)),
        twice("two xz streams", XZ, xz(&tar)),
        twice("two zstd frames", ZST, zst(&tar)),
        cut("bzip2 cut", BZ2, &bz2(&tar)),
        cut("xz cut", XZ, &xz(&tar)),
        cut("zstd cut", ZST, &zst(&tar)),
        Case::fault(
            "A-78",
            "xz that asks for 1.5 GiB",
            F::Compression,
            XZ,
            large_dictionary(&tar),
        ),
    ]
}

/// Made apart: they take a while.
pub(crate) fn bombs() -> Vec<Case> {
    let content = vec![0; 80 << 20];
    let zeros = Tar::new().file("a-1.0.0/zeros", &content).end();
    let bomb = |what, file, bytes| Case::fault("A-78", what, F::Ratio, file, bytes);
    vec![
        bomb("bomb .tar.gz", SDIST, gz(&zeros)),
        bomb("bomb .tar.bz2", BZ2, bz2(&zeros)),
        bomb("bomb .tar.xz", XZ, xz(&zeros)),
        bomb("bomb .tar.zst", ZST, zst(&zeros)),
        bomb(
            "bomb .zip",
            SDIST_ZIP,
            Zip::of(vec![Entry::new("a-1.0.0/zeros", &content)]).bytes(),
        ),
        bomb(
            "bomb .whl",
            WHEEL,
            Zip::of(vec![Entry::new("a/zeros", &content)]).bytes(),
        ),
    ]
}

/// The dictionary's size is in the block header, which has a checksum.
fn large_dictionary(tar: &[u8]) -> Vec<u8> {
    let mut bytes = xz(tar);
    let length = (usize::from(bytes[12]) + 1) * 4;
    let filter = bytes[12..12 + length]
        .windows(2)
        .position(|it| it == [0x21, 1]);
    bytes[12 + filter.unwrap() + 2] = 37;
    let sum = super::zipfile::crc(&bytes[12..12 + length - 4]);
    bytes[12 + length - 4..12 + length].copy_from_slice(&sum.to_le_bytes());
    bytes
}
