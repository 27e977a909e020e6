//! A game's own files, beside the client library.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use turntable_testkit::{Server, http};

/// A folder with a game in `game/`, and the name of that.
fn game() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let game = folder.path().join("game");
    let write = |name: &str, text: &str| {
        let file = game.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    write("index.html", "<!doctype html><title>mine</title>");
    write("game.js", "import './turntable.js'; // caf\u{e9}");
    write("levels/index.html", "levels");
    write("turntable.js", "not the library");
    write(".secret", "hidden");
    write("../outside.txt", "outside");
    let name = game.to_str().unwrap().to_owned();
    (folder, name)
}

#[test]
fn files_of_the_folder_come_before_the_demos_and_behind_the_library() {
    let (_folder, name) = game();
    let server = Server::with(&[("server.static_dir", &name)]);
    let get = |path: &str| server.get(path);
    let front = get("/");
    assert_eq!(front.status, 200);
    assert!(front.text().contains("<title>mine</title>"));
    assert_eq!(front.header("cache-control"), Some("no-cache"));
    assert_eq!(front.header("x-content-type-options"), Some("nosniff"));
    // The rules for scripts of the demos are not those of a game.
    assert_eq!(front.header("content-security-policy"), None);
    let script = get("/game.js");
    assert!(script.text().ends_with("caf\u{e9}"));
    assert_eq!(script.header("content-type"), Some("text/javascript"));
    let tag = script.header("etag").unwrap();
    let headers = format!("If-None-Match: {tag}\r\n");
    let known = http::send(server.address, "GET", "/game.js", &headers, "");
    assert_eq!(known.status, 304);
    assert_eq!(get("/levels").status, 307);
    assert_eq!(get("/levels/").text(), "levels");
    // The library stays, and the demos are where they were.
    assert!(get("/turntable.js").text().contains("export"));
    assert_eq!(get("/turntable/client.js").status, 200);
    assert!(get("/four/").text().contains("<html"));
    assert_eq!(get("/poll").status, 405);
    let written = http::send(server.address, "POST", "/levels/", "", "");
    assert_eq!(written.error(), (404, "not_found".to_owned()));
    // What is hidden, outside or nowhere.
    for path in [
        "/.secret",
        "/.git/config",
        "/%2esecret",
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/game.js%00",
        "/none",
    ] {
        let answer = get(path);
        assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
        assert!(!answer.text().contains("outside"), "{path}");
    }
}

#[test]
fn links_do_not_lead_out_of_the_folder() {
    use std::os::unix::fs::symlink;

    let (folder, name) = game();
    let game = folder.path().join("game");
    symlink(folder.path().join("outside.txt"), game.join("link.txt")).unwrap();
    symlink(folder.path(), game.join("up")).unwrap();
    std::fs::create_dir(game.join("front")).unwrap();
    let front = game.join("front/index.html");
    symlink(folder.path().join("outside.txt"), front).unwrap();
    symlink("game.js", game.join("newest.js")).unwrap();
    // The folder itself may be one.
    let current = folder.path().join("current");
    symlink(&name, &current).unwrap();
    let server = Server::with(&[("server.static_dir", current.to_str().unwrap())]);
    for path in ["/link.txt", "/up/outside.txt", "/front/"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("outside"), "{path}");
    }
    assert!(server.get("/newest.js").text().ends_with("caf\u{e9}"));
}

#[test]
fn pipe_in_the_folder_is_no_file_and_stops_no_worker() {
    let (folder, name) = game();
    let pipe = folder.path().join("game/pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let keys = [("server.static_dir", &*name), ("server.workers", "1")];
    let server = Server::with(&keys);
    for _ in 0..3 {
        assert_eq!(server.get("/pipe").error(), (404, "not_found".to_owned()));
        assert_eq!(server.get("/levels/").text(), "levels");
    }
}

#[test]
fn option_of_the_command_line_names_the_folder() {
    let (_folder, name) = game();
    let mut child = Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(["serve", "--static", &name])
        .env("TURNTABLE_SERVER__LISTEN", "127.0.0.1:0")
        .env("TURNTABLE_MANAGEMENT__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap().parse().unwrap();
    let front = http::get(address, "/");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(front.text().contains("<title>mine</title>"));
}

#[test]
fn folder_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_turntable"))
        .args(["serve", "--static", "/no/such/folder"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(
        errors.contains("server.static_dir") && errors.contains("there is no such folder"),
        "{errors}"
    );
}
