//! Policy files from disk, or the built-in policy.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cordon_policy::config::diagnostic::{Diagnostic, Severity};
use cordon_policy::config::text::{help_for, nearest, shown};
use cordon_policy::config::{self, Loaded, PolicySource};
use cordon_policy::evaluate::Ruleset;
use cordon_policy::finding::ConfigSpan;
use cordon_policy::policy_test::PolicyTest;
use cordon_storage::StorageError;
use cordon_storage::evidence::{Evidence, ExemptionChange, QuarantineChange};
use smol_str::SmolStr;

use crate::config::{Config, FeedContent, FeedsConfig, UpstreamConfig};
use crate::engine::{Clock as _, SystemClock};

/// Longest policy file read, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A usable policy and the texts it came from.
#[derive(Debug)]
pub struct LoadedPolicy {
    /// The ruleset.
    pub ruleset: Arc<Ruleset>,
    /// What the files say the policy must do.
    pub tests: Vec<PolicyTest>,
    /// What is worth saying about it.
    pub warnings: Vec<Diagnostic>,
    /// The texts.
    pub sources: Vec<PolicySource>,
    /// Exemptions administrators granted, each as a policy file of its own.
    pub granted: Vec<PolicySource>,
    /// Ids of those that were granted in an emergency.
    pub break_glass: BTreeSet<SmolStr>,
}

impl LoadedPolicy {
    /// What rules read that no configured feed brings: they are in force and have less effect than
    /// they seem to.
    pub fn without_source(&self, feeds: &FeedsConfig) -> Vec<Diagnostic> {
        if feeds
            .advisories
            .iter()
            .any(|feed| feed.content == FeedContent::Epss)
        {
            return Vec::new();
        }
        let variants = self.ruleset.rules().iter().flat_map(|rule| &rule.variants);
        let lacking = variants.filter(|it| it.settings.is_enabled && it.rule.reads_epss());
        lacking
            .map(|variant| Diagnostic {
                code: "no-epss-source",
                severity: Severity::Warning,
                message: "`min_epss` has no effect: no feed brings EPSS probabilities".to_owned(),
                span: variant.settings.source.clone(),
                bytes: self.place_of("min_epss", &variant.settings.source),
                help: "set feeds.epss_url or feeds.epss_file in the configuration, or remove \
                       `min_epss`"
                    .to_owned(),
            })
            .take(1)
            .collect()
    }

    /// Where a key stands in the table at a place; nowhere when it cannot be found.
    fn place_of(&self, key: &str, table: &ConfigSpan) -> Range<usize> {
        let file = self.sources.iter().find(|it| it.name == *table.file);
        let place = file.and_then(|file| {
            let before = usize::try_from(table.line).ok()?.saturating_sub(1);
            let lines = file.text.split_inclusive('\n').take(before);
            let start: usize = lines.map(str::len).sum();
            let at = start + file.text.get(start..)?.find(key)?;
            Some(at..at + key.len())
        });
        place.unwrap_or_default()
    }

    /// With what people decided by hand. What does not fit the files any more (its rule is gone, its
    /// id is taken) is left out and told of: nothing is let through by mistake, and the policy stays
    /// in force.
    #[must_use]
    pub fn with_granted(self, granted: &Granted) -> Self {
        let sources = granted.sources();
        if sources.is_empty() {
            return self;
        }
        let emergencies = granted.exemptions.iter().filter(|it| it.is_break_glass);
        let break_glass = emergencies.map(|change| change.id.clone()).collect();
        // One by one only when something is wrong with one: each look reads the whole policy.
        let (loaded, fitting) = match self.together_with(&sources) {
            Ok(loaded) => (Ok(loaded), sources),
            Err(_) => {
                let fit = sources.into_iter().filter(|source| self.fits(source));
                let fitting: Vec<PolicySource> = fit.collect();
                (self.together_with(&fitting), fitting)
            }
        };
        match loaded {
            Ok(loaded) if !fitting.is_empty() => Self {
                break_glass,
                ruleset: Arc::new(loaded.ruleset),
                granted: fitting,
                ..self
            },
            // Each fits alone, so together they do: their ids are those of one table.
            Ok(_) | Err(_) => self,
        }
    }

