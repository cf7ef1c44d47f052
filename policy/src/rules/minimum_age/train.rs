//! Release trains: a version that pins another one exactly can be installed only with it.
//!
//! Of two packages released together the one published first comes of age first. Listed alone it
//! would give resolvers a tree that cannot be installed, so it waits for what it pins
//! (features.md O17).

use crate::facts::{Fact, FactKind, Sibling, VersionFacts};
use crate::model::Timestamp;
use crate::reason;

use super::MinimumAge;
use crate::evaluate::Findings;

impl MinimumAge {
    pub(super) fn check_train(&self, facts: &VersionFacts, now: Timestamp, out: &mut Findings<'_>) {
        let siblings = match &facts.siblings {
            Fact::Known(siblings) => siblings,
            Fact::Absent => return,
            Fact::NotYet => return out.await_fact(FactKind::Siblings),
            Fact::Unavailable(cause) => {
                let reason = format!(
                    "it could not be learned what {} pins ({})",
                    reason::subject(facts.subject()),
                    reason::ascii(cause, 60)
                );
                return out.report_unavailable(super::TRAIN_UNKNOWN, FactKind::Siblings, reason);
            }
        };
        for sibling in siblings.iter() {
            self.check_sibling(facts, sibling, now, out);
        }
    }

    fn check_sibling(
        &self,
        facts: &VersionFacts,
        sibling: &Sibling,
        now: Timestamp,
        out: &mut Findings<'_>,
    ) {
        let subject = reason::subject(facts.subject());
        let pinned = reason::subject(&sibling.subject);
        let evidence = sibling.subject.to_string();
        match &sibling.published_at {
            Fact::Known(at) => {
                let until = at.saturating_add(self.version_age);
                if until > now {
                    let reason = format!(
                        "{subject} pins {pinned}, which was published {} ago; allowed together \
                         from {}",
                        reason::length(now.since(*at)),
                        reason::instant(until)
                    );
                    out.report(super::TRAIN_TOO_YOUNG, reason, &evidence, Some(until));
                }
            }
            Fact::NotYet => out.await_fact(FactKind::Siblings),
            Fact::Absent | Fact::Unavailable(_) => {
                let reason = format!("{subject} pins {pinned}, whose age could not be learned");
                out.report_unavailable(super::TRAIN_UNKNOWN, FactKind::Siblings, reason);
            }
        }
    }
}
