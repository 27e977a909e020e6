//! A worker that does not answer: each call of the management listener ends in time with a
//! sentence, and what it was to do is done once the worker goes on.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use turntable::app::{Extensions, Running};
use turntable::config::Config;
use turntable::service::{Answer, LocalService, ServiceCaller};
use turntable_core::payload::Payload;
use turntable_testkit::{Client, DEADLINE, http};

/// What a worker waits for.
#[derive(Default)]
struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    /// The worker comes, and waits.
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(_, is_open)| !*is_open));
    }

    /// Waits for the worker.
    fn await_worker(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |(has_come, _)| !*has_come));
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

/// Opens the gate at its end, also where the test fails.
struct Opener(Arc<Gate>);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A service of the program that blocks its worker, though it says that it never does.
struct Hanging(Arc<Gate>);

impl LocalService for Hanging {
    fn functions(&self) -> Vec<Box<str>> {
        vec!["hang".into()]
    }

    fn call(&self, _: ServiceCaller, _: &str, _: Option<Payload>) -> Answer {
        let gate = self.0.clone();
        Box::pin(async move {
            gate.pass();
            Ok(json!(null).into())
        })
    }

    fn never_blocks(&self) -> bool {
        true
    }
}

/// Calls that concern all workers.
const CALLS: [(&str, &str); 8] = [
    ("user/listAll", "{}"),
    ("user/getSessions", r#"{"userId": "1:mel"}"#),
    ("user/kick", r#"{"userId": "1:zoe"}"#),
    ("user/remove", r#"{"userId": "1:mel"}"#),
    ("user/ban", r#"{"userId": "1:zoe", "seconds": 60}"#),
    ("channel/getSubscribers", r#"{"channelId": "news"}"#),
    ("channel/getSubscriptions", r#"{"userId": "1:mel"}"#),
    (
        "channel/subscribe",
        r#"{"userId": "1:mel", "channelId": "news"}"#,
    ),
];

/// Makes all calls at the same time.
fn call_all(management: SocketAddr) -> Vec<(&'static str, http::Response)> {
    let call = |(method, body): (&'static str, &'static str)| {
        let path = format!("/rpc/{method}");
        let json = "Content-Type: application/json\r\n";
        (method, http::send(management, "POST", &path, json, body))
    };
    std::thread::scope(|scope| {
        let calls = CALLS.map(|each| scope.spawn(move || call(each)));
        calls.map(|call| call.join().unwrap()).into()
    })
}

/// Asks for the health until it is as expected.
fn await_health(management: SocketAddr, is_expected: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + DEADLINE;
    loop {
        let answer = http::get(management, "/health/ready");
        assert_eq!(answer.status, 200);
        let health = answer.json();
        if is_expected(&health) {
            return health;
        }
        assert!(Instant::now() < end, "{health}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[actix_rt::test]
async fn every_call_ends_in_time_while_a_worker_hangs() {
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.management.listen = ([127, 0, 0, 1], 0).into();
    config.server.workers = 2;
    let gate = Arc::new(Gate::default());
    let mut extensions = Extensions::default();
    extensions
        .services
        .add("hang", Hanging(gate.clone()))
        .unwrap();
    let running = Running::start_with(config, extensions).unwrap();
    let (server, management) = (running.server, running.management);
    let client = move |_| {
        let mut client = Client::greeted(server);
        client.identify("1:zoe");
        client
    };
    // Some at each worker.
    let clients = actix_rt::task::spawn_blocking(move || [0; 4].map(client));
    let clients = clients.await.unwrap();
    let operator = move || {
        let opener = Opener(gate.clone());
        gate.await_worker();
        for (method, answer) in call_all(management) {
            let (status, code) = answer.error();
            assert_eq!((status, &*code), (503, "unavailable"), "{method}");
            assert!(answer.text().contains("no answer of worker"), "{method}");
        }
        // It is reported for itself, and the others take clients on.
        let health = await_health(management, |health| health["workers_silent"].is_array());
        assert_eq!(health["status"], "ready");
        let silent = &health["workers_silent"];
        assert!(
            silent[1].is_null() && silent[0]["since_ms"].as_u64() > Some(0),
            "{silent}"
        );
        let metric = format!(
            "turntable_worker_silent_ms{{worker=\"{}\"}} ",
            silent[0]["worker"]
        );
        let metrics = http::get(management, "/metrics");
        let value = metrics.text();
        let value = value.lines().find_map(|line| line.strip_prefix(&metric));
        assert!(value.unwrap().parse::<u64>().unwrap() >= 3_000, "{value:?}");
        drop(opener);
        await_health(management, |health| health["workers_silent"].is_null());
        // It was kicked, at both workers, and is banned.
        for mut client in clients {
            assert_eq!(client.close_code(), 4005);
        }
        let answer = http::get(management, "/user/listBans");
        assert!(answer.text().contains("1:zoe"), "{}", answer.text());
        for (method, answer) in call_all(management) {
            assert_eq!(answer.status, 200, "{method}: {}", answer.text());
        }
    };
    let operator = actix_rt::task::spawn_blocking(operator);
    let hang = running.call_service_within("hang:hang", None, Duration::from_secs(60));
    let (operator, answer) = futures_util::future::join(operator, hang).await;
    operator.unwrap();
    assert_eq!(answer, Ok(json!(null).into()));
    running.stop(Duration::ZERO).await;
}
