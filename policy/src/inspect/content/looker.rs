//! Looks at the files of an archive one by one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smol_str::SmolStr;

use super::agents;
use super::analyse::{Analysis, analyse};
use super::binary::binary;
use super::capability::Capability;
use super::facts::{ContentFacts, Destination, FileKind, InstallCode, InstallKind, Trace, When};
use super::install::{self, Said};
use super::judge_file::{Role, signs};
use super::known::{Key, KnownFiles};
use super::oddity::{is_minified, oddities};
use super::place::{Place, kind_of, language_of_program};
use super::scan;
use super::signal::{Signal, SignalKind};
use super::text::excerpt;
use super::token::{Language, Lines};
use super::tree::Parsers;
use crate::ecosystem::{CARGO, PYPI};
use crate::inspect::archive::{Looked, Member, Sink};
use crate::inspect::limits::Limits;
use crate::inspect::manifest::Manifest;
use crate::inspect::sheet::{Mark, MarkKind};
use crate::model::ArtifactId;

/// Bytes of a file that are read by a grammar; of a larger one, tokens.
const TREE_BYTES: usize = 1 << 20;
/// Bytes of one archive that are read by grammars.
const TREES_BYTES: usize = 24 << 20;
/// Bytes of one archive that are read at all.
const SOURCE_BYTES: usize = 256 << 20;
/// Bytes of a file that only its kind is wanted of.
const HEAD_BYTES: u64 = 4_096;
/// Bytes of a program without extension, a script of a shell, a manifest.
const SMALL_BYTES: u64 = 1 << 20;
/// Files whose signs would count if they ran at install, kept until that is known.
const CONDITIONAL: usize = 4_000;

/// Looks at the files of an archive while it is read.
#[derive(Debug)]
pub struct Looker<'k> {
    /// Bytes of a file that are looked at.
    looked_at_bytes: u64,
    /// Whether everything is in one folder.
    has_root: bool,
    is_crate: bool,
    is_python: bool,
    parsers: Parsers,
    known: &'k mut KnownFiles,
    trees_left: usize,
    source_left: usize,
    facts: ContentFacts,
    traces: BTreeMap<Capability, Vec<Trace>>,
    signals: BTreeMap<SignalKind, Vec<Signal>>,
    hosts: BTreeSet<SmolStr>,
    /// Signs of files for the case that they run at install.
    conditional: Vec<(SmolStr, Vec<Signal>)>,
    /// Signs of files among tests and examples, for the case that others load them.
    set_aside: Vec<(SmolStr, Vec<Signal>)>,
    /// The files of the package that files name to load, by the file that does.
    links: BTreeMap<SmolStr, Vec<String>>,
    /// Files that files outside of tests load.
    loaded: BTreeSet<String>,
    targets: Vec<String>,
    is_all_run: bool,
}

impl<'k> Looker<'k> {
    /// For one archive.
    pub fn new(artifact: &ArtifactId, limits: &Limits, known: &'k mut KnownFiles) -> Self {
        let file_name = artifact.file.as_str();
        Self {
            looked_at_bytes: limits.looked_at_bytes,
            has_root: !file_name.ends_with(".whl"),
            is_crate: *artifact.subject.name.ecosystem() == CARGO,
            is_python: *artifact.subject.name.ecosystem() == PYPI,
            parsers: Parsers::default(),
            known,
            trees_left: TREES_BYTES,
            source_left: SOURCE_BYTES,
            facts: ContentFacts::default(),
            traces: BTreeMap::new(),
            signals: BTreeMap::new(),
            hosts: BTreeSet::new(),
            conditional: Vec::new(),
            set_aside: Vec::new(),
            loaded: BTreeSet::new(),
            links: BTreeMap::new(),
            targets: Vec::new(),
            is_all_run: false,
        }
    }

