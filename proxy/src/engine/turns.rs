//! Turns at concluding something about a package: between looking at what is on record and adding
//! to it nobody else adds, so that each conclusion is recorded once.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use cordon_policy::model::PackageName;
use tokio::sync::{Mutex, MutexGuard};

/// Turns there are; packages share them.
const TURNS: usize = 64;

#[derive(Debug)]
pub(super) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::new(())).collect())
    }
}

impl Turns {
    /// Waits for the turn at a package. Two must not be held at once.
    pub(super) async fn of(&self, package: &PackageName) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(package);
        let place = usize::try_from(hash % TURNS as u64).unwrap_or(0);
        let turn = self
            .0
            .get(place)
            .expect("the remainder is below their number");
        turn.lock().await
    }
}
