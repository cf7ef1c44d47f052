//! D-20: new data that refuses much of what is in use waits for a person.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cordon_policy::model::PackageName;
use cordon_storage::Chain;

use super::data::{AdvisoryData, HeldBack};
use super::installed::Installed;
use super::notes::Awaiting;
use super::watch::Watch;
use crate::engine::Scope;

/// What counts as served lately.
const LATELY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Watch {
    /// D-20: what the new data would newly refuse of what was served lately waits for a person,
    /// when it is more than a person would not notice.
    pub(super) async fn hold_back(
        &self,
        new: &Installed,
        changed: Option<&BTreeSet<PackageName>>,
    ) -> Option<Arc<HeldBack>> {
        let (before, changed) = (self.installed.as_ref()?, changed?);
        let now = self.now();
        let plain = Installed {
            held_back: None,
            ..new.clone()
        };
        let data = AdvisoryData::new([(self.ecosystem.clone(), plain.feed())]);
        let since = now.saturating_sub(LATELY);
        let mut asked_about = changed.clone();
        let waiting = before.held_back.as_ref().filter(|it| now < it.until);
        asked_about.extend(waiting.iter().flat_map(|it| it.packages.iter().cloned()));
        let newly = self.engine.newly_refused(&data, &asked_about, since).await;
        let mut packages = match newly {
            Ok(packages) => packages,
            Err(error) => {
                // Refusing is the safe side.
                tracing::warn!(error = %Chain(&error), "what new advisory data would refuse is not known");
                return None;
            }
        };
        packages.extend(waiting.iter().flat_map(|it| it.packages.iter().cloned()));
        if waiting.is_none() && packages.len() <= self.config().confirm_above {
            return None;
        }
        let until = waiting.map_or_else(
            || now.saturating_add(self.config().confirm_within),
            |it| it.until,
        );
        let awaiting = Awaiting {
            generation: new.generation.number,
            previous: before.generation.number,
            packages: packages.clone(),
            until,
        };
        if let Err(error) = Awaiting::write(Some(&awaiting), &self.generations) {
            tracing::warn!(error = %Chain(&error), "what waits to be confirmed was not noted");
        }
        let previous = match waiting {
            Some(waiting) => Arc::clone(&waiting.previous),
            None => Arc::clone(&before.index) as _,
        };
        Some(Arc::new(HeldBack {
            previous,
            packages,
            until,
        }))
    }

    /// Puts in force what waited, once it is confirmed or has waited long enough.
    pub(super) async fn look_at_confirmation(&mut self) {
        let Some(installed) = &mut self.installed else {
            return;
        };
        let Some(held_back) = installed.held_back.clone() else {
            return;
        };
        let is_confirmed = Awaiting::read(&self.generations).is_none();
        let now = self.feeds.shared.clock.now();
        if !is_confirmed && now < held_back.until {
            return;
        }
        installed.held_back = None;
        if let Err(error) = Awaiting::write(None, &self.generations) {
            tracing::warn!(error = %Chain(&error), "what waited to be confirmed is still noted");
        }
        let how = match is_confirmed {
            true => "was confirmed",
            false => "was confirmed by nobody in time and takes effect",
        };
        let text = format!(
            "the refusal of {} {} packages in use {how}",
            held_back.packages.len(),
            self.ecosystem
        );
        self.notice("feed-confirmed", text).await;
        self.put_in_force(Some(Scope::Packages(held_back.packages.clone())));
    }
}
