//! A version that was locked while it was allowed, and denied since.

use std::time::{Duration, Instant};

use cordon_tests::client::{Sandbox, Tool, listing};
use cordon_tests::cordon::{Cordon, Signal};
use cordon_tests::fake_registry::FakeRegistry;
use cordon_tests::fixture::{OLD, PACKAGE, SETTLED, Scene};

use super::deny;

/// How long a changed policy may take to come into force.
const PATIENCE: Duration = Duration::from_secs(20);

/// The version in the lock file: the newest that no client finds too young by itself.
pub(super) const PINNED: &str = SETTLED;

/// A project whose lock file was written through Cordon and pins a version that is denied by now.
pub(super) struct Locked {
    pub(super) scene: Scene,
    pub(super) sandbox: Sandbox,
}

impl Locked {
    /// Writes the lock file, forgets what was installed, changes the policy. `None` when the client
    /// is absent.
    pub(super) fn new(tool: Tool) -> Option<Self> {
        let registry = FakeRegistry::start();
        registry.publish_all(tool.protocol(), PACKAGE, &[OLD, PINNED]);
        let cordon = Cordon::start(&registry);
        let scene = Scene { cordon, registry };
        let sandbox = Sandbox::new();
        let base = scene.cordon.url(tool.protocol());
        let mut command = tool.install(&sandbox, &base, PACKAGE)?;
        sandbox.run(&mut command).expect_success();
        sandbox.forget_caches();
        sandbox.forget("node_modules");
        sandbox.forget(".venv");
        let denied = deny(PACKAGE, &format!("versions = \">={PINNED}\""));
        scene.cordon.write_policy(&denied);
        scene.cordon.signal(Signal::Reload);
        let deadline = Instant::now() + PATIENCE;
        while listing::choices(tool.protocol(), &base, PACKAGE).contains(&PINNED.to_owned()) {
            assert!(Instant::now() < deadline, "{}", scene.cordon.log());
        }
        scene.registry.log().clear();
        Some(Self { scene, sandbox })
    }

    /// The base address of Cordon for the client.
    pub(super) fn base(&self, tool: Tool) -> String {
        self.scene.cordon.url(tool.protocol())
    }
}
