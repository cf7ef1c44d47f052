use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::*;
use crate::blob::CHUNK_BYTES;
use crate::conformance::blob::{put, read_all, sample};

const CHUNK: usize = CHUNK_BYTES as usize;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn open(&self) -> FilesystemBlobs {
        FilesystemBlobs::open(self.folder.path()).expect("the store opens")
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn live(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.path(&format!("blobs/sha256/{}/{hex}", &hex[..2]))
    }

    fn sums(&self, digest: &Digest) -> PathBuf {
        self.live(digest).with_extension("sums")
    }

    fn staged(&self) -> usize {
        fs::read_dir(self.path("staging"))
            .expect("a listing")
            .count()
    }
}

/// Reads a blob to its end: its bytes, or those proved before damage was met.
async fn read(store: &FilesystemBlobs, digest: &Digest) -> (Vec<u8>, Result<(), StorageError>) {
    let reader = match store.open(digest).await {
        Ok(reader) => reader.expect("the blob is there"),
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut data = Vec::new();
    loop {
        match reader.read_at(data.len() as u64, usize::MAX) {
            Ok(piece) if piece.is_empty() => {
                let is_whole = data.len() as u64 == reader.size_bytes();
                assert!(is_whole, "ended before its end");
                return (data, Ok(()));
            }
            Ok(piece) => data.extend_from_slice(&piece),
            Err(error) => return (data, Err(error)),
        }
    }
}

async fn expect_intact(store: &FilesystemBlobs, digest: &Digest, data: &[u8]) {
    let (found, result) = read(store, digest).await;
    result.expect("intact");
    assert!(found == data, "wrong bytes");
}

/// Damage is met, and everything read before it is right.
async fn expect_corrupt(store: &FilesystemBlobs, digest: &Digest, data: &[u8], what: &str) {
    let (found, result) = read(store, digest).await;
    let Err(error) = result else {
        panic!("{what} was not noticed")
    };
    assert_eq!(error.kind, StorageErrorKind::Corrupt, "{what}: {error:?}");
    assert!(data.starts_with(&found), "{what}: wrong bytes");
    // Nobody else gets to see it either.
    if let Ok(Some(reader)) = store.open(digest).await {
        assert!(reader.file().is_err(), "{what} was handed out");
    }
}

fn flip(path: &Path, bit: u64) {
    let mut data = fs::read(path).expect("a file");
    data[(bit / 8) as usize] ^= 1 << (bit % 8);
    fs::write(path, data).expect("a write");
}

/// A flip in a blob of any size is met before a wrong byte leaves; one in the sums costs nothing.
#[tokio::test]
async fn inv_05_a_thousand_single_bit_flips_never_give_a_wrong_byte() {
    let folder = Folder::new();
    let mut store = folder.open();
    let mut random = crate::disk::simulated::Random::new(5);
    let mut found = 0;
    for (seed, length) in [1, 700, 60_000, CHUNK, CHUNK + 1, 2 * CHUNK + 999]
        .into_iter()
        .enumerate()
    {
        let data = sample(length, seed as u64);
        let digest = put(&store, &data).await;
        let path = folder.live(&digest);
        for _ in 0..150 {
            let bit = random.below(length as u64 * 8);
            flip(&path, bit);
            expect_corrupt(
                &store,
                &digest,
                &data,
                &format!("bit {bit} of {length} bytes"),
            )
            .await;
            found += 1;
            flip(&path, bit);
        }
        expect_intact(&store, &digest, &data).await;
        let sums = folder.sums(&digest);
        assert_eq!(sums.exists(), length > CHUNK);
        for _ in 0..if length > CHUNK { 50 } else { 0 } {
            let size = fs::metadata(&sums).expect("a sums file").len();
            flip(&sums, random.below(size * 8));
            // Without the sums in memory.
            drop(store);
            store = folder.open();
            expect_intact(&store, &digest, &data).await;
            found += 1;
        }
    }
    assert_eq!(found, 1000);
}

/// The engine's part of INV-5: what is set aside is gone, can be fetched again, and is kept for
/// looking at.
#[tokio::test]
async fn inv_05_a_damaged_blob_set_aside_makes_room_for_a_good_one() {
    for length in [500, CHUNK + 500] {
        let folder = Folder::new();
        let store = folder.open();
        let data = sample(length, 1);
        let digest = put(&store, &data).await;
        flip(&folder.live(&digest), 77);
        expect_corrupt(&store, &digest, &data, "a flip").await;
        store.set_aside(&digest).await.expect("a move");
        assert!(store.open(&digest).await.expect("an answer").is_none());
        assert!(!folder.sums(&digest).exists());
        let kept = fs::read(folder.path("aside").join(digest.hex())).expect("kept");
        assert_eq!(kept.len(), length);
        put(&store, &data).await;
        expect_intact(&store, &digest, &data).await;
    }
}

#[tokio::test]
async fn inv_05_committing_over_a_damaged_blob_replaces_it() {
    let folder = Folder::new();
    for length in [500, CHUNK + 500] {
        let store = folder.open();
        let data = sample(length, 1);
        let digest = put(&store, &data).await;
        flip(&folder.live(&digest), 77);
        put(&store, &data).await;
        expect_intact(&store, &digest, &data).await;
        assert!(folder.path("aside").join(digest.hex()).exists());
        // A good one is kept: its file is not written again.
        let before = fs::metadata(folder.live(&digest)).expect("a file");
        put(&store, &data).await;
        let after = fs::metadata(folder.live(&digest)).expect("a file");
        assert_eq!(before.modified().ok(), after.modified().ok());
        assert_eq!(folder.staged(), 0);
    }
}

/// S-01: cut, extended, zeroed, emptied, replaced by another valid blob with its sums, and blob and
/// sums rewritten to fit each other by somebody without the key.
#[tokio::test]
async fn inv_05_every_other_damage_is_met() {
    let folder = Folder::new();
    let mut store = folder.open();
    let other = sample(CHUNK + 900, 50);
    let other_digest = put(&store, &other).await;
    for length in [900, CHUNK, CHUNK + 900, 3 * CHUNK] {
        let data = sample(length, 2);
        let digest = put(&store, &data).await;
        let path = folder.live(&digest);
        let mut zeroed = data.clone();
        zeroed[length / 2..length / 2 + 100].fill(0);
        let mut damages = vec![
            (Vec::new(), "emptied"),
            (data[..length - 1].to_vec(), "cut by a byte"),
            (data[..length / 2].to_vec(), "cut in half"),
            ([&data[..], b"x"].concat(), "extended by a byte"),
            ([&data[..], &data[..]].concat(), "doubled"),
            (zeroed, "partly zeroed"),
            (other.clone(), "replaced by another blob"),
        ];
        if length > CHUNK {
            damages.push((data[..CHUNK].to_vec(), "cut to a chunk"));
        }
        let sums = fs::read(folder.sums(&digest));
        for (damage, what) in damages {
            for has_sums_in_memory in [true, false] {
                if !has_sums_in_memory {
                    drop(store);
                    store = folder.open();
                }
                fs::write(&path, &damage).expect("a write");
                expect_corrupt(&store, &digest, &data, what).await;
            }
            fs::write(&path, &data).expect("a write");
            expect_intact(&store, &digest, &data).await;
        }
        if let Ok(sums) = sums {
            drop(store);
            fs::copy(folder.live(&other_digest), &path).expect("a copy");
            fs::copy(folder.sums(&other_digest), folder.sums(&digest)).expect("a copy");
            store = folder.open();
            expect_corrupt(&store, &digest, &data, "another blob with its sums").await;
            fs::write(&path, &data).expect("a write");
            fs::write(folder.sums(&digest), sums).expect("a write");
        }
    }
}

#[tokio::test]
async fn blob_and_sums_forged_together_without_the_key_are_not_believed() {
    let folder = Folder::new();
    let data = sample(2 * CHUNK, 3);
    let digest = {
        let store = folder.open();
        put(&store, &data).await
    };
    let forged = sample(2 * CHUNK, 4);
    let mut builder = super::sums::SumsBuilder::default();
    builder.update(&forged);
    let sums = builder.finish().encode(&digest, &[0; 32]);
    fs::write(folder.live(&digest), &forged).expect("a write");
    fs::write(folder.sums(&digest), sums).expect("a write");
    let store = folder.open();
    expect_corrupt(&store, &digest, &data, "a forgery").await;
}

#[tokio::test]
async fn lost_sums_and_a_lost_key_cost_nothing_but_time() {
    let folder = Folder::new();
    let data = sample(2 * CHUNK + 1, 3);
    let digest = {
        let store = folder.open();
        put(&store, &data).await
    };
    let sums = folder.sums(&digest);
    for loss in [&sums, &folder.path("seal.key")] {
        let before = fs::read(&sums).expect("sums");
        fs::remove_file(loss).expect("a removal");
        let store = folder.open();
        expect_intact(&store, &digest, &data).await;
        let after = fs::read(&sums).expect("sums are written again");
        assert_eq!(before == after, *loss == sums);
    }
}

/// S-02, on the way to a blob.
#[cfg(unix)]
#[tokio::test]
async fn what_is_not_a_regular_file_is_never_followed() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    let store = folder.open();
    let data = sample(900, 1);
    let digest = put(&store, &data).await;
    let live = folder.live(&digest);
    let elsewhere = folder.path("elsewhere");
    fs::rename(&live, &elsewhere).expect("a rename");
    let replacements: [(&str, &dyn Fn()); 4] = [
        ("a link to the right bytes", &|| {
            symlink(&elsewhere, &live).expect("a link");
        }),
        ("a dangling link", &|| {
            symlink("/nowhere/at/all", &live).expect("a link");
        }),
        ("a folder", &|| {
            fs::create_dir(&live).expect("a folder");
            fs::write(live.join("x"), "x").expect("a write");
        }),
        ("a socket", &|| {
            // A device or a pipe takes rights or a program to make; this needs neither.
            let short = tempfile::tempdir().expect("a temporary folder");
            let bound = short.path().join("s");
            std::os::unix::net::UnixListener::bind(&bound).expect("a socket");
            fs::rename(&bound, &live).expect("a rename");
        }),
    ];
    for (what, replace) in replacements {
        replace();
        expect_corrupt(&store, &digest, &data, what).await;
        let error = store.stat(&digest).await.expect_err(what);
        assert_eq!(error.kind, StorageErrorKind::Corrupt);
        let listed: Vec<_> = store.scan().try_collect().await.expect("a scan");
        assert_eq!(
            listed.len(),
            1,
            "{what} is listed, so that a scrub meets it"
        );
        store.set_aside(&digest).await.expect("a move");
        assert!(store.open(&digest).await.expect("an answer").is_none());
        replace();
        put(&store, &data).await;
        expect_intact(&store, &digest, &data).await;
        store.delete(&digest).await.expect("a deletion");
        replace();
        store
            .delete(&digest)
            .await
            .expect("a deletion of what is there instead");
        assert!(store.open(&digest).await.expect("an answer").is_none());
    }
    assert!(
        elsewhere.exists(),
        "what a link points to is not ours to remove"
    );
}

