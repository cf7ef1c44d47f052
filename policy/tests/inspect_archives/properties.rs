//! Archives nobody thought of.

use std::collections::BTreeMap;
use std::io::Cursor;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::table::{CRATE, NPM, SDIST, WHEEL, reading, shown};
use super::tarfile::{Block, Tar, gz, record};
use super::zipfile::{Entry, Zip};

/// Files with honest names: no path is the folder of another, none differs by case alone.
fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let content = vec(any::<u8>(), 0..2_000);
    btree_map("[b-y]{1,8}(/[b-y]{1,8}){0,3}", content, 1..20).prop_map(|files| {
        let name = |path: &str| format!("a-1.0.0/{}.é", path.replace('/', "d/"));
        files
            .into_iter()
            .map(|(path, content)| (name(&path), content))
            .collect()
    })
}

fn tar(files: &BTreeMap<String, Vec<u8>>) -> Tar {
    files.iter().fold(Tar::new(), |tar, (path, content)| {
        let tar = match content.len() % 3 {
            0 => tar.pax(b'x', &record("path", path.as_bytes())),
            1 => tar.long(b'L', path.as_bytes()),
            _ => tar,
        };
        tar.entry(
            Block::new(path.as_bytes(), content.len() as u64, b'0'),
            content,
        )
    })
}

fn zip(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let entry = |(path, content): (&String, &Vec<u8>)| match content.len() % 3 {
        0 => Entry::stored(path, content),
        1 => Entry::new(path, content),
        _ => Entry::new(path, content).deferred(),
    };
    Zip::of(files.iter().map(entry).collect()).bytes()
}

/// Some bytes changed, removed, doubled.
fn mutated(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    for (place, kind, value) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = place.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *value,
            1 => bytes.truncate(at),
            2 => bytes.extend_from_within(at..(at + 600).min(bytes.len())),
            _ => drop(bytes.drain(at..(at + usize::from(*value)).min(bytes.len()))),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    vec(
        (any::<prop::sample::Index>(), any::<u8>(), any::<u8>()),
        1..6,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn honest_archives_have_no_fault_and_show_what_was_put_in(files in files()) {
        let tar = tar(&files);
        for (file, bytes) in [(CRATE, tar.clone().gz()), (SDIST, tar.clone().gz()), (NPM, tar.gz()), (WHEEL, zip(&files))] {
            let (reading, shown) = shown(file, &bytes);
            prop_assert!(reading.faults.is_empty(), "{:?}", reading.faults);
            let seen: BTreeMap<_, _> = shown.files.into_iter().map(|(path, _, bytes)| (path, bytes)).collect();
            prop_assert_eq!(&seen, &files);
        }
    }

    #[test]
    fn whatever_the_bytes_reading_ends(bytes in vec(any::<u8>(), 0..2_000)) {
        let zip = [b"PK\x03\x04".to_vec(), bytes.clone()].concat();
        for (file, bytes) in [(WHEEL, zip), (CRATE, gz(&bytes)), (SDIST, bytes)] {
            prop_assert!(!reading(file, Cursor::new(bytes)).faults.is_empty());
        }
    }

    #[test]
    fn changed_archives_are_read_to_some_end(files in files(), changes in changes()) {
        reading(CRATE, Cursor::new(gz(&mutated(tar(&files).end(), &changes))));
        reading(CRATE, Cursor::new(mutated(tar(&files).gz(), &changes)));
        reading(WHEEL, Cursor::new(mutated(zip(&files), &changes)));
        for nested in [mutated(zip(&files), &changes), mutated(tar(&files).gz(), &changes)] {
            reading(NPM, Cursor::new(Tar::new().file("package/nested", &nested).gz()));
        }
    }

    #[test]
    fn changed_streams_of_other_compressions_are_read_to_some_end(files in files(), changes in changes()) {
        let tar = tar(&files).end();
        let packed = [("a-1.0.0.tar.bz2", super::tarfile::bz2(&tar)), ("a-1.0.0.tar.xz", super::tarfile::xz(&tar)), ("a-1.0.0.tar.zst", super::tarfile::zst(&tar))];
        for (name, bytes) in packed {
            reading(("pypi", name), Cursor::new(mutated(bytes, &changes)));
        }
    }
}
