//! Replays the committed corpus of the fuzz targets, through the same checks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

#[path = "../fuzz/checks/frame.rs"]
mod frame;
#[path = "../fuzz/checks/json_v1.rs"]
mod json_v1;
#[path = "../fuzz/checks/msgpack_v2.rs"]
mod msgpack_v2;

fn replay(target: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let path = entry.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        // Shown when the test fails: the last one is the file at fault.
        eprintln!("{}", path.display());
        check(&data);
        count += 1;
    }
    assert!(count >= 20, "only {count} files in {}", corpus.display());
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
fn msgpack_v2() {
    replay("msgpack_v2", msgpack_v2::check);
}
