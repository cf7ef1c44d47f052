//! Licences as policies name them.

use smol_str::SmolStr;

use super::Term;

/// A licence of a list: an id (`MIT`), an id with its exception
/// (`GPL-2.0-only WITH Classpath-exception-2.0`), the beginning of ids (`AGPL-*`), an own reference
/// (`LicenseRef-Acme`), or `UNLICENSED`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LicensePattern {
    id: SmolStr,
    is_start: bool,
    exception: Option<SmolStr>,
}

/// A text that names no licence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// An id that is not in the SPDX list.
    #[error("there is no licence `{0}` in the SPDX list")]
    Unknown(String),
    /// An exception that is not in the SPDX list.
    #[error("there is no licence exception `{0}` in the SPDX list")]
    UnknownException(String),
    /// A beginning that no id has.
    #[error("no licence in the SPDX list begins with `{0}`")]
    NoneBegins(String),
}

impl LicensePattern {
    /// What stands for "nobody may use it".
    pub const UNLICENSED: &str = "UNLICENSED";

    /// Reads a pattern; ids in any case.
    ///
    /// # Errors
    /// If no licence can be meant.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.trim();
        let is_with = |word: &&str| word.eq_ignore_ascii_case("with");
        let words: Vec<&str> = text.split_whitespace().collect();
        let (id, exception) = match &words[..] {
            [id, with, exception] if is_with(with) => (*id, Some(exception_id(exception)?)),
            _ => (text, None),
        };
        if let Some(start) = id.strip_suffix('*') {
            let begins = |id: &&str| {
                id.get(..start.len())
                    .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
            };
            let known = licenses().find(begins);
            let known = known.and_then(|id| id.get(..start.len()));
            return match known {
                Some(start) if exception.is_none() => Ok(Self {
                    id: start.into(),
                    is_start: true,
                    exception,
                }),
                _ => Err(PatternError::NoneBegins(start.to_owned())),
            };
        }
        let id = match id {
            own if own.starts_with("LicenseRef-") => own.into(),
            own if own.eq_ignore_ascii_case(Self::UNLICENSED) => Self::UNLICENSED.into(),
            id => full_id(id).ok_or_else(|| PatternError::Unknown(id.to_owned()))?,
        };
        Ok(Self {
            id,
            is_start: false,
            exception,
        })
    }

    /// Whether the licence is meant. Without an exception, whatever exception goes with it; a GNU
    /// licence of one version also where later versions may be chosen instead.
    pub fn holds(&self, term: &Term<'_>) -> bool {
        let is_meant = self.may_hold(&term.id());
        let has_exception = || match &self.exception {
            None => true,
            Some(exception) => term.exception().is_some_and(|found| found == *exception),
        };
        is_meant && has_exception()
    }

    /// Whether it means exactly this id, whatever goes with it.
    pub fn is_id(&self, id: &str) -> bool {
        !self.is_start && self.exception.is_none() && self.id == id
    }

    /// Whether it could mean a licence of this id, however that is spelled out.
    pub fn may_hold(&self, id: &str) -> bool {
        match self.is_start {
            true => id.starts_with(self.id.as_str()),
            false => self.id == id || self.is_version_of(id),
        }
    }

    /// Whether it is a GNU licence of one version (`GPL-3.0-only`) and the id the same with a choice
    /// of later ones (`GPL-3.0-or-later`) or with an exception in its name, as ids were once written
    /// (`GPL-3.0-with-GCC-exception`).
    fn is_version_of(&self, id: &str) -> bool {
        let rest = self
            .id
            .strip_suffix("-only")
            .and_then(|it| id.strip_prefix(it));
        rest.is_some_and(|rest| {
            rest == "-or-later" || self.exception.is_none() && rest.starts_with("-with-")
        })
    }

    /// Whether it names an exception, which makes it narrower than one that does not.
    pub fn has_exception(&self) -> bool {
        self.exception.is_some()
    }
}

impl std::fmt::Display for LicensePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        if self.is_start {
            f.write_str("*")?;
        }
        match &self.exception {
            Some(exception) => write!(f, " WITH {exception}"),
            None => Ok(()),
        }
    }
}

/// Every id of the SPDX list.
pub(super) fn licenses() -> impl Iterator<Item = &'static str> + Clone {
    spdx::identifiers::LICENSES
        .iter()
        .map(|license| license.name)
        .filter(|name| !is_no_license(name))
}

/// Whether the word says that no licence is known or given: SPDX documents have these where an
/// expression goes, and the crate lists them beside the licences.
pub(super) fn is_no_license(word: &str) -> bool {
    matches!(word, "NOASSERTION" | "NONE")
}

/// An id as it is in the list, and of the GNU licences with what says whether later ones are meant.
fn full_id(text: &str) -> Option<SmolStr> {
    let (bare, is_later) = match text.strip_suffix('+') {
        Some(bare) => (bare, true),
        None => (text, false),
    };
    let name = licenses().find(|id| id.eq_ignore_ascii_case(bare))?;
    let id = spdx::license_id(name)?;
    let full = spdx::gnu_license_id(name, is_later);
    Some(match full.filter(|_| id.is_gnu()) {
        Some(full) => full.name.into(),
        None => name.into(),
    })
}

fn exception_id(text: &str) -> Result<SmolStr, PatternError> {
    spdx::identifiers::EXCEPTIONS
        .iter()
        .find(|exception| exception.name.eq_ignore_ascii_case(text))
        .map(|exception| exception.name.into())
        .ok_or_else(|| PatternError::UnknownException(text.to_owned()))
}
