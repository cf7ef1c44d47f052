//! The states against a model: random lives of one artifact.

use std::sync::Arc;

use cordon_policy::config::{PolicySource, load};
use cordon_policy::ecosystem::scheme_for;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::facts::{Fact, PackageFacts, VersionFacts};
use cordon_policy::model::{
    ArtifactId, ArtifactKind, Digest, DigestAlgorithm, Digests, Ecosystem, FileName,
    PackageVersion, Timestamp, Version,
};
use cordon_policy::verdict::{Effect, Evaluation};
use cordon_storage::evidence::{HoldState, QuarantineAct, QuarantineChange};
use proptest::prelude::*;

use super::state;

/// What can happen to something held once.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A finding appears that was not there: two kinds of it.
    Found(usize),
    /// It goes away.
    Gone(usize),
    /// Somebody releases, rejects or takes back, if that is possible.
    Release,
    Reject,
    Undo,
    /// Somebody asks; nothing follows from it.
    Ask,
    /// So much time passes.
    Later(i64),
}

/// How long releases last here.
const RELEASED_FOR: i64 = 100_000;

/// The artifact as it should be.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    found: [bool; 2],
    /// What a release set aside, and when it ends.
    released: Option<([bool; 2], i64)>,
    is_rejected: bool,
}

impl Model {
    fn state(&self) -> HoldState {
        let held = |index: usize| {
            let is_waived = self
                .released
                .is_some_and(|(found, end)| found[index] && self.now < end);
            self.found[index] && !is_waived
        };
        if self.is_rejected {
            HoldState::Rejected
        } else if held(0) || held(1) {
            HoldState::Held
        } else if self.found == [false, false] || self.released.is_none() {
            HoldState::Cleared
        } else {
            HoldState::Released
        }
    }

    /// Whether the event was possible.
    fn happen(&mut self, event: Event) -> bool {
        match event {
            Event::Found(index) => self.found[index] = true,
            Event::Gone(index) => self.found[index] = false,
            Event::Later(by) => self.now += by,
            Event::Ask => {}
            Event::Release | Event::Reject if self.state() != HoldState::Held => return false,
            Event::Release => self.released = Some((self.found, self.now + RELEASED_FOR)),
            Event::Reject => (self.is_rejected, self.released) = (true, None),
            Event::Undo => match self.state() {
                HoldState::Released => self.released = None,
                HoldState::Rejected => self.is_rejected = false,
                HoldState::Held | HoldState::Cleared => return false,
            },
        }
        true
    }
}

const NAMES: [&str; 2] = ["one", "two"];

/// The code under test with the rules and the record it looks at.
struct Life {
    found: [bool; 2],
    review: Option<QuarantineChange>,
    now: i64,
}

fn artifact() -> ArtifactId {
    let npm = scheme_for(&Ecosystem::from_static("npm")).expect("an ecosystem");
    ArtifactId {
        subject: PackageVersion {
            name: npm.package("left-pad").expect("a name"),
            version: Version::verbatim("1.0.0"),
        },
        file: FileName::new("left-pad-1.0.0.tgz").expect("a file name"),
        kind: ArtifactKind::Archive,
    }
}

fn facts() -> VersionFacts {
    let artifact = artifact();
    let package = PackageFacts::unknown(artifact.subject.name.clone(), "test".into());
    let mut facts = VersionFacts::unknown(artifact, Arc::new(package));
    facts.declared = declares(b"declared");
    facts
}

/// A SHA-512, as npm declares it.
fn declares(bytes: &[u8]) -> Fact<Digests> {
    use sha2::Digest as _;
    let digest = sha2::Sha512::digest(bytes);
    let digest = Digest::from_bytes(DigestAlgorithm::Sha512, &digest).expect("64 bytes");
    Fact::Known([digest].into_iter().collect())
}

impl Life {
    fn ruleset(&self) -> Ruleset {
        let mut text = "[rules.integrity]\n".to_owned();
        for (name, is_found) in NAMES.iter().zip(self.found) {
            let rule = match *name {
                "one" => "deny",
                _ => "license",
            };
            if is_found && rule == "deny" {
                text.push_str(
                    "[rules.deny]\neffect = 'quarantine'\npurls = ['pkg:npm/left-pad']\n",
                );
            }
            if is_found && rule == "license" {
                text.push_str(
                    "[rules.license]\necosystem = 'npm'\neffect = 'quarantine'\n\
                     allow = ['MIT']\n",
                );
            }
        }
        if let Some(text_of) = self.review.as_ref().and_then(|it| it.text.as_ref()) {
            text.push_str(text_of);
        }
        let source = PolicySource {
            name: "policy".to_owned(),
            text,
        };
        load(&[source]).expect("a policy").ruleset
    }