    fn path<'p>(&self, member: &Member<'p>) -> &'p str {
        match (self.has_root, member.path.split_once('/')) {
            (true, Some((_, inside))) => inside,
            _ => member.path,
        }
    }

    /// What they can do. Which of them run at install is read from the package's own files while
    /// they pass.
    pub fn finish(mut self, _: Option<&Manifest>, marks: &mut Vec<Mark>) -> ContentFacts {
        let mut targets = std::mem::take(&mut self.targets);
        if self.is_python && self.has_root {
            // What backends run by its name.
            targets.extend(["hatch_build.py", "pdm_build.py"].map(str::to_owned));
        }
        if self.is_crate {
            targets.push(String::from("build.rs"));
        }
        self.reach(&mut targets);
        for (path, signals) in std::mem::take(&mut self.conditional) {
            if self.is_all_run || Said::is_target(&targets, &path) {
                for signal in signals {
                    self.signal(signal);
                }
            }
        }
        let loaded: Vec<String> = std::mem::take(&mut self.loaded).into_iter().collect();
        for (path, signals) in std::mem::take(&mut self.set_aside) {
            if Said::is_target(&loaded, &path) {
                for signal in signals {
                    self.signal(signal);
                }
            }
        }
        let autoexec = self.signals.get(&SignalKind::Autoexec);
        marks.extend(autoexec.into_iter().flatten().map(|it| Mark {
            kind: MarkKind::Autoexec,
            place: it.file.clone(),
        }));
        let mut facts = self.facts;
        facts.traces = fair(self.traces.into_values(), ContentFacts::TRACES);
        facts.signals = fair(self.signals.into_values(), ContentFacts::SIGNALS);
        facts.hosts = self.hosts.into_iter().collect();
        facts.install.sort();
        facts.install.dedup();
        facts.binaries.sort();
        facts.destinations.sort();
        facts
    }

    /// Adds what the targets load, and what that loads.
    fn reach(&self, targets: &mut Vec<String>) {
        const DEEP: usize = 4;
        const TARGETS: usize = 256;
        let mut from = 0;
        for _ in 0..DEEP {
            let reached: Vec<String> = self
                .links
                .iter()
                .filter(|(path, _)| Said::is_target(targets.get(from..).unwrap_or_default(), path))
                .flat_map(|(path, links)| links.iter().filter_map(|it| inside(path, it)))
                .collect();
            from = targets.len();
            targets.extend(reached);
            targets.truncate(TARGETS);
        }
    }

    fn signal(&mut self, signal: Signal) {
        let of_kind = self.signals.entry(signal.kind).or_default();
        let same = of_kind.iter().position(|it| it.file == signal.file);
        let is_full = of_kind.len() >= ContentFacts::SIGNALS_OF_ONE;
        match same.and_then(|index| of_kind.get_mut(index)) {
            // A file that turns out to run at install is told as that.
            Some(known) if signal.when < known.when => *known = signal,
            Some(_) => {}
            None if is_full => {}
            None => of_kind.push(signal),
        }
    }

    fn said(&mut self, said: Said) {
        for code in said.install {
            self.install_code(code);
        }
        for signal in said.signals {
            self.signal(signal);
        }
        self.targets.extend(said.targets);
        self.targets.truncate(256);
        self.is_all_run |= said.is_all_run;
    }

    fn install_code(&mut self, code: InstallCode) {
        if self.facts.install.len() < ContentFacts::INSTALL {
            self.facts.install.push(code);
        }
    }

    /// Files that say what runs, besides being what they are.
    fn declaration(&mut self, place: Place<'_>, text: &str) {
        let Place { path, name, .. } = place;
        let said = match name {
            "package.json" if place.is_at_root() => install::package_json(path, text),
            "Cargo.toml" if place.is_at_root() && self.is_crate => install::cargo_toml(path, text),
            "binding.gyp" if place.is_at_root() => install::gyp(path, text, true),
            "tasks.json" | "settings.json" | "settings.local.json" | "mcp.json" | ".mcp.json" => {
                agents::settings(path, text)
            }
            "pyproject.toml" if place.is_at_root() && self.has_root => {
                install::pyproject_toml(text)
            }
            "setup.cfg" if place.is_at_root() && self.has_root => install::setup_cfg(text),
            _ if name.ends_with(".gypi") || name.ends_with(".gyp") => {
                install::gyp(path, text, false)
            }
            _ if name.ends_with(".pth") && !place.is_in_tests => install::pth(path, text),
            _ if name.ends_with(".start") && place.is_at_root() => install::start(path, text),
            _ if agents::is_instruction(name) && !place.is_in_tests => {
                agents::instruction(path, text)
            }
            _ if install::is_customize(name) && !place.is_in_tests => {
                install::customize(path, text)
            }
            _ => return,
        };
        self.said(said);
    }

    /// Reads a file of source.
    fn source(
        &mut self,
        place: Place<'_>,
        language: Language,
        text: &str,
        (sha256, is_whole): (&[u8; 32], bool),
    ) {
        let Some(left) = self.source_left.checked_sub(text.len()) else {
            self.facts.cut_files += 1;
            return;
        };
        self.source_left = left;
        // Tests count only if something at install runs them, and can be most of a package.
        let by_grammar = is_whole
            && !place.is_in_tests
            && text.len() <= TREE_BYTES
            && text.len() <= self.trees_left;
        // Of a file known already as well: what is read must not depend on what came before.
        if by_grammar {
            self.trees_left -= text.len();
        }
        let parsers = &mut self.parsers;
        let mut read = || {
            let tree = by_grammar.then(|| parsers.read(language, text)).flatten();
            let source = tree.unwrap_or_else(|| scan::read(language, text));
            analyse(language, &source)
        };
        let analysis = match is_whole {
            true => {
                let key = Key {
                    sha256: *sha256,
                    language,
                    by_grammar,
                };
                self.known.analysis(key, read)
            }
            // The digest is that of the whole file.
            false => Arc::new(read()),
        };
        let is_install = self.runs_at_install(place);
        if is_install {
            let kind = match language {
                Language::Rust => InstallKind::BuildScript,
                _ => InstallKind::SetupPy,
            };
            self.install_code(InstallCode {
                kind,
                file: place.path.into(),
                line: 1,
                text: place.path.into(),
            });
        }
        let role = Role {
            language,
            is_install,
            is_in_tests: place.is_in_tests,
        };
        self.keep(place, role, text, &analysis);
    }

    /// Whether a file runs at install by its name alone.
    fn runs_at_install(&self, place: Place<'_>) -> bool {
        place.is_at_root()
            && match place.name {
                "setup.py" => self.has_root,
                "build.rs" => self.is_crate,
                _ => false,
            }
    }

    fn keep(&mut self, place: Place<'_>, role: Role, text: &str, analysis: &Analysis) {
        let lines = Lines::of(text);
        let line_text = |line: u32| lines.text(text, line);
        let make = |(kind, line, when): (SignalKind, u32, When)| Signal {
            kind,
            file: place.path.into(),
            line,
            when,
            excerpt: excerpt(line_text(line)),
        };
        for sign in signs(role, analysis).into_iter().map(make) {
            if sign.when != When::Test {
                self.signal(sign);
            }
        }
        if role.is_in_tests && place.language.is_some() {
            let role = Role {
                is_in_tests: false,
                ..role
            };
            let if_loaded: Vec<Signal> = signs(role, analysis).into_iter().map(make).collect();
            if !if_loaded.is_empty() && self.set_aside.len() < CONDITIONAL {
                self.set_aside.push((place.path.into(), if_loaded));
            }
        } else if self.loaded.len() < CONDITIONAL {
            let named = analysis.loaded.iter();
            self.loaded
                .extend(named.filter_map(|it| inside(place.path, it)));
        }
        if !role.is_install {
            let role = Role {
                is_install: true,
                ..role
            };
            let as_install: Vec<Signal> = signs(role, analysis).into_iter().map(make).collect();
            if !as_install.is_empty() && self.conditional.len() < CONDITIONAL {
                self.conditional.push((place.path.into(), as_install));
            }
        }
        let is_linked = !role.is_install || role.language == Language::Rust;
        if is_linked && !analysis.loaded.is_empty() && self.links.len() < CONDITIONAL {
            self.links
                .insert(place.path.into(), analysis.loaded.clone());
        }
        for (kind, at) in oddities(text) {
            let when = match place.is_in_tests {
                true => continue,
                false => When::Load,
            };
            let line = lines.at(at);
            let start = text.get(at..).unwrap_or_default();
            let mut sign = make((kind, line, when));
            sign.excerpt = excerpt(start.lines().next().unwrap_or_default());
            self.signal(sign);
        }
        self.traces(place, role, analysis, line_text);
    }

    fn traces<'t>(
        &mut self,
        place: Place<'_>,
        role: Role,
        analysis: &Analysis,
        line_text: impl Fn(u32) -> &'t str,
    ) {
        for found in &analysis.found {
            let when = match found.when {
                _ if role.is_install => When::Install,
                _ if role.is_in_tests => When::Test,
                other => other,
            };
            if when != When::Test {
                *self.facts.capabilities.entry(found.capability).or_default() += 1;
            }
            let kept = self.traces.entry(found.capability).or_default();
            if kept.len() < ContentFacts::TRACES_OF_ONE {
                kept.push(Trace {
                    capability: found.capability,
                    file: place.path.into(),
                    line: found.line,
                    when,
                    excerpt: excerpt(line_text(found.line)),
                });
            }
        }
        for host in &analysis.hosts {
            let is_known = self.hosts.contains(host.as_str());
            match self.hosts.len() < ContentFacts::HOSTS {
                true => {
                    self.hosts.insert(host.into());
                }
                false => self.facts.has_more_hosts |= !is_known,
            }
        }
        if role.is_in_tests {
            return;
        }
        for reached in analysis.reached.iter().filter(|it| it.when != When::Test) {
            if self.facts.destinations.len() < ContentFacts::DESTINATIONS {
                self.facts.destinations.push(Destination {
                    host: reached.host.as_str().into(),
                    file: place.path.into(),
                    line: reached.line,
                    is_sent: reached.is_sent,
                    has_keys: reached.has_keys,
                    excerpt: excerpt(line_text(reached.line)),
                });
            }
        }
    }

    fn count(&mut self, kind: FileKind) {
        *self.facts.files.entry(kind).or_default() += 1;
    }

    fn other(&mut self, place: Place<'_>, looked: &Looked<'_>) {
        let kind = kind_of(place.name, looked.bytes);
        self.count(kind);
        match kind {
            FileKind::Native => self.native(place, looked),
            FileKind::Shell => {
                let text = String::from_utf8_lossy(looked.bytes);
                let as_install = install::shell(place.path, &text);
                if !as_install.is_empty() && self.conditional.len() < CONDITIONAL {
                    self.conditional.push((place.path.into(), as_install));
                }
            }
            _ => {}
        }
    }

    fn native(&mut self, place: Place<'_>, looked: &Looked<'_>) {
        self.facts.binary_count += 1;
        let Some(binary) = binary(place.path, &looked.sha256, looked.bytes, looked.is_whole())
        else {
            return;
        };
        if binary.is_damaged && !place.is_in_tests {
            self.signal(Signal {
                kind: SignalKind::DamagedBinary,
                file: binary.file.clone(),
                line: 1,
                when: When::Call,
                excerpt: binary.format.name().into(),
            });
        }
        if self.facts.binaries.len() < ContentFacts::BINARIES {
            self.facts.binaries.push(binary);
        }
    }
}

