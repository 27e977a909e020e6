//! `turntable config`: print the configuration in effect.

use std::path::PathBuf;

use clap::Args;

use crate::config::secret::HIDDEN;
use crate::config::source::{Composed, Sources};
use crate::config::{diff, key};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The configuration file; see `turntable serve --help`.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print each key in a line of its own, with the place that its value comes from.
    #[arg(long)]
    layers: bool,
}

impl ShowArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let composed = Sources::read(self.config.as_deref())?.compose()?;
        match self.layers {
            true => super::print(&layers(&composed)),
            false => super::print(&file(composed)?),
        }
    }
}

/// Each key with its value and where that comes from.
fn layers(Composed { config, origins }: &Composed) -> String {
    let settings = diff::settings(config).into_iter();
    let line = |(path, value): (Vec<String>, serde_json::Value)| {
        let origin = match origins.of(&path) {
            Some(origin) => origin.to_string(),
            None => origins.layer(&path).name().to_owned(),
        };
        format!("{} = {value}  # {origin}\n", key::join(&path))
    };
    settings.map(line).collect()
}

/// The configuration as a file, but for its secrets.
fn file(Composed { mut config, .. }: Composed) -> anyhow::Result<String> {
    let services = config.services.values_mut();
    let services = services.flat_map(|service| [&mut service.token, &mut service.direct_key]);
    let tokens = config.management.tokens.values_mut();
    let tokens = tokens.map(|entry| &mut entry.token);
    let webhooks = &mut config.webhooks;
    let webhooks = [&mut webhooks.secret, &mut webhooks.previous_secret];
    for secret in services.chain(tokens).chain(webhooks) {
        if !secret.is_empty() {
            HIDDEN.clone_into(secret);
        }
    }
    Ok(toml::to_string(&config)?)
}
