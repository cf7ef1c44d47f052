//! Scores, fixes, and what changes between two indexes.

use super::*;

#[test]
fn scores_are_joined_by_alias() {
    let mut builder = IndexBuilder::new(&Npm);
    builder
        .with_epss("cve,epss,percentile\nCVE-1,0.42,0.9\n")
        .unwrap();
    builder
        .with_kev(br#"{"vulnerabilities":[{"cveID":"CVE-1"}]}"#)
        .unwrap();
    let record = with(everything("GHSA-1"), "aliases", json!(["CVE-1"]));
    builder.add("x", record.to_string().as_bytes()).unwrap();
    builder
        .add("x", listed("GHSA-2", &["1.0.0"]).to_string().as_bytes())
        .unwrap();
    let (bytes, _) = builder.finish(Timestamp::from_millis(0)).unwrap();
    let all = found(&AdvisoryIndex::open(bytes).unwrap(), "left-pad", "1.0.0");
    assert_eq!(
        (all[0].epss_thousandths, all[0].is_exploited),
        (Some(420), true)
    );
    assert_eq!(
        (all[1].epss_thousandths, all[1].is_exploited),
        (None, false)
    );
}

#[test]
fn a_fix_is_exactly_the_fixed_version_of_a_reviewed_record() {
    let events = json!([{"introduced": "0"}, {"fixed": "1.2.0"}]);
    let reviewed = with(
        ranged("GHSA-1", events.clone()),
        "database_specific",
        json!({"github_reviewed": true}),
    );
    let index = npm(&[reviewed, ranged("GHSA-2", events)]);
    let name = Npm.package("left-pad").unwrap();
    let fixes = |version: &str| index.fixes(&name, &Version::verbatim(version));
    assert_eq!(fixes("1.2.0"), ["GHSA-1"]);
    assert!(fixes("1.2.1").is_empty() && fixes("1.2.0-rc.1").is_empty() && fixes("?").is_empty());
}

#[test]
fn packages_about_which_something_else_is_said_are_told() {
    let about = |id: &str, package: &str, version: &str, modified: &str| {
        json!({"id": id, "modified": modified, "affected": [{
            "package": {"ecosystem": "npm", "name": package}, "versions": [version]}]})
    };
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    let old = npm(&[
        about("A-1", "same", "1.0.0", early),
        about("A-2", "touched", "1.0.0", early),
        about("A-3", "other-version", "1.0.0", early),
        about("A-4", "gone", "1.0.0", early),
    ]);
    let new = npm(&[
        about("A-0", "added", "1.0.0", late),
        about("A-1", "same", "1.0.0", early),
        about("A-2", "touched", "1.0.0", late),
        about("A-3", "other-version", "2.0.0", late),
    ]);
    let changed = changed_packages(&old, &new);
    let names: Vec<&str> = changed.iter().map(|name| name.normalized()).collect();
    assert_eq!(names, ["added", "gone", "other-version"]);
    assert!(changed_packages(&new, &new).is_empty());
}
