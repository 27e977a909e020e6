//! Guests: made up by the server, and known again by their token alone.

use serde_json::json;

use crate::entry::ENTRIES;
use crate::jwt::now_s;
use turntable_testkit::Server;

#[test]
fn guest_comes_back_with_its_token_over_every_transport() {
    let server = Server::start();
    let new = json!({"credentials": {"guest": true}});
    for (name, identify) in ENTRIES {
        let welcome = identify(server.address, &new).expect(name);
        let user = welcome["user"].as_str().unwrap();
        assert!(user.starts_with("guest:"), "{name}: {welcome}");
        let again = json!({"credentials": {"token": welcome["token"]}});
        for (other, back) in ENTRIES {
            let welcome = back(server.address, &again).expect(other);
            assert_eq!(welcome["user"], user, "{name} {other}");
            assert!(welcome["token"].is_string(), "{welcome}");
        }
        let bare = identify(server.address, &json!({"user": user})).unwrap_err();
        assert_eq!(bare["code"], "unauthorized", "{name}");
        assert_eq!(bare["details"]["reason"], "invalid", "{name}: {bare}");
    }
}

#[test]
fn token_is_not_anothers_and_is_never_logged() {
    let server = Server::start();
    let new = json!({"credentials": {"guest": true}});
    let [mallory, victim] = [0, 1].map(|_| ENTRIES[0].1(server.address, &new).unwrap());
    for (name, identify) in ENTRIES {
        let claim = json!({"user": victim["user"], "credentials": {"token": mallory["token"]}});
        assert_eq!(
            identify(server.address, &claim).unwrap_err()["code"],
            "unauthorized",
            "{name}"
        );
    }
    assert!(!server.log().contains(mallory["token"].as_str().unwrap()));
}

#[test]
fn key_file_keeps_guests_over_a_restart_and_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, byte: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, byte.repeat(40)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (file("old", "a"), file("new", "b"));
    let first = Server::with(&[("portal.guest_key_file", &old)]);
    let claim = json!({"credentials": {"guest": true}});
    let guest = ENTRIES[0].1(first.address, &claim).unwrap();
    drop(first);
    let claim = json!({"credentials": {"token": guest["token"]}});
    let rotated = |until_s: u64| {
        Server::with(&[
            ("portal.guest_key_file", &new),
            ("portal.guest_previous_key_file", &old),
            ("portal.guest_previous_until", &until_s.to_string()),
        ])
    };
    let server = rotated(now_s() + 60);
    let again = ENTRIES[0].1(server.address, &claim).unwrap();
    assert_eq!(again["user"], guest["user"]);
    drop(server);
    // The end of the key before: its tokens are of no use, those of the new one are.
    let server = rotated(now_s());
    for (name, identify) in ENTRIES {
        let error = identify(server.address, &claim).unwrap_err();
        assert_eq!(error["details"]["reason"], "invalid", "{name}");
        let claim = json!({"credentials": {"token": again["token"]}});
        assert_eq!(
            identify(server.address, &claim).expect(name)["user"],
            guest["user"]
        );
    }
    let other = Server::start();
    let error = ENTRIES[0].1(other.address, &claim).unwrap_err();
    assert_eq!(error["details"]["reason"], "invalid");
    let _log = other.await_log("neither portal.guest_key_file nor store.path is set");
}

#[test]
fn store_keeps_guests_over_a_restart_without_a_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.db");
    let keys = [("store.path", path.to_str().unwrap())];
    let first = Server::with(&keys);
    let _log = first.await_log("made the key of guests");
    let claim = json!({"credentials": {"guest": true}});
    let guest = ENTRIES[0].1(first.address, &claim).unwrap();
    drop(first);
    let second = Server::with(&keys);
    let claim = json!({"credentials": {"token": guest["token"]}});
    let again = ENTRIES[0].1(second.address, &claim).unwrap();
    assert_eq!(again["user"], guest["user"]);
    let key = std::fs::read_to_string(folder.path().join("users.db.guest-key")).unwrap();
    assert!(!second.log().contains(key.trim()));
}
