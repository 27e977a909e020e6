//! Attributes at the server's end: set and heard of by a program that embeds it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use turntable::actor::validator::{AttributeChange, AttributeValidator, Setter};
use turntable::app::{Extensions, Running};
use turntable::config::Config;
use turntable_core::id::UserId;
use turntable_core::model::avatar::AttributeChanges;
use turntable_core::payload::Payload;
use turntable_core::reason::ErrorCode;
use turntable_testkit::{Client, Peer, Way};

/// Refuses bad words, panics where it has to, and notes what was changed.
#[derive(Default)]
struct Watcher(Mutex<Vec<(String, Option<String>, Setter)>>);

impl AttributeValidator for Watcher {
    fn check(&self, change: &AttributeChange<'_>) -> Result<(), String> {
        match change.value.map(Payload::as_json) {
            Some("\"panic\"") => panic!("as the test wants it"),
            Some("\"bad\"") if change.by == Setter::Client => {
                let before = change.attributes.len();
                Err(format!(
                    "{} may not say that ({before})",
                    change.user.as_str()
                ))
            }
            _ => Ok(()),
        }
    }

    fn changed(&self, change: &AttributeChange<'_>) {
        let value = change.value.map(|value| value.as_json().to_owned());
        let seen = (change.name.to_owned(), value, change.by);
        self.0.lock().unwrap().push(seen);
    }
}

fn start(validator: &Arc<Watcher>) -> Running {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 2;
    config.limits.call.per_second = 0;
    let extensions = Extensions {
        validators: vec![validator.clone()],
        ..Extensions::default()
    };
    Running::start_with(config, extensions).unwrap()
}

/// Does something that blocks while the server runs on.
async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

fn user() -> UserId {
    UserId::parse("1:1").unwrap()
}

fn change(name: &str, value: &str) -> AttributeChanges {
    vec![(name.into(), Some(Payload::from_json(value)))]
}

fn client(address: SocketAddr) -> Client {
    let mut client = Client::greeted(address);
    client.identify("1:1");
    client
}

#[actix_rt::test]
async fn validator_of_the_program_refuses_with_its_reason_and_hears_of_changes() {
    let watcher = Arc::new(Watcher::default());
    let running = start(&watcher);
    let address = running.server;
    beside(move || {
        let mut client = client(address);
        client.request("set", json!({"word": "good"}));
        for (word, reason) in [
            ("bad", "1:1 may not say that (1)"),
            ("panic", "its validator failed"),
        ] {
            client.command("set", json!({"other": 1, "word": word}));
            let error = client.expect("error");
            assert_eq!(error["code"], "refused");
            assert_eq!(error["details"], json!({"key": "word", "reason": reason}));
        }
    })
    .await;
    // The server may.
    running
        .set_attributes(&user(), change("word", "\"bad\""))
        .await
        .unwrap();
    let refused = running
        .set_attributes(&user(), change("word", "\"panic\""))
        .await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::Refused);
    let all = running.attributes(&user()).await.unwrap();
    assert_eq!(all, [("word".into(), Payload::from_json("\"bad\""))]);
    let seen = watcher.0.lock().unwrap().clone();
    let word = |value: &str, by| ("word".to_owned(), Some(value.to_owned()), by);
    assert_eq!(
        seen,
        [
            word("\"good\"", Setter::Client),
            word("\"bad\"", Setter::Server)
        ]
    );
}

/// What a client knows of its attributes: it applies changes in the order of its messages,
/// those of the other end as they come, its own when they are answered.
struct Known {
    peer: Peer,
    sent: Vec<Value>,
    answered: usize,
    attributes: BTreeMap<String, Value>,
}

impl Known {
    fn set(&mut self, changes: Value) {
        let n = self.sent.len();
        self.peer
            .send(&json!({"command": "set", "data": changes, "id": n}));
        self.sent.push(changes);
    }

    fn take(&mut self) {
        let message = self.peer.next().unwrap();
        let changes = match message["command"].as_str() {
            Some("reply") => {
                assert_eq!(message["id"], self.answered);
                self.answered += 1;
                self.sent[self.answered - 1].clone()
            }
            Some("attributes") => message["data"].clone(),
            _ => panic!("{message}"),
        };
        for (key, value) in changes.as_object().unwrap() {
            self.attributes.insert(key.clone(), value.clone());
        }
    }

    /// Makes `count` sets, of which 20 wait for their answer, until the other end is done.
    fn race(mut self, count: usize) -> BTreeMap<String, Value> {
        while self.answered < count || !self.attributes.contains_key("end") {
            while self.sent.len() < count.min(self.answered + 20) {
                let n = self.sent.len();
                self.set(json!({"shared": format!("client {n}"), format!("k{}", n % 5): n}));
            }
            self.take();
        }
        // Behind everything that was sent before it.
        self.set(json!({"last": 1}));
        while self.answered <= count {
            self.take();
        }
        self.attributes
    }
}

async fn sets_from_both_ends_converge(way: Way) {
    const SETS: usize = 500;
    let watcher = Arc::new(Watcher::default());
    let running = start(&watcher);
    let address = running.server;
    let known = beside(move || Known {
        peer: Peer::user(way, address, "1:1"),
        sent: Vec::new(),
        answered: 0,
        attributes: BTreeMap::new(),
    })
    .await;
    let writer = actix_rt::task::spawn_blocking(move || known.race(SETS));
    let user = user();
    // A few at a time, as those of the client.
    for begin in (0..SETS).step_by(20) {
        let sets = (begin..begin + 20).map(|n| {
            let mut changes = change("shared", &format!("\"server {n}\""));
            changes.extend(change(&format!("k{}", n % 7), &n.to_string()));
            running.set_attributes(&user, changes)
        });
        for outcome in futures_util::future::join_all(sets).await {
            outcome.unwrap();
        }
    }
    running
        .set_attributes(&user, change("end", "true"))
        .await
        .unwrap();
    let known = writer.await.unwrap();
    let all = running.attributes(&user).await.unwrap();
    let all: BTreeMap<String, Value> = all
        .into_iter()
        .map(|(name, value)| (name.into(), serde_json::from_str(value.as_json()).unwrap()))
        .collect();
    assert_eq!(known, all);
    // What the program heard of ends with the same.
    let mut heard = BTreeMap::new();
    let seen = watcher.0.lock().unwrap();
    assert!(seen.len() > 2 * SETS, "{}", seen.len());
    for (name, value, _) in seen.iter() {
        let value = serde_json::from_str(value.as_deref().unwrap()).unwrap();
        heard.insert(name.clone(), value);
    }
    assert_eq!(heard, all);
}

#[actix_rt::test]
async fn a_thousand_sets_from_both_ends_converge() {
    sets_from_both_ends_converge(Way::WebSocket).await;
}

#[actix_rt::test]
async fn a_thousand_sets_from_both_ends_converge_over_polls() {
    sets_from_both_ends_converge(Way::Poll).await;
}

#[actix_rt::test]
async fn a_thousand_sets_from_both_ends_converge_over_socketio() {
    sets_from_both_ends_converge(Way::SocketIo).await;
}
