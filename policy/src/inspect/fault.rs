//! Why an archive is not to be trusted with an installer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with an archive. The names are stable: policies, records and pages use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultCode {
    /// The bytes are not the kind of archive the file name says.
    Type,
    /// The gzip layer: bad header or trailer, cut, bytes after its end.
    Gzip,
    /// Several gzip members: some readers stop after the first.
    GzipMulti,
    /// The compressed layer of another kind (bzip2, xz, zstd) is damaged or continues after its end.
    Compression,
    /// It inflates to more than it may for its size.
    Ratio,
    /// A tar header readers take differently, or damage.
    Tar,
    /// Entries after the end of the tar.
    TarTrailing,
    /// A PAX record that is malformed, global, or contradicts another name.
    Pax,
    /// A size in a PAX record that is not the header's.
    PaxSize,
    /// The ZIP's central directory is not where or what the end record says.
    ZipCd,
    /// Several end records, or one that is contradicted.
    ZipEocd,
    /// Bytes before the first entry, or between entries.
    ZipPrefix,
    /// Bytes after the end record.
    ZipTrailing,
    /// An entry is only in the directory or only among the local headers.
    ZipLfh,
    /// The directory and a local header say different things.
    ZipMismatch,
    /// A data descriptor that contradicts the directory or belongs to no such entry.
    ZipDd,
    /// ZIP64 records that contradict the rest.
    Zip64,
    /// A checksum is wrong.
    Crc,
    /// Two entries have one name.
    Dup,
    /// Two names that some file systems take for one.
    Collision,
    /// A name readers or file systems take differently.
    Name,
    /// A path that leads out of where the archive is unpacked.
    Path,
    /// A link.
    Link,
    /// An entry is encrypted.
    Encrypted,
    /// A compression method installers do not have.
    Method,
    /// Entries share their bytes.
    Overlap,
    /// More entries than may be.
    Entries,
    /// A limit of size, depth or length was passed.
    Limit,
    /// The archive's files are not below the one folder they must be in.
    Root,
    /// The manifest is missing, there are several, or readers take it differently.
    Manifest,
    /// A wheel's RECORD is missing or not true.
    Record,
    /// A wheel with no or with several `.dist-info` folders.
    Distinfo,
    /// The archive says it is another package or version.
    Identity,
    /// A form of archive Cordon cannot look into.
    Uninspectable,
}

impl FaultCode {
    /// Every code with one line about it, in order.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (
            Self::Type,
            "the bytes are not the kind of archive the file name says",
        ),
        (
            Self::Gzip,
            "the gzip layer is damaged, cut, or followed by other bytes",
        ),
        (
            Self::GzipMulti,
            "there are several gzip members, of which some readers see one",
        ),
        (
            Self::Compression,
            "the compressed layer is damaged, or followed by other bytes",
        ),
        (Self::Ratio, "it inflates to far more than its size"),
        (
            Self::Tar,
            "a tar header is damaged, or readers take it differently",
        ),
        (
            Self::TarTrailing,
            "there are entries after the end of the tar",
        ),
        (
            Self::Pax,
            "a PAX record is malformed, global, or contradicts another",
        ),
        (
            Self::PaxSize,
            "a PAX record and the header give different sizes",
        ),
        (
            Self::ZipCd,
            "the ZIP directory is not where or what the end record says",
        ),
        (Self::ZipEocd, "there are several ZIP end records"),
        (
            Self::ZipPrefix,
            "there are bytes before or between the ZIP entries",
        ),
        (
            Self::ZipTrailing,
            "there are bytes after the ZIP end record",
        ),
        (
            Self::ZipLfh,
            "an entry is only in the ZIP directory, or only before it",
        ),
        (
            Self::ZipMismatch,
            "the ZIP directory and a local header differ",
        ),
        (
            Self::ZipDd,
            "a ZIP data descriptor contradicts the directory",
        ),
        (Self::Zip64, "the ZIP64 records contradict the others"),
        (Self::Crc, "the checksum of an entry is wrong"),
        (Self::Dup, "two entries have the same name"),
        (
            Self::Collision,
            "two names are the same to some file systems",
        ),
        (
            Self::Name,
            "a name means different things to different readers",
        ),
        (
            Self::Path,
            "a path leads out of the folder it is unpacked in",
        ),
        (Self::Link, "it holds a link"),
        (Self::Encrypted, "an entry is encrypted"),
        (
            Self::Method,
            "an entry is compressed by a method installers lack",
        ),
        (Self::Overlap, "entries share their bytes"),
        (Self::Entries, "it has more entries than are looked at"),
        (Self::Limit, "it passes a limit of size, depth or length"),
        (
            Self::Root,
            "its files are not below the one folder they must be in",
        ),
        (
            Self::Manifest,
            "its manifest is missing, doubled, or read differently by readers",
        ),
        (Self::Record, "the wheel's RECORD is missing or not true"),
        (
            Self::Distinfo,
            "the wheel has no or several dist-info folders",
        ),
        (
            Self::Identity,
            "it says that it is another package or version",
        ),
        (
            Self::Uninspectable,
            "it is of a form Cordon cannot look into",
        ),
    ];

    /// Whether it says that a limit was passed: of an archive read within others it may not be true.
    pub const fn is_of_limits(self) -> bool {
        matches!(self, Self::Ratio | Self::Entries | Self::Limit)
    }

    /// The stable name: `zip-cd`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Gzip => "gzip",
            Self::GzipMulti => "gzip-multi",
            Self::Compression => "compression",
            Self::Ratio => "ratio",
            Self::Tar => "tar",
            Self::TarTrailing => "tar-trailing",
            Self::Pax => "pax",
            Self::PaxSize => "pax-size",
            Self::ZipCd => "zip-cd",
            Self::ZipEocd => "zip-eocd",
            Self::ZipPrefix => "zip-prefix",
            Self::ZipTrailing => "zip-trailing",
            Self::ZipLfh => "zip-lfh",
            Self::ZipMismatch => "zip-mismatch",
            Self::ZipDd => "zip-dd",
            Self::Zip64 => "zip64",
            Self::Crc => "crc",
            Self::Dup => "dup",
            Self::Collision => "collision",
            Self::Name => "name",
            Self::Path => "path",
            Self::Link => "link",
            Self::Encrypted => "encrypted",
            Self::Method => "method",
            Self::Overlap => "overlap",
            Self::Entries => "entries",
            Self::Limit => "limit",
            Self::Root => "root",
            Self::Manifest => "manifest",
            Self::Record => "record",
            Self::Distinfo => "distinfo",
            Self::Identity => "identity",
            Self::Uninspectable => "uninspectable",
        }
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that is wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fault {
    /// What.
    pub code: FaultCode,
    /// The entry it is about, printable and cut to [`Fault::PLACE_CHARS`]; empty for the archive as
    /// a whole.
    pub place: String,
    /// What was found, in words: printable, no full stop, with the numbers or names that differ.
    pub detail: String,
}

