//! A program that embeds the server: two services in Rust, and a factory that gives each
//! avatar its first attributes and the services that its user may call.
//!
//! ```sh
//! cargo run --example embedded -- examples/embedded/turntable.toml
//! ```

mod chat;
mod forum;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use chat::Chat;
use forum::Forum;
use turntable::app::{Extensions, Running};
use turntable::config::{Config, load};
use turntable::portal::factory::{AvatarFactory, AvatarPlan, Making, NewAvatar};
use turntable_core::payload::Payload;

/// Guests read and write in the forum; others chat, too.
#[derive(Debug)]
struct Factory;

impl AvatarFactory for Factory {
    fn make<'a>(&'a self, avatar: &'a NewAvatar) -> Making<'a> {
        Box::pin(async move {
            let mut plan = AvatarPlan {
                services: vec!["forum".into()],
                ..AvatarPlan::default()
            };
            if avatar.user.realm() != "guest" {
                plan.services.push("chat".into());
            }
            let mut set = |name: &str, value: serde_json::Value| {
                if !avatar.attributes.iter().any(|(known, _)| **known == *name) {
                    plan.attributes
                        .push((name.into(), Some(Payload::from(value))));
                }
            };
            set("username", avatar.user.name().into());
            set("posts", 0.into());
            Ok(plan)
        })
    }
}

/// Starts the server with the services. It has to be called within an actix system.
pub(crate) fn start(config: Config) -> anyhow::Result<Running> {
    let (forum, chat) = (Forum::default(), Chat::default());
    let mut extensions = Extensions {
        factory: Some(Arc::new(Factory)),
        ..Extensions::default()
    };
    extensions.services.add("forum", forum.clone())?;
    extensions.services.add("chat", chat.clone())?;
    let running = Running::start_with(config, extensions)?;
    forum.started(running.avatars(), running.channels());
    chat.started(running.avatars());
    Ok(running)
}

fn main() -> anyhow::Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let config = load::load(file.as_deref())?;
    actix::System::new().block_on(async {
        let running = start(config)?;
        log::info!("open http://{}", running.server);
        let ended = tokio::signal::ctrl_c().await;
        running.stop(Duration::from_secs(5)).await;
        ended.context("Ctrl-C cannot be listened to")
    })
}
