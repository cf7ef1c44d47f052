//! Links of source distributions.
//!
//! No link belongs into an npm package or a crate. A source distribution may have them, because
//! builders pack what is in the repository; those are allowed that cannot be told from a copy:
//! symbolic, relative, inside the one folder, not to another link and with nothing beneath.

use std::collections::BTreeSet;

use crate::inspect::archive::collide::folded;

/// Links that are remembered; with more, none is allowed.
const KEPT: usize = 1_000;

/// The links seen.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// Path and where it leads, from the top of the archive.
    kept: Vec<(String, String)>,
}

impl Links {
    /// Takes a symbolic link; says why it is not allowed.
    pub(super) fn add(&mut self, path: &str, target: &str) -> Result<(), &'static str> {
        let target = resolved(path, target).ok_or("it leads out of the archive's folder")?;
        if self.kept.len() >= KEPT {
            return Err("there are too many links");
        }
        self.kept.push((path.to_owned(), target));
        Ok(())
    }

    /// Those that lead to or through another link.
    pub(super) fn chains(&self) -> impl Iterator<Item = &str> {
        let paths: BTreeSet<String> = self.kept.iter().map(|(path, _)| folded(path)).collect();
        let is_chain = move |target: &str| {
            let target = folded(target);
            let ends = target.match_indices('/').map(|(end, _)| end);
            ends.chain([target.len()])
                .any(|end| target.get(..end).is_some_and(|above| paths.contains(above)))
        };
        self.kept
            .iter()
            .filter(move |(_, target)| is_chain(target))
            .map(|(path, _)| path.as_str())
    }
}

/// Where a link leads, if it is below the same first folder.
fn resolved(path: &str, target: &str) -> Option<String> {
    let is_plain = !target.is_empty()
        && !target.starts_with('/')
        && !target.contains(|it: char| it == '\\' || it == ':' || it.is_control());
    let (folder, _) = path.rsplit_once('/').filter(|_| is_plain)?;
    let mut parts: Vec<&str> = folder.split('/').collect();
    let root = *parts.first()?;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            ".." => return None,
            _ => parts.push(part),
        }
    }
    (parts.first() == Some(&root)).then(|| parts.join("/"))
}
