//! What the test suites of the Socket.IO protocol expect of a server: namespaces
//! that echo, with `socketio.conformance`.

use turntable_testkit::engineio::websocket;
use turntable_testkit::{Client, Frame, Opcode, Server};

/// With the heartbeat that the suites expect.
fn server() -> Server {
    Server::with(&[
        ("socketio.conformance", "true"),
        ("socketio.ping_interval_ms", "300"),
        ("socketio.ping_timeout_ms", "200"),
        ("socketio.connect_timeout_ms", "1000"),
    ])
}

/// A client of the main namespace.
fn connected(server: &Server) -> Client {
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text("40");
    assert!(client.text().starts_with(r#"40{"sid":""#));
    assert_eq!(client.text(), r#"42["auth",{}]"#);
    client
}

#[test]
fn conformance_mode_behaves_as_test_suites_expect() {
    let server = Server::with(&[("socketio.conformance", "true")]);
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text(r#"40{"token":"123"}"#);
    assert!(client.text().starts_with(r#"40{"sid":""#));
    assert_eq!(client.text(), r#"42["auth",{"token":"123"}]"#);
    client.send_text("40/custom,");
    assert!(client.text().starts_with(r#"40/custom,{"sid":""#));
    assert_eq!(client.text(), r#"42/custom,["auth",{}]"#);
    client.send_text("40/random");
    assert_eq!(
        client.text(),
        r#"44/random,{"message":"Invalid namespace"}"#
    );
    for (up, down) in [
        (
            r#"42["message",1,"2",{"3":[true]}]"#,
            r#"42["message-back",1,"2",{"3":[true]}]"#,
        ),
        (
            r#"42456["message-with-ack",1,"2",{"3":[false]}]"#,
            r#"43456[1,"2",{"3":[false]}]"#,
        ),
        (r#"42/custom,["message"]"#, r#"42/custom,["message-back"]"#),
        (r#"42["emit-with-ack",[1]]"#, r#"420["emit-with-ack",[1]]"#),
        (r#"430[[2],3]"#, r#"42["emit-with-ack",[2],3]"#),
    ] {
        client.send_text(up);
        assert_eq!(client.text(), down);
    }
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    for (up, down) in [
        (r#"452-["message","#, r#"452-["message-back","#),
        (r#"452-789["message-with-ack","#, "462-789["),
    ] {
        client.send_text(&format!("{up}{placeholders}"));
        client.send_frame(&Frame::new(Opcode::BINARY, [1, 2, 3]));
        client.send_frame(&Frame::new(Opcode::BINARY, [4, 5, 6]));
        assert_eq!(client.text(), format!("{down}{placeholders}"));
        assert_eq!(client.frame().payload, [1, 2, 3]);
        assert_eq!(client.frame().payload, [4, 5, 6]);
    }
    client.send_text("41/custom");
    client.send_text(r#"42["message","message to main namespace"]"#);
    assert_eq!(
        client.text(),
        r#"42["message-back","message to main namespace"]"#
    );
    client.send_text("4abc");
    assert_eq!(client.close_code(), 1002);
}

#[test]
fn connection_lives_on_without_its_main_namespace() {
    let server = server();
    let mut client = connected(&server);
    client.send_text("41");
    // The next packet is a ping, and no close.
    assert_eq!(client.text(), "2");
    client.send_text("3");
    client.send_text("40");
    loop {
        let packet = client.text();
        if packet != "2" {
            assert!(packet.starts_with(r#"40{"sid":""#), "{packet}");
            break;
        }
        client.send_text("3");
    }
}

#[test]
fn malformed_packets_close_the_connection() {
    let server = server();
    for wrong in [
        "4abc",
        "42{}",
        r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#,
    ] {
        let mut client = connected(&server);
        client.send_text(wrong);
        assert_eq!(client.close_code(), 1002, "{wrong}");
    }
    let (mut client, _) = websocket(server.address, "/socket.io/");
    client.send_text("4abc");
    assert_eq!(client.close_code(), 1002, "before CONNECT");
}

#[test]
fn connection_without_a_namespace_is_closed() {
    let server = server();
    let (mut client, _) = websocket(server.address, "/socket.io/");
    loop {
        let frame = client.frame();
        if frame.opcode == Opcode::CLOSE {
            break;
        }
        if frame.payload == b"2" {
            client.send_text("3");
        }
    }
}
