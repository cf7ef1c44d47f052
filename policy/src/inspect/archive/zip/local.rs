//! Local headers and data descriptors, and whether they say what the directory says.

use super::directory::Entry;
use super::extra::Extra;
use super::{u16_at, u32_at, u64_at};
use crate::inspect::fault::FaultCode;

/// How a local header begins.
pub(crate) const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// Bytes before the name.
pub(crate) const FIXED_BYTES: usize = 30;

/// Sizes and checksum follow the data.
pub(super) const DEFERRED: u16 = 1 << 3;
/// Names are UTF-8.
pub(super) const UTF8: u16 = 1 << 11;

/// The latest version of the format that is wanted of no reader that lacks it, in tenths. Deflated
/// entries need 2.0, those with ZIP64 4.5.
pub(super) const LATEST_VERSION: u8 = 46;

/// What is wrong, in words.
pub(super) type Problem = (FaultCode, String);

/// A local header, as it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    version_needed: u8,
    pub(super) flags: u16,
    pub(crate) method: u16,
    crc: u32,
    pub(crate) compressed_bytes: u32,
    size_bytes: u32,
    name_bytes: u16,
    extra_bytes: u16,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8; FIXED_BYTES]) -> Option<Self> {
        bytes.starts_with(&SIGNATURE).then(|| Self {
            version_needed: version_needed(bytes, 4),
            flags: u16_at(bytes, 6),
            method: u16_at(bytes, 8),
            crc: u32_at(bytes, 14),
            compressed_bytes: u32_at(bytes, 18),
            size_bytes: u32_at(bytes, 22),
            name_bytes: u16_at(bytes, 26),
            extra_bytes: u16_at(bytes, 28),
        })
    }

    /// Bytes of name and extra fields.
    pub(crate) fn variable_bytes(&self) -> u64 {
        u64::from(self.name_bytes) + u64::from(self.extra_bytes)
    }

    /// Whether sizes and checksum follow the data.
    pub(crate) fn has_descriptor(&self) -> bool {
        self.flags & DEFERRED != 0
    }

    /// Compares with the directory. `variable` is name and extra fields.
    pub(super) fn compare(&self, variable: &[u8], entry: &Entry<'_>) -> Result<(), Problem> {
        let (name, extra) = variable
            .split_at_checked(self.name_bytes.into())
            .unwrap_or_default();
        if name != entry.name {
            let detail = format!(
                "the local header's name is {}",
                String::from_utf8_lossy(name)
            );
            return Err((FaultCode::ZipMismatch, detail));
        }
        if (self.flags ^ entry.flags) & UTF8 != 0 && !name.is_ascii() {
            let detail = "directory and local header differ in how the name is encoded";
            return Err((FaultCode::Name, detail.to_owned()));
        }
        if self.version_needed > LATEST_VERSION {
            return Err((FaultCode::Method, too_late(self.version_needed)));
        }
        differ("flags", self.flags.into(), entry.flags.into())?;
        differ("method", self.method.into(), entry.method.into())?;
        let plain = |(code, detail): (FaultCode, &str)| (code, detail.to_owned());
        let extra = Extra::parse(extra).map_err(plain)?;
        extra.agrees_with(name).map_err(plain)?;
        let fields = [self.size_bytes, self.compressed_bytes];
        // A writer that does not know the sizes yet leaves them empty or full.
        let is_open = self.has_descriptor()
            && self.crc == 0
            && matches!(fields, [0, 0] | [u32::MAX, u32::MAX]);
        if is_open {
            return Ok(());
        }
        let [size, compressed] = extra.widen(fields).map_err(plain)?;
        differ("size", size, entry.size_bytes)?;
        differ("compressed size", compressed, entry.compressed_bytes)?;
        if self.crc != entry.crc {
            let detail = format!(
                "the local header's checksum is {:08x}, the directory's {:08x}",
                self.crc, entry.crc
            );
            return Err((FaultCode::Crc, detail));
        }
        Ok(())
    }
}

/// The version of the format an entry says it needs, in tenths. Its other byte is a system's.
pub(super) fn version_needed(bytes: &[u8], at: usize) -> u8 {
    let [version, _] = u16_at(bytes, at).to_le_bytes();
    version
}

/// What is wrong with an entry that wants more than readers have.
pub(super) fn too_late(version: u8) -> String {
    let (whole, tenths) = (version / 10, version % 10);
    format!("it says it needs version {whole}.{tenths} of the format, which some readers refuse")
}

fn differ(what: &str, local: u64, central: u64) -> Result<(), Problem> {
    if local == central {
        return Ok(());
    }
    let detail = format!("the local header's {what} is {local}, the directory's {central}");
    Err((FaultCode::ZipMismatch, detail))
}

/// Bytes of a descriptor, at most.
pub(super) const DESCRIPTOR_BYTES: usize = 24;

/// How long the descriptor of an entry is, which fills `room` bytes or is followed by others.
/// `bytes` is what stands there.
pub(super) fn descriptor(bytes: &[u8], room: u64, entry: &Entry<'_>) -> Option<u64> {
    let narrow = |at| {
        u32_at(bytes, at) == entry.crc
            && u64::from(u32_at(bytes, at + 4)) == entry.compressed_bytes
            && u64::from(u32_at(bytes, at + 8)) == entry.size_bytes
    };
    let wide = |at| {
        u32_at(bytes, at) == entry.crc
            && u64_at(bytes, at + 4) == entry.compressed_bytes
            && u64_at(bytes, at + 12) == entry.size_bytes
    };
    let is_signed = bytes.starts_with(&DESCRIPTOR);
    let forms = [
        (24, is_signed && wide(4)),
        (16, is_signed && narrow(4)),
        (20, wide(0)),
        (12, narrow(0)),
    ];
    let fits = |exactly: bool| {
        forms
            .iter()
            .find(|(count, is_true)| *is_true && (*count == room || (!exactly && *count < room)))
    };
    fits(true).or_else(|| fits(false)).map(|(count, _)| *count)
}
