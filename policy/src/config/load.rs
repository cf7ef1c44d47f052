//! From policy files to a ruleset.

use std::any::Any;

use super::canonical::hash_of;
use super::diagnostic::{Diagnostic, Severity};
use super::exempt::read_exemption;
use super::limits::MAX_POLICY_BYTES;
use super::reader::{Spanned, TableReader};
use super::reject::read_rejection;
use super::settings::{read_scope, read_settings};
use super::shape::Key;
use super::source::SourceFile;
use super::text::{help_for, shown};
use super::untold::{refuse_deaf, refuse_untold};
use super::weakened::refuse_weakened;
use super::{BUILT_IN, Loaded, PolicySource};
use crate::ecosystem::scheme_for;
use crate::evaluate::Ruleset;
use crate::exemption::{Exemption, Scope, Waives};
use crate::facts::FactKind;
use crate::finding::{ConfigSpan, Fingerprint, RuleId};
use crate::model::Timestamp;
use crate::policy_test::{PolicyTest, read_test};
use crate::rejection::Rejection;
use crate::rules::allow::Allow;
use crate::rules::deny::Deny;
use crate::rules::namespace::Namespace;
use crate::rules::{self, ConfiguredRule, RULES, RuleKind, Variant};

/// Reads policy files together. All problems are reported at once; any error means no ruleset.
///
/// No file at all means the built-in policy. A rule is configured by one table in one file;
/// exemptions may stand in any. Rules that cannot be switched off act even when no file names them.
///
/// # Errors
/// Every error found, and the warnings with them.
pub fn load(sources: &[PolicySource]) -> Result<Loaded, Vec<Diagnostic>> {
    let built_in = [PolicySource::built_in()];
    let sources = if sources.is_empty() {
        &built_in
    } else {
        sources
    };
    let mut loading = Loading::default();
    let files: Vec<SourceFile<'_>> = sources
        .iter()
        .map(|source| SourceFile::new(&source.name, &source.text))
        .collect();
    for (at, file) in files.iter().enumerate() {
        if files
            .iter()
            .take(at)
            .any(|other| other.name() == file.name())
        {
            file.error(
                "duplicate-file",
                &(0..0),
                format!("`{}` is named twice", shown(file.name())),
                "name each policy file once",
            );
            continue;
        }
        loading.read_file(file);
    }
    if let Some(first) = files.first() {
        loading.check_whole(first, &files);
    }
    let fixed = SourceFile::new(BUILT_IN, "");
    loading.add_fixed(&fixed);
    let mut problems: Vec<Diagnostic> = files
        .into_iter()
        .flat_map(SourceFile::into_diagnostics)
        .collect();
    problems.extend(fixed.into_diagnostics());
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let Loading {
        mut rules,
        mut exemptions,
        mut rejections,
        tests,
        ..
    } = loading;
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    exemptions.sort_by(|a, b| a.id.cmp(&b.id));
    rejections.sort_by(|a, b| a.id.cmp(&b.id));
    let hash = hash_of(&rules, &exemptions, &rejections);
    Ok(Loaded {
        ruleset: Ruleset::new(hash, rules, exemptions).with_rejections(rejections),
        tests,
        warnings: problems,
    })
}

/// Every key a policy file may have but those of the rules' tables.
pub(super) fn probe_root() -> Vec<Key> {
    let file = SourceFile::probe("policy");
    Loading::default().read_root(&file, file.probed(""));
    file.into_keys()
}

/// Every key the table of a rule may have, with those of its overrides and other inner tables.
pub(super) fn probe_rule(kind: &RuleKind) -> Vec<Key> {
    let file = SourceFile::probe("policy");
    let _ = read_rule(kind, file.probed(&format!("rules.{}", kind.id)));
    file.into_keys()
}

#[derive(Default)]
struct Loading {
    rules: Vec<ConfiguredRule>,
    exemptions: Vec<Exemption>,
    rejections: Vec<Rejection>,
    tests: Vec<PolicyTest>,
    names_a_rule: bool,
}