    fn fits(&self, source: &PolicySource) -> bool {
        let Err(problems) = self.together_with(std::slice::from_ref(source)) else {
            return true;
        };
        for problem in &problems {
            tracing::error!(exemption = source.name, %problem, "a granted exemption is left out");
        }
        false
    }

    /// The policy with more files.
    ///
    /// # Errors
    /// Every problem of all of them.
    pub fn together_with(&self, more: &[PolicySource]) -> Result<Loaded, Vec<Diagnostic>> {
        let all: Vec<PolicySource> = self.sources.iter().chain(more).cloned().collect();
        config::load(&all)
    }

    /// The policy, if what it names of the configuration is there: an owned name whose home is
    /// misspelled would be asked of nobody, and a rule for a route nobody has would never apply.
    ///
    /// # Errors
    /// Every upstream, route and identity that is named and not configured.
    pub fn for_server(self, config: &Config) -> Result<Self, RejectedPolicy> {
        let mut problems = unknown_upstreams(&self.ruleset, &config.upstreams);
        problems.extend(self.unknown_askers(config));
        match problems.is_empty() {
            true => Ok(self),
            false => Err(RejectedPolicy {
                problems,
                sources: self.sources,
            }),
        }
    }

    /// Routes and identities its rules name that the configuration does not have: these rules would
    /// never apply, and nobody would notice.
    pub fn unknown_askers(&self, config: &Config) -> Vec<Diagnostic> {
        let routes: Vec<&str> = config.routes.iter().map(SmolStr::as_str).collect();
        let identities = config.identities.iter();
        let identities: Vec<&str> = identities.map(|it| it.name.as_str()).collect();
        let variants = self.ruleset.rules().iter().flat_map(|rule| &rule.variants);
        let mut problems = Vec::new();
        for variant in variants {
            let scope = &variant.scope;
            let named = [
                ("route", "server.routes", &scope.routes, &routes),
                ("identity", "[identities]", &scope.identities, &identities),
            ];
            for (what, place, names, known) in named {
                let names = names.iter().flatten();
                for name in names.filter(|name| !known.contains(&name.as_str())) {
                    problems.push(Diagnostic {
                        code: "unknown-asker",
                        severity: Severity::Error,
                        message: format!("the configuration has no {what} `{name}`"),
                        span: variant.settings.source.clone(),
                        bytes: 0..0,
                        help: match nearest(name, known.iter().copied()) {
                            Some(meant) => format!("did you mean `{meant}`?"),
                            None => format!("add it to the configuration (`{place}`)"),
                        },
                    });
                }
            }
        }
        problems
    }

    /// All its text, with the names of the files, as it is kept in evidence.
    pub fn text(&self) -> String {
        self.sources
            .iter()
            .chain(&self.granted)
            .map(|source| format!("# {}\n{}\n", source.name, source.text))
            .collect()
    }
}

fn unknown_upstreams(ruleset: &Ruleset, upstreams: &[UpstreamConfig]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for home in ruleset.homes() {
        let of_ecosystem = upstreams
            .iter()
            .filter(|it| it.ecosystem == *home.ecosystem);
        let ids = of_ecosystem.map(|upstream| upstream.id.as_str());
        if ids.clone().any(|id| id == home.upstream) {
            continue;
        }
        let ecosystem = home.ecosystem;
        problems.push(Diagnostic {
            code: "unknown-upstream",
            severity: Severity::Error,
            message: format!(
                "no [[upstream.{ecosystem}]] in force has the id `{}`",
                shown(home.upstream)
            ),
            span: home.source.clone(),
            bytes: home.bytes.clone(),
            help: help_for(home.upstream, ids),
        });
    }
    problems
}

/// What people decided by hand on a running Cordon.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// Exemptions granted and not ended.
    pub exemptions: Vec<ExemptionChange>,
    /// Releases and rejections of what was held, not taken back.
    pub reviews: Vec<QuarantineChange>,
}

