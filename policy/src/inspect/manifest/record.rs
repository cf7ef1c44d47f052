//! A wheel's RECORD against its files (reliability.md ).
//!
//! Every file but RECORD and its signatures must be listed with a SHA-256, and everything listed
//! must be there. Installers mostly do not check; what they install is then not what was recorded.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};

use super::csv;
use crate::inspect::fault::{Fault, FaultCode, Faults};

/// Files remembered, at most: as many entries as an archive may have.
const MAX_FILES: usize = 200_000;

/// Bytes of paths remembered for telling which file is meant; of the others only a digest is.
const PATH_BYTES: usize = 4 << 20;

/// The files of a wheel.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: Vec<File>,
    path_bytes: usize,
    /// Whether there were more than are remembered.
    is_cut: bool,
}

#[derive(Debug)]
struct File {
    /// First half of the SHA-256 of the path.
    key: [u8; 16],
    sha256: [u8; 32],
    size_bytes: u64,
    path: Option<Box<str>>,
    is_listed: bool,
}

impl Files {
    /// Remembers a file.
    pub(super) fn add(&mut self, path: &str, sha256: [u8; 32], size_bytes: u64) {
        if self.files.len() >= MAX_FILES {
            self.is_cut = true;
            return;
        }
        let is_kept = self.path_bytes + path.len() <= PATH_BYTES;
        if is_kept {
            self.path_bytes += path.len();
        }
        self.files.push(File {
            key: key(path),
            sha256,
            size_bytes,
            path: is_kept.then(|| path.into()),
            is_listed: false,
        });
    }

    /// Compares the RECORD of the folder `dist_info` with the files; what differs becomes a fault.
    pub(super) fn check(mut self, dist_info: &str, record: &[u8], faults: &mut Faults) {
        let place = format!("{dist_info}/RECORD");
        let mut tell = |place: &str, detail: &str| {
            faults.push(Fault::new(FaultCode::Record, place, detail));
        };
        let Ok(text) = std::str::from_utf8(record) else {
            return tell(&place, "it is not UTF-8");
        };
        if self.is_cut {
            tell("", "there are too many files to compare with it");
        }
        self.files.sort_by_key(|file| file.key);
        for (number, line) in text.split('\n').enumerate() {
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            match csv::row(line) {
                Err(why) => tell(&place, &format!("line {}: {why}", number + 1)),
                Ok([path, digest, size]) => {
                    let file = self.find(&path);
                    if let Err(why) = compare(file, is_exempt(&path, dist_info), &digest, &size) {
                        tell(&path, &why);
                    }
                }
            }
        }
        for file in self.files.iter().filter(|file| !file.is_listed) {
            let path = file.path.as_deref().unwrap_or_default();
            if !is_exempt(path, dist_info) {
                tell(path, "RECORD does not list it");
            }
        }
    }

    fn find(&mut self, path: &str) -> Option<&mut File> {
        let key = key(path);
        let at = self
            .files
            .binary_search_by(|file| file.key.cmp(&key))
            .ok()?;
        self.files.get_mut(at)
    }
}

/// RECORD and its signatures, which cannot hold a digest of themselves.
fn is_exempt(path: &str, dist_info: &str) -> bool {
    let rest = path
        .strip_prefix(dist_info)
        .and_then(|it| it.strip_prefix('/'));
    matches!(rest, Some("RECORD" | "RECORD.jws" | "RECORD.p7s"))
}

fn compare(
    file: Option<&mut File>,
    is_exempt: bool,
    digest: &str,
    size: &str,
) -> Result<(), String> {
    let Some(file) = file else {
        // Signatures were listed by tools that then did not sign.
        return match is_exempt {
            true => Ok(()),
            false => Err("RECORD lists it and it is not there".to_owned()),
        };
    };
    file.is_listed = true;
    if digest.is_empty() {
        return match is_exempt {
            true => Ok(()),
            false => Err("RECORD gives no digest for it".to_owned()),
        };
    }
    let (algorithm, value) = digest.split_once('=').unwrap_or((digest, ""));
    match algorithm {
        "sha256" => {}
        "md5" | "sha1" | "sha224" => {
            return Err(format!(
                "RECORD gives only a weak digest for it ({algorithm})"
            ));
        }
        _ => {
            return Err("RECORD gives a digest for it that is no SHA-256".to_owned());
        }
    }
    let value = BASE64URL_NOPAD.decode(value.trim_end_matches('=').as_bytes());
    if value.ok().as_deref() != Some(&file.sha256[..]) {
        return Err("its SHA-256 is not the one in RECORD".to_owned());
    }
    if !size.is_empty() && size.parse() != Ok(file.size_bytes) {
        let found = file.size_bytes;
        return Err(format!("it has {found} bytes and RECORD says `{size}`"));
    }
    Ok(())
}

fn key(path: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(path.as_bytes()).into();
    let mut key = [0; 16];
    for (into, from) in key.iter_mut().zip(digest) {
        *into = from;
    }
    key
}
