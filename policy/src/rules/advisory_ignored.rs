//! `[[rules.advisory.ignore]]`: advisories that do not count, whatever package they are about.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use crate::config::canonical::PolicyText;
use crate::config::names::read_reason;
use crate::config::reader::{Spanned, TableReader};
use crate::config::text::shown;
use crate::facts::AdvisoryMatch;
use crate::finding::RuleId;
use crate::model::Timestamp;
use crate::reason;

/// Ignored advisories of one policy, at most.
const MAX_IGNORED: usize = 1_000;

/// Longest id of an advisory, in bytes.
const MAX_ID_BYTES: usize = 100;

/// What is ignored, by id in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignored(BTreeMap<SmolStr, Entry>);

/// An advisory that does not count.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    id: String,
    reason: String,
    owner: String,
    ticket: Option<String>,
    until: Timestamp,
}

impl Ignored {
    /// Reads the tables of the rule.
    pub(super) fn read(table: &mut TableReader<'_, '_>) -> Self {
        let tables = table.tables("ignore");
        if tables.len() > MAX_IGNORED {
            table.file().error(
                "too-many-entries",
                table.bytes(),
                format!("`rules.advisory` ignores more than {MAX_IGNORED} advisories"),
                "raise `min_severity`, or run the rule in `monitor` mode for some packages",
            );
            return Self::default();
        }
        let mut ignored = BTreeMap::new();
        for table in tables {
            let (file, place) = (table.file(), table.bytes().clone());
            let Some(entry) = read_entry(table) else {
                continue;
            };
            let key = SmolStr::from(entry.id.to_ascii_lowercase());
            if ignored.contains_key(&key) {
                file.error(
                    "duplicate-entry",
                    &place,
                    format!("advisory `{}` is ignored twice", shown(&entry.id)),
                    "keep one of the two",
                );
                continue;
            }
            ignored.insert(key, entry);
        }
        Self(ignored)
    }

    /// Why an advisory does not count now: by its id or one of its aliases.
    pub(super) fn find(&self, advisory: &AdvisoryMatch, now: Timestamp) -> Option<&Entry> {
        if self.0.is_empty() {
            return None;
        }
        let ids = std::iter::once(&advisory.id).chain(&advisory.aliases);
        let found = ids.filter_map(|id| self.0.get(id.to_ascii_lowercase().as_str()));
        // Of several the one that lasts longest.
        found
            .filter(|entry| entry.until > now)
            .max_by_key(|entry| entry.until)
    }

    /// Writes the tables.
    pub(super) fn write(&self, id: &RuleId, out: &mut PolicyText) {
        for entry in self.0.values() {
            out.array_table(&format!("rules.{id}.ignore"));
            out.text("id", &entry.id);
            out.text("reason", &entry.reason);
            out.text("owner", &entry.owner);
            if let Some(ticket) = &entry.ticket {
                out.text("ticket", ticket);
            }
            out.text("until", &entry.until.to_string());
        }
    }
}

impl Entry {
    /// When it counts again.
    pub(super) fn until(&self) -> Timestamp {
        self.until
    }

    /// What records say of it.
    pub(super) fn describe(&self) -> String {
        format!(
            "ignored until {} by {}: {}",
            reason::instant(self.until),
            reason::ascii(&self.owner, 40),
            reason::ascii(&self.reason, 120)
        )
    }
}

fn read_entry(mut table: TableReader<'_, '_>) -> Option<Entry> {
    let id = table.required_string("id", "name the advisory: id = \"GHSA-35jh-r3h4-6jhm\"");
    let id = id.filter(|id| is_id(&table, id));
    table.require("reason", "say why it does not matter here");
    let reason = read_reason(&mut table);
    let owner = table.required_string("owner", "say who answers for it");
    let ticket = table.string("ticket");
    table.require(
        "until",
        "say when it counts again: until = \"2026-12-31T00:00:00Z\"",
    );
    let until = table.timestamp("until");
    table.finish();
    Some(Entry {
        id: id?.value,
        reason: reason?.to_string(),
        owner: owner?.value,
        ticket: ticket.map(|ticket| ticket.value),
        until: until?.value,
    })
}

fn is_id(table: &TableReader<'_, '_>, id: &Spanned<String>) -> bool {
    let refuse = |code, message: String, help: &str| {
        table.file().error(code, &id.bytes, message, help);
        false
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if id.value.is_empty() || id.value.len() > MAX_ID_BYTES || !id.value.chars().all(is_plain) {
        return refuse(
            "invalid-value",
            format!("`{}` is no id of an advisory", shown(&id.value)),
            "write it as the advisory does: GHSA-35jh-r3h4-6jhm, CVE-2021-23337",
        );
    }
    if id.value.to_ascii_lowercase().starts_with("mal-") {
        return refuse(
            "cannot-be-ignored",
            format!("`{}` is a report of malware", shown(&id.value)),
            "the rule `malware` is about these: write an [[exempt]], which takes two people",
        );
    }
    true
}
