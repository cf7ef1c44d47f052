//! Where a setting applies.

use smol_str::SmolStr;

use super::{NameIndex, NamePattern};
use crate::facts::{Audience, VersionFacts};
use crate::model::{Ecosystem, PackageName};

/// Which packages a setting is for.
#[derive(Clone, Debug, Default)]
pub struct PackageScope {
    /// Only this ecosystem, when given.
    pub ecosystem: Option<Ecosystem>,
    /// Only these packages, when given.
    pub packages: Option<PackageSet>,
    /// Only who asks by one of these routes, when given; sorted.
    pub routes: Option<Vec<SmolStr>>,
    /// Only these of who asks, when given; sorted.
    pub identities: Option<Vec<SmolStr>>,
}

impl PackageScope {
    /// Everything.
    pub const ALL: Self = Self {
        ecosystem: None,
        packages: None,
        routes: None,
        identities: None,
    };

    /// Whether the candidate is in scope.
    pub fn holds(&self, facts: &VersionFacts) -> bool {
        self.holds_audience(&facts.audience) && self.holds_name(&facts.subject().name)
    }

    /// Whether it is for who asks.
    pub fn holds_audience(&self, audience: &Audience) -> bool {
        let holds = |only: &Option<Vec<SmolStr>>, asked: &Option<SmolStr>| {
            only.as_ref()
                .is_none_or(|only| asked.as_ref().is_some_and(|asked| only.contains(asked)))
        };
        holds(&self.routes, &audience.route) && holds(&self.identities, &audience.identity)
    }

    /// Whether it is for everybody.
    pub fn is_for_everybody(&self) -> bool {
        self.routes.is_none() && self.identities.is_none()
    }

    /// Whether candidates of the package are in scope.
    pub fn holds_name(&self, name: &PackageName) -> bool {
        self.ecosystem
            .as_ref()
            .is_none_or(|ecosystem| ecosystem == name.ecosystem())
            && self
                .packages
                .as_ref()
                .is_none_or(|packages| packages.holds(name))
    }

    /// Whether nothing is outside it.
    pub fn is_all(&self) -> bool {
        self.ecosystem.is_none() && self.packages.is_none() && self.is_for_everybody()
    }

    /// Whether everything in `other` is surely in `self` as well. May say no where a closer look
    /// at the patterns would say yes.
    pub fn covers(&self, other: &Self) -> bool {
        let covers_ecosystem = self.ecosystem.is_none() || self.ecosystem == other.ecosystem;
        let covers_packages = match (&self.packages, &other.packages) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => theirs
                .written
                .iter()
                .all(|name| ours.written.contains(name)),
        };
        let covers = |ours: &Option<Vec<SmolStr>>, theirs: &Option<Vec<SmolStr>>| match theirs {
            _ if ours.is_none() => true,
            None => false,
            Some(theirs) => ours
                .as_ref()
                .is_some_and(|ours| theirs.iter().all(|name| ours.contains(name))),
        };
        covers_ecosystem
            && covers_packages
            && covers(&self.routes, &other.routes)
            && covers(&self.identities, &other.identities)
    }
}

/// Names and name patterns, possibly of several ecosystems. `*` does not cross `/`.
#[derive(Clone, Debug)]
pub struct PackageSet {
    per_ecosystem: Vec<(Ecosystem, NameIndex)>,
    written: Vec<SmolStr>,
}

impl PackageSet {
    /// Compiles names. `written` are the texts they were read from.
    ///
    /// # Errors
    /// The patterns together are too large to compile.
    pub fn new(
        names: Vec<(Ecosystem, NamePattern)>,
        mut written: Vec<SmolStr>,
    ) -> Result<Self, globset::Error> {
        let mut ecosystems: Vec<&Ecosystem> =
            names.iter().map(|(ecosystem, _)| ecosystem).collect();
        ecosystems.sort();
        ecosystems.dedup();
        let per_ecosystem = ecosystems
            .into_iter()
            .map(|ecosystem| {
                let own = names.iter().filter(|(of, _)| of == ecosystem);
                let index = NameIndex::new(own.map(|(_, name)| (name, 0)))?;
                Ok((ecosystem.clone(), index))
            })
            .collect::<Result<_, globset::Error>>()?;
        written.sort();
        written.dedup();
        Ok(Self {
            per_ecosystem,
            written,
        })
    }

    /// Whether the package is meant.
    pub fn holds(&self, name: &PackageName) -> bool {
        self.per_ecosystem
            .iter()
            .find(|(ecosystem, _)| ecosystem == name.ecosystem())
            .is_some_and(|(_, names)| names.holds(name.normalized()))
    }

    /// The names and patterns as written, sorted.
    pub fn written(&self) -> &[SmolStr] {
        &self.written
    }
}
