//! Taking records from where a feed lies on disk: a dump, a folder of records, or one record.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use cordon_policy::advisory::{IndexBuilder, MAX_RECORD_BYTES, RecordError};

use super::dump::{DumpError, MAX_DUMP_BYTES, MAX_DUMP_ENTRIES, read_dump};

/// Most refused records told of by name; all are counted.
const MAX_REFUSED_TOLD: usize = 8;

/// Deepest nesting of a folder of records; public ones have four levels.
const MAX_DEPTH: usize = 16;

/// What was taken from a place.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Records read, refused ones included.
    pub records: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Records that were refused.
    pub refused: u64,
    /// Why, of the first few.
    pub refusals: Vec<RecordError>,
}

/// Why nothing can be taken from a place.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// The dump was refused.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// Neither a regular file nor a folder: a symbolic link, a pipe, a device.
    #[error("`{}` is neither a regular file nor a folder; name the file itself", .0.display())]
    Kind(PathBuf),
    /// The folder holds more than a dump may.
    #[error("the folder `{}` holds more than is read of one feed", .0.display())]
    TooMuch(PathBuf),
    /// The file system failed.
    #[error("reading `{}` failed", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

/// Adds every record of a dump (`.zip`), a folder or a single file to the builder. Records that are
/// refused are counted and told of; how many of them a feed may have is the caller's to say.
///
/// # Errors
/// The place cannot be read as a whole; what the builder then holds must not be used.
pub fn gather(builder: &mut IndexBuilder, path: &Path) -> Result<Gathered, GatherError> {
    let mut gathered = Gathered::default();
    let kind = look_at(path)?;
    if kind.is_dir() {
        folder(builder, path, 0, &mut gathered)?;
    } else if !kind.is_file() {
        return Err(GatherError::Kind(path.to_owned()));
    } else if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        record(builder, path, &mut gathered)?;
    } else {
        let file = File::open(path).map_err(|source| failed(path, source))?;
        read_dump(file, |name, json| {
            gathered.add(builder, name, json);
            Ok::<(), DumpError>(())
        })?;
    }
    Ok(gathered)
}

impl Gathered {
    fn add(&mut self, builder: &mut IndexBuilder, name: &str, json: &[u8]) {
        self.records += 1;
        self.bytes += json.len() as u64;
        if let Err(error) = builder.add(name, json) {
            self.refused += 1;
            if self.refusals.len() < MAX_REFUSED_TOLD {
                self.refusals.push(error);
            }
        }
    }
}

fn look_at(path: &Path) -> Result<fs::FileType, GatherError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| failed(path, source))?;
    Ok(metadata.file_type())
}

fn folder(
    builder: &mut IndexBuilder,
    path: &Path,
    depth: usize,
    gathered: &mut Gathered,
) -> Result<(), GatherError> {
    if depth > MAX_DEPTH {
        return Err(GatherError::TooMuch(path.to_owned()));
    }
    for entry in fs::read_dir(path).map_err(|source| failed(path, source))? {
        let entry = entry.map_err(|source| failed(path, source))?;
        let (path, kind) = (entry.path(), entry.file_type());
        let kind = kind.map_err(|source| failed(&path, source))?;
        // Version control's own files hold no records, and links may lead anywhere.
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !is_hidden {
            folder(builder, &path, depth + 1, gathered)?;
        } else if kind.is_file() && path.extension().is_some_and(|it| it == "json") {
            record(builder, &path, gathered)?;
        }
        if gathered.records > MAX_DUMP_ENTRIES || gathered.bytes > MAX_DUMP_BYTES {
            return Err(GatherError::TooMuch(path));
        }
    }
    Ok(())
}

fn record(
    builder: &mut IndexBuilder,
    path: &Path,
    gathered: &mut Gathered,
) -> Result<(), GatherError> {
    let file = File::open(path).map_err(|source| failed(path, source))?;
    let mut json = Vec::new();
    // One byte more than a record may have: the builder then refuses it.
    let limit = MAX_RECORD_BYTES as u64 + 1;
    let read = file.take(limit).read_to_end(&mut json);
    read.map_err(|source| failed(path, source))?;
    let name = path.file_name().unwrap_or_default();
    gathered.add(builder, &name.to_string_lossy(), &json);
    Ok(())
}

fn failed(path: &Path, source: std::io::Error) -> GatherError {
    GatherError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use cordon_policy::ecosystem::Npm;
    use cordon_policy::model::Scheme as _;
    use cordon_policy::model::{Timestamp, Version};
    use tempfile::TempDir;

    use super::*;

    const RECORD: &str = r#"{"id":"A-1","affected":[
        {"package":{"ecosystem":"npm","name":"left-pad"},"versions":["1.0.0"]}]}"#;

    fn ids(path: &Path) -> (Vec<String>, Gathered) {
        let mut builder = IndexBuilder::new(&Npm);
        let gathered = gather(&mut builder, path).unwrap();
        let (bytes, _) = builder.finish(Timestamp::from_millis(0)).unwrap();
        let index = cordon_policy::advisory::AdvisoryIndex::open(bytes).unwrap();
        let name = Npm.package("left-pad").unwrap();
        let matches = index.matches(&name, &Version::verbatim("1.0.0"));
        (
            matches.iter().map(|found| found.id.to_string()).collect(),
            gathered,
        )
    }

    #[test]
    fn a_folder_is_read_at_any_depth_without_hidden_ones() {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("malicious/npm/left-pad")).unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        fs::write(
            folder.path().join("malicious/npm/left-pad/A-1.json"),
            RECORD,
        )
        .unwrap();
        fs::write(
            folder.path().join(".git/A-2.json"),
            RECORD.replace("A-1", "A-2"),
        )
        .unwrap();
        fs::write(folder.path().join("notes.txt"), "no record").unwrap();
        fs::write(folder.path().join("bad.json"), "{").unwrap();
        let (found, gathered) = ids(folder.path());
        assert_eq!(found, ["A-1"]);
        assert_eq!((gathered.records, gathered.refused), (2, 1));
        assert!(gathered.refusals[0].to_string().contains("bad.json"));
    }

    #[test]
    fn a_single_record_is_a_feed() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("own.json");
        fs::write(&path, RECORD).unwrap();
        assert_eq!(ids(&path).0, ["A-1"]);
    }

    /// D-24.
    #[test]
    fn what_is_no_regular_file_is_refused() {
        let folder = TempDir::new().unwrap();
        let link = folder.path().join("all.zip");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        let socket = folder.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [&link, &socket, &PathBuf::from("/dev/null")] {
            let refused = gather(&mut IndexBuilder::new(&Npm), path);
            assert!(
                matches!(refused, Err(GatherError::Kind(_))),
                "{}",
                path.display()
            );
        }
    }
}
