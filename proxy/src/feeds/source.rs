//! Taking a feed in: from a file or folder of this machine into a part of the data folder.
//!
//! Nothing is believed about it yet. Only regular files are read, links are not followed (D-24),
//! and no more than the configuration allows (D-18).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cordon_policy::advisory::MAX_RECORD_BYTES;
use cordon_policy::model::Digest;
use cordon_storage::generations::{PartWriter, Writing};

use super::manifest::{Content, Form};
use super::refused::Refused;
use crate::config::FeedsConfig;

/// How much more a dump may hold unfolded than it has bytes as it is sent.
pub(super) const UNFOLDED: u64 = 10;

/// Deepest folder below the one named.
const MAX_DEPTH: usize = 16;

/// What was taken in.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) part: Digest,
    pub(super) size_bytes: u64,
    pub(super) form: Form,
}

/// Takes a file in.
pub(super) fn take_file(
    writing: &Writing,
    path: &Path,
    content: Content,
    bounds: &FeedsConfig,
) -> Result<Taken, Refused> {
    let (mut file, size) = open(path)?;
    if size > bounds.dump_bytes {
        return Err(too_many_bytes(bounds));
    }
    let mut part = writing.part()?;
    let mut buffer = vec![0; 256 * 1024];
    let mut start = [0; 4];
    loop {
        let length = file.read(&mut buffer).map_err(|e| unreadable(path, e))?;
        let bytes = buffer.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        if part.size_bytes() == 0 {
            for (to, from) in start.iter_mut().zip(bytes) {
                *to = *from;
            }
        }
        if part.size_bytes() + length as u64 > bounds.dump_bytes {
            return Err(too_many_bytes(bounds));
        }
        part.write(bytes)?;
    }
    let form = match form_of(&start, content) {
        Some(form) => form,
        // One record by itself.
        None => return take_record(writing, path, bounds),
    };
    finish(part, form)
}

/// In which form a feed that begins like this is; `None` for a single record.
pub(super) fn form_of(start: &[u8; 4], content: Content) -> Option<Form> {
    match (content, start) {
        (Content::Osv, [b'P', b'K', ..]) => Some(Form::Zip),
        (Content::Osv, [b'{', ..]) => None,
        // Whatever it is: reading it as a zip will say why it is none.
        (Content::Osv, _) => Some(Form::Zip),
        (_, [0x1f, 0x8b, ..]) => Some(Form::Gzip),
        _ => Some(Form::Text),
    }
}

fn take_record(writing: &Writing, path: &Path, bounds: &FeedsConfig) -> Result<Taken, Refused> {
    let mut folder = Folder::new(writing.part()?, bounds);
    folder.record(path)?;
    finish(folder.part, Form::Lines)
}

/// Takes the records of a folder and of those below it in, in the order of their paths.
pub(super) fn take_folder(
    writing: &Writing,
    path: &Path,
    bounds: &FeedsConfig,
) -> Result<Taken, Refused> {
    let found = fs::symlink_metadata(path).map_err(|error| unreadable(path, error))?;
    if !found.is_dir() {
        return Err(Refused::Irregular {
            path: path.to_owned(),
            wanted: "folder",
        });
    }
    let mut folder = Folder::new(writing.part()?, bounds);
    folder.all(path, 0)?;
    finish(folder.part, Form::Lines)
}

fn finish(part: PartWriter, form: Form) -> Result<Taken, Refused> {
    let size_bytes = part.size_bytes();
    let part = part.finish()?;
    Ok(Taken {
        part,
        size_bytes,
        form,
    })
}

struct Folder<'a> {
    part: PartWriter,
    bounds: &'a FeedsConfig,
    records: usize,
}

impl<'a> Folder<'a> {
    fn new(part: PartWriter, bounds: &'a FeedsConfig) -> Self {
        Self {
            part,
            bounds,
            records: 0,
        }
    }

    fn all(&mut self, path: &Path, depth: usize) -> Result<(), Refused> {
        if depth > MAX_DEPTH {
            return Err(Refused::TooLarge {
                what: "nested folders",
                limit: "advisories.folder",
                most: MAX_DEPTH as u64,
            });
        }
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| unreadable(path, error))? {
            let entry = entry.map_err(|error| unreadable(path, error))?;
            // Version control's own files hold no records.
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden {
                entries.push(entry.path());
            }
        }
        entries.sort();
        for path in entries {
            let found = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, error))?;
            if found.is_dir() {
                self.all(&path, depth + 1)?;
            } else if path.extension().is_some_and(|it| it == "json") {
                self.record(&path)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, path: &Path) -> Result<(), Refused> {
        let (file, _) = open(path)?;
        let mut json = Vec::new();
        // One byte more than a record may have: it is refused where records are read.
        let limit = MAX_RECORD_BYTES as u64 + 1;
        file.take(limit)
            .read_to_end(&mut json)
            .map_err(|error| unreadable(path, error))?;
        self.records += 1;
        if self.records > self.bounds.dump_records {
            return Err(too_many_records(self.bounds));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = cordon_policy::reason::ascii(&name, 160);
        // Between the tokens of JSON a line end means nothing, and within them there is none.
        for byte in &mut json {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        self.part.write(name.replace('\t', " ").as_bytes())?;
        self.part.write(b"\t")?;
        self.part.write(&json)?;
        self.part.write(b"\n")?;
        match self.part.size_bytes() > self.bounds.dump_bytes.saturating_mul(UNFOLDED) {
            true => Err(too_many_bytes(self.bounds)),
            false => Ok(()),
        }
    }
}

/// Opens a regular file, never following a link or waiting on a pipe.
fn open(path: &Path) -> Result<(File, u64), Refused> {
    let irregular = || Refused::Irregular {
        path: path.to_owned(),
        wanted: "file",
    };
    let found = fs::symlink_metadata(path).map_err(|error| unreadable(path, error))?;
    if !found.is_file() {
        return Err(irregular());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    // The path may have changed since it was looked at.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK,
    );
    let file = options.open(path).map_err(|e| unreadable(path, e))?;
    let found = file.metadata().map_err(|error| unreadable(path, error))?;
    match found.is_file() {
        true => Ok((file, found.len())),
        false => Err(irregular()),
    }
}

pub(super) fn too_many_bytes(bounds: &FeedsConfig) -> Refused {
    Refused::TooLarge {
        what: "bytes",
        limit: "dump_size",
        most: bounds.dump_bytes,
    }
}

pub(super) fn too_many_records(bounds: &FeedsConfig) -> Refused {
    Refused::TooLarge {
        what: "records",
        limit: "dump_records",
        most: bounds.dump_records as u64,
    }
}

fn unreadable(path: &Path, error: io::Error) -> Refused {
    Refused::Read {
        path: path.to_owned(),
        error,
    }
}
