//! INV-11: whatever a store fails at, at whichever call and in whichever way, nothing that is not
//! allowed is sent, and nothing at all before its decision is durable.
#![expect(
    clippy::print_stdout,
    reason = "figures are for whoever reads the test output"
)]

mod answers;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cordon_policy::decision::DecisionId;
use cordon_policy::evaluate::Ruleset;
use cordon_policy::model::Digest;
use cordon_policy::verdict::Effect;
use cordon_storage::StorageErrorKind;
use cordon_storage::evidence::Evidence as _;
use cordon_tests::clock::{ago, hours};
use cordon_tests::fake_registry::{FakeRegistry, Index, Protocol, Release};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{Standing, configuration, document, engine_of, ruleset};
use crate::config::Config;
use crate::engine::Engine;
use crate::upstream::Upstreams;
use answers::{FailingStores, Head, ask};

/// Everything a store can fail at, by the names in its plan of failures.
const OPERATIONS: [&[&str]; 3] = [
    &[
        "stage",
        "write",
        "file",
        "commit",
        "open",
        "file",
        "read_at",
        "stat",
        "delete",
        "set_aside",
        "scan",
    ],
    &[
        "document",
        "put_document",
        "remove_document",
        "documents",
        "artifact",
        "put_artifact",
        "remove_artifact",
        "artifacts",
        "sheet",
        "put_sheet",
        "remove_sheet",
        "flush",
    ],
    &[
        "append",
        "put_text",
        "text",
        "decision",
        "decisions",
        "latest",
        "standing",
        "pin",
        "remembered",
        "sightings",
        "notices",
        "servings",
        "exposures",
        "receivers",
        "packages",
        "exemptions",
        "hold",
        "holds",
        "quarantine_history",
        "reviews",
        "held_bytes",
        "hold_counts",
        "missed",
        "missed_count",
        "missed_names",
        "entries",
        "checkpoint",
    ],
];

const POLICY: &str = "[rules.integrity]\n\n[rules.minimum-age]\nversion_age = \"72h\"\n\n\
    [rules.deny]\npurls = [\"pkg:npm/denied-package\", \"pkg:pypi/denied-package\", \
    \"pkg:cargo/denied-package\"]\n";
/// The same, without the package that was allowed so far.
const STRICTER: &str = "[rules.integrity]\n\n[rules.deny]\npurls = [\"pkg:npm/small-package\", \
    \"pkg:pypi/small-package\", \"pkg:cargo/small-package\"]\n";

const SMALL: &str = "small-package";
const LARGE: &str = "large-package";
const CHANGED: &str = "changed-package";
const DENIED: &str = "denied-package";
const OLD: &str = "1.0.0";
const YOUNG: &str = "1.2.0";

/// What goes wrong in one run.
#[derive(Clone, Copy, Debug)]
struct Planned {
    store: usize,
    operation: &'static str,
    call: u64,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// This call has no effect and fails.
    Once(StorageErrorKind),
    /// So does every one after it.
    FromThere(StorageErrorKind),
    /// It has its effect, or a part of it, and fails.
    Torn,
}

impl Planned {
    fn plan(self, stores: &FailingStores) {
        let faults = &stores.faults[self.store];
        match self.how {
            How::Once(kind) => faults.fail(self.operation, self.call, kind),
            How::FromThere(kind) => faults.fail_from(self.operation, self.call, kind),
            How::Torn => faults.tear(self.operation, self.call, 3),
        }
    }
}

/// What came of the answers of a run.
#[derive(Debug, Default)]
struct Tally {
    served: u64,
    cut: u64,
    refused: u64,
    failed: u64,
}

/// The stores in one run, and what came of it.
struct Run<'a> {
    world: &'a World,
    stores: FailingStores,
    clock: Arc<Standing>,
    policy: Arc<Ruleset>,
    tally: Tally,
}

/// The registry every run begins with, and the connections to it.
struct World {
    protocol: Protocol,
    registry: FakeRegistry,
    config: Arc<Config>,
    upstreams: Upstreams,
}

