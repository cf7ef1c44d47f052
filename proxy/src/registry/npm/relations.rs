//! Who and what a manifest is related to: dependencies, sources outside the registry, maintainers.
//!
//! A large packument holds thousands of versions whose lists are nearly all the same. So a list is
//! compared with the one before while it is read, and versions that name the same share one copy.

use std::borrow::Cow;
use std::sync::Arc;

use cordon_policy::change::{Dependency, Sheet};
use cordon_policy::facts::{DependencyKind, ExoticDependency, ExoticSource, Fact};
use smol_str::SmolStr;

use super::facts;
use super::manifest::{Fault, Given, Manifest};
use crate::registry::json::Scanner;

/// Longest specification kept, in bytes.
const MAX_WRITTEN_BYTES: usize = 200;

/// Most dependencies from outside the registry kept of one version. Real ones have a few; a list
/// that is cut is one that could not be reviewed either.
const MAX_EXOTIC: usize = 64;

/// What is said of a version with such a list.
const UNREADABLE: &str = "its list of dependencies is no object";

/// The relations of the version being read, and those of the one before.
#[derive(Default)]
pub(super) struct Relations<'a> {
    dependencies: Shared<(Cow<'a, str>, DependencyKind), Dependency>,
    maintainers: Shared<Cow<'a, str>, SmolStr>,
    exotic: Vec<ExoticDependency>,
    exotic_before: Option<Arc<[ExoticDependency]>>,
    /// Whether the version being read has a list of dependencies of no known form.
    is_unreadable: bool,
}

/// A list as it is being read, and the one before as it was read and as it is kept.
struct Shared<R, K> {
    reading: Vec<R>,
    before: Vec<R>,
    kept: Arc<[K]>,
}

impl<R, K> Default for Shared<R, K> {
    fn default() -> Self {
        Self {
            reading: Vec::new(),
            before: Vec::new(),
            kept: Arc::default(),
        }
    }
}

impl<R: PartialEq, K: PartialEq> Shared<R, K> {
    /// The list read, shared with the version before if that has the same; the next can be read.
    fn finish(&mut self, keep: impl FnOnce(&[R]) -> Vec<K>) -> Arc<[K]> {
        if self.reading != self.before {
            let list = keep(&self.reading);
            if *self.kept != *list {
                self.kept = list.into();
            }
            std::mem::swap(&mut self.reading, &mut self.before);
        }
        self.reading.clear();
        Arc::clone(&self.kept)
    }
}

impl<'a> Relations<'a> {
    /// Reads an object of dependencies. A name that stands twice counts with both of its
    /// specifications. What is no object is not guessed at: installers differ in what they make of
    /// it. An empty list is what some old manifests have for none.
    pub(super) fn read(
        &mut self,
        scanner: &mut Scanner<'a>,
        kind: DependencyKind,
    ) -> Result<(), Fault> {
        match scanner.peek_value() {
            Some(b'{') => {}
            Some(b'[') => {
                let mut members = scanner.array()?;
                while scanner.item(&mut members)? {
                    self.is_unreadable = true;
                    scanner.skip()?;
                    scanner.end(&mut members)?;
                }
                return Ok(());
            }
            _ => {
                self.is_unreadable |= match Given::read(scanner)? {
                    Given::Missing => false,
                    Given::Text(text) => !text.is_empty(),
                    Given::Other(_) => true,
                };
                return Ok(());
            }
        }
        let mut members = scanner.object()?;
        while let Some(name) = scanner.key(&mut members)? {
            let specification = Given::read(scanner)?;
            scanner.end(&mut members)?;
            match specification {
                Given::Text(written) => self.add(name, written, kind),
                // No installer can do anything with it, but the name was meant.
                Given::Missing | Given::Other(_) => self.dependencies.reading.push((name, kind)),
            }
        }
        Ok(())
    }

    fn add(&mut self, name: Cow<'a, str>, written: Cow<'a, str>, kind: DependencyKind) {
        match Specification::of(&written) {
            Specification::Registry => self.dependencies.reading.push((name, kind)),
            Specification::Alias(length) => {
                let package = match written {
                    Cow::Borrowed(text) => Cow::Borrowed(alias(text, length)),
                    Cow::Owned(text) => Cow::Owned(alias(&text, length).to_owned()),
                };
                self.dependencies.reading.push((package, kind));
            }
            Specification::Elsewhere(source) if self.exotic.len() < MAX_EXOTIC => {
                self.exotic.push(ExoticDependency {
                    name: facts::cut(&name, MAX_WRITTEN_BYTES),
                    source,
                    written: facts::cut(&written, MAX_WRITTEN_BYTES),
                });
            }
            Specification::Elsewhere(_) => {}
        }
    }

    /// Reads who may publish: objects with a `name`, or texts as `name <address>`.
    pub(super) fn read_maintainers(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if scanner.peek_value() != Some(b'[') {
            scanner.skip()?;
            return Ok(());
        }
        let mut members = scanner.array()?;
        while scanner.item(&mut members)? {
            if let Given::Text(name) = super::manifest::read_member(scanner, "name")? {
                let name = match name {
                    Cow::Borrowed(text) => Cow::Borrowed(account(text)),
                    Cow::Owned(text) => Cow::Owned(account(&text).to_owned()),
                };
                self.maintainers.reading.push(name);
            }
            scanner.end(&mut members)?;
        }
        Ok(())
    }

