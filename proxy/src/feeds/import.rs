//! From what a source gave to a generation in force, or to the reason why not.
//!
//! A new dump is read as a whole before anything is changed. It is refused, and the old one kept,
//! when it is damaged, empty, of an unknown schema or a mix, when too many of its records cannot be
//! used, when it lost more of them than is likely, or when it is older than what is there.

use std::collections::HashSet;

use cordon_policy::advisory::{AdvisoryIndex, BuildReport, IndexBuilder};
use cordon_policy::ecosystem::scheme_for;
use cordon_policy::model::{Digest, Ecosystem, Scheme, Timestamp};
use cordon_storage::StorageError;
use cordon_storage::generations::{Generation, Writing};
use smol_str::SmolStr;

use super::installed::manifest_of;
use super::manifest::{Content, KeptFeed, Manifest};
use super::records::{self, Counted};
use super::refused::Refused;
use super::source::{Taken, take_file, take_folder};
use crate::config::{FeedConfig, FeedSource, FeedsConfig};

/// A feed as it was given.
pub(super) struct Given {
    pub(super) taken: Taken,
    /// An address or a path.
    pub(super) origin: String,
    pub(super) is_fetched: bool,
}

/// What an import did.
#[derive(Debug)]
pub enum Imported {
    /// It is what was there already.
    Unchanged,
    /// A new generation is in force.
    New(Box<NewGeneration>),
}

/// A generation just put in force.
#[derive(Debug)]
pub struct NewGeneration {
    /// The generation.
    pub generation: Generation,
    /// Its manifest.
    pub manifest: Manifest,
    /// What the index was built from.
    pub report: BuildReport,
    /// Why it was refused at first, when somebody had it imported all the same.
    pub forced: Option<String>,
}

/// Imports into the folder of one ecosystem's generations.
pub struct Import<'a> {
    /// The lock of the folder.
    pub writing: &'a Writing,
    /// Whose packages.
    pub ecosystem: &'a Ecosystem,
    /// The bounds.
    pub bounds: &'a FeedsConfig,
    /// Now.
    pub now: Timestamp,
    /// Whether to go over a refusal of a dump that shrank or goes back.
    pub is_forced: bool,
}

impl Import<'_> {
    /// Imports a feed from a file or folder of this machine.
    ///
    /// # Errors
    /// Why it was refused; what was in force still is.
    pub fn from_path(
        &self,
        feed: &FeedConfig,
        path: &std::path::Path,
    ) -> Result<Imported, Refused> {
        let content = Content::from(feed.content);
        let is_folder = content == Content::Osv && path.is_dir() && !path.is_symlink();
        let wants_folder = matches!(&feed.source, FeedSource::Folder(folder) if folder == path);
        let taken = match is_folder || wants_folder {
            true => take_folder(self.writing, path, self.bounds)?,
            false => take_file(self.writing, path, content, self.bounds)?,
        };
        let given = Given {
            taken,
            origin: path.display().to_string(),
            is_fetched: false,
        };
        self.given(feed, given)
    }

    /// Imports what a source gave.
    pub(super) fn given(&self, feed: &FeedConfig, given: Given) -> Result<Imported, Refused> {
        let before = manifest_of(self.writing.generations());
        let known = before.as_ref().and_then(|manifest| manifest.feed(&feed.id));
        let is_whole = || {
            self.writing
                .generations()
                .current()
                .is_ok_and(|it| it.is_some())
        };
        if known.is_some_and(|known| known.part == given.taken.part) && is_whole() {
            return Ok(Imported::Unchanged);
        }
        let mut build = Build::new(self)?;
        let (counted, forced) = build.add_new(feed, &given, known)?;
        let Given {
            taken,
            origin,
            is_fetched,
        } = given;
        let kept = KeptFeed {
            id: feed.id.clone(),
            content: feed.content.into(),
            form: taken.form,
            part: taken.part,
            size_bytes: taken.size_bytes,
            origin,
            changed_at: self.now,
            is_fetched,
            records: counted.records,
            withdrawn: counted.withdrawn,
            unusable: counted.unusable,
            newest_modified: counted.newest_modified,
            forced: forced.clone(),
        };
        let mut feeds = vec![kept];
        let others = before.map(|manifest| manifest.feeds).unwrap_or_default();
        feeds.extend(others.into_iter().filter(|other| other.id != feed.id));
        build.finish(feeds, forced)
    }

    /// Makes the index again from what is kept, of the feeds that are still wanted: after a change
    /// of the configuration, and when this version of Cordon cannot read the index of another.
    ///
    /// # Errors
    /// If something kept cannot be read.
    pub fn again(&self, wanted: &dyn Fn(&KeptFeed) -> bool) -> Result<Imported, Refused> {
        let Some(before) = manifest_of(self.writing.generations()) else {
            return Ok(Imported::Unchanged);
        };
        let feeds = before.feeds.into_iter().filter(wanted).collect();
        Build::new(self)?.finish(feeds, None)
    }
}

/// An index being built.
struct Build<'a> {
    import: &'a Import<'a>,
    scheme: &'static dyn Scheme,
    builder: IndexBuilder,
    /// The feed whose records are in already.
    added: Option<SmolStr>,
}

impl<'a> Build<'a> {
    fn new(import: &'a Import<'a>) -> Result<Self, Refused> {
        let scheme = scheme_for(import.ecosystem)
            .ok_or_else(|| Refused::Empty(import.ecosystem.to_string()))?;
        Ok(Self {
            import,
            scheme,
            builder: IndexBuilder::new(scheme),
            added: None,
        })
    }

