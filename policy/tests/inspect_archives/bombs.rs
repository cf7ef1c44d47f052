//! Archives made to cost memory and time. They are made while they are read: none is ever whole.

use std::io::{self, Read, Seek, SeekFrom};

use cordon_policy::inspect::FaultCode as F;
use flate2::{Compress, Compression, FlushCompress};

use super::table::{CRATE, File, NPM, WHEEL, reading};
use super::tarfile::{BLOCK, Block, Tar, record};
use super::zipfile::{End, Entry, Zip, central, crc, end64, local};

/// Parts one after the other, each a pattern so many times.
struct Parts {
    parts: Vec<(Vec<u8>, u64)>,
    position: u64,
}

impl Parts {
    fn new(parts: Vec<(Vec<u8>, u64)>) -> Self {
        Self { parts, position: 0 }
    }

    fn len(&self) -> u64 {
        self.parts
            .iter()
            .map(|(it, times)| it.len() as u64 * times)
            .sum()
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut start = self.position;
        for (pattern, times) in &self.parts {
            let length = pattern.len() as u64 * times;
            if start < length {
                let at = (start % pattern.len() as u64) as usize;
                let rest = &pattern[at..];
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                self.position += count as u64;
                return Ok(count);
            }
            start -= length;
        }
        Ok(0)
    }
}

impl Seek for Parts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::End(offset) => self.len().saturating_add_signed(offset),
            SeekFrom::Current(offset) => self.position.saturating_add_signed(offset),
        };
        Ok(self.position)
    }
}

/// Deflated so that it can be put behind itself.
fn repeatable(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 100 + 4_096);
    let mut compress = Compress::new(Compression::best(), false);
    compress
        .compress_vec(data, &mut out, FlushCompress::Full)
        .unwrap();
    assert_eq!(compress.total_in(), data.len() as u64);
    out
}

const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// Memory beside what the bomb itself takes, at most.
const MEMORY_BYTES: u64 = 64 << 20;

fn refused(code: F, file: File, bomb: Parts) {
    let mut codes = Vec::new();
    let memory = allocation_counter::measure(|| {
        let reading = reading(file, bomb);
        codes = reading.faults.first().iter().map(|it| it.code).collect();
    });
    assert_eq!(codes, [code]);
    assert!(memory.bytes_max < MEMORY_BYTES, "{memory:?}");
}

#[test]
fn a_33_entries_that_share_their_bytes_are_refused_before_any_is_unpacked() {
    let kernel = Entry::new("a/0", &vec![0; 10 << 20]);
    let header = local(&kernel);
    let entries = 60_000_u16;
    let mut directory = Vec::new();
    for n in 0..entries {
        let entry = kernel
            .clone()
            .with(|it| it.central.name = format!("a/{n}").into());
        directory.extend(central(&entry, 0));
    }
    let end = End {
        entries,
        directory_bytes: directory.len() as u32,
        directory: header.len() as u32,
        comment: Vec::new(),
    };
    let parts = vec![(header, 1), (directory, 1), (end.write(), 1)];
    refused(F::Overlap, WHEEL, Parts::new(parts));
}

#[test]
fn a_34_archives_in_archives_are_looked_into_only_so_deep() {
    let mut zip = Zip::of(vec![Entry::new("0.dll", &vec![0; 1 << 20])]).bytes();
    for _ in 0..6 {
        let copies = (0..16)
            .map(|n| Entry::new(&format!("lib {n}.zip"), &zip))
            .collect();
        zip = Zip::of(copies).bytes();
    }
    refused(F::Limit, WHEEL, Parts::new(vec![(zip, 1)]));
}

#[test]
fn a_34_nested_archives_count_towards_what_may_be_unpacked() {
    let mut zip = Zip::of(vec![Entry::new("0.dll", &vec![0; 20 << 20])]).bytes();
    for _ in 0..2 {
        let copies = (0..16)
            .map(|n| Entry::new(&format!("lib {n}.zip"), &zip))
            .collect();
        zip = Zip::of(copies).bytes();
    }
    refused(F::Ratio, WHEEL, Parts::new(vec![(zip, 1)]));
}

/// Data of numbers is kept in ZIPs that hold a thousand times their size.
#[test]
fn one_layer_of_archives_may_hold_what_deflate_can() {
    let data = Zip::of(vec![Entry::new("matrix.npy", &vec![0; 100 << 20])]).bytes();
    assert!((100 << 20) / data.len() > 500);
    let is_too_much = |entry: Entry| {
        let zip = Zip::of(vec![Entry::new("a/__init__.py", b""), entry]).bytes();
        let faults = reading(WHEEL, Parts::new(vec![(zip, 1)])).faults;
        faults.first().iter().any(|it| it.code == F::Ratio)
    };
    assert!(!is_too_much(Entry::stored("a/data.npz", &data)));
    // The same as a file of its own is unpacked at install.
    assert!(is_too_much(Entry::new("a/data.npy", &vec![0; 100 << 20])));
}