    /// What was read of a version, and its dependencies from outside the registry.
    pub(super) fn finish(
        &mut self,
        manifest: &Manifest<'_>,
    ) -> (Sheet, Fact<Arc<[ExoticDependency]>>) {
        let unreadable = std::mem::take(&mut self.is_unreadable).then_some(UNREADABLE);
        let dependencies = self.dependencies.finish(|read| {
            let mut list: Vec<Dependency> = read
                .iter()
                .map(|(name, kind)| Dependency {
                    name: SmolStr::new(name),
                    kind: *kind,
                })
                .collect();
            list.sort();
            list.dedup_by(|later, first| later.name == first.name);
            list
        });
        let maintainers = self.maintainers.finish(|read| {
            let mut list: Vec<SmolStr> = read.iter().map(SmolStr::new).collect();
            list.sort();
            list.dedup();
            list
        });
        let sheet = Sheet {
            dependencies,
            maintainers,
            trust: facts::trust(manifest),
            size_bytes: manifest.dist.unpacked_size,
            unreadable,
            ..Sheet::default()
        };
        let exotic = self.finish_exotic();
        let exotic = match unreadable {
            Some(why) => Fact::Unavailable(why.into()),
            None => exotic.map_or(Fact::Absent, Fact::Known),
        };
        (sheet, exotic)
    }

    fn finish_exotic(&mut self) -> Option<Arc<[ExoticDependency]>> {
        if self.exotic.is_empty() {
            return None;
        }
        self.exotic.sort();
        self.exotic.dedup();
        let is_same = |before: &&Arc<[ExoticDependency]>| ***before == *self.exotic;
        let list = match self.exotic_before.as_ref().filter(is_same) {
            Some(before) => Arc::clone(before),
            None => self.exotic.as_slice().into(),
        };
        self.exotic.clear();
        self.exotic_before = Some(Arc::clone(&list));
        Some(list)
    }

    /// Forgets what was read of something that is no version.
    pub(super) fn drop_read(&mut self) {
        self.dependencies.reading.clear();
        self.maintainers.reading.clear();
        self.exotic.clear();
        self.is_unreadable = false;
    }
}

/// What a specification asks for.
#[derive(Debug, PartialEq, Eq)]
enum Specification {
    /// A range or tag of the package named by the key.
    Registry,
    /// Another package (`npm:name@range`), whose name has this many bytes.
    Alias(usize),
    /// Something that is not in the registry.
    Elsewhere(ExoticSource),
}

const ALIAS: &str = "npm:";

/// The package an alias stands for.
fn alias(written: &str, length: usize) -> &str {
    written
        .trim_start()
        .get(ALIAS.len()..ALIAS.len() + length)
        .unwrap_or_default()
}

impl Specification {
    /// As npm's own reader takes them; what it would not understand counts as being from elsewhere.
    fn of(written: &str) -> Self {
        // Nearly all are ranges, and a large packument has a hundred thousand of them.
        let is_telling = |byte: &u8| matches!(byte, b':' | b'/' | b'\\');
        let is_plain = !written.as_bytes().iter().any(is_telling);
        if is_plain && !written.contains("..") {
            return Self::Registry;
        }
        let text = written.trim();
        if is_plain && !text.starts_with("..") {
            return Self::Registry;
        }
        if let Some(aliased) = text.strip_prefix(ALIAS) {
            // The `@` of a scope is no separator.
            let end = aliased.rfind('@').filter(|at| *at > 0);
            return Self::Alias(end.unwrap_or(aliased.len()));
        }
        // Left over from a workspace; nothing outside it can be meant.
        if text.starts_with("workspace:") || text.starts_with("catalog:") {
            return Self::Registry;
        }
        Self::Elsewhere(source(text))
    }
}

fn source(text: &str) -> ExoticSource {
    const GIT: [&str; 8] = [
        "git:",
        "git+",
        "git@",
        "ssh:",
        "github:",
        "gitlab:",
        "bitbucket:",
        "gist:",
    ];
    const FILE: [&str; 7] = ["file:", "link:", "portal:", ".", "/", "~", "\\"];
    let begins = |with: &[&str]| with.iter().any(|start| text.starts_with(start));
    let address = text.split('#').next().unwrap_or_default();
    if begins(&GIT) || address.ends_with(".git") {
        return ExoticSource::Git;
    }
    let is_drive = text.as_bytes().get(1) == Some(&b':')
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins(&FILE) || is_drive || text.contains('\\') {
        return ExoticSource::File;
    }
    // `user/repository`, the oldest shorthand of all.
    if address.contains(':') {
        ExoticSource::Url
    } else {
        ExoticSource::Git
    }
}

