//! YARA rules of customers, by YARA-X.
//!
//! They are compiled where a set is made, before a worker confines itself, and run in the worker,
//! which bounds their time and memory: YARA-X's own time-out needs a thread, which a worker must not
//! start. Rules may include no other file. Of the modules there are `math` and `string`: the others
//! parse formats that packages seldom hold, each with a library of its own.

use std::fmt;

use smol_str::SmolStr;
use yara_x::{Compiler, MetaValue, Rules, SourceCode};

use super::facts::Grade;
use super::source::IndicatorFile;
use crate::config::source::SourceFile;
use crate::config::text::shown;

/// Matches of one pattern that are looked at in one file.
const MATCHES: usize = 64;
/// Longest title.
const TITLE_CHARS: usize = 120;

/// Compiled rules.
pub(super) struct Yara {
    rules: Rules,
}

impl fmt::Debug for Yara {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Yara({} rules)", self.rules.iter().len())
    }
}

/// A rule that is met.
pub(super) struct Met {
    /// Which of the files it is in.
    pub(super) file: usize,
    pub(super) rule: SmolStr,
    pub(super) title: SmolStr,
    pub(super) grade: Grade,
    /// Where it is met first; `None` for a rule about the file as a whole.
    pub(super) at: Option<usize>,
}

/// Runs rules over one file after the other.
pub(super) struct Scanner<'y>(yara_x::Scanner<'y>);

impl fmt::Debug for Scanner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scanner")
    }
}

impl Yara {
    /// Compiles the rules of some files. What is wrong goes to `file`'s own list of problems.
    pub(super) fn compile(files: &[IndicatorFile], sources: &[SourceFile<'_>]) -> Option<Self> {
        let mut compiler = Compiler::new();
        compiler.enable_includes(false);
        let mut is_sound = true;
        for (number, (file, source)) in files.iter().zip(sources).enumerate() {
            compiler.new_namespace(&number.to_string());
            let code = SourceCode::from(file.text.as_str()).with_origin(&file.name);
            if let Err(error) = compiler.add_source(code) {
                is_sound = false;
                let place = error.labels().next();
                let at = place.map_or(0..0, |it| it.span().start()..it.span().end());
                let message = format!("a YARA rule that cannot be used: {}", shown(error.title()));
                let help = "modules other than `math` and `string`, and includes, are not there";
                source.error("indicator-yara", &at, message, help);
            }
        }
        is_sound.then(|| Self {
            rules: compiler.build(),
        })
    }

    /// How many rules a file has.
    pub(super) fn count(&self, file: usize) -> usize {
        let namespace = file.to_string();
        let rules = self.rules.iter();
        rules.filter(|it| it.namespace() == namespace).count()
    }

    /// Something to run them with.
    pub(super) fn scanner(&self) -> Scanner<'_> {
        let mut scanner = yara_x::Scanner::new(&self.rules);
        scanner.max_matches_per_pattern(MATCHES);
        Scanner(scanner)
    }
}

impl Scanner<'_> {
    /// The rules some bytes meet.
    ///
    /// # Errors
    /// Why they could not be searched.
    pub(super) fn search(&mut self, bytes: &[u8]) -> Result<Vec<Met>, String> {
        let found = self.0.scan(bytes).map_err(|error| error.to_string())?;
        let met = found.matching_rules().map(|rule| {
            let text = |key: &str| {
                let mut metadata = rule.metadata();
                metadata.find_map(|(name, value)| match value {
                    MetaValue::String(text) if name == key => Some(text),
                    _ => None,
                })
            };
            let title = text("description").unwrap_or("a YARA rule");
            let places = rule.patterns().flat_map(|it| it.matches());
            Met {
                file: rule.namespace().parse().unwrap_or_default(),
                rule: rule.identifier().into(),
                title: title.chars().take(TITLE_CHARS).collect::<String>().into(),
                // A rule somebody brings along means what it finds, unless it says otherwise.
                grade: match text("grade") {
                    Some("watch") => Grade::Watch,
                    _ => Grade::Malicious,
                },
                at: places.map(|it| it.range().start).min(),
            }
        });
        Ok(met.collect())
    }
}
