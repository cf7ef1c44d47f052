//! Group A: tars and the layers that compress them.

use cordon_policy::inspect::FaultCode as F;

use super::table::{CRATE, Case, File, NPM, SDIST, SDIST_ZIP, WHEEL};
use super::tarfile::{BLOCK, Block, Tar, bz2, gz, record, xz, zst};
use super::zipfile::{Entry, Zip};

const BZ2: File = ("pypi", "a-1.0.0.tar.bz2");
const XZ: File = ("pypi", "a-1.0.0.tar.xz");
const ZST: File = ("pypi", "a-1.0.0.tar.zst");

/// An honest crate, source distribution, npm package.
fn crate_() -> Tar {
    Tar::new()
        .file("a-1.0.0/Cargo.toml", b"[package]\n")
        .file("a-1.0.0/src/lib.rs", b"//! a\n")
}

fn sdist() -> Tar {
    Tar::new()
        .folder("a-1.0.0/")
        .file("a-1.0.0/PKG-INFO", b"Name: a\n")
        .file("a-1.0.0/a/__init__.py", b"")
}

fn npm() -> Tar {
    Tar::new()
        .file("package/package.json", b"{}")
        .file("package/index.js", b"0\n")
}

fn of(id: &'static str, what: &'static str, code: F, tar: Tar) -> Case {
    Case::fault(id, what, code, CRATE, tar.gz())
}

pub(crate) fn cases() -> Vec<Case> {
    [
        gzip(),
        headers(),
        differential(),
        pax(),
        names(),
        links(),
        roots(),
        compressed(),
        honest(),
    ]
    .concat()
}

