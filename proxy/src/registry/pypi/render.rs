//! Pages for clients: JSON and HTML of one model, listing the same files.
//!
//! JSON from a JSON page is a copy of ranges: file objects stay as they are but for addresses, so
//! that members Cordon does not know survive. HTML is always made anew from the model.

use bytes::Bytes;
use cordon_policy::facts::{Fact, VersionFacts};
use cordon_policy::model::{Digest, DigestAlgorithm, Digests};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::accept::Representation;
use super::html::{escape, push_escaped};
use super::json::push_string;
use super::page::{File, JsonSource, Member, Page, Source};
use super::{FORM_HTML, FORM_HTML_V1, FORM_JSON, FORM_LEGACY, FORM_LEGACY_VERSION};
use crate::registry::{Entry, Links, Listing, MetadataError, Rendered, View};

/// What a file is marked with that may not be had but stays listed.
pub(super) const DEMOTED: &str = "blocked by Cordon; the answer to a request for the file says why";

/// What stays as it is in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!');

/// The address of a project's files on this Cordon, up to the file name.
pub(super) fn files_base(page: &Page, links: &Links) -> String {
    format!("{}files/{}/", links.base, page.package.normalized())
}

/// The path segment of a file name.
pub(super) fn segment(file: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(file, SEGMENT)
}

/// Renders a view of the page.
pub(super) fn render(
    page: &Page,
    listing: &Listing<'_>,
    view: &View,
    links: &Links,
) -> Result<Rendered, MetadataError> {
    let (body, content_type, vary) = match view.form {
        FORM_JSON => (
            json(page, listing, links),
            Representation::JsonV1.media_type(),
            "Accept",
        ),
        FORM_HTML => (
            html(page, listing, links),
            Representation::Html.media_type(),
            "Accept",
        ),
        FORM_HTML_V1 => (
            html(page, listing, links),
            Representation::HtmlV1.media_type(),
            "Accept",
        ),
        FORM_LEGACY | FORM_LEGACY_VERSION => {
            let version = view.argument.as_deref();
            let body = super::legacy_render::render(page, listing, version, links)?;
            (body, "application/json", "")
        }
        form => {
            return Err(MetadataError::NotFound {
                what: format!("{} has no form `{form}`", page.package.purl()),
            });
        }
    };
    Ok(Rendered {
        body: Bytes::from(body),
        content_type,
        last_modified: None,
        vary,
    })
}

fn json(page: &Page, listing: &Listing<'_>, links: &Links) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.bytes.len() + page.files.len() * 64 + 256);
    let Some(members) = &page.head.members else {
        json_from_html(&mut out, page, listing, links);
        return out;
    };
    for (index, member) in members.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        match member {
            Member::Files => {
                out.extend_from_slice(b"\"files\":");
                push_files(&mut out, page, listing, links);
            }
            Member::Name => {
                out.extend_from_slice(b"\"name\":");
                push_string(&mut out, page.package.normalized());
            }
            Member::Versions(span) => {
                out.extend_from_slice(b"\"versions\":");
                if page.is_complete(listing) && page.versions.are_published() {
                    out.extend_from_slice(span.bytes(&page.bytes));
                } else {
                    push_versions(&mut out, page, listing);
                }
            }
            Member::Kept { name, value } => {
                push_string(&mut out, name);
                out.push(b':');
                out.extend_from_slice(value.text(&page.bytes));
            }
        }
    }
    out.push(b'}');
    out
}

/// A page upstream has as HTML only. It is of version 1.0, because sizes, which later versions
/// demand, are not known.
fn json_from_html(out: &mut Vec<u8>, page: &Page, listing: &Listing<'_>, links: &Links) {
    out.extend_from_slice(b"{\"meta\":{\"api-version\":\"1.0\"},\"name\":");
    push_string(out, page.package.normalized());
    if let Some(status) = &page.head.status {
        out.extend_from_slice(b",\"project-status\":{\"status\":");
        push_string(out, &status.name);
        if let Some(reason) = &status.reason {
            out.extend_from_slice(b",\"reason\":");
            push_string(out, reason);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b",\"versions\":");
    push_versions(out, page, listing);
    out.extend_from_slice(b",\"files\":");
    push_files(out, page, listing, links);
    out.push(b'}');
}

/// The versions of which a file is shown. With something withheld, versions without any file are
/// left out as well: nobody can tell whether it is theirs that is withheld.
fn push_versions(out: &mut Vec<u8>, page: &Page, listing: &Listing<'_>) {
    let mut is_shown = vec![false; page.versions.len()];
    for (_, file, _, _) in page.shown(listing) {
        if let Some(shown) = is_shown.get_mut(file.version as usize) {
            *shown = true;
        }
    }
    out.push(b'[');
    let shown = page
        .versions
        .iter()
        .zip(is_shown)
        .filter(|(_, shown)| *shown);
    for (index, (version, _)) in shown.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_string(out, version.as_str());
    }
    out.push(b']');
}

