#![doc = include_str!("advisory.md")]

use std::sync::Arc;

use super::advisory_data::{WithoutData, known, remedy};
use super::advisory_ignored::Ignored;
use super::{Rule, RuleKind};
use crate::config::canonical::PolicyText;
use crate::config::reader::TableReader;
use crate::evaluate::Findings;
use crate::facts::{AdvisoryKind, AdvisoryMatch, FactKind, FactSet, Named, VersionFacts};
use crate::finding::{FindingCode, RuleId};
use crate::model::Timestamp;
use crate::reason;
use crate::specimen::{Advised, Specimen, Stage};
use crate::verdict::Effect;

const VULNERABLE: FindingCode = FindingCode::from_static("vulnerable");
const EXPLOITED: FindingCode = FindingCode::from_static("exploited");
const LIKELY_EXPLOITED: FindingCode = FindingCode::from_static("likely-exploited");
const UNMAINTAINED: FindingCode = FindingCode::from_static("unmaintained");
const UNSOUND: FindingCode = FindingCode::from_static("unsound");
const NOTICE: FindingCode = FindingCode::from_static("security-notice");
const UNCHECKED: FindingCode = FindingCode::from_static("advisories-unchecked");

/// Where a severity counts that is not given or cannot be read: the highest there is below
/// "critical".
const UNKNOWN_SEVERITY: u8 = 89;

/// How the rule is called, documented and read.
pub const KIND: RuleKind = RuleKind {
    id: RuleId::from_static("advisory"),
    page: include_str!("advisory.md"),
    codes: &[
        ("vulnerable", "an advisory names the version"),
        (
            "exploited",
            "the same, and the vulnerability is known to be exploited",
        ),
        (
            "likely-exploited",
            "the same, and the vulnerability is likely to be exploited",
        ),
        ("unmaintained", "the package is no longer maintained"),
        ("unsound", "the package can break memory safety"),
        ("security-notice", "an advisory has something else to say"),
        (
            "advisories-unchecked",
            "there is no advisory data that may be believed",
        ),
    ],
    default_effect: Effect::Hide,
    is_fixed: false,
    read,
};

/// Withholds versions with known vulnerabilities above a threshold.
#[derive(Clone, Debug)]
pub struct Advisory {
    /// Lowest CVSS score that counts, in tenths.
    pub min_severity: u8,
    /// Whether what is known to be exploited counts whatever its severity.
    pub exploited: bool,
    /// Lowest EPSS probability, in thousandths, that counts whatever the severity. Above 1,000 none
    /// does.
    pub min_epss: u16,
    /// What unmaintained packages ask for.
    pub unmaintained: Effect,
    /// What unsound packages ask for.
    pub unsound: Effect,
    /// What other notices ask for.
    pub notice: Effect,
    /// What to do while no data was ever loaded.
    pub without_data: WithoutData,
    /// What does not count though it would.
    ignored: Ignored,
}

/// No probability is as high.
const NO_EPSS: u16 = 1_001;

impl Default for Advisory {
    fn default() -> Self {
        Self {
            min_severity: 70,
            exploited: true,
            min_epss: NO_EPSS,
            unmaintained: Effect::Allow,
            unsound: Effect::Allow,
            notice: Effect::Allow,
            without_data: WithoutData::Hold,
            ignored: Ignored::default(),
        }
    }
}

fn read(
    table: &mut TableReader<'_, '_>,
    overrides: &mut [TableReader<'_, '_>],
) -> Vec<Arc<dyn Rule>> {
    let base = Advisory {
        ignored: Ignored::read(table),
        ..read_one(&Advisory::default(), table)
    };
    let mut rules: Vec<Arc<dyn Rule>> = vec![Arc::new(base.clone())];
    for table in overrides {
        rules.push(Arc::new(read_one(&base, table)));
    }
    rules
}

fn read_one(inherited: &Advisory, table: &mut TableReader<'_, '_>) -> Advisory {
    let severity = table.decimal("min_severity", 1, 0..=100);
    let epss = table.decimal("min_epss", 3, 0..=1_000);
    let exploited = table.boolean("exploited");
    let mut effect = |key: &str, inherited: Effect| {
        let choices = [
            ("ignore", Effect::Allow),
            ("hide", Effect::Hide),
            ("quarantine", Effect::Quarantine),
            ("block", Effect::Block),
        ];
        let chosen = table.choice(key, &choices);
        chosen.map_or(inherited, |chosen| chosen.value)
    };
    Advisory {
        min_severity: severity
            .and_then(|read| u8::try_from(read.value).ok())
            .unwrap_or(inherited.min_severity),
        exploited: exploited.map_or(inherited.exploited, |read| read.value),
        min_epss: epss
            .and_then(|read| u16::try_from(read.value).ok())
            .unwrap_or(inherited.min_epss),
        unmaintained: effect("unmaintained", inherited.unmaintained),
        unsound: effect("unsound", inherited.unsound),
        notice: effect("notice", inherited.notice),
        without_data: inherited.without_data.read(table),
        ignored: inherited.ignored.clone(),
    }
}

