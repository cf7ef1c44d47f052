//! `npm search`: what may not be had is not advertised.

use std::sync::Arc;

use cordon_policy::ecosystem::Npm as NpmScheme;
use cordon_policy::facts::{Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{ArtifactId, ArtifactKind, FileName, PackageVersion, Scheme};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use smol_str::SmolStr;

use super::address::OurBase;
use super::manifest::{Fault, Given};
use super::route::not_found;
use super::{address, facts, forms, negotiate};
use crate::registry::json::{Scanner, Span};
use crate::registry::{
    Catalog, DocumentRequest, Links, MetadataError, Rendered, Route, RouteError, UpstreamDocument,
    View,
};

/// Parameters of a search that are passed on, and no others.
const PARAMETERS: [&str; 6] = [
    "text",
    "size",
    "from",
    "quality",
    "popularity",
    "maintenance",
];

/// Longest value of a parameter, decoded, in bytes.
const MAX_VALUE_BYTES: usize = 512;

/// What stands for itself in a query value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A search, its query rebuilt from the known parameters.
pub(super) fn route(query: Option<&str>) -> Result<Route, RouteError> {
    let mut known = Vec::new();
    for (key, value) in query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
    {
        if !PARAMETERS.contains(&key) {
            continue;
        }
        let spaced = value.replace('+', " ");
        let value = percent_decode_str(&spaced)
            .decode_utf8()
            .ok()
            .filter(|value| value.len() <= MAX_VALUE_BYTES)
            .ok_or_else(|| not_found("a search parameter is too long or not UTF-8"))?;
        known.push(format!("{key}={}", utf8_percent_encode(&value, PLAIN)));
    }
    let query = known.join("&");
    Ok(Route::Catalog {
        request: DocumentRequest {
            kind: "search",
            name: SmolStr::new(&query),
            path: match query.is_empty() {
                true => "-/v1/search".to_owned(),
                false => format!("-/v1/search?{query}"),
            },
            accept: negotiate::FULL,
            is_optional: false,
            is_kept: false,
        },
        view: View::plain(forms::SEARCH),
    })
}

/// A search answer.
pub(super) struct Search {
    bytes: bytes::Bytes,
    entries: Vec<VersionFacts>,
    /// One per entry.
    slots: Vec<Span>,
    /// Where the array of results stands.
    results: Span,
    /// Where the number of all results stands, and the number.
    total: Option<(Span, u64)>,
    /// Results that name no package there can be.
    unreadable: u64,
    mentions: Vec<address::Mention>,
}

impl Search {
    /// Reads a search answer.
    ///
    /// # Errors
    /// If it is not one.
    pub(super) fn read(document: &UpstreamDocument) -> Result<Self, MetadataError> {
        let malformed = |why: String| MetadataError::Malformed {
            document: "search answer",
            subject: document.url.host_str().unwrap_or_default().to_owned(),
            why,
        };
        let mut search = Self {
            bytes: document.bytes.clone(),
            entries: Vec::new(),
            slots: Vec::new(),
            results: Span::default(),
            total: None,
            unreadable: 0,
            mentions: address::mentions_of_origin(&document.url, &document.bytes),
        };
        search.walk(document).map_err(|fault| {
            malformed(match fault {
                Fault::Scan(error) => error.to_string(),
                Fault::Duplicate { key, within } => format!("`{key}` stands twice in {within}"),
            })
        })?;
        if search.results == Span::default() {
            return Err(malformed("it has no `objects`".to_owned()));
        }
        Ok(search)
    }

    fn walk(&mut self, document: &UpstreamDocument) -> Result<(), Fault> {
        let mut scanner = Scanner::new(&document.bytes)?;
        let mut members = scanner.object()?;
        while let Some(key) = scanner.key(&mut members)? {
            match &*key {
                "objects" if self.results != Span::default() => {
                    return Err(Fault::Duplicate {
                        key: key.into_owned(),
                        within: "the answer",
                    });
                }
                "objects" => {
                    let start = scanner.position();
                    self.results(&mut scanner, document)?;
                    self.results = scanner.span_since(start);
                }
                "total" => {
                    let span = scanner.skip()?;
                    let text = std::str::from_utf8(span.of(&document.bytes));
                    self.total = text.ok().and_then(|t| t.parse().ok()).map(|n| (span, n));
                }
                _ => {
                    scanner.skip()?;
                }
            }
            scanner.end(&mut members)?;
        }
        scanner.finish()?;
        Ok(())
    }

    fn results<'a>(
        &mut self,
        scanner: &mut Scanner<'a>,
        document: &UpstreamDocument,
    ) -> Result<(), Fault> {
        let mut items = scanner.array()?;
        while scanner.item(&mut items)? {
            let found = result(scanner)?;
            let slot = scanner.end(&mut items)?;
            match found.facts(document) {
                Some(facts) => {
                    self.entries.push(facts);
                    self.slots.push(slot);
                }
                None => self.unreadable += 1,
            }
        }
        Ok(())
    }
}

