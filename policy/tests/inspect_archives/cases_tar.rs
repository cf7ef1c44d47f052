//! Group A: tars.

use cordon_policy::inspect::FaultCode as F;

use super::table::{CRATE, Case, NPM, SDIST};
use super::tarfile::{BLOCK, Block, Tar, gz, record};
use super::{cases_layers, cases_paths};

/// An honest crate, source distribution, npm package.
pub(crate) fn crate_() -> Tar {
    Tar::new()
        .file("a-1.0.0/Cargo.toml", b"[package]\n")
        .file("a-1.0.0/src/lib.rs", b"//! a\n")
}

pub(crate) fn sdist() -> Tar {
    Tar::new()
        .folder("a-1.0.0/")
        .file("a-1.0.0/PKG-INFO", b"Name: a\n")
        .file("a-1.0.0/a/__init__.py", b"")
}

pub(crate) fn npm() -> Tar {
    Tar::new()
        .file("package/package.json", b"{}")
        .file("package/index.js", b"0\n")
}

pub(crate) fn of(id: &'static str, what: &'static str, code: F, tar: Tar) -> Case {
    Case::fault(id, what, code, CRATE, tar.gz())
}

pub(crate) fn cases() -> Vec<Case> {
    [
        cases_layers::gzip(),
        headers(),
        differential(),
        pax(),
        cases_paths::names(),
        cases_paths::links(),
        cases_paths::roots(),
        cases_layers::compressed(),
        honest(),
    ]
    .concat()
}

fn headers() -> Vec<Case> {
    let size = |field: &[u8]| {
        let block = Block::new(b"a-1.0.0/x", 10, b'0')
            .with(124, &[0; 12])
            .with(124, field);
        crate_().entry(block, b"0123456789")
    };
    let kind = |kind: u8| crate_().block(Block::new(b"a-1.0.0/x", 0, kind));
    let other = |block: Block| crate_().entry(block, b"0123456789");
    let file = || Block::new(b"a-1.0.0/x", 10, b'0');
    vec![
        of(
            "A-50",
            "a long name without an entry",
            F::Tar,
            crate_().long(b'L', b"a-1.0.0/long"),
        ),
        of(
            "A-50",
            "a long link without an entry",
            F::Tar,
            crate_().long(b'K', b"a-1.0.0/long"),
        ),
        of(
            "A-50",
            "two long names for one entry",
            F::Tar,
            crate_()
                .long(b'L', b"a-1.0.0/l")
                .long(b'L', b"a-1.0.0/m")
                .file("a-1.0.0/x", b"x"),
        ),
        of("A-53", "a negative size", F::Tar, size(&[0xff; 12])),
        of(
            "A-53",
            "a binary size where octal has room",
            F::Tar,
            size(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10]),
        ),
        of("A-54", "a size with a sign", F::Tar, size(b"+0000000012")),
        of("A-54", "a size with a minus", F::Tar, size(b"-0000000012")),
        of(
            "A-54",
            "a size with spaces before it",
            F::Tar,
            size(b"         12"),
        ),
        of(
            "A-54",
            "a size with a digit that is not octal",
            F::Tar,
            size(b"00000000009"),
        ),
        of(
            "A-54",
            "a size with more after its end",
            F::Tar,
            size(b"12\x00000000012"),
        ),
        of("A-54", "no size", F::Tar, size(b"")),
        of("A-54", "a size of 8 GiB", F::Tar, size(b"77777777777")),
        of(
            "A-55",
            "a wrong checksum in the middle",
            F::Tar,
            crate_()
                .block(file().broken(0, b"b"))
                .file("a-1.0.0/y", b"y"),
        ),
        of(
            "A-55",
            "a time that is no number",
            F::Tar,
            other(file().with(136, b"zzz")),
        ),
        of(
            "A-55",
            "an unknown magic",
            F::Tar,
            other(file().with(257, b"evil")),
        ),
        of(
            "A-55",
            "a prefix with GNU's magic",
            F::Tar,
            other(file().with(257, b"ustar  \0").with(345, b"a-1.0.0")),
        ),
        of(
            "A-55",
            "bytes after the end of a name",
            F::Tar,
            other(file().with(60, b"hidden")),
        ),
        of(
            "A-55",
            "a folder with content",
            F::Tar,
            other(file().with(156, b"5")),
        ),
        of(
            "A-56",
            "entries after the end",
            F::TarTrailing,
            crate_().raw(&[0; 2 * BLOCK]).file("a-1.0.0/evil", b"x"),
        ),
        of(
            "A-56",
            "entries after a single block of zeros",
            F::TarTrailing,
            crate_().raw(&[0; BLOCK]).file("a-1.0.0/evil", b"x"),
        ),
        Case::fault(
            "A-56",
            "a tar without its end",
            F::Tar,
            CRATE,
            gz(&crate_().0),
        ),
        Case::fault(
            "A-80",
            "a tar cut in a file",
            F::Tar,
            CRATE,
            gz(&crate_().end()[..BLOCK + 4]),
        ),
        Case::fault(
            "A-80",
            "a tar cut in a header",
            F::Tar,
            CRATE,
            gz(&crate_().end()[..2 * BLOCK + 100]),
        ),
        of("A-65", "a character device", F::Type, kind(b'3')),
        of("A-65", "a block device", F::Type, kind(b'4')),
        of("A-65", "a FIFO", F::Type, kind(b'6')),
        of("A-65", "a contiguous file", F::Type, kind(b'7')),
        of("A-65", "GNU's sparse file", F::Type, kind(b'S')),
        of(
            "A-65",
            "a sparse file by PAX records",
            F::Type,
            crate_()
                .pax(b'x', &record("GNU.sparse.major", b"1"))
                .file("a-1.0.0/x", b"x"),
        ),
        of("A-65", "an unknown type", F::Type, kind(b'Z')),
        of(
            "A-65",
            "a file with a slash at its end",
            F::Name,
            crate_().file("a-1.0.0/x/", b"x"),
        ),
    ]
}

