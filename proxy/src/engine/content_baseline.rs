//! The earlier version whose content a new one is compared with.
//!
//! Not simply the one before: who takes a package over publishes several versions in a row, and the
//! second would change nothing against the first. It is the newest that was public for
//! [`SETTLED`] when the new one was published, long enough for most hijacks to be noticed; of those
//! one that may be had now, if there is any.
//!
//! It is looked at while the file that was asked for is on its way, and once however many files are
//! compared with it.

use std::sync::Arc;
use std::time::Duration;

use cordon_policy::facts::{Fact, FactKind, VersionFacts};
use cordon_policy::inspect::Depth;
use cordon_policy::inspect::content::{ArchiveBefore, ContentFacts};
use cordon_policy::model::{ArtifactKind, Digest, Scheme, Timestamp, Version};
use cordon_policy::reason;
use cordon_policy::verdict::Effect;

use super::artifact::{Held, Wanted};
use super::failure::Failure;
use super::judge::Judgement;
use super::package::Package;
use super::{Engine, Flown};

/// How long a version was public before it is compared with.
pub(super) const SETTLED: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A version with what its files can do.
pub(super) struct Baseline {
    pub(super) version: Version,
    pub(super) archive: ArchiveBefore,
    pub(super) content: Arc<ContentFacts>,
}

/// The digest of a file and what it can do. The inner error says why that is not known.
pub(super) type Looked = Flown<Result<(Digest, Arc<ContentFacts>), String>>;

impl Engine {
    /// Begins to look at the version compared with, if rules will ask for it.
    pub(super) fn begin_baseline(&self, wanted: &Wanted) {
        let facts = wanted.facts();
        let ruleset = &wanted.snapshot().ruleset;
        let is_compared = facts.artifact.kind == ArtifactKind::Archive
            && ruleset
                .wants(facts, self.clock.now())
                .contains(FactKind::ContentChange);
        if !is_compared {
            return;
        }
        let package = &wanted.package;
        let index = find(package, &wanted.judgement, facts);
        let before = index.and_then(|index| Some((index, package.candidate(index)?)));
        if let Some((index, before)) = before {
            let (this, package) = (self.this(), Arc::clone(package));
            self.baseline_flights
                .begin(before.artifact.clone(), || async move {
                    this.content_of(&package, index).await
                });
        }
    }

    /// What the version compared with can do; `Absent` when there is none.
    pub(super) async fn content_baseline(
        &self,
        wanted: &Wanted,
        facts: &VersionFacts,
    ) -> Result<Fact<Baseline>, Failure> {
        let Some(index) = find(&wanted.package, &wanted.judgement, facts) else {
            return Ok(Fact::Absent);
        };
        let Some(before) = wanted.package.candidate(index) else {
            return Ok(Fact::Absent);
        };
        let version = before.subject().version.clone();
        let unavailable = |why: &str| {
            let why = format!("{version}, which it is compared with: {why}");
            Fact::Unavailable(reason::ascii(&why, 200).into())
        };
        let (this, package) = (self.this(), Arc::clone(&wanted.package));
        let looked = self
            .baseline_flights
            .run(before.artifact.clone(), || async move {
                this.content_of(&package, index).await
            })
            .await
            .flatten();
        let (sha256, content) = match looked {
            Ok(Ok(known)) => known,
            Ok(Err(why)) => return Ok(unavailable(&why)),
            Err(Failure::Store(error)) => return Err(Failure::Store(error)),
            Err(failure) => return Ok(unavailable(&failure.to_string())),
        };
        let archive = ArchiveBefore {
            file: before.artifact.file.clone(),
            sha256,
        };
        Ok(Fact::Known(Baseline {
            version,
            archive,
            content,
        }))
    }

    /// What a listed candidate can do.
    async fn content_of(&self, package: &Arc<Package>, index: usize) -> Looked {
        let Some(candidate) = package.candidate(index) else {
            return Ok(Err("it is not listed any more".to_owned()));
        };
        let id = &candidate.artifact;
        // Made from bytes that were proved then; the registry may not put others in their place.
        if let Some(record) = self.stores.cache.sheet(id).await?
            && record.sheet.is_current(&self.inspection_limits)
            && let Some(content) = record.sheet.content
        {
            return Ok(Ok((record.sha256, content.into())));
        }
        let source = package.document.locate(index)?;
        let upstream = &package.upstream;
        let (mut held, bytes) = match self.stored(id, &source, upstream.id()).await? {
            Some((reader, bytes)) => (Held::Stored(reader), bytes),
            None => {
                let ecosystem = id.subject.name.ecosystem().as_str();
                let spooled = self.spool(upstream, ecosystem, &source).await?;
                let bytes = spooled.facts.clone();
                (Held::Spooled(spooled), bytes)
            }
        };
        if !bytes.mismatches.is_empty() || bytes.declared_size_bytes.is_some() {
            return Ok(Err("its bytes are not those declared".to_owned()));
        }
        let _held = self.space.hold(&bytes.sha256).await;
        let sheet = match self
            .sheet(id, &bytes, Depth::Content, None, &mut held)
            .await?
        {
            Ok(sheet) => sheet,
            Err(why) => return Ok(Err(why.into())),
        };
        self.keep(id, upstream.id(), &bytes, held).await?;
        match sheet.content {
            Some(content) => Ok(Ok((bytes.sha256, content.into()))),
            None => Ok(Err("nothing is known of its files".to_owned())),
        }
    }
}

