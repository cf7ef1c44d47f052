//! F-05, F-06: what the writer does when a commit fails.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::super::schema::open_writer;
use super::super::state;
use super::*;
use crate::conformance::sample::notice;
use crate::evidence::encoding;

/// A writer on a thread of its own, without publisher.
struct Running {
    folder: tempfile::TempDir,
    requests: Option<mpsc::Sender<Request>>,
    room: Arc<Semaphore>,
    bell: Bell,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(prepare: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open_writer(&folder.path().join("evidence.db")).unwrap();
        let at = cordon_policy::model::Timestamp::from_millis(0);
        let opened = state::open(&mut connection, &[], at).unwrap();
        connection.execute_batch(prepare).unwrap();
        let bell = Bell::new(TreeHead {
            size: 0,
            root: opened.tree.root(),
        });
        let (requests, queue) = mpsc::channel(QUEUE_REQUESTS);
        let writer = Writer {
            connection,
            tree: opened.tree,
            epoch: opened.epoch,
            bell: bell.clone(),
            stopped: Stopped::default(),
        };
        let thread = std::thread::spawn(move || writer.run(queue));
        Self {
            folder,
            requests: Some(requests),
            room: Arc::new(Semaphore::new(QUEUE_KIB)),
            bell,
            thread: Some(thread),
        }
    }

    async fn ask(&self, work: Work) -> Result<EntryIndex, StorageError> {
        let room = Arc::clone(&self.room).acquire_owned().await.unwrap();
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().unwrap();
        requests
            .send(Request {
                work,
                reply,
                _room: room,
            })
            .await
            .unwrap();
        answer.await.unwrap()
    }

    async fn append(&self, n: u64) -> Result<EntryIndex, StorageError> {
        self.ask(Work::Append(vec![encoding::encode(notice(n)).unwrap()]))
            .await
    }

    fn other(&self) -> Connection {
        Connection::open(self.folder.path().join("evidence.db")).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.requests = None;
        self.thread.take().unwrap().join().unwrap();
    }
}

#[tokio::test]
async fn f_05_full_disk_refuses_an_append_and_takes_the_next_that_fits() {
    let writer = Running::start("PRAGMA max_page_count = 200");
    let before = writer.append(0).await.unwrap();
    let large = Bytes::from(vec![7; 4 << 20]);
    let refused = writer
        .ask(Work::Text(Digest::of(&large), large))
        .await
        .unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Full);
    assert_eq!(
        writer.append(1).await.unwrap(),
        before + 1,
        "no index is skipped"
    );
    assert_eq!(writer.bell.sizes().0, 2);
}

#[tokio::test]
async fn f_06_failed_commit_is_not_acknowledged_and_nothing_is_written_after_it() {
    let writer = Running::start("");
    writer.append(0).await.unwrap();
    let other = writer.other();
    other
        .execute_batch("ALTER TABLE entries RENAME TO away")
        .unwrap();
    assert_eq!(
        writer.append(1).await.unwrap_err().kind,
        StorageErrorKind::Io
    );
    other
        .execute_batch("ALTER TABLE away RENAME TO entries")
        .unwrap();
    // The cause is gone; whether the disk can be trusted is for an opening to find out.
    let refused = writer.append(2).await.unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Unavailable);
    assert_eq!(writer.bell.sizes().0, 1);
    let kept: u64 = other
        .query_row("SELECT count(*) FROM entries", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn queued_appends_get_indexes_without_a_hole() {
    let writer = Running::start("");
    let all = (0..200).map(|n| writer.append(n));
    let mut indexes = futures_util::future::try_join_all(all).await.unwrap();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<_>>());
}

#[test]
fn database_is_opened_with_the_settings_durability_rests_on() {
    let folder = tempfile::tempdir().unwrap();
    let connection = open_writer(&folder.path().join("evidence.db")).unwrap();
    let text = |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0));
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    assert_eq!(text("journal_mode").unwrap(), "wal");
    assert_eq!(number("synchronous").unwrap(), 2, "FULL");
}

#[tokio::test]
async fn a_lock_of_another_program_is_waited_out_and_not_remembered() {
    let writer = Running::start("PRAGMA busy_timeout = 20");
    let other = writer.other();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = writer.append(0).await.unwrap_err();
    assert_eq!(refused.kind, StorageErrorKind::Unavailable);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(writer.append(1).await.unwrap(), 0);
}