impl Loading {
    fn read_file(&mut self, file: &SourceFile<'_>) {
        match file.root(MAX_POLICY_BYTES) {
            Some(root) => self.read_root(file, root),
            // The problem is known; that no rule was read is not a second one.
            None => self.names_a_rule = true,
        }
    }

    fn read_root<'f, 't>(&mut self, file: &'f SourceFile<'t>, mut root: TableReader<'f, 't>) {
        if let Some(mut table) = root.table("rules") {
            for (name, table) in table.named_tables() {
                self.names_a_rule = true;
                self.read_rule(file, &name, table);
            }
            table.finish();
        }
        for table in root.tables("exempt") {
            let place = table.bytes().clone();
            if let Some(exemption) = read_exemption(table) {
                self.add_exemption(file, exemption, &place);
            }
        }
        for table in root.tables("reject") {
            let place = table.bytes().clone();
            if let Some(rejection) = read_rejection(table) {
                self.add_rejection(file, rejection, &place);
            }
        }
        for table in root.tables("test") {
            self.tests.extend(read_test(table));
        }
        root.finish();
    }

    fn read_rule(
        &mut self,
        file: &SourceFile<'_>,
        name: &Spanned<String>,
        table: TableReader<'_, '_>,
    ) {
        let Some(kind) = rules::kind(&name.value) else {
            file.error(
                "unknown-rule",
                &name.bytes,
                format!("there is no rule `{}`", shown(&name.value)),
                help_for(&name.value, RULES.iter().map(|kind| kind.id.as_str())),
            );
            return;
        };
        if let Some(first) = self.place_of(kind) {
            file.error(
                "duplicate-rule",
                &name.bytes,
                format!("rule `{}` is configured twice, first at {first}", kind.id),
                "keep one table for the rule; differences by package go into its overrides",
            );
            return;
        }
        self.rules.extend(read_rule(kind, table));
    }

    fn place_of(&self, kind: &RuleKind) -> Option<&ConfigSpan> {
        let rule = self.rules.iter().find(|rule| rule.id == kind.id)?;
        Some(&rule.variants.first()?.settings.source)
    }

    fn add_exemption(
        &mut self,
        file: &SourceFile<'_>,
        exemption: Exemption,
        place: &std::ops::Range<usize>,
    ) {
        let same = |other: &&Exemption| other.id == exemption.id;
        if let Some(first) = self.exemptions.iter().find(same) {
            file.error(
                "duplicate-exemption",
                place,
                format!(
                    "exemption `{}` is given twice, first at {}",
                    exemption.id, first.source
                ),
                "give each exemption its own id",
            );
            return;
        }
        self.exemptions.push(exemption);
    }

    fn add_rejection(
        &mut self,
        file: &SourceFile<'_>,
        rejection: Rejection,
        place: &std::ops::Range<usize>,
    ) {
        let same = |other: &&Rejection| other.id == rejection.id;
        if let Some(first) = self.rejections.iter().find(same) {
            file.error(
                "duplicate-rejection",
                place,
                format!(
                    "rejection `{}` is given twice, first at {}",
                    shown(&rejection.id),
                    first.source
                ),
                "give each rejection its own id",
            );
            return;
        }
        self.rejections.push(rejection);
    }

