//! What one user does between a connection and its end.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket as Socket2, Type};

use turntable_testkit::metric::CLOSED_TOO_SLOW;
use turntable_testkit::socketio::Socket;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Frame, Opcode, Random, Server, http, msgpack, poll};

use super::is_close;

/// How soon a client makes its claim that is not late on a busy machine: well before
/// `session.identify_timeout_ms`.
const IN_TIME: Duration = Duration::from_millis(300);

/// One life of a user, over a transport that chance selects.
pub(crate) fn live(server: &Server, random: &mut Random, user: &str) {
    match random.below(9) {
        0..4 => over_websocket(server, random, user),
        4 => over_messagepack(server, random, user),
        5 => over_tunnel(server, random, user),
        6 => over_poll(server, random, user),
        7 => over_socketio(server, random, user),
        _ => bad_input(server, random),
    }
}

fn channel(random: &mut Random) -> String {
    format!("soak/{}", random.below(6))
}

fn room(random: &mut Random) -> String {
    format!("room{}", random.below(4))
}

/// Commands that chance selects, as names and data.
fn commands(random: &mut Random, user: &str) -> Vec<(&'static str, Value)> {
    let room = room(random);
    let mut commands = vec![
        ("joinchannel", json!({"channel": channel(random)})),
        ("joingame", json!({"channel": room, "self": user})),
    ];
    for _ in 0..random.below(12) {
        commands.push(match random.below(9) {
            0 => ("subscribe", json!([format!("1:{}", random.below(80))])),
            1 => ("unsubscribe", json!([format!("1:{}", random.below(80))])),
            2 => (
                "status",
                json!(["busy", "idle", "online", "invisible"][random.index(4)]),
            ),
            3 => ("set", json!({"n": random.below(9)})),
            4 => {
                let invite = [format!("1:{}", random.below(80))];
                (
                    "joingame",
                    json!({"channel": room, "self": user, "invite": invite}),
                )
            }
            5 => {
                let actions = [json!({"timestamp": 0, "from": user, "data": random.below(9)})];
                ("game", json!({"channel": room, "actions": actions}))
            }
            6 => ("leavegame", json!({"channel": room})),
            7 => ("lookup", json!([format!("1:{}", random.below(80))])),
            _ => {
                let data = "x".repeat(random.index(3_000));
                ("publish", json!({"channel": channel(random), "data": data}))
            }
        });
    }
    commands
}

/// Reads until the server has taken everything; false where it has closed.
fn catch_up(client: &mut Client, mark: u64) -> bool {
    let time = json!({"command": "time", "data": {"t0": 0}, "id": mark});
    if !try_send(client, &time.to_string()) {
        return false;
    }
    while let Some(frame) = client.frame_or_end() {
        if is_close(&frame) {
            return false;
        }
        if frame.opcode == Opcode::PING {
            let pong = Frame::new(Opcode::PONG, frame.payload.clone());
            if std::io::Write::write_all(&mut client.stream, &pong.masked()).is_err() {
                return false;
            }
        }
        let is_mark = serde_json::from_slice::<Value>(&frame.payload)
            .is_ok_and(|message| message["id"] == mark);
        if is_mark {
            return true;
        }
    }
    false
}

fn try_send(client: &mut Client, text: &str) -> bool {
    std::io::Write::write_all(&mut client.stream, &Frame::text(text).masked()).is_ok()
}

/// Claims to be a user, or resumes a session, on a new connection. Returns the welcome, if
/// that is the answer. A client that makes its claim in time is not closed for being silent.
fn begin(server: &Server, claim: &Value) -> Option<(Client, Value)> {
    let begun = Instant::now();
    let mut client = server.connect();
    client.send(claim.clone());
    let was_in_time = begun.elapsed() < IN_TIME;
    let welcome = await_welcome(&mut client, was_in_time)?;
    Some((client, welcome))
}

fn await_welcome(client: &mut Client, was_in_time: bool) -> Option<Value> {
    while let Some(frame) = client.frame_or_end() {
        if frame.opcode == Opcode::TEXT {
            let message: Value = serde_json::from_slice(&frame.payload).ok()?;
            return (message["command"] == "welcome").then_some(message);
        }
        let code = frame.close_code();
        assert!(code != Some(4001) || !was_in_time, "its client has claimed");
        if code.is_some() {
            return None;
        }
    }
    None
}

