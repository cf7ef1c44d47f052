//! Reads a JSON simple page (PEP 691, 700, 708, 714, 740, 792).
//!
//! Two passes over the bytes: one finds the file objects, one reads each of them. Values that no
//! rule and no rendering needs are only checked for being passed on safely.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use cordon_policy::facts::Fact;
use cordon_policy::model::{Digest, DigestAlgorithm, Digests, PackageName, Timestamp};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use smol_str::{SmolStr, format_smolstr};

use super::SCHEME;
use super::build::{Found, PageBuilder};
use super::json::{Key, Members, Span, is_null, is_tame, string};
use super::page::{Head, JsonSource, Member, Page, Status, Value, malformed};
use super::versions::Versions;
use crate::registry::{MetadataError, UpstreamDocument};

const DOCUMENT: &str = "simple page";

/// Most members of a page; PyPI's has six.
const MAX_MEMBERS: usize = 1_000;

/// Reads the page of `package`.
///
/// # Errors
/// Not JSON, not a page of major version 1, the page of another project, or a file that contradicts
/// itself.
pub(super) fn read(
    package: &PackageName,
    document: &UpstreamDocument,
) -> Result<Page, MetadataError> {
    let fail = |why: String| malformed(DOCUMENT, package, why);
    let text = std::str::from_utf8(&document.bytes).map_err(|error| fail(error.to_string()))?;
    let top: Top<'_> = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    let parts = read_top(text, &top, package).map_err(fail)?;
    let mut builder = PageBuilder::new(
        package,
        document.upstream.clone(),
        document.url.clone(),
        parts.versions,
        parts.head.status.as_ref(),
    );
    for (index, raw) in top.files.iter().enumerate() {
        let fail = |why: String| malformed(DOCUMENT, package, format!("file {index}: {why}"));
        let file: RawFile<'_> =
            serde_json::from_str(raw.get()).map_err(|error| fail(error.to_string()))?;
        push(&mut builder, text, raw, &file, &fail)?;
    }
    Ok(builder.finish(parts.head, document.bytes.clone()))
}

/// The members of a page, its files found but unread.
struct Top<'a> {
    /// In order; `files` is there with an empty slot.
    members: Vec<(Cow<'a, str>, Option<&'a RawValue>)>,
    files: Vec<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Top<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TopVisitor;
        impl<'de> Visitor<'de> for TopVisitor {
            type Value = Top<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a page object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut top = Top {
                    members: Vec::new(),
                    files: Vec::new(),
                };
                let mut seen = HashSet::new();
                while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
                    if !seen.insert(name.clone()) {
                        return Err(A::Error::custom(format_args!("`{name}` occurs twice")));
                    }
                    if seen.len() > MAX_MEMBERS {
                        return Err(A::Error::custom(format_args!(
                            "it has more than {MAX_MEMBERS} members"
                        )));
                    }
                    let value = if name == "files" {
                        top.files = map.next_value()?;
                        None
                    } else {
                        Some(map.next_value()?)
                    };
                    top.members.push((name, value));
                }
                Ok(top)
            }
        }
        deserializer.deserialize_map(TopVisitor)
    }
}

struct TopParts {
    head: Head,
    versions: Versions,
}

