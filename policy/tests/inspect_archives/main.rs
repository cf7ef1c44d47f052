//! Archives two readers could take differently, or that are made to cost: every case of group A
//! that is about the archive itself or its manifest, made by generators.
#![expect(
    clippy::unwrap_used,
    reason = "the writers of archives are test code outside of test functions"
)]

mod bombs;
mod cases_layers;
mod cases_manifest;
mod cases_paths;
mod cases_tar;
mod cases_zip;
mod cases_zip_names;
#[expect(
    clippy::disallowed_methods,
    reason = "it reads the sources that tests are in"
)]
mod catalogue;
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it takes times, and writes seeds where it is told"
)]
mod fuzz;
mod properties;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod tarfile;
mod zipfile;

use std::io::Cursor;

use cordon_policy::inspect::FaultCode;
use table::{CRATE, Case, Expected, NPM, SDIST, WHEEL, reading, row, shown};
use tarfile::{Block, Tar, record};

fn cases() -> Vec<Case> {
    [
        cases_zip::cases(),
        cases_tar::cases(),
        cases_manifest::cases(),
    ]
    .concat()
}

#[test]
fn every_case_has_its_outcome() {
    let mut cases = [cases(), cases_layers::bombs()].concat();
    cases.sort_by_key(|it| it.id);
    let rows: Vec<_> = cases.iter().map(row).collect();
    let wrong: Vec<&String> = rows.iter().filter_map(|it| it.as_ref().err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let rows: Vec<String> = rows.into_iter().flatten().collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn a_80_a_cut_archive_is_never_faultless() {
    for case in cases().iter().filter(|it| it.bytes.len() < 1 << 20) {
        if matches!(case.expected, Expected::Fault(_)) {
            continue;
        }
        let length = case.bytes.len();
        let borders = (0..length).step_by(512).chain([length - 1]);
        for cut in borders {
            let reading = reading(case.file, Cursor::new(&case.bytes[..cut]));
            assert!(!reading.faults.is_empty(), "{} cut to {cut}", case.what);
        }
    }
}

#[test]
fn a_81_a_flipped_bit_never_stops_the_reader() {
    let fine = cases()
        .into_iter()
        .filter(|it| it.expected == Expected::Fine);
    let fine: Vec<Case> = fine.filter(|it| it.bytes.len() < 4_096).collect();
    let flips = 10_000 / fine.len() + 1;
    for mut case in fine {
        for n in 0..flips {
            let bit = n * case.bytes.len() * 8 / flips;
            case.bytes[bit / 8] ^= 1 << (bit % 8);
            reading(case.file, Cursor::new(&case.bytes));
            case.bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// Writers cut a long name after a hundred bytes, which may be at a slash. Installers of source archives
/// and crates go by the type of the entry; older readers of npm's packages by the cut name.
#[test]
fn a_long_name_that_is_cut_at_a_slash_is_a_fault_only_where_readers_go_by_it() {
    let folder = format!("a-1.0.0/{}/", "d".repeat(91));
    assert_eq!(folder.len(), 100);
    let long = format!("{folder}x.h");
    let first = |kind, short: &str, file| {
        let named = record("path", long.as_bytes());
        let tar = Tar::new().file(
            "a-1.0.0/PKG-INFO",
            b"Metadata-Version: 2.1\nName: a\nVersion: 1.0.0\n",
        );
        let tar = tar.pax(b'x', &named);
        let bytes = tar.entry(Block::new(short.as_bytes(), 1, kind), b"x").gz();
        let faults = reading(file, Cursor::new(bytes)).faults;
        faults.first().first().map(|it| it.code)
    };
    assert_eq!(first(b'0', &folder, SDIST), None);
    assert_eq!(first(b'0', &folder, CRATE), None);
    assert_eq!(first(b'0', &folder, NPM), Some(FaultCode::Name));
    assert_eq!(first(0, &folder, CRATE), Some(FaultCode::Name));
    assert_eq!(first(0, &folder, SDIST), Some(FaultCode::Name));
    assert_eq!(first(b'0', "a-1.0.0/x/", SDIST), Some(FaultCode::Name));
}

/// Cargo adds a `README.md` beside a `readme.md`: the same file, whichever of them a file system keeps.
#[test]
fn names_that_differ_by_case_are_no_fault_in_tars_where_the_content_is_the_same() {
    let told = |second: &[u8]| {
        let tar = Tar::new()
            .file("a-1.0.0/Cargo.toml", b"[package]\n")
            .file("a-1.0.0/README.md", b"# a\n")
            .file("a-1.0.0/readme.md", second);
        let (reading, shown) = shown(CRATE, &tar.gz());
        let code = reading.faults.first().first().map(|it| it.code);
        (code, shown.files.len())
    };
    // Both are shown: what a file is depends on its name.
    assert_eq!(told(b"# a\n"), (None, 3));
    assert_eq!(told(b"# b\n").0, Some(FaultCode::Collision));
}

#[test]
fn files_are_shown_once_whole_and_in_order() {
    let tar = Tar::new()
        .folder("package")
        .file("package/package.json", b"{}")
        .file("package/./lib/x.js", b"1")
        .file("package/empty", b"")
        .gz();
    let (reading, shown) = shown(NPM, &tar);
    assert!(reading.faults.is_empty(), "{:?}", reading.faults);
    assert_eq!(reading.root.as_deref(), Some("package"));
    assert_eq!((reading.files, reading.unpacked_bytes), (3, 3));
    let files: Vec<_> = shown
        .files
        .iter()
        .map(|(path, size, bytes)| (path.as_str(), *size, bytes.as_slice()))
        .collect();
    assert_eq!(
        files,
        [
            ("package/package.json", 2, &b"{}"[..]),
            ("package/lib/x.js", 1, b"1"),
            ("package/empty", 0, b""),
        ]
    );
}

#[test]
fn what_has_no_safe_path_is_not_shown() {
    let tar = Tar::new()
        .file("a-1.0.0/../x", b"1")
        .file("a-1.0.0/y", b"2")
        .gz();
    let (_, shown) = shown(CRATE, &tar);
    let paths: Vec<&str> = shown.files.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(paths, ["a-1.0.0/y"]);
}

#[test]
fn no_more_is_kept_of_a_file_than_was_wanted() {
    let zip = zipfile::Zip::of(vec![zipfile::Entry::new("a/large", &vec![7; 8 << 20])]).bytes();
    let memory = allocation_counter::measure(|| {
        assert!(reading(WHEEL, Cursor::new(&zip)).faults.is_empty());
    });
    assert!(memory.bytes_max < 1 << 20, "{memory:?}");
}
