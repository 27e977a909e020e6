//! What of a configuration is in force at the portal.

use std::sync::Arc;

use crate::portal::Portal;
use crate::portal::checkers::Checkers;
use crate::portal::settings::PortalSettings;

/// The settings in force, and the checkers that were made of them: a claim has both of
/// one configuration.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) settings: Arc<PortalSettings>,
    pub(super) checkers: Arc<Checkers>,
}

impl InForce {
    /// Both of one configuration.
    pub(super) fn new(settings: PortalSettings, checkers: Checkers) -> Self {
        Self {
            settings: Arc::new(settings),
            checkers: Arc::new(checkers),
        }
    }
}

impl Portal {
    /// The checkers in force.
    pub(super) fn checkers(&self) -> Arc<Checkers> {
        self.in_force.get().checkers.clone()
    }
}