fn read_top(text: &str, top: &Top<'_>, package: &PackageName) -> Result<TopParts, String> {
    let mut head = Head {
        api_version: SmolStr::new_static("1.0"),
        status: None,
        last_serial: None,
        members: None,
    };
    let mut members = Vec::with_capacity(top.members.len());
    let mut published = Vec::new();
    let mut has_files = false;
    for (name, value) in &top.members {
        let Some(raw) = value else {
            has_files = true;
            members.push(Member::Files);
            continue;
        };
        if !is_tame(raw) {
            return Err(format!(
                "`{name}` is nested too deeply or holds a giant number"
            ));
        }
        let span = span_of(text, raw)?;
        members.push(match name.as_ref() {
            "name" => {
                check_name(raw, package)?;
                Member::Name
            }
            "versions" => {
                published = serde_json::from_str::<Vec<SmolStr>>(raw.get())
                    .map_err(|error| format!("`versions`: {error}"))?;
                Member::Versions(span)
            }
            "meta" => kept(name, read_meta(raw, span, &mut head)?),
            // Locations of the same project elsewhere, which only Cordon's configuration decides.
            "alternate-locations" => kept(name, without_entries(raw, span)),
            "project-status" => {
                head.status = read_status(raw)?;
                kept(name, Value::Copied(span))
            }
            _ => kept(name, Value::Copied(span)),
        });
    }
    if !has_files {
        return Err("it has no `files`".to_owned());
    }
    if !top.members.iter().any(|(name, _)| name == "meta") {
        let meta = Value::Replaced(r#"{"api-version":"1.0"}"#.into());
        members.insert(0, kept("meta", meta));
    }
    head.members = Some(members);
    Ok(TopParts {
        head,
        versions: Versions::new(SCHEME, published.into_iter()),
    })
}

fn kept(name: &str, value: Value) -> Member {
    Member::Kept {
        name: SmolStr::new(name),
        value,
    }
}

fn span_of(text: &str, raw: &RawValue) -> Result<Span, String> {
    Span::of(text, raw.get()).ok_or_else(|| "it has 4 GiB or more".to_owned())
}

fn check_name(raw: &RawValue, package: &PackageName) -> Result<(), String> {
    let name = string(raw).ok_or("`name` is no string")?;
    match SCHEME.package(&name) {
        Ok(found) if found == *package => Ok(()),
        Ok(found) => Err(format!("it is the page of {}", found.purl())),
        Err(error) => Err(error.to_string()),
    }
}

/// `meta`: the version is checked, `tracks` (PEP 708), which Cordon does not vouch for, is taken
/// out.
fn read_meta(raw: &RawValue, span: Span, head: &mut Head) -> Result<Value, String> {
    let meta: Members<'_> =
        serde_json::from_str(raw.get()).map_err(|error| format!("`meta`: {error}"))?;
    if let Some(version) = meta.get("api-version") {
        head.api_version =
            check_api_version(&string(version).ok_or("`api-version` is no string")?)?;
    }
    head.last_serial = meta
        .get("_last-serial")
        .and_then(|serial| serial.get().parse().ok());
    let has_version = meta.get("api-version").is_some();
    if has_version && meta.get("tracks").is_none() {
        return Ok(Value::Copied(span));
    }
    let mut members: Vec<String> = meta
        .0
        .iter()
        .filter(|(name, _)| name != "tracks")
        .map(|(name, value)| format!("{}:{}", serde_json::Value::from(name.as_ref()), value.get()))
        .collect();
    if !has_version {
        members.insert(0, r#""api-version":"1.0""#.to_owned());
    }
    Ok(Value::Replaced(format!("{{{}}}", members.join(",")).into()))
}

/// Versions 1.x are read alike; clients make nothing of another major version (protocols.md §3.2).
pub(super) fn check_api_version(text: &str) -> Result<SmolStr, String> {
    let minor = text.strip_prefix("1.").unwrap_or_default();
    let is_known = (1..=4).contains(&minor.len()) && minor.bytes().all(|b| b.is_ascii_digit());
    if is_known {
        Ok(SmolStr::new(text))
    } else {
        let shown: String = text.chars().take(32).collect();
        Err(format!("its version is {shown:?}; Cordon reads 1.x"))
    }
}

fn without_entries(raw: &RawValue, span: Span) -> Value {
    if is_null(raw) {
        Value::Copied(span)
    } else {
        Value::Replaced("[]".into())
    }
}

fn read_status(raw: &RawValue) -> Result<Option<Status>, String> {
    if is_null(raw) {
        return Ok(None);
    }
    let status: Members<'_> =
        serde_json::from_str(raw.get()).map_err(|error| format!("`project-status`: {error}"))?;
    let text = |name: &str| status.get(name).and_then(string).map(SmolStr::new);
    // Without a status the project is active; one that is no string could be any, also the one
    // that forbids its files.
    match status.get("status") {
        None => Ok(None),
        Some(raw) if is_null(raw) => Ok(None),
        Some(_) => Ok(Some(Status {
            name: text("status").ok_or("`project-status` is no string")?,
            reason: text("reason"),
        })),
    }
}

/// The members of a file object that are read.
#[derive(Default)]
struct RawFile<'a> {
    filename: Option<&'a RawValue>,
    url: Option<&'a RawValue>,
    hashes: Option<&'a RawValue>,
    size: Option<&'a RawValue>,
    upload_time: Option<&'a RawValue>,
    requires_python: Option<&'a RawValue>,
    yanked: Option<&'a RawValue>,
    core_metadata: Option<&'a RawValue>,
    dist_info_metadata: Option<&'a RawValue>,
    data_dist_info_metadata: Option<&'a RawValue>,
    provenance: Option<&'a RawValue>,
}

impl<'a> RawFile<'a> {
    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            "filename" => &mut self.filename,
            "url" => &mut self.url,
            "hashes" => &mut self.hashes,
            "size" => &mut self.size,
            "upload-time" => &mut self.upload_time,
            "requires-python" => &mut self.requires_python,
            "yanked" => &mut self.yanked,
            "core-metadata" => &mut self.core_metadata,
            "dist-info-metadata" => &mut self.dist_info_metadata,
            "data-dist-info-metadata" => &mut self.data_dist_info_metadata,
            "provenance" => &mut self.provenance,
            _ => return None,
        })
    }

    /// The spellings of the offer of core metadata; clients read the first that is there.
    fn metadata(&self) -> [Option<&'a RawValue>; 3] {
        [
            self.core_metadata,
            self.dist_info_metadata,
            self.data_dist_info_metadata,
        ]
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawFile<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FileVisitor;
        impl<'de> Visitor<'de> for FileVisitor {
            type Value = RawFile<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut file = RawFile::default();
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &RawValue>()? {
                    if !is_tame(value) {
                        return Err(A::Error::custom(format_args!(
                            "`{name}` is nested too deeply or holds a giant number"
                        )));
                    }
                    if let Some(slot) = file.slot(&name)
                        && slot.replace(value).is_some()
                    {
                        return Err(A::Error::custom(format_args!("`{name}` occurs twice")));
                    }
                }
                Ok(file)
            }
        }
        deserializer.deserialize_map(FileVisitor)
    }
}