    /// Adds the feed that is new, the first of all, and says whether it may be believed.
    fn add_new(
        &mut self,
        feed: &FeedConfig,
        given: &Given,
        known: Option<&KeptFeed>,
    ) -> Result<(Counted, Option<String>), Refused> {
        let content = Content::from(feed.content);
        if !content.has_records() {
            return Ok((Counted::default(), None));
        }
        let counted = self.add(&given.taken.part, content, given.taken.form)?;
        self.added = Some(feed.id.clone());
        let is_own = content == Content::List;
        let checked = self.check(&counted, known, is_own);
        match checked {
            Ok(()) => Ok((counted, None)),
            Err(refused) if self.import.is_forced && refused.may_be_forced() => {
                Ok((counted, Some(refused.to_string())))
            }
            Err(refused) => Err(refused),
        }
    }

    fn add(
        &mut self,
        part: &Digest,
        content: Content,
        form: super::manifest::Form,
    ) -> Result<Counted, Refused> {
        let part = self.import.writing.generations().open_part(part)?;
        let bounds = self.import.bounds;
        records::add(
            &mut self.builder,
            part,
            (content, form),
            self.scheme,
            bounds,
        )
    }

    fn check(
        &self,
        counted: &Counted,
        known: Option<&KeptFeed>,
        is_own: bool,
    ) -> Result<(), Refused> {
        let bounds = self.import.bounds;
        let allowed = |share: crate::config::Share, of: u64| {
            share.of(usize::try_from(of).unwrap_or(usize::MAX)) as u64
        };
        if counted.unusable > allowed(bounds.max_bad_records, counted.all) {
            return Err(Refused::BadRecords {
                unusable: counted.unusable,
                records: counted.all,
                most: bounds.max_bad_records.to_string(),
                first: counted.first_unusable.clone(),
            });
        }
        if counted.doubled > 0 {
            return Err(Refused::Mixed(counted.doubled));
        }
        // An own list is what its owner wrote: empty, shorter or older as he likes.
        if is_own {
            return Ok(());
        }
        if counted.records == 0 {
            return Err(Refused::Empty(self.import.ecosystem.to_string()));
        }
        let Some(known) = known else { return Ok(()) };
        let goes_back = known
            .newest_modified
            .filter(|before| counted.newest_modified.is_none_or(|now| now < *before));
        if let Some(before) = goes_back {
            let now = counted.newest_modified;
            return Err(Refused::RolledBack {
                now: now.map_or_else(|| "an unknown time".to_owned(), |now| now.to_string()),
                before,
            });
        }
        // Both what there is and what holds: taking everything back is a way to lose it, too.
        let hold = |records: u64, withdrawn: u64| records.saturating_sub(withdrawn);
        for (before, now) in [
            (known.records, counted.records),
            (
                hold(known.records, known.withdrawn),
                hold(counted.records, counted.withdrawn),
            ),
        ] {
            if before.saturating_sub(now) > allowed(bounds.max_shrink, before) {
                return Err(Refused::Shrunk {
                    now,
                    before,
                    most: bounds.max_shrink.to_string(),
                });
            }
        }
        Ok(())
    }

    fn finish(
        mut self,
        mut feeds: Vec<KeptFeed>,
        forced: Option<String>,
    ) -> Result<Imported, Refused> {
        let Import {
            writing,
            ecosystem,
            bounds,
            now,
            ..
        } = *self.import;
        for feed in &feeds {
            let part = || writing.generations().open_part(&feed.part);
            match feed.content {
                Content::Osv | Content::List if self.added.as_ref() == Some(&feed.id) => {}
                Content::Osv | Content::List => {
                    self.add(&feed.part, feed.content, feed.form)?;
                }
                Content::Epss => {
                    let text = records::text(part()?, feed.form, bounds)?;
                    self.builder.with_epss(&text)?;
                }
                Content::Kev => {
                    let text = records::text(part()?, feed.form, bounds)?;
                    self.builder.with_kev(text.as_bytes())?;
                }
            }
        }
        feeds.sort_by(|a, b| a.id.cmp(&b.id));
        // The same records must make the same bytes, whenever they are read.
        let newest_modified = self.builder.newest_modified();
        let as_of = newest_modified.unwrap_or(Timestamp::from_millis(0));
        let (data, report) = self.builder.finish(as_of)?;
        let manifest = Manifest {
            ecosystem: ecosystem.clone(),
            imported_at: now,
            records: report.records as u64,
            withdrawn: report.withdrawn as u64,
            packages: report.packages as u64,
            newest_modified,
            feeds,
        };
        let sealed = serde_json::to_value(&manifest).expect("a manifest has a JSON form");
        // What this version would not open again must not be put in force.
        let index = AdvisoryIndex::open(data)?;
        let generation = writing.commit(index.bytes(), sealed)?;
        self::collect(writing, &manifest)?;
        Ok(Imported::New(Box::new(NewGeneration {
            generation,
            manifest,
            report,
            forced,
        })))
    }
}

fn collect(writing: &Writing, manifest: &Manifest) -> Result<(), StorageError> {
    let parts: HashSet<Digest> = manifest
        .feeds
        .iter()
        .map(|feed| feed.part.clone())
        .collect();
    writing.collect(&parts)
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