/// The path inside the package of one that a file names: `../a` in `lib/b.js` is `a`.
fn inside(file: &str, named: &str) -> Option<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|it| !it.is_empty()).collect();
    for part in named.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

/// Whether a file without a name that tells may be a program: it loads others.
fn may_be_program(name: &str, head: &[u8]) -> bool {
    const DOCUMENTS: [&str; 14] = [
        "md", "markdown", "html", "htm", "css", "scss", "map", "json", "yml", "yaml", "rst",
        "lock", "flow", "ts",
    ];
    let extension = name.rsplit_once('.').map_or("", |(_, it)| it);
    !DOCUMENTS.contains(&extension)
        && std::str::from_utf8(head).is_ok()
        && ["require(", "import "]
            .iter()
            .any(|it| memchr::memmem::find(head, it.as_bytes()).is_some())
}

/// Whether a file may say what runs.
fn is_declaration(name: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, it)| it);
    matches!(
        extension,
        "json" | "toml" | "gyp" | "gypi" | "pth" | "start"
    ) || install::is_customize(name)
        || agents::is_instruction(name)
        || name == "setup.cfg"
}

/// The first of each list before the second of any, as many as may be, in order again.
fn fair<T: Clone>(lists: impl Iterator<Item = Vec<T>>, most: usize) -> Vec<T> {
    let lists: Vec<Vec<T>> = lists.collect();
    let mut each = 0;
    let total = |each: usize| -> usize { lists.iter().map(|it| it.len().min(each)).sum() };
    while total(each) < total(each + 1) && total(each + 1) <= most {
        each += 1;
    }
    lists
        .iter()
        .flat_map(|it| it.iter().take(each))
        .cloned()
        .collect()
}

