//! A set: everything that is looked for, ready.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use data_encoding::HEXLOWER;
use globset::GlobSet;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use super::automaton::{Automaton, TextNumber, Texts, Way};
use super::facts::{Grade, IndicatorHit};
use super::glob;
use super::limits::{ENTRIES, LIST_BYTES, PATTERNS, RULES, SOURCE_BYTES};
use super::list;
use super::pack;
use super::rule::{Kind, Rule};
use super::search::place;
use super::source::{IndicatorFile, IndicatorSource, STARTER, STARTER_NAME, TEST_MARKER};
use super::yara::{Met, Scanner, Yara};
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::source::SourceFile;
use crate::finding::ConfigSpan;
use crate::inspect::fault::printable;
use crate::model::Ecosystem;

pub(super) type RuleNumber = u32;

/// The entry of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) rule: RuleNumber,
}

/// A pack or list of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackSummary {
    /// Its id.
    pub id: SmolStr,
    /// Its version.
    pub version: SmolStr,
    /// How many rules, or entries of a list.
    pub count: usize,
}

/// Everything that is looked for.
#[derive(Debug)]
pub struct IndicatorSet {
    source: IndicatorSource,
    id: SmolStr,
    pub(super) packs: Vec<PackSummary>,
    pub(super) rules: Vec<Rule>,
    pub(super) automaton: Automaton,
    /// Which rules want which text.
    wants: Vec<Vec<RuleNumber>>,
    /// Rules a file can meet without any of their texts.
    pub(super) unanchored: Vec<RuleNumber>,
    pub(super) hashes: BTreeMap<[u8; 32], Listed>,
    pub(super) domains: BTreeMap<SmolStr, Listed>,
    yara: Option<YaraRules>,
}

/// YARA rules, and where their files are among the packs.
#[derive(Debug)]
struct YaraRules {
    rules: Yara,
    packs: Vec<usize>,
}

impl IndicatorSet {
    /// The set Cordon comes with.
    pub fn built_in() -> Arc<Self> {
        static BUILT_IN: LazyLock<Arc<IndicatorSet>> = LazyLock::new(|| {
            let set = IndicatorSet::build(IndicatorSource::default());
            Arc::new(set.expect("the rules Cordon comes with are valid"))
        });
        Arc::clone(&BUILT_IN)
    }

    /// Makes a set of files.
    ///
    /// # Errors
    /// Every problem of every file; then there is no set.
    pub fn build(source: IndicatorSource) -> Result<Self, Vec<Diagnostic>> {
        let mut building = Building::default();
        if source.size_bytes() > SOURCE_BYTES {
            let message = format!("indicators of more than {SOURCE_BYTES} bytes");
            building.refuse("indicators", "indicators-large", message, "give fewer");
            return Err(building.problems);
        }
        building.marker();
        if source.has_starter {
            building.pack(STARTER_NAME, STARTER);
        }
        for file in &source.packs {
            building.pack(&file.name, &file.text);
        }
        for file in &source.hashes {
            building.hashes(file);
        }
        for file in &source.domains {
            building.domains(file);
        }
        for file in &source.strings {
            building.strings(file);
        }
        building.yara(&source.yara);
        building.finish(source)
    }

    /// What tells it from any other set; kept with what it found.
    pub fn id(&self) -> &SmolStr {
        &self.id
    }

    /// The files it was made of.
    pub fn source(&self) -> &IndicatorSource {
        &self.source
    }

    /// The same for who only searches: the files it was made of are forgotten.
    #[must_use]
    pub fn without_source(self) -> Self {
        Self {
            source: IndicatorSource::none(),
            ..self
        }
    }

    /// Its packs and lists.
    pub fn packs(&self) -> &[PackSummary] {
        &self.packs
    }

    /// Its packs and lists in one line: `starter 1 (14), domains 5f2a… (3)`.
    pub fn summary(&self) -> String {
        let packs = self.packs.iter().filter(|it| it.id != TEST_PACK);
        let words: Vec<String> = packs
            .map(|it| format!("{} {} ({})", it.id, it.version, it.count))
            .collect();
        match words.is_empty() {
            true => "none".to_owned(),
            false => words.join(", "),
        }
    }

    /// Whether it looks for hosts, which takes reading source and not only searching it.
    pub fn has_domains(&self) -> bool {
        !self.domains.is_empty()
    }

