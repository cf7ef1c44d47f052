//! The scene most tests start from: a fake registry with the same three kinds of version in every
//! protocol, and a Cordon in front of it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::clock::{ago, days, hours};
use crate::cordon::{Builder, Cordon};
use crate::fake_registry::{FakeRegistry, Protocol, Release};

/// The package every scene has in every protocol.
pub const PACKAGE: &str = "demo-package";
/// An old version of it, allowed by any sensible policy.
pub const OLD: &str = "1.0.0";
/// A later old version, the newest one a policy with a minimum age lets through.
pub const SETTLED: &str = "1.1.0";
/// A version published an hour ago.
pub const YOUNG: &str = "1.2.0";

/// A fake registry and a Cordon. Dropped in this order: Cordon first.
pub struct Scene {
    /// Cordon.
    pub cordon: Cordon,
    /// What is behind it.
    pub registry: FakeRegistry,
}

impl Scene {
    /// The usual packages behind a Cordon with this policy.
    ///
    /// # Panics
    /// If Cordon does not come up.
    pub fn with_policy(policy: &str) -> Self {
        let registry = registry();
        let cordon = Builder::new(&registry).policy(policy).start();
        Self { cordon, registry }
    }

    /// The usual packages behind a Cordon that only verifies digests.
    ///
    /// # Panics
    /// If Cordon does not come up.
    pub fn new() -> Self {
        let registry = registry();
        let cordon = Cordon::start(&registry);
        Self { cordon, registry }
    }
}

impl Default for Scene {
    fn default() -> Self {
        Self::new()
    }
}

/// A scene for many tests that only look: made by the first, gone with the last that holds it.
/// A plain static would never be dropped, and would leave its Cordon running.
pub struct Shared {
    make: fn() -> Scene,
    current: Mutex<Weak<Scene>>,
}

impl Shared {
    /// Made by this function when first asked for.
    pub const fn new(make: fn() -> Scene) -> Self {
        Self {
            make,
            current: Mutex::new(Weak::new()),
        }
    }

    /// The scene.
    ///
    /// # Panics
    /// If Cordon does not come up.
    pub fn get(&self) -> Arc<Scene> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().unwrap_or_else(|| {
            let made = Arc::new((self.make)());
            *current = Arc::downgrade(&made);
            made
        })
    }
}

/// A fake registry with [`PACKAGE`] in [`OLD`], [`SETTLED`] and [`YOUNG`], in every protocol.
pub fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start();
    for protocol in Protocol::ALL {
        registry.publish_all(protocol, PACKAGE, &[OLD]);
        let settled = Release::new(protocol, PACKAGE, SETTLED).published_at(ago(days(200)));
        registry.publish(settled);
        let young = Release::new(protocol, PACKAGE, YOUNG).published_at(ago(hours(1)));
        registry.publish(young);
    }
    registry
}
