//! A record's own words in an index: what does not differ between the packages it names.

use smol_str::SmolStr;

use super::codec::Reader;
use super::osv::gravity;
use crate::facts::AdvisoryKind;
use crate::model::Timestamp;

/// A record as the index holds it.
#[derive(Clone, Debug)]
pub(super) struct RecordView<'a> {
    pub(super) id: &'a str,
    pub(super) aliases: Vec<SmolStr>,
    pub(super) kind: AdvisoryKind,
    pub(super) is_reviewed: bool,
    pub(super) cvss_tenths: Option<u8>,
    pub(super) epss_thousandths: Option<u16>,
    pub(super) is_exploited: bool,
    pub(super) published_at: Option<Timestamp>,
    pub(super) modified_at: Option<Timestamp>,
    pub(super) summary: &'a str,
}

impl<'a> RecordView<'a> {
    pub(super) fn decode(mut from: Reader<'a>) -> Option<Self> {
        let id = from.text()?;
        let aliases = from.texts()?;
        let kind = kind_of(from.byte()?)?;
        let is_reviewed = from.byte()? != 0;
        let cvss_tenths = from.optional()?.map(u8::try_from).transpose().ok()?;
        let epss_thousandths = from.optional()?.map(u16::try_from).transpose().ok()?;
        let is_exploited = from.byte()? != 0;
        let published_at = from.optional()?.map(Timestamp::from_millis);
        let summary = from.text()?;
        let modified_at = from.optional()?.map(Timestamp::from_millis);
        Some(Self {
            id,
            aliases,
            kind,
            is_reviewed,
            cvss_tenths,
            epss_thousandths,
            is_exploited,
            published_at,
            modified_at,
            summary,
        })
    }
}

fn kind_of(byte: u8) -> Option<AdvisoryKind> {
    [
        AdvisoryKind::Malware,
        AdvisoryKind::Vulnerability,
        AdvisoryKind::Unsound,
        AdvisoryKind::Unmaintained,
        AdvisoryKind::Notice,
    ]
    .into_iter()
    .find(|kind| gravity(*kind) == byte)
}
