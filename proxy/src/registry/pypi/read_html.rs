//! Reads an HTML simple page (PEP 503, 592, 658, 714, 740), for indexes that have no JSON.
//!
//! The page is taken apart by a tokenizer that follows the HTML standard, and only what anchors
//! say about files is kept; the page clients get is made anew from that (reliability.md M-36).

use std::borrow::Cow;
use std::convert::Infallible;

use bytes::Bytes;
use cordon_policy::facts::Fact;
use cordon_policy::model::{Digests, PackageName};
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use percent_encoding::percent_decode_str;
use smol_str::SmolStr;
use url::Url;

use super::SCHEME;
use super::build::{Found, PageBuilder};
use super::page::{Head, Page, Status, malformed};
use super::read_json::{check_api_version, digests_of};
use super::versions::Versions;
use crate::registry::{MetadataError, UpstreamDocument};

const DOCUMENT: &str = "simple page";

/// Why HTML without an entry is refused.
pub(super) const NOT_AN_INDEX: &str =
    "it lists nothing and does not call itself an index: a login or error page, perhaps";

/// The attributes that are read; all others are dropped at once.
const ATTRIBUTES: [&str; 8] = [
    "href",
    "name",
    "content",
    "data-requires-python",
    "data-core-metadata",
    "data-dist-info-metadata",
    "data-yanked",
    "data-provenance",
];

/// Reads the page of `package`.
///
/// # Errors
/// Not text, JSON under the wrong type, not a page of major version 1, or nothing that shows it to
/// be an index's: a login page sent with 200 would read as a project without files.
pub(super) fn read(
    package: &PackageName,
    document: &UpstreamDocument,
) -> Result<Page, MetadataError> {
    let fail = |why: String| malformed(DOCUMENT, package, why);
    let text = text_of(document).map_err(fail)?;
    let mut head = Head {
        api_version: SmolStr::new_static("1.0"),
        status: None,
        last_serial: None,
        members: None,
    };
    let mut base = None;
    let mut status = None;
    let mut reason = None;
    let mut anchors = Vec::new();
    let mut is_known = false;
    for tag in tags(text) {
        match tag.name {
            TagName::Title => is_known |= tag.starts_with("links for "),
            TagName::Anchor => anchors.push(tag),
            TagName::Base => {
                // The first one counts, as in the HTML standard.
                if base.is_none()
                    && let Some(href) = tag.get("href")
                {
                    let url = document.url.join(href);
                    base = Some(url.map_err(|error| fail(format!("`<base>`: {error}")))?);
                }
            }
            TagName::Meta => match (tag.get("name"), tag.get("content")) {
                (Some("pypi:repository-version"), Some(version)) => {
                    head.api_version = check_api_version(version).map_err(fail)?;
                    is_known = true;
                }
                (Some("pypi:project-status"), Some(name)) => status = Some(SmolStr::new(name)),
                (Some("pypi:project-status-reason"), Some(text)) => {
                    reason = Some(SmolStr::new(text));
                }
                _ => {}
            },
        }
    }
    head.status = status.map(|name| Status { name, reason });
    let mut builder = PageBuilder::new(
        package,
        document.upstream.clone(),
        base.unwrap_or_else(|| document.url.clone()),
        Versions::new(SCHEME, std::iter::empty()),
        head.status.as_ref(),
    );
    for anchor in &anchors {
        push(&mut builder, anchor)?;
    }
    let page = builder.finish(head, Bytes::new());
    if !is_known && page.files.is_empty() {
        return Err(fail(NOT_AN_INDEX.to_owned()));
    }
    Ok(page)
}

/// The document as text, unless it is JSON under the wrong type: that would read as a page
/// without files (reliability.md M-49).
pub(super) fn text_of(document: &UpstreamDocument) -> Result<&str, String> {
    let text = std::str::from_utf8(&document.bytes).map_err(|error| error.to_string())?;
    if text.trim_start().starts_with(['{', '[']) {
        return Err(format!("it is JSON, but sent as {}", document.content_type));
    }
    Ok(text)
}

fn push(builder: &mut PageBuilder<'_>, anchor: &Tag) -> Result<(), MetadataError> {
    let Some(href) = anchor.get("href") else {
        return Ok(());
    };
    let (address, fragment) = href.split_once('#').unwrap_or((href, ""));
    let Some(name) = last_segment(address) else {
        return Ok(());
    };
    let pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
    builder.push(Found {
        name: &name,
        url: address,
        provenance: anchor.get("data-provenance").filter(|url| !url.is_empty()),
        digests: digests_of(pairs.map(|(name, value)| (name, Cow::Borrowed(value)))),
        size_bytes: Fact::Absent,
        published_at: Fact::Absent,
        is_yanked: Fact::Known(anchor.get("data-yanked").map(SmolStr::new)),
        requires_python: anchor.get("data-requires-python").map(SmolStr::new),
        metadata: sibling(
            anchor
                .get("data-core-metadata")
                .or_else(|| anchor.get("data-dist-info-metadata")),
        ),
        json: None,
    })
}

