//! The webhook `room.result`: what members of a room claim reaches the backend.

use serde_json::{Value, json};

use crate::receiver::Backend;
use crate::webhook::{SECRET, event};
use turntable_testkit::metric::limits_reached;
use turntable_testkit::peer::{Peer, Way};
use turntable_testkit::room::{act, action, actions, join_with, members, send_actions, unix_ms};
use turntable_testkit::websocket::{Client, handshake};
use turntable_testkit::{Frame, Opcode, Server, msgpack};

const GAMES: &str = "[games.chess]\nreport_result = true\nteams = [\"white\", \"black\"]\n\
                     [games.draughts]\n";

fn server(backend: &Backend, games: &str, keys: &[(&str, &str)]) -> Server {
    let mut all = vec![
        ("webhooks.url", backend.url()),
        ("webhooks.secret", SECRET),
        ("webhooks.events", r#"["room.result", "room.ended"]"#),
        ("room.empty_ms", "0"),
    ];
    all.extend_from_slice(keys);
    Server::configured(games, &all)
}

fn backend() -> Backend {
    Backend::start(|_| Some((204, String::new())))
}

/// The data of the next event, which must be a result.
fn next_result(backend: &Backend) -> Value {
    let mut event = event(&backend.next());
    assert_eq!(event["type"], "room.result", "{event}");
    event["data"].take()
}

/// A message with this action of a member of the room `r`.
fn game(user: &str, data: &Value) -> Value {
    json!({"channel": "r", "actions": [action(user, unix_ms(), data.clone())]})
}

/// A member of the room `r` that speaks MessagePack.
struct Packed(Client);

impl Packed {
    fn join(server: &Server, user: &str) -> Self {
        let text = handshake("/ws", "Sec-WebSocket-Protocol: turntable.v2.msgpack\r\n");
        let mut packed = Self(Client::open_with(server.address, &text));
        packed.send("idme", &json!(user));
        packed.send("joingame", &json!({"channel": "r", "self": user}));
        packed.await_command("joined");
        packed
    }

    fn send(&mut self, name: &str, data: &Value) {
        let payload = msgpack::command(name, data, None);
        self.0.send_frame(&Frame::new(Opcode::BINARY, payload));
    }

    fn await_command(&mut self, command: &str) -> Value {
        loop {
            let frame = self.0.frame();
            if frame.opcode == Opcode::PING {
                self.0.send_frame(&Frame::new(Opcode::PONG, frame.payload));
                continue;
            }
            let mut message = msgpack::message(&frame.payload);
            if message["command"] == command {
                return message["data"].take();
            }
        }
    }
}

#[test]
fn results_of_members_reach_the_backend_over_every_transport() {
    let backend = backend();
    let server = server(&backend, GAMES, &[]);
    let mut peers: Vec<Peer> = Vec::new();
    for (index, way) in Way::ALL.into_iter().enumerate() {
        let user = format!("1:{index}");
        let mut peer = Peer::user(way, server.address, &user);
        let join = json!({"channel": "r", "self": user, "game": "chess"});
        peer.send(&json!({"command": "joingame", "data": join}));
        peer.flush();
        peer.await_command("joined");
        peers.push(peer);
    }
    let mut packed = Packed::join(&server, "1:3");
    let everyone = json!({
        "1:0": {"team": "white", "state": "joined"},
        "1:1": {"team": "black", "state": "joined"},
        "1:2": {"team": "white", "state": "joined"},
        "1:3": {"team": "black", "state": "joined"},
    });
    for index in 0..4 {
        let user = format!("1:{index}");
        let result = json!({"winner": "1:0", "moves": [index, 1.5, -7], "é": null});
        let data = json!({"move": "e4", "result": result});
        let seen = match peers.get_mut(index) {
            Some(peer) => {
                peer.send(&json!({"command": "game", "data": game(&user, &data)}));
                peer.flush();
                peer.await_command("game")
            }
            None => {
                packed.send("game", &game(&user, &data));
                packed.await_command("game")
            }
        };
        // Every member got the actions before: this one's is the last.
        let mut seen = seen["actions"][0].clone();
        while seen["from"] != user.as_str() {
            let next = match peers.get_mut(index) {
                Some(peer) => peer.await_command("game"),
                None => packed.await_command("game"),
            };
            seen = next["actions"][0].clone();
        }
        assert_eq!(seen["data"], data);
        let expected = json!({
            "channel": "r",
            "game": "chess",
            "by": user,
            "members": everyone,
            "result": result,
            "timestamp": seen["timestamp"],
        });
        assert_eq!(next_result(&backend), expected);
    }
    backend.expect_none();
}

#[test]
fn only_results_of_games_that_report_them_are_sent() {
    let backend = backend();
    let server = server(&backend, GAMES, &[]);
    let won = || json!({"result": "won"});
    for (room, game) in [("a", "draughts"), ("b", "other")] {
        let [mut mel] = members(&server, room, game, ["1:1"]);
        act(&mut mel, room, "1:1", won());
        actions(&mut mel);
    }
    let [mut mel] = members(&server, "r", "chess", ["1:1"]);
    for data in [json!({"result": null}), json!(["result"]), json!("result")] {
        act(&mut mel, "r", "1:1", data);
        actions(&mut mel);
    }
    act(&mut mel, "r", "1:1", won());
    actions(&mut mel);
    mel.request("leavegame", json!({"channel": "r"}));
    // What has no result is no event; the end of the room comes behind its results.
    let data = next_result(&backend);
    assert_eq!(
        (&data["channel"], &data["result"]),
        (&json!("r"), &json!("won"))
    );
    let ended = event(&backend.next());
    assert_eq!(
        (&ended["type"], &ended["data"]["channel"]),
        (&json!("room.ended"), &json!("r"))
    );
}

#[test]
fn results_over_the_limits_are_refused_and_members_have_one_of_their_own() {
    let backend = backend();
    let keys = [
        ("room.results", "{ per_second = 1, burst = 2 }"),
        ("room.result_bytes_max", "20"),
    ];
    let server = server(&backend, GAMES, &keys);
    let [mut mel, mut ann] = members(&server, "r", "chess", ["1:1", "1:2"]);
    let claim = |user: &str, result: &str| action(user, unix_ms(), json!({"result": result}));
    let long = "x".repeat(19);
    send_actions(&mut mel, "r", &[claim("1:1", "a"), claim("1:1", &long)]);
    let error = mel.expect_error("too_large")["data"].take();
    assert_eq!(error["details"], json!({"index": 1, "max": 20}));
    send_actions(&mut mel, "r", &[claim("1:1", "a"), claim("1:1", "b")]);
    assert_eq!(actions(&mut mel).len(), 2);
    actions(&mut ann);
    let moved = action("1:1", unix_ms(), json!(1));
    send_actions(&mut mel, "r", &[moved, claim("1:1", "c")]);
    let error = mel.expect_error("rate_limited")["data"].take();
    assert_eq!(error["details"]["index"], 1);
    assert!(
        error["details"]["retry_ms"].as_u64().unwrap() <= 1_000,
        "{error}"
    );
    // Another member may still report, and does not see what was refused.
    send_actions(&mut ann, "r", &[claim("1:2", "d")]);
    assert_eq!(actions(&mut ann)[0]["data"], json!({"result": "d"}));
    let results: Vec<Value> = (0..3).map(|_| next_result(&backend)).collect();
    let results = results
        .iter()
        .map(|data| json!([data["by"], data["result"]]));
    assert_eq!(
        results.collect::<Value>(),
        json!([["1:1", "a"], ["1:1", "b"], ["1:2", "d"]])
    );
    backend.expect_none();
    assert_eq!(server.metric(&limits_reached("room.results")), 1.0);
    assert_eq!(server.metric(&limits_reached("room.result_bytes_max")), 1.0);
}

#[test]
fn schema_of_the_game_checks_results() {
    let backend = backend();
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("chess.json");
    let text = json!({"properties": {"result": {"required": ["winner"]}}});
    std::fs::write(&schema, text.to_string()).unwrap();
    let games = format!("[games.chess]\nreport_result = true\nschema = {schema:?}\n");
    let server = server(&backend, &games, &[]);
    let mut mel = server.user("1:1");
    join_with(
        &mut mel,
        json!({"channel": "r", "self": "1:1", "game": "chess"}),
    );
    act(&mut mel, "r", "1:1", json!({"result": {"loser": "1:2"}}));
    mel.expect_error("invalid_action");
    act(&mut mel, "r", "1:1", json!({"result": {"winner": "1:1"}}));
    assert_eq!(next_result(&backend)["result"], json!({"winner": "1:1"}));
    backend.expect_none();
}
