//! A configuration that is replaced while the server runs, for those who embed one.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use turntable::app::Running;
use turntable::config::Config;
use turntable_core::model::game::GameSettings;
use turntable_testkit::Client;

fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 1;
    config
}

/// Does something that blocks while the server runs on.
async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

/// What a client gets that identifies as this user.
fn identified(address: SocketAddr, user: &str) -> (Client, Value) {
    let mut client = Client::greeted(address);
    client.command("idme", json!(user));
    let answer = client.next();
    (client, answer)
}

#[actix_rt::test]
async fn applied_settings_hold_for_running_sessions_and_all_parts() {
    let running = Running::start(config()).unwrap();
    let address = running.server;
    let (mut session, welcome) = beside(move || {
        let (mut client, welcome) = identified(address, "1:1");
        client.subscribe(&["2:1", "2:2"]);
        (client, welcome)
    })
    .await;
    assert_eq!(welcome["data"]["limits"]["rooms_max"], 16);

    let mut other = config();
    other.presence.watch_max = 2;
    other.session.rooms_max = 3;
    other.session.sessions_per_user_max = 1;
    other.portal.realms = vec!["1".to_owned()];
    other.server.echo = true;
    running.apply(other).unwrap();

    let session = beside(move || {
        // The gateway's settings, also of sessions that exist.
        session.command("subscribe", json!(["2:3"]));
        session.expect_error("too_many");
        let (_friend, welcome) = identified(address, "1:2");
        assert_eq!(welcome["data"]["limits"]["rooms_max"], 3);
        // The actors'.
        let (_second, refusal) = identified(address, "1:1");
        assert_eq!(refusal["data"]["code"], "too_many");
        // The portal's.
        let (_foreign, refusal) = identified(address, "2:1");
        assert_eq!(refusal["data"]["code"], "unauthorized");
        // The HTTP server's.
        Client::open(address, "/echo");
        session
    })
    .await;

    let mut wrong = config();
    let game = GameSettings {
        schema: Some("no-such-file.json".into()),
        ..GameSettings::default()
    };
    wrong.games.insert("wrong".to_owned(), game);
    assert!(running.apply(wrong).is_err());
    let welcome = beside(move || identified(address, "1:3").1).await;
    assert_eq!(
        welcome["data"]["limits"]["rooms_max"], 3,
        "one that is wrong changes nothing"
    );
    drop(session);
    running.stop(Duration::ZERO).await;
}
