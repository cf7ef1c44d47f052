//! The few file operations the filesystem store is made of.
//!
//! They stand behind a trait for one reason: a test can put a disk underneath that forgets what was
//! not fsynced (`simulated`), and so show that nothing acknowledged depends on luck.

mod format;
mod real;
#[cfg(test)]
pub(crate) mod simulated;

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) use format::settle_version;
pub(crate) use real::RealDisk;

/// A place with files and folders. All calls block.
pub(crate) trait Disk: Debug + Send + Sync + 'static {
    /// Creates one folder. An existing one is an error of kind `AlreadyExists`.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: files created, renamed and removed in it.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Creates a file for writing that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading. Never follows a symbolic link, never waits on a pipe.
    fn open(&self, path: &Path) -> io::Result<Opened>;

    /// What is at `path`, without following a link.
    fn look(&self, path: &Path) -> io::Result<Option<Entry>>;

    /// Whether there is something at `path`, following links.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The names in a folder, in no order; one that is not UTF-8 is given with replacement
    /// characters, which no name of ours has.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Renames within the disk, replacing a file at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes whatever is at `path`. What is not there is an error of kind `NotFound`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Locks a file, created when missing, until the answer is dropped. `None`: another holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// Held while a store is open.
pub(crate) trait Lock: Debug + Send + Sync {}

/// What [`Disk::open`] found.
pub(crate) enum Opened {
    /// A regular file.
    File(Box<dyn DiskFile>),
    /// Nothing.
    Missing,
    /// A link, a folder, a pipe, a device: never opened.
    Irregular,
}

/// What [`Disk::look`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whether it is a regular file.
    pub(crate) is_file: bool,
    /// Its length in bytes.
    pub(crate) size_bytes: u64,
}

/// An open file.
pub(crate) trait DiskFile: Debug + Send + Sync {
    /// Appends all of `data`.
    fn write_all(&mut self, data: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Length in bytes.
    fn size_bytes(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The same file opened anew for reading, with a position of its own; `None` where that cannot
    /// be had.
    fn reopen(&self) -> io::Result<Option<File>>;
}

/// Reads a whole file of at most `limit_bytes`; a longer one is an error of kind `FileTooLarge`.
pub(crate) fn read_small(file: &dyn DiskFile, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let size = file.size_bytes()?;
    if size > limit_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let size = usize::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut data = vec![0; size];
    let length = file.read_at(&mut data, 0)?;
    data.truncate(length);
    Ok(data)
}

/// Creates a folder and those above it, each durable in the one that holds it, also when an
/// earlier process made it and was killed before it could see to that.
pub(crate) fn create_folders(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let holder = match path.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => {
            create_folders(disk, above)?;
            above
        }
        None => return Ok(()),
    };
    let is_new = match disk.create_folder(path) {
        Ok(()) => true,
        // There, or in a place where we may not write: whatever needs it to be a folder will tell.
        Err(_) if disk.exists(path)? => false,
        Err(error) => return Err(error),
    };
    match disk.sync_folder(holder) {
        // Folders high up are often not ours to read, and then not ours to have made.
        Err(_) if !is_new => Ok(()),
        other => other,
    }
}

/// Puts a small file in place at once or not at all: written beside it under `staged`, fsynced,
/// renamed, and the folder fsynced.
pub(crate) fn replace_file(
    disk: &dyn Disk,
    staged: &Path,
    path: &Path,
    data: &[u8],
) -> io::Result<()> {
    match disk.remove(staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = disk.create(staged)?;
    file.write_all(data)?;
    file.sync()?;
    drop(file);
    disk.rename(staged, path)?;
    match path.parent() {
        Some(folder) => disk.sync_folder(folder),
        None => Ok(()),
    }
}
