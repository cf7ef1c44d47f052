//! What every [`CacheIndex`] must do.

use std::collections::HashSet;

use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, DigestAlgorithm, Digests, Ecosystem, FileName, PackageName,
    PackageVersion, Timestamp, Version,
};

use futures_util::TryStreamExt as _;

use crate::cache::{
    ArtifactRecord, CacheIndex, DocumentKey, DocumentRecord, DocumentState, PAGE, SheetRecord,
};

/// Runs the suite. `make` gives a new, empty index each time.
///
/// # Panics
/// When the index does not conform.
pub async fn cache_index<I: CacheIndex>(make: impl Fn() -> I) {
    missing_is_not_an_error(&make()).await;
    documents_round_trip(&make()).await;
    every_part_of_a_document_key_counts(&make()).await;
    artifacts_round_trip(&make()).await;
    sheets_round_trip(&make()).await;
    every_part_of_an_artifact_id_counts(&make()).await;
    spelling_of_a_package_does_not_count(&make()).await;
    kinds_are_apart(&make()).await;
    many_records(&make()).await;
}

/// A document's key.
pub fn document_key(name: &str) -> DocumentKey {
    DocumentKey {
        ecosystem: "test".into(),
        upstream: "main".into(),
        kind: "index".into(),
        name: name.into(),
    }
}

/// A document's record, kept as the blob of `content`.
pub fn document_record(content: &str) -> DocumentRecord {
    DocumentRecord {
        state: DocumentState::Present {
            blob: Digest::of(content.as_bytes()),
            content_type: "application/json".into(),
        },
        fetched_at: Timestamp::from_millis(1_700_000_000_123),
        url: Some("https://registry.example/index/a".into()),
        etag: Some("W/\"a \\\" quoted ✓\"".into()),
        last_modified: Some("Tue, 14 Nov 2023 22:13:20 GMT".into()),
        max_age_seconds: Some(300),
    }
}

/// An artifact's identity.
///
/// # Panics
/// When `file` is not a file name.
pub fn artifact_id(package: &str, version: &str, file: &str) -> ArtifactId {
    ArtifactId {
        subject: PackageVersion {
            name: PackageName::from_checked_parts(Ecosystem::from_static("test"), package, package),
            version: Version::verbatim(version),
        },
        file: FileName::new(file).expect("a file name"),
        kind: ArtifactKind::Archive,
    }
}

/// An artifact's record, kept as the blob of `content`.
///
/// # Panics
/// Never: the digest has the length of its algorithm.
pub fn artifact_record(content: &str) -> ArtifactRecord {
    let sha1 = Digest::from_bytes(DigestAlgorithm::Sha1, &[7; 20]).expect("20 bytes");
    let sha256 = Digest::of(content.as_bytes());
    ArtifactRecord {
        size_bytes: content.len() as u64,
        fetched_at: Timestamp::from_millis(-1),
        upstream: "main".into(),
        computed: Digests::from_iter([sha1, sha256.clone()]),
        last_used_at: Timestamp::from_millis(i64::MAX),
        sha256,
    }
}

async fn missing_is_not_an_error(index: &impl CacheIndex) {
    let (key, id) = (document_key("none"), artifact_id("none", "1", "none-1.tgz"));
    assert_eq!(index.document(&key).await.expect("an answer"), None);
    assert_eq!(index.artifact(&id).await.expect("an answer"), None);
    index
        .remove_document(&key)
        .await
        .expect("nothing to forget is fine");
    index
        .remove_artifact(&id)
        .await
        .expect("nothing to forget is fine");
    assert_eq!(index.documents().await.expect("a list"), []);
    assert_eq!(index.artifacts().await.expect("a list"), []);
    index.flush().await.expect("nothing to write is fine");
}

