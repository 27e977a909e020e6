//! Clients that never say who they are, and others behind their address.

use turntable_testkit::http_connection::HttpConnection;
use turntable_testkit::metric::{CLOSED_NOT_IDENTIFIED, CONNECTIONS, limits_reached};
use turntable_testkit::poll::PollClient;
use turntable_testkit::tunnel::Tunnel;
use turntable_testkit::{Client, Server, poll};

const LIMIT: &str = "session.unidentified_per_address_max";

#[test]
fn unidentified_polls_of_one_connection_do_not_lock_its_address_out() {
    let server = Server::with(&[("session.unidentified_per_socket_max", "5")]);
    let mut connection = HttpConnection::open(&server);
    let empty = "POST /poll HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n[]";
    for _ in 0..5 {
        connection.send(empty);
        assert_eq!(connection.answer().status, 200);
    }
    for _ in 0..100 {
        connection.send(empty);
        assert_eq!(connection.answer().error(), (429, "too_many".to_owned()));
    }
    server.user("1:1").expect_nothing_pending();
    assert_eq!(poll::post(&server, "/poll", "", "[]").status, 200);
}

#[test]
fn silent_connections_of_an_address_make_room_for_those_that_identify() {
    let server = Server::with(&[(LIMIT, "4"), ("session.identify_timeout_ms", "600000")]);
    let known = server.user("1:1");
    let mut silent: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    // The address is full before each of them, which say at once who they are.
    for number in 0..5 {
        silent.push(server.connect());
        server.user(&format!("2:{number}")).expect_nothing_pending();
        silent.push(server.connect());
        PollClient::user(&server, &format!("3:{number}")).heartbeat();
        silent.push(server.connect());
        drop(Tunnel::user(&server, &format!("4:{number}")));
    }
    let last = silent.split_off(15);
    for mut oldest in silent {
        oldest.expect_close(4001);
    }
    for (number, mut newest) in last.into_iter().enumerate() {
        newest.identify(&format!("5:{number}"));
    }
    assert_eq!(server.metric(&limits_reached(LIMIT)), 15.0);
    assert_eq!(server.metric(CLOSED_NOT_IDENTIFIED), 15.0);
    drop(known);
}

#[test]
fn polls_and_sessions_of_socketio_make_room_too() {
    let server = Server::with(&[(LIMIT, "2"), ("session.identify_timeout_ms", "600000")]);
    let opened = poll::post(&server, "/poll", "", "[]");
    let session = opened.header("Turntable-Session").unwrap().to_owned();
    let engine = server.get("/socket.io/?EIO=4&transport=polling");
    assert_eq!(engine.status, 200);
    let _silent = [(); 2].map(|()| server.connect());
    server.await_metric(CLOSED_NOT_IDENTIFIED, 2.0);
    let header = format!("Turntable-Session: {session}\r\n");
    assert_eq!(poll::post(&server, "/poll", &header, "[]").error().0, 410);
    server.await_metric(CONNECTIONS, 2.0);
}

#[test]
fn unidentified_connections_of_an_address_are_gone_soon() {
    let server = Server::with(&[("session.identify_timeout_ms", "400")]);
    let known = server.user("1:1");
    let waiting: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    assert_eq!(poll::post(&server, "/poll", "", "[]").status, 200);
    drop(waiting);
    // The poll is gone as soon as another connection would be.
    server.await_metric(CONNECTIONS, 1.0);
    drop(known);
}
