//! Group A: what an archive says of itself. Whole archives, read as far as their manifest.

use cordon_policy::inspect::FaultCode as F;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::table::{CRATE, Case, NPM, SDIST, SDIST_ZIP, WHEEL};
use super::tarfile::Tar;
use super::zipfile::{Entry, Zip};

const METADATA: &str = "Metadata-Version: 2.1\nName: a\nVersion: 1.0.0\n\n";
const INFO: &str = "a-1.0.0.dist-info";
const PACKAGE_JSON: &str = r#"{"name":"a","version":"1.0.0"}"#;
const CARGO_TOML: &str = "[package]\nname = \"a\"\nversion = \"1.0.0\"\n";

pub(crate) fn cases() -> Vec<Case> {
    [records(), identities(), crates(), npm_packages(), honest()].concat()
}

type Files = Vec<(String, String)>;

fn files(of: &[(&str, &str)]) -> Files {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    of.iter().map(owned).collect()
}

/// The line of RECORD for a file.
fn line((path, text): &(String, String)) -> String {
    let digest = BASE64URL_NOPAD.encode(&Sha256::digest(text));
    format!("{path},sha256={digest},{}\n", text.len())
}

/// What an honest wheel holds besides its RECORD.
fn wheel_files() -> Files {
    files(&[
        ("a/__init__.py", "A = 1\n"),
        (&format!("{INFO}/METADATA"), METADATA),
        (&format!("{INFO}/WHEEL"), "Wheel-Version: 1.0\n"),
    ])
}

fn record_of(files: &Files) -> String {
    files.iter().map(line).collect()
}

/// A wheel of these files, with this as the RECORD of a `.dist-info` folder.
fn wheel_with(files: Files, folder: &str, record: &str) -> Vec<u8> {
    let record = [(format!("{folder}/RECORD"), record.to_owned())];
    let entry = |(path, text): (String, String)| Entry::new(&path, text.as_bytes());
    Zip::of(files.into_iter().chain(record).map(entry).collect()).bytes()
}

/// A wheel whose RECORD is true.
fn wheel(files: Files, folder: &str) -> Vec<u8> {
    let record = record_of(&files);
    wheel_with(files, folder, &record)
}

fn in_wheel(id: &'static str, what: &'static str, code: F, bytes: Vec<u8>) -> Case {
    Case::fault(id, what, code, WHEEL, bytes).whole()
}

fn records() -> Vec<Case> {
    let honest = wheel_files();
    let record = record_of(&honest);
    let changed = |from: &str, to: &str| record.replacen(from, to, 1);
    let with = |record: &str| wheel_with(wheel_files(), INFO, record);
    let more = |path: &str, text: &str| {
        let mut more = wheel_files();
        more.push((path.to_owned(), text.to_owned()));
        more
    };
    let digest = line(&honest[0]);
    let missing = format!("{record}{}", digest.replace("__init__", "gone"));
    let zip_of = |files: Files| {
        let entry = |(path, text): (String, String)| Entry::new(&path, text.as_bytes());
        Zip::of(files.into_iter().map(entry).collect()).bytes()
    };
    vec![
        in_wheel(
            "A-37",
            "a file that RECORD does not list",
            F::Record,
            wheel_with(more("a/evil.py", "evil = 1\n"), INFO, &record),
        ),
        in_wheel(
            "A-38",
            "RECORD lists a file that is missing",
            F::Record,
            with(&missing),
        ),
        in_wheel(
            "A-38",
            "RECORD has another digest",
            F::Record,
            with(&changed("sha256=", "sha256=A")),
        ),
        in_wheel(
            "A-38",
            "RECORD has another size",
            F::Record,
            with(&changed(",6\n", ",7\n")),
        ),
        in_wheel("A-38", "no RECORD", F::Record, zip_of(wheel_files())),
        in_wheel(
            "A-39",
            "two .dist-info folders",
            F::Distinfo,
            wheel(more("b-1.0.0.dist-info/METADATA", METADATA), INFO),
        ),
        in_wheel(
            "A-39",
            "no .dist-info folder",
            F::Distinfo,
            zip_of(files(&[("a/__init__.py", "A = 1\n")])),
        ),
    ]
}

/// An honest wheel with one text in place of another everywhere.
fn renamed(from: &str, to: &str) -> Vec<u8> {
    let changed = wheel_files()
        .into_iter()
        .map(|(path, text)| (path.replace(from, to), text.replace(from, to)));
    let folder = INFO.replace(from, to);
    wheel(changed.collect(), &folder)
}

