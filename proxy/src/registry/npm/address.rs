//! Addresses in upstream's documents: which are fit to fetch a tarball from, and where upstream's
//! own address is mentioned.

use std::sync::Arc;

use cordon_policy::model::PackageName;
use percent_encoding::percent_decode_str;
use url::Url;

use super::route::{basename, version_of};
use crate::registry::Links;
use crate::registry::json::Span;

/// Most origins whose mentions are rewritten. A document has one, sometimes two.
const MAX_ORIGINS: usize = 4;

/// Longest address taken.
const MAX_ADDRESS_BYTES: usize = 2048;

/// Where upstream lives: every place below which this document's addresses were found.
#[derive(Debug)]
pub(super) struct Bases {
    document: Url,
    /// Origins files may be had from. A version kept anywhere else makes no place upstream's: the
    /// project's own pages may be there, and their addresses are to stay.
    files: Arc<[Url]>,
    /// Absolute addresses ending in `/` under which canonical tarball paths were found.
    prefixes: Vec<String>,
}

/// A usable `dist.tarball`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tarball {
    /// `{base}{name}/-/{basename}-{version}.tgz`.
    Canonical,
    /// Anything else; the version its file name seems to be of, when that is another.
    Irregular {
        /// See above.
        seems_of: Option<String>,
    },
}

impl Bases {
    /// Starts from the address the document itself was had from.
    pub(super) fn new(document: &Url, files: &Arc<[Url]>, package: &PackageName) -> Self {
        let mut bases = Self {
            document: document.clone(),
            files: Arc::clone(files),
            prefixes: Vec::new(),
        };
        let path = document.path();
        let name = package.as_published();
        let encoded = name.replace('/', "%2f");
        let upper = name.replace('/', "%2F");
        let prefix = [name, &encoded, &upper]
            .into_iter()
            .find_map(|spelling| path.strip_suffix(spelling))
            .filter(|prefix| prefix.ends_with('/'))
            .unwrap_or("/");
        bases.add(document, prefix);
        bases
    }

    fn add(&mut self, url: &Url, path: &str) {
        let origins = std::iter::once(&self.document).chain(self.files.iter());
        if !origins
            .into_iter()
            .any(|known| known.origin() == url.origin())
        {
            return;
        }
        let origin = &*origin(url);
        let is_known = self.prefixes.iter().any(|known| {
            known
                .strip_prefix(origin)
                .is_some_and(|rest| rest.starts_with('/'))
        });
        if !is_known && self.prefixes.len() < MAX_ORIGINS {
            self.prefixes.push(format!("{origin}{path}"));
        }
    }

    /// Checks a `dist.tarball` (M-05 to M-09).
    ///
    /// # Errors
    /// Why no byte may be fetched from it.
    pub(super) fn check(
        &mut self,
        raw: &str,
        package: &PackageName,
        file: &str,
    ) -> Result<Tarball, &'static str> {
        let is_canonical = |prefix: &String| {
            raw.strip_prefix(prefix.as_str())
                .and_then(|rest| rest.strip_prefix(package.as_published()))
                .and_then(|rest| rest.strip_prefix("/-/"))
                == Some(file)
        };
        if self.prefixes.iter().any(is_canonical) {
            return Ok(Tarball::Canonical);
        }
        let url = self.resolve(raw)?;
        let path = decoded_path(&url)?;
        let (directory, found) = path.rsplit_once('/').unwrap_or(("", &path));
        let name = package.as_published();
        let separator = directory.match_indices("/-").find(|(at, _)| {
            let after = directory.get(at + 2..).unwrap_or_default();
            after.is_empty() || after.starts_with('/')
        });
        let Some((at, _)) = separator else {
            if !holds_name(directory, name) {
                return Err("its path does not name the package");
            }
            self.add(&url, "/");
            return Ok(Tarball::Irregular { seems_of: None });
        };
        let (owner, between) = directory.split_at(at);
        // Some registries repeat the scope: `/@scope/name/-/@scope/name-1.0.0.tgz`.
        let scope = name.split_once('/').map(|(scope, _)| scope);
        let repeats = between.strip_prefix("/-/");
        if between != "/-" && (repeats.is_none() || repeats != scope) {
            return Err("its path is not that of a tarball");
        }
        if !ends_with_name(owner, name) {
            return Err("its path names another package");
        }
        self.add(&url, owner.strip_suffix(name).unwrap_or("/"));
        if found == file {
            return Ok(Tarball::Irregular { seems_of: None });
        }
        Ok(Tarball::Irregular {
            seems_of: version_of(package, found).map(str::to_owned),
        })
    }

    /// The absolute address, with what no registry needs refused.
    ///
    /// # Errors
    /// Why it is not usable.
    pub(super) fn resolve(&self, raw: &str) -> Result<Url, &'static str> {
        if raw.len() > MAX_ADDRESS_BYTES {
            return Err("it is too long");
        }
        if !raw.bytes().all(|byte| byte.is_ascii_graphic()) || raw.contains('\\') {
            return Err("it holds a backslash, a space or other characters no address has");
        }
        let url = self
            .document
            .join(raw)
            .map_err(|_| "it is not an address")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("its scheme is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user name or password");
        }
        if url.fragment().is_some() {
            return Err("it has a fragment");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it names no host");
        }
        Ok(url)
    }

    /// Every place where text mentions an address of upstream, in order: what has to be replaced
    /// so that no artifact host remains (conformance item 11). Spelled in any case, and with its
    /// slashes escaped or not.
    pub(super) fn mentions(&self, bytes: &[u8]) -> Vec<Mention> {
        mentions(bytes, &self.prefixes)
    }
}

