//! What the server measures of itself: metrics, and the log of what takes long.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use turntable_testkit::{Client, DEADLINE, Server, room};

const SERVICE: &str = "[services.forum]\nproviders = [\"service:forum\"]\ntoken = \"secret\"\n";

/// Waits until a metric has counted something.
fn await_some(server: &Server, metric: &str) {
    let until = Instant::now() + DEADLINE;
    while server.metric(metric) < 1.0 {
        assert!(Instant::now() < until, "{metric} is 0");
        sleep(Duration::from_millis(20));
    }
}

/// A client that provides `forum:read`.
fn provider(server: &Server) -> Client {
    let mut client = server.connect();
    let user = json!({"user": "service:forum", "credentials": {"token": "secret"}});
    client.command("idme", user);
    client.await_command("welcome");
    let services = json!({"services": {"forum": ["read"]}});
    client.send(json!({"command": "provide", "data": services, "id": 1}));
    client.await_command("reply");
    client
}

/// Lets `caller` call `forum:read`, whose provider answers after `wait_ms`.
fn call(caller: &mut Client, provider: &mut Client, wait_ms: u64) {
    let args = json!({"f": "forum:read", "args": null});
    caller.send(json!({"command": "call", "data": args, "id": 9}));
    let called = provider.next_but("service");
    sleep(Duration::from_millis(wait_ms));
    provider.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
    assert_eq!(caller.next_but("service")["id"], 9);
}

#[test]
fn messages_are_counted_by_name_and_ticks_by_their_lateness() {
    let server = Server::configured("[games.tick]\ntick_ms = 50\n", &[("server.workers", "2")]);
    let [mut one, mut two] = room::members(&server, "table", "tick", ["1:1", "1:2"]);
    let sent = [1, 2, 3].map(|number| room::action("1:1", room::unix_ms(), json!(number)));
    room::send_actions(&mut one, "table", &sent);
    for client in [&mut one, &mut two] {
        assert_eq!(room::actions(client).len(), 3);
    }
    server.await_metric("turntable_messages_sent_total{name=\"game\"}", 2.0);
    server.await_metric("turntable_tick_actions_total", 3.0);
    // Each `joined` of the two, and the `memberchange` of the second for the first.
    assert_eq!(
        server.metric("turntable_messages_sent_total{name=\"joined\"}"),
        2.0
    );
    assert_eq!(
        server.metric("turntable_messages_sent_total{name=\"memberchange\"}"),
        1.0
    );
    let page = server.manage("/metrics");
    let sum = |name: &str| -> f64 {
        let lines = page.text().lines().filter(|line| line.starts_with(name));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    };
    assert_eq!(sum("turntable_tick_late_ms_count{"), 1.0, "of its worker");
    let by_name = sum("turntable_messages_sent_total{");
    assert_eq!(by_name, sum("turntable_deliveries_total"));
    // Probes come each second, whatever happens.
    for metric in ["call", "delivery"] {
        for worker in 0..2 {
            let count = format!("turntable_{metric}_lag_ms_count{{worker=\"{worker}\"}}");
            await_some(&server, &count);
        }
    }
}

#[test]
fn presence_that_changes_together_is_one_message() {
    let server = Server::with(&[("presence.coalesce_ms", "300")]);
    let mut watcher = server.user("1:9");
    watcher.command("subscribe", json!(["1:1", "1:2", "1:3"]));
    let snapshot = watcher.expect("userchange");
    assert_eq!(snapshot.as_object().unwrap().len(), 3);
    server.await_metric("turntable_presence_changes_total", 3.0);
    let sent = "turntable_messages_sent_total{name=\"userchange\"}";
    let messages = server.metric(sent);
    let _others = ["1:1", "1:2", "1:3"].map(|user| server.user(user));
    server.await_metric("turntable_presence_changes_total", 6.0);
    assert!(server.metric(sent) - messages <= 2.0, "they are merged");
}

#[test]
fn calls_to_services_and_commits_of_the_store_are_timed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let keys = [
        ("store.path", path.to_str().unwrap()),
        ("attributes.durable", r#"["mark"]"#),
        ("log.slow_ms", "0"),
    ];
    let server = Server::configured(SERVICE, &keys);
    let (mut forum, mut mel) = (provider(&server), server.user("1:1"));
    call(&mut mel, &mut forum, 60);
    server.await_metric("turntable_service_call_ms_count{service=\"forum\"}", 1.0);
    let bucket = |le| format!("turntable_service_call_ms_bucket{{le=\"{le}\",service=\"forum\"}}");
    assert_eq!(server.metric(&bucket("50.0")), 0.0);
    assert_eq!(server.metric(&bucket("5000.0")), 1.0);
    let set = json!({"userId": "1:1", "attributes": {"mark": 1}});
    assert_eq!(server.rpc("user/setAttributes", &set).status, 200);
    await_some(&server, "turntable_store_commit_ms_count");
    assert_eq!(server.metric("turntable_store_waiting"), 0.0);
    assert_eq!(server.metric("turntable_store_waiting_bytes"), 0.0);
    assert!(!server.log().contains("slow: "), "{}", server.log());
}

#[test]
fn what_takes_long_is_logged_with_its_name_and_time() {
    let server = &Server::configured(SERVICE, &[("log.slow_ms", "50")]);
    let (mut forum, mut mel) = (provider(server), server.user("1:1"));
    // How long users take is no matter of the log, and hides no service.
    let offer = json!({"services": {"friends": ["newFriend"]}});
    mel.request("provide", offer);
    let slow = std::thread::scope(|scope| {
        let args = json!({"userId": "1:1", "f": "friends:newFriend"});
        let asked = scope.spawn(move || server.rpc("user/call", &args).status);
        let called = mel.next_but("service");
        sleep(Duration::from_millis(60));
        mel.send(json!({"command": "reply", "data": 1, "id": called["id"]}));
        asked.join().unwrap()
    });
    assert_eq!(slow, 200);
    let _ = server.await_log("slow: the call user/call took ");
    call(&mut mel, &mut forum, 60);
    let log = server.await_log("slow: a call to the service forum took ");
    assert!(log.contains(" ms"), "{log}");
    // The next ones are counted, and one line of each kind is written in ten seconds.
    call(&mut mel, &mut forum, 60);
    let count = "turntable_service_call_ms_count{service=\"forum\"}";
    server.await_metric(count, 2.0);
    let log = server.log();
    assert_eq!(log.matches("slow: a call to").count(), 1, "{log}");
}

#[test]
fn stall_of_all_workers_is_measured() {
    let server = Server::with(&[("server.workers", "1"), ("log.slow_ms", "150")]);
    await_some(&server, "turntable_delivery_lag_ms_count{worker=\"0\"}");
    server.signal("STOP");
    // A probe is due within a second.
    sleep(Duration::from_millis(1_300));
    server.signal("CONT");
    let _ = server.await_log(" that waited for worker 0 took ");
}
