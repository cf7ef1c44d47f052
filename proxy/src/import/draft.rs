//! The policy being made.

use std::fmt::Write as _;
use std::time::Duration;

use cordon_policy::config::canonical::PolicyText;
use cordon_policy::config::diagnostic::Diagnostic;
use cordon_policy::config::quantity::parse_duration;
use cordon_policy::config::text::shown;
use cordon_policy::config::{PolicySource, load};

use super::{Imported, Remark, Terms};

/// Most parts a policy is made of.
const MAX_ITEMS: usize = 20_000;

/// One part of a policy.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// Names are denied.
    Deny(Names),
    /// Names are allowed, and with that no others of the ecosystem.
    Allow(Names),
    /// Names never leave the house.
    Owned(Names),
    /// Versions must have an age.
    Age {
        /// Of this ecosystem alone.
        ecosystem: &'static str,
        /// Only these packages, if any are named.
        packages: Vec<String>,
        /// As the policy writes durations.
        age: String,
    },
    /// An advisory does not count, whatever package it is about.
    Ignore {
        /// Its id or one of its aliases.
        id: String,
        /// Why.
        reason: String,
        /// Until when, when the file tells.
        until: Option<String>,
    },
    /// Findings are set aside.
    Exempt {
        /// The package URL of a package or version.
        package: String,
        /// The versions, when the package URL names none.
        versions: Option<String>,
        /// The rule.
        rule: &'static str,
        /// Why.
        reason: String,
        /// Until when, when the file tells.
        until: Option<String>,
    },
}

/// Names of one ecosystem.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The ecosystem.
    pub(super) ecosystem: &'static str,
    /// Names and patterns.
    pub(super) names: Vec<String>,
    /// The versions, every one without.
    pub(super) versions: Option<String>,
    /// Why.
    pub(super) reason: Option<String>,
}

impl Terms {
    /// The end of what is set aside, when the file gives it or not.
    fn end(&self, given: Option<&str>) -> String {
        given.map_or_else(|| self.until.to_string(), str::to_owned)
    }
}

impl Names {
    /// Every version of one name.
    pub(super) fn of(ecosystem: &'static str, name: impl Into<String>) -> Self {
        Self {
            ecosystem,
            names: vec![name.into()],
            versions: None,
            reason: None,
        }
    }
}

/// Parts found so far, each with its line, and what has no counterpart.
#[derive(Debug)]
pub(super) struct Draft {
    terms: Terms,
    items: Vec<(usize, Item)>,
    remarks: Vec<Remark>,
}