/// The candidate to compare with: of the same line if there is one, a release for a release, and the
/// file most like this one.
fn find(package: &Package, judgement: &Judgement, facts: &VersionFacts) -> Option<usize> {
    let scheme = package.registry.scheme();
    let of = Of {
        scheme,
        facts,
        published_at: facts.published_at.known().copied(),
    };
    let effect = |index: usize| {
        let withheld = judgement.withheld.get(&index);
        withheld.map_or(Effect::Allow, |decision| decision.evaluation.effect())
    };
    // What is withheld is compared with before nothing is, for its reason may have nothing to do with
    // what it holds; but what is blocked is never fetched.
    let candidates = package.document.candidates().iter().enumerate();
    candidates
        .filter(|(index, it)| effect(*index) < Effect::Block && of.is_settled_before(it))
        .max_by(|(a_index, a), (b_index, b)| {
            let is_listed = |index: &usize| effect(*index) == Effect::Allow;
            is_listed(a_index)
                .cmp(&is_listed(b_index))
                .then_with(|| of.rank(a).cmp(&of.rank(b)))
                .then_with(|| scheme.compare(&a.subject().version, &b.subject().version))
                .then_with(|| of.likeness(a).cmp(&of.likeness(b)))
        })
        .map(|(index, _)| index)
}

/// The version something is looked for to compare with.
struct Of<'a> {
    scheme: &'a dyn Scheme,
    facts: &'a VersionFacts,
    published_at: Option<Timestamp>,
}

impl Of<'_> {
    /// Whether a candidate was public for long enough. Registries began to tell dates at some point:
    /// what has none is old where others have one, and taken where there is no other
    /// ([`Self::rank`]). A date that could not be learned proves nothing.
    fn is_settled_before(&self, other: &VersionFacts) -> bool {
        if other.subject().version == self.facts.subject().version {
            return false;
        }
        let version = &self.facts.subject().version;
        let is_lower = self
            .scheme
            .compare(&other.subject().version, version)
            .is_lt();
        match (&other.published_at, self.published_at) {
            (Fact::Known(other), Some(own)) => other.saturating_add(SETTLED) <= own,
            (Fact::Absent, Some(_)) | (Fact::Known(_) | Fact::Absent, None) => is_lower,
            (Fact::Unavailable(_) | Fact::NotYet, _) => false,
        }
    }

    /// Dates count first, then lines: the same, then lower ones; a release is compared with releases, a
    /// source archive with source archives.
    fn rank(&self, other: &VersionFacts) -> impl Ord + use<> {
        let line = |facts: &VersionFacts| self.scheme.line(&facts.subject().version);
        let (own, others) = (line(self.facts), line(other));
        let is_prerelease = |it: &VersionFacts| self.scheme.is_prerelease(&it.subject().version);
        let is_alike = is_prerelease(self.facts) || !is_prerelease(other);
        let is_dated = other.published_at.known().is_some();
        let is_same_form = self.is_same_form(other);
        (
            (is_dated, others == own, others < own),
            (is_alike, is_same_form),
            others,
        )
    }

    /// Whether a file is a wheel as this one is, or neither is: what a source archive has besides was never
    /// in a wheel and is not new for that.
    fn is_same_form(&self, other: &VersionFacts) -> bool {
        let is_wheel = |facts: &VersionFacts| facts.artifact.file.as_str().ends_with(".whl");
        is_wheel(self.facts) == is_wheel(other)
    }

    /// How many characters at its end the file's name has in common, which is where a wheel's tags
    /// are.
    fn likeness(&self, other: &VersionFacts) -> usize {
        let reversed = |facts: &VersionFacts| {
            let name: Vec<u8> = facts.artifact.file.as_str().bytes().rev().collect();
            name
        };
        let (own, others) = (reversed(self.facts), reversed(other));
        own.iter()
            .zip(&others)
            .take_while(|(own, other)| own == other)
            .count()
    }
}
