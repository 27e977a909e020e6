//! What watchers, members of rooms and of channels get without a publication is paid for by the
//! address that causes it, too.

use std::time::Duration;

use serde_json::{Value, json};

use turntable_testkit::metric::limits_reached;
use turntable_testkit::session::{Session, resume};
use turntable_testkit::{Client, Server};

const KEY: &str = "limits.address_deliveries";
const LIMIT: (&str, &str) = (KEY, "{ per_second = 10, burst = 100 }");
const WATCHERS: usize = 20;

/// A client at another address.
fn from(server: &Server, last: u8, user: &str) -> Client {
    let mut client = Client::greeted_from(server.address, [127, 0, 0, last]);
    client.identify(user);
    client
}

/// Clients of another address that watch two users.
fn watchers(server: &Server) -> Vec<Client> {
    let watch = |number| {
        let mut client = from(server, 9, &format!("1:{number}"));
        client.subscribe(&["2:1", "2:2"]);
        client
    };
    (0..WATCHERS).map(watch).collect()
}

/// Sends what `command` makes of each number, until one is refused; how many were not, and the
/// details of the refusal.
fn accepted(
    client: &mut Client,
    command: impl Fn(usize) -> (&'static str, Value),
) -> (usize, Value) {
    for number in 0..50 {
        let (name, data) = command(number);
        client.send(json!({"command": name, "data": data, "id": number}));
        let answer = loop {
            let message = client.next();
            if message["id"] == number {
                break message;
            }
        };
        if answer["command"] == "error" {
            assert_eq!(answer["data"]["code"], "rate_limited", "{answer}");
            assert_eq!(answer["data"]["command"], name, "{answer}");
            return (number, answer["data"]["details"].clone());
        }
    }
    panic!("all were accepted");
}

fn status(number: usize) -> (&'static str, Value) {
    ("status", json!(["busy", "idle"][number % 2]))
}

/// Waits until an error says that the next command is accepted.
fn wait(client: &mut Client, details: &Value) {
    let retry_ms = details["retry_ms"].as_u64().unwrap();
    client.expect_none_for(Duration::from_millis(retry_ms + 1));
}

#[test]
fn changes_of_presence_are_paid_for_by_the_address() {
    let server = Server::with(&[LIMIT]);
    let mut user = server.user("2:1");
    let mut watchers = watchers(&server);
    let (changes, details) = accepted(&mut user, status);
    assert!((5..=6).contains(&changes), "{changes}");
    assert!(server.metric(&limits_reached(KEY)) >= 1.0);
    // Clients of other addresses change theirs.
    let mut other = from(&server, 2, "2:2");
    other.request("status", json!("busy"));
    wait(&mut user, &details);
    user.request("status", json!("online"));
    for watcher in &mut watchers {
        // The last one is not lost.
        while watcher.expect("userchange")["2:1"] != "online" {}
    }
}

#[test]
fn public_attributes_are_paid_for_by_the_address_and_own_ones_are_not() {
    let server = Server::with(&[LIMIT]);
    let mut user = server.user("2:1");
    let _watchers = watchers(&server);
    for number in 0..20 {
        user.request("set", json!({"secret": number}));
    }
    let (changes, _) = accepted(&mut user, |number| ("set", json!({"note": number})));
    assert!((5..=6).contains(&changes), "{changes}");
}

#[test]
fn user_that_comes_and_goes_is_refused_when_its_address_has_no_more_deliveries() {
    let server = Server::with(&[LIMIT, ("presence.grace_ms", "0")]);
    let _watchers = watchers(&server);
    // Coming and going are forty.
    server.user("2:1").bye();
    server.user("2:1").bye();
    let mut third = server.connect();
    third.command("idme", json!({"user": "2:1"}));
    let error = third.expect_error("rate_limited")["data"].clone();
    assert_eq!(error["command"], "idme", "{error}");
    from(&server, 2, "2:1").bye();
    // A user that nobody watches is there.
    server.user("2:3").bye();
    wait(&mut third, &error["details"]);
    third.identify("2:1");
}

/// Drops and resumes a session until that is refused; `is_seen` waits until others know of each
/// drop. Returns the connection of the refusal, and its error.
fn dropped_until_refused(
    server: &Server,
    session: &mut Session<'_>,
    mut is_seen: impl FnMut(),
) -> (Client, Value) {
    for _ in 0..20 {
        session.cut();
        is_seen();
        let (client, mut answer) = resume(server, &session.secret, session.received);
        if answer["command"] == "error" {
            return (client, answer["data"].take());
        }
        session.client = client;
    }
    panic!("no resume was refused");
}

#[test]
fn session_that_was_offline_returns_when_its_address_has_deliveries() {
    let server = Server::with(&[LIMIT, ("presence.grace_ms", "0")]);
    let mut watchers = watchers(&server);
    let mut session = Session::begin(&server, "2:1");
    let (mut client, error) = dropped_until_refused(&server, &mut session, || {
        while watchers[0].expect("userchange")["2:1"] != "offline" {}
    });
    assert_eq!(error["code"], "rate_limited", "{error}");
    wait(&mut client, &error["details"]);
    client.command(
        "resume",
        json!({"session": session.secret, "received": session.received}),
    );
    assert_eq!(client.next()["data"]["resumed"], true);
}

/// Members of other addresses in a room.
fn members(server: &Server) -> Vec<Client> {
    let join = |n: u8| {
        let user = format!("3:{n}");
        let mut member = from(server, 10 + n, &user);
        member.send(json!({"command": "joingame", "data": {"channel": "r/1", "self": user}}));
        member.await_command("joined");
        member
    };
    (0..10).map(join).collect()
}

#[test]
fn member_that_drops_again_and_again_waits_while_its_address_owes_deliveries() {
    let server = Server::with(&[LIMIT]);
    let mut members = members(&server);
    let mut session = Session::begin(&server, "2:1");
    let join = json!({"channel": "r/1", "self": "2:1"});
    session
        .client
        .send(json!({"command": "joingame", "data": join}));
    session.expect("joined");
    let (mut client, error) = dropped_until_refused(&server, &mut session, || {
        while members[0].expect("memberchange")["members"] != json!({"2:1": "away"}) {}
    });
    assert_eq!(error["code"], "rate_limited", "{error}");
    assert_eq!(error["command"], "resume", "{error}");
    // It has its seat, and it comes back when it has waited.
    wait(&mut client, &error["details"]);
    let from = json!({"session": session.secret, "received": session.received});
    client.command("resume", from);
    assert_eq!(client.next()["data"]["resumed"], true);
}

#[test]
fn joins_of_rooms_are_paid_for_with_their_leaves() {
    let server = Server::with(&[LIMIT]);
    let _members = members(&server);
    let mut user = server.user("2:1");
    let join = json!({"channel": "r/1", "self": "2:1"});
    let leave = json!({"channel": "r/1"});
    let (commands, _) = accepted(&mut user, |number| match number % 2 {
        0 => ("joingame", join.clone()),
        _ => ("leavegame", leave.clone()),
    });
    assert!((10..=12).contains(&commands), "{commands}");
}

#[test]
fn joins_of_channels_that_show_members_are_paid_for_with_their_leaves() {
    let server = Server::configured("[channels.\"c/**\"]\nmembers = true\n", &[LIMIT]);
    let listeners = (0..10).map(|number| {
        let mut listener = from(&server, 9, &format!("3:{number}"));
        listener.command("joinchannel", json!({"channel": "c"}));
        listener.await_command("joined");
        listener
    });
    let _listeners: Vec<_> = listeners.collect();
    let mut user = server.user("2:1");
    // Of others the listeners get nothing.
    for number in 0..20 {
        let other = json!({"channel": format!("d/{number}")});
        user.request("joinchannel", other.clone());
        user.request("leavechannel", other);
    }
    let (commands, _) = accepted(&mut user, |number| match number % 2 {
        0 => ("joinchannel", json!({"channel": "c"})),
        _ => ("leavechannel", json!({"channel": "c"})),
    });
    assert!((10..=12).contains(&commands), "{commands}");
}