    fn present(&self) -> Evaluation {
        let mut facts = facts();
        facts.license = Fact::Known("GPL-3.0-only".into());
        self.ruleset()
            .evaluate(&facts, Timestamp::from_millis(self.now))
    }

    fn state(&self) -> HoldState {
        state(self.review.as_ref(), &[self.present()])
    }

    fn settle(&mut self, act: QuarantineAct) {
        let now = Timestamp::from_millis(self.now);
        let mut change = QuarantineChange {
            at: now,
            ticket: cordon_policy::decision::DecisionId::from_random(1),
            artifact: artifact(),
            sha256: None,
            act,
            from: self.state(),
            by: "ada".into(),
            reason: "because".to_owned(),
            seen: None,
            fingerprints: Vec::new(),
            approved_by: None,
            expires: None,
            text: None,
            client: None,
            contact: None,
        };
        let present = self.present();
        let hold = cordon_storage::evidence::Hold {
            index: 0,
            ticket: change.ticket.clone(),
            since: now,
            artifact: artifact(),
            standing: Vec::new(),
            review: None,
            approval: None,
            requests: Vec::new(),
        };
        if act == QuarantineAct::Released {
            let until = Some(Timestamp::from_millis(self.now + RELEASED_FOR));
            let signed = super::order::Signed {
                change: &change,
                until,
                release_for: std::time::Duration::from_secs(1),
            };
            let exemption = super::order::release(&hold, &facts(), &present, &signed);
            change.text = Some(super::order::text_of_release(&exemption));
        }
        if act == QuarantineAct::Rejected {
            let rejection = super::order::rejection(&hold, &change);
            change.text = Some(super::order::text_of_rejection(&rejection));
        }
        self.review = Some(change);
    }

    fn happen(&mut self, event: Event) -> bool {
        let state = self.state();
        match event {
            Event::Found(index) => self.found[index] = true,
            Event::Gone(index) => self.found[index] = false,
            Event::Later(by) => self.now += by,
            Event::Ask => {}
            Event::Release if super::review::may_settle(state) => {
                self.settle(QuarantineAct::Released);
            }
            Event::Reject if super::review::may_settle(state) => {
                self.settle(QuarantineAct::Rejected);
            }
            Event::Undo => {
                let act = self.review.as_ref().map(|it| it.act);
                if !super::review::may_undo(act, state) {
                    return false;
                }
                self.settle(QuarantineAct::Undone);
            }
            Event::Release | Event::Reject => return false,
        }
        true
    }
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..2usize).prop_map(Event::Found),
        (0..2usize).prop_map(Event::Gone),
        Just(Event::Release),
        Just(Event::Release),
        Just(Event::Reject),
        Just(Event::Undo),
        Just(Event::Ask),
        (1..RELEASED_FOR * 2).prop_map(Event::Later),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The gate and the list agree with the model after everything that happens, and what is not
    /// possible there is a conflict here.
    #[test]
    fn inv_20_every_life_of_a_held_artifact_goes_as_the_model_says(
        all in proptest::collection::vec(events(), 1..20),
    ) {
        let mut model = Model { found: [true, false], ..Model::default() };
        let mut life = Life { found: [true, false], review: None, now: 0 };
        for event in all {
            prop_assert_eq!(life.happen(event), model.happen(event), "{:?}", event);
            prop_assert_eq!(life.state(), model.state(), "after {:?}: {:?}", event, model);
            let is_let_through = life.present().effect() == Effect::Allow;
            let should_be = matches!(model.state(), HoldState::Released | HoldState::Cleared);
            prop_assert_eq!(is_let_through, should_be, "after {:?}", event);
        }
    }
}

#[test]
fn a_release_of_something_never_fetched_holds_only_while_the_same_is_declared() {
    let mut life = Life {
        found: [true, false],
        review: None,
        now: 0,
    };
    life.settle(QuarantineAct::Released);
    assert_eq!(life.state(), HoldState::Released);
    let ruleset = life.ruleset();
    let now = Timestamp::from_millis(1);
    let mut other = facts();
    other.license = Fact::Known("MIT".into());
    assert_eq!(ruleset.evaluate(&other, now).effect(), Effect::Allow);
    other.declared = declares(b"replaced");
    assert_eq!(ruleset.evaluate(&other, now).effect(), Effect::Quarantine);
}