/// INV-7, the store's part: a body cut anywhere is dropped by its caller and leaves nothing.
#[tokio::test]
async fn inv_07_a_stage_given_up_at_any_point_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.open();
    let data = Bytes::from(sample(3 * CHUNK, 9));
    let expected = Digest::of(&data);
    for cut in (0..data.len()).step_by(10_007) {
        let mut stage = store.stage(data.len() as u64).await.expect("a stage");
        for piece in data[..cut].chunks(50_000) {
            stage
                .write(Bytes::copy_from_slice(piece))
                .await
                .expect("a write");
        }
        assert_ne!(stage.digest(), expected);
        drop(stage);
    }
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all, []);
    // The files go on another thread; the runtime waits for it when it ends.
}

#[test]
fn inv_07_given_up_files_are_gone_when_the_runtime_is() {
    let folder = Folder::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = folder.open();
    runtime.block_on(async {
        for pieces in 1..10 {
            let mut stage = store.stage(u64::MAX).await.expect("a stage");
            for _ in 0..pieces {
                stage
                    .write(sample(100_000, pieces).into())
                    .await
                    .expect("a write");
            }
        }
    });
    drop(runtime);
    assert_eq!(folder.staged(), 0);
}

/// S-18.
#[tokio::test]
async fn left_over_staged_files_are_removed_at_opening_and_never_served() {
    let folder = Folder::new();
    drop(folder.open());
    for number in 0..1000 {
        fs::write(folder.path(&format!("staging/{number:016x}")), "left over").expect("a write");
    }
    fs::create_dir(folder.path("staging/odd")).expect("a folder");
    let store = folder.open();
    assert_eq!(folder.staged(), 0);
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all, []);
}

