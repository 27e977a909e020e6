//! `turntable config`: print the configuration in effect.

use std::path::PathBuf;

use clap::Args;

use crate::config::load;

/// In place of a secret.
const HIDDEN: &str = "(hidden)";

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The configuration file; see `turntable serve --help`.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ShowArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut config = load::load(self.config.as_deref())?;
        for service in config.services.values_mut() {
            for secret in [&mut service.token, &mut service.direct_key] {
                if !secret.is_empty() {
                    HIDDEN.clone_into(secret);
                }
            }
        }
        let webhooks = &mut config.webhooks;
        for secret in [&mut webhooks.secret, &mut webhooks.previous_secret] {
            if !secret.is_empty() {
                HIDDEN.clone_into(secret);
            }
        }
        super::print(&toml::to_string(&config)?)
    }
}