    /// Something to run its YARA rules with, if it has some.
    pub(super) fn yara_scanner(&self) -> Option<Scanner<'_>> {
        self.yara.as_ref().map(|it| it.rules.scanner())
    }

    /// What is told of a YARA rule that a file meets.
    pub(super) fn yara_hit(&self, met: &Met, path: &str, bytes: &[u8]) -> Option<IndicatorHit> {
        let packs = &self.yara.as_ref()?.packs;
        let pack = self.packs.get(*packs.get(met.file)?)?;
        let (line, excerpt) = met
            .at
            .map_or((0, SmolStr::default()), |at| place(bytes, at));
        Some(IndicatorHit {
            pack: pack.id.clone(),
            version: pack.version.clone(),
            rule: met.rule.clone(),
            title: met.title.clone(),
            grade: met.grade,
            file: printable(path, 200).into(),
            line,
            excerpt,
        })
    }

    /// Whether anything is looked for in such a file besides its digest.
    pub(super) fn is_about(&self, ecosystem: &Ecosystem, path: &str) -> bool {
        // With many rules it takes as long to find out as to search.
        self.yara.is_some()
            || self.rules.len() > MATCHED_RULES
            || self.rules.iter().any(|rule| rule.is_about(ecosystem, path))
    }

    pub(super) fn wanted_by(&self, text: TextNumber) -> impl Iterator<Item = RuleNumber> {
        let wants = self.wants.get(text as usize).map(Vec::as_slice);
        wants.unwrap_or_default().iter().copied()
    }
}

/// Rules up to which it is looked whether any is about a file.
const MATCHED_RULES: usize = 256;

/// The pack of the test marker.
const TEST_PACK: &str = "cordon";

/// What stands for the version of a file that has none.
fn version_of(text: &str) -> SmolStr {
    let digest = HEXLOWER.encode(&Sha256::digest(text));
    digest.get(..12).unwrap_or_default().into()
}

/// A set half made.
#[derive(Default)]
struct Building {
    problems: Vec<Diagnostic>,
    packs: Vec<PackSummary>,
    rules: Vec<Rule>,
    texts: Texts,
    /// Entries of lists, as the texts they are and the rule that stands for the list.
    listed: Vec<(TextNumber, RuleNumber)>,
    entries: usize,
    hashes: BTreeMap<[u8; 32], Listed>,
    domains: BTreeMap<SmolStr, Listed>,
    yara: Option<YaraRules>,
}

impl Building {
    fn refuse(&mut self, file: &str, code: &'static str, message: String, help: &str) {
        self.problems.push(Diagnostic {
            code,
            severity: Severity::Error,
            message,
            span: ConfigSpan {
                file: file.into(),
                line: 1,
                column: 1,
            },
            bytes: 0..0,
            help: help.to_owned(),
        });
    }

    /// The rule every set has. It is about few files, so that others need not be searched for it.
    fn marker(&mut self) {
        let text = self.texts.add(TEST_MARKER, Way::Exact);
        let rule = self.list(
            TEST_PACK,
            "1",
            "test-marker",
            "the harmless text that tests the search",
        );
        let files = glob::files(["NOTES", "*.txt", "*.md"]);
        if let (Ok(files), Some(rule)) = (files, self.rules.last_mut()) {
            rule.files = Some(files);
        }
        self.listed.push((text, rule));
    }

    fn pack(&mut self, name: &str, text: &str) {
        let file = SourceFile::new(name, text);
        let read = pack::read(&file, self.packs.len(), &mut self.texts);
        self.problems.extend(file.into_diagnostics());
        let Some(read) = read else {
            return;
        };
        let is_taken = |it: &PackSummary| it.id == read.id;
        let reserved = ["hashes", "domains", "strings", "yara"];
        if self.packs.iter().any(is_taken) || reserved.contains(&read.id.as_str()) {
            let message = format!("there is another pack with the id `{}`", read.id);
            self.refuse(
                name,
                "indicator-duplicate",
                message,
                "give each pack its own id",
            );
            return;
        }
        self.packs.push(PackSummary {
            id: read.id,
            version: read.version,
            count: read.rules.len(),
        });
        self.rules.extend(read.rules);
        if self.rules.len() > RULES {
            let message = format!("there are more than {RULES} rules");
            self.refuse(name, "indicators-many", message, "give fewer");
        }
    }

    /// The rule that stands for a list.
    fn list(&mut self, id: &str, version: &str, rule: &str, title: &str) -> RuleNumber {
        let number = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        self.rules.push(Rule {
            pack: self.packs.len(),
            id: rule.into(),
            title: title.into(),
            grade: Grade::Malicious,
            ecosystems: Vec::new(),
            files: None,
            kind: Kind::List,
        });
        self.packs.push(PackSummary {
            id: id.into(),
            version: version.into(),
            count: 1,
        });
        number
    }

    fn list_of_file(&mut self, kind: &'static str, file: &IndicatorFile) -> RuleNumber {
        let name = file.name.replace('\\', "/");
        let name = name.rsplit('/').next().unwrap_or_default();
        self.list(
            kind,
            &version_of(&file.text),
            name,
            &format!("listed in {name}"),
        )
    }

