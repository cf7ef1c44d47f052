#![doc = include_str!("namespace.md")]

use std::ops::Range;
use std::sync::Arc;

use smol_str::SmolStr;

use super::{Home, Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::names::{read_ecosystem, read_name};
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{FactSet, VersionFacts};
use crate::finding::{ConfigSpan, FindingCode, RuleId};
use crate::matching::{NameIndex, NamePattern, parse_name_or_pattern};
use crate::model::{Ecosystem, PackageName, Timestamp};
use crate::reason;
use crate::specimen::{GOOD_VERSION, Refusal, Specimen, Stage, TRIED, example};
use crate::verdict::Effect;

const FOREIGN_SOURCE: FindingCode = FindingCode::from_static("foreign-source");

/// Owned name lists in one policy, at most.
const MAX_TABLES: usize = 1_000;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("namespace"),
    page: include_str!("namespace.md"),
    codes: &[(
        "foreign-source",
        "an owned name came from an upstream that is not its home",
    )],
    default_effect: Effect::Block,
    is_fixed: false,
    read,
};

/// Keeps owned names at home.
#[derive(Debug)]
pub struct Namespace {
    owned: Vec<Owned>,
}

/// Names somebody here owns.
#[derive(Debug)]
struct Owned {
    ecosystem: Ecosystem,
    written: Vec<SmolStr>,
    names: NameIndex,
    /// What a text about one of the names would hold: `@acme/` of `@acme/*`.
    marks: Vec<Mark>,
    /// Ids of the upstreams that may answer for them.
    upstreams: Vec<SmolStr>,
    /// Where each of those is named.
    places: Vec<(ConfigSpan, Range<usize>)>,
    source: ConfigSpan,
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let tables = table.tables("owned");
    if tables.is_empty() {
        table.file().warning(
            "empty-list",
            table.bytes(),
            "`rules.namespace` owns no name",
            "add [[rules.namespace.owned]] with `ecosystem` and `names`, or remove the table",
        );
    }
    if tables.len() > MAX_TABLES {
        table.file().error(
            "too-many-patterns",
            table.bytes(),
            format!("`rules.namespace` has more than {MAX_TABLES} tables of owned names"),
            "put names with the same home into one table",
        );
        return Vec::new();
    }
    let owned: Vec<Option<Owned>> = tables.into_iter().map(read_owned).collect();
    let Some(owned) = owned.into_iter().collect() else {
        return Vec::new();
    };
    let rule: Arc<dyn Rule> = Arc::new(Namespace { owned });
    vec![rule; overrides.len() + 1]
}

fn read_owned(mut table: TableReader<'_, '_>) -> Option<Owned> {
    let file = table.file();
    let source = file.span(table.bytes());
    table.require("ecosystem", "name the ecosystem whose names these are");
    table.require("names", "list them: names = [\"@acme/*\", \"acme-*\"]");
    let scheme = read_ecosystem(&mut table);
    let names = table.strings("names");
    let upstreams = table.strings("upstreams").unwrap_or_default();
    if names.as_ref().is_some_and(Vec::is_empty) {
        file.error(
            "empty-list",
            table.bytes(),
            format!("`{}.names` names nothing", table.path()),
            "list the names meant, or remove the table",
        );
        return None;
    }
    let (scheme, names) = (scheme?, names.unwrap_or_default());
    let mut read = Vec::with_capacity(names.len());
    for written in &names {
        let name = read_name(file, scheme, written)?;
        if name.is_everything() {
            file.error(
                "owns-everything",
                &written.bytes,
                "nobody owns every name of an ecosystem; nothing could be had from elsewhere",
                "name the scope or prefix that is yours: \"@acme/*\", \"acme-*\"",
            );
            return None;
        }
        read.push(name);
    }
    // Whoever asks for `@Acme/x` means ours: registries told names apart by their case once, and
    // answer for the old ones still.
    let lower: Vec<NamePattern> = names
        .iter()
        .filter_map(|written| {
            parse_name_or_pattern(scheme, &written.value.to_ascii_lowercase()).ok()
        })
        .collect();
    let all = read.iter().chain(&lower).map(|name| (name, 0));
    let index = match NameIndex::new(all) {
        Ok(index) => index,
        Err(error) => {
            file.error(
                "too-many-patterns",
                table.bytes(),
                format!("the patterns of `{}` do not compile: {error}", table.path()),
                "use fewer or simpler patterns",
            );
            return None;
        }
    };
    table.finish();
    let mut written: Vec<SmolStr> = read.iter().map(|name| name.canonical().into()).collect();
    written.sort();
    written.dedup();
    Some(Owned {
        ecosystem: scheme.ecosystem().clone(),
        marks: lower.iter().flat_map(marks).collect(),
        written,
        names: index,
        places: upstreams
            .iter()
            .map(|id| (file.span(&id.bytes), id.bytes.clone()))
            .collect(),
        upstreams: upstreams.into_iter().map(|id| id.value.into()).collect(),
        source,
    })
}