/// Mentions of the place an answer about no package in particular was had from.
pub(super) fn mentions_of_origin(document: &Url, bytes: &[u8]) -> Vec<Mention> {
    let path = document.path().strip_suffix("-/v1/search").unwrap_or("/");
    mentions(bytes, &[format!("{}{path}", origin(document))])
}

/// Every place where two slashes, written plainly or as JSON may escape them, are followed by the
/// rest of a prefix.
fn mentions(bytes: &[u8], prefixes: &[String]) -> Vec<Mention> {
    // Host and port, and the path below which packages are.
    let places: Vec<(&str, &str)> = prefixes
        .iter()
        .filter_map(|prefix| {
            let (_, rest) = prefix.split_once("//")?;
            rest.split_at_checked(rest.find('/')?)
        })
        .collect();
    let mention = |start: usize, after: usize| {
        places
            .iter()
            .filter_map(|(authority, path)| Mention::at(bytes, start, after, authority, path))
            .max_by_key(|mention| mention.span.end)
    };
    let plain = memchr::memmem::find_iter(bytes, b"//").map(|at| (at, at + 2));
    let mut all: Vec<Mention> = plain
        .filter_map(|(start, after)| mention(start, after))
        .collect();
    let escaped = memchr::memmem::find_iter(bytes, br"\/").filter_map(|at| {
        let after = bytes.get(at + 2..)?;
        let (start, end) = match after {
            [b'/', ..] => (at, at + 3),
            [b'\\', b'/', ..] => (at, at + 4),
            // Only the second of them is escaped.
            _ if at > 0 && bytes.get(at - 1) == Some(&b'/') => (at - 1, at + 2),
            _ => return None,
        };
        // A backslash that is itself escaped is text before the address.
        let backslashes = bytes.get(..start)?.iter().rev();
        let is_text = bytes.get(start) == Some(&b'\\')
            && backslashes.take_while(|byte| **byte == b'\\').count() % 2 == 1;
        mention(start + usize::from(is_text), end)
    });
    all.extend(escaped);
    all.sort_unstable_by_key(|mention| (mention.span.start, std::cmp::Reverse(mention.span.end)));
    let mut end = 0;
    all.retain(|mention| {
        let is_free = mention.span.start >= end;
        if is_free {
            end = mention.span.end;
        }
        is_free
    });
    all
}

/// How much of `bytes` spells `path`, whose slashes JSON may have escaped.
fn spelled(bytes: &[u8], path: &str) -> Option<usize> {
    let mut length = 0;
    for byte in path.bytes() {
        let rest = bytes.get(length..)?;
        length += match (byte, rest) {
            (b'/', [b'\\', b'/', ..]) => 2,
            (byte, [found, ..]) if *found == byte => 1,
            _ => return None,
        };
    }
    Some(length)
}