fn gzip() -> Vec<Case> {
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

fn names() -> Vec<Case> {
    let named = |name: &str| {
        crate_()
            .pax(b'x', &record("path", name.as_bytes()))
            .file("a-1.0.0/-", b"x")
    };
    let deep = format!("a-1.0.0/{}x", "d/".repeat(100_000));
    let long = format!("a-1.0.0/{}", "x".repeat(64 << 10));
    vec![
        of("A-76", "a path 100,000 deep", F::Name, named(&deep)),
        of("A-76", "a component of 64 KiB", F::Name, named(&long)),
        of(
            "A-76",
            "a path 200 deep",
            F::Name,
            named(&format!("a-1.0.0/{}x", "d/".repeat(200))),
        ),
        of(
            "A-76",
            "a component of 256 bytes",
            F::Name,
            named(&format!("a-1.0.0/{}", "x".repeat(256))),
        ),
        of("A-23", "backslashes", F::Name, named("a-1.0.0/src\\lib.rs")),
        of("A-24", "absolute path", F::Path, named("/etc/passwd")),
        of("A-25", "upwards", F::Path, named("a-1.0.0/../../x")),
        of(
            "A-28",
            "names that differ by case",
            F::Collision,
            named("a-1.0.0/SRC/lib.rs"),
        ),
        of(
            "A-29",
            "ß and ss",
            F::Collision,
            crate_().file("a-1.0.0/ß", b"1").file("a-1.0.0/ss", b"2"),
        ),
        of(
            "A-29",
            "Kelvin and k",
            F::Collision,
            crate_()
                .file("a-1.0.0/\u{212a}", b"1")
                .file("a-1.0.0/k", b"2"),
        ),
        of("A-30", "a device of Windows", F::Name, named("a-1.0.0/nul")),
        of("A-30", "a stream of Windows", F::Name, named("a-1.0.0/x:y")),
        of(
            "A-22",
            "a name that is not UTF-8",
            F::Name,
            crate_().entry(Block::new(b"a-1.0.0/\xff", 1, b'0'), b"x"),
        ),
        of(
            "A-82",
            "escape sequence in a name",
            F::Name,
            named("a-1.0.0/\u{1b}]0;x\u{7}"),
        ),
        of("A-82", "newline in a name", F::Name, named("a-1.0.0/x\ny")),
        of(
            "A-82",
            "direction mark in a name",
            F::Name,
            named("a-1.0.0/\u{2066}x"),
        ),
    ]
}

fn links() -> Vec<Case> {
    let sdist_link = |what, tar: Tar| Case::fault("A-61", what, F::Link, SDIST, tar.gz());
    vec![
        sdist_link(
            "symbolic link out of the folder",
            sdist().link(b'2', "a-1.0.0/l", "../../etc/passwd"),
        ),
        sdist_link(
            "symbolic link to an absolute path",
            sdist().link(b'2', "a-1.0.0/l", "/etc/passwd"),
        ),
        sdist_link(
            "symbolic link beside the folder",
            sdist().link(b'2', "a-1.0.0/l", "../b-1.0.0/x"),
        ),
        sdist_link(
            "a chain of symbolic links",
            sdist()
                .link(b'2', "a-1.0.0/m", "l")
                .link(b'2', "a-1.0.0/l", "a"),
        ),
        sdist_link(
            "a chain through a folder",
            sdist()
                .link(b'2', "a-1.0.0/l", "a")
                .link(b'2', "a-1.0.0/m", "l/x"),
        ),
        sdist_link(
            "a file beneath a symbolic link",
            sdist()
                .link(b'2', "a-1.0.0/l", "a")
                .file("a-1.0.0/l/x", b"x"),
        ),
        sdist_link(
            "a symbolic link above a file that was",
            sdist().link(b'2', "a-1.0.0/a", "PKG-INFO"),
        ),
        sdist_link(
            "a hard link",
            sdist().link(b'1', "a-1.0.0/l", "a-1.0.0/PKG-INFO"),
        ),
        Case::fault(
            "A-61",
            "npm: a symbolic link",
            F::Link,
            NPM,
            npm().link(b'2', "package/l", "index.js").gz(),
        ),
        Case::fault(
            "A-62",
            "npm: a hard link to an absolute path",
            F::Link,
            NPM,
            npm().link(b'1', "package/l", "/etc/passwd").gz(),
        ),
        Case::fault(
            "A-63",
            "npm: a hard link relative to a drive",
            F::Link,
            NPM,
            npm().link(b'1', "package/l", "C:foo").gz(),
        ),
        Case::fault(
            "A-64",
            "symbolic link, then a folder of its name",
            F::Link,
            SDIST,
            sdist()
                .link(b'2', "a-1.0.0/l", "a")
                .folder("a-1.0.0/l/")
                .gz(),
        ),
        of(
            "A-68",
            "crate: .cargo-ok is a link",
            F::Link,
            crate_().link(b'2', "a-1.0.0/.cargo-ok", "/etc/passwd"),
        ),
        of(
            "A-69",
            "crate: a symbolic link inside",
            F::Link,
            crate_().link(b'2', "a-1.0.0/l", "src"),
        ),
        of(
            "A-69",
            "crate: a hard link with content",
            F::Link,
            crate_().entry(
                Block::new(b"a-1.0.0/l", 4, b'1').with(157, b"a-1.0.0/src/lib.rs"),
                b"evil",
            ),
        ),
        Case::marked(
            "A-61",
            "symbolic link that stays inside",
            "link",
            SDIST,
            sdist().link(b'2', "a-1.0.0/docs/l", "../PKG-INFO").gz(),
        ),
    ]
}

fn roots() -> Vec<Case> {
    let npm_fault = |id, what, code, tar: Tar| Case::fault(id, what, code, NPM, tar.gz());
    vec![
        of(
            "A-67",
            "crate: entry beside its folder",
            F::Root,
            crate_().file("b-1.0.0/src/lib.rs", b"evil"),
        ),
        of(
            "A-67",
            "crate: entry at the top",
            F::Root,
            crate_().file("a-1.0.0.rs", b"evil"),
        ),
        of(
            "A-67",
            "crate: the folder is a file",
            F::Root,
            Tar::new().file("a-1.0.0", b"x"),
        ),
        of(
            "A-67",
            "crate: folder by another case",
            F::Root,
            crate_().file("A-1.0.0/x", b"x"),
        ),
        of(
            "A-67",
            "crate: dot before the folder",
            F::Name,
            crate_().file("./a-1.0.0/x", b"x"),
        ),
        npm_fault(
            "A-72",
            "npm: two package.json",
            F::Dup,
            npm().file("package/package.json", b"{\"scripts\":{}}"),
        ),
        npm_fault(
            "A-72",
            "npm: two package.json, one by way of a dot",
            F::Dup,
            npm().file("package/./package.json", b"{ }"),
        ),
        npm_fault(
            "A-73",
            "npm: two top folders, package.json in the second",
            F::Root,
            Tar::new()
                .file("a/index.js", b"0")
                .file("b/package.json", b"{}"),
        ),
        npm_fault(
            "A-73",
            "npm: a file at the top",
            F::Root,
            npm().file("package.json", b"{}"),
        ),
        Case::fine(
            "",
            "npm: another folder than package",
            NPM,
            Tar::new().file("a/package.json", b"{}").gz(),
        ),
        Case::fine(
            "",
            "npm: the same file twice",
            NPM,
            npm().file("package/./index.js", b"0\n").gz(),
        ),
    ]
}

fn compressed() -> Vec<Case> {
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