    /// Checks that only make sense over all files together.
    fn check_whole(&self, first: &SourceFile<'_>, files: &[SourceFile<'_>]) {
        if !self.names_a_rule {
            first.error(
                "no-rules",
                &(0..0),
                "the policy configures no rule",
                "add a table such as `[rules.minimum-age]`; a policy without rules is not a default",
            );
        }
        let report = |place: &ConfigSpan, code, message: String, help: String| {
            if let Some(file) = files.iter().find(|file| *file.name() == place.file) {
                file.warning(code, &file.bytes_from(place), message, help);
            }
        };
        for exemption in &self.exemptions {
            let Waives::Rules(waived) = &exemption.waives else {
                continue;
            };
            for id in waived {
                let is_configured = self.rules.iter().any(|rule| rule.id == *id);
                let is_fixed = rules::kind(id.as_str()).is_some_and(|kind| kind.is_fixed);
                if !is_configured && !is_fixed {
                    report(
                        &exemption.source,
                        "exempts-nothing",
                        format!(
                            "exemption `{}` is for rule `{id}`, which is not configured",
                            exemption.id
                        ),
                        "remove it, or configure the rule".to_owned(),
                    );
                }
            }
        }
        self.check_exempt_bytes(&report);
        if let (Some(allow), Some(namespace)) = (self.rule::<Allow>(), self.rule::<Namespace>()) {
            for (place, message) in allow.homeless_entries(namespace) {
                if let Some(file) = files.iter().find(|file| *file.name() == place.file) {
                    file.error(
                        "allows-owned-name",
                        &file.bytes_from(&place),
                        message,
                        "name the upstream that is its home under `upstreams`, or remove one of \
                         the two",
                    );
                }
            }
        }
        if let (Some(allow), Some(deny)) = (self.rule::<Allow>(), self.rule::<Deny>()) {
            for (place, message) in allow.denied_entries(deny) {
                report(
                    &place,
                    "shadowed-entry",
                    message,
                    "remove one of the two".to_owned(),
                );
            }
        }
    }

    /// Warns of exemptions for exact bytes from rules that refuse before any byte is there, where
    /// no declaration names the bytes by their SHA-256: they would never come to be compared.
    fn check_exempt_bytes(&self, report: &dyn Fn(&ConfigSpan, &'static str, String, String)) {
        for exemption in &self.exemptions {
            let Scope::Artifact { artifact, .. } = &exemption.scope else {
                continue;
            };
            let ecosystem = artifact.subject.name.ecosystem();
            if scheme_for(ecosystem).is_none_or(|scheme| scheme.declares_sha256()) {
                continue;
            }
            let waived: Vec<&str> = match &exemption.waives {
                Waives::Rules(ids) => ids.iter().map(RuleId::as_str).collect(),
                Waives::Fingerprints(prints) => prints.iter().map(Fingerprint::rule).collect(),
            };
            for id in waived {
                let reads_bytes = |rule: &&ConfiguredRule| {
                    let mut variants = rule.variants.iter();
                    variants.any(|variant| variant.rule.needs().contains(FactKind::Bytes))
                };
                let configured = self.rules.iter().find(|rule| rule.id.as_str() == id);
                let is_fixed = rules::kind(id).is_some_and(|kind| kind.is_fixed);
                if is_fixed || configured.as_ref().is_none_or(reads_bytes) {
                    continue;
                }
                report(
                    &exemption.source,
                    "exempts-nothing",
                    format!(
                        "exemption `{}` is for exact bytes, but `{id}` judges before they are \
                         fetched, and {ecosystem} declares no SHA-256 to know them by",
                        exemption.id
                    ),
                    "leave out `file` and `sha256`: exempt the version".to_owned(),
                );
            }
        }
    }

    fn rule<T: 'static>(&self) -> Option<&T> {
        self.rules.iter().find_map(|rule| {
            let rule: &dyn Any = rule.variants.first()?.rule.as_ref();
            rule.downcast_ref()
        })
    }

    fn add_fixed(&mut self, file: &SourceFile<'_>) {
        for kind in RULES.iter().filter(|kind| kind.is_fixed) {
            if self.place_of(kind).is_none() {
                let path = format!("rules.{}", kind.id);
                let table = TableReader::new(file, path, 0..0, Default::default());
                self.rules.extend(read_rule(kind, table));
            }
        }
    }
}

/// The keys that say where a table applies.
const SCOPE_KEYS: [&str; 4] = ["ecosystem", "packages", "routes", "identities"];

