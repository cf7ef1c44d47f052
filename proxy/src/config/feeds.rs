//! Feeds: where advisory data comes from, how old it may get, what of it is believed.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use ::url::Url;
use cordon_policy::config::reader::{Spanned, TableReader};
use cordon_policy::config::text::shown;
use cordon_policy::ecosystem::{CARGO, NPM, PYPI};
use cordon_policy::model::Ecosystem;
use smol_str::SmolStr;

use super::UpstreamConfig;
use super::defaults::{FEED_ID, PUBLIC_DUMPS, PublicDump};
use super::raw::{DAY, GIB, HOUR, MIB, SECOND, TIB, YEAR, count, duration, size};
use super::upstream::Context;
use super::url;

/// Longest id of a feed: it becomes part of file names.
const MAX_ID_BYTES: usize = 32;

/// Most feeds of one ecosystem.
const MAX_FEEDS: usize = 16;

/// Advisory data: its sources and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedsConfig {
    /// Every feed; those of one ecosystem make one index.
    pub advisories: Vec<FeedConfig>,
    /// How often a feed is asked whether it has something new.
    pub refresh: Duration,
    /// How long data may be believed after its source last confirmed that it is the newest.
    pub max_age: Duration,
    /// How long fetched data may be believed while its source says that nothing changed.
    pub max_unchanged: Duration,
    /// Age of the newest record from which an operator is told, unless the feed says otherwise.
    pub stale_alarm: Duration,
    /// The largest part of its records a feed may lose from one dump to the next.
    pub max_shrink: Share,
    /// The largest part of a dump's records that may be unusable.
    pub max_bad_records: Share,
    /// Bytes of one dump, as it is sent and as it unfolds: each at most this and ten times this.
    pub dump_bytes: u64,
    /// Records of one dump.
    pub dump_records: usize,
    /// Packages served lately that one new dump may newly block without being asked about.
    pub confirm_above: usize,
    /// How long a block that waits for confirmation waits before it takes effect by itself.
    pub confirm_within: Duration,
}

/// One feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Its id, unique within the ecosystem; part of file names.
    pub id: SmolStr,
    /// Whose packages it is about.
    pub ecosystem: Ecosystem,
    /// Where it comes from.
    pub source: FeedSource,
    /// What it holds.
    pub content: FeedContent,
    /// Age of its newest record from which an operator is told.
    pub stale_alarm: Duration,
}

/// Where a feed comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedSource {
    /// Fetched. The address is that of the file; what the client is bound to stands beside it.
    Url(Box<UpstreamConfig>),
    /// Read from a file of this machine, again whenever it changed.
    File(PathBuf),
    /// Read from a folder of OSV records, again whenever it changed.
    Folder(PathBuf),
    /// Only ever what `cordon feeds import` brings.
    Imported,
}

/// What a feed holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FeedContent {
    /// OSV records: a zip of them, a folder of them, or one.
    Osv,
    /// Lines of `package URL or name with range<TAB>reason`: own indicators of malware.
    List,
    /// Probabilities of exploitation (EPSS), CSV.
    Epss,
    /// The list of exploited vulnerabilities (CISA KEV), JSON.
    Kev,
}

impl FeedContent {
    /// Whether it brings records, and not only scores of records of other feeds.
    pub fn has_records(self) -> bool {
        matches!(self, Self::Osv | Self::List)
    }
}

impl FeedsConfig {
    /// The feeds of one ecosystem.
    pub fn of(&self, ecosystem: &Ecosystem) -> impl Iterator<Item = &FeedConfig> {
        self.advisories
            .iter()
            .filter(move |feed| feed.ecosystem == *ecosystem)
    }

    /// The ecosystems that have a feed.
    pub fn ecosystems(&self) -> Vec<Ecosystem> {
        let mut all: Vec<Ecosystem> = Vec::new();
        for feed in &self.advisories {
            if !all.contains(&feed.ecosystem) {
                all.push(feed.ecosystem.clone());
            }
        }
        all
    }
}

/// A part of a whole, in thousandths of a percent: `"10%"`, `"0.1%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    const WHOLE: u32 = 100_000;

    /// So many percent, at most 100.
    pub const fn percent(percent: u32) -> Self {
        Self(percent * 1_000)
    }

    /// So many thousandths of a percent, at most 100,000.
    pub const fn milli_percent(thousandths: u32) -> Self {
        Self(thousandths)
    }

    /// That part of a number, rounded down.
    pub fn of(self, whole: usize) -> usize {
        let part = whole as u128 * u128::from(self.0) / u128::from(Self::WHOLE);
        usize::try_from(part).unwrap_or(whole)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "it is not a percentage";
        let number = text.strip_suffix('%').ok_or("the `%` is missing")?.trim();
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || fraction.len() > 3 {
            return Err(WRONG);
        }
        if !are_digits(whole) || !are_digits(fraction) {
            return Err(WRONG);
        }
        let thousandths = format!("{whole}{fraction:0<3}");
        match thousandths.parse() {
            Ok(share) if share <= Self::WHOLE => Ok(Self(share)),
            _ => Err("it is above 100%"),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, fraction) = (self.0 / 1_000, format!("{:03}", self.0 % 1_000));
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{whole}%"),
            fraction => write!(f, "{whole}.{fraction}%"),
        }
    }
}

