//! Which version a file on a project's page belongs to.
//!
//! File names carry project and version, but only wheels say where one ends and the other begins.
//! For everything else the project's own name, known from the page, is taken off the front: a name
//! that does not begin with it is no file of this project. What is left is the version, after the
//! platform marks of formats nobody uploads any more.
//!
//! A version that is not PEP 440 is kept as it is spelled, as long as it begins with a digit; a
//! rest that begins with a letter is more likely the name of another project (`a-b-1.0.tar.gz` on
//! the page of `a`, reliability.md M-41) and has no version.

use cordon_policy::model::{PackageName, Scheme};
use smol_str::SmolStr;

/// Marks that end the version in the names of binary formats other than wheels: `.egg`,
/// `bdist_wininst`, `bdist_msi`, `bdist_dumb`, `.rpm`, `.dmg`.
const PLATFORM_MARKS: [&str; 11] = [
    "-py2",
    "-py3",
    ".win32",
    ".win-",
    ".linux-",
    ".macosx-",
    "-macosx",
    ".cygwin-",
    ".freebsd-",
    ".noarch",
    ".src",
];

/// Endings of source archives and of formats whose name holds a platform mark, longest first.
const ENDINGS: [&str; 17] = [
    ".tar.lzma",
    ".tar.bz2",
    ".tar.gz",
    ".tar.xz",
    ".tar.lz",
    ".tar.z",
    ".tgz",
    ".tbz",
    ".tar",
    ".zip",
    ".egg",
    ".exe",
    ".msi",
    ".rpm",
    ".dmg",
    ".deb",
    ".apk",
];

/// Reads file names of one project.
pub(super) struct FileNames<'a> {
    scheme: &'static dyn Scheme,
    package: &'a PackageName,
    /// Spellings of the project's name found so far; the files of a page share one or two.
    spellings: Vec<String>,
}

/// Most spellings remembered; further ones are checked anew each time.
const MAX_SPELLINGS: usize = 4;

impl<'a> FileNames<'a> {
    /// For the files of `package`.
    pub(super) fn new(scheme: &'static dyn Scheme, package: &'a PackageName) -> Self {
        Self {
            scheme,
            package,
            spellings: Vec::new(),
        }
    }

    /// The version as the file name spells it; `None` if this is no file of the project.
    pub(super) fn version(&mut self, file: &str) -> Option<SmolStr> {
        let text = match strip_ending(file, ".whl") {
            Some(stem) => self.version_of_wheel(stem)?,
            None => {
                let ending = ENDINGS.iter().find_map(|ending| strip_ending(file, ending));
                self.version_after_name(ending.unwrap_or(file))?
            }
        };
        let begins_with_digit = text
            .trim_start_matches(['v', 'V'])
            .starts_with(|c: char| c.is_ascii_digit());
        begins_with_digit.then(|| SmolStr::new(text))
    }

    /// `{name}-{version}(-{build})?-{python}-{abi}-{platform}`, no part holding a dash.
    fn version_of_wheel<'f>(&mut self, stem: &'f str) -> Option<&'f str> {
        let dashes = memchr::memchr_iter(b'-', stem.as_bytes()).count();
        let mut parts = stem.split('-');
        let (name, version) = (parts.next()?, parts.next()?);
        let is_wheel = match dashes {
            4 => true,
            5 => parts
                .next()
                .is_some_and(|build| build.starts_with(|c: char| c.is_ascii_digit())),
            _ => false,
        };
        (is_wheel && self.is_project(name)).then_some(version)
    }

    fn version_after_name<'f>(&mut self, stem: &'f str) -> Option<&'f str> {
        let rest = self.after_name(stem)?;
        if self.scheme.version(rest).is_ok() {
            return Some(rest);
        }
        let end = PLATFORM_MARKS
            .iter()
            .filter_map(|mark| rest.find(mark))
            .min()
            .unwrap_or(rest.len());
        let unmarked = rest.get(..end)?;
        // An rpm's release follows its version: `1.0-1.noarch.rpm` reads as a post-release, which
        // is what PEP 440 makes of `1.0-1` too.
        Some(if self.scheme.version(unmarked).is_ok() {
            unmarked
        } else {
            rest
        })
    }

    /// What follows the project's name and a dash.
    fn after_name<'f>(&mut self, stem: &'f str) -> Option<&'f str> {
        let known = self.spellings.iter().find_map(|spelling| {
            let rest = stem.strip_prefix(spelling.as_str())?;
            rest.strip_prefix('-')
        });
        known.or_else(|| {
            memchr::memchr_iter(b'-', stem.as_bytes()).find_map(|dash| {
                let (name, rest) = (stem.get(..dash)?, stem.get(dash + 1..)?);
                self.is_project(name).then_some(rest)
            })
        })
    }

    fn is_project(&mut self, name: &str) -> bool {
        if self.spellings.iter().any(|spelling| spelling == name) {
            return true;
        }
        let is_project = self
            .scheme
            .package(name)
            .is_ok_and(|package| package == *self.package);
        if is_project && self.spellings.len() < MAX_SPELLINGS {
            self.spellings.push(name.to_owned());
        }
        is_project
    }
}

