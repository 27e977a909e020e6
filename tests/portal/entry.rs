//! One identification over each transport.

use std::net::SocketAddr;

use serde_json::{Value, json};

use turntable_testkit::Client;
use turntable_testkit::http::{Pending, Response, escape, text};
use turntable_testkit::poll::{call, entries};
use turntable_testkit::socketio::{Carrier, Socket};

/// `welcome`, or the error.
pub(crate) type Answer = Result<Value, Value>;

/// A way to identify.
pub(crate) type Way = fn(SocketAddr, &Value) -> Answer;

/// Every transport.
pub(crate) const WAYS: [(&str, Way); 4] = [
    ("websocket", websocket),
    ("poll", poll),
    ("socketio", socketio),
    ("tunnel", tunnel),
];

fn websocket(address: SocketAddr, claim: &Value) -> Answer {
    let mut client = Client::greeted(address);
    client.command("idme", claim.clone());
    let answer = client.next();
    match &answer["command"] {
        command if command == "welcome" => Ok(answer["data"].clone()),
        _ => Err(answer["data"].clone()),
    }
}

fn poll(address: SocketAddr, claim: &Value) -> Answer {
    let body = json!([call("$av:idme", claim.clone(), 1)]).to_string();
    let request = text(
        address,
        "POST",
        "/poll",
        "Content-Type: application/json\r\n",
        &body,
    );
    let answer = Pending::send(address, &request).answer();
    let entries = entries(&answer);
    let entry = entries.iter().find(|entry| entry["id"] == 1).unwrap();
    match entry.get("r") {
        Some(welcome) => Ok(welcome.clone()),
        None => Err(entry["error"].clone()),
    }
}

fn socketio(address: SocketAddr, claim: &Value) -> Answer {
    let carrier = Carrier::open(address, "websocket");
    match Socket::try_on(carrier, "/", claim.clone()) {
        Ok(mut socket) => {
            socket.expect("idyou");
            Ok(socket.expect("welcome"))
        }
        Err(error) => Err(error["data"].clone()),
    }
}

/// The query of a tunnel that is identified before its first byte.
pub(crate) fn tunnel_query(claim: &Value) -> String {
    let mut query = "/tunnel?new=1&format=longpoll".to_owned();
    if let Some(user) = claim["user"].as_str() {
        query += &format!("&user={}", escape(user));
    }
    if claim["credentials"].is_object() {
        query += &format!("&credentials={}", escape(&claim["credentials"].to_string()));
    }
    query
}

fn tunnel(address: SocketAddr, claim: &Value) -> Answer {
    let request = text(address, "GET", &tunnel_query(claim), "", "");
    let answer: Response = Pending::send(address, &request).answer();
    if answer.status != 200 {
        return Err(answer.json()["error"].clone());
    }
    let text = answer.text();
    let welcome = text
        .lines()
        .find(|line| line.contains("\"welcome\""))
        .unwrap();
    let start = welcome.find("{\"command\":\"welcome\"").unwrap();
    let mut values = serde_json::Deserializer::from_str(&welcome[start..]).into_iter::<Value>();
    Ok(values.next().unwrap().unwrap()["data"].clone())
}
