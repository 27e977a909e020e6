//! Providers that die: each call is answered exactly once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::{await_state, call, manage, next, provider, server, user};
use turntable_testkit::session::Session;
use turntable_testkit::{Client, Peer, Random, Server, Way};

#[test]
fn service_goes_down_with_its_last_instance_and_comes_back() {
    let server = server();
    let forum = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(1), 1);
    server.await_metric("turntable_service_open{service=\"forum\"}", 1.0);
    forum.drop_connection();
    let (mut answer, mut is_down) = (None, false);
    while answer.is_none() || !is_down {
        let message = mel.next();
        match message["command"].as_str().unwrap() {
            "error" => answer = Some(message),
            "service" => is_down |= message["data"]["forum"]["state"] == "disabled",
            other => panic!("{other}"),
        }
    }
    let answer = answer.unwrap();
    assert_eq!(
        (&answer["id"], &answer["data"]["code"]),
        (&json!(1), &json!("service_down"))
    );
    call(&mut mel, "forum:createPost", json!(2), 2);
    assert_eq!(next(&mut mel)["data"]["code"], "service_down");
    let mut forum = provider(&server, "forum", &["createPost"]);
    let state = await_state(&mut mel, "forum", "enabled");
    assert_eq!(state["functions"], json!(["createPost"]));
    call(&mut mel, "forum:createPost", json!(3), 3);
    let called = next(&mut forum);
    forum.send(json!({"command": "reply", "data": "done", "id": called["id"]}));
    assert_eq!(next(&mut mel)["data"], "done");
}

#[test]
fn idempotent_call_of_a_dead_instance_goes_to_another() {
    let server = server();
    let mut first = provider(&server, "forum", &["read", "write"]);
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:read", json!(1), 1);
    let given = next(&mut first);
    call(&mut mel, "forum:write", json!(2), 2);
    // One that is not repeated needs no key.
    assert_eq!(next(&mut first)["data"].get("key"), None);
    let mut second = provider(&server, "forum", &["read", "write"]);
    first.drop_connection();
    let again = next(&mut second);
    assert_eq!(again["data"]["f"], "forum:read");
    assert!(given["data"]["key"].is_string(), "{given}");
    assert_eq!(again["data"], given["data"]);
    let answer = next(&mut mel);
    assert_eq!(
        (&answer["id"], &answer["data"]["code"]),
        (&json!(2), &json!("service_down"))
    );
}

#[test]
fn answer_survives_a_cut_of_the_caller() {
    let server = server();
    let mut forum = provider(&server, "forum", &["createPost"]);
    let mut mel = Session::begin(&server, "1:1");
    mel.client
        .send(json!({"command": "call", "data": {"f": "forum:createPost", "args": 1}, "id": 9}));
    let called = next(&mut forum);
    mel.cut();
    forum.send(json!({"command": "reply", "data": "done", "id": called["id"]}));
    server.await_metric("turntable_service_open{service=\"forum\"}", 0.0);
    mel.cut_and_resume();
    let mut answers = Vec::new();
    while answers.is_empty() {
        let message = mel.next();
        if message["command"] == "reply" {
            answers.push(message);
        }
    }
    assert_eq!(answers[0]["data"], "done");
    mel.client.command("time", json!({"t0": 4711}));
    loop {
        let message = mel.next();
        match message["command"].as_str() {
            Some("time") => break,
            // A worker may learn late of the forum.
            Some("service") => {}
            _ => panic!("{message}"),
        }
    }
}

/// Waits until the gateways of all workers have requested the state of the forum: no call
/// but those of the test is to find a fault.
#[cfg(debug_assertions)]
fn await_all_workers(server: &Server) {
    let users: Vec<Client> = (0..4).map(|_| user(server, "1:9", "forum")).collect();
    drop(users);
}

