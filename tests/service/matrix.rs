//! A service that is disabled, a deadline, and a resume, for callers and instances over
//! each transport.

use serde_json::{Value, json};
use turntable_testkit::{Peer, Server, Way};

use crate::manage;

const CONFIG: &str = r#"
[poll]
answer_ms = 100

[services.forum]
providers = ["service:forum"]
token = "secret"
"#;

/// A caller and an instance, over each pair of transports. Each pair has a server.
fn each_pair(timeout_ms: u64, test: impl Fn(&Server, Peer, Peer) + Sync) {
    each_pair_with(timeout_ms, &[], test);
}

fn each_pair_with(
    timeout_ms: u64,
    keys: &[(&str, &str)],
    test: impl Fn(&Server, Peer, Peer) + Sync,
) {
    std::thread::scope(|scope| {
        for instance in Way::ALL {
            let test = &test;
            scope.spawn(move || {
                for caller in Way::ALL {
                    eprintln!("{caller:?} calls {instance:?}");
                    let (server, mel, forum) = pair(caller, instance, timeout_ms, keys);
                    test(&server, mel, forum);
                }
            });
        }
    });
}

/// A server, a caller and an instance that it knows.
fn pair(
    caller: Way,
    instance: Way,
    timeout_ms: u64,
    keys: &[(&str, &str)],
) -> (Server, Peer, Peer) {
    let config = format!("{CONFIG}timeout_ms = {timeout_ms}\n");
    let server = Server::configured(&config, keys);
    let claim = json!({"user": "service:forum", "credentials": {"token": "secret"}});
    let mut forum = Peer::open(instance, server.address, &claim);
    let services = json!({"services": {"forum": ["post"]}});
    forum.request_of("provide", &services, 1);
    let mut mel = Peer::user(caller, server.address, "1:1");
    if mel.welcome["services"]["forum"]["state"] != "enabled" {
        await_state(&mut mel, "enabled");
    }
    (server, mel, forum)
}

fn await_state(peer: &mut Peer, state: &str) {
    while peer.await_command("service")["forum"]["state"] != state {}
}

/// The call that the instance gets next.
fn called(forum: &mut Peer) -> Value {
    let called = forum.next_answer();
    assert_eq!(called["command"], "call", "{called}");
    assert_eq!(called["data"]["f"], "forum:post", "{called}");
    called
}

/// The instance must hear that this call is not awaited any more.
fn expect_cancel(forum: &mut Peer, called: &Value) {
    let cancel = forum.next_answer();
    assert_eq!(cancel["data"]["f"], "$av:cancel", "{cancel}");
    assert_eq!(cancel["data"]["args"]["id"], called["id"], "{cancel}");
    // In the call itself, too, where clients do not see the number of an answer.
    if forum.way() == Way::SocketIo {
        assert_eq!(called["data"]["id"], called["id"], "{called}");
    }
}

/// The next answer must be this error.
fn expect_error(mel: &mut Peer, id: u64, code: &str) {
    let error = mel.next_answer();
    assert_eq!(
        (&error["id"], &error["data"]["code"]),
        (&json!(id), &json!(code)),
        "{error}"
    );
}

/// A call that is answered.
fn call_and_answer(mel: &mut Peer, forum: &mut Peer, id: u64) {
    mel.call("forum:post", json!("t"), id);
    mel.flush();
    let called = called(forum);
    forum.reply(&called, json!(id));
    forum.flush();
    let reply = mel.next_answer();
    assert_eq!(
        (&reply["id"], &reply["data"]),
        (&json!(id), &json!(id)),
        "{reply}"
    );
}

/// Neither of them gets anything more.
fn expect_nothing_pending(mel: &mut Peer, forum: &mut Peer) {
    for message in mel.pending().into_iter().chain(forum.pending()) {
        assert_eq!(message["command"], "service", "{message}");
    }
}

#[test]
fn open_call_of_a_disabled_service_is_answered_and_cancelled_over_every_transport() {
    each_pair(60_000, |server, mut mel, mut forum| {
        mel.call("forum:post", json!("t"), 1);
        mel.flush();
        let open = called(&mut forum);
        let name = json!({"name": "forum"});
        assert_eq!(manage(server, "service/disable", &name).0, 200);
        expect_error(&mut mel, 1, "service_down");
        expect_cancel(&mut forum, &open);
        // Its answer comes too late, and is no error.
        forum.reply(&open, json!("late"));
        forum.flush();
        mel.call("forum:post", json!("t"), 2);
        expect_error(&mut mel, 2, "service_down");
        assert_eq!(manage(server, "service/enable", &name).0, 200);
        await_state(&mut mel, "enabled");
        call_and_answer(&mut mel, &mut forum, 3);
        expect_nothing_pending(&mut mel, &mut forum);
    });
}

#[test]
fn deadline_is_answered_and_cancelled_over_every_transport() {
    each_pair(1_000, |_, mut mel, mut forum| {
        mel.call("forum:post", json!("t"), 1);
        mel.flush();
        let open = called(&mut forum);
        expect_error(&mut mel, 1, "timeout");
        expect_cancel(&mut forum, &open);
        forum.reply(&open, json!("late"));
        forum.flush();
        call_and_answer(&mut mel, &mut forum, 2);
        expect_nothing_pending(&mut mel, &mut forum);
    });
}

#[test]
fn answer_reaches_a_caller_that_resumes_once_over_every_transport() {
    each_pair(60_000, |server, mut mel, mut forum| {
        mel.call("forum:post", json!("t"), 1);
        // One that polls loses the answer of the request that has the call.
        mel.cut();
        let open = called(&mut forum);
        forum.reply(&open, json!("done"));
        forum.flush();
        server.await_metric("turntable_service_open{service=\"forum\"}", 0.0);
        for _ in 0..2 {
            mel.resume();
        }
        let reply = mel.next_answer();
        assert_eq!(
            (&reply["command"], &reply["data"]),
            (&json!("reply"), &json!("done"))
        );
        mel.resume();
        call_and_answer(&mut mel, &mut forum, 2);
        expect_nothing_pending(&mut mel, &mut forum);
    });
}

#[test]
fn instance_that_resumes_provides_again_over_every_transport() {
    let keys = [("poll.gone_ms", "1500")];
    each_pair_with(60_000, &keys, |_, mut mel, mut forum| {
        mel.call("forum:post", json!("t"), 1);
        mel.flush();
        let open = called(&mut forum);
        // One that polls is gone when it has not polled for a while.
        if forum.way() != Way::Poll {
            forum.cut();
        }
        expect_error(&mut mel, 1, "service_down");
        assert_eq!(forum.resume()["user"], "service:forum");
        // The answer to the call that it had before comes too late.
        forum.reply(&open, json!("late"));
        forum.flush();
        await_state(&mut mel, "enabled");
        call_and_answer(&mut mel, &mut forum, 2);
        expect_nothing_pending(&mut mel, &mut forum);
    });
}
