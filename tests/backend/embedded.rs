//! Factories of a program that embeds the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use turntable::app::{Extensions, Running};
use turntable::config::Config;
use turntable::portal::factory::{AvatarFactory, AvatarPlan, Making, NewAvatar};
use turntable_core::payload::Payload;
use turntable_testkit::Client;

/// Does what the name of the user says.
#[derive(Debug, Default)]
struct Obedient(AtomicUsize);

impl AvatarFactory for Obedient {
    fn make<'a>(&'a self, avatar: &'a NewAvatar) -> Making<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            match avatar.user.name() {
                "hang" => std::future::pending().await,
                "panic" => panic!("as the test wants it"),
                "fail" => Err("as the test wants it".to_owned()),
                _ => Ok(AvatarPlan {
                    attributes: vec![("rank".into(), Some(Payload::from_json("9")))],
                    services: Vec::new(),
                }),
            }
        })
    }
}

#[actix_rt::test]
async fn factory_of_a_program_runs_once_and_its_faults_hurt_nobody() {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 1;
    config.avatar.timeout_ms = 300;
    let factory = Arc::new(Obedient::default());
    let extensions = Extensions {
        factory: Some(factory.clone()),
        ..Extensions::default()
    };
    let running = Running::start_with(config, extensions).unwrap();
    let address = running.server;
    let clients = move || {
        let first = Client::greeted(address).identify("1:mel");
        assert_eq!(first["attributes"], json!({"rank": 9}));
        for user in ["1:hang", "1:panic", "1:fail"] {
            let welcome = Client::greeted(address).identify(user);
            assert_eq!(welcome["attributes"], json!({}), "{user}");
        }
    };
    actix_rt::task::spawn_blocking(clients).await.unwrap();
    assert_eq!(factory.0.load(Ordering::Relaxed), 4);
}
