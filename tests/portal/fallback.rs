//! Portals without `anonymous`, where WebSockets are blocked: clients identify over
//! the other transports as they would over a WebSocket.

use std::path::Path;

use serde_json::json;

use crate::entry::FALLBACKS;
use crate::management::rpc;
use turntable_testkit::Server;
use turntable_testkit::metric::{CLOSED_NOT_IDENTIFIED, CONNECTIONS, limits_reached};
use turntable_testkit::package::{has_npm_package, run_script};
use turntable_testkit::stream::Stream;
use turntable_testkit::tunnel::Tunnel;

const CHECKERS: (&str, &str) = ("portal.checkers", r#"["session", "guest"]"#);

/// A server that accepts nobody without credentials, and has a user with some.
fn server(keys: &[(&str, &str)]) -> Server {
    let server = Server::with(&[keys, &[CHECKERS]].concat());
    let entry = json!({"userId": "1:7", "sessionId": "right"});
    assert_eq!(rpc(&server, "auth/set", entry).status, 200);
    server
}

#[test]
fn portal_without_anonymous_identifies_over_every_fallback() {
    let server = server(&[]);
    for (name, identify) in FALLBACKS {
        let right = json!({"credentials": {"sessionId": "right"}});
        assert_eq!(
            identify(server.address, &right).expect(name)["user"],
            "1:7",
            "{name}"
        );
        let guest = identify(server.address, &json!({"credentials": {"guest": true}})).expect(name);
        assert!(
            guest["user"].as_str().unwrap().starts_with("guest:"),
            "{name}"
        );
        let bare = identify(
            server.address,
            &json!({"user": format!("1:{}", name.len())}),
        )
        .unwrap_err();
        assert_eq!(bare["code"], "unauthorized", "{name}: {bare}");
    }
}

#[test]
fn client_library_falls_back_without_anonymous() {
    if !has_npm_package("ws") {
        return;
    }
    let server = server(&[]);
    let url = format!("http://{}", server.address);
    run_script(Path::new("node"), "tests/portal/fallback.mjs", &[&url]);
}

#[test]
fn unidentified_tunnels_end_in_time() {
    let server = server(&[("session.identify_timeout_ms", "400")]);
    let mut tunnel = Tunnel::unidentified(&server);
    tunnel.expect_footer();
    let polled = Stream::open(&server, "new=1&format=longpoll").rest();
    assert!(polled.contains("idyou"), "{polled}");
    server.await_metric(CLOSED_NOT_IDENTIFIED, 2.0);
    server.await_metric(CONNECTIONS, 0.0);
}

#[test]
fn unidentified_tunnels_of_an_address_are_limited() {
    let limit = "session.unidentified_per_address_max";
    let server = server(&[(limit, "4"), ("session.identify_timeout_ms", "600000")]);
    let mut tunnels: Vec<Tunnel<'_>> = (0..5).map(|_| Tunnel::unidentified(&server)).collect();
    tunnels[0].expect_footer();
    assert_eq!(server.metric(&limits_reached(limit)), 1.0);
    let newest = tunnels.last_mut().unwrap();
    newest.command("idme", json!({"credentials": {"sessionId": "right"}}));
    assert_eq!(newest.expect_command("welcome")["user"], "1:7");
}
