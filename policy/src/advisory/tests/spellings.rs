//! Several spellings of one name in one record.

use super::*;

fn about(id: &str, ecosystem: &str, names: &[(&str, &str)]) -> Value {
    let affected = names.iter().map(|(name, last)| {
        json!({"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "SEMVER",
            "events": [{"introduced": "0"}, {"last_affected": last}]}]})
    });
    json!({"id": id, "modified": "2026-01-01T00:00:00Z", "affected": affected.collect::<Vec<_>>()})
}

fn record_ids(index: &AdvisoryIndex, package: &str, version: &str) -> Vec<String> {
    let mut known = index.for_spelling(package).unwrap();
    let ids = known.record_ids(&Version::verbatim(version));
    ids.iter().map(ToString::to_string).collect()
}

#[test]
fn each_spelling_of_a_crate_has_its_own_versions_where_records_are_told_one_by_one() {
    let records = [
        about("A-1", "crates.io", &[("a_b", "1.0.0"), ("a-b", "2.0.0")]),
        about("A-2", "crates.io", &[("a-b", "1.0.0")]),
    ];
    let (index, report) = built(&Cargo, &records);
    assert_eq!((index.package_count(), report.packages), (1, 1));
    assert_eq!(record_ids(&index, "a_b", "1.0.0"), ["A-1"]);
    assert!(record_ids(&index, "a_b", "1.5.0").is_empty());
    assert_eq!(record_ids(&index, "a-b", "1.0.0"), ["A-1", "A-2"]);
    assert_eq!(record_ids(&index, "a-b", "1.5.0"), ["A-1"]);
    assert!(record_ids(&index, "A_b", "1.0.0").is_empty());
    // For verdicts they are one crate, and the record is one match.
    for name in ["a_b", "a-b", "A_B"] {
        assert_eq!(ids(&index, name, "1.0.0"), ["A-1", "A-2"], "{name}");
        assert_eq!(named(&index, name, "1.5.0"), [Named::Range], "{name}");
        assert!(ids(&index, name, "2.0.1").is_empty(), "{name}");
    }
    assert_eq!(found(&index, "a-b", "0.5.0")[0].aliases.len(), 0);
}

#[test]
fn spellings_of_a_pypi_project_are_one() {
    let record = about("A-1", "PyPI", &[("a_b", "1.0"), ("A.B", "2.0")]);
    let (index, _) = built(&PyPi, &[record]);
    for name in ["a_b", "a-b", "A.B"] {
        assert_eq!(record_ids(&index, name, "1.5"), ["A-1"], "{name}");
    }
}

#[test]
fn a_malware_record_taken_back_is_released_once_whatever_it_spells() {
    let names = [("a_b", "1.0.0"), ("a-b", "2.0.0")];
    let malware = with(
        about("MAL-1", "crates.io", &names),
        "aliases",
        json!(["X-1"]),
    );
    let gone = about("X-1", "crates.io", &names);
    let gone = with(gone, "withdrawn", json!("2026-02-01T00:00:00Z"));
    let (index, report) = built(&Cargo, &[malware, gone]);
    assert!(ids(&index, "a-b", "1.0.0").is_empty());
    assert_eq!(
        (report.records, report.withdrawn, report.released),
        (1, 1, 1)
    );
}