fn world(protocol: Protocol) -> World {
    let registry = FakeRegistry::start();
    // Larger archives stay in the store while they are sent.
    let config = configuration(&registry, "[limits]\nartifact_cache_each_size = \"4KiB\"\n");
    let world = World {
        protocol,
        upstreams: Upstreams::new(&config.upstreams, &config.limits).expect("clients can be made"),
        config: Arc::new(config),
        registry,
    };
    let publish = |release: Release| world.registry.publish(release);
    publish(Release::new(protocol, SMALL, OLD));
    publish(Release::new(protocol, SMALL, YOUNG).published_at(ago(hours(1))));
    publish(Release::new(protocol, LARGE, OLD).padded(600_000));
    publish(Release::new(protocol, DENIED, OLD));
    world
}

impl<'a> Run<'a> {
    fn new(world: &'a World, planned: &[Planned]) -> Self {
        let changed = Release::new(world.protocol, CHANGED, OLD);
        world.registry.publish(changed);
        let stores = FailingStores::new();
        for one in planned {
            one.plan(&stores);
        }
        Self {
            world,
            stores,
            clock: Standing::now(),
            policy: ruleset(POLICY),
            tally: Tally::default(),
        }
    }

    fn start(&self) -> Arc<Engine> {
        engine_of(
            &self.world.config,
            self.world.upstreams.clone(),
            &self.clock,
            &self.stores.stores(),
            Arc::clone(&self.policy),
        )
    }

    /// Everything there is to ask, cold, warm, after a restart, after bytes rotted, after the
    /// registry changed its story and after the policy did; then once more with stores that work.
    async fn play(&mut self) {
        let engine = self.start();
        self.document(&engine, SMALL).await;
        self.document(&engine, DENIED).await;
        self.all_files(&engine).await;
        self.all_files(&engine).await;
        engine.finish().await;

        let engine = self.start();
        self.all_files(&engine).await;
        self.document(&engine, SMALL).await;
        engine.finish().await;

        for package in [SMALL, LARGE] {
            let digest = Digest::of(&self.bytes_of(package, OLD));
            let blobs = self.stores.blobs.inner();
            blobs.damage(&digest, |bytes| bytes[0] ^= 1);
        }
        let engine = self.start();
        self.all_files(&engine).await;
        self.all_files(&engine).await;
        engine.finish().await;

        let first = self.bytes_of(CHANGED, OLD);
        let other = [&first[..], b"changed"].concat();
        self.world.registry.change_bytes(
            self.world.protocol,
            CHANGED,
            OLD,
            other.clone(),
            Index::Follows,
        );
        self.clock.advance(Duration::from_secs(3_600));
        let engine = self.start();
        self.file(&engine, CHANGED, OLD, &[&first, &other]).await;
        engine.finish().await;

        // Pinned by now, and to be decided anew.
        let engine = self.start();
        engine.replace_policy(ruleset(&POLICY.replace("72h", "71h")));
        self.all_files(&engine).await;
        engine.finish().await;

        let engine = self.start();
        engine.replace_policy(ruleset(STRICTER));
        self.file(&engine, SMALL, OLD, &[]).await;
        engine.finish().await;

        self.stores.heal();
        let engine = self.start();
        // Damage that could not be dealt with before may be met once more.
        self.all_files(&engine).await;
        let before = self.tally.served;
        self.all_files(&engine).await;
        self.document(&engine, SMALL).await;
        engine.finish().await;
        assert_eq!(self.tally.served - before, 3, "not well again");
    }

    fn bytes_of(&self, package: &str, version: &str) -> Bytes {
        let World {
            protocol, registry, ..
        } = self.world;
        registry.bytes_of(*protocol, package, version)
    }

    fn file_path(&self, package: &str, version: &str) -> String {
        let World {
            protocol, registry, ..
        } = self.world;
        registry.file_path(*protocol, package, version)
    }

