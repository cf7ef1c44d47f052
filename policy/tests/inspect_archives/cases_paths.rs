//! Group A: names, links and folders of tars.

use cordon_policy::inspect::FaultCode as F;

use super::cases_tar::{crate_, npm, of, sdist};
use super::table::{Case, NPM, SDIST};
use super::tarfile::{Block, Tar, record};

pub(crate) fn names() -> Vec<Case> {
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

pub(crate) fn links() -> Vec<Case> {
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

pub(crate) fn roots() -> Vec<Case> {
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