/// What a comparison with other readers showed.
fn differential() -> Vec<Case> {
    let short = Block::new(b"././@LongLink", 12, b'L');
    vec![
        of(
            "A-50",
            "a long name that goes on after its length",
            F::Tar,
            crate_()
                .block(short)
                .body(b"a-1.0.0/long/and/longer")
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-55",
            "a file with a link's target",
            F::Tar,
            crate_().entry(
                Block::new(b"a-1.0.0/x", 1, b'0').with(157, b"a-1.0.0/src"),
                b"x",
            ),
        ),
        of(
            "A-55",
            "a folder with a link's target",
            F::Tar,
            crate_().block(Block::new(b"a-1.0.0/x", 0, b'5').with(157, b"a-1.0.0/src")),
        ),
        of(
            "A-53",
            "a binary mode out of bounds",
            F::Tar,
            crate_()
                .block(Block::new(b"a-1.0.0/x", 0, b'0').with(100, &[0xff, 0, 0, 0, 0, 0, 0, 1])),
        ),
        of(
            "A-53",
            "a binary time with an unknown sign",
            F::Tar,
            crate_().block(Block::new(b"a-1.0.0/x", 0, b'0').with(136, &[0x90])),
        ),
        of(
            "A-55",
            "a checksum without an end",
            F::Tar,
            crate_().block(endless()),
        ),
        of(
            "A-51",
            "a global header without an entry",
            F::Tar,
            crate_().pax(b'g', &record("comment", b"x")),
        ),
        of(
            "A-65",
            "a folder by its long name only",
            F::Name,
            crate_()
                .long(b'L', b"a-1.0.0/l/")
                .block(Block::new(b"a-1.0.0/l", 0, 0)),
        ),
        of(
            "A-55",
            "a long name under a magic some readers do not know",
            F::Tar,
            crate_()
                .block(Block::new(b"././@LongLink", 12, b'L').with(257, b"ustar000"))
                .body(b"a-1.0.0/long")
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-55",
            "PAX records under a magic some readers do not know",
            F::Tar,
            crate_()
                .block(Block::new(b"PaxHeader", 20, b'x').with(257, &[0; 8]))
                .body(&record("path", b"a-1.0.0/yyy"))
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-55",
            "a long name with a link's target",
            F::Tar,
            crate_()
                .block(Block::new(b"././@LongLink", 12, b'L').with(157, b"x"))
                .body(b"a-1.0.0/long")
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-52",
            "a long name with more than one NUL",
            F::Name,
            crate_()
                .long(b'L', b"a-1.0.0/long\0")
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-65",
            "a folder by its slash alone under the magic of POSIX",
            F::Name,
            crate_().block(Block::new(b"a-1.0.0/l/", 0, 0)),
        ),
        of("A-79", "a tar of nothing but its end", F::Tar, Tar::new()),
    ]
}