/// What an installer unpacks is no less because it begins like an archive.
#[test]
fn a_75_a_file_that_is_an_archive_itself_counts_as_a_file() {
    let inner = Zip::of(vec![Entry::stored("zeros", &vec![0; 100 << 20])]).bytes();
    let files = vec![
        Entry::new("a/__init__.py", b""),
        Entry::new("a/data.zip", &inner),
    ];
    let zip = Zip::of(files).bytes();
    refused(F::Ratio, WHEEL, Parts::new(vec![(zip, 1)]));
    let tar = Tar::new().file("package/package.json", b"{}");
    let tar = tar.file("package/data.zip", &inner).gz();
    refused(F::Ratio, NPM, Parts::new(vec![(tar, 1)]));
}

#[test]
fn a_35_ten_million_empty_entries_are_refused_by_their_number() {
    let entry = Entry::stored("e", b"");
    let (header, record) = (local(&entry), central(&entry, 0));
    let count = 10_000_000;
    let (start, length) = (header.len() as u64 * count, record.len() as u64 * count);
    let end = End {
        entries: u16::MAX,
        directory_bytes: length as u32,
        directory: start as u32,
        comment: Vec::new(),
    };
    let wide = end64(count, length, start, start + length);
    let parts = vec![
        (header, count),
        (record, count),
        (wide, 1),
        (end.write(), 1),
    ];
    refused(F::Entries, WHEEL, Parts::new(parts));
}

#[test]
fn a_60_a_gzip_name_of_64_mib_is_not_read() {
    let mut header = GZIP.to_vec();
    header[3] = 1 << 3;
    refused(
        F::Gzip,
        CRATE,
        Parts::new(vec![(header, 1), (b"a".repeat(1 << 16), 1 << 10)]),
    );
}

#[test]
fn a_75_a_gzip_bomb_is_stopped_at_its_ratio() {
    let head = Tar::new()
        .block(Block::new(b"a-1.0.0/zeros", 2 << 30, b'0'))
        .0;
    let zeros = repeatable(&vec![0; 1 << 20]);
    let parts = vec![(GZIP.to_vec(), 1), (repeatable(&head), 1), (zeros, 2 << 10)];
    refused(F::Ratio, CRATE, Parts::new(parts));
}

#[test]
fn a_77_a_million_tar_entries_are_refused_at_the_limit() {
    let folders = Tar::new().folder("package/d/").0.repeat(1 << 10);
    let parts = vec![(GZIP.to_vec(), 1), (repeatable(&folders), 1 << 10)];
    refused(F::Entries, NPM, Parts::new(parts));
}

#[test]
fn a_77_entries_whose_names_are_long_do_not_fill_the_memory() {
    // Every one with a path of its own, 4,000 bytes long, in 128 folders.
    let mut tar = Vec::new();
    for n in 0..5_000 {
        let path = format!(
            "package/{}{n}",
            "0123456789012345678901234567890/".repeat(120)
        );
        let body = record("path", path.as_bytes());
        tar.extend(Tar::new().pax(b'x', &body).file("package/x", b"").0);
    }
    let tar = Tar(tar).raw(&[0; 2 * BLOCK]).0;
    let gz = super::tarfile::gz(&tar);
    drop(tar);
    let memory = allocation_counter::measure(|| {
        assert!(reading(NPM, Parts::new(vec![(gz, 1)])).faults.is_empty());
    });
    assert!(memory.bytes_max < 4 << 20, "{memory:?}");
}

#[test]
fn a_83_a_wheel_of_200_mib_is_streamed() {
    let mib = vec![b'x'; 1 << 20];
    let size = 200 << 20;
    let mut entry = Entry::stored("a/data.bin", b"");
    let sum = crc(&mib.repeat(200));
    entry = entry.both(|it| (it.crc, it.packed, it.size) = (sum, size, size));
    let header = local(&entry);
    let directory = central(&entry, 0);
    let end = End {
        entries: 1,
        directory_bytes: directory.len() as u32,
        directory: header.len() as u32 + size,
        comment: Vec::new(),
    };
    let parts = vec![(header, 1), (mib, 200), (directory, 1), (end.write(), 1)];
    let memory = allocation_counter::measure(|| {
        let reading = reading(WHEEL, Parts::new(parts));
        assert!(reading.faults.is_empty(), "{:?}", reading.faults);
        assert_eq!(reading.unpacked_bytes, u64::from(size));
    });
    assert!(memory.bytes_max < 4 << 20, "{memory:?}");
}