/// S-14, S-15.
#[tokio::test]
async fn a_second_opener_and_an_unknown_version_are_refused() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = put(&store, b"data").await;
    let error = FilesystemBlobs::open(folder.path("")).expect_err("in use");
    assert_eq!(error.kind, StorageErrorKind::Unavailable);
    drop(store);
    for text in ["cordon-blobs 2\n", "", "\u{1b}[31mred"] {
        fs::write(folder.path("VERSION"), text).expect("a write");
        fs::write(folder.path("staging/kept"), "x").expect("a write");
        let error = FilesystemBlobs::open(folder.path("")).expect_err("an unknown version");
        assert_eq!(error.kind, StorageErrorKind::Format);
        let cause = error.source.expect("a cause").to_string();
        assert!(cause.chars().all(|shown| !shown.is_control()), "{cause:?}");
        assert_eq!(folder.staged(), 1, "nothing is touched");
    }
    fs::remove_file(folder.path("VERSION")).expect("a removal");
    let error = FilesystemBlobs::open(folder.path("")).expect_err("no version beside blobs");
    assert_eq!(error.kind, StorageErrorKind::Format);
    fs::write(folder.path("VERSION"), "cordon-blobs 1\n").expect("a write");
    expect_intact(&folder.open(), &digest, b"data").await;
}

