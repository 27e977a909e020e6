//! `set` and `attributes` between the sessions of one user.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use turntable_testkit::{Client, Server};

#[test]
fn other_sessions_get_what_changed_and_the_setter_gets_no_echo() {
    let server = Server::start();
    let mut first = server.user("1:1");
    let mut second = server.user("1:1");
    first.request("set", json!({"email": "a@b", "digits": 1.50}));
    let changed = second.expect("attributes");
    assert_eq!(changed, json!({"email": "a@b", "digits": 1.50}));
    // Only what changed, and nothing if nothing did.
    first.request("set", json!({"email": "a@b", "digits": 2}));
    assert_eq!(second.expect("attributes"), json!({"digits": 2}));
    first.request("set", json!({"email": "a@b", "digits": 2}));
    first.request("set", json!({"email": null, "unknown": null}));
    assert_eq!(second.expect("attributes"), json!({"email": null}));
    first.expect_nothing_pending();
    second.expect_nothing_pending();
    let welcome = server.connect().identify("1:1");
    assert_eq!(welcome["attributes"], json!({"digits": 2}));
}

#[test]
fn attributes_over_their_limit_are_refused_whole_and_may_shrink() {
    let server = Server::with(&[("presence.attributes_bytes_max", "20")]);
    let mut client = server.user("1:1");
    client.request("set", json!({"a": "12345"}));
    client.send(json!({"command": "set", "data": {"b": 1, "a": "x".repeat(20)}, "id": 7}));
    let error = client.expect("error");
    assert_eq!(error["code"], "too_large");
    assert_eq!(error["details"]["max"], 20);
    let welcome = server.connect().identify("1:1");
    assert_eq!(welcome["attributes"], json!({"a": "12345"}));
    client.request("set", json!({"a": null}));
}

/// A session that applies changes in the order of its messages: those of others as
/// they come, its own when they are answered.
struct Writer {
    client: Client,
    sent: Vec<Value>,
    answered: usize,
    attributes: BTreeMap<String, Value>,
}

impl Writer {
    fn take_until(&mut self, is_over: impl Fn(&Self) -> bool) {
        while !is_over(self) {
            let message = self.client.next();
            let changes = match message["command"].as_str() {
                Some("reply") => {
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
    }
}

#[test]
fn a_thousand_sets_from_two_sessions_converge() {
    const SETS: usize = 500;
    let plenty = "{ per_second = 0, burst = 1 }";
    let server = Server::with(&[("limits.call", plenty)]);
    let writers = [0, 1].map(|_| Writer {
        client: server.user("1:1"),
        sent: Vec::new(),
        answered: 0,
        attributes: BTreeMap::new(),
    });
    let threads = writers
        .into_iter()
        .zip(["a", "b"])
        .map(|(mut writer, name)| {
            std::thread::spawn(move || {
                for n in 0..SETS {
                    let changes =
                        json!({ "shared": format!("{name}{n}"), format!("k{}", n % 5): n });
                    writer
                        .client
                        .send(json!({"command": "set", "data": changes, "id": n}));
                    writer.sent.push(changes);
                    if n % 50 == 49 {
                        writer.take_until(|writer| writer.answered > n);
                    }
                }
                writer
            })
        });
    let threads: Vec<_> = threads.collect();
    let writers: Vec<Writer> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    let last = server.connect().identify("1:1")["attributes"].clone();
    for mut writer in writers {
        // Behind everything that was sent before it.
        writer
            .client
            .send(json!({"command": "set", "data": {"end": 1}, "id": "end"}));
        writer.sent.push(json!({"end": 1}));
        writer.take_until(|writer| writer.answered == SETS + 1);
        writer.attributes.remove("end");
        assert_eq!(json!(writer.attributes), last);
    }
}