/// The file's name: the last path segment, decoded, as pip and uv take it.
fn last_segment(address: &str) -> Option<Cow<'_, str>> {
    let path = address.split(['?']).next().unwrap_or_default();
    let segment = path.rsplit('/').next().unwrap_or_default();
    percent_decode_str(segment).decode_utf8().ok()
}

/// The digests of an offer that can be verified.
fn sibling(attribute: Option<&str>) -> Option<Digests> {
    let (name, value) = attribute?.split_once('=')?;
    match digests_of(std::iter::once((name, Cow::Borrowed(value)))) {
        Fact::Known(digests) => Some(digests),
        Fact::Absent | Fact::Unavailable(_) | Fact::NotYet => None,
    }
}

/// The elements that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagName {
    Anchor,
    Base,
    Meta,
    /// `<title>` or `<h1>`, with the text it starts with.
    Title,
}

/// A start tag.
#[derive(Debug)]
pub(super) struct Tag {
    pub(super) name: TagName,
    attributes: Vec<(&'static str, String)>,
    text: String,
}

impl Tag {
    /// Whether a title starts with these lower-case words.
    pub(super) fn starts_with(&self, words: &str) -> bool {
        self.text.trim_start().to_lowercase().starts_with(words)
    }

    /// The attribute's value with entities decoded and white space around it removed; the first
    /// one of that name, as in the HTML standard.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|(key, value)| (*key == name).then_some(value.trim()))
    }
}

/// Text of a title that is kept, about.
const MAX_TITLE_BYTES: usize = 256;

/// Every start tag that is read, in order; a title comes with its end.
pub(super) fn tags(html: &str) -> impl Iterator<Item = Tag> {
    let mut open: Option<Tag> = None;
    let mut takes_value = false;
    let mut title: Option<Tag> = None;
    let mut emitter =
        CallbackEmitter::new(move |event: CallbackEvent<'_>, _: Span<()>| match event {
            CallbackEvent::OpenStartTag { name } => {
                let unfinished = title.take();
                open = tag_name(name).map(|name| Tag {
                    name,
                    attributes: Vec::new(),
                    text: String::new(),
                });
                unfinished
            }
            CallbackEvent::AttributeName { name } => {
                takes_value = false;
                if let Some(tag) = &mut open
                    && let Some(name) = ATTRIBUTES.iter().find(|known| known.as_bytes() == name)
                    && tag.get(name).is_none()
                {
                    tag.attributes.push((name, String::new()));
                    takes_value = true;
                }
                None
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some((_, slot)) = open.as_mut().and_then(|tag| tag.attributes.last_mut())
                    && takes_value
                {
                    slot.push_str(&String::from_utf8_lossy(value));
                }
                None
            }
            CallbackEvent::CloseStartTag { .. } => match open.take() {
                Some(tag) if tag.name == TagName::Title => {
                    title = Some(tag);
                    None
                }
                tag => tag,
            },
            CallbackEvent::String { value } => {
                if let Some(title) = &mut title
                    && title.text.len() < MAX_TITLE_BYTES
                {
                    title.text.push_str(&String::from_utf8_lossy(value));
                }
                None
            }
            CallbackEvent::EndTag { .. } => title.take(),
            CallbackEvent::Comment { .. }
            | CallbackEvent::Doctype { .. }
            | CallbackEvent::Error(_) => None,
        });
    // Text in `<script>` and the like holds no tags.
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).map(|tag: Result<Tag, Infallible>| match tag {
        Ok(tag) => tag,
        Err(never) => match never {},
    })
}

fn tag_name(name: &[u8]) -> Option<TagName> {
    match name {
        b"a" => Some(TagName::Anchor),
        b"base" => Some(TagName::Base),
        b"meta" => Some(TagName::Meta),
        b"title" | b"h1" => Some(TagName::Title),
        _ => None,
    }
}

/// The last non-empty path segment of a link to a project, decoded, with the whole address.
pub(super) fn project_segment(base: &Url, href: &str) -> Option<String> {
    let url = base.join(href).ok()?;
    let segment = url.path_segments()?.rfind(|segment| !segment.is_empty())?;
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    Some(name.into_owned())
}
