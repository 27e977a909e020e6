//! What a program that embeds the server does: each function of `Running` and `Avatar` is
//! called here or in another file, and clients over each transport see what it did.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use turntable::app::{Extensions, Running, Since};
use turntable::config::Config;
use turntable::service::{Answer, LocalService, ServiceCaller};
use turntable_core::id::{ChannelId, UserId};
use turntable_core::model::namespace::NamespaceSettings;
use turntable_core::packet::{ErrorBody, Presence};
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_testkit::{Peer, Way};

/// A service of the program. `echo` answers with its arguments, `fail` does not.
struct Clock;

impl LocalService for Clock {
    fn functions(&self) -> Vec<Box<str>> {
        ["echo", "fail", "hang"].map(Box::from).into()
    }

    fn call(&self, caller: ServiceCaller, function: &str, args: Option<Payload>) -> Answer {
        let by = caller.user.map(|user| user.as_str().to_owned());
        let args = args.map(|args| serde_json::from_str::<Value>(args.as_json()).unwrap());
        match function {
            "echo" => Box::pin(async move { Ok(json!({"by": by, "args": args}).into()) }),
            "fail" => Box::pin(async { Err(ErrorBody::new(ErrorCode::Conflict, "there is one")) }),
            _ => Box::pin(std::future::pending()),
        }
    }
}

fn config() -> Config {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 2;
    config
}

fn start(config: Config) -> Running {
    let mut extensions = Extensions::default();
    extensions.services.add("clock", Clock).unwrap();
    extensions.services.add("other", Clock).unwrap();
    Running::start_with(config, extensions).unwrap()
}

fn id(user: &str) -> UserId {
    UserId::parse(user).unwrap()
}

fn payload(json: &str) -> Payload {
    Payload::from_json(json)
}

/// Clients of users, over each transport.
struct Clients(Vec<Peer>);

impl Clients {
    async fn connect(address: SocketAddr, user: &'static str) -> Self {
        let connect = move || {
            let peers = Way::ALL.map(|way| Peer::user(way, address, user));
            Self(peers.into())
        };
        actix_rt::task::spawn_blocking(connect).await.unwrap()
    }

    /// Each of them does something that blocks, while the server runs on.
    async fn each(self, work: impl Fn(&mut Peer) + Send + 'static) -> Self {
        let mut peers = self.0;
        let work = move || {
            for peer in &mut peers {
                work(peer);
            }
            Self(peers)
        };
        actix_rt::task::spawn_blocking(work).await.unwrap()
    }

    async fn expect_state(self, service: &'static str, state: &'static str) -> Self {
        self.each(
            move |peer| {
                while peer.await_command("service")[service]["state"] != state {}
            },
        )
        .await
    }

    /// Calls a function, whose answer has to have these data.
    async fn call(self, f: &'static str, expected: Value) -> Self {
        self.each(move |peer| {
            peer.call(f, json!(1), 7);
            let answer = peer.next_answer();
            assert_eq!(answer["id"], 7, "{answer}");
            let data = &answer["data"];
            match expected["code"].as_str() {
                Some(code) => assert_eq!(data["code"], code, "{answer}"),
                None => assert_eq!(*data, expected, "{answer}"),
            }
        })
        .await
    }
}

fn code(code: &str) -> Value {
    json!({ "code": code })
}

