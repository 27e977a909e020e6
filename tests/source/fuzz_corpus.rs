//! Replays the committed corpus of the fuzz targets, through the same checks.

use turntable_testkit::workspace::root;

#[path = "../../fuzz/checks/cluster_v1.rs"]
mod cluster_v1;
#[path = "../../fuzz/checks/datagram.rs"]
mod datagram;
#[path = "../../fuzz/checks/engineio.rs"]
mod engineio;
#[path = "../../fuzz/checks/frame.rs"]
mod frame;
#[path = "../../fuzz/checks/json_v1.rs"]
mod json_v1;
#[path = "../../fuzz/checks/msgpack_v2.rs"]
mod msgpack_v2;
#[path = "../../fuzz/checks/remote_call.rs"]
mod remote_call;
#[path = "../../fuzz/checks/socketio.rs"]
mod socketio;
#[path = "../../fuzz/checks/state.rs"]
mod state;
#[path = "../../fuzz/checks/tunnel_format.rs"]
mod tunnel_format;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = root().join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        // Shown when the test fails: the last one is the file that failed.
        eprintln!("{}", path.display());
        check(&data);
        count += 1;
    }
    assert!(count >= 20, "only {count} files in {}", corpus.display());
}

#[test]
fn cluster_v1() {
    replay("cluster_v1", cluster_v1::check);
}

#[test]
fn datagram() {
    replay("datagram", datagram::check);
}

#[test]
fn frame() {
    replay("frame", frame::check);
}

#[test]
fn json_v1() {
    replay("json_v1", json_v1::check);
}

#[test]
fn tunnel_format() {
    replay("tunnel_format", tunnel_format::check);
}

#[test]
fn remote_call() {
    replay("remote_call", remote_call::check);
}

#[test]
fn engineio() {
    replay("engineio", engineio::check);
}

#[test]
fn socketio() {
    replay("socketio", socketio::check);
}

#[test]
fn state() {
    replay("state", state::check);
}

#[test]
fn msgpack_v2() {
    replay("msgpack_v2", msgpack_v2::check);
}
