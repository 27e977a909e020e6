//! What the portal knows of users after a restart.

use std::path::Path;

use serde_json::json;

use crate::entry::ENTRIES;
use crate::management::rpc;
use turntable_testkit::Server;

/// More than files of these tests have.
const FILE_BYTES_MAX: u64 = 1 << 30;

fn server(store: &Path, more: &[(&str, &str)]) -> Server {
    let path = store.to_str().unwrap();
    let keys = [
        ("store.path", path),
        ("portal.user_failures.per_minute", "0"),
    ];
    Server::with(&[&keys, more].concat())
}

#[test]
fn sessions_of_auth_set_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut first = server(&store, &[]);
    for (user, session) in [("1:7", "secret"), ("1:8", "old"), ("1:8", "second one")] {
        let set = json!({"userId": user, "sessionId": session});
        assert_eq!(rpc(&first, "auth/set", set).json(), true);
    }
    // What is answered is durable.
    first.signal("KILL");
    first.wait();
    let second = server(&store, &[]);
    assert_eq!(second.manage("/auth/listAll").json(), json!(["1:7", "1:8"]));
    assert_eq!(second.manage("/auth/check/secret").json(), "1:7");
    assert_eq!(second.manage("/auth/check/old").json(), json!(null));
    for (name, identify) in ENTRIES {
        let claim = json!({"credentials": {"sessionId": "secret"}});
        assert_eq!(identify(second.address, &claim).expect(name)["user"], "1:7");
        // `anonymous` accepts nobody as a user that needs credentials.
        let error = identify(second.address, &json!({"user": "1:7"})).unwrap_err();
        assert_eq!(error["details"]["reason"], "invalid", "{name}");
        let wrong = json!({"user": "1:8", "credentials": {"sessionId": "old"}});
        assert!(identify(second.address, &wrong).is_err(), "{name}");
    }
    assert_eq!(second.manage("/auth/remove/1:7").json(), true);
    drop(second);
    let third = server(&store, &[]);
    assert_eq!(third.manage("/auth/listAll").json(), json!(["1:8"]));
    assert_eq!(
        ENTRIES[0].1(third.address, &json!("1:7")).unwrap()["user"],
        "1:7"
    );
    let bytes = std::fs::read(&store).unwrap();
    for secret in [&b"secret"[..], b"second one"] {
        let has = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!has, "the file has a sessionId");
    }
}

#[test]
fn token_of_a_guest_that_was_erased_is_of_no_use_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let (store, key) = (folder.path().join("store"), folder.path().join("key"));
    std::fs::write(&key, "k".repeat(40)).unwrap();
    let keys = [("portal.guest_key_file", key.to_str().unwrap())];
    let first = server(&store, &keys);
    let new = json!({"credentials": {"guest": true}});
    let [guest, other] = [0, 1].map(|_| ENTRIES[0].1(first.address, &new).unwrap());
    let with = |token| json!({"credentials": {"token": token}});
    let erase = json!({"userId": guest["user"]});
    assert_eq!(rpc(&first, "user/erase", erase).status, 200);
    let check = |server: &Server| {
        for (name, identify) in ENTRIES {
            let error = identify(server.address, &with(&guest["token"])).unwrap_err();
            assert_eq!(error["details"]["reason"], "invalid", "{name}");
            let known = identify(server.address, &with(&other["token"])).expect(name);
            assert_eq!(known["user"], other["user"], "{name}");
        }
    };
    check(&first);
    drop(first);
    check(&server(&store, &keys));
}

#[test]
fn full_disk_is_said_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let keys = [
        ("store.path", store.to_str().unwrap()),
        ("attributes.durable", r#"["n"]"#),
    ];
    let server = Server::limited_to_file_bytes(FILE_BYTES_MAX, &keys);
    let mut mel = server.user("1:1");
    mel.request("set", json!({"n": 1}));
    server.limit_file_bytes(1);
    let set = json!({"userId": "1:7", "sessionId": "secret"});
    let refused = rpc(&server, "auth/set", set);
    assert_eq!(refused.error(), (503, "unavailable".to_owned()));
    assert!(refused.text().contains("it is in force"), "{refused:?}");
    assert!(ENTRIES[0].1(server.address, &json!("1:7")).is_err());
    let refused = rpc(&server, "user/erase", json!({"userId": "1:1"}));
    assert_eq!(refused.error(), (503, "unavailable".to_owned()));
    let said = refused.text();
    assert!(
        said.contains("the sessions of the user are ended"),
        "{said}"
    );
    mel.expect_error("session_expired");
    mel.expect_close(4004);
    server.limit_file_bytes(FILE_BYTES_MAX);
    let _log = server.await_log("is open again");
    let erased = rpc(&server, "user/erase", json!({"userId": "1:1"}));
    assert_eq!((erased.status, erased.json()), (200, json!(0)));
    let set = json!({"userId": "1:7", "sessionId": "secret"});
    assert_eq!(rpc(&server, "auth/set", set).json(), true);
}