fn endless() -> Block {
    let block = Block::new(b"a-1.0.0/x", 0, b'0');
    let mut sum = [b'0'; 8];
    sum[2..].copy_from_slice(&block.0[148..154]);
    block.broken(148, &sum)
}

fn pax() -> Vec<Case> {
    let local = |records: &[u8]| crate_().pax(b'x', records).file("a-1.0.0/x", b"0123456789");
    let global = |records: &[u8]| Tar::new().pax(b'g', records).raw(&crate_().0);
    let hidden = {
        // Who believes the header finds the inner header, who believes the record passes over it.
        let inner = Tar::new().file("a-1.0.0/evil", b"evil").0;
        let records = record("size", inner.len().to_string().as_bytes());
        crate_()
            .pax(b'x', &records)
            .block(Block::new(b"a-1.0.0/x", 0, b'0'))
            .raw(&inner)
    };
    vec![
        of(
            "A-46",
            "PAX size where the header says 0",
            F::PaxSize,
            hidden,
        ),
        of(
            "A-47",
            "PAX size that is not the header's",
            F::PaxSize,
            local(&record("size", b"3")),
        ),
        of("A-48", "record without =", F::Pax, local(b"9 nothing\n")),
        of(
            "A-48",
            "record with a wrong length",
            F::Pax,
            local(b"99 path=a-1.0.0/y\n"),
        ),
        of(
            "A-48",
            "record with a length that is no number",
            F::Pax,
            local(b"xx path=y\n"),
        ),
        of(
            "A-48",
            "record without a line end",
            F::Pax,
            local(b"9 path=yy"),
        ),
        of("A-48", "record without a key", F::Pax, local(b"6 =yy\n")),
        of(
            "A-48",
            "length with a zero before it",
            F::Pax,
            local(b"010 path=y\n"),
        ),
        of(
            "A-48",
            "two records for one thing",
            F::Pax,
            local(&[record("path", b"a-1.0.0/y"), record("path", b"a-1.0.0/z")].concat()),
        ),
        of(
            "A-48",
            "size that is no number",
            F::Pax,
            local(&record("size", b" 10")),
        ),
        of(
            "A-48",
            "names in another encoding",
            F::Pax,
            local(&record("hdrcharset", b"BINARY")),
        ),
        of(
            "A-48",
            "two extended headers for one entry",
            F::Tar,
            crate_()
                .pax(b'x', &record("mtime", b"1"))
                .pax(b'x', &record("mtime", b"2"))
                .file("a-1.0.0/x", b""),
        ),
        of(
            "A-49",
            "long name and PAX path differ",
            F::Pax,
            crate_()
                .long(b'L', b"a-1.0.0/l")
                .pax(b'x', &record("path", b"a-1.0.0/p"))
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-51",
            "global header with a path",
            F::Pax,
            global(&record("path", b"a-1.0.0/evil")),
        ),
        of(
            "A-51",
            "global header with a size",
            F::Pax,
            global(&record("size", b"10")),
        ),
        of(
            "A-51",
            "global header with a link",
            F::Pax,
            global(&record("linkpath", b"x")),
        ),
        of(
            "A-51",
            "global header that is malformed",
            F::Pax,
            global(b"7 path\n"),
        ),
        of(
            "A-52",
            "NUL in a PAX path",
            F::Name,
            local(&record("path", b"a-1.0.0/x\0.txt")),
        ),
        of(
            "A-52",
            "NUL in a long name",
            F::Name,
            crate_()
                .long(b'L', b"a-1.0.0/x\0.txt")
                .file("a-1.0.0/x", b"x"),
        ),
        of(
            "A-52",
            "NUL in a PAX link",
            F::Name,
            crate_()
                .pax(b'x', &record("linkpath", b"x\0y"))
                .link(b'2', "a-1.0.0/l", "x"),
        ),
        of(
            "A-50",
            "PAX header without an entry",
            F::Tar,
            crate_().pax(b'x', &record("path", b"a-1.0.0/x")),
        ),
        of(
            "A-25",
            "PAX path that leads upwards",
            F::Path,
            local(&record("path", b"a-1.0.0/../../x")),
        ),
        of(
            "A-76",
            "PAX header of 2 MiB",
            F::Name,
            local(&record("comment", &vec![b'x'; 2 << 20])),
        ),
    ]
}