impl Granted {
    /// What the evidence says.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn of(evidence: &dyn Evidence) -> Result<Self, StorageError> {
        let now = SystemClock.now();
        let mut reviews = evidence.reviews().await?;
        // A release that ended sets nothing aside; it would only make the policy longer.
        reviews.retain(|it| it.expires.is_none_or(|end| now < end));
        Ok(Self {
            exemptions: evidence.exemptions().await?,
            reviews,
        })
    }

    /// Each as a policy file of its own.
    pub fn sources(&self) -> Vec<PolicySource> {
        let exemptions = self.exemptions.iter().filter_map(granted_source);
        let reviews = self.reviews.iter().filter_map(review_source);
        exemptions.chain(reviews).collect()
    }
}

/// A release or a rejection as a policy file.
pub fn review_source(review: &QuarantineChange) -> Option<PolicySource> {
    Some(PolicySource {
        name: format!("quarantine {}", review.ticket),
        text: review.text.clone()?,
    })
}

/// A granted exemption as a policy file.
pub fn granted_source(granted: &ExemptionChange) -> Option<PolicySource> {
    Some(PolicySource {
        name: format!("exemption {}", granted.id),
        text: granted.text.clone()?,
    })
}

/// A policy that cannot be used.
#[derive(Debug)]
pub struct RejectedPolicy {
    /// Every problem; at least one error.
    pub problems: Vec<Diagnostic>,
    /// The texts they point into.
    pub sources: Vec<PolicySource>,
}

/// Reads policy files; with none, the built-in policy. Exemptions may last so long from now on.
///
/// # Errors
/// Every problem of every file.
pub fn load(files: &[PathBuf]) -> Result<LoadedPolicy, RejectedPolicy> {
    let mut sources = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        match read(file) {
            Ok(source) => sources.push(source),
            Err(problem) => problems.push(problem),
        }
    }
    if files.is_empty() {
        let text = config::DEFAULT_POLICY.to_owned();
        sources.push(PolicySource {
            name: "built-in".to_owned(),
            text,
        });
    }
    let loaded = config::load(&sources);
    if let Ok(loaded) = &loaded {
        problems.extend(loaded.ruleset.overlong_exemptions(SystemClock.now()));
    }
    match loaded {
        Ok(Loaded {
            ruleset,
            tests,
            warnings,
        }) if problems.is_empty() => Ok(LoadedPolicy {
            ruleset: Arc::new(ruleset),
            tests,
            warnings,
            sources,
            granted: Vec::new(),
            break_glass: BTreeSet::new(),
        }),
        Ok(Loaded { warnings, .. }) => {
            problems.extend(warnings);
            Err(RejectedPolicy { problems, sources })
        }
        Err(more) => {
            problems.extend(more);
            Err(RejectedPolicy { problems, sources })
        }
    }
}

fn read(path: &Path) -> Result<PolicySource, Diagnostic> {
    let name = path.display().to_string();
    let refuse = |code: &'static str, message: String, help: &str| Diagnostic {
        code,
        severity: Severity::Error,
        message,
        span: ConfigSpan {
            file: name.as_str().into(),
            line: 1,
            column: 1,
        },
        bytes: 0..0,
        help: help.to_owned(),
    };
    let file = std::fs::File::open(path).map_err(|error| {
        refuse(
            "unreadable-file",
            format!("cannot open {name}: {error}"),
            "name an existing policy file, or none for the built-in policy",
        )
    })?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| {
            refuse(
                "unreadable-file",
                format!("cannot read {name}: {error}"),
                "it must be UTF-8 text",
            )
        })?;
    if text.len() as u64 > MAX_BYTES {
        return Err(refuse(
            "file-too-large",
            format!("{name} has more than {MAX_BYTES} bytes"),
            "split it into several files",
        ));
    }
    Ok(PolicySource { name, text })
}

#[cfg(test)]
mod tests {
    use cordon_policy::ecosystem::NPM;

