//! What files change, as pages tell it: provenance, size and when versions were published. What a
//! file depends on, and what it runs at install, is inside it.

use cordon_policy::facts::{Change, Fact, Trust};

use super::*;

fn page(files: &[(&str, &str, bool, u64)]) -> Box<dyn Document> {
    let files: Vec<Value> = files
        .iter()
        .map(|(name, time, has_provenance, size)| {
            let mut file = json!({
                "filename": name,
                "url": format!("https://files.example/{name}"),
                "hashes": {"sha256": "a".repeat(64)},
                "upload-time": time,
                "size": size,
            });
            if *has_provenance {
                file["provenance"] = format!("https://registry.example/{name}.provenance").into();
            }
            file
        })
        .collect();
    let text = json!({"meta": {"api-version": "1.4"}, "name": "lure", "files": files}).to_string();
    read("lure", &[json_page("lure", &text)]).unwrap()
}

fn change(document: &dyn Document, index: usize) -> &Change {
    match &document.candidates()[index].change {
        Fact::Known(change) => change,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_loss_of_provenance_shows_and_files_are_compared_with_their_own_kind() {
    let document = page(&[
        ("lure-8.3.40.tar.gz", "2024-10-01T00:00:00Z", true, 1_000),
        (
            "lure-8.3.40-py3-none-any.whl",
            "2024-10-01T00:01:00Z",
            true,
            2_000,
        ),
        ("lure-8.3.45.tar.gz", "2024-12-07T00:00:00Z", false, 50_000),
        (
            "lure-8.3.45-py3-none-any.whl",
            "2024-12-07T00:01:00Z",
            true,
            2_500,
        ),
        (
            "lure-8.3.40-1-cp27-cp27m-win32.whl",
            "2024-12-07T00:02:00Z",
            false,
            9,
        ),
    ]);
    assert_eq!(document.candidates()[0].change, Fact::Absent);
    let lost = change(document.as_ref(), 2).trust_lost.unwrap();
    assert_eq!((lost.from, lost.to), (Trust::Provenance, Trust::Account));
    assert_eq!(
        change(document.as_ref(), 2).size_bytes,
        Some((1_000, 50_000))
    );
    assert_eq!(change(document.as_ref(), 3).trust_lost, None);
    assert_eq!(
        change(document.as_ref(), 3).size_bytes,
        Some((2_000, 2_500))
    );
    assert!(
        change(document.as_ref(), 4).trust_lost.is_some(),
        "added late"
    );
    assert!(change(document.as_ref(), 3).added_dependencies.is_empty());
    assert_eq!(document.candidates()[3].exotic_dependencies, Fact::NotYet);
}

#[test]
fn files_of_one_version_are_no_burst_and_versions_within_minutes_are() {
    let document = page(&[
        ("lure-1.0.tar.gz", "2024-10-01T00:00:00Z", false, 1),
        (
            "lure-1.0-py3-none-any.whl",
            "2024-10-01T00:01:00Z",
            false,
            1,
        ),
        ("lure-2.0.tar.gz", "2025-10-01T00:00:00Z", false, 1),
        ("lure-2.1.tar.gz", "2025-10-01T00:05:00Z", false, 1),
    ]);
    assert_eq!(document.candidates()[0].burst, Fact::Absent);
    let burst = document.candidates()[3].burst.known().unwrap();
    assert_eq!((burst.versions, burst.habit), (2, 1));
}
