//! Inspection in this very process.

use async_trait::async_trait;
use bytes::Bytes;
use cordon_policy::inspect::{self, Limits, Sheet};

use super::source::input;
use super::{InspectFailure, Inspector, Job, MetadataJob};

/// Looks into archives on a blocking thread of this process: for tests, and for commands that look
/// at a file somebody chose. Nothing bounds its time or memory, so it serves nobody.
#[derive(Clone, Debug, Default)]
pub struct InProcess {
    /// How far each inspection goes.
    pub limits: Limits,
}

#[async_trait]
impl Inspector for InProcess {
    async fn inspect(&self, job: Job) -> Result<Sheet, InspectFailure> {
        let limits = self.limits.clone();
        let work = move || {
            let (mut file, _) = job.source.into_file()?;
            let set = job.indicators.as_deref();
            let known = &mut inspect::content::KnownFiles::default();
            inspect::inspect_for(&job.artifact, job.depth, &mut file, &limits, set, known)
                .map_err(|error| input(&error))
        };
        blocking(work).await
    }

    async fn core_metadata(&self, job: MetadataJob) -> Result<Option<Bytes>, InspectFailure> {
        let limits = self.limits.clone();
        let work = move || {
            let (mut file, _) = job.source.into_file()?;
            inspect::core_metadata(&job.artifact, &job.sha256, &mut file, &limits)
                .map(|found| found.map(Bytes::from))
                .map_err(|error| input(&error))
        };
        blocking(work).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InspectFailure> + Send + 'static,
) -> Result<T, InspectFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(InspectFailure::Crashed(error.to_string().into())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cordon_policy::inspect::Depth;
    use cordon_storage::blob::{BlobStore as _, MemoryBlobs};

    use super::*;
    use crate::inspection::Source;
    use crate::inspection::tests::artifact;

    #[tokio::test]
    async fn the_same_bytes_give_the_same_sheet_wherever_they_are() {
        let data = Bytes::from_static(b"no archive");
        let store = MemoryBlobs::new();
        let mut stage = store.stage(100).await.unwrap();
        stage.write(data.clone()).await.unwrap();
        let staged = Source::File(stage.file().await.unwrap());
        let stored = stage.commit().await.unwrap();
        let reader = store.open(&stored.digest).await.unwrap().unwrap();
        let inspector: Arc<dyn Inspector> = Arc::new(InProcess::default());
        let mut sheets = Vec::new();
        for source in [Source::Memory(data), staged, Source::Blob(reader)] {
            let job = Job {
                artifact: artifact("left-pad"),
                depth: Depth::Content,
                indicators: None,
                source,
            };
            sheets.push(inspector.inspect(job).await.unwrap());
        }
        assert_eq!(sheets[0], sheets[1]);
        assert_eq!(sheets[0], sheets[2]);
    }

    #[tokio::test]
    async fn a_damaged_blob_has_no_sheet() {
        let store = MemoryBlobs::new();
        let mut stage = store.stage(100).await.unwrap();
        stage.write(Bytes::from_static(b"data")).await.unwrap();
        let stored = stage.commit().await.unwrap();
        assert!(store.damage(&stored.digest, |data| data[0] ^= 1));
        let reader = store.open(&stored.digest).await.unwrap().unwrap();
        let job = Job {
            artifact: artifact("left-pad"),
            depth: Depth::Structure,
            indicators: None,
            source: Source::Blob(reader),
        };
        let failure = InProcess::default().inspect(job).await.unwrap_err();
        assert!(matches!(failure, InspectFailure::Input(_)), "{failure}");
    }
}
