//! Asking the source of a feed whether it has something new, and taking it in.

use std::time::Duration;

use bytes::Bytes;
use cordon_policy::model::Timestamp;
use cordon_storage::generations::{Generations, Writing};
use tokio::sync::mpsc;

use super::import::{Given, Import, Imported};
use super::installed::{confirms_itself, manifest_of};
use super::manifest::Content;
use super::notes::{Note, Notes};
use super::refused::Refused;
use super::source::{Taken, form_of, too_many_bytes};
use crate::config::{FeedConfig, FeedSource, FeedsConfig, Limits};
use crate::upstream::{ArtifactBody, ChangedFile, UpstreamError, Upstreams, Validators};

/// How long an import that another process is making is waited for.
const BUSY_FOR: Duration = Duration::from_secs(60);
const BUSY_STEP: Duration = Duration::from_millis(200);

/// A feed with what is needed to ask for it.
pub(super) struct Source {
    pub(super) feed: FeedConfig,
    pub(super) generations: Generations,
    pub(super) bounds: FeedsConfig,
    /// The client, of a feed that is fetched.
    upstreams: Option<Upstreams>,
}

impl Source {
    pub(super) fn new(
        feed: FeedConfig,
        generations: Generations,
        bounds: FeedsConfig,
        limits: &Limits,
    ) -> Result<Self, UpstreamError> {
        let upstreams = match &feed.source {
            FeedSource::Url(from) => {
                let mut limits = limits.clone();
                limits.artifact_bytes = bounds.dump_bytes;
                Some(Upstreams::new(&[(**from).clone()], &limits)?)
            }
            _ => None,
        };
        Ok(Self {
            feed,
            generations,
            bounds,
            upstreams,
        })
    }

    /// Asks, takes in what is new, and notes what came of it.
    pub(super) async fn ask(&self, now: Timestamp) -> Result<Imported, Refused> {
        let outcome = match &self.upstreams {
            Some(_) => self.fetch(now).await,
            None => self.read(now).await,
        };
        let mut notes = Notes::read(&self.generations);
        let note = notes.of(&self.feed.id);
        match &outcome {
            Err(refused) => note.failed(now, refused),
            Ok((_, validators)) => {
                let manifest = manifest_of(&self.generations);
                if let Some(kept) = manifest.as_ref().and_then(|it| it.feed(&self.feed.id)) {
                    note.confirmed(now, &kept.part);
                    if let Some(validators) = validators {
                        note.etag.clone_from(&validators.etag);
                        note.last_modified.clone_from(&validators.last_modified);
                    }
                }
            }
        }
        if let Err(error) = notes.write(&self.generations) {
            tracing::warn!(error = %cordon_storage::Chain(&error), "a note about a feed was not written");
        }
        outcome.map(|(imported, _)| imported)
    }

    /// Reads a file or folder of this machine.
    async fn read(&self, now: Timestamp) -> Result<(Imported, Option<Validators>), Refused> {
        let path = match &self.feed.source {
            FeedSource::File(path) | FeedSource::Folder(path) => path.clone(),
            FeedSource::Url(_) | FeedSource::Imported => return Ok((Imported::Unchanged, None)),
        };
        let writing = self.lock().await?;
        let (feed, bounds) = (self.feed.clone(), self.bounds.clone());
        let work = move || {
            let import = Import {
                writing: &writing,
                ecosystem: &feed.ecosystem,
                bounds: &bounds,
                now,
                is_forced: false,
            };
            import.from_path(&feed, &path)
        };
        run(work).await.map(|imported| (imported, None))
    }

    /// Asks the address.
    async fn fetch(&self, now: Timestamp) -> Result<(Imported, Option<Validators>), Refused> {
        let upstream = self.upstreams.as_ref().and_then(|all| all.all().first());
        let Some(upstream) = upstream else {
            return Ok((Imported::Unchanged, None));
        };
        let known = self.known_validators();
        let answer = upstream.changed_file(known.as_ref()).await;
        match answer.map_err(|error| self.source_failed(error))? {
            ChangedFile::Unchanged => Ok((Imported::Unchanged, known)),
            ChangedFile::Missing => {
                let url = upstream.config().url.to_string();
                Err(Refused::Missing(url))
            }
            ChangedFile::Present { body, validators } => {
                let origin = upstream.config().url.to_string();
                let imported = self.take(*body, origin, now).await?;
                Ok((imported, Some(validators)))
            }
        }
    }