async fn documents_round_trip(index: &impl CacheIndex) {
    let key = document_key("@scope/näme");
    let bare = DocumentRecord {
        state: DocumentState::Missing,
        fetched_at: Timestamp::from_millis(0),
        url: None,
        etag: None,
        last_modified: None,
        max_age_seconds: None,
    };
    for record in [document_record("a"), document_record("b"), bare] {
        index.put_document(&key, &record).await.expect("a put");
        assert_eq!(
            index.document(&key).await.expect("an answer"),
            Some(record.clone())
        );
        let all = index.documents().await.expect("a list");
        assert_eq!(all, [(key.clone(), record)]);
    }
    index.flush().await.expect("a flush");
    index.remove_document(&key).await.expect("a removal");
    assert_eq!(index.document(&key).await.expect("an answer"), None);
    assert_eq!(index.documents().await.expect("a list"), []);
}

async fn every_part_of_a_document_key_counts(index: &impl CacheIndex) {
    let base = document_key("name");
    let mut keys = vec![base.clone()];
    for change in [
        (|key: &mut DocumentKey| key.ecosystem = "other".into()) as fn(&mut DocumentKey),
        |key| key.upstream = "other".into(),
        |key| key.kind = "other".into(),
        |key| key.name = "other".into(),
        // The same text when the parts are only put one after the other.
        |key| (key.kind, key.name) = ("indexn".into(), "ame".into()),
        |key| (key.kind, key.name) = ("index\0n".into(), "ame".into()),
        |key| (key.kind, key.name) = ("index".into(), "n\0ame".into()),
        |key| (key.kind, key.name) = ("index\",\"n".into(), "ame".into()),
        |key| key.name = "".into(),
    ] {
        let mut key = base.clone();
        change(&mut key);
        keys.push(key);
    }
    for (number, key) in keys.iter().enumerate() {
        let record = document_record(&number.to_string());
        index.put_document(key, &record).await.expect("a put");
    }
    for (number, key) in keys.iter().enumerate() {
        let found = index.document(key).await.expect("an answer");
        assert_eq!(found, Some(document_record(&number.to_string())), "{key:?}");
    }
    let mut listed: Vec<_> = index.documents().await.expect("a list");
    listed.sort_by(|a, b| a.0.cmp(&b.0));
    keys.sort();
    assert!(listed.iter().map(|(key, _)| key).eq(&keys));
}

async fn artifacts_round_trip(index: &impl CacheIndex) {
    let id = artifact_id("name", "1.0.0+build~\u{e9}", "name-1.0.0.tgz");
    for content in ["a", "b"] {
        let record = artifact_record(content);
        index.put_artifact(&id, &record).await.expect("a put");
        assert_eq!(
            index.artifact(&id).await.expect("an answer"),
            Some(record.clone())
        );
        assert_eq!(
            index.artifacts().await.expect("a list"),
            [(id.clone(), record)]
        );
    }
    index.remove_artifact(&id).await.expect("a removal");
    assert_eq!(index.artifact(&id).await.expect("an answer"), None);
}

/// A sheet about the bytes `content`, with so many files.
pub fn sheet_record(content: &str, files: u64) -> SheetRecord {
    SheetRecord {
        sha256: Digest::of(content.as_bytes()),
        sheet: cordon_policy::inspect::Sheet {
            inspector: cordon_policy::inspect::INSPECTOR,
            limits: smol_str::SmolStr::default(),
            files,
            unpacked_bytes: u64::MAX,
            faults: cordon_policy::inspect::Faults::default(),
            marks: Vec::new(),
            manifest: None,
            content: None,
            indicators: None,
        },
    }
}

async fn sheets_round_trip(index: &impl CacheIndex) {
    let id = artifact_id("name", "1.0.0", "name-1.0.0.tgz");
    let artifact = artifact_record("a");
    index.put_artifact(&id, &artifact).await.expect("a put");
    assert_eq!(index.sheet(&id).await.expect("an answer"), None);
    for record in [sheet_record("a", 1), sheet_record("b", 2)] {
        index.put_sheet(&id, &record).await.expect("a put");
        let found = index.sheet(&id).await.expect("an answer");
        assert_eq!(found, Some(record));
    }
    let other = artifact_id("name", "1.0.1", "name-1.0.0.tgz");
    assert_eq!(index.sheet(&other).await.expect("an answer"), None);
    index.remove_sheet(&id).await.expect("a removal");
    index.remove_sheet(&id).await.expect("nothing to forget");
    assert_eq!(index.sheet(&id).await.expect("an answer"), None);
    let kept = index.artifact(&id).await.expect("an answer");
    assert_eq!(kept, Some(artifact), "sheets are apart from artifacts");
}