/// Our base address as it replaces mentions of upstream's.
#[derive(Clone, Copy, Debug)]
pub(super) struct OurBase<'a> {
    /// Ending in `/`.
    pub(super) whole: &'a str,
    /// The same from `//` on.
    without_scheme: &'a str,
}

impl<'a> OurBase<'a> {
    pub(super) fn new(links: &'a Links) -> Self {
        let whole = links.base.as_str();
        let without_scheme = whole.find("//").and_then(|at| whole.get(at..));
        Self {
            whole,
            without_scheme: without_scheme.unwrap_or(whole),
        }
    }

    /// What stands in place of a mention.
    pub(super) fn instead_of(self, has_scheme: bool, has_slash: bool) -> &'a str {
        let base = match has_scheme {
            true => self.whole,
            false => self.without_scheme,
        };
        match has_slash {
            true => base,
            false => base.trim_end_matches('/'),
        }
    }
}

/// Copies a range, writing our base over every mention of upstream in it.
pub(super) fn copy(
    out: &mut Vec<u8>,
    bytes: &[u8],
    span: Span,
    mentions: &[Mention],
    base: OurBase<'_>,
) {
    let first = mentions.partition_point(|mention| mention.span.start < span.start);
    let mut at = span.start;
    for mention in mentions.get(first..).unwrap_or_default() {
        if mention.span.end > span.end {
            break;
        }
        let before = Span {
            start: at,
            end: mention.span.start,
        };
        out.extend_from_slice(before.of(bytes));
        out.extend_from_slice(
            base.instead_of(mention.has_scheme, mention.has_slash)
                .as_bytes(),
        );
        at = mention.span.end;
    }
    let rest = Span {
        start: at,
        end: span.end,
    };
    out.extend_from_slice(rest.of(bytes));
}

/// A place where upstream's address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// What has to be replaced.
    pub(super) span: Span,
    /// Whether that begins with a scheme or with `//`.
    pub(super) has_scheme: bool,
    /// Whether that ends in `/`.
    pub(super) has_slash: bool,
}

impl Mention {
    /// A mention whose two slashes begin at `at`, with a host and port right after them.
    fn at(
        bytes: &[u8],
        at: usize,
        after_slashes: usize,
        authority: &str,
        path: &str,
    ) -> Option<Self> {
        let mut end = after_slashes + authority.len();
        let found = bytes.get(after_slashes..end)?;
        // Host names have no case.
        if !found.eq_ignore_ascii_case(authority.as_bytes()) {
            return None;
        }
        let before = bytes.get(..at)?;
        let scheme = ["https:", "http:"].into_iter().find(|scheme| {
            let written = before.len().checked_sub(scheme.len());
            written
                .and_then(|from| before.get(from..))
                .is_some_and(|written| written.eq_ignore_ascii_case(scheme.as_bytes()))
        });
        let start = at - scheme.map_or(0, str::len);
        let after = bytes.get(end..)?;
        let continues = match after {
            [b'.' | b':', next, ..] => next.is_ascii_alphanumeric(),
            [byte, ..] => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@'),
            [] => false,
        };
        if continues {
            return None;
        }
        let slash = spelled(after, "/");
        let has_slash = slash.is_some();
        end += spelled(after, path).or(slash).unwrap_or(0);
        // An address is part of one text: whatever reaches past its end is none.
        if bytes.get(start..end)?.contains(&b'"') {
            return None;
        }
        Some(Self {
            span: Span {
                start: u32::try_from(start).ok()?,
                end: u32::try_from(end).ok()?,
            },
            has_scheme: scheme.is_some(),
            has_slash,
        })
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The path, percent-decoded once, starting with `/`.
fn decoded_path(url: &Url) -> Result<String, &'static str> {
    let decoded = percent_decode_str(url.path())
        .decode_utf8()
        .map_err(|_| "its path is not UTF-8")?;
    let has_dots = decoded
        .split('/')
        .any(|segment| segment == "." || segment == "..");
    if has_dots || decoded.contains(['%', '\\', '\0']) {
        return Err("its path can be read in two ways");
    }
    // What stands in no path of a registry, and would end a text it is looked for in.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>{}`|^,".contains(&byte);
    if !decoded.bytes().all(is_plain) {
        return Err("its path holds characters no path of a tarball has");
    }
    Ok(decoded.into_owned())
}

/// Whether a path ends in exactly this package's name: `/x/foo` does not end in `@x/foo`, nor
/// does `/@x/foo` in `foo`.
fn ends_with_name(path: &str, name: &str) -> bool {
    path.strip_suffix(name)
        .and_then(|before| before.strip_suffix('/'))
        .is_some_and(|before| {
            let last = before.rsplit('/').next().unwrap_or_default();
            name.starts_with('@') || !last.starts_with('@')
        })
}

/// Whether a path has exactly this package's name somewhere, as whole segments.
fn holds_name(path: &str, name: &str) -> bool {
    path.match_indices(name).any(|(at, _)| {
        let end = at + name.len();
        let is_whole = path
            .get(end..)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_whole
            && path
                .get(..end)
                .is_some_and(|head| ends_with_name(head, name))
    })
}

/// The canonical path of a version's tarball below a registry's base.
pub(super) fn canonical_file(package: &PackageName, version: &str) -> String {
    format!("{}-{version}.tgz", basename(package))
}

#[cfg(test)]
mod tests {
    use cordon_policy::ecosystem::Npm;
    use cordon_policy::model::Scheme;

