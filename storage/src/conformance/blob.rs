//! What every [`BlobStore`] must do.

use bytes::Bytes;
use cordon_policy::model::{Digest, DigestAlgorithm};
use futures_util::TryStreamExt;

use crate::StorageErrorKind;
use crate::blob::{BlobReader, BlobStat, BlobStore, CHUNK_BYTES};

/// Runs the suite. `make` gives a new, empty store each time.
///
/// # Panics
/// When the store does not conform.
pub async fn blob_store<S: BlobStore>(make: impl Fn() -> S) {
    round_trip_of_every_size_around_a_chunk(&make()).await;
    pieces_do_not_matter(&make()).await;
    nothing_is_there_before_commit(&make()).await;
    limit_is_exact(&make()).await;
    missing_is_not_an_error(&make()).await;
    committing_twice_keeps_one(&make()).await;
    delete_and_set_aside_remove(&make()).await;
    open_blob_outlives_its_deletion(&make()).await;
    scan_lists_all_once(&make()).await;
    reads_stay_within_a_chunk(&make()).await;
    concurrent_commits_of_one_blob(&make()).await;
    files_hold_the_bytes_and_stay_as_they_are(&make()).await;
}

/// Stores `data` and checks what commit says about it.
///
/// # Panics
/// When the store fails or misnames the bytes.
pub async fn put(store: &(impl BlobStore + ?Sized), data: &[u8]) -> Digest {
    let mut stage = store.stage(data.len() as u64).await.expect("a stage");
    for piece in data.chunks(16 * 1024) {
        stage
            .write(Bytes::copy_from_slice(piece))
            .await
            .expect("a write within the limit");
    }
    let stat = stage.commit().await.expect("a commit");
    assert_eq!(stat, stat_of(data));
    stat.digest
}

/// Reads a whole open blob.
///
/// # Panics
/// When it cannot be read.
pub fn read_all(reader: &BlobReader, max: usize) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let piece = reader.read_at(data.len() as u64, max).expect("a read");
        if piece.is_empty() {
            return data;
        }
        data.extend_from_slice(&piece);
    }
}

/// `length` bytes that no other seed gives.
pub fn sample(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect()
}

fn stat_of(data: &[u8]) -> BlobStat {
    BlobStat {
        digest: Digest::of(data),
        size_bytes: data.len() as u64,
    }
}

async fn open(store: &impl BlobStore, digest: &Digest) -> BlobReader {
    let found = store.open(digest).await.expect("an answer");
    found.expect("the blob is there")
}

async fn round_trip_of_every_size_around_a_chunk(store: &impl BlobStore) {
    let chunk = usize::try_from(CHUNK_BYTES).expect("a chunk fits in memory");
    let sizes = [
        0,
        1,
        1000,
        chunk - 1,
        chunk,
        chunk + 1,
        3 * chunk,
        3 * chunk + 77,
    ];
    for (seed, size) in sizes.into_iter().enumerate() {
        let data = sample(size, seed as u64);
        let digest = put(store, &data).await;
        let reader = open(store, &digest).await;
        assert_eq!(reader.size_bytes(), size as u64);
        assert_eq!(read_all(&reader, usize::MAX), data, "{size} bytes");
        assert_eq!(read_all(&reader, 10_007), data, "{size} bytes, small reads");
        assert_eq!(
            store.stat(&digest).await.expect("stat"),
            Some(stat_of(&data))
        );
    }
}

async fn pieces_do_not_matter(store: &impl BlobStore) {
    let data = sample(700_001, 1);
    for piece_bytes in [1_000, 65_537, 700_001] {
        let mut stage = store.stage(u64::MAX).await.expect("a stage");
        assert!(stage.is_empty());
        stage.write(Bytes::new()).await.expect("an empty write");
        let mut written = 0;
        for piece in data.chunks(piece_bytes) {
            stage
                .write(Bytes::copy_from_slice(piece))
                .await
                .expect("a write");
            written += piece.len();
            assert_eq!(stage.len(), written as u64);
        }
        assert_eq!(stage.digest(), Digest::of(&data));
        assert_eq!(stage.commit().await.expect("a commit"), stat_of(&data));
    }
}

async fn nothing_is_there_before_commit(store: &impl BlobStore) {
    let data = sample(600_000, 2);
    let mut stage = store.stage(1 << 20).await.expect("a stage");
    stage.write(data.clone().into()).await.expect("a write");
    let digest = stage.digest();
    assert!(store.open(&digest).await.expect("an answer").is_none());
    assert_eq!(store.stat(&digest).await.expect("an answer"), None);
    drop(stage);
    assert!(store.open(&digest).await.expect("an answer").is_none());
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all, []);
}

async fn limit_is_exact(store: &impl BlobStore) {
    let mut stage = store.stage(10).await.expect("a stage");
    stage
        .write(Bytes::from_static(b"0123456789"))
        .await
        .expect("just fits");
    let digest = stage.digest();
    let error = stage
        .write(Bytes::from_static(b"x"))
        .await
        .expect_err("too long");
    assert_eq!(error.kind, StorageErrorKind::Full);
    drop(stage);
    assert!(store.open(&digest).await.expect("an answer").is_none());

    let mut stage = store.stage(10).await.expect("a stage");
    let error = stage
        .write(sample(11, 0).into())
        .await
        .expect_err("too long at once");
    assert_eq!(error.kind, StorageErrorKind::Full);
}