impl Draft {
    pub(super) fn new(terms: Terms) -> Self {
        Self {
            terms,
            items: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Says that something has no counterpart.
    pub(super) fn remark(&mut self, line: usize, text: impl Into<String>) {
        self.remarks.push(Remark {
            line,
            text: text.into(),
            is_loss: false,
        });
    }

    /// Says that something that protects has no counterpart.
    pub(super) fn lost(&mut self, line: usize, text: impl Into<String>) {
        self.remarks.push(Remark {
            line,
            text: text.into(),
            is_loss: true,
        });
    }

    /// Adds a part. What the policy reader refuses becomes a remark.
    pub(super) fn add(&mut self, line: usize, item: Item) {
        let problem = match self.items.len() {
            MAX_ITEMS.. => Some(format!("left out: more than {MAX_ITEMS} parts")),
            _ => self.problem_of(&item),
        };
        match problem {
            None => self.items.push((line, item)),
            Some(problem) if item.protects() => self.lost(line, problem),
            Some(problem) => self.remark(line, problem),
        }
    }

    /// Adds a part for some names; when it is refused, one part for each, so that only what is
    /// wrong is left out.
    pub(super) fn add_each(
        &mut self,
        line: usize,
        names: Vec<String>,
        item: impl Fn(Vec<String>) -> Item,
    ) {
        let together = item(names.clone());
        if names.len() < 2 || self.problem_of(&together).is_none() {
            return self.add(line, together);
        }
        for name in names {
            self.add(line, item(vec![name]));
        }
    }

    /// What the policy reader says of a part.
    fn problem_of(&self, item: &Item) -> Option<String> {
        let mut text = PolicyText::default();
        // A number for the id that no line has.
        item.write(0, 0, &self.terms, &mut text);
        problems_of(&format!("[rules.minimum-age]\n\n{}", text.as_str()))
    }

    /// The policy.
    pub(super) fn finish(mut self) -> Imported {
        let mut policy = self.text();
        if let Some(text) = &policy
            && let Some(problem) = problems_of(text)
        {
            // Each part loads alone; together they may say the same twice.
            self.lost(1, format!("the parts do not fit together: {problem}"));
            policy = None;
        }
        self.remarks.sort();
        self.remarks.dedup();
        Imported {
            policy,
            remarks: self.remarks,
        }
    }

    fn text(&self) -> Option<String> {
        if self.items.is_empty() {
            return None;
        }
        let mut items: Vec<&(usize, Item)> = self.items.iter().collect();
        items.sort_by_key(|(_, item)| item.rank());
        let mut out = String::new();
        let first = items.first().map(|(_, item)| item);
        if let Some(Item::Age { .. }) = first {
            out.push_str("# What is not named below waits as long as by default.\n");
            out.push_str("[rules.minimum-age]\n\n");
        }
        if let Some(Item::Exempt { rule, .. }) = first {
            // Exemptions alone are no policy.
            let _ = writeln!(
                out,
                "# What is exempt below is exempt from this rule.\n[rules.{rule}]\n"
            );
        }
        for (at, (line, item)) in items.into_iter().enumerate() {
            let mut text = PolicyText::default();
            item.write(*line, at, &self.terms, &mut text);
            let _ = writeln!(out, "# line {line}\n{}", text.as_str());
        }
        Some(out.trim_end().to_owned() + "\n")
    }
}

impl Item {
    /// Whether leaving it out lets more through.
    fn protects(&self) -> bool {
        match self {
            Self::Deny(_) | Self::Allow(_) | Self::Owned(_) => true,
            Self::Age { age, .. } => parse_duration(age).ok() != Some(Duration::ZERO),
            Self::Ignore { .. } | Self::Exempt { .. } => false,
        }
    }

    /// The order of the parts. Of several ages the last one that holds a package applies: those for
    /// some packages come after those for all, the longer after the shorter.
    fn rank(&self) -> (usize, bool, Duration) {
        match self {
            Self::Age { packages, age, .. } => {
                let age = parse_duration(age).unwrap_or_default();
                (0, !packages.is_empty(), age)
            }
            Self::Owned(_) => (1, false, Duration::ZERO),
            Self::Deny(_) => (2, false, Duration::ZERO),
            Self::Allow(_) => (3, false, Duration::ZERO),
            Self::Ignore { .. } => (4, false, Duration::ZERO),
            Self::Exempt { .. } => (5, false, Duration::ZERO),
        }
    }

    fn write(&self, line: usize, number: usize, terms: &Terms, out: &mut PolicyText) {
        match self {
            Self::Deny(names) => names.write("rules.deny.match", out),
            Self::Allow(names) => names.write("rules.allow.match", out),
            Self::Owned(names) => names.write("rules.namespace.owned", out),
            Self::Age {
                ecosystem,
                packages,
                age,
            } => {
                out.array_table("rules.minimum-age.override");
                out.text("ecosystem", ecosystem);
                if !packages.is_empty() {
                    out.texts("packages", packages.iter().map(String::as_str));
                }
                out.text("version_age", age);
            }
            Self::Ignore { id, reason, until } => {
                out.array_table("rules.advisory.ignore");
                out.text("id", id);
                out.text("reason", reason);
                out.text("owner", &terms.owner);
                out.text("ticket", &terms.ticket);
                out.text("until", &terms.end(until.as_deref()));
            }
            Self::Exempt {
                package,
                versions,
                rule,
                reason,
                until,
            } => {
                out.array_table("exempt");
                out.text("id", &format!("imported-{line}-{number}"));
                out.text("package", package);
                if let Some(versions) = versions {
                    out.text("versions", versions);
                }
                out.texts("rules", [*rule]);
                out.text("reason", reason);
                out.text("owner", &terms.owner);
                out.text("ticket", &terms.ticket);
                out.text("until", &terms.end(until.as_deref()));
            }
        }
    }
}

impl Names {
    fn write(&self, table: &str, out: &mut PolicyText) {
        out.array_table(table);
        out.text("ecosystem", self.ecosystem);
        out.texts("names", self.names.iter().map(String::as_str));
        if let Some(versions) = &self.versions {
            out.text("versions", versions);
        }
        if let Some(reason) = &self.reason {
            out.text("reason", reason);
        }
    }
}

/// The first error of a policy.
fn problems_of(text: &str) -> Option<String> {
    let source = PolicySource {
        name: "imported".to_owned(),
        text: text.to_owned(),
    };
    let problems = load(&[source]).err()?;
    let first = problems.iter().find(|it| Diagnostic::is_error(it));
    first.map(|problem| format!("{}; {}", problem.message, problem.help))
}

/// A reason as a policy may give one: printable, on one line, not too long.
pub(super) fn reason(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(180).collect();
    (!cut.is_empty()).then_some(cut)
}

/// Foreign text for a remark.
pub(super) fn quote(text: &str) -> String {
    format!("`{}`", shown(text.trim()))
}