fn honest() -> Vec<Case> {
    let long = format!("package/{}/{}.js", "d".repeat(120), "f".repeat(80));
    let records = [
        record("path", long.as_bytes()),
        record("mtime", b"1.5"),
        record("size", b"2"),
    ]
    .concat();
    let old = Block::new(b"package/old.js", 2, b'0')
        .with(257, &[0; 8])
        .with(156, &[0]);
    let star = Block::new(b"star.js", 2, b'0')
        .with(345, b"package")
        .with(476, b"00000000000 00000000000 ");
    let large_id = Block::new(b"package/id.js", 2, b'0').with(108, &[0x80, 0, 0, 0, 0x7f, 1, 2, 3]);
    let spaced = Block::new(b"package/s.js", 2, b'0')
        .with(100, b"   644 \0")
        .with(124, b"00000000002 ");
    vec![
        Case::fine("", "honest crate", CRATE, crate_().gz()),
        Case::fine("", "honest source distribution", SDIST, sdist().gz()),
        Case::fine(
            "",
            "source distribution made of .",
            SDIST,
            Tar::new()
                .folder("./")
                .folder("./a-1.0.0/")
                .file("./a-1.0.0/PKG-INFO", b"x")
                .gz(),
        ),
        Case::fine("", "honest npm package", NPM, npm().gz()),
        Case::fine(
            "",
            "long names, both ways",
            NPM,
            npm()
                .pax(b'x', &records)
                .entry(Block::new(b"package/cut", 2, b'0'), b"0\n")
                .long(b'L', b"package/l/n")
                .file("package/cut", b"1")
                .gz(),
        ),
        Case::fine(
            "",
            "long name and PAX path agree",
            NPM,
            npm()
                .long(b'L', b"package/l")
                .pax(b'x', &record("path", b"package/l"))
                .file("package/x", b"x")
                .gz(),
        ),
        Case::fine(
            "",
            "global header with a comment",
            NPM,
            Tar::new()
                .pax(b'g', &record("comment", b"0123abcd"))
                .raw(&npm().0)
                .gz(),
        ),
        Case::fine(
            "",
            "header before POSIX",
            NPM,
            npm().entry(old, b"0\n").gz(),
        ),
        Case::fine(
            "",
            "times in the prefix field",
            NPM,
            npm().entry(star, b"0\n").gz(),
        ),
        Case::fine(
            "",
            "binary user id",
            NPM,
            npm().entry(large_id, b"0\n").gz(),
        ),
        Case::fine(
            "",
            "numbers with spaces",
            NPM,
            npm().entry(spaced, b"0\n").gz(),
        ),
        Case::fine("", "folders twice", SDIST, sdist().folder("a-1.0.0/").gz()),
        Case::fine(
            "",
            "zeros to a full record",
            CRATE,
            crate_().raw(&[0; 10_240]).gz(),
        ),
        Case::fine(
            "",
            "a single block of zeros at the end",
            CRATE,
            gz(&crate_().raw(&[0; BLOCK]).0),
        ),
        Case::fine(
            "A-78",
            "source distribution as .tgz",
            ("pypi", "a-1.0.0.tgz"),
            sdist().gz(),
        ),
        Case::marked(
            "A-66",
            "writable by everybody",
            "mode",
            NPM,
            npm()
                .entry(
                    Block::new(b"package/w", 1, b'0').with(100, b"0000666\0"),
                    b"x",
                )
                .gz(),
        ),
    ]
}
