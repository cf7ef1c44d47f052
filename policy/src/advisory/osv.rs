//! Records of the OSV format, read leniently one by one.
//!
//! What identifies a record and what it affects must be well-formed, or the record is refused and
//! counted. Everything else that cannot be read is as if it were not there: a strange severity must
//! not make a malware record disappear.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::severity;
use super::{MAX_ALIASES, MAX_ID_BYTES, MAX_RECORD_BYTES, MAX_SUMMARY_CHARS};
use crate::facts::AdvisoryKind;
use crate::model::Timestamp;

/// Why a record is not in the index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Larger than [`MAX_RECORD_BYTES`].
    #[error("record `{hint}` has {bytes} bytes, more than {MAX_RECORD_BYTES}")]
    TooLarge {
        /// What the record was called where it came from.
        hint: String,
        /// Its size.
        bytes: usize,
    },
    /// Not JSON of the form the OSV schema describes.
    #[error("record `{hint}` is not of the OSV form: {why}")]
    Malformed {
        /// What the record was called where it came from.
        hint: String,
        /// What the parser said.
        why: String,
    },
    /// Written for another major version of the schema, whose meaning is not known here.
    #[error("record `{hint}` is of schema version `{version}`; only 1.x is known; update Cordon")]
    Schema {
        /// What the record was called where it came from.
        hint: String,
        /// The version it names.
        version: String,
    },
    /// Without an id that can be shown.
    #[error("record `{hint}` has no usable id: {why}")]
    Id {
        /// What the record was called where it came from.
        hint: String,
        /// The rule that was broken.
        why: &'static str,
    },
}

impl RecordError {
    /// Whether the whole dump should be refused for it: it is of a schema this program does not
    /// know, so that nothing in it can be relied on.
    pub fn is_of_unknown_schema(&self) -> bool {
        matches!(self, Self::Schema { .. })
    }
}

/// A record with its texts checked and bounded.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) id: SmolStr,
    pub(super) aliases: Vec<SmolStr>,
    pub(super) withdrawn: Option<Withdrawn>,
    pub(super) kind: AdvisoryKind,
    pub(super) is_reviewed: bool,
    pub(super) cvss_tenths: Option<u8>,
    pub(super) published_at: Option<Timestamp>,
    pub(super) modified_at: Option<Timestamp>,
    pub(super) summary: SmolStr,
    pub(super) affected: Vec<RawAffected<'a>>,
}

/// How a record was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withdrawn {
    /// It was wrong, or no longer holds.
    TakenBack,
    /// Another record says the same; nothing is said about that one.
    AsDuplicate,
}

#[derive(Deserialize)]
struct RawRecord<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    schema_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    modified: Option<&'a RawValue>,
    #[serde(borrow, default)]
    published: Option<&'a RawValue>,
    #[serde(borrow, default)]
    withdrawn: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient_list")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    summary: Option<String>,
    #[serde(default, deserialize_with = "lenient_list")]
    severity: Vec<RawSeverity>,
    #[serde(borrow, default)]
    affected: Option<Vec<RawAffected<'a>>>,
    #[serde(default, deserialize_with = "lenient")]
    database_specific: Option<RawSpecific>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct RawSeverity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) score: String,
}

/// What some databases say of a record as a whole.
#[derive(Debug, Default, Deserialize)]
struct RawSpecific {
    #[serde(default, deserialize_with = "lenient")]
    github_reviewed: Option<bool>,
    #[serde(default, deserialize_with = "lenient_list")]
    cwe_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    severity: Option<String>,
}

/// One package a record affects.
#[derive(Debug, Deserialize)]
pub(super) struct RawAffected<'a> {
    #[serde(borrow, default)]
    pub(super) package: Option<RawPackage<'a>>,
    #[serde(borrow, default)]
    pub(super) ranges: Option<Vec<RawRange<'a>>>,
    #[serde(borrow, default)]
    pub(super) versions: Option<Vec<Cow<'a, str>>>,
    #[serde(default, deserialize_with = "lenient_list")]
    severity: Vec<RawSeverity>,
    #[serde(default, deserialize_with = "lenient")]
    database_specific: Option<RawAffectedSpecific>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawPackage<'a> {
    #[serde(borrow)]
    pub(super) ecosystem: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) purl: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawRange<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) events: Vec<RawEvent<'a>>,
}

/// An event. The schema wants one key in each; several are read as several events.
#[derive(Debug, Deserialize)]
pub(super) struct RawEvent<'a> {
    #[serde(borrow, default)]
    pub(super) introduced: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) fixed: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) last_affected: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) limit: Option<Cow<'a, str>>,
}

/// What some databases say of one affected package.
#[derive(Debug, Default, Deserialize)]
struct RawAffectedSpecific {
    /// RustSec: `unmaintained`, `unsound`, `notice`.
    #[serde(default, deserialize_with = "lenient")]
    informational: Option<String>,
    /// RustSec: `malicious` among others.
    #[serde(default, deserialize_with = "lenient_list")]
    categories: Vec<String>,
    /// OpenSSF and Leitwacht.
    #[serde(default, deserialize_with = "lenient_list")]
    cwes: Vec<RawCwe>,
}

#[derive(Debug, Deserialize)]
struct RawCwe {
    #[serde(default, rename = "cweId", deserialize_with = "lenient")]
    id: Option<String>,
}

/// Reads a value of the wrong form as none.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let raw = <Option<&'de RawValue>>::deserialize(from)?;
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

/// Reads a list element by element: one of the wrong form is as if it were not there, and must not
/// take the others with it. What is no list is an empty one.
fn lenient_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let raw = <Option<&'de RawValue>>::deserialize(from)?;
    let elements = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok());
    let elements = elements.into_iter().flatten();
    Ok(elements
        .filter_map(|element| serde_json::from_str(element.get()).ok())
        .collect())
}

