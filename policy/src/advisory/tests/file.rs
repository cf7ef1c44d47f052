//! The bytes of an index.

use super::*;

#[test]
fn an_index_cut_or_changed_anywhere_is_refused() {
    let mut builder = IndexBuilder::new(&Npm);
    builder
        .add("x", everything("A-1").to_string().as_bytes())
        .unwrap();
    let (bytes, report) = builder.finish(Timestamp::from_millis(0)).unwrap();
    assert_eq!(report.bytes, bytes.len());
    for cut in 0..bytes.len() {
        assert!(AdvisoryIndex::open(bytes[..cut].to_vec()).is_err(), "{cut}");
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x10;
        assert!(AdvisoryIndex::open(damaged).is_err(), "{place}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(
        AdvisoryIndex::open(longer).unwrap_err(),
        IndexError::Damaged
    );
    let opened = AdvisoryIndex::open(bytes).unwrap();
    assert_eq!((opened.record_count(), opened.package_count()), (1, 1));
    assert_eq!(
        opened.newest_modified(),
        Some(Timestamp::parse("2026-01-01T00:00:00Z").unwrap())
    );
}

/// A file made on purpose, its checksum right: it is refused or answers, and panics in no case.
#[test]
fn an_index_that_contradicts_itself_is_refused() {
    use sha2::Digest as _;
    let mut builder = IndexBuilder::new(&Npm);
    let record = with(everything("A-1"), "aliases", json!(["B-1"]));
    builder.add("x", record.to_string().as_bytes()).unwrap();
    builder
        .add("x", listed("MAL-1", &["1.0.0"]).to_string().as_bytes())
        .unwrap();
    let (bytes, _) = builder.finish(Timestamp::from_millis(0)).unwrap();
    for place in 40..bytes.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut made = bytes.clone();
            made[place] = value;
            let digest = sha2::Sha256::digest(&made[40..]);
            made[8..40].copy_from_slice(&digest);
            if let Ok(index) = AdvisoryIndex::open(made) {
                let name = index.scheme().package("left-pad").unwrap();
                let _ = index.matches(&name, &Version::verbatim("1.0.0"));
                let _ = (
                    index.package_names().count(),
                    changed_packages(&index, &index),
                );
            }
        }
    }
}

#[test]
fn d_04_an_index_of_nothing_answers_nothing() {
    let index = npm(&[]);
    assert_eq!((index.record_count(), index.package_count()), (0, 0));
    assert!(ids(&index, "left-pad", "1.0.0").is_empty());
    assert_eq!(index.newest_modified(), None);
    let other = PyPi.package("left-pad").unwrap();
    assert!(index.for_package(&other).is_none());
}

#[test]
fn no_version_in_particular_is_named_by_what_names_every_one() {
    let index = npm(&[everything("A-1"), listed("A-2", &["1.0.0"])]);
    let name = Npm.package("left-pad").unwrap();
    let all = index.matches(&name, &Version::unspecified());
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].id.as_str(), all[0].named),
        ("A-1", Named::Everything)
    );
}