fn push(
    builder: &mut PageBuilder<'_>,
    text: &str,
    object: &RawValue,
    file: &RawFile<'_>,
    fail: &dyn Fn(String) -> MetadataError,
) -> Result<(), MetadataError> {
    let name = file.filename.and_then(string);
    let url = file.url.and_then(string);
    let (Some(name), Some(url), Some(raw_url)) = (name, url, file.url) else {
        return Err(fail(
            "`filename` or `url` is missing or no string".to_owned(),
        ));
    };
    let span = |raw: &RawValue| span_of(text, raw).map_err(fail);
    let provenance = file.provenance.and_then(string);
    let metadata = read_sibling(file.metadata().into_iter().flatten().next());
    let mut withdrawn = [None; 3];
    if metadata.is_none() {
        for (slot, raw) in withdrawn.iter_mut().zip(file.metadata()) {
            let offer = raw.filter(|raw| !matches!(raw.get(), "false" | "null"));
            *slot = offer.map(span).transpose()?;
        }
    }
    let json = JsonSource {
        object: span(object)?,
        url: span(raw_url)?,
        provenance: match (&provenance, file.provenance) {
            (Some(_), Some(raw)) => Some(span(raw)?),
            _ => None,
        },
        withdrawn,
    };
    builder.push(Found {
        name: &name,
        url: &url,
        provenance: provenance.as_deref(),
        digests: read_digests(file.hashes),
        size_bytes: read_size(file.size),
        published_at: read_time(file.upload_time),
        is_yanked: read_yanked(file.yanked),
        requires_python: file.requires_python.and_then(string).map(SmolStr::new),
        metadata,
        json: Some(json),
    })
}

fn read_digests(raw: Option<&RawValue>) -> Fact<Digests> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Fact::Absent;
    };
    let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(raw.get()) else {
        return Fact::Unavailable("the digests are no object".into());
    };
    digests_of(
        members
            .iter()
            .map(|(name, raw)| (name.as_ref(), string(raw).unwrap_or_default())),
    )
}

/// The digests Cordon can check. One of a known algorithm that cannot be read makes all of them
/// unavailable: the file would otherwise pass with a weaker one.
pub(super) fn digests_of<'a>(
    pairs: impl Iterator<Item = (&'a str, Cow<'a, str>)>,
) -> Fact<Digests> {
    let mut digests = Digests::none();
    for (name, value) in pairs {
        let Some(algorithm) = DigestAlgorithm::from_name(name) else {
            continue;
        };
        match Digest::from_hex(algorithm, &value) {
            Ok(digest) => digests.insert(digest),
            Err(error) => return Fact::Unavailable(format_smolstr!("{name}: {error}")),
        }
    }
    if digests.is_empty() {
        Fact::Absent
    } else {
        Fact::Known(digests)
    }
}

fn read_size(raw: Option<&RawValue>) -> Fact<u64> {
    match raw.filter(|raw| !is_null(raw)) {
        None => Fact::Absent,
        Some(raw) => raw.get().parse().map_or_else(
            |_| Fact::Unavailable("the size is no whole number".into()),
            Fact::Known,
        ),
    }
}

fn read_time(raw: Option<&RawValue>) -> Fact<Timestamp> {
    match raw.filter(|raw| !is_null(raw)) {
        None => Fact::Absent,
        Some(raw) => match string(raw).map(|text| Timestamp::parse(&text)) {
            Some(Ok(instant)) => Fact::Known(instant),
            Some(Err(error)) => Fact::Unavailable(format_smolstr!("upload time: {error}")),
            None => Fact::Unavailable("the upload time is no string".into()),
        },
    }
}

/// As pip reads it: `true` or a text that is not empty.
fn read_yanked(raw: Option<&RawValue>) -> Fact<Option<SmolStr>> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else {
        return Fact::Known(None);
    };
    match (raw.get(), string(raw)) {
        ("true", _) => Fact::Known(Some(SmolStr::default())),
        ("false", _) => Fact::Known(None),
        (_, Some(reason)) if reason.is_empty() => Fact::Known(None),
        (_, Some(reason)) => Fact::Known(Some(SmolStr::new(reason))),
        (_, None) => Fact::Unavailable("`yanked` is neither a boolean nor a string".into()),
    }
}

/// The digests of an offer that can be verified.
fn read_sibling(raw: Option<&RawValue>) -> Option<Digests> {
    match read_digests(raw) {
        Fact::Known(digests) => Some(digests),
        Fact::Absent | Fact::Unavailable(_) | Fact::NotYet => None,
    }
}
