//! What the readers of archives see that cargo and other installers written in Rust are made of: the
//! `tar` and the `zip` crate. For comparisons, see `tests/tools/archive_differential.py`.
//!
//! Reads paths from standard input, one a line, and answers each with one line of JSON: an object of
//! paths and the SHA-256 of their content, or null when the archive is refused.
#![expect(
    clippy::disallowed_types,
    reason = "a program of its own, which reads files"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, Read, Write as _};

use sha2::{Digest as _, Sha256};

type Seen = BTreeMap<String, String>;
type Failure = Box<dyn std::error::Error>;

fn digest(mut content: impl Read) -> io::Result<String> {
    let mut all = Vec::new();
    content.read_to_end(&mut all)?;
    let digest = Sha256::digest(&all);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn tar(path: &str) -> Result<Seen, Failure> {
    let gzip = flate2::read::GzDecoder::new(File::open(path)?);
    let mut seen = Seen::new();
    for entry in tar::Archive::new(gzip).entries()? {
        let entry = entry?;
        // What unpacking makes files of.
        let kind = entry.header().entry_type();
        let is_file = !(kind.is_dir()
            || kind.is_symlink()
            || kind.is_hard_link()
            || kind.is_pax_global_extensions()
            || kind.is_pax_local_extensions()
            || kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || entry.header().as_ustar().is_none() && entry.path_bytes().ends_with(b"/"));
        if is_file {
            let name = entry.path()?.to_string_lossy().into_owned();
            seen.insert(name, digest(entry)?);
        }
    }
    Ok(seen)
}

fn zip(path: &str) -> Result<Seen, Failure> {
    let mut archive = zip::ZipArchive::new(File::open(path)?)?;
    let mut seen = Seen::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        if entry.is_file() {
            let name = entry.name()?.into_owned();
            seen.insert(name, digest(entry)?);
        }
    }
    Ok(seen)
}

fn main() -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for path in io::stdin().lock().lines() {
        let path = path?;
        let is_zip = path.ends_with(".whl") || path.ends_with(".zip");
        let seen = match is_zip {
            true => zip(&path),
            false => tar(&path),
        };
        serde_json::to_writer(&mut out, &seen.ok())?;
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}
