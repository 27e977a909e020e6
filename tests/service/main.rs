//! Services: calls of clients, sessions that provide functions, and what happens
//! when they die.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod backend;
mod call;
mod crowd;
mod death;
mod direct;
mod disabled;
mod function;
mod https;
mod killed;
mod matrix;
mod server_call;
mod transport;

use serde_json::{Value, json};

use turntable_testkit::{Client, Server, http};

/// Two services, of which the second has few callers.
pub const CONFIG: &str = r#"
[limits]
call = { per_second = 100000, burst = 100000 }
bytes = { per_second = 100000000, burst = 100000000 }
address_publish = { per_second = 100000000, burst = 100000000 }

[services.forum]
providers = ["service:forum"]
token = "secret"
timeout_ms = 1000
idempotent = ["read"]

[services.staff]
providers = ["service:forum"]
token = "secret"
callers = ["staff:*"]
"#;

/// A server with the services.
pub fn server() -> Server {
    Server::configured(CONFIG, &[])
}

/// A session of the forum that provides these functions.
pub fn provider(server: &Server, service: &str, functions: &[&str]) -> Client {
    let mut client = server.connect();
    let user = json!({"user": "service:forum", "credentials": {"token": "secret"}});
    client.command("idme", user);
    client.await_command("welcome");
    let services = json!({"services": {service: functions}});
    client.send(json!({"command": "provide", "data": services, "id": 1}));
    let reply = client.await_command("reply");
    assert_eq!(reply, json!({"services": [service], "own": []}));
    client
}

/// The next message, except changes of services, which `await_state` sees.
pub fn next(client: &mut Client) -> Value {
    client.next_but("service")
}

/// Waits until the service has this state for the client.
pub fn await_state(client: &mut Client, service: &str, state: &str) -> Value {
    loop {
        let change = client.await_command("service");
        if change[service]["state"] == state {
            return change[service].clone();
        }
    }
}

/// A method of the management listener, as the operator calls it.
pub fn manage(server: &Server, method: &str, body: &Value) -> (u16, Value) {
    let path = format!("/rpc/{method}");
    let json = "Content-Type: application/json\r\n";
    let answer = http::send(server.management, "POST", &path, json, &body.to_string());
    (answer.status, answer.json())
}

/// A client that offers functions of its own.
pub fn offering(server: &Server, id: &str, service: &str, functions: &[&str]) -> Client {
    let mut client = server.user(id);
    let reply = client.request("provide", json!({"services": {service: functions}}));
    assert_eq!(reply, json!({"services": [], "own": [service]}));
    client
}

/// Does something that blocks while the server runs on.
pub async fn beside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

/// A user to whom the service is enabled.
pub fn user(server: &Server, id: &str, service: &str) -> Client {
    let mut client = server.connect();
    client.command("idme", json!(id));
    let welcome = client.await_command("welcome");
    if welcome["services"][service]["state"] != "enabled" {
        await_state(&mut client, service, "enabled");
    }
    client
}

/// Sends a call with an id.
pub fn call(client: &mut Client, f: &str, args: Value, id: u64) {
    client.send(json!({"command": "call", "data": {"f": f, "args": args}, "id": id}));
}