fn identities() -> Vec<Case> {
    let sdist = |metadata: &str| {
        Tar::new()
            .file("a-1.0.0/PKG-INFO", metadata.as_bytes())
            .gz()
    };
    let zipped =
        |metadata: &str| Zip::of(vec![Entry::new("a-1.0.0/PKG-INFO", metadata.as_bytes())]).bytes();
    let of = |id, what, file, bytes| Case::fault(id, what, F::Identity, file, bytes).whole();
    vec![
        in_wheel(
            "A-40",
            "dist-info folder of another package",
            F::Identity,
            renamed("a-1.0.0.dist-info", "b-1.0.0.dist-info"),
        ),
        in_wheel(
            "A-40",
            "dist-info folder of another version",
            F::Identity,
            renamed("a-1.0.0.dist-info", "a-2.0.0.dist-info"),
        ),
        in_wheel(
            "A-41",
            "METADATA of another package",
            F::Identity,
            renamed("Name: a", "Name: b"),
        ),
        in_wheel(
            "A-41",
            "METADATA of another version",
            F::Identity,
            renamed("Version: 1.0.0", "Version: 1.0.1"),
        ),
        of(
            "A-41",
            "PKG-INFO of another package",
            SDIST,
            sdist(&METADATA.replace("Name: a", "Name: b")),
        ),
        of(
            "A-41",
            "PKG-INFO of another version, in a ZIP",
            SDIST_ZIP,
            zipped(&METADATA.replace("1.0.0", "1.0.1")),
        ),
    ]
}

fn crates() -> Vec<Case> {
    let of = |id, what, files: &[(&str, &str)]| {
        let add = |tar: Tar, (path, text): &(&str, &str)| tar.file(path, text.as_bytes());
        let tar = files.iter().fold(Tar::new(), add);
        Case::fault(id, what, F::Manifest, CRATE, tar.gz()).whole()
    };
    let lib = ("a-1.0.0/src/lib.rs", "//! a\n");
    vec![
        of(
            "A-70",
            "Cargo.toml and cargo.toml",
            &[
                ("a-1.0.0/Cargo.toml", CARGO_TOML),
                ("a-1.0.0/cargo.toml", CARGO_TOML),
            ],
        ),
        of(
            "A-70",
            "Cargo.toml and CARGO.TOML",
            &[
                ("a-1.0.0/CARGO.TOML", CARGO_TOML),
                ("a-1.0.0/Cargo.toml", CARGO_TOML),
            ],
        ),
        of(
            "A-70",
            "cargo.toml alone",
            &[("a-1.0.0/cargo.toml", CARGO_TOML)],
        ),
        of("A-71", "no Cargo.toml", &[lib]),
        of(
            "A-71",
            "Cargo.toml in a folder only",
            &[lib, ("a-1.0.0/src/Cargo.toml", CARGO_TOML)],
        ),
        of(
            "A-71",
            "Cargo.toml that cannot be read",
            &[("a-1.0.0/Cargo.toml", "[package\n")],
        ),
    ]
}

fn npm_packages() -> Vec<Case> {
    let of = |what, text: &str| {
        let tar = Tar::new().file("package/package.json", text.as_bytes());
        Case::fault("A-74", what, F::Manifest, NPM, tar.gz()).whole()
    };
    let two = PACKAGE_JSON.replace('}', r#","version":"1.0.0"}"#);
    let hidden = r#","scripts":{"install":"a","install":"b"}}"#;
    vec![
        of(
            "package.json with a BOM",
            &format!("\u{feff}{PACKAGE_JSON}"),
        ),
        of("package.json with a key twice", &two),
        of(
            "package.json with a script twice",
            &PACKAGE_JSON.replace('}', hidden),
        ),
        of(
            "package.json with a comment",
            &format!("// a\n{PACKAGE_JSON}"),
        ),
        of(
            "package.json with a comma at the end",
            &PACKAGE_JSON.replace('}', ",}"),
        ),
    ]
}

fn honest() -> Vec<Case> {
    let fine = |what, file, bytes| Case::fine("", what, file, bytes).whole();
    let marked = |what, path: &str, text: &str| {
        let mut files = wheel_files();
        files.push((path.to_owned(), text.to_owned()));
        Case::marked("A-42", what, "autoexec", WHEEL, wheel(files, INFO)).whole()
    };
    vec![
        fine("a whole wheel", WHEEL, wheel(wheel_files(), INFO)),
        fine(
            "a whole crate",
            CRATE,
            Tar::new()
                .file("a-1.0.0/Cargo.toml", CARGO_TOML.as_bytes())
                .gz(),
        ),
        fine(
            "a whole npm package",
            NPM,
            Tar::new()
                .file("package/package.json", PACKAGE_JSON.as_bytes())
                .gz(),
        ),
        fine(
            "a whole source distribution",
            SDIST,
            Tar::new()
                .file("a-1.0.0/PKG-INFO", METADATA.as_bytes())
                .gz(),
        ),
        marked(
            "a whole wheel with a .pth that imports",
            "a.pth",
            "import os\n",
        ),
        marked(
            "a whole wheel with _manylinux.py",
            "_manylinux.py",
            "manylinux1_compatible = False\n",
        ),
    ]
}