    use super::*;

    fn loaded(folder: &Path, text: &str) -> Result<LoadedPolicy, RejectedPolicy> {
        let path = folder.join("policy.toml");
        std::fs::write(&path, text).unwrap();
        load(&[path])
    }

    fn upstream(id: &str) -> UpstreamConfig {
        UpstreamConfig {
            id: id.into(),
            ecosystem: NPM,
            url: "https://registry.example/".parse().unwrap(),
            files: Vec::new(),
            only: None,
            is_exclusive: false,
            credential: None,
            may_be_private: false,
            signature_keys: None,
        }
    }

    #[test]
    fn a_home_that_is_no_upstream_is_refused_with_its_place_and_a_suggestion() {
        let folder = tempfile::TempDir::new().unwrap();
        let policy = |id: &str| {
            let text = format!(
                "[[rules.namespace.owned]]\necosystem = 'npm'\nnames = ['@acme/*']\n\
                 upstreams = ['{id}']\n"
            );
            loaded(folder.path(), &text).unwrap()
        };
        let configured = [upstream("public"), upstream("internal")];
        let problems = |id: &str| unknown_upstreams(&policy(id).ruleset, &configured);
        assert!(problems("internal").is_empty());
        let found = problems("intrenal");
        let [problem] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((problem.code, problem.span.line), ("unknown-upstream", 4));
        assert!(problem.help.contains("`internal`"), "{problem}");
        assert_eq!(problem.bytes.len(), "'intrenal'".len() - 2);
    }

    #[test]
    fn a_probability_without_a_source_of_probabilities_is_told() {
        let folder = tempfile::TempDir::new().unwrap();
        let feeds = |text: &str| {
            let source = PolicySource {
                name: "cordon.toml".to_owned(),
                text: text.to_owned(),
            };
            let overrides = crate::config::Overrides::default();
            let read = crate::config::Config::read(
                Some(source),
                folder.path(),
                &overrides,
                &crate::config::Platform,
            );
            read.unwrap().config.feeds
        };
        let (without, with) = (
            feeds("[feeds]\nmax_shrink = '10%'\n"),
            feeds("[feeds]\nepss_file = 'epss.csv'\n"),
        );
        let told = |rule: &str, feeds: &FeedsConfig| {
            let policy = loaded(folder.path(), rule).unwrap();
            let problems = policy.without_source(feeds);
            problems
                .first()
                .map(|it| (it.code, it.is_error(), it.bytes.clone()))
        };
        let rule = "[rules.advisory]\nmin_epss = 0.1\n";
        assert_eq!(
            told(rule, &without),
            Some(("no-epss-source", false, 17..25))
        );
        assert_eq!(told(rule, &with), None);
        assert_eq!(told("[rules.advisory]\n", &without), None);
        let off = "[rules.integrity]\n[rules.advisory]\nenabled = false\nmin_epss = 0.1\n";
        assert_eq!(told(off, &without), None);
    }

    #[test]
    fn an_exemption_that_would_last_for_years_is_refused() {
        let folder = tempfile::TempDir::new().unwrap();
        let day = std::time::Duration::from_secs(24 * 3_600);
        let policy = |rule: &str, days: u32| {
            let until = SystemClock.now().saturating_add(day * days);
            let text = format!(
                "[rules.deny]\npurls = ['pkg:npm/a']\n[rules.malware]\n[[exempt]]\nid = 'a'\n\
                 package = 'pkg:npm/a@1.0.0'\nrules = ['{rule}']\nreason = 'r'\nowner = 'o'\n\
                 approved_by = 'p'\nticket = 'T-1'\nuntil = '{until}'\n"
            );
            let rejected = loaded(folder.path(), &text).err();
            rejected.map(|rejected| rejected.problems[0].code)
        };
        assert_eq!(policy("deny", 365), None);
        assert_eq!(policy("deny", 367), Some("exemption-too-long"));
        assert_eq!(policy("malware", 90), None);
        assert_eq!(policy("malware", 92), Some("exemption-too-long"));
    }
}