/// What a text about an owned name would hold, in lower case.
#[derive(Debug, PartialEq, Eq)]
enum Mark {
    /// These letters, anywhere.
    Anywhere(String),
    /// These letters where a word begins: two letters are in half of all texts.
    Begins(String),
    /// This scope as a word, with or without its `@`.
    Scope(String),
}

/// Fewest letters that mean something wherever they stand.
const MIN_ANYWHERE: usize = 4;

/// The letters before the first wildcard, and the scope when that is what they are. A short name
/// without a wildcard has no mark: it is known as a whole word.
fn marks(name: &NamePattern) -> Vec<Mark> {
    let (literal, is_whole) = match name {
        NamePattern::Exact(name) => (name.normalized(), true),
        NamePattern::Glob { canonical, .. } => {
            let end = canonical.find(['*', '?', '[', '{']);
            let literal = canonical.get(..end.unwrap_or(canonical.len()));
            (literal.unwrap_or_default(), false)
        }
    };
    let scope = literal
        .strip_prefix('@')
        .and_then(|rest| rest.strip_suffix('/'))
        .map(|scope| Mark::Scope(scope.to_owned()));
    let letters = match literal.len() {
        0 => None,
        1..MIN_ANYWHERE if is_whole => None,
        1..MIN_ANYWHERE => Some(Mark::Begins(literal.to_owned())),
        _ => Some(Mark::Anywhere(literal.to_owned())),
    };
    scope.into_iter().chain(letters).collect()
}

/// What may stand in a name.
fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '@' | '/' | '.' | '_' | '-' | '~')
}

impl Mark {
    /// Whether the text, in lower case, holds it.
    fn is_in(&self, text: &str) -> bool {
        let mut words = text.split(|c| !is_of_a_word(c));
        match self {
            Self::Anywhere(letters) => text.contains(letters.as_str()),
            Self::Begins(letters) => words.any(|word| word.starts_with(letters.as_str())),
            Self::Scope(scope) => {
                let mut before = "";
                words.any(|word| {
                    let is_scoped = before == "scope" || word.starts_with('@');
                    before = word;
                    is_scoped && word.trim_start_matches('@') == scope
                })
            }
        }
    }
}

impl Owned {
    fn holds(&self, name: &PackageName) -> bool {
        if self.ecosystem != *name.ecosystem() {
            return false;
        }
        let normalized = name.normalized();
        let has_upper = || normalized.bytes().any(|byte| byte.is_ascii_uppercase());
        self.names.holds(normalized)
            || has_upper() && self.names.holds(&normalized.to_ascii_lowercase())
    }

    /// Whether a text in lower case holds a name or what begins one.
    fn is_in(&self, text: &str) -> bool {
        let mut words = text.split(|c| !is_of_a_word(c));
        self.marks.iter().any(|mark| mark.is_in(text))
            || words.any(|word| !word.is_empty() && self.names.holds(word))
    }
}

impl Namespace {
    fn owner(&self, name: &PackageName) -> Option<&Owned> {
        self.owned.iter().find(|owned| owned.holds(name))
    }

    /// Where a name is refused altogether, because nobody may answer for it.
    pub(crate) fn without_home(&self, name: &PackageName) -> Option<&ConfigSpan> {
        let owned = self.owner(name)?;
        owned.upstreams.is_empty().then_some(&owned.source)
    }
}

impl Rule for Namespace {
    fn needs(&self) -> FactSet {
        FactSet::EMPTY
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        let name = &facts.subject().name;
        let Some(owned) = self.owner(name) else {
            return;
        };
        let upstream = &facts.package.upstream;
        if owned.upstreams.contains(upstream) {
            return;
        }
        let shown = reason::ascii(name.as_published(), 64);
        let reason = match owned.upstreams.as_slice() {
            [] => format!("{shown} is a name owned here, and is not taken from `{upstream}`"),
            homes => format!(
                "{shown} is a name owned here, and comes from {}, not from `{upstream}`",
                reason::ascii(&homes.join(" or "), 80)
            ),
        };
        let effect = out.settings().effect;
        let source = owned.source.clone();
        out.report_at(source, effect, FOREIGN_SOURCE, reason, upstream, None);
    }

    fn home_of(&self, name: &PackageName) -> Option<&[SmolStr]> {
        self.owner(name).map(|owned| owned.upstreams.as_slice())
    }

    fn mentions_owned(&self, ecosystem: &Ecosystem, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let mut owned = self.owned.iter().filter(|it| it.ecosystem == *ecosystem);
        owned.any(|owned| owned.is_in(&text))
    }

