//! Reading `[[test]]`.

use super::facts::{default_facts, read_facts};
use super::read_parts::read_subject;
use super::{Expected, PolicyTest, TestFacts};
use crate::config::reader::{Spanned, TableReader};
use crate::config::text::{help_for, shown};
use crate::decision::DecisionId;
use crate::facts::Audience;
use crate::finding::{FindingCode, RuleId};
use crate::model::{FileName, PackageVersion, Timestamp};
use crate::rules::{self, RULES, RuleKind};
use crate::verdict::Effect;

/// Reads one test. `None` when it is not usable; the reasons are among the file's problems.
pub(crate) fn read_test(mut table: TableReader<'_, '_>) -> Option<PolicyTest> {
    let file = table.file();
    let source = file.span(table.bytes());
    let name = table.string("name").map(|name| name.value);
    table.require(
        "package",
        "name the version judged: package = \"pkg:npm/left-pad@1.3.1\"",
    );
    let subject = table
        .string("package")
        .and_then(|written| read_subject(&table, &written));
    table.require("expect", "say what must come out: expect = \"block\"");
    let effects = [
        Effect::Allow,
        Effect::Hide,
        Effect::Quarantine,
        Effect::Block,
    ];
    let effect = table.choice("expect", &effects.map(|effect| (effect.name(), effect)));
    let rule = read_rule(&mut table);
    let code = read_code(&mut table, rule.as_ref().map(|(_, kind)| *kind));
    // Not required: a recorded decision has its own instant.
    let has_instant = table.has("at");
    let at = table.timestamp("at");
    let file_name = table.parsed(
        "file",
        "write the file's name as the registry lists it",
        |text| FileName::new(text),
    );
    let audience = Audience {
        route: table.string("route").map(|route| route.value.into()),
        identity: table
            .string("identity")
            .map(|identity| identity.value.into()),
    };
    let recorded = table.string("recorded");
    let told = table.table("facts");
    let subject_and_file = subject.clone().zip(Some(file_name.map(|file| file.value)));
    let facts = match recorded {
        Some(recorded) => {
            refuse_both(&table, told);
            read_recorded(&table, &recorded)
        }
        None => {
            if !has_instant {
                table.file().error(
                    "missing-key",
                    table.bytes(),
                    "`test.at` is missing",
                    "say for which instant: at = \"2026-03-31T01:00:00Z\"; only a recorded \
                     decision has its own",
                );
            }
            let at = at.as_ref().map(|at| at.value);
            read_given(told, subject_and_file, at)
        }
    };
    table.finish();
    Some(PolicyTest {
        name,
        subject: subject?,
        at: at.map(|at| at.value),
        audience,
        facts: facts?,
        expected: Expected {
            effect: effect?.value,
            rule: rule.map(|(rule, _)| rule),
            code,
        },
        source,
    })
}

fn read_rule(table: &mut TableReader<'_, '_>) -> Option<(RuleId, &'static RuleKind)> {
    let written = table.string("rule")?;
    let found = rules::kind(&written.value).map(|kind| (kind.id.clone(), kind));
    if found.is_none() {
        table.file().error(
            "unknown-rule",
            &written.bytes,
            format!("there is no rule `{}`", shown(&written.value)),
            help_for(&written.value, RULES.iter().map(|kind| kind.id.as_str())),
        );
    }
    found
}

/// Reads `code`: one of the rule's, if a rule is named; else of any.
fn read_code(
    table: &mut TableReader<'_, '_>,
    rule: Option<&'static RuleKind>,
) -> Option<FindingCode> {
    let written = table.string("code")?;
    let kinds = RULES
        .iter()
        .filter(|kind| rule.is_none_or(|rule| rule.id == kind.id));
    let codes = kinds.flat_map(|kind| kind.codes.iter().map(|(code, _)| *code));
    match codes.clone().find(|code| *code == written.value) {
        Some(code) => Some(FindingCode::from_static(code)),
        None => {
            table.file().error(
                "unknown-value",
                &written.bytes,
                format!("no such finding: `{}`", shown(&written.value)),
                help_for(&written.value, codes),
            );
            None
        }
    }
}

fn refuse_both(table: &TableReader<'_, '_>, told: Option<TableReader<'_, '_>>) {
    if let Some(told) = told {
        table.file().error(
            "two-sources",
            told.bytes(),
            "a test has `recorded` facts or tells them, not both",
            "remove one of the two",
        );
    }
}

fn read_recorded(table: &TableReader<'_, '_>, written: &Spanned<String>) -> Option<TestFacts> {
    if written.value == "newest" {
        return Some(TestFacts::Newest);
    }
    let id = DecisionId::parse(&written.value).map(TestFacts::Recorded);
    if id.is_none() {
        table.file().error(
            "invalid-value",
            &written.bytes,
            format!("`{}` is not the id of a decision", shown(&written.value)),
            "write the 12 characters `cordon log` shows, or `newest` for the newest decision \
             about the version",
        );
    }
    id
}

fn read_given(
    told: Option<TableReader<'_, '_>>,
    subject: Option<(PackageVersion, Option<FileName>)>,
    at: Option<Timestamp>,
) -> Option<TestFacts> {
    // What is wrong with the facts is told also when it is not known what they are about.
    let facts = match told {
        Some(told) => read_facts(told, subject, at)?,
        None => {
            let (subject, file) = subject?;
            default_facts(subject, file, at?)
        }
    };
    Some(TestFacts::Given(Box::new(facts)))
}
