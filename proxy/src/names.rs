//! The popular names, and what is made to be taken for them.

use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use cordon_policy::ecosystem::{scheme_for, schemes};
use cordon_policy::facts::{Fact, Popularity, Similarity};
use cordon_policy::model::{Ecosystem, PackageName};
use cordon_policy::typosquat::{Detector, PopularNames};

/// The lists of popular names in force, one for each ecosystem that has one.
pub struct Names {
    lists: Vec<List>,
}

/// A list, and the index over it, which takes a moment to make and is made when it is first asked.
struct List {
    ecosystem: Ecosystem,
    popular: Arc<PopularNames>,
    detector: OnceLock<Detector>,
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

    /// Some lists; the last of an ecosystem counts.
    pub fn new(lists: impl IntoIterator<Item = Arc<PopularNames>>) -> Self {
        let list = |popular: Arc<PopularNames>| List {
            ecosystem: popular.ecosystem().clone(),
            popular,
            detector: OnceLock::new(),
        };
        Self {
            lists: lists.into_iter().map(list).collect(),
        }
    }

    fn list(&self, name: &PackageName) -> Option<&List> {
        let mut lists = self.lists.iter().rev();
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
            return Fact::Unavailable(smol_str::SmolStr::new_static(why));
        };
        let detector = list
            .detector
            .get_or_init(|| Detector::new(Arc::clone(&list.popular)));
        detector.score(name).map_or(Fact::Absent, Fact::Known)
    }
}