impl Sink for Looker<'_> {
    fn wants(&mut self, member: &Member<'_>) -> u64 {
        let place = Place::of(self.path(member));
        if place.language.is_some() {
            return self.looked_at_bytes;
        }
        let extension = place.name.rsplit_once('.').map(|(_, it)| it);
        match extension {
            None => SMALL_BYTES,
            Some("node" | "so" | "dll" | "exe" | "dylib" | "pyd" | "wasm") => self.looked_at_bytes,
            Some(
                "json" | "toml" | "gyp" | "gypi" | "pth" | "start" | "cfg" | "sh" | "bash" | "ps1"
                | "bat" | "cmd",
            ) => SMALL_BYTES,
            Some(_) if agents::is_instruction(place.name) => SMALL_BYTES,
            Some(_) => HEAD_BYTES,
        }
    }

    fn file(&mut self, looked: Looked<'_>) {
        let place = Place::of(self.path(looked.member));
        let language = place
            .language
            .or_else(|| language_of_program(looked.bytes))
            .filter(|_| super::place::native_format(looked.bytes).is_none());
        let is_declared = is_declaration(place.name);
        let text: Cow<'_, str> = match language.is_some() || is_declared {
            true => String::from_utf8_lossy(looked.bytes),
            false => Cow::Borrowed(""),
        };
        if is_declared {
            self.declaration(place, &text);
        }
        let Some(language) = language else {
            self.other(place, &looked);
            // A script can name any file: what it does counts only if one does.
            if may_be_program(place.name, looked.bytes) {
                let text = String::from_utf8_lossy(looked.bytes);
                let place = Place {
                    is_in_tests: true,
                    ..place
                };
                self.source(place, Language::JavaScript, &text, (&looked.sha256, false));
            }
            return;
        };
        self.count(match place.is_in_tests {
            true => FileKind::Test,
            false if is_minified(&text) => FileKind::Minified,
            false => FileKind::Source,
        });
        if !looked.is_whole() {
            self.facts.cut_files += 1;
        }
        let of = (&looked.sha256, looked.is_whole());
        self.source(place, language, &text, of);
    }
}
