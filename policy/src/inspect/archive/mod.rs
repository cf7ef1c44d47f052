//! Strict reading: one pass, bounded, and whatever two readers could take differently is a fault.
//!
//! Layers hand bytes on as streams: the file, its compression, the tar, one file of it, and so on
//! into archives inside. Libraries only decompress; the records of gzip, tar and ZIP are read here,
//! because a library that is lenient, or stops early, cannot tell what others would see.

mod autoexec;
mod collide;
mod compression;
mod gzip;
mod names;
mod nested;
mod root;
mod show;
mod stream;
mod tar;
mod walk;
mod zip;

use std::io;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use compression::Bunzip2;
use gzip::Gunzip;
use stream::{Budget, Source, Stop};
use walk::Walk;

use super::fault::{FaultCode, Faults};
use super::limits::Limits;
use super::run::Input;
use super::sheet::Mark;
use crate::model::ArtifactId;

/// The forms of archive registries serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// npm's `.tgz`: a gzipped tar with one folder, mostly `package`.
    NpmPackage,
    /// cargo's `.crate`: a gzipped tar with the folder `name-version`.
    Crate,
    /// A wheel: a ZIP.
    Wheel,
    /// A source distribution that is a compressed tar.
    SdistTar(Compression),
    /// A source distribution that is a ZIP.
    SdistZip,
    /// Anything else (`.egg`, `.exe`, `.rpm`, …), by its extension.
    Other,
}

/// How a tar is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// zstd.
    Zstd,
}

impl Compression {
    /// Its name, as people know it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }
}

impl Format {
    /// What a registry's file must be, by its ecosystem and name.
    pub fn of(artifact: &ArtifactId) -> Self {
        let file = artifact.file.as_str().to_ascii_lowercase();
        match artifact.subject.name.ecosystem().as_str() {
            "npm" => Self::NpmPackage,
            "cargo" => Self::Crate,
            "pypi" => Self::of_python(&file),
            _ => Self::Other,
        }
    }

    fn of_python(file: &str) -> Self {
        const ENDS: [(&str, Format); 9] = [
            (".whl", Format::Wheel),
            (".zip", Format::SdistZip),
            (".tar.gz", Format::SdistTar(Compression::Gzip)),
            (".tgz", Format::SdistTar(Compression::Gzip)),
            (".tar.bz2", Format::SdistTar(Compression::Bzip2)),
            (".tbz", Format::SdistTar(Compression::Bzip2)),
            (".tar.xz", Format::SdistTar(Compression::Xz)),
            (".txz", Format::SdistTar(Compression::Xz)),
            (".tar.zst", Format::SdistTar(Compression::Zstd)),
        ];
        let known = ENDS.iter().find(|(end, _)| file.ends_with(end));
        known.map_or(Self::Other, |(_, format)| *format)
    }
}

/// A regular file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its path as stored, `/` between components; in tars without those that are a single dot. Never absolute, never with `..`: what has such a
    /// path is a fault and not given to the sink.
    pub path: &'a str,
    /// Its size.
    pub size_bytes: u64,
    /// Its permission bits; 0 where the format has none.
    pub mode: u32,
}

/// A file that was read to its end.
#[derive(Clone, Copy, Debug)]
pub struct Looked<'a> {
    /// The file.
    pub member: &'a Member<'a>,
    /// SHA-256 of all of it.
    pub sha256: [u8; 32],
    /// Its first bytes, at most as many as were wanted.
    pub bytes: &'a [u8],
}

impl Looked<'_> {
    /// Whether `bytes` is all of it.
    pub fn is_whole(&self) -> bool {
        self.bytes.len() as u64 == self.member.size_bytes
    }
}

/// Who looks at the files of an archive while it is read.
pub trait Sink {
    /// How many of the file's first bytes it wants to see. Asked before the file is read.
    fn wants(&mut self, member: &Member<'_>) -> u64;

    /// A file, read to its end.
    fn file(&mut self, looked: Looked<'_>);
}

/// What reading the archive itself showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Regular files.
    pub files: u64,
    /// Their bytes together.
    pub unpacked_bytes: u64,
    /// What is wrong.
    pub faults: Faults,
    /// What is allowed and worth telling.
    pub marks: Vec<Mark>,
    /// The one folder everything is in, for formats that have one.
    pub root: Option<SmolStr>,
}

/// Reads an archive from front to back and shows its files to the sink. What is wrong with the
/// archive is in the answer.
///
/// # Errors
/// Only if the input itself cannot be read.
pub fn read(
    artifact: &ArtifactId,
    input: &mut dyn Input,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> io::Result<Reading> {
    let format = Format::of(artifact);
    let mut source = Source::new(input)?;
    let budget = Budget::new(limits, source.len());
    let mut walk = Walk::new(artifact, format, &budget, sink);
    let stopped = match format {
        Format::NpmPackage | Format::Crate => tar(&mut source, Compression::Gzip, &mut walk),
        Format::SdistTar(compression) => sdist(&mut source, compression, &mut walk),
        Format::Wheel | Format::SdistZip => zip::read(&mut source, &mut walk),
        Format::Other => Err(Stop::whole(
            FaultCode::Uninspectable,
            "archives of this form are not looked into",
        )),
    };
    walk.finish(stopped)
}

/// pip takes a file for a ZIP that ends like one, whatever its name says.
fn sdist(
    source: &mut Source<'_>,
    compression: Compression,
    walk: &mut Walk<'_>,
) -> Result<(), Stop> {
    if zip::last_end(source)? {
        walk.fault(FaultCode::Type, "", "it is also a ZIP");
    }
    tar(source, compression, walk)
}

fn tar(source: &mut Source<'_>, compression: Compression, walk: &mut Walk<'_>) -> Result<(), Stop> {
    let head = source.read_at(0, 6)?;
    source.seek(0)?;
    if nested::compression_of(&head) != Some(compression) {
        let detail = format!("it does not begin like {}", compression.name());
        return Err(Stop::whole(FaultCode::Type, &detail));
    }
    let budget = walk.budget();
    match compression {
        Compression::Gzip => tar::read(&mut Gunzip::new(source, budget)?, walk),
        Compression::Bzip2 => tar::read(&mut Bunzip2::new(source, budget), walk),
        Compression::Xz => tar::read(&mut compression::unxz(source, budget), walk),
        Compression::Zstd => tar::read(&mut compression::unzstd(source, budget)?, walk),
    }
}