    /// What the source said of the dump that is kept, and of no other.
    fn known_validators(&self) -> Option<Validators> {
        let kept = manifest_of(&self.generations)?;
        let kept = kept.feed(&self.feed.id)?;
        let notes = Notes::read(&self.generations);
        let note = notes.feeds.get(&self.feed.id)?;
        let Note {
            etag,
            last_modified,
            part,
            ..
        } = note;
        let is_of_it = part.as_ref() == Some(&kept.part);
        let is_any = etag.is_some() || last_modified.is_some();
        (is_of_it && is_any).then(|| Validators {
            etag: etag.clone(),
            last_modified: last_modified.clone(),
        })
    }

    /// Takes a body in as it arrives: never more of it in memory than a few pieces.
    async fn take(
        &self,
        mut body: ArtifactBody<'_>,
        origin: String,
        now: Timestamp,
    ) -> Result<Imported, Refused> {
        const PIECES: usize = 8;
        if body.is_gzip_coded {
            let name = origin;
            let why = "its source compressed it once more".to_owned();
            return Err(super::dump::DumpError::Unsupported { name, why }.into());
        }
        let writing = self.lock().await?;
        let (sender, receiver) = mpsc::channel::<Bytes>(PIECES);
        let content = Content::from(self.feed.content);
        let bounds = self.bounds.clone();
        let receiving = tokio::task::spawn_blocking(move || {
            let taken = receive(&writing, receiver, content, &bounds);
            (writing, taken)
        });
        let mut failure = None;
        loop {
            match body.chunk().await {
                Ok(Some(bytes)) => {
                    // The other side gave up, and says why.
                    if sender.send(bytes).await.is_err() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    failure = Some(self.source_failed(error));
                    break;
                }
            }
        }
        drop(sender);
        let (writing, taken) = receiving.await.map_err(|_| Refused::Busy)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let given = Given {
            taken: taken?,
            origin,
            is_fetched: true,
        };
        let (feed, bounds) = (self.feed.clone(), self.bounds.clone());
        let work = move || {
            let import = Import {
                writing: &writing,
                ecosystem: &feed.ecosystem,
                bounds: &bounds,
                now,
                is_forced: false,
            };
            import.given(&feed, given)
        };
        run(work).await
    }

    async fn lock(&self) -> Result<Writing, Refused> {
        lock(&self.generations).await
    }

    fn source_failed(&self, error: UpstreamError) -> Refused {
        match error {
            UpstreamError::TooLarge { .. } => too_many_bytes(&self.bounds),
            error => Refused::Source(error),
        }
    }

    /// Whether being readable confirms it.
    pub(super) fn confirms_itself(&self) -> bool {
        confirms_itself(&self.feed.source, self.feed.content)
    }
}

/// The lock of a folder, once whoever holds it is done.
pub(super) async fn lock(generations: &Generations) -> Result<Writing, Refused> {
    let started = tokio::time::Instant::now();
    loop {
        if let Some(writing) = generations.write()? {
            return Ok(writing);
        }
        if started.elapsed() > BUSY_FOR {
            return Err(Refused::Busy);
        }
        tokio::time::sleep(BUSY_STEP).await;
    }
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Refused> {
    // A panic there is a mistake of ours; what was in force still is.
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Refused::Busy)?
}

fn receive(
    writing: &Writing,
    mut pieces: mpsc::Receiver<Bytes>,
    content: Content,
    bounds: &FeedsConfig,
) -> Result<Taken, Refused> {
    let mut part = writing.part()?;
    let mut start = [0; 4];
    let mut known = 0;
    while let Some(bytes) = pieces.blocking_recv() {
        for (to, from) in start.iter_mut().skip(known).zip(&bytes) {
            *to = *from;
        }
        known = (known + bytes.len()).min(start.len());
        if part.size_bytes() + bytes.len() as u64 > bounds.dump_bytes {
            return Err(too_many_bytes(bounds));
        }
        part.write(&bytes)?;
    }
    let form = form_of(&start, content).unwrap_or(super::manifest::Form::Zip);
    let size_bytes = part.size_bytes();
    Ok(Taken {
        part: part.finish()?,
        size_bytes,
        form,
    })
}