/// `[feeds]` as written.
#[derive(Debug)]
pub(super) struct RawFeeds {
    /// Bounds and times, with the defaults filled in; its feeds are empty.
    bounds: FeedsConfig,
    at: Range<usize>,
    /// `None` when nothing is said.
    advisories: Option<Vec<RawFeed>>,
    epss: RawScores,
    kev: RawScores,
}

/// `epss_url`, `epss_file` and the like.
#[derive(Debug, Default)]
struct RawScores {
    url: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
}

/// One `[[feeds.advisories]]`.
#[derive(Debug)]
struct RawFeed {
    at: Range<usize>,
    ecosystem: Option<Spanned<Ecosystem>>,
    id: Option<Spanned<String>>,
    /// Those of `url`, `file`, `folder`, `list` that are given, with their keys.
    sources: Vec<(&'static str, Spanned<String>)>,
    is_imported: bool,
    is_insecure: bool,
    is_private: bool,
    stale_alarm: Option<Duration>,
}

impl Default for RawFeeds {
    fn default() -> Self {
        Self {
            bounds: FeedsConfig {
                advisories: Vec::new(),
                refresh: HOUR,
                max_age: 3 * DAY,
                max_unchanged: 14 * DAY,
                stale_alarm: DAY,
                max_shrink: Share::percent(10),
                max_bad_records: Share::milli_percent(100),
                dump_bytes: GIB,
                dump_records: 2_000_000,
                confirm_above: 20,
                confirm_within: DAY,
            },
            at: 0..0,
            advisories: None,
            epss: RawScores::default(),
            kev: RawScores::default(),
        }
    }
}

/// Reads `[feeds]`.
pub(super) fn read(mut table: TableReader<'_, '_>) -> RawFeeds {
    let mut raw = RawFeeds {
        at: table.bytes().clone(),
        ..RawFeeds::default()
    };
    let t = &mut table;
    let bounds = &mut raw.bounds;
    if t.has("advisories") {
        raw.advisories = Some(t.tables("advisories").into_iter().map(feed).collect());
    }
    duration(t, "refresh", 60 * SECOND..=7 * DAY, &mut bounds.refresh);
    duration(t, "max_age", HOUR..=YEAR, &mut bounds.max_age);
    duration(t, "max_unchanged", HOUR..=YEAR, &mut bounds.max_unchanged);
    duration(t, "stale_alarm", HOUR..=YEAR, &mut bounds.stale_alarm);
    share(t, "max_shrink", &mut bounds.max_shrink);
    share(t, "max_bad_records", &mut bounds.max_bad_records);
    size(t, "dump_size", MIB..=TIB, &mut bounds.dump_bytes);
    count(t, "dump_records", 1..=100_000_000, &mut bounds.dump_records);
    count(t, "confirm_above", 0..=1_000_000, &mut bounds.confirm_above);
    let within = Duration::ZERO..=30 * DAY;
    duration(t, "confirm_within", within, &mut bounds.confirm_within);
    raw.epss = RawScores {
        url: t.string("epss_url"),
        file: t.string("epss_file"),
    };
    raw.kev = RawScores {
        url: t.string("kev_url"),
        file: t.string("kev_file"),
    };
    table.finish();
    raw
}

fn feed(mut table: TableReader<'_, '_>) -> RawFeed {
    let is = |table: &mut TableReader<'_, '_>, key| table.boolean(key).is_some_and(|it| it.value);
    table.require("ecosystem", "write \"npm\", \"pypi\" or \"cargo\"");
    let ecosystems = [("npm", NPM), ("pypi", PYPI), ("cargo", CARGO)];
    let mut sources = Vec::new();
    for key in ["url", "file", "folder", "list"] {
        sources.extend(table.string(key).map(|given| (key, given)));
    }
    let mut stale_alarm = Duration::ZERO;
    duration(&mut table, "stale_alarm", HOUR..=YEAR, &mut stale_alarm);
    let feed = RawFeed {
        at: table.bytes().clone(),
        ecosystem: table.choice("ecosystem", &ecosystems),
        id: table.string("id"),
        sources,
        is_imported: is(&mut table, "imported"),
        is_insecure: is(&mut table, "insecure"),
        is_private: is(&mut table, "private"),
        stale_alarm: (!stale_alarm.is_zero()).then_some(stale_alarm),
    };
    table.finish();
    feed
}

fn share(table: &mut TableReader<'_, '_>, key: &str, into: &mut Share) {
    let help = "write a percentage: \"10%\", \"0.1%\"";
    if let Some(read) = table.parsed(key, help, Share::parse) {
        *into = read.value;
    }
}

/// The feeds: those given, and the public dump of each ecosystem nothing is said about. An empty
/// list means no feeds at all. `served` are the ecosystems with an upstream: no other has a use for
/// data.
pub(super) fn validate(
    raw: &RawFeeds,
    served: &HashSet<Ecosystem>,
    context: Context<'_>,
) -> FeedsConfig {
    let mut config = raw.bounds.clone();
    check_order(raw, context);
    let given = raw.advisories.as_deref();
    let is_off = given.is_some_and(<[RawFeed]>::is_empty);
    let mut named: HashSet<Ecosystem> = HashSet::new();
    for feed in given.unwrap_or_default() {
        named.extend(feed.ecosystem.as_ref().map(|it| it.value.clone()));
        let checked = one(feed, &config, context);
        config.advisories.extend(checked);
    }
    for dump in PUBLIC_DUMPS.iter().filter(|_| !is_off) {
        if !named.contains(&dump.ecosystem) && served.contains(&dump.ecosystem) {
            config.advisories.push(FeedConfig {
                id: FEED_ID.into(),
                ecosystem: dump.ecosystem.clone(),
                source: fetched(FEED_ID, &dump.ecosystem, public(dump.url), false),
                content: FeedContent::Osv,
                stale_alarm: patience(dump, &config),
            });
        }
    }
    let ecosystems = config.ecosystems();
    for ecosystem in &ecosystems {
        if config.of(ecosystem).count() > MAX_FEEDS {
            let message = format!("{ecosystem} has more than {MAX_FEEDS} feeds");
            let help = "put several lists into one folder";
            context.file.error("feeds-many", &raw.at, message, help);
        }
    }
    for (name, content, given) in [
        ("epss", FeedContent::Epss, &raw.epss),
        ("kev", FeedContent::Kev, &raw.kev),
    ] {
        let Some(source) = scores(name, given, context) else {
            continue;
        };
        config
            .advisories
            .extend(ecosystems.iter().map(|ecosystem| FeedConfig {
                id: name.into(),
                ecosystem: ecosystem.clone(),
                source: source.about(ecosystem),
                content,
                stale_alarm: raw.bounds.stale_alarm,
            }));
    }
    config
}

/// Times that contradict each other.
fn check_order(raw: &RawFeeds, context: Context<'_>) {
    if raw.bounds.refresh >= raw.bounds.max_age {
        context.file.error(
            "feeds-order",
            &raw.at,
            "`refresh` is not shorter than `max_age`",
            "data would be too old before it is asked for again",
        );
    }
}

fn one(raw: &RawFeed, config: &FeedsConfig, context: Context<'_>) -> Option<FeedConfig> {
    let ecosystem = raw.ecosystem.as_ref()?.value.clone();
    let id = id(raw, context)?;
    if config.of(&ecosystem).any(|feed| feed.id == id) {
        context.file.error(
            "feed-duplicate-id",
            raw.id.as_ref().map_or(&raw.at, |id| &id.bytes),
            format!("two feeds of {ecosystem} have the id `{id}`"),
            "give each its own `id`: what is kept of it is kept under it",
        );
        return None;
    }
    let (source, content) = match raw.sources.as_slice() {
        [] if raw.is_imported => (FeedSource::Imported, FeedContent::Osv),
        [(key, first), ..] if raw.is_imported => {
            source_twice(key, first, context);
            return None;
        }
        [] => {
            let url = public(public_dump(&ecosystem)?.url);
            let source = fetched(&id, &ecosystem, url, raw.is_private);
            (source, FeedContent::Osv)
        }
        [("url", text)] => {
            let url = address(text, raw.is_insecure, context)?;
            let source = fetched(&id, &ecosystem, url, raw.is_private);
            (source, FeedContent::Osv)
        }
        [(key, path)] => {
            let path = context.base.join(&path.value);
            match *key {
                "folder" => (FeedSource::Folder(path), FeedContent::Osv),
                "list" => (FeedSource::File(path), FeedContent::List),
                _ => (FeedSource::File(path), FeedContent::Osv),
            }
        }
        [_, (key, second), ..] => {
            source_twice(key, second, context);
            return None;
        }
    };
    let stale_alarm = match (raw.stale_alarm, &source) {
        (Some(given), _) => given,
        (None, FeedSource::Url(from)) => {
            let dump = public_dump(&ecosystem).filter(|dump| from.url == public(dump.url));
            dump.map_or(config.stale_alarm, |dump| patience(dump, config))
        }
        (None, _) => config.stale_alarm,
    };
    Some(FeedConfig {
        id,
        ecosystem,
        source,
        content,
        stale_alarm,
    })
}

fn source_twice(key: &str, second: &Spanned<String>, context: Context<'_>) {
    context.file.error(
        "feed-source-twice",
        &second.bytes,
        format!("`{key}` is a second source of one feed"),
        "give each source a `[[feeds.advisories]]` of its own",
    );
}

fn public_dump(ecosystem: &Ecosystem) -> Option<&'static PublicDump> {
    PUBLIC_DUMPS.iter().find(|it| it.ecosystem == *ecosystem)
}

