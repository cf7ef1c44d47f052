//! Reading what is kept of a feed, record by record, within bounds.

use std::io::{BufRead, BufReader, Read};

use cordon_policy::advisory::{Added, IndexBuilder, Losses, MAX_RECORD_BYTES, RecordError};
use cordon_policy::model::{Scheme, Timestamp};
use cordon_storage::generations::Part;

use super::dump::{DumpError, read_dump};
use super::list;
use super::manifest::{Content, Form};
use super::refused::Refused;
use super::source::{UNFOLDED, too_many_bytes, too_many_records};
use crate::config::FeedsConfig;

/// What the records of one feed came to.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Records there are, those for other ecosystems and unusable ones among them.
    pub(super) all: u64,
    /// Records about the ecosystem, those taken back among them.
    pub(super) records: u64,
    /// Of those, records taken back.
    pub(super) withdrawn: u64,
    /// Records that could not be used.
    pub(super) unusable: u64,
    /// Why the first of them could not.
    pub(super) first_unusable: Option<RecordError>,
    /// Records of an id that came before, with another content.
    pub(super) doubled: u64,
    /// How new they are, see [`IndexBuilder::newest_modified`].
    pub(super) newest_modified: Option<Timestamp>,
    /// Records that say they changed at a time yet to come.
    pub(super) future: u64,
}

/// Adds the records of a feed to a builder. When `counted` is of the first feed added, a record of
/// a known id can only come from the same feed.
pub(super) fn add(
    builder: &mut IndexBuilder,
    part: Part,
    (content, form): (Content, Form),
    scheme: &'static dyn Scheme,
    bounds: &FeedsConfig,
) -> Result<Counted, Refused> {
    let mut counted = Counted::default();
    each(part, (content, form), scheme, bounds, |name, json| {
        counted.all += 1;
        match builder.add(name, json) {
            Ok(Added::Kept) => counted.records += 1,
            Ok(Added::Withdrawn) => {
                counted.records += 1;
                counted.withdrawn += 1;
            }
            Ok(Added::Ignored) => {}
            Ok(Added::Duplicate) => counted.doubled += 1,
            // A schema nobody knows says that nothing here can be relied on (D-19).
            Err(error) if error.is_of_unknown_schema() => return Err(Refused::Schema(error)),
            Err(error) => {
                counted.unusable += 1;
                counted.first_unusable.get_or_insert(error);
            }
        }
        Ok(())
    })?;
    Ok(counted)
}

/// What the records added to a builder no longer say of what a feed said before.
pub(super) fn losses(
    builder: &IndexBuilder,
    before: Part,
    (content, form): (Content, Form),
    scheme: &'static dyn Scheme,
    bounds: &FeedsConfig,
) -> Result<Losses, Refused> {
    let mut losses = Losses::default();
    each(before, (content, form), scheme, bounds, |_, json| {
        builder.compare(json, &mut losses);
        Ok(())
    })?;
    Ok(losses)
}

/// Hands over every record of a feed, with what it is called there.
fn each(
    part: Part,
    (content, form): (Content, Form),
    scheme: &'static dyn Scheme,
    bounds: &FeedsConfig,
    mut take: impl FnMut(&str, &[u8]) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut records = 0_usize;
    let mut bytes = 0_u64;
    let mut each = |name: &str, json: &[u8]| -> Result<(), Refused> {
        records += 1;
        bytes += json.len() as u64;
        if records > bounds.dump_records {
            return Err(too_many_records(bounds));
        }
        if bytes > bounds.dump_bytes.saturating_mul(UNFOLDED) {
            return Err(too_many_bytes(bounds));
        }
        take(name, json)
    };
    match (content, form) {
        (Content::List, _) => {
            let text = text(part, form, bounds)?;
            for (id, json) in list::records(&text, scheme)? {
                each(&id, &json)?;
            }
        }
        (_, Form::Lines) => lines(part, &mut each)?,
        _ => {
            read_dump(part, each)?;
        }
    }
    Ok(())
}

/// Records a line each, after their names.
fn lines(
    part: Part,
    each: &mut impl FnMut(&str, &[u8]) -> Result<(), Refused>,
) -> Result<(), Refused> {
    /// A name, a tab, a record one byte longer than it may be, a line end.
    const LIMIT: u64 = MAX_RECORD_BYTES as u64 + 1024;
    let mut reader = BufReader::with_capacity(256 * 1024, part);
    let mut line = Vec::new();
    loop {
        line.clear();
        reader
            .by_ref()
            .take(LIMIT)
            .read_until(b'\n', &mut line)
            .map_err(DumpError::Io)?;
        if line.is_empty() {
            return Ok(());
        }
        let cut = || Refused::Dump(DumpError::NotWhole("a record is cut".to_owned()));
        let record = line.strip_suffix(b"\n").ok_or_else(cut)?;
        let tab = record.iter().position(|byte| *byte == b'\t');
        let (name, json) = tab
            .and_then(|at| record.split_at_checked(at))
            .ok_or_else(cut)?;
        let name = String::from_utf8_lossy(name);
        each(&name, json.get(1..).unwrap_or_default())?;
    }
}

/// Longest table or list, in bytes, unfolded.
const MAX_TEXT_BYTES: u64 = 256 << 20;

/// A feed that is one text.
pub(super) fn text(part: Part, form: Form, bounds: &FeedsConfig) -> Result<String, Refused> {
    let limit = MAX_TEXT_BYTES.min(bounds.dump_bytes);
    let mut text = String::new();
    let read = match form {
        Form::Gzip => flate2::read::MultiGzDecoder::new(part)
            .take(limit + 1)
            .read_to_string(&mut text),
        _ => BufReader::new(part)
            .take(limit + 1)
            .read_to_string(&mut text),
    };
    let damaged = |error: std::io::Error| DumpError::Damaged {
        name: "the text".to_owned(),
        why: error.to_string(),
    };
    if read.map_err(damaged)? as u64 > limit {
        return Err(too_many_bytes(bounds));
    }
    Ok(text)
}