    use super::*;

    fn files() -> Arc<[Url]> {
        Arc::new([Url::parse("https://files.example/").unwrap()])
    }

    fn check(name: &str, raw: &str) -> Result<Tarball, &'static str> {
        let package = Npm.package(name).unwrap();
        let encoded = name.replace('/', "%2f");
        let document = Url::parse(&format!("https://registry.example/npm/{encoded}")).unwrap();
        let mut bases = Bases::new(&document, &files(), &package);
        bases.check(raw, &package, &canonical_file(&package, "1.0.0"))
    }

    #[test]
    fn canonical_and_irregular_addresses_are_told_apart() {
        assert_eq!(
            check("foo", "https://registry.example/npm/foo/-/foo-1.0.0.tgz"),
            Ok(Tarball::Canonical)
        );
        let irregular = |seems_of: Option<&str>| {
            Ok(Tarball::Irregular {
                seems_of: seems_of.map(str::to_owned),
            })
        };
        for (name, raw, seems_of) in [
            ("foo", "https://files.example/foo/-/foo-1.0.0.tgz", None),
            ("foo", "https://registry.example/npm/foo/-/Foo.tgz", None),
            ("foo", "../foo/-/foo-1.0.0.tgz", None),
            (
                "foo",
                "https://registry.example/npm/foo/-/foo-0.9.0.tgz",
                Some("0.9.0"),
            ),
            (
                "@s/p",
                "https://registry.example/npm/@s%2fp/-/p-1.0.0.tgz",
                None,
            ),
            (
                "@s/p",
                "https://registry.example/npm/@s/p/-/@s/p-1.0.0.tgz",
                None,
            ),
            (
                "@s/p",
                "https://files.example/download/@s/p/1.0.0/0a1b2c",
                None,
            ),
        ] {
            assert_eq!(check(name, raw), irregular(seems_of), "{raw}");
        }
    }