fn strip_ending<'f>(file: &'f str, ending: &str) -> Option<&'f str> {
    let (stem, found) = file.split_at_checked(file.len().checked_sub(ending.len())?)?;
    found.eq_ignore_ascii_case(ending).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(project: &str, file: &str) -> Option<String> {
        let scheme: &'static dyn Scheme = &cordon_policy::ecosystem::PyPi;
        let package = scheme.package(project).unwrap();
        FileNames::new(scheme, &package)
            .version(file)
            .map(String::from)
    }

    #[test]
    fn conformance_082_legacy_names_map_to_the_right_version() {
        for (project, file, expected) in [
            ("requests", "requests-2.31.0-py3-none-any.whl", "2.31.0"),
            ("foo-bar", "foo_bar-1.0-1-py3-none-any.whl", "1.0"),
            ("foo-bar", "foo_bar-1.0.tar.gz", "1.0"),
            ("foo-bar", "Foo.Bar-1.0.zip", "1.0"),
            ("foo-bar", "foo-bar-1.0.ZIP", "1.0"),
            ("foo-1", "foo-1-2.0.tar.bz2", "2.0"),
            ("foo", "foo-1.0-1.tar.gz", "1.0-1"),
            ("foo", "foo-1.0-rc1.tgz", "1.0-rc1"),
            ("foo", "foo-1!2.0+local.1.tar.gz", "1!2.0+local.1"),
            ("pytz", "pytz-2004b-py2.4.egg", "2004b"),
            ("numpy", "numpy-1.6.0-py2.5-macosx10.3.dmg", "1.6.0"),
            ("numpy", "numpy-1.3.0.win32-py2.6.exe", "1.3.0"),
            ("lxml", "lxml-2.2.win-amd64-py2.6.msi", "2.2"),
            ("foo", "foo-1.0.linux-x86_64.tar.gz", "1.0"),
            ("foo", "foo-1.0-2.noarch.rpm", "1.0-2"),
            ("foo", "foo-v1.0.tar.gz", "v1.0"),
        ] {
            assert_eq!(version(project, file).as_deref(), Some(expected), "{file}");
        }
    }

    #[test]
    fn a_version_that_is_not_pep_440_is_kept_as_spelled() {
        assert_eq!(
            version("foo", "foo-0.1-dev-r1234.tar.gz").as_deref(),
            Some("0.1-dev-r1234")
        );
        assert_eq!(version("foo", "foo-1.0.zap").as_deref(), Some("1.0.zap"));
    }

    #[test]
    fn m_41_files_of_other_projects_and_ambiguous_names_have_no_version() {
        for file in [
            "bar-1.0.tar.gz",
            "a-b-1.0.tar.gz",
            "a_b-1.0.tar.gz",
            "a-b-1.0-py3-none-any.whl",
            "a-1.0.whl",
            "a-1.0-x-py3-none-any.whl",
            "a-1.0-1-2-py3-none-any.whl",
            "a.tar.gz",
            "a-.tar.gz",
            "a--1.0.tar.gz",
            "-1.0.tar.gz",
            "a",
            "",
            ".whl",
        ] {
            assert_eq!(version("a", file), None, "{file}");
        }
    }
}