impl<'a> Record<'a> {
    pub(super) fn read(hint: &str, json: &'a [u8]) -> Result<Self, RecordError> {
        let hint = || crate::reason::ascii(hint, MAX_ID_BYTES);
        if json.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge {
                hint: hint(),
                bytes: json.len(),
            });
        }
        let raw: RawRecord<'a> =
            serde_json::from_slice(json).map_err(|error| RecordError::Malformed {
                hint: hint(),
                why: error.to_string(),
            })?;
        // The schema counts a record without a version as 1.0.0.
        let version = raw.schema_version.as_deref().unwrap_or("1.0.0");
        if version != "1" && !version.starts_with("1.") {
            return Err(RecordError::Schema {
                hint: hint(),
                version: crate::reason::ascii(version, 40),
            });
        }
        if let Err(why) = check_id(&raw.id) {
            return Err(RecordError::Id { hint: hint(), why });
        }
        Ok(Self::from_raw(raw))
    }

    fn from_raw(raw: RawRecord<'a>) -> Self {
        let specific = raw.database_specific.unwrap_or_default();
        let affected = raw.affected.unwrap_or_default();
        let kind = kind_of(&raw.id, &specific, &affected);
        let of_packages = affected.iter().flat_map(|affected| &affected.severity);
        let vectors = raw.severity.iter().chain(of_packages);
        let cvss_tenths = severity::highest(vectors, specific.severity.as_deref());
        let aliases = raw.aliases.into_iter();
        let summary = raw.summary.unwrap_or_default();
        let is_reviewed = raw.id.starts_with("PYSEC-")
            || raw.id.starts_with("RUSTSEC-")
            || raw.id.starts_with("GHSA-") && specific.github_reviewed == Some(true);
        Self {
            aliases: aliases
                .filter(|alias| check_id(alias).is_ok() && **alias != *raw.id)
                .take(MAX_ALIASES)
                .map(SmolStr::from)
                .collect(),
            withdrawn: withdrawn(raw.withdrawn, &summary),
            kind,
            is_reviewed,
            cvss_tenths,
            published_at: instant(raw.published),
            modified_at: instant(raw.modified),
            summary: one_line(&summary),
            id: raw.id.into(),
            affected,
        }
    }
}

/// Ids travel in status lines, logs and lists joined by commas.
fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("it is empty");
    }
    if id.len() > MAX_ID_BYTES {
        return Err("it has more than 128 characters");
    }
    if id
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b',')
    {
        Ok(())
    } else {
        Err("only printable ASCII without spaces and commas is possible")
    }
}

/// `null` is not withdrawn; neither is what is no date, because a record must not disappear over
/// a malformed field.
fn withdrawn(raw: Option<&RawValue>, summary: &str) -> Option<Withdrawn> {
    instant(raw)?;
    // How GitHub words it when one of two records about one thing is closed.
    let is_duplicate = summary
        .get(.."duplicate".len())
        .is_some_and(|start| start.eq_ignore_ascii_case("duplicate"));
    Some(match is_duplicate {
        true => Withdrawn::AsDuplicate,
        false => Withdrawn::TakenBack,
    })
}

fn instant(raw: Option<&RawValue>) -> Option<Timestamp> {
    let text: Cow<'_, str> = serde_json::from_str(raw?.get()).ok()?;
    Timestamp::parse(&text).ok()
}

fn one_line(summary: &str) -> SmolStr {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = summary
        .chars()
        .take(MAX_SUMMARY_CHARS)
        .map(printable)
        .collect();
    line.trim().into()
}

fn kind_of(id: &str, specific: &RawSpecific, affected: &[RawAffected<'_>]) -> AdvisoryKind {
    /// "Embedded malicious code".
    const MALICIOUS_CODE: &str = "CWE-506";
    let of_packages = || {
        let specific = |affected| RawAffected::database_specific(affected);
        affected.iter().filter_map(specific)
    };
    let is_malware = id.starts_with("MAL-")
        || id.starts_with("LWA-")
        || specific.cwe_ids.iter().any(|cwe| cwe == MALICIOUS_CODE)
        || of_packages().any(|specific| {
            let mut categories = specific.categories.iter();
            let mut cwes = specific.cwes.iter();
            categories.any(|category| category == "malicious")
                || cwes.any(|cwe| cwe.id.as_deref() == Some(MALICIOUS_CODE))
        });
    if is_malware {
        return AdvisoryKind::Malware;
    }
    // Of a record that says different things of different packages the gravest counts.
    of_packages()
        .map(|specific| match specific.informational.as_deref() {
            None => AdvisoryKind::Vulnerability,
            Some("unmaintained") => AdvisoryKind::Unmaintained,
            Some("unsound") => AdvisoryKind::Unsound,
            Some(_) => AdvisoryKind::Notice,
        })
        .min_by_key(|kind| gravity(*kind))
        .unwrap_or(AdvisoryKind::Vulnerability)
}

/// The order of kinds from gravest to mildest.
pub(super) const fn gravity(kind: AdvisoryKind) -> u8 {
    match kind {
        AdvisoryKind::Malware => 0,
        AdvisoryKind::Vulnerability => 1,
        AdvisoryKind::Unsound => 2,
        AdvisoryKind::Unmaintained => 3,
        AdvisoryKind::Notice => 4,
    }
}

impl RawAffected<'_> {
    fn database_specific(&self) -> Option<&RawAffectedSpecific> {
        self.database_specific.as_ref()
    }
}