/// What a result tells of its package.
#[derive(Default)]
struct Found<'a> {
    name: Given<'a>,
    version: Given<'a>,
    date: Given<'a>,
}

fn result<'a>(scanner: &mut Scanner<'a>) -> Result<Found<'a>, Fault> {
    let mut found = Found::default();
    if scanner.peek_value() != Some(b'{') {
        scanner.skip()?;
        return Ok(found);
    }
    let mut members = scanner.object()?;
    while let Some(key) = scanner.key(&mut members)? {
        if key == "package" && scanner.peek_value() == Some(b'{') {
            let mut fields = scanner.object()?;
            while let Some(key) = scanner.key(&mut fields)? {
                match &*key {
                    "name" => found.name = Given::read(scanner)?,
                    "version" => found.version = Given::read(scanner)?,
                    "date" => found.date = Given::read(scanner)?,
                    _ => {
                        scanner.skip()?;
                    }
                }
                scanner.end(&mut fields)?;
            }
        } else {
            scanner.skip()?;
        }
        scanner.end(&mut members)?;
    }
    Ok(found)
}

impl Found<'_> {
    fn facts(&self, document: &UpstreamDocument) -> Option<VersionFacts> {
        let name = NpmScheme.package(self.name.text()?).ok()?;
        let version = NpmScheme.version(self.version.text()?).ok()?;
        let file = FileName::new(address::canonical_file(&name, version.as_str())).ok()?;
        let package = Arc::new(PackageFacts {
            name: name.clone(),
            first_published_at: Fact::NotYet,
            status: Fact::NotYet,
            upstream: document.upstream.clone(),
            similarity: Fact::NotYet,
            popularity: None,
            asked_in_vain: None,
        });
        let artifact = ArtifactId {
            subject: PackageVersion { name, version },
            file,
            kind: ArtifactKind::Archive,
        };
        let mut facts = VersionFacts::unknown(artifact, package);
        if self.date != Given::Missing {
            facts.published_at = facts::time(&self.date);
        }
        Some(facts)
    }
}

impl Catalog for Search {
    fn entries(&self) -> Box<dyn Iterator<Item = VersionFacts> + '_> {
        Box::new(self.entries.iter().cloned())
    }

    fn render(
        &self,
        keep: &[bool],
        _view: &View,
        links: &Links,
    ) -> Result<Rendered, MetadataError> {
        let kept = || {
            self.slots
                .iter()
                .zip(keep)
                .filter(|(_, is_kept)| **is_kept)
                .map(|(slot, _)| slot)
        };
        let base = OurBase::new(links);
        let mut results = vec![b'['];
        for (index, slot) in kept().enumerate() {
            if index > 0 {
                results.push(b',');
            }
            address::copy(&mut results, &self.bytes, *slot, &self.mentions, base);
        }
        results.push(b']');

        let dropped = (self.slots.len() - kept().count()) as u64 + self.unreadable;
        let mut changes = vec![(self.results, results)];
        if let Some((span, total)) = self.total.filter(|_| dropped > 0) {
            changes.push((span, total.saturating_sub(dropped).to_string().into_bytes()));
        }
        changes.sort_by_key(|(span, _)| span.start);
        let mut body = Vec::with_capacity(self.bytes.len());
        let mut at = 0;
        for (span, text) in changes {
            let before = Span {
                start: at,
                end: span.start,
            };
            address::copy(&mut body, &self.bytes, before, &self.mentions, base);
            body.extend_from_slice(&text);
            at = span.end;
        }
        let rest = Span {
            start: at,
            end: self.bytes.len() as u32,
        };
        address::copy(&mut body, &self.bytes, rest, &self.mentions, base);
        Ok(Rendered {
            body: body.into(),
            content_type: negotiate::FULL,
            last_modified: None,
            vary: "",
        })
    }
}