/// S-16.
#[tokio::test]
async fn a_folder_of_blobs_removed_under_it_is_a_miss_and_can_be_filled_again() {
    let folder = Folder::new();
    let store = folder.open();
    let data = sample(CHUNK + 1, 1);
    let digest = put(&store, &data).await;
    fs::remove_dir_all(folder.path("blobs")).expect("a removal");
    assert!(store.open(&digest).await.expect("an answer").is_none());
    assert_eq!(store.stat(&digest).await.expect("an answer"), None);
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all, []);
    store.delete(&digest).await.expect("nothing to delete");
    put(&store, &data).await;
    expect_intact(&store, &digest, &data).await;
}

#[tokio::test]
async fn names_that_are_not_ours_are_no_blobs() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = put(&store, b"data").await;
    let shard = folder.live(&digest);
    let shard = shard.parent().expect("a shard");
    let other = Digest::of(b"in the wrong folder").hex();
    for name in [
        "README",
        &digest.hex()[..63],
        &digest.hex().to_uppercase(),
        &other,
    ] {
        fs::write(shard.join(name), "data").expect("a write");
    }
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn aside_is_bounded() {
    let folder = Folder::new();
    let store = folder.open();
    for seed in 0..ASIDE_FILES as u64 + 10 {
        let digest = put(&store, &sample(20, seed)).await;
        store.set_aside(&digest).await.expect("a move");
        assert!(store.open(&digest).await.expect("an answer").is_none());
    }
    let kept = fs::read_dir(folder.path("aside"))
        .expect("a listing")
        .count();
    assert_eq!(kept, ASIDE_FILES);
}

#[tokio::test]
async fn a_stage_that_failed_takes_nothing_more() {
    let folder = Folder::new();
    let store = folder.open();
    let mut stage = store.stage(10).await.expect("a stage");
    assert!(
        stage
            .write(Bytes::from_static(b"more than ten"))
            .await
            .is_err()
    );
    assert!(stage.write(Bytes::from_static(b"x")).await.is_err());
    assert!(stage.commit().await.is_err());
    let all: Vec<_> = store.scan().try_collect().await.expect("a scan");
    assert_eq!(all, []);
}

#[cfg(unix)]
#[tokio::test]
async fn files_belong_to_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let store = folder.open();
    let digest = put(&store, b"data").await;
    for path in [folder.path("seal.key"), folder.live(&digest)] {
        let mode = fs::metadata(path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

/// INV-10: live names are given in one place.
#[test]
fn inv_10_only_publish_gives_a_live_name() {
    let source = [
        include_str!("mod.rs"),
        include_str!("open.rs"),
        include_str!("read.rs"),
        include_str!("stage.rs"),
    ]
    .concat();
    let renames: Vec<_> = source
        .lines()
        .filter(|line| line.contains("rename"))
        .collect();
    let to_live = renames
        .iter()
        .filter(|line| line.contains("&live, &shard"))
        .count();
    assert_eq!(to_live, 1, "{renames:#?}");
    let from_live = renames
        .iter()
        .filter(|line| line.contains("(&live, &aside"))
        .count();
    assert_eq!(from_live, 2, "{renames:#?}");
    assert!(!source.contains("fs::rename"));
}

/// A herd on one blob reads and holds each chunk once.
#[tokio::test]
async fn readers_of_one_blob_share_the_chunks_they_hold() {
    let folder = Folder::new();
    let store = folder.open();
    let digest = put(&store, &sample(2 * CHUNK, 2)).await;
    let reader = store
        .open(&digest)
        .await
        .expect("an answer")
        .expect("the blob");
    let chunk = CHUNK as u64;
    assert_eq!(reader.at_hand(chunk, CHUNK), None);
    let first = reader.read_at(chunk, CHUNK).expect("a read");
    let second = reader.read_at(chunk, CHUNK).expect("a read");
    assert_eq!(first.as_ptr(), second.as_ptr());
    let part = reader.at_hand(chunk + 5, 7).expect("it is held");
    assert_eq!(
        (&part[..], part.as_ptr()),
        (&first[5..12], first[5..].as_ptr())
    );
    drop((first, second, part));
    assert_eq!(reader.at_hand(chunk, CHUNK), None);
}

#[tokio::test]
async fn readers_of_one_blob_do_not_disturb_each_other() {
    let folder = Folder::new();
    let store = folder.open();
    let data = Arc::new(sample(2 * CHUNK + 5, 1));
    let digest = put(&store, &data).await;
    let reader = store
        .open(&digest)
        .await
        .expect("an answer")
        .expect("the blob");
    let tasks = (1..5).map(|step| {
        let (reader, data) = (Arc::clone(&reader), Arc::clone(&data));
        tokio::task::spawn_blocking(move || {
            assert_eq!(read_all(&reader, step * 30_011), *data);
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.expect("no panic");
    }
}