fn push_files(out: &mut Vec<u8>, page: &Page, listing: &Listing<'_>, links: &Links) {
    let base = files_base(page, links);
    out.push(b'[');
    let mut is_first = true;
    for (_, file, facts, entry) in page.shown(listing) {
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        match &file.source {
            _ if *entry == Entry::Demoted => push_refused(out, file, facts, &base),
            Source::Json(source) => push_copied(out, page, source, facts, &base),
            Source::Html { provenance, .. } => {
                push_made(out, file, facts, &base, provenance.is_some());
            }
        }
    }
    out.push(b']');
}

fn push_url(out: &mut Vec<u8>, base: &str, facts: &VersionFacts, ending: &str) {
    // Neither a URL nor a percent-encoded segment holds anything JSON would escape.
    out.push(b'"');
    out.extend_from_slice(base.as_bytes());
    for part in segment(facts.artifact.file.as_str()) {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(ending.as_bytes());
    out.push(b'"');
}

/// A file that is listed only so that asking for it tells why it is refused: nothing its bytes
/// could be known by (INV-3). Clients take a missing size and empty hashes for unknown ones.
fn push_refused(out: &mut Vec<u8>, file: &File, facts: &VersionFacts, base: &str) {
    out.extend_from_slice(b"{\"filename\":");
    push_string(out, facts.artifact.file.as_str());
    out.extend_from_slice(b",\"url\":");
    push_url(out, base, facts, "");
    out.extend_from_slice(b",\"hashes\":{}");
    if let Some(requires) = &file.requires_python {
        out.extend_from_slice(b",\"requires-python\":");
        push_string(out, requires);
    }
    if let Fact::Known(at) = &facts.published_at {
        out.extend_from_slice(b",\"upload-time\":");
        push_string(out, &at.to_string());
    }
    out.extend_from_slice(b",\"yanked\":");
    push_string(out, DEMOTED);
    out.push(b'}');
}

/// A file object with addresses replaced and everything else as it is.
fn push_copied(
    out: &mut Vec<u8>,
    page: &Page,
    source: &JsonSource,
    facts: &VersionFacts,
    base: &str,
) {
    #[derive(Clone, Copy)]
    enum Piece {
        Url,
        Provenance,
        Withdrawn,
    }
    let withdrawn = |at: usize| {
        let span = source.withdrawn.get(at).copied().flatten();
        span.map(|span| (span, Piece::Withdrawn))
    };
    let mut pieces = [
        Some((source.url, Piece::Url)),
        source.provenance.map(|span| (span, Piece::Provenance)),
        withdrawn(0),
        withdrawn(1),
        withdrawn(2),
    ];
    pieces.sort_unstable_by_key(|piece| piece.map(|(span, _)| span.start));
    let mut rest = source.object;
    for (span, piece) in pieces.into_iter().flatten() {
        let before = super::json::Span {
            start: rest.start,
            end: span.start,
        };
        out.extend_from_slice(before.bytes(&page.bytes));
        match piece {
            Piece::Url => push_url(out, base, facts, ""),
            Piece::Provenance => push_url(out, base, facts, ".provenance"),
            Piece::Withdrawn => out.extend_from_slice(b"false"),
        }
        rest.start = span.end;
    }
    out.extend_from_slice(rest.bytes(&page.bytes));
}

/// A file object made from what an anchor said.
fn push_made(
    out: &mut Vec<u8>,
    file: &File,
    facts: &VersionFacts,
    base: &str,
    has_provenance: bool,
) {
    out.extend_from_slice(b"{\"filename\":");
    push_string(out, facts.artifact.file.as_str());
    out.extend_from_slice(b",\"url\":");
    push_url(out, base, facts, "");
    out.extend_from_slice(b",\"hashes\":");
    push_digests(
        out,
        facts
            .declared
            .known()
            .into_iter()
            .flat_map(|all| all.iter()),
    );
    if let Some(requires) = &file.requires_python {
        out.extend_from_slice(b",\"requires-python\":");
        push_string(out, requires);
    }
    if let Some(digests) = &file.metadata {
        out.extend_from_slice(b",\"core-metadata\":");
        push_digests(out, digests.iter());
    }
    match yanked_text(facts) {
        None => {}
        Some("") => out.extend_from_slice(b",\"yanked\":true"),
        Some(reason) => {
            out.extend_from_slice(b",\"yanked\":");
            push_string(out, reason);
        }
    }
    if has_provenance {
        out.extend_from_slice(b",\"provenance\":");
        push_url(out, base, facts, ".provenance");
    }
    out.push(b'}');
}

fn push_digests<'a>(out: &mut Vec<u8>, digests: impl Iterator<Item = &'a Digest>) {
    out.push(b'{');
    for (index, digest) in digests.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_string(out, digest.algorithm().name());
        out.push(b':');
        push_string(out, &digest.hex());
    }
    out.push(b'}');
}

