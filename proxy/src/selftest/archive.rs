//! The smallest archive that is one: a gzip-compressed tar of a few files.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, GzBuilder};

const BLOCK: usize = 512;

/// An archive that holds each content under its path (at most 100 bytes of it). The same input gives
/// the same bytes.
pub(super) fn tar_gz(files: &[(&str, &str)]) -> Bytes {
    let mut archive = Vec::new();
    for (path, content) in files {
        entry(&mut archive, path, content);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::fast());
    let written = gzip.write_all(&archive).and_then(|()| gzip.finish());
    written.expect("memory takes every byte").into()
}

fn entry(archive: &mut Vec<u8>, path: &str, content: &str) {
    let mut header = [0_u8; BLOCK];
    put(&mut header, 0, path.as_bytes(), 100);
    put(&mut header, 100, b"0000644\0", 8);
    put(&mut header, 108, b"0000000\0", 8);
    put(&mut header, 116, b"0000000\0", 8);
    put(
        &mut header,
        124,
        format!("{:011o}\0", content.len()).as_bytes(),
        12,
    );
    put(&mut header, 136, b"00000000000\0", 12);
    put(&mut header, 148, b"        ", 8);
    put(&mut header, 156, b"0", 1);
    put(&mut header, 257, b"ustar\x0000", 8);
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes(), 8);
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content.as_bytes());
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

fn put(header: &mut [u8; BLOCK], at: usize, bytes: &[u8], most: usize) {
    let room = header.iter_mut().skip(at).take(most);
    room.zip(bytes).for_each(|(place, byte)| *place = *byte);
}
