//! Packages that are bad on purpose, one for each rule, for the self-test.
//!
//! A rule that is written down and does not act is worse than none, and nothing in a running system
//! shows it: a day without refusals looks like a quiet day. So every rule can make a package it must
//! refuse as it is configured, and one beside it that it must not refuse; the shell publishes both
//! at a registry of its own and asks for them the way a client would.

use std::time::Duration;

use crate::ecosystem::scheme_for;
use crate::matching::{PackageScope, VersionSet};
use crate::model::{Ecosystem, PackageName, PackageVersion, Scheme, Timestamp, Version};

/// Entries of a list looked at for one an example can be made of.
pub const TRIED: usize = 100;

/// The release every fixture begins with.
pub const GOOD_VERSION: &str = "1.0.0";
/// The release that is bad, unless the rule needs another.
pub const BAD_VERSION: &str = "1.1.0";

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long ago what is old was published: longer than anything settles by default.
const OLD: Duration = Duration::from_secs(1_000 * 24 * 3_600);

/// What a rule says about itself in one ecosystem.
#[derive(Clone, Debug)]
pub enum Specimen {
    /// It must refuse the one and not the other.
    Pair(Box<Pair>),
    /// The ecosystem's registries never tell what it needs.
    CannotWork(&'static str),
    /// As it is configured it refuses nothing that could be published there; why.
    Nothing(&'static str),
}

/// Something bad and something good.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The package with the release to be refused.
    pub bad: Fixture,
    /// What must stay installable as far as this rule goes.
    pub good: Good,
    /// How the refusal shows.
    pub refusal: Refusal,
}

/// What must stay installable.
#[derive(Clone, Debug)]
pub enum Good {
    /// Another release of the bad package.
    Version(String),
    /// Another package, because the rule is about whole packages.
    Package(Box<Fixture>),
    /// Nothing that is certain to be good could be published; why.
    Impossible(&'static str),
}

/// How a refusal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The document does not offer the release and the file is refused, both by a finding.
    Judged,
    /// Only the bytes tell: the document may offer the release, the file is refused.
    Bytes,
    /// The name is not asked for at the registry.
    KeptHome,
}

/// A package to publish.
#[derive(Clone, Debug, Default)]
pub struct Fixture {
    /// Its name; `None`: one nothing else is called.
    pub name: Option<PackageName>,
    /// Its releases.
    pub releases: Vec<Release>,
    /// The release to ask for.
    pub version: String,
    /// That it was asked for in vain, and when first.
    pub asked_in_vain_at: Option<Timestamp>,
    /// What an advisory says about `version`.
    pub advisory: Option<Advised>,
}

/// What an advisory says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advised {
    /// It has a vulnerability of the highest severity.
    Vulnerable,
    /// It is malware, named version by version.
    Malware,
}

/// A release to publish. What a protocol has no place for is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: String,
    /// When it was published; whole seconds.
    pub published_at: Option<Timestamp>,
    /// Whether the file served is not the one declared.
    pub has_other_bytes: bool,
    /// Whether the archive requires what the registry does not show, or where registries show
    /// nothing of the kind, calls itself otherwise.
    pub has_other_manifest: bool,
    /// Whether its archive is one installers could take differently.
    pub has_hostile_archive: bool,
    /// Whether its source, which does nothing, is written like that of a hijacked package.
    pub has_hostile_source: bool,
    /// Whether a file of it has the text every set of indicators finds.
    pub has_indicator: bool,
    /// Whether code runs when it is installed.
    pub has_install_code: bool,
    /// Packages of the registry it depends on.
    pub dependencies: Vec<String>,
    /// Whether it depends on something outside the registry.
    pub has_exotic_dependency: bool,
    /// The licence.
    pub license: Option<String>,
    /// Who published it.
    pub publisher: Option<String>,
    /// Whether it has provenance.
    pub has_provenance: bool,
    /// The size declared, when it is to be another than the true one.
    pub size_bytes: Option<u64>,
    /// Whether it is yanked.
    pub is_yanked: bool,
    /// Whether it is deprecated.
    pub is_deprecated: bool,
}

impl Release {
    /// A plain release of that time.
    pub fn at(version: impl Into<String>, published_at: Timestamp) -> Self {
        Self {
            version: version.into(),
            published_at: Some(published_at),
            license: Some("MIT".to_owned()),
            publisher: Some("self-test".to_owned()),
            ..Self::default()
        }
    }
}