/// The reason upstream yanked a file for, possibly empty.
fn yanked_text(facts: &VersionFacts) -> Option<&str> {
    match &facts.is_yanked {
        Fact::Known(Some(reason)) => Some(reason),
        _ => None,
    }
}

fn html(page: &Page, listing: &Listing<'_>, links: &Links) -> Vec<u8> {
    let name = escape(page.package.normalized());
    let mut out = String::with_capacity(page.files.len() * 320 + 512);
    out.push_str("<!DOCTYPE html>\n<html>\n  <head>\n");
    push_meta(&mut out, "repository-version", &page.head.api_version);
    if let Some(status) = &page.head.status {
        push_meta(&mut out, "project-status", &status.name);
        if let Some(reason) = &status.reason {
            push_meta(&mut out, "project-status-reason", reason);
        }
    }
    out.push_str(&format!(
        "    <title>Links for {name}</title>\n  </head>\n  <body>\n    <h1>Links for {name}</h1>\n"
    ));
    let base = escape(&files_base(page, links));
    for (_, file, facts, entry) in page.shown(listing) {
        push_anchor(&mut out, file, facts, *entry == Entry::Demoted, &base);
    }
    out.push_str("  </body>\n</html>\n");
    if let Some(serial) = page.head.last_serial {
        out.push_str(&format!("<!--SERIAL {serial}-->\n"));
    }
    out.into_bytes()
}

fn push_meta(out: &mut String, name: &str, content: &str) {
    out.push_str("    <meta name=\"pypi:");
    out.push_str(name);
    out.push_str("\" content=\"");
    push_escaped(out, content);
    out.push_str("\">\n");
}

fn push_anchor(out: &mut String, file: &File, facts: &VersionFacts, is_refused: bool, base: &str) {
    let name = facts.artifact.file.as_str();
    out.push_str("    <a href=\"");
    out.push_str(base);
    out.extend(segment(name));
    if let Some(digest) = facts.declared.known().and_then(strongest)
        && !is_refused
    {
        out.push('#');
        push_digest(out, digest);
    }
    out.push('"');
    if let Some(requires) = &file.requires_python {
        push_attribute(out, "data-requires-python", requires);
    }
    if is_refused {
        push_attribute(out, "data-yanked", DEMOTED);
    } else {
        push_attributes(out, file, facts, base);
    }
    out.push('>');
    push_escaped(out, name);
    out.push_str("</a><br>\n");
}

/// What an anchor tells of a file that may be had.
fn push_attributes(out: &mut String, file: &File, facts: &VersionFacts, base: &str) {
    if let Some(digest) = file.metadata.as_ref().and_then(strongest) {
        for name in ["data-dist-info-metadata", "data-core-metadata"] {
            out.push(' ');
            out.push_str(name);
            out.push_str("=\"");
            push_digest(out, digest);
            out.push('"');
        }
    }
    if let Some(reason) = yanked_text(facts) {
        push_attribute(out, "data-yanked", reason);
    }
    if offers_provenance(file) {
        out.push_str(" data-provenance=\"");
        out.push_str(base);
        out.extend(segment(facts.artifact.file.as_str()));
        out.push_str(".provenance\"");
    }
}

fn offers_provenance(file: &File) -> bool {
    match &file.source {
        Source::Json(source) => source.provenance.is_some(),
        Source::Html { provenance, .. } => provenance.is_some(),
    }
}

fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value);
    out.push('"');
}

fn push_digest(out: &mut String, digest: &Digest) {
    out.push_str(digest.algorithm().name());
    out.push('=');
    out.push_str(&digest.hex());
}

/// The digest an anchor can carry: SHA-256, or the strongest other that clients compute.
fn strongest(digests: &Digests) -> Option<&Digest> {
    [
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha512,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Md5,
    ]
    .into_iter()
    .find_map(|algorithm| digests.get(algorithm))
}