fn over_websocket(server: &Server, random: &mut Random, user: &str) {
    // A user may have as many sessions as it may: then it is refused, and so is one whose
    // avatar is lost meanwhile.
    let claim = json!({"command": "idme", "data": user});
    let Some((mut client, welcome)) = begin(server, &claim) else {
        return;
    };
    let session = welcome["data"]["session"].clone();
    let mut mark = 0;
    for _ in 0..=random.below(3) {
        for (command, data) in commands(random, user) {
            let message = json!({"command": command, "data": data, "id": "c"});
            if !try_send(&mut client, &message.to_string()) {
                return;
            }
        }
        // Some are cut before they have read anything.
        if random.below(4) > 0 {
            mark += 1;
            if !catch_up(&mut client, mark) {
                return;
            }
        }
        match random.below(6) {
            0 => {
                try_send(&mut client, r#"{"command":"bye"}"#);
                while client.frame_or_end().is_some_and(|frame| !is_close(&frame)) {}
                return;
            }
            1 => {
                // Reads nothing for a while: too slow, or dropped.
                std::thread::sleep(std::time::Duration::from_millis(random.below(300)));
                return;
            }
            2 => {
                let _ = std::io::Write::write_all(&mut client.stream, &random.bytes(200));
                return;
            }
            // A lost actor writes a backtrace, which takes longer than a life.
            3 if random.below(3) == 0 => {
                let (kind, id) = match random.below(3) {
                    0 => ("room", room(random)),
                    1 => ("channel", channel(random)),
                    _ => ("avatar", user.to_owned()),
                };
                let fault = json!({"f": format!("fault:{kind}"), "args": id});
                let call = json!({"command": "call", "data": fault});
                try_send(&mut client, &call.to_string());
            }
            _ => {
                drop(client);
                let resume = json!({"session": session, "received": 0});
                let resume = json!({"command": "resume", "data": resume});
                let Some((resumed, _)) = begin(server, &resume) else {
                    return;
                };
                client = resumed;
            }
        }
    }
}

/// How long the members of a room act for one that does not read: the rates of bytes let three
/// of them fill its socket and its outbox in a second or two.
const ACTING: Duration = Duration::from_secs(60);

/// A member of a room that reads nothing while three others act, until it is closed for that.
pub(crate) fn read_too_slowly(server: &Server, number: u64, is_over: impl Fn() -> bool) {
    let room = format!("slow{number}");
    let join = |user: &str| json!({"command": "joingame", "data": {"channel": room, "self": user}});
    let socket = Socket2::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16_384).unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let handshake = turntable_testkit::websocket::handshake("/ws", "");
    std::io::Write::write_all(&mut stream, handshake.as_bytes()).unwrap();
    let mut slow = Client::after_handshake(stream);
    let user = format!("8:{number}");
    slow.send(json!({"command": "idme", "data": user}));
    slow.send(join(&user));
    let mut actors = Vec::new();
    for actor in ["a", "b", "c"] {
        let user = format!("8:{number}{actor}");
        let claim = json!({"command": "idme", "data": user});
        let Some((mut client, _)) = begin(server, &claim) else {
            return;
        };
        client.send(join(&user));
        actors.push((user, client));
    }
    let data = "x".repeat(20_000);
    let (before, begun) = (server.metric(CLOSED_TOO_SLOW), Instant::now());
    let mut mark = 0;
    while server.metric(CLOSED_TOO_SLOW) <= before && begun.elapsed() < ACTING && !is_over() {
        for (user, client) in &mut actors {
            let actions = [json!({"timestamp": 0, "from": user, "data": data})];
            let act = json!({"command": "game", "data": {"channel": room, "actions": actions}});
            let text = act.to_string();
            mark += 1;
            // What is beyond the rates is refused.
            if !(0..12).all(|_| try_send(client, &text)) || !catch_up(client, mark) {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// WebSocket with version 2: everything in one write, some cut before they have read it.
fn over_messagepack(server: &Server, random: &mut Random, user: &str) {
    let headers = "Sec-WebSocket-Protocol: turntable.v2.msgpack\r\n";
    let handshake = turntable_testkit::websocket::handshake("/ws", headers);
    let mut client = Client::open_with(server.address, &handshake);
    let mut bytes = Vec::new();
    let mut push = |name: &str, data: &Value, id: Option<&Value>| {
        let message = msgpack::command(name, data, id);
        bytes.extend(Frame::new(Opcode::BINARY, message).masked());
    };
    push("idme", &json!(user), None);
    for (command, data) in commands(random, user) {
        push(command, &data, Some(&json!("c")));
    }
    push("time", &json!({"t0": 0}), Some(&json!("last")));
    if std::io::Write::write_all(&mut client.stream, &bytes).is_err() || random.below(4) == 0 {
        return;
    }
    while let Some(frame) = client.frame_or_end() {
        let is_last = || msgpack::message(&frame.payload)["id"] == "last";
        if is_close(&frame) || frame.opcode == Opcode::BINARY && is_last() {
            break;
        }
    }
}

fn over_tunnel(server: &Server, random: &mut Random, user: &str) {
    let query = format!("/tunnel?new=1&format=ndjson&user={}", http::escape(user));
    if random.below(4) == 0 {
        // Nobody reads its stream.
        drop(http::Pending::send(
            server.address,
            &http::text(server.address, "GET", &query, "", ""),
        ));
        return;
    }
    let mut tunnel = Tunnel::unidentified(server);
    tunnel.command("idme", json!(user));
    let welcome = tunnel.next();
    if welcome["data"]["command"] != "welcome" {
        return;
    }
    for (command, data) in commands(random, user) {
        tunnel.command(command, data);
    }
    if random.below(2) == 0 {
        tunnel.stream.cut();
        let resumed = format!("id={}&after={}&format=ndjson", tunnel.id, tunnel.last);
        let text = http::text(server.address, "GET", &format!("/tunnel?{resumed}"), "", "");
        drop(http::Pending::send(server.address, &text));
    }
}

fn over_poll(server: &Server, random: &mut Random, user: &str) {
    let idme = json!([poll::call("$av:idme", json!(user), 1)]).to_string();
    let begun = poll::post(server, "/poll", "", &idme);
    let Some(session) = begun.header("Turntable-Session") else {
        return;
    };
    let headers = format!("Turntable-Session: {session}\r\n");
    for batch in 1..=random.below(4) {
        let calls: Vec<Value> = commands(random, user)
            .into_iter()
            .zip(1..)
            .map(|((command, data), id)| poll::call(&format!("$av:{command}"), data, id))
            .collect();
        let target = format!("/poll?batch={batch}");
        if random.below(4) == 0 {
            poll::post_without_reading(server, &target, &headers, &json!(calls).to_string());
        } else {
            let answer = poll::post(server, &target, &headers, &json!(calls).to_string());
            assert!(
                [200, 409, 410].contains(&answer.status),
                "{}",
                answer.text()
            );
        }
    }
}

fn over_socketio(server: &Server, random: &mut Random, user: &str) {
    let transport = ["polling", "websocket"][random.index(2)];
    let carrier = turntable_testkit::socketio::Carrier::open(server.address, transport);
    let Ok(mut socket) = Socket::try_on(carrier, "/", json!({"user": user})) else {
        return;
    };
    for (command, data) in commands(random, user) {
        if command != "publish" {
            socket.emit(command, data);
        }
    }
}

/// Those who are nobody and mean no good.
fn bad_input(server: &Server, random: &mut Random) {
    let address = server.address;
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let mut send = |bytes: &[u8]| {
        let _ = std::io::Write::write_all(&mut socket, bytes);
    };
    match random.below(6) {
        0 => send(&random.bytes(300)),
        1 => send(b"POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n[1,"),
        2 => send(
            "GET /turntable.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
                .repeat(50)
                .as_bytes(),
        ),
        3 => send(turntable_testkit::websocket::handshake("/ws", "").as_bytes()),
        4 => send(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        _ => {
            let mut flood = server.connect();
            for _ in 0..200 {
                if !try_send(&mut flood, r#"{"command":"time","data":{"t0":1}}"#) {
                    return;
                }
            }
        }
    }
}
