//! Instances that are programs of their own and are killed in the middle of calls, which
//! come over each transport: every call has one answer, and the service comes back by itself.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use turntable_client::{Client, Service};
use turntable_testkit::package::has_npm_package;
use turntable_testkit::process::Process;
use turntable_testkit::{DEADLINE, Peer, Server, Way};

/// Calls of each caller that are open when the instance is killed.
const OPEN: u64 = 10;
/// How often it is killed.
const KILLS: u64 = 2;

const CONFIG: &str = r#"
[limits]
call = { per_second = 100000, burst = 100000 }
bytes = { per_second = 100000000, burst = 100000000 }

[poll]
answer_ms = 100
gone_ms = 1500

[services.forum]
token = "secret"
timeout_ms = 60000
"#;

/// A caller over one transport, and the answers that its calls have.
struct Caller {
    peer: Peer,
    last: u64,
    /// By the id of the call: whether it is the slow one.
    open: Vec<(u64, bool)>,
    is_down: bool,
}

impl Caller {
    fn new(server: &Server, way: Way) -> Self {
        let peer = Peer::user(way, server.address, &format!("1:{way:?}"));
        Self {
            peer,
            last: 0,
            open: Vec::new(),
            is_down: false,
        }
    }

    fn call(&mut self, is_slow: bool) {
        self.last += 1;
        let f = if is_slow { "forum:slow" } else { "forum:quick" };
        self.peer.call(f, json!(self.last), self.last);
        self.open.push((self.last, is_slow));
    }

    /// Takes the next answer; whether it is a result.
    fn take(&mut self) -> bool {
        loop {
            let message = self.peer.next().expect("a connection that goes on");
            if message["command"] == "service" {
                self.is_down |= message["data"]["forum"]["state"] == "disabled";
                continue;
            }
            let id = message["id"].as_u64().unwrap();
            let found = self.open.iter().position(|(known, _)| *known == id);
            let found = found.unwrap_or_else(|| panic!("{message} answers nothing"));
            let (_, is_slow) = self.open.swap_remove(found);
            if message["command"] == "reply" {
                assert!(!is_slow, "{message}");
                assert_eq!(message["data"], id);
                return true;
            }
            assert_eq!(message["data"]["code"], "service_down", "{message}");
            return false;
        }
    }

    /// Calls until there is a result.
    fn await_up(&mut self) {
        let until = Instant::now() + DEADLINE;
        self.call(false);
        while !self.take() {
            assert!(Instant::now() < until, "the instance is not up");
            std::thread::sleep(Duration::from_millis(5));
            self.call(false);
        }
    }

    /// Calls until it has heard that the service is down.
    fn await_down(&mut self) {
        let until = Instant::now() + DEADLINE;
        while !self.is_down {
            assert!(Instant::now() < until, "the instance is not down");
            self.call(false);
            self.take();
        }
    }
}

/// Kills the instance while each caller has calls open at it.
fn kill_in_the_middle(server: &Server, has_connection: bool, start: impl Fn() -> Process) {
    let mut callers = Way::ALL.map(|way| Caller::new(server, way));
    for _ in 0..KILLS {
        let mut instance = start();
        instance.await_line("up");
        for caller in &mut callers {
            caller.await_up();
            caller.is_down = false;
            for _ in 0..OPEN {
                caller.call(true);
            }
            caller.peer.flush();
        }
        for _ in 0..OPEN * callers.len() as u64 {
            instance.await_line("slow");
        }
        for caller in &mut callers {
            for _ in 0..OPEN {
                caller.call(false);
            }
        }
        instance.kill();
        for caller in &mut callers {
            while !caller.open.is_empty() {
                caller.take();
            }
            if has_connection {
                caller.await_down();
            }
        }
    }
    server.await_metric("turntable_service_open{service=\"forum\"}", 0.0);
    for caller in &mut callers {
        for message in caller.peer.pending() {
            assert_eq!(message["command"], "service", "{message}");
        }
    }
}

/// A server to which instances connect.
fn server() -> Server {
    let providers = "providers = [\"service:forum\"]\n";
    Server::configured(&[CONFIG, providers].concat(), &[])
}

fn connecting(kind: &str) {
    if !has_npm_package("socket.io") || !has_npm_package("ws") {
        return;
    }
    let server = server();
    let url = format!("http://{}", server.address);
    kill_in_the_middle(&server, true, || {
        Process::node("tests/service/instance.mjs", &[kind, &url])
    });
}

/// A port that stays free until an instance listens on it: the system gives none below
/// 32,768 to other tests, and each process begins to look at another one.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut ports = first..first + 1_000;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).unwrap()
}

/// An instance that the server connects to.
fn listening(kind: &str, keys: &str, has_connection: bool) {
    if !has_npm_package("socket.io") || !has_npm_package("ws") {
        return;
    }
    let port = free_port().to_string();
    let url =
        format!("url = \"http://127.0.0.1:{port}\"\nfunctions = [\"quick\", \"slow\"]\n{keys}\n");
    let server = Server::configured(&[CONFIG, &url].concat(), &[]);
    kill_in_the_middle(&server, has_connection, || {
        Process::node("tests/service/instance.mjs", &[kind, "", &port])
    });
}

#[test]
fn killed_instance_over_a_websocket() {
    connecting("websocket");
}

#[test]
fn killed_instance_over_polls() {
    connecting("poll");
}

#[test]
fn killed_instance_with_npm_socket_io_client() {
    connecting("socketio");
}

#[test]
fn killed_server_with_npm_socket_io() {
    listening("socketio_server", "protocol = \"socket.io\"", true);
}

#[test]
fn killed_http_backend() {
    listening("http", "pause_ms = 100", false);
}

/// Where the process that this test starts finds the server.
const URL: &str = "KILLED_INSTANCE_URL";

/// The test starts itself as the instance.
#[test]
fn killed_instance_in_rust() {
    if let Ok(url) = std::env::var(URL) {
        return provide(&url);
    }
    let server = server();
    let url = format!("ws://{}/ws", server.address);
    kill_in_the_middle(&server, true, || {
        let mut test = Command::new(std::env::current_exe().unwrap());
        let name = ["--exact", "killed::killed_instance_in_rust", "--nocapture"];
        Process::start(test.args(name).env(URL, &url))
    });
}

/// Provides the forum until it is killed.
fn provide(url: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let forum = Client::builder(url).user("service:forum").token("secret");
        let forum = forum.connect().await.unwrap();
        let service = Service::new("forum", ())
            .function("quick", async |_: Arc<()>, _, args: Value| Ok(args))
            .function("slow", async |_: Arc<()>, _, _: Value| {
                println!("\nslow");
                std::future::pending::<Result<(), _>>().await
            });
        forum.provide(service).await.unwrap();
        println!("\nup");
        std::future::pending::<()>().await;
    });
}
