//! A writer of ZIPs that can lie about anything.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// What a header says about an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    pub(crate) version: u16,
    pub(crate) name: Vec<u8>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) crc: u32,
    pub(crate) packed: u32,
    pub(crate) size: u32,
    pub(crate) extra: Vec<u8>,
}

/// One entry: what its local header says, its bytes, what the directory says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub(crate) local: Header,
    pub(crate) data: Vec<u8>,
    /// What stands after the data.
    pub(crate) descriptor: Vec<u8>,
    pub(crate) central: Header,
    pub(crate) comment: Vec<u8>,
    pub(crate) attributes: u32,
    /// Where the directory says the local header is, if not where it is.
    pub(crate) position: Option<u32>,
    pub(crate) is_local: bool,
    pub(crate) is_central: bool,
}

/// The end record.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    pub(crate) entries: u16,
    pub(crate) directory_bytes: u32,
    pub(crate) directory: u32,
    pub(crate) comment: Vec<u8>,
}

/// A whole archive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zip {
    pub(crate) before: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) before_directory: Vec<u8>,
    pub(crate) before_end: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

pub(crate) fn crc(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

pub(crate) fn deflated(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * data.len() + 1_024);
    Compress::new(Compression::best(), false)
        .compress_vec(data, &mut out, FlushCompress::Finish)
        .unwrap();
    out
}

impl Entry {
    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        Self::packed(name, content, 0, content.to_vec())
    }

    pub(crate) fn new(name: &str, content: &[u8]) -> Self {
        Self::packed(name, content, 8, deflated(content))
    }

    fn packed(name: &str, content: &[u8], method: u16, data: Vec<u8>) -> Self {
        let header = Header {
            version: 20,
            name: name.into(),
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            method,
            crc: crc(content),
            packed: data.len() as u32,
            size: content.len() as u32,
            extra: Vec::new(),
        };
        Self {
            local: header.clone(),
            central: header,
            data,
            attributes: 0o100_644 << 16,
            is_local: true,
            is_central: true,
            ..Self::default()
        }
    }

    /// With a change.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same change in both headers.
    pub(crate) fn both(mut self, change: impl Fn(&mut Header)) -> Self {
        change(&mut self.local);
        change(&mut self.central);
        self
    }

    /// With an honest data descriptor.
    pub(crate) fn deferred(self) -> Self {
        self.both(|it| it.flags |= 1 << 3).with(|it| {
            it.descriptor = descriptor(it.central.crc, it.central.packed, it.central.size);
            (it.local.crc, it.local.packed, it.local.size) = (0, 0, 0);
        })
    }
}

pub(crate) fn descriptor(crc: u32, packed: u32, size: u32) -> Vec<u8> {
    let numbers = [crc, packed, size].into_iter().flat_map(u32::to_le_bytes);
    b"PK\x07\x08".iter().copied().chain(numbers).collect()
}

pub(crate) fn extra(id: u16, field: &[u8]) -> Vec<u8> {
    let mut out = id.to_le_bytes().to_vec();
    out.extend((field.len() as u16).to_le_bytes());
    out.extend(field);
    out
}

impl Header {
    fn write(&self, out: &mut Vec<u8>) {
        for number in [self.version, self.flags, self.method, 0, 0x21] {
            out.extend(u16::to_le_bytes(number));
        }
        for number in [self.crc, self.packed, self.size] {
            out.extend(number.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((self.extra.len() as u16).to_le_bytes());
    }
}

pub(crate) fn local(entry: &Entry) -> Vec<u8> {
    let mut out = b"PK\x03\x04".to_vec();
    entry.local.write(&mut out);
    for part in [
        &entry.local.name,
        &entry.local.extra,
        &entry.data,
        &entry.descriptor,
    ] {
        out.extend(part);
    }
    out
}

pub(crate) fn central(entry: &Entry, position: u32) -> Vec<u8> {
    let mut out = b"PK\x01\x02\x14\x03".to_vec();
    entry.central.write(&mut out);
    out.extend((entry.comment.len() as u16).to_le_bytes());
    out.extend([0; 4]);
    out.extend(entry.attributes.to_le_bytes());
    out.extend(entry.position.unwrap_or(position).to_le_bytes());
    for part in [&entry.central.name, &entry.central.extra, &entry.comment] {
        out.extend(part);
    }
    out
}

impl End {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = b"PK\x05\x06\0\0\0\0".to_vec();
        out.extend(self.entries.to_le_bytes());
        out.extend(self.entries.to_le_bytes());
        out.extend(self.directory_bytes.to_le_bytes());
        out.extend(self.directory.to_le_bytes());
        out.extend((self.comment.len() as u16).to_le_bytes());
        out.extend(&self.comment);
        out
    }
}

impl Zip {
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.ended(|_| {})
    }

    /// With a change of the end record.
    pub(crate) fn ended(&self, change: impl FnOnce(&mut End)) -> Vec<u8> {
        let mut out = self.before.clone();
        let mut directory = Vec::new();
        let mut count = 0;
        for entry in &self.entries {
            let position = out.len() as u32;
            if entry.is_local {
                out.extend(local(entry));
            }
            if entry.is_central {
                directory.extend(central(entry, position));
                count += 1;
            }
        }
        out.extend(&self.before_directory);
        let mut end = End {
            entries: count,
            directory_bytes: directory.len() as u32,
            directory: out.len() as u32,
            comment: Vec::new(),
        };
        out.extend(directory);
        out.extend(&self.before_end);
        change(&mut end);
        out.extend(end.write());
        out.extend(&self.after);
        out
    }
}

/// ZIP64 end record and locator for a directory.
pub(crate) fn end64(entries: u64, directory_bytes: u64, directory: u64, position: u64) -> Vec<u8> {
    let mut out = b"PK\x06\x06".to_vec();
    out.extend(44_u64.to_le_bytes());
    out.extend([45, 3, 45, 0]);
    out.extend([0; 8]);
    for number in [entries, entries, directory_bytes, directory] {
        out.extend(number.to_le_bytes());
    }
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend(position.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    out
}