/// The age of a public dump's newest record from which an operator is told.
fn patience(dump: &PublicDump, config: &FeedsConfig) -> Duration {
    dump.stale_alarm.max(config.stale_alarm)
}

impl FeedSource {
    /// The same for the packages of another ecosystem.
    fn about(&self, ecosystem: &Ecosystem) -> Self {
        let mut source = self.clone();
        if let Self::Url(from) = &mut source {
            from.ecosystem = ecosystem.clone();
        }
        source
    }
}

/// Where scores come from, which are about the records of every ecosystem.
fn scores(name: &'static str, raw: &RawScores, context: Context<'_>) -> Option<FeedSource> {
    match (&raw.url, &raw.file) {
        (None, None) => None,
        (Some(url), None) => {
            let url = address(url, false, context)?;
            Some(fetched(name, &NPM, url, false))
        }
        (None, Some(file)) => Some(FeedSource::File(context.base.join(&file.value))),
        (Some(_), Some(file)) => {
            context.file.error(
                "feed-source-twice",
                &file.bytes,
                format!("`{name}_url` and `{name}_file` are both given"),
                "keep one of them",
            );
            None
        }
    }
}

fn id(raw: &RawFeed, context: Context<'_>) -> Option<SmolStr> {
    let id = raw.id.as_ref().map_or(FEED_ID, |id| &id.value);
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_reserved = matches!(id, "epss" | "kev");
    if id.len() <= MAX_ID_BYTES && !id.starts_with('-') && id.bytes().all(is_word) && !is_reserved {
        return Some(id.into());
    }
    context.file.error(
        "feed-id-invalid",
        raw.id.as_ref().map_or(&raw.at, |id| &id.bytes),
        format!("`{}` cannot be the id of a feed", shown(id)),
        format!(
            "lower-case letters, digits and hyphens, at most {MAX_ID_BYTES}; not `epss` or `kev`"
        ),
    );
    None
}