impl Rule for Advisory {
    fn needs(&self) -> FactSet {
        FactSet::of(FactKind::Advisories)
    }

    fn check(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let effect = out.settings().effect;
        let strictest = [self.unmaintained, self.unsound, self.notice]
            .into_iter()
            .fold(effect, Effect::max);
        for advisory in known(facts, self.without_data, UNCHECKED, strictest, out) {
            let (effect, code, what) = match advisory.kind {
                // The rule `malware` is about these.
                AdvisoryKind::Malware => continue,
                AdvisoryKind::Vulnerability => match self.weigh(advisory) {
                    Some((code, what)) => (effect, code, what),
                    None => continue,
                },
                AdvisoryKind::Unmaintained => {
                    (self.unmaintained, UNMAINTAINED, "is no longer maintained")
                }
                AdvisoryKind::Unsound => (self.unsound, UNSOUND, "can break memory safety"),
                AdvisoryKind::Notice => (self.notice, NOTICE, "has a security notice"),
            };
            let subject = reason::subject(facts.subject());
            let id = reason::ascii(&advisory.id, 40);
            let reason = format!(
                "{subject} {what} ({id}{}){}",
                detail(advisory),
                remedy(facts, advisory)
            );
            match self.ignored.find(advisory, now) {
                _ if effect == Effect::Allow => {}
                Some(ignored) => {
                    let reason = format!("{reason}; {}", ignored.describe());
                    out.note(code, reason, &advisory.id, effect);
                    out.changes_at(ignored.until());
                }
                None => out.report_as(effect, code, reason, &advisory.id, None),
            }
        }
    }

    fn reads_epss(&self) -> bool {
        self.min_epss < NO_EPSS
    }

    fn specimen(&self, stage: &Stage<'_>) -> Specimen {
        stage.advised(Advised::Vulnerable)
    }

    fn write_parameters(&self, out: &mut PolicyText) {
        out.decimal("min_severity", 1, self.min_severity.into());
        out.boolean("exploited", self.exploited);
        if self.min_epss < NO_EPSS {
            out.decimal("min_epss", 3, self.min_epss.into());
        }
        for (key, effect) in [
            ("unmaintained", self.unmaintained),
            ("unsound", self.unsound),
            ("notice", self.notice),
        ] {
            let word = match effect {
                Effect::Allow => "ignore",
                other => other.name(),
            };
            out.text(key, word);
        }
        self.without_data.write(out);
    }

    fn write_tables(&self, id: &RuleId, out: &mut PolicyText) {
        self.ignored.write(id, out);
    }
}

impl Advisory {
    /// Whether a vulnerability counts, and for what.
    fn weigh(&self, advisory: &AdvisoryMatch) -> Option<(FindingCode, &'static str)> {
        let severity = advisory.cvss_tenths.unwrap_or(UNKNOWN_SEVERITY);
        if self.exploited && advisory.is_exploited {
            return Some((EXPLOITED, "has a vulnerability that is being exploited"));
        }
        let probability = advisory.epss_thousandths;
        if probability.is_some_and(|probability| probability >= self.min_epss) {
            let what = "has a vulnerability that is likely to be exploited";
            return Some((LIKELY_EXPLOITED, what));
        }
        (severity >= self.min_severity).then_some((VULNERABLE, "has a known vulnerability"))
    }
}

/// The figures behind the finding.
fn detail(advisory: &AdvisoryMatch) -> String {
    let mut detail = match (advisory.kind, advisory.cvss_tenths) {
        (_, Some(tenths)) => format!(", CVSS {}.{}", tenths / 10, tenths % 10),
        (AdvisoryKind::Vulnerability, None) => ", severity unknown".to_owned(),
        _ => String::new(),
    };
    if let Some(thousandths) = advisory.epss_thousandths {
        detail.push_str(&format!(
            ", EPSS {}.{}%",
            thousandths / 10,
            thousandths % 10
        ));
    }
    if advisory.named == Named::Unreadable {
        detail.push_str("; the version or the advisory's range cannot be read, so it counts");
    }
    detail
}
