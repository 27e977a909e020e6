//! The configurations in `examples/config/`: each passes the check, and a server starts with it.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use turntable_testkit::Server;
use turntable_testkit::workspace::{root, turntable};

/// Each of them, and whether it has users without credentials.
const EXAMPLES: &[(&str, bool)] = &[
    ("stand-alone", false),
    ("behind-nginx", true),
    ("tls", false),
    ("production", false),
];

/// The variables of a certificate for examples that have one.
fn certificate(folder: &std::path::Path) -> Vec<(&'static str, String)> {
    let own = rcgen::generate_simple_self_signed(["game.example".to_owned()]).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = own.signing_key.serialize_pem();
    vec![
        ("server.tls.certificate", write("own.pem", own.cert.pem())),
        ("server.tls.key", write("own.key", key)),
    ]
}

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
        let folder = tempfile::tempdir().unwrap();
        let has_tls = fs::read_to_string(&path).unwrap().contains("[server.tls]");
        let certificate = match has_tls {
            true => certificate(folder.path()),
            false => Vec::new(),
        };
        let mut check = turntable();
        for (key, value) in &certificate {
            let name = key.to_uppercase().replace('.', "__");
            check.env(format!("TURNTABLE_{name}"), value);
        }
        let checked = check.arg("check").arg(&path).output().unwrap();
        assert!(checked.status.success(), "{name}: {checked:?}");
        assert_eq!(String::from_utf8(checked.stderr).unwrap(), "", "{name}");
        let store = folder.path().join("users.db");
        let mut keys = vec![("store.path", store.to_str().unwrap())];
        keys.extend(
            certificate
                .iter()
                .map(|(key, value)| (*key, value.as_str())),
        );
        let server = Server::of_file(&path, &keys);
        assert_eq!(server.manage("/health/ready").status, 200, "{name}");
        if has_tls {
            // A client without TLS; tests of TLS have others.
            let answer = server.get("/turntable.js");
            assert_eq!(answer.status, 400, "{name}");
            assert!(answer.text().contains("https://"), "{name}");
            continue;
        }
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
