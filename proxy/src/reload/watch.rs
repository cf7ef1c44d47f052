//! Noticing that files were changed, without being asked.
//!
//! Files are looked at every second rather than watched through the operating system: events do not
//! come from network file systems, nor reliably where a whole folder is exchanged by a link (as
//! Kubernetes does with mounted configuration) or an editor puts a new file in place, so looking
//! would be needed besides. A look costs one `stat` a file; contents are read when that shows a
//! change, or is too fresh to show a second one.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::Metadata;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long after a change another one may leave size and times as they are: file systems keep
/// times in steps of up to two seconds.
const TOO_FRESH: Duration = Duration::from_secs(3);

/// Tells a finished edit from one under way: a file caught between truncation and its last byte may
/// well be a valid, shorter policy.
#[derive(Debug)]
pub(super) struct Watch {
    /// What the last reload read.
    pub(super) acted_on: u64,
    /// What the last look saw.
    last: u64,
}

impl Watch {
    pub(super) fn new(read: u64) -> Self {
        Self {
            acted_on: read,
            last: read,
        }
    }

    /// Whether what is seen now is new, and was seen at the look before as well.
    pub(super) fn look(&mut self, now: u64) -> bool {
        let is_settled = now == self.last;
        self.last = now;
        is_settled && now != self.acted_on
    }
}

/// The contents of files as a number, remembered as long as nothing shows a change.
#[derive(Debug, Default)]
pub(super) struct Contents {
    known: HashMap<PathBuf, (Outside, Option<u64>)>,
}

/// What tells from outside that a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside {
    size: u64,
    modified: Option<SystemTime>,
    identity: [i64; 4],
}

impl Outside {
    fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            identity: identity(metadata),
        }
    }

    /// Whether a change could have left it as it is.
    fn is_fresh(&self) -> bool {
        let age = self.modified.map(|at| at.elapsed());
        // Times in the future tell nothing.
        !matches!(age, Some(Ok(age)) if age > TOO_FRESH)
    }
}

/// Device, number and change time: a file put in place of another differs in these whatever its
/// size and its modification time, which programs may set.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> [i64; 4] {
    use std::os::unix::fs::MetadataExt as _;
    [
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    ]
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> [i64; 4] {
    [0; 4]
}

impl Contents {
    /// A number for what these files hold now. Blocks.
    pub(super) fn stamp(&mut self, files: &[PathBuf]) -> u64 {
        self.known.retain(|known, _| files.contains(known));
        let hashes: Vec<Option<u64>> = files.iter().map(|file| self.hash(file)).collect();
        stamp(hashes)
    }

    fn hash(&mut self, file: &Path) -> Option<u64> {
        let Ok(metadata) = std::fs::metadata(file) else {
            self.known.remove(file);
            return None;
        };
        let outside = Outside::of(&metadata);
        if let Some((known, hash)) = self.known.get(file)
            && *known == outside
            && !outside.is_fresh()
        {
            return *hash;
        }
        let hash = std::fs::read(file).ok().map(|content| hash(&content));
        self.known.insert(file.to_owned(), (outside, hash));
        hash
    }
}

/// The number of files whose contents are known.
pub(super) fn stamp_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    stamp(texts.into_iter().map(|text| Some(hash(text.as_bytes()))))
}

fn stamp(hashes: impl IntoIterator<Item = Option<u64>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for hash in hashes {
        hash.hash(&mut hasher);
    }
    hasher.finish()
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_06_a_half_written_file_is_not_acted_on() {
        let (before, half, whole) = (1, 2, 3);
        let mut watch = Watch::new(before);
        let looks = [before, half, whole, whole, whole, half, before, before];
        let acts = looks.map(|now| {
            let is_due = watch.look(now);
            if is_due {
                watch.acted_on = now;
            }
            is_due
        });
        let expected = [false, false, false, true, false, false, false, true];
        assert_eq!(acts, expected);
    }

    #[test]
    fn an_edit_taken_back_needs_no_reload() {
        let mut watch = Watch::new(1);
        assert_eq!([2, 1, 1].map(|now| watch.look(now)), [false; 3]);
    }

    #[test]
    fn edits_are_seen_that_leave_size_and_times_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("policy.toml");
        let files = [file.clone()];
        let mut contents = Contents::default();
        assert_eq!(contents.stamp(&files), stamp([None]));
        let long_ago = SystemTime::now() - Duration::from_secs(3_600);
        let write = |text: &str| {
            let made = folder.path().join("new");
            std::fs::write(&made, text).expect("writable");
            let times = std::fs::FileTimes::new().set_modified(long_ago);
            let opened = std::fs::File::options().append(true).open(&made);
            opened
                .and_then(|it| it.set_times(times))
                .expect("times can be set");
            std::fs::rename(&made, &file).expect("can be put in place");
        };
        write("one");
        assert_eq!(contents.stamp(&files), stamp_of_texts(["one"]));
        assert_eq!(contents.stamp(&files), stamp_of_texts(["one"]));
        write("two");
        assert_eq!(contents.stamp(&files), stamp_of_texts(["two"]));
        std::fs::write(&file, "six").expect("writable");
        std::fs::write(&file, "ten").expect("writable");
        assert_eq!(contents.stamp(&files), stamp_of_texts(["ten"]));
        std::fs::remove_file(&file).expect("removable");
        assert_eq!(contents.stamp(&files), stamp([None]));
    }
}
