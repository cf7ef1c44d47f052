//! Names that are one to some file system: twice the same, by case, or by Unicode form.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

use crate::inspect::fault::FaultCode;

/// Names are kept as digests: 200,000 paths of 4,096 bytes would be 800 MB.
type Key = [u8; 16];

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file.
    File,
    /// A link: what comes after it under its name would go where it leads.
    Link,
    /// A folder, with an entry of its own or because something is in it.
    Folder,
}

/// The names seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    names: BTreeMap<Key, Name>,
    /// The folder of the entry before: most entries are its neighbours.
    last_folder: String,
}

#[derive(Clone, Copy, Debug)]
struct Name {
    exact: Key,
    kind: Kind,
    /// The digest of what was in the file.
    content: Option<[u8; 32]>,
}

/// What is wrong with another name.
pub(super) type Clash = (FaultCode, &'static str);

/// What came under a name before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// Nothing.
    First,
    /// The same file.
    Same,
    /// The same content, in a file whose name is the same to some file systems: whichever of them they
    /// keep.
    SameOfAlike,
    /// Something else.
    Other(Clash),
}

const OTHER_OF_NAME: Clash = (
    FaultCode::Dup,
    "there is another entry of this name with other content",
);
const ALIKE: Clash = (
    FaultCode::Collision,
    "another name is the same where case or the form of letters does not count",
);

impl Seen {
    /// Takes a path, without a trailing slash.
    pub(super) fn add(&mut self, path: &str, kind: Kind) -> Result<(), Clash> {
        let own = self.put(path, kind);
        let folder = path.rsplit_once('/').map(|(folder, _)| folder);
        let Some(folder) = folder.filter(|folder| *folder != self.last_folder) else {
            return own;
        };
        folder.clone_into(&mut self.last_folder);
        let mut above = Some(folder);
        while let Some(folder) = above {
            let is_known = self.is_folder(folder);
            self.put(folder, Kind::Folder)?;
            if is_known {
                break;
            }
            above = folder.rsplit_once('/').map(|(folder, _)| folder);
        }
        own
    }

    /// How many names there are, folders included.
    pub(super) fn count(&self) -> u64 {
        self.names.len() as u64
    }

    /// Whether something is in this path, or it is a folder itself.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        let known = self.names.get(&key(&folded(path)));
        known.is_some_and(|it| it.kind == Kind::Folder)
    }

    /// Takes what is in a file of this path, and tells how that compares with what came under the
    /// name before.
    pub(super) fn content(&mut self, path: &str, digest: [u8; 32]) -> Again {
        let Some(name) = self.names.get_mut(&key(&folded(path))) else {
            return Again::First;
        };
        let is_exact = name.exact == key(path);
        match name.content.replace(digest) {
            None => Again::First,
            Some(before) if before == digest && is_exact => Again::Same,
            Some(before) if before == digest => Again::SameOfAlike,
            Some(_) if is_exact => Again::Other(OTHER_OF_NAME),
            Some(_) => Again::Other(ALIKE),
        }
    }

    /// Whether a file of this path was read.
    pub(super) fn has_content(&self, path: &str) -> bool {
        let known = self.names.get(&key(&folded(path)));
        known.is_some_and(|it| it.content.is_some())
    }

    fn put(&mut self, path: &str, kind: Kind) -> Result<(), Clash> {
        let exact = key(path);
        let name = Name {
            exact,
            kind,
            content: None,
        };
        let Some(was) = self.names.insert(key(&folded(path)), name) else {
            return Ok(());
        };
        match (was.kind, kind) {
            (Kind::Folder, Kind::Folder) => Ok(()),
            (Kind::Link, _) | (_, Kind::Link) => {
                Err((FaultCode::Link, "a link has the same name, or is above it"))
            }
            (Kind::File, Kind::File) if was.exact == exact => {
                // For what comes after, to be compared.
                self.names.insert(key(&folded(path)), was);
                Err((FaultCode::Dup, "there is another entry of this name"))
            }
            _ if was.exact == exact => Err((FaultCode::Dup, "a file and a folder have this name")),
            (Kind::File, Kind::File) => {
                self.names.insert(key(&folded(path)), was);
                Err(ALIKE)
            }
            _ => Err(ALIKE),
        }
    }
}

fn key(text: &str) -> Key {
    let digest = Sha256::digest(text.as_bytes());
    let mut key = [0; 16];
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    key
}

/// The form in which all spellings of a name are the same: compatibility-decomposed, upper case and
/// then lower (`ß` is `ss`, `ﬁ` is `fi`, `K` is `k`), character for character.
pub(super) fn folded(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    path.nfkd()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkd()
        .collect()
}
