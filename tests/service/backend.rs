//! Services with a `url`: HTTP backends, and stand-alone socket.io servers.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::{await_state, call, next, user};
use turntable_testkit::Server;
use turntable_testkit::package::has_npm_package;
use turntable_testkit::workspace::root;

/// What an HTTP backend got: its headers, in lower case, and the body.
pub(crate) struct Request {
    head: String,
    /// The call.
    pub body: Value,
}

/// Reads a request; `None` at the end of the connection.
pub(crate) fn request(stream: impl Read) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1)?;
    let length = length.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).ok()?;
    Some(Request { head, body })
}

/// An HTTP backend on a thread of its own. `answer` gives status and body, or nothing:
/// then the connection stays open and silent.
fn backend(answer: impl Fn(Request) -> Option<(u16, Value)> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/forum", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                while let Some(request) = request(&stream) {
                    if let Some((status, body)) = answer(request) {
                        let body = body.to_string();
                        let head = format!(
                            "HTTP/1.1 {status} .\r\ncontent-length: {}\r\n\r\n",
                            body.len()
                        );
                        stream.write_all((head + &body).as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    url
}

fn server(keys: &str) -> Server {
    let config = format!(
        r#"
[limits]
call = {{ per_second = 100000, burst = 100000 }}

[services.forum]
token = "secret"
timeout_ms = 400
functions = ["createPost", "slow", "fail", "bytes"]
{keys}
"#
    );
    Server::configured(&config, &[])
}

#[test]
fn http_backend_gets_the_call_and_its_answer_reaches_the_caller() {
    let url = backend(|request| {
        assert!(request.head.contains("authorization: bearer secret\r\n"));
        assert!(request.head.starts_with("post /forum "));
        let id: u64 = request.body["id"].as_str().unwrap().parse().unwrap();
        assert!(id > 0);
        let args = request.body["args"].clone();
        Some(match request.body["f"].as_str().unwrap() {
            "forum:createPost" => {
                let user = &request.body["user"];
                (200, json!({"r": {"by": user, "args": args}}))
            }
            _ => (
                409,
                json!({"error": {"code": args, "message": "there is one"}}),
            ),
        })
    });
    let server = server(&format!("url = \"{url}\""));
    let mut mel = user(&server, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!({"title": "t"}), 1);
    let reply = next(&mut mel);
    let expected = json!({"by": "1:1", "args": {"title": "t"}});
    assert_eq!((&reply["id"], &reply["data"]), (&json!(1), &expected));
    for (id, code, heard) in [
        (2, "conflict", "conflict"),
        (3, "unauthorized", "refused"),
        (4, "rate_limited", "refused"),
    ] {
        call(&mut mel, "forum:fail", json!(code), id);
        let answer = next(&mut mel);
        assert_eq!(
            (&answer["id"], &answer["data"]["code"]),
            (&json!(id), &json!(heard))
        );
        let message = answer["data"]["message"].as_str().unwrap();
        assert!(message.ends_with("there is one"), "{message}");
    }
    call(&mut mel, "forum:nosuch", json!(null), 5);
    assert_eq!(next(&mut mel)["data"]["code"], "not_found");
}

#[test]
fn silent_http_backend_has_a_pause_and_comes_back() {
    let is_silent = Arc::new(AtomicBool::new(true));
    let silent = is_silent.clone();
    let url = backend(move |_| {
        let is_silent = silent.load(Ordering::Relaxed);
        (!is_silent).then(|| (200, json!({"r": "done"})))
    });
    let keys = format!("url = \"{url}\"\nfailures_max = 2\npause_ms = 600");
    let server = server(&keys);
    let mut mel = user(&server, "1:1", "forum");
    for id in 1..=2 {
        call(&mut mel, "forum:createPost", json!(null), id);
        let answer = next(&mut mel);
        assert_eq!(
            (&answer["id"], &answer["data"]["code"]),
            (&json!(id), &json!("timeout"))
        );
    }
    await_state(&mut mel, "forum", "disabled");
    call(&mut mel, "forum:createPost", json!(null), 3);
    assert_eq!(next(&mut mel)["data"]["code"], "service_down");
    is_silent.store(false, Ordering::Relaxed);
    let state = await_state(&mut mel, "forum", "enabled");
    assert_eq!(state["functions"].as_array().unwrap().len(), 4);
    call(&mut mel, "forum:createPost", json!(null), 4);
    assert_eq!(next(&mut mel)["data"], "done");
}

#[test]
fn http_backend_that_is_not_there_or_answers_nonsense_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let gone = server(&format!("url = \"{url}\""));
    let mut mel = user(&gone, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(null), 1);
    assert_eq!(next(&mut mel)["data"]["code"], "service_down");

    let url = backend(|_| Some((200, json!(["no entry"]))));
    let odd = server(&format!("url = \"{url}\""));
    let mut mel = user(&odd, "1:1", "forum");
    call(&mut mel, "forum:createPost", json!(null), 1);
    assert_eq!(next(&mut mel)["data"]["code"], "internal");
}

/// A stand-alone socket.io server: `tests/service/socketio_server.mjs`.
struct SocketIo {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl SocketIo {
    fn start(kind: &str, port: u16) -> Self {
        let mut child = Command::new("node")
            .arg(root().join("tests/service/socketio_server.mjs"))
            .args([kind, &port.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Its port, the first line.
    fn port(&mut self) -> u16 {
        self.line().parse().unwrap()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for SocketIo {
    fn drop(&mut self) {
        self.kill();
    }
}

fn socketio_keys(port: u16, path: &str) -> String {
    format!("url = \"http://127.0.0.1:{port}{path}\"\nprotocol = \"socket.io\"")
}

#[test]
fn socketio_server_is_called_by_events_and_answers_by_acknowledgements() {
    if !has_npm_package("socket.io") {
        return;
    }
    for path in ["", "/forum"] {
        let mut forum = SocketIo::start("npm", 0);
        let server = server(&socketio_keys(forum.port(), path));
        let mut mel = user(&server, "1:1", "forum");
        call(&mut mel, "forum:createPost", json!({"title": "t"}), 1);
        let expected = json!({"by": "1:1", "args": {"title": "t"}});
        assert_eq!(next(&mut mel)["data"], expected);
        call(&mut mel, "forum:bytes", json!({"$bin": "AQID"}), 2);
        assert_eq!(next(&mut mel)["data"], json!({"$bin": "AQID"}));
        call(&mut mel, "forum:fail", json!("conflict"), 3);
        assert_eq!(next(&mut mel)["data"]["code"], "conflict");
        // The server hears which call is not awaited any more.
        call(&mut mel, "forum:slow", json!(null), 4);
        assert_eq!(next(&mut mel)["data"]["code"], "timeout");
        let slow = forum.line();
        assert_eq!(forum.line(), slow.replace("slow", "cancelled"));
        call(&mut mel, "forum:createPost", json!(5), 5);
        assert_eq!(next(&mut mel)["data"]["args"], 5);
    }
}

#[test]
fn killed_socketio_server_answers_its_calls_at_once_and_comes_back() {
    if !has_npm_package("socket.io") {
        return;
    }
    let mut forum = SocketIo::start("npm", 0);
    let port = forum.port();
    let server = server(&socketio_keys(port, ""));
    let mut mel = user(&server, "1:1", "forum");
    for id in 0..20 {
        call(&mut mel, "forum:slow", json!(null), id);
    }
    // It has them all.
    let mut had = (0..20)
        .map(|_| forum.line())
        .filter(|line| line.starts_with("slow"));
    assert_eq!(had.by_ref().count(), 20);
    forum.kill();
    let (mut answered, mut is_down) = (Vec::new(), false);
    while answered.len() < 20 || !is_down {
        let message = mel.next();
        match message["command"].as_str().unwrap() {
            "error" => {
                assert_eq!(message["data"]["code"], "service_down", "{message}");
                answered.push(message["id"].as_u64().unwrap());
            }
            "service" => is_down |= message["data"]["forum"]["state"] == "disabled",
            other => panic!("{other}"),
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..20).collect::<Vec<_>>());
    call(&mut mel, "forum:createPost", json!(null), 30);
    assert_eq!(next(&mut mel)["data"]["code"], "service_down");
    let mut forum = SocketIo::start("npm", port);
    assert_eq!(forum.port(), port);
    await_state(&mut mel, "forum", "enabled");
    call(&mut mel, "forum:createPost", json!(31), 31);
    assert_eq!(next(&mut mel)["data"]["args"], 31);
}

#[test]
fn socketio_server_that_breaks_the_protocol_is_cut_off() {
    if !has_npm_package("ws") {
        return;
    }
    for (kind, why) in [
        ("twice", "it answers a call that it was not given"),
        ("flood", "it sends more than answers"),
        ("garbage", "it broke the protocol"),
        ("silent", "it is silent"),
    ] {
        let mut forum = SocketIo::start(kind, 0);
        let server = server(&socketio_keys(forum.port(), ""));
        let mut mel = user(&server, "1:1", "forum");
        call(&mut mel, "forum:createPost", json!(1), 1);
        let answer = next(&mut mel);
        assert_eq!(answer["id"], 1, "{kind}");
        if kind != "twice" {
            assert_eq!(answer["data"]["code"], "service_down", "{kind}");
        }
        let _log = server.await_log(why);
    }
}