    async fn all_files(&mut self, engine: &Arc<Engine>) {
        for package in [SMALL, LARGE] {
            let bytes = self.bytes_of(package, OLD);
            self.file(engine, package, OLD, &[&bytes]).await;
        }
        self.file(engine, SMALL, YOUNG, &[]).await;
        self.file(engine, DENIED, OLD, &[]).await;
    }

    /// Asks for an archive, of which at most one of `allowed` may come.
    async fn file(
        &mut self,
        engine: &Arc<Engine>,
        package: &str,
        version: &str,
        allowed: &[&[u8]],
    ) {
        let path = self.file_path(package, version);
        let name = path.rsplit('/').next().unwrap_or_default();
        let path = match self.world.protocol {
            Protocol::Npm => format!("npm/{package}/-/{name}"),
            Protocol::Pypi => format!("pypi/files/{package}/{name}"),
            Protocol::Cargo => format!("cargo/api/v1/crates/{package}/{version}/download"),
        };
        let head = ask(engine, &path).await;
        if head.status != 200 {
            let published = self.bytes_of(package, version);
            return self.withheld(head, &published).await;
        }
        assert!(!allowed.is_empty(), "{path} is not allowed");
        // Durable in the store behind the failing one, before a byte of the body is asked for.
        let id = head.headers["x-cordon-decision"].to_str().expect("text");
        let id = DecisionId::parse(id).expect("a decision");
        let logged = self.stores.evidence.inner().decision(&id).await;
        let logged = logged.expect("it works").expect("the decision is kept");
        let decision = logged.decision;
        assert_eq!(decision.evaluation.effect(), Effect::Allow, "{path}");
        assert_eq!(decision.evaluation.subject().name.normalized(), package);
        let proved = decision
            .facts
            .bytes
            .known()
            .map(|bytes| bytes.sha256.clone());
        let (bytes, is_whole) = head.receive().await;
        let of_these = |allowed: &&&[u8]| {
            proved == Some(Digest::of(allowed))
                && allowed.starts_with(&bytes)
                && (!is_whole || allowed.len() == bytes.len())
        };
        assert!(
            allowed.iter().any(|one| of_these(&one)),
            "{path}: other bytes"
        );
        match is_whole {
            true => self.tally.served += 1,
            false => self.tally.cut += 1,
        }
    }

