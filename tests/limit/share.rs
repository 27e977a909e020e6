//! Of the last quarter of what may exist in all an address has no more than is left then: the
//! clients of few addresses do not take all.

use std::io::{Read, Write};

use serde_json::{Value, json};

use turntable_testkit::metric::{HTTP_CONNECTIONS, INVITES, SERVICES, limit_reached};
use turntable_testkit::room::join_with;
use turntable_testkit::session::Session;
use turntable_testkit::websocket::{connect_from, handshake};
use turntable_testkit::{Client, Server};

/// A user at another address of this machine.
pub(crate) fn user_from(server: &Server, last: u8, user: &str) -> Client {
    let mut client = Client::greeted_from(server.address, [127, 0, 0, last]);
    client.identify(user);
    client
}

/// A `provide` of services with these names.
fn offer(names: std::ops::Range<usize>) -> Value {
    let services = names.map(|number| (format!("s{number}"), json!(["f"])));
    json!({"services": services.collect::<serde_json::Map<_, _>>()})
}

/// A command that is refused for the share of its address.
fn refused(client: &mut Client, command: &str, data: Value, key: &str) {
    client.command(command, data);
    let error = client.expect_error("too_many");
    assert_eq!(error["data"]["command"], command);
    let message = error["data"]["message"].as_str().unwrap();
    assert!(message.contains(key), "{message}");
}

#[test]
fn few_addresses_do_not_take_all_services_of_users() {
    let key = "functions.services_max";
    let server = Server::configured("", &[(key, "20")]);
    let mut mel = server.user("1:1");
    let mut tom = user_from(&server, 8, "1:2");
    mel.request("provide", offer(0..8));
    tom.request("provide", offer(0..7));
    server.await_metric(SERVICES, 15.0);
    refused(&mut mel, "provide", offer(8..9), key);
    refused(&mut tom, "provide", offer(7..8), key);
    assert_eq!(server.metric(&limit_reached(key)), 2.0);
    // What exists may change, and is for all sessions of its user.
    mel.request("provide", json!({"services": {"s0": ["f", "g"]}}));
    let mut again = user_from(&server, 9, "1:1");
    again.request("provide", offer(0..1));
    // Another address has its share, and takes the place of what ends.
    let mut far = user_from(&server, 9, "1:3");
    far.request("provide", offer(0..2));
    server.await_metric(SERVICES, 17.0);
    refused(&mut far, "provide", offer(2..3), key);
    mel.request("provide", json!({"services": {"s1": []}}));
    server.await_metric(SERVICES, 16.0);
    user_from(&server, 10, "1:4").request("provide", offer(0..1));
}

#[test]
fn session_that_comes_back_has_its_service_within_the_share_of_its_address() {
    let key = "functions.services_max";
    let server = Server::configured("", &[(key, "8")]);
    let mut tom = Session::begin(&server, "1:2");
    tom.request("provide", offer(0..1));
    server.await_metric(SERVICES, 1.0);
    tom.cut();
    server.await_metric(SERVICES, 0.0);
    let mut mel = server.user("1:1");
    mel.request("provide", offer(0..6));
    server.await_metric(SERVICES, 6.0);
    tom.resume();
    let error = tom.expect("error");
    assert_eq!(
        (&error["code"], &error["command"]),
        (&json!("too_many"), &json!("provide"))
    );
    user_from(&server, 9, "1:3").request("provide", offer(0..1));
}

#[test]
fn few_addresses_do_not_take_all_connections() {
    let server = Server::with(&[
        ("server.connections_max", "120"),
        ("server.connections_per_address_max", "90"),
    ]);
    let open = |last: u8| connect_from(server.address, [127, 0, 0, last]);
    let _idle: Vec<_> = (0..90).map(|number| open(8 + number % 2)).collect();
    server.await_metric(HTTP_CONNECTIONS, 90.0);
    let status = |last: u8| {
        let mut socket = open(last);
        socket.write_all(handshake("/ws", "").as_bytes()).unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        let status = String::from_utf8_lossy(&status[9..]).into_owned();
        (status, socket)
    };
    assert_eq!([status(8).0, status(9).0], ["429", "429"]);
    // Those of other addresses have room, and go on.
    let mut far = user_from(&server, 10, "1:1");
    assert_eq!(status(11).0, "101");
    far.expect_nothing_pending();
}

#[test]
fn few_addresses_do_not_send_all_invites() {
    let key = "room.invites_total_max";
    let server = Server::with(&[(key, "20")]);
    let invite = |room: &str, user: &str, count: usize| {
        let invited: Vec<String> = (0..count).map(|number| format!("2:{number}")).collect();
        json!({"channel": room, "self": user, "invite": invited})
    };
    let mut mel = server.user("1:1");
    let mut tom = user_from(&server, 8, "1:2");
    join_with(&mut mel, invite("a", "1:1", 8));
    join_with(&mut tom, invite("b", "1:2", 7));
    server.await_metric(INVITES, 15.0);
    refused(&mut mel, "joingame", invite("c", "1:1", 1), key);
    refused(&mut tom, "joingame", invite("c", "1:2", 1), key);
    let mut far = user_from(&server, 9, "1:3");
    join_with(&mut far, invite("c", "1:3", 2));
    server.await_metric(INVITES, 17.0);
    // Without invites the join passes.
    join_with(&mut mel, json!({"channel": "d", "self": "1:1"}));
}
