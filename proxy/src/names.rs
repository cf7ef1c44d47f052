//! The popular names, and what is made to be taken for them.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use cordon_policy::ecosystem::{scheme_for, schemes};
use cordon_policy::facts::{Fact, Popularity, Similarity};
use cordon_policy::model::{Ecosystem, PackageName};
use cordon_policy::typosquat::{Detector, MAX_POPULAR_BYTES, PopularError, PopularNames};
use smol_str::SmolStr;

/// The lists of popular names in force, one for each ecosystem that has one.
pub struct Names {
    lists: Vec<Arc<List>>,
}

/// A list, and the index over it, which takes a moment to make and is made when it is first asked.
struct List {
    ecosystem: Ecosystem,
    popular: Arc<PopularNames>,
    detector: OnceLock<Detector>,
}

/// A list that cannot be used in the place of the one in force.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The file cannot be read.
    #[error("reading the popular names in {}: {error}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is no list of names.
    #[error("{}: {error}", file.display())]
    List {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        error: PopularError,
    },
    /// It has lost more of its names than a refresh may.
    #[error(
        "{}: of {before} popular names in force the new list lacks {lost}; if that is meant, restart",
        file.display()
    )]
    Shrunk {
        /// The file.
        file: PathBuf,
        /// Names in force.
        before: usize,
        /// Of these, how many are gone.
        lost: usize,
    },
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = self.lists.iter().map(|list| &list.popular);
        f.debug_list().entries(lists).finish()
    }
}

impl Names {
    /// The lists Cordon comes with: read, and compared with, once in a process.
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<Names>> = LazyLock::new(|| {
            let lists = schemes().into_iter().filter_map(PopularNames::built_in);
            Arc::new(Names::new(lists))
        });
        Arc::clone(&BUILT_IN)
    }

    /// The lists Cordon comes with, and in the place of some those in these files.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn read(files: &[(Ecosystem, PathBuf)]) -> Result<Arc<Self>, NamesError> {
        if files.is_empty() {
            return Ok(Self::built_in());
        }
        let mut lists = Self::built_in().lists.clone();
        for (ecosystem, file) in files {
            let popular = read_list(ecosystem, file)?;
            lists.retain(|list| list.ecosystem != *ecosystem);
            lists.push(Arc::new(List {
                ecosystem: ecosystem.clone(),
                popular: Arc::new(popular),
                detector: OnceLock::new(),
            }));
        }
        Ok(Arc::new(Self { lists }))
    }

    /// These lists, unless they are those in force already: then those stay, with their indexes.
    ///
    /// # Errors
    /// A list that lacks more than half of the names in force is taken for a mistake: what looks
    /// like the missing ones would pass.
    pub fn after(
        self: Arc<Self>,
        before: &Arc<Self>,
        files: &[(Ecosystem, PathBuf)],
    ) -> Result<Arc<Self>, NamesError> {
        let mut is_same = true;
        for (ecosystem, file) in files {
            let of = |names: &Self| {
                let mut lists = names.lists.iter();
                lists.find(|list| list.ecosystem == *ecosystem).cloned()
            };
            let (Some(old), Some(new)) = (of(before), of(&self)) else {
                is_same = false;
                continue;
            };
            is_same &= old.popular.names() == new.popular.names();
            let kept: BTreeSet<&str> = new.popular.names().iter().map(AsRef::as_ref).collect();
            let lacks = |name: &&SmolStr| !kept.contains(name.as_str());
            let lost = old.popular.names().iter().filter(lacks).count();
            let count = old.popular.names().len();
            if lost * 2 > count {
                return Err(NamesError::Shrunk {
                    file: file.clone(),
                    before: count,
                    lost,
                });
            }
        }
        Ok(if is_same { Arc::clone(before) } else { self })
    }

    /// Some lists; the last of an ecosystem counts.
    pub fn new(lists: impl IntoIterator<Item = Arc<PopularNames>>) -> Self {
        let list = |popular: Arc<PopularNames>| {
            Arc::new(List {
                ecosystem: popular.ecosystem().clone(),
                popular,
                detector: OnceLock::new(),
            })
        };
        Self {
            lists: lists.into_iter().map(list).collect(),
        }
    }

    fn list(&self, name: &PackageName) -> Option<&List> {
        let mut lists = self.lists.iter().rev().map(Arc::as_ref);
        lists.find(|list| list.ecosystem == *name.ecosystem())
    }

    /// The package's place among the popular ones.
    pub fn popularity(&self, name: &PackageName) -> Option<Popularity> {
        self.list(name)?.popular.popularity(name)
    }

    /// The popular package a name is made to be taken for. `Unavailable` where there is no list to
    /// compare with.
    pub fn similarity(&self, name: &PackageName) -> Fact<Similarity> {
        let Some(list) = self.list(name) else {
            let known = scheme_for(name.ecosystem()).is_some();
            let why = match known {
                true => "there is no list of popular names for this ecosystem",
                false => "the ecosystem is unknown",
            };
            return Fact::Unavailable(SmolStr::new_static(why));
        };
        let detector = list
            .detector
            .get_or_init(|| Detector::new(Arc::clone(&list.popular)));
        detector.score(name).map_or(Fact::Absent, Fact::Known)
    }
}

fn read_list(ecosystem: &Ecosystem, file: &Path) -> Result<PopularNames, NamesError> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        // One byte more than may be, so that too much is told apart from just enough.
        let most = MAX_POPULAR_BYTES as u64 + 1;
        File::open(file)?.take(most).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| NamesError::Read {
        file: file.to_owned(),
        error,
    })?;
    let scheme = scheme_for(ecosystem).expect("the configuration names known ecosystems only");
    PopularNames::parse(scheme, &text).map_err(|error| NamesError::List {
        file: file.to_owned(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cordon_policy::ecosystem::{NPM, Npm};
    use cordon_policy::model::Scheme as _;

    use super::*;

    #[test]
    fn a_file_takes_the_place_of_one_list_and_the_others_stay() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("npm.txt");
        let files = [(NPM, file.clone())];
        let absent = Names::read(&files).unwrap_err().to_string();
        assert!(absent.contains("npm.txt"), "{absent}");
        fs::write(&file, "alpha-tool\nbeta-tool\ngamma-tool\n").unwrap();
        let first = Names::read(&files).unwrap();
        let rank = |names: &Names, name: &str| {
            let name = Npm.package(name).unwrap();
            names.popularity(&name).map(|it| it.rank)
        };
        assert_eq!(rank(&first, "beta-tool"), Some(2));
        assert_eq!(rank(&first, "react"), None);
        let serde = cordon_policy::ecosystem::Cargo.package("serde").unwrap();
        assert!(first.popularity(&serde).is_some());
        // The same names again keep what was made of them.
        let again = Names::read(&files).unwrap().after(&first, &files).unwrap();
        assert!(Arc::ptr_eq(&again, &first));
        fs::write(&file, "beta-tool\nalpha-tool\nzeta-tool\n").unwrap();
        let next = Names::read(&files).unwrap().after(&first, &files).unwrap();
        assert_eq!(rank(&next, "zeta-tool"), Some(3));
        for (text, why) in [
            ("zeta-tool\n", "lacks 2"),
            ("", "holds no name"),
            ("alpha-tool\nnot a name\n", "line 2"),
        ] {
            fs::write(&file, text).unwrap();
            let refused = Names::read(&files).and_then(|names| names.after(&next, &files));
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