    /// Reads the entries of a list.
    fn read_list<'t, T>(
        &mut self,
        file: &'t IndicatorFile,
        read: impl FnOnce(&SourceFile<'t>, &'t str) -> Vec<T>,
    ) -> Vec<T> {
        if file.text.len() > LIST_BYTES {
            let message = format!("a list of more than {LIST_BYTES} bytes");
            self.refuse(&file.name, "indicators-large", message, "split it");
            return Vec::new();
        }
        let text = crate::config::source::without_byte_order_mark(&file.text);
        let source = SourceFile::new(&file.name, text);
        let entries = read(&source, text);
        self.problems.extend(source.into_diagnostics());
        self.entries = self.entries.saturating_add(entries.len());
        if self.entries > ENTRIES {
            let message = format!("there are more than {ENTRIES} entries in lists");
            self.refuse(&file.name, "indicators-many", message, "give fewer");
            return Vec::new();
        }
        if let Some(pack) = self.packs.last_mut() {
            pack.count = entries.len();
        }
        entries
    }

    fn hashes(&mut self, file: &IndicatorFile) {
        let rule = self.list_of_file("hashes", file);
        // A digest is known of every file without searching it.
        if let Some(rule) = self.rules.last_mut() {
            rule.files = Some(GlobSet::empty());
        }
        for digest in self.read_list(file, list::hashes) {
            self.hashes.insert(digest, Listed { rule });
        }
    }

    fn domains(&mut self, file: &IndicatorFile) {
        let rule = self.list_of_file("domains", file);
        for host in self.read_list(file, list::domains) {
            let text = self.texts.add(&host, Way::Host);
            self.listed.push((text, rule));
            self.domains.insert(host.into(), Listed { rule });
        }
    }

    fn strings(&mut self, file: &IndicatorFile) {
        let rule = self.list_of_file("strings", file);
        for text in self.read_list(file, list::strings) {
            let text = self.texts.add(text, Way::Exact);
            self.listed.push((text, rule));
        }
    }

    fn yara(&mut self, files: &[IndicatorFile]) {
        if files.is_empty() {
            return;
        }
        let sources: Vec<SourceFile<'_>> = files
            .iter()
            .map(|file| SourceFile::new(&file.name, &file.text))
            .collect();
        let rules = Yara::compile(files, &sources);
        for source in sources {
            self.problems.extend(source.into_diagnostics());
        }
        let Some(rules) = rules else {
            return;
        };
        let mut packs = Vec::with_capacity(files.len());
        for (number, file) in files.iter().enumerate() {
            packs.push(self.packs.len());
            self.packs.push(PackSummary {
                id: "yara".into(),
                version: version_of(&file.text),
                count: rules.count(number),
            });
        }
        self.yara = Some(YaraRules { rules, packs });
    }

    fn finish(mut self, source: IndicatorSource) -> Result<IndicatorSet, Vec<Diagnostic>> {
        let mut wants = vec![Vec::new(); self.texts.len()];
        let mut unanchored = Vec::new();
        let mut patterns = 0;
        let mut want = |text: TextNumber, rule: RuleNumber| {
            if let Some(rules) = wants.get_mut(text as usize) {
                rules.push(rule);
            }
        };
        for (number, rule) in (0_u32..).zip(&self.rules) {
            let Kind::Parts { parts, .. } = &rule.kind else {
                continue;
            };
            patterns += parts.iter().map(|it| it.patterns.len()).sum::<usize>();
            // Whoever meets a part without its texts meets it by patterns alone.
            let by_texts = parts.iter().find(|it| it.patterns.len() < it.needs);
            match by_texts {
                Some(part) => part.texts.iter().for_each(|text| want(*text, number)),
                None => unanchored.push(number),
            }
        }
        for (text, rule) in std::mem::take(&mut self.listed) {
            want(text, rule);
        }
        if patterns > PATTERNS {
            let message = format!("there are more than {PATTERNS} patterns");
            let help = "say with `literals` what can be said with them";
            self.refuse("indicators", "indicators-many", message, help);
        }
        if self.problems.iter().any(Diagnostic::is_error) {
            return Err(self.problems);
        }
        let automaton = match std::mem::take(&mut self.texts).build() {
            Ok(automaton) => automaton,
            Err(why) => {
                let message = format!("too many texts to look for: {why}");
                self.refuse("indicators", "indicators-many", message, "give fewer");
                return Err(self.problems);
            }
        };
        Ok(IndicatorSet {
            id: source.id(),
            source,
            packs: self.packs,
            rules: self.rules,
            automaton,
            wants,
            unanchored,
            hashes: self.hashes,
            domains: self.domains,
            yara: self.yara,
        })
    }
}
