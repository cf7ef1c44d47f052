//! From what a source gave to a generation in force, or to the reason why not.
//!
//! A new dump is read as a whole before anything is changed. It is refused, and the old one kept,
//! when it is damaged, empty, of an unknown schema or a mix, when too many of its records cannot be
//! used, when it lost more of them than is likely, when it is of the future, or when it is older
//! than what is there.

use std::collections::HashSet;
use std::time::Duration;

use cordon_policy::advisory::{AdvisoryIndex, BuildReport, IndexBuilder};
use cordon_policy::ecosystem::scheme_for;
use cordon_policy::model::{Digest, Ecosystem, Scheme, Timestamp};
use cordon_storage::StorageError;
use cordon_storage::generations::{Generation, Part, Writing};
use smol_str::SmolStr;

use super::installed::manifest_of;
use super::manifest::{Content, Form, KeptFeed, Manifest};
use super::records::{self, Counted};
use super::refused::Refused;
use super::source::{Taken, take_file, take_folder};
use crate::config::{FeedConfig, FeedSource, FeedsConfig, Share};

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
    /// Whether to go over a refusal of a dump that shrank, goes back or is of the future.
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
        let mut build = Build::new(self, before.as_ref())?;
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
        let build = Build::new(self, Some(&before))?;
        let feeds = before.feeds.into_iter().filter(wanted).collect();
        build.finish(feeds, None)
    }
}

/// An index being built.
struct Build<'a> {
    import: &'a Import<'a>,
    scheme: &'static dyn Scheme,
    builder: IndexBuilder,
    /// The feed whose records are in already.
    added: Option<SmolStr>,
    /// From here on times are yet to come.
    horizon: Timestamp,
}

/// How far ahead a record may be: clocks differ, and the real dumps hold records dated some hours
/// ahead.
const AHEAD: Duration = Duration::from_secs(24 * 3_600);

impl<'a> Build<'a> {
    fn new(import: &'a Import<'a>, before: Option<&Manifest>) -> Result<Self, Refused> {
        let scheme = scheme_for(import.ecosystem)
            .ok_or_else(|| Refused::Empty(import.ecosystem.to_string()))?;
        Ok(Self {
            import,
            scheme,
            builder: IndexBuilder::new(scheme),
            added: None,
            // A clock set back since the last import does not make good dumps ones of the future.
            horizon: before
                .map_or(import.now, |before| import.now.max(before.imported_at))
                .saturating_add(AHEAD),
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
            return self.check_scores(given, content, known);
        }
        let mut counted = self.add(&given.taken.part, content, given.taken.form)?;
        counted.newest_modified = self.builder.newest_modified(self.horizon);
        counted.future = self.builder.modified_after(self.horizon) as u64;
        self.added = Some(feed.id.clone());
        let is_own = content == Content::List;
        let checked =
            self.check(&counted, known, is_own)
                .and_then(|()| match known.filter(|_| !is_own) {
                    Some(known) => self.check_losses(known),
                    None => Ok(()),
                });
        match checked {
            Ok(()) => Ok((counted, None)),
            Err(refused) if self.import.is_forced && refused.may_be_forced() => {
                Ok((counted, Some(refused.to_string())))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Scores count as records: a list that lost many of them is not believed either.
    fn check_scores(
        &mut self,
        given: &Given,
        content: Content,
        known: Option<&KeptFeed>,
    ) -> Result<(Counted, Option<String>), Refused> {
        let part = self
            .import
            .writing
            .generations()
            .open_part(&given.taken.part)?;
        let entries = self.add_scores(part, content, given.taken.form)?;
        let counted = Counted {
            records: entries as u64,
            ..Counted::default()
        };
        let most = self.import.bounds.max_shrink;
        let before = known.map_or(0, |known| known.records);
        if before.saturating_sub(counted.records) <= allowed(most, before) {
            return Ok((counted, None));
        }
        let refused = Refused::Shrunk {
            now: counted.records,
            before,
            most: most.to_string(),
        };
        match self.import.is_forced {
            true => Ok((counted, Some(refused.to_string()))),
            false => Err(refused),
        }
    }

    fn add_scores(&mut self, part: Part, content: Content, form: Form) -> Result<usize, Refused> {
        let text = records::text(part, form, self.import.bounds)?;
        Ok(match content {
            Content::Epss => self.builder.with_epss(&text)?,
            Content::Kev => self.builder.with_kev(text.as_bytes())?,
            Content::Osv | Content::List => 0,
        })
    }

    fn add(&mut self, part: &Digest, content: Content, form: Form) -> Result<Counted, Refused> {
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
        // The share `newest_modified` leaves out; one is a slip in a small feed, too.
        if counted.future > (counted.records / 1_000).max(1) {
            return Err(Refused::Future {
                future: counted.future,
                records: counted.records,
                horizon: self.horizon,
            });
        }
        let Some(known) = known else { return Ok(()) };
        let goes_back = known
            .newest_modified
            .filter(|before| *before <= self.horizon)
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

    /// Refuses what has as many records as before, but others, or about other packages.
    fn check_losses(&self, known: &KeptFeed) -> Result<(), Refused> {
        let bounds = self.import.bounds;
        let before = self.import.writing.generations().open_part(&known.part);
        let losses = before.map_err(Refused::from).and_then(|before| {
            let kind = (known.content, known.form);
            records::losses(&self.builder, before, kind, self.scheme, bounds)
        });
        let losses = match losses {
            Ok(losses) => losses,
            // An import is what repairs a part that is gone or damaged, so it must not need it.
            Err(error) => {
                tracing::warn!(
                    feed = %known.id, error = %cordon_storage::Chain(&error),
                    "the feed is not compared with the one before, which cannot be read"
                );
                return Ok(());
            }
        };
        for (what, lost, before) in [
            ("records", losses.lost_records, losses.records),
            (
                "packages named by records",
                losses.lost_packages,
                losses.packages,
            ),
        ] {
            let (lost, before) = (lost as u64, before as u64);
            if lost > allowed(bounds.max_shrink, before) {
                return Err(Refused::Lost {
                    what,
                    lost,
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
                Content::Epss | Content::Kev => {
                    self.add_scores(part()?, feed.content, feed.form)?;
                }
            }
        }
        feeds.sort_by(|a, b| a.id.cmp(&b.id));
        // The same records must make the same bytes, whenever they are read.
        let newest_modified = self.builder.newest_modified(self.horizon);
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

fn allowed(share: Share, of: u64) -> u64 {
    share.of(usize::try_from(of).unwrap_or(usize::MAX)) as u64
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