impl Fault {
    /// Characters of a place, at most.
    pub const PLACE_CHARS: usize = 200;
    /// Characters of a detail, at most.
    pub const DETAIL_CHARS: usize = 300;

    /// Makes one; control characters, escapes and bidirectional marks are written as `\u{..}`.
    pub fn new(code: FaultCode, place: &str, detail: &str) -> Self {
        Self {
            code,
            place: printable(place, Self::PLACE_CHARS),
            detail: printable(detail, Self::DETAIL_CHARS),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => write!(f, "{}: {}", self.code, self.detail),
            place => write!(f, "{}: {place}: {}", self.code, self.detail),
        }
    }
}

/// The faults of one archive: the first of them, and how many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Faults {
    first: Vec<Fault>,
    count: u64,
}

impl Faults {
    /// Faults kept. A hostile archive can have one for each entry.
    pub const KEPT: usize = 32;

    /// Adds one. Of every code the first is kept, as long as there is room.
    pub fn push(&mut self, fault: Fault) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(fault);
        } else if self.first.iter().all(|it| it.code != fault.code) {
            self.first.pop();
            self.first.push(fault);
        }
    }

    /// Those kept, in the order they were found.
    pub fn first(&self) -> &[Fault] {
        &self.first
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Text from an archive, made safe to print: at most so many characters, everything that is not
/// visible written as its code.
pub fn printable(text: &str, chars: usize) -> String {
    let mut out = String::new();
    let mut left = chars;
    for character in text.chars() {
        let is_plain = !character.is_control() && !is_invisible(character);
        let escaped: String = match is_plain {
            true => character.into(),
            false => character.escape_unicode().collect(),
        };
        let taken = escaped.chars().count();
        if taken > left {
            out.push('…');
            break;
        }
        left -= taken;
        out.push_str(&escaped);
    }
    out
}

/// Characters that show nothing, or turn the direction of what does: they can make two texts look
/// alike.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}'
            | '\u{061c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_once_under_its_name() {
        let names: Vec<_> = FaultCode::ALL.iter().map(|(code, _)| code.name()).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
        for (code, _) in FaultCode::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.name()));
        }
    }

    #[test]
    fn a_hostile_name_is_printed_as_codes() {
        let fault = Fault::new(FaultCode::Name, "a\x1b[31m\u{202e}b\n", "\0");
        assert_eq!(
            fault.to_string(),
            "name: a\\u{1b}[31m\\u{202e}b\\u{a}: \\u{0}"
        );
        assert_eq!(printable(&"x".repeat(300), 10), "xxxxxxxxxx…");
    }

    #[test]
    fn of_every_kind_the_first_is_kept_however_many_there_are() {
        let mut faults = Faults::default();
        for n in 0..100 {
            faults.push(Fault::new(FaultCode::Dup, &n.to_string(), "again"));
        }
        faults.push(Fault::new(FaultCode::Link, "last", "a link"));
        assert_eq!(faults.count(), 101);
        assert_eq!(faults.first().len(), Faults::KEPT);
        assert!(faults.first().iter().any(|it| it.code == FaultCode::Link));
    }
}
