//! The one folder everything must be in.

use smol_str::SmolStr;

use super::Format;
use crate::model::ArtifactId;

/// What a format asks of the folder.
#[derive(Debug)]
pub(super) enum Root {
    /// Exactly this one: cargo unpacks beside other crates.
    Fixed(SmolStr),
    /// Whichever, but one: npm takes the first component of every path away.
    Any(Option<SmolStr>),
    /// One is usual, and installers look for it.
    Usual {
        /// The first that was seen.
        folder: Option<SmolStr>,
        /// Whether everything is in it.
        is_only: bool,
    },
    /// Formats without.
    None,
}

impl Root {
    pub(super) fn of(format: Format, artifact: &ArtifactId) -> Self {
        match format {
            Format::Crate => {
                let subject = &artifact.subject;
                let name = subject.name.as_published();
                Self::Fixed(format!("{name}-{}", subject.version.as_str()).into())
            }
            Format::NpmPackage => Self::Any(None),
            Format::SdistTar(_) | Format::SdistZip => Self::Usual {
                folder: None,
                is_only: true,
            },
            Format::Wheel | Format::Other => Self::None,
        }
    }

    /// Takes a path; what is wrong with its place.
    pub(super) fn add(&mut self, path: &str, is_folder: bool) -> Result<(), String> {
        let (first, is_inside) = match path.split_once('/') {
            Some((first, _)) => (first, true),
            None => (path, is_folder),
        };
        match self {
            Self::Fixed(root) if first == root && is_inside => Ok(()),
            Self::Fixed(root) => Err(format!("it is not below {root}/")),
            Self::Any(_) if !is_inside => Err("it is not in a folder".to_owned()),
            Self::Any(Some(root)) if first != root => {
                Err(format!("it is not below {root}/ like those before it"))
            }
            Self::Any(Some(_)) | Self::None => Ok(()),
            Self::Any(root) => {
                *root = Some(first.into());
                Ok(())
            }
            Self::Usual { folder, is_only } => {
                *is_only &= is_inside && folder.as_deref().is_none_or(|root| root == first);
                folder.get_or_insert_with(|| first.into());
                Ok(())
            }
        }
    }

    /// The folder, if there is one.
    pub(super) fn folder(self) -> Option<SmolStr> {
        match self {
            Self::Fixed(folder) => Some(folder),
            Self::Any(folder) => folder,
            Self::Usual { folder, is_only } => folder.filter(|_| is_only),
            Self::None => None,
        }
    }
}