#[actix_rt::test]
async fn program_calls_its_services_and_switches_them() {
    let running = start(config());
    let clients = Clients::connect(running.server, "1:1").await;
    let of_client = json!({"by": "1:1", "args": 1});
    let clients = clients.call("clock:echo", of_client.clone()).await;
    let echo = async |service: &str| {
        let f = format!("{service}:echo");
        running.call_service(&f, Some(payload("[1.50]"))).await
    };
    let of_program = Ok(payload(r#"{"args":[1.5],"by":null}"#));
    assert_eq!(echo("clock").await, of_program);
    let refusal = async |f: &str| {
        let deadline = Duration::from_millis(50);
        let refused = running.call_service_within(f, None, deadline).await;
        refused.unwrap_err().code
    };
    assert_eq!(refusal("clock:fail").await, ErrorCode::Conflict);
    assert_eq!(refusal("clock:hang").await, ErrorCode::Timeout);
    assert_eq!(refusal("clock:nosuch").await, ErrorCode::NotFound);
    assert_eq!(refusal("nosuch:echo").await, ErrorCode::NotFound);
    running.disable_service("clock");
    let clients = clients.expect_state("clock", "disabled").await;
    let clients = clients.call("clock:echo", code("service_down")).await;
    assert_eq!(
        echo("clock").await.unwrap_err().code,
        ErrorCode::ServiceDown
    );
    assert_eq!(echo("other").await, of_program);
    let clients = clients.call("other:echo", of_client.clone()).await;
    running.enable_service("clock");
    let clients = clients.expect_state("clock", "enabled").await;
    clients.call("clock:echo", of_client).await;
    assert_eq!(echo("clock").await, of_program);
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn program_disables_a_service_of_one_user() {
    let running = start(config());
    let mel = Clients::connect(running.server, "1:1").await;
    let pomke = Clients::connect(running.server, "1:2").await;
    let avatar = running.avatars().of(&id("1:1"));
    assert_eq!(avatar.user(), &id("1:1"));
    assert_eq!(avatar.disable_service("clock"), Ok(true));
    let mel = mel.expect_state("clock", "disabled").await;
    let mel = mel.call("clock:echo", code("service_down")).await;
    pomke
        .call("clock:echo", json!({"by": "1:2", "args": 1}))
        .await;
    assert!(avatar.enable_service("clock"));
    let mel = mel.expect_state("clock", "enabled").await;
    mel.call("clock:echo", json!({"by": "1:1", "args": 1}))
        .await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn program_calls_functions_of_clients_over_every_transport() {
    let running = start(config());
    let address = running.server;
    for way in Way::ALL {
        let user = id("1:1");
        let provider = actix_rt::task::spawn_blocking(move || {
            let mut peer = Peer::user(way, address, "1:1");
            let services = json!({"services": {"friends": ["newFriend"]}});
            peer.request_of("provide", &services, 1);
            peer
        });
        let mut provider = provider.await.unwrap();
        let answering = actix_rt::task::spawn_blocking(move || {
            for answer in [
                json!("hi"),
                json!({"error": {"code": "refused", "message": "no"}}),
            ] {
                let called = provider.next_answer();
                assert_eq!(called["data"]["f"], "friends:newFriend");
                assert_eq!(called["data"]["args"], json!({"name": "Mel"}));
                assert!(called["data"]["user"].is_null(), "{called}");
                provider.reply(&called, answer);
                provider.flush();
            }
            // The third one is not answered.
            provider.next_answer();
            provider
        });
        let args = || Some(payload(r#"{"name":"Mel"}"#));
        let f = "friends:newFriend";
        let answer = running.call_user(&user, f, args()).await;
        assert_eq!(answer, Ok(payload("\"hi\"")), "{way:?}");
        let avatar = running.avatar(&user);
        let refused = avatar.call(f, args()).await.unwrap_err();
        assert_eq!(
            (refused.code, &*refused.message),
            (ErrorCode::Refused, "no")
        );
        let deadline = Duration::from_millis(200);
        let late = avatar.call_within(f, args(), deadline).await.unwrap_err();
        assert_eq!(late.code, ErrorCode::Timeout, "{way:?}");
        answering.await.unwrap();
        assert_eq!(running.kick(&user, None).await.unwrap(), 1, "{way:?}");
        let gone = avatar.call(f, args()).await.unwrap_err();
        assert_eq!(gone.code, ErrorCode::ServiceDown, "{way:?}");
    }
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn program_sets_and_reads_attributes_over_every_transport() {
    let running = start(config());
    let clients = Clients::connect(running.server, "1:1").await;
    let avatar = running.avatar(&id("1:1"));
    let change = |name: &str, json: Option<&str>| vec![(Box::from(name), json.map(payload))];
    avatar.set(change("mood", Some("1.50"))).await.unwrap();
    let clients = clients
        .each(|peer| {
            let changed = peer.await_command("attributes");
            assert_eq!(changed.to_string(), r#"{"mood":1.5}"#);
        })
        .await;
    let all = [(Box::from("mood"), payload("1.50"))];
    assert_eq!(avatar.attributes().await.unwrap(), all);
    // What does not fit is refused whole.
    let long = format!("\"{}\"", "x".repeat(100_000));
    let mut changes = change("mood", None);
    changes.extend(change("long", Some(&long)));
    let refused = running.set_attributes(&id("1:1"), changes).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::TooLarge);
    assert_eq!(running.attributes(&id("1:1")).await.unwrap(), all);
    running
        .set_attributes(&id("1:1"), change("mood", None))
        .await
        .unwrap();
    clients
        .each(|peer| assert_eq!(peer.await_command("attributes"), json!({"mood": null})))
        .await;
    assert_eq!(avatar.attributes().await.unwrap(), []);
    // A user without a session.
    let absent = running.avatar(&id("1:9"));
    absent.set(change("mood", Some("2"))).await.unwrap();
    let late = Clients::connect(running.server, "1:9").await;
    late.each(|peer| assert_eq!(peer.welcome["attributes"], json!({"mood": 2})))
        .await;
    running.stop(Duration::ZERO).await;
}

/// The session was ended: an error with this reason, and the end.
fn expect_end(peer: &mut Peer, message: &str) {
    let error = peer.await_command("error");
    assert_eq!(error["message"], message, "{error}");
    while peer.next().is_some() {}
}

#[actix_rt::test]
async fn program_kicks_bans_and_unbans_over_every_transport() {
    let running = start(config());
    let address = running.server;
    let kicked = Clients::connect(address, "1:1").await;
    let pomke = Clients::connect(address, "1:2").await;
    assert_eq!(running.kick(&id("1:1"), Some("go home")).await.unwrap(), 3);
    kicked.each(|peer| expect_end(peer, "go home")).await;
    assert_eq!(running.kick(&id("1:1"), None).await.unwrap(), 0);
    // It may come back, until it is banned.
    let banned = Clients::connect(address, "1:1").await;
    let hour = Some(Duration::from_secs(3_600));
    assert_eq!(
        running.ban(&id("1:1"), hour, Some("no fair play")).await,
        Ok(3)
    );
    banned.each(|peer| expect_end(peer, "no fair play")).await;
    let refused = actix_rt::task::spawn_blocking(move || {
        let mut client = turntable_testkit::Client::greeted(address);
        client.command("idme", json!("1:1"));
        client.expect_error("forbidden")
    });
    assert_eq!(
        refused.await.unwrap()["data"]["details"]["reason"],
        "banned"
    );
    pomke
        .call("clock:echo", json!({"by": "1:2", "args": 1}))
        .await;
    assert_eq!(running.unban(&id("1:1")).await, Ok(true));
    assert_eq!(running.unban(&id("1:1")).await, Ok(false));
    Clients::connect(address, "1:1").await;
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn program_sets_a_password() {
    let refused = start(config());
    let error = refused.set_password(&id("1:1"), "open sesame", None).await;
    assert_eq!(error.unwrap_err().code, ErrorCode::Forbidden);
    let mut config = config();
    config.portal.checkers = vec!["password".to_owned(), "anonymous".to_owned()];
    (
        config.portal.password.memory_kib,
        config.portal.password.passes,
    ) = (64, 1);
    let running = start(config);
    let address = running.server;
    let user = id("1:1");
    running
        .set_password(&user, "open sesame", None)
        .await
        .unwrap();
    let wrong = running
        .set_password(&user, "another one", Some("sesame"))
        .await;
    assert_eq!(wrong.unwrap_err().code, ErrorCode::Unauthorized);
    let right = running.set_password(&user, "another one", Some("open sesame"));
    right.await.unwrap();
    let entering = actix_rt::task::spawn_blocking(move || {
        let claim = |password: &str| json!({"user": "1:1", "credentials": {"password": password}});
        for way in Way::ALL {
            Peer::open(way, address, &claim("another one"));
        }
        let mut client = turntable_testkit::Client::greeted(address);
        client.command("idme", claim("open sesame"));
        client.expect_error("unauthorized");
        client.command("idme", json!("1:1"));
        client.expect_error("unauthorized");
    });
    entering.await.unwrap();
    running.stop(Duration::ZERO).await;
    refused.stop(Duration::ZERO).await;
}

fn channel(path: &str) -> ChannelId {
    ChannelId::parse(path).unwrap()
}

#[actix_rt::test]
async fn program_publishes_to_users_and_on_channels_over_every_transport() {
    let mut config = config();
    let history = NamespaceSettings {
        history_max: 10,
        history_ms: 60_000,
        history_bytes_max: 10_000,
        ..NamespaceSettings::default()
    };
    config.channels = [("**".to_owned(), history)].into();
    let running = start(config);
    let mel = running.avatar(&id("1:1"));
    let news = running.channel(&channel("news/today"));
    let clients = Clients::connect(running.server, "1:1").await;
    assert_eq!(
        running.avatar(&id("1:9")).publish(payload("1")).await,
        Ok(0)
    );
    assert_eq!(mel.subscribe(news.id()).await, Ok(3));
    let clients = clients
        .each(|peer| assert_eq!(peer.await_command("joined")["channel"], "news/today"))
        .await;
    assert_eq!(mel.publish(payload("[1.50]")).await, Ok(3));
    let clients = clients
        .each(|peer| {
            let called = peer.await_command("call");
            assert_eq!(called, json!({"f": "user:message", "args": [1.5]}));
        })
        .await;
    let first = news.publish(payload(r#"{"n":1}"#)).await.unwrap();
    let second = news.publish(payload(r#"{"n":2}"#)).await.unwrap();
    assert_eq!((first.offset, second.offset), (1, 2));
    clients
        .each(|peer| {
            for n in 1..=2 {
                let message = peer.await_command("message");
                assert_eq!(message["data"], json!({ "n": n }));
                assert!(message["from"].is_null(), "{message}");
            }
        })
        .await;
    let unread = news.publish(payload("1e999")).await.unwrap_err();
    assert_eq!(unread.code, ErrorCode::BadMessage);
    assert_eq!(mel.publish(payload("1e999")).await, Err(unread));
    // What is retained, and who is there.
    let since = Since {
        epoch: Some(first.epoch.clone()),
        offset: 1,
    };
    let behind = news.history(Some(since)).await.unwrap();
    assert_eq!((behind.offset, behind.recovered), (2, true));
    assert_eq!(behind.messages.len(), 1);
    assert!(behind.messages[0].as_json().contains(r#""data":{"n":2}"#));
    news.clear_history().await.unwrap();
    assert_eq!(news.history(None).await.unwrap().messages, []);
    assert_eq!(
        running.channels().list().await.unwrap(),
        [channel("news/today")]
    );
    assert_eq!(news.subscribers().await.unwrap(), [id("1:1")]);
    assert_eq!(mel.channels().await.unwrap(), [channel("news/today")]);
    assert!(mel.unsubscribe(news.id()).await.unwrap());
    assert!(!mel.unsubscribe(news.id()).await.unwrap());
    assert_eq!(mel.unsubscribe_all().await.unwrap(), 0);
    assert_eq!(news.subscribers().await.unwrap(), []);
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn program_lists_inspects_removes_and_erases_users() {
    let running = start(config());
    let (mel, pomke) = (running.avatar(&id("1:1")), running.avatar(&id("1:2")));
    let clients = Clients::connect(running.server, "1:1").await;
    let others = Clients::connect(running.server, "1:2").await;
    let avatars = running.avatars();
    assert_eq!(avatars.list(None, 9).await.unwrap(), [id("1:1"), id("1:2")]);
    assert_eq!(avatars.list(None, 1).await.unwrap(), [id("1:1")]);
    assert_eq!(
        avatars.list(Some(&id("1:1")), 9).await.unwrap(),
        [id("1:2")]
    );
    let sessions = mel.sessions().await.unwrap();
    assert_eq!(sessions.len(), 3);
    assert!(sessions.iter().any(|one| one.transport == Some("poll")));
    let seen = mel.presence().await.unwrap();
    assert_eq!((seen.state, seen.devices), (Presence::Online, 3));
    assert_eq!(pomke.set_blocked(vec![id("1:1")]).await, Ok(()));
    assert_eq!(pomke.blocked(), [id("1:1")]);
    assert_eq!(avatars.block_lists(), [(id("1:2"), 1)]);
    // A session of the program's own site.
    assert_eq!(mel.set_session("s3cret").await, Ok(()));
    clients
        .each(|peer| expect_end(peer, "the credentials were withdrawn"))
        .await;
    assert_eq!(avatars.of_session("s3cret"), Some(id("1:1")));
    assert_eq!(avatars.with_sessions(), [id("1:1")]);
    assert_eq!(
        mel.set_session("").await.unwrap_err().code,
        ErrorCode::BadMessage
    );
    let taken = pomke.set_session("s3cret").await.unwrap_err();
    assert_eq!(taken.code, ErrorCode::Conflict);
    assert_eq!(mel.remove_session().await, Ok(true));
    assert_eq!(mel.remove_session().await, Ok(false));
    assert_eq!(mel.remove_password().await, Ok(false));
    // Bans are listed, and everything of a user goes.
    assert_eq!(pomke.ban(None, Some("no fair play")).await, Ok(3));
    others.each(|peer| expect_end(peer, "no fair play")).await;
    let [(banned, ban)] = avatars.bans().try_into().unwrap();
    assert_eq!(
        (banned, ban.reason.as_deref()),
        (id("1:2"), Some("no fair play"))
    );
    assert_eq!(running.erase(&id("1:2")).await, Ok(0));
    assert!(avatars.bans().is_empty() && pomke.blocked().is_empty());
    let again = Clients::connect(running.server, "1:2").await;
    assert_eq!(pomke.remove().await.unwrap(), 3);
    let message = "an operator ended the session; identify again";
    again.each(|peer| expect_end(peer, message)).await;
    assert_eq!(avatars.list(None, 9).await.unwrap(), []);
    running.stop(Duration::ZERO).await;
}

#[actix_rt::test]
async fn program_inspects_services() {
    let running = start(config());
    let _client = Clients::connect(running.server, "1:2").await;
    let clock = running.service("clock").await.unwrap();
    assert!(clock.is_enabled);
    assert_eq!(clock.functions, ["echo", "fail", "hang"].map(Box::from));
    assert_eq!(
        (clock.instances, clock.open, clock.disabled_users),
        (1, 0, 0)
    );
    let mel = running.avatar(&id("1:1"));
    assert_eq!(mel.disable_service("clock"), Ok(true));
    assert_eq!(mel.disabled_services(), [Box::from("clock")]);
    running.disable_service("clock");
    let services = running.services().await.unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["clock", "other"]);
    let clock = &services["clock"];
    assert_eq!((clock.is_enabled, clock.disabled_users), (false, 1));
    let unknown = running.service("nosuch").await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::NotFound);
    running.stop(Duration::ZERO).await;
}