/// Reads a rule's table with its overrides. `None` when its own keys are unusable (reported).
fn read_rule(kind: &RuleKind, mut table: TableReader<'_, '_>) -> Option<ConfiguredRule> {
    refuse_scope_of_fixed(&table, kind);
    let scope = read_scope(&mut table);
    let settings = read_settings(&mut table, kind, None);
    let mut overrides = table.tables("override");
    let mut scopes = vec![(scope, settings.clone())];
    for table in &mut overrides {
        if !SCOPE_KEYS.iter().any(|key| table.has(key)) {
            table.file().error(
                "missing-key",
                table.bytes(),
                format!("`{}` does not say where it applies", table.path()),
                "add `ecosystem`, `packages`, `routes` or `identities`; what is for everything goes \
                 into the rule's table",
            );
        }
        let scope = read_scope(table);
        let settings = read_settings(table, kind, Some(&settings));
        scopes.push((scope, settings));
    }
    let rules = (kind.read)(&mut table, &mut overrides);
    let variants: Vec<Variant> = scopes
        .into_iter()
        .zip(rules)
        .map(|((scope, settings), rule)| Variant {
            scope,
            settings,
            rule,
        })
        .collect();
    warn_of_shadowed(table.file(), &variants);
    // What the facts say already needs no second word.
    if !refuse_untold(table.file(), kind, &variants) {
        refuse_deaf(table.file(), kind, &variants);
    }
    refuse_weakened(table.file(), kind, &variants);
    table.finish();
    overrides.into_iter().for_each(TableReader::finish);
    (!variants.is_empty()).then(|| ConfiguredRule {
        id: kind.id.clone(),
        variants,
    })
}

/// A rule that always acts would stop acting outside a scope of its own table.
fn refuse_scope_of_fixed(table: &TableReader<'_, '_>, kind: &RuleKind) {
    if !kind.is_fixed {
        return;
    }
    for key in SCOPE_KEYS {
        if table.has(key) {
            let path = table.path();
            table.file().error(
                "cannot-be-weakened",
                table.bytes(),
                format!("`{path}.{key}` would switch the rule off for everything else"),
                format!("remove the key; what differs goes into `[[{path}.override]]`"),
            );
        }
    }
}

fn warn_of_shadowed(file: &SourceFile<'_>, variants: &[Variant]) {
    for (at, variant) in variants.iter().enumerate() {
        let later = variants.iter().skip(at + 1);
        let Some(by) = later
            .into_iter()
            // An override without a scope is an error of its own.
            .find(|later| !later.scope.is_all() && later.scope.covers(&variant.scope))
        else {
            continue;
        };
        let place = &variant.settings.source;
        file.warning(
            "shadowed-override",
            &file.bytes_from(place),
            format!(
                "this never applies: line {} covers the same",
                by.settings.source.line
            ),
            "the last matching override applies; put the narrower one last, or remove this one",
        );
    }
}

impl Ruleset {
    /// Exemptions that would last longer from `now` on than any may.
    pub fn overlong_exemptions(&self, now: Timestamp) -> Vec<Diagnostic> {
        self.exemptions()
            .iter()
            .filter(|exemption| exemption.is_too_long_at(now))
            .map(|exemption| {
                let days = exemption.longest().as_secs() / (24 * 3_600);
                Diagnostic {
                    code: "exemption-too-long",
                    severity: Severity::Error,
                    message: format!(
                        "exemption `{}` ends at {}, more than {days} days from now ({now})",
                        exemption.id, exemption.expires
                    ),
                    span: exemption.source.clone(),
                    bytes: exemption.bytes.clone(),
                    help: format!(
                        "let it end within {days} days and look at it again then; what is for good \
                         goes into the rule"
                    ),
                }
            })
            .collect()
    }

    /// Exemptions that ended before `now`: still in the policy, without effect.
    pub fn expired_exemptions(&self, now: Timestamp) -> Vec<Diagnostic> {
        self.exemptions()
            .iter()
            .filter(|exemption| !exemption.is_active_at(now))
            .map(|exemption| Diagnostic {
                code: "expired-exemption",
                severity: Severity::Warning,
                message: format!(
                    "exemption `{}` ended at {}",
                    exemption.id, exemption.expires
                ),
                span: exemption.source.clone(),
                bytes: exemption.bytes.clone(),
                help: "remove it, or agree on a new end".to_owned(),
            })
            .collect()
    }
}