    /// Asks for a document, which must not offer what is withheld.
    async fn document(&mut self, engine: &Arc<Engine>, package: &str) {
        let path = document(self.world.protocol, package);
        let head = ask(engine, &path).await;
        if head.status != 200 {
            return self.withheld(head, b"no archive").await;
        }
        let (bytes, is_whole) = head.receive().await;
        assert!(package != DENIED && is_whole, "{path}");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(OLD), "{path}: {text}");
        for line in text.lines().filter(|line| line.contains(YOUNG)) {
            assert!(line.contains("\"yanked\":true"), "{path}: {line}");
        }
        self.tally.served += 1;
    }

    /// An answer that is no consent: never "there is no such thing", never with bytes.
    async fn withheld(&mut self, head: Head, archive: &[u8]) {
        let status = head.status;
        assert!(matches!(status, 403 | 451 | 500..=599), "{status}");
        let (bytes, _) = head.receive().await;
        let beginning = &archive[..archive.len().min(32)];
        assert!(!bytes.windows(beginning.len()).any(|part| part == beginning));
        match status {
            403 | 451 => self.tally.refused += 1,
            _ => self.tally.failed += 1,
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

fn is_thorough() -> bool {
    std::env::var_os("CORDON_SLOW").is_some()
}

/// Each call of each operation of each store fails, one in a run.
fn every_call_fails_once(protocol: Protocol) {
    use StorageErrorKind::{Corrupt, Format, Full, Io, Unavailable};
    let ways = [
        How::Once(Io),
        How::Once(Corrupt),
        How::FromThere(Io),
        How::Torn,
        How::Once(Full),
        How::Once(Unavailable),
        How::Once(Format),
        How::FromThere(Corrupt),
        How::FromThere(Unavailable),
    ];
    let (runtime, world) = (runtime(), world(protocol));
    let mut sound = Run::new(&world, &[]);
    runtime.block_on(sound.play());
    let (mut runs, mut tally, mut unused) = (0, Tally::default(), Vec::new());
    for (store, operations) in OPERATIONS.iter().enumerate() {
        for operation in *operations {
            let calls = sound.stores.faults[store].calls(operation);
            if calls == 0 {
                unused.push(*operation);
            }
            for call in 1..=calls {
                // For every change one way after the other, for a release each of them.
                let all = ways.iter().cycle().skip(runs).take(match is_thorough() {
                    false => 1,
                    true => ways.len(),
                });
                for how in all {
                    let planned = Planned {
                        store,
                        operation,
                        call,
                        how: *how,
                    };
                    let mut run = Run::new(&world, &[planned]);
                    let played = AssertUnwindSafe(|| runtime.block_on(run.play()));
                    if let Err(panic) = catch_unwind(played) {
                        println!("{protocol:?}, {planned:?}:");
                        resume_unwind(panic);
                    }
                    runs += 1;
                    tally.served += run.tally.served;
                    tally.cut += run.tally.cut;
                    tally.refused += run.tally.refused;
                    tally.failed += run.tally.failed;
                }
            }
        }
    }
    println!("{protocol:?}: {runs} failures, {tally:?}; not called: {unused:?}");
    assert!(runs > 100 && tally.failed > 0);
}

#[test]
fn inv_11_npm_each_call_of_each_store_fails() {
    every_call_fails_once(Protocol::Npm);
}

#[test]
fn inv_11_pypi_each_call_of_each_store_fails() {
    every_call_fails_once(Protocol::Pypi);
}

#[test]
fn inv_11_cargo_each_call_of_each_store_fails() {
    every_call_fails_once(Protocol::Cargo);
}

/// The table above has every operation that can fail: read from the traits themselves.
#[test]
fn inv_11_no_operation_is_missing_from_the_table() {
    let sources = [
        include_str!("../../../../storage/src/blob/mod.rs"),
        include_str!("../../../../storage/src/cache/mod.rs"),
        include_str!("../../../../storage/src/evidence/mod.rs"),
    ];
    for (source, operations) in sources.iter().zip(OPERATIONS) {
        let traits = source.split("pub trait ").skip(1);
        let bodies = traits.map(|text| text.split("\n}").next().unwrap_or_default());
        let signatures = bodies.flat_map(|body| body.split("fn ").skip(1));
        let mut fallible: Vec<&str> = signatures
            .filter(|text| {
                let end = text.find([';', '{']).unwrap_or(text.len());
                text[..end].contains("StorageError")
            })
            .filter_map(|text| text.split('(').next())
            .collect();
        let mut listed = operations.to_vec();
        fallible.sort_unstable();
        listed.sort_unstable();
        assert_eq!(fallible, listed);
    }
}

fn any_planned() -> impl Strategy<Value = Planned> {
    let operation = (0..OPERATIONS.len()).prop_flat_map(|store| {
        let operations = OPERATIONS[store];
        (0..operations.len()).prop_map(move |index| (store, operations[index]))
    });
    let kind = prop_oneof![
        Just(StorageErrorKind::Io),
        Just(StorageErrorKind::Corrupt),
        Just(StorageErrorKind::Full),
        Just(StorageErrorKind::Unavailable),
    ];
    let how = prop_oneof![
        kind.clone().prop_map(How::Once),
        kind.prop_map(How::FromThere),
        Just(How::Torn),
    ];
    (operation, 1..12_u64, how).prop_map(|((store, operation), call, how)| Planned {
        store,
        operation,
        call,
        how,
    })
}

#[test]
fn inv_11_any_failures_of_any_stores_together_allow_nothing() {
    let (runtime, worlds) = (runtime(), Protocol::ALL.map(world));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: if is_thorough() { 5_000 } else { 200 },
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let failures = prop::collection::vec(any_planned(), 1..8);
    let outcome = runner.run(&(failures, 0..worlds.len()), |(planned, protocol)| {
        let mut run = Run::new(&worlds[protocol], &planned);
        runtime.block_on(run.play());
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