/// The account of `name <address>`.
fn account(text: &str) -> &str {
    text.split(" <").next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_are_told_apart_as_npm_does() {
        use ExoticSource::{File, Git, Url};
        for (written, expected) in [
            ("", Specification::Registry),
            ("^1.2.3 || >=2 <3", Specification::Registry),
            ("latest", Specification::Registry),
            ("1..2", Specification::Registry),
            ("workspace:^", Specification::Registry),
            ("npm:left-pad@^1", Specification::Alias(8)),
            ("npm:@acme/x@1.0.0", Specification::Alias(7)),
            ("npm:@acme/x", Specification::Alias(7)),
            (" npm:left-pad", Specification::Alias(8)),
            ("user/repository", Specification::Elsewhere(Git)),
            ("user/repository#semver:^1", Specification::Elsewhere(Git)),
            ("github:user/repository", Specification::Elsewhere(Git)),
            (
                "git+ssh://git@code.example/a.git",
                Specification::Elsewhere(Git),
            ),
            ("git@code.example:a/b.git", Specification::Elsewhere(Git)),
            (
                "https://code.example/a.git#v1",
                Specification::Elsewhere(Git),
            ),
            ("https://files.example/a.tgz", Specification::Elsewhere(Url)),
            ("HTTP://files.example/a.tgz", Specification::Elsewhere(Url)),
            ("file:../a", Specification::Elsewhere(File)),
            ("link:a", Specification::Elsewhere(File)),
            ("./a", Specification::Elsewhere(File)),
            ("..", Specification::Elsewhere(File)),
            ("~/a", Specification::Elsewhere(File)),
            ("C:\\a", Specification::Elsewhere(File)),
            ("jsr:@a/b", Specification::Elsewhere(Url)),
        ] {
            assert_eq!(Specification::of(written), expected, "{written}");
        }
    }

    fn read<'a>(relations: &mut Relations<'a>, text: &'a str) -> (Sheet, Vec<String>) {
        let mut scanner = Scanner::new(text.as_bytes()).unwrap();
        relations
            .read(&mut scanner, DependencyKind::Normal)
            .unwrap();
        let (sheet, exotic) = relations.finish(&Manifest::default());
        let written = exotic.known().into_iter().flat_map(|list| list.iter());
        (
            sheet,
            written.map(|exotic| exotic.written.to_string()).collect(),
        )
    }

    #[test]
    fn versions_that_name_the_same_share_one_list() {
        let mut relations = Relations::default();
        let (first, _) = read(&mut relations, r#"{"b":"1","a":"npm:c@1","b":"2","d":7}"#);
        let names: Vec<&str> = first.dependencies.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["b", "c", "d"]);
        let (second, _) = read(
            &mut relations,
            r#"{"b":"3","\u0061":"npm:c@2","b":"4","d":8}"#,
        );
        assert!(Arc::ptr_eq(&first.dependencies, &second.dependencies));
        let (third, _) = read(&mut relations, r#"{"d":"1","c":"1","b":"1"}"#);
        assert!(Arc::ptr_eq(&first.dependencies, &third.dependencies));
        for nothing in ["[]", "null", "\"\"", "{}"] {
            let (none, _) = read(&mut relations, nothing);
            assert!(none.dependencies.is_empty());
            assert_eq!(none.unreadable, None, "{nothing}");
        }
    }

    #[test]
    fn a_list_of_no_known_form_is_unreadable_and_the_next_is_not() {
        let mut relations = Relations::default();
        for odd in [r#"["a"]"#, "[[]]", r#""a""#, "7", "true", "false"] {
            let mut scanner = Scanner::new(odd.as_bytes()).unwrap();
            relations.read(&mut scanner, DependencyKind::Peer).unwrap();
            let (sheet, exotic) = relations.finish(&Manifest::default());
            assert_eq!(sheet.unreadable, Some(UNREADABLE), "{odd}");
            assert!(matches!(exotic, Fact::Unavailable(_)), "{odd}");
            assert_eq!(read(&mut relations, "{}").0.unreadable, None);
        }
    }

    #[test]
    fn what_is_from_elsewhere_is_kept_apart_and_bounded() {
        let mut relations = Relations::default();
        let many: Vec<String> = (0..100).map(|n| format!("\"p{n}\":\"u/r{n}\"")).collect();
        let text = format!("{{{}}}", many.join(","));
        let (sheet, exotic) = read(&mut relations, &text);
        assert!(sheet.dependencies.is_empty());
        assert_eq!(exotic.len(), MAX_EXOTIC);
        let (_, exotic) = read(&mut relations, r#"{"a":"file:x","b":"1"}"#);
        assert_eq!(exotic, ["file:x"]);
        assert!(read(&mut relations, "{}").1.is_empty());
    }

    #[test]
    fn maintainers_are_objects_or_texts() {
        let mut relations = Relations::default();
        let text =
            r#"[{"name":"bo","email":"b@x.example"},"ada <a@x.example>",7,{"email":"x"},"bo"]"#;
        let mut scanner = Scanner::new(text.as_bytes()).unwrap();
        relations.read_maintainers(&mut scanner).unwrap();
        let (sheet, _) = relations.finish(&Manifest::default());
        assert_eq!(*sheet.maintainers, ["ada", "bo"]);
    }
}
