//! Requests of an earlier connection that arrive when a later one has the session: they
//! change nothing. A client numbers its connections for that (`attempt`).

use serde_json::{Value, json};

use turntable_testkit::http::Response;
use turntable_testkit::poll::PollClient;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Server, http};

const HEADERS: &str = "Content-Type: application/json\r\n";

/// Brings the session to a WebSocket, as the client's connection of this number.
fn resume(server: &Server, session: &str, received: u64, attempt: u32) -> (Client, Value) {
    let mut client = ask_to_resume(server, session, received, attempt);
    let answer = client.next();
    (client, answer)
}

fn ask_to_resume(server: &Server, session: &str, received: u64, attempt: u32) -> Client {
    let mut client = server.connect();
    let resume = json!({"session": session, "received": received, "attempt": attempt});
    client.command("resume", resume);
    client
}

fn send(server: &Server, query: &str, datagrams: &[Value]) -> Response {
    let target = format!("/tunnel/send?{query}");
    let body = json!(datagrams).to_string();
    http::send(server.address, "POST", &target, HEADERS, &body)
}

#[test]
fn numbered_datagrams_are_not_taken_beside_a_later_websocket() {
    let server = Server::start();
    let mut listener = server.user("1:9");
    listener.request("joinchannel", json!({"channel": "c"}));
    let tunnel = Tunnel::user(&server, "1:1");
    let publish = |number: u64| tunnel.datagram("/channel/c", json!(number));
    assert_eq!(send(&server, "n=1&attempt=1", &[publish(1)]).status, 200);
    let (mut client, welcome) = resume(&server, &tunnel.id, 0, 2);
    assert_eq!(welcome["data"]["accepted"], 1, "{welcome}");

    // The tunnel's next request was on its way meanwhile. The client repeats what it
    // brings over the WebSocket, where commands have no numbers.
    let late = send(&server, "n=2&attempt=1", &[publish(2)]);
    assert_eq!(late.json()[0]["error"]["code"], "session_expired");
    client.request("publish", json!({"channel": "c", "data": 2}));
    client.request("publish", json!({"channel": "c", "data": 3}));
    for number in 1..=3 {
        assert_eq!(listener.expect("message")["data"], number);
    }
    let (client, welcome) = resume(&server, &tunnel.id, 2, 3);
    assert_eq!(welcome["data"]["accepted"], 3, "both sides count the same");

    // While the session waits for a connection it is the same.
    client.stream.shutdown(std::net::Shutdown::Both).unwrap();
    let late = send(&server, "n=4&attempt=2", &[publish(4)]);
    assert_eq!(late.json()[0]["error"]["code"], "session_expired");
    assert_eq!(send(&server, "n=4&attempt=3", &[publish(4)]).status, 200);
    assert_eq!(listener.expect("message")["data"], 4);
    listener.expect_nothing_pending();
}

#[test]
fn resume_of_an_earlier_connection_does_not_take_the_session_back() {
    let server = Server::start();
    let poll = PollClient::user(&server, "1:1");
    let (mut client, welcome) = resume(&server, &poll.session, 0, 3);
    assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
    // Each may begin anywhere: the count is not what refuses it.
    for attempt in [1, 2] {
        let late = poll.send(&format!("?batch=1&received=0&attempt={attempt}"), "[]");
        assert_eq!(late.error(), (410, "session_expired".into()));
        let late = poll.send(&format!("?batch=1&attempt={attempt}"), "[]");
        let entries = late.json();
        assert_eq!(entries[0]["args"]["code"], 4002, "{entries}");
        for format in ["ndjson", "longpoll"] {
            let query = format!("id={}&received=0&attempt={attempt}", poll.session);
            let target = format!("/tunnel?{query}&format={format}");
            let late = http::get(server.address, &target);
            assert_eq!(late.error(), (410, "session_expired".into()));
        }
        // Its client begins another session on the same connection.
        let mut other = ask_to_resume(&server, &poll.session, 0, attempt);
        let refused = other.expect("error");
        assert_eq!(refused["code"], "session_expired", "{refused}");
        other.command("idme", json!("1:1"));
        let welcome = other.expect("welcome");
        assert_ne!(welcome["session"], poll.session.as_str(), "{welcome}");
    }
    client.request("publish", json!({"channel": "c", "data": 1}));
    // A later one does.
    let (_, welcome) = resume(&server, &poll.session, 0, 4);
    assert_eq!(welcome["data"]["resumed"], true, "{welcome}");
    client.expect_close(4002);
}

#[test]
fn attempt_is_a_number() {
    let server = Server::start();
    let poll = PollClient::user(&server, "1:1");
    for wrong in ["-1", "x", "4294967296"] {
        let query = format!("?batch=1&attempt={wrong}");
        assert_eq!(poll.send(&query, "[]").error(), (400, "bad_message".into()));
        let refused = send(&server, &format!("n=1&attempt={wrong}"), &[json!(1)]);
        assert_eq!(refused.status, 400, "{refused:?}");
    }
}