    #[test]
    fn m_07_to_m_09_unusable_addresses_are_refused() {
        for raw in [
            "file:///etc/passwd",
            "ftp://registry.example/foo/-/foo-1.0.0.tgz",
            "data:application/gzip;base64,AAAA",
            "gopher://registry.example/foo",
            "https://user@registry.example/foo/-/foo-1.0.0.tgz",
            "https://user:word@registry.example/foo/-/foo-1.0.0.tgz",
            "https://registry.example/foo/-/foo-1.0.0.tgz#sha512",
            "https://registry.example\\@evil.example/foo/-/foo-1.0.0.tgz",
            "https://registry.example/foo/-/foo-1.0.0.tgz\n",
            "https://registry.example/bar/-/foo-1.0.0.tgz",
            "https://registry.example/@evil/foo/-/foo-1.0.0.tgz",
            "https://registry.example/foo/-/../../bar/-/bar-1.0.0.tgz",
            "https://registry.example/foo%252fbar/-/foo-1.0.0.tgz",
            "https://registry.example/foo/-/x/foo-1.0.0.tgz",
            "https://registry.example/download/foobar/1.0.0",
            "https://registry.example/blob/0a1b2c",
            "https://registry.example/%22/foo/-/foo-1.0.0.tgz",
            "https://registry.example/%2C/foo/-/foo-1.0.0.tgz",
            "https://registry.example/%7B%7D/foo/-/foo-1.0.0.tgz",
            "https://registry.example/%0A/foo/-/foo-1.0.0.tgz",
            "https://registry.example/%C3%A9/foo/-/foo-1.0.0.tgz",
            "https:",
            "",
        ] {
            assert!(check("foo", raw).is_err(), "{raw:?}");
        }
        assert!(check("@s/p", "https://registry.example/p/-/p-1.0.0.tgz").is_err());
        assert!(check("@s/p", "https://registry.example/@t/p/-/p-1.0.0.tgz").is_err());
        assert!(
            check(
                "foo",
                &format!("https://registry.example/foo/-/{}", "a".repeat(3000))
            )
            .is_err()
        );
    }

    #[test]
    fn conformance_011_mentions_are_found_in_any_case_and_with_escaped_slashes() {
        let package = Npm.package("foo").unwrap();
        let document = Url::parse("https://registry.example/npm/foo").unwrap();
        let bases = Bases::new(&document, &files(), &package);
        for (text, expected) in [
            (
                r#""https:\/\/registry.example\/npm\/x""#,
                r"https:\/\/registry.example\/npm\/",
            ),
            (
                r#""HTTPS://Registry.EXAMPLE/npm/x""#,
                "HTTPS://Registry.EXAMPLE/npm/",
            ),
            (
                r#""http:\//registry.example\/npm/x""#,
                r"http:\//registry.example\/npm/",
            ),
            (
                r#""http:/\/registry.example/x""#,
                r"http:/\/registry.example/",
            ),
            (r#""\/\/registry.example""#, r"\/\/registry.example"),
            (r#""\\\/\/registry.example/""#, r"\/\/registry.example/"),
            // The first backslash of these two is one as text.
            (r#""\\/\/registry.example/""#, r"/\/registry.example/"),
            (r#""\\//registry.example/""#, "//registry.example/"),
        ] {
            let found = bases.mentions(text.as_bytes());
            let [mention] = found.as_slice() else {
                panic!("{text}: {found:?}");
            };
            let found = std::str::from_utf8(mention.span.of(text.as_bytes())).unwrap();
            assert_eq!(found, expected, "{text}");
            let whole = Links {
                base: Url::parse("http://cordon.example/npm/").unwrap(),
            };
            let mut out = Vec::new();
            let span = Span {
                start: 0,
                end: u32::try_from(text.len()).unwrap(),
            };
            copy(
                &mut out,
                text.as_bytes(),
                span,
                &[*mention],
                OurBase::new(&whole),
            );
            let ours: String = serde_json::from_slice(&out).unwrap();
            let theirs: String = serde_json::from_str(text).unwrap();
            let backslashes = |text: &str| text.matches('\\').count();
            assert_eq!(backslashes(&ours), backslashes(&theirs), "{text}");
            assert!(
                !ours.to_ascii_lowercase().contains("registry.example"),
                "{ours}"
            );
        }
    }

    #[test]
    fn mentions_are_found_with_their_whole_prefix_and_nothing_longer() {
        let package = Npm.package("foo").unwrap();
        let document = Url::parse("https://registry.example:8443/npm/foo").unwrap();
        let bases = Bases::new(&document, &files(), &package);
        let text = b"\"https://registry.example:8443/npm/x\" //registry.example:8443/:_a \
            https://registry.example:8443\" https://registry.example:84430/ \
            https://registry.example/npm/ https://registry.example:8443.evil.example/";
        let found: Vec<&str> = bases
            .mentions(text)
            .iter()
            .map(|mention| std::str::from_utf8(mention.span.of(text)).unwrap())
            .collect();
        assert_eq!(
            found,
            [
                "https://registry.example:8443/npm/",
                "//registry.example:8443/",
                "https://registry.example:8443",
            ]
        );
    }
}