fn public(text: &str) -> Url {
    text.parse().expect("a built-in address is valid")
}

fn fetched(id: &str, ecosystem: &Ecosystem, url: Url, is_private: bool) -> FeedSource {
    let may_be_private = is_private || url::is_private(&url);
    FeedSource::Url(Box::new(UpstreamConfig {
        id: id.into(),
        ecosystem: ecosystem.clone(),
        url,
        files: Vec::new(),
        only: None,
        is_exclusive: false,
        credential: None,
        may_be_private,
        signature_keys: None,
    }))
}

/// The address of a file.
fn address(text: &Spanned<String>, is_insecure: bool, context: Context<'_>) -> Option<Url> {
    let file = context.file;
    let mut url = match url::parse(&text.value) {
        Ok(url) => url,
        Err(problem) => {
            let message = format!("`url` {}", problem.what);
            file.error("feed-url-invalid", &text.bytes, message, problem.help);
            return None;
        }
    };
    if !text.value.ends_with('/') {
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
    }
    if url.scheme() == "http" && !url::is_loopback(&url) && !is_insecure {
        file.error(
            "feed-plain-http",
            &text.bytes,
            "`url` is plain http to another machine: anybody on the way can hide what is known",
            "use https, or accept it with `insecure = true`",
        );
        return None;
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_with_up_to_three_decimals_and_never_above_the_whole() {
        for (text, thousandths) in [
            ("10%", 10_000),
            ("0.1%", 100),
            ("0.001 %", 1),
            ("100%", 100_000),
            ("0%", 0),
        ] {
            assert_eq!(Share::parse(text), Ok(Share(thousandths)), "{text}");
        }
        for text in [
            "10", "-1%", "1e2%", "101%", "100.001%", "%", "1.0001%", ".5%", "1.%x",
        ] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_of_a_number_is_rounded_down() {
        assert_eq!(Share::percent(10).of(1_005), 100);
        assert_eq!(Share::milli_percent(100).of(999), 0);
        assert_eq!(Share::milli_percent(100).of(200_000), 200);
        assert_eq!(Share::percent(100).of(usize::MAX), usize::MAX);
        assert_eq!(Share::milli_percent(100).to_string(), "0.1%");
        assert_eq!(Share::percent(10).to_string(), "10%");
    }
}