/// Where a specimen is to be made: one ecosystem, and the names one table of the policy is for.
pub struct Stage<'a> {
    /// The ecosystem's scheme.
    pub scheme: &'static dyn Scheme,
    /// The instant of the test, in whole seconds.
    pub now: Timestamp,
    /// The scope of the table.
    pub scope: &'a PackageScope,
    /// A name nothing else is called and that is in scope, if there is one.
    pub name: Option<PackageName>,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("ecosystem", self.scheme.ecosystem())
            .field("now", &self.now)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Stage<'_> {
    /// The ecosystem.
    pub fn ecosystem(&self) -> &Ecosystem {
        self.scheme.ecosystem()
    }

    /// Whether the table is for the package.
    pub fn is_in_scope(&self, name: &PackageName) -> bool {
        self.scope.holds_name(name)
    }

    /// Long ago.
    pub fn long_ago(&self) -> Timestamp {
        self.now.saturating_sub(OLD)
    }

    /// Before [`Self::just_now`].
    pub fn yesterday(&self) -> Timestamp {
        self.now.saturating_sub(DAY)
    }

    /// An hour ago.
    pub fn just_now(&self) -> Timestamp {
        self.now.saturating_sub(HOUR)
    }

    /// An old release and one of an hour ago that differs from it as `spoil` says.
    pub fn spoiled(&self, spoil: impl FnOnce(&mut Release)) -> Specimen {
        self.spoiled_at(self.just_now(), spoil)
    }

    /// As [`Self::spoiled`], with the bad release of another time.
    pub fn spoiled_at(&self, at: Timestamp, spoil: impl FnOnce(&mut Release)) -> Specimen {
        let mut bad = Release::at(BAD_VERSION, at);
        spoil(&mut bad);
        let version = bad.version.clone();
        self.pair(
            vec![Release::at(GOOD_VERSION, self.long_ago()), bad],
            version,
        )
    }

    /// A package whose second release an advisory names.
    pub fn advised(&self, advised: Advised) -> Specimen {
        let mut specimen = self.spoiled_at(self.long_ago(), |_| {});
        if let Specimen::Pair(pair) = &mut specimen {
            pair.bad.advisory = Some(advised);
        }
        specimen
    }

    /// A package of these releases, of which the first is good and `version` is bad.
    pub fn pair(&self, releases: Vec<Release>, version: String) -> Specimen {
        let good = releases.first().map(|release| release.version.clone());
        Specimen::Pair(Box::new(Pair {
            bad: Fixture {
                name: self.name.clone(),
                releases,
                version,
                ..Fixture::default()
            },
            good: match good {
                Some(version) => Good::Version(version),
                None => Good::Impossible("there is no other release"),
            },
            refusal: Refusal::Judged,
        }))
    }

    /// A package that is bad as a whole, and an old one of any other name.
    pub fn whole(&self, bad: Fixture, good: Option<PackageVersion>) -> Specimen {
        let good = match good {
            Some(PackageVersion { name, version }) => self.plain(Some(name), version.as_str()),
            None => self.plain(None, GOOD_VERSION),
        };
        Specimen::Pair(Box::new(Pair {
            bad,
            good: Good::Package(Box::new(good)),
            refusal: Refusal::Judged,
        }))
    }

    /// A package with one old release.
    pub fn plain(&self, name: Option<PackageName>, version: &str) -> Fixture {
        Fixture {
            name,
            releases: vec![Release::at(version, self.long_ago())],
            version: version.to_owned(),
            ..Fixture::default()
        }
    }
}

/// A name the pattern or name matches, if one is easily found.
pub fn example(scheme: &dyn Scheme, pattern: &str) -> Option<PackageName> {
    let mut text = String::new();
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' => text.push_str("self-test"),
            '?' => text.push('x'),
            '[' => {
                let class: String = rest.by_ref().take_while(|it| *it != ']').collect();
                text.extend(class.chars().find(|it| it.is_ascii_alphanumeric()));
            }
            '{' => {
                let choices: String = rest.by_ref().take_while(|it| *it != '}').collect();
                text.push_str(choices.split(',').next().unwrap_or_default());
            }
            plain => text.push(plain),
        }
    }
    scheme.package(&text).ok()
}

/// A version in the set, if one is easily found: those its own text names, and their neighbours.
pub fn version_in(set: &VersionSet, name: &PackageName) -> Option<Version> {
    let scheme = scheme_for(name.ecosystem())?;
    let is_part = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '+');
    let named = set
        .text()
        .split(|it: char| !is_part(it))
        .filter(|it| !it.is_empty());
    let spelled = named.flat_map(|text| {
        [
            text.to_owned(),
            format!("{text}.1"),
            format!("{text}.0"),
            format!("{text}.0.1"),
        ]
    });
    let around = ["0.0.1", "0.9.9", BAD_VERSION, "9.9.9", "999.0.0"].map(str::to_owned);
    spelled.chain(around).find_map(|text| {
        let version = scheme.version(&text).ok()?;
        let subject = PackageVersion {
            name: name.clone(),
            version,
        };
        set.holds(&subject).then_some(subject.version)
    })
}
