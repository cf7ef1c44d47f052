//! A writer of tars that can lie about anything.

use std::io::Write as _;

pub(crate) const BLOCK: usize = 512;

/// A header block; its checksum is made last.
#[derive(Clone)]
pub(crate) struct Block(pub(crate) [u8; BLOCK]);

impl Block {
    pub(crate) fn new(name: &[u8], size: u64, kind: u8) -> Self {
        let mut block = Self([0; BLOCK]);
        block.put(0, name);
        let mode: &[u8] = if kind == b'5' {
            b"0000755\0"
        } else {
            b"0000644\0"
        };
        block.put(100, mode);
        block.put(108, b"0000000\0");
        block.put(116, b"0000000\0");
        block.put(124, format!("{size:011o}\0").as_bytes());
        block.put(136, b"00000000000\0");
        block.put(156, &[kind]);
        block.put(257, b"ustar\x0000");
        block.sum();
        block
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// With other bytes at a place, and a true checksum.
    pub(crate) fn with(mut self, at: usize, bytes: &[u8]) -> Self {
        self.put(at, bytes);
        self.sum();
        self
    }

    /// With other bytes at a place, the checksum as it was.
    pub(crate) fn broken(mut self, at: usize, bytes: &[u8]) -> Self {
        self.put(at, bytes);
        self
    }

    fn sum(&mut self) {
        self.put(148, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.put(148, format!("{sum:06o}\0 ").as_bytes());
    }
}

/// A tar in the making.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn block(self, block: Block) -> Self {
        self.raw(&block.0)
    }

    /// A body with its padding.
    pub(crate) fn body(self, data: &[u8]) -> Self {
        let padding = (BLOCK - data.len() % BLOCK) % BLOCK;
        self.raw(data).raw(&vec![0; padding])
    }

    pub(crate) fn entry(self, block: Block, data: &[u8]) -> Self {
        self.block(block).body(data)
    }

    pub(crate) fn file(self, name: &str, data: &[u8]) -> Self {
        self.entry(Block::new(name.as_bytes(), data.len() as u64, b'0'), data)
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.block(Block::new(name.as_bytes(), 0, b'5'))
    }

    pub(crate) fn link(self, kind: u8, name: &str, target: &str) -> Self {
        self.block(Block::new(name.as_bytes(), 0, kind).with(157, target.as_bytes()))
    }

    /// An extended header, `x` or `g`.
    pub(crate) fn pax(self, kind: u8, records: &[u8]) -> Self {
        let block = Block::new(b"PaxHeader", records.len() as u64, kind);
        self.entry(block, records)
    }

    /// GNU's long name (`L`) or long link (`K`).
    pub(crate) fn long(self, kind: u8, name: &[u8]) -> Self {
        let body = [name, b"\0"].concat();
        let block = Block::new(b"././@LongLink", body.len() as u64, kind).with(257, b"ustar  \0");
        self.entry(block, &body)
    }

    /// With its end.
    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(&[0; 2 * BLOCK]).0
    }

    pub(crate) fn gz(self) -> Vec<u8> {
        gz(&self.end())
    }
}

/// One PAX record.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [
        length.to_string().as_bytes(),
        b" ",
        key.as_bytes(),
        b"=",
        value,
        b"\n",
    ]
    .concat()
}

pub(crate) fn gz(data: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn bz2(data: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn xz(data: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(0);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    writer.write_all(data).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn zst(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}
