use std::fs;
use std::io::Read as _;

use serde_json::json;

use super::*;
use crate::disk::simulated::{Random, SimulatedDisk};

fn real() -> (tempfile::TempDir, Generations) {
    let folder = tempfile::tempdir().unwrap();
    let generations = Generations::open(folder.path().join("npm")).unwrap();
    (folder, generations)
}

fn commit(generations: &Generations, text: &str) -> Generation {
    let writing = generations.write().unwrap().unwrap();
    writing
        .commit(text.as_bytes(), json!({ "made_of": text }))
        .unwrap()
}

#[test]
fn a_generation_comes_back_whole_and_the_newest_is_in_force() {
    let (_folder, generations) = real();
    assert_eq!(generations.current().unwrap(), None);
    assert_eq!(generations.pointer().unwrap(), None);
    let first = commit(&generations, "first");
    let before = generations.pointer().unwrap();
    let second = commit(&generations, "second");
    assert_ne!(generations.pointer().unwrap(), before);
    assert!(second.number > first.number);
    let found = generations.current().unwrap().unwrap();
    assert_eq!(found, second);
    assert_eq!(generations.data(&found).unwrap(), b"second");
    assert_eq!(generations.data(&first).unwrap(), b"first");
    let again = Generations::at(generations.folder());
    assert_eq!(again.current().unwrap(), Some(second));
}

#[test]
fn one_writes_at_a_time_and_readers_need_no_lock() {
    let (_folder, generations) = real();
    let held = generations.write().unwrap().unwrap();
    assert!(generations.write().unwrap().is_none());
    held.commit(b"data", json!({})).unwrap();
    assert!(generations.current().unwrap().is_some());
    drop(held);
    assert!(generations.write().unwrap().is_some());
}

#[test]
fn parts_are_kept_by_digest_and_collected_when_no_longer_named() {
    let (_folder, generations) = real();
    let writing = generations.write().unwrap().unwrap();
    let keep = |text: &[u8]| {
        let mut part = writing.part().unwrap();
        part.write(text).unwrap();
        part.finish().unwrap()
    };
    let (wanted, other) = (keep(b"wanted"), keep(b"other"));
    let abandoned = writing.part().unwrap();
    let left_over = generations.folder().join("parts/incoming-1-1");
    fs::write(&left_over, "cut").unwrap();
    for n in 0..4 {
        writing.commit(format!("{n}").as_bytes(), json!(n)).unwrap();
    }
    writing.collect(&HashSet::from([wanted.clone()])).unwrap();
    drop(abandoned);
    let mut text = String::new();
    let mut part = generations.open_part(&wanted).unwrap();
    assert_eq!(part.digest().unwrap(), wanted);
    part.read_to_string(&mut text).unwrap();
    assert_eq!(text, "wanted");
    assert!(generations.open_part(&other).is_err());
    assert!(!left_over.exists());
    let numbers = generations.numbers("test").unwrap();
    assert_eq!(numbers, [3, 4], "the one in force and the one before");
}

#[test]
fn d_07_a_mix_of_two_generations_is_noticed() {
    let (_folder, generations) = real();
    let first = commit(&generations, "first");
    let second = commit(&generations, "second");
    let at = |name: String| generations.folder().join(name);
    fs::copy(at(data_name(first.number)), at(data_name(second.number))).unwrap();
    let found = generations.current().unwrap().unwrap();
    let refused = generations.data(&found).unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Corrupt);
    let (whole, data) = generations.newest_whole(second.number).unwrap().unwrap();
    assert_eq!((whole, data.as_slice()), (first.clone(), &b"first"[..]));
    fs::copy(at(seal_name(first.number)), at(seal_name(second.number))).unwrap();
    let refused = generations.current().unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Corrupt);
}

#[cfg(unix)]
#[test]
fn d_24_links_and_pipes_in_the_place_of_files_are_not_followed() {
    let (folder, generations) = real();
    let first = commit(&generations, "first");
    let data = generations.folder().join(data_name(first.number));
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&data, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &data).unwrap();
    let refused = generations.data(&first).unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Corrupt);
}

/// Commits generations 1, 2, … until an operation fails; answers how many were acknowledged.
fn work(disk: &SimulatedDisk, acknowledged: &mut u64, most: u64) -> Result<(), StorageError> {
    let generations = Generations::open_on(Arc::new(disk.clone()), "/data/feeds/npm".into())?;
    while *acknowledged < most {
        let writing = generations.write()?.expect("nobody else writes");
        let text = format!("generation {}", *acknowledged + 1).repeat(500);
        let mut part = writing.part()?;
        part.write(text.as_bytes())?;
        let part = part.finish()?;
        writing.commit(
            text.as_bytes(),
            json!({ "part": part, "n": *acknowledged + 1 }),
        )?;
        *acknowledged += 1;
        writing.collect(&HashSet::from([part]))?;
    }
    Ok(())
}

/// What is in force, which must be whole: 0 for nothing.
fn in_force(disk: &SimulatedDisk) -> u64 {
    let generations =
        Generations::open_on(Arc::new(disk.clone()), "/data/feeds/npm".into()).unwrap();
    let Some(current) = generations.current().unwrap() else {
        return 0;
    };
    let data = generations.data(&current).unwrap();
    let n = current.manifest["n"].as_u64().unwrap();
    assert_eq!(data, format!("generation {n}").repeat(500).into_bytes());
    let part: Digest = serde_json::from_value(current.manifest["part"].clone()).unwrap();
    let mut part = generations.open_part(&part).unwrap();
    assert_eq!(part.digest().unwrap(), Digest::of(&data));
    n
}

/// D-21: the power goes, or the process is killed, at each operation in turn.
#[test]
fn d_21_cut_at_every_operation_the_old_or_the_new_generation_is_whole() {
    const MOST: u64 = 4;
    let mut cuts = 0;
    for is_power_cut in [true, false] {
        for seed in 0..8 {
            for operations in 0.. {
                let mut disk = SimulatedDisk::new(seed);
                disk.cut_after(operations);
                let mut acknowledged = 0;
                let ended = work(&disk, &mut acknowledged, MOST);
                if ended.is_ok() && acknowledged == MOST {
                    break;
                }
                cuts += 1;
                if is_power_cut {
                    disk.crash();
                } else {
                    disk.kill();
                }
                let found = in_force(&disk);
                assert!(
                    found == acknowledged || found == acknowledged + 1,
                    "seed {seed}, cut after {operations}: {found} of {acknowledged}"
                );
                let mut after = found;
                work(&disk, &mut after, found + 2).unwrap();
                assert_eq!(in_force(&disk), found + 2, "work goes on");
            }
        }
    }
    assert!(cuts > 500, "only {cuts} cuts");
}

/// D-21 again: an operation fails and the process lives on.
#[test]
fn d_21_a_failing_operation_leaves_the_old_or_the_new_generation() {
    let mut random = Random::new(1);
    for operations in 0.. {
        let disk = SimulatedDisk::new(7);
        disk.fail_after(operations, io::ErrorKind::StorageFull);
        let mut acknowledged = 0;
        let ended = work(&disk, &mut acknowledged, 3 + random.below(2));
        if disk.has_failure_left() {
            break;
        }
        let found = in_force(&disk);
        let possible = match ended {
            Ok(()) => acknowledged..=acknowledged,
            Err(_) => acknowledged..=acknowledged + 1,
        };
        assert!(possible.contains(&found), "failure at {operations}");
    }
}
