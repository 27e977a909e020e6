//! One identification over each transport.

use std::net::SocketAddr;

use serde_json::{Value, json};

use turntable_testkit::Client;
use turntable_testkit::http::{Pending, Response, escape, text};
use turntable_testkit::poll::{call, entries};
use turntable_testkit::socketio::{Carrier, Socket};
use turntable_testkit::stream::Stream;

/// `welcome`, or the error.
pub(crate) type Answer = Result<Value, Value>;

/// Identifies over one transport.
pub(crate) type Identify = fn(SocketAddr, &Value) -> Answer;

/// Every transport.
pub(crate) const ENTRIES: [(&str, Identify); 4] = [
    ("websocket", websocket),
    ("poll", poll),
    ("socketio", socketio),
    ("tunnel", tunnel),
];

/// Transports that take over where a WebSocket is blocked: their clients identify
/// behind the opening, and no credentials are in an address.
pub(crate) const FALLBACKS: [(&str, Identify); 5] = [
    ("poll", poll),
    ("socketio polling", socketio_polling),
    ("tunnel sse", |address, claim| {
        datagrams(address, claim, "sse")
    }),
    ("tunnel ndjson", |address, claim| {
        datagrams(address, claim, "ndjson")
    }),
    ("longpoll", |address, claim| {
        datagrams(address, claim, "longpoll")
    }),
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
    connect(Carrier::open(address, "websocket"), claim)
}

fn socketio_polling(address: SocketAddr, claim: &Value) -> Answer {
    connect(Carrier::open(address, "polling"), claim)
}

fn connect(carrier: Carrier, claim: &Value) -> Answer {
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
    Ok(message(answer.text(), "welcome").unwrap())
}

/// A tunnel that opens without a claim, and then gets `idme` by a request.
fn datagrams(address: SocketAddr, claim: &Value, format: &str) -> Answer {
    let mut stream = Stream::of(address, &format!("new=1&format={format}"), "");
    let tunnel = stream.id();
    let path = format!("/tunnel/{tunnel}");
    let is_once = format == "longpoll";
    let greeting = match is_once {
        true => stream.rest(),
        false => stream.until("\"idyou\""),
    };
    assert!(greeting.contains(&path), "{format}: {greeting}");
    let idme = json!({"command": "idme", "data": claim});
    let body = json!({"tunnel": tunnel, "path": "/server", "data": idme}).to_string();
    let kind = "Content-Type: application/json\r\n";
    let request = text(address, "POST", "/tunnel/send", kind, &body);
    let sent = Pending::send(address, &request).answer();
    assert_eq!(
        (sent.status, sent.text()),
        (200, "{\"ok\":true}"),
        "{format}"
    );
    let text = match is_once {
        true => Stream::of(
            address,
            &format!("id={tunnel}&format={format}&received=0"),
            "",
        )
        .rest(),
        false => stream.until(&path) + &stream.until("\n"),
    };
    let refused = || message(&text, "error").expect(&text);
    message(&text, "welcome").ok_or_else(refused)
}

/// The data of the message of this command among datagrams.
fn message(text: &str, command: &str) -> Option<Value> {
    let start = text.find(&format!("{{\"command\":\"{command}\""))?;
    let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
    Some(values.next().unwrap().unwrap()["data"].clone())
}