async fn missing_is_not_an_error(store: &impl BlobStore) {
    let sha512 = Digest::from_bytes(DigestAlgorithm::Sha512, &[1; 64]).expect("64 bytes");
    for digest in [Digest::of(b"never stored"), sha512] {
        assert!(store.open(&digest).await.expect("an answer").is_none());
        assert_eq!(store.stat(&digest).await.expect("an answer"), None);
        store
            .delete(&digest)
            .await
            .expect("nothing to delete is fine");
        store
            .set_aside(&digest)
            .await
            .expect("nothing to move is fine");
    }
}

async fn committing_twice_keeps_one(store: &impl BlobStore) {
    for size in [100, 400_000] {
        let data = sample(size, 3);
        let digest = put(store, &data).await;
        assert_eq!(put(store, &data).await, digest);
        assert_eq!(read_all(&open(store, &digest).await, usize::MAX), data);
    }
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all.len(), 2);
}

async fn delete_and_set_aside_remove(store: &impl BlobStore) {
    for size in [100, 400_000] {
        let data = sample(size, 4);
        let digest = put(store, &data).await;
        store.delete(&digest).await.expect("a deletion");
        assert!(store.open(&digest).await.expect("an answer").is_none());
        for _ in 0..2 {
            assert_eq!(put(store, &data).await, digest);
            store.set_aside(&digest).await.expect("a move");
            assert!(store.open(&digest).await.expect("an answer").is_none());
            assert_eq!(store.stat(&digest).await.expect("an answer"), None);
        }
        assert_eq!(put(store, &data).await, digest);
        assert_eq!(read_all(&open(store, &digest).await, usize::MAX), data);
    }
}

async fn open_blob_outlives_its_deletion(store: &impl BlobStore) {
    let data = sample(600_000, 5);
    let digest = put(store, &data).await;
    let reader = open(store, &digest).await;
    store.delete(&digest).await.expect("a deletion");
    assert_eq!(read_all(&reader, usize::MAX), data);
}

async fn scan_lists_all_once(store: &impl BlobStore) {
    let mut expected = Vec::new();
    for seed in 0..40 {
        let data = sample(if seed == 0 { 300_000 } else { 50 + seed }, seed as u64);
        put(store, &data).await;
        expected.push(stat_of(&data));
    }
    let mut found: Vec<_> = store.scan().try_collect().await.expect("a scan");
    expected.sort_by(|a, b| a.digest.cmp(&b.digest));
    found.sort_by(|a, b| a.digest.cmp(&b.digest));
    assert_eq!(found, expected);
}

async fn reads_stay_within_a_chunk(store: &impl BlobStore) {
    let data = sample(700_000, 6);
    let digest = put(store, &data).await;
    let reader = open(store, &digest).await;
    let chunk = CHUNK_BYTES;
    for (offset, max, expected) in [
        (0, usize::MAX, chunk),
        (1, usize::MAX, chunk - 1),
        (chunk - 1, 10, 1),
        (chunk, 10, 10),
        (2 * chunk, usize::MAX, 700_000 - 2 * chunk),
        (699_999, 5, 1),
        (700_000, 5, 0),
        (u64::MAX, 5, 0),
    ] {
        let piece = reader.read_at(offset, max).expect("a read");
        assert_eq!(piece.len() as u64, expected, "{max} bytes at {offset}");
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(data.len());
        assert_eq!(piece[..], data[start..start + piece.len()]);
        // While the piece is held, it may be had again without reading, and is the same.
        if let Some(again) = reader.at_hand(offset, max) {
            assert_eq!(again, piece, "{max} bytes at {offset}");
            assert!(!again.is_empty());
        }
        assert!(reader.at_hand(offset, 0).is_none());
    }
}

async fn concurrent_commits_of_one_blob(store: &impl BlobStore) {
    let data = sample(300_000, 7);
    let puts = (0..8).map(|_| put(store, &data));
    let digests = futures_util::future::join_all(puts).await;
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    assert_eq!(read_all(&open(store, &digests[0]).await, usize::MAX), data);
}

/// Every byte of a file, from where it stands.
fn read_file(mut file: std::fs::File) -> Vec<u8> {
    let mut data = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut data).expect("a readable file");
    data
}

async fn files_hold_the_bytes_and_stay_as_they_are<S: BlobStore>(store: &S) {
    for length in [0, 1, 100_000, 2 * CHUNK_BYTES as usize + 17] {
        let data = sample(length, 31);
        let mut stage = store.stage(length as u64).await.expect("a stage");
        let half = length / 2;
        stage
            .write(Bytes::copy_from_slice(&data[..half]))
            .await
            .expect("a write");
        let early = stage.file().await.expect("a file of the first half");
        assert_eq!(read_file(early), data[..half]);
        stage
            .write(Bytes::copy_from_slice(&data[half..]))
            .await
            .expect("a write after a file was given");
        let (first, second) = (stage.file().await, stage.file().await);
        let staged = first.expect("a file of the whole");
        assert_eq!(read_file(staged), data, "{length} staged bytes");
        let stat = stage.commit().await.expect("a commit");
        assert_eq!(stat, stat_of(&data));
        // One has its own position, and outlives the stage.
        assert_eq!(read_file(second.expect("another")), data);
        let reader = store.open(&stat.digest).await.expect("an open");
        let reader = reader.expect("it is there");
        let files = [reader.file(), reader.file()].map(|file| file.expect("a file"));
        store.delete(&stat.digest).await.expect("a deletion");
        for file in files {
            assert_eq!(read_file(file), data, "{length} stored bytes");
        }
    }
}
