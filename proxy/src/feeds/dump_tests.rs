use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

fn dump(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Records by their names, with what was made of them.
type Records = (Vec<(String, Vec<u8>)>, DumpReport);

fn read(bytes: &[u8]) -> Result<Records, DumpError> {
    let mut found = Vec::new();
    let report = read_dump(Cursor::new(bytes), |name, json| {
        found.push((name.to_owned(), json.to_vec()));
        Ok::<(), DumpError>(())
    })?;
    Ok((found, report))
}

#[test]
fn records_are_handed_on_in_order_and_other_files_counted() {
    let bytes = dump(&[
        ("A-1.json", b"{}"),
        ("README.md", b"#"),
        ("x/B-2.json", b"[]"),
    ]);
    let (found, report) = read(&bytes).unwrap();
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["A-1.json", "x/B-2.json"]);
    assert_eq!((report.records, report.bytes, report.others), (2, 4, 1));
}

#[test]
fn an_empty_dump_holds_nothing() {
    assert_eq!(read(&dump(&[])).unwrap().1, DumpReport::default());
}

/// D-02.
#[test]
fn a_dump_cut_anywhere_is_refused() {
    let bytes = dump(&[("A-1.json", &[b'x'; 3_000]), ("B-2.json", &[b'y'; 3_000])]);
    for cut in 0..bytes.len() {
        let read = read(&bytes[..cut]);
        assert!(read.is_err(), "cut after {cut} of {} bytes", bytes.len());
    }
}

/// D-02.
#[test]
fn a_flipped_bit_in_a_record_is_found_by_its_checksum() {
    // Stored, so that nothing but the checksum can find it.
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    writer.start_file("A-1.json", stored).unwrap();
    writer.write_all(b"{\"id\":\"A-1\"}").unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let at = bytes.windows(4).position(|four| four == b"\"A-1").unwrap();
    bytes[at + 3] ^= 1;
    assert!(matches!(read(&bytes), Err(DumpError::Damaged { name, .. }) if name == "A-1.json"));
}

/// D-18.
#[test]
fn a_record_too_large_is_refused_without_being_read_to_its_end() {
    let bytes = dump(&[("A-1.json", &vec![b' '; MAX_RECORD_BYTES + 1])]);
    assert!(bytes.len() < 1 << 20, "it is small on the wire");
    assert!(matches!(read(&bytes), Err(DumpError::RecordTooLarge(name)) if name == "A-1.json"));
    let bytes = dump(&[("A-1.json", &vec![b' '; MAX_RECORD_BYTES])]);
    assert_eq!(read(&bytes).unwrap().1.records, 1);
}

/// D-18.
#[test]
fn more_files_than_a_dump_may_hold_are_refused_before_its_directory_is_read() {
    let mut bytes = dump(&[("A-1.json", b"{}")]);
    let end = bytes.len() - 22;
    // A ZIP64 end record with a vast count, its locator, and the end record of one file.
    let mut record = Vec::from(*b"PK\x06\x06");
    record.extend(44_u64.to_le_bytes());
    record.extend([0; 12]);
    record.extend((MAX_DUMP_ENTRIES + 1).to_le_bytes());
    record.extend((MAX_DUMP_ENTRIES + 1).to_le_bytes());
    record.extend([0; 16]);
    let mut locator = Vec::from(*b"PK\x06\x07\0\0\0\0");
    locator.extend((end as u64).to_le_bytes());
    locator.extend(1_u32.to_le_bytes());
    let tail = bytes.split_off(end);
    bytes.extend(record);
    bytes.extend(locator);
    bytes.extend(tail);
    let refused = read(&bytes).unwrap_err();
    assert!(matches!(refused, DumpError::TooManyEntries(n) if n == MAX_DUMP_ENTRIES + 1));
}

#[test]
fn two_files_of_one_name_are_refused() {
    let mut bytes = dump(&[("A-1.json", b"{}"), ("A-2.json", b"[]")]);
    while let Some(at) = bytes.windows(8).position(|name| name == b"A-2.json") {
        bytes[at + 2] = b'1';
    }
    assert!(matches!(read(&bytes), Err(DumpError::Doubled)));
}

#[test]
fn what_is_no_zip_is_refused() {
    for bytes in [
        b"".as_slice(),
        b"<html>login</html>",
        &[0; 100],
        b"PK\x05\x06",
    ] {
        assert!(
            matches!(read(bytes), Err(DumpError::NotWhole(_))),
            "{bytes:?}"
        );
    }
}

#[test]
fn an_error_of_the_caller_ends_the_reading() {
    let bytes = dump(&[("A-1.json", b"{}"), ("A-2.json", b"{}")]);
    let mut seen = 0;
    let read = read_dump(Cursor::new(&bytes), |_, _| {
        seen += 1;
        Err::<(), _>(DumpError::TooLarge)
    });
    assert!(matches!(read, Err(DumpError::TooLarge)));
    assert_eq!(seen, 1);
}