async fn every_part_of_an_artifact_id_counts(index: &impl CacheIndex) {
    let mut derived = artifact_id("a", "1", "a-1.whl");
    derived.kind = ArtifactKind::CoreMetadata;
    let mut proof = derived.clone();
    proof.kind = ArtifactKind::Provenance;
    let mut other = artifact_id("a", "1", "a-1.whl");
    other.subject.name = PackageName::from_checked_parts(Ecosystem::from_static("other"), "a", "a");
    let ids = [
        artifact_id("a", "1", "a-1.whl"),
        artifact_id("a", "1.0", "a-1.whl"),
        artifact_id("a1", "1", "a-1.whl"),
        artifact_id("a", "1", "a-1.tar.gz"),
        derived,
        proof,
        other,
    ];
    for (number, id) in ids.iter().enumerate() {
        let record = artifact_record(&number.to_string());
        index.put_artifact(id, &record).await.expect("a put");
    }
    for (number, id) in ids.iter().enumerate() {
        let found = index.artifact(id).await.expect("an answer");
        assert_eq!(found, Some(artifact_record(&number.to_string())), "{id}");
    }
    assert_eq!(index.artifacts().await.expect("a list").len(), ids.len());
}

async fn spelling_of_a_package_does_not_count(index: &impl CacheIndex) {
    let id = artifact_id("my-package", "1", "x");
    let mut spelled = id.clone();
    spelled.subject.name =
        PackageName::from_checked_parts(Ecosystem::from_static("test"), "my-package", "My.Package");
    index
        .put_artifact(&spelled, &artifact_record("a"))
        .await
        .expect("a put");
    assert_eq!(
        index.artifact(&id).await.expect("an answer"),
        Some(artifact_record("a"))
    );
    index
        .put_artifact(&id, &artifact_record("b"))
        .await
        .expect("a put");
    assert_eq!(index.artifacts().await.expect("a list").len(), 1);
    index.remove_artifact(&spelled).await.expect("a removal");
    assert_eq!(index.artifact(&id).await.expect("an answer"), None);
}

async fn kinds_are_apart(index: &impl CacheIndex) {
    let (key, id) = (document_key("x"), artifact_id("x", "1", "x"));
    index
        .put_document(&key, &document_record("a"))
        .await
        .expect("a put");
    index
        .put_artifact(&id, &artifact_record("a"))
        .await
        .expect("a put");
    index.remove_document(&key).await.expect("a removal");
    assert_eq!(
        index.artifact(&id).await.expect("an answer"),
        Some(artifact_record("a"))
    );
    assert_eq!(index.documents().await.expect("a list"), []);
}

async fn many_records(index: &impl CacheIndex) {
    for number in 0..2 * PAGE {
        let name = format!("package-{number}");
        index
            .put_document(&document_key(&name), &document_record(&name))
            .await
            .expect("a put");
    }
    for number in (0..2 * PAGE).step_by(2) {
        let key = document_key(&format!("package-{number}"));
        index.remove_document(&key).await.expect("a removal");
    }
    index.flush().await.expect("a flush");
    // A full page, and one more than that.
    for expected in [PAGE, PAGE + 1] {
        let left = index.documents().await.expect("a list");
        let keys: HashSet<_> = left.iter().map(|(key, _)| key).collect();
        assert_eq!((left.len(), keys.len()), (expected, expected));
        for (key, record) in &left {
            assert_eq!(*record, document_record(&key.name));
        }
        let pages: Vec<_> = index.document_pages().try_collect().await.expect("pages");
        assert!(pages.iter().all(|page| page.len() <= PAGE));
        let (key, record) = (document_key("package-0"), document_record("package-0"));
        index.put_document(&key, &record).await.expect("a put");
    }
}
