//! The configurations in `examples/config/`: each passes the check, and a server starts with it.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::workspace::{root, turntable};

/// Each of them, and whether it has users without credentials.
const EXAMPLES: &[(&str, bool)] = &[("stand-alone", false), ("behind-nginx", true)];

fn file(name: &str) -> PathBuf {
    root().join("examples/config").join(name)
}

#[test]
fn every_example_passes_the_check_and_starts_a_server() {
    let all = fs::read_dir(file("")).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    let count = all.filter(|path| path.extension().is_some_and(|kind| kind == "toml"));
    assert_eq!(count.count(), EXAMPLES.len());
    for (name, is_anonymous) in EXAMPLES {
        let path = file(&format!("{name}.toml"));
        let checked = turntable().arg("check").arg(&path).output().unwrap();
        assert!(checked.status.success(), "{name}: {checked:?}");
        assert_eq!(String::from_utf8(checked.stderr).unwrap(), "", "{name}");
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("users.db");
        let server = Server::of_file(&path, &[("store.path", store.to_str().unwrap())]);
        assert_eq!(server.manage("/health/ready").status, 200, "{name}");
        let mut client = server.connect();
        match is_anonymous {
            true => client.command("idme", json!("1:1")),
            false => client.command("idme", json!({"credentials": {"guest": true}})),
        }
        client.await_command("welcome");
    }
}

#[test]
fn file_of_nginx_is_the_one_of_the_guide() {
    let guide = fs::read_to_string(root().join("docs/proxy.md")).unwrap();
    let (_, behind) = guide.split_once("```nginx\n").unwrap();
    let (documented, _) = behind.split_once("```").unwrap();
    assert_eq!(fs::read_to_string(file("nginx.conf")).unwrap(), documented);
}