    fn homes(&self) -> Vec<Home<'_>> {
        let homes = self.owned.iter().flat_map(|owned| {
            let named = owned.upstreams.iter().zip(&owned.places);
            named.map(|(upstream, (source, bytes))| Home {
                ecosystem: &owned.ecosystem,
                upstream,
                source,
                bytes,
            })
        });
        homes.collect()
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        let here = self.owned.iter();
        let here = here.filter(|owned| owned.ecosystem == *stage.ecosystem());
        let name = here
            .flat_map(|owned| &owned.written)
            .take(TRIED)
            .find_map(|written| {
                example(stage.scheme, written)
                    .filter(|name| stage.is_in_scope(name) && self.owner(name).is_some())
            });
        let Some(name) = name else {
            return Specimen::Nothing("it owns no name there");
        };
        let mut specimen = stage.whole(stage.plain(Some(name), GOOD_VERSION), None);
        if let Specimen::Pair(pair) = &mut specimen {
            pair.refusal = Refusal::KeptHome;
        }
        specimen
    }

    fn write_parameters(&self, _out: &mut PolicyText) {}

    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        for owned in &self.owned {
            out.array_table(&format!("rules.{id}.owned"));
            out.text("ecosystem", owned.ecosystem.as_str());
            out.texts("names", owned.written.iter().map(SmolStr::as_str));
            out.texts("upstreams", owned.upstreams.iter().map(SmolStr::as_str));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{PolicySource, load};
    use crate::ecosystem::{NPM, Npm};
    use crate::evaluate::Ruleset;
    use crate::model::Scheme as _;

    fn ruleset(text: &str) -> Result<Ruleset, Vec<String>> {
        let source = PolicySource {
            name: "policy.toml".to_owned(),
            text: text.to_owned(),
        };
        match load(&[source]) {
            Ok(loaded) => Ok(loaded.ruleset),
            Err(problems) => Err(problems.iter().map(|it| it.code.to_owned()).collect()),
        }
    }

    const OWNED: &str = "[[rules.namespace.owned]]\necosystem = 'npm'\n\
                         names = ['@acme/*', 'acme-tools', 'ac-*', '*-of-acme', 'Big-Acme']\n\
                         upstreams = ['internal']\n";

    #[test]
    fn an_owned_name_has_a_home_under_every_spelling() {
        let ruleset = ruleset(OWNED).unwrap();
        for (name, is_owned) in [
            ("@acme/secret", true),
            ("acme-tools", true),
            ("acme-toolsmith", false),
            ("@acme-other/x", false),
            ("left-pad", false),
            ("@Acme/x", true),
            ("@ACME/Secret", true),
            ("Acme-Tools", true),
            ("big-acme", true),
            ("BIG-ACME", true),
            ("Left-Pad", false),
        ] {
            let name = Npm.package(name).unwrap();
            let home = ruleset.home_of(&name);
            assert_eq!(home.is_some(), is_owned, "{name}");
            assert!(home.is_none_or(|home| home == ["internal"]));
        }
    }

    #[test]
    fn a_text_about_an_owned_name_is_known() {
        let ruleset = ruleset(OWNED).unwrap();
        for (text, is_owned) in [
            ("@ACME/secret", true),
            ("keywords:@acme/", true),
            ("acme-tools", true),
            ("acme", false),
            ("@acme", true),
            ("text=@Acme&size=20", true),
            ("scope:acme", true),
            ("scope:@acme", true),
            ("@acme-other", false),
            ("scope:acme-other", false),
            // Two letters are in half of all texts.
            ("ac-x", true),
            ("text=ac-x", true),
            ("mac-x", false),
            ("tool-of-acme", true),
            ("big-acme", true),
        ] {
            assert_eq!(ruleset.mentions_owned(&NPM, text), is_owned, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_owned_is_refused() {
        let problems = |text: &str| ruleset(text).unwrap_err();
        let everything = "[[rules.namespace.owned]]\necosystem = 'npm'\nnames = ['*']\n";
        assert_eq!(problems(everything), ["owns-everything"]);
        let nothing = "[[rules.namespace.owned]]\necosystem = 'npm'\nnames = []\n";
        assert_eq!(problems(nothing), ["empty-list"]);
        let unsaid = "[[rules.namespace.owned]]\nnames = ['@acme/*']\n";
        assert_eq!(problems(unsaid), ["missing-key"]);
    }

    #[test]
    fn a_monitored_rule_sends_nobody_home() {
        let text = format!("[rules.namespace]\nmode = 'monitor'\n{OWNED}");
        let ruleset = ruleset(&text).unwrap();
        let name = Npm.package("@acme/secret").unwrap();
        assert!(ruleset.home_of(&name).is_none());
        assert!(!ruleset.mentions_owned(&NPM, "@acme/secret"));
    }
}
