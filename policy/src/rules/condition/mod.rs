#![doc = include_str!("../condition.md")]

mod expression;
mod shape;

use std::sync::Arc;

use self::expression::{Expression, Outcome, Refused};
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::names::read_reason;
use crate::config::reader::{Spanned, TableReader};
use crate::config::text::shown;
use crate::evaluate::Findings;
use crate::facts::{FactKind, FactSet, VersionFacts};
use crate::finding::{ConfigSpan, FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Specimen, Stage};
use crate::verdict::Effect;

const CONDITION_MET: FindingCode = FindingCode::from_static("condition-met");
const CONDITION_UNKNOWN: FindingCode = FindingCode::from_static("condition-unknown");

/// Most conditions of a policy: each is evaluated for every version.
const MAX_CONDITIONS: usize = 100;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("condition"),
    page: include_str!("../condition.md"),
    codes: &[
        ("condition-met", "a condition of the policy holds"),
        (
            "condition-unknown",
            "it cannot be told whether a condition holds",
        ),
    ],
    default_effect: Effect::Block,
    is_fixed: false,
    read,
};

/// Withholds what a condition of the policy's own holds for.
#[derive(Debug)]
pub struct Condition {
    conditions: Vec<When>,
}

/// One condition.
#[derive(Debug)]
struct When {
    name: String,
    expression: Expression,
    reason: Option<Arc<str>>,
    effect: Option<Effect>,
    source: ConfigSpan,
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let mut conditions: Vec<When> = Vec::new();
    let tables = table.tables("when");
    if tables.is_empty() {
        table.file().warning(
            "empty-list",
            table.bytes(),
            "`rules.condition` has no condition and withholds nothing",
            "write a `[[rules.condition.when]]`, or remove the table",
        );
    }
    if tables.len() > MAX_CONDITIONS {
        table.file().error(
            "too-many-conditions",
            table.bytes(),
            format!("more than {MAX_CONDITIONS} conditions"),
            "join some of them with `||`, or use a rule that is made for lists",
        );
        return Vec::new();
    }
    for table in tables {
        let (file, place) = (table.file(), table.bytes().clone());
        let Some(when) = read_when(table) else {
            continue;
        };
        match conditions.iter().find(|other| other.name == when.name) {
            Some(first) => file.error(
                "duplicate-condition",
                &place,
                format!(
                    "condition `{}` is given twice, first at {}",
                    shown(&when.name),
                    first.source
                ),
                "give each its own name",
            ),
            None => conditions.push(when),
        }
    }
    let rule: Arc<dyn Rule> = Arc::new(Condition { conditions });
    vec![rule; overrides.len() + 1]
}

fn read_when(mut table: TableReader<'_, '_>) -> Option<When> {
    let source = table.file().span(table.bytes());
    let name = table.required_string("name", "give it a short name that findings can show");
    table.require(
        "expression",
        "write what must not be: expression = \"facts.size_bytes > 50000000\"",
    );
    let written = table.string("expression");
    let expression = written.and_then(|written| compile(&table, &written));
    let reason = read_reason(&mut table);
    let effects =
        [Effect::Hide, Effect::Quarantine, Effect::Block].map(|effect| (effect.name(), effect));
    let effect = table.choice("effect", &effects);
    table.finish();
    Some(When {
        name: name?.value,
        expression: expression?,
        reason,
        effect: effect.map(|effect| effect.value),
        source,
    })
}

fn compile(table: &TableReader<'_, '_>, written: &Spanned<String>) -> Option<Expression> {
    match Expression::compile(&written.value) {
        Ok(expression) => Some(expression),
        Err(Refused { why, at }) => {
            // Escapes in the text move what follows them; then the whole text is pointed at.
            let is_verbatim = written.bytes.len() == written.value.len();
            let start = written.bytes.start + at.filter(|_| is_verbatim).unwrap_or(0);
            table.file().error(
                "invalid-expression",
                &(start..written.bytes.end.max(start)),
                format!("`{}.expression`: {why}", table.path()),
                "the page of the rule `condition` lists the facts and what can be asked of them",
            );
            None
        }
    }
}

impl Rule for Condition {
    fn needs(&self) -> FactSet {
        let all = self.conditions.iter();
        all.flat_map(|when| when.expression.kinds())
            .fold(FactSet::EMPTY, |set, kind| set.union(FactSet::of(kind)))
    }

    fn reads_audience(&self) -> bool {
        // A mention in a text is taken for one, too: it only costs memory.
        let mentions = |word| {
            let mut all = self.conditions.iter();
            all.any(|when| when.expression.text().contains(word))
        };
        mentions("route") || mentions("identity")
    }

    fn check(&self, facts: &VersionFacts, _now: Timestamp, out: &mut Findings<'_>) {
        for when in &self.conditions {
            when.check(facts, out);
        }
    }

    fn specimen(&self, _stage: &Stage<'_>) -> Specimen {
        Specimen::Nothing(
            "what a condition is about only its author knows; write a [[test]] for it",
        )
    }

    fn write_parameters(&self, _out: &mut PolicyText) {}

    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        for when in &self.conditions {
            out.array_table(&format!("rules.{id}.when"));
            out.text("name", &when.name);
            out.text("expression", when.expression.text());
            if let Some(reason) = &when.reason {
                out.text("reason", reason);
            }
            if let Some(effect) = when.effect {
                out.text("effect", effect.name());
            }
        }
    }
}

impl When {
    fn check(&self, facts: &VersionFacts, out: &mut Findings<'_>) {
        let effect = self.effect.unwrap_or(out.settings().effect);
        match self.expression.evaluate(facts) {
            Outcome::Is(false) => {}
            Outcome::Is(true) => {
                let subject = reason::subject(facts.subject());
                let why = match &self.reason {
                    Some(why) => reason::ascii(why, 200),
                    None => reason::ascii(&self.name, 80),
                };
                let reason = format!("{subject} is withheld by policy: {why}");
                let place = self.source.clone();
                out.report_at(place, effect, CONDITION_MET, reason, &self.name, None);
            }
            Outcome::Awaits(kinds) => {
                for kind in kinds {
                    out.await_fact(kind);
                }
            }
            Outcome::Unknown(kind, why) => {
                let subject = reason::subject(facts.subject());
                let reason = format!(
                    "the policy's condition `{}` cannot be judged for {subject}: {}",
                    reason::ascii(&self.name, 40),
                    reason::ascii(&why, 120)
                );
                let stricter = effect.max(out.settings().on_unavailable);
                let place = self.source.clone();
                let kind = kind.map_or("expression", FactKind::name);
                let evidence = format!("{}/{kind}", self.name);
                out.report_at(place, stricter, CONDITION_UNKNOWN, reason, &evidence, None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