#[cfg(debug_assertions)]
#[test]
fn lost_service_answers_unavailable_and_knows_its_providers_again() {
    let server = Server::configured(crate::CONFIG, &[("test_faults", "1")]);
    let mut forum = provider(&server, "forum", &["createPost"]);
    await_all_workers(&server);
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(1), 1);
    next(&mut forum);
    call(&mut mel, "fault:service", json!("forum"), 2);
    assert_eq!(next(&mut mel)["id"], 2);
    call(&mut mel, "forum:createPost", json!(3), 3);
    let mut answered: Vec<u64> = Vec::new();
    for _ in 0..2 {
        let answer = next(&mut mel);
        assert_eq!(answer["data"]["code"], "unavailable", "{answer}");
        answered.push(answer["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
    call(&mut mel, "forum:createPost", json!(4), 4);
    let called = loop {
        let called = next(&mut forum);
        if called["data"]["args"] == 4 {
            break called;
        }
    };
    forum.send(json!({"command": "reply", "data": "done", "id": called["id"]}));
    let answer = next(&mut mel);
    assert_eq!(
        (&answer["id"], &answer["data"]),
        (&json!(4), &json!("done"))
    );
}

/// A server whose instances have this pause after two deadlines.
fn pausing(pause_ms: u64) -> Server {
    let config = format!(
        "[services.forum]\nproviders = [\"service:forum\"]\ntoken = \"secret\"\n\
         timeout_ms = 100\nfailures_max = 2\npause_ms = {pause_ms}\n"
    );
    Server::configured(&config, &[])
}

/// Makes calls that the only instance does not answer, until it has its pause.
fn tire(server: &Server, mel: &mut Client) {
    for id in 1..=2 {
        call(mel, "forum:createPost", json!(null), id);
        assert_eq!(next(mel)["data"]["code"], "timeout");
    }
    await_state(mel, "forum", "disabled");
    let log = server.await_log("service forum: an instance does not answer");
    assert!(log.contains("has a pause"), "{log}");
}

#[test]
fn silent_instance_has_a_pause_and_comes_back() {
    let server = pausing(300);
    let mut silent = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    tire(&server, &mut mel);
    await_state(&mut mel, "forum", "enabled");
    call(&mut mel, "forum:createPost", json!(3), 3);
    let called = loop {
        let called = next(&mut silent);
        if called["data"]["args"] == 3 {
            break called;
        }
    };
    silent.send(json!({"command": "reply", "data": 3, "id": called["id"]}));
    assert_eq!(next(&mut mel)["data"], 3);
}

#[test]
fn calls_go_to_another_instance_while_one_has_a_pause() {
    let server = pausing(600_000);
    let _silent = provider(&server, "forum", &["createPost"]);
    let mut mel = user(&server, "1:1", "forum");
    tire(&server, &mut mel);
    call(&mut mel, "forum:createPost", json!(null), 3);
    let refused = next(&mut mel);
    assert_eq!(refused["data"]["code"], "service_down", "{refused}");
    let mut other = provider(&server, "forum", &["createPost"]);
    await_state(&mut mel, "forum", "enabled");
    for id in 4..=6 {
        call(&mut mel, "forum:createPost", json!(id), id);
        let called = next(&mut other);
        other.send(json!({"command": "reply", "data": id, "id": called["id"]}));
        assert_eq!(next(&mut mel)["data"], id);
    }
}

#[cfg(debug_assertions)]
#[test]
fn service_that_is_switched_off_is_so_after_a_loss() {
    let server = Server::configured(crate::CONFIG, &[("test_faults", "1")]);
    let _forum = provider(&server, "forum", &["createPost"]);
    await_all_workers(&server);
    let mut mel = user(&server, "1:1", "forum");
    let name = json!({"name": "forum"});
    assert_eq!(manage(&server, "service/disable", &name).0, 200);
    await_state(&mut mel, "forum", "disabled");
    call(&mut mel, "fault:service", json!("forum"), 1);
    assert_eq!(next(&mut mel)["id"], 1);
    call(&mut mel, "forum:createPost", json!(1), 2);
    assert_eq!(next(&mut mel)["data"]["code"], "unavailable");
    // Its instance is announced to the replacement.
    let mut state = manage(&server, "service/listAll", &json!({})).1;
    while state["forum"]["instances"] != 1 {
        state = manage(&server, "service/listAll", &json!({})).1;
    }
    assert_eq!(state["forum"]["state"], "disabled", "{state}");
    call(&mut mel, "forum:createPost", json!(1), 3);
    assert_eq!(next(&mut mel)["data"]["message"], "the service is disabled");
    assert_eq!(manage(&server, "service/enable", &name).0, 200);
    await_state(&mut mel, "forum", "enabled");
}

/// A caller, and how often each of its calls was answered.
struct Caller {
    peer: Peer,
    answers: Vec<u32>,
    answered: u64,
    results: u64,
}

impl Caller {
    /// Takes the next answer.
    fn take(&mut self) {
        let answer = self.peer.next_answer();
        let id = answer["id"].as_u64().unwrap();
        self.answers[id as usize] += 1;
        self.answered += 1;
        match answer["command"].as_str().unwrap() {
            "reply" => {
                assert_eq!(answer["data"], id);
                self.results += 1;
            }
            "error" => {
                let code = &answer["data"]["code"];
                let codes = ["service_down", "timeout", "unavailable"];
                assert!(codes.iter().any(|known| code == known), "{answer}");
            }
            other => panic!("{other}"),
        }
    }
}

/// An instance over this transport: it answers so many calls, and dies with those that it has.
fn live_and_die(server: &Server, way: Way, lives: u64, is_over: &AtomicBool) {
    let claim = json!({"user": "service:forum", "credentials": {"token": "secret"}});
    let mut forum = Peer::open(way, server.address, &claim);
    let services = json!({"services": {"forum": ["read", "write"]}});
    forum.request_of("provide", &services, 1);
    let mut answered = 0;
    while answered < lives {
        let called = forum.next().expect("a connection that goes on");
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        if called["command"] == "call" && called.get("id").is_some() {
            let result = called["data"]["args"].clone();
            forum.reply(&called, result);
            answered += 1;
        }
    }
    forum.cut();
}

/// Calls over one transport to instances over all of them.
fn calls_with_deaths(way: Way) {
    const CALLS: u64 = 10_000;
    const WINDOW: u64 = 50;
    let keys = [("poll.gone_ms", "100")];
    let server = Server::configured(crate::CONFIG, &keys);
    let is_over = AtomicBool::new(false);
    let deaths = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let instances = (1..).zip(Way::ALL).map(|(seed, of_instance)| {
            let (server, is_over, deaths) = (&server, &is_over, &deaths);
            scope.spawn(move || {
                let mut random = Random::new(seed);
                while !is_over.load(Ordering::Relaxed) {
                    let lives = 20 + random.below(200);
                    live_and_die(server, of_instance, lives, is_over);
                    deaths.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let instances: Vec<_> = instances.collect();
        user(&server, "1:2", "forum").bye();
        let mut mel = Caller {
            peer: Peer::user(way, server.address, "1:1"),
            answers: vec![0; CALLS as usize],
            answered: 0,
            results: 0,
        };
        let mut sent = 0;
        while mel.answered < CALLS {
            while sent < CALLS && sent < mel.answered + WINDOW {
                let f = ["forum:read", "forum:write"][sent as usize % 2];
                mel.peer.call(f, json!(sent), sent);
                sent += 1;
            }
            mel.take();
        }
        // Nothing more comes when nothing is open.
        server.await_metric("turntable_service_open{service=\"forum\"}", 0.0);
        is_over.store(true, Ordering::Relaxed);
        for message in mel.peer.pending() {
            assert_eq!(message["command"], "service", "{message}");
        }
        assert!(mel.answers.iter().all(|count| *count == 1));
        let (results, deaths) = (mel.results, deaths.load(Ordering::Relaxed));
        let counts = format!("{results} results, {deaths} deaths");
        assert!(
            results > CALLS / 2 && results < CALLS && deaths > 10,
            "{counts}"
        );
        // Instances that wait for a call get one, and end.
        for id in CALLS.. {
            if instances.iter().all(|instance| instance.is_finished()) {
                break;
            }
            mel.peer.call("forum:read", json!(id), id);
            mel.peer.next_answer();
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}

#[test]
fn ten_thousand_calls_with_deaths_are_each_answered_exactly_once() {
    calls_with_deaths(Way::WebSocket);
}

#[test]
fn ten_thousand_polled_calls_with_deaths_are_each_answered_exactly_once() {
    calls_with_deaths(Way::Poll);
}

#[test]
fn ten_thousand_socketio_calls_with_deaths_are_each_answered_exactly_once() {
    calls_with_deaths(Way::SocketIo);
}
