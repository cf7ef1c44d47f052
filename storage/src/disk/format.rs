//! The `VERSION` file of a store's folder.

use std::io;
use std::path::Path;

use super::{Disk, Opened, read_small, replace_file};
use crate::{StorageError, StorageErrorKind};

/// Checks the folder's `VERSION` against `expected`, or writes it into a new folder, where it is
/// durable before anything else is made. `is_used` says whether the folder has contents of ours:
/// then a missing `VERSION` is an unknown one.
///
/// # Errors
/// `Format`, before anything was changed, when the folder is of another version.
pub(crate) fn settle_version(
    disk: &dyn Disk,
    store: &'static str,
    folder: &Path,
    expected: &[u8],
    is_used: bool,
) -> Result<(), StorageError> {
    const OPERATION: &str = "opening the folder";
    let path = folder.join("VERSION");
    let unknown = |found: &str| {
        StorageError::new(
            store,
            OPERATION,
            StorageErrorKind::Format,
            format!("{}: {found}; use the Cordon that wrote it", path.display()),
        )
    };
    let fail = |error: io::Error| {
        let named = io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        StorageError::io(store, OPERATION, named)
    };
    match disk.open(&path).map_err(fail)? {
        Opened::File(file) => {
            let found = match read_small(&*file, 64) {
                Err(error) if error.kind() != io::ErrorKind::FileTooLarge => {
                    return Err(fail(error));
                }
                other => other.unwrap_or_default(),
            };
            if found == expected {
                // Whoever wrote it may have been killed before its name was durable.
                return disk.sync_folder(folder).map_err(fail);
            }
            let shown = String::from_utf8_lossy(&found);
            Err(unknown(&format!(
                "unknown version `{}`",
                shown.trim().escape_debug()
            )))
        }
        Opened::Irregular => Err(unknown("not a regular file")),
        Opened::Missing if is_used => Err(unknown("missing beside existing data")),
        Opened::Missing => {
            replace_file(disk, &folder.join("VERSION.new"), &path, expected).map_err(fail)
        }
    }
}
