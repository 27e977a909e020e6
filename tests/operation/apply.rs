//! A configuration that is replaced while the server runs, for those who embed one.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use turntable::app::Running;
use turntable::config::{Config, load};
use turntable_core::model::game::GameSettings;
use turntable_core::model::namespace::NamespaceSettings;
use turntable_core::model::service::ServiceSettings;
use turntable_testkit::Client;

fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 1;
    config
}

/// Two services of one user with different tokens, a number out of its range, and a listener
/// that others reach.
fn wrong() -> (Config, &'static str) {
    let mut config = config();
    config.management.listen = ([0, 0, 0, 0], 0).into();
    config.poll.batch_max = 0;
    for (name, token) in [("chat", "one"), ("forum", "other")] {
        let service = ServiceSettings {
            providers: vec!["service:x".to_owned()],
            token: token.to_owned(),
            ..ServiceSettings::default()
        };
        config.services.insert(name.to_owned(), service);
    }
    let file = r#"
        management.listen = "0.0.0.0:0"
        poll.batch_max = 0
        services.chat = { providers = ["service:x"], token = "one" }
        services.forum = { providers = ["service:x"], token = "other" }
    "#;
    (config, file)
}

#[actix_rt::test]
async fn configuration_of_a_program_is_checked_as_a_file_is() {
    let (wrong, file) = wrong();
    let of_file = load::compose(Some(("c.toml", file)), &[], &|_| unreachable!());
    let mut expected = sentences(&of_file.unwrap_err().to_string());
    let refused = Running::start(wrong.clone()).err().unwrap();
    let mut found = sentences(&refused.to_string());
    expected.sort();
    found.sort();
    assert_eq!((found.len(), &found), (3, &expected));
    // Nothing of it is in force, and the server goes on.
    let running = Running::start(config()).unwrap();
    let refused = running.apply(wrong).unwrap_err();
    assert!(refused.to_string().contains("another token"), "{refused}");
    let address = running.server;
    beside(move || {
        let (mut client, welcome) = identified(address, "1:1");
        assert_eq!(welcome["data"]["services"], json!({}), "{welcome}");
        client.request("lookup", json!([]));
    })
    .await;
    running.stop(Duration::ZERO).await;
}

/// What is wrong, without the keys and where they are.
fn sentences(problems: &str) -> Vec<String> {
    let sentence = |line: &str| line.rsplit_once(": ").unwrap().1.to_owned();
    problems.lines().map(sentence).collect()
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

/// A configuration with a service, and its token.
fn with_service(token: &str) -> Config {
    let mut config = config();
    let service = ServiceSettings {
        providers: vec!["service:forum".to_owned()],
        token: token.to_owned(),
        ..ServiceSettings::default()
    };
    config.services.insert("forum".to_owned(), service);
    config
}

/// A session that provides the service.
fn provider(address: SocketAddr) -> Client {
    let mut client = Client::greeted(address);
    let claim = json!({"user": "service:forum", "credentials": {"token": "first"}});
    client.command("idme", claim);
    client.await_command("welcome");
    client.request("provide", json!({"services": {"forum": ["read"]}}));
    client
}

/// Waits until the service has this state for a client.
fn await_state(client: &mut Client, state: &str) {
    while client.await_command("service")["forum"]["state"] != state {}
}

#[actix_rt::test]
async fn provider_whose_token_is_taken_away_ends_and_its_service_is_down() {
    let running = Running::start(with_service("first")).unwrap();
    let address = running.server;
    let (mut caller, mut provider) = beside(move || {
        let mut caller = Client::greeted(address);
        caller.command("idme", json!("2:1"));
        caller.await_command("welcome");
        let provider = provider(address);
        await_state(&mut caller, "enabled");
        (caller, provider)
    })
    .await;
    // Another setting changes nothing.
    let mut other = with_service("first");
    other.presence.watch_max = 2;
    running.apply(other).unwrap();
    let (mut caller, mut provider) = beside(move || {
        caller.command("call", json!({"f": "forum:read"}));
        assert_eq!(provider.await_command("call")["f"], "forum:read");
        (caller, provider)
    })
    .await;
    running.apply(with_service("second")).unwrap();
    beside(move || {
        let error = provider.await_command("error");
        assert_eq!(error["details"]["reason"], "revoked");
        provider.expect_close(4009);
        await_state(&mut caller, "disabled");
    })
    .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn user_that_may_provide_a_service_no_more_goes_on_without_it() {
    let with_providers = |providers: &[&str]| {
        let mut config = with_service("");
        let service = config.services.get_mut("forum").unwrap();
        service.providers = providers.iter().map(|&name| name.to_owned()).collect();
        config
    };
    let running = Running::start(with_providers(&["1:*"])).unwrap();
    let address = running.server;
    let mut provider = beside(move || {
        let (mut provider, _) = identified(address, "1:1");
        provider.request("provide", json!({"services": {"forum": ["read"]}}));
        await_state(&mut provider, "enabled");
        provider
    })
    .await;
    running.apply(with_providers(&["3:*"])).unwrap();
    beside(move || {
        await_state(&mut provider, "disabled");
        provider.request("lookup", json!([]));
    })
    .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn history_that_was_not_stored_for_a_while_has_another_epoch_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store").to_str().unwrap().to_owned();
    let with = |retained: bool| {
        let mut config = config();
        config.store.path = path.clone();
        let namespace = NamespaceSettings {
            history_max: 10,
            retained,
            ..NamespaceSettings::default()
        };
        config.channels.insert("c".to_owned(), namespace);
        config
    };
    let publish = |address: SocketAddr| {
        beside(move || {
            let (mut client, _) = identified(address, "1:1");
            let place = client.request("publish", json!({"channel": "c", "data": 1}));
            (place["epoch"].clone(), place["offset"].clone())
        })
    };
    let running = Running::start(with(true)).unwrap();
    let (epoch, first) = publish(running.server).await;
    assert_eq!(first, 1);
    running.apply(with(false)).unwrap();
    let second = publish(running.server).await;
    assert_eq!(second, (epoch.clone(), json!(2)));
    running.stop(Duration::ZERO).await;
    let running = Running::start(with(true)).unwrap();
    let (later, _) = publish(running.server).await;
    assert_ne!(later, epoch, "clients have its second message");
    running.stop(Duration::ZERO).await;
}
